//! Bundles that a person brings, through the page or on a stick: streamed to the data partition, within
//! limits.

use std::fs::{File, OpenOptions};
use std::io::{self, Write as _};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};

use super::install::InstallProgress;
use super::under_way::{Turn, UnderWay};

/// Largest bundle taken. Both images of a slot together have 384 MiB at most; a usual bundle has 120 MB.
pub const MAX_BUNDLE: u64 = 400 << 20;

/// Space that must stay free beside the bundle: the journal goes on meanwhile.
const RESERVE: u64 = 64 << 20;

/// The step's name for who watches.
const RECEIVING: &str = "receiving";

/// Why a bundle is not taken.
#[derive(Debug, thiserror::Error)]
pub enum InboxError {
    /// Another one has the turn.
    #[error("another update is on its way in; wait for its end")]
    Busy,
    /// Longer than any bundle.
    #[error("that is not an update: it has more than {} MB", MAX_BUNDLE >> 20)]
    TooLarge,
    /// No room.
    #[error(
        "the card has {free_mb} MB free and {needed_mb} MB are needed; delete old photos or use a larger card"
    )]
    NoRoom {
        /// Free megabytes.
        free_mb: u64,
        /// Needed megabytes.
        needed_mb: u64,
    },
    /// It ended early.
    #[error("the upload ended after {received} of {announced} bytes; send it again")]
    CutShort {
        /// Bytes that came.
        received: u64,
        /// Bytes that were announced.
        announced: u64,
    },
    /// The file system.
    #[error("cannot keep the update in {}: {source}", folder.display())]
    Io {
        /// Where.
        folder: PathBuf,
        /// An error of the operating system.
        source: io::Error,
    },
}

/// A bundle on its way in. There is one at a time: a new one takes the place of one that was left unfinished.
/// Dropped unfinished, it leaves nothing behind.
#[derive(Debug)]
pub struct Incoming {
    file: File,
    path: PathBuf,
    announced: u64,
    received: u64,
    finished: bool,
    turn: Option<Turn>,
}

/// A bundle that has come whole, with the turn to install it, which [`UnderWay::resume`] takes over. Dropped
/// before that, it leaves nothing behind: neither the turn nor the file.
#[derive(Debug)]
pub struct Received {
    path: PathBuf,
    under_way: Option<UnderWay>,
}

impl Drop for Received {
    fn drop(&mut self) {
        let Some(_turn) = self.under_way.as_ref().and_then(UnderWay::resume) else { return };
        log::warn!("the update that was received is not installed; send it again");
        if let Err(error) = std::fs::remove_file(&self.path) {
            log::warn!("{} cannot be removed: {error}", self.path.display());
        }
    }
}

impl Incoming {
    /// Begins to take a bundle of `announced` bytes into `folder`.
    ///
    /// # Errors
    /// [`InboxError`] when it is too large, there is no room, or another update comes in.
    pub fn begin(folder: &Path, announced: u64, under_way: &UnderWay) -> Result<Self, InboxError> {
        let failed = |source| InboxError::Io { folder: folder.to_owned(), source };
        if announced > MAX_BUNDLE {
            return Err(InboxError::TooLarge);
        }
        let turn = under_way.begin(RECEIVING).ok_or(InboxError::Busy)?;
        std::fs::create_dir_all(folder).map_err(failed)?;
        remove_leftovers(folder).map_err(failed)?;
        let path = incoming(folder);
        let disk = rustix::fs::statvfs(folder).map_err(|error| failed(error.into()))?;
        let (free, needed) = (disk.f_bavail.saturating_mul(disk.f_frsize), announced + RESERVE);
        if free < needed {
            return Err(InboxError::NoRoom { free_mb: free >> 20, needed_mb: needed >> 20 });
        }
        let file = OpenOptions::new().write(true).create_new(true).mode(0o644).open(&path).map_err(failed)?;
        Ok(Self { file, path, announced, received: 0, finished: false, turn: Some(turn) })
    }

    /// Takes the next piece.
    ///
    /// # Errors
    /// [`InboxError::TooLarge`] beyond what was announced.
    pub fn take(&mut self, piece: &[u8]) -> Result<(), InboxError> {
        self.received += piece.len() as u64;
        if self.received > self.announced {
            return Err(InboxError::TooLarge);
        }
        self.file.write_all(piece).map_err(|source| self.failed(source))?;
        let percent = u8::try_from(self.received * 100 / self.announced.max(1)).unwrap_or(100);
        if let Some(turn) = &self.turn {
            turn.show(InstallProgress { percent, step: RECEIVING.to_owned() });
        }
        Ok(())
    }

