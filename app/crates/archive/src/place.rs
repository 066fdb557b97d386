//! Putting the files of an archive in the place of a device's own: wholly, or not at all.
//!
//! # How
//! Everything lies below `import/` in the data folder, so that every step is a rename:
//!
//! | folder | what it is |
//! |---|---|
//! | `incoming` | an archive that is being unpacked; of no use after a power cut |
//! | `staged` | one that is whole. Nothing of the device has changed yet |
//! | `new` | the decision is made: its folders replace the device's |
//! | `old` | what was replaced |
//! | `gone` | what nobody needs any more. Thousands of photos take minutes to remove: a start has no time for it, and [`Place::sweep`] does it later |
//!
//! The rename of `staged` to `new` decides. [`carry_out`] runs before anything opens the data folder's files.
//! If the power fails after the decision, the next start continues there: a folder that is still in `new` is
//! not in its place yet.

use std::fs::{self, DirBuilder, File};
use std::io;
use std::os::unix::fs::DirBuilderExt as _;
use std::path::{Path, PathBuf};

use crate::ArchiveError;
use crate::names::{FOLDERS, SETTINGS};
use base::durable;
use base::failure::Fault;
use serde::{Deserialize, Serialize};

/// Changes to folders, each durable when its call returns. Tests take others, which fail at a chosen one.
pub trait Folders {
    /// Moves a folder or file, on one file system.
    ///
    /// # Errors
    /// An error of the file system.
    fn rename(&self, from: &Path, to: &Path) -> io::Result<()> {
        fs::rename(from, to)?;
        for folder in [from.parent(), to.parent()].into_iter().flatten() {
            File::open(folder)?.sync_all()?;
        }
        Ok(())
    }

    /// Makes a folder of the owner's alone; one that is there stays.
    ///
    /// # Errors
    /// An error of the file system.
    fn make(&self, path: &Path) -> io::Result<()> {
        DirBuilder::new().recursive(true).mode(0o700).create(path)?;
        path.parent().map_or(Ok(()), |parent| File::open(parent)?.sync_all())
    }

    /// Removes a folder or file with everything in it; one that is not there is removed.
    ///
    /// # Errors
    /// An error of the file system.
    fn remove(&self, path: &Path) -> io::Result<()> {
        let removed = match fs::symlink_metadata(path) {
            Ok(meta) if meta.is_dir() => fs::remove_dir_all(path),
            Ok(_) => fs::remove_file(path),
            Err(error) => Err(error),
        };
        match removed {
            Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
            _ => Ok(()),
        }
    }
}

/// The file system.
#[derive(Debug)]
pub struct RealFolders;

impl Folders for RealFolders {}

/// How an import ended, for the page and the log.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Outcome {
    /// Whether the archive was taken over.
    pub taken: bool,
    /// What happened, and what to do.
    pub sentence: String,
}

/// The places of an import in a data folder.
#[derive(Debug, Clone)]
pub struct Place {
    data_dir: PathBuf,
    import: PathBuf,
}

impl Place {
    /// Those of `data_dir`.
    pub fn below(data_dir: &Path) -> Self {
        Self { data_dir: data_dir.to_owned(), import: data_dir.join("import") }
    }

    fn incoming(&self) -> PathBuf {
        self.import.join("incoming")
    }

    fn staged(&self) -> PathBuf {
        self.import.join("staged")
    }

    fn new_folder(&self) -> PathBuf {
        self.import.join("new")
    }

    fn old(&self) -> PathBuf {
        self.import.join("old")
    }

    fn gone(&self) -> PathBuf {
        self.import.join("gone")
    }

    /// Moves a folder, if it exists, to where [`Place::sweep`] removes it. This is one rename, however large
    /// the folder is.
    fn discard(&self, folders: &dyn Folders, path: &Path) -> io::Result<()> {
        if !path.exists() {
            return Ok(());
        }
        let gone = self.gone();
        folders.make(&gone)?;
        match (0..u16::MAX).map(|number| gone.join(number.to_string())).find(|free| !free.exists()) {
            Some(free) => folders.rename(path, &free),
            None => folders.remove(path),
        }
    }

    /// Removes what imports left behind. Takes its time: for a thread of its own, after the start.
    pub fn sweep(&self, folders: &dyn Folders) {
        if let Err(error) = folders.remove(&self.gone()) {
            log::warn!("what an import replaced cannot be removed, the next start tries again: {error}");
        }
    }

    fn outcome_file(&self) -> PathBuf {
        self.import.join("outcome.json")
    }

