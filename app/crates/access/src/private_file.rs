//! Small files only the appliance may read: the device's key, the password's hash, the tokens' hashes.

use std::io;
use std::os::unix::fs::MetadataExt;
use std::path::Path;

use base::durable::{Access, replace_for};

/// Writes `content` so that the file is there whole, or as it was (mode 0600). The folder is made (mode 0700)
/// where it is missing.
///
/// # Errors
/// An error of the file system.
pub fn write(path: &Path, content: &[u8]) -> io::Result<()> {
    replace_for(Access::Owner, path, content)
}

/// Reads a file that may not be there.
///
/// # Errors
/// An error of the file system; a missing file is none.
pub fn read(path: &Path) -> io::Result<Option<String>> {
    match std::fs::read_to_string(path) {
        Ok(text) => Ok(Some(text)),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(error),
    }
}

/// Names what lies at `path` at this moment: another after a change of the content, and of who may read it.
/// None where nothing is.
pub fn version(path: &Path) -> Option<(u64, i64, i64)> {
    std::fs::metadata(path).map(|meta| (meta.ino(), meta.ctime(), meta.ctime_nsec())).ok()
}

/// Removes a file that may not be there.
///
/// # Errors
/// An error of the file system; a missing file is none.
pub fn remove(path: &Path) -> io::Result<()> {
    match std::fs::remove_file(path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
        _ => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use std::os::unix::fs::PermissionsExt;

    use super::*;

    #[test]
    fn nobody_else_may_read_it() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("new/secret");
        assert_eq!(read(&path).unwrap(), None);
        write(&path, b"one").unwrap();
        write(&path, b"two").unwrap();
        assert_eq!(read(&path).unwrap().unwrap(), "two");
        assert_eq!(std::fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
        assert_eq!(std::fs::metadata(path.parent().unwrap()).unwrap().permissions().mode() & 0o777, 0o700);
        assert_eq!(std::fs::read_dir(path.parent().unwrap()).unwrap().count(), 1);
    }
}
