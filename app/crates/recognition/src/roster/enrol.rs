//! From photos to a gallery: each new or changed photo is embedded once, and every refusal has a reason.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::time::{SystemTime, UNIX_EPOCH};

use image::RgbImage;
use sha2::{Digest as _, Sha256};

use super::Settings;
use super::cache::{Cache, Entry, Seen, keeps_marks};
use super::removal::Removal;
use super::{Alike, Outcome, PhotoReport, Report, Roster};
use crate::{Engine, EngineError, Enrolment, Gallery, Inspection};
use base::identity::RollNumber;
use vision::contain::contained;
use vision::embedding::Embedding;
use vision::photo;
use vision::photo::{PhotoError, PhotoLimits};
use vision::scan::{Ignored, Listing, PhotoFile, ScanError, scan};

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

/// Makes the roster of the photos in `places`, embedding only what the cache does not know. What cannot be read
/// now, and students of whom `removal` does not believe that they are gone, stay as the cache knows them.
///
/// # Errors
/// [`BuildError`]. A photo that does not enrol is no error; it is in the report. A cache that cannot be
/// written is logged. A folder that cannot be read is an error only when the cache knows nobody.
pub fn build(
    places: &Places,
    photos: &vision::photos::Photos,
    enroller: &mut dyn Enroller,
    removal: &mut Removal,
    progress: &mut dyn Progress,
) -> Result<Roster, BuildError> {
    let (listing, fault) = match scan(&places.photos, photos.roll_numbers, photos.max_photos) {
        Ok(listing) => (listing, None),
        Err(error) => (Listing::of_nothing_readable(&error), Some(error)),
    };
    let roster = build_from(listing, places, photos, enroller, removal, progress)?;
    match fault {
        Some(error) if roster.report.photos.is_empty() => Err(error.into()),
        _ => Ok(roster),
    }
}

/// The same for photos that are listed already.
///
/// # Errors
/// As [`build`].
pub fn build_from(
    mut listing: Listing,
    places: &Places,
    photos: &vision::photos::Photos,
    enroller: &mut dyn Enroller,
    removal: &mut Removal,
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
    let marks_hold = keeps_marks(&places.photos);
    let now_ns = SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_nanos() as i128);
    let kept = kept(&cache, &mut listing, removal, photos);
    let (mut learnt, mut forgotten) = (0, false);
    let mut known: Vec<(String, RollNumber, Entry)> = Vec::with_capacity(listing.photos.len());
    for (index, file) in listing.photos.iter().enumerate() {
        if !progress.looked_at(index, listing.photos.len()) {
            keep(&cache);
            return Err(BuildError::Stopped);
        }
        if let Some(entry) = cache.untouched(file).filter(|_| marks_hold) {
            known.push((file.path.clone(), file.roll.clone(), entry));
            continue;
        }
        let entry = match look_at(file, &places.photos, limits, now_ns, &cache, enroller)? {
            Looked::Gone => {
                forgotten |= cache.forget(&file.path);
                continue;
            }
            Looked::Lasting(entry) => {
                if cache.insert(file.path.clone(), entry.clone()) {
                    learnt += 1;
                    if learnt % SAVE_EVERY == 0 {
                        keep(&cache);
                    }
                }
                entry
            }
            Looked::ForNow(entry) => {
                // What was there before is no longer this photo.
                forgotten |= cache.forget(&file.path);
                entry
            }
        };
        known.push((file.path.clone(), file.roll.clone(), entry));
    }
    progress.looked_at(listing.photos.len(), listing.photos.len());
    let listed: BTreeSet<&str> = listing.photos.iter().map(|photo| photo.path.as_str()).collect();
    forgotten |= cache.retain(|path| listed.contains(path) || kept.contains_key(path));
    if learnt > 0 || forgotten {
        keep(&cache);
    }
    known.extend(kept.into_iter().filter_map(|(path, roll)| {
        let entry = cache.get(&path)?;
        Some((path, roll, entry))
    }));
    known.sort_by(|a, b| a.0.cmp(&b.0));
    Ok(roster(known, listing.ignored))
}

