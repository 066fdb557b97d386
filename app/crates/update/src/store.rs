//! The boot flow's state where it lies: autoboot.txt on the card's first partition, record and history on the
//! data partition.

use std::fs::{File, OpenOptions};
use std::io;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use rustix::fs::{FlockOperation, flock};

use super::autoboot;
use super::autoboot::AutobootError;
use super::boot_flow::{Flow, Refusal, Write};
use super::history;
use super::history::History;
use super::record;
use super::record::Record;
use super::slot;
use super::slot::SlotError;
use base::durable;
use base::failure::{Diagnosis, Fault};

/// How long another process may hold the state. Each holds it for a few writes.
const PATIENCE: Duration = Duration::from_secs(20);

/// Where the state lies.
#[derive(Debug, Clone)]
pub struct Places {
    /// The folder of the firmware's notes.
    pub bootloader: PathBuf,
    /// The slot as the initramfs found it.
    pub found: PathBuf,
    /// autoboot.txt.
    pub autoboot: PathBuf,
    /// Folder of record and history, on the data partition itself: an overlay's changes of one system are not
    /// the other's business, but these are.
    pub state: PathBuf,
    /// The name of this start of the kernel.
    pub start: PathBuf,
}

impl Default for Places {
    fn default() -> Self {
        Self {
            bootloader: PathBuf::from(slot::BOOTLOADER),
            found: PathBuf::from(slot::FOUND),
            autoboot: PathBuf::from("/boot/config/autoboot.txt"),
            state: PathBuf::from("/data/update"),
            start: PathBuf::from("/proc/sys/kernel/random/boot_id"),
        }
    }
}

