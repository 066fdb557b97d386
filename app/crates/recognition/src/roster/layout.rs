//! Whether a first folder is one student's, or holds the folders of several: pure.
//!
//! `photos.layout = "auto"` takes the first folder for the roll number. Where a school sorts its students by
//! class or year that would make one student of a whole class. So a first folder that holds no photo itself
//! but two or more folders that could be roll numbers is looked at: when the photos in them are of different
//! people, nobody is enrolled from it, and what to write is said.

use std::collections::BTreeMap;

use serde::Serialize;

use base::failure::Fault;
use base::identity::RollNumber;
use vision::embedding::Embedding;
use vision::photos::RollPattern;

use super::persons::{MOST_COMPARED, hang_together};
use crate::naming::likeness::Likeness;

/// Most folders that are named in a message.
const NAMED: usize = 3;

/// Most digits of a name that is rather a year or a number of a set than a roll number.
const YEAR_DIGITS: usize = 4;

/// Most photos of each folder that are compared.
const PHOTOS: usize = 4;

/// A first folder that holds folders, and what they were taken for.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Folders {
    /// The first folder.
    pub folder: String,
    /// The folders in it that could be roll numbers.
    pub inside: Vec<String>,
    /// What they are.
    pub taken_for: TakenFor,
}

/// What the folders in a first folder are.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum TakenFor {
    /// The student's own: years, or sets of photos.
    OneStudent,
    /// Those of several people.
    SeveralPeople {
        /// A folder.
        one: String,
        /// Another one.
        other: String,
        /// The largest similarity between their photos.
        similarity: f32,
    },
    /// Not known: there are too few usable photos to compare.
    Unknown,
}

impl Folders {
    /// Whether the folder's photos are used.
    pub fn is_used(&self) -> bool {
        self.taken_for == TakenFor::OneStudent
    }

    /// What was understood, and what to write if it is wrong.
    pub fn fault(&self) -> Fault {
        let (folder, inside) = (&self.folder, self.inside_in_words());
        let lines = format!(
            "write photos.layout = \"group/roll\" if {folder} is a class or a year and the folders in it are roll \
             numbers, or photos.layout = \"roll\" if all are photos of the student {folder}"
        );
        let fault = match &self.taken_for {
            TakenFor::OneStudent => {
                let what = format!("its folders {inside} show one person and are taken for the student {folder}'s own");
                Fault::new(what).advise("if that is wrong, write photos.layout = \"group/roll\"")
            }
            TakenFor::SeveralPeople { one, other, similarity } => Fault::new(format!(
                "holds the folders of several people ({inside}; {one} and {other} have a similarity of \
                 {similarity:.2}); nobody is enrolled from it"
            ))
            .advise(lines),
            TakenFor::Unknown => Fault::new(format!(
                "holds folders that could be roll numbers ({inside}), with too few usable photos to compare; nobody \
                 is enrolled from it"
            ))
            .advise(lines),
        };
        self.inside.iter().fold(fault.naming(folder), |fault, name| fault.naming(name))
    }

    fn inside_in_words(&self) -> String {
        let named = self.inside.iter().take(NAMED).map(String::as_str).collect::<Vec<_>>().join(", ");
        match self.inside.len().saturating_sub(NAMED) {
            0 => named,
            more => format!("{named} and {more} more"),
        }
    }
}

/// A photo of a student: its path, and its embedding if it enrolled.
pub type Face<'a> = (&'a str, Option<&'a Embedding>);

