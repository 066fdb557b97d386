//! When a second embedder is asked, and what its answer counts: pure.
//!
//! Two embedders err on different faces, so both together miss fewer people than either. The second costs as
//! much again for a face, so it is asked only where the first leaves a doubt. Its answer is given on the
//! scale of the first, so that votes of frames with and without it are counted together.

use super::gallery::{Gallery, Match};
use super::threshold::{Calibration, CalibrationError};
use faces::embedder::EmbedderChoice;

/// How near to the threshold a similarity leaves a doubt. A wider zone changed no figure by more than one
/// probe on LFW's first three folds (MEASUREMENTS.md; `attendance evaluate identification`).
pub const GREY: f32 = 0.05;

/// Two embedders: the curve of the first.
#[derive(Debug, Clone)]
pub struct Curves {
    first: Calibration,
}

/// The least similarities that count as a match.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Thresholds {
    /// Of the first embedder, or of the only one.
    pub first: f32,
    /// Of both together; `None` where there is one.
    pub both: Option<f32>,
}

impl Curves {
    /// The shipped curve of the first of two embedders; `None` where there is one embedder.
    ///
    /// # Errors
    /// [`CalibrationError`] when the curve is of no use.
    pub fn of(embedder: EmbedderChoice) -> Result<Option<Self>, CalibrationError> {
        if embedder.first() == embedder {
            return Ok(None);
        }
        Ok(Some(Self { first: Calibration::of(None, embedder.first())? }))
    }
}

impl Thresholds {
    /// For the accepted FPIR in this gallery, or for the similarity that a site has `set`, which is one of
    /// the first embedder. `general` is the curve of all embedders together.
    pub fn of(
        gallery: &Gallery,
        general: &Calibration,
        two: Option<&Curves>,
        set: Option<f32>,
        accepted_fpir: f32,
    ) -> Self {
        let together = gallery.threshold(general, accepted_fpir);
        let Some((curves, first)) = two.zip(gallery.first()) else {
            return Self { first: set.unwrap_or(together), both: None };
        };
        match set {
            Some(set) => Self { first: set, both: Some(general.similarity_at(curves.first.fmr_at(set))) },
            None => Self { first: first.threshold(&curves.first, accepted_fpir), both: Some(together) },
        }
    }

    /// Whether the second embedder is to be asked about what the first found.
    pub fn are_in_doubt_of(&self, found: &Match, margin: f32) -> bool {
        let above = found.similarity - self.first;
        self.both.is_some() && (above.abs() < GREY || (above >= 0.0 && found.margin() < margin))
    }

    /// What both found together, with similarities as far from the first one's threshold as they were from
    /// their own.
    pub fn on_the_scale_of_the_first(&self, found: Match) -> Match {
        let moved = self.both.map_or(0.0, |both| self.first - both);
        let on_scale = |similarity: f32| (similarity + moved).clamp(-1.0, 1.0);
        Match { similarity: on_scale(found.similarity), runner_up: on_scale(found.runner_up), ..found }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use base::identity::RollNumber;
    use vision::embedding::Embedding;

    fn found(similarity: f32, runner_up: f32) -> Match {
        Match { roll: RollNumber::parse("1").unwrap(), similarity, runner_up }
    }

    const TWO: Thresholds = Thresholds { first: 0.4, both: Some(0.5) };

    #[test]
    fn only_a_doubt_asks_the_second_embedder() {
        assert!(TWO.are_in_doubt_of(&found(0.36, 0.1), 0.05) && TWO.are_in_doubt_of(&found(0.44, 0.1), 0.05));
        assert!(TWO.are_in_doubt_of(&found(0.7, 0.68), 0.05), "two people are as likely");
        assert!(
            !TWO.are_in_doubt_of(&found(0.7, 0.1), 0.05) && !TWO.are_in_doubt_of(&found(0.2, 0.18), 0.05)
        );
        let one = Thresholds { both: None, ..TWO };
        assert!(!one.are_in_doubt_of(&found(0.4, 0.1), 0.05), "there is no second one");
    }

    #[test]
    fn the_answer_of_both_passes_exactly_where_it_passes_by_their_own_threshold() {
        for (similarity, passes) in [(0.49, false), (0.51, true)] {
            let on_scale = TWO.on_the_scale_of_the_first(found(similarity, 0.3));
            assert_eq!(on_scale.similarity >= TWO.first, passes);
            assert!((on_scale.margin() - (similarity - 0.3)).abs() < 1e-6);
        }
    }

    #[test]
    fn thresholds_follow_the_roster_or_the_site() {
        let both = Calibration::of(None, EmbedderChoice::Both).unwrap();
        let curves = Curves::of(EmbedderChoice::Both).unwrap().unwrap();
        let mut rng = fastrand::Rng::with_seed(4);
        let mut face = |number: usize| {
            let mut raw = |count: usize| -> Vec<f32> { (0..count).map(|_| rng.f32() - 0.5).collect() };
            let part = |raw: &[f32]| Embedding::normalised(raw).unwrap();
            let whole = Embedding::joined(&part(&raw(128)), &part(&raw(192)), 0.6).unwrap();
            (RollNumber::parse(&number.to_string()).unwrap(), whole)
        };
        let faces: Vec<_> = (0..50).map(&mut face).collect();
        let first = faces[7].1.first(128).unwrap();
        let gallery = Gallery::new(faces);
        assert_eq!(gallery.search(&first).unwrap().roll.as_str(), "7", "by the first embedder alone");
        let automatic = Thresholds::of(&gallery, &both, Some(&curves), None, 0.01);
        assert_eq!(automatic.first, curves.first.threshold(50, 0.01));
        assert_eq!(automatic.both, Some(both.threshold(50, 0.01)));
        let by_the_site = Thresholds::of(&gallery, &both, Some(&curves), Some(automatic.first), 0.5);
        assert_eq!(by_the_site.first, automatic.first);
        assert!((by_the_site.both.unwrap() - both.threshold(50, 0.01)).abs() < 1e-3);
        assert!(Curves::of(EmbedderChoice::Sface).unwrap().is_none());
    }
}
