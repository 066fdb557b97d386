//! Many days together: each student's counts, and a month with a column for each day.

use std::collections::BTreeMap;

use time::{Date, Month};

use crate::day::{Day, Kind, Person, State, order};

/// Most days of a range: a term.
pub const MOST_DAYS: usize = 93;

/// A student over a range of days.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Total {
    /// Who.
    pub person: Person,
    /// Days on which they were seen in time.
    pub present: usize,
    /// Days on which they were late.
    pub late: usize,
    /// Days on which they were absent.
    pub absent: usize,
    /// Days on which they came and were not seen leaving.
    pub no_departure: usize,
    /// The letter of each day, in the order of the days; see [`State::letter`].
    pub letters: Vec<&'static str>,
}

/// Counts the days of each student. Days come in their order.
pub fn totals(days: &[Day]) -> Vec<Total> {
    let mut found: BTreeMap<&str, Total> = BTreeMap::new();
    for (at, day) in days.iter().enumerate() {
        for entry in &day.entries {
            let total = found.entry(&entry.person.roll).or_insert_with(|| Total {
                person: entry.person.clone(),
                letters: vec![""; days.len()],
                ..Total::default()
            });
            match entry.state {
                State::Present => total.present += 1,
                State::Late => total.late += 1,
                State::Absent => total.absent += 1,
                State::NotSeenYet | State::NoAttendance => {}
            }
            total.no_departure += usize::from(entry.no_departure);
            total.letters[at] = entry.state.letter();
        }
    }
    let mut totals: Vec<Total> = found.into_values().collect();
    totals.sort_by(|a, b| order(&a.person).cmp(&order(&b.person)));
    totals
}

/// Days of a range with attendance.
pub fn days_with_attendance(days: &[Day]) -> usize {
    days.iter().filter(|day| day.kind == Kind::Attendance).count()
}

/// The days from `from` to `to`, both included; none when there are none or too many.
pub fn days(from: Date, to: Date) -> Option<Vec<Date>> {
    let count = usize::try_from((to - from).whole_days()).ok()? + 1;
    (count <= MOST_DAYS).then(|| (0..count).map(|day| from + time::Duration::days(day as i64)).collect())
}

/// The first and the last day of the month `YYYY-MM`.
pub fn month(text: &str) -> Option<(Date, Date)> {
    let (year, month) = text.split_once('-')?;
    let is_plain =
        year.len() == 4 && month.len() == 2 && text.bytes().all(|b| b.is_ascii_digit() || b == b'-');
    let month = Month::try_from(month.parse::<u8>().ok().filter(|_| is_plain)?).ok()?;
    let year = year.parse().ok()?;
    let last = month.length(year);
    Some((Date::from_calendar_date(year, month, 1).ok()?, Date::from_calendar_date(year, month, last).ok()?))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use crate::day::Entry;
    use time::macros::date;

    fn day(date: Date, states: &[(&str, State, bool)]) -> Day {
        let entries = states
            .iter()
            .map(|(roll, state, no_departure)| Entry {
                person: Person { roll: (*roll).to_owned(), ..Person::default() },
                state: *state,
                no_departure: *no_departure,
                arrived: None,
                left: None,
                provisional: false,
            })
            .collect();
        Day { date, kind: Kind::Attendance, entries }
    }

    #[test]
    fn each_students_days_are_counted_and_each_day_has_its_letter() {
        let days = [
            day(date!(2026 - 11 - 23), &[("1", State::Present, true), ("2", State::Absent, false)]),
            day(date!(2026 - 11 - 24), &[("1", State::Late, false), ("10", State::NotSeenYet, false)]),
        ];
        let totals = totals(&days);
        let rolls: Vec<_> = totals.iter().map(|total| total.person.roll.as_str()).collect();
        assert_eq!(rolls, ["1", "2", "10"]);
        assert_eq!((totals[0].present, totals[0].late, totals[0].no_departure), (1, 1, 1));
        assert_eq!(totals[0].letters, ["P", "L"]);
        assert_eq!((totals[1].absent, totals[1].letters.as_slice()), (1, ["A", ""].as_slice()));
        assert_eq!(totals[2].letters, ["", "?"]);
    }

    #[test]
    fn a_range_has_its_limits_and_a_month_its_days() {
        assert_eq!(days(date!(2026 - 11 - 23), date!(2026 - 11 - 23)).unwrap().len(), 1);
        assert_eq!(days(date!(2026 - 11 - 23), date!(2026 - 11 - 22)), None);
        assert_eq!(days(date!(2026 - 01 - 01), date!(2026 - 04 - 03)).unwrap().len(), MOST_DAYS);
        assert_eq!(days(date!(2026 - 01 - 01), date!(2026 - 04 - 04)), None);
        assert_eq!(month("2028-02"), Some((date!(2028 - 02 - 01), date!(2028 - 02 - 29))));
        for bad in ["", "2026", "2026-13", "2026-1", "+026-01", "2026-00", "x-y"] {
            assert_eq!(month(bad), None, "{bad}");
        }
    }
}
