//! The two systems on the card, and which of them the firmware started.
//!
//! The partition numbers are those of `image/partitions.sfdisk`. They are the firmware's language
//! (autoboot.txt names a boot partition by number), so they are fixed for as long as a card lives.

use std::fmt;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

/// Where the firmware says how it started the kernel. The same folder as /proc/device-tree/chosen/bootloader,
/// by the path that a service with `ProcSubset=pid` can still see.
pub const BOOTLOADER: &str = "/sys/firmware/devicetree/base/chosen/bootloader";

/// Where the initramfs writes from which slot it started. It finds that out even if the firmware does not
/// report it (`slot.sh` of the initramfs).
pub const FOUND: &str = "/run/attendance-boot/slot";

/// One of the two systems: a boot partition (kernel, initramfs, command line) and the root that belongs to
/// it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Slot {
    /// Boot partition 2, root partition 4.
    A,
    /// Boot partition 3, root partition 5.
    B,
}

impl Slot {
    /// Number of the boot partition, as autoboot.txt names it.
    pub fn boot_partition(self) -> u32 {
        match self {
            Self::A => 2,
            Self::B => 3,
        }
    }

    /// The slot of a boot partition; `None` for a partition that is neither's.
    pub fn of_boot_partition(number: u32) -> Option<Self> {
        [Self::A, Self::B].into_iter().find(|slot| slot.boot_partition() == number)
    }

    /// The other one.
    pub fn other(self) -> Self {
        match self {
            Self::A => Self::B,
            Self::B => Self::A,
        }
    }

    /// RAUC's name for it (`bootname` in system.conf).
    pub fn bootname(self) -> &'static str {
        match self {
            Self::A => "a",
            Self::B => "b",
        }
    }
}

impl fmt::Display for Slot {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::A => "A",
            Self::B => "B",
        })
    }
}

impl std::str::FromStr for Slot {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        [Self::A, Self::B]
            .into_iter()
            .find(|slot| slot.bootname() == text)
            .ok_or_else(|| format!("{text:?} is not a slot; the slots are \"a\" and \"b\""))
    }
}

/// How this kernel was started.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Booted {
    /// From which slot.
    pub slot: Slot,
    /// Whether by the one-shot tryboot flag.
    pub tryboot: bool,
}

/// It cannot be told how this kernel was started. Never replaced by a guess: a wrong one would overwrite the
/// running system.
#[derive(Debug, thiserror::Error)]
pub enum SlotError {
    /// The firmware left no note, as on every machine that is not a Raspberry Pi 5 (or its emulation).
    #[error("the firmware does not say how it started this system ({}: {source}); updates need a Raspberry Pi 5", path.display())]
    Unreadable {
        /// The property.
        path: PathBuf,
        /// An error of the operating system.
        source: std::io::Error,
    },
    /// The note is not one 32-bit cell.
    #[error("{} holds {length} bytes instead of 4; the firmware is of another kind than this program knows", path.display())]
    NotACell {
        /// The property.
        path: PathBuf,
        /// Its length.
        length: usize,
    },
    /// A partition that is neither slot's.
    #[error(
        "the firmware started this system from partition {number}; slot A is partition 2 and slot B is partition 3. Flash the card again"
    )]
    NeitherSlot {
        /// The number it gives.
        number: u32,
    },
}

/// Reads how this kernel was started from the folder of the firmware's notes ([`BOOTLOADER`]). Firmware
/// before 2024-05-13 reports partition 0: then the initramfs has found the slot on the card ([`FOUND`]).
///
/// # Errors
/// [`SlotError`] when that is unknown.
pub fn booted(bootloader: &Path, found: &Path) -> Result<Booted, SlotError> {
    let reported = cell(&bootloader.join("partition"));
    let tryboot = cell(&bootloader.join("tryboot"));
    let said_nothing = matches!(reported, Ok(0) | Err(SlotError::Unreadable { .. }));
    if said_nothing && let Some(slot) = found_by_initramfs(found) {
        return Ok(Booted { slot, tryboot: tryboot.is_ok_and(|flag| flag != 0) });
    }
    let number = reported?;
    let slot = Slot::of_boot_partition(number).ok_or(SlotError::NeitherSlot { number })?;
    Ok(Booted { slot, tryboot: tryboot? != 0 })
}

fn found_by_initramfs(found: &Path) -> Option<Slot> {
    std::fs::read_to_string(found).ok()?.trim().parse().ok()
}

/// A device-tree property of one 32-bit big-endian cell.
pub(crate) fn cell(path: &Path) -> Result<u32, SlotError> {
    let bytes =
        std::fs::read(path).map_err(|source| SlotError::Unreadable { path: path.to_owned(), source })?;
    let length = bytes.len();
    let cell = bytes.try_into().map_err(|_| SlotError::NotACell { path: path.to_owned(), length })?;
    Ok(u32::from_be_bytes(cell))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    fn firmware(partition: &[u8], tryboot: &[u8]) -> Result<Booted, SlotError> {
        let folder = tempfile::tempdir().unwrap();
        std::fs::write(folder.path().join("partition"), partition).unwrap();
        std::fs::write(folder.path().join("tryboot"), tryboot).unwrap();
        booted(folder.path(), Path::new("/nonexistent"))
    }

    #[test]
    fn firmware_cells_name_the_slot() {
        assert_eq!(firmware(&[0, 0, 0, 2], &[0, 0, 0, 0]).unwrap(), Booted { slot: Slot::A, tryboot: false });
        assert_eq!(firmware(&[0, 0, 0, 3], &[0, 0, 0, 1]).unwrap(), Booted { slot: Slot::B, tryboot: true });
    }

    #[test]
    fn unknown_slot_is_an_error() {
        assert!(matches!(firmware(&[0, 0, 0, 1], &[0, 0, 0, 0]), Err(SlotError::NeitherSlot { number: 1 })));
        assert!(matches!(firmware(&[3, 0, 0, 0], &[0, 0, 0, 0]), Err(SlotError::NeitherSlot { .. })));
        assert!(matches!(firmware(b"2\n", &[0, 0, 0, 0]), Err(SlotError::NotACell { length: 2, .. })));
        assert!(matches!(firmware(&[0, 0, 0, 2], &[]), Err(SlotError::NotACell { length: 0, .. })));
        assert!(matches!(
            booted(Path::new("/nonexistent"), Path::new("/nonexistent")),
            Err(SlotError::Unreadable { .. })
        ));
    }

    #[test]
    fn slot_found_by_the_initramfs_counts_where_the_firmware_says_none() {
        let folder = tempfile::tempdir().unwrap();
        let found = folder.path().join("slot");
        std::fs::write(&found, "b\n").unwrap();
        let put = |name: &str, cell: u32| {
            std::fs::write(folder.path().join(name), cell.to_be_bytes()).unwrap();
        };
        assert_eq!(booted(folder.path(), &found).unwrap(), Booted { slot: Slot::B, tryboot: false });
        put("partition", 0);
        put("tryboot", 1);
        assert_eq!(booted(folder.path(), &found).unwrap(), Booted { slot: Slot::B, tryboot: true });
        // What the firmware says is not overruled.
        put("partition", 2);
        assert_eq!(booted(folder.path(), &found).unwrap().slot, Slot::A);
        put("partition", 1);
        assert!(matches!(booted(folder.path(), &found), Err(SlotError::NeitherSlot { number: 1 })));
    }
}
