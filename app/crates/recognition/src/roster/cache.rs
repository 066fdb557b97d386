//! Embeddings kept between starts, so that a thousand students are not embedded anew.
//!
//! One safetensors file: the embeddings as one matrix, and in its header what each came from. An entry counts
//! only for the same photo content and the same networks. Whoever finds a face, its embedding is the same; so
//! after a change of detectors only those photos are looked at again in which they had a choice: that were
//! refused, or show several faces. The cache is never needed: one that is missing, damaged or of another
//! version is made again, and a photo whose size and time of change are as they were is not even read.

use std::borrow::Cow;
use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::path::{Path, PathBuf};

use safetensors::tensor::{Dtype, SafeTensors, View};
use serde::{Deserialize, Serialize};

use super::Outcome;
use crate::Content;
use vision::embedding::DIMENSIONS;
use vision::embedding::Embedding;
use vision::scan::PhotoFile;

/// Changes when the meaning of the file changes.
const VERSION: &str = "2";

/// Largest cache file read: 200,000 photos need less.
const MAX_BYTES: u64 = 512 * 1024 * 1024;

/// What is known about the photos, by path.
#[derive(Debug, Default)]
pub struct Cache {
    entries: BTreeMap<String, Entry>,
}

/// What is known about one photo.
#[derive(Debug, Clone, PartialEq)]
pub struct Entry {
    /// Size and time of change when it was looked at.
    pub seen: Seen,
    /// SHA-256 of its content, hex.
    pub sha256: String,
    /// What is in it; `None` when it is no picture.
    pub content: Option<Content>,
    /// Whether it enrolled.
    pub outcome: Outcome,
    /// Its embedding, when it did.
    pub embedding: Option<Embedding>,
}

/// What tells an untouched file without reading it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Seen {
    /// Size in bytes.
    pub bytes: u64,
    /// Time of last change, nanoseconds since 1970.
    pub modified_ns: i128,
}

impl From<&PhotoFile> for Seen {
    fn from(photo: &PhotoFile) -> Self {
        Self { bytes: photo.bytes, modified_ns: photo.modified_ns }
    }
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
    outcome: Outcome,
    /// Row in the matrix.
    row: Option<usize>,
}

impl Entry {
    /// Whether it holds with other detectors too.
    fn is_of_one_face(&self) -> bool {
        matches!(self.outcome, Outcome::Enrolled { .. })
            && self.content.as_ref().is_some_and(|content| content.faces.len() == 1)
    }
}

impl Cache {
    /// Reads the cache at `path` if it was made by the networks of `model_hash`; an empty one otherwise. Of
    /// one that was not made with these `detectors`, what holds with others too.
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

    /// The entry of `photo` if the file is untouched since.
    pub fn untouched(&self, photo: &PhotoFile) -> Option<&Entry> {
        self.entries.get(&photo.path).filter(|entry| entry.seen == Seen::from(photo))
    }

    /// The entry of the photo at `path` if its content is the same.
    pub fn same_content(&self, path: &str, sha256: &str) -> Option<&Entry> {
        self.entries.get(path).filter(|entry| entry.sha256 == sha256)
    }

    /// Remembers a photo.
    pub fn insert(&mut self, path: String, entry: Entry) {
        self.entries.insert(path, entry);
    }

    /// Forgets the photo at `path`; whether it was known.
    pub fn forget(&mut self, path: &str) -> bool {
        self.entries.remove(path).is_some()
    }

    /// Forgets what is not among `photos`; whether there was any.
    pub fn retain(&mut self, photos: &[PhotoFile]) -> bool {
        let listed: BTreeSet<&str> = photos.iter().map(|photo| photo.path.as_str()).collect();
        let before = self.entries.len();
        self.entries.retain(|path, _| listed.contains(path.as_str()));
        self.entries.len() != before
    }

