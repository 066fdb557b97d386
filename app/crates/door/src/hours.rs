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

/// A loudness at some hours, as "07:30-08:15=100".
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct VolumeAt {
    /// When.
    pub hours: Hours,
    /// 0 (silent) to 100.
    pub volume: u8,
}

/// Why a text is none.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0:?} is not a loudness at certain hours; write it as \"07:30-08:15=100\", from 0 to 100")]
pub struct NoVolume(String);

impl TryFrom<String> for VolumeAt {
    type Error = NoVolume;

    fn try_from(text: String) -> Result<Self, NoVolume> {
        let parsed = || {
            let (hours, volume) = text.split_once('=')?;
            let volume = volume.trim().parse().ok().filter(|volume| *volume <= 100)?;
            Some(Self { hours: hours.parse().ok()?, volume })
        };
        parsed().ok_or_else(|| NoVolume(text.chars().take(40).collect()))
    }
}

impl From<VolumeAt> for String {
    fn from(VolumeAt { hours, volume }: VolumeAt) -> Self {
        format!("{hours}={volume}")
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn loudness_follows_the_hours() {
        let volume_at =
            ["07:30-08:15=100", "08:00-20:00 = 30"].map(|text| VolumeAt::try_from(text.to_owned()).unwrap());
        assert_eq!(String::from(volume_at[1]), "08:00-20:00=30");
        for bad in ["", "07:30-08:15", "07:30-08:15=101", "07:30-08:15=-1", "7-8=50", "=50"] {
            assert!(VolumeAt::try_from(bad.to_owned()).is_err(), "{bad}");
        }
        let mut sound = crate::config::Sound { volume_at: volume_at.to_vec(), ..Default::default() };
        let at = |sound: &crate::config::Sound, hour: u16, minute| sound.volume_now(Some(60 * hour + minute));
        let day =
            [at(&sound, 7, 0), at(&sound, 7, 30), at(&sound, 8, 10), at(&sound, 8, 15), at(&sound, 20, 0)];
        assert_eq!(day, [70, 100, 100, 30, 70]);
        assert_eq!(sound.volume_now(None), 70);
        sound.hours = Some("08:00-18:00".parse().unwrap());
        sound.volume = 0;
        assert_eq!(
            [at(&sound, 7, 30), at(&sound, 8, 10), at(&sound, 17, 59), at(&sound, 18, 0)],
            [0, 100, 30, 0]
        );
        assert!(
            sound.is_ever_heard()
                && !crate::config::Sound { volume: 0, ..Default::default() }.is_ever_heard()
        );
    }

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
