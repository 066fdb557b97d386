//! Embeddings kept between starts, so that a thousand students are not embedded again.
//!
//! One safetensors file: the embeddings as one matrix, and in its header what each came from. What was found
//! in a photo is kept by the hash of its content, so it never belongs to another photo, whatever is renamed;
//! and it counts only for the same models. Whoever finds a face, its embedding is the same; so after a
//! change of detectors only those photos are looked at again in which they had a choice: that were refused,
//! or show several faces. The cache is never needed: one that is missing, damaged or of another version is
//! made again.
//!
//! Size, times and inode of a file only save the hashing, see [`Seen`].

use std::borrow::Cow;
use std::collections::{BTreeMap, HashMap, HashSet};
use std::path::{Path, PathBuf};

use safetensors::tensor::{Dtype, SafeTensors, View};
use serde::{Deserialize, Serialize};

use super::report::PhotoOutcome;
use faces::enrolment::Content;
use vision::embedding::Embedding;
use vision::scan::PhotoFile;

/// Changes when the meaning of the file changes.
const VERSION: &str = "2";

/// Largest cache file read: 200,000 photos need less.
const MAX_BYTES: u64 = 512 * 1024 * 1024;

/// A file that changed so shortly before it was looked at may change again within the same tick of the file
/// system's clock.
const SETTLED_NS: i128 = 2_000_000_000;

/// What is known about the photos.
#[derive(Debug, Default)]
pub struct Cache {
    /// What each file held when it was last looked at, by path.
    photos: BTreeMap<String, Sight>,
    /// What is in a photo, by the hash of its content.
    findings: HashMap<String, Finding>,
}

#[derive(Debug, PartialEq)]
struct Sight {
    seen: Seen,
    sha256: String,
}

#[derive(Debug, Clone, PartialEq)]
struct Finding {
    content: Option<Content>,
    outcome: PhotoOutcome,
    embedding: Option<Embedding>,
}

/// What is known about one photo.
#[derive(Debug, Clone, PartialEq)]
pub struct Entry {
    /// The file's marks when it was looked at.
    pub seen: Seen,
    /// SHA-256 of its content, hex.
    pub sha256: String,
    /// What is in it; `None` when it is not a picture.
    pub content: Option<Content>,
    /// Whether it enrolled.
    pub outcome: PhotoOutcome,
    /// Its embedding, when it did.
    pub embedding: Option<Embedding>,
}

/// What tells an untouched file without reading it. Size and time of change do not: two photos may exchange
/// their names, or a program may set the time back. The system does not let anybody set the time of change of
/// name and rights, so with it and the inode they do, on file systems that [keep both](keeps_marks).
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Seen {
    bytes: u64,
    modified_ns: i128,
    /// 0, which no file has: the file must be hashed. Earlier versions did not write it.
    #[serde(default)]
    inode: u64,
    #[serde(default)]
    changed_ns: i128,
}

impl Seen {
    /// The marks of a file that is listed at `now_ns`; none when it changed only just before, or in the
    /// future.
    pub fn of(photo: &PhotoFile, now_ns: i128) -> Self {
        if photo.changed_ns + SETTLED_NS > now_ns {
            return Self::default();
        }
        Self::whenever(photo)
    }

    fn whenever(photo: &PhotoFile) -> Self {
        let PhotoFile { bytes, modified_ns, inode, changed_ns, .. } = *photo;
        Self { bytes, modified_ns, inode, changed_ns }
    }
}

/// Whether the file system of `folder` keeps inodes and times of change, so that [`Seen`] can be trusted. FAT
/// and exFAT, as on sticks, number their files again with each mount, and network shares do as they like.
pub fn keeps_marks(folder: &Path) -> bool {
    /// ext2 to ext4, Btrfs, XFS, F2FS, tmpfs, overlay.
    const KNOWN: [u64; 6] = [0xef53, 0x9123_683e, 0x5846_5342, 0xf2f5_2010, 0x0102_1994, 0x794c_7630];
    rustix::fs::statfs(folder).is_ok_and(|is| KNOWN.contains(&(is.f_type as u64 & 0xffff_ffff)))
}

/// The cache cannot be written; the roster works all the same, the next start is slower.
#[derive(Debug, thiserror::Error)]
#[error("cannot keep the embeddings in {}: {reason}; free some space", path.display())]
pub struct CacheError {
    /// The file.
    pub path: PathBuf,
    /// What failed.
    pub reason: String,
}

#[derive(Serialize, Deserialize)]
struct StoredEntry {
    photo: String,
    seen: Seen,
    sha256: String,
    content: Option<Content>,
    outcome: PhotoOutcome,
    /// Row in the matrix.
    row: Option<usize>,
}

