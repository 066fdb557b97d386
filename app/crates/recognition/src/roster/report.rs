//! A roster, and the result of every photo.

use std::collections::BTreeMap;

use serde::Serialize;

use super::layout::Folders;
use crate::naming::gallery::Gallery;
use crate::naming::threshold::Calibration;
use base::identity::RollNumber;
use faces::enrolment::Content;
use faces::quality::Quality;
use vision::face::Bounds;
use vision::scan::Ignored;

/// A gallery and how it came about.
#[derive(Debug, Clone, Default)]
pub struct Roster {
    /// For recognition.
    pub gallery: Gallery,
    /// For people.
    pub report: Report,
}

/// The result of every photo.
#[derive(Debug, Clone, Default, Serialize)]
pub struct Report {
    /// Every photo, ordered by path.
    pub photos: Vec<PhotoReport>,
    /// Folders and files that are not a student's photo, with the reason.
    pub ignored: Vec<Ignored>,
    /// Different students whose photos look like one person, most alike first.
    pub alike: Vec<Alike>,
    /// First folders that hold folders, and what they were taken for.
    pub folders: Vec<Folders>,
    /// How alike the site's own students are, from enough photos on.
    pub own: Option<Calibration>,
}

/// One photo.
#[derive(Debug, Clone, Serialize)]
pub struct PhotoReport {
    /// Path below the photo folder, `<roll>/<file>`.
    pub photo: String,
    /// Whose photo it is.
    pub roll: RollNumber,
    /// What is in the file; `None` when it is not a picture.
    pub content: Option<Content>,
    /// Whether it enrolled.
    #[serde(flatten)]
    pub outcome: PhotoOutcome,
}

/// Whether a photo enrolled.
#[derive(Debug, Clone, PartialEq, Serialize, serde::Deserialize)]
#[serde(tag = "outcome", rename_all = "kebab-case")]
pub enum PhotoOutcome {
    /// It did.
    Enrolled {
        /// How good the face in it is.
        quality: Quality,
        /// Where the face is.
        bounds: Bounds,
    },
    /// It did not.
    Refused {
        /// Why, and what to do.
        reason: String,
    },
}

/// Two students who look like one person: a photo in the wrong folder, or twins.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Alike {
    /// One of them.
    pub one: RollNumber,
    /// The other.
    pub other: RollNumber,
    /// Cosine similarity of their most alike photos.
    pub similarity: f32,
}

impl Report {
    /// The photos that did not enrol, with the reasons.
    pub fn refused(&self) -> impl Iterator<Item = (&PhotoReport, &str)> {
        self.photos.iter().filter_map(|photo| match &photo.outcome {
            PhotoOutcome::Refused { reason } => Some((photo, reason.as_str())),
            PhotoOutcome::Enrolled { .. } => None,
        })
    }

    /// Every student who has a photo, and whether one of them enrolled.
    pub fn students(&self) -> BTreeMap<&RollNumber, bool> {
        let mut students = BTreeMap::new();
        for photo in &self.photos {
            *students.entry(&photo.roll).or_insert(false) |=
                matches!(photo.outcome, PhotoOutcome::Enrolled { .. });
        }
        students
    }

    /// Students none of whose photos enrolled: they cannot be recognised.
    pub fn unrecognisable(&self) -> Vec<RollNumber> {
        self.students().into_iter().filter(|(_, enrolled)| !enrolled).map(|(roll, _)| roll.clone()).collect()
    }

    /// Whether a person must look at something.
    pub fn needs_attention(&self) -> bool {
        self.refused().next().is_some()
            || !self.ignored.is_empty()
            || !self.alike.is_empty()
            || self.folders.iter().any(|folders| !folders.is_used())
    }
}
