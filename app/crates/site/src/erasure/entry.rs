//! One erasure, and two lists of them as one.

use std::path::Path;

use base::durable;
use base::durable::{Access, replace_for};
use base::failure::Fault;
use base::identity::RollNumber;
use ring::hmac;
use ring::rand::{SecureRandom as _, SystemRandom};
use serde::{Deserialize, Serialize};

use crate::book::{Device, Student};

/// The number of an erasure, the same at all doors: 16 hexadecimal digits.
pub type Id = Device;

/// One erasure, as it is shown.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Erasure {
    /// Its number.
    pub id: Id,
    /// When it was asked for, seconds since 1970.
    pub at: i64,
    /// Who asked for it on this device; empty if it was asked for at another door.
    pub by: String,
    /// Whether everything on this device is removed.
    pub done: bool,
    /// Whether it was lifted: the student may be enrolled again.
    pub lifted: bool,
}

/// An erasure, as the doors of a school tell each other.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Told {
    /// Its number.
    pub id: Id,
    /// Who: the hash of the roll number.
    pub student: Student,
    /// When it was asked for, seconds since 1970.
    pub at: i64,
    /// Whether it was lifted.
    pub lifted: bool,
}

#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Kept {
    /// The device's own key, drawn with the first erasure.
    #[serde(default)]
    pub(super) device_key: String,
    #[serde(default)]
    pub(super) erasures: Vec<Entry>,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Entry {
    pub(super) id: String,
    pub(super) at: i64,
    #[serde(default)]
    pub(super) by: String,
    pub(super) marks: Vec<Mark>,
    /// Whether a door asked for it; else only its lifting is known.
    pub(super) asked: bool,
    #[serde(default)]
    pub(super) done: bool,
    #[serde(default)]
    pub(super) lifted: bool,
}

/// A keyed hash of a roll number, with its key.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Mark {
    pub(super) key: String,
    pub(super) hash: String,
}

impl Mark {
    pub(super) fn of(key: &[u8; 32], roll: &RollNumber) -> Self {
        Self { key: written(key), hash: hash(key, roll).to_string() }
    }

    fn is_of(&self, roll: &RollNumber) -> bool {
        bytes(&self.key).is_some_and(|key| hash(&key, roll).to_string() == self.hash)
    }
}

/// Joins the erasures of this device with those of an archive that takes the place of its data: writes both
/// into the archive's list, in `arriving`. Who was erased here or there does not come back with the archive:
/// all erasures that are in force are done again. May be repeated.
///
/// # Errors
/// A list cannot be read or written.
pub fn join(data_dir: &Path, arriving: &Path) -> Result<(), Fault> {
    let path = |folder: &Path| folder.join("erasures/list.json");
    let read = |folder: &Path| {
        let found = durable::read(&path(folder)).map_err(|error| error.to_string());
        let kept = found.and_then(|bytes| match bytes {
            Some(bytes) => serde_json::from_slice::<Kept>(&bytes).map_err(|error| error.to_string()),
            None => Ok(Kept::default()),
        });
        kept.map_err(|error| {
            Fault::new(format!("the list of erased students cannot be read ({error})"))
                .advise("make another archive, or replace the card if it fails")
        })
    };
    let (here, mut joined) = (read(data_dir)?, read(arriving)?);
    if !here.device_key.is_empty() {
        joined.device_key = here.device_key;
    }
    for entry in here.erasures {
        match joined.erasures.iter_mut().find(|known| known.id == entry.id) {
            Some(known) => {
                known.asked |= entry.asked;
                known.lifted |= entry.lifted;
                known.marks.extend(
                    entry.marks.into_iter().filter(|mark| !known.marks.contains(mark)).collect::<Vec<_>>(),
                );
            }
            None => joined.erasures.push(entry),
        }
    }
    joined.erasures.iter_mut().for_each(|entry| entry.done = !entry.asked || entry.lifted);
    if joined == Kept::default() {
        return Ok(());
    }
    let bytes = serde_json::to_vec(&joined).map_err(std::io::Error::from);
    bytes.and_then(|bytes| replace_for(Access::Owner, &path(arriving), &bytes)).map_err(|error| {
        Fault::new(format!("the list of erased students cannot be kept: {error}"))
            .advise("free space on the card, then restart the device")
    })
}

impl Entry {
    pub(super) fn is_of(&self, roll: &RollNumber) -> bool {
        self.marks.iter().any(|mark| mark.is_of(roll))
    }

    pub(super) fn is_open(&self) -> bool {
        self.asked && !self.done
    }

    pub(super) fn number(&self) -> Result<Id, Fault> {
        Id::parse(&self.id).ok_or_else(|| Fault::new("an erasure has no number"))
    }
}

pub(super) fn hash(key: &[u8; 32], roll: &RollNumber) -> Student {
    let key = hmac::Key::new(hmac::HMAC_SHA256, key);
    let mut short = [0; 16];
    short.copy_from_slice(&hmac::sign(&key, roll.as_str().as_bytes()).as_ref()[..16]);
    Student(short)
}

pub(super) fn drawn<const BYTES: usize>() -> Result<[u8; BYTES], Fault> {
    let mut drawn = [0; BYTES];
    let filled = SystemRandom::new().fill(&mut drawn);
    filled.map_err(|_| Fault::new("the system gives no random numbers").advise("restart the device"))?;
    Ok(drawn)
}

pub(super) fn written(key: &[u8; 32]) -> String {
    key.chunks_exact(16)
        .filter_map(|half| half.try_into().ok())
        .map(|half| Student(half).to_string())
        .collect()
}

pub(super) fn bytes(text: &str) -> Option<[u8; 32]> {
    let (first, last) = text.split_at_checked(32)?;
    let mut key = [0; 32];
    key[..16].copy_from_slice(&Student::parse(first)?.0);
    key[16..].copy_from_slice(&Student::parse(last)?.0);
    Some(key)
}
