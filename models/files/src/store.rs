//! The folder of converted weight files, as the appliance reads it.
//!
//! A file is used only if it has the hash that this build pins: a bit that flipped on the card, or a folder
//! of another version, is an error at start and not a wrong answer later.

use std::path::{Path, PathBuf};
use std::{fs, io};

use crate::folder::{self, Found};
use crate::lock::{Lock, Pin, lock};
use crate::{Role, Sha256};

/// Where the image keeps the models.
const SYSTEM_DIR: &str = "/usr/share/attendance/models";

/// A model folder that was opened for reading.
#[derive(Clone, Debug)]
pub struct Store {
    dir: PathBuf,
    lock: &'static Lock,
}

/// Why a model's weights cannot be loaded.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// The folder cannot be opened.
    #[error("no model folder {dir} ({source}){}", self.then(), dir = dir.display())]
    NoFolder {
        /// Folder that was asked for.
        dir: PathBuf,
        /// Reason.
        source: io::Error,
    },
    /// A file cannot be read.
    #[error("cannot read {path}: {source}", path = path.display())]
    Io {
        /// The file.
        path: PathBuf,
        /// Reason.
        source: io::Error,
    },
    /// The folder does not hold the file.
    #[error("no weights for {role} in {dir}{}", self.then(), dir = dir.display())]
    Missing {
        /// What was asked for.
        role: Role,
        /// Folder searched.
        dir: PathBuf,
    },
    /// The file is not the one that this build pins.
    #[error(
        "{path} does not have SHA-256 {expected}: it is damaged or belongs to another version{}",
        self.then(),
        path = path.display()
    )]
    NotPinned {
        /// The file.
        path: PathBuf,
        /// Hash it should have.
        expected: Sha256,
    },
}

impl Error {
    /// What to do about it, where that is known.
    pub fn advice(&self) -> Option<String> {
        match self {
            Self::NoFolder { .. } | Self::NotPinned { .. } => Some("run `fetch_models`".to_owned()),
            Self::Missing { role, .. } => Some(format!("run `fetch_models --only {role}`")),
            Self::Io { .. } => None,
        }
    }

    /// The message without the advice.
    pub fn what(&self) -> String {
        let message = self.to_string();
        message.strip_suffix(&self.then()).map_or(message.clone(), str::to_owned)
    }

    /// The advice as the end of the message.
    fn then(&self) -> String {
        self.advice().map(|advice| format!("; {advice}")).unwrap_or_default()
    }
}

impl Store {
    /// Opens the model folder `dir`.
    ///
    /// # Errors
    /// [`Error::NoFolder`] if it is none, or cannot be read.
    pub fn open(dir: impl Into<PathBuf>) -> Result<Self, Error> {
        let dir = dir.into();
        match fs::read_dir(&dir) {
            Ok(_) => Ok(Self { dir, lock: lock() }),
            Err(source) => Err(Error::NoFolder { dir, source }),
        }
    }

    /// The folder to use when none is configured: `ATTENDANCE_MODELS`, else what the image ships, else the
    /// user's cache.
    pub fn default_dir() -> PathBuf {
        if let Some(dir) = std::env::var_os("ATTENDANCE_MODELS").filter(|dir| !dir.is_empty()) {
            return dir.into();
        }
        if Path::new(SYSTEM_DIR).is_dir() {
            return SYSTEM_DIR.into();
        }
        let folder = |name: &str| std::env::var_os(name).map(PathBuf::from).filter(|path| path.is_absolute());
        folder("XDG_CACHE_HOME")
            .or_else(|| folder("HOME").map(|home| home.join(".cache")))
            // A service without a home still has the system's cache.
            .unwrap_or_else(|| "/var/cache".into())
            .join("attendance-appliance/models")
    }

    /// The folder this store reads.
    pub fn dir(&self) -> &Path {
        &self.dir
    }

    /// Whether weights for `role` seem to be here: a file of the right name and size. Does not read it.
    pub fn has(&self, role: Role) -> bool {
        self.lock.pin(role).is_some_and(|pin| folder::seems_pinned(&self.dir, pin).unwrap_or(false))
    }

    /// Hash of the weights of `role` that this build uses: what was computed with them is keyed by it.
    ///
    /// # Errors
    /// [`Error::Missing`] if they are not here.
    pub fn hash(&self, role: Role) -> Result<Sha256, Error> {
        if !self.has(role) {
            return Err(self.missing(role));
        }
        Ok(self.pin(role)?.converted.sha256)
    }

    /// Reads the safetensors file of `role` and checks its hash.
    ///
    /// # Errors
    /// Any [`Error`].
    pub fn read(&self, role: Role) -> Result<Vec<u8>, Error> {
        let pin = self.pin(role)?;
        let path = folder::path(&self.dir, role);
        match folder::read(&self.dir, pin) {
            Ok(Found::Pinned(bytes)) => Ok(bytes),
            Ok(Found::Nothing) => Err(self.missing(role)),
            Ok(Found::Other) => Err(Error::NotPinned { path, expected: pin.converted.sha256 }),
            Err(source) => Err(Error::Io { path, source }),
        }
    }

    fn pin(&self, role: Role) -> Result<&'static Pin, Error> {
        self.lock.pin(role).ok_or_else(|| self.missing(role))
    }

    fn missing(&self, role: Role) -> Error {
        Error::Missing { role, dir: self.dir.clone() }
    }
}
