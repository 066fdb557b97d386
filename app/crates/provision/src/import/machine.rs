//! Who the machine is: its name and its identity.

use std::io;

use sha2::{Digest as _, Sha256};

use super::{Places, read};
use base::durable::Access;
use base::kept;

/// Gives the machine its name at the first start: from the board's serial number, so that a new card in the
/// same board keeps it, otherwise from the machine's identity. `None` when it has one already.
///
/// # Errors
/// An error of the file system.
pub fn name_machine(places: &Places) -> io::Result<Option<String>> {
    let path = places.etc.join("hostname");
    if path.exists() {
        return Ok(None);
    }
    let serial = std::fs::read(&places.serial).unwrap_or_default();
    let seed = if serial.is_empty() { std::fs::read(places.etc.join("machine-id"))? } else { serial };
    let digest = Sha256::digest(&seed);
    let name = format!("attendance-{:02x}{:02x}{:02x}", digest[0], digest[1], digest[2]);
    kept::replace(&places.kept, Access::FolderGroup(0o644), &path, format!("{name}\n").as_bytes())?;
    Ok(Some(name))
}

/// Keeps the machine's identity. systemd makes one if the start brought none: at the first start, or if the
/// kept one is not valid.
///
/// # Errors
/// An error of the file system.
pub fn keep_identity(places: &Places) -> io::Result<()> {
    let identity = read(&places.etc.join("machine-id"))?;
    let kept = places.kept.join("machine-id");
    // Nothing else than a plain file is read: a pipe would never end.
    if kept.is_file() && read(&kept).is_ok_and(|kept| kept == identity) {
        return Ok(());
    }
    let digits = identity.trim_ascii_end();
    if digits.len() != 32 || !digits.iter().all(|digit| matches!(digit, b'0'..=b'9' | b'a'..=b'f')) {
        return Err(io::Error::other("/etc/machine-id holds none"));
    }
    kept::keep(&places.kept, "machine-id".as_ref(), &identity)
}
