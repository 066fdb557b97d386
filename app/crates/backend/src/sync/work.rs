//! The steps of one synchronisation after its listing: rename, download, remove, write down.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU32};

use futures_util::{StreamExt as _, stream};
use time::OffsetDateTime;
use tokio::sync::Semaphore;

use super::bounds::{CONCURRENCY, SAVE_EVERY};
use super::crawl::RemotePhoto;
use super::download::{Downloads, Fetched, blocking};
use super::error::Error;
use super::fetch::Site;
use super::link::Place;
use super::link::STUDENTS;
use super::metadata;
use super::metadata::Metadata;
use super::mirror::{CONFIRMATION, METADATA, Mirror, STATE};
use super::removal;
use super::removal::{Before, Decision};
use super::report::Report;
use super::settings::Settings;
use super::state::State;
use super::step::{PhotoChange, Step};
use super::students;
use base::erasure::Erased;
use base::moment::SiteZone;
use vision::photo::PhotoLimits;

/// A synchronisation at work.
pub(super) struct Work {
    pub(super) mirror: Arc<Mirror>,
    pub(super) state: State,
    pub(super) report: Report,
    /// Students whose photos are not removed this time.
    pub(super) kept: BTreeSet<String>,
    /// Students of whom the server has something that can never be used: they keep what is here while no
    /// other photo of theirs is served.
    pub(super) lacking: BTreeSet<String>,
    /// Students of whom a photo that is served is here.
    pub(super) served: BTreeSet<String>,
    /// Whether photos were not asked for, because the server failed too often.
    pub(super) gave_up: bool,
}

impl Work {
    /// Renames photos to the paths that they have now: an earlier version kept those of deeper folders beside
    /// the others, and a photo's path may change when another one comes. Returns what is on disk afterwards.
    ///
    /// # Errors
    /// The disk's error, when the whole disk cannot be written.
    pub(super) async fn rename(
        &mut self,
        named: &BTreeMap<String, RemotePhoto>,
        mut local: BTreeMap<String, u64>,
    ) -> Result<BTreeMap<String, u64>, Error> {
        let paths: BTreeMap<String, &String> =
            named.iter().map(|(path, photo)| (photo.place.to_string(), path)).collect();
        let mut taken: BTreeSet<String> = BTreeSet::new();
        let moves: Vec<(String, String)> = self
            .state
            .photos
            .iter()
            .filter_map(|(from, known)| Some((from.clone(), (*paths.get(&known.remote)?).clone())))
            .filter(|(from, to)| from != to && local.contains_key(from) && !local.contains_key(to))
            .filter(|(_, to)| taken.insert(to.clone()))
            .collect();
        if moves.is_empty() {
            return Ok(local);
        }
        log::info!("{} photos get the folders that they have on the server", moves.len());
        let mirror = Arc::clone(&self.mirror);
        let done = blocking(move || {
            let mut done = Vec::new();
            for (from, to) in moves {
                match mirror.rename(&from, &to) {
                    Ok(()) => done.push((from, to)),
                    Err(error) if error.stops() => return Err(error),
                    // It is fetched under its new path, and the old one goes.
                    Err(error) => log::warn!(personal:% = from; "{error}"),
                }
            }
            Ok(done)
        });
        for (from, to) in done.await? {
            if let Some(length) = local.remove(&from) {
                local.insert(to.clone(), length);
            }
            if let Some(known) = self.state.photos.remove(&from) {
                self.state.photos.insert(to, known);
            }
        }
        // Before anything else changes: a photo that is not known by its path is fetched again.
        self.save_state().await;
        Ok(local)
    }

