//! An update on a USB stick: which file it is, and how it gets off the stick.
//!
//! The bundle is copied to the data partition first, so the stick can be pulled at any time: a copy that
//! breaks off leaves nothing, and after it the stick is not needed any more. The stick is mounted read-only
//! in a namespace that ends with the process. To plug in a stick is not enough to install anything: RAUC
//! takes signed bundles alone, and only newer ones.

use std::fs::File;
use std::io::{self, Read as _};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use rustix::fs::{FlockOperation, flock};
use rustix::mount::{MountFlags, UnmountFlags};

use super::inbox;
use super::inbox::{InboxError, Incoming, received};
use super::schedule::{is_newer, is_version};
use super::under_way::UnderWay;

/// The file systems that sticks may have, with mount options beside read-only: without `noload`, ext4 would
/// write its journal even then.
const FILE_SYSTEMS: [(&str, &str); 3] = [("vfat", "utf8"), ("exfat", ""), ("ext4", "noload")];

/// Most entries of the top folder looked at. A technician's stick holds a few dozen; a hostile one may hold
/// millions.
const MOST_ENTRIES: usize = 4096;

/// Bytes copied at once.
const PIECE: usize = 1 << 20;

/// Time between two looks whether another stick is done.
const LOOK: Duration = Duration::from_millis(500);

/// Why nothing came off a stick.
#[derive(Debug, thiserror::Error)]
pub enum StickError {
    /// It cannot be mounted.
    #[error("the stick cannot be read ({source}); format it with FAT32, exFAT or ext4")]
    Mount {
        /// An error of the operating system.
        source: io::Error,
    },
    /// It was pulled, or is failing.
    #[error(
        "the stick cannot be read to its end ({source}); leave it plugged in, or use another. Nothing was changed"
    )]
    Read {
        /// An error of the operating system.
        source: io::Error,
    },
    /// Another stick is at it.
    #[error("another stick is being installed from; plug this one in again when that has ended")]
    Busy,
    /// The bundle cannot be kept.
    #[error(transparent)]
    Inbox(#[from] InboxError),
}

/// A mounted stick; unmounted when dropped.
#[derive(Debug)]
pub struct Stick {
    at: PathBuf,
}

impl Stick {
    /// Mounts `device` at the folder `at`: read-only, and nothing on it is a device, a program or a link.
    ///
    /// # Errors
    /// [`StickError::Mount`] when it has none of the file systems that are read.
    pub fn mount(device: &Path, at: &Path) -> Result<Self, StickError> {
        let flags = MountFlags::RDONLY
            | MountFlags::NOSUID
            | MountFlags::NODEV
            | MountFlags::NOEXEC
            | MountFlags::NOATIME
            | MountFlags::NOSYMFOLLOW
            | MountFlags::SILENT;
        let mut failed = rustix::io::Errno::NODEV;
        for (kind, data) in FILE_SYSTEMS {
            let data = std::ffi::CString::new(data).unwrap_or_default();
            match rustix::mount::mount(device, at, kind, flags, data.as_c_str()) {
                Ok(()) => return Ok(Self { at: at.to_owned() }),
                Err(error) => failed = error,
            }
        }
        Err(StickError::Mount { source: failed.into() })
    }

    /// Its top folder.
    pub fn folder(&self) -> &Path {
        &self.at
    }
}

impl Drop for Stick {
    fn drop(&mut self) {
        // What cannot be unmounted ends with the process's own namespace.
        let _ = rustix::mount::unmount(&self.at, UnmountFlags::DETACH);
    }
}

/// A bundle on a stick.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Found {
    /// Where.
    pub path: PathBuf,
    /// Its version by its name, which may lie: what is signed is inside.
    pub version: String,
    /// Its length.
    pub bytes: u64,
}

