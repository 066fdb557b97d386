//! The few things done to files, so that tests can make each of them fail.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};

use base::durable::Access;

/// Largest file read. Segments have a megabyte, a day's CSV far less; anything larger is not ours.
const MAX_FILE: u64 = 64 * 1024 * 1024;

/// A folder of small files. Every change is durable when its call returns `Ok`, and is not half done to a
/// reader that checks what it reads.
pub trait Disk: Send + Sync {
    /// The names of the files; none when the folder is not there yet.
    fn names(&self) -> io::Result<Vec<String>>;

    /// The whole file.
    fn read(&self, name: &str) -> io::Result<Vec<u8>>;

    /// Writes `bytes` at `at`, cutting off whatever stood behind it, and makes the file when `at` is 0.
    ///
    /// # Errors
    /// `UnexpectedEof` when the file is shorter than `at`: somebody else changed it.
    fn append(&self, name: &str, at: u64, bytes: &[u8]) -> io::Result<()>;

    /// Puts a whole file in the place of `name` at once.
    fn replace(&self, name: &str, bytes: &[u8]) -> io::Result<()>;

    /// Removes a file; one that is not there is removed already.
    fn remove(&self, name: &str) -> io::Result<()>;
}

/// A folder of the file system.
#[derive(Debug)]
pub struct Folder(PathBuf);

impl Folder {
    /// The folder at `path`, made by the first write.
    pub fn new(path: impl Into<PathBuf>) -> Self {
        Self(path.into())
    }

    /// Where it is.
    pub fn path(&self) -> &Path {
        &self.0
    }

    /// Makes the folder's list of names durable.
    fn sync_names(&self) -> io::Result<()> {
        File::open(&self.0)?.sync_all()
    }
}

impl Disk for Folder {
    fn names(&self) -> io::Result<Vec<String>> {
        let entries = match fs::read_dir(&self.0) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
            entries => entries?,
        };
        entries.map(|entry| Ok(entry?.file_name().into_string().ok())).filter_map(Result::transpose).collect()
    }

    fn read(&self, name: &str) -> io::Result<Vec<u8>> {
        let path = self.0.join(name);
        if fs::metadata(&path)?.len() > MAX_FILE {
            return Err(io::Error::other(format!("has more than {MAX_FILE} bytes")));
        }
        fs::read(path)
    }

    fn append(&self, name: &str, at: u64, bytes: &[u8]) -> io::Result<()> {
        let path = self.0.join(name);
        let is_new = at == 0 && !path.exists();
        if is_new {
            fs::create_dir_all(&self.0)?;
        }
        // Not truncated on opening: what stands before `at` stays.
        let mut file = OpenOptions::new().write(true).create(is_new).truncate(false).open(path)?;
        let length = file.metadata()?.len();
        if length < at {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        if length > at {
            file.set_len(at)?;
        }
        file.seek(SeekFrom::Start(at))?;
        file.write_all(bytes)?;
        file.sync_data()?;
        // Also after a first try that failed between making the file and this.
        if at == 0 { self.sync_names() } else { Ok(()) }
    }

    fn replace(&self, name: &str, bytes: &[u8]) -> io::Result<()> {
        base::durable::replace_for(Access::ByMask, &self.0.join(name), bytes)
    }

    fn remove(&self, name: &str) -> io::Result<()> {
        match fs::remove_file(self.0.join(name)) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
            Err(error) => Err(error),
            Ok(()) => self.sync_names(),
        }
    }
}

#[cfg(any(test, feature = "fake-disk"))]
pub mod fake {
    //! A folder in memory that fills up, loses power and breaks where a test says; for tests of whoever
    //! writes to the journal.

    use std::collections::BTreeMap;
    use std::sync::{Mutex, MutexGuard};

    use super::*;

    /// A folder in memory.
    #[derive(Debug, Default)]
    pub struct FakeDisk(Mutex<Inner>);

    #[derive(Debug, Default)]
    struct Inner {
        files: BTreeMap<String, Vec<u8>>,
        /// Bytes that can still be written; `None`: any number.
        room: Option<usize>,
        unreadable: Option<String>,
        not_to_append: Option<String>,
        forbidden: Option<String>,
        read_only: bool,
    }

    impl FakeDisk {
        fn inner(&self) -> MutexGuard<'_, Inner> {
            self.0.lock().unwrap_or_else(std::sync::PoisonError::into_inner)
        }

        /// After `room` more bytes the disk is full; with `None` it has room again.
        pub fn limit(&self, room: Option<usize>) {
            self.inner().room = room;
        }

