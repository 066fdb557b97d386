//! The enrolled faces as one matrix, searched in one pass.
//!
//! Rows are fixed-point: a unit vector's numbers times 2¹⁴ as 16-bit integers. That halves the memory that
//! every probe must read, which is what limits the speed, and the sum of products fits 32 bits by
//! Cauchy-Schwarz. The error of a similarity is below 1.1e-3 by bound (2 · ½ · 2⁻¹⁴ · √320).

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::sync::Arc;

use arc_swap::ArcSwap;
use models::scalar_products;

use super::threshold::Calibration;
use base::identity::RollNumber;
use faces::embedder::EmbedderChoice;
use vision::embedding::{DIMENSIONS, Embedding};

/// 2¹⁴: the largest power of two for which 1.0 fits in an `i16`.
const SCALE: f32 = 16_384.0;

/// Rows whose scores are computed before they are looked at; the scores then lie in four cache lines.
const BLOCK: usize = 64;

/// How much more than anybody else a face must be like one of two who look alike. Not measured: no twins were
/// at hand.
const ALIKE_MARGIN: f32 = 0.1;

/// The gallery in use; a new one is stored while recognition runs, and counts from the next face on.
pub type SharedGallery = Arc<ArcSwap<Gallery>>;

/// Everybody who can be recognised.
#[derive(Debug, Clone, Default)]
pub struct Gallery {
    people: Vec<RollNumber>,
    /// Index into `people` of each row.
    owners: Vec<u32>,
    /// Numbers of a row; 0 while there is none.
    dimensions: usize,
    rows: Vec<i16>,
    /// How alike different people of this gallery are, where that is known.
    own: Option<Arc<Calibration>>,
    /// Places in `people` of two who look like one person, in both orders, sorted.
    alike: Vec<(u32, u32)>,
    /// Where the faces were made by two embedders: the same people by the first one alone.
    first: Option<Arc<Gallery>>,
}

/// The answer of a search: the person with the best row, whether or not it is good enough.
#[derive(Debug, Clone, PartialEq)]
pub struct Match {
    /// Whose row it is.
    pub roll: RollNumber,
    /// Cosine similarity to that person's best row, −1 to 1. Where two embedders were asked, the same
    /// distance from the threshold on the scale of the first.
    pub similarity: f32,
    /// Best similarity to anybody else, that of a look-alike raised by what it needs more; −1 when there is
    /// nobody else.
    pub runner_up: f32,
}

impl Match {
    /// How much better the best is than anybody else.
    pub fn margin(&self) -> f32 {
        self.similarity - self.runner_up
    }
}

impl Gallery {
    /// A gallery of these faces; a person may have several. All are of one embedder, that of the first:
    /// others cannot be compared with them and are left out. Faces of two embedders also make the gallery of
    /// the first one alone, which its probes are searched in.
    pub fn new(enrolled: Vec<(RollNumber, Embedding)>) -> Self {
        let mut gallery = Self::of(enrolled.iter().map(|(roll, face)| (roll, Cow::Borrowed(face))));
        gallery.first = gallery.embedder().filter(|of| of.first() != *of).map(|both| {
            let part = |face: &Embedding| face.first(both.first().dimensions()).ok();
            let parts = enrolled.iter().filter_map(|(roll, face)| Some((roll, Cow::Owned(part(face)?))));
            Arc::new(Self::of(parts))
        });
        gallery
    }

