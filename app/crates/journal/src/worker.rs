//! The worker between recognition and the journal.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tokio_util::sync::CancellationToken;

use super::recorder::Recorder;
use base::failure::{Failure, Fault};
use base::sightings::Outbox;

/// Sightings written at once, when many wait.
const AT_ONCE: usize = 256;
/// How often the clock is looked at and what waits is tried again.
const TICK: Duration = Duration::from_secs(1);
/// Tries to write what still waits when the program ends.
const LAST_TRIES: u32 = 5;

/// Records what comes until `stop`, then what had come before it. The disk is only touched on threads made
/// for blocking.
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
        let mut seen = Vec::new();
        tokio::select! {
            () = stop.cancelled() => break,
            _ = ticks.tick() => {}
            // None when recognition is gone for good: what waits for the disk is still tried again.
            _ = outbox.recv_many(&mut seen, AT_ONCE), if !outbox.is_closed() || !outbox.is_empty() => {}
        }
        on_disk(&recorder, move |recorder| match seen.is_empty() {
            true => recorder.tick(),
            false => recorder.sighted_all(&seen),
        })
        .await?;
    }
    let mut rest = Vec::new();
    while let Ok(sighted) = outbox.try_recv() {
        rest.push(sighted);
    }
    let mut waiting = on_disk(&recorder, move |recorder| {
        recorder.sighted_all(&rest);
        recorder.finish();
        recorder.waiting()
    })
    .await?;
    let open = recorder.lock().unwrap_or_else(PoisonError::into_inner).open_outs();
    if open > 0 {
        log::info!("{open} open OUT rows stay on the device until their day closes");
    }
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
    let reason = Fault::new(format!("{waiting} records could not be written before the end and are lost"))
        .advise("check the disk");
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
        .map_err(Failure::restart)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::panic)]
    use std::path::Path;

    use time::macros::datetime;

    use super::*;
    use crate::config;
    use crate::{Records, open};
    use base::event::{Bus, Event};
    use base::identity::RollNumber;
    use base::moment::{Clock, ManualClock, SiteZone};
    use base::sightings::{CAPACITY, inbox};

    fn records(folder: &Path, clock: &Arc<ManualClock>, bus: &Bus) -> Records {
        let zone = SiteZone::named("UTC").unwrap();
        let rules = config::Attendance::default();
        open(folder, &rules, zone, Arc::clone(clock) as Arc<dyn Clock>, bus.clone()).unwrap()
    }

    fn clock() -> Arc<ManualClock> {
        Arc::new(ManualClock::at(datetime!(2025-01-15 09:00:00 UTC), "boot-1"))
    }

    fn roll(number: usize) -> RollNumber {
        RollNumber::parse(&number.to_string()).unwrap()
    }

    #[tokio::test]
    async fn what_was_seen_before_the_end_is_written_before_the_end() {
        let folder = tempfile::tempdir().unwrap();
        let (clock, bus) = (clock(), Bus::default());
        let records = records(folder.path(), &clock, &bus);
        let (inbox, outbox) = inbox();
        let stop = CancellationToken::new();
        for number in 0..200 {
            assert!(inbox.offer(roll(number), clock.now()));
        }
        stop.cancel();
        work(Arc::clone(&records.recorder), outbox, stop).await.unwrap();
        assert_eq!(records.ledger.open_count(), 200);
    }

    #[tokio::test]
    async fn nothing_is_lost_over_a_restart_of_the_worker() {
        let folder = tempfile::tempdir().unwrap();
        let (clock, bus) = (clock(), Bus::default());
        let records = records(folder.path(), &clock, &bus);
        let (inbox, outbox) = inbox();
        for round in 0..3 {
            let stop = CancellationToken::new();
            let worker = tokio::spawn(work(Arc::clone(&records.recorder), Arc::clone(&outbox), stop.clone()));
            inbox.offer(roll(2 * round), clock.now());
            stop.cancel();
            worker.await.unwrap().unwrap();
            inbox.offer(roll(2 * round + 1), clock.now());
        }
        let stop = CancellationToken::new();
        stop.cancel();
        work(Arc::clone(&records.recorder), outbox, stop).await.unwrap();
        assert_eq!(records.ledger.open_count(), 6);
    }

    /// A disk that hangs is one on which somebody holds the recorder for long.
    #[tokio::test]
    async fn a_disk_that_hangs_holds_up_nobody_who_sees_or_looks() {
        let folder = tempfile::tempdir().unwrap();
        let (clock, bus) = (clock(), Bus::default());
        let records = records(folder.path(), &clock, &bus);
        let (inbox, outbox) = inbox();
        let stop = CancellationToken::new();
        let (hang, hung) = std::sync::mpsc::channel::<()>();
        let recorder = Arc::clone(&records.recorder);
        let disk = std::thread::spawn(move || {
            let _held = recorder.lock().unwrap();
            let _ = hung.recv();
        });
        let worker = tokio::spawn(work(Arc::clone(&records.recorder), outbox, stop.clone()));
        tokio::time::sleep(Duration::from_millis(50)).await;
        let started = std::time::Instant::now();
        for number in 0..CAPACITY {
            assert!(inbox.offer(roll(number), clock.now()));
        }
        let refused = (0..10).filter(|_| !inbox.offer(roll(0), clock.now())).count();
        assert!(refused >= 9, "the inbox is bounded");
        assert_eq!(inbox.lost(), refused as u64);
        assert_eq!(records.ledger.summary().backlog, 0);
        assert!(started.elapsed() < Duration::from_secs(1), "nobody waited");
        drop(hang);
        disk.join().unwrap();
        stop.cancel();
        worker.await.unwrap().unwrap();
        assert!(records.ledger.open_count() >= CAPACITY);
    }

    /// A folder where even root can make nothing.
    #[tokio::test]
    async fn a_read_only_data_folder_does_not_keep_the_door_from_starting() {
        let folder = Path::new("/sys/attendance-test");
        let (clock, bus) = (clock(), Bus::default());
        let mut heard = bus.subscribe();
        let records = records(folder, &clock, &bus);
        records.with_recorder(|recorder| recorder.sighted(&roll(7), clock.now()));
        let Ok(Event::NotSaved { reason, .. }) = heard.try_recv() else { panic!("nothing was said") };
        assert!(reason.contains("cannot be written") && reason.contains("check"), "{reason}");
        assert_eq!(records.ledger.summary().storage.unwritten, 2, "the row, and before it the clock's note");
        // At the end it is said how much is lost.
        let stop = CancellationToken::new();
        stop.cancel();
        let failure = work(Arc::clone(&records.recorder), inbox().1, stop).await.unwrap_err();
        assert!(failure.reason.what.contains("could not be written"), "{}", failure.reason);
    }
}
