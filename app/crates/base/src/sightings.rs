//! The channel from recognition to attendance.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use tokio::sync::{Mutex, mpsc};

use crate::identity::RollNumber;
use crate::moment::Moment;

/// Sightings that wait while a disk is slow: one every few seconds for hours.
pub const CAPACITY: usize = 4096;

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
pub type Outbox = Arc<Mutex<mpsc::Receiver<Sighted>>>;

/// An inbox and its other end.
pub fn inbox() -> (Inbox, Outbox) {
    let (sender, receiver) = mpsc::channel(CAPACITY);
    (Inbox { sender, lost: Arc::default() }, Arc::new(Mutex::new(receiver)))
}

impl Inbox {
    /// Hands over a sighting. A full inbox means that the disk has hung for hours: the sighting is refused,
    /// counted and logged.
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
