//! How updates ended: what the technician reads after the fact.
//!
//! The new system writes why it failed, the old one reads it. Both share the data partition, so the same rule holds as for the
//! record: fields may be added and old ones stay.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use time::OffsetDateTime;

use super::attempt::Origin;
use super::record::{Progress, System};
use super::slot::Slot;

/// Outcomes kept. One a month for over a year.
const KEPT: usize = 16;

/// Most lines of the log kept with a failure, newest last.
pub const LOG_LINES: usize = 60;

/// Longest line of the log kept, characters.
const LINE_LENGTH: usize = 300;

/// How updates ended, the newest last.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct History {
    /// The outcomes.
    pub outcomes: Vec<Outcome>,
    /// Outcomes that a later version noted in words unknown here: kept for it.
    #[serde(skip)]
    pub foreign: Vec<Value>,
}

impl History {
    /// The newest outcome.
    pub fn last(&self) -> Option<&Outcome> {
        self.outcomes.last()
    }

    /// The outcome of a trial.
    pub fn of_trial(&self, trial: u64) -> Option<&Outcome> {
        self.outcomes.iter().find(|outcome| outcome.trial == trial)
    }

    /// Adds an outcome and forgets the oldest.
    pub(super) fn add(&mut self, outcome: Outcome) {
        self.outcomes.retain(|kept| kept.trial != outcome.trial);
        self.outcomes.push(outcome);
        let surplus = self.outcomes.len().saturating_sub(KEPT);
        self.outcomes.drain(..surplus);
    }
}

/// How one trial ended.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Outcome {
    /// The trial's number, by which a technician acknowledges it.
    pub trial: u64,
    /// The slot that was tried.
    pub slot: Slot,
    /// The system that installed it.
    #[serde(default)]
    pub from: System,
    /// The system that was tried, where it is known.
    #[serde(default)]
    pub to: Option<System>,
    /// How the update had come.
    #[serde(default)]
    pub origin: Origin,
    /// When this was noted, by the device's clock.
    #[serde(with = "time::serde::rfc3339")]
    #[schemars(with = "String")]
    pub at: OffsetDateTime,
    /// How it ended.
    #[serde(flatten)]
    pub end: End,
}

/// How a trial can end.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(tag = "end", rename_all = "kebab-case")]
pub enum End {
    /// The new system proved healthy and is the committed one.
    Committed,
    /// The committed system did not start any more; the other one did, proved healthy and was committed.
    Rescued,
    /// A check of the new system failed; it went back to the old one.
    Failed {
        /// The check that failed.
        check: String,
        /// What it found.
        reason: String,
        /// The newest lines of the new system's log.
        log: Vec<String>,
    },
    /// The new system said nothing: it did not come up, crashed, hung, or lost its power.
    Silent {
        /// How far it came.
        reached: Progress,
    },
}

impl End {
    /// A failed check, with no more of the log than is kept.
    pub fn failed(check: &str, reason: &str, log: &[String]) -> Self {
        let newest = &log[log.len().saturating_sub(LOG_LINES)..];
        let log = newest.iter().map(|line| line.chars().take(LINE_LENGTH).collect()).collect();
        Self::Failed { check: check.to_owned(), reason: reason.to_owned(), log }
    }

    /// Whether the system that was tried is the committed one now.
    pub fn is_success(&self) -> bool {
        matches!(self, Self::Committed | Self::Rescued)
    }
}

impl Outcome {
    /// One sentence for the technician: what happened, and what to do.
    pub fn sentence(&self) -> String {
        let to = match &self.to {
            Some(system) if !system.version.is_empty() => format!("version {}", system.version),
            _ => "the new version".to_owned(),
        };
        match &self.end {
            End::Committed if self.origin == Origin::Unknown => format!("Updated to {to}."),
            End::Committed => format!("Updated to {to} from {}.", self.origin),
            End::Rescued => format!(
                "The committed system did not start; the one in slot {} did and is used now. Install the update again.",
                self.slot
            ),
            End::Failed { check, reason, .. } => format!(
                "The update to {to} was taken back: its check \"{check}\" failed ({reason}). The previous version runs. Send the \
                 diagnostics to support before trying again."
            ),
            End::Silent { reached: Progress::Up } => format!(
                "The update to {to} was taken back: it came up and ended before its checks were through (crash, hang, or power \
                 cut). The previous version runs; if the power was cut, install it again."
            ),
            End::Silent { .. } => format!(
                "The update to {to} was taken back: it did not come up (kernel, boot files, or a power cut before). The previous \
                 version runs; if the power was cut, install it again."
            ),
        }
    }
}

