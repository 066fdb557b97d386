use super::*;
use proptest::prelude::*;
use time::macros::{date, datetime, time};

/// A Monday.
const DAY: Date = date!(2026 - 11 - 23);

fn rules() -> Rules {
    let school_days = vec![Weekday::Monday, Weekday::Tuesday, Weekday::Wednesday];
    Rules { late_after: Some(time!(8:30)), school_days, departures: true }
}

fn person(roll: &str) -> Person {
    Person { roll: roll.to_owned(), enrolled: true, ..Person::default() }
}

fn seen(roll: &str, is_in: bool, at: PrimitiveDateTime) -> Seen {
    Seen { roll: roll.to_owned(), is_in, at, provisional: false }
}

fn at(time: PrimitiveDateTime) -> Now {
    Now { date: time.date(), time, closed: false }
}

fn states(day: &Day) -> Vec<State> {
    day.entries.iter().map(|entry| entry.state).collect()
}

#[test]
fn who_has_not_come_is_absent_only_after_the_time() {
    let persons = [person("1"), person("2"), person("3")];
    let rows =
        [seen("1", true, datetime!(2026-11-23 8:30:00)), seen("2", true, datetime!(2026-11-23 8:30:01))];
    let early = judge(DAY, &at(datetime!(2026-11-23 8:30:00)), &rules(), &persons, &rows[..1]);
    assert_eq!(states(&early), [State::Present, State::NotSeenYet, State::NotSeenYet]);
    let later = judge(DAY, &at(datetime!(2026-11-23 8:31:00)), &rules(), &persons, &rows);
    assert_eq!(states(&later), [State::Present, State::Late, State::Absent]);
    assert_eq!(later.without_departure(), 0, "the day is not over");
    let no_rule = Rules { late_after: None, ..rules() };
    let later = judge(DAY, &at(datetime!(2026-11-23 18:00)), &no_rule, &persons, &rows);
    assert_eq!(states(&later), [State::Present, State::Present, State::NotSeenYet]);
    let closed = Now { closed: true, ..at(datetime!(2026-11-23 18:00)) };
    let closed = judge(DAY, &closed, &no_rule, &persons, &rows);
    assert_eq!(states(&closed)[2], State::Absent);
}

#[test]
fn a_departure_is_missing_only_on_a_day_that_is_over() {
    let persons = [person("1"), person("2")];
    let rows = [
        seen("1", true, datetime!(2026-11-23 8:00)),
        seen("2", true, datetime!(2026-11-23 9:00)),
        seen("1", false, datetime!(2026-11-23 15:00)),
        seen("1", false, datetime!(2026-11-23 16:00)),
    ];
    let day = judge(DAY, &at(datetime!(2026-11-24 8:00)), &rules(), &persons, &rows);
    assert_eq!(day.entries[0].words(), "present");
    assert_eq!(day.entries[0].left, Some(time!(16:00)));
    assert_eq!(day.entries[1].words(), "late, no departure seen");
    let ins_only = Rules { departures: false, ..rules() };
    let day = judge(DAY, &at(datetime!(2026-11-24 8:00)), &ins_only, &persons, &rows);
    assert_eq!(day.without_departure(), 0);
}

#[test]
fn a_day_without_anybody_and_a_day_off_are_no_attendance() {
    let persons = [person("1")];
    let tuesday = at(datetime!(2026-11-24 8:00));
    let nobody = judge(DAY, &tuesday, &rules(), &persons, &[]);
    assert_eq!((nobody.kind, states(&nobody)[0]), (Kind::NobodySeen, State::NoAttendance));
    // Before this time somebody may still come; after it, the day has no attendance.
    assert_eq!(judge(DAY, &at(datetime!(2026-11-23 8:00)), &rules(), &persons, &[]).kind, Kind::Attendance);
    assert_eq!(judge(DAY, &at(datetime!(2026-11-23 9:00)), &rules(), &persons, &[]).kind, Kind::NobodySeen);
    let sunday = date!(2026 - 11 - 22);
    let row = seen("2", true, datetime!(2026-11-22 10:00));
    let day = judge(sunday, &tuesday, &rules(), &persons, &[row]);
    assert_eq!((day.kind, states(&day)), (Kind::NoSchoolDay, vec![State::NoAttendance, State::Present]));
    let future = judge(date!(2026 - 11 - 25), &tuesday, &rules(), &persons, &[]);
    assert_eq!(future.kind, Kind::Future);
}

