//! `attendance update`: what a technician at the console, a timer, or a script does about updates.

use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::{Duration, Instant};

use anyhow::Context as _;
use clap::Subcommand;
use rustix::thread::{CapabilitySet, CapabilitySets, set_capabilities};
use serde::Serialize;

use config::Config;
use update::attempt;
use update::attempt::{Attempt, Origin};
use update::eeprom;
use update::install;
use update::install::Source;
use update::network::Network;
use update::newer;
use update::newer::Present;
use update::record::{Before, System};
use update::report;
use update::restart;
use update::schedule::StickRule;
use update::slot::Slot;
use update::start;
use update::stick;
use update::stick::{Desk, Stick, StickError};
use update::store::{Places, Store};
use update::trust;
use update::trust::Signers;
use update::view::{is_noted, present, view};
use update::worker::{ask_for_trial, folder, stick_folder};

/// A camera whose newest frame is older than this is absent.
const FRAME_AGE: Duration = Duration::from_secs(30);

/// How long a stick waits for the health gate to note how the last trial ended: the gate is started after
/// five seconds, and an emulated board needs a minute for it.
const PATIENCE: Duration = Duration::from_secs(180);

/// How long a stick waits for another one: half of what its unit has (attendance-stick@.service), for then
/// its own bundle is to be copied and installed.
const OTHER_STICK: Duration = Duration::from_secs(15 * 60);

/// Time between two looks.
const LOOK: Duration = Duration::from_secs(2);

/// What can be done about updates.
#[derive(Debug, Subcommand)]
pub(super) enum Request {
    /// Say which systems are on the card, and how the last update ended.
    Status {
        /// Print JSON instead of text.
        #[arg(long)]
        json: bool,
    },
    /// Install a bundle (a file or an https address) into the other slot.
    Install {
        /// Path or address.
        bundle: String,
        /// Certificate authorities for the address, PEM, beside the system's.
        #[arg(long)]
        ca_file: Option<PathBuf>,
        /// Restart into it at once; else it waits for `attendance update try`.
        #[arg(long)]
        restart: bool,
    },
    /// Restart into the system that was installed; it is kept if it proves healthy.
    Try,
    /// Restart into the other system, if it is known to be whole; it is kept if it proves healthy. The
    /// version that is left is not installed automatically until somebody acknowledges.
    GoBack,
    /// Acknowledge which updates were rolled back or left: the page stops showing it, and they may be
    /// offered again.
    Acknowledge,
    /// Install the newest bundle of a stick that was plugged in; asked for by attendance-stick@.service.
    #[command(hide = true)]
    FromStick {
        /// The stick's partition.
        device: PathBuf,
        /// An empty folder to mount it at.
        at: PathBuf,
    },
}

pub(super) fn execute(config: &Path, request: &Request) -> anyhow::Result<ExitCode> {
    base::logging::start(log::LevelFilter::Info);
    // A machine without settings, or with settings that this system cannot read, can be updated all the same.
    let config = config::load(config).unwrap_or_default();
    let kept = folder(&config.site.data_dir);
    if let Request::FromStick { device, at } = request {
        return from_stick(&config, device, at);
    }
    super::runtime()?.block_on(async {
        match request {
            Request::Status { json: false } => status(&kept)?,
            Request::Status { json: true } => status_in_json(&kept)?,
            Request::Install { bundle, ca_file, restart } => {
                install(&kept, bundle, ca_file.as_deref()).await?;
                if *restart {
                    begin_trial(Origin::Console, None).await?;
                }
            }
            Request::Try => {
                let (origin, version) =
                    attempt::installed(&kept).map(|came| (came.origin, came.version)).unwrap_or_default();
                begin_trial(origin, version).await?;
            }
            Request::GoBack => {
                Store::open(&Places::default())?.change(|flow| flow.go_back())?;
                begin_trial(Origin::Console, None).await?;
            }
            Request::Acknowledge => acknowledge(&kept)?,
            Request::FromStick { .. } => {}
        }
        Ok(ExitCode::SUCCESS)
    })
}