pub(super) fn to_text(history: &History) -> Vec<u8> {
    // Plain structs and strings: nothing in them can fail to become JSON.
    let known = history.outcomes.iter().filter_map(|outcome| serde_json::to_value(outcome).ok());
    let outcomes: Vec<_> = history.foreign.iter().cloned().chain(known).collect();
    serde_json::to_vec_pretty(&json!({"outcomes": outcomes})).unwrap_or_default()
}

/// The history of a text. Outcomes of a form unknown here are set aside, one by one.
pub(super) fn from_text(text: &[u8]) -> History {
    #[derive(Deserialize)]
    struct Raw {
        outcomes: Vec<Value>,
    }
    let raw: Raw = match serde_json::from_slice(text) {
        Ok(raw) => raw,
        Err(error) => {
            log::warn!("the history of updates cannot be read and begins anew: {error}");
            return History::default();
        }
    };
    let mut history = History::default();
    for value in raw.outcomes {
        match Outcome::deserialize(&value) {
            Ok(outcome) => history.outcomes.push(outcome),
            Err(_) => history.foreign.push(value),
        }
    }
    let surplus = history.foreign.len().saturating_sub(KEPT);
    history.foreign.drain(..surplus);
    history
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use time::macros::datetime;

    use super::*;

    fn outcome(trial: u64, end: End) -> Outcome {
        let to = Some(System { version: "2.0.0".to_owned(), built: None });
        Outcome {
            trial,
            slot: Slot::B,
            from: System::default(),
            to,
            origin: Origin::Stick,
            at: datetime!(2026-01-02 03:04:05 UTC),
            end,
        }
    }

    #[test]
    fn the_newest_outcomes_are_kept_and_a_trial_has_one() {
        let mut history = History::default();
        for trial in 1..=40 {
            history.add(outcome(trial, End::Silent { reached: Progress::Begun }));
            history.add(outcome(trial, End::Committed));
        }
        assert_eq!(history.outcomes.len(), KEPT);
        assert_eq!(history.last().unwrap().trial, 40);
        assert!(history.outcomes.iter().all(|outcome| outcome.end == End::Committed));
        assert_eq!(from_text(&to_text(&history)), history);
    }

    #[test]
    fn an_outcome_in_unknown_words_hides_no_other() {
        let mut history = History::default();
        history.add(outcome(1, End::Committed));
        history.add(outcome(2, End::Rescued));
        let text = String::from_utf8(to_text(&history)).unwrap().replace("rescued", "transcended");
        let mut back = from_text(text.as_bytes());
        assert_eq!((back.outcomes.len(), back.foreign.len()), (1, 1));
        // The older version notes how its own update ended; the later one finds all three.
        back.add(outcome(3, End::Committed));
        let text = String::from_utf8(to_text(&back)).unwrap().replace("transcended", "rescued");
        assert_eq!(from_text(text.as_bytes()).outcomes.len(), 3);
        assert_eq!(from_text(b"{").outcomes.len(), 0);
    }

    #[test]
    fn a_failure_keeps_the_end_of_the_log_and_says_which_check() {
        let log: Vec<String> = (0..500).map(|n| format!("line {n} {}", "é".repeat(1000))).collect();
        let end = End::failed("camera", "no frame within 60 s", &log);
        let End::Failed { log, .. } = &end else { unreachable!() };
        assert_eq!(log.len(), LOG_LINES);
        assert!(log.last().unwrap().starts_with("line 499"));
        assert!(log.iter().all(|line| line.chars().count() <= LINE_LENGTH));
        let told = outcome(3, end).sentence();
        assert!(told.contains("camera") && told.contains("no frame") && told.contains("2.0.0"), "{told}");
    }
}
