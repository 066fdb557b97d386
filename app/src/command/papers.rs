//! `attendance papers`: shell completions and manual pages, made from the command line's own description.

use std::path::PathBuf;
use std::process::ExitCode;

use clap::CommandFactory as _;
use clap_complete::Shell;

use super::Cli;

/// Where to.
#[derive(Debug, clap::Args)]
pub(super) struct Arguments {
    /// Folder for the completions: attendance.bash, _attendance (zsh) and attendance.fish.
    #[arg(long, value_name = "DIR")]
    completions: Option<PathBuf>,
    /// Folder for the manual pages: attendance.1 and one for each command.
    #[arg(long, value_name = "DIR")]
    man: Option<PathBuf>,
}

pub(super) fn execute(arguments: &Arguments) -> anyhow::Result<ExitCode> {
    let mut command = Cli::command();
    if let Some(folder) = &arguments.completions {
        std::fs::create_dir_all(folder)?;
        for shell in [Shell::Bash, Shell::Zsh, Shell::Fish] {
            clap_complete::generate_to(shell, &mut command, "attendance", folder)?;
        }
    }
    if let Some(folder) = &arguments.man {
        std::fs::create_dir_all(folder)?;
        clap_mangen::generate_to(command, folder)?;
    }
    Ok(ExitCode::SUCCESS)
}
