//! A clock that is doubted when it jumps.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use time::format_description::well_known::Rfc3339;
use time::{OffsetDateTime, UtcOffset};

use super::doubt::{Believed, Doubt, Judge};
use super::{Clock, Moment};

/// Another clock, judged by [`Judge`]: its time is trusted only while there is no doubt about it.
pub struct CheckedClock {
    clock: Arc<dyn Clock>,
    judge: Mutex<Judge>,
}

impl CheckedClock {
    /// `clock`, not yet doubted.
    pub fn new(clock: Arc<dyn Clock>) -> Self {
        Self { clock, judge: Mutex::default() }
    }

    /// The judge, also after a panic elsewhere: each change leaves it whole.
    fn judge(&self) -> MutexGuard<'_, Judge> {
        self.judge.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A time as the log shows it: whole seconds, UTC.
fn seconds(time: OffsetDateTime) -> String {
    let whole = time.replace_nanosecond(0).unwrap_or(time);
    whole.to_offset(UtcOffset::UTC).format(&Rfc3339).unwrap_or_else(|_| whole.to_string())
}

impl Clock for CheckedClock {
    fn now(&self) -> Moment {
        // Under the lock, so that moments are judged in the order in which they were taken.
        let mut judge = self.judge();
        let before = judge.doubt();
        let moment = judge.judge(self.clock.now());
        match (before, judge.doubt()) {
            (None, Some(doubt)) => log::warn!(
                "{doubt}: it shows {}, and {} was expected. Rows are kept, and delivered once the backend's clock agrees or a \
                 technician confirms the time",
                seconds(doubt.shown),
                seconds(doubt.expected)
            ),
            (Some(_), None) => log::warn!("the clock shows again what it should; it is believed"),
            _ => {}
        }
        moment
    }

    fn boot_id(&self) -> &str {
        self.clock.boot_id()
    }

    fn doubt(&self) -> Option<Doubt> {
        self.judge().doubt()
    }

    fn remember(&self, believed: Believed) {
        self.judge().remember(believed);
    }

    fn compare(&self, told: OffsetDateTime) {
        let mut judge = self.judge();
        let Some(doubt) = judge.doubt() else { return };
        if judge.compare(told, self.clock.now()) {
            log::warn!("a second source agrees with the clock ({}); it is believed", seconds(told));
        } else {
            log::warn!(
                "a second source says {}, and the clock {}: it stays in doubt",
                seconds(told),
                seconds(doubt.shown)
            );
        }
    }

    fn confirm(&self) -> bool {
        let mut judge = self.judge();
        let confirmed = judge.confirm(self.clock.now());
        if confirmed {
            log::warn!("a technician confirmed the time; the clock is believed");
        }
        confirmed
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use std::time::Duration;

    use time::macros::datetime;

    use super::*;
    use crate::moment::ManualClock;

    #[test]
    fn step_is_doubted_until_confirmed() {
        let (start, later) = (datetime!(2026-11-23 08:00:00 UTC), datetime!(2026-11-25 08:00:00 UTC));
        for by_a_person in [true, false] {
            let wall = Arc::new(ManualClock::at(start, "boot-1"));
            let clock = CheckedClock::new(Arc::clone(&wall) as Arc<dyn Clock>);
            assert!(clock.now().trusted && !clock.confirm());
            wall.set(later, true);
            wall.advance(Duration::from_secs(10));
            assert!(!clock.now().trusted);
            assert_eq!(clock.now().utc, datetime!(2026-11-23 08:00:10 UTC), "the day goes on as it was");
            clock.compare(start);
            assert!(clock.doubt().is_some(), "a source that tells another time does not agree");
            if by_a_person {
                assert!(clock.confirm());
            } else {
                clock.compare(later);
            }
            assert_eq!((clock.doubt(), clock.now().trusted), (None, true));
            assert_eq!(clock.now().utc, datetime!(2026-11-25 08:00:10 UTC));
        }
    }
}
