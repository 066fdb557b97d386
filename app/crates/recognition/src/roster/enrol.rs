//! From photos to a gallery: each new or changed photo is embedded once, and every refusal has a reason.

mod looking;

use std::collections::{BTreeMap, BTreeSet};
use std::time::{SystemTime, UNIX_EPOCH};

pub use self::looking::Enroller;
use self::looking::{Looked, kept, look_at};
use super::cache::{Cache, Entry, keeps_marks};
use super::layout;
use super::persons::{self, NotUsed, Unlike, Verdict};
use super::places::{Places, below_the_door};
use super::removal::Removal;
use super::report::{Alike, PhotoOutcome, PhotoReport, Report, Roster};
use crate::naming::gallery::Gallery;
use crate::naming::likeness::Likeness;
use crate::naming::own;
use crate::naming::threshold::Calibration;
use base::failure::{Diagnosis, Fault};
use base::identity::RollNumber;
use faces::embedder::EmbedderChoice;
use faces::error::EngineError;
use vision::embedding::Embedding;
use vision::photo::PhotoLimits;
use vision::photos::Layout;
use vision::scan::{Ignored, Listing, ScanError, scan};

/// Most reported pairs: more is one mistake made often, and no list to read.
const MAX_ALIKE: usize = 100;

/// Photos embedded between two writes of the cache, so that a power cut costs minutes of enrolment and no
/// more.
const SAVE_EVERY: usize = 200;

