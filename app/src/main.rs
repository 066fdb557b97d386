//! The appliance's one program: see [`attendance::command`] for what it can be asked.

#![forbid(unsafe_code)]
use std::process::ExitCode;

fn main() -> ExitCode {
    attendance::command::execute(attendance::command::Cli::of_process())
}
