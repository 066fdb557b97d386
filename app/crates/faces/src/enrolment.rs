//! A photo of a student: whom it shows, and whether it is good enough.
//!
//! Pure. A school's photos are not passport pictures: somebody passes in the background, or the next person
//! in the row is cut through by the edge. Such a photo is of one person all the same, and a photo of two
//! people whole is not. Whoever photographs themselves is near the edge, too: a friend behind them must not
//! be taken instead.

use serde::{Deserialize, Serialize};

use super::quality::Quality;
use base::event::Advice;
use vision::embedding::Embedding;
use vision::face::DetectorChoice;
use vision::face::{Bounds, Face};

/// A face narrower than this share of the subject's is in the background.
const BACKGROUND: f32 = 0.5;

/// A face that comes nearer to the picture's edge than this share of its width is cut through by it:
/// detectors draw their boxes tight, brow to chin.
const EDGE: f32 = 0.1;

/// A face with less than this share of its box in the picture is not the one that a photo was taken of.
const MOST: f32 = 0.5;

/// Least width of a face in a photo, pixels. Below it the aligned face is mostly interpolation.
const MIN_PHOTO_FACE: u32 = 40;

/// Largest tilt of the head in a photo, degrees: of 16 useless photos of identity cards 11 had more, and of
/// 269 upright photos none. See MEASUREMENTS.md.
const MAX_TILT: f32 = 25.0;

/// Least similarity of a photo to its own mirror image and crops. Of 1,798 upright photos six have less. See
/// MEASUREMENTS.md.
pub const LEAST_SELF_SIMILARITY: f32 = 0.65;

/// By how much the detector's box is made smaller or larger to see whether the face is described alike.
pub const CROPS: [f32; 2] = [0.85, 1.2];

/// What was seen in a photo, and what came of it.
#[derive(Debug)]
pub struct Inspection {
    /// What is in it.
    pub content: Content,
    /// The face, or why it does not enrol.
    pub outcome: Result<Enrolment, EnrolRefusal>,
}

/// What is in a photo.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Content {
    /// Width, pixels.
    pub width: u32,
    /// Height, pixels.
    pub height: u32,
    /// Every face, the largest first.
    pub faces: Vec<Found>,
}

/// A face in a photo.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Found {
    /// The detector that found it first.
    pub by: DetectorChoice,
    /// Where it is.
    pub bounds: Bounds,
}

impl Content {
    /// Of a picture, with the faces in it.
    pub fn of(picture: &image::RgbImage, faces: &[Face]) -> Self {
        let faces = faces.iter().map(|face| Found { by: face.by, bounds: face.bounds }).collect();
        Self { width: picture.width(), height: picture.height(), faces }
    }
}

/// A face that was enrolled from a photo.
#[derive(Debug, Clone)]
pub struct Enrolment {
    /// The face as a point on the unit sphere.
    pub embedding: Embedding,
    /// How good the photo is.
    pub quality: Quality,
    /// Where the face is in the photo.
    pub bounds: Bounds,
    /// Least similarity of the photo to its mirror image and crops.
    pub alike: f32,
}

/// Why a photo does not enrol; the message is for the technician.
#[derive(Debug, thiserror::Error)]
pub enum EnrolRefusal {
    /// No face was found.
    #[error("no face found; take a photo of the face from the front")]
    NoFace,
    /// More than one person.
    #[error("{count} faces; crop the photo to one person")]
    SeveralFaces {
        /// How many.
        count: usize,
    },
    /// Too few pixels.
    #[error("the face is {width:.0} pixels wide; at least {minimum} are needed")]
    TooSmall {
        /// Width found.
        width: f32,
        /// Width needed.
        minimum: u32,
    },
    /// Out of focus or moved.
    #[error("the face is blurred (sharpness {sharpness:.0}); take a sharper photo")]
    Blurred {
        /// Variance of the Laplacian.
        sharpness: f32,
    },
    /// Turned away.
    #[error("the face is turned away (yaw {yaw:.0}°, pitch {pitch:.0}°); take a photo from the front")]
    Turned {
        /// Turn to the side, degrees.
        yaw: f32,
        /// Nod, degrees.
        pitch: f32,
    },
    /// The head is tilted, in every position of the photo.
    #[error(
        "the head is tilted by {roll:.0}°; take a photo with the head upright, or turn the photo upright"
    )]
    Tilted {
        /// Tilt, degrees.
        roll: f32,
    },
    /// The photo does not even agree with itself.
    #[error(
        "the face cannot be described reliably (the photo, mirrored or cropped a little, is only {similarity:.2} \
         like itself; {needed:.2} is needed); take a sharp photo of the face from the front, not of a card or screen"
    )]
    Unreliable {
        /// Least similarity of the photo to its mirror image or a crop.
        similarity: f32,
        /// What is needed.
        needed: f32,
    },
    /// Under- or overexposed.
    #[error("the face is too dark or too bright (mean {brightness:.0} of 255)")]
    Exposure {
        /// Mean brightness.
        brightness: f32,
    },
}

impl EnrolRefusal {
    /// Why a face of this quality does not enrol; `None` when it does.
    pub fn for_quality(quality: &Quality) -> Option<Self> {
        Some(match quality.problem(MIN_PHOTO_FACE)? {
            Advice::ComeCloser => Self::TooSmall { width: quality.width, minimum: MIN_PHOTO_FACE },
            Advice::MoreLight | Advice::LessLight => Self::Exposure { brightness: quality.brightness },
            Advice::HoldStill => Self::Blurred { sharpness: quality.sharpness },
            Advice::LookAtTheCamera
            | Advice::Blink
            | Advice::BlinkOrTurn
            | Advice::BetterView
            | Advice::TurnLeft
            | Advice::TurnRight
            | Advice::LookUp
            | Advice::LookDown
            | Advice::StepAside
            | Advice::WaitForPhotos => Self::Turned { yaw: quality.yaw, pitch: quality.pitch },
        })
    }

