//! The visits: a third log beside the journal, kept for as long as rows can follow from them.
//!
//! | kind | fields after it | meaning |
//! |---|---|---|
//! | `visits` | version, 0 | first line of every segment |
//! | `visit` | 0, roll, first UTC, last UTC, ms since boot, boot, `known`/`estimated`, `ended`/`lasts` | a visit at this door, up to its last sighting; a later record with the same beginning takes its place |
//! | `elsewhere` | 0, roll, first UTC, last UTC, `both`/`in`/`out`, door | a visit at another door of the site |
//! | `void` | 0, roll, UTC, UTC, door (nothing: this one), `here`/`elsewhere`, who | at one door a person declared void what a door saw from then until then; where: at this door or at another |
//! | `entered` | 0, roll, date, door, `IN@UTC`/`OUT@UTC` and so on, parted by spaces | the rows of this student and day that persons entered at another door; a later record takes its place |
//! | `closed` | 0, date, UTC, `clock`/`person` | attendance of this day is closed |
//!
//! The promise between versions is the journal's; a version that does not know this log leaves it alone.

use std::sync::Arc;
use std::time::Duration;

use time::{Date, OffsetDateTime};

use super::record::{parse_utc, plain, utc};
use crate::config::Direction;
use crate::row::{Stamp, Status};
use crate::rules::{DoorName, Visit, Void};
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
    /// A person declared visits void.
    Void {
        /// Whose, and which.
        void: Void,
        /// Whether it was declared at this door.
        ours: bool,
        /// Who declared it; nothing where it was another door.
        by: String,
    },
    /// The rows that persons entered or changed at another door: all of a student and day.
    Entered {
        /// Who.
        student: RollNumber,
        /// Which day.
        date: Date,
        /// At which door.
        door: DoorName,
        /// The rows.
        rows: Vec<(Status, OffsetDateTime)>,
    },
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
            Self::Void { void, ours, by } => format!(
                "void,0,{},{},{},{},{},{}",
                void.student,
                utc(void.from),
                utc(void.to),
                void.door.as_str(),
                if *ours { "here" } else { "elsewhere" },
                plain(by)
            ),
            Self::Entered { student, date, door, rows } => {
                let rows: Vec<String> =
                    rows.iter().map(|(status, at)| format!("{status}@{}", utc(*at))).collect();
                format!("entered,0,{student},{date},{},{}", door.as_str(), rows.join(" "))
            }
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
            ["void", _, roll, from, to, door, made, by, ..] => {
                let void = Void {
                    student: RollNumber::parse(roll).ok()?,
                    door: if door.is_empty() { DoorName::here() } else { DoorName::parse(door)? },
                    from: parse_utc(from)?,
                    to: parse_utc(to)?,
                };
                let ours = *made == "here";
                (void.from <= void.to).then(|| Self::Void { void, ours, by: (*by).to_owned() })
            }
            ["entered", _, roll, date, door, rows, ..] => {
                let row = |text: &str| {
                    let (status, at) = text.split_once('@')?;
                    Some((Status::parse(status)?, parse_utc(at)?))
                };
                Some(Self::Entered {
                    student: RollNumber::parse(roll).ok()?,
                    date: parse_date(date)?,
                    door: DoorName::parse(door)?,
                    rows: rows.split_whitespace().map(row).collect::<Option<_>>()?,
                })
            }
            ["closed", _, date, utc, how, ..] => Some(Self::Closed {
                date: parse_date(date)?,
                utc: parse_utc(utc)?,
                by_a_person: *how == "person",
            }),
            _ => None,
        }
    }

    /// The time that says how long it is kept.
    pub(super) fn time(&self) -> OffsetDateTime {
        match self {
            Self::Here { last, .. } => last.utc,
            Self::Elsewhere(visit) => visit.last,
            Self::Void { void, .. } => void.to,
            Self::Entered { date, .. } => date.midnight().assume_utc() + time::Duration::days(1),
            Self::Closed { utc, .. } => *utc,
        }
    }

    /// The student it is about.
    pub(crate) fn student(&self) -> Option<&RollNumber> {
        match self {
            Self::Here { student, .. } | Self::Elsewhere(Visit { student, .. }) => Some(student),
            Self::Void { void, .. } => Some(&void.student),
            Self::Entered { student, .. } => Some(student),
            Self::Closed { .. } => None,
        }
    }
}

fn parse_date(text: &str) -> Option<Date> {
    Date::parse(text, time::macros::format_description!("[year]-[month]-[day]")).ok()
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
        let void = |door: &str, ours, by: &str| {
            let door = DoorName::parse(door).unwrap_or_else(DoorName::here);
            let void = Void { student: student.clone(), door, from: first, to: last };
            VisitRecord::Void { void, ours, by: by.to_owned() }
        };
        let entered = |rows| VisitRecord::Entered {
            student: student.clone(),
            date: date!(2025 - 01 - 15),
            door: DoorName::parse("North gate").unwrap(),
            rows,
        };
        let (from, to) = ("2025-01-15T09:00:00.25Z", "2025-01-15T09:01:00Z");
        for (record, text) in [
            (here(false, false), format!("visit,0,2110001,{from},{to},61250,b-1,known,lasts")),
            (here(true, true), format!("visit,0,2110001,{from},{to},61250,b-1,estimated,ended")),
            (VisitRecord::Elsewhere(elsewhere), format!("elsewhere,0,2110001,{from},{to},out,North gate")),
            (void("", true, "meera (office)"), format!("void,0,2110001,{from},{to},,here,meera (office)")),
            (void("North gate", false, ""), format!("void,0,2110001,{from},{to},North gate,elsewhere,")),
            (
                entered(vec![(Status::In, first), (Status::Out, last)]),
                format!("entered,0,2110001,2025-01-15,North gate,IN@{from} OUT@{to}"),
            ),
            (entered(Vec::new()), "entered,0,2110001,2025-01-15,North gate,".to_owned()),
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
