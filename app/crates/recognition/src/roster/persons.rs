//! Whether the photos of one roll number are of one person: pure.
//!
//! A photo in the wrong folder gives its person somebody else's attendance, so photos that clearly are of
//! different people are not used. Clearly: the photos of one child from different years are less alike than
//! those of one day, and stay.

use base::failure::{Diagnosis, Fault};
use vision::embedding::Embedding;

use crate::naming::likeness::Likeness;

/// Photos more alike than this are one photo twice, in two sizes or formats, and no second opinion.
pub const COPY: f32 = 0.97;

/// Most photos of one roll number that are compared with each other: no student has more.
pub(super) const MOST_COMPARED: usize = 200;

/// What the photos of one roll number are.
#[derive(Debug, Clone, PartialEq)]
pub enum Verdict {
    /// Of one person, as far as can be told.
    OnePerson,
    /// All but this one are of one person.
    Outlier(Unlike),
    /// The photos are of several people, and nobody knows who is meant: for each photo, the one it is least
    /// like.
    Several(Vec<Unlike>),
}

/// Two photos that are not of one person, by their places in the list.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Unlike {
    /// This photo.
    pub photo: usize,
    /// Is not like that one.
    pub other: usize,
    /// Cosine similarity of the two.
    pub similarity: f32,
}

/// Judges the photos of one roll number.
pub fn judge(faces: &[&Embedding], likeness: Likeness) -> Verdict {
    if faces.len() > MOST_COMPARED {
        return judge_many(faces, likeness);
    }
    let all: Vec<usize> = (0..faces.len()).collect();
    if hang_together(faces, &all, likeness.unlike) && is_mostly_alike(faces, &all, likeness.unlike) {
        // A wrong photo that happens to be like one of the others gives itself away by the others.
        return outlier(faces, likeness).map_or(Verdict::OnePerson, Verdict::Outlier);
    }
    if let Some(outlier) = outlier(faces, likeness) {
        return Verdict::Outlier(outlier);
    }
    Verdict::Several(all.iter().filter_map(|photo| least_like(faces, *photo, &all)).collect())
}

/// Judges more photos than one student has by some of them.
fn judge_many(faces: &[&Embedding], likeness: Likeness) -> Verdict {
    let some: Vec<usize> = (0..faces.len()).step_by(faces.len().div_ceil(MOST_COMPARED)).collect();
    let sample: Vec<&Embedding> = some.iter().map(|photo| faces[*photo]).collect();
    match judge(&sample, likeness) {
        Verdict::OnePerson => Verdict::OnePerson,
        _ => Verdict::Several((0..faces.len()).filter_map(|photo| least_like(faces, photo, &some)).collect()),
    }
}

/// Which of `others` a photo is least like.
fn least_like(faces: &[&Embedding], photo: usize, others: &[usize]) -> Option<Unlike> {
    let others = others.iter().filter(|other| **other != photo);
    others
        .map(|other| Unlike { photo, other: *other, similarity: faces[photo].similarity(faces[*other]) })
        .min_by(|a, b| a.similarity.total_cmp(&b.similarity))
}

/// The one photo that is not like the others on average, when these are of one person and more than one photo
/// twice.
fn outlier(faces: &[&Embedding], likeness: Likeness) -> Option<Unlike> {
    let mean = |photo: usize| {
        let others = faces.iter().enumerate().filter(|(other, _)| *other != photo);
        others.map(|(_, other)| faces[photo].similarity(other)).sum::<f32>() / (faces.len() - 1) as f32
    };
    if faces.len() < 3 {
        return None;
    }
    let photo = (0..faces.len()).min_by(|a, b| mean(*a).total_cmp(&mean(*b)))?;
    let rest: Vec<usize> = (0..faces.len()).filter(|other| *other != photo).collect();
    let one_person = hang_together(faces, &rest, likeness.unlike)
        && is_mostly_alike(faces, &rest, likeness.unlike)
        && opinions(faces, &rest) >= 2;
    // An old photo that is like one of another year is not an outlier, however the child has changed since.
    let linked = rest.iter().any(|other| faces[photo].similarity(faces[*other]) >= likeness.same);
    if mean(photo) >= likeness.unlike || linked || !one_person {
        return None;
    }
    let others = rest.into_iter().map(|other| (other, faces[photo].similarity(faces[other])));
    let (other, similarity) = others.min_by(|a, b| a.1.total_cmp(&b.1))?;
    Some(Unlike { photo, other, similarity })
}

/// Whether each of these photos leads to every other one by similarities of at least `least`.
pub(super) fn hang_together(faces: &[&Embedding], photos: &[usize], least: f32) -> bool {
    let mut open: Vec<usize> = photos.first().copied().into_iter().collect();
    let mut left: Vec<usize> = photos.iter().skip(1).copied().collect();
    while let Some(at) = open.pop() {
        let linked = left.extract_if(.., |other| faces[at].similarity(faces[*other]) >= least);
        open.extend(linked);
    }
    left.is_empty()
}

/// Whether at most half of the pairs are less alike than `least`. Among many people some are alike, and so
/// many of them hang together.
fn is_mostly_alike(faces: &[&Embedding], photos: &[usize], least: f32) -> bool {
    let (mut pairs, mut unlike) = (0_usize, 0_usize);
    for (index, one) in photos.iter().enumerate() {
        for other in &photos[index + 1..] {
            pairs += 1;
            unlike += usize::from(faces[*one].similarity(faces[*other]) < least);
        }
    }
    2 * unlike <= pairs
}

