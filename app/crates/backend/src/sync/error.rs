//! Why a synchronisation could not be done, or had to stop.

use std::io;
use std::path::PathBuf;

use super::listing::ListingError;
use crate::http;

/// A synchronisation that did not happen, or ended early. Photos on disk stay as they are.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// There is nothing to synchronise with.
    #[error("photos.url is not set: photos are read from the folder as it is")]
    NoUrl,
    /// The configured trust cannot be set up.
    #[error(transparent)]
    Trust(#[from] http::TlsConfigError),
    /// The server cannot be asked, or refuses.
    #[error(transparent)]
    Http(#[from] http::Error),
    /// A redirect that would lead elsewhere.
    #[error("{from} redirects to {to}, which {reason}; if the photos have moved, change photos.url")]
    Redirected {
        /// Who answered, without credentials.
        from: String,
        /// The target, without its query.
        to: String,
        /// Why it is not followed.
        reason: super::link::Refused,
    },
    /// A page that cannot be read.
    #[error("the listing {page} is refused: {source}")]
    Listing {
        /// Path of the page below the base.
        page: String,
        /// Why.
        source: ListingError,
    },
    /// A listing beyond every roster.
    #[error(
        "the listing is refused: it names more than {limit} {what}; raise photos.max_photos if this is right"
    )]
    TooMany {
        /// "photos" or "pages".
        what: &'static str,
        /// The limit.
        limit: usize,
    },
    /// The mirror on disk cannot be read or written.
    #[error("cannot {action} {}: {source}{}", path.display(), advice(source))]
    Disk {
        /// What was being done.
        action: &'static str,
        /// With which file.
        path: PathBuf,
        /// What the system says.
        source: io::Error,
    },
    /// Another synchronisation holds the mirror.
    #[error("another synchronisation is at work in {}; try again when it is done", path.display())]
    Busy {
        /// The mirror.
        path: PathBuf,
    },
    /// What came is not a photo.
    #[error(transparent)]
    Photo(#[from] vision::photo::PhotoError),
    /// An answer that makes no sense for a photo.
    #[error("{0}")]
    Answer(String),
    /// Too many requests failed one after the other; the rest was not asked for.
    #[error("not tried: the server failed {0} times in a row")]
    GaveUp(u32),
}

impl Error {
    /// Whether trying again at once may help.
    pub(super) fn is_transient(&self) -> bool {
        matches!(self, Self::Http(error) if error.is_transient())
    }

    /// Whether no other photo will fare better: the disk is full or cannot be written at all. Any other error
    /// of the disk is of one file.
    pub(super) fn stops(&self) -> bool {
        matches!(self, Self::Disk { source, .. } if super::mirror::is_of_the_whole_disk(source))
    }

    /// Whether nothing will change until a person acts: the key is refused, the trust is misconfigured.
    pub fn needs_a_person(&self) -> bool {
        match self {
            Self::Http(error) => error.is_refusal(),
            Self::Trust(_) => true,
            _ => false,
        }
    }
}

fn advice(error: &io::Error) -> &'static str {
    match error.kind() {
        io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded | io::ErrorKind::FileTooLarge => {
            "; the photos so far are kept; free some space, the next synchronisation goes on"
        }
        io::ErrorKind::ReadOnlyFilesystem | io::ErrorKind::PermissionDenied => {
            "; the photos so far are kept; make the folder writable for this program"
        }
        _ => "",
    }
}