    /// Why a head tilted by `roll` degrees does not enrol; `None` when it does.
    pub fn for_tilt(roll: f32) -> Option<Self> {
        (roll.abs() > MAX_TILT).then_some(Self::Tilted { roll })
    }

    /// Why a photo does not enrol that is so similar to its mirror image and crops; `None` when it does.
    pub fn for_self_check(similarities: &[f32]) -> Option<Self> {
        let needed = LEAST_SELF_SIMILARITY;
        let similarity = similarities.iter().copied().fold(f32::INFINITY, f32::min);
        (similarity < needed).then_some(Self::Unreliable { similarity, needed })
    }
}

/// The face a photo is of: the largest that is wholly in it, unless that is in the background of one that the
/// edge cuts. `faces` are ordered, the largest first.
pub fn subject(faces: &[Face], size: (u32, u32)) -> Option<&Face> {
    let largest = faces.iter().find(|face| is_mostly_in(&face.bounds, size)).or(faces.first())?;
    let whole = faces.iter().find(|face| !is_cut(&face.bounds, size));
    whole.filter(|whole| whole.bounds.width >= BACKGROUND * largest.bounds.width).or(Some(largest))
}

/// The faces that make a photo of `subject` a group: not in the background, and wholly in it. One that is
/// wider than the subject is not a passer-by: it counts as soon as most of it is in the photo.
pub fn rivals<'a>(subject: &'a Face, faces: &'a [Face], size: (u32, u32)) -> impl Iterator<Item = &'a Face> {
    faces.iter().filter(move |face| {
        face.bounds != subject.bounds
            && face.bounds.width >= BACKGROUND * subject.bounds.width
            && (!is_cut(&face.bounds, size)
                || (face.bounds.width > subject.bounds.width && is_mostly_in(&face.bounds, size)))
    })
}

/// Whether the picture's edge cuts through a face.
fn is_cut(bounds: &Bounds, (width, height): (u32, u32)) -> bool {
    let room = EDGE * bounds.width;
    bounds.x < room
        || bounds.y < room
        || bounds.x + bounds.width > width as f32 - room
        || bounds.y + bounds.height > height as f32 - room
}

/// Whether most of a face lies in the picture.
fn is_mostly_in(bounds: &Bounds, (width, height): (u32, u32)) -> bool {
    let across = (bounds.x + bounds.width).min(width as f32) - bounds.x.max(0.0);
    let down = (bounds.y + bounds.height).min(height as f32) - bounds.y.max(0.0);
    across.max(0.0) * down.max(0.0) >= MOST * bounds.area()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn face(x: f32, width: f32) -> Face {
        Face {
            bounds: Bounds { x, y: 100.0, width, height: width },
            score: 0.9,
            by: DetectorChoice::Blazeface,
            points: None,
        }
    }

    fn group(faces: &[Face]) -> usize {
        let size = (1000, 400);
        subject(faces, size).map_or(0, |face| 1 + rivals(face, faces, size).count())
    }

    #[test]
    fn somebody_beside_makes_a_group_and_somebody_behind_or_cut_off_does_not() {
        assert_eq!(group(&[]), 0);
        assert_eq!(group(&[face(400.0, 100.0)]), 1);
        assert_eq!(group(&[face(400.0, 100.0), face(600.0, 80.0), face(200.0, 51.0)]), 3);
        assert_eq!(group(&[face(400.0, 100.0), face(600.0, 30.0)]), 1, "far behind");
        assert_eq!(group(&[face(400.0, 100.0), face(-20.0, 90.0), face(915.0, 80.0)]), 1, "cut by the edge");
    }

    #[test]
    fn a_tilted_head_and_a_photo_unlike_itself_do_not_enrol() {
        assert!(EnrolRefusal::for_tilt(-30.0).is_some() && EnrolRefusal::for_tilt(20.0).is_none());
        assert!(EnrolRefusal::for_self_check(&[0.9, 0.8]).is_none());
        let refused = EnrolRefusal::for_self_check(&[0.9, 0.2, 0.8]);
        assert!(matches!(refused, Some(EnrolRefusal::Unreliable { similarity, .. }) if similarity == 0.2));
    }

    #[test]
    fn a_face_near_the_edge_is_not_passed_over_for_one_in_the_background() {
        let selfie = [face(10.0, 200.0), face(500.0, 60.0)];
        assert_eq!(subject(&selfie, (1000, 400)), Some(&selfie[0]));
        assert_eq!(group(&selfie), 1, "somebody far behind");
        assert_eq!(group(&[face(10.0, 200.0), face(500.0, 120.0)]), 2, "somebody beside");
    }

    #[test]
    fn a_wider_face_that_the_edge_cuts_makes_a_group_unless_most_of_it_is_missing() {
        // Three quarters of the wider one are to be seen. Nobody can say which of the two the photo was taken
        // of, and a photo that is refused does less harm than one that enrols the wrong person.
        let faces = [face(-40.0, 150.0), face(400.0, 100.0)];
        assert_eq!(subject(&faces, (1000, 400)), Some(&faces[1]));
        assert_eq!(group(&faces), 2);
        assert_eq!(subject(&faces[..1], (1000, 400)), Some(&faces[0]));
        // Whoever shows a third of their face only is passing, however near.
        for whole in [140.0, 100.0] {
            let faces = [face(-200.0, 300.0), face(500.0, whole)];
            assert_eq!(subject(&faces, (1000, 400)), Some(&faces[1]));
            assert_eq!(group(&faces), 1);
        }
    }
}