    fn of<'a>(enrolled: impl Iterator<Item = (&'a RollNumber, Cow<'a, Embedding>)>) -> Self {
        let mut index = BTreeMap::new();
        let mut gallery = Self::default();
        for (roll, embedding) in enrolled {
            let values = embedding.values();
            if gallery.rows.is_empty() {
                gallery.dimensions = values.len();
            } else if gallery.dimensions != values.len() {
                continue;
            }
            let people = &mut gallery.people;
            let owner = *index.entry(roll).or_insert_with_key(|roll| {
                people.push((*roll).clone());
                people.len() as u32 - 1
            });
            gallery.owners.push(owner);
            gallery.rows.extend(quantised(values));
        }
        gallery
    }

    /// The same gallery with the curve of its own people.
    #[must_use]
    pub fn with_own(self, own: Option<Calibration>) -> Self {
        Self { own: own.map(Arc::new), ..self }
    }

    /// The same gallery with pairs of people who look like one person, twins mostly. They need a larger
    /// margin against each other, and against nobody else.
    #[must_use]
    pub fn with_alike<'a>(self, pairs: impl IntoIterator<Item = (&'a RollNumber, &'a RollNumber)>) -> Self {
        let place =
            |roll: &RollNumber| self.people.iter().position(|other| other == roll).map(|at| at as u32);
        let both = |(one, other)| Some((place(one)?, place(other)?));
        let mut alike: Vec<_> = pairs
            .into_iter()
            .filter_map(both)
            .flat_map(|(one, other)| [(one, other), (other, one)])
            .collect();
        alike.sort_unstable();
        // The same people in the same places.
        let first = self.first.map(|first| Arc::new(Self { alike: alike.clone(), ..Self::clone(&first) }));
        Self { alike, first, ..self }
    }

    /// The same gallery with the curve of its own people by the first of its two embedders.
    #[must_use]
    pub fn with_own_of_first(self, own: Option<Calibration>) -> Self {
        Self { first: self.first.map(|first| Arc::new(Self::clone(&first).with_own(own))), ..self }
    }

    /// The gallery of the first embedder, where there are two.
    pub fn first(&self) -> Option<&Self> {
        self.first.as_deref()
    }

    /// The least similarity that counts as a match for the accepted FPIR: by the general curve or that of
    /// this gallery's own people, whichever is safer.
    pub fn threshold(&self, general: &Calibration, accepted_fpir: f32) -> f32 {
        let by = |curve: &Calibration| curve.threshold(self.faces(), accepted_fpir);
        self.own.as_deref().map_or(by(general), |own| by(own).max(by(general)))
    }

    /// The best person for a probe; `None` when nobody is enrolled.
    pub fn search(&self, probe: &Embedding) -> Option<Match> {
        if let Some(first) = self.first().filter(|first| first.dimensions == probe.values().len()) {
            return first.search(probe);
        }
        let mut best = (i32::MIN, u32::MAX);
        let mut runner_up = i32::MIN;
        self.scan(probe, |score, owner| {
            if score <= runner_up {
                return;
            }
            if owner == best.1 {
                best.0 = best.0.max(score);
            } else if score > best.0 {
                // The person who was best is now the runner-up: nobody else was better than that.
                runner_up = if best.1 == u32::MAX { runner_up } else { best.0 };
                best = (score, owner);
            } else {
                runner_up = score;
            }
        });
        let roll = self.people.get(best.1 as usize)?.clone();
        let runner_up = if runner_up == i32::MIN { -1.0 } else { similarity(runner_up) };
        let runner_up = self.best_of_those_like(best.1, probe).map_or(runner_up, |twin| runner_up.max(twin));
        Some(Match { roll, similarity: similarity(best.0), runner_up })
    }

    /// The similarity of those who look like this person, with what they need more; `None` where nobody does.
    fn best_of_those_like(&self, person: u32, probe: &Embedding) -> Option<f32> {
        let from = self.alike.partition_point(|(one, _)| *one < person);
        let twins = self.alike[from..].split(|(one, _)| *one != person).next().unwrap_or_default();
        if twins.is_empty() {
            return None;
        }
        let mut best = i32::MIN;
        self.scan(probe, |score, owner| {
            if score > best && twins.iter().any(|(_, twin)| *twin == owner) {
                best = score;
            }
        });
        (best > i32::MIN).then(|| similarity(best) + ALIKE_MARGIN)
    }

    /// The person other than `roll` whose face is most like `face`, and the similarity: a photo in the wrong
    /// folder, or twins.
    pub fn nearest_other(&self, roll: &RollNumber, face: &Embedding) -> Option<(RollNumber, f32)> {
        let own = self.people.iter().position(|other| other == roll);
        let mut best = None;
        self.scan(face, |score, owner| {
            if own != Some(owner as usize) {
                best = best.max(Some((score, owner)));
            }
        });
        let (score, owner) = best?;
        Some((self.people[owner as usize].clone(), similarity(score)))
    }

    /// How like `face` the most alike of the faces of `roll` is; none when that student has none here.
    pub fn nearest_own(&self, roll: &RollNumber, face: &Embedding) -> Option<f32> {
        let own = self.people.iter().position(|other| other == roll)?;
        let mut best = None;
        self.scan(face, |score, owner| {
            if owner as usize == own {
                best = best.max(Some(score));
            }
        });
        best.map(similarity)
    }

    /// Gives the score and the owner of every row to `see`.
    #[inline]
    fn scan(&self, probe: &Embedding, mut see: impl FnMut(i32, u32)) {
        if probe.values().len() != self.dimensions {
            return;
        }
        let probe: heapless::Vec<i16, DIMENSIONS> = quantised(probe.values()).collect();
        let mut scores = [0; BLOCK];
        for (rows, owners) in self.rows.chunks(BLOCK * self.dimensions).zip(self.owners.chunks(BLOCK)) {
            scalar_products(rows, &probe, &mut scores);
            scores.iter().zip(owners).for_each(|(score, owner)| see(*score, *owner));
        }
    }

    /// Number of people.
    pub fn people(&self) -> usize {
        self.people.len()
    }

    /// Number of faces they were enrolled from.
    pub fn faces(&self) -> usize {
        self.owners.len()
    }

    /// The embedder that it was made with; `None` where nobody is enrolled.
    pub fn embedder(&self) -> Option<EmbedderChoice> {
        EmbedderChoice::ALL.into_iter().find(|choice| choice.dimensions() == self.dimensions)
    }
}

