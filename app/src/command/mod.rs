//! The command line: what a person or systemd may ask of the program.
// The commands are what speaks on standard output; everything else logs.
#![allow(clippy::print_stdout)]

mod boot_slot;
mod cache_status;
mod card_key;
mod check_config;
mod check_connection;
mod check_photos;
#[cfg(feature = "evaluate")]
mod evaluate;
mod factory_reset;
mod health_gate;
mod keys;
mod provision;
mod run;
mod sync;
mod take_settings;
mod transfer;
mod update;
mod upload;

use std::os::unix::fs::MetadataExt as _;
use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::Context as _;
use clap::{Parser, Subcommand};
use rustix::process::{Gid, Uid};
use rustix::thread::{set_thread_groups, set_thread_res_gid, set_thread_res_uid};

use config::{Config, ConfigError};

/// `EX_USAGE` of sysexits.h: the configuration or the command line is wrong, and a restart will not help.
const EXIT_USAGE: u8 = 64;

/// Recognises who comes and goes at a door, and delivers every row to the backend.
#[derive(Debug, Parser)]
#[command(version, about)]
pub struct Cli {
    /// The configuration file.
    #[arg(long, global = true, value_name = "FILE", default_value = "/etc/attendance/attendance.toml")]
    config: PathBuf,
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Run the appliance until SIGTERM or Ctrl-C.
    Run(run::Arguments),
    /// Check the configuration; exit code 64 and the reasons when it is wrong.
    CheckConfig(check_config::Arguments),
    /// Ask the photo server and the webhook whether they answer and take their keys; exit code 1 when one
    /// does not.
    CheckConnection(check_connection::Arguments),
    /// Look at every photo: does it enrol, and if not, why; exit code 3 when a person must act.
    CheckPhotos(check_photos::Arguments),
    /// Mirror the photos from the backend and print the result.
    Sync(sync::Arguments),
    /// Deliver the rows that wait, while the appliance does not run; exit code 3 when rows need a person.
    Upload(upload::Arguments),
    /// Measure how right recognition is, on pictures of yours.
    #[cfg(feature = "evaluate")]
    Evaluate(evaluate::Arguments),
    /// Make a new password for the technician's page.
    Password(keys::Password),
    /// Accounts of people who may log in to the page, beside the technician.
    #[command(subcommand)]
    Account(keys::Account),
    /// API tokens for scripts and monitoring.
    #[command(subcommand)]
    Token(keys::Token),
    /// Write all that this device knows as one encrypted file: for the day on which its board or card dies.
    Export(transfer::Export),
    /// Take over such a file. It is checked now, and taken over when the appliance starts.
    Import(transfer::Import),
    /// On the appliance: erase everything, and start as freshly flashed.
    FactoryReset(factory_reset::Arguments),
    /// For the initramfs: which key the settings ask for.
    #[command(hide = true)]
    CardKey(card_key::Arguments),
    /// On the appliance: take over what the technician put on the card, or report back to it.
    #[command(hide = true)]
    Provision(provision::Arguments),
    /// Answer RAUC about the two systems on the card.
    #[command(subcommand, hide = true)]
    BootSlot(boot_slot::Request),
    /// Decide, after a start, whether this system is kept.
    #[command(hide = true)]
    HealthGate(health_gate::Arguments),
    /// Updates: which systems are on the card, install, try, go back.
    #[command(subcommand)]
    Update(update::Request),
    /// On the appliance, as root: put the settings that the page saved in the place of the file.
    #[command(hide = true)]
    TakeSettings(take_settings::Arguments),
}

impl Cli {
    /// Reads this process's command line, or ends it with an explanation. Called by the name of `boot-slot`
    /// (a link to the program), it is RAUC that calls: RAUC can name a program and no word after it.
    pub fn of_process() -> Self {
        let mut words: Vec<_> = std::env::args_os().collect();
        if words
            .first()
            .is_some_and(|name| std::path::Path::new(name).file_name() == Some("boot-slot".as_ref()))
        {
            words.insert(1, "boot-slot".into());
        }
        Self::parse_from(words)
    }
}

