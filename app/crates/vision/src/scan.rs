//! The photos on disk: `<folder>/<roll>/<file>`.

use std::path::{Path, PathBuf};
use std::time::UNIX_EPOCH;

use serde::Serialize;

use crate::photos::RollPattern;
use base::identity::RollNumber;

/// The kinds of file that are photos, in any case (backend-contract.md §1).
pub const EXTENSIONS: [&str; 6] = ["jpg", "jpeg", "png", "gif", "bmp", "webp"];

/// Folders between the photo folder and a photo: `<roll>/a/b/photo.jpg` has two.
const MAX_DEPTH: usize = 10;

/// One photo file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PhotoFile {
    /// Path below the photo folder, with `/` between its parts.
    pub path: String,
    /// Whose photo it is.
    pub roll: RollNumber,
    /// Size in bytes.
    pub bytes: u64,
    /// Time of last change, nanoseconds since 1970.
    pub modified_ns: i128,
}

/// What a folder holds.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Listing {
    /// The photos, ordered by path.
    pub photos: Vec<PhotoFile>,
    /// What is none, with the reason.
    pub ignored: Vec<Ignored>,
}

/// Something in the photo folder that is no student's photo.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Ignored {
    /// Path below the photo folder.
    pub path: String,
    /// Why it is left out, and what to do.
    pub reason: String,
}

/// The photo folder cannot be read.
#[derive(Debug, thiserror::Error)]
#[error("cannot read the photo folder {}: {source}", path.display())]
pub struct ScanError {
    /// The folder that failed.
    pub path: PathBuf,
    /// What the system says.
    pub source: std::io::Error,
}

/// Lists the photos below `folder`, at most `max_photos`. A folder that does not exist holds none. Hidden
/// files, links and a student's `passport` folder are left out silently.
///
/// # Errors
/// [`ScanError`] names the folder that cannot be read.
pub fn scan(folder: &Path, pattern: RollPattern, max_photos: usize) -> Result<Listing, ScanError> {
    let mut listing = Listing::default();
    for (name, entry) in entries(folder)? {
        let kind = file_type(&entry)?;
        if kind.is_file() {
            let reason = "photos belong into a folder named after the roll number".to_owned();
            listing.ignored.push(Ignored { path: name, reason });
        } else if kind.is_dir() {
            match RollNumber::parse(&name) {
                Ok(roll) if pattern.admits(&roll) => {
                    photos_of(&roll, &entry.path(), &name, MAX_DEPTH, max_photos, &mut listing)?;
                }
                Ok(_) => {
                    let reason = "is not all digits, as photos.roll_numbers = \"digits\" asks".to_owned();
                    listing.ignored.push(Ignored { path: name, reason });
                }
                Err(error) => listing.ignored.push(Ignored { path: name, reason: error.to_string() }),
            }
        }
    }
    listing.photos.sort_by(|a, b| a.path.cmp(&b.path));
    Ok(listing)
}

/// Lists the photos that lie in a plain folder, at most `max_photos`, each as that of a student who is called
/// as the file. A name that cannot be a roll number is left out with the reason.
///
/// # Errors
/// [`ScanError`] names the folder that cannot be read.
pub fn scan_plain(folder: &Path, max_photos: usize) -> Result<Listing, ScanError> {
    let mut listing = Listing::default();
    for (name, entry) in entries(folder)? {
        if file_type(&entry)?.is_file() && is_photo(&name) {
            let stem = name.rsplit_once('.').map_or(name.as_str(), |(stem, _)| stem);
            match RollNumber::parse(stem) {
                Ok(roll) => add(&roll, &entry, name, max_photos, &mut listing)?,
                Err(error) => listing.ignored.push(Ignored { path: name, reason: error.to_string() }),
            }
        }
    }
    Ok(listing)
}

fn photos_of(
    roll: &RollNumber,
    folder: &Path,
    shown: &str,
    depth: usize,
    max_photos: usize,
    listing: &mut Listing,
) -> Result<(), ScanError> {
    for (name, entry) in entries(folder)? {
        let path = format!("{shown}/{name}");
        let kind = file_type(&entry)?;
        if kind.is_dir() && name != "passport" && depth > 0 {
            photos_of(roll, &entry.path(), &path, depth - 1, max_photos, listing)?;
        } else if kind.is_file() && is_photo(&name) {
            add(roll, &entry, path, max_photos, listing)?;
        }
    }
    Ok(())
}

