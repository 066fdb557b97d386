//! Erasing students from the mirror: their photos, and what is remembered of them.

use std::path::Path;

use base::erasure::Erased;

use super::error::Error;
use super::mirror::{CONFIRMATION, FOLDER, Mirror, STATE};
use super::state::State;

/// Erases students from the mirror below `data_dir`. Where there is no mirror, there is nothing to do. To be
/// called again after an error.
///
/// # Errors
/// [`Error`] when the mirror is being synchronised, or cannot be read or written.
pub fn erase(data_dir: &Path, erased: &Erased) -> Result<(), Error> {
    let path = data_dir.join(FOLDER);
    if !path.is_dir() {
        return Ok(());
    }
    // It also removes what an interrupted synchronisation left.
    let mirror = Mirror::open(data_dir)?;
    let failed = |action, source| Error::Disk { action, path: path.clone(), source };
    for entry in std::fs::read_dir(&path).map_err(|source| failed("list", source))? {
        let entry = entry.map_err(|source| failed("list", source))?;
        if entry.file_name().to_str().is_some_and(|name| erased.is(name)) {
            let is_folder = entry.file_type().is_ok_and(|kind| kind.is_dir());
            let removed = if is_folder {
                std::fs::remove_dir_all(entry.path())
            } else {
                std::fs::remove_file(entry.path())
            };
            removed.map_err(|source| failed("remove a student's photos from", source))?;
        }
    }
    if let Some(state) = mirror.read::<State>(STATE)
        && let Some(left) = state.without(erased)
    {
        mirror.write(STATE, &left)?;
        // It named a set of photos that is another one now.
        mirror.take(CONFIRMATION);
    }
    std::fs::File::open(&path).and_then(|folder| folder.sync_all()).map_err(|source| failed("write", source))
}