/// The newest `attendance-rpi5-<version>.raucb` of a folder; none where there is none.
///
/// # Errors
/// [`StickError::Read`] when the folder cannot be read.
pub fn newest(folder: &Path) -> Result<Option<Found>, StickError> {
    let failed = |source| StickError::Read { source };
    let mut best: Option<Found> = None;
    for entry in std::fs::read_dir(folder).map_err(failed)?.take(MOST_ENTRIES) {
        let entry = entry.map_err(failed)?;
        let Some(version) = entry.file_name().to_str().and_then(version_of) else { continue };
        // Of the entry itself, so that a link is none.
        let about = entry.metadata().map_err(failed)?;
        if about.is_file() && best.as_ref().is_none_or(|best| is_newer(&version, &best.version)) {
            best = Some(Found { path: entry.path(), version, bytes: about.len() });
        }
    }
    Ok(best)
}

/// The version in a bundle's name.
fn version_of(name: &str) -> Option<String> {
    let version = name.strip_prefix("attendance-rpi5-")?.strip_suffix(".raucb")?;
    is_version(version).then(|| version.to_owned())
}

/// Removes what a stick's process that was ended half-way left in `folder`, unless another one works there.
///
/// # Errors
/// An error of the file system.
pub fn remove_leftovers(folder: &Path) -> io::Result<()> {
    if !folder.is_dir() {
        return Ok(());
    }
    match Desk::take(folder, Duration::ZERO) {
        Ok(desk) => inbox::remove_leftovers(&desk.folder),
        Err(StickError::Busy) => Ok(()),
        Err(error) => Err(io::Error::other(error)),
    }
}

/// The folder that bundles are copied into, held so that no other stick's process writes or removes the same
/// file. Dropped, it removes the bundle: installed or refused, nobody needs it any more.
#[derive(Debug)]
pub struct Desk {
    folder: PathBuf,
    _lock: File,
}

impl Desk {
    /// Takes hold of `folder`, which is made where it is missing; waits for another stick, at most
    /// `patience`.
    ///
    /// # Errors
    /// [`StickError::Busy`], and [`StickError::Inbox`] when the folder cannot be made.
    pub fn take(folder: &Path, patience: Duration) -> Result<Self, StickError> {
        let failed = |source| InboxError::Io { folder: folder.to_owned(), source };
        std::fs::create_dir_all(folder).map_err(failed)?;
        let lock = File::open(folder).map_err(failed)?;
        let begun = Instant::now();
        loop {
            match flock(&lock, FlockOperation::NonBlockingLockExclusive) {
                Ok(()) => return Ok(Self { folder: folder.to_owned(), _lock: lock }),
                Err(rustix::io::Errno::WOULDBLOCK) if begun.elapsed() < patience => std::thread::sleep(LOOK),
                Err(rustix::io::Errno::WOULDBLOCK) => return Err(StickError::Busy),
                Err(error) => return Err(failed(error.into()).into()),
            }
        }
    }
}

impl Drop for Desk {
    fn drop(&mut self) {
        // What stays is overwritten by the next.
        let _ = std::fs::remove_file(received(&self.folder));
    }
}

