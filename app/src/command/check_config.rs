//! `attendance check-config`: what is wrong, where, and what is allowed.

use std::path::Path;
use std::process::ExitCode;

use crate::config::{CameraSource, Config, LivenessRule, commented_defaults};

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
    println!("{} is valid.", path.display());
    for remark in remarks(&config) {
        println!("Note: {remark}");
    }
    Ok(ExitCode::SUCCESS)
}

/// What is allowed and yet may surprise.
fn remarks(config: &Config) -> Vec<String> {
    let mut remarks = Vec::new();
    match &config.photos.url {
        None => remarks.push(
            "photos.url is not set: photos are taken from the folder, nothing is synchronised.".to_owned(),
        ),
        Some(url) if !url.is_https() => {
            remarks.push(format!("photos.url ({url}) is not encrypted: its key can be read on the network."));
        }
        Some(_) => {}
    }
    match &config.webhook.url {
        None => remarks.push("webhook.url is not set: rows stay on the device.".to_owned()),
        Some(url) if !url.is_https() => {
            remarks
                .push(format!("webhook.url ({url}) is not encrypted: its key can be read on the network."));
        }
        Some(_) => {}
    }
    if config.camera.source == CameraSource::Libcamera && !cfg!(feature = "libcamera") {
        remarks.push(
            "camera.source is \"libcamera\", which this build has not got: it will find no camera."
                .to_owned(),
        );
    }
    if config.liveness.require == LivenessRule::Off {
        remarks.push(
            "liveness.require is \"off\": a photo held before the camera is taken for the person.".to_owned(),
        );
    }
    remarks
}
