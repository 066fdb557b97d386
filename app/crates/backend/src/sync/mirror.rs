//! The photos on disk: `cached_faces/<roll>/<file>`, with the folders that the server has below a student's.
//!
//! Nothing half-made is ever seen under a photo's name: a download goes to a hidden file beside it, is
//! checked, forced to the disk and renamed. All paths are resolved below one directory handle (cap-std), so
//! that neither a name nor a symbolic link leads out of the mirror.

mod tidying;

use std::collections::BTreeMap;
use std::fs::TryLockError;
use std::io::{self, Read as _, Write as _};
use std::path::PathBuf;

use cap_std::ambient_authority;
use cap_std::fs::{Dir, OpenOptions};
use serde::Serialize;
use serde::de::DeserializeOwned;
use sha2::{Digest as _, Sha256};

use super::error::{Error, is_of_the_whole_disk};
use vision::kind::may_be_photo;

/// The mirror's folder in the data folder.
pub const FOLDER: &str = "cached_faces";

/// What the next synchronisation needs; the last one in numbers; and that a removal was confirmed.
pub(super) const STATE: &str = ".sync_state.json";
pub(super) const METADATA: &str = ".cache_metadata.json";
pub(super) const CONFIRMATION: &str = ".removal_confirmed";

/// Begins the name of a file that is being written. Hidden, so that nobody takes it for a photo.
const PART: &str = ".part-";

/// Begins the name of what could neither be used nor removed. Hidden, and no student's.
const ASIDE: &str = ".aside-";

/// Bytes read of a photo to see whether it can be read.
const BEGINNING: usize = 4096;

/// Held by the one synchronisation at work.
const LOCK: &str = ".lock";

/// Largest state file read back. 200,000 photos take about 80 MB.
const MAX_STATE_BYTES: u64 = 200_000_000;

/// Bytes that photos leave free on the disk: the journal's rows go there, too, and matter more.
const RESERVE: u64 = 256 << 20;

/// On a small disk, of which this would be a large part, one part in this many is left free.
const RESERVE_PART: u64 = 20;

/// The mirror, held by one synchronisation.
#[derive(Debug)]
pub(super) struct Mirror {
    dir: Dir,
    path: PathBuf,
    _lock: std::fs::File,
}

/// A file being written; removed again unless it is kept.
#[derive(Debug)]
pub(super) struct Part {
    folder: Dir,
    name: String,
    kept: bool,
}

impl Drop for Part {
    fn drop(&mut self) {
        if !self.kept {
            // What cannot be removed now is removed when the mirror is opened again.
            let _ = self.folder.remove_file(&self.name);
        }
    }
}

