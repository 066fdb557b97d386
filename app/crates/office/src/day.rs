//! The state of every student on one day: present, late, absent, and so on.

use std::collections::BTreeMap;

use time::{Date, PrimitiveDateTime, Time, Weekday};

/// Somebody who is expected, or who was seen.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Person {
    /// Roll number.
    pub roll: String,
    /// Name; empty where none is known.
    pub name: String,
    /// Class; empty where none is known.
    pub class: String,
    /// Whether they can be recognised: at least one of their photos is in use.
    pub enrolled: bool,
}

/// A row of attendance, at the site's local time.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Seen {
    /// Roll number.
    pub roll: String,
    /// Whether it is an IN.
    pub is_in: bool,
    /// When.
    pub at: PrimitiveDateTime,
    /// Whether the clock was not known to be right: nobody is called late by it.
    pub provisional: bool,
}

/// What the site says about its days.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Rules {
    /// A student who comes later is late; one who has not come by then is absent.
    pub late_after: Option<Time>,
    /// Weekdays with attendance; empty: every day.
    pub school_days: Vec<Weekday>,
    /// Whether every student who came is to be seen leaving.
    pub departures: bool,
}

/// The present moment.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Now {
    /// The school day.
    pub date: Date,
    /// Local time.
    pub time: PrimitiveDateTime,
    /// Whether attendance of the day is closed.
    pub closed: bool,
}

/// What a day is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// Attendance is taken.
    Attendance,
    /// The weekday is none of the school's days.
    NoSchoolDay,
    /// Nobody was seen.
    NobodySeen,
    /// It has not begun.
    Future,
}

/// What a student is on a day.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum State {
    /// Was seen, in time.
    Present,
    /// Was seen after `late_after`.
    Late,
    /// Was not seen, and may still come in time.
    NotSeenYet,
    /// Was not seen.
    Absent,
    /// There is no attendance on this day.
    NoAttendance,
}

impl State {
    /// Every state, in the order in which they are counted.
    pub const ALL: [Self; 5] =
        [Self::Present, Self::Late, Self::NotSeenYet, Self::Absent, Self::NoAttendance];

    /// In words.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Present => "present",
            Self::Late => "late",
            Self::NotSeenYet => "not seen yet",
            Self::Absent => "absent",
            Self::NoAttendance => "no attendance",
        }
    }

    /// Its letter in a month's sheet.
    pub fn letter(self) -> &'static str {
        match self {
            Self::Present => "P",
            Self::Late => "L",
            Self::NotSeenYet => "?",
            Self::Absent => "A",
            Self::NoAttendance => "",
        }
    }
}

/// One student on one day.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Entry {
    /// Who.
    pub person: Person,
    /// What they are.
    pub state: State,
    /// Whether they came and were not seen leaving, on a day that is over.
    pub no_departure: bool,
    /// The first IN.
    pub arrived: Option<Time>,
    /// The last OUT.
    pub left: Option<Time>,
    /// Whether a time was taken by a clock that was not known to be right.
    pub provisional: bool,
}

impl Entry {
    /// The state in words, with a departure that is missing.
    pub fn words(&self) -> String {
        let missing = if self.no_departure { ", no departure seen" } else { "" };
        format!("{}{missing}", self.state.as_str())
    }
}

/// A day.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Day {
    /// Which.
    pub date: Date,
    /// What it is.
    pub kind: Kind,
    /// Every student, by class and roll number.
    pub entries: Vec<Entry>,
}

impl Day {
    /// How many are in a state.
    pub fn count(&self, state: State) -> usize {
        self.entries.iter().filter(|entry| entry.state == state).count()
    }

    /// How many came and were not seen leaving.
    pub fn without_departure(&self) -> usize {
        self.entries.iter().filter(|entry| entry.no_departure).count()
    }

    /// Why there is no attendance; none where there is.
    pub fn reason(&self) -> Option<&'static str> {
        match self.kind {
            Kind::Attendance => None,
            Kind::NoSchoolDay => Some("No attendance: this weekday is not among attendance.school_days."),
            Kind::NobodySeen => Some("No attendance: nobody was seen on this day."),
            Kind::Future => Some("No attendance: this day has not begun."),
        }
    }
}

