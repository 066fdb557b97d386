//! When a second embedder is asked, and what its answer counts: pure.
//!
//! Two embedders err on different faces, and the second costs as much again for a face. So it is asked only
//! where the first leaves a doubt. Its answer is given on the scale of the first, so that votes of frames
//! with and without it are counted together. What that gains was measured on pictures only
//! (MEASUREMENTS.md).

use super::gallery::{Gallery, Match};
use super::threshold::{Calibration, CalibrationError};

/// How near to the threshold a similarity leaves a doubt. On LFW's first three folds a wider zone changed
/// FPIR by at most 3 probes and FNIR by at most one, at 1 % and 0.1 % (`attendance evaluate identification`).
pub const GREY: f32 = 0.05;

/// The curve of the first of two embedders.
#[derive(Debug, Clone)]
pub struct FirstCurve(Calibration);

/// The least similarities that count as a match.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Thresholds {
    /// Of the first embedder, or of the only one.
    pub first: f32,
    /// Of both together; `None` where there is one.
    pub both: Option<f32>,
}

impl FirstCurve {
    /// The shipped curve of the first of two embedders; `general` is the curve of both. `None` if there is
    /// one embedder. If a site has measured that its people are more alike than the shipped curve of both
    /// says, the curve of the first is raised by as much.
    ///
    /// # Errors
    /// [`CalibrationError`] when a shipped curve is of no use.
    pub fn of(general: &Calibration) -> Result<Option<Self>, CalibrationError> {
        let embedder = general.embedder;
        if embedder.first() == embedder {
            return Ok(None);
        }
        let shipped = Calibration::of(None, embedder)?;
        let mut first = Calibration::of(None, embedder.first())?;
        let mut least = -1.0_f32;
        for point in &mut first.points {
            let more = general.similarity_at(point.fmr) - shipped.similarity_at(point.fmr);
            // Rates must fall as similarities rise, also where a site's curve is uneven.
            point.threshold = (point.threshold + more.max(0.0)).max(least + 1e-4).min(1.0);
            least = point.threshold;
        }
        Ok(Some(Self(first)))
    }

    /// The similarity of both together that keeps the same false-match rate as `similarity` of the first.
    pub fn as_of_both(&self, similarity: f32, general: &Calibration) -> f32 {
        general.similarity_at(self.0.fmr_at(similarity))
    }
}

impl Thresholds {
    /// For the accepted FPIR in this gallery. `general` is the curve of both embedders, or of the only one.
    /// `set` is the site's own threshold, if it has one; it is compared with similarities of the first.
    pub fn of(
        gallery: &Gallery,
        general: &Calibration,
        first_curve: Option<&FirstCurve>,
        set: Option<f32>,
        accepted_fpir: f32,
    ) -> Self {
        let together = gallery.threshold(general, accepted_fpir);
        let Some((curve, first)) = first_curve.zip(gallery.first()) else {
            return Self { first: set.unwrap_or(together), both: None };
        };
        match set {
            Some(set) => Self { first: set, both: Some(curve.as_of_both(set, general)) },
            None => Self { first: first.threshold(&curve.0, accepted_fpir), both: Some(together) },
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
    use faces::embedder::EmbedderChoice;
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
        let curve = FirstCurve::of(&both).unwrap().unwrap();
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
        let automatic = Thresholds::of(&gallery, &both, Some(&curve), None, 0.01);
        assert_eq!(automatic.first, curve.0.threshold(50, 0.01));
        assert_eq!(automatic.both, Some(both.threshold(50, 0.01)));
        let by_the_site = Thresholds::of(&gallery, &both, Some(&curve), Some(automatic.first), 0.5);
        assert_eq!(by_the_site.first, automatic.first);
        assert!((by_the_site.both.unwrap() - both.threshold(50, 0.01)).abs() < 1e-3);
        let one = Calibration::of(None, EmbedderChoice::Sface).unwrap();
        assert!(FirstCurve::of(&one).unwrap().is_none(), "there is one embedder");
        let mut alike = both.clone();
        alike.points.iter_mut().for_each(|point| point.threshold += 0.05);
        let raised = FirstCurve::of(&alike).unwrap().unwrap();
        let more = Thresholds::of(&gallery, &alike, Some(&raised), None, 0.01).first - automatic.first;
        assert!((more - 0.05).abs() < 1e-3, "a site whose people are more alike: {more}");
        let mut own = Calibration::of(None, EmbedderChoice::Sface).unwrap();
        own.points.iter_mut().for_each(|point| point.threshold += 0.03);
        let own = gallery.with_own_of_first(Some(own));
        let more = Thresholds::of(&own, &both, Some(&curve), None, 0.01).first - automatic.first;
        assert!((more - 0.03).abs() < 1e-3, "the school's own students: {more}");
    }
}
