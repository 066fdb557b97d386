//! What persons do at one door counts at the others.

use super::by_hand::{DAY, add, correct, id, three_visits};
use super::*;
use crate::rules::{DoorName, Visit, Void};
use crate::{Correction, Elsewhere, Status};

fn elsewhere(voids: Vec<Void>, rows: Vec<(Status, OffsetDateTime)>) -> Elsewhere {
    let student = RollNumber::parse("7").unwrap();
    Elsewhere { student, date: DAY, voids, rows: vec![(DoorName::parse("North").unwrap(), rows)] }
}

#[test]
fn a_void_at_another_door_takes_the_visit_away_here_too_in_whichever_order_it_comes() {
    let north = DoorName::parse("North").unwrap();
    let roll = RollNumber::parse("7").unwrap();
    let (first, last) = (datetime!(2026-11-23 07:00:00 UTC), datetime!(2026-11-23 07:00:30 UTC));
    let visit = Visit {
        student: roll.clone(),
        door: north.clone(),
        direction: Direction::Both,
        first,
        last,
        estimated: false,
    };
    let void = Void { student: roll, door: north, from: first, to: last };
    for void_first in [false, true] {
        let mut door = Door::new("UTC", datetime!(2026-11-23 08:00:00 UTC));
        let take_visit =
            |door: &Door| door.records().with_recorder(|recorder| recorder.take_in(vec![visit.clone()]));
        let take_void = |door: &Door| {
            let elsewhere = vec![elsewhere(vec![void.clone()], Vec::new())];
            door.records().with_recorder(|recorder| recorder.take_in_by_hand(elsewhere))
        };
        if void_first {
            take_void(&door);
        }
        take_visit(&door);
        door.see("7");
        assert_eq!(take_void(&door), usize::from(!void_first), "news once");
        for _ in 0..2 {
            door.tick();
            assert_eq!(door.rows(), ["7,in,2026-11-23 08:00:00"], "void first: {void_first}");
            door.restart();
        }
    }
}

#[test]
fn rows_by_hand_at_another_door_stand_here_until_they_are_taken_away_there() {
    let mut door = three_visits();
    let take = |door: &Door, rows: &[(Status, OffsetDateTime)]| {
        let elsewhere = vec![elsewhere(Vec::new(), rows.to_vec())];
        door.records().with_recorder(|recorder| recorder.take_in_by_hand(elsewhere))
    };
    let (came, went) = (datetime!(2026-11-23 07:30:00 UTC), datetime!(2026-11-23 13:00:00 UTC));
    assert_eq!(take(&door, &[(Status::In, came), (Status::Out, went)]), 1);
    for _ in 0..2 {
        assert_eq!((door.rows(), door.open(DAY)), (Vec::new(), Vec::new()), "the other door has both");
        door.restart();
        door.tick();
    }
    assert!(correct(&door, add("7", Status::In, came)).unwrap_err().what.contains("“North” has an IN"));
    assert_eq!(take(&door, &[]), 1);
    assert_eq!(door.rows(), ["7,in,2026-11-23 08:00:00"]);
    assert_eq!(door.open(DAY), ["7 2026-11-23 16:00:00"]);
    let told = door.records().with_recorder(|recorder| recorder.by_hand_on(DAY));
    assert!(told.is_empty(), "what other doors said is theirs to tell");
    correct(&door, Correction::Void { id: id(&door, "IN 2026-11-23 08:00:00") }).unwrap();
    let told = door.records().with_recorder(|recorder| recorder.by_hand_on(DAY));
    assert_eq!((told[0].voids.len(), told[0].rows.len()), (1, 0));
}