/// Adds one photo; the first beyond `max_photos` is named as left out, and stands for those after it.
fn add(
    roll: &RollNumber,
    entry: &std::fs::DirEntry,
    path: String,
    max_photos: usize,
    listing: &mut Listing,
) -> Result<(), ScanError> {
    if listing.photos.len() >= max_photos {
        let reason = format!("more than photos.max_photos = {max_photos}; raise it if that is meant");
        if listing.ignored.last().is_none_or(|last| last.reason != reason) {
            listing.ignored.push(Ignored { path, reason });
        }
        return Ok(());
    }
    let failed = |source| ScanError { path: entry.path(), source };
    let metadata = entry.metadata().map_err(failed)?;
    let modified_ns = match metadata.modified().map_err(failed)?.duration_since(UNIX_EPOCH) {
        Ok(since) => since.as_nanos() as i128,
        Err(before) => -(before.duration().as_nanos() as i128),
    };
    listing.photos.push(PhotoFile { path, roll: roll.clone(), bytes: metadata.len(), modified_ns });
    Ok(())
}

/// Whether a file of this name is a photo.
pub fn is_photo(name: &str) -> bool {
    name.rsplit_once('.')
        .is_some_and(|(_, extension)| EXTENSIONS.iter().any(|known| extension.eq_ignore_ascii_case(known)))
}

/// The entries of a folder that are not hidden, by name; none when it does not exist.
fn entries(folder: &Path) -> Result<Vec<(String, std::fs::DirEntry)>, ScanError> {
    let failed = |source| ScanError { path: folder.to_owned(), source };
    let read = match std::fs::read_dir(folder) {
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(Vec::new()),
        read => read.map_err(failed)?,
    };
    let mut entries = Vec::new();
    for entry in read {
        let entry = entry.map_err(failed)?;
        // A name that is not UTF-8 is shown with replacement characters, and refused as a roll number for
        // them.
        let name = entry.file_name().to_string_lossy().into_owned();
        if !name.starts_with('.') {
            entries.push((name, entry));
        }
    }
    entries.sort_by(|a, b| a.0.cmp(&b.0));
    Ok(entries)
}

fn file_type(entry: &std::fs::DirEntry) -> Result<std::fs::FileType, ScanError> {
    entry.file_type().map_err(|source| ScanError { path: entry.path(), source })
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn photos_are_found_and_the_rest_is_named() {
        let folder = tempfile::tempdir().unwrap();
        for file in [
            "2110001/a.JPG",
            "2110001/more/b.webp",
            "2110001/passport/c.jpg",
            "2110001/notes.txt",
            "teacher/d.png",
        ] {
            let path = folder.path().join(file);
            std::fs::create_dir_all(path.parent().unwrap()).unwrap();
            std::fs::write(path, file).unwrap();
        }
        std::fs::write(folder.path().join("group.jpg"), "x").unwrap();
        std::fs::write(folder.path().join(".cache_metadata.json"), "{}").unwrap();
        let listing = scan(folder.path(), RollPattern::Digits, 100).unwrap();
        let found: Vec<_> = listing.photos.iter().map(|photo| photo.path.as_str()).collect();
        assert_eq!(found, ["2110001/a.JPG", "2110001/more/b.webp"]);
        let ignored: Vec<_> = listing.ignored.iter().map(|ignored| ignored.path.as_str()).collect();
        assert_eq!(ignored, ["group.jpg", "teacher"]);
        assert_eq!(scan(folder.path(), RollPattern::Identifier, 100).unwrap().photos.len(), 3);
        let bounded = scan(folder.path(), RollPattern::Identifier, 1).unwrap();
        assert_eq!(bounded.photos.len(), 1);
        assert!(bounded.ignored.iter().any(|ignored| ignored.reason.contains("max_photos")));
    }

    #[test]
    fn in_a_plain_folder_every_photo_is_a_student() {
        let folder = tempfile::tempdir().unwrap();
        for file in ["2110001.jpg", "Anna B.png", "notes.txt"] {
            std::fs::write(folder.path().join(file), "x").unwrap();
        }
        let listing = scan_plain(folder.path(), 100).unwrap();
        assert_eq!(listing.photos.len(), 1);
        assert_eq!(listing.photos[0].roll.as_str(), "2110001");
        assert_eq!(listing.ignored.len(), 1, "only what is a photo is named: {:?}", listing.ignored);
    }

    #[test]
    fn a_folder_that_is_not_there_holds_nothing() {
        assert_eq!(scan(Path::new("/nowhere/at/all"), RollPattern::Digits, 10).unwrap(), Listing::default());
    }
}
