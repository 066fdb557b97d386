//! Visits and corrections, from the journal’s types to those of the messages between doors, and back.

use std::collections::BTreeMap;
use std::sync::Arc;

use time::{Date, OffsetDateTime};

use journal::Status;
use journal::config::Direction;
use journal::rules::{DoorName, Visit, Void};
use site::book;
use site::school::Elsewhere;

/// What persons did on the page of the door `name`, as the other doors get it.
pub(super) fn told(
    name: &Arc<str>,
    voids: &[Void],
    rows: &[(Status, OffsetDateTime)],
) -> (Vec<book::Void>, Vec<book::Fixed>) {
    let void = |void: &Void| {
        let door = if void.door.is_here() { Arc::clone(name) } else { Arc::from(void.door.as_str()) };
        book::Void { door, from: void.from.unix_timestamp(), to: void.to.unix_timestamp() }
    };
    let fixed = |(status, utc): &(Status, OffsetDateTime)| book::Fixed {
        out: *status == Status::Out,
        at: utc.unix_timestamp(),
    };
    (voids.iter().map(void).collect(), rows.iter().map(fixed).collect())
}

/// What persons did at other doors, as the journal of the door `name` takes it.
pub(super) fn heard(name: &str, date: Date, elsewhere: &Elsewhere) -> journal::Elsewhere {
    let time = |seconds| OffsetDateTime::from_unix_timestamp(seconds).ok();
    let void = |void: &book::Void| {
        Some(Void {
            student: elsewhere.roll.clone(),
            door: if *void.door == *name { DoorName::here() } else { named(&void.door)? },
            from: time(void.from)?,
            // Its last second counts as a whole.
            to: time(void.to)? + time::Duration::milliseconds(999),
        })
    };
    let row = |row: &book::Fixed| Some((if row.out { Status::Out } else { Status::In }, time(row.at)?));
    let rows = elsewhere.fixed.iter();
    // Two devices may have one name: a board that was replaced, and the one in its place.
    let mut of_doors: BTreeMap<DoorName, Vec<_>> = BTreeMap::new();
    for (door, rows) in rows {
        if let Some(door) = named(door) {
            of_doors.entry(door).or_default().extend(rows.iter().filter_map(row));
        }
    }
    of_doors.values_mut().for_each(|rows| rows.sort_by_key(|(_, utc)| *utc));
    journal::Elsewhere {
        student: elsewhere.roll.clone(),
        date,
        voids: elsewhere.voids.iter().filter_map(void).collect(),
        rows: of_doors.into_iter().collect(),
    }
}

/// A student's visits at other doors, as the journal takes them.
pub(super) fn visits_of(student: Elsewhere) -> Vec<Visit> {
    let Elsewhere { roll, visits, .. } = student;
    let time = |seconds| OffsetDateTime::from_unix_timestamp(seconds).ok();
    visits
        .into_iter()
        .filter_map(|passed| {
            Some(Visit {
                student: roll.clone(),
                door: named(&passed.door)?,
                direction: match passed.direction {
                    book::Direction::Both => Direction::Both,
                    book::Direction::In => Direction::In,
                    book::Direction::Out => Direction::Out,
                },
                first: time(passed.visit.begins)?,
                last: time(passed.visit.ends)?,
                estimated: false,
            })
        })
        .collect()
}

/// A door's name as the journal takes it: it has no commas.
pub(super) fn named(door: &str) -> Option<DoorName> {
    DoorName::parse(&without_commas(door))
}

pub(super) fn without_commas(door: &str) -> String {
    door.replace(',', " ")
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use time::macros::{date, datetime};

    use super::*;
    use base::identity::RollNumber;

    #[test]
    fn a_void_and_a_row_by_hand_name_the_same_visit_at_both_doors() {
        let roll = RollNumber::parse("7").unwrap();
        let (from, to) = (datetime!(2026-11-23 08:00:00 UTC), datetime!(2026-11-23 08:00:30.250 UTC));
        let void = |door| Void { student: roll.clone(), door, from, to };
        let other = DoorName::parse("South").unwrap();
        let (voids, fixed) =
            told(&"North".into(), &[void(DoorName::here()), void(other)], &[(Status::Out, to)]);
        let elsewhere = Elsewhere {
            roll: roll.clone(),
            account: book::Account::default(),
            visits: Vec::new(),
            voids,
            fixed: vec![("North".into(), fixed)],
        };
        let heard = heard("South", date!(2026 - 11 - 23), &elsewhere);
        let north = DoorName::parse("North").unwrap();
        assert_eq!(
            heard.voids.iter().map(|void| &void.door).collect::<Vec<_>>(),
            [&north, &DoorName::here()]
        );
        assert!(heard.voids.iter().all(|void| void.from <= from && to <= void.to), "the whole visit");
        assert_eq!(heard.rows, [(north, vec![(Status::Out, datetime!(2026-11-23 08:00:30 UTC))])]);
    }
}
