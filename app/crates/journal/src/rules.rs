//! The rules that turn visits into rows: pure, without clock or file.
//!
//! A [`Visit`] is a stretch of sightings of one student at one door. [`derive()`] says which IN and which OUT
//! follow from the visits of a day, whichever doors they come from and in whatever order they are known.
//! [`judge`] compares that with the rows which this door has, and says what is to be done.

use std::collections::BTreeSet;
use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use time::OffsetDateTime;

use crate::config::{Direction, Policy, Settings, TimeOfDay};
use crate::day::SchoolDay;
use crate::row::Status;
use base::identity::RollNumber;
use base::moment::SiteZone;

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

/// The rules of a door.
#[derive(Debug, Clone)]
pub struct Rules {
    /// How visits become rows.
    pub policy: Policy,
    /// Sightings less than this apart are one visit.
    pub gap: Duration,
    /// Earlier sightings are no departures.
    pub departures_from: Option<TimeOfDay>,
    /// An OUT that stood so long is a row at once.
    pub settles: Option<Duration>,
    /// Which way people pass this door.
    pub direction: Direction,
    /// When a school day begins and ends.
    pub day: SchoolDay,
}

impl Rules {
    /// The rules that the configuration asks for, of a site in `zone`.
    pub fn new(settings: &Settings, zone: SiteZone) -> Self {
        let attendance = &settings.attendance;
        Self {
            policy: attendance.policy,
            gap: attendance.minimum_gap,
            departures_from: attendance.departures_from,
            settles: attendance.departure_settles.filter(|_| attendance.departures_from.is_some()),
            direction: settings.door.direction,
            day: SchoolDay::new(zone, settings.day_starts, attendance.day_ends),
        }
    }
}

/// What follows from the visits of one student on one day, under `first-in-last-out`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Derived<'a> {
    /// The visit that begins with the IN.
    pub arrival: Option<&'a Visit>,
    /// The visit that ends with the OUT.
    pub departure: Option<&'a Visit>,
}

/// IN and OUT of one student and day. The order of `visits` does not matter.
///
/// IN is the beginning of the first visit at a door through which one can come. OUT is the end of the last
/// visit at a door through which one can go, if there was a second one: at a door for departures one
/// suffices. Visits at doors for both ways that are less than the gap apart are one: who walks past two doors
/// has not left.
pub fn derive<'a>(rules: &Rules, visits: &'a [Visit]) -> Derived<'a> {
    let arrival = visits
        .iter()
        .filter(|visit| visit.direction != Direction::Out)
        .min_by_key(|visit| (visit.first, &visit.door));
    let departure = visits
        .iter()
        .filter(|visit| visit.direction != Direction::In)
        .max_by_key(|visit| (visit.last, &visit.door))
        .filter(|last| last.direction == Direction::Out || is_second(rules, visits, last))
        .filter(|last| rules.departures_from.is_none_or(|from| rules.day.is_from(last.last, from)));
    Derived { arrival, departure }
}

/// Whether somebody was away between the first visit and `last`.
fn is_second(rules: &Rules, visits: &[Visit], last: &Visit) -> bool {
    let mut before: Vec<&Visit> = visits.iter().filter(|visit| visit.first <= last.last).collect();
    before.sort_by_key(|visit| (visit.first, visit.last));
    let mut seen_until: Option<OffsetDateTime> = None;
    before.into_iter().any(|visit| {
        let away = seen_until.is_some_and(|until| visit.first - until >= rules.gap);
        seen_until = seen_until.max(Some(visit.last));
        away
    })
}

/// A row that this door has of a student and day.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RowFact {
    /// Its number.
    pub id: u64,
    /// Coming or going.
    pub status: Status,
    /// When.
    pub utc: OffsetDateTime,
    /// Whether it can still change: it was never sent, and no person has decided about it.
    pub movable: bool,
    /// Whether a person made it, or changed it: then the rules leave it as it is.
    pub by_hand: bool,
}

/// What is known when a student's day is judged.
#[derive(Debug, Clone, Copy)]
pub struct Circumstances<'a> {
    /// Whether attendance of the day is closed.
    pub closed: bool,
    /// The present time; none while the clock is not known.
    pub now: Option<OffsetDateTime>,
    /// Doors that have been gone for so long that another one delivers their OUT.
    pub absent: &'a BTreeSet<DoorName>,
    /// The rows of this day that were taken away by a person.
    pub voided: &'a [(Status, OffsetDateTime)],
}

/// What is to be done.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Act {
    /// A row is to be written.
    Write {
        /// Coming or going.
        status: Status,
        /// When.
        utc: OffsetDateTime,
        /// Whether that is an estimate.
        estimated: bool,
    },
    /// A row gets another time.
    Move {
        /// Which.
        id: u64,
        /// Its new time.
        utc: OffsetDateTime,
    },
    /// A row is not sent for now: its time may still change.
    Hold(u64),
    /// A row may be sent.
    Release(u64),
    /// A row is taken back before it was sent.
    Withdraw {
        /// Which.
        id: u64,
        /// Why.
        reason: String,
    },
    /// The student was seen after an OUT that was sent.
    Late {
        /// The OUT.
        id: u64,
        /// The last sighting.
        utc: OffsetDateTime,
    },
}

