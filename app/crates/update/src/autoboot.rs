//! autoboot.txt: the one place that decides which system starts.
//!
//! The firmware reads it from the card's first partition: `[all] boot_partition` is the committed system,
//! `[tryboot] boot_partition` the one that a reboot with the tryboot flag starts once. It fills one 512-byte
//! sector exactly (the rest is a comment of spaces), and changing it writes that sector in place: neither the
//! FAT nor the file's length changes, so a power cut leaves the old content or the new.
//!
//! Reference: Raspberry Pi documentation, "autoboot.txt" (at most 512 bytes, sections `[all]`, `[none]`,
//! `[tryboot]`).

use std::fs::{File, OpenOptions};
use std::io;
use std::os::unix::fs::{FileExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

use rustix::fs::{Advice, OFlags};

use super::slot::Slot;

/// Size of the file: one sector, the smallest thing that a card writes as a whole. Also the most the firmware
/// reads.
pub const SIZE: usize = 512;

/// Why autoboot.txt cannot be read or changed.
#[derive(Debug, thiserror::Error)]
pub enum AutobootError {
    /// The card's first partition does not give it or does not take it.
    #[error("cannot {doing} {}: {source}; is the card's first partition mounted and whole?", path.display())]
    Io {
        /// "read", "write" …
        doing: &'static str,
        /// The file.
        path: PathBuf,
        /// An error of the operating system.
        source: io::Error,
    },
    /// Writing it in place would not be one sector.
    #[error("{} has {length} bytes instead of {SIZE}, so it cannot be changed safely; somebody edited it. Restore it from the image", path.display())]
    Size {
        /// The file.
        path: PathBuf,
        /// Its length.
        length: u64,
    },
    /// It says something this program did not write.
    #[error("autoboot.txt is not as this system writes it: {reason}. Restore it from the image")]
    Content {
        /// What was noticed.
        reason: String,
    },
    /// The card acknowledged the write and gives something else back.
    #[error("{} reads back differently from what was written: the card is failing, replace it", path.display())]
    NotWritten {
        /// The file.
        path: PathBuf,
    },
}

/// The slot that autoboot.txt in `path` commits to.
///
/// # Errors
/// [`AutobootError`]; an unexpected content is an error, never a default.
pub fn committed(path: &Path) -> Result<Slot, AutobootError> {
    parse(&read(&open(path, false)?, path)?)
}

/// Commits to `slot`: one write of one sector, on the card when this returns, and read back from it. Writes
/// nothing when it is so already.
///
/// # Errors
/// [`AutobootError`]. After an error the old content stands, or the new one as a whole.
pub fn commit(path: &Path, slot: Slot) -> Result<(), AutobootError> {
    let io = |doing| move |source| AutobootError::Io { doing, path: path.to_owned(), source };
    let wanted = render(slot);
    let file = open(path, true)?;
    let present = read(&file, path)?;
    // Whoever edited it by hand meant something; it is not overwritten unread.
    parse(&present)?;
    if present == wanted {
        return Ok(());
    }
    // Once, and never again for the rest: a second write would be a second moment for the power to go.
    if file.write_at(&wanted, 0).map_err(io("write"))? != SIZE {
        return Err(AutobootError::NotWritten { path: path.to_owned() });
    }
    file.sync_data().map_err(io("write"))?;
    // From the card, not from the cache. A file system that cannot forget its cache still compares.
    let _ = rustix::fs::fadvise(&file, 0, None, Advice::DontNeed);
    if read(&file, path)? != wanted {
        return Err(AutobootError::NotWritten { path: path.to_owned() });
    }
    Ok(())
}

/// The file's content for a committed slot, exactly one sector.
pub fn render(slot: Slot) -> [u8; SIZE] {
    let (committed, other) = (slot.boot_partition(), slot.other().boot_partition());
    let text =
        format!("[all]\ntryboot_a_b=1\nboot_partition={committed}\n[tryboot]\nboot_partition={other}\n#");
    let mut sector = [b' '; SIZE];
    sector[..text.len()].copy_from_slice(text.as_bytes());
    sector[SIZE - 1] = b'\n';
    sector
}

/// The committed slot of a content. Comments and blank space may differ, nothing else.
///
/// # Errors
/// [`AutobootError::Content`] for anything but what [`render`] means.
pub fn parse(sector: &[u8]) -> Result<Slot, AutobootError> {
    let wrong = |reason: String| AutobootError::Content { reason };
    let text = std::str::from_utf8(sector).map_err(|_| wrong("it is not text".to_owned()))?;
    let settings: Vec<&str> =
        text.lines().map(str::trim).filter(|line| !line.is_empty() && !line.starts_with('#')).collect();
    let ["[all]", "tryboot_a_b=1", committed, "[tryboot]", other] = settings[..] else {
        return Err(wrong(format!("its settings are {settings:?}")));
    };
    let slot = |line: &str| {
        let number = line.strip_prefix("boot_partition=").and_then(|number| number.parse().ok());
        number
            .and_then(Slot::of_boot_partition)
            .ok_or_else(|| wrong(format!("{line:?} names no boot partition of this card")))
    };
    let committed = slot(committed)?;
    if slot(other)? == committed {
        return Err(wrong(format!("[all] and [tryboot] both name slot {committed}")));
    }
    Ok(committed)
}

fn open(path: &Path, write: bool) -> Result<File, AutobootError> {
    let flags = OFlags::NOFOLLOW | if write { OFlags::DSYNC } else { OFlags::empty() };
    OpenOptions::new()
        .read(true)
        .write(write)
        .custom_flags(flags.bits().cast_signed())
        .open(path)
        .map_err(|source| AutobootError::Io { doing: "open", path: path.to_owned(), source })
}

fn read(file: &File, path: &Path) -> Result<[u8; SIZE], AutobootError> {
    let io = |source| AutobootError::Io { doing: "read", path: path.to_owned(), source };
    let length = file.metadata().map_err(io)?.len();
    if length != SIZE as u64 {
        return Err(AutobootError::Size { path: path.to_owned(), length });
    }
    let mut sector = [0; SIZE];
    file.read_exact_at(&mut sector, 0).map_err(io)?;
    Ok(sector)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use proptest::prelude::*;

    use super::*;

    fn card(content: &[u8]) -> (tempfile::TempDir, PathBuf) {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("autoboot.txt");
        std::fs::write(&path, content).unwrap();
        (folder, path)
    }

    #[test]
    fn commit_rewrites_the_sector_in_place() {
        use std::os::unix::fs::MetadataExt;
        let (_folder, path) = card(&render(Slot::A));
        let inode = std::fs::metadata(&path).unwrap().ino();
        commit(&path, Slot::B).unwrap();
        assert_eq!(committed(&path).unwrap(), Slot::B);
        assert_eq!(std::fs::read(&path).unwrap(), render(Slot::B));
        assert_eq!(std::fs::metadata(&path).unwrap().ino(), inode);
    }

    #[test]
    fn second_commit_writes_nothing() {
        let (_folder, path) = card(&render(Slot::B));
        let old = std::time::SystemTime::UNIX_EPOCH;
        File::options().write(true).open(&path).unwrap().set_modified(old).unwrap();
        commit(&path, Slot::B).unwrap();
        assert_eq!(std::fs::metadata(&path).unwrap().modified().unwrap(), old);
    }

    #[test]
    fn edited_file_is_refused_and_kept() {
        let short = b"[all]\ntryboot_a_b=1\nboot_partition=2\n[tryboot]\nboot_partition=3\n";
        let (_folder, path) = card(short);
        assert!(matches!(commit(&path, Slot::B), Err(AutobootError::Size { .. })));
        assert_eq!(std::fs::read(&path).unwrap(), short);

        let mut other = render(Slot::A);
        other[6..19].copy_from_slice(b"tryboot_a_b=0");
        let (_folder, path) = card(&other);
        assert!(matches!(commit(&path, Slot::B), Err(AutobootError::Content { .. })));
        assert_eq!(std::fs::read(&path).unwrap(), other);
    }

    #[test]
    fn a_link_is_not_followed() {
        let (folder, path) = card(&render(Slot::A));
        let link = folder.path().join("link");
        std::os::unix::fs::symlink(&path, &link).unwrap();
        assert!(matches!(commit(&link, Slot::B), Err(AutobootError::Io { .. })));
    }

    #[test]
    fn both_sections_naming_one_slot_is_an_error() {
        let text = String::from_utf8(render(Slot::A).to_vec()).unwrap().replace("=3", "=2");
        assert!(parse(text.as_bytes()).is_err());
        assert!(parse(&[0; SIZE]).is_err());
        assert!(parse(&[0xff; SIZE]).is_err());
    }

    proptest! {
        #[test]
        fn damaged_sector_never_names_the_other_slot(at in 0..SIZE, byte in any::<u8>()) {
            for slot in [Slot::A, Slot::B] {
                let mut sector = render(slot);
                sector[at] = byte;
                prop_assert!(parse(&sector).map_or(true, |found| found == slot));
            }
        }

        #[test]
        fn any_bytes_are_answered(bytes in proptest::collection::vec(any::<u8>(), 0..1024)) {
            let _ = parse(&bytes);
        }
    }
}
