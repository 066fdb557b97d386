//! Files that lie in a folder: the mirror, or where a client has just put them.

use std::io;
use std::path::Path;

use model_files::folder::read_bounded;

/// Reads `path` below `folder`, at most `limit` bytes; an error says why it cannot be had.
pub(super) fn read(folder: Option<&Path>, path: &str, limit: u64) -> Result<Vec<u8>, String> {
    let folder = folder.ok_or("none is named; --mirror or ATTENDANCE_MODEL_MIRROR would")?;
    let file = folder.join(path);
    read_bounded(&file, limit).map_err(|error| match error.kind() {
        io::ErrorKind::NotFound => format!("no file {}", file.display()),
        _ => format!("{}: {error}", file.display()),
    })
}
