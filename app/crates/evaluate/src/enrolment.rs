//! What enrolment makes of photos: turned ones, unreliable ones, and two people in one folder.
//!
//! Every picture is enrolled as it is, which is taken for upright, and some also lying and on their head. For
//! those that enrol, the embedding must be of use: it must be like that of the same picture upright. Then
//! each person's photos are judged as a student's folder, as they are and with somebody else's among them.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use image::{RgbImage, imageops};
use serde::Serialize;
use vision::embedding::Embedding;

use recognition::naming::likeness::Likeness;
use recognition::roster::persons::{self, Verdict};
use recognition::{EngineError, EnrolRefusal, Inspection};

use super::pictures::{EvaluateError, open, people};
use super::statistics::Rate;

/// Limits of a picture's similarity to itself for which pictures are counted.
const LIMITS: [f32; 7] = [0.5, 0.55, 0.6, 0.65, 0.7, 0.75, 0.8];

/// Similarities from which two pictures would be taken for the same picture; pictures are counted for each.
const COPIES: [f32; 5] = [persons::COPY, 0.96, 0.95, 0.93, 0.90];

/// Makes what the roster would make of a photo.
pub type Enrol<'a> = dyn FnMut(&RgbImage) -> Result<Inspection, EngineError> + 'a;

/// What to measure.
#[derive(Debug, Clone, Copy)]
pub struct Plan {
    /// People whose first picture is turned, at most.
    pub turned: usize,
    /// The similarities that tell one person from two.
    pub likeness: Likeness,
}

/// What was measured.
#[derive(Debug, Serialize)]
pub struct Figures {
    /// Similarity below which two photos are of different people.
    pub unlike: f32,
    /// Similarity that a photo must have to its mirror image and crops.
    pub same: f32,
    /// Upright pictures that enrol.
    pub enrolled: Rate,
    /// Why the others do not, by the first words of the reason.
    pub refused: BTreeMap<String, usize>,
    /// Least similarity of a picture to its mirror image and crops: for each limit, those below it.
    pub below: Vec<(f32, Rate)>,
    /// For the limit in use and some others: the same picture in half its size that is known as a copy, and
    /// two pictures of one person that are taken for copies.
    pub copies: Vec<(f32, Rate, Rate)>,
    /// For each position, how the pictures fared.
    pub turned: Vec<Turned>,
    /// Folders of two photos of one person that are refused as of several.
    pub two_of_one_refused: Rate,
    /// Folders of two people's photos that are refused as of several.
    pub two_of_two_refused: Rate,
    /// Folders of two photos of one person and one of another in which exactly that one is set aside, or all
    /// are refused.
    pub stranger_among_three_found: Rate,
    /// Of these folders, those in which a right photo is set aside and the wrong one stays.
    pub stranger_among_three_preferred: Rate,
    /// Folders of all photos of one person (three or more) from which a photo is refused.
    pub all_of_one_refused: Rate,
}

/// Pictures in one position.
#[derive(Debug, Serialize)]
pub struct Turned {
    /// Degrees, clockwise.
    pub degrees: u32,
    /// Those that enrol, of those that enrol upright.
    pub enrolled: Rate,
    /// Those that enrol and are less like the upright picture than photos of one person: useless.
    pub useless: Rate,
}

