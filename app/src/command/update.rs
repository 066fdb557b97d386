//! `attendance update`: what a technician at the console, a timer, or a script does about updates.

use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::Duration;

use clap::Subcommand;

use crate::update::eeprom;
use crate::update::install::{self, Source};
use crate::update::record::{Before, System};
use crate::update::report;
use crate::update::restart;
use crate::update::slot::Slot;
use crate::update::store::{Places, Store};
use crate::update::worker::folder;

/// A camera whose newest frame is older than this is absent.
const FRAME_AGE: Duration = Duration::from_secs(30);

/// What can be done about updates.
#[derive(Debug, Subcommand)]
pub(super) enum Request {
    /// Say which systems are on the card, and how the last update ended.
    Status,
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
    /// Restart into the other system, if it is known to be whole; it is kept if it proves healthy.
    GoBack,
    /// Say that it is known that the last update was taken back: the page stops showing it, and its version may be offered again.
    Acknowledge,
}

pub(super) fn execute(config: &Path, request: &Request) -> anyhow::Result<ExitCode> {
    crate::logging::start(log::LevelFilter::Info);
    super::runtime()?.block_on(async {
        match request {
            Request::Status => status()?,
            Request::Install { bundle, ca_file, restart } => {
                install(bundle, ca_file.as_deref()).await?;
                if *restart {
                    begin_trial().await?;
                }
            }
            Request::Try => begin_trial().await?,
            Request::GoBack => {
                Store::open(&Places::default())?.change(|flow| flow.go_back())?;
                begin_trial().await?;
            }
            Request::Acknowledge => acknowledge(config)?,
        }
        Ok(ExitCode::SUCCESS)
    })
}

fn status() -> anyhow::Result<()> {
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
    match eeprom::advice(Path::new(eeprom::MEMORIES)) {
        None => println!("The EEPROM's settings cannot be seen from here."),
        Some(advice) => {
            for missing in advice {
                println!("Set {} with `rpi-eeprom-config --edit`: {}.", missing.setting, missing.purpose);
            }
        }
    }
    Ok(())
}

fn acknowledge(config: &Path) -> anyhow::Result<()> {
    let data_dir = crate::config::load(config).unwrap_or_default().site.data_dir;
    let history = Store::open(&Places::default())?.history()?;
    match history.last() {
        Some(outcome) => crate::update::view::acknowledge(&folder(&data_dir), outcome.trial)?,
        None => println!("There was no update yet."),
    }
    Ok(())
}

async fn install(bundle: &str, ca_file: Option<&Path>) -> anyhow::Result<()> {
    let bar = super::progress_bar("%");
    bar.set_length(100);
    let done = install::install(Source { location: bundle, ca_file }, |progress| {
        bar.set_position(progress.percent.into());
    })
    .await;
    bar.finish_and_clear();
    done?;
    println!("Installed. The new system is tried at the next `attendance update try`.");
    Ok(())
}

async fn begin_trial() -> anyhow::Result<()> {
    // Without a running service nothing is known of it; then the new system must do everything.
    let report = report::read(Path::new(report::PATH));
    let ailing = |report: &report::Report| {
        let sick = report.workers.iter().filter(|worker| worker.state != "running");
        sick.map(|worker| worker.name.clone()).collect()
    };
    let before = Before {
        system: System::running(),
        camera_was_absent: report
            .as_ref()
            .is_some_and(|report| report.camera.newest.is_none_or(|age| age > FRAME_AGE)),
        ailing: report.as_ref().map(ailing).unwrap_or_default(),
    };
    Store::open(&Places::default())?.change(|flow| flow.begin_trial(before))?;
    println!("Restarting into the new system.");
    restart::into_trial().await?;
    Ok(())
}
