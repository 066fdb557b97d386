//! The worker that keeps the appliance up to date, where the site wants that.
//!
//! It runs in the service, which may ask RAUC to install what is signed and may ask for a restart on trial by a file that a root
//! unit watches for. Nothing here can commit a system or write to a slot.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::broadcast::error::TryRecvError;
use tokio::time::{Instant, sleep};
use tokio_util::sync::CancellationToken;

use super::install::{self, Source};
use super::offer::{self, Offer};
use super::schedule::{self, Policy, Situation, Step};
use super::store::Places;
use super::under_way::UnderWay;
use super::view::{taken_back, view};
use crate::config::Config;
use crate::event::{Bus, Event};
use crate::moment::{Clock, SiteZone};
use crate::supervisor::Failure;

/// Time between two looks at the situation.
const LOOK: Duration = Duration::from_secs(30);

/// What the worker needs.
#[derive(Clone)]
pub struct Worker {
    /// The configuration.
    pub config: Arc<Config>,
    /// What time it is, and whether that is known.
    pub clock: Arc<dyn Clock>,
    /// The site's zone.
    pub zone: SiteZone,
    /// Where faces before the camera are told.
    pub bus: Bus,
    /// The version that runs.
    pub running: String,
    /// Whether another update comes in; told how far this one is.
    pub under_way: UnderWay,
}

/// The appliance's own folder of updates.
pub fn folder(data_dir: &Path) -> PathBuf {
    data_dir.join("update")
}

/// Asks the root unit to restart into what was installed, on trial.
///
/// # Errors
/// What the file system says.
pub fn ask_for_trial(data_dir: &Path) -> std::io::Result<()> {
    let folder = folder(data_dir);
    std::fs::create_dir_all(&folder)?;
    std::fs::write(folder.join("try"), b"")
}

/// Looks for updates, installs them and asks for their trial as the site's policy says, until `stop`.
///
/// # Errors
/// Never for long: what cannot be had today is tried again tomorrow.
pub async fn run(worker: Worker, stop: CancellationToken) -> Result<(), Failure> {
    let (config, places) = (&worker.config, Places::default());
    let kept = folder(&config.site.data_dir);
    if let Err(error) = view(&places, &kept) {
        log::info!("no updates here: {error}");
        stop.cancelled().await;
        return Ok(());
    }
    let policy = Policy { window: config.update.window, quiet: config.update.quiet };
    let mut faces = worker.bus.subscribe();
    let mut newest_face = Instant::now();
    let mut question =
        Instant::now() + schedule::next_question(config.update.interval, true, fastrand::f64());
    let mut offered: Option<Offer> = None;
    loop {
        tokio::select! {
            () = sleep(LOOK) => {}
            () = stop.cancelled() => return Ok(()),
        }
        loop {
            match faces.try_recv() {
                Ok(event) if is_about_a_face(&event) => newest_face = Instant::now(),
                Ok(_) | Err(TryRecvError::Lagged(_)) => {}
                Err(TryRecvError::Empty | TryRecvError::Closed) => break,
            }
        }
        let seen = view(&places, &kept).map_err(Failure::restart)?;
        let now = worker.clock.now();
        let taken_back = taken_back(&seen);
        let situation = Situation {
            time: now.trusted.then(|| worker.zone.local(now.utc).time()),
            quiet: newest_face.elapsed(),
            question_due: config.update.url.is_some() && Instant::now() >= question,
            running: &worker.running,
            offered: offered.as_ref().map(|offer| offer.version.as_str()),
            taken_back: &taken_back,
            waits_for_trial: seen.waits_for_trial.is_some(),
        };
        match (schedule::next(&policy, &situation), &config.update.url, &offered) {
            (Step::Ask, Some(url), _) => {
                question =
                    Instant::now() + schedule::next_question(config.update.interval, false, fastrand::f64());
                match offer::ask(url, &config.tls).await {
                    Ok(offer) => offered = Some(offer),
                    Err(error) => log::warn!("{error}"),
                }
            }
            (Step::Install, _, Some(offer)) => {
                // A technician's own update comes first.
                let Some(turn) = worker.under_way.begin("fetching") else { continue };
                log::info!("installing version {}", offer.version);
                let source =
                    Source { location: offer.bundle.as_str(), ca_file: config.tls.ca_file.as_deref() };
                let installed = tokio::select! {
                    installed = install::install(source, |at| turn.show(at)) => installed,
                    // RAUC goes on by itself; what it finishes waits for its trial.
                    () = stop.cancelled() => return Ok(()),
                };
                if let Err(error) = installed {
                    log::error!("version {} was not installed: {error}", offer.version);
                }
                // The next question offers it again, and not before.
                offered = None;
            }
            (Step::Try, ..) => {
                log::info!("nobody is there: restarting into the installed update");
                ask_for_trial(&config.site.data_dir).map_err(Failure::restart)?;
            }
            _ => {}
        }
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
    )
}
