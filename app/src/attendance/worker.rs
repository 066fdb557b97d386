//! The worker between recognition and the journal.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tokio::sync::{Mutex as AsyncMutex, mpsc};
use tokio_util::sync::CancellationToken;

use super::Recorder;
use crate::identity::RollNumber;
use crate::moment::Moment;
use crate::supervisor::Failure;

/// Sightings that wait while a disk is slow: a crowd of hours at one a few seconds.
const INBOX: usize = 4096;
/// How often the clock is looked at and what waits is tried again.
const TICK: Duration = Duration::from_secs(1);
/// Tries to write what still waits when the program ends.
const LAST_TRIES: u32 = 5;

/// A living person was recognised.
#[derive(Debug, Clone, PartialEq)]
pub struct Sighted {
    /// Who.
    pub roll: RollNumber,
    /// When.
    pub at: Moment,
}

/// Where recognition puts what it sees; never waits.
#[derive(Debug, Clone)]
pub struct Inbox {
    sender: mpsc::Sender<Sighted>,
    lost: Arc<AtomicU64>,
}

/// The other end of an [`Inbox`]. It outlives the worker, so that nothing is lost over a restart of it.
pub type Outbox = Arc<AsyncMutex<mpsc::Receiver<Sighted>>>;

/// An inbox and its other end.
pub fn inbox() -> (Inbox, Outbox) {
    let (sender, receiver) = mpsc::channel(INBOX);
    (Inbox { sender, lost: Arc::default() }, Arc::new(AsyncMutex::new(receiver)))
}

impl Inbox {
    /// Hands over a sighting. A full inbox means that the disk has hung for hours: the sighting is refused, counted and
    /// logged.
    pub fn offer(&self, roll: RollNumber, at: Moment) -> bool {
        let offered = self.sender.try_send(Sighted { roll, at });
        if let Err(error) = &offered {
            let lost = self.lost.fetch_add(1, Ordering::Relaxed) + 1;
            log::error!(
                "the journal takes nothing ({error}); {lost} recognitions are lost so far: check the disk"
            );
        }
        offered.is_ok()
    }

    /// Sightings refused so far.
    pub fn lost(&self) -> u64 {
        self.lost.load(Ordering::Relaxed)
    }
}

/// Records what comes until `stop`, then what had come before it. The disk is only touched on threads made for blocking.
///
/// # Errors
/// [`Failure`] when records could not be written before the end.
pub async fn work(
    recorder: Arc<Mutex<Recorder>>,
    outbox: Outbox,
    stop: CancellationToken,
) -> Result<(), Failure> {
    let mut outbox = outbox.lock().await;
    let mut ticks = tokio::time::interval(TICK);
    ticks.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    loop {
        let first = tokio::select! {
            () = stop.cancelled() => break,
            _ = ticks.tick() => None,
            sighted = outbox.recv() => match sighted {
                Some(sighted) => Some(sighted),
                // Recognition is gone for good; what waits for the disk still has to be written.
                None => {
                    stop.cancelled().await;
                    break;
                }
            },
        };
        on_disk(&recorder, move |recorder| match first {
            Some(sighted) => recorder.sighted(&sighted.roll, sighted.at),
            None => recorder.tick(),
        })
        .await?;
    }
    let mut rest = Vec::new();
    while let Ok(sighted) = outbox.try_recv() {
        rest.push(sighted);
    }
    let mut waiting = on_disk(&recorder, move |recorder| {
        for sighted in rest {
            recorder.sighted(&sighted.roll, sighted.at);
        }
        recorder.tick();
        recorder.waiting()
    })
    .await?;
    for _ in 0..LAST_TRIES {
        if waiting == 0 {
            return Ok(());
        }
        tokio::time::sleep(TICK).await;
        waiting = on_disk(&recorder, |recorder| {
            recorder.tick();
            recorder.waiting()
        })
        .await?;
    }
    if waiting == 0 {
        return Ok(());
    }
    let reason =
        format!("{waiting} records could not be written before the end and are lost: check the disk");
    log::error!("{reason}");
    Err(Failure::restart(reason))
}

async fn on_disk<T: Send + 'static>(
    recorder: &Arc<Mutex<Recorder>>,
    work: impl FnOnce(&mut Recorder) -> T + Send + 'static,
) -> Result<T, Failure> {
    let recorder = Arc::clone(recorder);
    tokio::task::spawn_blocking(move || work(&mut recorder.lock().unwrap_or_else(PoisonError::into_inner)))
        .await
        .map_err(|panic| {
            Failure::restart(format!("the recorder stopped by a defect in the program ({panic})"))
        })
}
