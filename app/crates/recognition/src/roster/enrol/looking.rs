//! One photo is looked at: kept from the cache, or read and embedded.

use std::collections::{BTreeMap, BTreeSet};

use image::RgbImage;
use sha2::{Digest as _, Sha256};

use crate::engine::Engine;
use crate::naming::likeness::Likeness;
use crate::naming::threshold::Calibration;
use crate::roster::PhotoOutcome;
use crate::roster::cache::{Cache, Entry, Seen};
use crate::roster::places::{Places, below_the_door};
use crate::roster::removal::Removal;
use base::contain::contained;
use base::identity::RollNumber;
use faces::enrolment::{Enrolment, Inspection};
use faces::error::EngineError;
use vision::photo;
use vision::photo::{PhotoError, PhotoLimits};
use vision::photos::Layout;
use vision::scan::{Ignored, Listing, PhotoFile};

/// What makes an embedding of a photo: the models, or a test.
pub trait Enroller {
    /// Names the models; embeddings of others are not comparable.
    fn model_hash(&self) -> &str;
    /// Names the detectors; what is not a photo of one person to them may be one to others.
    fn detectors(&self) -> String;
    /// The similarities that tell one person from two.
    fn likeness(&self) -> Likeness;
    /// The embedder's general curve; `None` when there is none, and so no curve of the site's own.
    fn calibration(&self) -> Option<&Calibration> {
        None
    }
    /// What is in a photo, and the embedding of the one person in it.
    ///
    /// # Errors
    /// [`EngineError`] when a model fails.
    fn enrol(&mut self, photo: &RgbImage) -> Result<Inspection, EngineError>;
}

impl Enroller for Engine {
    fn model_hash(&self) -> &str {
        self.model_hash()
    }

    fn detectors(&self) -> String {
        self.detectors()
    }

    fn likeness(&self) -> Likeness {
        self.likeness()
    }

    fn calibration(&self) -> Option<&Calibration> {
        Some(self.calibration())
    }

    fn enrol(&mut self, photo: &RgbImage) -> Result<Inspection, EngineError> {
        self.enrol(photo)
    }
}

/// What came of a look at a photo.
pub(super) enum Looked {
    /// It holds until the photo changes.
    Lasting(Entry),
    /// It holds for this roster: the photo could not be read, or is beyond a limit that the site may raise.
    ForNow(Entry),
    /// The photo is gone since it was listed.
    Gone,
}

/// Reads, decodes and embeds one photo. Only a failing model is an error: it says nothing about the photo.
/// A panic over it refuses this photo.
pub(super) fn look_at(
    file: &PhotoFile,
    places: &Places,
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
        outcome: PhotoOutcome::Refused { reason },
        embedding: None,
    };
    if file.bytes > limits.max_bytes {
        let error = PhotoError::TooManyBytes { bytes: file.bytes, max_bytes: limits.max_bytes };
        return Ok(Looked::ForNow(refused(String::new(), error.to_string())));
    }
    let bytes = match std::fs::read(places.file(&file.path)) {
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
        Ok(Enrolment { embedding, quality, bounds, .. }) => {
            (PhotoOutcome::Enrolled { quality, bounds }, Some(embedding))
        }
        Err(refusal) => (PhotoOutcome::Refused { reason: refusal.to_string() }, None),
    };
    Ok(Looked::Lasting(Entry { seen, sha256, content: Some(content), outcome, embedding }))
}

/// The photos that are not listed and stay enrolled all the same: those that may lie in a place that could
/// not be read, and all of them while `removal` holds back. In that case the listing says so.
pub(super) fn kept(
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
    let student = |path: &str| student(path, photos.layout_on_disk()).to_owned();
    // The mirror of a server has a guard of its own, which has spoken when it is read here.
    let held_back = if photos.url.is_none() {
        // What was taken at the door has its own folder on the device: who deletes there means it.
        let own = |path: &&str| below_the_door(path).is_none();
        let known: BTreeSet<String> = cache.paths().filter(own).map(student).collect();
        let unknown = missing.iter().filter(|(_, unreadable)| *unreadable).map(|(path, _)| *path);
        let present = listed.iter().copied().chain(unknown).filter(own);
        let present: BTreeSet<String> = present.map(student).collect();
        let (known, present): (BTreeSet<&str>, BTreeSet<&str>) =
            (known.iter().map(String::as_str).collect(), present.iter().map(String::as_str).collect());
        removal.held_back(&known, &present, photos)
    } else {
        None
    };
    let kept = missing
        .into_iter()
        .filter(|(path, unreadable)| *unreadable || held_back.is_some() && below_the_door(path).is_none())
        .filter_map(|(path, _)| Some((path.to_owned(), RollNumber::parse(&student(path)).ok()?)))
        .collect();
    if let Some(reason) = held_back {
        listing.ignored.push(Ignored { path: ".".to_owned(), reason });
    }
    kept
}

/// The roll number in a photo's path.
fn student(path: &str, layout: Layout) -> &str {
    if let Some(rest) = below_the_door(path) {
        return rest.split('/').next().unwrap_or("");
    }
    let place = usize::from(layout == Layout::GroupRoll);
    path.split('/').nth(place).unwrap_or("")
}