    /// An empty folder to unpack into. What an earlier try left is gone.
    ///
    /// # Errors
    /// [`ArchiveError::Io`].
    pub fn begin(&self, folders: &dyn Folders) -> Result<PathBuf, ArchiveError> {
        let incoming = self.incoming();
        let made = folders.remove(&incoming).and_then(|()| folders.make(&incoming));
        made.map_err(ArchiveError::io("cannot make room for the archive"))?;
        Ok(incoming)
    }

    /// Gives up what [`Place::begin`] began.
    pub fn give_up(&self, folders: &dyn Folders) {
        if let Err(error) = folders.remove(&self.incoming()) {
            log::warn!("{} cannot be removed: {error}", self.incoming().display());
        }
    }

    /// What was unpacked is whole and right: it is taken over at the next start. A folder that the archive
    /// lacks counts as empty.
    ///
    /// # Errors
    /// [`ArchiveError::Io`].
    pub fn stage(&self, folders: &dyn Folders) -> Result<(), ArchiveError> {
        let incoming = self.incoming();
        let staged = FOLDERS
            .iter()
            .try_for_each(|folder| folders.make(&incoming.join(folder)))
            .and_then(|()| folders.remove(&self.staged()))
            .and_then(|()| folders.rename(&incoming, &self.staged()));
        staged.map_err(ArchiveError::io("cannot keep the archive"))
    }

    /// Whether an archive waits for the next start.
    pub fn waits(&self) -> bool {
        self.staged().exists() || self.new_folder().exists()
    }

    /// Where the folders lie that the next start takes over; none where nothing waits.
    pub fn arriving(&self) -> Option<PathBuf> {
        [self.new_folder(), self.staged()].into_iter().find(|folder| folder.exists())
    }

    /// How the last import ended; none before the first.
    pub fn outcome(&self) -> Option<Outcome> {
        let bytes = durable::read(&self.outcome_file()).ok().flatten()?;
        serde_json::from_slice(&bytes).ok()
    }

    /// Notes how an import ended.
    pub fn note(&self, outcome: &Outcome) {
        let json = serde_json::to_vec(outcome).map_err(io::Error::other);
        let noted =
            json.and_then(|json| durable::replace_for(durable::Access::Owner, &self.outcome_file(), &json));
        if let Err(error) = noted {
            log::warn!("how the import ended cannot be noted: {error}");
        }
    }
}

/// What [`carry_out`] did.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Carried {
    /// There was nothing to do.
    Nothing,
    /// The archive was given up; the device's own data are as they were.
    GivenUp(Fault),
    /// The archive's data are the device's now. The settings may have stayed as they were, for this reason.
    Done(Option<Fault>),
}

/// Takes over what was staged. `may` says whether the device's own data may go; `settings` puts a text in the
/// place of the settings. It is called again after a power cut.
///
/// # Errors
/// An error of the file system. The state is then the old one, or, after the decision, one that the next call
/// completes.
pub fn carry_out(
    folders: &dyn Folders,
    place: &Place,
    may: impl FnOnce() -> Result<(), Fault>,
    settings: impl FnOnce(&str) -> Result<(), Fault>,
) -> io::Result<Carried> {
    let (staged, new, old) = (place.staged(), place.new_folder(), place.old());
    if !place.import.exists() {
        return Ok(Carried::Nothing);
    }
    place.discard(folders, &place.incoming())?;
    if !new.exists() {
        place.discard(folders, &old)?;
        if !staged.exists() {
            return Ok(Carried::Nothing);
        }
        if let Err(fault) = may() {
            place.discard(folders, &staged)?;
            return Ok(Carried::GivenUp(fault));
        }
        folders.make(&old)?;
        folders.rename(&staged, &new)?;
    }
    for folder in FOLDERS {
        let (arriving, here, leaving) = (new.join(folder), place.data_dir.join(folder), old.join(folder));
        if !arriving.exists() {
            continue;
        }
        if here.exists() {
            // Not the second time: what came there since the power went is of no use.
            if leaving.exists() { place.discard(folders, &here)? } else { folders.rename(&here, &leaving)? }
        }
        folders.rename(&arriving, &here)?;
    }
    let file = new.join(SETTINGS);
    let kept = match durable::read(&file)? {
        None => None,
        Some(text) => {
            let kept = match String::from_utf8(text) {
                Ok(text) => settings(&text).err(),
                Err(_) => Some(Fault::new("the archive's settings are not text")),
            };
            folders.remove(&file)?;
            kept
        }
    };
    folders.remove(&new)?;
    place.discard(folders, &old)?;
    Ok(Carried::Done(kept))
}
