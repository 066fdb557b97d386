//! `attendance export` and `attendance import`: all that a device knows as one encrypted file.

use std::fs::{File, OpenOptions};
use std::io::{self, BufRead, BufReader, BufWriter, IsTerminal as _, Read, Write as _};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::Context as _;
use rustix::termios::{LocalModes, OptionalActions, SpecialCodeIndex, tcgetattr, tcsetattr};

use crate::transfer;
use base::secret::Secret;
use config::examine;

/// Arguments of `export`.
#[derive(Debug, clap::Args)]
pub(super) struct Export {
    /// The file to be written; it must not exist.
    file: PathBuf,
}

/// Arguments of `import`.
#[derive(Debug, clap::Args)]
pub(super) struct Import {
    /// The file that `export`, or the page, wrote.
    file: PathBuf,
    /// Keep this device's settings, and drop those of the archive.
    #[arg(long)]
    keep_settings: bool,
}

/// The passphrase is asked for twice on a terminal; else it is one line of standard input.
pub(super) fn export(config: &Path, arguments: &Export) -> anyhow::Result<ExitCode> {
    let data_dir = data_dir(config)?;
    let passphrase = passphrase(true)?;
    let shown = arguments.file.display();
    // As whoever called: the service's account may not write there.
    let file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(&arguments.file);
    let file = file.with_context(|| format!("cannot make {shown}"))?;
    let removable = (!rustix::process::geteuid().is_root()).then_some(&arguments.file);
    super::as_owner_of(&data_dir)?;
    let mut output = BufWriter::with_capacity(1 << 16, file);
    let written = transfer::export::export(config, &passphrase, &mut output)
        .map_err(|fault| anyhow::anyhow!("{fault}"));
    let written = written.and_then(|exported| {
        output
            .flush()
            .and_then(|()| output.get_ref().sync_all())
            .with_context(|| format!("cannot write {shown}"))?;
        Ok(exported)
    });
    let exported = written.inspect_err(|_| match removable.map(std::fs::remove_file) {
        Some(Ok(())) => {}
        _ => eprintln!("attendance: {shown} is not whole: remove it"),
    })?;
    println!("{shown} has {} files with {} bytes.", exported.files, exported.bytes);
    for what in &exported.left_out {
        println!("Not in it: {what}");
    }
    println!("It holds keys and hashes of passwords. Keep it apart from its passphrase.");
    Ok(ExitCode::SUCCESS)
}

pub(super) fn import(config: &Path, arguments: &Import) -> anyhow::Result<ExitCode> {
    let data_dir = data_dir(config)?;
    let shown = arguments.file.display();
    let file = File::open(&arguments.file).with_context(|| format!("cannot open {shown}"))?;
    let passphrase = passphrase(false)?;
    super::as_owner_of(&data_dir)?;
    let staged = transfer::import::stage(
        config,
        BufReader::with_capacity(1 << 16, file),
        &passphrase,
        arguments.keep_settings,
        || true,
    )
    .map_err(|fault| anyhow::anyhow!("{fault}"))?;
    println!("Checked: {staged}.");
    println!(
        "It is taken over when the appliance starts: `systemctl restart attendance`, or restart the device."
    );
    Ok(ExitCode::SUCCESS)
}

fn data_dir(config: &Path) -> anyhow::Result<PathBuf> {
    let text = config::read(config)?;
    Ok(examine(&text).0.site.data_dir)
}

fn passphrase(twice: bool) -> anyhow::Result<Secret> {
    let first = Secret::new(ask("Passphrase: ")?);
    if twice {
        archive::seal::check(&first)
            .map_err(|error| anyhow::anyhow!("{}", base::failure::Fault::from(error)))?;
        if io::stdin().is_terminal() {
            anyhow::ensure!(ask("The same again: ")? == first.expose(), "the two passphrases differ");
        }
    }
    Ok(first)
}

/// What Ctrl-C types.
const CTRL_C: u8 = 3;

/// One line, unseen on a terminal, which is afterwards as it was before.
fn ask(what: &str) -> anyhow::Result<String> {
    let stdin = io::stdin();
    let mut line = String::new();
    if stdin.is_terminal() {
        let seen = tcgetattr(&stdin)?;
        let mut unseen = seen.clone();
        // Ctrl-C ends the line and not the program, which has to give the terminal back first.
        unseen.local_modes.remove(LocalModes::ECHO | LocalModes::ISIG);
        unseen.special_codes[SpecialCodeIndex::VEOL] = CTRL_C;
        tcsetattr(&stdin, OptionalActions::Flush, &unseen)?;
        eprint!("{what}");
        let read = typed(&mut stdin.lock());
        tcsetattr(&stdin, OptionalActions::Flush, &seen)?;
        eprintln!();
        line = read?;
    } else {
        stdin.lock().read_line(&mut line)?;
    }
    Ok(line.trim_end_matches(['\r', '\n']).to_owned())
}

/// What was typed up to the end of the line.
fn typed(input: &mut impl BufRead) -> anyhow::Result<String> {
    let mut line = Vec::new();
    for byte in input.take(4096).bytes() {
        match byte? {
            b'\n' => break,
            CTRL_C => anyhow::bail!("broken off"),
            byte => line.push(byte),
        }
    }
    String::from_utf8(line).context("what was typed is not text (UTF-8)")
}