/// Why the boot flow's state cannot be read or changed.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// It is not known how this system was started.
    #[error(transparent)]
    Slot(#[from] SlotError),
    /// autoboot.txt.
    #[error(transparent)]
    Autoboot(#[from] AutobootError),
    /// The request was refused.
    #[error(transparent)]
    Refused(#[from] Refusal),
    /// The data partition.
    #[error("{}", self.fault())]
    Data {
        /// "read", "write", "lock".
        doing: &'static str,
        /// The file.
        path: PathBuf,
        /// An error of the operating system.
        source: io::Error,
    },
    /// Another process holds the state.
    #[error("{}", self.fault())]
    Busy {
        /// The lock.
        path: PathBuf,
    },
}

impl Diagnosis for StoreError {
    fn fault(&self) -> Fault {
        match self {
            Self::Data { doing, path, source } => {
                Fault::new(format!("cannot {doing} {}: {source}", path.display()))
                    .advise("is the data partition full or failing?")
            }
            Self::Busy { path } => {
                let limit = PATIENCE.as_secs();
                Fault::new(format!("another process holds {} for more than {limit} s", path.display()))
                    .advise("restart the appliance")
            }
            Self::Slot(_) | Self::Autoboot(_) | Self::Refused(_) => Fault::new(self.to_string()),
        }
    }
}

/// The state, held so that nobody else changes it meanwhile.
#[derive(Debug)]
pub struct Store {
    places: Places,
    _lock: File,
}

impl Store {
    /// Takes hold of the state.
    ///
    /// # Errors
    /// [`StoreError::Busy`] when another process does not let go, [`StoreError::Data`] when the folder cannot
    /// be made.
    pub fn open(places: &Places) -> Result<Self, StoreError> {
        let path = places.state.join("lock");
        let data = |source| StoreError::Data { doing: "lock", path: path.clone(), source };
        std::fs::create_dir_all(&places.state).map_err(data)?;
        let lock = OpenOptions::new().write(true).create(true).truncate(false).open(&path).map_err(data)?;
        let begun = Instant::now();
        loop {
            match flock(&lock, FlockOperation::NonBlockingLockExclusive) {
                Ok(()) => return Ok(Self { places: places.clone(), _lock: lock }),
                Err(rustix::io::Errno::WOULDBLOCK) if begun.elapsed() < PATIENCE => {
                    std::thread::sleep(Duration::from_millis(50));
                }
                Err(rustix::io::Errno::WOULDBLOCK) => return Err(StoreError::Busy { path }),
                Err(error) => return Err(data(error.into())),
            }
        }
    }

    /// The present state.
    ///
    /// # Errors
    /// [`StoreError`] when it is unknown what booted or what is committed.
    pub fn flow(&self) -> Result<Flow, StoreError> {
        Ok(Flow {
            committed: autoboot::committed(&self.places.autoboot)?,
            booted: slot::booted(&self.places.bootloader, &self.places.found)?,
            record: read_record(&self.places.state)?,
            start: std::fs::read_to_string(&self.places.start).ok().map(|name| name.trim().to_owned()),
        })
    }

    /// How updates ended.
    ///
    /// # Errors
    /// [`StoreError::Data`] when the data partition cannot be read.
    pub fn history(&self) -> Result<History, StoreError> {
        read_history(&self.places.state)
    }

    /// Makes the writes, in their order; each is on the card before the next begins.
    ///
    /// # Errors
    /// [`StoreError`]. The writes before the failed one stay done, as after a power cut at that place.
    pub fn apply(&self, writes: Vec<Write>) -> Result<(), StoreError> {
        for write in writes {
            match write {
                Write::Commit(slot) => {
                    autoboot::commit(&self.places.autoboot, slot)?;
                    log::info!("slot {slot} is the committed system now");
                }
                Write::Record(record) => self.put("boot.json", &record::to_text(&record))?,
                Write::Outcome(outcome) => {
                    log::info!("{}", outcome.sentence());
                    let mut history = self.history()?;
                    history.add(outcome);
                    self.put("history.json", &history::to_text(&history))?;
                }
            }
        }
        Ok(())
    }

    /// Asks `change` what to write in the present state, and writes it.
    ///
    /// # Errors
    /// As [`Self::flow`] and [`Self::apply`], and what `change` refuses.
    pub fn change(
        &self,
        change: impl FnOnce(&Flow) -> Result<Vec<Write>, Refusal>,
    ) -> Result<(), StoreError> {
        self.apply(change(&self.flow()?)?)
    }

    /// Removes what is left of writes that a power cut interrupted.
    pub fn tidy(&self) {
        let entries = std::fs::read_dir(&self.places.state).into_iter().flatten().flatten();
        for entry in entries.filter(|entry| entry.file_name().as_encoded_bytes().starts_with(b".new-")) {
            // The next start tries again.
            let _ = std::fs::remove_file(entry.path());
        }
    }

    fn put(&self, name: &str, text: &[u8]) -> Result<(), StoreError> {
        let path = self.places.state.join(name);
        durable::replace(&path, text).map_err(|source| StoreError::Data { doing: "write", path, source })
    }
}

/// The record as it is, without taking hold of it: for the page.
///
/// # Errors
/// [`StoreError::Data`] when the data partition cannot be read.
pub fn read_record(state: &Path) -> Result<Record, StoreError> {
    Ok(read(&state.join("boot.json"))?.map(|text| record::from_text(&text)).unwrap_or_default())
}

/// The history as it is, without taking hold of it: for the page.
///
/// # Errors
/// [`StoreError::Data`] when the data partition cannot be read.
pub fn read_history(state: &Path) -> Result<History, StoreError> {
    Ok(read(&state.join("history.json"))?.map(|text| history::from_text(&text)).unwrap_or_default())
}

fn read(path: &Path) -> Result<Option<Vec<u8>>, StoreError> {
    durable::read(path).map_err(|source| StoreError::Data { doing: "read", path: path.to_owned(), source })
}

#[cfg(test)]
pub(super) mod tests {
    #![allow(clippy::unwrap_used)]
    use time::OffsetDateTime;

    use super::*;
    use crate::attempt::Origin;
    use crate::boot_flow::{Arrival, Healthy};
    use crate::history::End;
    use crate::record::{Before, System, TrialProgress};
    use crate::slot::Slot;

    /// A card in a folder, with the firmware's notes for a start of `slot`.
    pub(crate) fn card(folder: &Path, committed: Slot) -> Places {
        let places = Places {
            bootloader: folder.join("chosen"),
            found: folder.join("found"),
            autoboot: folder.join("autoboot.txt"),
            state: folder.join("update"),
            start: folder.join("boot_id"),
        };
        std::fs::create_dir_all(&places.bootloader).unwrap();
        std::fs::write(&places.autoboot, autoboot::render(committed)).unwrap();
        start(&places, committed, false);
        places
    }

    /// The firmware starts `slot`.
    pub(crate) fn start(places: &Places, slot: Slot, tryboot: bool) {
        std::fs::write(places.bootloader.join("partition"), slot.boot_partition().to_be_bytes()).unwrap();
        std::fs::write(places.bootloader.join("tryboot"), u32::from(tryboot).to_be_bytes()).unwrap();
        std::fs::write(&places.start, format!("{:016x}\n", fastrand::u64(..))).unwrap();
    }

    #[test]
    fn an_update_by_files() {
        let folder = tempfile::tempdir().unwrap();
        let places = card(folder.path(), Slot::A);
        let system = |version: &str| System { version: version.to_owned(), built: None };
        let before = Before {
            system: system("1.0.0"),
            camera_was_absent: true,
            origin: Origin::Stick,
            ..Before::default()
        };
        let store = Store::open(&places).unwrap();
        let arrive = |version: &str| {
            let writes = store.flow().unwrap().arrive(
                system(version),
                &store.history().unwrap(),
                OffsetDateTime::UNIX_EPOCH,
            );
            store.apply(writes).unwrap();
            store.flow().unwrap()
        };
        arrive("1.0.0");
        store.change(|flow| flow.set_bad(Slot::B)).unwrap();
        store.change(|flow| flow.set_primary(Slot::B)).unwrap();
        store.change(|flow| flow.begin_trial(before.clone())).unwrap();
        start(&places, Slot::B, true);
        let flow = arrive("2.0.0");
        assert_eq!(flow.arrival(), Arrival::Trial);
        let pending = flow.record.pending.as_ref().unwrap();
        assert_eq!((pending.progress, &pending.before), (TrialProgress::Up, &before));
        store.apply(flow.commit(&Healthy(()), OffsetDateTime::UNIX_EPOCH)).unwrap();
        assert_eq!(autoboot::committed(&places.autoboot).unwrap(), Slot::B);
        start(&places, Slot::B, false);
        assert_eq!(arrive("2.0.0").record.pending, None);
        let history = read_history(&places.state).unwrap();
        assert_eq!(history.outcomes.len(), 1);
        let outcome = history.last().unwrap();
        assert_eq!((&outcome.end, outcome.from.version.as_str()), (&End::Committed, "1.0.0"));
        assert_eq!(outcome.to.as_ref().unwrap().version, "2.0.0");
        assert_eq!(outcome.sentence(), "Updated to version 2.0.0 from a USB stick.");
    }

    #[test]
    fn torn_temporary_files_are_removed() {
        let folder = tempfile::tempdir().unwrap();
        let places = card(folder.path(), Slot::A);
        let store = Store::open(&places).unwrap();
        std::fs::write(places.state.join(".new-a1b2c3"), b"{\"trials\": 4").unwrap();
        store.change(|flow| flow.set_bad(Slot::B)).unwrap();
        store.tidy();
        let mut names: Vec<_> =
            std::fs::read_dir(&places.state).unwrap().map(|entry| entry.unwrap().file_name()).collect();
        names.sort();
        assert_eq!(names, ["boot.json", "lock"]);
    }

    #[test]
    fn failed_write_stops_later_writes() {
        let folder = tempfile::tempdir().unwrap();
        let places = card(folder.path(), Slot::A);
        let store = Store::open(&places).unwrap();
        // A file cannot take the place of a folder.
        std::fs::create_dir(places.state.join("boot.json")).unwrap();
        let failed = |writes| matches!(store.apply(writes), Err(StoreError::Data { doing: "write", .. }));
        assert!(failed(vec![Write::Record(Record::default()), Write::Commit(Slot::B)]));
        assert_eq!(autoboot::committed(&places.autoboot).unwrap(), Slot::A);
        assert!(failed(vec![Write::Commit(Slot::B), Write::Record(Record::default())]));
        assert_eq!(autoboot::committed(&places.autoboot).unwrap(), Slot::B, "as a power cut there");
    }

    #[test]
    fn missing_data_partition_is_an_error() {
        let folder = tempfile::tempdir().unwrap();
        let mut places = card(folder.path(), Slot::A);
        std::fs::write(folder.path().join("full"), b"").unwrap();
        places.state = folder.path().join("full/update");
        assert!(matches!(Store::open(&places), Err(StoreError::Data { doing: "lock", .. })));
    }
}
