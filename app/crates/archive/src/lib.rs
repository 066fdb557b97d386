//! What a device knows, as one encrypted file, and how another device takes it over.
//!
//! # The file
//! An [age](https://age-encryption.org/v1) file with a passphrase. In it a tar archive: first `archive.json`
//! ([`About`]), then the files ([`names`]), last `SHA256SUMS` of them all. So `age -d FILE | tar t` lists it
//! without this program.
//!
//! # Taking it over
//! [`read::unpack`] writes into a folder of its own and believes nothing: every name is a known one, every
//! size is bounded, and nothing is kept of an archive that is not whole. [`place`] then puts the new folders
//! in the place of the old ones, before anything else opens them.
//!
//! # Versions
//! [`FORMAT`] grows with every kind of file that is added. A program reads every format up to its own.

#![forbid(unsafe_code)]
pub mod names;
pub mod place;
pub mod read;
pub mod seal;
pub mod write;

use serde::{Deserialize, Serialize};

use base::failure::{Diagnosis, Fault};

/// The format that this program writes, and the newest that it reads.
pub const FORMAT: u32 = 1;

/// The first entry.
pub const ABOUT: &str = "archive.json";
/// The last entry.
pub const SUMS: &str = "SHA256SUMS";

/// What an archive says of itself.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct About {
    /// See [`FORMAT`].
    pub format: u32,
    /// The version of the program that wrote it.
    pub program: String,
    /// The door's name.
    pub site: String,
    /// When, by the device's clock: RFC 3339.
    pub made: String,
}

/// Why there is no archive, or why one is not taken.
#[derive(Debug, thiserror::Error)]
pub enum ArchiveError {
    /// Too short to protect anything.
    #[error("the passphrase is too short")]
    ShortPassphrase,
    /// No age file with a passphrase.
    #[error("this is not an archive of an attendance appliance")]
    Foreign,
    /// It does not open.
    #[error("the passphrase does not open this archive")]
    WrongPassphrase,
    /// Opening it would take too long.
    #[error("this archive asks for far more work than any that an appliance writes")]
    ExcessiveWork,
    /// It ends early, or its content is not what was written.
    #[error("the archive is cut short or was changed ({0})")]
    Damaged(String),
    /// A later version of this program made it.
    #[error("a newer program ({0}) made this archive")]
    Newer(String),
    /// Another start of the program removed what had come.
    #[error("the service started meanwhile and removed what had come of the archive")]
    Interrupted,
    /// More than an archive takes.
    #[error("this device has more than an archive takes: {files} files, {megabytes} MB")]
    Full {
        /// Files so far.
        files: usize,
        /// Their megabytes.
        megabytes: u64,
    },
    /// It holds what no archive of ours holds.
    #[error("the archive holds something unexpected: {0}")]
    Unexpected(String),
    /// It is larger than any of ours.
    #[error("the archive is too large")]
    TooLarge,
    /// No room for it.
    #[error("there is not enough free space: {free_mb} MB are free")]
    NoRoom {
        /// Free megabytes.
        free_mb: u64,
    },
    /// A file changed while it was read.
    #[error("{0} changed while it was read")]
    Changing(String),
    /// The file system, or whoever reads what is written.
    #[error("{what}: {source}")]
    Io {
        /// What was done.
        what: String,
        /// An error of the operating system.
        source: std::io::Error,
    },
}

impl ArchiveError {
    fn io(what: impl Into<String>) -> impl FnOnce(std::io::Error) -> Self {
        move |source| Self::Io { what: what.into(), source }
    }
}

impl Diagnosis for ArchiveError {
    fn fault(&self) -> Fault {
        let advice = match self {
            Self::ShortPassphrase => {
                "use at least 12 characters, for example four words that nobody can guess"
            }
            Self::Foreign => "choose the file that `attendance export` or the page's “Export” made",
            Self::WrongPassphrase => {
                "type it as at the export, capitals and spaces included; without it nobody can open the archive"
            }
            Self::ExcessiveWork => {
                "make the archive again with `attendance export`, or with the page's “Export”"
            }
            Self::Damaged(_) => "send it again; if that does not help, take another copy, or export again",
            Self::Newer(_) => "update this device first, then import again",
            Self::Unexpected(_) | Self::TooLarge => {
                "nothing was taken over; export again on the old device, and send the diagnostics to support if it \
                 stays so"
            }
            Self::Interrupted => "import again",
            Self::Full { .. } => "remove photos that nobody needs, then export again",
            Self::NoRoom { .. } => "use a larger card, or delete old photos, and import again",
            Self::Changing(_) => "export again",
            Self::Io { .. } => "free space on the card, or replace it, and try again",
        };
        Fault::new(self.to_string()).advise(advice)
    }
}
