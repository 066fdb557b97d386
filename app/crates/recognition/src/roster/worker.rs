//! Makes the roster at start and whenever photos change, beside running recognition.

use std::collections::HashSet;
use std::sync::Arc;
use std::time::Duration;

use arc_swap::ArcSwap;
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;

use super::Settings;
use super::earlier::{earlier, forget};
use super::enrol::{BuildError, Places, build};
use super::removal::Removal;
use super::{Report, Roster};
use crate::{Engine, SharedGallery};
use base::event::{Bus, Event};
use base::failure::Failure;
use base::progress::Progress;

/// Photos between two lines in the log about a long enrolment.
const TELL_EVERY: usize = 100;

/// What the worker shares with the others.
#[derive(Clone)]
pub struct Shared {
    /// The configuration.
    pub settings: Arc<Settings>,
    /// Where events go.
    pub bus: Bus,
    /// The gallery that recognition uses.
    pub gallery: SharedGallery,
    /// What became of the photos, for the page.
    pub report: Arc<ArcSwap<Report>>,
    /// How far the present enrolment is, photos.
    pub progress: Progress,
    /// Moves when photos changed on disk.
    pub changed: watch::Receiver<u64>,
}

/// Runs until `stop`.
///
/// # Errors
/// [`Failure`] when the networks cannot be loaded or the photo folder cannot be read.
pub async fn run(mut shared: Shared, stop: CancellationToken) -> Result<(), Failure> {
    let mut told = HashSet::new();
    let mut removal = Removal::default();
    shared.progress.set(0, 1);
    let settings = Arc::clone(&shared.settings);
    let known = tokio::task::spawn_blocking(move || earlier(&settings)).await.map_err(Failure::restart)?;
    if let Some(roster) = known {
        log::info!(
            "The embedder was changed: {} photos go on with the earlier one until all are embedded anew",
            roster.gallery.faces()
        );
        announce(roster, &shared, &mut told);
    }
    loop {
        // Before the networks are loaded: until the photos are counted there is one thing to do.
        shared.progress.set(0, 1);
        let roster = tokio::task::spawn_blocking({
            let (settings, progress, stop) =
                (Arc::clone(&shared.settings), shared.progress.clone(), stop.clone());
            let mut removal = std::mem::take(&mut removal);
            move || (make(&settings, &mut removal, &progress, &stop), removal)
        })
        .await
        .map_err(Failure::restart)?;
        let (roster, seen) = roster;
        removal = seen;
        match roster {
            Ok(roster) => {
                announce(roster, &shared, &mut told);
                forget(&shared.settings.data_dir, shared.settings.recognition.embedder);
            }
            Err(BuildError::Stopped) => return Ok(()),
            Err(error) => return Err(Failure::restart(error)),
        }
        tokio::select! {
            changed = shared.changed.changed() => {
                if changed.is_err() {
                    stop.cancelled().await;
                    return Ok(());
                }
            }
            // A folder of the site's own is filled by hand, and nobody tells.
            () = tokio::time::sleep(shared.settings.photos.interval), if shared.settings.photos.url.is_none() => {}
            () = stop.cancelled() => return Ok(()),
        }
    }
}

/// Loads the networks for as long as it takes: enrolment is rare, and memory is dear.
fn make(
    settings: &Settings,
    removal: &mut Removal,
    progress: &Progress,
    stop: &CancellationToken,
) -> Result<Roster, BuildError> {
    let mut engine = Engine::load(&settings.models_dir, &settings.recognition)?;
    let mut last = std::time::Instant::now();
    let mut looked_at = |done: usize, total: usize| {
        progress.set(done, total);
        if done > 0 && done.is_multiple_of(TELL_EVERY) && last.elapsed() > Duration::from_secs(2) {
            last = std::time::Instant::now();
            log::info!("Enrolling: {done} of {total} photos");
        }
        !stop.is_cancelled()
    };
    build(&Places::of(settings), &settings.photos, &mut engine, removal, &mut looked_at)
}

fn announce(roster: Roster, shared: &Shared, told: &mut HashSet<(String, String)>) {
    let Roster { gallery, report } = roster;
    let mut refusals = HashSet::new();
    for (photo, reason) in report.refused() {
        let refusal = (photo.photo.clone(), reason.to_owned());
        if !told.contains(&refusal) {
            shared.bus.publish(Event::PhotoRefused { photo: refusal.0.clone(), reason: refusal.1.clone() });
        }
        refusals.insert(refusal);
    }
    for ignored in &report.ignored {
        let line = (ignored.path.clone(), ignored.reason.clone());
        if !told.contains(&line) {
            log::warn!("photo folder, {}: {}", ignored.path, ignored.reason);
        }
        refusals.insert(line);
    }
    for pair in &report.alike {
        let line = (format!("{} {}", pair.one, pair.other), String::new());
        if !told.contains(&line) {
            log::warn!(
                personal_one:% = pair.one, personal_other:% = pair.other;
                "{} and {} look like one person (similarity {:.2}); check their photos",
                pair.one,
                pair.other,
                pair.similarity
            );
        }
        refusals.insert(line);
    }
    *told = refusals;
    shared.bus.publish(Event::RosterReady {
        students: gallery.people(),
        photos: gallery.faces(),
        refused: report.refused().count(),
    });
    shared.gallery.store(Arc::new(gallery));
    shared.report.store(Arc::new(report));
}
