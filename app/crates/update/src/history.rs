//! How updates ended: what the technician reads after the fact.
//!
//! The new system writes why it failed, the old one reads it. Both share the data partition, so the same rule
//! holds as for the record: fields may be added and old ones stay.

use serde::{Deserialize, Deserializer, Serialize};
use serde_json::{Value, json};
use time::OffsetDateTime;

use super::attempt::Origin;
use super::record::{System, TrialProgress};
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
    pub outcomes: Vec<TrialOutcome>,
    /// Outcomes that a later version noted in words unknown here: kept for it.
    #[serde(skip)]
    pub foreign: Vec<Value>,
}

impl History {
    /// The newest outcome.
    pub fn last(&self) -> Option<&TrialOutcome> {
        self.outcomes.last()
    }

    /// The outcome of a trial.
    pub fn of_trial(&self, trial: u64) -> Option<&TrialOutcome> {
        self.outcomes.iter().find(|outcome| outcome.trial == trial)
    }

    /// The outcomes after the one that a technician acknowledged last.
    pub fn unacknowledged(&self, acknowledged: Option<u64>) -> &[TrialOutcome] {
        let known = self.outcomes.iter().rposition(|outcome| Some(outcome.trial) == acknowledged);
        &self.outcomes[known.map_or(0, |at| at + 1)..]
    }

    /// Versions that are not installed automatically until somebody acknowledges. A failed check is enough
    /// for that. A version that reported nothing may have lost power, so only the second time counts. If
    /// somebody went back, the version that they left is not wanted. A version that was committed later is
    /// wanted again.
    pub fn not_wanted(&self, acknowledged: Option<u64>) -> Vec<String> {
        let (mut refused, mut silent) = (Vec::<String>::new(), Vec::<&str>::new());
        for outcome in self.unacknowledged(acknowledged) {
            let tried = outcome.to.as_ref().map_or("", |system| system.version.as_str());
            let no_longer = match &outcome.end {
                End::Committed | End::Rescued => {
                    refused.retain(|version| version != tried);
                    silent.retain(|version| *version != tried);
                    if outcome.went_back { outcome.from.version.as_str() } else { "" }
                }
                End::Failed { .. } => tried,
                End::Silent { .. } if silent.contains(&tried) => tried,
                End::Silent { .. } => {
                    silent.push(tried);
                    ""
                }
            };
            if !no_longer.is_empty() && !refused.iter().any(|version| version == no_longer) {
                refused.push(no_longer.to_owned());
            }
        }
        refused
    }

    /// Adds an outcome and forgets the oldest.
    pub(super) fn add(&mut self, outcome: TrialOutcome) {
        self.outcomes.retain(|kept| kept.trial != outcome.trial);
        self.outcomes.push(outcome);
        let surplus = self.outcomes.len().saturating_sub(KEPT);
        self.outcomes.drain(..surplus);
    }
}

/// How one trial ended.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct TrialOutcome {
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
    /// Whether somebody asked for the return to an earlier system.
    #[serde(default)]
    pub went_back: bool,
    /// How the update had come.
    #[serde(default)]
    pub origin: Origin,
    /// When this was noted, by the device's clock.
    #[serde(with = "time::serde::rfc3339")]
    pub at: OffsetDateTime,
    /// How it ended.
    #[serde(flatten)]
    pub end: End,
}

/// How a trial can end.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "end", rename_all = "kebab-case")]
pub enum End {
    /// The new system proved healthy and is the committed one.
    Committed,
    /// The committed system did not start any more; the other one did, proved healthy and was committed.
    Rescued,
    /// A check of the new system failed; it went back to the old one.
    Failed {
        /// The check that failed.
        #[serde(deserialize_with = "check")]
        check: String,
        /// What it found.
        reason: String,
        /// The newest lines of the new system's log.
        log: Vec<String>,
    },
    /// The new system said nothing: it did not come up, crashed, hung, or lost its power.
    Silent {
        /// How far it came.
        reached: TrialProgress,
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

impl TrialOutcome {
    /// One sentence for the technician: what happened, and what to do.
    pub fn sentence(&self) -> String {
        let to = match &self.to {
            Some(system) if !system.version.is_empty() => format!("version {}", system.version),
            _ => "the new version".to_owned(),
        };
        match &self.end {
            End::Committed if self.went_back => format!("Went back to {to}."),
            End::Committed if self.origin == Origin::Unknown => format!("Updated to {to}."),
            End::Committed => format!("Updated to {to} from {}.", self.origin),
            End::Rescued => format!(
                "The committed system did not start; the one in slot {} did and is used now. Install the update again.",
                self.slot
            ),
            End::Failed { check, reason, .. } => format!(
                "The update to {to} was rolled back: its check \"{check}\" failed ({reason}). The previous version runs. Send the \
                 diagnostics to support before trying again."
            ),
            End::Silent { reached: TrialProgress::Up } => format!(
                "The update to {to} was rolled back: it came up and ended before its checks were through (crash, hang, or power \
                 cut). The previous version runs. {}",
                self.second_try()
            ),
            End::Silent { .. } => format!(
                "The update to {to} was rolled back: it did not come up (kernel, boot files, or a power cut before). The previous \
                 version runs. {}",
                self.second_try()
            ),
        }
    }
}

impl TrialOutcome {
    /// What follows when a system said nothing, which a power cut looks like.
    fn second_try(&self) -> &'static str {
        match self.origin {
            Origin::Address | Origin::Stick | Origin::Fleet => {
                "It is tried twice at most when it is installed automatically. If the power was not cut, send the diagnostics to support."
            }
            Origin::Page | Origin::Console | Origin::Unknown => "If the power was cut, install it again.",
        }
    }
}

pub(super) fn to_text(history: &History) -> Vec<u8> {
    // Plain structs and strings: nothing in them can fail to become JSON.
    let known = history.outcomes.iter().filter_map(|outcome| serde_json::to_value(outcome).ok());
    let outcomes: Vec<_> = history.foreign.iter().cloned().chain(known).collect();
    serde_json::to_vec_pretty(&json!({"outcomes": outcomes})).unwrap_or_default()
}

/// The name of a check. What earlier versions called "networks" is now "models": "network" is another check.
fn check<'de, D: Deserializer<'de>>(stored: D) -> Result<String, D::Error> {
    let name = String::deserialize(stored)?;
    Ok(if name == "networks" { "models".to_owned() } else { name })
}

/// The history of a text. Outcomes in a form unknown to this version are left out, one by one.
pub(super) fn from_text(text: &[u8]) -> History {
    #[derive(Deserialize)]
    struct Raw {
        outcomes: Vec<Value>,
    }
    let raw: Raw = match serde_json::from_slice(text) {
        Ok(raw) => raw,
        Err(error) => {
            log::warn!("the history of updates cannot be read and begins again: {error}");
            return History::default();
        }
    };
    let mut history = History::default();
    for value in raw.outcomes {
        match TrialOutcome::deserialize(&value) {
            Ok(outcome) => history.outcomes.push(outcome),
            Err(_) => history.foreign.push(value),
        }
    }
    let surplus = history.foreign.len().saturating_sub(KEPT);
    history.foreign.drain(..surplus);
    history
}

#[cfg(test)]
#[path = "history_tests.rs"]
mod tests;
