//! Small files that are there whole, or as they were.

use std::fs::{DirBuilder, File, Permissions};
use std::io::{self, Read as _, Write as _};
use std::os::unix::fs::{DirBuilderExt as _, MetadataExt as _, PermissionsExt as _, fchown};
use std::path::Path;

/// Largest file read back. Every file of ours is far smaller; more is not ours.
const MAX_BYTES: u64 = 1 << 20;

/// Who may read a file that is written. Nobody else may read it at any moment, not even while it is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Access {
    /// Everybody (0644).
    Everybody,
    /// Its owner alone (0600); a folder that is made for it is the owner's alone, too (0700).
    Owner,
    /// Whom the process's mask leaves.
    ByMask,
    /// Access as this mode says; the file gets the group of its folder.
    FolderGroup(u32),
}

/// Writes `content`, readable by everybody, see [`replace_for`].
///
/// # Errors
/// An error of the file system; the old file stands then.
pub fn replace(path: &Path, content: &[u8]) -> io::Result<()> {
    replace_for(Access::Everybody, path, content)
}

/// Writes `content` so that a power cut at any moment leaves the old file or the new one: to a temporary
/// name, to the disk, renamed, the folder to the disk. The folder is made where it is missing.
///
/// # Errors
/// An error of the file system; the old file stands then.
pub fn replace_for(access: Access, path: &Path, content: &[u8]) -> io::Result<()> {
    let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
    let folder_mode = if access == Access::Owner { 0o700 } else { 0o777 };
    DirBuilder::new().recursive(true).mode(folder_mode).create(folder)?;
    let first = if access == Access::ByMask { 0o666 } else { 0o600 };
    let mut file = tempfile::Builder::new()
        // The dot keeps a half-written file out of listings that look for names of ours.
        .prefix(".new-")
        .permissions(Permissions::from_mode(first))
        .tempfile_in(folder)?;
    file.write_all(content)?;
    match access {
        Access::Everybody => file.as_file().set_permissions(Permissions::from_mode(0o644))?,
        Access::Owner | Access::ByMask => {}
        Access::FolderGroup(mode) => {
            fchown(file.as_file(), None, Some(std::fs::metadata(folder)?.gid()))?;
            file.as_file().set_permissions(Permissions::from_mode(mode))?;
        }
    }
    file.as_file().sync_all()?;
    file.persist(path).map_err(|error| error.error)?;
    File::open(folder)?.sync_all()
}

/// Reads a file that may not be there.
///
/// # Errors
/// An error of the file system; a missing file is none.
pub fn read(path: &Path) -> io::Result<Option<Vec<u8>>> {
    let file = match File::open(path) {
        Ok(file) => file,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(error),
    };
    let mut content = Vec::new();
    file.take(MAX_BYTES).read_to_end(&mut content)?;
    Ok(Some(content))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn replaced_file_leaves_no_temporary_one() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("new/boot.json");
        assert_eq!(read(&path).unwrap(), None);
        replace(&path, b"one").unwrap();
        replace(&path, b"two").unwrap();
        assert_eq!(read(&path).unwrap().unwrap(), b"two");
        assert_eq!(std::fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o644);
        assert_eq!(std::fs::read_dir(path.parent().unwrap()).unwrap().count(), 1);
    }

    #[test]
    fn each_access_gives_its_mode() {
        let folder = tempfile::tempdir().unwrap();
        let mode = |path: &Path| std::fs::metadata(path).unwrap().permissions().mode() & 0o777;
        for (access, expected) in
            [(Access::Everybody, 0o644), (Access::Owner, 0o600), (Access::FolderGroup(0o640), 0o640)]
        {
            let path = folder.path().join(format!("{expected:o}/file"));
            replace_for(access, &path, b"content").unwrap();
            assert_eq!(mode(&path), expected, "{access:?}");
        }
        assert_eq!(mode(&folder.path().join("600")), 0o700);
        let by_mask = folder.path().join("by-mask");
        replace_for(Access::ByMask, &by_mask, b"content").unwrap();
        let other = folder.path().join("other");
        File::create(&other).unwrap();
        assert_eq!(mode(&by_mask), mode(&other), "as any file of this process");
    }
}