/// Measures a folder of people.
///
/// # Errors
/// [`EvaluateError`]; at least two people with two pictures each are needed.
pub fn enrolment(
    folder: &Path,
    plan: Plan,
    enrol: &mut Enrol<'_>,
    looked_at: &dyn Fn(usize, usize),
) -> Result<Figures, EvaluateError> {
    let people = people(folder)?;
    let turned_people = people.len().min(plan.turned);
    let total = people.values().map(Vec::len).sum::<usize>() + 3 * turned_people;
    let mut done = 0;
    let mut refused: BTreeMap<String, usize> = BTreeMap::new();
    let mut faces: Vec<Vec<Embedding>> = Vec::new();
    let mut alike = Vec::new();
    let mut firsts: Vec<(&PathBuf, Embedding)> = Vec::new();
    let mut pictures = 0;
    for paths in people.values() {
        let mut enrolled = Vec::new();
        for path in paths {
            looked_at(done, total);
            done += 1;
            pictures += 1;
            match enrol(&open(&folder.join(path))?)?.outcome {
                Ok(enrolment) => {
                    alike.push(enrolment.alike);
                    if enrolled.is_empty() {
                        firsts.push((path, enrolment.embedding.clone()));
                    }
                    enrolled.push(enrolment.embedding);
                }
                Err(refusal) => {
                    if let EnrolRefusal::Unreliable { similarity, .. } = refusal {
                        alike.push(similarity);
                    }
                    *refused.entry(kind(&refusal.to_string())).or_default() += 1;
                }
            }
        }
        faces.push(enrolled);
    }
    // Evenly over the alphabet.
    let step = firsts.len().div_ceil(plan.turned.max(1)).max(1);
    let mut positions = [(90, 0, 0), (180, 0, 0), (270, 0, 0)];
    let some: Vec<_> = firsts.iter().step_by(step).collect();
    let mut halved = Vec::new();
    for (path, upright) in &some {
        let picture = open(&folder.join(path))?;
        let [width, height] = [picture.width(), picture.height()].map(|side| (side / 2).max(1));
        let half = imageops::resize(&picture, width, height, imageops::FilterType::Triangle);
        if let Ok(copy) = enrol(&half)?.outcome {
            halved.push(copy.embedding.similarity(upright));
        }
        for (degrees, enrolled, useless) in &mut positions {
            looked_at(done.min(total), total);
            done += 1;
            let turned = match degrees {
                90 => imageops::rotate90(&picture),
                180 => imageops::rotate180(&picture),
                _ => imageops::rotate270(&picture),
            };
            if let Ok(enrolment) = enrol(&turned)?.outcome {
                *enrolled += 1;
                *useless += usize::from(enrolment.embedding.similarity(upright) < plan.likeness.same);
            }
        }
    }
    looked_at(total, total);
    let turned = positions.map(|(degrees, enrolled, useless)| Turned {
        degrees,
        enrolled: Rate::of(enrolled, some.len()),
        useless: Rate::of(useless, some.len()),
    });
    let in_all: usize = faces.iter().map(Vec::len).sum();
    let below = LIMITS
        .map(|limit| (limit, Rate::of(alike.iter().filter(|alike| **alike < limit).count(), alike.len())));
    let folders = Folders::judge(&faces, plan.likeness)?;
    Ok(Figures {
        unlike: plan.likeness.unlike,
        same: plan.likeness.same,
        enrolled: Rate::of(in_all, pictures),
        refused,
        below: below.into(),
        copies: COPIES
            .map(|limit| {
                let from =
                    |of: &[f32]| Rate::of(of.iter().filter(|alike| **alike >= limit).count(), of.len());
                (limit, from(&halved), from(&folders.pairs))
            })
            .into(),
        turned: turned.into(),
        two_of_one_refused: folders.two_of_one,
        two_of_two_refused: folders.two_of_two,
        stranger_among_three_found: folders.found,
        stranger_among_three_preferred: folders.preferred,
        all_of_one_refused: folders.all_of_one,
    })
}

/// A reason without its figures.
fn kind(reason: &str) -> String {
    let is_figure = |word: &&str| word.contains(|c: char| c.is_ascii_digit() || c == '(');
    let words = reason.split_whitespace().skip_while(is_figure).take_while(|word| !is_figure(word));
    words.take(6).collect::<Vec<_>>().join(" ").trim_end_matches(';').to_owned()
}

/// The results of folders.
struct Folders {
    /// How alike two pictures of one person are.
    pairs: Vec<f32>,
    two_of_one: Rate,
    two_of_two: Rate,
    found: Rate,
    preferred: Rate,
    all_of_one: Rate,
}