/// Looks at the photos of the first folder `folder`; `None` when it is a student's as usual.
pub fn judge(folder: &str, photos: &[Face<'_>], pattern: RollPattern, likeness: Likeness) -> Option<Folders> {
    let mut inside: BTreeMap<&str, Vec<&Embedding>> = BTreeMap::new();
    for (path, embedding) in photos {
        // A photo that lies in the folder itself says that the folder is a student's.
        let (within, _) = path.strip_prefix(folder)?.strip_prefix('/')?.split_once('/')?;
        if RollNumber::parse(within).is_ok_and(|roll| pattern.admits(&roll)) {
            inside.entry(within).or_default().extend(*embedding);
        }
    }
    if inside.len() < 2 {
        return None;
    }
    let taken_for = taken_for(&inside, likeness);
    Some(Folders {
        folder: folder.to_owned(),
        inside: inside.keys().map(ToString::to_string).collect(),
        taken_for,
    })
}

fn taken_for(inside: &BTreeMap<&str, Vec<&Embedding>>, likeness: Likeness) -> TakenFor {
    let mut known: Vec<(&str, &[&Embedding])> = inside
        .iter()
        .filter(|(_, faces)| !faces.is_empty())
        .map(|(name, faces)| (*name, &faces[..]))
        .collect();
    let without_face = inside.len() - known.len();
    // In a large folder, comparing some of the folders is enough.
    let step = known.len().div_ceil(MOST_COMPARED).max(1);
    known = known
        .into_iter()
        .step_by(step)
        .map(|(name, faces)| (name, &faces[..faces.len().min(PHOTOS)]))
        .collect();
    let (mut pairs, mut unlike) = (0_usize, 0_usize);
    let mut least: Option<(&str, &str, f32)> = None;
    for (index, (one, faces)) in known.iter().enumerate() {
        for (other, others) in &known[index + 1..] {
            let similarities =
                faces.iter().flat_map(|face| others.iter().map(|other| face.similarity(other)));
            let best = similarities.fold(-1.0, f32::max);
            pairs += 1;
            unlike += usize::from(best < likeness.unlike);
            if least.is_none_or(|(.., least)| best < least) {
                least = Some((one, other, best));
            }
        }
    }
    // Folders named like years hold several people only if the faces clearly differ. Folders named like roll
    // numbers hold one person only if all faces clearly are one person's: two people must never become one
    // student because no difference was found.
    let are_years = inside.keys().all(|name| is_like_a_year(name));
    let faces: Vec<&Embedding> = known.iter().flat_map(|(_, faces)| faces.iter().copied()).collect();
    let all: Vec<usize> = (0..faces.len()).collect();
    let one_person = 2 * unlike <= pairs && (are_years || hang_together(&faces, &all, likeness.same));
    match least {
        Some((one, other, similarity)) if !one_person => {
            TakenFor::SeveralPeople { one: one.to_owned(), other: other.to_owned(), similarity }
        }
        _ if !are_years && without_face > 0 => TakenFor::Unknown,
        _ => TakenFor::OneStudent,
    }
}

/// Whether a folder's name is rather a year ("2024"), a number of a set ("1") or a word ("front") than a roll
/// number.
fn is_like_a_year(name: &str) -> bool {
    let digits = name.bytes().filter(u8::is_ascii_digit).count();
    digits == 0 || (digits == name.len() && digits <= YEAR_DIGITS)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::panic)]
    use super::*;
    use vision::embedding::DIMENSIONS;

    const LIKENESS: Likeness = Likeness { unlike: 0.2, same: 0.5, alike: 0.9 };

    /// A face at this angle, degrees: the similarity of two is the cosine of the difference.
    fn at(degrees: f32) -> Embedding {
        let mut raw = [0.0; DIMENSIONS];
        (raw[0], raw[1]) = (degrees.to_radians().cos(), degrees.to_radians().sin());
        Embedding::normalised(&raw).unwrap()
    }

    fn judged(folder: &str, photos: &[(&str, Option<f32>)]) -> Option<TakenFor> {
        let faces: Vec<Option<Embedding>> = photos.iter().map(|(_, degrees)| degrees.map(at)).collect();
        let photos: Vec<Face<'_>> =
            photos.iter().zip(&faces).map(|((path, _), face)| (*path, face.as_ref())).collect();
        judge(folder, &photos, RollPattern::Digits, LIKENESS).map(|found| found.taken_for)
    }

    #[test]
    fn a_year_with_the_folders_of_a_class_enrols_nobody() {
        let class = [("2025/2110001/a.jpg", Some(0.0)), ("2025/2110002/a.jpg", Some(100.0))];
        let Some(TakenFor::SeveralPeople { one, other, .. }) = judged("2025", &class) else { panic!() };
        assert_eq!((one.as_str(), other.as_str()), ("2110001", "2110002"));
        // Not alike and not clearly different: never one student by mistake.
        let class = [("2025/2110001/a.jpg", Some(0.0)), ("2025/2110002/a.jpg", Some(70.0))];
        assert!(matches!(judged("2025", &class), Some(TakenFor::SeveralPeople { .. })));
        let class = [("2025/2110001/a.jpg", Some(0.0)), ("2025/2110002/a.jpg", None)];
        assert_eq!(judged("2025", &class), Some(TakenFor::Unknown));
    }

    #[test]
    fn a_students_own_folders_stay_theirs() {
        let years = [("3000006/2024/a.jpg", Some(0.0)), ("3000006/2025/a.jpg", Some(70.0))];
        assert_eq!(judged("3000006", &years), Some(TakenFor::OneStudent));
        let years = [("3000006/2024/a.jpg", Some(0.0)), ("3000006/2025/a.jpg", None)];
        assert_eq!(judged("3000006", &years), Some(TakenFor::OneStudent));
        assert_eq!(judged("3000006", &[("3000006/2024/photo.jpg", Some(0.0))]), None);
        assert_eq!(
            judged("3", &[("3/old/a.jpg", Some(0.0)), ("3/new/a.jpg", Some(100.0))]),
            None,
            "no rolls"
        );
        let beside = [("3/a.jpg", Some(0.0)), ("3/1/a.jpg", Some(0.0)), ("3/2/a.jpg", Some(100.0))];
        assert_eq!(judged("3", &beside), None, "a photo lies in the folder itself");
    }

    #[test]
    fn what_to_write_is_said() {
        let inside = ["1", "2", "3", "4", "5"].map(str::to_owned).to_vec();
        let folders = Folders { folder: "2025".to_owned(), inside, taken_for: TakenFor::Unknown };
        let fault = folders.fault();
        assert!(fault.what.contains("1, 2, 3 and 2 more"), "{fault}");
        assert!(fault.advice.unwrap().contains("photos.layout = \"group/roll\""));
    }
}
