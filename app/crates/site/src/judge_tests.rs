#![allow(clippy::unwrap_used)]
use time::macros::date;

use super::*;
use crate::book::{Delivered, Direction, Entry, Student, Visit};

const DAY: Date = date!(2026 - 11 - 30);
const STARTS: i64 = 1_796_000_000;
const NOW: i64 = STARTS + 30_000;

fn device(number: u8) -> Device {
    Device([number; 8])
}

fn judge() -> Judge {
    let mut judge = Judge::new(device(1), "Main gate".into());
    let window = |day, starts| Window { day, starts, ends: starts + 86_400 };
    judge.open(vec![window(DAY, STARTS), window(DAY.previous_day().unwrap(), STARTS - 86_400)]);
    judge
}

fn beacon(number: u8, door: &str, sequence: u64, sent_at: i64) -> Beacon {
    Beacon { device: device(number), door: door.into(), sequence, sent_at, version: "1".into() }
}

fn seen(day: Date, sent_at: i64, visit: (i64, i64)) -> Seen {
    let entry = Entry {
        sequence: 1,
        door: "Side".into(),
        direction: Direction::Both,
        visits: vec![Visit { begins: visit.0, ends: visit.1 }],
        voids: Vec::new(),
        newest: None,
        delivered: Delivered::default(),
        fixed: Vec::new(),
    };
    Seen { day, device: device(2), student: Student([9; 16]), sent_at, entry }
}

#[test]
fn a_window_is_found_for_any_start_of_the_day() {
    for hours in [-11, 0, 5, 14] {
        let date_of = |utc: OffsetDateTime| (utc + time::Duration::hours(hours)).date();
        let window = Window::of(DAY, date_of).unwrap();
        let midnight = DAY.midnight().assume_utc().unix_timestamp();
        assert_eq!((window.starts, window.ends - window.starts), (midnight - hours * 3600, 86_400));
    }
}

#[test]
fn a_right_message_is_believed_live_and_kept() {
    let mut judge = judge();
    let right = seen(DAY, NOW - 5, (NOW - 100, NOW - 5));
    assert_eq!(judge.judge(&right, true, NOW), Ok(()));
    assert_eq!(judge.judge(&right, false, NOW + 9_000), Ok(()));
    assert!(judge.troubles(NOW).is_empty());
}

#[test]
fn a_door_whose_clock_is_a_day_behind_changes_nothing_and_is_named() {
    let mut judge = judge();
    judge.beacon(&beacon(2, "Side", 1, NOW - 86_400), NOW);
    let yesterday = DAY.previous_day().unwrap();
    let wrong = seen(yesterday, NOW - 86_400, (NOW - 86_500, NOW - 86_400));
    assert_eq!(judge.judge(&wrong, true, NOW), Err(Doubt::Clock(-86_400)));
    assert_eq!(judge.judge(&wrong, false, NOW), Err(Doubt::Clock(-86_400)));
    let troubles = judge.troubles(NOW);
    assert!(troubles.contains(&Trouble::WrongClock("Side".into(), -86_400)));
    let fault = troubles[0].fault();
    assert!(fault.what.contains("24 hours behind"), "{fault}");
    assert!(fault.advice.unwrap().contains("time server"));
}

#[test]
fn an_old_live_message_of_a_door_that_was_not_heard_waits_until_it_is() {
    let mut judge = judge();
    let old = seen(DAY, NOW - 3_600, (NOW - 3_700, NOW - 3_600));
    assert_eq!(judge.judge(&old, true, NOW), Err(Doubt::Unheard), "its clock may be wrong");
    assert!(judge.troubles(NOW).is_empty(), "nobody has to do anything");
    assert_eq!(judge.troubles(NOW + PRESENT + 1), [Trouble::NoBeacon("Side".into())]);
    let heard = judge.beacon(&beacon(2, "Side", 1, NOW), NOW);
    assert_eq!(heard, Some(Heard { first: true, put_off: true }), "the broker is asked again");
    assert_eq!(judge.judge(&old, false, NOW), Ok(()), "what the broker keeps");
    let heard = judge.beacon(&beacon(2, "Side", 2, NOW + 60), NOW + 60);
    assert_eq!(heard, Some(Heard { first: false, put_off: false }));
}