/// Copies a bundle to the desk, whole and to the disk, or not at all.
///
/// # Errors
/// [`StickError`]; nothing is left there then.
pub fn copy(found: &Found, desk: &Desk) -> Result<PathBuf, StickError> {
    let failed = |source| StickError::Read { source };
    let under_way = UnderWay::default();
    let mut incoming = Incoming::begin(&desk.folder, found.bytes, &under_way)?;
    let mut file = File::open(&found.path).map_err(failed)?;
    let mut piece = vec![0; PIECE];
    loop {
        match file.read(&mut piece).map_err(failed)? {
            0 => {
                let _whole = incoming.finish()?;
                // The desk keeps it until it is installed.
                let _turn = under_way.resume();
                return Ok(received(&desk.folder));
            }
            length => incoming.take(&piece[..length])?,
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    fn put(folder: &Path, name: &str, content: &[u8]) {
        std::fs::write(folder.join(name), content).unwrap();
    }

    #[test]
    fn newest_bundle_is_taken() {
        let folder = tempfile::tempdir().unwrap();
        let top = folder.path();
        assert_eq!(newest(top).unwrap(), None);
        for name in [
            "attendance-rpi5-1.9.0.raucb",
            "attendance-rpi5-1.10.0-rc.1.raucb",
            "._attendance-rpi5-9.0.0.raucb",
            "attendance-rpi5-9.0.0.raucb.part",
            "attendance-rpi5-latest.raucb",
            "attendance-rpi4-9.0.0.raucb",
            "holiday.jpg",
        ] {
            put(top, name, b"x");
        }
        std::fs::create_dir(top.join("attendance-rpi5-9.0.0.raucb")).unwrap();
        std::fs::create_dir(top.join("folder")).unwrap();
        put(&top.join("folder"), "attendance-rpi5-9.1.0.raucb", b"x");
        std::os::unix::fs::symlink("/etc/passwd", top.join("attendance-rpi5-9.2.0.raucb")).unwrap();
        let found = newest(top).unwrap().unwrap();
        assert_eq!((found.version.as_str(), found.bytes), ("1.10.0-rc.1", 1));
        put(top, "attendance-rpi5-1.10.0+20260101.1200.abc1234.raucb", b"xy");
        put(top, "attendance-rpi5-1.10.0+20260101.1159.ffff234.raucb", b"xyz");
        assert_eq!(newest(top).unwrap().unwrap().version, "1.10.0+20260101.1200.abc1234");
    }

    #[test]
    fn second_stick_waits_for_the_first() {
        let (sticks, kept) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
        put(sticks.path(), "attendance-rpi5-1.0.0.raucb", b"first");
        let found = newest(sticks.path()).unwrap().unwrap();
        let first = Desk::take(kept.path(), Duration::ZERO).unwrap();
        let bundle = copy(&found, &first).unwrap();
        assert!(matches!(Desk::take(kept.path(), Duration::ZERO), Err(StickError::Busy)));
        assert_eq!(std::fs::read(&bundle).unwrap(), b"first");
        let folder = kept.path().to_owned();
        let second = std::thread::spawn(move || Desk::take(&folder, Duration::from_secs(30)).map(|_| ()));
        std::thread::sleep(Duration::from_millis(50));
        drop(first);
        assert!(second.join().unwrap().is_ok() && !bundle.exists());
    }

    #[test]
    fn leftovers_are_removed_unless_a_stick_is_at_work() {
        let kept = tempfile::tempdir().unwrap();
        remove_leftovers(&kept.path().join("missing")).unwrap();
        put(kept.path(), "incoming.raucb", b"half");
        let desk = Desk::take(kept.path(), Duration::ZERO).unwrap();
        remove_leftovers(kept.path()).unwrap();
        assert!(kept.path().join("incoming.raucb").exists());
        drop(desk);
        remove_leftovers(kept.path()).unwrap();
        assert_eq!(std::fs::read_dir(kept.path()).unwrap().count(), 0);
    }

    #[test]
    fn partial_copy_leaves_nothing() {
        let (stick, kept) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
        let content: Vec<u8> = (0..2_500_000_u32).map(|n| (n % 251) as u8).collect();
        put(stick.path(), "attendance-rpi5-1.0.0.raucb", &content);
        let found = newest(stick.path()).unwrap().unwrap();
        let desk = Desk::take(kept.path(), Duration::ZERO).unwrap();
        let copied = copy(&found, &desk).unwrap();
        assert_eq!(std::fs::read(copied).unwrap(), content);

        // The stick goes away in the middle: the file is shorter than its entry said, or is gone.
        let cut = Found { bytes: found.bytes + 1, ..found.clone() };
        assert!(matches!(copy(&cut, &desk), Err(StickError::Inbox(InboxError::CutShort { .. }))));
        assert_eq!(std::fs::read_dir(kept.path()).unwrap().count(), 0);
        std::fs::remove_file(&found.path).unwrap();
        assert!(matches!(copy(&found, &desk), Err(StickError::Read { .. })));
        assert_eq!(std::fs::read_dir(kept.path()).unwrap().count(), 0);
        assert!(matches!(newest(Path::new("/nonexistent")), Err(StickError::Read { .. })));
    }
}
