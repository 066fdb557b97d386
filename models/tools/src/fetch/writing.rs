//! Writes that a power cut cannot spoil.

use std::fs::{self, File};
use std::io::{self, Write as _};
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;

/// How unfinished files begin; the holder of the folder's lock may remove them.
pub(super) const PART_PREFIX: &str = ".part-";

/// Replaces `dir/name` in one step: after a power cut it is the old file or the new one, never a part of
/// either.
pub(super) fn write_atomically(dir: &Path, name: &str, bytes: &[u8]) -> io::Result<()> {
    let mut part = tempfile::Builder::new()
        .prefix(PART_PREFIX)
        // The appliance runs as another user than the one that fetched.
        .permissions(fs::Permissions::from_mode(0o644))
        .tempfile_in(dir)?;
    part.write_all(bytes)?;
    part.as_file().sync_all()?;
    part.persist(dir.join(name)).map_err(|error| error.error)?;
    File::open(dir)?.sync_all()
}
