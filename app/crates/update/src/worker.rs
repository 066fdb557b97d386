//! The worker that keeps the appliance up to date, where the site wants that.
//!
//! It runs in the service, which may ask RAUC to install what is signed and may ask for a restart on trial by
//! a file that a root unit watches for. Nothing here can commit a system or write to a slot.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::Notify;
use tokio::sync::broadcast::error::TryRecvError;
use tokio::time::{Instant, sleep};
use tokio_util::sync::CancellationToken;

use super::attempt::{Attempt, Origin};
use super::fleet::Fleet;
use super::inbox;
use super::install;
use super::install::Source;
use super::newer;
use super::offer;
use super::rollout;
use super::rollout::{Question, Wanted};
use super::schedule;
use super::schedule::{Policy, Situation, Step};
use super::stick;
use super::store::Places;
use super::under_way::{Turn, UnderWay};
use super::view::{SystemsView, is_noted, present, view};
use crate::config::Settings;
use base::event::{Bus, Event};
use base::failure::Failure;
use base::moment::{Clock, SiteZone};
use base::secret::Secret;

/// Time between two looks at the situation.
const LOOK: Duration = Duration::from_secs(30);

/// What the worker needs.
#[derive(Clone)]
pub struct Worker {
    /// The configuration.
    pub settings: Arc<Settings>,
    /// What time it is, and whether that is known.
    pub clock: Arc<dyn Clock>,
    /// The site's zone.
    pub zone: SiteZone,
    /// Where faces before the camera are told.
    pub bus: Bus,
    /// The version that runs.
    pub running: String,
    /// Asked now, and not at the time of the next question.
    pub now: Arc<Notify>,
    /// Whether another update comes in; told how far this one is.
    pub under_way: UnderWay,
}

/// The appliance's own folder of updates.
pub fn folder(data_dir: &Path) -> PathBuf {
    data_dir.join("update")
}

/// Where bundles from sticks are copied to, below [`folder`].
pub fn stick_folder(kept: &Path) -> PathBuf {
    kept.join("stick")
}

/// Removes bundles that a crash left behind. For the start of the program, before anything comes in.
pub fn remove_leftovers(data_dir: &Path) {
    let kept = folder(data_dir);
    let removed = inbox::remove_leftovers(&kept).and_then(|()| stick::remove_leftovers(&stick_folder(&kept)));
    if let Err(error) = removed {
        log::warn!("old update bundles in {} cannot be removed: {error}", kept.display());
    }
}

/// Asks the root unit to restart into what was installed, on trial.
///
/// # Errors
/// An error of the file system.
pub fn ask_for_trial(data_dir: &Path) -> std::io::Result<()> {
    let folder = folder(data_dir);
    std::fs::create_dir_all(&folder)?;
    std::fs::write(folder.join("try"), b"")
}

/// Asks the root unit to restart into the other system, on trial.
///
/// # Errors
/// An error of the file system.
pub fn ask_to_go_back(data_dir: &Path) -> std::io::Result<()> {
    let folder = folder(data_dir);
    std::fs::create_dir_all(&folder)?;
    std::fs::write(folder.join("go-back"), b"")
}