/// Judges a day: every person, and everybody else who was seen.
pub fn judge(date: Date, now: &Now, rules: &Rules, persons: &[Person], rows: &[Seen]) -> Day {
    let mut seen: BTreeMap<&str, Vec<&Seen>> = BTreeMap::new();
    for row in rows {
        seen.entry(&row.roll).or_default().push(row);
    }
    let over = date < now.date || (date == now.date && now.closed);
    // Before this moment nobody is absent.
    let still_early = match rules.late_after {
        _ if date > now.date => true,
        _ if over => false,
        Some(late) => now.time <= PrimitiveDateTime::new(date, late),
        None => true,
    };
    let is_school_day = rules.school_days.is_empty() || rules.school_days.contains(&date.weekday());
    let kind = match () {
        () if date > now.date => Kind::Future,
        () if !is_school_day => Kind::NoSchoolDay,
        () if seen.is_empty() && !still_early => Kind::NobodySeen,
        () => Kind::Attendance,
    };
    let judged = |person: Person, rows: &[&Seen]| -> Entry {
        let first = rows.iter().filter(|row| row.is_in).min_by_key(|row| row.at);
        let last = rows.iter().filter(|row| !row.is_in).max_by_key(|row| row.at);
        let late = rules
            .late_after
            .zip(first)
            .is_some_and(|(late, first)| !first.provisional && first.at > PrimitiveDateTime::new(date, late));
        let state = match (kind, rows.is_empty()) {
            (Kind::Attendance, false) if late => State::Late,
            (_, false) => State::Present,
            (Kind::Attendance, true) if still_early => State::NotSeenYet,
            (Kind::Attendance, true) => State::Absent,
            (_, true) => State::NoAttendance,
        };
        Entry {
            person,
            state,
            no_departure: over && rules.departures && first.is_some() && last.is_none(),
            arrived: first.map(|row| row.at.time()),
            left: last.map(|row| row.at.time()),
            provisional: rows.iter().any(|row| row.provisional),
        }
    };
    let mut entries: Vec<Entry> = Vec::with_capacity(persons.len());
    for person in persons {
        let rows = seen.remove(person.roll.as_str()).unwrap_or_default();
        entries.push(judged(person.clone(), &rows));
    }
    for (roll, rows) in seen {
        let person = Person { roll: roll.to_owned(), ..Person::default() };
        entries.push(judged(person, &rows));
    }
    entries.sort_by(|a, b| order(&a.person).cmp(&order(&b.person)));
    Day { date, kind, entries }
}

/// Students stand by class, then by roll number; numbers by their value, and who has no class last.
pub(crate) fn order(person: &Person) -> (bool, Natural<'_>, Natural<'_>) {
    (person.class.is_empty(), Natural(&person.class), Natural(&person.roll))
}

/// A text that sorts with its numbers by their value: "9 B" before "10 A".
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Natural<'a>(&'a str);

impl Ord for Natural<'_> {
    fn cmp(&self, other: &Self) -> std::cmp::Ordering {
        fn parts(text: &str) -> impl Iterator<Item = (u64, &str)> {
            let mut rest = text;
            std::iter::from_fn(move || {
                let first = rest.chars().next()?;
                let digits = first.is_ascii_digit();
                let end = rest.find(|c: char| c.is_ascii_digit() != digits).unwrap_or(rest.len());
                let (part, after) = rest.split_at(end);
                rest = after;
                // Longer numbers than this are compared as text.
                Some(if digits { (part.parse().unwrap_or(u64::MAX), part) } else { (u64::MAX, part) })
            })
        }
        parts(self.0).cmp(parts(other.0))
    }
}

impl PartialOrd for Natural<'_> {
    fn partial_cmp(&self, other: &Self) -> Option<std::cmp::Ordering> {
        Some(self.cmp(other))
    }
}

#[cfg(test)]
#[path = "day_tests.rs"]
mod tests;