impl Entry {
    /// Whether it holds with other detectors too.
    fn is_of_one_face(&self) -> bool {
        matches!(self.outcome, PhotoOutcome::Enrolled { .. })
            && self.content.as_ref().is_some_and(|content| content.faces.len() == 1)
    }
}

impl Cache {
    /// Reads the cache at `path` if it was made by the models of `model_hash`; an empty one otherwise. If it
    /// was made with other `detectors`, only what holds with any detector is read.
    pub fn load(path: &Path, model_hash: &str, detectors: &str) -> Self {
        match std::fs::metadata(path) {
            Ok(metadata) if metadata.len() <= MAX_BYTES => {}
            _ => return Self::default(),
        }
        let bytes = std::fs::read(path).ok();
        bytes.and_then(|bytes| Self::decode(&bytes, model_hash, detectors)).unwrap_or_default()
    }

    /// Writes the cache to a new file and renames it into place.
    ///
    /// # Errors
    /// [`CacheError`] when the disk is full or read-only; the old file is then as it was.
    pub fn save(&self, path: &Path, model_hash: &str, detectors: &str) -> Result<(), CacheError> {
        let failed = |reason: String| CacheError { path: path.to_owned(), reason };
        let bytes = self.encode(model_hash, detectors).map_err(failed)?;
        let folder = path.parent().unwrap_or(Path::new("."));
        let written = (|| {
            std::fs::create_dir_all(folder)?;
            let mut file = tempfile::NamedTempFile::new_in(folder)?;
            std::io::Write::write_all(&mut file, &bytes)?;
            file.as_file().sync_all()?;
            file.persist(path).map_err(|error| error.error)?;
            std::fs::File::open(folder)?.sync_all()
        })();
        written.map_err(|error: std::io::Error| failed(error.to_string()))
    }

    /// Forgets the photos that `is_erased` names in the cache at `path`, whichever models made it. A file
    /// that cannot be read is removed: it is made again.
    ///
    /// # Errors
    /// An error of the operating system; the file is then as it was.
    pub fn erase(path: &Path, is_erased: impl Fn(&str) -> bool) -> std::io::Result<()> {
        let decoded = std::fs::read(path)?;
        let header = SafeTensors::read_metadata(&decoded).ok().and_then(|(_, header)| {
            let header = header.metadata().as_ref()?;
            Some((header.get("model")?.clone(), header.get("detectors").cloned().unwrap_or_default()))
        });
        let Some((model, detectors)) = header else { return std::fs::remove_file(path) };
        let Some(mut cache) = Self::decode(&decoded, &model, &detectors) else {
            return std::fs::remove_file(path);
        };
        if !cache.retain(|photo| !is_erased(photo)) {
            return Ok(());
        }
        cache.save(path, &model, &detectors).map_err(std::io::Error::other)
    }

    /// The entry of `photo` if the file is untouched since. Only to be asked where the file system
    /// [keeps its marks](keeps_marks).
    pub fn untouched(&self, photo: &PhotoFile) -> Option<Entry> {
        let sight = self.photos.get(&photo.path)?;
        let same = sight.seen.inode != 0 && sight.seen == Seen::whenever(photo);
        if same { self.get(&photo.path) } else { None }
    }

    /// What is known of the photo at `path`.
    pub fn get(&self, path: &str) -> Option<Entry> {
        let Sight { seen, sha256 } = self.photos.get(path)?;
        self.of_content(sha256, *seen)
    }

    /// What is known of the content with this hash, as the entry of a file that was last seen as `seen` says.
    pub fn of_content(&self, sha256: &str, seen: Seen) -> Option<Entry> {
        let Finding { content, outcome, embedding } = self.findings.get(sha256)?.clone();
        Some(Entry { seen, sha256: sha256.to_owned(), content, outcome, embedding })
    }

    /// The paths of all photos that are known, in order.
    pub fn paths(&self) -> impl Iterator<Item = &str> {
        self.photos.keys().map(String::as_str)
    }

    /// Remembers a photo; whether that is news.
    pub fn insert(&mut self, path: String, entry: Entry) -> bool {
        let Entry { seen, sha256, content, outcome, embedding } = entry;
        let found = self.findings.insert(sha256.clone(), Finding { content, outcome, embedding }).is_none();
        let sight = Sight { seen, sha256 };
        let moved = self.photos.get(&path) != Some(&sight);
        self.photos.insert(path, sight);
        found || moved
    }

