//! What is wrong with this start of the machine, as the firmware and the initramfs tell it: a system that
//! could start, and needs somebody's attention all the same.

use std::path::{Path, PathBuf};

use base::failure::Fault;

use super::eeprom;
use super::eeprom::Firmware;

/// Where they tell it.
#[derive(Debug, Clone)]
pub struct Notes {
    /// The firmware's folder in the device tree.
    pub chosen: PathBuf,
    /// There if parts of the running system cannot be read, and no other system is whole.
    pub corrupted: PathBuf,
}

impl Default for Notes {
    fn default() -> Self {
        Self {
            chosen: PathBuf::from(eeprom::CHOSEN),
            corrupted: PathBuf::from("/run/attendance-boot/corrupted"),
        }
    }
}

/// Everything that is wrong with this start, each with what to do.
pub fn faults(notes: &Notes) -> Vec<Fault> {
    corrupted(&notes.corrupted).into_iter().chain(Firmware::read(&notes.chosen).fault()).collect()
}

/// After three starts that did not get the service up the initramfs reads the whole system. Where it finds
/// bad blocks, and the other slot holds no whole system, this one goes on.
fn corrupted(note: &Path) -> Option<Fault> {
    note.exists().then(|| {
        Fault::new(
            "parts of this system cannot be read from the card any more, and the card holds no other whole system: what \
             still works may stop at any time",
        )
        .advise(
            "save what is not delivered, then install an update (it goes to another place on the card), or flash a new card",
        )
    })
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn corrupted_system_and_old_eeprom_are_faults() {
        let folder = tempfile::tempdir().unwrap();
        let notes =
            Notes { chosen: folder.path().join("chosen"), corrupted: folder.path().join("corrupted") };
        assert_eq!(faults(&notes), []);
        std::fs::write(&notes.corrupted, "\n").unwrap();
        std::fs::create_dir_all(notes.chosen.join("bootloader")).unwrap();
        std::fs::write(notes.chosen.join("bootloader/partition"), [0; 4]).unwrap();
        let told: Vec<_> = faults(&notes).into_iter().map(|fault| fault.to_string()).collect();
        assert!(told[0].contains("cannot be read") && told[0].contains("flash a new card"), "{told:?}");
        assert!(told[1].contains("EEPROM") && told.len() == 2, "{told:?}");
    }
}
