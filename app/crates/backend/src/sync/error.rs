//! Why a synchronisation could not be done, or had to stop.

use std::io;
use std::path::PathBuf;

use super::bounds::ListingError;
use super::step::Failure;
use crate::http;
use crate::http::portal;
use base::failure::{Diagnosis, Fault};

/// A synchronisation that did not happen, or ended early. Photos on disk stay as they are.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// There is nothing to synchronise with.
    #[error("{}", self.fault())]
    NoUrl,
    /// The configured trust cannot be set up.
    #[error(transparent)]
    Trust(#[from] http::TlsConfigError),
    /// The server cannot be asked, or refuses.
    #[error(transparent)]
    Http(#[from] http::Error),
    /// A redirect that would lead elsewhere.
    #[error("{}", self.fault())]
    Redirected {
        /// Who answered, without credentials.
        from: String,
        /// The target, without its query.
        to: String,
        /// Why it is not followed.
        reason: super::link::Refused,
    },
    /// A page that cannot be read.
    #[error("{}", self.fault())]
    Listing {
        /// Path of the page below the base.
        page: String,
        /// Why.
        source: ListingError,
    },
    /// A listing beyond every roster.
    #[error("{}", self.fault())]
    TooMany {
        /// "photos" or "pages".
        what: &'static str,
        /// The limit.
        limit: usize,
    },
    /// The server names no photo at all.
    #[error("{}", self.fault())]
    Empty {
        /// Photos here, which are kept.
        kept: usize,
        /// Folders that it names, and that are no students' by the settings.
        no_rolls: Vec<String>,
        /// What it names and nobody can use, and why.
        left_out: Vec<Failure>,
    },
    /// The mirror on disk cannot be read or written.
    #[error("{}", self.fault())]
    Disk {
        /// What was being done.
        action: &'static str,
        /// With which file.
        path: PathBuf,
        /// An error of the operating system.
        source: io::Error,
    },
    /// Another synchronisation holds the mirror.
    #[error("{}", self.fault())]
    Busy {
        /// The mirror.
        path: PathBuf,
    },
    /// What came is not a photo.
    #[error(transparent)]
    Photo(#[from] vision::photo::PhotoError),
    /// An answer that makes no sense for a photo.
    #[error("{}", self.fault())]
    Answer(String),
    /// Too many requests failed one after the other; the rest was not asked for.
    #[error("{}", self.fault())]
    GaveUp(u32),
}

impl Diagnosis for Error {
    fn fault(&self) -> Fault {
        match self {
            Self::NoUrl => Fault::new("photos.url is not set: photos are read from the folder as it is"),
            Self::Trust(error) => error.fault(),
            Self::Http(error) => error.fault(),
            Self::Redirected { from, to, reason } => {
                Fault::new(format!("{from} redirects to {to}, which {reason}"))
                    .advise("if the photos have moved, change photos.url")
            }
            Self::Listing { page, source } => {
                Fault::new(format!("the listing {page} is refused: {source}")).naming(page)
            }
            Self::TooMany { what, limit } => {
                Fault::new(format!("the listing is refused: it names more than {limit} {what}"))
                    .advise("raise photos.max_photos if this is right")
            }
            Self::Empty { kept, no_rolls, left_out } => {
                let what = match kept {
                    0 => "the server lists no photo at all".to_owned(),
                    kept => format!("the server lists no photo at all; the {kept} photos here are kept"),
                };
                let fault = Fault::new(what);
                match (no_rolls.first(), left_out.first()) {
                    (None, Some(first)) => {
                        let more = match left_out.len() - 1 {
                            0 => String::new(),
                            more => format!("; {more} more are left out"),
                        };
                        fault
                            .advise(format!(
                                "it lists files that cannot be used: {}: {}{more}",
                                first.photo, first.reason
                            ))
                            .naming(&first.photo)
                    }
                    (None, None) => fault.advise(format!(
                        "open photos.url in a browser: it must show the students' folders, and not an empty folder. Else \
                         {}",
                        portal::ADVICE
                    )),
                    (Some(first), _) => fault
                        .advise(format!(
                            "its folders ({}) are not roll numbers as photos.roll_numbers has them",
                            no_rolls.join(", ")
                        ))
                        .naming(first),
                }
            }
            Self::Disk { action, path, source } => {
                let fault = Fault::new(format!("cannot {action} {}: {source}", path.display()))
                    .naming(path.display().to_string());
                Fault { advice: advice(source).map(str::to_owned), ..fault }
            }
            Self::Busy { path } => {
                Fault::new(format!("another synchronisation is at work in {}", path.display()))
                    .advise("try again when it is done")
            }
            Self::Photo(error) => Fault::new(error.to_string()),
            Self::Answer(what) => Fault::new(what.clone()),
            Self::GaveUp(times) => Fault::new(format!("not tried: the server failed {times} times in a row")),
        }
    }
}

impl Error {
    /// Whether trying again at once may help.
    pub(super) fn is_transient(&self) -> bool {
        matches!(self, Self::Http(error) if error.is_transient())
    }

    /// Whether no other photo will fare better: the disk is full or cannot be written at all. Any other error
    /// of the disk is of one file.
    pub(super) fn stops(&self) -> bool {
        matches!(self, Self::Disk { source, .. } if is_of_the_whole_disk(source))
    }

    /// Whether trying again soon cannot help: the key is refused, the trust cannot be set up.
    pub fn needs_a_person(&self) -> bool {
        match self {
            Self::Http(error) => error.is_refusal(),
            Self::Trust(_) => true,
            _ => false,
        }
    }
}

/// Whether an error is of the whole disk: full, or not to be written. Any other is of one entry.
pub(super) fn is_of_the_whole_disk(error: &io::Error) -> bool {
    matches!(
        error.kind(),
        io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded | io::ErrorKind::ReadOnlyFilesystem
    )
}

fn advice(error: &io::Error) -> Option<&'static str> {
    match error.kind() {
        io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded | io::ErrorKind::FileTooLarge => {
            Some("the photos so far are kept; free some space, the next synchronisation goes on")
        }
        io::ErrorKind::ReadOnlyFilesystem | io::ErrorKind::PermissionDenied => {
            Some("the photos so far are kept; make the folder writable for this program")
        }
        _ => None,
    }
}