/// Does what the command line asks.
pub fn execute(cli: Cli) -> ExitCode {
    let done = match &cli.command {
        Command::Run(arguments) => run::execute(&cli.config, arguments),
        Command::CheckConfig(arguments) => check_config::execute(&cli.config, arguments),
        Command::CheckConnection(arguments) => check_connection::execute(&cli.config, arguments),
        Command::CheckPhotos(arguments) => check_photos::execute(&cli.config, arguments),
        Command::Sync(arguments) => sync::execute(&cli.config, arguments),
        Command::Upload(arguments) => upload::execute(&cli.config, arguments),
        #[cfg(feature = "evaluate")]
        Command::Evaluate(arguments) => evaluate::execute(&cli.config, arguments),
        Command::Password(arguments) => keys::password(&cli.config, arguments),
        Command::Account(request) => keys::account(&cli.config, request),
        Command::Token(request) => keys::token(&cli.config, request),
        Command::Export(arguments) => transfer::export(&cli.config, arguments),
        Command::Import(arguments) => transfer::import(&cli.config, arguments),
        Command::FactoryReset(arguments) => factory_reset::execute(&cli.config, arguments),
        Command::CardKey(arguments) => card_key::execute(arguments),
        Command::Provision(arguments) => provision::execute(arguments),
        Command::BootSlot(request) => boot_slot::execute(request),
        Command::HealthGate(arguments) => health_gate::execute(&cli.config, arguments),
        Command::Update(request) => update::execute(&cli.config, request),
        Command::TakeSettings(arguments) => take_settings::execute(&cli.config, arguments),
    };
    match done {
        Ok(code) => code,
        Err(error) => {
            eprintln!("attendance: {}", told_once(&error));
            let usage = error.downcast_ref::<ConfigError>().is_some();
            ExitCode::from(if usage { EXIT_USAGE } else { 1 })
        }
    }
}

/// The error and its causes, each said once: our own messages often name their cause already.
fn told_once(error: &anyhow::Error) -> String {
    error.chain().fold(String::new(), |told, cause| match cause.to_string() {
        cause if told.contains(&cause) => told,
        cause if told.is_empty() => cause,
        cause => format!("{told}: {cause}"),
    })
}

/// Prints what a command reports as one JSON value.
fn print_json(told: &impl serde::Serialize) -> anyhow::Result<()> {
    println!("{}", serde_json::to_string_pretty(told)?);
    Ok(())
}

/// Loads the configuration and starts the log at its level.
fn configured(path: &std::path::Path) -> Result<Config, ConfigError> {
    let config = config::load(path)?;
    base::logging::start(config.log.level.into());
    Ok(config)
}

/// As root, goes on as the owner of the data folder: what root leaves there the service could not read, and
/// whoever took the service over could not lead root astray with a link. A folder that is not there yet stays
/// root's to make.
///
/// To be called while the process has one thread, whose ids all later ones inherit.
fn as_owner_of(data_dir: &std::path::Path) -> anyhow::Result<()> {
    if !rustix::process::geteuid().is_root() {
        return Ok(());
    }
    let Ok(folder) = std::fs::metadata(data_dir) else { return Ok(()) };
    let (user, group) = (Uid::from_raw(folder.uid()), Gid::from_raw(folder.gid()));
    if user.is_root() {
        return Ok(());
    }
    set_thread_groups(&[group])
        .and_then(|()| set_thread_res_gid(group, group, group))
        .and_then(|()| set_thread_res_uid(user, user, user))
        .with_context(|| {
            format!("cannot go on as the owner of {}; call this as that user", data_dir.display())
        })
}

/// The runtime of the workers. Two threads: nothing on it computes for long.
fn runtime() -> anyhow::Result<tokio::runtime::Runtime> {
    tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .thread_name("workers")
        .enable_all()
        .build()
        .context("cannot start the runtime")
}

/// Ends with Ctrl-C or SIGTERM.
async fn asked_to_stop() {
    let terminated = async {
        match tokio::signal::unix::signal(tokio::signal::unix::SignalKind::terminate()) {
            Ok(mut signal) => signal.recv().await,
            Err(_) => std::future::pending().await,
        }
    };
    tokio::select! {
        _ = terminated => {}
        _ = tokio::signal::ctrl_c() => {}
    }
}

/// A bar on a terminal; nothing elsewhere, where the log's lines serve.
fn progress_bar(unit: &str) -> indicatif::ProgressBar {
    let style =
        indicatif::ProgressStyle::with_template(&format!("{{bar:30}} {{pos}}/{{len}} {unit} {{eta}}"));
    indicatif::ProgressBar::new(0)
        .with_style(style.unwrap_or_else(|_| indicatif::ProgressStyle::default_bar()))
}
