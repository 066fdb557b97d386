//! The photos on disk: `<folder>/<roll>/<file>`, or `<folder>/<group>/<roll>/<file>`.
//!
//! One student's folder that cannot be read, on a failing card or for its rights, is reported, and the others
//! are listed all the same. What vanishes while it is listed is gone, and no error. Whatever may have been
//! meant as a photo and is left out is named, with what to do.

use std::fs::DirEntry;
use std::io;
use std::io::Read as _;
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};

use serde::Serialize;

use crate::kind::{self, Kind};
use crate::photos::{Layout, Photos, RollPattern};
use base::identity::RollNumber;

pub use crate::kind::{EXTENSIONS, is_photo};

/// Folders between a student's folder and a photo: `<roll>/a/b/photo.jpg` has two.
const MAX_DEPTH: usize = 10;

/// The folder in a student's folder that is left out, by contract.
const LEFT_OUT: &str = "passport";

/// Most files and folders that are named as left out; the rest are counted.
const MAX_IGNORED: usize = 200;

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
        self.leave_out(path, reason);
        self.unreadable.push(path.to_owned());
    }

    fn leave_out(&mut self, path: &str, reason: impl ToString) {
        self.ignored.push(Ignored { path: path.to_owned(), reason: reason.to_string() });
    }

    /// Puts the photos in order, and bounds what is named as left out.
    fn finish(mut self) -> Self {
        self.photos.sort_by(|a, b| a.path.cmp(&b.path));
        if let Some(more) = self.ignored.len().checked_sub(MAX_IGNORED).filter(|more| *more > 0) {
            self.ignored.truncate(MAX_IGNORED);
            self.leave_out(
                ".",
                format!("{more} more files and folders are left out; correct those named first"),
            );
        }
        self
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

/// Something in the photo folder that is not a student's photo.
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
    /// An error of the operating system.
    pub source: std::io::Error,
}

/// Lists the photos below `folder`, laid out as `photos` says, at most `photos.max_photos`. A folder that
/// does not exist holds none. A file that begins as a picture is a photo, whatever it is called. Hidden
/// files, texts and a student's `passport` folder are left out silently.
///
/// # Errors
/// [`ScanError`] when `folder` itself cannot be read. What cannot be read below it is in
/// [`Listing::unreadable`].
pub fn scan(folder: &Path, photos: &Photos) -> Result<Listing, ScanError> {
    let mut walk = Walk { photos, listing: Listing::default() };
    let entries = listed(folder)?;
    match photos.layout_on_disk() {
        Layout::Auto | Layout::Roll => walk.students(entries, ""),
        Layout::GroupRoll => walk.groups(entries),
    }
    Ok(walk.listing.finish())
}

/// Lists the photos that lie in a plain folder, at most `max_photos`, each as that of a student who is called
/// as the file. A name that cannot be a roll number is left out with the reason.
///
/// # Errors
/// [`ScanError`] names the folder that cannot be read.
pub fn scan_plain(folder: &Path, max_photos: usize) -> Result<Listing, ScanError> {
    let photos = Photos { max_photos, ..Photos::default() };
    let mut walk = Walk { photos: &photos, listing: Listing::default() };
    for Entry { name, entry, .. } in listed(folder)? {
        if entry.file_type().is_ok_and(|kind| kind.is_file()) && is_photo(&name) {
            let stem = name.rsplit_once('.').map_or(name.as_str(), |(stem, _)| stem);
            match RollNumber::parse(stem) {
                Ok(roll) => walk.add(&roll, &entry, name),
                Err(error) => walk.listing.leave_out(&name, error),
            }
        }
    }
    Ok(walk.listing.finish())
}

/// Why a name that is not a roll number is none, and what to do; `None` when it is one.
pub fn no_roll(name: &str, pattern: RollPattern) -> Option<String> {
    let layout = "if it is a class or a year whose students' folders lie in it, write photos.layout = \
                  \"group/roll\"";
    match RollNumber::parse(name) {
        Ok(roll) if pattern.admits(&roll) => None,
        Ok(_) => Some(format!(
            "the folder's name is not all digits, as photos.roll_numbers = \"digits\" asks; rename it to the \
             student's roll number; {layout}"
        )),
        Err(error) => Some(format!("{error}; rename the folder; {layout}")),
    }
}

/// A listing being made.
struct Walk<'a> {
    photos: &'a Photos,
    listing: Listing,
}

/// One entry of a folder.
struct Entry {
    /// Its name, with replacement characters where it is not UTF-8.
    name: String,
    /// Whether the name is UTF-8.
    is_text: bool,
    entry: DirEntry,
}

