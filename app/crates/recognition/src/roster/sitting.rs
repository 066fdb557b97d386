//! A sitting: pictures of one student that the door's camera takes while somebody of the office stands by.
//!
//! Pure. Each picture passes the checks of a photo first; here it is decided whether its face may be this
//! student's.

use base::identity::RollNumber;
use image::RgbImage;
use vision::embedding::Embedding;
use vision::face::Bounds;

use crate::naming::gallery::Gallery;
use crate::naming::likeness::Likeness;

/// Good pictures that a sitting takes.
pub const PICTURES: usize = 3;

/// Width and height of what is kept of a frame, in those of the face: head and shoulders, and no bystander.
const KEPT: f32 = 2.6;

/// The good pictures of a sitting so far.
#[derive(Debug)]
pub struct Sitting {
    roll: RollNumber,
    faces: Vec<Embedding>,
}

/// Why a good picture does not enrol this student. The words are for the office.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
pub enum NotTheirs {
    /// It looks like somebody else who is enrolled.
    #[error(
        "this face looks like {other} (similarity {similarity:.2}); look whether the right student was chosen. \
         Twins need photos on the photo server"
    )]
    AnotherStudent {
        /// Who.
        other: RollNumber,
        /// Cosine similarity.
        similarity: f32,
    },
    /// The student has photos, and they show another face.
    #[error(
        "this face is not the one on this student's photos (similarity {similarity:.2}); look whether the right \
         student was chosen. If the photos are very old or show somebody else, have them removed first"
    )]
    NotOfThePhotos {
        /// The largest cosine similarity to one of them.
        similarity: f32,
    },
    /// It is not the person of the pictures before.
    #[error("this is not the person of the first picture (similarity {similarity:.2}); one person at a time")]
    AnotherPerson {
        /// Cosine similarity to the first picture.
        similarity: f32,
    },
}

impl Sitting {
    /// One without pictures.
    pub fn new(roll: RollNumber) -> Self {
        Self { roll, faces: Vec::new() }
    }

    /// Takes the face of a good picture.
    ///
    /// # Errors
    /// [`NotTheirs`] when it may not be this student's face.
    pub fn take(&mut self, face: Embedding, gallery: &Gallery, likeness: Likeness) -> Result<(), NotTheirs> {
        if let Some((other, similarity)) = gallery.nearest_other(&self.roll, &face)
            && similarity >= likeness.alike
        {
            return Err(NotTheirs::AnotherStudent { other, similarity });
        }
        if let Some(similarity) = gallery.nearest_own(&self.roll, &face)
            && similarity < likeness.unlike
        {
            return Err(NotTheirs::NotOfThePhotos { similarity });
        }
        if let Some(first) = self.faces.first() {
            let similarity = first.similarity(&face);
            if similarity < likeness.same {
                return Err(NotTheirs::AnotherPerson { similarity });
            }
        }
        self.faces.push(face);
        Ok(())
    }

    /// Pictures taken.
    pub fn taken(&self) -> usize {
        self.faces.len()
    }

    /// Whether there are enough.
    pub fn is_complete(&self) -> bool {
        self.taken() >= PICTURES
    }
}

/// The part of a frame that is kept: head and shoulders of the face at `bounds`.
pub fn head_and_shoulders(frame: &RgbImage, bounds: &Bounds) -> RgbImage {
    let part = bounds.scaled(KEPT);
    // From where to where, in whole pixels of a side; at least one of them.
    let within = |from: f32, length: f32, side: u32| {
        let first = from.round().max(0.0).min(side.saturating_sub(1) as f32);
        let end = (from + length).round().max(first + 1.0).min(side as f32);
        (first as u32, (end - first) as u32)
    };
    let (left, width) = within(part.x, part.width, frame.width());
    let (top, height) = within(part.y, part.height, frame.height());
    image::imageops::crop_imm(frame, left, top, width, height).to_image()
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use vision::embedding::DIMENSIONS;

    const LIKENESS: Likeness = Likeness { unlike: 0.2, same: 0.5, alike: 0.9 };

    /// A face at this angle, degrees: the similarity of two is the cosine of the difference.
    fn at(degrees: f32) -> Embedding {
        let mut raw = [0.0; DIMENSIONS];
        (raw[0], raw[1]) = (degrees.to_radians().cos(), degrees.to_radians().sin());
        Embedding::normalised(&raw).unwrap()
    }

    fn roll(text: &str) -> RollNumber {
        RollNumber::parse(text).unwrap()
    }

    #[test]
    fn three_pictures_of_one_person_are_taken_and_nobody_elses() {
        let gallery = Gallery::new(vec![(roll("7"), at(180.0)), (roll("8"), at(90.0))]);
        let mut sitting = Sitting::new(roll("9"));
        let mut take = |degrees| sitting.take(at(degrees), &gallery, LIKENESS);
        assert_eq!(take(0.0), Ok(()));
        assert!(matches!(take(80.0), Err(NotTheirs::AnotherStudent { other, .. }) if other == roll("8")));
        assert!(matches!(take(300.0 - 25.0), Err(NotTheirs::AnotherPerson { .. })));
        assert_eq!((take(20.0), take(340.0)), (Ok(()), Ok(())));
        assert!(sitting.is_complete());
    }

    #[test]
    fn a_student_with_photos_keeps_their_face() {
        let gallery = Gallery::new(vec![(roll("7"), at(0.0)), (roll("7"), at(40.0)), (roll("8"), at(200.0))]);
        let mut sitting = Sitting::new(roll("7"));
        let other = sitting.take(at(130.0), &gallery, LIKENESS);
        assert!(matches!(other, Err(NotTheirs::NotOfThePhotos { .. })), "{other:?}");
        assert_eq!(sitting.take(at(100.0), &gallery, LIKENESS), Ok(()), "older, and like one of the photos");
        assert_eq!(Sitting::new(roll("9")).take(at(0.0), &Gallery::default(), LIKENESS), Ok(()));
    }

    #[test]
    fn what_is_kept_lies_in_the_frame() {
        let frame = RgbImage::new(640, 360);
        let bounds = |x, y| Bounds { x, y, width: 100.0, height: 120.0 };
        assert_eq!(head_and_shoulders(&frame, &bounds(270.0, 120.0)).dimensions(), (260, 312));
        let cut = head_and_shoulders(&frame, &bounds(-20.0, 300.0)).dimensions();
        assert!(cut.0 <= 160 && cut.1 <= 160, "{cut:?}");
        assert_eq!(head_and_shoulders(&frame, &bounds(900.0, 900.0)).dimensions(), (1, 1));
    }
}
