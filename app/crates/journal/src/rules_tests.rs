//! The rules, against examples and against an oracle.

#![allow(clippy::unwrap_used)]

use proptest::prelude::*;
use time::macros::datetime;

use super::*;
use crate::config::Attendance;
use base::identity::RollNumber;

const GAP: Duration = Duration::from_secs(120);
const START: OffsetDateTime = datetime!(2026-11-23 00:00:00 UTC);

fn rules(change: impl FnOnce(&mut Settings)) -> Rules {
    let mut settings = Settings { attendance: Attendance::default(), ..Settings::default() };
    change(&mut settings);
    Rules::new(&settings, SiteZone::named("UTC").unwrap())
}

fn at(hours: f64) -> OffsetDateTime {
    START + time::Duration::seconds((hours * 3600.0).round() as i64)
}

fn visit(door: &str, direction: Direction, first: f64, last: f64) -> Visit {
    Visit {
        student: RollNumber::parse("7").unwrap(),
        door: DoorName::parse(door).unwrap_or_else(DoorName::here),
        direction,
        first: at(first),
        last: at(last),
        estimated: false,
    }
}

fn here(first: f64, last: f64) -> Visit {
    visit("", Direction::Both, first, last)
}

fn in_and_out(rules: &Rules, visits: &[Visit]) -> (Option<OffsetDateTime>, Option<OffsetDateTime>) {
    let Derived { arrival, departure } = derive(rules, visits, &[]);
    (arrival.map(|visit| visit.first), departure.map(|visit| visit.last))
}

#[test]
fn in_is_the_first_sighting_and_out_the_end_of_the_last_visit() {
    let rules = rules(|_| {});
    assert_eq!(in_and_out(&rules, &[]), (None, None));
    assert_eq!(
        in_and_out(&rules, &[here(7.86, 7.9)]),
        (Some(at(7.86)), None),
        "one visit is not a departure"
    );
    let day = [here(7.86, 7.9), here(10.0, 10.1), here(16.0, 16.02)];
    assert_eq!(in_and_out(&rules, &day), (Some(at(7.86)), Some(at(16.02))));
}

#[test]
fn lanes_have_a_direction() {
    let rules = rules(|_| {});
    let (lane_in, lane_out) =
        (|a, b| visit("in", Direction::In, a, b), |a, b| visit("out", Direction::Out, a, b));
    assert_eq!(in_and_out(&rules, &[lane_in(8.0, 8.0), lane_in(9.0, 9.0)]), (Some(at(8.0)), None));
    assert_eq!(in_and_out(&rules, &[lane_out(16.0, 16.1)]), (None, Some(at(16.1))), "one visit suffices");
    let day = [lane_in(8.0, 8.0), lane_out(12.0, 12.1), lane_in(13.0, 13.0)];
    assert_eq!(in_and_out(&rules, &day), (Some(at(8.0)), Some(at(12.1))));
}

#[test]
fn who_walks_past_two_doors_has_not_left() {
    let rules = rules(|_| {});
    let north = |a, b| visit("north", Direction::Both, a, b);
    assert_eq!(in_and_out(&rules, &[here(8.0, 8.01), north(8.02, 8.03)]), (Some(at(8.0)), None));
    assert_eq!(in_and_out(&rules, &[here(8.0, 8.01), north(16.0, 16.01)]), (Some(at(8.0)), Some(at(16.01))));
}

#[test]
fn sightings_before_the_time_of_departures_are_none() {
    let rules = rules(|settings| settings.attendance.departures_from = Some("12:00".parse().unwrap()));
    assert_eq!(in_and_out(&rules, &[here(8.0, 8.0), here(11.9, 11.99)]), (Some(at(8.0)), None));
    assert_eq!(in_and_out(&rules, &[here(8.0, 8.0), here(12.0, 12.1)]), (Some(at(8.0)), Some(at(12.1))));
}

fn so(closed: bool, now: f64) -> (bool, OffsetDateTime) {
    (closed, at(now))
}

fn judged(
    rules: &Rules,
    visits: &[Visit],
    rows: &[RowFact],
    (closed, now): (bool, OffsetDateTime),
) -> Vec<Act> {
    let absent = BTreeSet::new();
    judge(rules, visits, rows, Circumstances { closed, now: Some(now), absent: &absent, elsewhere: &[] })
}

fn row(id: u64, status: Status, hours: f64, movable: bool) -> RowFact {
    RowFact { id, status, utc: at(hours), movable, by_hand: false, seen: Some(at(hours)), void: false }
}

fn write(status: Status, hours: f64) -> Act {
    Act::Write { status, utc: at(hours), estimated: false }
}

