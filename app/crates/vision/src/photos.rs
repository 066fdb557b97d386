//! The section `[photos]` of the configuration: where the students' photos come from.

use std::path::PathBuf;
use std::time::Duration;

use base::secret::SecretUrl;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::size::ByteSize;

/// Where the students' photos come from: a file browser, or a folder.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Photos {
    /// Base URL of the file browser, query string (the credential) included, for example
    /// "https://backend.example/media/students?key=...". Without it the folder below is used as it is.
    #[schemars(with = "Option<String>")]
    pub url: Option<SecretUrl>,
    /// SHA-256 fingerprint (hex, colons allowed) of the one certificate that the file browser must show.
    /// Takes the place of tls.pinned_sha256 for this server.
    pub pinned_sha256: Option<String>,
    /// Folder of photos, `<roll>/<file>`, used when there is no URL; empty: known_faces in the data folder.
    pub folder: Option<PathBuf>,
    /// How roll numbers look: "digits" (the original) or "identifier" (letters, digits, '-' and '_').
    pub roll_numbers: RollPattern,
    /// Time between two synchronisations, for example "15m".
    #[serde(with = "humantime_serde")]
    #[schemars(with = "String")]
    pub interval: Duration,
    /// A listing that would remove more than this share of the students removes nothing and raises an alarm,
    /// 0 to 1. Students that were removed within the last 24 hours count, too.
    pub removal_limit: f32,
    /// A large removal is believed when all listings of 24 hours agree about it, and never after fewer than
    /// this many of them.
    pub removal_confirmations: u32,
    /// Largest photo file accepted, for example "20 MB".
    #[schemars(with = "String")]
    pub max_file_size: ByteSize,
    /// Most pixels a photo may have once decoded, in millions. Every photo is checked before it is decoded.
    pub max_megapixels: u32,
    /// Most photos in all. A listing with more is refused whole.
    pub max_photos: usize,
}

impl Default for Photos {
    fn default() -> Self {
        Self {
            url: None,
            pinned_sha256: None,
            folder: None,
            roll_numbers: RollPattern::Digits,
            interval: Duration::from_secs(15 * 60),
            removal_limit: 0.3,
            removal_confirmations: 12,
            max_file_size: ByteSize::from_mb(20),
            max_megapixels: 50,
            max_photos: 50_000,
        }
    }
}

/// How a site's roll numbers look.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum RollPattern {
    /// Digits only, as in the original deployment.
    Digits,
    /// ASCII letters, digits, `-` and `_`.
    Identifier,
}

impl RollPattern {
    /// Whether `roll` has this form.
    pub fn admits(self, roll: &base::identity::RollNumber) -> bool {
        match self {
            Self::Digits => roll.as_str().bytes().all(|b| b.is_ascii_digit()),
            Self::Identifier => true,
        }
    }
}
