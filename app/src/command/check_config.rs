//! `attendance check-config`: what is wrong, where, and what is allowed.

use std::path::Path;
use std::process::ExitCode;

use serde::Serialize;

use backend::plain;
use camera::config::CameraSource;
use config::{self, Config, ConfigError, Wrong, commented_defaults, examine};
use liveness::Requirement;
use provision::network::state;
use recognition::naming::threshold::Calibration;
use time::OffsetDateTime;

/// Arguments of `check-config`.
#[derive(Debug, clap::Args)]
pub(super) struct Arguments {
    /// Print every field with its documentation and default value, as a file to begin from.
    #[arg(long)]
    print_defaults: bool,
    /// Also ask the photo server and the webhook whether they answer and take their keys; exit code 1 when
    /// one does not.
    #[arg(long)]
    connect: bool,
    /// Print JSON instead of text.
    #[arg(long)]
    json: bool,
}

pub(super) fn execute(path: &Path, arguments: &Arguments) -> anyhow::Result<ExitCode> {
    if arguments.print_defaults {
        print!("{}", commented_defaults());
        return Ok(ExitCode::SUCCESS);
    }
    let (config, wrong) = examine(&config::read(path)?);
    base::logging::start(config.log.level.into());
    // Of a file that is wrong the remarks may be, too.
    let notes = if wrong.is_empty() { remarks(&config) } else { Vec::new() };
    if arguments.json {
        return told_in_json(path, &config, wrong, notes, arguments.connect);
    }
    if !wrong.is_empty() {
        return Err(ConfigError::Wrong(wrong).into());
    }
    println!("{} is valid.", path.display());
    for note in notes {
        println!("Note: {note}");
    }
    if arguments.connect && !super::check_connection::test(&config)?.print() {
        return Ok(ExitCode::FAILURE);
    }
    Ok(ExitCode::SUCCESS)
}

/// What `--json` prints.
#[derive(Serialize)]
struct Told<'a> {
    file: &'a Path,
    valid: bool,
    faults: Vec<ToldFault>,
    notes: Vec<String>,
    /// Only with `--connect`.
    connection: Option<super::check_connection::Answers>,
}

#[derive(Serialize)]
struct ToldFault {
    line: Option<usize>,
    column: Option<usize>,
    setting: Option<String>,
    message: String,
}

impl From<Wrong> for ToldFault {
    fn from(wrong: Wrong) -> Self {
        let (line, column) = wrong.place.unzip();
        Self { line, column, setting: wrong.setting, message: wrong.what }
    }
}

fn told_in_json(
    file: &Path,
    config: &Config,
    wrong: Vec<Wrong>,
    notes: Vec<String>,
    connect: bool,
) -> anyhow::Result<ExitCode> {
    let valid = wrong.is_empty();
    let connection = if valid && connect { Some(super::check_connection::test(config)?) } else { None };
    let code = match &connection {
        _ if !valid => ExitCode::from(super::EXIT_USAGE),
        Some(answers) if !answers.are_well() => ExitCode::FAILURE,
        _ => ExitCode::SUCCESS,
    };
    let faults = wrong.into_iter().map(ToldFault::from).collect();
    super::print_json(&Told { file, valid, faults, notes, connection })?;
    Ok(code)
}

/// What is allowed and yet may surprise.
fn remarks(config: &Config) -> Vec<String> {
    let mut remarks = Vec::new();
    if config.photos.url.is_none() {
        remarks.push(
            "photos.url is not set: photos are taken from the folder, nothing is synchronised.".to_owned(),
        );
    }
    if config.webhook.url.is_none() {
        remarks.push("webhook.url is not set: rows stay on the device.".to_owned());
    }
    for name in config.plain_addresses() {
        remarks.push(format!("{}. {}", plain::meaning(name), plain::ADVICE));
    }
    if config.camera.source == CameraSource::Libcamera && !cfg!(feature = "libcamera") {
        remarks.push(
            "camera.source is \"libcamera\", which this build has not got: it will find no camera."
                .to_owned(),
        );
    }
    remarks.extend(places(config));
    let certificates = state::certificates(&config.network, OffsetDateTime::now_utc(), true);
    remarks.extend(certificates.iter().map(|fault| format!("{fault}.")));
    remarks.extend(
        Calibration::of(config.recognition.calibration.as_deref(), config.recognition.embedder)
            .err()
            .map(|error| error.to_string()),
    );
    let requirement = Requirement::at_hand(config.liveness.require, &config.models_dir());
    remarks.extend(requirement.concern().map(|concern| format!("{concern}.")));
    remarks
}

