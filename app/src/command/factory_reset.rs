//! `attendance factory-reset`: erase everything, and start as freshly flashed.

use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::Context as _;

use crate::reset::{Places, ask, carry_out, check, request, words};
use crate::transfer::import::waiting;
use config::examine;

/// Arguments of `factory-reset`.
#[derive(Debug, clap::Args)]
pub(super) struct Arguments {
    /// The words that erase everything. Without them the command says which these are, and erases nothing.
    words: Vec<String>,
    /// As root: leave the mark for the initramfs, if the service or the card asked. Exit code 1 when nobody
    /// did.
    #[arg(long, hide = true, conflicts_with = "words")]
    asked: bool,
    /// Folder of the appliance's data.
    #[arg(long, hide = true, value_name = "FOLDER", default_value = "/var/lib/attendance")]
    data: PathBuf,
}

pub(super) fn execute(config: &Path, arguments: &Arguments) -> anyhow::Result<ExitCode> {
    let places = Places::default();
    let told = |fault: base::failure::Fault| anyhow::anyhow!("{fault}");
    let device = places.device().map_err(told);
    if arguments.asked {
        base::logging::start(log::LevelFilter::Info);
        if device.is_err() {
            // Not at a later start, when nobody thinks of it any more.
            std::fs::remove_file(request(&arguments.data)).context("the request cannot be removed")?;
        }
        device?;
        let marked = carry_out(&arguments.data, &places.mark).context("nothing is erased")?;
        if marked {
            log::warn!("Factory reset: the next start erases everything on the data partition");
        }
        return Ok(if marked { ExitCode::SUCCESS } else { ExitCode::FAILURE });
    }
    let device = device?;
    let rows = waiting(&examine(&config::read(config).unwrap_or_default()).0).map_err(told)?;
    if arguments.words.is_empty() {
        println!("A factory reset erases all rows, photos, accounts and settings of this device.");
        if rows > 0 {
            println!("{rows} rows are on this device only: let them be delivered first, or export.");
        }
        println!("To erase everything: attendance factory-reset {}", words(&device, rows));
        return Ok(ExitCode::SUCCESS);
    }
    check(&arguments.words.join(" "), &device, rows).map_err(told)?;
    super::as_owner_of(&arguments.data)?;
    ask(&arguments.data).context("nothing is erased")?;
    println!("The device restarts now, and starts as freshly flashed.");
    Ok(ExitCode::SUCCESS)
}
