//! Packages by `npm pack`.

use std::time::Duration;

use super::child::{self, Failure};
use super::clients::{Clients, MAX_ARCHIVE_BYTES};
use super::mirror;
use model_files::lock::Package;

/// Ten megabytes over a slow line, with npm's own start of some seconds.
const LIMIT: Duration = Duration::from_secs(240);

/// Downloads the package that `package` names; an error says why it cannot be had.
pub(super) fn download(clients: &Clients, package: &Package) -> Result<Vec<u8>, String> {
    let folder = tempfile::tempdir().map_err(|error| error.to_string())?;
    let mut command = child::command(&clients.npm);
    command
        .args(["pack", "--ignore-scripts", "--no-audit", "--no-fund", "--no-update-notifier", "--logs-max=0"])
        .args(["--fetch-retries=1", "--fetch-timeout=20000", "--pack-destination"])
        .arg(folder.path())
        .arg(format!("{}@{}", package.package, package.version))
        // A package.json above the working folder would make npm pack think of that package's settings.
        .current_dir(folder.path());
    match child::run(&mut command, LIMIT) {
        Ok(()) => mirror::read(Some(folder.path()), &package.archive, MAX_ARCHIVE_BYTES),
        Err(Failure::NotInstalled) => Err("npm is not installed; on Debian: apt-get install npm".to_owned()),
        Err(Failure::Failed(reason)) => Err(reason),
    }
}
