//! A student’s day in the book: visits, rows by hand, and what is shown of it.

use std::collections::HashMap;
use std::time::Duration;

use time::{Date, OffsetDateTime};

use crate::row::{Stamp, Status};
use crate::rules::{HandRow, RowFact, Visit, Void};
use base::identity::RollNumber;

#[derive(Debug, Default)]
pub(crate) struct Day {
    pub(super) students: HashMap<RollNumber, StudentDay>,
    pub(super) closed: bool,
    /// Whether visits of it were written down: a day that only an earlier version knew is left as it is.
    pub(super) has_visits: bool,
}

/// One student on one day.
#[derive(Debug, Clone, Default)]
pub(crate) struct StudentDay {
    /// Visits at all doors.
    pub(crate) visits: Vec<Visit>,
    /// Rows of this door.
    pub(crate) rows: Vec<Entry>,
    /// What persons declared void, at any door, each with whether it was declared at this one.
    pub(crate) voids: Vec<(Void, bool)>,
    /// Rows that persons entered or changed at other doors.
    pub(crate) elsewhere: Vec<HandRow>,
}

impl StudentDay {
    /// The visits that no void covers.
    pub(crate) fn counting(&self) -> Vec<Visit> {
        self.visits.iter().filter(|visit| !self.is_void(visit)).cloned().collect()
    }

    /// Whether a visit was declared void.
    pub(crate) fn is_void(&self, visit: &Visit) -> bool {
        self.voids.iter().any(|(void, _)| void.covers(visit))
    }

    /// The rows of this door, as the rules see them.
    pub(crate) fn facts(&self, movable: impl Fn(u64) -> bool) -> Vec<RowFact> {
        let fact = |row: &Entry| {
            let void = row.seen.and_then(|seen| self.visit_at(row.status, seen));
            RowFact {
                id: row.id,
                status: row.status,
                utc: row.utc,
                movable: movable(row.id),
                by_hand: row.by_hand,
                seen: row.seen,
                void: void.is_some_and(|visit| self.is_void(visit)),
            }
        };
        self.rows.iter().map(fact).collect()
    }

    /// The visit that a row of this status was made from: the one that begins or ends with this sighting, or
    /// else holds it, at this door rather than at another.
    pub(crate) fn visit_at(&self, status: Status, seen: OffsetDateTime) -> Option<&Visit> {
        let holds = self.visits.iter().filter(|visit| (visit.first..=visit.last).contains(&seen));
        holds.max_by_key(|visit| {
            let edge = if status == Status::In { visit.first } else { visit.last };
            (edge == seen, visit.door.is_here())
        })
    }
}

/// A row of this door.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Entry {
    pub(crate) id: u64,
    pub(crate) status: Status,
    pub(crate) utc: OffsetDateTime,
    pub(crate) by_hand: bool,
    /// The sighting that it was made from; none for one that a person added.
    pub(crate) seen: Option<OffsetDateTime>,
    /// The last sighting that was written down after the row was sent.
    pub(crate) late: Option<OffsetDateTime>,
}

/// The newest visit of a student at this door.
#[derive(Debug, Clone)]
pub(crate) struct Current {
    pub(crate) date: Date,
    pub(crate) first: OffsetDateTime,
    pub(crate) last: Stamp,
    pub(crate) estimated: bool,
    /// The last sighting that was handed over to be written.
    pub(super) written: Option<Duration>,
    /// Time by which the last sighting may be later than the one that is known: after a crash.
    pub(super) slack: Duration,
    /// Whether it was said why a recognition of this visit made no row.
    pub(crate) told: bool,
}

/// What a sighting is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Sight {
    /// The school day of its visit.
    pub(crate) date: Date,
    /// Whether a visit begins with it.
    pub(crate) begins: bool,
    /// Whether the visit is to be written down now.
    pub(crate) write: bool,
}
