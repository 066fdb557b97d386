//! The fleet server’s order that is under way, kept on the disk.

use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use crate::history::{End, TrialOutcome};
use crate::view::SystemsView;
use base::durable;

/// How an action goes on or ends, in hawkBit's words (`execution`, `result.finished`).
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Feedback {
    /// It goes on.
    Proceeding(String),
    /// The new system is the committed one.
    Success(String),
    /// It is not.
    Failure(String),
}

/// An installed action whose end is still to be told.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Action {
    /// hawkBit's number of it.
    pub id: String,
    /// The version that was installed.
    pub version: String,
    /// The last trial there was when it was installed; its own is a later one.
    #[serde(default)]
    pub after: u64,
}

impl Action {
    /// How it ended; none while its trial is still to come or under way.
    pub fn verdict(&self, seen: &SystemsView) -> Option<Feedback> {
        let trial = seen.last.as_ref().filter(|last| last.trial > self.after);
        match trial {
            Some(last) => {
                // What was installed last before that trial is what was tried.
                let other = seen.attempt.as_ref().is_some_and(|attempt| {
                    attempt.refused.is_none()
                        && attempt.at < last.at
                        && attempt.version.as_ref() != Some(&self.version)
                });
                Some(match (other, last.end.is_success()) {
                    (false, false) if self.is_tried_again(last, seen) => Feedback::Proceeding(format!(
                        "It is installed and tried once more. {}",
                        last.sentence()
                    )),
                    (false, true) => Feedback::Success(last.sentence()),
                    (false, false) => Feedback::Failure(last.sentence()),
                    (true, _) => {
                        Feedback::Failure(format!("Another update took its place. {}", last.sentence()))
                    }
                })
            }
            None if seen.waits_for_trial.is_some() || seen.on_trial => None,
            None => Some(Feedback::Failure("It was replaced before its trial.".to_owned())),
        }
    }

    /// Whether the action stays open after a trial that a power cut may have ended: it is then looked at
    /// again.
    fn is_tried_again(&self, last: &TrialOutcome, seen: &SystemsView) -> bool {
        let is_known = last.to.as_ref().is_some_and(|system| system.version == self.version);
        matches!(last.end, End::Silent { .. }) && is_known && !seen.not_wanted.contains(&self.version)
    }

    /// Keeps it over the restart.
    ///
    /// # Errors
    /// An error of the file system.
    pub fn keep(&self, kept: &Path) -> std::io::Result<()> {
        // Plain strings: nothing in them can fail to become JSON.
        durable::replace(&file(kept), &serde_json::to_vec(self).unwrap_or_default())
    }

    /// The one that was kept.
    pub fn kept(kept: &Path) -> Option<Self> {
        serde_json::from_slice(&durable::read(&file(kept)).ok()??).ok()
    }

    /// It is over and told.
    pub fn forget(kept: &Path) {
        // What stays is told again, which the server answers with "gone".
        let _ = std::fs::remove_file(file(kept));
    }
}

fn file(kept: &Path) -> PathBuf {
    kept.join("fleet.json")
}
