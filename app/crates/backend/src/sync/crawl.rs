//! Walking the file browser: which photos does the server have?

use std::collections::{BTreeMap, BTreeSet, HashSet};

use futures_util::StreamExt as _;
use futures_util::stream;

use super::bounds::{CONCURRENCY, GIVE_UP_AFTER, ListingError};
use super::error::Error;
use super::fetch::{Found, Site};
use super::folder;
use super::folder::Judged;
use super::left_out;
use super::link::Place;
use super::listing;
use super::step::{Failure, Step};
use base::erasure::Erased;
use base::identity::RollNumber;
use vision::kind::{is_hidden, may_be_photo};
use vision::photos::{Layout, Photos};
use vision::scan::no_roll;

/// Pages that may be read beyond the number of accepted photos: for empty directories, and for the base.
const SPARE_PAGES: usize = 1_000;

/// Folders that are named when nothing else is found.
const EXAMPLES: usize = 5;

/// Most files and folders that are named as left out; the rest are counted.
const MAX_LEFT_OUT: usize = 200;

/// The directory that is left out, by contract.
const LEFT_OUT: &str = "passport";

/// Most bytes of names for each photo or page that may be accepted, on average.
const NAME_BYTES: usize = 500;

/// What is said of a file that lies in no student's folder.
const STRAY: &str = "lies in no student's folder; move the photo into the folder of its roll number";

/// What is said of a folder's page that is not a listing, though it came as one.
const NO_LISTING: &str =
    "the server answered with a page that is not a listing of this folder; the photos here are kept";

/// What is said of a page that ended too early.
const BROKE_OFF: &str = "the server's page broke off before its end; the photos here are kept";

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
    /// Whether a page could not be read that is not a student's: nobody knows who is on it.
    pub(super) is_incomplete: bool,
    pub(super) failures: Vec<Failure>,
    /// Folders whose names are not roll numbers, some of them.
    pub(super) no_rolls: BTreeSet<String>,
    /// What is not a photo that can be fetched, and what to do about it.
    pub(super) left_out: BTreeMap<String, String>,
    /// The students' list beside the students' folders.
    pub(super) students: Option<Place>,
    /// Students of whom something is left out, which may be a new photo.
    pub(super) lacking: BTreeSet<RollNumber>,
    /// What is left out beyond those that are named.
    more_left_out: usize,
    /// Whether there were folders of students who were erased.
    pub(super) passed_over: bool,
}

impl Listing {
    /// Notes that a page of this student, or of a group, could not be read.
    fn note_unread(&mut self, student: Option<RollNumber>) {
        self.is_incomplete |= student.is_none();
        self.unread.extend(student);
    }

    fn leave_out(&mut self, path: String, reason: impl ToString) {
        if self.left_out.len() < MAX_LEFT_OUT || self.left_out.contains_key(&path) {
            self.left_out.insert(path, reason.to_string());
        } else {
            self.more_left_out += 1;
        }
    }

    /// What is left out, with the number of those that are not named.
    pub(super) fn take_left_out(&mut self) -> Vec<Failure> {
        let named = std::mem::take(&mut self.left_out).into_iter();
        let mut left_out: Vec<_> = named.map(|(photo, reason)| Failure { photo, reason }).collect();
        if self.more_left_out > 0 {
            let reason = "left out, too; correct those named first".to_owned();
            left_out
                .push(Failure { photo: format!("{} more files and folders", self.more_left_out), reason });
        }
        left_out
    }
}