#[test]
fn an_out_becomes_a_row_at_the_close_and_not_before_its_visit_is_over() {
    let rules = rules(|_| {});
    let visits = [here(8.0, 8.0), here(18.9, 18.99)];
    assert_eq!(judged(&rules, &visits, &[], so(false, 18.99)), [write(Status::In, 8.0)]);
    let arrived = [row(1, Status::In, 8.0, false)];
    assert_eq!(judged(&rules, &visits, &arrived, so(false, 20.0)), []);
    assert_eq!(judged(&rules, &visits, &arrived, so(true, 19.0)), [], "they may still stand there");
    assert_eq!(judged(&rules, &visits, &arrived, so(true, 19.1)), [write(Status::Out, 18.99)]);
}

#[test]
fn a_later_visit_moves_an_out_until_it_was_sent_and_is_late_afterwards() {
    let rules = rules(|_| {});
    let visits = [here(8.0, 8.0), here(16.0, 16.1), here(19.5, 19.6)];
    let rows = |movable| [row(1, Status::In, 8.0, false), row(2, Status::Out, 16.1, movable)];
    assert_eq!(judged(&rules, &visits, &rows(true), so(true, 19.6)), [Act::Hold(2)]);
    assert_eq!(judged(&rules, &visits, &rows(true), so(true, 20.0)), [Act::Move { id: 2, utc: at(19.6) }]);
    assert_eq!(judged(&rules, &visits, &rows(false), so(true, 20.0)), [Act::Late { id: 2, utc: at(19.6) }]);
}

#[test]
fn an_out_that_stood_long_enough_is_sent_before_the_close() {
    let rules = rules(|settings| {
        settings.attendance.departures_from = Some("12:00".parse().unwrap());
        settings.attendance.departure_settles = Some(Duration::from_secs(1800));
    });
    let visits = [here(8.0, 8.0), here(13.0, 13.0)];
    let arrived = [row(1, Status::In, 8.0, false)];
    assert_eq!(judged(&rules, &visits, &arrived, so(false, 13.49)), []);
    assert_eq!(judged(&rules, &visits, &arrived, so(false, 13.5)), [write(Status::Out, 13.0)]);
    let visits = [here(8.0, 8.0), here(13.0, 13.0), here(15.0, 15.0)];
    let sent = [row(1, Status::In, 8.0, false), row(2, Status::Out, 13.0, false)];
    assert_eq!(judged(&rules, &visits, &sent, so(false, 15.6)), [Act::Late { id: 2, utc: at(15.0) }]);
}

#[test]
fn another_doors_earlier_in_and_later_out_are_not_ours_to_send() {
    let rules = rules(|_| {});
    let north = |a, b| visit("north", Direction::Both, a, b);
    let visits = [north(7.9, 7.9), here(8.1, 8.1), north(16.0, 16.1)];
    assert_eq!(judged(&rules, &visits, &[], so(true, 20.0)), []);
    let rows = [row(1, Status::In, 8.1, true), row(2, Status::Out, 8.1, true)];
    let acts = judged(&rules, &visits, &rows, so(true, 20.0));
    assert!(matches!(&acts[..], [Act::Withdraw { id: 1, .. }, Act::Withdraw { id: 2, .. }]), "{acts:?}");
    // The other door is gone: this one delivers its OUT.
    let absent = BTreeSet::from([DoorName::parse("north").unwrap()]);
    let so = Circumstances { closed: true, now: Some(at(20.0)), absent: &absent, elsewhere: &[] };
    assert_eq!(judge(&rules, &visits, &[], so), [write(Status::Out, 16.1)]);
}

#[test]
fn alternate_takes_turns_over_all_doors_and_a_lane_has_its_own_direction() {
    let rules = rules(|settings| settings.attendance.policy = Policy::Alternate);
    let now = so(false, 20.0);
    assert_eq!(judged(&rules, &[here(8.0, 8.0)], &[], now), [write(Status::In, 8.0)]);
    let arrived = [row(1, Status::In, 8.0, false)];
    assert_eq!(judged(&rules, &[here(8.0, 8.1)], &arrived, now), []);
    assert_eq!(judged(&rules, &[here(8.0, 8.1), here(9.0, 9.0)], &arrived, now), [write(Status::Out, 9.0)]);
    let elsewhere = [here(8.0, 8.1), visit("north", Direction::Both, 9.0, 9.0), here(10.0, 10.0)];
    assert_eq!(judged(&rules, &elsewhere, &arrived, now), [write(Status::In, 10.0)]);
    assert_eq!(judged(&rules, &elsewhere[..2], &arrived, now), [], "the other door writes it");
}

