//! Makes the roster at start and whenever photos change, beside running recognition.

use std::collections::HashSet;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use arc_swap::ArcSwap;
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;

use super::earlier::{earlier, forget};
use super::enrol::{BuildError, build};
use super::folder::{self, Fingerprint};
use super::layout::Folders;
use super::places::Places;
use super::removal::Removal;
use super::report::{Report, Roster};
use super::settings::Settings;
use crate::engine::Engine;
use crate::naming::gallery::SharedGallery;
use base::event::{Bus, Event};
use base::failure::{Failure, Fault};
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
    /// The results of the photos, for the page.
    pub report: Arc<ArcSwap<Report>>,
    /// How far the present enrolment is, photos.
    pub progress: Progress,
    /// Moves when photos changed on disk.
    pub changed: watch::Receiver<u64>,
}

/// Runs until `stop`.
///
/// # Errors
/// [`Failure`] when the models cannot be loaded or the photo folder cannot be read.
pub async fn run(mut shared: Shared, stop: CancellationToken) -> Result<(), Failure> {
    let mut told = HashSet::new();
    let mut removal = Removal::default();
    // A folder of the site's own is filled by hand, and nobody tells.
    let own = shared.settings.photos.url.is_none().then(|| Places::of(&shared.settings).photos);
    let most = shared.settings.photos.max_photos.saturating_mul(2).saturating_add(1_000);
    let settings = Arc::clone(&shared.settings);
    let known = tokio::task::spawn_blocking(move || earlier(&settings)).await.map_err(Failure::restart)?;
    if let Some(roster) = known {
        log::info!(
            "The embedder was changed: {} photos go on with the earlier one until all are embedded again",
            roster.gallery.faces()
        );
        announce(roster, &shared, &mut told);
    }
    loop {
        // Before the models are loaded: until the photos are counted there is one thing to do.
        shared.changed.mark_unchanged();
        let begun = shared.progress.begin();
        let roster = tokio::task::spawn_blocking({
            let (settings, progress, stop) =
                (Arc::clone(&shared.settings), shared.progress.clone(), stop.clone());
            let (mut removal, own) = (std::mem::take(&mut removal), own.clone());
            move || {
                // Before the photos are read: what changes meanwhile is another change.
                let seen = own.map(|folder| Fingerprint::of(&folder, most));
                removal.look_at_folder(&settings);
                (make(&settings, &mut removal, &progress, &stop), removal, seen)
            }
        })
        .await
        .map_err(Failure::restart)?;
        let (roster, decided, seen) = roster;
        removal = decided;
        match roster {
            Ok(roster) => {
                announce(roster, &shared, &mut told);
                forget(&shared.settings.data_dir, shared.settings.recognition.embedder);
            }
            Err(BuildError::Stopped) => return Ok(()),
            Err(error) => return Err(Failure::restart(error)),
        }
        // Finished only now, when the gallery in use has every photo that was there.
        shared.progress.finish(begun);
        tokio::select! {
            () = told_of_change(&mut shared.changed) => {}
            () = folder_changed(own.as_deref(), most, seen) => {}
            // What could not be read, and removals that are not believed yet, are looked at again.
            () = tokio::time::sleep(shared.settings.photos.interval), if own.is_some() => {}
            () = stop.cancelled() => return Ok(()),
        }
    }
}

/// Ends when the mirror reports changed photos; never ends if there is no mirror.
async fn told_of_change(changed: &mut watch::Receiver<u64>) {
    if changed.changed().await.is_err() {
        std::future::pending::<()>().await;
    }
}

/// Ends when the site's own folder has changed; never without one.
async fn folder_changed(own: Option<&Path>, most: usize, seen: Option<Fingerprint>) {
    match own.zip(seen) {
        Some((own, seen)) => folder::changed(own.to_owned(), most, seen).await,
        None => std::future::pending().await,
    }
}

/// Loads the models for as long as it takes: enrolment is rare, and memory is dear.
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
    let mut tell = |path: &str, reason: Fault, event: fn(String, Fault) -> Event| {
        let refusal = (path.to_owned(), reason.to_string());
        if !told.contains(&refusal) {
            shared.bus.publish(event(refusal.0.clone(), reason));
        }
        refusals.insert(refusal);
    };
    let left_out = |path, reason| Event::LeftOut { path, reason };
    for folders in report.folders.iter().filter(|folders| !folders.is_used()) {
        tell(&folders.folder, folders.fault(), left_out);
    }
    for (photo, reason) in report.refused() {
        // What is said of their folder says it of all of them.
        let in_group = |folders: &Folders| !folders.is_used() && folders.folder == photo.roll.as_str();
        if !report.folders.iter().any(in_group) {
            let refused = |photo, reason: Fault| Event::PhotoRefused { photo, reason: reason.to_string() };
            tell(&photo.photo, reason.into(), refused);
        }
    }
    for ignored in &report.ignored {
        tell(&ignored.path, ignored.reason.as_str().into(), left_out);
    }
    for folders in report.folders.iter().filter(|folders| folders.is_used()) {
        let line = (folders.folder.clone(), folders.fault().to_string());
        if !told.contains(&line) {
            log::info!(personal:% = line.0; "{}: {}", line.0, line.1);
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

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use vision::photos::{Layout, Photos};
    use vision::scan::Ignored;

    use super::super::layout::TakenFor;
    use super::super::{PhotoOutcome, PhotoReport};
    use super::*;
    use base::identity::RollNumber;

    #[test]
    fn what_is_left_out_is_told_once_and_a_folder_of_several_people_by_one_event() {
        let photo = |path: &str| PhotoReport {
            photo: path.to_owned(),
            roll: RollNumber::parse(path.split('/').next().unwrap()).unwrap(),
            content: None,
            outcome: PhotoOutcome::Refused { reason: "no face".to_owned() },
        };
        let folders = Folders {
            folder: "2025".to_owned(),
            inside: vec!["2110001".to_owned(), "2110002".to_owned()],
            taken_for: TakenFor::Unknown,
        };
        let ignored = Ignored { path: "2110009/a.HEIC".to_owned(), reason: "a HEIC picture".to_owned() };
        let report = Report {
            photos: vec![photo("2025/2110001/a.jpg"), photo("2025/2110002/a.jpg"), photo("2110003/a.jpg")],
            ignored: vec![ignored],
            folders: vec![folders],
            ..Report::default()
        };
        let shared = Shared {
            settings: Arc::new(Settings {
                photos: Photos { layout: Layout::Auto, ..Photos::default() },
                ..Settings::default()
            }),
            bus: Bus::default(),
            gallery: SharedGallery::default(),
            report: Arc::default(),
            progress: Progress::default(),
            changed: watch::channel(0).1,
        };
        let (mut events, mut told) = (shared.bus.subscribe(), HashSet::new());
        let roster = Roster { report, ..Roster::default() };
        announce(roster.clone(), &shared, &mut told);
        announce(roster, &shared, &mut told);
        let heard: Vec<String> =
            std::iter::from_fn(|| events.try_recv().ok()).map(|event| event.to_string()).collect();
        assert_eq!(heard.len(), 5, "{heard:?}");
        assert!(heard[0].starts_with("Left out: 2025: ") && heard[0].contains("group/roll"), "{heard:?}");
        assert!(
            heard[1].starts_with("Photo 2110003/a.jpg") && heard[2].starts_with("Left out: 2110009/a.HEIC")
        );
        assert!(heard[3].starts_with("Faces enrolled") && heard[4].starts_with("Faces enrolled"));
    }
}