#[test]
fn nobody_is_late_by_a_clock_that_was_not_set() {
    let row = Seen { provisional: true, ..seen("1", true, datetime!(2026-11-23 12:00)) };
    let day = judge(DAY, &at(datetime!(2026-11-23 13:00)), &rules(), &[person("1")], &[row]);
    assert_eq!(states(&day), [State::Present]);
}

#[test]
fn who_comes_after_midnight_of_a_long_day_is_late() {
    let row = seen("1", true, datetime!(2026-11-24 0:10));
    let day = judge(DAY, &at(datetime!(2026-11-24 1:00)), &rules(), &[person("1")], &[row]);
    assert_eq!(states(&day), [State::Late]);
}

#[test]
fn classes_and_roll_numbers_stand_in_the_order_of_their_numbers() {
    let of = |class: &str, roll: &str| Person { class: class.to_owned(), ..person(roll) };
    let persons = [of("10 A", "7"), of("", "1"), of("9 B", "10"), of("9 B", "9")];
    let day = judge(DAY, &at(datetime!(2026-11-23 8:00)), &rules(), &persons, &[]);
    let order: Vec<_> = day.entries.iter().map(|e| e.person.roll.as_str()).collect();
    assert_eq!(order, ["9", "10", "7", "1"]);
}

proptest! {
    #[test]
    fn everybody_has_one_state_that_fits_the_day(
        rolls in proptest::collection::btree_set("[1-9]{1,2}", 0..12),
        rows in proptest::collection::vec(("[1-9]{1,2}", any::<bool>(), 0_u8..24, 0_u8..60), 0..20),
        (hour, late) in (0_u8..24, 0_u8..24),
        (off, closed, has_late) in (-3_i64..=3, any::<bool>(), any::<bool>()),
    ) {
        let date = DAY + time::Duration::days(off);
        let clock = |hour, minute| Time::from_hms(hour, minute, 0).unwrap_or(Time::MIDNIGHT);
        let rules = Rules { late_after: has_late.then(|| clock(late, 0)), ..rules() };
        let persons: Vec<_> = rolls.iter().map(|roll| person(roll)).collect();
        let rows: Vec<_> = rows
            .iter()
            .map(|(roll, is_in, hour, minute)| {
                seen(roll, *is_in, PrimitiveDateTime::new(date, clock(*hour, *minute)))
            })
            .collect();
        let now = Now { date: DAY, time: PrimitiveDateTime::new(DAY, clock(hour, 0)), closed };
        let day = judge(date, &now, &rules, &persons, &rows);
        let all: usize = State::ALL.into_iter().map(|state| day.count(state)).sum();
        prop_assert_eq!(all, day.entries.len());
        let mut every: std::collections::BTreeSet<_> = rolls.iter().cloned().collect();
        every.extend(rows.iter().map(|row| row.roll.clone()));
        prop_assert_eq!(day.entries.len(), every.len());
        for entry in &day.entries {
            let was_seen = rows.iter().any(|row| row.roll == entry.person.roll);
            prop_assert_eq!(was_seen, matches!(entry.state, State::Present | State::Late));
            prop_assert!(entry.state != State::Absent || day.kind == Kind::Attendance);
            prop_assert!(entry.state != State::NotSeenYet || date == DAY, "an earlier day is decided");
            prop_assert!(entry.state != State::Late || rules.late_after < entry.arrived);
            prop_assert!(!entry.no_departure || (entry.arrived.is_some() && entry.left.is_none()));
        }
    }
}
