//! From photos to a gallery: each new or changed photo is embedded once, and every refusal has a reason.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use image::RgbImage;
use sha2::{Digest as _, Sha256};

use super::Settings;
use super::cache::{Cache, Entry, Seen};
use super::{Alike, Outcome, PhotoReport, Report, Roster};
use crate::{Engine, EngineError, Enrolment, Gallery, Inspection};
use base::failure::{Diagnosis, Fault};
use vision::embedding::Embedding;
use vision::photo;
use vision::photo::{PhotoError, PhotoLimits};
use vision::scan::{Listing, PhotoFile, ScanError, scan};

/// Different students at least this alike are reported. On LFW the pairs of different people that reach it
/// are fewer than one in ten thousand, and nine in ten pairs of one person do.
pub const ALIKE: f32 = 0.55;

/// Most reported pairs: more is one mistake made often, and no list to read.
const MAX_ALIKE: usize = 100;

/// Photos embedded between two writes of the cache, so that a power cut costs minutes of enrolment and no
/// more.
const SAVE_EVERY: usize = 200;

/// What makes an embedding of a photo: the networks, or a test.
pub trait Enroller {
    /// Names the networks; embeddings of others are not comparable.
    fn model_hash(&self) -> &str;
    /// Names the detectors; what is no photo of one person to them may be one to others.
    fn detectors(&self) -> String;
    /// What is in an upright photo, and the embedding of the one person in it.
    ///
    /// # Errors
    /// [`EngineError`] when a network fails.
    fn enrol(&mut self, photo: &RgbImage) -> Result<Inspection, EngineError>;
}

impl Enroller for Engine {
    fn model_hash(&self) -> &str {
        self.model_hash()
    }

    fn detectors(&self) -> String {
        self.detectors()
    }

    fn enrol(&mut self, photo: &RgbImage) -> Result<Inspection, EngineError> {
        self.enrol(photo)
    }
}

/// Where photos and cache lie.
#[derive(Debug, Clone)]
pub struct Places {
    /// Folder of the photos.
    pub photos: PathBuf,
    /// The cache file; `None` keeps nothing.
    pub cache: Option<PathBuf>,
}

impl Places {
    /// The places a configuration names: the mirror of the backend, or the site's own folder.
    pub fn of(settings: &Settings) -> Self {
        let data = &settings.data_dir;
        let photos = match (&settings.photos.url, &settings.photos.folder) {
            (Some(_), _) => data.join("cached_faces"),
            (None, Some(folder)) => folder.clone(),
            (None, None) => data.join("known_faces"),
        };
        Self { photos, cache: Some(data.join("embeddings.safetensors")) }
    }
}

