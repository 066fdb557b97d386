//! `attendance provision`: what the image's units call. At start, take over what the technician put on the
//! card; later, write back how the appliance can be reached.

use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::Context as _;

use crate::reset;
use crate::transfer::import::waiting;
use provision::card_key;
use provision::import;
use provision::import::Places;
use provision::network;
use provision::report;
use provision::report::State;

/// Arguments of `provision`.
#[derive(Debug, clap::Args)]
pub(super) struct Arguments {
    /// The card's first partition.
    #[arg(long, value_name = "FOLDER", default_value = "/boot/config")]
    card: PathBuf,
    /// Write attendance-status.txt and the console's text instead of looking for new files.
    #[arg(long)]
    report: bool,
    /// Folder of the appliance's data, for the certificate's fingerprint.
    #[arg(long, value_name = "FOLDER", default_value = "/var/lib/attendance")]
    data: PathBuf,
}

pub(super) fn execute(arguments: &Arguments) -> anyhow::Result<ExitCode> {
    base::logging::start(log::LevelFilter::Info);
    let places = Places { card: arguments.card.clone(), ..Places::default() };
    if arguments.report {
        let state = State::of_system(&places, &arguments.data);
        match report::show(Path::new(report::ISSUE_FILE), &state) {
            Ok(false) => {}
            Ok(true) => {
                if let Err(error) = report::refresh_consoles() {
                    log::warn!("the console shows its new text at the next key: {error}");
                }
            }
            Err(error) => log::warn!("the console does not show how the appliance can be reached: {error}"),
        }
        report::publish(&places, &state).context("cannot write attendance-status.txt to the card")?;
        return Ok(ExitCode::SUCCESS);
    }
    // A machine without a name, or a card that cannot be read, is not a reason not to start.
    match import::name_machine(&places) {
        Ok(Some(name)) => set_name(&name),
        Ok(None) => {}
        Err(error) => log::warn!("this machine could not be given a name: {error}"),
    }
    if let Err(error) = import::keep_identity(&places) {
        log::warn!("this machine's identity is another one after the next start: {error}");
    }
    let settings = places.etc.join("attendance/attendance.toml");
    let mut outcomes = import::import(&places);
    // With the settings that are in force now.
    let rows = || {
        let text = config::read(&settings).unwrap_or_default();
        waiting(&config::examine(&text).0)
    };
    outcomes.extend(reset::card::look(
        &places.card,
        &arguments.data,
        reset::Places::default().device(),
        rows,
    ));
    // Raspberry Pi Imager's dialog may have named the machine.
    let named = std::fs::read_to_string(places.etc.join("hostname")).unwrap_or_default();
    let named = named.trim();
    if !named.is_empty() && named.as_bytes() != rustix::system::uname().nodename().to_bytes() {
        set_name(named);
    }
    // Nothing before the network keeps the machine out of it.
    if let Err(error) = report::remember(&places, &outcomes) {
        log::error!("attendance-status.txt does not say what was found on the card: {error}");
    }
    // Whatever cannot be read or written here leaves the network to DHCP.
    if let Ok(config) = config::load(&settings)
        && let Err(error) = card_key::write(Path::new(card_key::FILE), &config.card)
    {
        log::error!("card.key of the settings does not come into force: {error}");
    }
    if let Err(error) = network::at_start(&network::Places::default(), &settings) {
        log::error!("the settings of the network are not in force, and DHCP is used: {error}");
    }
    Ok(ExitCode::SUCCESS)
}

/// A machine under another name can be reached by its address.
fn set_name(name: &str) {
    if let Err(error) = rustix::system::sethostname(name.as_bytes()) {
        log::error!("the host name cannot be set to {name}: {error}");
    }
}