fn by_hand(id: u64, status: Status, hours: f64) -> RowFact {
    RowFact { by_hand: true, seen: None, ..row(id, status, hours, false) }
}

#[test]
fn an_in_by_hand_is_a_presence_for_the_out() {
    let rules = rules(|_| {});
    let rows = [by_hand(1, Status::In, 8.0)];
    assert_eq!(judged(&rules, &[here(16.0, 16.1)], &rows, so(true, 20.0)), [write(Status::Out, 16.1)]);
    assert_eq!(judged(&rules, &[here(8.01, 8.02)], &rows, so(true, 20.0)), [], "seen as they came");
}

#[test]
fn a_row_by_hand_at_another_door_stands_for_its_status() {
    let rules = rules(|_| {});
    let visits = [here(8.0, 8.0), here(16.0, 16.1)];
    let absent = BTreeSet::new();
    let north = DoorName::parse("north").unwrap();
    let judged = |status, utc, rows: &[RowFact]| {
        let elsewhere = [HandRow { door: north.clone(), status, utc }];
        let so = Circumstances { closed: true, now: Some(at(20.0)), absent: &absent, elsewhere: &elsewhere };
        judge(&rules, &visits, rows, so)
    };
    assert_eq!(judged(Status::In, at(7.0), &[]), [write(Status::Out, 16.1)]);
    assert_eq!(judged(Status::Out, at(15.0), &[]), [write(Status::In, 8.0)]);
    let rows = [row(1, Status::In, 8.0, true), row(2, Status::Out, 16.1, true)];
    assert!(matches!(&judged(Status::In, at(7.0), &rows)[0], Act::Withdraw { id: 1, .. }));
    assert!(matches!(&judged(Status::Out, at(7.0), &rows)[..], [Act::Withdraw { id: 2, .. }]));
}

#[test]
fn under_alternate_a_row_with_a_changed_time_stays_the_row_of_its_visit() {
    let rules = rules(|settings| settings.attendance.policy = Policy::Alternate);
    let changed = [RowFact { by_hand: true, utc: at(7.0), ..row(1, Status::In, 8.0, false) }];
    let now = so(false, 20.0);
    assert_eq!(judged(&rules, &[here(8.0, 8.1)], &changed, now), []);
    assert_eq!(judged(&rules, &[here(8.0, 8.1), here(9.0, 9.0)], &changed, now), [write(Status::Out, 9.0)]);
    let added = [changed[0], by_hand(2, Status::Out, 8.5)];
    assert_eq!(judged(&rules, &[here(8.0, 8.1), here(9.0, 9.0)], &added, now), [write(Status::In, 9.0)]);
}

proptest! {
    /// However visits become known, the same IN and OUT follow: the book of a day has no order.
    #[test]
    fn what_follows_does_not_depend_on_the_order(
        visits in prop::collection::vec((0usize..3, 0u32..86_000, 0u32..300), 0..12),
        seed in any::<prop::sample::Index>(),
    ) {
        let doors = [("", Direction::Both), ("north", Direction::Both), ("lane", Direction::Out)];
        let mut visits: Vec<Visit> = visits
            .into_iter()
            .map(|(door, first, lasts)| {
                let (name, direction) = doors[door];
                let first = f64::from(first) / 3600.0;
                visit(name, direction, first, first + f64::from(lasts) / 3600.0)
            })
            .collect();
        let rules = rules(|_| {});
        let before = in_and_out(&rules, &visits);
        if !visits.is_empty() {
            let by = seed.index(visits.len());
            visits.rotate_left(by);
            visits.reverse();
        }
        prop_assert_eq!(in_and_out(&rules, &visits), before);
    }

    /// One door, any sightings: IN is the first, OUT the last, if there was a gap before the visit that it
    /// ends.
    #[test]
    fn one_door_is_as_an_oracle_says(seconds in prop::collection::btree_set(0u32..86_400, 0..40)) {
        let mut visits: Vec<Visit> = Vec::new();
        for second in &seconds {
            let utc = START + time::Duration::seconds(i64::from(*second));
            match visits.last_mut().filter(|visit| utc - visit.last < GAP) {
                Some(visit) => visit.last = utc,
                None => visits.push(Visit { first: utc, last: utc, ..here(0.0, 0.0) }),
            }
        }
        let time = |second: Option<&u32>| second.map(|second| START + time::Duration::seconds(i64::from(*second)));
        let gaps = seconds.iter().zip(seconds.iter().skip(1)).any(|(a, b)| b - a >= 120);
        let expected = (time(seconds.first()), time(seconds.last()).filter(|_| gaps));
        prop_assert_eq!(in_and_out(&rules(|_| {}), &visits), expected);
    }
}