/// Lists every photo below the base.
///
/// # Errors
/// [`Error`] when the base itself cannot be read or the listing is beyond the bounds. A directory below that
/// cannot be read is a failure in the listing.
pub(super) async fn list(
    site: &Site,
    config: &Photos,
    erased: &Erased,
    step: &(dyn Fn(Step<'_>) + Sync),
) -> Result<Listing, Error> {
    let max_pages = config.max_photos + SPARE_PAGES;
    let mut listing = Listing::default();
    let mut seen = HashSet::new();
    let mut level = vec![site.base().root()];
    let max_names = (config.max_photos + max_pages) * NAME_BYTES;
    let (mut pages, mut failed_in_a_row, mut only_adds, mut names) = (0, 0, 0, 0);
    // One level of directories after the other; the link filter bounds their number.
    while !level.is_empty() {
        let mut next = Vec::new();
        let mut read = stream::iter(level).map(|place| read_page(site, place)).buffer_unordered(CONCURRENCY);
        while let Some((place, found)) = read.next().await {
            pages += 1;
            let (links, icons) = match found {
                Ok(Read { links, is_whole, unusable, icons }) => {
                    for failure in unusable {
                        listing.lacking.extend(student(&place, config));
                        listing.leave_out(failure.photo, failure.reason);
                    }
                    if !is_whole {
                        only_adds += 1;
                        listing.note_unread(student(&place, config));
                    }
                    (links, icons)
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
                    listing.note_unread(student(&place, config));
                    listing.failures.push(Failure { photo: place.to_string(), reason: error.to_string() });
                    continue;
                }
            };
            failed_in_a_row = 0;
            for link in links {
                if !seen.contains(link.segments()) {
                    names += link.segments().iter().map(String::len).sum::<usize>();
                }
                match kind(&link, config) {
                    _ if seen.contains(link.segments()) => {}
                    _ if student(&link, config).is_some_and(|roll| erased.holds(&roll)) => {
                        listing.passed_over = true;
                    }
                    Kind::Nothing => {}
                    Kind::LeftOut(_) if icons.contains(&link) => {}
                    Kind::LeftOut(reason) => {
                        seen.insert(link.segments().to_vec());
                        if link.is_directory() && listing.no_rolls.len() < EXAMPLES {
                            listing.no_rolls.insert(link.name().to_owned());
                        }
                        listing.leave_out(link.to_string(), reason);
                    }
                    Kind::Students => listing.students = Some(link),
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
            "{only_adds} pages of the server are not listings that are known here: their photos are used, and nothing is \
             removed for them"
        );
    }
    Ok(listing)
}

fn is_missing(error: &Error) -> bool {
    matches!(error, Error::Http(crate::http::Error::Status { status, .. }) if *status == http::StatusCode::NOT_FOUND)
}

/// What was read of a page.
pub(super) struct Read {
    /// The places that it links to, within the base.
    pub(super) links: Vec<Place>,
    /// Whether those are all that its folder holds.
    is_whole: bool,
    /// What it fails to name.
    unusable: Vec<Failure>,
    /// Pictures that it shows and does not link to: its own decoration, when they lie in no student's folder.
    icons: HashSet<Place>,
}

/// Reads the page of a folder.
pub(super) async fn read_page(site: &Site, place: Place) -> (Place, Result<Read, Error>) {
    let found = async {
        let Found { at, content, is_framed, log_in } = site.page(&place).await?;
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
            let mut lost = HashSet::new();
            let mut unusable = Vec::new();
            for link in &page.links {
                if let Some(failure) = left_out::unusable(&base, &at, link) {
                    unusable.push(failure);
                    // It leads somewhere else than to what it names.
                    lost.extend(base.follow(&at, &link.href));
                }
            }
            let followed = |is_image: bool| {
                let links = page.links.iter().filter(move |link| link.is_image == is_image);
                links.filter_map(|link| base.follow(&at, &link.href).ok())
            };
            let mut icons: HashSet<Place> = followed(true).collect();
            for place in followed(false) {
                icons.remove(&place);
            }
            let mut judged = folder::judge(&page, &base, &at, is_framed);
            if let Judged::Listing(links) | Judged::Some(links) = &mut judged {
                links.retain(|place| !lost.contains(place));
            }
            Ok((judged, unusable, icons))
        });
        let judged = judged.await;
        let names_nothing = match &judged {
            Ok(Ok((Judged::Listing(links) | Judged::Some(links), ..))) => links.is_empty(),
            Ok(Ok((Judged::Other, ..))) => true,
            _ => false,
        };
        if let Some(log_in) = log_in.filter(|_| names_nothing) {
            return Err(log_in.into());
        }
        match judged {
            Ok(Ok((Judged::Listing(links), unusable, icons))) => {
                Ok(Read { links, is_whole: true, unusable, icons })
            }
            Ok(Ok((Judged::Some(links), unusable, icons))) => {
                Ok(Read { links, is_whole: false, unusable, icons })
            }
            Ok(Ok((Judged::Other, ..))) => Err(Error::Answer(NO_LISTING.to_owned())),
            Ok(Ok((Judged::BrokeOff, ..)) | Err(ListingError::BrokeOff)) => {
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
    /// It may have been meant as a photo, or as a student's folder: why it is left out, and what to do.
    LeftOut(String),
    /// The students' list.
    Students,
    Nothing,
}

fn kind(place: &Place, config: &Photos) -> Kind {
    let left_out = place.directories().iter().any(|name| name.eq_ignore_ascii_case(LEFT_OUT));
    if left_out || place.segments().iter().any(|name| is_hidden(name)) {
        return Kind::Nothing;
    }
    if place.is_students_list() {
        return Kind::Students;
    }
    let folders = place.directories();
    match folders.get(depth(config) - 1) {
        // A group.
        None if place.is_directory() => Kind::Directory,
        None if may_be_photo(place.name()) => Kind::LeftOut(STRAY.to_owned()),
        None => Kind::Nothing,
        Some(name) => match (no_roll(name, config.roll_numbers), student(place, config)) {
            (None, Some(_)) if place.is_directory() => Kind::Directory,
            (None, Some(roll)) if may_be_photo(place.name()) => Kind::Photo(roll),
            // The content of such a folder is not reported as well.
            (Some(reason), _) if place.is_directory() && folders.len() == depth(config) => {
                Kind::LeftOut(reason)
            }
            _ => Kind::Nothing,
        },
    }
}

/// Folders down to a student's own.
fn depth(config: &Photos) -> usize {
    match config.layout {
        Layout::Auto | Layout::Roll => 1,
        Layout::GroupRoll => 2,
    }
}

/// Whose a place is: the first directory below the base is the roll number, or with groups the second.
fn student(place: &Place, config: &Photos) -> Option<RollNumber> {
    let name = place.directories().get(depth(config) - 1)?;
    RollNumber::parse(name).ok().filter(|roll| config.roll_numbers.admits(roll))
}
