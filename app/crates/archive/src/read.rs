//! Reading an archive that somebody brought. It is hostile until its last byte was checked.

use std::collections::HashSet;
use std::fmt::Write as _;
use std::fs::{DirBuilder, File, OpenOptions};
use std::io::{self, Read, Write};
use std::os::unix::fs::{DirBuilderExt as _, MetadataExt as _, OpenOptionsExt as _};
use std::path::Path;

use sha2::{Digest as _, Sha256};
use tar::{Archive, Entry, EntryType};

use crate::{ABOUT, About, ArchiveError, FORMAT, SUMS, names, seal};
use base::hexadecimal::hexadecimal;
use base::secret::Secret;

/// What is accepted at all.
#[derive(Debug, Clone, Copy)]
pub struct Limits {
    /// Bytes of all files.
    pub bytes: u64,
    /// Files.
    pub files: usize,
    /// Bytes that must stay free on the disk.
    pub reserve: u64,
}

impl Default for Limits {
    fn default() -> Self {
        Self { bytes: 4 << 30, files: 50_000, reserve: 64 << 20 }
    }
}

const MAX_ABOUT: u64 = 4096;
/// A path of folders, each as long as a name may be.
const MAX_PATH: u64 = 4096;
/// Bytes of all names together, which are kept in memory.
const MAX_NAMES: usize = 8 << 20;
/// Zeros behind the last entry.
const MAX_PADDING: u64 = 1 << 20;

/// What an archive held.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Contents {
    /// What it says of itself.
    pub about: About,
    /// Its files, without the first and last entry.
    pub files: usize,
    /// Their bytes.
    pub bytes: u64,
}

/// Writes the files of an archive below `folder`, which is there and empty. They are on the disk when this
/// returns `Ok`.
///
/// # Errors
/// [`ArchiveError`]; what was written until then is of no use.
pub fn unpack(
    input: impl Read,
    passphrase: &Secret,
    folder: &Path,
    limits: Limits,
) -> Result<Contents, ArchiveError> {
    let begun = identity(folder)?;
    let mut archive = Archive::new(seal::open(input, passphrase)?);
    let mut taken =
        Taken { folder, limits, about: None, paths: HashSet::new(), sums: String::new(), bytes: 0, names: 0 };
    let mut long_name = None;
    let mut ended = false;
    // Raw: whatever is not a plain file with a plain name is seen, and refused, by us.
    for entry in archive.entries().map_err(damaged)?.raw(true) {
        let mut entry = entry.map_err(damaged)?;
        if ended {
            return Err(ArchiveError::Unexpected("files after its end".to_owned()));
        }
        match entry.header().entry_type() {
            EntryType::Regular => {
                let name = long_name.take().unwrap_or_else(|| entry.path_bytes().into_owned());
                let path = String::from_utf8(name)
                    .map_err(|_| ArchiveError::Unexpected("a name that is not text".to_owned()))?;
                ended = taken.take(&path, &mut entry)?;
            }
            EntryType::GNULongName if long_name.is_none() => {
                let mut name = small(&mut entry, MAX_PATH)?;
                while name.last() == Some(&0) {
                    name.pop();
                }
                long_name = Some(name);
            }
            other => return Err(ArchiveError::Unexpected(format!("an entry of the kind {other:?}"))),
        }
    }
    // Only the last piece says that nothing is missing.
    let rest = io::copy(&mut archive.into_inner().take(MAX_PADDING), &mut io::sink()).map_err(damaged)?;
    if !ended || rest == MAX_PADDING {
        return Err(ArchiveError::Damaged("its list of files is missing".to_owned()));
    }
    let contents = taken.end()?;
    // A start of the service removes what is not put aside yet; what came after that is not all of it.
    if identity(folder).ok() != Some(begun) {
        return Err(ArchiveError::Interrupted);
    }
    Ok(contents)
}

/// Which folder this is, whatever its name.
fn identity(folder: &Path) -> Result<(u64, u64), ArchiveError> {
    let about = std::fs::metadata(folder).map_err(ArchiveError::io("cannot keep the archive's files"))?;
    Ok((about.dev(), about.ino()))
}

struct Taken<'a> {
    folder: &'a Path,
    limits: Limits,
    about: Option<About>,
    paths: HashSet<String>,
    sums: String,
    bytes: u64,
    names: usize,
}