        /// The card gives an error for this file.
        pub fn make_unreadable(&self, name: Option<&str>) {
            self.inner().unreadable = name.map(str::to_owned);
        }

        /// Nothing can be appended to this file; it can be replaced.
        pub fn forbid_appending(&self, name: Option<&str>) {
            self.inner().not_to_append = name.map(str::to_owned);
        }

        /// This file can be neither appended to nor replaced.
        pub fn forbid(&self, name: Option<&str>) {
            self.inner().forbidden = name.map(str::to_owned);
        }

        /// Nothing can be written, as on a card at the end of its life.
        pub fn make_read_only(&self, read_only: bool) {
            self.inner().read_only = read_only;
        }

        /// Every file with its content.
        pub fn files(&self) -> BTreeMap<String, Vec<u8>> {
            self.inner().files.clone()
        }

        /// Puts a file there, as if it had been written before.
        pub fn put(&self, name: &str, bytes: &[u8]) {
            self.inner().files.insert(name.to_owned(), bytes.to_vec());
        }

        /// A folder that holds `files`.
        pub fn with(files: BTreeMap<String, Vec<u8>>) -> Self {
            Self(Mutex::new(Inner { files, ..Inner::default() }))
        }
    }

    fn full() -> io::Error {
        io::Error::from_raw_os_error(28)
    }

    impl Disk for FakeDisk {
        fn names(&self) -> io::Result<Vec<String>> {
            Ok(self.inner().files.keys().cloned().collect())
        }

        fn read(&self, name: &str) -> io::Result<Vec<u8>> {
            let inner = self.inner();
            if inner.unreadable.as_deref() == Some(name) {
                return Err(io::Error::from_raw_os_error(5));
            }
            inner.files.get(name).cloned().ok_or_else(|| io::ErrorKind::NotFound.into())
        }

        fn append(&self, name: &str, at: u64, bytes: &[u8]) -> io::Result<()> {
            let mut inner = self.inner();
            if inner.read_only {
                return Err(io::ErrorKind::ReadOnlyFilesystem.into());
            }
            if [&inner.not_to_append, &inner.forbidden].iter().any(|file| file.as_deref() == Some(name)) {
                return Err(io::ErrorKind::PermissionDenied.into());
            }
            let written = inner.room.map_or(bytes.len(), |room| room.min(bytes.len()));
            if let Some(room) = &mut inner.room {
                *room -= written;
            }
            if at > 0 && !inner.files.contains_key(name) {
                return Err(io::ErrorKind::NotFound.into());
            }
            let file = inner.files.entry(name.to_owned()).or_default();
            if (file.len() as u64) < at {
                return Err(io::ErrorKind::UnexpectedEof.into());
            }
            file.truncate(usize::try_from(at).unwrap_or(usize::MAX));
            file.extend_from_slice(&bytes[..written]);
            if written < bytes.len() { Err(full()) } else { Ok(()) }
        }

        fn replace(&self, name: &str, bytes: &[u8]) -> io::Result<()> {
            let mut inner = self.inner();
            if inner.read_only {
                return Err(io::ErrorKind::ReadOnlyFilesystem.into());
            }
            if inner.forbidden.as_deref() == Some(name) {
                return Err(io::ErrorKind::IsADirectory.into());
            }
            if inner.room.is_some_and(|room| room < bytes.len()) {
                inner.room = Some(0);
                return Err(full());
            }
            inner.room = inner.room.map(|room| room - bytes.len());
            inner.files.insert(name.to_owned(), bytes.to_vec());
            Ok(())
        }

        fn remove(&self, name: &str) -> io::Result<()> {
            self.inner().files.remove(name);
            Ok(())
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn a_folder_appends_repairs_replaces_and_removes() {
        let folder = tempfile::tempdir().unwrap();
        let disk = Folder::new(folder.path().join("made/when/needed"));
        assert!(disk.names().unwrap().is_empty());
        disk.append("a", 0, b"one\ntorn").unwrap();
        disk.append("a", 4, b"two\n").unwrap();
        assert_eq!(disk.read("a").unwrap(), b"one\ntwo\n");
        assert_eq!(disk.append("a", 9, b"x").unwrap_err().kind(), io::ErrorKind::UnexpectedEof);
        assert_eq!(disk.append("b", 9, b"x").unwrap_err().kind(), io::ErrorKind::NotFound);
        disk.replace("a", b"three\n").unwrap();
        assert_eq!(disk.read("a").unwrap(), b"three\n");
        assert_eq!(disk.names().unwrap(), ["a"]);
        disk.remove("a").unwrap();
        disk.remove("a").unwrap();
        assert!(disk.names().unwrap().is_empty());
    }
}