/// The photos that are not listed and stay enrolled all the same: those that may lie where nothing could be
/// read, and all while `removal` holds back; the listing then says so.
fn kept(
    cache: &Cache,
    listing: &mut Listing,
    removal: &mut Removal,
    photos: &vision::photos::Photos,
) -> BTreeMap<String, RollNumber> {
    let listed: BTreeSet<&str> = listing.photos.iter().map(|photo| photo.path.as_str()).collect();
    let missing: Vec<(&str, bool)> = cache
        .paths()
        .filter(|path| !listed.contains(path))
        .map(|path| (path, listing.may_hold(path)))
        .collect();
    // The mirror of a server has a guard of its own, which has spoken when it is read here.
    let held_back = if photos.url.is_none() {
        let known = cache.paths().map(student).collect();
        let unknown = missing.iter().filter(|(_, unreadable)| *unreadable).map(|(path, _)| *path);
        let present = listed.iter().copied().chain(unknown).map(student).collect();
        removal.held_back(&known, &present, photos)
    } else {
        None
    };
    let kept = missing
        .into_iter()
        .filter(|(_, unreadable)| *unreadable || held_back.is_some())
        .filter_map(|(path, _)| Some((path.to_owned(), RollNumber::parse(student(path)).ok()?)))
        .collect();
    if let Some(reason) = held_back {
        listing.ignored.push(Ignored { path: ".".to_owned(), reason });
    }
    kept
}

/// The roll number at the front of a photo's path.
fn student(path: &str) -> &str {
    path.split('/').next().unwrap_or("")
}

/// What came of a look at a photo.
enum Looked {
    /// It holds until the photo changes.
    Lasting(Entry),
    /// It holds for this roster: the photo could not be read, or is beyond a limit that the site may raise.
    ForNow(Entry),
    /// The photo is gone since it was listed.
    Gone,
}

/// Reads, decodes and embeds one photo. Only a failing network is an error: it says nothing about the photo. A
/// panic over it refuses this photo.
fn look_at(
    file: &PhotoFile,
    folder: &Path,
    limits: PhotoLimits,
    now_ns: i128,
    known: &Cache,
    enroller: &mut dyn Enroller,
) -> Result<Looked, EngineError> {
    let seen = Seen::of(file, now_ns);
    let refused = |sha256: String, reason: String| Entry {
        seen,
        sha256,
        content: None,
        outcome: Outcome::Refused { reason },
        embedding: None,
    };
    if file.bytes > limits.max_bytes {
        let error = PhotoError::TooManyBytes { bytes: file.bytes, max_bytes: limits.max_bytes };
        return Ok(Looked::ForNow(refused(String::new(), error.to_string())));
    }
    let bytes = match std::fs::read(folder.join(&file.path)) {
        Ok(bytes) => bytes,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(Looked::Gone),
        Err(error) => {
            return Ok(Looked::ForNow(refused(String::new(), format!("cannot be read: {error}"))));
        }
    };
    let sha256 = format!("{:x}", Sha256::digest(&bytes));
    if let Some(entry) = known.of_content(&sha256, seen) {
        return Ok(Looked::Lasting(entry));
    }
    let picture = match photo::decode(&bytes, limits) {
        Ok(picture) => picture,
        Err(error) => {
            let entry = refused(sha256, error.to_string());
            return Ok(if error.is_beyond_a_setting() {
                Looked::ForNow(entry)
            } else {
                Looked::Lasting(entry)
            });
        }
    };
    drop(bytes);
    let Inspection { content, outcome } = match contained(|| enroller.enrol(&picture)) {
        Ok(inspected) => inspected?,
        Err(panic) => {
            log::error!("a defect in the program: photo {} could not be examined ({panic})", file.path);
            let reason =
                format!("could not be examined for a defect in the program ({panic}); try another photo");
            return Ok(Looked::ForNow(refused(sha256, reason)));
        }
    };
    let (outcome, embedding) = match outcome {
        Ok(Enrolment { embedding, quality, bounds }) => {
            (Outcome::Enrolled { quality, bounds }, Some(embedding))
        }
        Err(refusal) => (Outcome::Refused { reason: refusal.to_string() }, None),
    };
    Ok(Looked::Lasting(Entry { seen, sha256, content: Some(content), outcome, embedding }))
}

