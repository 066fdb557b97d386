//! Walking the file browser: which photos does the server have?

use std::collections::{BTreeSet, HashSet};

use futures_util::StreamExt as _;
use futures_util::stream;

use super::error::Error;
use super::fetch::{Found, Site};
use super::folder;
use super::folder::Judged;
use super::link::Place;
use super::listing;
use super::listing::ListingError;
use super::{CONCURRENCY, Failure, GIVE_UP_AFTER, Step};
use base::identity::RollNumber;
use vision::photos::{Photos, RollPattern};

/// Pages beyond the number of photos that may be accepted: empty directories, and the base.
const SPARE_PAGES: usize = 1_000;

/// Folders named in the log when they are left out.
const EXAMPLES: usize = 5;

/// The directory that is left out, by contract.
const LEFT_OUT: &str = "passport";

/// Most bytes of names for each photo or page that may be accepted, on average.
const NAME_BYTES: usize = 500;

/// What is said of a folder's page that is no listing, though it came as one.
const NO_LISTING: &str =
    "the server answered with a page that is no listing of this folder; the photos here are kept";

/// What is said of a page that ended too early.
const BROKE_OFF: &str = "the server's page broke off before its end; the photos here are kept";

/// What is taken for a photo, in any case.
const EXTENSIONS: [&str; 6] = ["jpg", "jpeg", "png", "gif", "bmp", "webp"];

/// A photo on the server.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct RemotePhoto {
    /// Whose.
    pub(super) roll: RollNumber,
    /// Where.
    pub(super) place: Place,
}

/// What the server has.
#[derive(Debug, Default)]
pub(super) struct Listing {
    pub(super) photos: Vec<RemotePhoto>,
    /// Students whose directory could not be read: nothing is known about their photos.
    pub(super) unread: BTreeSet<RollNumber>,
    pub(super) failures: Vec<Failure>,
    /// Folders whose names are no roll numbers, some of them.
    pub(super) no_rolls: BTreeSet<String>,
}

