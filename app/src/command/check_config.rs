//! `attendance check-config`: what is wrong, where, and what is allowed.

use std::path::Path;
use std::process::ExitCode;

use crate::config::{Config, check_files, commented_defaults};
use backend::plain;
use camera::config::CameraSource;
use recognition::liveness::Requirement;
use recognition::naming::threshold::Calibration;

/// Arguments of `check-config`.
#[derive(Debug, clap::Args)]
pub(super) struct Arguments {
    /// Print every field with its documentation and default value, as a file to begin from.
    #[arg(long)]
    print_defaults: bool,
}

pub(super) fn execute(path: &Path, arguments: &Arguments) -> anyhow::Result<ExitCode> {
    if arguments.print_defaults {
        print!("{}", commented_defaults());
        return Ok(ExitCode::SUCCESS);
    }
    let config = super::configured(path)?;
    check_files(&config)?;
    println!("{} is valid.", path.display());
    for remark in remarks(&config) {
        println!("Note: {remark}");
    }
    Ok(ExitCode::SUCCESS)
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
    remarks.extend(
        Calibration::of(config.recognition.calibration.as_deref(), config.recognition.embedder)
            .err()
            .map(|error| error.to_string()),
    );
    let requirement = Requirement::at_hand(config.liveness.require, &config.models_dir());
    remarks.extend(requirement.concern().map(|concern| format!("{concern}.")));
    remarks
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use recognition::config::LivenessRule;

    #[test]
    fn plain_http_is_noted_until_it_is_allowed() {
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
    fn missing_anti_spoof_networks_are_told_for_every_rule_that_needs_them() {
        let empty = tempfile::tempdir().unwrap();
        let mut config = Config::default();
        config.site.models_dir = Some(empty.path().to_owned());
        let told =
            |config: &Config| remarks(config).iter().any(|remark| remark.contains("networks are missing"));
        for rule in [LivenessRule::Passive, LivenessRule::PassiveBlink, LivenessRule::PassiveAny] {
            config.liveness.require = rule;
            assert!(told(&config), "{rule:?}");
        }
        config.liveness.require = LivenessRule::Off;
        assert!(!told(&config) && remarks(&config).iter().any(|remark| remark.contains("a photo passes")));
    }
}