/// Why there is no roster.
#[derive(Debug, thiserror::Error)]
pub enum BuildError {
    /// The folder cannot be read.
    #[error(transparent)]
    Scan(#[from] ScanError),
    /// A model failed.
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
pub trait LooksAt {
    /// `done` of `total` photos are looked at; `false` stops the enrolment.
    fn looked_at(&mut self, done: usize, total: usize) -> bool;
}

impl<F: FnMut(usize, usize) -> bool> LooksAt for F {
    fn looked_at(&mut self, done: usize, total: usize) -> bool {
        self(done, total)
    }
}

/// Makes the roster of the photos in `places`, embedding only what the cache does not know. What cannot be
/// read now, and students of whom `removal` does not believe that they are gone, stay as the cache knows
/// them.
///
/// # Errors
/// [`BuildError`]. A photo that does not enrol is not an error; it is in the report. A cache that cannot be
/// written is logged. A folder that cannot be read is an error only when the cache knows nobody.
pub fn build(
    places: &Places,
    photos: &vision::photos::Photos,
    enroller: &mut dyn Enroller,
    removal: &mut Removal,
    progress: &mut dyn LooksAt,
) -> Result<Roster, BuildError> {
    let (listing, fault) = match scan(&places.photos, photos) {
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
    progress: &mut dyn LooksAt,
) -> Result<Roster, BuildError> {
    places.add_those_of_the_door(&mut listing, photos);
    let mut listing = places.admit(listing, photos);
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
        let entry = match look_at(file, places, limits, now_ns, &cache, enroller)? {
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
    Ok(roster(known, listing.ignored, photos, enroller.likeness(), enroller.calibration()))
}

pub(super) fn roster(
    known: Vec<(String, RollNumber, Entry)>,
    ignored: Vec<Ignored>,
    settings: &vision::photos::Photos,
    likeness: Likeness,
    calibration: Option<&Calibration>,
) -> Roster {
    let mut by_roll: BTreeMap<&RollNumber, Vec<usize>> = BTreeMap::new();
    for (index, (_, roll, _)) in known.iter().enumerate() {
        by_roll.entry(roll).or_default().push(index);
    }
    let mut not_used: BTreeMap<usize, NotUsed> = BTreeMap::new();
    let mut folders = Vec::new();
    for (roll, photos) in by_roll {
        if settings.layout_on_disk() == Layout::Auto {
            let of_folder = photos.iter().filter(|at| below_the_door(&known[**at].0).is_none());
            let seen: Vec<layout::Face<'_>> =
                of_folder.map(|at| (known[*at].0.as_str(), known[*at].2.embedding.as_ref())).collect();
            if let Some(found) = layout::judge(roll.as_str(), &seen, settings.roll_numbers, likeness) {
                if !found.is_used() {
                    let folder = found.folder.clone();
                    not_used.extend(photos.iter().map(|at| (*at, NotUsed::Group { folder: folder.clone() })));
                }
                folders.push(found);
            }
        }
        if photos.first().is_some_and(|at| !not_used.contains_key(at)) {
            not_used.extend(not_of_one_person(&known, &photos, likeness));
        }
    }
    let mut faces = Vec::new();
    let mut photos = Vec::with_capacity(known.len());
    for (index, (photo, roll, entry)) in known.into_iter().enumerate() {
        // A photo that is refused for itself has the more useful reason.
        let outcome = match (not_used.get(&index), entry.embedding) {
            (None, embedding) => {
                faces.extend(embedding.map(|embedding| (roll.clone(), embedding)));
                entry.outcome
            }
            (Some(reason), Some(_)) => PhotoOutcome::Refused { reason: reason.to_string() },
            (Some(_), None) => entry.outcome,
        };
        photos.push(PhotoReport { photo, roll, content: entry.content, outcome });
    }
    let gallery = Gallery::new(faces.clone());
    let own = calibration.and_then(|general| own::curve(&faces, general));
    let mut alike = alike(&gallery, &faces, likeness);
    let mut of_first = None;
    if let Some((parts, general)) = by_the_first(gallery.embedder(), &faces) {
        of_first = own::curve(&parts, &general);
        let first = gallery.first().unwrap_or(&gallery);
        join(&mut alike, self::alike(first, &parts, Likeness::of(&general)));
    }
    let pairs = alike.iter().map(|pair| (&pair.one, &pair.other));
    let gallery = gallery.with_own(own.clone()).with_own_of_first(of_first).with_alike(pairs);
    Roster { gallery, report: Report { photos, ignored, alike, folders, own } }
}

/// The faces by the first of two embedders, with its shipped curve; `None` where there is one embedder.
fn by_the_first(
    embedder: Option<EmbedderChoice>,
    faces: &[(RollNumber, Embedding)],
) -> Option<(Vec<(RollNumber, Embedding)>, Calibration)> {
    let first = embedder.map(EmbedderChoice::first).filter(|first| Some(*first) != embedder)?;
    let part =
        |(roll, face): &(RollNumber, Embedding)| Some((roll.clone(), face.first(first.dimensions()).ok()?));
    Some((faces.iter().filter_map(part).collect(), Calibration::of(None, first).ok()?))
}

/// Adds the pairs that are not among `alike` yet.
fn join(alike: &mut Vec<Alike>, more: Vec<Alike>) {
    for pair in more {
        if !alike.iter().any(|known| (&known.one, &known.other) == (&pair.one, &pair.other)) {
            alike.push(pair);
        }
    }
    alike.truncate(MAX_ALIKE);
}

/// Those of one student's photos that are not used because they are not of one person.
fn not_of_one_person(
    known: &[(String, RollNumber, Entry)],
    photos: &[usize],
    likeness: Likeness,
) -> Vec<(usize, NotUsed)> {
    let (places, faces): (Vec<usize>, Vec<&Embedding>) =
        photos.iter().filter_map(|at| Some((*at, known[*at].2.embedding.as_ref()?))).unzip();
    let other = |unlike: &Unlike| known[places[unlike.other]].0.clone();
    match persons::judge(&faces, likeness) {
        Verdict::OnePerson => Vec::new(),
        Verdict::Outlier(unlike) => {
            let reason = NotUsed::Outlier { other: other(&unlike), similarity: unlike.similarity };
            vec![(places[unlike.photo], reason)]
        }
        Verdict::Several(all) => {
            let reason =
                |unlike: &Unlike| NotUsed::Several { other: other(unlike), similarity: unlike.similarity };
            all.iter().map(|unlike| (places[unlike.photo], reason(unlike))).collect()
        }
    }
}

/// Pairs of students who look like one person.
fn alike(gallery: &Gallery, faces: &[(RollNumber, Embedding)], likeness: Likeness) -> Vec<Alike> {
    let mut pairs = BTreeMap::new();
    for (roll, face) in faces {
        if let Some((other, similarity)) = gallery.nearest_other(roll, face)
            && similarity >= likeness.alike
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
#[path = "enrol_tests.rs"]
mod tests;
