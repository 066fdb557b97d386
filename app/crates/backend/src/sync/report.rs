//! What a synchronisation did.

use super::error::Error;
use super::removal::Alarm;
use super::step::Failure;
use base::event::Event;
use base::failure::{Diagnosis as _, Fault};

/// What a synchronisation did.
#[derive(Debug, Default)]
pub struct Report {
    /// Photos that came new.
    pub new: usize,
    /// Photos whose content changed.
    pub updated: usize,
    /// Photos as they were.
    pub unchanged: usize,
    /// Photos gone from the server and removed here.
    pub removed: usize,
    /// What could not be had.
    pub failed: Vec<Failure>,
    /// What was not asked for: it is not a photo, or its link cannot be followed. Each with what to do.
    pub left_out: Vec<Failure>,
    /// Photos on disk afterwards.
    pub total: usize,
    /// A removal too large to be believed yet, also when this synchronisation did not come so far as to look
    /// at it again.
    pub alarm: Option<Alarm>,
    /// Why it stopped before its end. What was done until then is kept.
    pub stopped: Option<Error>,
}

impl Report {
    /// Whether any photo on disk is another one now.
    pub fn changed(&self) -> bool {
        self.new + self.updated + self.removed > 0
    }

    /// Why it did not do what it should. Some photos that cannot be had are not its fault; all of them are.
    pub fn fault(&self) -> Option<Fault> {
        if let Some(stopped) = &self.stopped {
            return Some(stopped.fault());
        }
        let first = self.failed.first().filter(|_| self.new + self.updated + self.unchanged == 0)?;
        let all = self.failed.len();
        let what = format!("none of {all} photos could be had; {}: {}", first.photo, first.reason);
        Some(Fault::new(what).naming(&first.photo))
    }

    /// The event that tells of it.
    pub fn event(&self) -> Event {
        Event::PhotosSynced {
            new: self.new,
            updated: self.updated,
            unchanged: self.unchanged,
            removed: self.removed,
            failed: self.failed.len(),
        }
    }

    pub(super) fn fail(&mut self, photo: impl ToString, reason: impl ToString) {
        self.failed.push(Failure { photo: photo.to_string(), reason: reason.to_string() });
    }
}
