//! Photos in: the server's file browser is mirrored to disk.
//!
//! One synchronisation lists what the server has (every link filtered, every page bounded), asks for each
//! photo whether it changed, downloads what did, and then removes what is gone. At any moment, also after a
//! cut of power, each photo on disk is whole and decodes; a synchronisation that fails leaves what is there.
//!
//! Layout, in the data folder:
//! - `cached_faces/<roll>/<file>`: the photos, called as on the server, folders below a student's included
//!   ([`names`] tells the exceptions);
//! - `cached_faces/.cache_metadata.json`: the last synchronisation in numbers, as the original wrote it;
//! - `cached_faces/.sync_state.json`: what the next one needs: validators and hashes, and a removal that
//!   waits.

pub mod account;
pub mod bounds;
mod connection;
mod crawl;
mod download;
mod erase;
mod error;
mod fetch;
mod folder;
mod json;
mod left_out;
pub mod link;
pub mod listing;
mod markup;
mod metadata;
mod mirror;
mod names;
mod removal;
mod state;
mod students;
mod work;
mod worker;

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use time::OffsetDateTime;

use crate::config::Tls;
use crate::http::{Client, Retry, Timeouts};
use base::erasure::Erased;
use base::event::Event;
use base::failure::{Diagnosis as _, Fault};
use base::moment::SiteZone;
use vision::photos::Photos as PhotoSettings;

use download::blocking;
use fetch::Site;
use link::Base;
use mirror::Mirror;
use state::State;
use work::Work;

pub use connection::check as check_connection;
pub use erase::erase;
pub use error::Error;
pub use metadata::LastSync;
pub use mirror::FOLDER;
pub use removal::Alarm;
pub use worker::{Worker, run};

/// Requests at work at once. Enough to hide a slow link's delay, few enough for a small server.
const CONCURRENCY: usize = 4;

/// After so many failed requests in a row the server is taken to be gone; each failed three times, with
/// pauses.
const GIVE_UP_AFTER: u32 = 8;

/// The state is written after so many changed photos: what a kill costs in photos fetched again.
const SAVE_EVERY: usize = 50;

const STATE: &str = ".sync_state.json";
const METADATA: &str = ".cache_metadata.json";
const CONFIRMATION: &str = ".removal_confirmed";

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
    /// So many pages were read, and named so many photos.
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

/// What a synchronisation did.
#[derive(Debug, Default)]
pub struct Report {
    /// Photos that came new.
    pub new: usize,
    /// Photos whose content changed.
    pub updated: usize,
    /// Photos as they were.
    pub unchanged: usize,
    /// Photos gone from the server and removed here.
    pub removed: usize,
    /// What could not be had.
    pub failed: Vec<Failure>,
    /// What was not asked for: it is not a photo, or its link cannot be followed. Each with what to do.
    pub left_out: Vec<Failure>,
    /// Photos on disk afterwards.
    pub total: usize,
    /// A removal too large to be believed yet, also when this synchronisation did not come so far as to look
    /// at it again.
    pub alarm: Option<Alarm>,
    /// Why it stopped before its end. What was done until then is kept.
    pub stopped: Option<Error>,
}

impl Report {
    /// Whether any photo on disk is another one now.
    pub fn changed(&self) -> bool {
        self.new + self.updated + self.removed > 0
    }

    /// Why it did not do what it should. Some photos that cannot be had are not its fault; all of them are.
    pub fn fault(&self) -> Option<Fault> {
        if let Some(stopped) = &self.stopped {
            return Some(stopped.fault());
        }
        let first = self.failed.first().filter(|_| self.new + self.updated + self.unchanged == 0)?;
        let all = self.failed.len();
        let what = format!("none of {all} photos could be had; {}: {}", first.photo, first.reason);
        Some(Fault::new(what).naming(&first.photo))
    }

    /// The event that tells of it.
    pub fn event(&self) -> Event {
        Event::PhotosSynced {
            new: self.new,
            updated: self.updated,
            unchanged: self.unchanged,
            removed: self.removed,
            failed: self.failed.len(),
        }
    }

    fn fail(&mut self, photo: impl ToString, reason: impl ToString) {
        self.failed.push(Failure { photo: photo.to_string(), reason: reason.to_string() });
    }
}

/// How long a synchronisation waits for the server, and how often it asks again.
#[derive(Debug, Clone, Copy, Default)]
pub struct Patience {
    /// Of each request.
    pub timeouts: Timeouts,
    /// Of what may pass.
    pub retry: Retry,
}

