//! When to look for updates, install them and restart: pure policy.
//!
//! Fetching and installing go on beside the work (RAUC runs at low priority) and may begin at any time in the
//! window; only the restart stops recognition for a minute, so it waits until nobody has stood before the
//! camera for a while.

use std::fmt;
use std::str::FromStr;
use std::time::Duration;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use time::Time;

/// Share by which the time between two questions varies, so that a thousand doors do not ask at once.
const JITTER: f64 = 0.2;

/// Longest wait before the first question after a start: after a power cut all doors of a site start
/// together.
const FIRST: Duration = Duration::from_secs(600);

/// A part of every day, by the clock on the site's wall. It may go over midnight.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Window {
    from: Time,
    to: Time,
}

/// A text that is not a window.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{text:?} is not a part of the day; write it as \"02:00-04:30\"")]
pub struct NotAWindow {
    /// The text.
    pub text: String,
}

impl Window {
    /// When nobody comes and somebody is there in the morning, should anything be wrong.
    pub const NIGHT: Self = Self { from: time::macros::time!(02:00), to: time::macros::time!(04:30) };

    /// Whether it is open at a time of day. The first minute belongs to it, the last does not.
    pub fn contains(self, time: Time) -> bool {
        if self.from <= self.to {
            (self.from..self.to).contains(&time)
        } else {
            time >= self.from || time < self.to
        }
    }
}

impl FromStr for Window {
    type Err = NotAWindow;

    fn from_str(text: &str) -> Result<Self, NotAWindow> {
        let time = |text: &str| {
            let (hour, minute) = text.trim().split_once(':')?;
            Time::from_hms(hour.parse().ok()?, minute.parse().ok()?, 0).ok()
        };
        let window = text.split_once('-').and_then(|(from, to)| {
            let (from, to) = (time(from)?, time(to)?);
            (from != to).then_some(Self { from, to })
        });
        window.ok_or_else(|| NotAWindow { text: text.chars().take(40).collect() })
    }
}

impl fmt::Display for Window {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (from, to) = (self.from, self.to);
        write!(f, "{:02}:{:02}-{:02}:{:02}", from.hour(), from.minute(), to.hour(), to.minute())
    }
}

impl TryFrom<String> for Window {
    type Error = NotAWindow;

    fn try_from(text: String) -> Result<Self, NotAWindow> {
        text.parse()
    }
}

impl From<Window> for String {
    fn from(window: Window) -> Self {
        window.to_string()
    }
}

/// What happens with a bundle on a stick.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum StickRule {
    /// Installed, and tried as soon as nobody is there.
    AtOnce,
    /// Installed, and tried in the window.
    InWindow,
    /// Not looked at.
    Off,
}

/// What the site chose.
#[derive(Debug, Clone, Copy)]
pub struct Policy {
    /// When updates may be installed and tried.
    pub window: Window,
    /// How long nobody must have stood before the camera.
    pub quiet: Duration,
    /// What happens with a bundle on a stick.
    pub stick: StickRule,
}

/// What is the case now.
#[derive(Debug, Clone, Default)]
pub struct Situation<'a> {
    /// The clock on the site's wall; none while the device's clock is not known to be right.
    pub time: Option<Time>,
    /// How long nobody has been before the camera.
    pub quiet: Duration,
    /// Whether it is time to ask again ([`next_question`]).
    pub question_due: bool,
    /// The running version.
    pub running: &'a str,
    /// The version that was found at the last question and is not installed.
    pub offered: Option<&'a str>,
    /// Versions that were rolled back, or left, and not acknowledged: trying one again would only repeat it.
    pub not_wanted: &'a [String],
    /// Whether an installed system waits for its trial.
    pub waits_for_trial: bool,
    /// Whether that one came by a stick.
    pub from_stick: bool,
}

/// What to do now.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Step {
    /// Nothing.
    Wait,
    /// Ask whether there is a newer version.
    Ask,
    /// Install the offered version.
    Install,
    /// Restart into the installed one.
    Try,
}