impl Mirror {
    /// Opens (or makes) the mirror in `data_dir`, takes hold of it and clears away what an interrupted run
    /// left.
    ///
    /// # Errors
    /// [`Error::Busy`] when another synchronisation holds it, [`Error::Disk`] when it cannot be written.
    pub(super) fn open(data_dir: &std::path::Path) -> Result<Self, Error> {
        let path = data_dir.join(FOLDER);
        let failed = |action, source| Error::Disk { action, path: path.clone(), source };
        std::fs::create_dir_all(&path).map_err(|source| failed("make the folder", source))?;
        let dir =
            Dir::open_ambient_dir(&path, ambient_authority()).map_err(|source| failed("open", source))?;
        let lock = || dir.open_with(LOCK, OpenOptions::new().write(true).create(true));
        let lock = match lock() {
            Err(error) if error.kind() == io::ErrorKind::IsADirectory => {
                clear_away(&dir, LOCK).and_then(|()| lock())
            }
            other => other,
        };
        let lock = lock.map_err(|source| failed("write into", source))?.into_std();
        match lock.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => return Err(Error::Busy { path }),
            Err(TryLockError::Error(source)) => return Err(failed("lock", source)),
        }
        let mirror = Self { dir, path, _lock: lock };
        mirror.clear_parts()?;
        Ok(mirror)
    }

    /// Every photo on disk with its size in bytes, by its path below the mirror.
    pub(super) fn photos(&self) -> Result<BTreeMap<String, u64>, Error> {
        let mut found = BTreeMap::new();
        self.each_file(|path, name, entry| {
            if may_be_photo(name) && entry.file_type()?.is_file() {
                found.insert(path.to_owned(), entry.metadata()?.len());
            }
            Ok(())
        })?;
        Ok(found)
    }

    /// Whether `bytes` more bytes leave the journal its room.
    ///
    /// # Errors
    /// [`Error::Disk`], like that of a full disk, when they do not.
    pub(super) fn check_room(&self, path: &str, bytes: u64) -> Result<(), Error> {
        let disk =
            rustix::fs::fstatvfs(&self.dir).map_err(|error| self.failed("look at", path, error.into()))?;
        let all = disk.f_blocks.saturating_mul(disk.f_frsize);
        let free = disk.f_bavail.saturating_mul(disk.f_frsize);
        // A file system without bounds tells no size.
        if all > 0 && free < bytes.saturating_add(reserve(all)) {
            let reason = format!("the last {} kB of the disk are left to the journal", reserve(all) >> 10);
            return Err(self.failed("write", path, io::Error::new(io::ErrorKind::StorageFull, reason)));
        }
        Ok(())
    }

    /// Whether there is a file of this name.
    pub(super) fn holds(&self, name: &str) -> bool {
        self.dir.symlink_metadata(name).is_ok_and(|metadata| metadata.is_file())
    }

    /// Begins to write the photo at `path`.
    pub(super) fn begin(&self, path: &str) -> Result<(Part, std::fs::File), Error> {
        let folder = self.folder_of(path)?;
        let name = format!("{PART}{:016x}", fastrand::u64(..));
        let file = folder
            .open_with(&name, OpenOptions::new().read(true).write(true).create_new(true))
            .map_err(|source| self.failed("write into", path, source))?;
        Ok((Part { folder, name, kept: false }, file.into_std()))
    }

    /// Gives a photo another path: at any moment it is there under one of the two.
    pub(super) fn rename(&self, from: &str, to: &str) -> Result<(), Error> {
        let folder = self.folder_of(to)?;
        let name = to.rsplit('/').next().unwrap_or(to);
        let failed = |source| self.failed("rename", from, source);
        self.dir.rename(from, &folder, name).map_err(failed)?;
        sync_folder(&folder).map_err(failed)?;
        self.remove_empty_folders(from);
        Ok(())
    }

    /// The folder of the file at `path`, made where it is missing.
    fn folder_of(&self, path: &str) -> Result<Dir, Error> {
        let mut folder = self.dir.try_clone().map_err(|source| self.failed("open", path, source))?;
        let mut names: Vec<&str> = path.split('/').collect();
        names.pop();
        for name in names {
            let failed = |action, source| self.failed(action, path, source);
            match folder.create_dir(name) {
                Ok(()) => sync_folder(&folder).map_err(|source| failed("write", source))?,
                Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {}
                Err(source) => return Err(failed("make the folder of", source)),
            }
            let below = match folder.open_dir(name) {
                Err(error) if !is_of_the_whole_disk(&error) => {
                    log::warn!(
                        "{name} in {} is not a usable folder ({error}) and is replaced",
                        self.path.join(path).display()
                    );
                    replace_folder(&folder, name)
                }
                other => other,
            };
            folder = below.map_err(|source| failed("open the folder of", source))?;
        }
        Ok(folder)
    }

    /// Puts a written file, already checked, under its name, and forces both to the disk.
    pub(super) fn keep(&self, mut part: Part, file: &std::fs::File, path: &str) -> Result<(), Error> {
        let failed = |source| self.failed("write", path, source);
        file.sync_all().map_err(failed)?;
        let name = path.rsplit('/').next().unwrap_or(path);
        match part.folder.rename(&part.name, &part.folder, name) {
            // Something else than a file stands there, such as a directory.
            Err(error) if !is_of_the_whole_disk(&error) => {
                log::warn!("{} is not a file ({error}) and is replaced", self.path.join(path).display());
                clear_away(&part.folder, name)
                    .and_then(|()| part.folder.rename(&part.name, &part.folder, name))
                    .map_err(failed)?;
            }
            done => done.map_err(failed)?,
        }
        part.kept = true;
        sync_folder(&part.folder).map_err(failed)
    }

    /// The SHA-256 of a photo on disk, hexadecimal.
    pub(super) fn sha256(&self, path: &str) -> Result<String, Error> {
        let mut hash = Sha256::new();
        let copied = self.dir.open(path).and_then(|mut file| io::copy(&mut file, &mut hash));
        copied.map_err(|source| self.failed("read", path, source))?;
        Ok(base::hexadecimal::hexadecimal(&hash.finalize()))
    }

    /// Whether a photo can be read: its beginning, or all of it, which must then have this SHA-256.
    pub(super) fn is_as_it_was(&self, path: &str, sha256: Option<&str>) -> bool {
        match sha256 {
            Some(expected) => match self.sha256(path) {
                Ok(found) if found == expected => true,
                Ok(_) => {
                    log::warn!(personal:% = path; "the copy of {path} is damaged; it is fetched again");
                    false
                }
                Err(error) => {
                    log::warn!(personal:% = path; "{error}; it is fetched again");
                    false
                }
            },
            None => {
                let read = self.dir.open(path).and_then(|mut file| file.read(&mut [0; BEGINNING]));
                if let Err(error) = &read {
                    log::warn!(
                        personal:% = path;
                        "the copy of {path} cannot be read ({error}); it is fetched again"
                    );
                }
                read.is_ok_and(|bytes| bytes > 0)
            }
        }
    }

    /// Removes a photo, and its folders when it was the last.
    pub(super) fn remove(&self, path: &str) -> Result<(), Error> {
        match self.dir.remove_file(path) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => {
                return Err(self.failed("remove", path, error));
            }
            _ => {}
        }
        self.remove_empty_folders(path);
        Ok(())
    }

    /// Reads a file of our own; `None` when it is missing or not what was written.
    pub(super) fn read<T: DeserializeOwned>(&self, name: &str) -> Option<T> {
        let mut text = Vec::new();
        self.dir.open(name).ok()?.take(MAX_STATE_BYTES).read_to_end(&mut text).ok()?;
        serde_json::from_slice(&text)
            .inspect_err(|error| {
                log::warn!(
                    "{} is damaged ({error}); starting with an empty file",
                    self.path.join(name).display()
                )
            })
            .ok()
    }

    /// Replaces a file of our own as a whole.
    pub(super) fn write(&self, name: &str, value: &impl Serialize) -> Result<(), Error> {
        let failed = |source| self.failed("write", name, source);
        let part = Part {
            folder: self.dir.try_clone().map_err(failed)?,
            name: format!("{PART}{:016x}", fastrand::u64(..)),
            kept: false,
        };
        let file = self
            .dir
            .open_with(&part.name, OpenOptions::new().write(true).create_new(true))
            .map_err(failed)?
            .into_std();
        let mut writer = io::BufWriter::new(&file);
        serde_json::to_writer_pretty(&mut writer, value).map_err(|error| failed(error.into()))?;
        writer.flush().map_err(failed)?;
        drop(writer);
        self.keep(part, &file, name)
    }

    /// Takes away a file of our own; `None` when there is none.
    pub(super) fn take(&self, name: &str) -> Option<String> {
        let text = self.dir.read_to_string(name).ok()?;
        let _ = self.dir.remove_file(name);
        Some(text.trim().to_owned())
    }

    /// The error of an operation on `path` below the mirror.
    pub(super) fn failed(&self, action: &'static str, path: &str, source: io::Error) -> Error {
        Error::Disk { action, path: self.path.join(path), source }
    }

    /// Tells of one entry that cannot be read; the others are as they were.
    fn tell(&self, path: &str, error: &io::Error) {
        // What vanished meanwhile is not a fault.
        if error.kind() != io::ErrorKind::NotFound {
            log::warn!("{} cannot be read ({error}); it is left out", self.path.join(path).display());
        }
    }
}

