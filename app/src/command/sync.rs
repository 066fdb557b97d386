//! `attendance sync`: mirror the photos once, or again and again, without the rest of the appliance.

use std::path::Path;
use std::process::ExitCode;
use std::time::Duration;

use crate::config::Config;
use backend::sync::{Report, Step, confirm_removal, once};

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
}

pub(super) fn execute(path: &Path, arguments: &Arguments) -> anyhow::Result<ExitCode> {
    let config = super::configured(path)?;
    super::as_owner_of(&config.site.data_dir)?;
    if arguments.confirm_removal {
        match confirm_removal(&config.site.data_dir)? {
            Some(photos) => {
                println!("Confirmed: {photos} photos will be removed if the server still lacks them.")
            }
            None => println!("No removal waits for confirmation."),
        }
    }
    let pause = arguments.interval.map_or(config.photos.interval, Duration::from_secs);
    super::runtime()?.block_on(async {
        loop {
            let done = tokio::select! {
                done = synchronise(&config) => done,
                () = super::asked_to_stop() => return Ok(ExitCode::SUCCESS),
            };
            match done {
                Ok(whole) if !arguments.continuous => return Ok(ExitCode::from(u8::from(!whole))),
                Ok(_) => {}
                Err(error) if !arguments.continuous => return Err(error),
                Err(error) => log::error!("{error}; next try in {} s", pause.as_secs()),
            }
            tokio::select! {
                () = tokio::time::sleep(pause) => {}
                () = super::asked_to_stop() => return Ok(ExitCode::SUCCESS),
            }
        }
    })
}

/// Synchronises and prints the result; whether every photo could be fetched.
async fn synchronise(config: &Config) -> anyhow::Result<bool> {
    let bar = super::progress_bar("photos");
    let report = once(&config.sync(), &|step| match step {
        Step::Listed { photos, .. } => bar.set_position(photos as u64),
        Step::Photos { total } => {
            bar.set_length(total as u64);
            bar.set_position(0);
        }
        Step::Photo { .. } => bar.inc(1),
    })
    .await;
    bar.finish_and_clear();
    let report = report?;
    print!("{}", summary(&report));
    if report.changed() {
        println!("A running appliance takes this over with its next synchronisation.");
    }
    Ok(report.failed.is_empty() && report.stopped.is_none() && report.alarm.is_none())
}

/// What the original printed, and what is wrong beside it.
fn summary(report: &Report) -> String {
    use std::fmt::Write as _;
    let mut text = String::new();
    for failure in &report.failed {
        let _ = writeln!(text, "failed: {}: {}", failure.photo, failure.reason);
    }
    if let Some(alarm) = &report.alarm {
        let _ = writeln!(text, "alarm: {}", alarm.event());
    }
    if let Some(error) = &report.stopped {
        let _ = writeln!(text, "stopped: {error}");
    }
    let counts = [
        ("New", report.new),
        ("Updated", report.updated),
        ("Unchanged", report.unchanged),
        ("Removed", report.removed),
        ("Failed", report.failed.len()),
    ];
    for (name, count) in counts {
        let _ = writeln!(text, "{:<10} {count}", format!("{name}:"));
    }
    text
}