impl Walk<'_> {
    /// Takes each folder for a student's.
    fn students(&mut self, entries: Vec<Entry>, below: &str) {
        for Entry { name, entry, .. } in entries {
            let path = format!("{below}{name}");
            match entry.file_type() {
                Ok(kind) if kind.is_dir() => match no_roll(&name, self.photos.roll_numbers) {
                    Some(reason) => self.listing.leave_out(&path, reason),
                    None => {
                        // It is one: `no_roll` says so.
                        let Ok(roll) = RollNumber::parse(&name) else { continue };
                        self.photos_of(&roll, &entry.path(), &path, MAX_DEPTH);
                    }
                },
                Ok(kind) => self.stray(&path, &name, kind),
                Err(error) => self.listing.unreadable(&path, &error),
            }
        }
    }

    /// Takes each folder for a group, and each folder in it for a student's.
    fn groups(&mut self, entries: Vec<Entry>) {
        for Entry { name, entry, is_text } in entries {
            match entry.file_type() {
                Ok(kind) if kind.is_dir() && !is_text => self.listing.leave_out(&name, NOT_TEXT),
                Ok(kind) if kind.is_dir() => match self::entries(&entry.path()) {
                    Ok(inner) => self.students(inner, &format!("{name}/")),
                    Err(error) => self.listing.unreadable(&name, &error),
                },
                Ok(kind) => self.stray(&name, &name, kind),
                Err(error) => self.listing.unreadable(&name, &error),
            }
        }
    }

    /// Names a file that lies in no student's folder.
    fn stray(&mut self, path: &str, name: &str, kind: std::fs::FileType) {
        if kind.is_symlink() {
            self.listing.leave_out(path, LINK);
        } else if kind.is_file() && kind::may_be_photo(name) {
            let place = match self.photos.layout_on_disk() {
                Layout::GroupRoll => "<group>/<roll number>/ (photos.layout = \"group/roll\")",
                Layout::Auto | Layout::Roll => "<roll number>/",
            };
            self.listing.leave_out(path, format!("lies in no student's folder; move the photo into {place}"));
        }
    }

    fn photos_of(&mut self, roll: &RollNumber, folder: &Path, shown: &str, depth: usize) {
        let entries = match entries(folder) {
            Ok(entries) => entries,
            Err(error) => return self.listing.unreadable(shown, &error),
        };
        for Entry { name, entry, is_text } in entries {
            let path = format!("{shown}/{name}");
            match entry.file_type() {
                Ok(kind) if kind.is_dir() && name == LEFT_OUT => {}
                Ok(kind) if kind.is_dir() && depth == 0 => {
                    let reason = format!("lies more than {MAX_DEPTH} folders deep; move the photos up");
                    self.listing.leave_out(&path, reason);
                }
                Ok(kind) if kind.is_dir() && is_text => {
                    self.photos_of(roll, &entry.path(), &path, depth - 1);
                }
                Ok(kind) if kind.is_symlink() => self.listing.leave_out(&path, LINK),
                Ok(_) if !is_text => self.listing.leave_out(&path, NOT_TEXT),
                Ok(kind) if kind.is_file() && is_photo(&name) => self.add(roll, &entry, path),
                Ok(kind) if kind.is_file() => self.judge(roll, &entry, &name, path),
                Ok(_) => {}
                Err(error) => self.listing.unreadable(&path, &error),
            }
        }
    }

    /// Takes a file that is not called like a photo for one if it begins like one.
    fn judge(&mut self, roll: &RollNumber, entry: &DirEntry, name: &str, path: String) {
        match kind_of(&entry.path()) {
            Ok(Kind::Photo) if kind::may_be_photo(name) => self.add(roll, entry, path),
            Ok(kind) => {
                if let Some(fault) = kind.fault().filter(|_| kind::may_be_photo(name)) {
                    self.listing.leave_out(&path, fault);
                }
            }
            Err(error) => self.listing.unreadable(&path, &error),
        }
    }

    /// Adds one photo; the first beyond the limit is named as left out, and stands for those after it.
    fn add(&mut self, roll: &RollNumber, entry: &DirEntry, path: String) {
        let (listing, max_photos) = (&mut self.listing, self.photos.max_photos);
        if listing.photos.len() >= max_photos {
            let reason = format!("more than photos.max_photos = {max_photos}; raise it if that is meant");
            if listing.ignored.last().is_none_or(|last| last.reason != reason) {
                listing.leave_out(&path, reason);
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
}

/// Why a name that is not UTF-8 is left out.
const NOT_TEXT: &str =
    "its name is not UTF-8 (another system's letters); rename it with plain letters and digits";

/// Why a link is left out.
const LINK: &str = "is a link, and links are not followed; put the photo itself there";

/// What the file at `path` is, by its first bytes.
fn kind_of(path: &Path) -> io::Result<Kind> {
    let mut head = Vec::with_capacity(kind::HEAD);
    std::fs::File::open(path)?.take(kind::HEAD as u64).read_to_end(&mut head)?;
    Ok(Kind::of(&head))
}

/// [`entries`] of the photo folder itself; none when it does not exist.
fn listed(folder: &Path) -> Result<Vec<Entry>, ScanError> {
    match entries(folder) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(Vec::new()),
        entries => entries.map_err(|source| ScanError { path: folder.to_owned(), source }),
    }
}

/// The entries of a folder that are not hidden, by name.
fn entries(folder: &Path) -> io::Result<Vec<Entry>> {
    let mut entries = Vec::new();
    for entry in std::fs::read_dir(folder)? {
        let entry = entry?;
        let name = entry.file_name();
        let (is_text, name) = (name.to_str().is_some(), name.to_string_lossy().into_owned());
        if !kind::is_hidden(&name) {
            entries.push(Entry { name, is_text, entry });
        }
    }
    entries.sort_by(|a, b| a.name.cmp(&b.name));
    Ok(entries)
}

#[cfg(test)]
#[path = "scan_tests.rs"]
mod tests;