fn roster(known: Vec<(String, RollNumber, Entry)>, ignored: Vec<Ignored>) -> Roster {
    let mut faces = Vec::new();
    let mut photos = Vec::with_capacity(known.len());
    for (photo, roll, entry) in known {
        if let Some(embedding) = entry.embedding {
            faces.push((roll.clone(), embedding));
        }
        photos.push(PhotoReport { photo, roll, content: entry.content, outcome: entry.outcome });
    }
    let gallery = Gallery::new(faces.clone());
    let alike = alike(&gallery, &faces);
    Roster { gallery, report: Report { photos, ignored, alike } }
}

/// Pairs of students who look like one person.
fn alike(gallery: &Gallery, faces: &[(RollNumber, Embedding)]) -> Vec<Alike> {
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
        built_with(places, enroller, &mut Removal::default())
    }

    fn built_with(places: &Places, enroller: &mut ByColour, removal: &mut Removal) -> Roster {
        build(places, &vision::photos::Photos::default(), enroller, removal, &mut |_, _| true).unwrap()
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
        put(&places.photos, "4/d.png", [9, 9, 9]);
        assert_eq!(built(&places, &mut enroller).gallery.people(), 4);
        std::fs::remove_file(places.photos.join("2/b.png")).unwrap();
        assert_eq!(
            built(&places, &mut enroller).gallery.people(),
            3,
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
            inode: 7,
            changed_ns: 5,
        };
        let listing = Listing { photos: vec![photo], ..Listing::default() };
        let mut enroller = ByColour::default();
        let mut people = || {
            let photos = vision::photos::Photos::default();
            let removal = &mut Removal::default();
            let built =
                build_from(listing.clone(), &places, &photos, &mut enroller, removal, &mut |_, _| true);
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
            let removal = &mut Removal::default();
            build(&places, photos, &mut enroller, removal, &mut |_, _| true).unwrap().gallery.people()
        };
        let whole = vision::photos::Photos::default();
        let few_pixels = vision::photos::Photos { max_megapixels: 1, ..whole.clone() };
        let few_bytes = vision::photos::Photos { max_file_size: ByteSize::from_mb(0), ..whole.clone() };
        assert_eq!([people(&few_pixels), people(&few_bytes), people(&whole)], [0, 0, 1]);
        // A photo that takes its place and is refused leaves nothing of it behind.
        put(&places.photos, "1/a.png", [0, 255, 0]);
        assert_eq!(people(&few_bytes), 0);
        let cache = places.cache.as_deref().unwrap();
        assert_eq!(Cache::load(cache, "by colour", "").paths().count(), 0);
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
        let photos = vision::photos::Photos::default();
        let removal = &mut Removal::default();
        let stopped = build(&places, &photos, &mut enroller, removal, &mut |done, _| done < 4);
        assert!(matches!(stopped, Err(BuildError::Stopped)));
        assert_eq!(built(&places, &mut enroller).gallery.people(), 6);
        assert_eq!(enroller.calls, 6);
    }

    /// The similarity of the face of `roll` in the gallery with the one that `ByColour` makes of a colour.
    fn nearest(roster: &Roster, colour: [u8; 3]) -> String {
        let mut raw = [0.0; DIMENSIONS];
        raw[..3].copy_from_slice(&colour.map(f32::from));
        let nobody = RollNumber::parse("999").unwrap();
        let found = roster.gallery.nearest_other(&nobody, &Embedding::normalised(&raw).unwrap());
        found.unwrap().0.as_str().to_owned()
    }

    #[test]
    fn photos_that_exchange_their_names_exchange_their_embeddings() {
        let data = tempfile::tempdir().unwrap();
        let places = Places { photos: data.path().join("faces"), cache: Some(data.path().join("cache")) };
        let (one, other) = (places.photos.join("1/a.bmp"), places.photos.join("2/b.bmp"));
        put(&places.photos, "1/a.bmp", [255, 0, 0]);
        put(&places.photos, "2/b.bmp", [0, 255, 0]);
        // Of the same size, and of the same time.
        let then = UNIX_EPOCH + std::time::Duration::from_secs(1_700_000_000);
        for path in [&one, &other] {
            std::fs::File::options().write(true).open(path).unwrap().set_modified(then).unwrap();
        }
        std::thread::sleep(std::time::Duration::from_millis(2100));
        let mut enroller = ByColour::default();
        assert_eq!(nearest(&built(&places, &mut enroller), [255, 0, 0]), "1");
        let aside = places.photos.join("aside");
        for (from, to) in [(&one, &aside), (&other, &one), (&aside, &other)] {
            std::fs::rename(from, to).unwrap();
        }
        let roster = built(&places, &mut enroller);
        assert_eq!((nearest(&roster, [255, 0, 0]), nearest(&roster, [0, 255, 0])), ("2".into(), "1".into()));
        assert_eq!(enroller.calls, 2, "what is in them is known by their content");
    }

    #[test]
    fn a_folder_that_vanishes_leaves_roster_and_cache_as_they_were() {
        let data = tempfile::tempdir().unwrap();
        let places = Places { photos: data.path().join("faces"), cache: Some(data.path().join("cache")) };
        for roll in 1..=4u8 {
            put(&places.photos, &format!("{roll}/a.png"), [roll, 200, 10 * roll]);
        }
        let (mut enroller, mut removal) = (ByColour::default(), Removal::default());
        built_with(&places, &mut enroller, &mut removal);
        let away = data.path().join("away");
        std::fs::rename(&places.photos, &away).unwrap();
        for empty in [false, true] {
            if empty {
                std::fs::create_dir(&places.photos).unwrap();
            }
            for _ in 0..20 {
                let roster = built_with(&places, &mut enroller, &mut removal);
                assert_eq!(roster.gallery.people(), 4, "empty: {empty}");
                assert!(roster.report.ignored[0].reason.contains("missing or holds no photo"));
            }
        }
        // Without the memory of the process, as after a new start.
        assert_eq!(built(&places, &mut enroller).gallery.people(), 4);
        std::fs::remove_dir(&places.photos).unwrap();
        std::fs::rename(&away, &places.photos).unwrap();
        assert_eq!(built_with(&places, &mut enroller, &mut removal).gallery.people(), 4);
        assert_eq!(enroller.calls, 4, "nobody is embedded anew");
        std::fs::remove_dir_all(places.photos.join("4")).unwrap();
        assert_eq!(built_with(&places, &mut enroller, &mut removal).gallery.people(), 3, "few go at once");
    }

    #[test]
    fn a_folder_that_cannot_be_read_leaves_its_students_enrolled() {
        let data = tempfile::tempdir().unwrap();
        let places = Places { photos: data.path().join("faces"), cache: Some(data.path().join("cache")) };
        put(&places.photos, "1/a.png", [255, 0, 0]);
        put(&places.photos, "2/b.png", [0, 255, 0]);
        let mut enroller = ByColour::default();
        built(&places, &mut enroller);
        std::fs::rename(&places.photos, data.path().join("away")).unwrap();
        std::fs::write(&places.photos, "a file where the folder was").unwrap();
        let roster = built(&places, &mut enroller);
        assert_eq!((roster.gallery.people(), roster.report.ignored.len()), (2, 1));
        let nobody = Places { cache: None, ..places };
        let photos = vision::photos::Photos::default();
        let failed = build(&nobody, &photos, &mut enroller, &mut Removal::default(), &mut |_, _| true);
        assert!(matches!(failed, Err(BuildError::Scan(_))));
    }

    #[test]
    fn a_panic_over_one_photo_refuses_this_photo() {
        struct Panics(ByColour);
        impl Enroller for Panics {
            fn model_hash(&self) -> &str {
                self.0.model_hash()
            }
            fn detectors(&self) -> String {
                self.0.detectors()
            }
            fn enrol(&mut self, photo: &RgbImage) -> Result<Inspection, EngineError> {
                assert!(photo.get_pixel(0, 0).0 != [1, 2, 3], "of this colour");
                self.0.enrol(photo)
            }
        }
        let data = tempfile::tempdir().unwrap();
        let places = Places { photos: data.path().join("faces"), cache: None };
        put(&places.photos, "1/a.png", [255, 0, 0]);
        put(&places.photos, "2/b.png", [1, 2, 3]);
        let photos = vision::photos::Photos::default();
        let enroller = &mut Panics(ByColour::default());
        let roster = build(&places, &photos, enroller, &mut Removal::default(), &mut |_, _| true).unwrap();
        assert_eq!(roster.gallery.people(), 1);
        let (photo, reason) = roster.report.refused().next().unwrap();
        assert!(photo.photo == "2/b.png" && reason.contains("of this colour"), "{reason}");
    }
}
