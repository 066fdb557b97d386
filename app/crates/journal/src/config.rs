//! The sections `[attendance]` and `[door]` of the configuration.

use std::fmt;
use std::str::FromStr;
use std::time::Duration;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use time::{Time, Weekday};

/// The rules that turn recognitions into rows.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Attendance {
    /// "first-in-last-out" (one IN and one OUT a day, what the backend stores: IN is the first time somebody
    /// is seen, OUT the last) or "alternate" (IN, OUT, IN ..., one row a visit, at once).
    pub policy: Policy,
    /// Sightings of a student less than this apart are one visit, however long it lasts. It counts from the
    /// last sighting. At least 15 seconds.
    #[serde(with = "humantime_serde")]
    #[schemars(with = "String")]
    pub minimum_gap: Duration,
    /// With "first-in-last-out": the time at which the day closes and its OUT rows are sent, for example
    /// "19:00". Without it they are sent at midnight (or at site.day_starts).
    pub day_ends: Option<TimeOfDay>,
    /// Sightings before this time are not departures, for example "12:00".
    pub departures_from: Option<TimeOfDay>,
    /// Sends an OUT as soon as nobody has seen the student for this long, for example "30m", instead of when
    /// the day closes. Needs departures_from. A student who is seen later still is listed as a conflict.
    #[serde(with = "humantime_serde::option")]
    #[schemars(with = "Option<String>")]
    pub departure_settles: Option<Duration>,
    /// A student who is first seen later than this is late on the page and in its downloads, and who was
    /// not seen by then is absent, for example "08:30". Without it nobody is late, and nobody is absent
    /// before the day closes. The rows that are delivered stay as they are.
    pub late_after: Option<TimeOfDay>,
    /// Weekdays with attendance, for example ["monday", "tuesday"]; empty: every day. On other days nobody is
    /// absent on the page and in its downloads; who is seen has rows as ever.
    pub school_days: Vec<SchoolWeekday>,
    /// Days that delivered rows stay in the journal and the CSV files, 8 to 36500. What is not delivered
    /// always stays; without a webhook these days count for every row whose time is known.
    pub keep_days: u32,
}

impl Default for Attendance {
    fn default() -> Self {
        Self {
            policy: Policy::FirstInLastOut,
            minimum_gap: Duration::from_secs(120),
            day_ends: None,
            departures_from: None,
            departure_settles: None,
            late_after: None,
            school_days: Vec::new(),
            keep_days: 400,
        }
    }
}

/// A day of the week.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
#[allow(missing_docs)]
pub enum SchoolWeekday {
    Monday,
    Tuesday,
    Wednesday,
    Thursday,
    Friday,
    Saturday,
    Sunday,
}

impl From<SchoolWeekday> for Weekday {
    fn from(day: SchoolWeekday) -> Self {
        match day {
            SchoolWeekday::Monday => Self::Monday,
            SchoolWeekday::Tuesday => Self::Tuesday,
            SchoolWeekday::Wednesday => Self::Wednesday,
            SchoolWeekday::Thursday => Self::Thursday,
            SchoolWeekday::Friday => Self::Friday,
            SchoolWeekday::Saturday => Self::Saturday,
            SchoolWeekday::Sunday => Self::Sunday,
        }
    }
}

/// How recognitions of one day become rows.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Policy {
    /// IN is the beginning of the day's first visit, OUT the end of its last.
    FirstInLastOut,
    /// IN, OUT, IN, OUT, one row a visit.
    Alternate,
}

/// The door.
#[derive(Debug, Clone, Default, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Door {
    /// Which way people pass here: "both", "in" (this door writes INs only) or "out" (departures only; one
    /// visit suffices for an OUT).
    pub direction: Direction,
}

/// Which way people pass a door.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Direction {
    /// Both ways.
    #[default]
    Both,
    /// Into the building only.
    In,
    /// Out of the building only.
    Out,
}

impl Direction {
    /// `both`, `in` or `out`.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Both => "both",
            Self::In => "in",
            Self::Out => "out",
        }
    }

    /// Reads what [`as_str`](Self::as_str) gives.
    pub fn parse(text: &str) -> Option<Self> {
        [Self::Both, Self::In, Self::Out].into_iter().find(|direction| direction.as_str() == text)
    }
}

/// A time of day at the site, `HH:MM`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema)]
#[serde(try_from = "String", into = "String")]
#[schemars(with = "String")]
pub struct TimeOfDay(Time);

/// Not a time of day.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{text:?} is not a time of day; write it as \"HH:MM\", from \"00:00\" to \"23:59\"")]
pub struct NoTimeOfDay {
    /// What was given.
    pub text: String,
}

impl TimeOfDay {
    /// Midnight.
    pub const MIDNIGHT: Self = Self(Time::MIDNIGHT);

    /// `time` to the minute.
    pub fn of(time: Time) -> Self {
        Self(Time::from_hms(time.hour(), time.minute(), 0).unwrap_or(Time::MIDNIGHT))
    }

    /// As a time.
    pub fn time(self) -> Time {
        self.0
    }
}

impl Default for TimeOfDay {
    fn default() -> Self {
        Self::MIDNIGHT
    }
}

impl fmt::Display for TimeOfDay {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:02}:{:02}", self.0.hour(), self.0.minute())
    }
}

impl FromStr for TimeOfDay {
    type Err = NoTimeOfDay;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let number = |part: &str| {
            (part.len() == 2 && part.bytes().all(|byte| byte.is_ascii_digit())).then(|| part.parse().ok())?
        };
        let parsed = text
            .split_once(':')
            .and_then(|(hour, minute)| Time::from_hms(number(hour)?, number(minute)?, 0).ok());
        parsed.map(Self).ok_or_else(|| NoTimeOfDay { text: text.to_owned() })
    }
}

impl TryFrom<String> for TimeOfDay {
    type Error = NoTimeOfDay;

    fn try_from(text: String) -> Result<Self, Self::Error> {
        text.parse()
    }
}

impl From<TimeOfDay> for String {
    fn from(time: TimeOfDay) -> Self {
        time.to_string()
    }
}

/// Everything that the rules of a door need.
#[derive(Debug, Clone, Default)]
pub struct Settings {
    /// The section `[attendance]`.
    pub attendance: Attendance,
    /// The section `[door]`.
    pub door: Door,
    /// When a school day begins.
    pub day_starts: TimeOfDay,
    /// Whether there is no webhook: a row is finished as soon as its time is known.
    pub rows_stay: bool,
}

impl From<&Attendance> for Settings {
    fn from(attendance: &Attendance) -> Self {
        Self { attendance: attendance.clone(), ..Self::default() }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn a_time_of_day_is_read_strictly_and_says_what_is_allowed() {
        assert_eq!("19:05".parse::<TimeOfDay>().unwrap().to_string(), "19:05");
        for wrong in ["19", "24:00", "7:00", "19:60", "19:00:00", "+1:00", "", "ab:cd"] {
            assert!(wrong.parse::<TimeOfDay>().unwrap_err().to_string().contains("HH:MM"), "{wrong}");
        }
    }
}
