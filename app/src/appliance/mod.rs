//! The parts put together: what `attendance run` starts, and what the technician's page sees of it.
//!
//! The order in which workers start is the order in which they stop: first nobody looks any more, then what
//! was seen is written, then what was written is delivered a last time.

pub mod camera_care;
pub mod frame_path;
pub mod hands;
pub mod latest;
pub mod machine;
mod page;
mod self_report;
pub mod technician;
mod updates;

use std::future::Future;
use std::sync::Arc;
use std::time::Duration;

use arc_swap::ArcSwap;
use sd_notify::NotifyState;
use tokio::sync::{Notify, watch};
use tokio_util::sync::CancellationToken;

use crate::appliance::camera_care::Care;
use crate::appliance::frame_path::FramePath;
use crate::appliance::hands::Hands;
use crate::appliance::latest::Memory;
use crate::appliance::page::Page;
use crate::appliance::self_report::{PagePlace, SelfReport};
use crate::appliance::technician::Technician;

use crate::config::Config;
use crate::supervisor::{Supervisor, pet_while};
use backend::sync;
use backend::upload::Uploader;
use base::event::{Bus, narrate};
use base::moment::{CheckedClock, Clock, SiteZone, SystemClock};
use base::progress::Progress;
use recognition::roster;
use recognition::watch::worker::Outputs;
use recognition::{Gallery, SharedGallery};

/// Time for all workers to stop; systemd and Ctrl-C both wait for ten seconds in all.
const STOP_TIME: Duration = Duration::from_secs(6);
/// Time for the last upload after it.
const LAST_UPLOAD_TIME: Duration = Duration::from_secs(3);

