//! A place below the base of the photo server.

use std::borrow::Cow;
use std::fmt;

use percent_encoding::percent_decode_str;

/// Its name, on the server and in the mirror.
pub(in crate::sync) const STUDENTS: &str = "students.csv";

/// Rounds of percent-decoding within which a dangerous name must show itself. A proxy and a server decode
/// once each.
const DECODING_ROUNDS: usize = 4;

/// How a script is asked for a place.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(super) struct Asked {
    /// The script's name, where the link names one.
    pub(super) script: Option<String>,
    /// The parameters beside those of the base.
    pub(super) parameters: Vec<(String, String)>,
}

/// A page or file below the base.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Place {
    /// Decoded names from the base down; empty for the base itself. None is `.`, `..` or empty, or holds `/`,
    /// `\` or a control character.
    pub(super) segments: Vec<String>,
    /// Whether the address ends in a slash.
    pub(super) slash: bool,
    /// How it is asked for when it has no path of its own.
    pub(super) asked: Option<Asked>,
}

impl Place {
    /// Whether it is the students' list, beside the students' folders.
    pub(in crate::sync) fn is_students_list(&self) -> bool {
        self.segments().len() == 1 && !self.is_directory() && self.name().eq_ignore_ascii_case(STUDENTS)
    }

    /// Decoded names from the base down.
    pub fn segments(&self) -> &[String] {
        &self.segments
    }

    /// The last name, which is a file's.
    pub fn name(&self) -> &str {
        self.segments.last().map_or("", String::as_str)
    }

    /// A directory ends in `/` or has no dot in its last segment.
    pub fn is_directory(&self) -> bool {
        self.slash || !self.name().contains('.')
    }

    /// Whether the address ends in a slash.
    pub fn ends_in_slash(&self) -> bool {
        self.slash
    }

    /// The same place, its address ending in a slash.
    #[must_use]
    pub fn with_slash(mut self) -> Self {
        self.slash = true;
        self
    }

    /// The names of the directories on the way, this place included when it is one.
    pub fn directories(&self) -> &[String] {
        &self.segments[..self.directory_count()]
    }

    /// Whether both name the same folder: with or without a slash, in capital or small letters.
    pub fn is_same_as(&self, other: &Self) -> bool {
        self.segments.len() == other.segments.len()
            && self
                .segments
                .iter()
                .zip(&other.segments)
                .all(|(one, other)| one.to_lowercase() == other.to_lowercase())
    }

    pub(super) fn directory_count(&self) -> usize {
        if self.is_directory() { self.segments.len() } else { self.segments.len().saturating_sub(1) }
    }

    /// Whether it lies within the folder `other`.
    pub fn lies_below(&self, other: &Self) -> bool {
        self.segments.len() > other.segments.len() && self.segments.starts_with(&other.segments)
    }
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.segments.join("/"))?;
        f.write_str(if self.slash { "/" } else { "" })
    }
}

/// Whether a name is, or after further decoding becomes, a step upwards or more than one name.
pub(super) fn is_dangerous(name: &str) -> bool {
    let mut name = Cow::Borrowed(name);
    for _ in 0..DECODING_ROUNDS {
        if name == ".." || name.contains(['/', '\\']) || name.chars().any(char::is_control) {
            return true;
        }
        let decoded = percent_decode_str(&name).decode_utf8_lossy().into_owned();
        if decoded == *name {
            return false;
        }
        name = Cow::Owned(decoded);
    }
    true
}