/// Looks for updates, installs them and asks for their trial as the site's policy says, until `stop`.
///
/// # Errors
/// Never for long: what cannot be had today is tried again tomorrow.
pub async fn run(worker: Worker, stop: CancellationToken) -> Result<(), Failure> {
    let (settings, places) = (&worker.settings, Places::default());
    let kept = folder(&settings.data_dir);
    if let Err(error) = view(&places, &kept) {
        log::info!("no updates here: {error}");
        stop.cancelled().await;
        return Ok(());
    }
    let fleet = Fleet::from_config(&settings.fleet, &settings.tls).map_err(Failure::hold)?;
    let policy =
        Policy { window: settings.update.window, quiet: settings.update.quiet, stick: settings.update.stick };
    let mut faces = worker.bus.subscribe();
    let mut newest_face = Instant::now();
    let mut question =
        Instant::now() + schedule::next_question(settings.update.interval, true, fastrand::f64());
    let mut wanted: Option<Wanted> = None;
    loop {
        tokio::select! {
            () = sleep(LOOK) => {}
            () = worker.now.notified() => question = Instant::now(),
            () = stop.cancelled() => return Ok(()),
        }
        loop {
            match faces.try_recv() {
                Ok(event) if is_about_a_face(&event) => newest_face = Instant::now(),
                Ok(_) | Err(TryRecvError::Lagged(_)) => {}
                Err(TryRecvError::Empty | TryRecvError::Closed) => break,
            }
        }
        let noted = is_noted(&places).map_err(Failure::restart)?;
        let seen = view(&places, &kept).map_err(Failure::restart)?;
        if seen.on_trial || !noted {
            continue;
        }
        let now = worker.clock.now();
        let waits_for_trial = seen.waits_for_trial.is_some();
        // The fleet's server is to see that the door lives, also while an update waits.
        let asks = fleet.is_some() || (settings.update.url.is_some() && !waits_for_trial);
        let situation = Situation {
            time: now.trusted.then(|| worker.zone.local(now.utc).time()),
            quiet: newest_face.elapsed(),
            question_due: asks && Instant::now() >= question,
            running: &worker.running,
            offered: wanted.as_ref().map(|wanted| wanted.offer.version.as_str()),
            not_wanted: &seen.not_wanted,
            waits_for_trial,
            from_stick: seen.installed.as_ref().is_some_and(|installed| installed.origin == Origin::Stick),
        };
        match schedule::next(&policy, &situation) {
            Step::Wait => {}
            Step::Ask => {
                let pause;
                (pause, wanted) = worker.ask(fleet.as_ref(), &seen, &kept, wanted).await;
                question = Instant::now() + schedule::next_question(pause, false, fastrand::f64());
            }
            Step::Install => {
                // A technician's own update comes first.
                let Some(turn) = worker.under_way.begin("fetching") else { continue };
                if let Some(wanted) = wanted.take() {
                    tokio::select! {
                        () = worker.install(fleet.as_ref(), &seen, &kept, wanted, &turn) => {}
                        // RAUC goes on alone; what it installs waits for its trial.
                        () = stop.cancelled() => return Ok(()),
                    }
                }
            }
            Step::Try => {
                log::info!("nobody is there: restarting into the installed update");
                ask_for_trial(&settings.data_dir).map_err(|error| {
                    Failure::restart(format!("the restart into the update cannot be asked for: {error}"))
                })?;
            }
        }
    }
}

impl Worker {
    /// Asks the fleet's server, or the address: when to ask again, and what is to be installed.
    async fn ask(
        &self,
        fleet: Option<&Fleet>,
        seen: &SystemsView,
        kept: &Path,
        wanted: Option<Wanted>,
    ) -> (Duration, Option<Wanted>) {
        let usual = self.settings.update.interval;
        match (fleet, &self.settings.update.url) {
            (Some(fleet), _) => {
                match self.question(fleet, seen, kept, wanted.as_ref()).ask(install::inspect).await {
                    Ok(answer) => answer,
                    Err(error) => {
                        log::warn!("{error}");
                        (rollout::RETRY, wanted)
                    }
                }
            }
            (None, Some(url)) => match offer::ask(url, &self.settings.update_tls()).await {
                Ok(offer) => (usual, Some(Wanted { action: None, offer })),
                Err(error) => {
                    log::warn!("{error}");
                    (usual, wanted)
                }
            },
            (None, None) => (usual, None),
        }
    }

    /// Installs what is wanted. What fails comes back with the next question, and not before.
    async fn install(
        &self,
        fleet: Option<&Fleet>,
        seen: &SystemsView,
        kept: &Path,
        wanted: Wanted,
        turn: &Turn,
    ) {
        let Wanted { action, offer } = wanted;
        log::info!("installing version {}", offer.version);
        let header = fleet.and_then(|fleet| fleet.header_for(&offer.bundle));
        let source = Source {
            header: header.as_ref().map(Secret::expose),
            ..Source::new(offer.bundle.as_str(), self.settings.tls.ca_file.as_deref())
        };
        let mut version = offer.version.clone();
        let installed = newer::install(
            source,
            &present(seen, &self.running),
            |signed| signed.clone_into(&mut version),
            |at| turn.show(at),
        )
        .await;
        let (Some(fleet), Some(action)) = (fleet, action) else {
            Attempt::now(Origin::Address, Some(&version), &installed).note(kept);
            return;
        };
        let question = self.question(fleet, seen, kept, None);
        let told = match &installed {
            Ok(()) => question.installed(action, &version).await,
            Err(error) => question.refused(&action, Some(&version), error).await,
        };
        if let Err(error) = told {
            log::warn!("{error}");
        }
    }

    fn question<'a>(
        &'a self,
        fleet: &'a Fleet,
        seen: &'a SystemsView,
        kept: &'a Path,
        wanted: Option<&'a Wanted>,
    ) -> Question<'a> {
        Question { fleet, settings: &self.settings, running: &self.running, seen, kept, wanted }
    }
}

/// Whether somebody stands before the camera.
fn is_about_a_face(event: &Event) -> bool {
    matches!(
        event,
        Event::Hint { .. }
            | Event::Recognised { .. }
            | Event::Stranger { .. }
            | Event::AttackRefused { .. }
            | Event::NotRecorded { .. }
            | Event::OutOpen { .. }
            | Event::Corrected { .. }
    )
}
