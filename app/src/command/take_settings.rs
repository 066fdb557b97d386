//! `attendance take-settings`: the helper of root that replaces the configuration file for the service.

use std::path::{Path, PathBuf};
use std::process::ExitCode;

use base::kept;
use provision::network;
use settings::{helper, writer};

/// Where the request lies.
#[derive(Debug, clap::Args)]
pub(super) struct Arguments {
    /// The service's request.
    #[arg(long, value_name = "FILE", default_value = "/var/lib/attendance/settings/request.json")]
    request: PathBuf,
    /// Folder for the answer.
    #[arg(long, value_name = "DIR", default_value = writer::ANSWERS)]
    answers: PathBuf,
}

pub(super) fn execute(config: &Path, arguments: &Arguments) -> anyhow::Result<ExitCode> {
    base::logging::start(log::LevelFilter::Info);
    let places = network::Places::default();
    helper::serve(config, &arguments.request, &arguments.answers, Path::new(kept::FOLDER), &|config| {
        network::apply(&places, &config.network, network::reload)
    })?;
    Ok(ExitCode::SUCCESS)
}
