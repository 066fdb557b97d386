//! Pictures that were taken at the door and that a person confirmed, on the disk.
//!
//! They lie apart from the mirror of the photo server, so no synchronisation touches them. They go with
//! their student. A student who is removed from the photo server loses them; one who was never there keeps
//! them until somebody deletes them.

use std::collections::BTreeSet;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, MutexGuard, PoisonError};

use bytes::Bytes;
use serde::{Deserialize, Serialize};
use tokio::sync::watch;

use base::durable::{Access, read, replace_for};
use base::failure::Fault;
use base::identity::RollNumber;
use base::progress::Progress;
use recognition::roster::places::at_the_door;

/// Most students with pictures: about 200 MB.
const MOST_STUDENTS: usize = 1_000;
/// Who took the pictures, beside them. The dot keeps it out of the scan of photos.
const TAKEN: &str = ".taken.json";
/// Begins the name of a folder that is not complete yet.
const NEW: &str = ".new-";

/// The pictures of all students.
pub struct DoorPictures {
    folder: PathBuf,
    /// One change at a time.
    changing: Mutex<()>,
    changed: watch::Sender<u64>,
    enrolling: Progress,
}

/// Who took a student's pictures.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Taken {
    /// Who confirmed them.
    pub by: String,
    /// When, local time of the site.
    pub at: String,
    /// Whether the photo server, or the photo folder, has had this student since.
    #[serde(default)]
    pub was_listed: bool,
}

impl DoorPictures {
    /// Those of the data folder. `changed` and `enrolling` tell the roster that there are others now.
    pub fn below(data_dir: &Path, changed: watch::Sender<u64>, enrolling: Progress) -> Self {
        let pictures = Self { folder: at_the_door(data_dir), changing: Mutex::default(), changed, enrolling };
        // What a power cut left of a change.
        for name in pictures.names().filter(|name| name.starts_with(NEW)) {
            if let Err(error) = std::fs::remove_dir_all(pictures.folder.join(&name)) {
                log::warn!("{name} in {} cannot be deleted: {error}", pictures.folder.display());
            }
        }
        pictures
    }

    /// Who took the pictures of a student, and how many there are; none without any.
    pub fn of(&self, roll: &RollNumber) -> Option<(Taken, usize)> {
        let folder = self.folder.join(roll.as_str());
        let names = std::fs::read_dir(&folder).ok()?.flatten().map(|entry| entry.file_name());
        let pictures = names.filter(|name| !name.to_string_lossy().starts_with('.')).count();
        let taken = read(&folder.join(TAKEN)).ok().flatten();
        let taken = taken.and_then(|bytes| serde_json::from_slice(&bytes).ok()).unwrap_or_default();
        Some((taken, pictures))
    }

    /// Keeps the pictures of a student in place of earlier ones: all of them, or after a power cut those that
    /// were there, or none.
    ///
    /// # Errors
    /// Too many students, or what the file system says.
    pub fn keep(&self, roll: &RollNumber, pictures: &[Bytes], by: &str, at: &str) -> Result<(), Fault> {
        let _one = self.one();
        let place = self.folder.join(roll.as_str());
        if !place.exists() && self.students().len() >= MOST_STUDENTS {
            return Err(Fault::new(format!("{MOST_STUDENTS} students have pictures of the door already"))
                .advise("put photos on the photo server instead"));
        }
        // Whether the student was on the server is not forgotten with the earlier pictures.
        let was_listed = self.of(roll).is_some_and(|(taken, _)| taken.was_listed);
        let taken = Taken { by: by.to_owned(), at: at.to_owned(), was_listed };
        let whole = self.folder.join(format!("{NEW}{roll}"));
        let kept = (|| {
            remove(&whole)?;
            for (number, picture) in pictures.iter().enumerate() {
                replace_for(Access::Owner, &whole.join(format!("{}.jpg", number + 1)), picture)?;
            }
            replace_for(Access::Owner, &whole.join(TAKEN), &serde_json::to_vec(&taken)?)?;
            remove(&place)?;
            std::fs::rename(&whole, &place)?;
            std::fs::File::open(&self.folder)?.sync_all()
        })();
        kept.map_err(|error: io::Error| {
            // No face stays of what could not be kept whole.
            drop(remove(&whole));
            Fault::new(format!("the pictures cannot be kept: {error}"))
                .advise("free space on the card, then try again")
        })?;
        self.tell();
        Ok(())
    }

    /// Deletes the pictures of a student; whether there were any.
    ///
    /// # Errors
    /// An error of the file system.
    pub fn remove(&self, roll: &RollNumber) -> Result<bool, Fault> {
        let _one = self.one();
        self.remove_one(roll).map_err(|error| {
            Fault::new(format!("the pictures cannot be deleted: {error}"))
                .advise("check the card, then try again")
        })
    }

    /// Whether anybody has pictures.
    pub fn is_empty(&self) -> bool {
        self.students().is_empty()
    }

