//! What a row is made of: its status, the moment it was made, and the days that are held.

use std::collections::{BTreeSet, VecDeque};
use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use time::{Date, OffsetDateTime};

/// Days that are held in memory. One is needed; a clock that was corrected over a midnight needs two;
/// the rest is for looking.
pub const DAYS_HELD: usize = 8;

/// Coming or going.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Status {
    /// Coming.
    In,
    /// Going.
    Out,
}

impl Status {
    /// `IN` or `OUT`, as the CSV files and people have it.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::In => "IN",
            Self::Out => "OUT",
        }
    }

    /// `in` or `out`, as the webhook has it.
    pub fn lower_case(self) -> &'static str {
        match self {
            Self::In => "in",
            Self::Out => "out",
        }
    }

    /// Reads `IN` and `OUT`.
    pub fn parse(text: &str) -> Option<Self> {
        [Self::In, Self::Out].into_iter().find(|status| status.as_str() == text)
    }

    /// What follows it.
    pub fn opposite(self) -> Self {
        match self {
            Self::In => Self::Out,
            Self::Out => Self::In,
        }
    }
}

impl fmt::Display for Status {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

/// When a row was made: the wall clock for the day it belongs to, the time since a boot for gaps.
#[derive(Debug, Clone, PartialEq)]
pub struct Stamp {
    /// The wall clock, UTC.
    pub utc: OffsetDateTime,
    /// Time since the boot.
    pub since_boot: Duration,
    /// Which boot.
    pub boot: Arc<str>,
}

/// Stands for the boot of a row that was made from the end of a visit: its time is that of the visit, and its
/// time since boot says nothing.
pub(crate) const AT_THE_CLOSE: &str = "visit";

impl Stamp {
    /// The least time that can have passed since `earlier`.
    ///
    /// Within one boot the monotonic clock decides, however the wall clock was set in between. Across a boot
    /// the wall clocks decide; but what was before this boot is at least as long ago as the boot, even if a
    /// wall clock went backwards. For two rows made from visits only the wall clock decides.
    pub fn since(&self, earlier: &Self) -> Duration {
        if self.boot == earlier.boot && &*self.boot != AT_THE_CLOSE {
            return self.since_boot.saturating_sub(earlier.since_boot);
        }
        let by_wall = Duration::try_from(self.utc - earlier.utc).unwrap_or_default();
        by_wall.max(self.since_boot)
    }
}

/// The dates written to lately, in the order of their last use: not the latest by the calendar, because one
/// row from a clock that ran years ahead must not push out today.
#[derive(Debug, Default)]
pub struct Dates {
    held: VecDeque<Date>,
    evicted: BTreeSet<Date>,
}

impl Dates {
    /// Notes a use of `date`; the date that is no longer held for it, if there is one.
    pub fn touch(&mut self, date: Date) -> Option<Date> {
        if self.held.back() == Some(&date) {
            return None;
        }
        self.held.retain(|held| *held != date);
        self.held.push_back(date);
        if self.held.len() <= DAYS_HELD {
            return None;
        }
        let evicted = self.held.pop_front();
        self.evicted.extend(evicted);
        evicted
    }

    /// Notes that a person looked back and changed a row of `date`. No other date is given up for it: where
    /// there is no room, it is not held as a whole.
    pub fn look_back(&mut self, date: Date) {
        if self.holds(date) {
            return;
        }
        if self.held.len() < DAYS_HELD && !self.gave_up(date) {
            self.held.push_front(date);
        } else {
            self.evicted.insert(date);
        }
    }

    /// Whether `date` is held.
    pub fn holds(&self, date: Date) -> bool {
        self.held.contains(&date)
    }

    /// Whether `date` was given up at some time, and so is not held as a whole.
    pub fn gave_up(&self, date: Date) -> bool {
        self.evicted.contains(&date)
    }

    /// The dates held.
    pub fn iter(&self) -> impl Iterator<Item = Date> {
        self.held.iter().copied()
    }
}
