//! What doors exchange about a student, the result of a message, and what is counted.

use std::sync::Arc;

use base::identity::RollNumber;
use time::Date;

use crate::book::{Account, Delivered, Direction, Fixed, NewestRow, Student, Visit, Void};
use crate::erasure::Told;
use crate::judge::Heard;

/// What this door itself knows of a student's day.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Own {
    /// All visits, or at least the first and the last one.
    pub visits: Vec<Visit>,
    /// What was declared void at this door.
    pub voids: Vec<Void>,
    /// The newest row that this door wrote.
    pub newest: Option<NewestRow>,
    /// What this door has delivered.
    pub delivered: Delivered,
    /// The rows that persons entered or changed by hand at this door.
    pub fixed: Vec<Fixed>,
}

/// What the doors of the school know of a student's day, this door's own part included.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Elsewhere {
    /// Who.
    pub roll: RollNumber,
    /// The day, derived from all doors.
    pub account: Account,
    /// The visits at other doors that no void covers.
    pub visits: Vec<Passed>,
    /// What was declared void at other doors, of whichever door.
    pub voids: Vec<Void>,
    /// The rows by hand of every other door that has an entry: also none.
    pub fixed: Vec<(Arc<str>, Vec<Fixed>)>,
}

/// A visit at another door.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Passed {
    /// From when to when.
    pub visit: Visit,
    /// The door's name.
    pub door: Arc<str>,
    /// Which way people go there.
    pub direction: Direction,
}

/// The result of a message.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Received {
    /// The book of this day knows more about this student.
    Changed(Date, Student),
    /// Nothing new.
    Known,
    /// It is not believed, or refused.
    Refused,
    /// Another device is here.
    Beacon(Heard),
    /// A command, by its name.
    Command(String),
    /// The broker knows a later entry of this device than its disk does: it has to be published again.
    Behind(Date, Student),
    /// Somebody deleted this device's entry at the broker, or put an older one in its place.
    Overwritten(Date, Student),
    /// A door erased a student, or lifted that.
    Erasure(Told),
}

/// Messages since the program started.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Counters {
    /// Entries that were taken into the book.
    pub taken: u64,
    /// Entries that the book had.
    pub known: u64,
    /// Entries that are not believed.
    pub doubted: u64,
    /// Messages made with another key, or forged.
    pub foreign: u64,
    /// Messages of another version of the program.
    pub other_version: u64,
    /// What is not a message of this program, is too large, or lies on a wrong topic.
    pub garbage: u64,
    /// Entries that the full book did not take.
    pub lost: u64,
}

#[derive(Debug, Default)]
pub(super) struct LastRefused {
    pub(super) foreign: Option<i64>,
    pub(super) version: Option<(i64, u8)>,
    pub(super) garbage: Option<i64>,
}
