//! `attendance card-key`: what the initramfs asks the program about the key of the card (`wanted_on_card` in
//! its
//! `card.sh`). It prints `tpm`, or `network ADDRESS THUMBPRINT`, or nothing.

use std::path::PathBuf;
use std::process::ExitCode;

/// Arguments of `card-key`.
#[derive(Debug, clap::Args)]
pub(super) struct Arguments {
    /// The settings on the card's first partition.
    #[arg(long, value_name = "FILE")]
    settings: PathBuf,
}

pub(super) fn execute(arguments: &Arguments) -> anyhow::Result<ExitCode> {
    // What is wrong elsewhere in the file is said when it is taken over: the card is encrypted all the same.
    let (config, _) = config::examine(&config::read(&arguments.settings)?);
    if let Some(wanted) = config.card.wanted() {
        println!("{wanted}");
    }
    Ok(ExitCode::SUCCESS)
}
