//! How similar is similar enough. This depends on the number of enrolled faces.
//!
//! A probe is compared with N enrolled faces, so the chance that a stranger is taken for somebody is FPIR = 1
//! − (1 − FMR)^N. The site says which FPIR it accepts; the false-match rate of one comparison follows from
//! it, and the threshold from that by a curve that `attendance evaluate identification` measured through this
//! program's whole path.

use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use faces::embedder::EmbedderChoice;

/// Largest file of a calibration; one has a dozen lines.
const MAX_BYTES: u64 = 1 << 20;

/// The calibrations that come with the program: all comparisons of different people among the 2,320 pictures
/// of LFW's first three folds, 2.7 million, through this program's whole path.
fn shipped(embedder: EmbedderChoice) -> &'static str {
    match embedder {
        EmbedderChoice::Sface => include_str!("calibration-sface.json"),
        EmbedderChoice::Mobilefacenet => include_str!("calibration.json"),
        EmbedderChoice::Both => include_str!("calibration-both.json"),
    }
}

/// Which similarity keeps which false-match rate, measured with this program's models.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Calibration {
    /// The embedder it was measured with. Files of earlier versions do not say: there was one.
    #[serde(default = "mobilefacenet")]
    pub embedder: EmbedderChoice,
    /// Comparisons of different people it was measured on.
    pub comparisons: usize,
    /// From the highest rate to the lowest; at least two.
    pub points: Vec<Calibrated>,
}

fn mobilefacenet() -> EmbedderChoice {
    EmbedderChoice::Mobilefacenet
}

/// One point of the curve.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Calibrated {
    /// False-match rate of one comparison, above 0 to 1.
    pub fmr: f64,
    /// The lowest similarity that keeps it, −1 to 1.
    pub threshold: f32,
}

/// A calibration that cannot be used.
#[derive(Debug, thiserror::Error)]
#[error("the calibration {} cannot be used: {reason}; write one with `attendance evaluate identification --calibration`", path.display())]
pub struct CalibrationError {
    /// The file.
    path: PathBuf,
    /// What is wrong with it.
    reason: String,
}

impl Calibration {
    /// The site's own calibration, or the one that comes with the program. A site can measure some dozens of
    /// people. Its curve then ends at rates far above those that a large roster needs. From there on the
    /// shipped curve is followed, moved to where the site's own ends. If the short curve were extrapolated
    /// with its own slope, nobody would be recognised.
    ///
    /// A site's own that was measured with another embedder says nothing about this one: the log says so, and
    /// the shipped curve counts.
    ///
    /// # Errors
    /// [`CalibrationError`] when the file cannot be read, or its points do not fall from rate to rate.
    pub fn of(own: Option<&Path>, embedder: EmbedderChoice) -> Result<Self, CalibrationError> {
        let path = own.unwrap_or(Path::new("(shipped)"));
        let failed = |reason: String| CalibrationError { path: path.to_owned(), reason };
        let read = |path: &Path| {
            if std::fs::metadata(path)?.len() > MAX_BYTES {
                return Err(std::io::Error::other("it is far too large"));
            }
            std::fs::read_to_string(path)
        };
        let text =
            own.map_or(Ok(shipped(embedder).to_owned()), read).map_err(|error| failed(error.to_string()))?;
        if own.is_some()
            && let Some(unknown) = unknown_embedder(&text)
        {
            log::warn!(
                "{} was measured with {unknown}, which this version does not know: the shipped calibration counts",
                path.display()
            );
            return Self::of(None, embedder);
        }
        let calibration: Self = serde_json::from_str(&text).map_err(|error| failed(error.to_string()))?;
        calibration.check().map_err(|reason| failed(reason.to_owned()))?;
        if own.is_none() {
            return Ok(calibration);
        }
        if calibration.embedder != embedder {
            log::warn!(
                "{} was measured with {}, and faces are compared with {}: the shipped calibration counts; write one \
                 with `attendance evaluate identification --calibration`",
                path.display(),
                calibration.embedder.name(),
                embedder.name()
            );
            return Self::of(None, embedder);
        }
        Ok(calibration.followed_by(&Self::of(None, embedder)?))
    }