/// What a synchronisation needs of the configuration.
#[derive(Debug, Clone, Default)]
pub struct Settings {
    /// Where the photos come from.
    pub photos: PhotoSettings,
    /// Whom to trust on the network.
    pub tls: Tls,
    /// Folder that holds the mirror and its state.
    pub data_dir: PathBuf,
    /// The site's time zone, in which the time of the last synchronisation is written.
    pub zone: SiteZone,
    /// Students whose photos are not fetched.
    pub erased: Erased,
}

/// Synchronises once, with the contract's patience. `step` hears of the progress.
///
/// # Errors
/// As [`once_with`].
pub async fn once(settings: &Settings, step: &(dyn Fn(Step<'_>) + Sync)) -> Result<Report, Error> {
    once_with(settings, Patience::default(), step).await
}

/// Synchronises once.
///
/// Dropped before its end, it leaves every photo whole, and the next synchronisation goes on.
///
/// # Errors
/// [`Error`] when nothing could be done: no server, a refused key, a listing beyond the bounds, a folder that
/// cannot be written. What happens later is in the [`Report`].
pub async fn once_with(
    settings: &Settings,
    patience: Patience,
    step: &(dyn Fn(Step<'_>) + Sync),
) -> Result<Report, Error> {
    let url = settings.photos.url.as_ref().ok_or(Error::NoUrl)?;
    let client = Client::new(&settings.tls, patience.timeouts)?;
    let site = Site::new(client, Base::new(url), patience.retry);
    let data_dir = settings.data_dir.clone();
    let (mirror, state, local) = blocking(move || {
        let mirror = Mirror::open(&data_dir)?;
        let state: State = mirror.read(STATE).unwrap_or_default();
        let local = mirror.photos()?;
        Ok((Arc::new(mirror), state, local))
    })
    .await?;

    let mut listing = crawl::list(&site, &settings.photos, &settings.erased, step).await?;
    if listing.photos.is_empty() && listing.failures.is_empty() && !listing.passed_over {
        // It says nothing, neither for nor against a removal that waits.
        let no_rolls = std::mem::take(&mut listing.no_rolls).into_iter().collect();
        return Err(Error::Empty { kept: local.len(), no_rolls, left_out: listing.take_left_out() });
    }
    let left_out = listing.take_left_out();
    let is_incomplete = listing.is_incomplete;
    let students = listing.students.take();
    let mut report = Report { failed: listing.failures, left_out, ..Report::default() };
    let (named, unsafe_names) = names::assign(listing.photos);
    let kept: BTreeSet<String> = listing.unread.iter().map(ToString::to_string).collect();
    let mut lacking: BTreeSet<String> = listing.lacking.iter().map(ToString::to_string).collect();
    for photo in unsafe_names {
        report.fail(photo.place, names::UNSAFE_NAME);
        lacking.insert(photo.roll.to_string());
    }
    step(Step::Photos { total: named.len() });

    let served = BTreeSet::new();
    let mut work = Work { mirror, state, report, kept, lacking, served, gave_up: false };
    let local = work.rename(&named, local).await?;
    work.download(&site, settings, &named, &local, step).await;
    // A server that is not well, or a group that cannot be read, does not tell what is gone, neither now nor
    // for a removal that waits.
    if !work.gave_up && !is_incomplete && work.report.fault().is_none() {
        work.remove(settings, &named, &local, step).await;
    }
    if !work.gave_up && work.report.stopped.is_none() {
        work.bring_students(&site, students.as_ref(), &settings.erased, is_incomplete).await;
    }
    work.report.alarm = work.state.pending.as_ref().map(|pending| pending.alarm(&settings.photos));
    work.finish(url.to_string(), &settings.zone).await
}

/// Confirms the removal that waits, so that the next synchronisation makes it; how many photos that are, or
/// `None` when no removal waits.
///
/// # Errors
/// [`Error`] when the mirror cannot be read or written, or is being synchronised.
pub fn confirm_removal(data_dir: &Path) -> Result<Option<usize>, Error> {
    let mirror = Mirror::open(data_dir)?;
    let Some(pending) = mirror.read::<State>(STATE).and_then(|state| state.pending) else { return Ok(None) };
    mirror.write(CONFIRMATION, &pending.digest)?;
    Ok(Some(pending.photos))
}

/// The removal that waits since an earlier synchronisation.
async fn waiting(settings: &Settings) -> Option<Alarm> {
    let data_dir = settings.data_dir.clone();
    let state = blocking(move || Ok(Mirror::open(&data_dir)?.read::<State>(STATE)));
    // The process that holds the mirror reports for itself; a mirror that cannot be opened is told by the
    // synchronisation.
    state.await.ok()??.pending.map(|pending| pending.alarm(&settings.photos))
}

/// The present, seconds since 1970.
fn now() -> u64 {
    u64::try_from(OffsetDateTime::now_utc().unix_timestamp()).unwrap_or(0)
}