/// Why there is no roster.
#[derive(Debug, thiserror::Error)]
pub enum BuildError {
    /// The folder cannot be read.
    #[error(transparent)]
    Scan(#[from] ScanError),
    /// A network failed.
    #[error(transparent)]
    Engine(#[from] EngineError),
    /// It was told to stop.
    #[error("enrolment was stopped before its end; what is done is kept")]
    Stopped,
}

impl Diagnosis for BuildError {
    fn fault(&self) -> Fault {
        match self {
            Self::Engine(error) => error.fault(),
            Self::Scan(_) | Self::Stopped => Fault::new(self.to_string()),
        }
    }
}

/// How far an enrolment is.
pub trait Progress {
    /// `done` of `total` photos are looked at; `false` stops the enrolment.
    fn looked_at(&mut self, done: usize, total: usize) -> bool;
}

impl<F: FnMut(usize, usize) -> bool> Progress for F {
    fn looked_at(&mut self, done: usize, total: usize) -> bool {
        self(done, total)
    }
}

/// Makes the roster of the photos in `places`, embedding only what the cache does not know.
///
/// # Errors
/// [`BuildError`]. A photo that does not enrol is no error; it is in the report. A cache that cannot be
/// written is logged.
pub fn build(
    places: &Places,
    photos: &vision::photos::Photos,
    enroller: &mut dyn Enroller,
    progress: &mut dyn Progress,
) -> Result<Roster, BuildError> {
    let listing = scan(&places.photos, photos.roll_numbers, photos.max_photos)?;
    build_from(listing, places, photos, enroller, progress)
}

/// The same for photos that are listed already.
///
/// # Errors
/// As [`build`].
pub fn build_from(
    listing: Listing,
    places: &Places,
    photos: &vision::photos::Photos,
    enroller: &mut dyn Enroller,
    progress: &mut dyn Progress,
) -> Result<Roster, BuildError> {
    let (model_hash, detectors) = (enroller.model_hash().to_owned(), enroller.detectors());
    let cache_file = places.cache.as_deref();
    let mut cache = cache_file.map(|path| Cache::load(path, &model_hash, &detectors)).unwrap_or_default();
    let keep = |cache: &Cache| {
        if let Some(Err(error)) = cache_file.map(|path| cache.save(path, &model_hash, &detectors)) {
            log::warn!("{error}");
        }
    };
    let limits = PhotoLimits::from(photos);
    let (mut learnt, mut forgotten, mut entries) = (0, false, Vec::with_capacity(listing.photos.len()));
    for (index, file) in listing.photos.iter().enumerate() {
        if !progress.looked_at(index, listing.photos.len()) {
            keep(&cache);
            return Err(BuildError::Stopped);
        }
        if let Some(entry) = cache.untouched(file) {
            entries.push(entry.clone());
            continue;
        }
        let (entry, lasts) = look_at(file, &places.photos, limits, &cache, enroller)?;
        if lasts {
            cache.insert(file.path.clone(), entry.clone());
            learnt += 1;
            if learnt % SAVE_EVERY == 0 {
                keep(&cache);
            }
        } else {
            // What was there before is no longer this photo.
            forgotten |= cache.forget(&file.path);
        }
        entries.push(entry);
    }
    progress.looked_at(listing.photos.len(), listing.photos.len());
    forgotten |= cache.retain(&listing.photos);
    if learnt > 0 || forgotten {
        keep(&cache);
    }
    Ok(roster(listing, entries))
}

/// Reads, decodes and embeds one photo, and says whether what came of it lasts until the photo changes: not
/// where it could not be read, or is beyond a limit that the site may raise. Only a failing network is an
/// error: it says nothing about the photo.
fn look_at(
    file: &PhotoFile,
    folder: &Path,
    limits: PhotoLimits,
    known: &Cache,
    enroller: &mut dyn Enroller,
) -> Result<(Entry, bool), EngineError> {
    let seen = Seen::from(file);
    let refused = |sha256: String, reason: String| Entry {
        seen,
        sha256,
        content: None,
        outcome: Outcome::Refused { reason },
        embedding: None,
    };
    if file.bytes > limits.max_bytes {
        let error = PhotoError::TooManyBytes { bytes: file.bytes, max_bytes: limits.max_bytes };
        return Ok((refused(String::new(), error.to_string()), false));
    }
    let bytes = match std::fs::read(folder.join(&file.path)) {
        Ok(bytes) => bytes,
        Err(error) => return Ok((refused(String::new(), format!("cannot be read: {error}")), false)),
    };
    let sha256 = format!("{:x}", Sha256::digest(&bytes));
    if let Some(entry) = known.same_content(&file.path, &sha256) {
        return Ok((Entry { seen, ..entry.clone() }, true));
    }
    let picture = match photo::decode(&bytes, limits) {
        Ok(picture) => picture,
        Err(error) => {
            let lasts = !matches!(error, PhotoError::TooManyBytes { .. } | PhotoError::TooManyPixels { .. });
            return Ok((refused(sha256, error.to_string()), lasts));
        }
    };
    let Inspection { content, outcome } = enroller.enrol(&picture)?;
    let (outcome, embedding) = match outcome {
        Ok(Enrolment { embedding, quality, bounds }) => {
            (Outcome::Enrolled { quality, bounds }, Some(embedding))
        }
        Err(refusal) => (Outcome::Refused { reason: refusal.to_string() }, None),
    };
    Ok((Entry { seen, sha256, content: Some(content), outcome, embedding }, true))
}

fn roster(listing: Listing, entries: Vec<Entry>) -> Roster {
    let mut faces = Vec::new();
    let mut photos = Vec::with_capacity(entries.len());
    for (file, entry) in listing.photos.into_iter().zip(entries) {
        if let Some(embedding) = entry.embedding {
            faces.push((file.roll.clone(), embedding));
        }
        photos.push(PhotoReport {
            photo: file.path,
            roll: file.roll,
            content: entry.content,
            outcome: entry.outcome,
        });
    }
    let gallery = Gallery::new(faces.clone());
    let alike = alike(&gallery, &faces);
    Roster { gallery, report: Report { photos, ignored: listing.ignored, alike } }
}

/// Pairs of students who look like one person.
fn alike(gallery: &Gallery, faces: &[(base::identity::RollNumber, Embedding)]) -> Vec<Alike> {
    let mut pairs = BTreeMap::new();
    for (roll, face) in faces {
        if let Some((other, similarity)) = gallery.nearest_other(roll, face)
            && similarity >= ALIKE
        {
            let pair = if *roll < other { (roll.clone(), other) } else { (other, roll.clone()) };
            let best = pairs.entry(pair).or_insert(similarity);
            *best = similarity.max(*best);
        }
    }
    let mut alike: Vec<_> =
        pairs.into_iter().map(|((one, other), similarity)| Alike { one, other, similarity }).collect();
    alike.sort_by(|a, b| b.similarity.total_cmp(&a.similarity));
    alike.truncate(MAX_ALIKE);
    alike
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use crate::{Content, EnrolRefusal, Quality};
    use base::identity::RollNumber;
    use vision::embedding::DIMENSIONS;
    use vision::face::DetectorChoice;
    use vision::face::{Bounds, Face};
    use vision::size::ByteSize;

    /// Embeds a picture by its first pixel; black pictures have no face.
    #[derive(Default)]
    struct ByColour {
        calls: usize,
        detectors: &'static str,
    }

    impl Enroller for ByColour {
        fn model_hash(&self) -> &str {
            "by colour"
        }

        fn detectors(&self) -> String {
            self.detectors.to_owned()
        }

        fn enrol(&mut self, photo: &RgbImage) -> Result<Inspection, EngineError> {
            self.calls += 1;
            let [r, g, b] = photo.get_pixel(0, 0).0;
            if r == 0 && g == 0 && b == 0 {
                let content = Content::of(photo, &[]);
                return Ok(Inspection { content, outcome: Err(EnrolRefusal::NoFace) });
            }
            let (bounds, by) = (Bounds::default(), DetectorChoice::Yunet);
            let content = Content::of(photo, &[Face { bounds, score: 1.0, by, points: None }]);
            let mut raw = [0.0; DIMENSIONS];
            raw[0] = f32::from(r);
            raw[1] = f32::from(g);
            raw[2] = f32::from(b);
            let embedding = Embedding::normalised(&raw).unwrap();
            let outcome = Ok(Enrolment { embedding, quality: Quality::default(), bounds: Bounds::default() });
            Ok(Inspection { content, outcome })
        }
    }

    fn put(folder: &Path, photo: &str, colour: [u8; 3]) {
        let path = folder.join(photo);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        RgbImage::from_pixel(8, 8, image::Rgb(colour)).save(path).unwrap();
    }

    fn built(places: &Places, enroller: &mut ByColour) -> Roster {
        build(places, &vision::photos::Photos::default(), enroller, &mut |_, _| true).unwrap()
    }

    #[test]
    fn only_new_and_changed_photos_are_embedded() {
        let data = tempfile::tempdir().unwrap();
        let places = Places { photos: data.path().join("faces"), cache: Some(data.path().join("cache")) };
        put(&places.photos, "1/a.png", [255, 0, 0]);
        put(&places.photos, "2/b.png", [0, 255, 0]);
        put(&places.photos, "3/c.png", [0, 0, 0]);
        let mut enroller = ByColour::default();
        let roster = built(&places, &mut enroller);
        assert_eq!((enroller.calls, roster.gallery.people(), roster.report.refused().count()), (3, 2, 1));
        built(&places, &mut enroller);
        assert_eq!(enroller.calls, 3, "nothing changed, nothing is embedded");
        std::thread::sleep(std::time::Duration::from_millis(10));
        put(&places.photos, "3/c.png", [0, 0, 255]);
        put(&places.photos, "1/a.png", [255, 0, 0]);
        let roster = built(&places, &mut enroller);
        assert_eq!(enroller.calls, 4, "touched with the same content is not changed");
        assert_eq!(roster.gallery.people(), 3);
        std::fs::remove_file(places.photos.join("2/b.png")).unwrap();
        assert_eq!(
            built(&places, &mut enroller).gallery.people(),
            2,
            "a photo that is gone takes its embedding along"
        );
    }

    #[test]
    fn a_photo_that_could_not_be_read_is_read_as_soon_as_it_can() {
        let data = tempfile::tempdir().unwrap();
        let places = Places { photos: data.path().join("faces"), cache: Some(data.path().join("cache")) };
        // Rights change neither the size nor the time of a file, and neither does what this listing says.
        let photo = PhotoFile {
            path: "1/a.png".to_owned(),
            roll: RollNumber::parse("1").unwrap(),
            bytes: 100,
            modified_ns: 5,
        };
        let listing = Listing { photos: vec![photo], ignored: Vec::new() };
        let mut enroller = ByColour::default();
        let mut people = || {
            let photos = vision::photos::Photos::default();
            let built = build_from(listing.clone(), &places, &photos, &mut enroller, &mut |_, _| true);
            built.unwrap().gallery.people()
        };
        assert_eq!(people(), 0);
        put(&places.photos, "1/a.png", [255, 0, 0]);
        assert_eq!(people(), 1);
    }

    #[test]
    fn a_photo_beyond_a_limit_is_looked_at_again_when_the_limit_is_raised() {
        let data = tempfile::tempdir().unwrap();
        let places = Places { photos: data.path().join("faces"), cache: Some(data.path().join("cache")) };
        std::fs::create_dir_all(places.photos.join("1")).unwrap();
        let picture = RgbImage::from_pixel(1100, 1000, image::Rgb([255, 0, 0]));
        picture.save(places.photos.join("1/a.png")).unwrap();
        let mut enroller = ByColour::default();
        let mut people = |photos: &vision::photos::Photos| {
            build(&places, photos, &mut enroller, &mut |_, _| true).unwrap().gallery.people()
        };
        let whole = vision::photos::Photos::default();
        let few_pixels = vision::photos::Photos { max_megapixels: 1, ..whole.clone() };
        let few_bytes = vision::photos::Photos { max_file_size: ByteSize::from_mb(0), ..whole.clone() };
        assert_eq!([people(&few_pixels), people(&few_bytes), people(&whole)], [0, 0, 1]);
        // A photo that takes its place and is refused leaves nothing of it behind.
        put(&places.photos, "1/a.png", [0, 255, 0]);
        assert_eq!(people(&few_bytes), 0);
        let cache = places.cache.as_deref().unwrap();
        assert!(!Cache::load(cache, "by colour", "").retain(&[]));
    }

    #[test]
    fn who_was_not_found_is_looked_for_again_by_other_detectors() {
        let data = tempfile::tempdir().unwrap();
        let places = Places { photos: data.path().join("faces"), cache: Some(data.path().join("cache")) };
        put(&places.photos, "1/a.png", [255, 0, 0]);
        put(&places.photos, "2/b.png", [0, 0, 0]);
        let mut enroller = ByColour { calls: 0, detectors: "one" };
        for (detectors, calls) in [("one", 2), ("one", 2), ("another", 3), ("another", 3)] {
            enroller.detectors = detectors;
            assert_eq!(built(&places, &mut enroller).gallery.people(), 1);
            assert_eq!(enroller.calls, calls, "{detectors}");
        }
    }

    #[test]
    fn one_face_under_two_roll_numbers_is_reported() {
        let data = tempfile::tempdir().unwrap();
        let places = Places { photos: data.path().join("faces"), cache: Some(data.path().join("cache")) };
        put(&places.photos, "1/a.png", [255, 0, 0]);
        put(&places.photos, "1/b.png", [250, 0, 0]);
        put(&places.photos, "2/a.png", [255, 10, 0]);
        put(&places.photos, "3/a.png", [0, 0, 255]);
        let report = built(&places, &mut ByColour::default()).report;
        let pairs: Vec<_> =
            report.alike.iter().map(|pair| (pair.one.as_str(), pair.other.as_str())).collect();
        assert_eq!(pairs, [("1", "2")]);
        assert!(report.needs_attention());
    }

    #[test]
    fn a_photo_that_is_no_picture_is_reported_and_costs_nobody_else() {
        let data = tempfile::tempdir().unwrap();
        let places = Places { photos: data.path().join("faces"), cache: Some(data.path().join("cache")) };
        put(&places.photos, "1/a.png", [255, 0, 0]);
        std::fs::create_dir_all(places.photos.join("2")).unwrap();
        std::fs::write(places.photos.join("2/page.jpg"), "<html>502</html>").unwrap();
        let roster = built(&places, &mut ByColour::default());
        assert_eq!(roster.gallery.people(), 1);
        let (photo, reason) = roster.report.refused().next().unwrap();
        assert_eq!(photo.photo, "2/page.jpg");
        assert!(reason.contains("not a picture"), "{reason}");
        assert_eq!(roster.report.unrecognisable().len(), 1);
    }

    #[test]
    fn a_stopped_enrolment_goes_on_where_it_was() {
        let data = tempfile::tempdir().unwrap();
        let places = Places { photos: data.path().join("faces"), cache: Some(data.path().join("cache")) };
        for roll in 1..=6u8 {
            put(&places.photos, &format!("{roll}/a.png"), [roll, 200, 10 * roll]);
        }
        let mut enroller = ByColour::default();
        let stopped =
            build(&places, &vision::photos::Photos::default(), &mut enroller, &mut |done, _| done < 4);
        assert!(matches!(stopped, Err(BuildError::Stopped)));
        assert_eq!(built(&places, &mut enroller).gallery.people(), 6);
        assert_eq!(enroller.calls, 6);
    }
}
