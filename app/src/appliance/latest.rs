//! What was last heard of sync, upload and recognition, remembered for the page.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, PoisonError};

use tokio::sync::broadcast;
use tokio_util::sync::CancellationToken;

use base::event::Event;
use base::failure::Fault;
use base::identity::RollNumber;
use base::moment::{Clock, Moment};

/// Decisions that are remembered: what a technician asks about has just happened.
const DECISIONS: usize = 12;

/// The last word of each.
#[derive(Debug, Clone, Default)]
pub struct Latest {
    /// The last synchronisation of the photos that worked.
    pub synced: Option<Synced>,
    /// Why the last synchronisation failed; none after one that did not.
    pub sync_error: Option<Fault>,
    /// A large removal that waits for a person: students that would go, and of how many.
    pub removal: Option<(usize, usize)>,
    /// Why the last delivery failed, and the seconds to the next try; none after one that did not.
    pub upload_error: Option<(Fault, u64)>,
    /// The last decisions about faces, newest first.
    pub decisions: VecDeque<Decided>,
}

/// A decision about a face.
#[derive(Debug, Clone)]
pub struct Decided {
    /// When.
    pub at: Moment,
    /// Whom it is about; none where nobody was named.
    pub student: Option<RollNumber>,
    /// What was decided, and why, in words.
    pub what: String,
}

/// A synchronisation that worked.
#[derive(Debug, Clone)]
pub struct Synced {
    /// When it ended.
    pub at: Moment,
    /// What it did, one sentence.
    pub summary: String,
    /// Photos the server named.
    pub listed: usize,
    /// Those of them that could not be fetched.
    pub failed: usize,
}

/// [`Latest`], shared.
#[derive(Debug, Clone, Default)]
pub struct Memory(Arc<Mutex<Latest>>);

impl Memory {
    /// What is remembered now.
    pub fn latest(&self) -> Latest {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Listens until `stop`.
    pub async fn listen(
        self,
        mut events: broadcast::Receiver<Event>,
        clock: Arc<dyn Clock>,
        stop: CancellationToken,
    ) {
        loop {
            let event = tokio::select! {
                event = events.recv() => event,
                () = stop.cancelled() => return,
            };
            match event {
                Ok(event) => self.remember(event, clock.as_ref()),
                Err(broadcast::error::RecvError::Lagged(_)) => {}
                Err(broadcast::error::RecvError::Closed) => return,
            }
        }
    }

    fn remember(&self, event: Event, clock: &dyn Clock) {
        let mut latest = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        match event {
            Event::PhotosSynced { new, updated, unchanged, failed, .. } => {
                latest.synced = Some(Synced {
                    at: clock.now(),
                    summary: event.to_string(),
                    listed: new + updated + unchanged + failed,
                    failed,
                });
                latest.sync_error = None;
                latest.removal = None;
            }
            Event::RemovalWaits { students, of, .. } => latest.removal = Some((students, of)),
            Event::SyncFailed { reason, .. } => latest.sync_error = Some(reason),
            Event::Delivered { .. } => latest.upload_error = None,
            Event::DeliveryFailed { reason, retry_in_s } => latest.upload_error = Some((reason, retry_in_s)),
            Event::Recognised { .. }
            | Event::Stranger { .. }
            | Event::AttackRefused { .. }
            | Event::NotRecorded { .. }
            | Event::OutOpen { .. }
            | Event::Hint { .. } => {
                latest.decisions.truncate(DECISIONS - 1);
                let (at, student) = (clock.now(), event.student().cloned());
                latest.decisions.push_front(Decided { at, student, what: event.to_string() });
            }
            _ => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use base::moment::SystemClock;

    #[test]
    fn a_recognition_that_makes_no_row_says_why_among_the_decisions() {
        let clock = SystemClock::new(base::moment::ClockTrust::System);
        let memory = Memory::default();
        let Ok(roll) = base::identity::RollNumber::parse("2110001") else { return };
        let reason = "IN 07:51:42 stands, and the visit goes on".to_owned();
        memory.remember(Event::NotRecorded { roll, reason, again: true }, &clock);
        let decided = memory.latest().decisions.pop_front();
        assert!(
            decided.as_ref().is_some_and(|decided| {
                decided.student.as_ref().is_some_and(|student| student.as_str() == "2110001")
                    && decided.what.contains("No row for 2110001: IN 07:51:42 stands")
            }),
            "{decided:?}"
        );
    }

    #[test]
    fn a_success_takes_the_error_away() {
        let clock = SystemClock::new(base::moment::ClockTrust::System);
        let memory = Memory::default();
        memory.remember(Event::SyncFailed { reason: "no route".into(), retry_in_s: 5 }, &clock);
        memory.remember(Event::DeliveryFailed { reason: "500".into(), retry_in_s: 9 }, &clock);
        assert_eq!(memory.latest().sync_error, Some("no route".into()));
        memory.remember(
            Event::PhotosSynced { new: 1, updated: 0, unchanged: 0, removed: 0, failed: 0 },
            &clock,
        );
        memory.remember(Event::Delivered { created: 1, duplicates: 0, refused: 0, backlog: 0 }, &clock);
        let latest = memory.latest();
        assert!(latest.sync_error.is_none() && latest.upload_error.is_none() && latest.synced.is_some());
    }
}
