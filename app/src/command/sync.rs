//! `attendance sync`: mirror the photos once, or again and again, without the rest of the appliance. Prints
//! what the original printed, in its words: scripts look for them.

use std::path::Path;
use std::process::ExitCode;
use std::time::Duration;

use serde::Serialize;

use backend::sync::account::{Account, ending, failed};
use backend::sync::{Error, FOLDER, Report, Step, confirm_removal, once};
use base::failure::Diagnosis as _;
use base::moment::SiteZone;
use config::Config;
use time::OffsetDateTime;

/// Arguments of `sync`.
#[derive(Debug, clap::Args)]
pub(super) struct Arguments {
    /// Go on until Ctrl-C.
    #[arg(long)]
    continuous: bool,
    /// Seconds between two synchronisations; the configured interval if not given.
    #[arg(long, value_name = "SECONDS", requires = "continuous", value_parser = clap::value_parser!(u64).range(1..=86_400))]
    interval: Option<u64>,
    /// Believe the server that lacks many students: the next synchronisation removes them.
    #[arg(long)]
    confirm_removal: bool,
    /// Print one JSON object a line instead of the original's lines.
    #[arg(long)]
    json: bool,
}

/// What `--json` prints of one synchronisation.
#[derive(Serialize)]
struct Told {
    at: String,
    /// Whether every photo could be had, and nothing waits for a person.
    whole: bool,
    /// Why nothing could be had; none when the server answered.
    error: Option<String>,
    new: usize,
    updated: usize,
    unchanged: usize,
    removed: usize,
    failed: Vec<ToldPhoto>,
}

#[derive(Serialize)]
struct ToldPhoto {
    photo: String,
    reason: String,
}

pub(super) fn execute(path: &Path, arguments: &Arguments) -> anyhow::Result<ExitCode> {
    let config = super::configured(path)?;
    super::as_owner_of(&config.site.data_dir)?;
    if arguments.confirm_removal {
        match confirm_removal(&config.site.data_dir)? {
            // Standard output is for the objects alone.
            confirmed if arguments.json => log::info!("removal confirmed: {}", confirmed.is_some()),
            Some(photos) => {
                println!("Confirmed: {photos} photos will be removed if the server still lacks them.")
            }
            None => println!("No removal waits for confirmation."),
        }
    }
    let pause = arguments.interval.map_or(config.photos.interval, Duration::from_secs);
    super::runtime()?.block_on(async {
        loop {
            let worked = tokio::select! {
                worked = synchronise(&config, arguments.json) => worked?,
                () = super::asked_to_stop() => return Ok(ExitCode::SUCCESS),
            };
            if !arguments.continuous {
                return Ok(ExitCode::from(u8::from(!worked)));
            }
            if !arguments.json {
                println!("\n  Waiting {} seconds until next sync...\n", pause.as_secs());
            }
            tokio::select! {
                () = tokio::time::sleep(pause) => {}
                () = super::asked_to_stop() => return Ok(ExitCode::SUCCESS),
            }
        }
    })
}

/// Synchronises and prints the result; whether every photo could be fetched.
async fn synchronise(config: &Config, in_json: bool) -> anyhow::Result<bool> {
    let erased = crate::erasing::known(config).erased();
    let settings = backend::sync::Settings { erased, ..config.sync() };
    let at = now(&SiteZone::named(&config.site.time_zone)?);
    if in_json {
        let done = once(&settings, &|_| ()).await;
        let told = Told::of(at, done);
        println!("{}", serde_json::to_string(&told)?);
        return Ok(told.whole);
    }
    println!("[{at}] Starting face sync...");
    if let Some(url) = &settings.photos.url {
        println!("  Source: {url}");
    }
    println!("  Cache: {}", settings.data_dir.join(FOLDER).display());
    let (bar, account) = (super::progress_bar("photos"), Account::default());
    let done = once(&settings, &|step| {
        match step {
            Step::Listed { photos, .. } => bar.set_position(photos as u64),
            Step::Photos { total } => {
                bar.set_length(total as u64);
                bar.set_position(0);
            }
            Step::Photo { .. } => bar.inc(1),
            Step::Removed { .. } => {}
        }
        if let Some(line) = account.note(step) {
            bar.suspend(|| println!("  {line}"));
        }
    })
    .await;
    bar.finish_and_clear();
    let report = match done {
        Ok(report) => report,
        Err(error) => {
            println!("  {}", failed(&error.fault()));
            return Ok(false);
        }
    };
    for line in ending(&report) {
        println!("  {line}");
    }
    if report.changed() {
        println!("  A running appliance takes this over with its next synchronisation.");
    }
    Ok(is_whole(&report))
}

impl Told {
    fn of(at: String, done: Result<Report, Error>) -> Self {
        let (report, error) = match done {
            Ok(report) => {
                let fault = report.fault();
                (report, fault)
            }
            Err(error) => (Report::default(), Some(error.fault())),
        };
        let failed = report
            .failed
            .iter()
            .map(|one| ToldPhoto { photo: one.photo.clone(), reason: one.reason.clone() })
            .collect();
        Self {
            at,
            whole: error.is_none() && is_whole(&report),
            error: error.map(|fault| fault.to_string()),
            new: report.new,
            updated: report.updated,
            unchanged: report.unchanged,
            removed: report.removed,
            failed,
        }
    }
}

/// Whether everything could be had, and nothing waits for a person.
fn is_whole(report: &Report) -> bool {
    report.failed.is_empty() && report.fault().is_none() && report.alarm.is_none()
}

/// The present time at the site, `2025-11-09 10:00:15`.
fn now(zone: &SiteZone) -> String {
    journal::storage::timestamp(zone.local(OffsetDateTime::now_utc()))
}
