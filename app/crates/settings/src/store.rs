//! The last ten versions of the settings, and the trial of the newest, in the data folder. Each file is
//! written whole or not at all; they hold keys, so they are the service's alone.

use std::io;
use std::path::{Path, PathBuf};

use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};
use time::OffsetDateTime;

use base::durable::{self, Access};

/// Versions that are kept.
pub const VERSIONS: usize = 10;

/// How files are changed. Tests take another one, which fails at a chosen write.
pub trait Disk: Send + Sync + 'static {
    /// Writes a file whole or not at all.
    ///
    /// # Errors
    /// An error of the file system; the old file stands then.
    fn replace(&self, access: Access, path: &Path, content: &[u8]) -> io::Result<()> {
        durable::replace_for(access, path, content)
    }

    /// Removes a file; one that is not there is removed.
    ///
    /// # Errors
    /// An error of the file system.
    fn remove(&self, path: &Path) -> io::Result<()> {
        match std::fs::remove_file(path) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
            _ => Ok(()),
        }
    }
}

/// The real one.
#[derive(Debug)]
pub struct RealDisk;

impl Disk for RealDisk {}

/// A version of the settings.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Version {
    /// Counts up.
    pub number: u64,
    /// When it came into force, seconds since 1970; the device's clock may have been wrong.
    pub at: i64,
    /// Who brought it.
    pub by: String,
    /// The whole text.
    pub text: String,
}

/// Settings that were saved and have not yet proven that they work.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Trial {
    /// [`digest`] of the text on trial.
    pub tried: String,
    /// [`digest`] of the text to go back to.
    pub back_to: String,
    /// Who saved it.
    pub by: String,
    /// Whether a browser must confirm that the page can still be reached.
    pub confirm: bool,
    /// Starts of the program with them so far.
    pub starts: u32,
}

/// How the last change ended.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Outcome {
    /// Whether the saved settings are in force.
    pub kept: bool,
    /// One sentence.
    pub sentence: String,
}

/// Names a text.
pub fn digest(text: &str) -> String {
    base::hexadecimal::hexadecimal(&Sha256::digest(text))
}

/// The folder of all this.
#[derive(Clone)]
pub struct Store {
    folder: PathBuf,
    disk: std::sync::Arc<dyn Disk>,
}

impl Store {
    /// That of a data folder.
    pub fn below(data_dir: &Path, disk: std::sync::Arc<dyn Disk>) -> Self {
        Self { folder: data_dir.join("settings"), disk }
    }

    /// Where the request for the helper lies.
    pub fn request(&self) -> PathBuf {
        self.folder.join("request.json")
    }

    fn trial_file(&self) -> PathBuf {
        self.folder.join("trial.json")
    }

    fn outcome_file(&self) -> PathBuf {
        self.folder.join("outcome.json")
    }

    fn versions_folder(&self) -> PathBuf {
        self.folder.join("versions")
    }

    /// The kept versions, oldest first. One that cannot be read is left out.
    pub fn versions(&self) -> Vec<Version> {
        let entries = std::fs::read_dir(self.versions_folder()).into_iter().flatten().flatten();
        let mut versions: Vec<Version> =
            entries.filter_map(|entry| read(&entry.path()).ok().flatten()).collect();
        versions.sort_by_key(|version| version.number);
        versions
    }

    /// The text of this [`digest`], among the kept versions.
    pub fn text_of(&self, wanted: &str) -> Option<String> {
        self.versions().into_iter().rev().map(|version| version.text).find(|text| digest(text) == wanted)
    }

    /// Notes the text that is in force, unless it is the newest version already, and lets the oldest go.
    ///
    /// # Errors
    /// An error of the file system.
    pub fn note(&self, text: &str, by: &str) -> io::Result<()> {
        let mut versions = self.versions();
        if versions.last().is_some_and(|newest| newest.text == text) {
            return Ok(());
        }
        let number = versions.last().map_or(1, |newest| newest.number + 1);
        let at = OffsetDateTime::now_utc().unix_timestamp();
        let version = Version { number, at, by: by.to_owned(), text: text.to_owned() };
        self.write(&self.version_file(number), &version)?;
        let more = (versions.len() + 1).saturating_sub(VERSIONS);
        for old in versions.drain(..more) {
            self.disk.remove(&self.version_file(old.number))?;
        }
        Ok(())
    }

    fn version_file(&self, number: u64) -> PathBuf {
        self.versions_folder().join(format!("{number:08}.json"))
    }

    /// The trial, if there is one. A file that cannot be read is none: the settings in force stay.
    pub fn trial(&self) -> Option<Trial> {
        read(&self.trial_file()).ok().flatten()
    }

    /// Begins or goes on with a trial.
    ///
    /// # Errors
    /// An error of the file system.
    pub fn set_trial(&self, trial: &Trial) -> io::Result<()> {
        self.write(&self.trial_file(), trial)
    }

    /// Ends the trial, and says how. If the power fails in between, settings that were kept stay kept, and
    /// the reason is not lost why settings were rolled back.
    ///
    /// # Errors
    /// An error of the file system.
    pub fn end_trial(&self, outcome: &Outcome) -> io::Result<()> {
        if outcome.kept {
            self.disk.remove(&self.trial_file())?;
        }
        self.write(&self.outcome_file(), outcome)?;
        self.disk.remove(&self.trial_file())
    }

    /// How the last change ended; none before the first.
    pub fn outcome(&self) -> Option<Outcome> {
        read(&self.outcome_file()).ok().flatten()
    }

    /// Writes a file of this folder.
    ///
    /// # Errors
    /// An error of the file system.
    pub(super) fn write(&self, path: &Path, content: &impl Serialize) -> io::Result<()> {
        let json = serde_json::to_vec(content).map_err(io::Error::other)?;
        self.disk.replace(Access::Owner, path, &json)
    }

    /// What changes files.
    pub(super) fn disk(&self) -> &dyn Disk {
        &*self.disk
    }
}

/// Reads one JSON file; `None` when there is none.
pub(super) fn read<T: DeserializeOwned>(path: &Path) -> io::Result<Option<T>> {
    durable::read(path)?.map(|bytes| serde_json::from_slice(&bytes).map_err(io::Error::other)).transpose()
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn ten_versions_are_kept_and_one_text_is_noted_once() {
        let folder = tempfile::tempdir().unwrap();
        let store = Store::below(folder.path(), std::sync::Arc::new(RealDisk));
        for n in 0..14 {
            for _ in 0..2 {
                store.note(&format!("[site]\nname = \"{n}\"\n"), "a test").unwrap();
            }
        }
        let versions = store.versions();
        assert_eq!(versions.len(), VERSIONS);
        assert_eq!((versions[0].number, versions[9].number), (5, 14));
        assert!(store.text_of(&digest("[site]\nname = \"13\"\n")).is_some());
        assert!(store.text_of(&digest("[site]\nname = \"3\"\n")).is_none());
    }
}
