//! What somebody is at the school, and so what they may do on the page and by the API.

use std::fmt;
use std::str::FromStr;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// The roles. Each may do what those before it may.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Role {
    /// Sees attendance, and changes nothing.
    Viewer,
    /// Attendance, its corrections, the students' list, and the photos' problems.
    Office,
    /// Everything.
    Technician,
}

impl Role {
    /// Every role, from the one with the fewest rights.
    pub const ALL: [Self; 3] = [Self::Viewer, Self::Office, Self::Technician];

    /// As files, forms and the command line have it.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Viewer => "viewer",
            Self::Office => "office",
            Self::Technician => "technician",
        }
    }

    /// What it means, for the person who chooses one.
    pub fn meaning(self) -> &'static str {
        match self {
            Self::Viewer => "viewer: sees attendance",
            Self::Office => "office: attendance, corrections, students, photos",
            Self::Technician => "technician: everything",
        }
    }
}

impl fmt::Display for Role {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// Not a role.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{text:?} is not a role; the roles are viewer, office and technician")]
pub struct NotARole {
    text: String,
}

impl FromStr for Role {
    type Err = NotARole;

    fn from_str(text: &str) -> Result<Self, NotARole> {
        let found = Self::ALL.into_iter().find(|role| role.as_str() == text);
        found.ok_or_else(|| NotARole { text: text.chars().take(40).collect() })
    }
}
