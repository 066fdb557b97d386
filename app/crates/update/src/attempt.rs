//! The last update that arrived: where it came from, and what RAUC answered.
//!
//! An update that is refused never has a trial and so never an outcome in the [`super::history`]; it must be
//! seen all the same. Kept in the appliance's own folder of updates, where the service, the stick's unit and
//! the console can write it. It decides nothing: if it is lost, the page only lacks this note.

use std::fmt;
use std::path::Path;

use serde::{Deserialize, Serialize};
use time::OffsetDateTime;

use base::durable;

/// The last attempt.
const LAST: &str = "attempt.json";

/// The last one that was installed.
const INSTALLED: &str = "installed.json";

/// Longest reason kept, characters.
const REASON_LENGTH: usize = 600;

/// How an update came to the appliance.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Origin {
    /// Sent through the page, or from an address given there.
    Page,
    /// `attendance update install`.
    Console,
    /// The configured address.
    Address,
    /// A USB stick.
    Stick,
    /// A fleet's hawkBit server.
    Fleet,
    /// Not noted, or noted by a newer program with a word that this version does not know.
    #[default]
    #[serde(other)]
    Unknown,
}

impl fmt::Display for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Page => "the page",
            Self::Console => "the console",
            Self::Address => "the update address",
            Self::Stick => "a USB stick",
            Self::Fleet => "the fleet's server",
            Self::Unknown => "an unknown place",
        })
    }
}

/// An update that came in.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Attempt {
    /// From where.
    #[serde(default)]
    pub origin: Origin,
    /// Its version, as far as it is known.
    #[serde(default)]
    pub version: Option<String>,
    /// When this was noted, by the device's clock.
    #[serde(with = "time::serde::rfc3339")]
    pub at: OffsetDateTime,
    /// Why it was not installed; none: it was, and waits for its trial or had it.
    #[serde(default)]
    pub refused: Option<String>,
}

impl Attempt {
    /// An attempt that ended now.
    pub fn now<E: fmt::Display>(origin: Origin, version: Option<&str>, result: &Result<(), E>) -> Self {
        let refused =
            result.as_ref().err().map(|reason| reason.to_string().chars().take(REASON_LENGTH).collect());
        Self { origin, version: version.map(str::to_owned), at: OffsetDateTime::now_utc(), refused }
    }

    /// One sentence for the technician.
    pub fn sentence(&self) -> String {
        let what = match &self.version {
            Some(version) => format!("Version {version} from {}", self.origin),
            None => format!("The update from {}", self.origin),
        };
        match &self.refused {
            None => format!("{what} was installed."),
            Some(reason) => format!("{what} was not installed: {reason}."),
        }
    }

    /// Keeps it, in the place of the one before, and says it in the log. `kept`: the appliance's own folder
    /// of updates.
    pub fn note(&self, kept: &Path) {
        log::info!("{}", self.sentence());
        // Plain strings: nothing in them can fail to become JSON.
        let text = serde_json::to_vec_pretty(self).unwrap_or_default();
        let installed = self.refused.is_none().then(|| kept.join(INSTALLED));
        for file in [Some(kept.join(LAST)), installed].into_iter().flatten() {
            if let Err(error) = durable::replace(&file, &text) {
                log::warn!("the page will not tell this: cannot write {}: {error}", file.display());
            }
        }
    }
}

/// The last attempt; one that cannot be read counts as none.
pub fn last(kept: &Path) -> Option<Attempt> {
    read(&kept.join(LAST))
}

/// The last attempt that was installed, whatever was refused after it.
pub fn installed(kept: &Path) -> Option<Attempt> {
    read(&kept.join(INSTALLED))
}

fn read(file: &Path) -> Option<Attempt> {
    serde_json::from_slice(&durable::read(file).ok()??).ok()
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn last_attempt_is_kept() {
        let folder = tempfile::tempdir().unwrap();
        assert_eq!(last(folder.path()), None);
        Attempt::now(Origin::Page, Some("1.1.0"), &Ok::<_, String>(())).note(folder.path());
        let refused = Attempt::now(Origin::Stick, None, &Err("x".repeat(5000)));
        refused.note(folder.path());
        assert_eq!(last(folder.path()), Some(refused.clone()));
        assert_eq!(installed(folder.path()).unwrap().version.as_deref(), Some("1.1.0"));
        assert!(refused.sentence().starts_with("The update from a USB stick was not installed: xxx"));
        assert!(refused.sentence().len() < 700);
        std::fs::write(folder.path().join(LAST), b"{").unwrap();
        assert_eq!(last(folder.path()), None);
    }

    #[test]
    fn attempt_of_a_newer_program_is_read_in_part() {
        let newer =
            br#"{"origin": "satellite", "at": "2030-01-02T03:04:05Z", "version": "9.0.0", "orbit": 7}"#;
        let attempt: Attempt = serde_json::from_slice(newer).unwrap();
        assert_eq!((attempt.origin, attempt.version.as_deref()), (Origin::Unknown, Some("9.0.0")));
    }
}
