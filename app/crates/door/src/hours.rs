//! Hours of the day, as "07:00-17:30"; "20:00-06:00" goes over midnight.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

/// A part of every day: from a minute, up to and without another.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Hours {
    from: u16,
    to: u16,
}

/// Why a text is none.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0:?} are not hours; write them as \"07:00-17:30\", from 00:00 to 24:00")]
pub struct NoHours(String);

impl Hours {
    /// Whether this minute of the day (0 to 1439) is one of them.
    pub fn hold(self, minute: u16) -> bool {
        if self.from <= self.to {
            (self.from..self.to).contains(&minute)
        } else {
            minute >= self.from || minute < self.to
        }
    }
}

impl FromStr for Hours {
    type Err = NoHours;

    fn from_str(text: &str) -> Result<Self, NoHours> {
        let hours = || {
            let (from, to) = text.split_once('-')?;
            let (from, to) = (minute(from.trim())?, minute(to.trim())?);
            (from != to).then_some(Self { from, to })
        };
        hours().ok_or_else(|| NoHours(text.chars().take(40).collect()))
    }
}

/// The minute of "07:30".
fn minute(text: &str) -> Option<u16> {
    let (hour, minute) = text.split_once(':')?;
    let two = |digits: &str| digits.len() == 2 && digits.bytes().all(|byte| byte.is_ascii_digit());
    if !two(hour) || !two(minute) {
        return None;
    }
    let (hour, minute) = (hour.parse::<u16>().ok()?, minute.parse::<u16>().ok()?);
    (minute < 60 && hour * 60 + minute <= 1440).then_some(hour * 60 + minute)
}

impl fmt::Display for Hours {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { from, to } = self;
        write!(f, "{:02}:{:02}-{:02}:{:02}", from / 60, from % 60, to / 60, to % 60)
    }
}

impl TryFrom<String> for Hours {
    type Error = NoHours;

    fn try_from(text: String) -> Result<Self, NoHours> {
        text.parse()
    }
}

impl From<Hours> for String {
    fn from(hours: Hours) -> Self {
        hours.to_string()
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn hours_go_over_midnight_too() {
        let day: Hours = "07:00-17:30".parse().unwrap();
        assert!(day.hold(7 * 60) && day.hold(17 * 60 + 29) && !day.hold(17 * 60 + 30) && !day.hold(0));
        let night: Hours = "20:00 - 06:00".parse().unwrap();
        assert!(night.hold(23 * 60) && night.hold(0) && !night.hold(6 * 60) && !night.hold(12 * 60));
        assert!("00:00-24:00".parse::<Hours>().unwrap().hold(1439));
        assert_eq!(night.to_string(), "20:00-06:00");
        for bad in [
            "",
            "7:00-17:00",
            "07:00",
            "07:00-07:00",
            "07:60-08:00",
            "24:01-03:00",
            "aa:bb-cc:dd",
            "+7:00-08:00",
        ] {
            assert!(bad.parse::<Hours>().is_err(), "{bad}");
        }
    }
}
