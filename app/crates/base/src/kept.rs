//! Files of /etc that outlive a restart.
//!
//! On the appliance /etc lies in memory. At each start the initramfs fills it from a folder of the data
//! partition, with the files of its list alone, each checked (`etc.sh` beside the initramfs's `init`). So
//! code that changes one of them writes it to both places.

use std::io;
use std::path::Path;

use super::durable::{Access, replace_for};

/// The folder on the appliance; in it each file has its own name and no folders above it.
pub const FOLDER: &str = "/data/kept";

/// Writes `content` to `path`, and before that under the same name to `kept`, where the next start looks for
/// it. Elsewhere than on the appliance, without such a folder, to `path` alone.
///
/// # Errors
/// An error of the file system, or that the appliance has no such folder. The old file stands then, at
/// least in /etc.
pub fn replace(kept: &Path, access: Access, path: &Path, content: &[u8]) -> io::Result<()> {
    if let Some(name) = path.file_name() {
        keep(kept, name.as_ref(), content)?;
    }
    replace_for(access, path, content)
}

/// Writes `content` for the next start alone; elsewhere than on the appliance, without such a folder,
/// nowhere.
///
/// # Errors
/// An error of the file system, or that the appliance has no such folder; the old file stands then.
pub fn keep(kept: &Path, name: &Path, content: &[u8]) -> io::Result<()> {
    keep_on(Path::new(APPLIANCE), kept, name, content)
}

/// What the initramfs leaves at each start of an appliance.
const APPLIANCE: &str = "/run/attendance-boot/slot";

fn keep_on(appliance: &Path, kept: &Path, name: &Path, content: &[u8]) -> io::Result<()> {
    if kept.is_dir() {
        return replace_for(Access::Owner, &kept.join(name), content);
    }
    if appliance.exists() {
        let missing = format!("there is no folder {}; restart the device", kept.display());
        return Err(io::Error::new(io::ErrorKind::NotFound, missing));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use std::fs::read_to_string;

    use super::*;

    #[test]
    fn a_file_is_in_both_places() {
        let folder = tempfile::tempdir().unwrap();
        let [kept, etc] = ["kept", "etc"].map(|name| folder.path().join(name));
        let path = etc.join("attendance/attendance.toml");
        replace(&kept, Access::Everybody, &path, b"elsewhere").unwrap();
        assert!(read_to_string(&path).unwrap() == "elsewhere" && !kept.exists());
        std::fs::create_dir(&kept).unwrap();
        replace(&kept, Access::Everybody, &path, b"here").unwrap();
        for path in [path, kept.join("attendance.toml")] {
            assert_eq!(read_to_string(path).unwrap(), "here");
        }
    }

    #[test]
    fn an_appliance_keeps_or_fails() {
        let folder = tempfile::tempdir().unwrap();
        let [kept, slot] = ["kept", "slot"].map(|name| folder.path().join(name));
        let keep = || keep_on(&slot, &kept, "hostname".as_ref(), b"door");
        keep().unwrap();
        std::fs::write(&slot, "a").unwrap();
        assert!(keep().is_err());
        std::fs::create_dir(&kept).unwrap();
        keep().unwrap();
        assert!(kept.join("hostname").is_file());
    }

    #[test]
    fn what_cannot_be_kept_is_not_in_force() {
        let folder = tempfile::tempdir().unwrap();
        let [kept, path] = ["kept", "hostname"].map(|name| folder.path().join(name));
        std::fs::create_dir_all(kept.join("hostname/in-the-way")).unwrap();
        assert!(replace(&kept, Access::Everybody, &path, b"door").is_err() && !path.exists());
    }
}
