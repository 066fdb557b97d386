#![allow(clippy::unwrap_used)]
use base::secret::Secret;
use time::macros::date;

use super::receiving::SHOWN;
use super::*;
use crate::book::Fixed;
use crate::judge::Heard;

const DAY: Date = date!(2026 - 11 - 30);
const STARTS: i64 = 1_796_000_000;
const NOW: i64 = STARTS + 30_000;

fn roll() -> RollNumber {
    RollNumber::parse("2110001").unwrap()
}

fn school(number: u8, door: &str) -> School {
    let keys = Keys::new("school", &Secret::new("k".repeat(32)));
    let mut school = School::new(Device([number; 8]), door, Direction::Both, keys, Topics::new("school"));
    school.open(&[Window { day: DAY, starts: STARTS, ends: STARTS + 86_400 }]);
    school.enrol([roll()]);
    school
}

fn own(visits: &[(i64, i64)]) -> Own {
    let visits = visits.iter().map(|(begins, ends)| Visit { begins: *begins, ends: *ends }).collect();
    Own { visits, ..Own::default() }
}

fn times(school: &School) -> (Option<i64>, Option<i64>) {
    let account = school.account(DAY, &roll());
    (account.arrival.map(|seen| seen.at), account.departure.map(|seen| seen.at))
}

#[test]
fn two_doors_agree_in_whichever_order_messages_come() {
    let (mut a, mut b) = (school(1, "A"), school(2, "B"));
    let from_a = a.own(DAY, &roll(), own(&[(NOW - 900, NOW - 800)]), NOW, || 1).unwrap();
    let from_b = b.own(DAY, &roll(), own(&[(NOW - 90, NOW - 80)]), NOW, || 1).unwrap();
    assert!(matches!(b.receive(&from_a.0, &from_a.1, true, NOW), Received::Changed(..)));
    assert!(matches!(a.receive(&from_b.0, &from_b.1, false, NOW), Received::Changed(..)));
    assert_eq!(a.receive(&from_b.0, &from_b.1, true, NOW), Received::Known);
    assert_eq!(times(&a), (Some(NOW - 900), Some(NOW - 80)));
    assert_eq!(times(&a), times(&b));
    assert!(b.delivers_departure(DAY, &roll(), NOW, Duration::from_secs(600), Duration::ZERO));
}

#[test]
fn another_door_delivers_where_the_last_one_is_gone_and_only_once() {
    let (mut a, mut b) = (school(1, "A"), school(2, "B"));
    let grace = Duration::from_secs(600);
    let beacon = b.beacon(1, NOW, "1");
    assert_eq!(
        a.receive(&beacon.0, &beacon.1, false, NOW),
        Received::Beacon(Heard { first: true, put_off: false })
    );
    a.own(DAY, &roll(), own(&[(NOW - 900, NOW - 800)]), NOW, || 1);
    let seen = b.own(DAY, &roll(), own(&[(NOW - 90, NOW - 80)]), NOW, || 1).unwrap();
    a.receive(&seen.0, &seen.1, false, NOW);
    assert!(!a.delivers_departure(DAY, &roll(), NOW + 600, grace, grace));
    assert!(a.silent(NOW + 600, grace, grace).is_empty());
    assert!(a.silent(NOW + 601, grace, grace / 2).is_empty(), "it has not listened for long enough");
    assert_eq!(a.silent(NOW + 601, grace, grace), BTreeSet::from(["B".into()]));
    assert!(!a.delivers_departure(DAY, &roll(), NOW + 601, grace, Duration::ZERO));
    assert!(a.delivers_departure(DAY, &roll(), NOW + 601, grace, grace));
    let delivered = Delivered { departure: Some(NOW - 80), ..Delivered::default() };
    a.own(DAY, &roll(), Own { delivered, ..own(&[(NOW - 900, NOW - 800)]) }, NOW, || 2);
    assert!(!a.delivers_departure(DAY, &roll(), NOW + 601, grace, grace));
}

#[test]
fn what_did_not_change_is_not_published_again() {
    let mut a = school(1, "A");
    assert!(a.own(DAY, &roll(), own(&[(NOW - 9, NOW - 8)]), NOW, || 1).is_some());
    assert!(a.own(DAY, &roll(), own(&[(NOW - 9, NOW - 8)]), NOW, || 2).is_none());
    assert!(a.own(DAY, &roll(), own(&[(NOW - 9, NOW - 7)]), NOW, || 2).is_some());
    // The number of visits between the first and the last one changes nothing.
    assert!(
        a.own(DAY, &roll(), own(&[(NOW - 9, NOW - 7), (NOW - 5, NOW - 5), (NOW, NOW)]), NOW, || 3).is_some()
    );
    assert!(a.own(DAY, &roll(), own(&[(NOW - 9, NOW - 7), (NOW, NOW)]), NOW, || 4).is_none());
}