    /// The curve with those points of `other` that lie beyond its end, as far above it as the two differ
    /// there.
    pub(super) fn followed_by(mut self, other: &Self) -> Self {
        if let Some(end) = self.points.last().copied() {
            let moved = end.threshold - other.similarity_at(end.fmr);
            let beyond = other.points.iter().filter(|point| point.fmr < end.fmr);
            let points = beyond.map(|point| Calibrated { threshold: point.threshold + moved, ..*point });
            self.points.extend(points);
        }
        self
    }

    /// Whether it can be used.
    ///
    /// # Errors
    /// What it lacks.
    pub fn check(&self) -> Result<(), &'static str> {
        let sane = |point: &Calibrated| {
            point.fmr > 0.0 && point.fmr <= 1.0 && (-1.0..=1.0).contains(&point.threshold)
        };
        if self.points.len() < 2 {
            Err("it needs two points or more")
        } else if !self.points.iter().all(sane) {
            Err("a rate or a similarity is out of range")
        } else if !self.points.is_sorted_by(|a, b| a.fmr > b.fmr && a.threshold < b.threshold) {
            Err("lower rates must have higher similarities")
        } else {
            Ok(())
        }
    }

    /// The least similarity that counts as a match among `faces` enrolled ones, for the accepted FPIR.
    /// Several photos of a student count each: a stranger has as many chances.
    pub fn threshold(&self, faces: usize, accepted_fpir: f32) -> f32 {
        let faces = faces.max(1) as f64;
        let accepted = f64::from(accepted_fpir).clamp(1e-9, 0.999);
        // ln(1 − x) / N keeps its precision where 1 − (1 − x)^(1/N) would lose it.
        self.similarity_at(-f64::exp_m1(f64::ln_1p(-accepted) / faces))
    }

    /// The false-match rate of one comparison at a similarity: [`Self::similarity_at`] backwards.
    pub fn fmr_at(&self, similarity: f32) -> f64 {
        let (mut high, mut low) = (0.0, -30.0_f64);
        // The curve only rises as the logarithm of the rate falls.
        for _ in 0..60 {
            let middle = (high + low) / 2.0;
            if self.similarity_at(f64::exp(middle)) > similarity { low = middle } else { high = middle }
        }
        f64::exp(high)
    }

    /// The FPIR to expect at a threshold, among `faces` enrolled ones.
    pub fn expected_fpir(&self, faces: usize, threshold: f32) -> f64 {
        -f64::exp_m1(faces.max(1) as f64 * f64::ln_1p(-self.fmr_at(threshold).min(0.999)))
    }

    /// The similarity at this rate: interpolated along the curve, linear in the logarithm of the rate. Beyond
    /// the end of the curve it is extrapolated with the slope of the last stretch. Nobody measured that; the
    /// measured part of the curve flattens.
    pub fn similarity_at(&self, fmr: f64) -> f32 {
        let [first, .., last] = &self.points[..] else { return 1.0 };
        if fmr >= first.fmr {
            return first.threshold;
        }
        let after = if fmr <= last.fmr {
            self.points.len() - 1
        } else {
            self.points.iter().position(|point| point.fmr <= fmr).unwrap_or(1)
        };
        let (before, after) = (self.points[after - 1], self.points[after]);
        let share = (fmr.ln() - before.fmr.ln()) / (after.fmr.ln() - before.fmr.ln());
        (before.threshold + (after.threshold - before.threshold) * share as f32).min(1.0)
    }
}

