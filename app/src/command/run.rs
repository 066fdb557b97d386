//! `attendance run`: the appliance.

use std::path::Path;
use std::process::ExitCode;

pub(super) fn execute(path: &Path) -> anyhow::Result<ExitCode> {
    let config = super::configured(path)?;
    let runtime = super::runtime()?;
    let done = runtime.block_on(crate::appliance::run(config, super::asked_to_stop()));
    // A thread that hangs must not hold up the end; what matters is on disk.
    runtime.shutdown_background();
    done.map(|()| ExitCode::SUCCESS)
}