impl Taken<'_> {
    /// Takes one entry; whether it was the last.
    fn take(&mut self, path: &str, entry: &mut Entry<'_, impl Read>) -> Result<bool, ArchiveError> {
        if self.about.is_none() {
            if path != ABOUT {
                return Err(ArchiveError::Foreign);
            }
            self.about = Some(about(&small(entry, MAX_ABOUT)?)?);
            return Ok(false);
        }
        if path == SUMS {
            let as_long = entry.size() == self.sums.len() as u64;
            return if as_long && small(entry, entry.size())? == self.sums.as_bytes() {
                Ok(true)
            } else {
                Err(ArchiveError::Damaged("its files are not those of its list".to_owned()))
            };
        }
        let shown = || format!("the file {:?}", path.chars().take(80).collect::<String>());
        let Some(most) = names::most_bytes(path) else {
            return Err(ArchiveError::Unexpected(shown()));
        };
        if !self.paths.insert(path.to_owned()) {
            return Err(ArchiveError::Unexpected(format!("{} twice", shown())));
        }
        let size = entry.size();
        self.bytes = self.bytes.saturating_add(size);
        self.names += path.len();
        let is_too_much = self.bytes > self.limits.bytes || self.paths.len() > self.limits.files;
        if size > most || is_too_much || self.names > MAX_NAMES {
            return Err(ArchiveError::TooLarge);
        }
        self.write(path, size, entry)?;
        Ok(false)
    }

    fn write(&mut self, path: &str, size: u64, entry: &mut impl Read) -> Result<(), ArchiveError> {
        let cannot = |source| ArchiveError::io("cannot keep the archive's files")(source);
        let disk = rustix::fs::statvfs(self.folder).map_err(|error| cannot(error.into()))?;
        let free = disk.f_bavail.saturating_mul(disk.f_frsize);
        if free < size.saturating_add(self.limits.reserve) {
            return Err(ArchiveError::NoRoom { free_mb: free >> 20 });
        }
        // Known names have no `..` and do not begin with a slash, and the folder was empty: no link is
        // followed.
        let place = self.folder.join(path);
        if let Some(folder) = place.parent() {
            DirBuilder::new().recursive(true).mode(0o700).create(folder).map_err(cannot)?;
        }
        let mut file =
            OpenOptions::new().write(true).create_new(true).mode(0o600).open(&place).map_err(cannot)?;
        let mut hasher = Sha256::new();
        let mut buffer = [0; 64 << 10];
        let mut left = size;
        while left > 0 {
            let read = entry.read(&mut buffer).map_err(damaged)?;
            if read == 0 {
                return Err(ArchiveError::Damaged("a file ends early".to_owned()));
            }
            hasher.update(&buffer[..read]);
            file.write_all(&buffer[..read]).map_err(cannot)?;
            left = left.saturating_sub(read as u64);
        }
        // Writing to a String cannot fail.
        let _ = writeln!(self.sums, "{}  {path}", hexadecimal(&hasher.finalize()));
        Ok(())
    }

    fn end(self) -> Result<Contents, ArchiveError> {
        let Some(about) = self.about else { return Err(ArchiveError::Foreign) };
        // One call for all files: a call for each of thousands takes minutes on a card.
        File::open(self.folder)
            .and_then(|folder| Ok(rustix::fs::syncfs(folder)?))
            .map_err(ArchiveError::io("cannot keep the archive's files"))?;
        Ok(Contents { about, files: self.paths.len(), bytes: self.bytes })
    }
}

/// What stands in the first entry. A newer format is said before anything else of it is looked at.
fn about(json: &[u8]) -> Result<About, ArchiveError> {
    let value: serde_json::Value = serde_json::from_slice(json).map_err(|_| ArchiveError::Foreign)?;
    let program = value["program"].as_str().unwrap_or("unknown").chars().take(40).collect();
    match value["format"].as_u64() {
        None | Some(0) => Err(ArchiveError::Foreign),
        Some(format) if format > u64::from(FORMAT) => Err(ArchiveError::Newer(program)),
        Some(_) => serde_json::from_value(value).map_err(|_| ArchiveError::Foreign),
    }
}

/// A small entry, whole.
fn small(entry: &mut Entry<'_, impl Read>, most: u64) -> Result<Vec<u8>, ArchiveError> {
    if entry.size() > most {
        return Err(ArchiveError::TooLarge);
    }
    let mut bytes = Vec::new();
    entry.read_to_end(&mut bytes).map_err(damaged)?;
    Ok(bytes)
}

fn damaged(error: io::Error) -> ArchiveError {
    ArchiveError::Damaged(error.to_string())
}
