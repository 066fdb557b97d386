//! Bounds of a synchronisation: requests, failures, and what a listing may be at most.

use std::time::Duration;

/// Requests at work at once. Enough to hide a slow link's delay, few enough for a small server.
pub(super) const CONCURRENCY: usize = 4;

/// After so many failed requests in a row the server is taken to be gone; each failed three times, with
/// pauses.
pub(super) const GIVE_UP_AFTER: u32 = 8;

/// The state is written after so many changed photos: what a kill costs in photos fetched again.
pub(super) const SAVE_EVERY: usize = 50;

/// Most links on a page. The largest accepted roster has 200,000 photos.
pub const MAX_LINKS: usize = 250_000;

/// Longest link that is kept, bytes. Path and query of what file browsers write stay far below.
pub(super) const MAX_LINK_BYTES: usize = 4096;

/// Longest time for a page. 30 MB of ordinary HTML take less than a second on the device.
pub(super) const MAX_TIME: Duration = Duration::from_secs(10);

/// Why a page cannot be read.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum ListingError {
    /// Too many links.
    #[error("the page has more than {MAX_LINKS} links")]
    TooManyLinks,
    /// Made to take forever.
    #[error("the page takes longer than {} s to read", MAX_TIME.as_secs())]
    TooComplicated,
    /// It ends in the middle.
    #[error("the page broke off before its end")]
    BrokeOff,
}

/// A link on a page, as it is written: [`crate::sync::link`] decides whether to follow it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Link {
    /// The address.
    pub href: String,
    /// Whether it is an image shown on the page, and not something to click on.
    pub is_image: bool,
}
