//! The photos on disk: `<folder>/<roll>/<file>`.
//!
//! One student's folder that cannot be read, on a failing card or for its rights, is reported, and the others
//! are listed all the same. What vanishes while it is listed is gone, and no error.

use std::io;
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};

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
    /// Time of last change of the content, nanoseconds since 1970. Anybody may set it to what they like.
    pub modified_ns: i128,
    /// Number of the file within its file system. Another file in its place has another one.
    pub inode: u64,
    /// Time of last change of the content, the name or the rights, nanoseconds since 1970. The system sets
    /// it.
    pub changed_ns: i128,
}

/// What a folder holds.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Listing {
    /// The photos, ordered by path.
    pub photos: Vec<PhotoFile>,
    /// What is none, with the reason.
    pub ignored: Vec<Ignored>,
    /// Folders and files below the photo folder that could not be read, also named in `ignored`: what lies
    /// there is not known, and not gone.
    pub unreadable: Vec<String>,
}

impl Listing {
    /// The listing of a photo folder that cannot be read itself: anything may be in it.
    pub fn of_nothing_readable(error: &ScanError) -> Self {
        let mut listing = Self::default();
        listing.ignored.push(Ignored { path: ".".to_owned(), reason: error.to_string() });
        listing.unreadable.push(String::new());
        listing
    }

    /// Reports `path` as unreadable; nothing to report when it is gone meanwhile.
    fn unreadable(&mut self, path: &str, error: &io::Error) {
        if error.kind() == io::ErrorKind::NotFound {
            return;
        }
        let reason = format!(
            "cannot be read ({error}); all other photos are used; check its rights, and the card or stick"
        );
        self.ignored.push(Ignored { path: path.to_owned(), reason });
        self.unreadable.push(path.to_owned());
    }

