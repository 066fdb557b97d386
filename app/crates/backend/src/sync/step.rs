//! What a synchronisation tells while it is under way.

/// The result of fetching a photo.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PhotoChange {
    /// It came new.
    New,
    /// Its content changed.
    Updated,
    /// It is as it was.
    Unchanged,
    /// It could not be had; an older version stays.
    Failed,
}

/// How far a synchronisation is, for whoever shows it.
#[derive(Debug, Clone, Copy)]
pub enum Step<'a> {
    /// How many pages were read, and how many photos they name.
    Listed {
        /// Pages read.
        pages: usize,
        /// Photos found so far.
        photos: usize,
    },
    /// The listing is complete; so many photos will follow.
    Photos {
        /// Photos on the server.
        total: usize,
    },
    /// One photo is done.
    Photo {
        /// `<roll>/<file>`.
        path: &'a str,
        /// The result.
        outcome: PhotoChange,
    },
    /// A photo is gone from the server, and was removed here.
    Removed {
        /// `<roll>/<file>`.
        path: &'a str,
    },
}

/// A photo or page that could not be had.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Failure {
    /// Its path below the base.
    pub photo: String,
    /// Why, and what to do.
    pub reason: String,
}