/// Makes a folder again where something else stands, or what cannot be opened.
fn replace_folder(above: &Dir, name: &str) -> io::Result<Dir> {
    clear_away(above, name)?;
    above.create_dir(name)?;
    sync_folder(above)?;
    above.open_dir(name)
}

/// Forces a folder's names to the disk.
fn sync_folder(folder: &Dir) -> io::Result<()> {
    folder.open(".")?.sync_all()
}

/// Takes away whatever stands under a name in `dir`, without following a link. What cannot be removed is put
/// aside under a hidden name: a damaged file system often lets a name be changed that it cannot delete.
fn clear_away(dir: &Dir, name: &str) -> io::Result<()> {
    let removed = match dir.symlink_metadata(name) {
        Ok(metadata) if metadata.is_dir() => dir.remove_dir_all(name),
        Ok(_) => dir.remove_file(name),
        Err(error) => Err(error),
    };
    match removed {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
        Err(error) if is_of_the_whole_disk(&error) => Err(error),
        Err(_) => {
            let folder = name.rsplit_once('/').map(|(folder, _)| format!("{folder}/")).unwrap_or_default();
            dir.rename(name, dir, format!("{folder}{ASIDE}{:016x}", fastrand::u64(..)))
        }
        Ok(()) => Ok(()),
    }
}

/// Bytes that stay free on a disk of `all` bytes.
fn reserve(all: u64) -> u64 {
    RESERVE.min(all / RESERVE_PART)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_small_disk_keeps_a_share_and_a_large_one_what_is_enough() {
        assert_eq!(reserve(160 << 10), 8 << 10);
        assert_eq!(reserve(64 << 30), 256 << 20);
    }
}
