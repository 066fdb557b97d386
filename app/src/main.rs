//! The appliance's one program: see [`attendance::command`] for what it can be asked.

use std::process::ExitCode;

use clap::Parser as _;

fn main() -> ExitCode {
    attendance::command::execute(attendance::command::Cli::parse())
}
