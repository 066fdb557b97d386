//! The people of a half: enrolled from one photo, rendered from another.

use std::path::Path;

use base::identity::RollNumber;
use faces::landmarks::EYE_CORNERS;
use recognition::Engine;
use vision::embedding::Embedding;
use vision::face::{Bounds, Point};

use super::head::Head;
use super::species::Half;
use crate::pictures;
use crate::pictures::EvaluateError;

/// Least width of a face in a photo that is rendered, pixels, and its largest turn, degrees.
const LEAST_WIDTH: f32 = 60.0;
const FRONTAL: f32 = 12.0;

/// Least similarity of the two photos: the bench measures liveness, so people are taken who are recognised.
const SIMILAR: f32 = 0.5;

/// Least room above the face in the photo, face widths: the hair has to be there.
const ROOM_ABOVE: f32 = 1.0;

/// Somebody who can be shown.
pub struct Person {
    /// The folder's name.
    pub name: String,
    /// Their number on the roster.
    pub roll: RollNumber,
    /// Their face in the photo that was enrolled.
    pub enrolled: Embedding,
    /// The other photo.
    pub head: Head,
}

/// Which half somebody is of: by their name, so that more people in the folder move nobody.
pub fn half_of(name: &str) -> Half {
    let hash = name.bytes().fold(0xcbf2_9ce4_8422_2325_u64, |hash, byte| {
        (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3)
    });
    if hash >> 32 & 1 == 0 { Half::Development } else { Half::Test }
}

/// The first people of a half who have two photos that can be used.
///
/// # Errors
/// [`EvaluateError`] when a photo cannot be read, a model fails, or nobody can be used.
pub fn prepare(
    folder: &Path,
    half: Half,
    wanted: usize,
    engine: &mut Engine,
) -> Result<Vec<Person>, EvaluateError> {
    let mut found = Vec::new();
    for (name, paths) in pictures::people(folder)? {
        let [first, second, ..] = &paths[..] else { continue };
        if found.len() == wanted {
            break;
        }
        if half_of(&name) != half {
            continue;
        }
        let Ok(enrolment) = engine.enrol(&pictures::open(&folder.join(first))?)?.outcome else { continue };
        let picture = pictures::open(&folder.join(second))?;
        let faces = engine.detect(&picture)?;
        let Some(face) = pictures::central(&picture, &faces) else { continue };
        let Some((landmarks, quality)) = engine.look(&picture, face)? else { continue };
        let frontal =
            quality.yaw.abs() < FRONTAL && quality.pitch.abs() < FRONTAL && quality.roll.abs() < FRONTAL;
        if !frontal || engine.embed_aligned()?.similarity(&enrolment.embedding) < SIMILAR {
            continue;
        }
        let corner = |range: fn(f32, f32) -> f32, from: f32| Point {
            x: landmarks.mesh.iter().map(|point| point[0]).fold(from, range),
            y: landmarks.mesh.iter().map(|point| point[1]).fold(from, range),
        };
        let bounds = Bounds::between(corner(f32::min, f32::INFINITY), corner(f32::max, f32::NEG_INFINITY));
        if bounds.width < LEAST_WIDTH || bounds.centre().y < ROOM_ABOVE * bounds.width {
            continue;
        }
        let eyes = EYE_CORNERS.map(|[outer, inner]| {
            [0, 1].map(|axis| (landmarks.mesh[outer][axis] + landmarks.mesh[inner][axis]) / 2.0)
        });
        let roll = RollNumber::parse(&(1000 + found.len()).to_string())
            .map_err(|error| EvaluateError::TooLittle(error.to_string()))?;
        let head = Head::new(picture, bounds, &landmarks.mesh, eyes, found.len() as u64);
        found.push(Person { name, roll, enrolled: enrolment.embedding, head });
    }
    if found.is_empty() {
        return Err(EvaluateError::TooLittle(format!(
            "{} holds nobody with two frontal photos that show the whole head",
            folder.display()
        )));
    }
    Ok(found)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn people_of_both_halves_differ_and_stay() {
        let names: Vec<_> = (0..200).map(|n| format!("person {n}")).collect();
        let tested = names.iter().filter(|name| half_of(name) == Half::Test).count();
        assert!((60..140).contains(&tested), "{tested}");
        assert_eq!(half_of("person 1"), half_of("person 1"));
    }
}
