//! A value of the configuration that is well-formed and cannot work.

use std::fmt;

/// Why a value cannot work, and which settings it is about.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Unworkable {
    /// The setting to change, `section.key`, and the others that it was compared with.
    pub settings: &'static [&'static str],
    /// What is wrong and what is allowed, without the value of a secret.
    pub what: String,
}

impl Unworkable {
    /// The setting to change.
    pub fn setting(&self) -> Option<&'static str> {
        self.settings.first().copied()
    }
}

impl fmt::Display for Unworkable {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(setting) = self.setting() {
            write!(f, "{setting}: ")?;
        }
        f.write_str(&self.what)
    }
}