    /// Forgets the photo at `path`; whether it was known. What is in it stays until [`Cache::retain`]: it may
    /// have another name now.
    pub fn forget(&mut self, path: &str) -> bool {
        self.photos.remove(path).is_some()
    }

    /// Forgets the photos that are not to be kept, and what no photo holds any more; whether there was any.
    pub fn retain(&mut self, keep: impl Fn(&str) -> bool) -> bool {
        let before = self.photos.len();
        self.photos.retain(|path, _| keep(path));
        let held: HashSet<&str> = self.photos.values().map(|sight| sight.sha256.as_str()).collect();
        self.findings.retain(|sha256, _| held.contains(sha256.as_str()));
        self.photos.len() != before
    }

    fn encode(&self, model_hash: &str, detectors: &str) -> Result<Vec<u8>, String> {
        let mut matrix = Vec::new();
        // All are of one embedder.
        let of = |finding: &Finding| finding.embedding.as_ref().map(|embedding| embedding.values().len());
        let dimensions = self.findings.values().find_map(of).unwrap_or(1);
        let mut stored = Vec::with_capacity(self.photos.len());
        for photo in self.photos.keys() {
            let Some(entry) = self.get(photo) else { continue };
            let row = entry.embedding.as_ref().map(|embedding| {
                matrix.extend(embedding.values().iter().flat_map(|value| value.to_le_bytes()));
                matrix.len() / (dimensions * 4) - 1
            });
            stored.push(StoredEntry {
                photo: photo.clone(),
                seen: entry.seen,
                sha256: entry.sha256,
                content: entry.content,
                outcome: entry.outcome,
                row,
            });
        }
        let header = HashMap::from([
            ("version".to_owned(), VERSION.to_owned()),
            ("model".to_owned(), model_hash.to_owned()),
            ("detectors".to_owned(), detectors.to_owned()),
            ("crc32".to_owned(), crc32fast::hash(&matrix).to_string()),
            ("entries".to_owned(), serde_json::to_string(&stored).map_err(|error| error.to_string())?),
        ]);
        let shape = [matrix.len() / (dimensions * 4), dimensions];
        safetensors::serialize([("embeddings", Matrix { shape, bytes: matrix })], Some(header))
            .map_err(|error| error.to_string())
    }

    fn decode(bytes: &[u8], model_hash: &str, detectors: &str) -> Option<Self> {
        let (_, header) = SafeTensors::read_metadata(bytes).ok()?;
        let header = header.metadata().as_ref()?;
        if header.get("version")? != VERSION || header.get("model")? != model_hash {
            return None;
        }
        // An earlier version did not say which they were.
        let same_detectors = header.get("detectors").is_some_and(|made_with| made_with == detectors);
        let tensors = SafeTensors::deserialize(bytes).ok()?;
        let matrix = tensors.tensor("embeddings").ok()?;
        let [rows, dimensions] = *matrix.shape() else { return None };
        if matrix.dtype() != Dtype::F32
            || crc32fast::hash(matrix.data()).to_string() != *header.get("crc32")?
        {
            return None;
        }
        let row_of = |row: usize| {
            if row >= rows {
                return None;
            }
            let bytes = matrix.data().get(row * dimensions * 4..)?.get(..dimensions * 4)?;
            let (values, _) = bytes.as_chunks::<4>();
            let values: Vec<f32> = values.iter().map(|value| f32::from_le_bytes(*value)).collect();
            Embedding::normalised(&values).ok()
        };
        let stored: Vec<StoredEntry> = serde_json::from_str(header.get("entries")?).ok()?;
        let mut cache = Self::default();
        for entry in stored {
            let embedding = match entry.row {
                Some(row) => Some(row_of(row)?),
                None => None,
            };
            let StoredEntry { photo, seen, sha256, content, outcome, .. } = entry;
            let entry = Entry { seen, sha256, content, outcome, embedding };
            if same_detectors || entry.is_of_one_face() {
                cache.insert(photo, entry);
            }
        }
        Some(cache)
    }
}

/// The embeddings as safetensors wants to see them.
struct Matrix {
    shape: [usize; 2],
    bytes: Vec<u8>,
}

impl View for Matrix {
    fn dtype(&self) -> Dtype {
        Dtype::F32
    }

    fn shape(&self) -> &[usize] {
        &self.shape
    }

    fn data(&self) -> Cow<'_, [u8]> {
        Cow::Borrowed(&self.bytes)
    }

    fn data_len(&self) -> usize {
        self.bytes.len()
    }
}

#[cfg(test)]
#[path = "cache_tests.rs"]
mod tests;
