//! Who a row is about: the roll number, as the backend knows a student.

use std::fmt;
use std::sync::Arc;

use serde::{Deserialize, Serialize};

/// Longest roll number accepted. The original deployment uses 7 or 8 digits; file systems take 255 bytes a
/// name.
pub const MAX_LENGTH: usize = 64;

/// A student's roll number (the backend's `enrollment_number`, the photo folder's name).
///
/// One to [`MAX_LENGTH`] ASCII letters, digits, `-` or `_`, beginning with a letter or digit: safe as a
/// folder name, in a CSV field and in a log line. Cheap to clone.
#[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Debug, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct RollNumber(Arc<str>);

/// Why a text is not a roll number.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error(
    "{text:?} is not a roll number: use 1 to {MAX_LENGTH} letters, digits, '-' or '_', beginning with a letter or digit"
)]
pub struct NotARollNumber {
    /// The refused text, at most [`MAX_LENGTH`] characters of it.
    pub text: String,
}

impl RollNumber {
    /// Checks `text` and makes a roll number of it.
    ///
    /// # Errors
    /// [`NotARollNumber`] with the (shortened) text.
    pub fn parse(text: &str) -> Result<Self, NotARollNumber> {
        let safe = text.len() <= MAX_LENGTH
            && text.starts_with(|c: char| c.is_ascii_alphanumeric())
            && text.chars().all(|c| c.is_ascii_alphanumeric() || c == '-' || c == '_');
        if safe {
            Ok(Self(text.into()))
        } else {
            Err(NotARollNumber { text: text.chars().take(MAX_LENGTH).collect() })
        }
    }

    /// The roll number as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for RollNumber {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl TryFrom<String> for RollNumber {
    type Error = NotARollNumber;

    fn try_from(text: String) -> Result<Self, NotARollNumber> {
        Self::parse(&text)
    }
}

impl From<RollNumber> for String {
    fn from(roll: RollNumber) -> Self {
        roll.as_str().to_owned()
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn paths_are_no_roll_numbers() {
        for good in ["2110001", "A-17_b", "0"] {
            assert_eq!(RollNumber::parse(good).unwrap().as_str(), good);
        }
        for bad in ["", ".", "..", "a/b", "a\\b", "-x", "a,b", "a\nb", "é", &"9".repeat(65)] {
            assert!(RollNumber::parse(bad).is_err(), "{bad:?}");
        }
    }
}