    /// Whether the photo at `path` may be there although it is not listed.
    pub fn may_hold(&self, path: &str) -> bool {
        let below = |folder: &String| {
            folder.is_empty()
                || path
                    .strip_prefix(folder.as_str())
                    .is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
        };
        self.unreadable.iter().any(below)
    }
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
/// [`ScanError`] when `folder` itself cannot be read. What cannot be read below it is in
/// [`Listing::unreadable`].
pub fn scan(folder: &Path, pattern: RollPattern, max_photos: usize) -> Result<Listing, ScanError> {
    let mut listing = Listing::default();
    for (name, entry) in listed(folder)? {
        let kind = match entry.file_type() {
            Ok(kind) => kind,
            Err(error) => {
                listing.unreadable(&name, &error);
                continue;
            }
        };
        if kind.is_file() {
            let reason = "photos belong into a folder named after the roll number".to_owned();
            listing.ignored.push(Ignored { path: name, reason });
        } else if kind.is_dir() {
            match RollNumber::parse(&name) {
                Ok(roll) if pattern.admits(&roll) => {
                    photos_of(&roll, &entry.path(), &name, MAX_DEPTH, max_photos, &mut listing);
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
    for (name, entry) in listed(folder)? {
        if entry.file_type().is_ok_and(|kind| kind.is_file()) && is_photo(&name) {
            let stem = name.rsplit_once('.').map_or(name.as_str(), |(stem, _)| stem);
            match RollNumber::parse(stem) {
                Ok(roll) => add(&roll, &entry, name, max_photos, &mut listing),
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
) {
    let entries = match entries(folder) {
        Ok(entries) => entries,
        Err(error) => return listing.unreadable(shown, &error),
    };
    for (name, entry) in entries {
        let path = format!("{shown}/{name}");
        match entry.file_type() {
            Ok(kind) if kind.is_dir() && name != "passport" && depth > 0 => {
                photos_of(roll, &entry.path(), &path, depth - 1, max_photos, listing);
            }
            Ok(kind) if kind.is_file() && is_photo(&name) => add(roll, &entry, path, max_photos, listing),
            Ok(_) => {}
            Err(error) => listing.unreadable(&path, &error),
        }
    }
}

/// Adds one photo; the first beyond `max_photos` is named as left out, and stands for those after it.
fn add(roll: &RollNumber, entry: &std::fs::DirEntry, path: String, max_photos: usize, listing: &mut Listing) {
    if listing.photos.len() >= max_photos {
        let reason = format!("more than photos.max_photos = {max_photos}; raise it if that is meant");
        if listing.ignored.last().is_none_or(|last| last.reason != reason) {
            listing.ignored.push(Ignored { path, reason });
        }
        return;
    }
    let metadata = match entry.metadata() {
        Ok(metadata) => metadata,
        Err(error) => return listing.unreadable(&path, &error),
    };
    let nanoseconds = |seconds: i64, part: i64| i128::from(seconds) * 1_000_000_000 + i128::from(part);
    listing.photos.push(PhotoFile {
        path,
        roll: roll.clone(),
        bytes: metadata.len(),
        modified_ns: nanoseconds(metadata.mtime(), metadata.mtime_nsec()),
        inode: metadata.ino(),
        changed_ns: nanoseconds(metadata.ctime(), metadata.ctime_nsec()),
    });
}

/// Whether a file of this name is a photo.
pub fn is_photo(name: &str) -> bool {
    name.rsplit_once('.')
        .is_some_and(|(_, extension)| EXTENSIONS.iter().any(|known| extension.eq_ignore_ascii_case(known)))
}

/// [`entries`] of the photo folder itself; none when it does not exist.
fn listed(folder: &Path) -> Result<Vec<(String, std::fs::DirEntry)>, ScanError> {
    match entries(folder) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(Vec::new()),
        entries => entries.map_err(|source| ScanError { path: folder.to_owned(), source }),
    }
}

/// The entries of a folder that are not hidden, by name.
fn entries(folder: &Path) -> io::Result<Vec<(String, std::fs::DirEntry)>> {
    let mut entries = Vec::new();
    for entry in std::fs::read_dir(folder)? {
        let entry = entry?;
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

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::panic)]
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
    fn a_folder_that_cannot_be_read_is_reported_and_the_others_are_listed() {
        // Root may read everything, so a path of more than 4096 bytes stands for a folder that cannot be
        // read: it is made below a short path, and moved.
        let work = tempfile::tempdir().unwrap();
        let long = "x".repeat(250);
        let mut deep = work.path().join("2110001");
        for _ in 0..10 {
            deep.push(&long);
        }
        std::fs::create_dir_all(&deep).unwrap();
        std::fs::write(work.path().join("2110001/a.jpg"), "a").unwrap();
        let mut folder = work.path().to_owned();
        for _ in 0..8 {
            folder.push(&long);
        }
        std::fs::create_dir_all(folder.join("2110002")).unwrap();
        std::fs::write(folder.join("2110002/b.jpg"), "b").unwrap();
        std::fs::rename(work.path().join("2110001"), folder.join("2110001")).unwrap();

        let listing = scan(&folder, RollPattern::Digits, 100).unwrap();
        let found: Vec<_> = listing.photos.iter().map(|photo| photo.path.as_str()).collect();
        assert_eq!(found, ["2110001/a.jpg", "2110002/b.jpg"]);
        let [ignored] = &listing.ignored[..] else { panic!("{:?}", listing.ignored) };
        assert!(ignored.path.starts_with("2110001/xxx") && ignored.reason.contains("cannot be read"));
        assert!(listing.may_hold(&format!("{}/photo.jpg", ignored.path)) && listing.may_hold(&ignored.path));
        assert!(
            !listing.may_hold("2110001/b.jpg") && !listing.may_hold(&format!("{}y/photo.jpg", ignored.path))
        );
        let moved = folder.join("2110001");
        std::fs::rename(&moved, work.path().join("2110001")).unwrap();
    }

    #[test]
    fn a_photo_that_vanishes_while_it_is_listed_is_no_error() {
        let folder = tempfile::tempdir().unwrap();
        std::fs::write(folder.path().join("a.jpg"), "a").unwrap();
        let (roll, mut listing) = (RollNumber::parse("2110001").unwrap(), Listing::default());
        let entries = entries(folder.path()).unwrap();
        std::fs::remove_file(folder.path().join("a.jpg")).unwrap();
        add(&roll, &entries[0].1, "2110001/a.jpg".to_owned(), 100, &mut listing);
        photos_of(&roll, &folder.path().join("gone"), "2110001/gone", 3, 100, &mut listing);
        assert_eq!(listing, Listing::default());
    }

    #[test]
    fn a_folder_that_is_not_there_holds_nothing() {
        assert_eq!(scan(Path::new("/nowhere/at/all"), RollPattern::Digits, 10).unwrap(), Listing::default());
    }
}