/// Photos that are not copies of each other.
fn opinions(faces: &[&Embedding], photos: &[usize]) -> usize {
    let mut counted: Vec<usize> = Vec::new();
    for photo in photos {
        if counted.iter().all(|other| faces[*photo].similarity(faces[*other]) < COPY) {
            counted.push(*photo);
        }
    }
    counted.len()
}

/// Why a good photo is not used: for what else lies in its folder.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
#[error("{}", self.fault())]
pub enum NotUsed {
    /// The other photos of this student are of one person, and this one is of another.
    Outlier {
        /// The photo that it is least like.
        other: String,
        /// Cosine similarity of the two.
        similarity: f32,
    },
    /// The photos of this student are of several people.
    Several {
        /// The photo that it is least like.
        other: String,
        /// Cosine similarity of the two.
        similarity: f32,
    },
    /// The photo lies in a folder of several students' folders.
    Group {
        /// The folder.
        folder: String,
    },
}

impl Diagnosis for NotUsed {
    fn fault(&self) -> Fault {
        match self {
            Self::Outlier { other, similarity } => Fault::new(format!(
                "not the person of this student's other photos (similarity {similarity:.2} to {other}); it is \
                 not used, the others are"
            ))
            .advise("remove it, or put it into its own student's folder")
            .naming(other),
            Self::Several { other, similarity } => Fault::new(format!(
                "not the person of {other} (similarity {similarity:.2}); no photo of this student is used, because \
                 nobody can tell who is meant"
            ))
            .advise("remove the photos of anybody else from this folder")
            .naming(other),
            Self::Group { folder } => Fault::new(format!(
                "lies in {folder}, which holds the folders of several people; nobody is enrolled from it"
            ))
            .advise(format!("see what is said of {folder}"))
            .naming(folder),
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::panic)]
    use super::*;
    use crate::naming::threshold::Calibration;
    use faces::embedder::EmbedderChoice;
    use vision::embedding::DIMENSIONS;

    const LIKENESS: Likeness = Likeness { unlike: 0.2, same: 0.5, alike: 0.9 };

    /// A face at this angle, degrees: the similarity of two is the cosine of the difference.
    fn at(degrees: f32) -> Embedding {
        let mut raw = [0.0; DIMENSIONS];
        (raw[0], raw[1]) = (degrees.to_radians().cos(), degrees.to_radians().sin());
        Embedding::normalised(&raw).unwrap()
    }

    fn judged(degrees: &[f32]) -> Verdict {
        let faces: Vec<Embedding> = degrees.iter().map(|degrees| at(*degrees)).collect();
        judge(&faces.iter().collect::<Vec<_>>(), LIKENESS)
    }

    #[test]
    fn photos_of_one_person_are_of_one_person() {
        assert_eq!(judged(&[]), Verdict::OnePerson);
        assert_eq!(judged(&[10.0]), Verdict::OnePerson);
        assert_eq!(judged(&[0.0, 75.0]), Verdict::OnePerson, "an old and a new photo");
        assert_eq!(judged(&[0.0, 58.0, 116.0]), Verdict::OnePerson, "old, middle and new");
    }

    #[test]
    fn two_photos_of_two_people_are_both_refused() {
        let Verdict::Several(unlike) = judged(&[0.0, 90.0]) else { panic!() };
        assert_eq!(unlike.iter().map(|it| (it.photo, it.other)).collect::<Vec<_>>(), [(0, 1), (1, 0)]);
        assert!(unlike[0].similarity.abs() < 1e-3);
    }

    #[test]
    fn one_of_three_that_is_not_like_the_others_is_set_aside() {
        let Verdict::Outlier(unlike) = judged(&[0.0, 120.0, 25.0]) else { panic!() };
        assert_eq!((unlike.photo, unlike.other), (1, 0));
        assert!(matches!(judged(&[0.0, 120.0, 5.0]), Verdict::Several(_)), "one photo twice is one opinion");
        assert!(matches!(judged(&[0.0, 20.0, 120.0, 140.0]), Verdict::Several(_)), "two against two");
        assert!(matches!(judged(&[0.0, 90.0, 180.0]), Verdict::Several(_)), "three people");
        // Like one of the others by chance, and not like both.
        assert!(matches!(judged(&[0.0, 75.0, 330.0]), Verdict::Outlier(Unlike { photo: 1, .. })));
    }

    #[test]
    fn many_people_are_several_though_some_of_them_are_alike() {
        for count in [12, 1_000] {
            let class: Vec<f32> = (0..count).map(|n| 60.0 * n as f32).collect();
            assert!(matches!(judged(&class), Verdict::Several(unlike) if unlike.len() == count));
        }
    }

    #[test]
    fn the_limits_follow_the_embedders_calibration() {
        let likeness = Likeness::of(&Calibration::of(None, EmbedderChoice::Mobilefacenet).unwrap());
        assert!(
            0.1 < likeness.unlike
                && likeness.unlike < likeness.same
                && likeness.same < likeness.alike
                && likeness.alike < 0.6
        );
    }
}
