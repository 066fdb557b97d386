//! A clock that is set by hand.

use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use time::OffsetDateTime;

use super::{Clock, Moment};

/// A clock that stands still until it is moved: for tests, and for going through a day in a second.
#[derive(Debug)]
pub struct ManualClock {
    moment: Mutex<Moment>,
    boot_id: String,
}

impl ManualClock {
    /// A clock that shows `utc` and is believed, one minute after the boot named `boot_id`.
    pub fn at(utc: OffsetDateTime, boot_id: &str) -> Self {
        let moment = Moment { utc, since_boot: Duration::from_secs(60), trusted: true };
        Self { moment: Mutex::new(moment), boot_id: boot_id.to_owned() }
    }

    /// Lets time pass.
    pub fn advance(&self, time: Duration) {
        self.change(|moment| {
            moment.utc += time;
            moment.since_boot += time;
        });
    }

    /// Sets the wall clock, as a time server does: the time since boot does not step.
    pub fn set(&self, utc: OffsetDateTime, trusted: bool) {
        self.change(|moment| {
            moment.utc = utc;
            moment.trusted = trusted;
        });
    }

    fn change(&self, change: impl FnOnce(&mut Moment)) {
        change(&mut self.moment.lock().unwrap_or_else(PoisonError::into_inner));
    }
}

impl Clock for ManualClock {
    fn now(&self) -> Moment {
        *self.moment.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn boot_id(&self) -> &str {
        &self.boot_id
    }
}
