//! Error rates from scores, with their confidence intervals.

use serde::Serialize;

/// A rate with what it was counted from.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct Rate {
    /// Events over trials, 0 to 1; 0 when there were no trials.
    pub rate: f64,
    /// How often it happened.
    pub events: usize,
    /// How often it could have happened.
    pub trials: usize,
    /// Lower end of the 95 % confidence interval (Wilson 1927).
    pub low: f64,
    /// Upper end of it.
    pub high: f64,
}

impl Rate {
    /// `events` of `trials`, with the Wilson score interval, which holds for few trials and for rates of 0
    /// and 1 too.
    pub fn of(events: usize, trials: usize) -> Self {
        /// 97.5 % quantile of the normal distribution.
        const Z: f64 = 1.959_963_985;
        if trials == 0 {
            return Self { rate: 0.0, events, trials, low: 0.0, high: 1.0 };
        }
        let (n, p) = (trials as f64, events as f64 / trials as f64);
        let centre = p + Z * Z / (2.0 * n);
        let spread = Z * (p * (1.0 - p) / n + Z * Z / (4.0 * n * n)).sqrt();
        let scale = 1.0 + Z * Z / n;
        Self {
            rate: p,
            events,
            trials,
            low: ((centre - spread) / scale).max(0.0),
            high: ((centre + spread) / scale).min(1.0),
        }
    }
}

impl std::fmt::Display for Rate {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(
            f,
            "{:.2} % ({} of {}; 95 % interval {:.2} to {:.2} %)",
            self.rate * 100.0,
            self.events,
            self.trials,
            self.low * 100.0,
            self.high * 100.0
        )
    }
}

/// Similarities of pairs, each side sorted from high to low.
#[derive(Debug, Clone, Default)]
pub struct Scores {
    genuine: Vec<f32>,
    impostor: Vec<f32>,
}

impl Scores {
    /// Scores of pairs of one person, and of pairs of two.
    pub fn new(mut genuine: Vec<f32>, mut impostor: Vec<f32>) -> Self {
        genuine.sort_by(|a, b| b.total_cmp(a));
        impostor.sort_by(|a, b| b.total_cmp(a));
        Self { genuine, impostor }
    }

    /// Of pairs of one person, from high to low.
    pub fn genuine(&self) -> &[f32] {
        &self.genuine
    }

    /// Of pairs of two people, from high to low.
    pub fn impostor(&self) -> &[f32] {
        &self.impostor
    }

    /// Share of pairs of one person at or above `threshold` (TAR, 1 − FNMR).
    pub fn tar(&self, threshold: f32) -> Rate {
        Rate::of(reaching(&self.genuine, threshold), self.genuine.len())
    }

    /// Share of pairs of two people at or above `threshold` (FAR, FMR).
    pub fn far(&self, threshold: f32) -> Rate {
        Rate::of(reaching(&self.impostor, threshold), self.impostor.len())
    }

    /// The lowest threshold whose FAR is at most `far`.
    pub fn threshold_at_far(&self, far: f64) -> f32 {
        let allowed = (far * self.impostor.len() as f64).floor() as usize;
        match self.impostor.get(allowed) {
            // The first score that is one too many lies below the threshold.
            Some(score) => score.next_up(),
            None => -1.0,
        }
    }

    /// Threshold at which FAR and FRR are nearest each other, and their mean there (EER).
    pub fn equal_error(&self) -> (f32, f64) {
        let mut best = (0.0, f64::INFINITY, 1.0);
        for threshold in self.genuine.iter().chain(&self.impostor) {
            let (far, frr) = (self.far(*threshold).rate, 1.0 - self.tar(*threshold).rate);
            if (far - frr).abs() < best.1 {
                best = (*threshold, (far - frr).abs(), (far + frr) / 2.0);
            }
        }
        (best.0, best.2)
    }

    /// The threshold that decides most pairs rightly.
    pub fn most_accurate_threshold(&self) -> f32 {
        let (mut best, mut threshold) = (0, 0.0);
        for score in self.genuine.iter().chain(&self.impostor) {
            let right = self.right_at(*score);
            if right > best {
                (best, threshold) = (right, *score);
            }
        }
        threshold
    }

    /// Pairs decided rightly at `threshold`.
    pub fn right_at(&self, threshold: f32) -> usize {
        reaching(&self.genuine, threshold) + self.impostor.len() - reaching(&self.impostor, threshold)
    }

    /// Number of pairs.
    pub fn len(&self) -> usize {
        self.genuine.len() + self.impostor.len()
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }
}

/// How many of `scores`, sorted from high to low, are at or above `threshold`.
fn reaching(scores: &[f32], threshold: f32) -> usize {
    scores.partition_point(|score| *score >= threshold)
}

/// Mean and standard error of the mean.
pub fn mean_and_error(values: &[f64]) -> (f64, f64) {
    let n = values.len() as f64;
    if values.is_empty() {
        return (0.0, 0.0);
    }
    let mean = values.iter().sum::<f64>() / n;
    if values.len() < 2 {
        return (mean, 0.0);
    }
    let variance = values.iter().map(|value| (value - mean).powi(2)).sum::<f64>() / (n - 1.0);
    (mean, (variance / n).sqrt())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_interval_is_wilsons() {
        // Newcombe 1998, table I: 81 of 263 gives .2553 to .3662; 0 of 20 gives 0 to .1611.
        let rate = Rate::of(81, 263);
        assert!((rate.low - 0.2553).abs() < 5e-5 && (rate.high - 0.3662).abs() < 5e-5, "{rate:?}");
        let none = Rate::of(0, 20);
        assert!(none.low == 0.0 && (none.high - 0.1611).abs() < 5e-5, "{none:?}");
        assert_eq!(Rate::of(0, 0).high, 1.0);
    }

    #[test]
    fn thresholds_and_rates_agree() {
        let scores = Scores::new(vec![0.9, 0.8, 0.7, 0.2], vec![0.3, 0.1, 0.0, -0.2, -0.5]);
        assert_eq!(scores.tar(0.7).events, 3);
        let threshold = scores.threshold_at_far(0.0);
        assert_eq!(scores.far(threshold).events, 0);
        assert!(threshold > 0.3 && scores.tar(threshold).events == 3);
        let threshold = scores.threshold_at_far(0.2);
        assert_eq!((scores.far(threshold).events, scores.tar(threshold).events), (1, 4));
        assert_eq!(scores.right_at(scores.most_accurate_threshold()), 8);
        let (_, eer) = scores.equal_error();
        assert!((eer - 0.225).abs() < 0.03, "{eer}");
    }

    #[test]
    fn no_trials_is_not_perfect() {
        let scores = Scores::new(Vec::new(), Vec::new());
        assert_eq!(scores.tar(0.5).rate, 0.0);
        assert_eq!(scores.tar(0.5).high, 1.0);
    }
}
