//! `attendance provision`: what the image's units call. At start, take over what the technician put on the card; later, write
//! back how the appliance can be reached.

use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::Context as _;

use crate::provision::import::{self, Places};
use crate::provision::report::{self, State};

/// Arguments of `provision`.
#[derive(Debug, clap::Args)]
pub(super) struct Arguments {
    /// The card's first partition.
    #[arg(long, value_name = "FOLDER", default_value = "/boot/config")]
    card: PathBuf,
    /// Write attendance-status.txt instead of looking for new files.
    #[arg(long)]
    report: bool,
    /// Folder of the appliance's data, for the certificate's fingerprint.
    #[arg(long, value_name = "FOLDER", default_value = "/var/lib/attendance")]
    data: PathBuf,
}

pub(super) fn execute(arguments: &Arguments) -> anyhow::Result<ExitCode> {
    crate::logging::start(log::LevelFilter::Info);
    let places = Places { card: arguments.card.clone(), ..Places::default() };
    if arguments.report {
        report::publish(&places, &State::of_system(&places, &arguments.data))
            .context("cannot write attendance-status.txt to the card")?;
        return Ok(ExitCode::SUCCESS);
    }
    // A machine without a name, or a card that cannot be read, is no reason not to start.
    match import::name_machine(&places) {
        Ok(Some(name)) => rustix::system::sethostname(name.as_bytes()).context("cannot set the host name")?,
        Ok(None) => {}
        Err(error) => log::warn!("this machine could not be given a name: {error}"),
    }
    report::remember(&places, &import::import(&places)).context("cannot keep what was found on the card")?;
    Ok(ExitCode::SUCCESS)
}