/// Files and folders that the configuration names and that cannot be read by whoever calls this.
fn places(config: &Config) -> Vec<String> {
    let mut remarks = Vec::new();
    let mut look = |setting: &str, path: &Path, then: &str| {
        if let Err(error) = readable(path) {
            remarks.push(format!("{setting}: {} cannot be read: {error}. {then}", path.display()));
        }
    };
    if config.camera.source == CameraSource::Replay {
        for path in &config.camera.replay {
            look("camera.replay", path, "The camera will give no picture; correct the path.");
        }
    }
    if let Some(folder) = config.photos.folder.as_ref().filter(|_| config.photos.url.is_none()) {
        look("photos.folder", folder, "Nobody will be recognised; correct the path or its permissions.");
    }
    let models = config.models_dir();
    if config.site.models_dir.is_some() || models.exists() {
        look("site.models_dir", &models, "Recognition will not start; correct the path or its permissions.");
    }
    let data = &config.site.data_dir;
    // One that is not there yet is made at the start.
    if data.exists() {
        look(
            "site.data_dir",
            data,
            "The appliance keeps everything there: call this as the service's user, or as root.",
        );
    }
    remarks
}

fn readable(path: &Path) -> std::io::Result<()> {
    if std::fs::metadata(path)?.is_dir() {
        std::fs::read_dir(path).map(drop)
    } else {
        std::fs::File::open(path).map(drop)
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use liveness::config::LivenessRule;

    #[test]
    fn plain_http_is_noted_until_allowed() {
        let told = |text: &str| {
            let config: Config = toml::from_str(text).unwrap();
            remarks(&config).into_iter().filter(|remark| remark.contains("http://")).count()
        };
        let urls = "[photos]\nurl = \"http://backend.example/media?key=k\"\n[webhook]\nurl = \"http://backend.example/hook\"\nkey = \"k\"\n";
        assert_eq!(told(urls), 2);
        assert_eq!(told(&format!("{urls}[tls]\nallow_plain = true\n")), 0);
        assert_eq!(told(&urls.replace("http:", "https:")), 0);
    }

    #[test]
    fn missing_anti_spoof_models_are_noted() {
        let empty = tempfile::tempdir().unwrap();
        let mut config = Config::default();
        config.site.models_dir = Some(empty.path().to_owned());
        let told =
            |config: &Config| remarks(config).iter().any(|remark| remark.contains("models are missing"));
        for rule in [
            LivenessRule::Passive,
            LivenessRule::PassiveBlink,
            LivenessRule::PassiveAny,
            LivenessRule::PassivePrompt,
        ] {
            config.liveness.require = rule;
            assert!(told(&config), "{rule:?}");
        }
        config.liveness.require = LivenessRule::Off;
        assert!(!told(&config) && remarks(&config).iter().any(|remark| remark.contains("a photo passes")));
    }

    #[test]
    fn unreadable_files_and_folders_are_noted() {
        let folder = tempfile::tempdir().unwrap();
        let film = folder.path().join("door.y4m");
        let mut config = Config::default();
        config.camera.source = CameraSource::Replay;
        config.camera.replay = vec![film.clone()];
        config.photos.folder = Some(folder.path().join("none"));
        config.site.models_dir = Some(folder.path().join("no-models"));
        let told = places(&config).join("\n");
        for name in ["camera.replay", "photos.folder", "site.models_dir"] {
            assert!(told.contains(name), "{name}: {told}");
        }
        std::fs::write(&film, "").unwrap();
        assert!(!places(&config).join("\n").contains("camera.replay"));
    }
}
