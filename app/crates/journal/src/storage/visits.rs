//! The visits: a third log beside the journal, kept for as long as rows can follow from them.
//!
//! | kind | fields after it | meaning |
//! |---|---|---|
//! | `visits` | version, 0 | first line of every segment |
//! | `visit` | 0, roll, first UTC, last UTC, ms since boot, boot, `known`/`estimated`, `ended`/`lasts` | a visit at this door, up to its last sighting; a later record with the same beginning takes its place |
//! | `elsewhere` | 0, roll, first UTC, last UTC, `both`/`in`/`out`, door | a visit at another door of the site |
//! | `closed` | 0, date, UTC, `clock`/`person` | attendance of this day is closed |
//!
//! The promise between versions is the journal's; a version that does not know this log leaves it alone.

use std::sync::Arc;
use std::time::Duration;

use time::{Date, OffsetDateTime};

use super::record::{parse_utc, utc};
use crate::config::Direction;
use crate::row::Stamp;
use crate::rules::{DoorName, Visit};
use base::identity::RollNumber;

/// One record.
#[derive(Debug, Clone, PartialEq)]
pub enum VisitRecord {
    /// A visit at this door.
    Here {
        /// Who.
        student: RollNumber,
        /// The first sighting.
        first: OffsetDateTime,
        /// The last sighting.
        last: Stamp,
        /// Whether the times are an estimate.
        estimated: bool,
        /// Whether the last sighting is certain: the visit has ended, or the program ended in an orderly way.
        ended: bool,
    },
    /// A visit at another door.
    Elsewhere(Visit),
    /// Attendance of this day is closed.
    Closed {
        /// Which day.
        date: Date,
        /// When it was closed.
        utc: OffsetDateTime,
        /// Whether a person did it.
        by_a_person: bool,
    },
}

impl VisitRecord {
    /// The record as a line's payload.
    pub fn encode(&self) -> String {
        match self {
            Self::Here { student, first, last, estimated, ended } => format!(
                "visit,0,{student},{},{},{},{},{},{}",
                utc(*first),
                utc(last.utc),
                last.since_boot.as_millis(),
                last.boot,
                if *estimated { "estimated" } else { "known" },
                if *ended { "ended" } else { "lasts" }
            ),
            Self::Elsewhere(visit) => format!(
                "elsewhere,0,{},{},{},{},{}",
                visit.student,
                utc(visit.first),
                utc(visit.last),
                visit.direction.as_str(),
                visit.door.as_str()
            ),
            Self::Closed { date, utc: at, by_a_person } => {
                format!("closed,0,{date},{},{}", utc(*at), if *by_a_person { "person" } else { "clock" })
            }
        }
    }

    /// Reads a payload; `None` for the header and for what a later version writes.
    pub fn decode(payload: &str) -> Option<Self> {
        let fields: Vec<&str> = payload.split(',').collect();
        match fields.as_slice() {
            ["visit", _, roll, first, last, since_boot, boot, certainty, state, ..] => {
                let last = Stamp {
                    utc: parse_utc(last)?,
                    since_boot: Duration::from_millis(since_boot.parse().ok()?),
                    boot: Arc::from(*boot),
                };
                let first = parse_utc(first)?;
                (first <= last.utc).then_some(())?;
                Some(Self::Here {
                    student: RollNumber::parse(roll).ok()?,
                    first,
                    last,
                    estimated: *certainty == "estimated",
                    ended: *state == "ended",
                })
            }
            ["elsewhere", _, roll, first, last, direction, door, ..] => {
                let visit = Visit {
                    student: RollNumber::parse(roll).ok()?,
                    door: DoorName::parse(door)?,
                    direction: Direction::parse(direction)?,
                    first: parse_utc(first)?,
                    last: parse_utc(last)?,
                    estimated: false,
                };
                (visit.first <= visit.last).then_some(Self::Elsewhere(visit))
            }
            ["closed", _, date, utc, how, ..] => {
                let format = time::macros::format_description!("[year]-[month]-[day]");
                Some(Self::Closed {
                    date: Date::parse(date, format).ok()?,
                    utc: parse_utc(utc)?,
                    by_a_person: *how == "person",
                })
            }
            _ => None,
        }
    }

    /// The time that says how long it is kept.
    pub(super) fn time(&self) -> OffsetDateTime {
        match self {
            Self::Here { last, .. } => last.utc,
            Self::Elsewhere(visit) => visit.last,
            Self::Closed { utc, .. } => *utc,
        }
    }

    /// The student it is about.
    pub(crate) fn student(&self) -> Option<&RollNumber> {
        match self {
            Self::Here { student, .. } | Self::Elsewhere(Visit { student, .. }) => Some(student),
            Self::Closed { .. } => None,
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use time::macros::{date, datetime};

    use super::*;

    /// Version 1 to the letter: a change here breaks devices in the field.
    #[test]
    fn the_visit_records_of_version_1_stay_as_they_are() {
        let student = RollNumber::parse("2110001").unwrap();
        let (first, last) = (datetime!(2025-01-15 09:00:00.25 UTC), datetime!(2025-01-15 09:01:00 UTC));
        let here = |estimated, ended| VisitRecord::Here {
            student: student.clone(),
            first,
            last: Stamp { utc: last, since_boot: Duration::from_millis(61_250), boot: "b-1".into() },
            estimated,
            ended,
        };
        let elsewhere = Visit {
            student: student.clone(),
            door: DoorName::parse("North gate").unwrap(),
            direction: Direction::Out,
            first,
            last,
            estimated: false,
        };
        let closed =
            |by_a_person| VisitRecord::Closed { date: date!(2025 - 01 - 15), utc: last, by_a_person };
        let (from, to) = ("2025-01-15T09:00:00.25Z", "2025-01-15T09:01:00Z");
        for (record, text) in [
            (here(false, false), format!("visit,0,2110001,{from},{to},61250,b-1,known,lasts")),
            (here(true, true), format!("visit,0,2110001,{from},{to},61250,b-1,estimated,ended")),
            (VisitRecord::Elsewhere(elsewhere), format!("elsewhere,0,2110001,{from},{to},out,North gate")),
            (closed(false), format!("closed,0,2025-01-15,{to},clock")),
            (closed(true), format!("closed,0,2025-01-15,{to},person")),
        ] {
            assert_eq!(record.encode(), text);
            assert_eq!(VisitRecord::decode(&text), Some(record.clone()));
            // A later version may add fields at the end.
            assert_eq!(VisitRecord::decode(&format!("{text},more")), Some(record));
        }
        for nothing in ["visits,1,0", "badge,0,7", "", &format!("visit,0,7,{to},{from},1,b,known,lasts")] {
            assert_eq!(VisitRecord::decode(nothing), None, "{nothing}");
        }
    }
}
