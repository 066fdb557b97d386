//! `attendance run`: the appliance.

use std::os::unix::process::CommandExt as _;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode};
use std::sync::Arc;

use clap::Args;

use crate::appliance::End;
use crate::transfer::take_over::take_over;
use config::Config;
use settings::store::RealDisk;
use settings::trial::{Keeper, Start};

/// How it runs here.
#[derive(Debug, Args)]
pub(super) struct Arguments {
    /// Write the screen at the door as pictures into this folder: now.png, and one for each thing shown.
    #[arg(long, value_name = "FOLDER")]
    screen: Option<PathBuf>,
}

pub(super) fn execute(path: &Path, arguments: &Arguments) -> anyhow::Result<ExitCode> {
    let keeper = Arc::new(Keeper::new(path, Arc::new(RealDisk)));
    // Before anything of the data folder is opened, and before the settings are read.
    let taken_over = take_over(path, &keeper);
    let configured = super::configured(path);
    if configured.is_err() {
        base::logging::start(log::LevelFilter::Info);
    }
    match taken_over {
        Ok(Some(outcome)) if outcome.taken => log::info!("{}", outcome.sentence),
        Ok(Some(outcome)) => log::warn!("{}", outcome.sentence),
        Ok(None) => {}
        Err(fault) => anyhow::bail!("{fault}"),
    }
    if keeper.begin() == Start::Again {
        return Err(start_again().into());
    }
    let done = configured.map_err(anyhow::Error::from).and_then(|config| run(config, arguments, &keeper));
    match done {
        Ok(End::Stopped) => Ok(ExitCode::SUCCESS),
        Ok(End::Restart) => Err(start_again().into()),
        // Settings on trial that do not start, and no others.
        Err(error) if keeper.put_back(&format!("the program did not start with them: {error:#}")) => {
            Err(start_again().into())
        }
        Err(error) => Err(error),
    }
}

fn run(config: Config, arguments: &Arguments, keeper: &Arc<Keeper>) -> anyhow::Result<End> {
    let runtime = super::runtime()?;
    let (screen, keeper) = (arguments.screen.clone(), Some(Arc::clone(keeper)));
    let done = runtime.block_on(crate::appliance::run(config, screen, keeper, super::asked_to_stop()));
    // A thread that hangs must not hold up the end; what matters is on disk.
    runtime.shutdown_background();
    done
}

/// Starts this program again in the same process, so that nothing of the old settings stays and whoever
/// watches over it sees no end. Only returns when that cannot be done.
fn start_again() -> std::io::Error {
    let mut words = std::env::args_os();
    let name = words.next().unwrap_or_else(|| "attendance".into());
    // Also when an update has taken the file's place.
    Command::new("/proc/self/exe").arg0(name).args(words).exec()
}
