//! Synchronising again and again while the appliance runs.

use std::collections::HashSet;
use std::hash::{DefaultHasher, Hash as _, Hasher as _};
use std::sync::Arc;
use std::time::Duration;

use arc_swap::ArcSwap;
use tokio::sync::{Notify, watch};
use tokio_util::sync::CancellationToken;

use super::account;
use super::account::Account;
use super::confirm::waiting;
use super::mirror::FOLDER;
use super::once::once;
use super::report::Report;
use super::settings::Settings;
use super::step::{Failure as PhotoFailure, Step};
use crate::plain::Reminder;
use base::backoff::Backoff;
use base::event::{Bus, Event};
use base::failure::{Diagnosis as _, Failure};
use base::progress::Progress;
use vision::scan::scan;

/// First pause after a synchronisation that could not be done: at start the network often comes a little
/// later.
const FIRST_PAUSE: Duration = Duration::from_secs(5);

/// Missing photos told of after a synchronisation, in the log and to whoever listens: so many fit the bus. A
/// server that dies fails all of them.
const FAILURES_TOLD: usize = 200;

/// The fingerprint of photos that cannot be read.
const UNREADABLE: u64 = 1;

/// What the worker shares with the rest of the program.
#[derive(Debug, Clone)]
pub struct Worker {
    /// The configuration.
    pub settings: Arc<Settings>,
    /// Told of every synchronisation.
    pub bus: Bus,
    /// Fingerprint of the photos on disk of which the roster was last told: it enrols again when this moves.
    /// 0 at first.
    pub changed: watch::Sender<u64>,
    /// Asks for a synchronisation now.
    pub now: Arc<Notify>,
    /// How far the present one is, photos.
    pub progress: Progress,
    /// What the last one could not have, for the page.
    pub failed: Arc<ArcSwap<Vec<PhotoFailure>>>,
    /// The roster's work: asked for before the roster is told of changed photos, so that there is no moment
    /// at which a photo is neither being fetched nor being enrolled.
    pub enrolling: Progress,
    /// What the last one did, line by line.
    pub account: Arc<ArcSwap<String>>,
}

/// Synchronises at once, then at the configured interval or when asked, until `stop`. A server that cannot be
/// reached is tried again after growing pauses, never longer than the interval.
///
/// # Errors
/// A [`Failure`] to hold when the server refuses the key or the configured trust cannot be set up: it is then
/// tried again seldom.
pub async fn run(worker: Worker, stop: CancellationToken) -> Result<(), Failure> {
    let Some(url) = &worker.settings.photos.url else { return Ok(()) };
    let mut reminder = Reminder::default();
    let mut told = HashSet::new();
    let interval = worker.settings.photos.interval;
    let mut backoff = Backoff::between(FIRST_PAUSE, interval);
    // Before the server has said what there is, there is something to do.
    worker.progress.set(0, 1);
    worker.tell_roster().await;
    // The server may stay away, and the removal waits all the same.
    if let Some(alarm) = waiting(&worker.settings).await {
        worker.bus.publish(alarm.event());
    }
    loop {
        reminder.tell("photos.url", url, &worker.settings.tls);
        let account = Account::default();
        let note = |step: Step<'_>| {
            account.note(step);
            worker.note(step);
        };
        let done = tokio::select! {
            done = once(&worker.settings, &note) => done,
            () = stop.cancelled() => return Ok(()),
        };
        worker.tell_roster().await;
        worker.account.store(Arc::new(match &done {
            Ok(report) => account.text(report),
            Err(error) => account::failed(&error.fault()) + "\n",
        }));
        if let Ok(report) = &done {
            tell(&worker, report, &mut told);
        }
        // Also when it ended early or for good: what cannot be fetched now is not under way.
        worker.progress.set(0, 0);
        let fault = match done {
            Ok(report) => report.fault(),
            Err(error) if error.needs_a_person() => return Err(Failure::hold(error)),
            Err(error) => Some(error.fault()),
        };
        let pause = match fault {
            Some(reason) => {
                let pause = backoff.next_delay();
                let retry_in_s = pause.as_secs();
                worker.bus.publish(Event::SyncFailed { reason, retry_in_s });
                pause
            }
            None => {
                backoff = Backoff::between(FIRST_PAUSE, interval);
                interval
            }
        };
        tokio::select! {
            () = tokio::time::sleep(pause) => {}
            () = worker.now.notified() => {}
            () = stop.cancelled() => return Ok(()),
        }
    }
}

impl Worker {
    /// Tells the roster when the photos on disk have changed since it was last told, no matter who changed
    /// them: `attendance sync` may do so beside this worker. The first time nothing is told, because the
    /// roster reads the photos when it starts.
    async fn tell_roster(&self) {
        let settings = Arc::clone(&self.settings);
        let photos = tokio::task::spawn_blocking(move || fingerprint(&settings)).await.unwrap_or(UNREADABLE);
        self.changed.send_if_modified(|told| {
            let before = std::mem::replace(told, photos);
            let changed = before != 0 && before != photos;
            if changed {
                self.enrolling.ask();
            }
            changed
        });
    }

    fn note(&self, step: Step<'_>) {
        match step {
            Step::Listed { .. } | Step::Removed { .. } => {}
            Step::Photos { total } => self.progress.set(0, total),
            Step::Photo { .. } => self.progress.step(),
        }
    }
}

/// The photos that the roster would find in the mirror, with their sizes, times of change and inodes, as one
/// number.
fn fingerprint(settings: &Settings) -> u64 {
    let photos = &settings.photos;
    match scan(&settings.data_dir.join(FOLDER), photos) {
        Ok(listing) => {
            let mut hasher = DefaultHasher::new();
            for photo in &listing.photos {
                (&photo.path, photo.bytes, photo.modified_ns, photo.inode, photo.changed_ns)
                    .hash(&mut hasher);
            }
            listing.unreadable.hash(&mut hasher);
            hasher.finish()
        }
        Err(error) => {
            log::warn!(personal:% = error.path.display(); "{error}");
            UNREADABLE
        }
    }
}

/// Tells of a synchronisation, and of each photo that it could not have or left out when that is news.
fn tell(worker: &Worker, report: &Report, told: &mut HashSet<PhotoFailure>) {
    let missing: Vec<PhotoFailure> = report.failed.iter().chain(&report.left_out).cloned().collect();
    worker.failed.store(Arc::new(missing.clone()));
    let missing: HashSet<PhotoFailure> = missing.into_iter().collect();
    let mut news: Vec<&PhotoFailure> = missing.difference(told).collect();
    news.sort();
    for failure in news.iter().take(FAILURES_TOLD) {
        let (path, reason) = (failure.photo.clone(), failure.reason.as_str().into());
        worker.bus.publish(Event::LeftOut { path, reason });
    }
    if news.len() > FAILURES_TOLD {
        log::warn!("and {} photos more; the page has them all", news.len() - FAILURES_TOLD);
    }
    *told = missing;
    if report.fault().is_none() {
        worker.bus.publish(report.event());
    } else {
        // What was done until then is kept, and is not a synchronisation.
        log::info!("until the fault: {}", report.event());
    }
    if let Some(alarm) = &report.alarm {
        worker.bus.publish(alarm.event());
    }
}
