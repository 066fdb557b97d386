//! The folder of converted weight files, as the appliance reads it.
//!
//! A file is used only if it has the hash that the folder's manifest names, and only if it was made from what this build
//! pins: a bit that flipped on the card, or a folder of another version, is an error at start and not a wrong answer later.

use std::io;
use std::path::{Path, PathBuf};

use candle_core::{DType, Device};
use candle_nn::VarBuilder;

use crate::lock::lock;
use crate::manifest::{self, Entry, Manifest};
use crate::{Role, Sha256};

/// Where the image keeps the models.
const SYSTEM_DIR: &str = "/usr/share/attendance/models";

/// A model folder that was opened for reading.
#[derive(Clone, Debug)]
pub struct Store {
    dir: PathBuf,
    manifest: Manifest,
}

/// Why a network's weights cannot be had.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// The folder or one of its files cannot be read.
    #[error("cannot read {path}: {source}")]
    Io {
        /// File or folder.
        path: PathBuf,
        /// Reason.
        source: io::Error,
    },
    /// The folder does not hold the file.
    #[error("no weights for {role} in {dir}; run `fetch_models --only {role}`", dir = dir.display())]
    Missing {
        /// What was asked for.
        role: Role,
        /// Folder searched.
        dir: PathBuf,
    },
    /// The file was made from another source, or by another converter, than this build pins.
    #[error("the weights for {role} in {dir} belong to another version; run `fetch_models`", dir = dir.display())]
    Stale {
        /// What was asked for.
        role: Role,
        /// Folder searched.
        dir: PathBuf,
    },
    /// The file does not have the hash that the manifest names.
    #[error("{path} is damaged: it does not have SHA-256 {expected}; remove it and run `fetch_models`")]
    Damaged {
        /// The file.
        path: PathBuf,
        /// Hash it should have.
        expected: Sha256,
    },
    /// candle does not accept the file.
    #[error("weights for {role}: {source}")]
    Candle {
        /// What was asked for.
        role: Role,
        /// Reason.
        source: candle_core::Error,
    },
}

impl Store {
    /// Opens the model folder `dir`. A folder without a manifest, or none at all, is an empty store.
    ///
    /// # Errors
    /// [`Error::Io`] if the manifest is there and cannot be read or understood.
    pub fn open(dir: impl Into<PathBuf>) -> Result<Self, Error> {
        let dir = dir.into();
        let manifest = Manifest::read(&dir)
            .map_err(|source| Error::Io { path: dir.join(manifest::FILE_NAME), source })?;
        Ok(Self { dir, manifest })
    }

    /// The folder to use when none is configured: `ATTENDANCE_MODELS`, else what the image ships, else the user's cache.
    pub fn default_dir() -> PathBuf {
        if let Some(dir) = std::env::var_os("ATTENDANCE_MODELS").filter(|dir| !dir.is_empty()) {
            return dir.into();
        }
        if Path::new(SYSTEM_DIR).join(manifest::FILE_NAME).exists() {
            return SYSTEM_DIR.into();
        }
        let home = std::env::var_os("HOME").filter(|home| !home.is_empty());
        // A service without a home still has the system's cache.
        home.map_or_else(|| "/var/cache".into(), |home| Path::new(&home).join(".cache"))
            .join("attendance-appliance/models")
    }

    /// The folder this store reads.
    pub fn dir(&self) -> &Path {
        &self.dir
    }

    /// Whether weights for `role` are here and belong to this build. Does not read the file.
    pub fn has(&self, role: Role) -> bool {
        self.entry(role).is_ok()
    }

    /// Hash of the weights of `role`: what was computed with them is keyed by it.
    ///
    /// # Errors
    /// [`Error::Missing`] or [`Error::Stale`].
    pub fn hash(&self, role: Role) -> Result<Sha256, Error> {
        Ok(self.entry(role)?.sha256)
    }

    /// Reads the weights of `role` and checks their hash. All are f32, named and laid out as [`crate::convert`] says.
    ///
    /// # Errors
    /// Any [`Error`].
    pub fn load(&self, role: Role, device: &Device) -> Result<VarBuilder<'static>, Error> {
        let bytes = self.read(role)?;
        VarBuilder::from_buffered_safetensors(bytes, DType::F32, device)
            .map_err(|source| Error::Candle { role, source })
    }

    /// Reads the safetensors file of `role` and checks its hash.
    ///
    /// # Errors
    /// Any [`Error`] but [`Error::Candle`].
    pub fn read(&self, role: Role) -> Result<Vec<u8>, Error> {
        let entry = self.entry(role)?;
        let path = manifest::file_path(&self.dir, role);
        match entry.read_verified(&self.dir, role) {
            Ok(Some(bytes)) => Ok(bytes),
            Ok(None) => Err(Error::Damaged { path, expected: entry.sha256 }),
            Err(source) if source.kind() == io::ErrorKind::NotFound => {
                Err(Error::Missing { role, dir: self.dir.clone() })
            }
            Err(source) => Err(Error::Io { path, source }),
        }
    }

    fn entry(&self, role: Role) -> Result<&Entry, Error> {
        let entry =
            self.manifest.models.get(&role).ok_or_else(|| Error::Missing { role, dir: self.dir.clone() })?;
        match lock().pin(role) {
            Some(pin) if entry.is_current(pin) => Ok(entry),
            _ => Err(Error::Stale { role, dir: self.dir.clone() }),
        }
    }
}
