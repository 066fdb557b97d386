//! Photos and the students on them: the mirror, the roster, the students’ list, and erasures.

use bytes::Bytes;
use schemars::JsonSchema;
use serde::Serialize;

use crate::rows::Decision;
use base::failure::Fault;

/// The mirror of the photos.
#[derive(Debug, Clone, Default, PartialEq, Serialize, JsonSchema)]
pub struct PhotoSync {
    /// Where photos come from: a URL without credentials, or a folder.
    pub source: String,
    /// Seconds between two synchronisations.
    pub interval_s: u64,
    /// Local time of the last one that worked.
    pub last_success: Option<String>,
    /// What it did, one sentence.
    pub summary: Option<String>,
    /// Why the last one failed, without secrets; none when it did not.
    pub error: Option<Fault>,
    /// Photos the server named at the last one that worked; none before the first.
    pub listed: Option<usize>,
    /// Those of them that could not be fetched.
    pub failed: usize,
    /// How far the present one is; none between two.
    pub progress: Option<Progress>,
    /// A listing that would remove so many students that a person is asked.
    pub removal: Option<Removal>,
}

/// How far a long action is.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, JsonSchema)]
pub struct Progress {
    /// What is done at present: `fetching photos`, `enrolling`.
    pub step: String,
    /// Done of it.
    pub done: usize,
    /// All of it; 0 when not yet known.
    pub total: usize,
}

/// A large removal that waits for a person's word.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, JsonSchema)]
pub struct Removal {
    /// Students that would go.
    pub students: usize,
    /// Students on the roster.
    pub of: usize,
}

/// The roster in numbers.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, JsonSchema)]
pub struct RosterCount {
    /// Students that can be recognised.
    pub students: usize,
    /// Photos they were enrolled from.
    pub photos: usize,
    /// Students that cannot be recognised, because none of their photos enrolled.
    pub unrecognisable: usize,
    /// Photos that did not enrol.
    pub refused: Vec<RefusedPhoto>,
}

/// A photo that did not enrol.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, JsonSchema)]
pub struct RefusedPhoto {
    /// Its path below the photo folder, `<roll>/<file>`.
    pub photo: String,
    /// Why, and what to do.
    pub reason: String,
    /// Whether it is here and can be looked at: what could not be fetched cannot, nor a remark on two
    /// students or a folder.
    pub picture: bool,
    /// Who accepted this problem, so that it is not an alarm; none where nobody did.
    pub accepted_by: Option<String>,
}

/// The students' list in use, in numbers.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct StudentsList {
    /// Where it comes from, in words; none without a list.
    pub from: Option<String>,
    /// Whether somebody uploaded it.
    pub uploaded: bool,
    /// Students on it.
    pub students: usize,
    /// Lines that were left out when it was read, and why.
    pub left_out: Vec<String>,
    /// Why it cannot be used, and what to do.
    pub problem: Option<Fault>,
}

/// What is known of a student beside their days.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct AboutStudent {
    /// Name; empty where none is known.
    pub name: String,
    /// Class; empty where none is known.
    pub class: String,
    /// Photos in use, with the quality of the face in words.
    pub photos: Vec<(String, String)>,
    /// Photos that are not in use.
    pub refused: Vec<RefusedPhoto>,
    /// The last decisions about them, newest first: why a recognition made no row.
    pub decisions: Vec<Decision>,
    /// Rows of theirs that the webhook has not got.
    pub undelivered: usize,
}

/// One erasure. It does not say whom.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, JsonSchema)]
pub struct Erasure {
    /// Its number, the same at all doors of the school.
    pub id: String,
    /// Local time at which it was asked for.
    pub at: String,
    /// Who asked for it on this device; empty if it was asked for at another door.
    pub by: String,
    /// Whether everything on this device is removed.
    pub done: bool,
    /// Whether it was lifted: the student may be enrolled again.
    pub lifted: bool,
}

/// Everyone who has a photo.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, JsonSchema)]
pub struct Roster {
    /// The students that can be recognised, by roll number.
    pub students: Vec<Student>,
    /// Photos that did not enrol.
    pub refused: Vec<RefusedPhoto>,
}

/// A student that can be recognised.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, JsonSchema)]
pub struct Student {
    /// Roll number.
    pub name: String,
    /// The photos that enrolled, by their paths below the photo folder.
    pub photos: Vec<String>,
}

/// A picture with marks, for the logged-in technician only; never stored, never in a bundle.
#[derive(Debug, Clone, PartialEq)]
pub struct Picture {
    /// The picture as JPEG.
    pub jpeg: Bytes,
    /// Width, pixels.
    pub width: u32,
    /// Height, pixels.
    pub height: u32,
    /// What was found in it.
    pub marks: Vec<Mark>,
}

/// A box round a face, with words.
#[derive(Debug, Clone, PartialEq)]
pub struct Mark {
    /// Left edge, pixels from the left.
    pub x: f32,
    /// Upper edge, pixels from the top.
    pub y: f32,
    /// Width, pixels.
    pub width: f32,
    /// Height, pixels.
    pub height: f32,
    /// Short text beside the box: "2110001 0.71 live".
    pub label: String,
    /// Whether what the label says is good.
    pub good: bool,
}
