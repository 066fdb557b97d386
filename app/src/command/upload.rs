//! `attendance upload`: deliver what waits, without the rest of the appliance.

use std::path::Path;
use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;

use anyhow::bail;
use serde::Serialize;

use backend::upload::{Report, Uploader};
use base::event::{Bus, Event};
use base::moment::{CheckedClock, Clock, SiteZone, SystemClock};
use config::Config;
use journal::storage::{Ledger, Progress};

/// Exit code when rows need a person.
const EXIT_NEEDS_PERSON: u8 = 3;
/// Longest upload. A year's rows of a school take minutes; this ends what a dripping server would make
/// endless.
const LONGEST: Duration = Duration::from_secs(4 * 3600);

/// Arguments of `upload`.
#[derive(Debug, clap::Args)]
pub(super) struct Arguments {
    /// First put this row, of those that need a person, back among those to be delivered.
    #[arg(long, value_name = "ROW")]
    retry: Vec<u64>,
    /// First take this row off the list of those that need a person, for good.
    #[arg(long, value_name = "ROW")]
    dismiss: Vec<u64>,
    /// Print JSON instead of text.
    #[arg(long)]
    json: bool,
}

/// What `--json` prints.
#[derive(Serialize)]
struct Told {
    stored: usize,
    had: usize,
    refused: usize,
    waiting: usize,
    no_clock: usize,
    open_out: usize,
    /// Why the delivery stopped early; none if it was completed.
    error: Option<String>,
    needs_person: Vec<ToldRow>,
}

#[derive(Serialize)]
struct ToldRow {
    row: u64,
    roll: String,
    status: &'static str,
    timestamp: String,
    reason: String,
}

pub(super) fn execute(path: &Path, arguments: &Arguments) -> anyhow::Result<ExitCode> {
    let config = super::configured(path)?;
    super::as_owner_of(&config.site.data_dir)?;
    super::runtime()?.block_on(async {
        tokio::select! {
            done = upload(&config, arguments) => done,
            () = super::asked_to_stop() => Ok(ExitCode::FAILURE),
        }
    })
}

async fn upload(config: &Config, arguments: &Arguments) -> anyhow::Result<ExitCode> {
    let zone = SiteZone::named(&config.site.time_zone)?;
    let clock: Arc<dyn Clock> = Arc::new(CheckedClock::new(Arc::new(SystemClock::new(config.site.clock))));
    let bus = Bus::default();
    let records = journal::open(&config.site.data_dir, config.rows(), zone, Arc::clone(&clock), bus.clone())?;
    // Rows that waited for the clock get their time where it is known now, and days that are over are closed.
    records.with_recorder(journal::Recorder::tick);
    let ledger = Arc::clone(&records.ledger);
    let deliveries = Arc::clone(&records.deliveries);
    let uploader = Uploader::new(
        &config.webhook,
        &config.tls,
        Arc::clone(&ledger),
        deliveries,
        Arc::clone(&clock),
        bus.clone(),
    );
    let uploader = uploader.map(|uploader| uploader.of_door(&config.site.name));
    let Some(uploader) = uploader else {
        bail!("webhook.url is not set: there is nowhere to deliver to");
    };
    for row in &arguments.retry {
        uploader.retry(*row).await?;
    }
    for row in &arguments.dismiss {
        uploader.dismiss(*row).await?;
    }
    let doubted = clock.doubt().is_some();
    let mut report = with_progress(&uploader, &ledger, &bus).await;
    if doubted && report.failure.is_none() && clock.doubt().is_none() {
        // The webhook's clock agreed: the rows that were held have their time now.
        records.with_recorder(journal::Recorder::tick);
        report = with_progress(&uploader, &ledger, &bus).await;
    }
    if let Some(doubt) = clock.doubt() {
        log::warn!("{doubt}; rows seen since then wait until somebody confirms the time on the page");
    }
    if arguments.json {
        super::print_json(&told(&report, &ledger))?;
    } else {
        print!("{}", summary(&report, &ledger));
    }
    if let Some(failure) = report.failure {
        bail!("{failure}");
    }
    let someone = ledger.summary().needs_person > 0;
    Ok(if someone { ExitCode::from(EXIT_NEEDS_PERSON) } else { ExitCode::SUCCESS })
}

async fn with_progress(uploader: &Uploader, ledger: &Ledger, bus: &Bus) -> Report {
    let bar = super::progress_bar("rows");
    let total = ledger.open_count();
    bar.set_length(total as u64);
    let mut heard = bus.subscribe();
    let show = async {
        while let Ok(event) = heard.recv().await {
            if let Event::Delivered { .. } = event {
                bar.set_position(total.saturating_sub(ledger.open_count()) as u64);
            }
        }
        std::future::pending().await
    };
    let report = tokio::select! {
        report = uploader.once(LONGEST) => report,
        report = show => report,
    };
    bar.finish_and_clear();
    report
}

fn told(report: &Report, ledger: &Ledger) -> Told {
    let summary = ledger.summary();
    let needs_person = ledger.needs_person().into_iter().filter_map(|row| match row.progress {
        Progress::NeedsPerson(reason) => Some(ToldRow {
            row: row.id,
            roll: row.roll.to_string(),
            status: row.status,
            timestamp: row.timestamp,
            reason,
        }),
        _ => None,
    });
    Told {
        needs_person: needs_person.collect(),
        stored: report.created,
        had: report.duplicates,
        refused: report.refused,
        waiting: report.backlog,
        no_clock: summary.awaiting_clock,
        open_out: summary.open_outs,
        error: report.failure.clone(),
    }
}

fn summary(report: &Report, ledger: &Ledger) -> String {
    use std::fmt::Write as _;
    let mut text = String::new();
    for row in ledger.needs_person() {
        if let Progress::NeedsPerson(reason) = &row.progress {
            let _ = writeln!(
                text,
                "needs a person: row {}: {} {} {}: {reason}",
                row.id, row.roll, row.status, row.timestamp
            );
        }
    }
    let counts = [
        ("Stored", report.created),
        ("Had", report.duplicates),
        ("Refused", report.refused),
        ("Waiting", report.backlog),
        ("No clock", ledger.summary().awaiting_clock),
        ("Open OUT", ledger.summary().open_outs),
    ];
    for (name, count) in counts {
        let _ = writeln!(text, "{:<10} {count}", format!("{name}:"));
    }
    text
}
