//! The rules that turn visits into rows: pure, without clock or file.
//!
//! A [`Visit`] is a stretch of sightings of one student at one door. [`derive()`] says which IN and which OUT
//! follow from the visits of a day, whichever doors they come from and in whatever order they are known.
//! [`judge`] compares that with the rows which this door has, and says what is to be done.

mod visit;

use std::collections::BTreeSet;
use std::time::Duration;

use time::OffsetDateTime;

pub use self::visit::{DoorName, HandRow, Visit, Void};
use crate::config::{Direction, Policy, Settings, TimeOfDay};
use crate::day::SchoolDay;
use crate::row::Status;
use base::moment::SiteZone;

/// The rules of a door.
#[derive(Debug, Clone)]
pub struct Rules {
    /// How visits become rows.
    pub policy: Policy,
    /// Sightings less than this apart are one visit.
    pub gap: Duration,
    /// Earlier sightings are not departures.
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
/// has not left. `present`: when a person said by hand that the student came; who came so leaves with the
/// next visit.
pub fn derive<'a>(rules: &Rules, visits: &'a [Visit], present: &[OffsetDateTime]) -> Derived<'a> {
    let arrival = visits
        .iter()
        .filter(|visit| visit.direction != Direction::Out)
        .min_by_key(|visit| (visit.first, &visit.door));
    let departure = visits
        .iter()
        .filter(|visit| visit.direction != Direction::In)
        .max_by_key(|visit| (visit.last, &visit.door))
        .filter(|last| last.direction == Direction::Out || is_second(rules, visits, present, last))
        .filter(|last| rules.departures_from.is_none_or(|from| rules.day.is_from(last.last, from)));
    Derived { arrival, departure }
}

/// Whether somebody was away between the first visit and `last`.
fn is_second(rules: &Rules, visits: &[Visit], present: &[OffsetDateTime], last: &Visit) -> bool {
    let there = visits.iter().map(|visit| (visit.first, visit.last));
    let there = there.chain(present.iter().map(|utc| (*utc, *utc)));
    let mut before: Vec<_> = there.filter(|(first, _)| *first <= last.last).collect();
    before.sort_unstable();
    let mut seen_until: Option<OffsetDateTime> = None;
    before.into_iter().any(|(first, until)| {
        let away = seen_until.is_some_and(|seen_until| first - seen_until >= rules.gap);
        seen_until = seen_until.max(Some(until));
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
    /// The sighting that it was made from, whatever time a person gave it since; none for one that a person
    /// added.
    pub seen: Option<OffsetDateTime>,
    /// Whether a person declared the visit void that it was made from.
    pub void: bool,
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
    /// The rows of this day that persons entered or changed at other doors.
    pub elsewhere: &'a [HandRow],
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
    /// A row is withdrawn before it was sent.
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

/// What is to be done about the rows of one student and day, from all visits that count and from the rows of
/// this door.
pub fn judge(rules: &Rules, visits: &[Visit], rows: &[RowFact], so: Circumstances<'_>) -> Vec<Act> {
    match rules.policy {
        Policy::Alternate => alternate(rules, visits, rows, so.elsewhere).into_iter().collect(),
        Policy::FirstInLastOut => first_in_last_out(rules, visits, rows, so),
    }
}

/// The row of the newest visit, if this is a visit at this door and has no row yet.
fn alternate(rules: &Rules, visits: &[Visit], rows: &[RowFact], elsewhere: &[HandRow]) -> Option<Act> {
    let mut ordered: Vec<&Visit> = visits.iter().collect();
    ordered.sort_by_key(|visit| (visit.first, &visit.door));
    let holds = |visit: &Visit, utc| visit.door.is_here() && (visit.first..=visit.last).contains(&utc);
    // A row whose time a person changed is still the row of the visit that it was made from.
    let row_of = |visit: &Visit| rows.iter().find(|row| row.seen.is_some_and(|utc| holds(visit, utc)));
    let newest = *ordered.last().filter(|newest| newest.door.is_here() && row_of(newest).is_none())?;
    let mut last = None;
    for visit in &ordered[..ordered.len() - 1] {
        last = Some(row_of(visit).map_or_else(|| follows(visit.direction, last), |row| row.status));
    }
    // A row that a person added stands in no visit.
    let added = rows.iter().filter(|row| row.seen.is_none()).map(|row| (row.utc, row.status));
    let added = added.chain(elsewhere.iter().map(|row| (row.utc, row.status)));
    let added = added.filter(|(utc, _)| *utc <= newest.first).max_by_key(|(utc, _)| *utc);
    let visit_before = ordered.iter().rev().nth(1).map(|visit| visit.first);
    if let Some((_, status)) = added.filter(|(utc, _)| visit_before.is_none_or(|first| *utc > first)) {
        last = Some(status);
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
    let present = present(rows, so.elsewhere);
    let Derived { arrival, departure } = derive(rules, visits, &present);
    let mut acts = Vec::new();
    let of = |status| rows.iter().filter(move |row| row.status == status);
    let elsewhere = |status| so.elsewhere.iter().find(|row| row.status == status);
    let by_hand = |status| of(status).any(|row| row.by_hand);
    let withdraw = |row: &RowFact, reason: String| Act::Withdraw { id: row.id, reason };
    let entered = |row: &HandRow| format!("{} was entered by hand at {}", row.status, row.door);
    if !by_hand(Status::In) {
        let row = of(Status::In).min_by_key(|row| row.utc);
        let movable = row.filter(|row| row.movable);
        match (elsewhere(Status::In), arrival) {
            (Some(other), _) => acts.extend(movable.map(|row| withdraw(row, entered(other)))),
            (None, None) => {
                let void = movable.filter(|row| row.void);
                acts.extend(void.map(|row| withdraw(row, "its visit was declared void".to_owned())));
            }
            (None, Some(arrival)) => {
                let (here, utc) = (arrival.door.is_here(), arrival.first);
                match row {
                    None if here => {
                        acts.push(Act::Write { status: Status::In, utc, estimated: arrival.estimated });
                    }
                    Some(row) if row.movable && (utc < row.utc || row.void) => acts.push(match here {
                        true => Act::Move { id: row.id, utc },
                        false => withdraw(row, format!("{} saw the student first", arrival.door)),
                    }),
                    _ => {}
                }
            }
        }
    }
    if by_hand(Status::Out) {
        return acts;
    }
    if let Some(other) = elsewhere(Status::Out) {
        let movable = of(Status::Out).filter(|row| row.movable);
        acts.extend(movable.map(|row| withdraw(row, entered(other))));
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

/// When persons said by hand that the student came.
pub(crate) fn present(rows: &[RowFact], elsewhere: &[HandRow]) -> Vec<OffsetDateTime> {
    let here = rows.iter().filter(|row| row.by_hand).map(|row| (row.status, row.utc));
    let all = here.chain(elsewhere.iter().map(|row| (row.status, row.utc)));
    all.filter(|(status, _)| *status == Status::In).map(|(_, utc)| utc).collect()
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