fn quantised(values: &[f32]) -> impl Iterator<Item = i16> {
    values.iter().map(|x| (x * SCALE).round() as i16)
}

fn similarity(score: i32) -> f32 {
    score as f32 / (SCALE * SCALE)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use proptest::prelude::*;

    fn random(rng: &mut fastrand::Rng) -> Embedding {
        let raw: Vec<f32> = (0..DIMENSIONS).map(|_| rng.f32() - 0.5).collect();
        Embedding::normalised(&raw).unwrap()
    }

    fn roll(number: usize) -> RollNumber {
        RollNumber::parse(&format!("{number}")).unwrap()
    }

    #[test]
    fn faces_of_another_embedder_are_neither_enrolled_nor_found() {
        let mut rng = fastrand::Rng::with_seed(5);
        let long = random(&mut rng);
        let short = Embedding::normalised(&long.values()[..128]).unwrap();
        let gallery = Gallery::new(vec![(roll(1), short.clone()), (roll(2), long.clone())]);
        assert_eq!((gallery.faces(), gallery.embedder()), (1, Some(EmbedderChoice::Sface)));
        assert_eq!(gallery.search(&short).unwrap().roll, roll(1));
        assert_eq!(gallery.search(&long), None);
        assert_eq!(Gallery::default().embedder(), None);
    }

    #[test]
    fn nobody_is_found_in_an_empty_gallery() {
        assert_eq!(Gallery::default().search(&random(&mut fastrand::Rng::with_seed(1))), None);
    }

    #[test]
    fn one_person_has_no_runner_up_however_many_photos() {
        let mut rng = fastrand::Rng::with_seed(2);
        let face = random(&mut rng);
        let gallery = Gallery::new(vec![(roll(1), random(&mut rng)), (roll(1), face.clone())]);
        let found = gallery.search(&face).unwrap();
        assert!((found.similarity - 1.0).abs() < 1e-3 && found.runner_up == -1.0);
        assert_eq!((gallery.people(), gallery.faces()), (1, 2));
    }

    #[test]
    fn twins_need_a_larger_margin_against_each_other_alone() {
        let face = |angle: f32| {
            let mut raw = [0.0; DIMENSIONS];
            (raw[0], raw[1]) = (angle.cos(), angle.sin());
            Embedding::normalised(&raw).unwrap()
        };
        let gallery = Gallery::new(vec![(roll(1), face(0.0)), (roll(2), face(0.6)), (roll(3), face(2.0))]);
        let (one, two) = (roll(1), roll(2));
        let warned = gallery.clone().with_alike([(&one, &two)]);
        let margins = |probe: f32| [&gallery, &warned].map(|g| g.search(&face(probe)).unwrap().margin());
        let [before, after] = margins(0.1);
        assert!((before - after - ALIKE_MARGIN).abs() < 1e-3, "{before} {after}");
        assert_eq!(warned.search(&face(0.1)).unwrap().roll, one);
        let [before, after] = margins(2.0);
        assert_eq!(before, after, "somebody else");
        let by_the_first = |g: &Gallery| g.search(&face(0.1).first(128).unwrap()).unwrap().margin();
        assert!((by_the_first(&gallery) - by_the_first(&warned) - ALIKE_MARGIN).abs() < 1e-3);
    }

    #[test]
    fn the_own_curve_only_raises_the_threshold() {
        let general = Calibration::of(None, EmbedderChoice::Mobilefacenet).unwrap();
        let mut rng = fastrand::Rng::with_seed(3);
        let faces: Vec<_> = (0..100).map(|number| (roll(number), random(&mut rng))).collect();
        let moved = |by: f32| {
            let mut own = general.clone();
            own.points.iter_mut().for_each(|point| point.threshold += by);
            Gallery::new(faces.clone()).with_own(Some(own)).threshold(&general, 0.01)
        };
        let plain = Gallery::new(faces.clone()).threshold(&general, 0.01);
        assert_eq!(plain, general.threshold(100, 0.01));
        assert!((moved(0.05) - plain - 0.05).abs() < 1e-4);
        assert_eq!(moved(-0.05), plain);
    }

    /// What rounding two vectors may cost, see the head of this file.
    const BOUND: f32 = 1.1e-3;

    proptest! {
        /// The one pass agrees with looking at every person separately in floating point.
        #[test]
        fn best_and_runner_up_are_those_of_an_exact_search(
            seed: u64,
            faces in 1usize..40,
            people in 1usize..12,
            embedder in proptest::sample::select(EmbedderChoice::ALL.to_vec()),
        ) {
            let mut rng = fastrand::Rng::with_seed(seed);
            let random = |rng: &mut fastrand::Rng| {
                let raw: Vec<f32> = (0..embedder.dimensions()).map(|_| rng.f32() - 0.5).collect();
                Embedding::normalised(&raw).unwrap()
            };
            let enrolled: Vec<_> =
                (0..faces).map(|_| (roll(rng.usize(0..people)), random(&mut rng))).collect();
            let probe = random(&mut rng);
            let mut exact: BTreeMap<&RollNumber, f32> = BTreeMap::new();
            for (owner, face) in &enrolled {
                let best = exact.entry(owner).or_insert(-1.0);
                *best = best.max(face.similarity(&probe));
            }
            let mut scores: Vec<f32> = exact.values().copied().collect();
            scores.sort_by(|a, b| b.total_cmp(a));
            let found = Gallery::new(enrolled.clone()).search(&probe).unwrap();
            prop_assert!((found.similarity - scores[0]).abs() < BOUND);
            prop_assert!((exact[&found.roll] - scores[0]).abs() < 2.0 * BOUND);
            let second = scores.get(1).copied().unwrap_or(-1.0);
            prop_assert!((found.runner_up - second).abs() < BOUND);
        }
    }
}