#[test]
fn a_door_that_was_away_or_started_again_is_answered() {
    let mut judge = judge();
    let first = |judge: &mut Judge, sequence, now| {
        judge.beacon(&beacon(2, "Side", sequence, now), now).unwrap().first
    };
    assert!(first(&mut judge, 1, NOW));
    assert!(!first(&mut judge, 2, NOW + 60));
    assert!(first(&mut judge, 3, NOW + 60 + PRESENT + 1), "it was away");
    assert!(first(&mut judge, 1 << 32, NOW + 130 + PRESENT), "it started again");
    assert_eq!(judge.beacon(&beacon(2, "Side", 3, NOW), NOW), None, "repeated by somebody");
}

#[test]
fn a_door_whose_clock_is_a_day_ahead_changes_nothing() {
    let mut judge = judge();
    let wrong = seen(DAY.next_day().unwrap(), NOW + 86_400, (NOW + 86_300, NOW + 86_400));
    assert!(matches!(judge.judge(&wrong, true, NOW), Err(Doubt::OtherDay(_))));
    let within = seen(DAY, NOW + 3_600, (NOW + 3_500, NOW + 3_600));
    assert_eq!(judge.judge(&within, false, NOW), Err(Doubt::Clock(3_600)));
    // An hour later the same message would look right; the door's next message decides.
    assert_eq!(judge.doubted(), 2);
}

#[test]
fn times_outside_the_day_or_after_the_message_are_not_believed() {
    let mut judge = judge();
    for visit in [(STARTS - 1, NOW), (NOW, NOW + 500), (i64::MIN, i64::MAX)] {
        assert_eq!(judge.judge(&seen(DAY, NOW, visit), true, NOW), Err(Doubt::Times), "{visit:?}");
    }
    assert_eq!(judge.troubles(NOW), [Trouble::Quarantine("Side".into(), 1, Doubt::Times)]);
    let corrected = seen(DAY, NOW, (NOW - 9, NOW));
    assert_eq!(judge.judge(&corrected, true, NOW), Ok(()));
    assert!(judge.troubles(NOW).is_empty(), "the later message takes its place");
}

#[test]
fn a_message_that_waited_is_believed_when_the_doors_clock_is_right() {
    let mut judge = judge();
    judge.beacon(&beacon(2, "Side", 1, NOW + 1), NOW);
    assert_eq!(judge.judge(&seen(DAY, NOW - 9_000, (NOW - 9_100, NOW - 9_000)), true, NOW), Ok(()));
}

#[test]
fn two_doors_with_one_name_are_told_until_one_is_silent() {
    let mut judge = judge();
    judge.beacon(&beacon(2, "Main gate", 1, NOW), NOW);
    judge.beacon(&beacon(3, "Side", 1, NOW), NOW);
    judge.beacon(&beacon(4, "Side", 1, NOW), NOW);
    let expected = [Trouble::OurName("Main gate".into()), Trouble::SharedName("Side".into())];
    assert_eq!(judge.troubles(NOW), expected);
    assert!(judge.troubles(NOW)[0].fault().advice.unwrap().contains("site.name"));
    assert!(judge.troubles(NOW + PRESENT + 1).is_empty());
}

#[test]
fn a_repeated_beacon_is_not_taken_for_a_wrong_clock() {
    let mut judge = judge();
    assert!(judge.beacon(&beacon(2, "Side", 5, NOW), NOW).is_some());
    assert_eq!(judge.beacon(&beacon(2, "Side", 5, NOW), NOW + 3_600), None);
    assert_eq!(judge.beacon(&beacon(2, "Side", 4, NOW - 60), NOW + 3_600), None);
    assert!(judge.troubles(NOW + 1).is_empty());
    assert_eq!(judge.here(NOW + 600, 600), [device(2), device(1)]);
    assert_eq!(judge.here(NOW + 601, 600), [device(1)]);
}

#[test]
fn where_all_others_agree_our_clock_is_doubted() {
    let mut judge = judge();
    for number in [2, 3] {
        judge.beacon(&beacon(number, &format!("Door {number}"), 1, NOW + 7_200), NOW);
    }
    assert_eq!(judge.troubles(NOW), [Trouble::OurClock(7_200)]);
}

#[test]
fn the_quarantine_is_bounded_and_ends_with_the_day() {
    let mut judge = judge();
    for number in 0..2_000u32 {
        let mut wrong = seen(DAY, NOW, (0, 1));
        wrong.student.0[..4].copy_from_slice(&number.to_be_bytes());
        assert!(judge.judge(&wrong, true, NOW).is_err());
    }
    assert_eq!(judge.doubted(), MOST_DOUBTED);
    judge.open(Vec::new());
    assert_eq!(judge.doubted(), 0);
}
