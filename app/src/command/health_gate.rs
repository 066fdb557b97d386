//! `attendance health-gate`: run by attendance-health.timer after every start, and by
//! attendance-deadline.timer when it is late.

use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::Duration;

use anyhow::Context as _;
use http::HeaderMap;
use tokio::process::Command;
use tokio::time::timeout;
use url::Url;

use backend::http::{Client, Timeouts};
use update::gate::{Ending, Gate};
use update::health::Limits;
use update::history::LOG_LINES;
use update::network::Network;
use update::record::System;
use update::report;
use update::report::Page;
use update::store::Places;
use update::{golden, restart};

/// For one answer of the page on loopback; an emulated board needs seconds for the handshake.
const PAGE_LIMIT: Duration = Duration::from_secs(15);

/// For the end of the log.
const LOG_LIMIT: Duration = Duration::from_secs(20);

/// Arguments of `health-gate`.
#[derive(Debug, clap::Args)]
pub(super) struct Arguments {
    /// Do not examine: a system that is still on trial failed.
    #[arg(long)]
    overdue: bool,
}

pub(super) fn execute(config: &Path, arguments: &Arguments) -> anyhow::Result<ExitCode> {
    base::logging::start(log::LevelFilter::Info);
    let runtime = super::runtime()?;
    let done = runtime.block_on(run(config, arguments.overdue));
    // A check that hangs must not hold up the end.
    runtime.shutdown_background();
    done
}

async fn run(config: &Path, overdue: bool) -> anyhow::Result<ExitCode> {
    let gate = Gate {
        places: Places::default(),
        report: PathBuf::from(report::PATH),
        limits: Limits::default(),
        config: config.to_owned(),
        needs_disk: true,
    };
    let ending = if overdue {
        gate.overdue(newest_log).await
    } else {
        let models = models_dir(config);
        let models = move || golden::models(&models);
        gate.run(System::running(), models, page_answers, Network::of_machine, newest_log).await
    };
    match ending? {
        Ending::Committed => Ok(ExitCode::SUCCESS),
        Ending::Passed => {
            println!("This system passed its health check and is the committed one.");
            Ok(ExitCode::SUCCESS)
        }
        Ending::Failed(fault) => {
            println!("This system failed its health check ({}: {}); going back.", fault.check, fault.reason);
            restart::into_committed().await;
            Ok(ExitCode::FAILURE)
        }
        Ending::Stays(fault) => {
            println!("This system is not well ({}: {}), and no other starts.", fault.check, fault.reason);
            Ok(ExitCode::FAILURE)
        }
    }
}

/// The folder of the models: a configuration that this system cannot read is judged by the service, not
/// here.
fn models_dir(config: &Path) -> PathBuf {
    config::load(config).unwrap_or_default().models_dir()
}

/// Any answer of the page with the certificate that the service states is enough. Other checks test whether
/// the machine does its work.
async fn page_answers(page: &Page) -> Result<(), String> {
    let asked = async {
        let tls = backend::config::Tls {
            pinned_sha256: Some(page.fingerprint.clone()),
            ..backend::config::Tls::default()
        };
        let client = Client::new(&tls, Timeouts::whole(PAGE_LIMIT))?;
        let url = Url::parse(&format!("https://127.0.0.1:{}/healthz", page.port))?;
        client.get(&url, HeaderMap::new()).await.context("the page does not answer")
    };
    asked.await.map(|_| ()).map_err(|error: anyhow::Error| super::told_once(&error))
}

/// The newest lines of this start's log; what cannot be had is left out.
async fn newest_log() -> Vec<String> {
    let lines = format!("--lines={LOG_LINES}");
    let words = ["--boot", &lines, "--output=short-monotonic", "--no-pager", "--quiet", "--no-hostname"];
    let asked = Command::new("journalctl").args(words).kill_on_drop(true).output();
    match timeout(LOG_LIMIT, asked).await {
        Ok(Ok(done)) => String::from_utf8_lossy(&done.stdout).lines().map(str::to_owned).collect(),
        _ => Vec::new(),
    }
}