    /// All has come: the bundle is at [`received`], whole and on the disk. Nobody else gets the turn before
    /// it is installed.
    ///
    /// # Errors
    /// [`InboxError::CutShort`] when not all has come.
    pub fn finish(mut self) -> Result<Received, InboxError> {
        if self.received != self.announced {
            return Err(InboxError::CutShort { received: self.received, announced: self.announced });
        }
        let whole = received(self.path.parent().unwrap_or(Path::new(".")));
        let done = self.file.sync_all().and_then(|()| std::fs::rename(&self.path, &whole));
        done.map_err(|source| self.failed(source))?;
        self.finished = true;
        Ok(Received { path: whole, under_way: self.turn.take().map(Turn::keep) })
    }

    fn failed(&self, source: io::Error) -> InboxError {
        let folder = self.path.parent().unwrap_or(Path::new(".")).to_owned();
        InboxError::Io { folder, source }
    }
}

impl Drop for Incoming {
    fn drop(&mut self) {
        if !self.finished {
            // What stays is overwritten by the next.
            let _ = std::fs::remove_file(&self.path);
        }
    }
}

fn incoming(folder: &Path) -> PathBuf {
    folder.join("incoming.raucb")
}

/// Removes what a program that was ended half-way left in `folder`: up to 400 MB, which the journal may need.
/// For a time when no bundle comes in, as at the start of the program. RAUC, should it be installing the
/// bundle, has opened it and goes on.
///
/// # Errors
/// An error of the file system, except for missing files.
pub fn remove_leftovers(folder: &Path) -> io::Result<()> {
    for old in [incoming(folder), received(folder)] {
        match std::fs::remove_file(&old) {
            Ok(()) => log::info!("{} was left over and is removed", old.display()),
            Err(error) if error.kind() == io::ErrorKind::NotFound => {}
            Err(error) => return Err(error),
        }
    }
    Ok(())
}

/// Where a bundle is that has come whole.
pub fn received(folder: &Path) -> PathBuf {
    folder.join("bundle.raucb")
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn next_bundle_replaces_the_last() {
        let folder = tempfile::tempdir().unwrap();
        let under_way = UnderWay::default();
        for content in [&b"first bundle"[..], b"second"] {
            let mut incoming = Incoming::begin(folder.path(), content.len() as u64, &under_way).unwrap();
            for piece in content.chunks(5) {
                incoming.take(piece).unwrap();
            }
            assert_eq!(under_way.progress().unwrap().percent, 100);
            assert!(matches!(Incoming::begin(folder.path(), 1, &under_way), Err(InboxError::Busy)));
            let whole = incoming.finish().unwrap();
            assert_eq!(std::fs::read(received(folder.path())).unwrap(), content);
            assert!(under_way.begin("checking").is_none(), "another takes the turn before it is installed");
            let turn = under_way.resume().unwrap();
            drop(whole);
            assert!(under_way.begin("checking").is_none() && under_way.resume().is_none());
            drop(turn);
        }
        assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 1);
    }

    #[test]
    fn uninstalled_bundle_is_removed() {
        let folder = tempfile::tempdir().unwrap();
        let under_way = UnderWay::default();
        let mut incoming = Incoming::begin(folder.path(), 4, &under_way).unwrap();
        incoming.take(b"1234").unwrap();
        drop(incoming.finish().unwrap());
        assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 0);
        assert!(under_way.begin("checking").is_some());
    }

    #[test]
    fn leftovers_of_a_crash_are_removed() {
        let folder = tempfile::tempdir().unwrap();
        remove_leftovers(&folder.path().join("missing")).unwrap();
        for name in ["incoming.raucb", "bundle.raucb", "boot.json"] {
            std::fs::write(folder.path().join(name), "x").unwrap();
        }
        remove_leftovers(folder.path()).unwrap();
        let left = std::fs::read_dir(folder.path()).unwrap().map(|entry| entry.unwrap().file_name());
        assert_eq!(left.collect::<Vec<_>>(), ["boot.json"]);
    }

    #[test]
    fn wrong_length_leaves_nothing() {
        let folder = tempfile::tempdir().unwrap();
        let begin = |bytes| Incoming::begin(folder.path(), bytes, &UnderWay::default());
        assert!(matches!(begin(MAX_BUNDLE + 1), Err(InboxError::TooLarge)));
        let mut incoming = begin(4).unwrap();
        assert!(matches!(incoming.take(b"12345"), Err(InboxError::TooLarge)));
        drop(incoming);
        let mut incoming = begin(4).unwrap();
        incoming.take(b"123").unwrap();
        assert!(matches!(incoming.finish(), Err(InboxError::CutShort { received: 3, announced: 4 })));
        assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 0);
    }
}