/// Lists every photo below the base.
///
/// # Errors
/// [`Error`] when the base itself cannot be read or the listing is beyond the bounds. A directory below that
/// cannot be read is a failure in the listing.
pub(super) async fn list(
    site: &Site,
    config: &Photos,
    step: &(dyn Fn(Step<'_>) + Sync),
) -> Result<Listing, Error> {
    let max_pages = config.max_photos + SPARE_PAGES;
    let mut listing = Listing::default();
    let mut seen = HashSet::new();
    let mut level = vec![site.base().root()];
    let max_names = (config.max_photos + max_pages) * NAME_BYTES;
    let (mut pages, mut failed_in_a_row, mut only_adds, mut names) = (0, 0, 0, 0);
    let mut no_rolls = BTreeSet::new();
    // One level of directories after the other; the link filter bounds their number.
    while !level.is_empty() {
        let mut next = Vec::new();
        let mut read = stream::iter(level).map(|place| read_page(site, place)).buffer_unordered(CONCURRENCY);
        while let Some((place, found)) = read.next().await {
            pages += 1;
            let links = match found {
                Ok((links, is_whole)) => {
                    if !is_whole {
                        only_adds += 1;
                        listing.unread.extend(student(&place, config.roll_numbers));
                    }
                    links
                }
                // Django's static view knows the base with its slash only.
                Err(error) if is_missing(&error) && place == site.base().root() && !place.ends_in_slash() => {
                    next.push(place.with_slash());
                    continue;
                }
                Err(error) if place.segments().is_empty() => return Err(error),
                Err(error) => {
                    // A page beyond the bounds is one folder's trouble, and many of them are an attack.
                    failed_in_a_row +=
                        u32::from(error.is_transient() || matches!(error, Error::Listing { .. }));
                    if failed_in_a_row >= GIVE_UP_AFTER {
                        return Err(error);
                    }
                    listing.unread.extend(student(&place, config.roll_numbers));
                    listing.failures.push(Failure { photo: place.to_string(), reason: error.to_string() });
                    continue;
                }
            };
            failed_in_a_row = 0;
            for link in links {
                if !seen.contains(link.segments()) {
                    names += link.segments().iter().map(String::len).sum::<usize>();
                }
                match kind(&link, config.roll_numbers) {
                    _ if seen.contains(link.segments()) => {}
                    Kind::Nothing => {}
                    Kind::NoRoll if no_rolls.len() >= EXAMPLES => {}
                    Kind::NoRoll => {
                        no_rolls.insert(link.directories()[0].clone());
                    }
                    Kind::Directory => {
                        seen.insert(link.segments().to_vec());
                        next.push(link);
                    }
                    Kind::Photo(roll) => {
                        seen.insert(link.segments().to_vec());
                        listing.photos.push(RemotePhoto { roll, place: link });
                    }
                }
            }
            if names > max_names {
                return Err(Error::TooMany { what: "bytes of names", limit: max_names });
            }
            if listing.photos.len() > config.max_photos {
                return Err(Error::TooMany { what: "photos", limit: config.max_photos });
            }
            if pages + next.len() > max_pages {
                return Err(Error::TooMany { what: "pages", limit: max_pages });
            }
            step(Step::Listed { pages, photos: listing.photos.len() });
        }
        level = next;
    }
    if only_adds > 0 {
        log::warn!(
            "{only_adds} pages of the server are no listings that are known here: their photos are used, and nothing is \
             removed for them"
        );
    }
    if !no_rolls.is_empty() {
        listing.no_rolls.clone_from(&no_rolls);
        let form = match config.roll_numbers {
            RollPattern::Digits => "digits",
            RollPattern::Identifier => "an identifier",
        };
        let folders = no_rolls.into_iter().collect::<Vec<_>>().join(", ");
        log::warn!(
            personal:% = folders;
            "Skipping folders whose names are not roll numbers (photos.roll_numbers: {form}): {folders}"
        );
    }
    Ok(listing)
}

fn is_missing(error: &Error) -> bool {
    matches!(error, Error::Http(crate::http::Error::Status { status, .. }) if *status == http::StatusCode::NOT_FOUND)
}

/// The places that a page links to, within the base, and whether those are all that its folder holds.
async fn read_page(site: &Site, place: Place) -> (Place, Result<(Vec<Place>, bool), Error>) {
    let found = async {
        let Found { at, content, is_framed } = site.page(&place).await?;
        if !place.segments().is_empty() && !at.is_same_as(&place) {
            return Err(Error::Answer(format!(
                "the server redirects this folder to another one ({at}); the photos here are kept"
            )));
        }
        let base = site.base().clone();
        // Off the runtime: a page may have 100,000 links.
        let judged = tokio::task::spawn_blocking(move || {
            let page = listing::read(&content)?;
            drop(content);
            Ok(folder::judge(&page, &base, &at, is_framed))
        });
        match judged.await {
            Ok(Ok(Judged::Listing(places))) => Ok((places, true)),
            Ok(Ok(Judged::Some(places))) => Ok((places, false)),
            Ok(Ok(Judged::Other)) => Err(Error::Answer(NO_LISTING.to_owned())),
            Ok(Ok(Judged::BrokeOff) | Err(ListingError::BrokeOff)) => {
                Err(Error::Answer(BROKE_OFF.to_owned()))
            }
            Ok(Err(source)) => Err(Error::Listing { page: place.to_string(), source }),
            Err(ended) => Err(Error::Answer(format!("reading the listing failed: {ended}"))),
        }
    };
    let found = found.await;
    (place, found)
}

enum Kind {
    Directory,
    Photo(RollNumber),
    /// Below a folder that is no student's.
    NoRoll,
    Nothing,
}

fn kind(place: &Place, pattern: RollPattern) -> Kind {
    let left_out = place.directories().iter().any(|name| name.eq_ignore_ascii_case(LEFT_OUT));
    match student(place, pattern) {
        _ if left_out || place.directories().is_empty() => Kind::Nothing,
        // Not the icons of a listing at the root of a server.
        None if place.is_directory() => Kind::NoRoll,
        None => Kind::Nothing,
        Some(_) if place.is_directory() => Kind::Directory,
        Some(roll) if is_photo(place.name()) => Kind::Photo(roll),
        Some(_) => Kind::Nothing,
    }
}

/// Whose a place is: the first directory below the base is the roll number.
fn student(place: &Place, pattern: RollPattern) -> Option<RollNumber> {
    let first = place.directories().first()?;
    RollNumber::parse(first).ok().filter(|roll| pattern.admits(roll))
}

/// Whether a file is called like a photo.
pub(super) fn is_photo(name: &str) -> bool {
    name.rsplit_once('.')
        .is_some_and(|(_, extension)| EXTENSIONS.iter().any(|known| extension.eq_ignore_ascii_case(known)))
}
