//! Automatic updates: from the configured address, a stick, a fleet's server.
//!
//! What such a place *says* a bundle is, is not signed. So RAUC is asked first which version the bundle's
//! own, signed manifest names; only one that is newer than the running system is installed, and none that was
//! rolled back or left. (RAUC's own `min-bundle-version` knows releases alone; two builds of one release
//! would be equal to it.)

use super::install;
use super::install::{InstallError, InstallProgress, Source};
use super::schedule::is_newer;

/// Why a version is not to be installed.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Objection {
    /// It runs already.
    #[error("version {version} runs already")]
    Runs {
        /// The version.
        version: String,
    },
    /// It is installed already.
    #[error("version {version} is installed already and waits for its trial")]
    Waits {
        /// The version.
        version: String,
    },
    /// It was tried and failed, or somebody went back from it.
    #[error(
        "version {version} was rolled back, or left for an older one; acknowledge that, then it may be installed again"
    )]
    NotWanted {
        /// The version.
        version: String,
    },
    /// Going back is a technician's decision.
    #[error("version {version} is not newer than the running version {running}")]
    NotNewer {
        /// The version.
        version: String,
        /// The running one.
        running: String,
    },
}

impl Objection {
    /// Whether all is as it should be: nothing to tell anybody.
    pub fn is_satisfied(&self) -> bool {
        matches!(self, Self::Runs { .. } | Self::Waits { .. })
    }
}

/// What is on the card.
#[derive(Debug, Clone, Default)]
pub struct Present {
    /// The running version.
    pub running: String,
    /// The version that waits for its trial, where it is known.
    pub waiting: Option<String>,
    /// Versions that are not installed automatically ([`super::history::History::not_wanted`]).
    pub not_wanted: Vec<String>,
}

impl Present {
    /// Whether `version` may come.
    ///
    /// # Errors
    /// [`Objection`] when not.
    pub fn admits(&self, version: &str) -> Result<(), Objection> {
        let version = version.to_owned();
        if version == self.running {
            return Err(Objection::Runs { version });
        }
        if self.waiting.as_ref() == Some(&version) {
            return Err(Objection::Waits { version });
        }
        if self.not_wanted.contains(&version) {
            return Err(Objection::NotWanted { version });
        }
        if is_newer(&version, &self.running) {
            return Ok(());
        }
        Err(Objection::NotNewer { version, running: self.running.clone() })
    }
}

/// Why nothing was installed.
#[derive(Debug, thiserror::Error)]
pub enum NotInstalled {
    /// RAUC's reason.
    #[error(transparent)]
    Install(#[from] InstallError),
    /// Ours.
    #[error(transparent)]
    Objection(#[from] Objection),
}

/// Installs a bundle if its signed version may come; tells `checked` that version as soon as it is known.
///
/// # Errors
/// [`NotInstalled`]; the running system and what starts next are as before.
pub async fn install(
    source: Source<'_>,
    present: &Present,
    checked: impl FnOnce(&str),
    progress: impl FnMut(InstallProgress),
) -> Result<(), NotInstalled> {
    let bundle = install::inspect(source).await?;
    checked(&bundle.version);
    present.admits(&bundle.version)?;
    // The very bundle that was looked at, should somebody change what lies there meanwhile.
    install::install(Source { manifest: Some(&bundle.manifest), ..source }, progress).await?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_newer_versions_are_admitted() {
        let present = Present {
            running: "1.1.0".to_owned(),
            waiting: Some("1.2.0".to_owned()),
            not_wanted: vec!["1.3.0".to_owned()],
        };
        assert_eq!(present.admits("1.4.0"), Ok(()));
        assert_eq!(present.admits("1.1.1"), Ok(()), "another one than the one that waits");
        assert!(matches!(present.admits("1.1.0"), Err(Objection::Runs { .. })));
        assert!(matches!(present.admits("1.2.0"), Err(Objection::Waits { .. })));
        assert!(matches!(present.admits("1.3.0"), Err(Objection::NotWanted { .. })));
        for older in ["1.0.9", "1.1.0-rc.1", "", "latest"] {
            let objection = present.admits(older);
            assert!(matches!(objection, Err(Objection::NotNewer { .. })), "{older}: {objection:?}");
        }
    }
}