    /// Deletes the pictures of students who were on the photo server and are not `listed` any more, and
    /// remembers who is. Call it only with a listing that is believed: not after a listing that failed, and
    /// not if a folder may be missing.
    pub fn follow(&self, listed: &BTreeSet<RollNumber>) {
        let _one = self.one();
        for roll in self.students() {
            let Some((taken, _)) = self.of(&roll) else { continue };
            let done = if listed.contains(&roll) {
                if taken.was_listed {
                    continue;
                }
                let taken = Taken { was_listed: true, ..taken };
                let path = self.folder.join(roll.as_str()).join(TAKEN);
                serde_json::to_vec(&taken)
                    .map_err(io::Error::from)
                    .and_then(|bytes| replace_for(Access::Owner, &path, &bytes))
            } else if taken.was_listed {
                log::info!(
                    personal:% = roll;
                    "{roll} is no more on the photo server: the pictures taken at the door are deleted"
                );
                self.remove_one(&roll).map(|_| ())
            } else {
                continue;
            };
            if let Err(error) = done {
                log::error!(personal:% = roll; "the pictures of {roll} taken at the door: {error}");
            }
        }
    }

    fn remove_one(&self, roll: &RollNumber) -> io::Result<bool> {
        let place = self.folder.join(roll.as_str());
        if !place.exists() {
            return Ok(false);
        }
        // First out of sight, then deleted: a power cut leaves nothing half deleted in use.
        let gone = self.folder.join(format!("{NEW}{roll}"));
        remove(&gone)?;
        std::fs::rename(&place, &gone)?;
        std::fs::File::open(&self.folder)?.sync_all()?;
        remove(&gone)?;
        std::fs::File::open(&self.folder)?.sync_all()?;
        self.tell();
        Ok(true)
    }

    /// Tells the roster that it has to be made again.
    fn tell(&self) {
        self.enrolling.ask();
        // The number in the channel is the mirror's; here only the change counts.
        self.changed.send_modify(|_| {});
    }

    fn students(&self) -> Vec<RollNumber> {
        self.names().filter_map(|name| RollNumber::parse(&name).ok()).collect()
    }

    fn names(&self) -> impl Iterator<Item = String> + use<> {
        let entries = std::fs::read_dir(&self.folder).into_iter().flatten().flatten();
        entries.filter_map(|entry| entry.file_name().into_string().ok())
    }

    fn one(&self) -> MutexGuard<'_, ()> {
        self.changing.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Deletes a folder that may not be there.
fn remove(folder: &Path) -> io::Result<()> {
    match std::fs::remove_dir_all(folder) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
        _ => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use proptest::prelude::*;

    fn roll(number: usize) -> RollNumber {
        RollNumber::parse(&format!("211000{number}")).unwrap()
    }

    fn below(folder: &Path) -> DoorPictures {
        DoorPictures::below(folder, watch::channel(0).0, Progress::default())
    }

    #[test]
    fn pictures_say_who_took_them_and_outlive_a_restart() {
        let folder = tempfile::tempdir().unwrap();
        let pictures = below(folder.path());
        assert_eq!(pictures.of(&roll(1)), None);
        let three = [b"1", b"2", b"3"].map(|bytes| Bytes::from_static(bytes));
        pictures.keep(&roll(1), &three, "anna", "2026-11-29 08:00:00").unwrap();
        pictures.keep(&roll(1), &three[..2], "ben", "2026-11-30 08:00:00").unwrap();
        let half = folder.path().join("enrolled_at_the_door/.new-2110002");
        std::fs::create_dir(&half).unwrap();
        let pictures = below(folder.path());
        assert!(!half.exists(), "no face of a change that was cut off stays");
        let (taken, count) = pictures.of(&roll(1)).unwrap();
        assert_eq!((taken.by.as_str(), taken.at.as_str(), count), ("ben", "2026-11-30 08:00:00", 2));
        assert!(pictures.remove(&roll(1)).unwrap() && !pictures.remove(&roll(1)).unwrap());
        assert_eq!((pictures.of(&roll(1)), pictures.is_empty()), (None, true));
    }

    #[test]
    fn the_roster_is_told_of_every_change() {
        let folder = tempfile::tempdir().unwrap();
        let (changed, mut heard) = watch::channel(5);
        let pictures = DoorPictures::below(folder.path(), changed, Progress::default());
        pictures.keep(&roll(1), &[Bytes::from_static(b"1")], "anna", "").unwrap();
        assert!(heard.has_changed().unwrap());
        assert_eq!(*heard.borrow_and_update(), 5, "the mirror's number stays");
        pictures.remove(&roll(1)).unwrap();
        assert!(heard.has_changed().unwrap());
    }

    proptest! {
        #![proptest_config(ProptestConfig { cases: 24, ..ProptestConfig::default() })]
        #[test]
        fn who_was_listed_and_is_gone_loses_the_pictures_and_nobody_else(
            listings in proptest::collection::vec(proptest::collection::btree_set(0_usize..4, 0..4), 1..5)
        ) {
            let folder = tempfile::tempdir().unwrap();
            for number in 0..4 {
                below(folder.path()).keep(&roll(number), &[Bytes::from_static(b"1")], "anna", "").unwrap();
            }
            let (mut was_listed, mut gone) = (BTreeSet::new(), BTreeSet::new());
            for listing in listings {
                // Each time as after a restart.
                below(folder.path()).follow(&listing.iter().map(|number| roll(*number)).collect());
                gone.extend(was_listed.difference(&listing).copied());
                was_listed.extend(&listing);
                let left: Vec<usize> =
                    (0..4).filter(|number| below(folder.path()).of(&roll(*number)).is_some()).collect();
                let expected: Vec<usize> = (0..4).filter(|number| !gone.contains(number)).collect();
                prop_assert_eq!(left, expected);
            }
        }
    }
}
