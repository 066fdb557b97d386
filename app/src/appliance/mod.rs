//! The parts put together: what `attendance run` starts, and what the technician's page sees of it.
//!
//! The order in which workers start is the order in which they stop: first nobody looks any more, then what
//! was seen is written, then what was written is delivered a last time.

mod answer;
mod assembly;
mod at_the_door;
mod between_doors;
pub mod camera_care;
mod corrections;
pub mod door_pictures;
pub mod enrolment;
pub mod erasing;
pub mod frame_path;
pub mod hands;
pub mod known_photos;
pub mod latest;
pub mod machine;
pub mod office;
mod other_doors;
mod page;
mod refused_photos;
mod school;
mod self_report;
pub mod students;
pub mod systems;
pub mod technician;
mod updates;

use std::future::Future;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use sd_notify::NotifyState;
use tokio_util::sync::CancellationToken;

use crate::appliance::assembly::Assembly;
use crate::supervisor::{Supervisor, pet_while};
use backend::upload::Uploader;
use base::event::{Bus, narrate};
use base::moment::{CheckedClock, Clock, SystemClock};
use config::Config;
use settings::trial::Keeper;

/// Time for all workers to stop; systemd and Ctrl-C both wait for ten seconds in all.
const STOP_TIME: Duration = Duration::from_secs(6);
/// Time for the last upload after it.
const LAST_UPLOAD_TIME: Duration = Duration::from_secs(3);

/// Why the appliance has ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum End {
    /// It was asked to stop.
    Stopped,
    /// Other settings are to be taken over: the program shall start itself again.
    Restart,
}

/// Runs the appliance until `asked_to_stop`, or until `keeper` wants it to start again with other settings.
/// `screen` is a folder for pictures of the screen at the door.
///
/// # Errors
/// What keeps it from starting at all: a journal that another process has, or an unknown time zone.
/// Everything later is the supervisor's business.
pub async fn run(
    config: Config,
    screen: Option<PathBuf>,
    keeper: Option<Arc<Keeper>>,
    asked_to_stop: impl Future<Output = ()>,
) -> anyhow::Result<End> {
    let clock: Arc<dyn Clock> = Arc::new(CheckedClock::new(Arc::new(SystemClock::new(config.site.clock))));
    let bus = Bus::default();
    let ended = CancellationToken::new();
    let narrator = tokio::spawn(narrate(bus.subscribe(), ended.clone()));
    log::info!("{}: attendance {} starts", config.site.name, env!("CARGO_PKG_VERSION"));

    // Who watches over the program also starts it again; at a desk a person starts it, once.
    let supervised = sd_notify::watchdog_enabled().is_some();
    let assembly =
        Assembly::new(config, screen, Arc::clone(&clock), bus.clone(), supervised, keeper.clone())?;
    // The journal's lock says that no other process of ours takes in an update.
    update::worker::remove_leftovers(&assembly.config.site.data_dir);
    let memorising = tokio::spawn(assembly.memory.clone().listen(bus.subscribe(), clock, ended.clone()));
    let mut supervisor = Supervisor::new(bus);
    let counters = assembly.start(&mut supervisor);
    let board = supervisor.board();
    let reporter = tokio::spawn(assembly.report_itself(Arc::clone(&board), counters.clone(), ended.clone()));
    let moving = frame_path::mover(board, &assembly.outputs);
    let watchdog = tokio::spawn(pet_while(moving, ended.clone()));
    tell_systemd(&[NotifyState::Ready, NotifyState::Status("taking attendance")]);
    if let Some(keeper) = &keeper {
        tokio::spawn(Arc::clone(keeper).watch());
    }
    let restart_wanted = async {
        match &keeper {
            Some(keeper) => keeper.restart_wanted().await,
            None => std::future::pending().await,
        }
    };
    let end = tokio::select! {
        () = asked_to_stop => End::Stopped,
        () = assembly.care.given_up() => End::Stopped,
        () = restart_wanted => End::Restart,
        () = assembly.erasing.restart_wanted() => End::Restart,
    };

    match end {
        End::Stopped => {
            tell_systemd(&[
                NotifyState::Stopping,
                NotifyState::Status("writing and delivering what is left"),
            ]);
            log::info!("Stopping");
            if let Some(keeper) = keeper.filter(|_| !assembly.care.has_given_up()) {
                keeper.stopped();
            }
        }
        // To systemd the service goes on: it is the same process.
        End::Restart => {
            tell_systemd(&[NotifyState::Status("restarting")]);
            log::info!("Restarting");
        }
    }
    supervisor.stop(STOP_TIME).await;
    if let Some(uploader) = &assembly.uploader {
        deliver_a_last_time(uploader).await;
    }
    log::info!(
        "Stopped; {} frames seen, {} of them dropped for newer ones",
        counters.captured(),
        counters.dropped()
    );
    ended.cancel();
    // They end with the token; a panic in one is not a reason to say that stopping failed.
    let _ = tokio::join!(narrator, watchdog, memorising, reporter);
    anyhow::ensure!(!assembly.care.has_given_up(), "the camera does not come back in this process");
    Ok(end)
}

async fn deliver_a_last_time(uploader: &Uploader) {
    let report = uploader.once(LAST_UPLOAD_TIME).await;
    match report.failure {
        Some(failure) => log::warn!("{} rows stay for the next start: {failure}", report.backlog),
        None if report.backlog > 0 => log::warn!("{} rows stay for the next start", report.backlog),
        None => log::info!("Every row is delivered"),
    }
}

/// Without systemd this does nothing.
fn tell_systemd(state: &[NotifyState<'_>]) {
    if let Err(error) = sd_notify::notify(state) {
        log::warn!("cannot reach systemd: {error}");
    }
}
