//! Files of the machine's settings: written whole, and removed.

use std::io;
use std::path::Path;

use base::durable::Access;

/// Writes a file whole or not at all, with the folder's own group.
pub(super) fn replace(path: &Path, text: &str, mode: u32) -> io::Result<()> {
    base::durable::replace_for(Access::FolderGroup(mode), path, text.as_bytes())
}

/// Removes a file. A file that does not exist counts as removed.
pub(super) fn remove(path: &Path) -> io::Result<()> {
    match std::fs::remove_file(path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
        _ => Ok(()),
    }
}