    pub(super) async fn download(
        &mut self,
        site: &Site,
        settings: &Settings,
        named: &BTreeMap<String, RemotePhoto>,
        local: &BTreeMap<String, u64>,
        step: &(dyn Fn(Step<'_>) + Sync),
    ) {
        let before = self.state.clone();
        let downloads = Downloads {
            site,
            mirror: Arc::clone(&self.mirror),
            state: &before,
            local,
            limits: PhotoLimits::from(&settings.photos),
            failures_in_a_row: AtomicU32::new(0),
            has_no_heads: AtomicBool::new(false),
            now: now(),
            interval: settings.photos.interval,
            decoder: Arc::new(Semaphore::new(1)),
        };
        let mut fetched = stream::iter(named.clone())
            .map(|(path, photo)| {
                let downloads = &downloads;
                async move {
                    let fetched = downloads.bring(&path, &photo).await;
                    (path, fetched)
                }
            })
            .buffer_unordered(CONCURRENCY)
            // Unboxed, the borrowed paths keep the compiler from seeing that the whole may move between
            // threads.
            .boxed();
        let mut unsaved = 0;
        while let Some((path, fetched)) = fetched.next().await {
            let outcome = match self.note(&path, fetched) {
                Ok(outcome) => outcome,
                Err(disk) => {
                    self.report.stopped = Some(disk);
                    return;
                }
            };
            step(Step::Photo { path: &path, outcome });
            unsaved += usize::from(matches!(outcome, PhotoChange::New | PhotoChange::Updated));
            if unsaved >= SAVE_EVERY {
                unsaved = 0;
                self.save_state().await;
            }
        }
        self.state.refused.retain(|path, _| named.contains_key(path));
    }

    /// Takes the result of a photo into report and state.
    ///
    /// # Errors
    /// The disk's error, after which no other photo will fare better.
    fn note(&mut self, path: &str, fetched: Fetched) -> Result<PhotoChange, Error> {
        match fetched {
            Fetched::Here(outcome, known) => {
                match outcome {
                    PhotoChange::New => self.report.new += 1,
                    PhotoChange::Updated => self.report.updated += 1,
                    PhotoChange::Unchanged | PhotoChange::Failed => self.report.unchanged += 1,
                }
                self.served.insert(removal::student(path).to_owned());
                self.state.photos.insert(path.to_owned(), known);
                self.state.refused.remove(path);
                return Ok(outcome);
            }
            Fetched::Failed(disk) if disk.stops() => return Err(disk),
            Fetched::Refused(refusal, reason) => {
                self.report.fail(path, reason);
                self.state.refused.remove(path);
                self.state.refused.extend(refusal.map(|refusal| (path.to_owned(), refusal)));
                self.lacking.insert(removal::student(path).to_owned());
                return Ok(PhotoChange::Failed);
            }
            Fetched::Failed(error) => {
                self.gave_up |= matches!(error, Error::GaveUp(_));
                self.report.fail(path, error);
            }
        }
        // A student without a new photo keeps the old one, even if it has another name.
        self.kept.insert(removal::student(path).to_owned());
        Ok(PhotoChange::Failed)
    }

    pub(super) async fn remove(
        &mut self,
        settings: &Settings,
        named: &BTreeMap<String, RemotePhoto>,
        local: &BTreeMap<String, u64>,
        step: &(dyn Fn(Step<'_>) + Sync),
    ) {
        if named.is_empty() {
            // An empty listing says nothing, neither for nor against a removal that waits.
            return;
        }
        self.kept.extend(self.lacking.difference(&self.served).cloned());
        let on_disk: BTreeSet<String> = local.keys().cloned().collect();
        let listed: BTreeSet<String> = named.keys().cloned().collect();
        let confirmed = self.mirror.take(CONFIRMATION).map(|text| text.trim_matches('"').to_owned());
        let now = now();
        let passed = removal::step(self.state.listed_at.replace(now), now, settings.photos.interval);
        let students: BTreeSet<&str> = listed.iter().map(|path| removal::student(path)).collect();
        self.state.lately.pass(passed, |student| students.contains(student));
        let earlier = Before {
            pending: self.state.pending.as_ref(),
            lately: &self.state.lately,
            step: passed,
            confirmed: confirmed.as_deref(),
        };
        let gone = match removal::decide(&on_disk, &listed, &self.kept, earlier, &settings.photos) {
            Decision::Wait(pending) => {
                self.state.pending = Some(pending);
                return;
            }
            Decision::Remove { photos, settled } => {
                if settled {
                    self.state.lately.settle();
                } else {
                    let left: BTreeSet<&str> = on_disk
                        .iter()
                        .filter(|path| !photos.contains(path))
                        .map(|path| removal::student(path))
                        .collect();
                    let lost = photos.iter().map(|path| removal::student(path));
                    let lost = lost.filter(|student| !students.contains(student) && !left.contains(student));
                    self.state.lately.note(lost.map(str::to_owned));
                }
                photos
            }
        };
        self.state.pending = None;
        self.state.photos.retain(|path, _| local.contains_key(path) || named.contains_key(path));
        let mirror = Arc::clone(&self.mirror);
        let removed = blocking(move || {
            let (mut removed, mut failed) = (Vec::new(), Vec::new());
            for path in gone {
                match mirror.remove(&path) {
                    Ok(()) => removed.push(path),
                    Err(error) if error.stops() => return Ok((removed, failed, Some(error))),
                    Err(error) => failed.push((path, error)),
                }
            }
            Ok((removed, failed, None))
        });
        match removed.await {
            Ok((removed, failed, error)) => {
                self.report.removed = removed.len();
                for (path, error) in failed {
                    self.report.fail(path, error);
                }
                for path in removed {
                    step(Step::Removed { path: &path });
                    self.state.photos.remove(&path);
                }
                self.report.stopped = error;
            }
            Err(error) => self.report.stopped = Some(error),
        }
    }

    /// Brings the students' list beside the photos, or takes it away when a whole listing has it no more.
    pub(super) async fn bring_students(
        &mut self,
        site: &Site,
        place: Option<&Place>,
        erased: &Erased,
        is_incomplete: bool,
    ) {
        let done = match place {
            Some(place) => {
                let known = self.state.students.take();
                let brought = students::bring(site, &self.mirror, place, known.as_ref(), erased).await;
                if brought.is_err() {
                    self.state.students = known;
                }
                brought.map(|validators| self.state.students = validators)
            }
            None if is_incomplete => return,
            None => {
                self.state.students = None;
                let mirror = Arc::clone(&self.mirror);
                blocking(move || mirror.remove(STUDENTS)).await
            }
        };
        match done {
            Err(error) if error.stops() => self.report.stopped = Some(error),
            Err(error) => self.report.fail(STUDENTS, error),
            Ok(()) => {}
        }
    }

    async fn save_state(&self) {
        let (mirror, state) = (Arc::clone(&self.mirror), self.state.clone());
        if let Err(error) = blocking(move || mirror.write(STATE, &state)).await {
            log::warn!("{error}; the next synchronisation fetches more than it would have to");
        }
    }

    pub(super) async fn finish(mut self, source_url: String, zone: &SiteZone) -> Result<Report, Error> {
        self.save_state().await;
        let mirror = Arc::clone(&self.mirror);
        let report = self.report;
        // What could not be done is not a synchronisation, and the photos here are as old as before.
        let worked = report.fault().is_none();
        let last_sync = metadata::written(OffsetDateTime::now_utc(), zone);
        let (downloaded, updated, skipped, removed, failed) =
            (report.new, report.updated, report.unchanged, report.removed, report.failed.len());
        let written = blocking(move || {
            let total_images = mirror.photos()?.len();
            if !worked {
                return Ok(total_images);
            }
            let metadata = Metadata {
                last_sync,
                source_url,
                total_images,
                downloaded,
                updated,
                skipped,
                removed,
                failed,
            };
            mirror.write(METADATA, &metadata).map(|()| total_images)
        });
        self.report = report;
        match written.await {
            Ok(total) => self.report.total = total,
            Err(error) => {
                self.report.stopped.get_or_insert(error);
            }
        }
        Ok(self.report)
    }
}

/// The present, seconds since 1970.
fn now() -> u64 {
    u64::try_from(OffsetDateTime::now_utc().unix_timestamp()).unwrap_or(0)
}