/// What is to be done about the rows of one student and day, from all visits and from the rows of this door.
pub fn judge(rules: &Rules, visits: &[Visit], rows: &[RowFact], so: Circumstances<'_>) -> Vec<Act> {
    match rules.policy {
        Policy::Alternate => alternate(rules, visits, rows, so.voided).into_iter().collect(),
        Policy::FirstInLastOut => first_in_last_out(rules, visits, rows, so),
    }
}

/// The row of the newest visit, if it is one at this door and has none yet.
fn alternate(
    rules: &Rules,
    visits: &[Visit],
    rows: &[RowFact],
    voided: &[(Status, OffsetDateTime)],
) -> Option<Act> {
    let mut ordered: Vec<&Visit> = visits.iter().collect();
    ordered.sort_by_key(|visit| (visit.first, &visit.door));
    let holds = |visit: &Visit, utc| visit.door.is_here() && (visit.first..=visit.last).contains(&utc);
    let row_of = |visit: &Visit| rows.iter().find(|row| holds(visit, row.utc));
    let newest = *ordered.last().filter(|newest| newest.door.is_here() && row_of(newest).is_none())?;
    let is_voided = |visit: &Visit| voided.iter().any(|(_, utc)| holds(visit, *utc));
    if is_voided(newest) {
        return None;
    }
    let mut last = None;
    for visit in ordered[..ordered.len() - 1].iter().filter(|visit| !is_voided(visit)) {
        last = Some(row_of(visit).map_or_else(|| follows(visit.direction, last), |row| row.status));
    }
    // A row that a person made stands in no visit.
    let newest_row = rows.iter().max_by_key(|row| row.utc).filter(|row| row.by_hand);
    let newest_visit = ordered.iter().rev().nth(1).map(|visit| visit.first);
    if let Some(row) = newest_row
        && newest_visit.is_none_or(|first| row.utc > first)
    {
        last = Some(row.status);
    }
    let status = follows(rules.direction, last);
    Some(Act::Write { status, utc: newest.first, estimated: newest.estimated })
}

/// What a visit is after a row of this status.
fn follows(direction: Direction, last: Option<Status>) -> Status {
    match direction {
        Direction::In => Status::In,
        Direction::Out => Status::Out,
        Direction::Both => last.map_or(Status::In, Status::opposite),
    }
}

fn first_in_last_out(rules: &Rules, visits: &[Visit], rows: &[RowFact], so: Circumstances<'_>) -> Vec<Act> {
    let Derived { arrival, departure } = derive(rules, visits);
    let mut acts = Vec::new();
    let of = |status| rows.iter().filter(move |row| row.status == status);
    let by_hand =
        |status| so.voided.iter().any(|(voided, _)| *voided == status) || of(status).any(|row| row.by_hand);
    if let Some(arrival) = arrival.filter(|_| !by_hand(Status::In)) {
        let (here, utc) = (arrival.door.is_here(), arrival.first);
        match of(Status::In).min_by_key(|row| row.utc) {
            None if here => {
                acts.push(Act::Write { status: Status::In, utc, estimated: arrival.estimated });
            }
            Some(row) if row.movable && utc < row.utc => acts.push(match here {
                true => Act::Move { id: row.id, utc },
                false => {
                    Act::Withdraw { id: row.id, reason: format!("{} saw the student earlier", arrival.door) }
                }
            }),
            _ => {}
        }
    }
    if by_hand(Status::Out) {
        return acts;
    }
    let row = of(Status::Out).max_by_key(|row| row.utc);
    let Some(departure) = departure else {
        // Only a version that knew another rule wrote such a row.
        let reason = || "no departure was seen after it".to_owned();
        if let Some(row) = row.filter(|row| row.movable) {
            acts.push(match so.closed {
                true => Act::Withdraw { id: row.id, reason: reason() },
                false => Act::Hold(row.id),
            });
        }
        return acts;
    };
    let here = is_ours(visits, departure, so.absent);
    let stood = |for_: Duration| so.now.is_some_and(|now| now - departure.last >= for_);
    let ended = stood(rules.gap);
    let is_final = (so.closed && ended) || rules.settles.is_some_and(|settles| stood(settles.max(rules.gap)));
    match row {
        None if is_final && here => {
            acts.push(Act::Write { status: Status::Out, utc: departure.last, estimated: departure.estimated })
        }
        None => {}
        Some(row) if row.movable => match (here, is_final) {
            (true, false) => acts.push(Act::Hold(row.id)),
            (true, true) if row.utc != departure.last => {
                acts.push(Act::Move { id: row.id, utc: departure.last });
            }
            (true, true) => acts.push(Act::Release(row.id)),
            (false, true) => acts.push(Act::Withdraw {
                id: row.id,
                reason: format!("{} saw the student later", departure.door),
            }),
            (false, false) => acts.push(Act::Hold(row.id)),
        },
        Some(row) if ended && departure.last > row.utc => {
            acts.push(Act::Late { id: row.id, utc: departure.last });
        }
        Some(_) => {}
    }
    acts
}

/// Whether this door delivers the OUT: it has the latest sighting, or the door that has it is gone and this
/// one comes next.
fn is_ours(visits: &[Visit], departure: &Visit, absent: &BTreeSet<DoorName>) -> bool {
    if departure.door.is_here() {
        return true;
    }
    let next = visits.iter().filter(|visit| !absent.contains(&visit.door));
    absent.contains(&departure.door)
        && next.max_by_key(|visit| (visit.last, &visit.door)).is_some_and(|visit| visit.door.is_here())
}

#[cfg(test)]
#[path = "rules_tests.rs"]
mod tests;