    fn encode(&self, model_hash: &str, detectors: &str) -> Result<Vec<u8>, String> {
        let mut matrix = Vec::new();
        let mut stored = Vec::with_capacity(self.entries.len());
        for (photo, entry) in &self.entries {
            let row = entry.embedding.as_ref().map(|embedding| {
                matrix.extend(embedding.values().iter().flat_map(|value| value.to_le_bytes()));
                matrix.len() / (DIMENSIONS * 4) - 1
            });
            stored.push(StoredEntry {
                photo: photo.clone(),
                seen: entry.seen,
                sha256: entry.sha256.clone(),
                content: entry.content.clone(),
                outcome: entry.outcome.clone(),
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
        let shape = [matrix.len() / (DIMENSIONS * 4), DIMENSIONS];
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
        let [rows, DIMENSIONS] = *matrix.shape() else { return None };
        if matrix.dtype() != Dtype::F32
            || crc32fast::hash(matrix.data()).to_string() != *header.get("crc32")?
        {
            return None;
        }
        let row_of = |row: usize| {
            let bytes = (row < rows).then(|| &matrix.data()[row * DIMENSIONS * 4..][..DIMENSIONS * 4])?;
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
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use crate::Quality;
    use crate::faces::enrolment::Found;
    use vision::face::Bounds;
    use vision::face::DetectorChoice;

    fn sample() -> Cache {
        let mut cache = Cache::default();
        let seen = Seen { bytes: 7, modified_ns: 1_700_000_000_123_456_789 };
        let outcome = Outcome::Enrolled { quality: Quality::default(), bounds: Bounds::default() };
        let embedding =
            Embedding::normalised(&std::array::from_fn::<_, DIMENSIONS, _>(|i| i as f32)).unwrap();
        let face = Found { by: DetectorChoice::Yunet, bounds: Bounds::default() };
        let content = Some(Content { width: 640, height: 480, faces: vec![face] });
        let enrolled = Entry { seen, sha256: "aa".to_owned(), content, outcome, embedding: Some(embedding) };
        let outcome = Outcome::Refused { reason: "no face".to_owned() };
        cache.insert("1/a.jpg".to_owned(), enrolled);
        cache.insert(
            "2/b.jpg".to_owned(),
            Entry { seen, sha256: "bb".to_owned(), content: None, outcome, embedding: None },
        );
        cache
    }

    #[test]
    fn what_was_saved_is_loaded_for_the_same_networks_only() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("new/embeddings.safetensors");
        let cache = sample();
        cache.save(&path, "model", "detectors").unwrap();
        let loaded = Cache::load(&path, "model", "detectors");
        assert_eq!(loaded.entries.len(), 2);
        assert_eq!(loaded.same_content("2/b.jpg", "bb"), cache.same_content("2/b.jpg", "bb"));
        let embedding = |cache: &Cache| cache.entries["1/a.jpg"].embedding.clone().unwrap();
        assert!(embedding(&loaded).similarity(&embedding(&cache)) > 0.999_99);
        assert!(Cache::load(&path, "another model", "detectors").entries.is_empty());
    }

    #[test]
    fn with_other_detectors_only_who_is_alone_in_a_photo_stays_enrolled() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("embeddings.safetensors");
        let mut cache = sample();
        let mut group = cache.entries["1/a.jpg"].clone();
        let faces = &mut group.content.as_mut().unwrap().faces;
        let face = faces[0].clone();
        faces.push(face);
        cache.insert("3/c.jpg".to_owned(), group);
        cache.save(&path, "model", "detectors").unwrap();
        assert_eq!(Cache::load(&path, "model", "detectors").entries.len(), 3);
        let stays = |path: &Path| {
            let loaded = Cache::load(path, "model", "others");
            loaded.entries.into_keys().collect::<Vec<_>>()
        };
        assert_eq!(stays(&path), ["1/a.jpg"]);
        // A file of an earlier version has no such field.
        let mut earlier = std::fs::read(&path).unwrap();
        let at = earlier.windows(11).position(|bytes| bytes == b"\"detectors\"").unwrap();
        earlier[at + 1] = b'x';
        std::fs::write(&path, &earlier).unwrap();
        assert_eq!(stays(&path), ["1/a.jpg"]);
        assert_eq!(Cache::load(&path, "model", "detectors").entries.len(), 1);
    }

    #[test]
    fn a_damaged_cache_is_no_cache() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("embeddings.safetensors");
        sample().save(&path, "model", "detectors").unwrap();
        let whole = std::fs::read(&path).unwrap();
        for kept in (0..whole.len()).step_by(37) {
            std::fs::write(&path, &whole[..kept]).unwrap();
            assert!(Cache::load(&path, "model", "detectors").entries.is_empty(), "cut to {kept}");
        }
        let mut flipped = whole.clone();
        *flipped.last_mut().unwrap() ^= 1;
        std::fs::write(&path, &flipped).unwrap();
        assert!(Cache::load(&path, "model", "detectors").entries.is_empty());
    }
}
