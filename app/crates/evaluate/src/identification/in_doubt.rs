//! Searches by two embedders, the second of which is asked in doubt only.

use super::Plan;
use crate::pictures::EvaluateError;
use recognition::Gallery;
use recognition::naming::gallery::Match;
use recognition::naming::second::{FirstCurve, Thresholds};
use recognition::naming::threshold::{Calibration, CalibrationError};
use vision::embedding::Embedding;

/// A gallery of two embedders, the second of which is asked in doubt only, as at the door.
pub(super) struct InDoubt<'a> {
    gallery: &'a Gallery,
    curve: FirstCurve,
    first: usize,
}

impl<'a> InDoubt<'a> {
    /// `None` where the faces are of one embedder.
    pub(super) fn of(gallery: &'a Gallery, general: &Calibration) -> Result<Option<Self>, EvaluateError> {
        let unusable = |error: CalibrationError| EvaluateError::TooLittle(error.to_string());
        let Some(curve) = FirstCurve::of(general).map_err(unusable)? else { return Ok(None) };
        Ok(Some(Self { gallery, curve, first: general.embedder.first().dimensions() }))
    }

    /// What is found for each probe, on the scale of the first embedder, and whether the second was asked.
    pub(super) fn search<'p>(
        &self,
        probes: impl Iterator<Item = Option<&'p Embedding>>,
        plan: &Plan,
        fpir: f32,
    ) -> (Thresholds, Vec<Option<Match>>, Vec<bool>) {
        let thresholds = Thresholds::of(self.gallery, &plan.calibration, Some(&self.curve), None, fpir);
        let search = |probe: Option<&Embedding>| {
            let first = probe.and_then(|probe| probe.first(self.first).ok());
            let found = first.and_then(|first| self.gallery.search(&first));
            let asks = found.as_ref().is_some_and(|found| thresholds.are_in_doubt_of(found, plan.margin));
            if !asks {
                return (found, false);
            }
            let both = probe.and_then(|probe| self.gallery.search(probe));
            (both.map(|found| thresholds.on_the_scale_of_the_first(found)), true)
        };
        let (matches, asked) = probes.map(search).unzip();
        (thresholds, matches, asked)
    }
}
