//! `attendance run`: the appliance.

use std::path::{Path, PathBuf};
use std::process::ExitCode;

use clap::Args;

/// How it runs here.
#[derive(Debug, Args)]
pub(super) struct Arguments {
    /// Write the screen at the door as pictures into this folder: now.png, and one for each thing shown.
    #[arg(long, value_name = "FOLDER")]
    screen: Option<PathBuf>,
}

pub(super) fn execute(path: &Path, arguments: &Arguments) -> anyhow::Result<ExitCode> {
    let config = super::configured(path)?;
    let runtime = super::runtime()?;
    let screen = arguments.screen.clone();
    let done = runtime.block_on(crate::appliance::run(config, screen, super::asked_to_stop()));
    // A thread that hangs must not hold up the end; what matters is on disk.
    runtime.shutdown_background();
    done.map(|()| ExitCode::SUCCESS)
}