#[test]
fn a_disk_that_is_behind_the_broker_catches_up() {
    let (mut a, mut restored) = (school(1, "A"), school(1, "A"));
    let late = a.own(DAY, &roll(), own(&[(NOW - 9, NOW - 8)]), NOW, || 50).unwrap();
    restored.own(DAY, &roll(), own(&[(NOW - 9, NOW - 9)]), NOW, || 1);
    let received = restored.receive(&late.0, &late.1, true, NOW);
    assert!(matches!(received, Received::Behind(..)));
    let again = restored.own(DAY, &roll(), own(&[(NOW - 9, NOW - 9)]), NOW, || 2).unwrap();
    let mut b = school(2, "B");
    b.receive(&late.0, &late.1, true, NOW);
    assert!(matches!(b.receive(&again.0, &again.1, false, NOW), Received::Changed(..)));
}

#[test]
fn an_entry_that_somebody_replaced_by_an_older_one_or_deleted_is_published_again() {
    let mut a = school(1, "A");
    let old = a.own(DAY, &roll(), own(&[(NOW - 9, NOW - 8)]), NOW, || 1).unwrap();
    let new = a.own(DAY, &roll(), own(&[(NOW - 9, NOW - 7)]), NOW, || 2).unwrap();
    assert_eq!(a.receive(&new.0, &new.1, false, NOW), Received::Known);
    assert!(matches!(a.receive(&old.0, &old.1, false, NOW), Received::Overwritten(..)));
    assert!(matches!(a.receive(&old.0, b"", false, NOW), Received::Overwritten(..)));
    assert_eq!(times(&a), (Some(NOW - 9), None));
}

#[test]
fn a_void_at_one_door_lets_the_other_publish_its_next_visit() {
    let (mut a, mut b) = (school(1, "A"), school(2, "B"));
    let visits = [(NOW - 900, NOW - 890), (NOW - 500, NOW - 490), (NOW - 90, NOW - 80)];
    b.own(DAY, &roll(), own(&visits), NOW, || 1);
    let void = Void { door: "B".into(), from: NOW - 95, to: NOW };
    let correction = a.own(DAY, &roll(), Own { voids: vec![void], ..Own::default() }, NOW, || 1).unwrap();
    b.receive(&correction.0, &correction.1, false, NOW);
    assert_eq!(times(&b), (Some(NOW - 900), None), "only the first visit is known without the next message");
    assert!(b.own(DAY, &roll(), own(&visits), NOW, || 2).is_some());
    assert_eq!(times(&b), (Some(NOW - 900), Some(NOW - 490)));
}

#[test]
fn voids_and_rows_by_hand_reach_the_journal_of_the_other_door() {
    let (mut a, mut b) = (school(1, "A"), school(2, "B"));
    let void = Void { door: "B".into(), from: NOW - 95, to: NOW - 80 };
    let fixed = vec![Fixed { out: false, at: NOW - 900 }];
    let own = Own { voids: vec![void.clone()], fixed: fixed.clone(), ..Own::default() };
    let message = a.own(DAY, &roll(), own, NOW, || 1).unwrap();
    let Received::Changed(day, student) = b.receive(&message.0, &message.1, false, NOW) else { panic!() };
    let elsewhere = b.elsewhere(day, student).unwrap();
    assert_eq!((elsewhere.voids, elsewhere.fixed), (vec![void], vec![("A".into(), fixed)]));
    let message = a.own(DAY, &roll(), Own::default(), NOW, || 2).unwrap();
    b.receive(&message.0, &message.1, false, NOW);
    assert_eq!(b.elsewhere(day, student).unwrap().fixed, vec![("A".into(), Vec::new())]);
}

#[test]
fn what_is_refused_is_counted_and_says_what_to_do() {
    let mut a = school(1, "A");
    let foreign = Keys::new("school", &Secret::new("another key of another school, long"));
    let mut other = School::new(Device([2; 8]), "B", Direction::Both, foreign, Topics::new("school"));
    other.open(&[Window { day: DAY, starts: STARTS, ends: STARTS + 86_400 }]);
    let (topic, mut payload) = other.own(DAY, &roll(), own(&[(NOW, NOW)]), NOW, || 1).unwrap();
    assert_eq!(a.receive(&topic, &payload, false, NOW), Received::Refused);
    payload[0] = 9;
    a.receive(&topic, &payload, false, NOW);
    a.receive(&topic, b"hello", false, NOW);
    a.receive("attendance/school/else", &[0; 4_000], true, NOW);
    let counters = a.counters();
    assert_eq!((counters.foreign, counters.other_version, counters.garbage, counters.taken), (1, 1, 2, 0));
    let faults = a.faults(NOW);
    assert!(faults[0].advice.as_ref().unwrap().contains("mqtt.site_key"));
    assert_eq!(faults[1].advice.as_deref(), Some("update this door"));
    assert!(faults[2].what.contains("2 messages"));
    assert!(a.faults(NOW + SHOWN + 1).is_empty());
    assert!(a.book(DAY).is_none());
}

#[test]
fn a_student_who_is_not_on_the_roster_yet_is_known_later() {
    let (mut a, mut b) = (school(1, "A"), school(2, "B"));
    a.enrol([]);
    let (topic, payload) = b.own(DAY, &roll(), own(&[(NOW, NOW)]), NOW, || 1).unwrap();
    let Received::Changed(day, student) = a.receive(&topic, &payload, false, NOW) else { panic!() };
    assert!(a.elsewhere(day, student).is_none());
    a.enrol([roll()]);
    assert_eq!(a.elsewhere(day, student).unwrap().roll, roll());
}