fn status(kept: &Path) -> anyhow::Result<()> {
    let store = Store::open(&Places::default())?;
    let flow = store.flow()?;
    for slot in [Slot::A, Slot::B] {
        let known = flow.record.known(slot);
        let version = known.system.as_ref().map_or("version unknown", |system| system.version.as_str());
        let mut marks = Vec::new();
        if slot == flow.booted.slot {
            marks.push("running");
        }
        if slot == flow.committed {
            marks.push("committed");
        }
        if slot != flow.booted.slot && slot == flow.primary() {
            marks.push("waits for its trial");
        }
        println!(
            "Slot {slot}: {version}, {:?}{}",
            known.content,
            marks.iter().map(|mark| format!(", {mark}")).collect::<String>()
        );
    }
    if let Some(outcome) = store.history()?.last() {
        println!("{}", outcome.sentence());
    }
    let not_wanted = view(&Places::default(), kept)?.not_wanted;
    if !not_wanted.is_empty() {
        println!(
            "Not installed automatically until `attendance update acknowledge`: {}.",
            not_wanted.join(", ")
        );
    }
    for fault in start::faults(&start::Notes::default()) {
        println!("{fault}");
    }
    let firmware = eeprom::Firmware::read(Path::new(eeprom::CHOSEN));
    println!("{}", eeprom::sentence(Path::new(eeprom::MEMORIES), &firmware));
    if trust::signers(Path::new(trust::KEYRING)) == Signers::Development {
        println!(
            "Whoever has the builder's development keys can sign updates for this image: not for a door in use."
        );
    }
    Ok(())
}

/// What `update status --json` prints.
#[derive(Serialize)]
struct Told {
    slots: Vec<ToldSlot>,
    /// How the last update ended, one sentence; none before the first.
    last: Option<String>,
    /// Versions that are not installed automatically until somebody acknowledges.
    not_wanted: Vec<String>,
    eeprom: String,
    /// Whether whoever has the builder's development keys can sign updates for this image.
    development_keys: bool,
}

#[derive(Serialize)]
struct ToldSlot {
    slot: String,
    version: Option<String>,
    content: String,
    running: bool,
    committed: bool,
    waits_for_its_trial: bool,
}

fn status_in_json(kept: &Path) -> anyhow::Result<()> {
    let store = Store::open(&Places::default())?;
    let flow = store.flow()?;
    let slots = [Slot::A, Slot::B].map(|slot| {
        let known = flow.record.known(slot);
        ToldSlot {
            slot: slot.to_string(),
            version: known.system.as_ref().map(|system| system.version.clone()),
            content: format!("{:?}", known.content).to_lowercase(),
            running: slot == flow.booted.slot,
            committed: slot == flow.committed,
            waits_for_its_trial: slot != flow.booted.slot && slot == flow.primary(),
        }
    });
    super::print_json(&Told {
        slots: slots.into(),
        last: store.history()?.last().map(|outcome| outcome.sentence()),
        not_wanted: view(&Places::default(), kept)?.not_wanted,
        eeprom: eeprom::sentence(
            Path::new(eeprom::MEMORIES),
            &eeprom::Firmware::read(Path::new(eeprom::CHOSEN)),
        ),
        development_keys: trust::signers(Path::new(trust::KEYRING)) == Signers::Development,
    })
}

fn acknowledge(kept: &Path) -> anyhow::Result<()> {
    let history = Store::open(&Places::default())?.history()?;
    match history.last() {
        Some(outcome) => update::view::acknowledge(kept, outcome.trial)?,
        None => println!("There was no update yet."),
    }
    Ok(())
}

async fn install(kept: &Path, bundle: &str, ca_file: Option<&Path>) -> anyhow::Result<()> {
    let bar = super::progress_bar("%");
    bar.set_length(100);
    let done = install::install(Source::new(bundle, ca_file), |progress| {
        bar.set_position(progress.percent.into());
    })
    .await;
    bar.finish_and_clear();
    Attempt::now(Origin::Console, None, &done).note(kept);
    done?;
    println!("Installed. The new system is tried at the next `attendance update try`.");
    Ok(())
}

/// `origin`: how the system to be tried came to the appliance, or who wants it back; `installed`: its
/// version, where it was told.
async fn begin_trial(origin: Origin, installed: Option<String>) -> anyhow::Result<()> {
    // Without a running service nothing is known of its camera and workers; where the new system's runs, they
    // must.
    let report = report::read(Path::new(report::PATH));
    let ailing = |report: &report::Report| {
        let sick = report.workers.iter().filter(|worker| worker.state != "running");
        sick.map(|worker| worker.name.clone()).collect()
    };
    let before = Before {
        system: System::running(),
        service_ran: report.is_some(),
        camera_was_absent: report
            .as_ref()
            .is_some_and(|report| report.camera.newest.is_none_or(|age| age > FRAME_AGE)),
        ailing: report.as_ref().map(ailing).unwrap_or_default(),
        network: Network::of_machine().await,
        origin,
        installed,
    };
    Store::open(&Places::default())?.change(|flow| flow.begin_trial(before))?;
    println!("Restarting into the new system.");
    if let Err(refused) = restart::into_trial().await {
        // Should it restart all the same, the new system makes itself known.
        Store::open(&Places::default())?.change(|flow| Ok(flow.call_off_trial()))?;
        return Err(refused).context("the restart was refused, and the update waits for its trial again");
    }
    Ok(())
}

