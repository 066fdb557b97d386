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
    /// How the folders lie: "auto" and "roll" (the first folder is the roll number, as the original had it)
    /// or "group/roll" (the first is a class or a year, the folders in it are the roll numbers). With "auto",
    /// nobody is enrolled from a first folder that holds the folders of several people.
    pub layout: Layout,
    /// How roll numbers look: "digits" (the original), "identifier" (letters, digits, '-' and '_'), or
    /// "auto": digits with a URL, identifiers without, for a folder of the site's own may be named after
    /// persons.
    pub roll_numbers: RollPattern,
    /// Time between two synchronisations, for example "5m".
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
            layout: Layout::Auto,
            roll_numbers: RollPattern::Automatic,
            interval: Duration::from_secs(5 * 60),
            removal_limit: 0.3,
            removal_confirmations: 12,
            max_file_size: ByteSize::from_mb(20),
            max_megapixels: 50,
            max_photos: 50_000,
        }
    }
}

impl Photos {
    /// Decides what "auto" means for these photos.
    #[must_use]
    pub fn settled(mut self) -> Self {
        if self.roll_numbers == RollPattern::Automatic {
            self.roll_numbers =
                if self.url.is_some() { RollPattern::Digits } else { RollPattern::Identifier };
        }
        self
    }

    /// How the folders lie where photos are read from: the mirror of a server has no groups, whatever the
    /// server has.
    pub fn layout_on_disk(&self) -> Layout {
        match self.layout {
            Layout::GroupRoll if self.url.is_some() => Layout::Roll,
            layout => layout,
        }
    }
}

/// How the folders lie above the photos.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub enum Layout {
    /// As [`Layout::Roll`], and a first folder that holds several people's folders is found out.
    #[serde(rename = "auto")]
    Auto,
    /// `<roll>/<file>`; folders below are the student's own.
    #[serde(rename = "roll")]
    Roll,
    /// `<group>/<roll>/<file>`: the group is a class or a year, and its name may be anything.
    #[serde(rename = "group/roll")]
    GroupRoll,
}

/// How a site's roll numbers look.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum RollPattern {
    /// As the photos' source suggests: see [`Photos::settled`]. Where nobody has settled it, digits only.
    #[serde(rename = "auto")]
    Automatic,
    /// Digits only, as in the original deployment.
    Digits,
    /// ASCII letters, digits, `-` and `_`.
    Identifier,
}

impl RollPattern {
    /// Whether `roll` has this form.
    pub fn admits(self, roll: &base::identity::RollNumber) -> bool {
        match self {
            Self::Automatic | Self::Digits => roll.as_str().bytes().all(|b| b.is_ascii_digit()),
            Self::Identifier => true,
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn a_folder_of_the_sites_own_may_be_named_after_persons() {
        let own = Photos::default().settled();
        assert_eq!(own.roll_numbers, RollPattern::Identifier);
        let served =
            Photos { url: Some(SecretUrl::parse("https://backend.example/").unwrap()), ..own.clone() };
        assert_eq!(served.clone().settled().roll_numbers, RollPattern::Identifier, "what was chosen stays");
        let automatic = Photos { roll_numbers: RollPattern::Automatic, ..served };
        assert_eq!(automatic.settled().roll_numbers, RollPattern::Digits);
    }
}