impl Folders {
    fn judge(people: &[Vec<Embedding>], likeness: Likeness) -> Result<Self, EvaluateError> {
        let people: Vec<&Vec<Embedding>> = people.iter().filter(|faces| !faces.is_empty()).collect();
        let is_refused = |faces: &[&Embedding]| persons::judge(faces, likeness) != Verdict::OnePerson;
        let mut pairs = Vec::new();
        let (mut two_of_one, mut two_of_two, mut found, mut preferred, mut all_of_one) =
            ((0, 0), (0, 0), (0, 0), 0, (0, 0));
        for (index, faces) in people.iter().enumerate() {
            for (at, one) in faces.iter().enumerate() {
                for other in &faces[at + 1..] {
                    two_of_one.0 += usize::from(is_refused(&[one, other]));
                    two_of_one.1 += 1;
                    pairs.push(one.similarity(other));
                }
            }
            for others in &people[index + 1..] {
                two_of_two.0 += usize::from(is_refused(&[&faces[0], &others[0]]));
                two_of_two.1 += 1;
            }
            if faces.len() >= 3 {
                let all: Vec<&Embedding> = faces.iter().collect();
                all_of_one.0 += usize::from(is_refused(&all));
                all_of_one.1 += 1;
            }
            if let [one, other, ..] = &faces[..] {
                for (_, others) in people.iter().enumerate().filter(|(other, _)| *other != index) {
                    match persons::judge(&[one, other, &others[0]], likeness) {
                        Verdict::Outlier(unlike) if unlike.photo != 2 => preferred += 1,
                        Verdict::Outlier(_) | Verdict::Several(_) => found.0 += 1,
                        Verdict::OnePerson => {}
                    }
                    found.1 += 1;
                }
            }
        }
        if two_of_one.1 == 0 || two_of_two.1 == 0 {
            return Err(EvaluateError::TooLittle(
                "two people or more with two pictures each are needed".to_owned(),
            ));
        }
        let rate = |(events, trials)| Rate::of(events, trials);
        Ok(Self {
            pairs,
            two_of_one: rate(two_of_one),
            two_of_two: rate(two_of_two),
            found: rate(found),
            preferred: Rate::of(preferred, found.1),
            all_of_one: rate(all_of_one),
        })
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use recognition::{Content, Enrolment, Quality};
    use vision::embedding::DIMENSIONS;
    use vision::face::Bounds;

    const LIKENESS: Likeness = Likeness { unlike: 0.2, same: 0.5, alike: 0.9 };

    /// Enrols by the colour of the brightest corner, which a turned picture has elsewhere: only the upright
    /// one and the one on its head are understood, and this one is taken for somebody else.
    fn by_colour(photo: &RgbImage) -> Result<Inspection, EngineError> {
        let content = Content::of(photo, &[]);
        let corner = photo.get_pixel(0, 0).0;
        let lying = photo.width() < photo.height();
        let mut raw = [0.0; DIMENSIONS];
        raw[..3].copy_from_slice(&corner.map(f32::from));
        raw[3] = if corner == [0; 3] { 1.0 } else { 0.0 };
        let embedding = Embedding::normalised(&raw).unwrap();
        let (quality, bounds) = (Quality::default(), Bounds::default());
        let enrolment = Enrolment { embedding, quality, bounds, alike: 0.72 };
        Ok(Inspection { content, outcome: if lying { Err(EnrolRefusal::NoFace) } else { Ok(enrolment) } })
    }

    #[test]
    fn turned_pictures_and_mixed_folders_are_counted() {
        let folder = tempfile::tempdir().unwrap();
        for (person, colour) in [("a", [255, 0, 0]), ("b", [0, 255, 0])] {
            std::fs::create_dir(folder.path().join(person)).unwrap();
            for number in 0..3 {
                let mut picture = RgbImage::new(8, 4);
                let colour = colour.map(|value: u8| value.saturating_sub(number * 40));
                picture.put_pixel(0, 0, image::Rgb(colour));
                picture.save(folder.path().join(format!("{person}/{number}.png"))).unwrap();
            }
        }
        let plan = Plan { turned: 10, likeness: LIKENESS };
        let figures = enrolment(folder.path(), plan, &mut by_colour, &|_, _| {}).unwrap();
        assert_eq!((figures.enrolled.events, figures.enrolled.trials), (6, 6));
        let [right, head, left] = &figures.turned[..] else { unreachable!("three positions") };
        assert_eq!((right.enrolled.events, left.enrolled.events), (0, 0));
        assert_eq!((head.enrolled.events, head.useless.events), (2, 2));
        assert_eq!(
            figures.below.iter().map(|(_, below)| below.events).collect::<Vec<_>>(),
            [0, 0, 0, 0, 0, 6, 6]
        );
        let (_, known, taken) = figures.copies[0];
        assert_eq!((known.events, known.trials, taken.trials), (2, 2, 6));
        assert_eq!((figures.two_of_one_refused.events, figures.two_of_one_refused.trials), (0, 6));
        assert_eq!((figures.two_of_two_refused.events, figures.two_of_two_refused.trials), (1, 1));
        assert_eq!(
            figures.stranger_among_three_found.events, 2,
            "one photo thrice is one opinion: all are refused"
        );
        assert_eq!(figures.all_of_one_refused.events, 0);
    }

    #[test]
    fn reasons_are_counted_by_their_kind() {
        assert_eq!(
            kind("no face found; take a photo of the face from the front"),
            "no face found; take a photo"
        );
        assert_eq!(kind("the head is tilted by 31°; take"), "the head is tilted by");
        assert_eq!(kind("2 faces; crop the photo to one person"), "faces; crop the photo to one");
    }
}