/// The embedder of a calibration that another version of this program wrote, where this one does not know it.
fn unknown_embedder(text: &str) -> Option<String> {
    let file: serde_json::Value = serde_json::from_str(text).ok()?;
    let name = file.get("embedder")?.as_str()?;
    (!EmbedderChoice::ALL.iter().any(|known| known.name() == name)).then(|| name.chars().take(40).collect())
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn more_people_or_less_risk_need_more_similarity() {
        let shipped = Calibration::of(None, EmbedderChoice::Mobilefacenet).unwrap();
        let mut before = 0.0;
        for faces in [1, 10, 100, 1_000, 10_000, 50_000] {
            let threshold = shipped.threshold(faces, 0.001);
            assert!(threshold > before && (0.3..0.85).contains(&threshold), "{faces}: {threshold}");
            before = threshold;
        }
        assert!(shipped.threshold(1_000, 0.01) < shipped.threshold(1_000, 0.001));
        assert!(shipped.threshold(1_000, 0.001) > 0.62, "no lid on what the site asks for");
    }

    #[test]
    fn the_expected_fpir_of_a_threshold_is_the_one_it_was_chosen_for() {
        let shipped = Calibration::of(None, EmbedderChoice::Mobilefacenet).unwrap();
        for (faces, fpir) in [(100, 0.01), (1_000, 0.001), (30, 0.1)] {
            let expected = shipped.expected_fpir(faces, shipped.threshold(faces, fpir));
            assert!((expected / f64::from(fpir) - 1.0).abs() < 0.02, "{faces}, {fpir}: {expected}");
        }
    }

    #[test]
    fn a_site_may_bring_its_own_and_nonsense_is_refused() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("calibration.json");
        let mut own = Calibration::of(None, EmbedderChoice::Mobilefacenet).unwrap();
        own.points[0].threshold -= 0.01;
        std::fs::write(&path, serde_json::to_string(&own).unwrap()).unwrap();
        assert_eq!(Calibration::of(Some(&path), EmbedderChoice::Mobilefacenet).unwrap(), own);
        // Some dozens of people, who are more alike than those of the shipped curve.
        own.points.truncate(2);
        own.points.iter_mut().for_each(|point| point.threshold += 0.05);
        std::fs::write(&path, serde_json::to_string(&own).unwrap()).unwrap();
        let few = Calibration::of(Some(&path), EmbedderChoice::Mobilefacenet).unwrap();
        let more = few.threshold(1_000, 0.01)
            - Calibration::of(None, EmbedderChoice::Mobilefacenet).unwrap().threshold(1_000, 0.01);
        assert!((more - 0.05).abs() < 1e-4, "{more}");
        own.points.reverse();
        for nonsense in [serde_json::to_string(&own).unwrap(), r#"{"comparisons":1,"points":[]}"#.to_owned()]
        {
            std::fs::write(&path, nonsense).unwrap();
            let error = Calibration::of(Some(&path), EmbedderChoice::Mobilefacenet).unwrap_err().to_string();
            assert!(error.contains("--calibration"), "{error}");
        }
        assert!(Calibration::of(Some(Path::new("/no/such/file")), EmbedderChoice::Sface).is_err());
    }

    #[test]
    fn a_calibration_of_another_embedder_does_not_count() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("calibration.json");
        // As an earlier version wrote it, which does not name the embedder.
        let text =
            r#"{"comparisons":9,"points":[{"fmr":0.1,"threshold":0.9},{"fmr":0.01,"threshold":0.95}]}"#;
        std::fs::write(&path, text).unwrap();
        let found = |embedder| Calibration::of(Some(&path), embedder).unwrap();
        assert_eq!(found(EmbedderChoice::Mobilefacenet).points[0].threshold, 0.9);
        let shipped = Calibration::of(None, EmbedderChoice::Sface).unwrap();
        assert_eq!(found(EmbedderChoice::Sface), shipped);
        // As a version to come may write it.
        std::fs::write(&path, text.replacen('{', r#"{"embedder":"a-later-one","#, 1)).unwrap();
        assert_eq!(found(EmbedderChoice::Sface), shipped);
    }

    #[test]
    fn every_embedder_has_a_sound_calibration() {
        for embedder in EmbedderChoice::ALL {
            let shipped = Calibration::of(None, embedder).unwrap();
            assert_eq!((shipped.embedder, shipped.check()), (embedder, Ok(())));
            assert!(shipped.threshold(1_000, 0.001) > shipped.threshold(100, 0.01));
        }
    }

    proptest! {
        #[test]
        fn the_threshold_never_falls_as_the_roster_grows(faces in 1usize..100_000, more in 1usize..100_000, fpir in 0f32..1.0) {
            let shipped = Calibration::of(None, EmbedderChoice::Mobilefacenet).unwrap();
            let (few, many) = (shipped.threshold(faces, fpir), shipped.threshold(faces + more, fpir));
            prop_assert!(few.is_finite() && many >= few && many <= 1.0);
        }
    }
}