/// Runs the appliance until `asked_to_stop`.
///
/// # Errors
/// What keeps it from starting at all: a journal that another process has, a time zone that is none.
/// Everything later is the supervisor's business.
pub async fn run(config: Config, asked_to_stop: impl Future<Output = ()>) -> anyhow::Result<()> {
    let config = Arc::new(config);
    let zone = SiteZone::named(&config.site.time_zone)?;
    let clock: Arc<dyn Clock> = Arc::new(CheckedClock::new(Arc::new(SystemClock::new(config.site.clock))));
    let bus = Bus::default();
    let ended = CancellationToken::new();
    let narrator = tokio::spawn(narrate(bus.subscribe(), ended.clone()));
    log::info!("{}: attendance {} starts", config.site.name, env!("CARGO_PKG_VERSION"));

    let records = journal::open_for(
        config.webhook.url.is_some(),
        &config.site.data_dir,
        &config.attendance,
        zone.clone(),
        Arc::clone(&clock),
        bus.clone(),
    )?;
    let gallery: SharedGallery = Arc::new(ArcSwap::from_pointee(Gallery::default()));
    let report = Arc::new(ArcSwap::from_pointee(roster::Report::default()));
    let sync_now = Arc::new(Notify::new());
    let (syncing, enrolling) = (Progress::default(), Progress::default());
    let missing = Arc::new(ArcSwap::from_pointee(Vec::new()));
    let (photos_changed, changed) = watch::channel(0);
    let (inbox, outbox) = base::sightings::inbox();
    let outputs = Outputs { bus: bus.clone(), sightings: inbox, view: Arc::default() };

    let uploader = Uploader::new(
        &config.webhook,
        &config.tls,
        Arc::clone(&records.ledger),
        Arc::clone(&records.deliveries),
        Arc::clone(&clock),
        bus.clone(),
    )
    .map(Arc::new);
    let mut supervisor = Supervisor::new(bus.clone());
    let board = supervisor.board();
    let memory = Memory::default();
    let memorising = tokio::spawn(memory.clone().listen(bus.subscribe(), Arc::clone(&clock), ended.clone()));
    // Who watches over the program also starts it again; at a desk a person starts it, once.
    let supervised = sd_notify::watchdog_enabled().is_some();
    let care = Arc::new(Care::new(&config.site.data_dir, Arc::clone(&clock), supervised));
    let path = FramePath {
        care: Arc::clone(&care),
        config: Arc::clone(&config),
        clock: Arc::clone(&clock),
        gallery: Arc::clone(&gallery),
        loading: [syncing.clone(), enrolling.clone()],
        outputs: outputs.clone(),
    };
    let counters = path.start(&mut supervisor);
    let recorder = Arc::clone(&records.recorder);
    supervisor
        .start("attendance", move |stop| journal::work(Arc::clone(&recorder), Arc::clone(&outbox), stop));
    let enrolment = roster::worker::Shared {
        settings: Arc::new(config.roster()),
        bus: bus.clone(),
        gallery,
        report: Arc::clone(&report),
        progress: enrolling.clone(),
        changed,
    };
    supervisor.start("roster", move |stop| roster::worker::run(enrolment.clone(), stop));
    let mirror = sync::Worker {
        settings: Arc::new(config.sync()),
        bus: bus.clone(),
        changed: photos_changed,
        now: Arc::clone(&sync_now),
        progress: syncing.clone(),
        failed: Arc::clone(&missing),
    };
    supervisor.start("sync", move |stop| sync::run(mirror.clone(), stop));
    if let Some(uploader) = uploader.clone() {
        supervisor.start("upload", move |stop| Arc::clone(&uploader).work(stop));
    }
    let update_zone = zone.clone();
    let updating = update::under_way::UnderWay::default();
    let technician = Technician {
        config: Arc::clone(&config),
        zone,
        clock: Arc::clone(&clock),
        started: clock.now(),
        board: Arc::clone(&board),
        counters: counters.clone(),
        care: Arc::clone(&care),
        frames: Arc::clone(&outputs.view),
        inbox: outputs.sightings.clone(),
        ledger: Arc::clone(&records.ledger),
        report,
        syncing,
        missing,
        enrolling,
        memory,
        updating: updating.clone(),
    };
    let hands = Hands {
        config: Arc::clone(&config),
        board: Arc::clone(&board),
        bus: bus.clone(),
        sync_now,
        frames: Arc::clone(&outputs.view),
        uploader: uploader.clone(),
        clock: Arc::clone(&clock),
        updating: updating.clone(),
    };
    let updates = update::worker::Worker {
        settings: Arc::new(config.updates()),
        clock: Arc::clone(&clock),
        zone: update_zone,
        bus: bus.clone(),
        running: update::record::System::running().version,
        under_way: updating,
    };
    supervisor.start("update", move |stop| update::worker::run(updates.clone(), stop));
    let place = PagePlace::default();
    let page = Page {
        config: Arc::clone(&config),
        source: Arc::new(technician),
        control: Arc::new(hands),
        bus,
        place: Arc::clone(&place),
    };
    supervisor.start("page", move |stop| page.clone().run(stop));
    let itself = SelfReport {
        board: Arc::clone(&board),
        counters: counters.clone(),
        frames: Arc::clone(&outputs.view),
        page: place,
    };
    let reporter = tokio::spawn(itself.publish(ended.clone()));

    let moving = frame_path::mover(Arc::clone(&board), &outputs);
    let watchdog = tokio::spawn(pet_while(moving, ended.clone()));
    tell_systemd(&[NotifyState::Ready, NotifyState::Status("taking attendance")]);
    tokio::select! {
        () = asked_to_stop => {}
        () = care.given_up() => {}
    }

    tell_systemd(&[NotifyState::Stopping, NotifyState::Status("writing and delivering what is left")]);
    log::info!("Stopping");
    supervisor.stop(STOP_TIME).await;
    if let Some(uploader) = uploader {
        deliver_a_last_time(&uploader).await;
    }
    log::info!(
        "Stopped; {} frames seen, {} of them dropped for newer ones",
        counters.captured(),
        counters.dropped()
    );
    ended.cancel();
    // They end with the token; a panic in one is no reason to say that stopping failed.
    let _ = tokio::join!(narrator, watchdog, memorising, reporter);
    anyhow::ensure!(!care.has_given_up(), "the camera does not come back in this process");
    Ok(())
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
