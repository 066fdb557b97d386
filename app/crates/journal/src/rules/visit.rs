//! Visits, and what persons declare about them.

use std::fmt;
use std::sync::Arc;

use time::OffsetDateTime;

use crate::config::Direction;
use crate::row::Status;
use base::identity::RollNumber;

/// Longest name of a door.
const LONGEST_NAME: usize = 64;

/// The name of a door, as the doors of a site know each other.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct DoorName(Arc<str>);

impl DoorName {
    /// A name of 1 to 64 characters without commas and control characters; `None` for anything else.
    pub fn parse(text: &str) -> Option<Self> {
        let fits = (1..=LONGEST_NAME).contains(&text.chars().count());
        (fits && !text.chars().any(|c| c == ',' || c.is_control())).then(|| Self(Arc::from(text)))
    }

    /// This door, whatever its name is.
    pub fn here() -> Self {
        Self(Arc::from(""))
    }

    /// Whether it is this door.
    pub fn is_here(&self) -> bool {
        self.0.is_empty()
    }

    /// The name.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for DoorName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(if self.is_here() { "this door" } else { &self.0 })
    }
}

/// Sightings of one student at one door that belong together.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Visit {
    /// Who.
    pub student: RollNumber,
    /// Where.
    pub door: DoorName,
    /// Which way people pass there.
    pub direction: Direction,
    /// The first sighting.
    pub first: OffsetDateTime,
    /// The last sighting.
    pub last: OffsetDateTime,
    /// Whether its times are an estimate: it was made by a boot that never knew the time.
    pub estimated: bool,
}

/// A person declared void what a door saw of a student: a tombstone, which nothing cancels.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Void {
    /// Who.
    pub student: RollNumber,
    /// The door whose visits do not count.
    pub door: DoorName,
    /// From this moment on.
    pub from: OffsetDateTime,
    /// Up to and including this moment.
    pub to: OffsetDateTime,
}

impl Void {
    /// Whether it covers a visit: it begins before the visit ends, and ends after it began.
    pub fn covers(&self, visit: &Visit) -> bool {
        self.door == visit.door && self.from <= visit.last && visit.first <= self.to
    }
}

/// A row that a person entered or changed at another door.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HandRow {
    /// Which door.
    pub door: DoorName,
    /// Coming or going.
    pub status: Status,
    /// When.
    pub utc: OffsetDateTime,
}