/// Takes the newest bundle off a stick and installs it. The result is noted for the page.
fn from_stick(config: &Config, device: &Path, at: &Path) -> anyhow::Result<ExitCode> {
    if config.update.stick == StickRule::Off {
        log::info!("a stick was plugged in and is not looked at (update.stick = \"off\")");
        return Ok(ExitCode::SUCCESS);
    }
    let kept = folder(&config.site.data_dir);
    let begun = Instant::now();
    while !is_noted(&Places::default())? {
        anyhow::ensure!(
            begun.elapsed() < PATIENCE,
            "how the last trial ended is not noted; the stick is left alone"
        );
        std::thread::sleep(LOOK);
    }
    let fetched = fetch(device, at, &kept);
    // Mounting is over; what follows needs no privilege.
    let none = CapabilitySet::empty();
    set_capabilities(None, CapabilitySets { effective: none, permitted: none, inheritable: none })?;
    match fetched {
        Ok(None) => Ok(ExitCode::SUCCESS),
        Ok(Some(copied)) => super::runtime()?.block_on(install_copied(config, copied)),
        Err((version, error)) => {
            Attempt::now(Origin::Stick, version.as_deref(), &Err(error)).note(&kept);
            Ok(ExitCode::FAILURE)
        }
    }
}

/// A bundle that came off a stick.
struct Copied {
    bundle: PathBuf,
    /// The version in its name.
    version: String,
    /// What was on the card when it was copied.
    present: Present,
    /// Keeps the bundle.
    desk: Desk,
}

/// A copy of the stick's newest bundle, or nothing when there is nothing to do.
fn fetch(device: &Path, at: &Path, kept: &Path) -> Result<Option<Copied>, (Option<String>, anyhow::Error)> {
    let stick = match Stick::mount(device, at) {
        Ok(stick) => stick,
        // Some sticks look like a file system and like a disk with one partition, and are announced as both.
        Err(StickError::Mount { source }) if source.kind() == std::io::ErrorKind::ResourceBusy => {
            log::info!("the stick is being read already, by its other name");
            return Ok(None);
        }
        Err(error) => return Err((None, error.into())),
    };
    let Some(found) = stick::newest(stick.folder()).map_err(|error| (None, error.into()))? else {
        log::info!("the stick has no attendance-rpi5-*.raucb in its top folder");
        return Ok(None);
    };
    let version = found.version.clone();
    let failed = |error: anyhow::Error| (Some(found.version.clone()), error);
    // A folder of its own: a bundle may come through the page meanwhile. Two sticks take turns, and the
    // second finds what the first one brought.
    let desk = Desk::take(&stick_folder(kept), OTHER_STICK).map_err(|error| failed(error.into()))?;
    let view = view(&Places::default(), kept).map_err(|error| failed(error.into()))?;
    let present = present(&view, &System::running().version);
    match present.admits(&version) {
        Err(objection) if objection.is_satisfied() => {
            log::info!("nothing to do with the stick: {objection}");
            return Ok(None);
        }
        Err(objection) => return Err((Some(version), objection.into())),
        Ok(()) => log::info!("copying version {version} from the stick"),
    }
    let bundle = stick::copy(&found, &desk).map_err(|error| failed(error.into()))?;
    log::info!("version {version} is copied: the stick can be pulled");
    Ok(Some(Copied { bundle, version, present, desk }))
}

async fn install_copied(config: &Config, copied: Copied) -> anyhow::Result<ExitCode> {
    let Copied { bundle, mut version, present, desk } = copied;
    let source = Source::new(bundle.to_str().unwrap_or_default(), None);
    let done = newer::install(source, &present, |signed| signed.clone_into(&mut version), |_| {}).await;
    Attempt::now(Origin::Stick, Some(&version), &done).note(&folder(&config.site.data_dir));
    // Only now that it is noted: another stick finds it.
    drop(desk);
    if done.is_err() {
        return Ok(ExitCode::FAILURE);
    }
    if report::read(Path::new(report::PATH)).is_none() {
        log::warn!("the service does not run, so nobody is disturbed: restarting into the new system");
        ask_for_trial(&config.site.data_dir)?;
    }
    Ok(ExitCode::SUCCESS)
}
