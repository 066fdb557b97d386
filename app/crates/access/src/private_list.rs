//! A list of named entries in a private file. Entries that a later version stored with words unknown here are
//! no use to anybody until that version is back, and are kept for it.

use std::io;
use std::path::Path;

use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::Value;

use super::private_file;

/// What the file holds.
pub struct Entries<T> {
    /// The entries that this version understands.
    pub known: Vec<T>,
    /// As a later version stored them.
    foreign: Vec<Value>,
}

/// Why the file cannot be read or written.
pub enum ListError {
    /// An error of the operating system.
    File(io::Error),
    /// It is no such list: what the parser says.
    Damaged(String),
}

impl From<io::Error> for ListError {
    fn from(error: io::Error) -> Self {
        Self::File(error)
    }
}

impl From<serde_json::Error> for ListError {
    fn from(error: serde_json::Error) -> Self {
        Self::Damaged(error.to_string())
    }
}

impl<T: DeserializeOwned + Serialize> Entries<T> {
    /// Reads the list; a file that is not there is an empty one. An entry that `is_right` refuses is foreign.
    pub fn read(path: &Path, is_right: impl Fn(&T) -> bool) -> Result<Self, ListError> {
        let mut entries = Self { known: Vec::new(), foreign: Vec::new() };
        let Some(text) = private_file::read(path)? else { return Ok(entries) };
        for entry in serde_json::from_str::<Vec<Value>>(&text)? {
            match T::deserialize(&entry) {
                Ok(known) if is_right(&known) => entries.known.push(known),
                _ => entries.foreign.push(entry),
            }
        }
        Ok(entries)
    }

    /// Writes the list whole, or leaves the file as it was.
    pub fn write(&self, path: &Path) -> Result<(), ListError> {
        let known = self.known.iter().map(serde_json::to_value).collect::<Result<Vec<_>, _>>()?;
        let text = serde_json::to_string_pretty(&[&known[..], &self.foreign].concat())?;
        Ok(private_file::write(path, text.as_bytes())?)
    }

    /// How many there are, those of a later version included.
    pub fn count(&self) -> usize {
        self.known.len() + self.foreign.len()
    }
}

/// Whether an account or a token may have this name: it stands in logs and addresses.
pub fn is_name(name: &str) -> bool {
    (1..=40).contains(&name.len()) && name.bytes().all(|b| b.is_ascii_alphanumeric() || b"-_.".contains(&b))
}

/// An invalid name, short enough for a message.
pub fn shortened(name: &str) -> String {
    name.chars().take(40).collect()
}
