//! A set of pictures, each embedded once.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use image::RgbImage;

use recognition::EngineError;
use vision::embedding::Embedding;
use vision::face::Face;
use vision::photo;
use vision::photo::PhotoLimits;

/// Research pictures are small; the limits keep a wrong folder from filling the memory.
const LIMITS: PhotoLimits = PhotoLimits { max_bytes: 50_000_000, max_pixels: 50_000_000 };

/// Most pictures read from a folder.
const MAX_PICTURES: usize = 100_000;

/// Makes the embedding of the person a picture is about; `None` when no face is found, or none that counts.
pub type Embed<'a> = dyn FnMut(&RgbImage) -> Result<Option<Embedding>, EngineError> + 'a;

/// A measurement cannot be made.
#[derive(Debug, thiserror::Error)]
pub enum EvaluateError {
    /// A file or folder cannot be read.
    #[error("cannot read {}: {source}", path.display())]
    Unreadable {
        /// The file or folder.
        path: PathBuf,
        /// An error of the operating system.
        source: std::io::Error,
    },
    /// A file is not a picture.
    #[error("{}: {source}", path.display())]
    Photo {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        source: photo::PhotoError,
    },
    /// A model failed.
    #[error(transparent)]
    Engine(#[from] EngineError),
    /// The list of pairs.
    #[error(transparent)]
    Pairs(#[from] super::pairs::PairsError),
    /// There is too little to measure.
    #[error("{0}")]
    TooLittle(String),
}

/// Embeds each of `pictures` (paths below `folder`); `None` for those without a face.
///
/// # Errors
/// [`EvaluateError`] names the file: a measurement over a part of its pictures would be another measurement.
pub fn embed_all(
    folder: &Path,
    pictures: impl IntoIterator<Item = PathBuf>,
    embed: &mut Embed<'_>,
    looked_at: &dyn Fn(usize, usize),
) -> Result<BTreeMap<PathBuf, Option<Embedding>>, EvaluateError> {
    let mut embedded: BTreeMap<PathBuf, Option<Embedding>> =
        pictures.into_iter().map(|path| (path, None)).collect();
    let total = embedded.len();
    for (index, (path, embedding)) in embedded.iter_mut().enumerate() {
        looked_at(index, total);
        *embedding = embed(&open(&folder.join(path))?)?;
    }
    looked_at(total, total);
    Ok(embedded)
}

/// Reads one picture; PGM and PPM, which research sets use, beside the kinds of photo.
///
/// # Errors
/// [`EvaluateError`] names the file.
pub fn open(path: &Path) -> Result<RgbImage, EvaluateError> {
    let unreadable = |source| EvaluateError::Unreadable { path: path.to_owned(), source };
    let length = std::fs::metadata(path).map_err(unreadable)?.len();
    if length > LIMITS.max_bytes {
        return Err(unreadable(std::io::Error::other(format!("{length} bytes are too many for a picture"))));
    }
    let bytes = std::fs::read(path).map_err(unreadable)?;
    photo::decode(&bytes, LIMITS).map_err(|source| EvaluateError::Photo { path: path.to_owned(), source })
}

/// The face a picture is about: the large one near the middle. In LFW others stand at the edge.
pub fn central<'a>(picture: &RgbImage, faces: &'a [Face]) -> Option<&'a Face> {
    let (width, height) = (picture.width() as f32, picture.height() as f32);
    let away = |face: &Face| {
        let centre = face.bounds.centre();
        let distance = (centre.x - width / 2.0).hypot(centre.y - height / 2.0);
        distance - 0.5 * face.bounds.area().sqrt()
    };
    faces.iter().min_by(|a, b| away(a).total_cmp(&away(b)))
}

/// The pictures of each person: `<folder>/<person>/<picture>`.
///
/// # Errors
/// [`EvaluateError::Unreadable`].
pub fn people(folder: &Path) -> Result<BTreeMap<String, Vec<PathBuf>>, EvaluateError> {
    let mut people = BTreeMap::new();
    let mut count = 0;
    for person in names(folder)? {
        let pictures = folder.join(&person);
        if !pictures.is_dir() {
            continue;
        }
        let known = |name: &String| {
            let extension = name.rsplit_once('.').map_or("", |(_, extension)| extension).to_ascii_lowercase();
            matches!(extension.as_str(), "pgm" | "ppm") || vision::scan::is_photo(name)
        };
        let paths: Vec<_> =
            names(&pictures)?.into_iter().filter(known).map(|name| Path::new(&person).join(name)).collect();
        count += paths.len();
        if count > MAX_PICTURES {
            return Err(EvaluateError::TooLittle(format!(
                "{} holds more than {MAX_PICTURES} pictures",
                folder.display()
            )));
        }
        if !paths.is_empty() {
            people.insert(person, paths);
        }
    }
    Ok(people)
}

/// The names in a folder, sorted.
pub(super) fn names(folder: &Path) -> Result<Vec<String>, EvaluateError> {
    let unreadable = |source| EvaluateError::Unreadable { path: folder.to_owned(), source };
    let mut names = Vec::new();
    for entry in std::fs::read_dir(folder).map_err(unreadable)? {
        names.push(entry.map_err(unreadable)?.file_name().to_string_lossy().into_owned());
    }
    names.retain(|name| !name.starts_with('.'));
    names.sort();
    Ok(names)
}
