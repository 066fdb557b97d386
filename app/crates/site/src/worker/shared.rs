//! What the page and the rules see of the worker, and what they tell it.

use std::collections::BTreeSet;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use base::failure::Fault;
use base::identity::RollNumber;
use time::Date;
use tokio::sync::Notify;

use crate::school::School;

/// Whose day has changed at this door. Bounded by the roster: one mark for each student and day.
#[derive(Debug, Clone, Default)]
pub struct Changes(Arc<(Mutex<Marks>, Notify)>);

/// The students whose day has changed, with that day.
type Marks = BTreeSet<(Date, RollNumber)>;

impl Changes {
    /// Notes that a student's day has changed. Never waits for the network.
    pub fn mark(&self, day: Date, roll: RollNumber) {
        self.0.0.lock().unwrap_or_else(PoisonError::into_inner).insert((day, roll));
        self.0.1.notify_one();
    }

    pub(super) fn take(&self) -> BTreeSet<(Date, RollNumber)> {
        std::mem::take(&mut *self.0.0.lock().unwrap_or_else(PoisonError::into_inner))
    }

    pub(super) async fn marked(&self) {
        self.0.1.notified().await;
    }
}

/// What others may look at while the worker runs.
#[derive(Debug)]
pub struct Shared {
    pub(super) school: Mutex<School>,
    pub(super) link: Mutex<Option<Fault>>,
    pub(super) refused: Mutex<Option<Fault>>,
    pub(super) journal: Mutex<Option<Fault>>,
    pub(super) connected: AtomicBool,
    pub(super) sessions: AtomicU64,
    pub(super) published: AtomicU64,
    pub(super) published_bytes: AtomicU64,
    pub(super) received: AtomicU64,
    pub(super) received_bytes: AtomicU64,
    pub(super) grace: Duration,
    pub(super) began: Instant,
}

/// Numbers for the metrics.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Numbers {
    /// Whether the broker is connected.
    pub connected: bool,
    /// Connections made since the start.
    pub sessions: u64,
    /// Messages published since the start.
    pub published: u64,
    /// Their bytes, topics included.
    pub published_bytes: u64,
    /// Messages received since the start.
    pub received: u64,
    /// Their bytes, topics included.
    pub received_bytes: u64,
    /// Messages that were refused or not believed.
    pub refused: u64,
    /// Doors heard in the last three minutes, this one included.
    pub doors: usize,
}

pub(super) fn locked<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Shared {
    /// What this door knows of the school.
    pub fn school(&self) -> MutexGuard<'_, School> {
        locked(&self.school)
    }

    /// Whether this door delivers the student's OUT at the close of the day.
    pub fn delivers_departure(&self, day: Date, roll: &RollNumber, now: i64) -> bool {
        self.school().delivers_departure(day, roll, now, self.grace, self.began.elapsed())
    }

    /// What is wrong now: with the connection, with the other doors, with what came.
    pub fn faults(&self, now: i64) -> Vec<Fault> {
        let mut faults: Vec<Fault> = [&self.link, &self.refused, &self.journal]
            .into_iter()
            .filter_map(|fault| locked(fault).clone())
            .collect();
        faults.extend(self.school().faults(now));
        faults
    }

    /// Numbers for the metrics.
    pub fn numbers(&self, now: i64) -> Numbers {
        let school = self.school();
        let counters = school.counters();
        Numbers {
            connected: self.connected.load(Ordering::Relaxed),
            sessions: self.sessions.load(Ordering::Relaxed),
            published: self.published.load(Ordering::Relaxed),
            published_bytes: self.published_bytes.load(Ordering::Relaxed),
            received: self.received.load(Ordering::Relaxed),
            received_bytes: self.received_bytes.load(Ordering::Relaxed),
            refused: counters.doubted
                + counters.foreign
                + counters.other_version
                + counters.garbage
                + counters.lost,
            doors: school.judge().here(now, crate::judge::PRESENT).len(),
        }
    }
}