/// What to do in a situation.
pub fn next(policy: &Policy, now: &Situation<'_>) -> Step {
    let open = now.time.is_some_and(|time| policy.window.contains(time));
    if now.waits_for_trial {
        // Somebody came with the stick and waits; and a door without network may never learn what time it is.
        let open = open || (now.from_stick && policy.stick == StickRule::AtOnce);
        return match now.question_due && now.time.is_some() {
            _ if open && now.quiet >= policy.quiet => Step::Try,
            true => Step::Ask,
            false => Step::Wait,
        };
    }
    if now.time.is_none() {
        // Every certificate is invalid then.
        return Step::Wait;
    }
    let wanted = now.offered.filter(|offered| {
        is_newer(offered, now.running) && !now.not_wanted.iter().any(|version| version == offered)
    });
    match wanted {
        Some(_) if open => Step::Install,
        _ if now.question_due => Step::Ask,
        _ => Step::Wait,
    }
}

/// Time to the next question: about `interval`, the first one soon after the start. `random` is from 0 to 1.
pub fn next_question(interval: Duration, is_first: bool, random: f64) -> Duration {
    if is_first {
        FIRST.min(interval).mul_f64(random)
    } else {
        interval.mul_f64(1.0 + JITTER * (2.0 * random - 1.0))
    }
}

/// Whether `offered` is a later version than `running` (semantic versioning 2.0.0; builds of one version go
/// by their date, which stands first in ours). Versions that cannot be read are never newer.
pub fn is_newer(offered: &str, running: &str) -> bool {
    match (Version::read(offered), Version::read(running)) {
        (Some(offered), Some(running)) => offered > running,
        _ => false,
    }
}

/// Whether a text is a version that can be compared.
pub fn is_version(text: &str) -> bool {
    Version::read(text).is_some()
}

/// Ordered by its fields from the first on.
#[derive(Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Version {
    core: [u64; 3],
    /// A release comes after its pre-releases.
    is_release: bool,
    pre: Vec<Part>,
    build: Vec<Part>,
}

/// Numbers come before words, as semantic versioning says.
#[derive(Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Part {
    Number(u64),
    Word(String),
}

impl Version {
    fn read(text: &str) -> Option<Self> {
        let (text, build) = text.split_once('+').unwrap_or((text, ""));
        let (core, pre) = text.split_once('-').unwrap_or((text, ""));
        let core: Vec<u64> = core.split('.').map(|part| part.parse().ok()).collect::<Option<_>>()?;
        let parts = |text: &str| {
            let part = |part: &str| part.parse().map_or_else(|_| Part::Word(part.to_owned()), Part::Number);
            text.split('.').filter(|text| !text.is_empty()).map(part).collect::<Vec<_>>()
        };
        let pre = parts(pre);
        Some(Self { core: core.try_into().ok()?, is_release: pre.is_empty(), pre, build: parts(build) })
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use proptest::prelude::*;
    use time::macros::time;

    use super::*;

    fn policy() -> Policy {
        let window = "02:00-04:30".parse().unwrap();
        Policy { window, quiet: Duration::from_secs(600), stick: StickRule::AtOnce }
    }

    fn night() -> Situation<'static> {
        Situation {
            time: Some(time!(03:00)),
            quiet: Duration::from_secs(3600),
            running: "1.0.0",
            ..Situation::default()
        }
    }

    #[test]
    fn windows_may_cross_midnight() {
        let window: Window = "22:30-01:00".parse().unwrap();
        assert!(window.contains(time!(22:30)) && window.contains(time!(00:59)));
        assert!(!window.contains(time!(01:00)) && !window.contains(time!(12:00)));
        assert!(policy().window.contains(time!(04:29)) && !policy().window.contains(time!(04:30)));
        for bad in ["", "02:00", "2-4", "02:00-02:00", "25:00-03:00", "02:00-03:60", "-1:00-02:00"] {
            assert!(bad.parse::<Window>().is_err(), "{bad}");
        }
        assert_eq!(window.to_string(), "22:30-01:00");
    }

    #[test]
    fn newer_version_is_installed_and_tried_at_night() {
        let offered = Situation { offered: Some("1.1.0"), ..night() };
        assert_eq!(next(&policy(), &offered), Step::Install);
        let day = Situation { time: Some(time!(12:00)), ..offered.clone() };
        assert_eq!(next(&policy(), &day), Step::Wait);
        let installed = Situation { waits_for_trial: true, ..night() };
        assert_eq!(next(&policy(), &installed), Step::Try);
        let somebody = Situation { quiet: Duration::from_secs(30), ..installed };
        assert_eq!(next(&policy(), &somebody), Step::Wait);
        assert_eq!(next(&policy(), &Situation { question_due: true, ..somebody }), Step::Ask);
    }

    #[test]
    fn only_wanted_newer_versions_are_installed() {
        for version in ["1.0.0", "0.9.9", "1.0", "latest", ""] {
            let offered = Situation { offered: Some(version), question_due: true, ..night() };
            assert_eq!(next(&policy(), &offered), Step::Ask, "{version}");
        }
        let not_wanted = ["1.1.0".to_owned()];
        let again = Situation { offered: Some("1.1.0"), not_wanted: &not_wanted, ..night() };
        assert_eq!(next(&policy(), &again), Step::Wait);
    }

    #[test]
    fn nothing_is_done_without_a_clock() {
        let lost = Situation { time: None, offered: Some("1.1.0"), question_due: true, ..night() };
        assert_eq!(next(&policy(), &lost), Step::Wait);
    }

    #[test]
    fn stick_update_is_tried_when_the_door_is_quiet() {
        let day = Situation { waits_for_trial: true, time: Some(time!(12:00)), ..night() };
        assert_eq!(next(&policy(), &day), Step::Wait);
        let stick = Situation { from_stick: true, ..day };
        assert_eq!(next(&policy(), &stick), Step::Try);
        assert_eq!(next(&policy(), &Situation { time: None, ..stick.clone() }), Step::Try);
        let somebody = Situation { quiet: Duration::from_secs(599), ..stick.clone() };
        assert_eq!(next(&policy(), &somebody), Step::Wait);
        let at_night = Policy { stick: StickRule::InWindow, ..policy() };
        assert_eq!(next(&at_night, &stick), Step::Wait);
        assert_eq!(next(&at_night, &Situation { time: Some(time!(02:00)), ..stick }), Step::Try);
    }

    #[test]
    fn versions_are_ordered() {
        let ascending = [
            "0.9.0",
            "1.0.0-rc.1",
            "1.0.0-rc.2",
            "1.0.0",
            "1.0.0+20260101.1200.abc1234",
            "1.0.0+20260101.1201.0bc1234",
            "1.0.1",
            "1.10.0",
        ];
        for (n, older) in ascending.iter().enumerate() {
            for newer in &ascending[n + 1..] {
                assert!(is_newer(newer, older) && !is_newer(older, newer), "{older} {newer}");
            }
            assert!(!is_newer(older, older));
        }
    }

    proptest! {
        #[test]
        fn any_text_is_answered(offered in ".{0,40}", running in ".{0,40}", window in "[0-9:-]{0,12}") {
            prop_assert!(!(is_newer(&offered, &running) && is_newer(&running, &offered)));
            if let Ok(window) = window.parse::<Window>() {
                prop_assert_eq!(window.to_string().parse::<Window>().unwrap(), window);
            }
        }

        #[test]
        fn questions_are_spread_out(random in 0.0..1.0_f64) {
            let day = Duration::from_secs(86_400);
            let next = next_question(day, false, random).as_secs();
            prop_assert!((69_000..=103_681).contains(&next));
            prop_assert!(next_question(day, true, random) <= FIRST);
        }
    }
}
