//! How similar is similar enough: it depends on how many people there are to be mistaken for.
//!
//! A probe is compared with N people, so the chance that a stranger is taken for somebody is FPIR = 1 − (1 − FMR)^N. The site
//! says which FPIR it accepts; the false-match rate of one comparison follows from it, and the threshold from that by a curve
//! measured with this embedder.

/// Similarity at which a false match of one comparison has the given probability (as powers of ten, from 10⁻¹ down).
///
/// Measured through this program's whole path on the 2,320 pictures of LFW's first three folds: all 2,687,149 comparisons of
/// different people.
const CURVE: [(f32, f32); 5] = [(-1.0, 0.199), (-2.0, 0.348), (-3.0, 0.452), (-4.0, 0.533), (-5.0, 0.593)];

/// Beyond the measured curve the threshold goes on rising by this much for each power of ten.
const SLOPE_BEYOND: f32 = 0.06;

/// No threshold above this: genuine pairs of LFW have a mean of 0.74, and refusing many of them protects nobody. Several
/// votes and the margin to the second person protect further.
const HIGHEST: f32 = 0.62;

/// The least similarity that counts as a match among `people`, for the accepted FPIR.
pub fn for_roster(people: usize, accepted_fpir: f32) -> f32 {
    let people = people.max(1) as f64;
    let accepted = f64::from(accepted_fpir).clamp(1e-9, 0.999);
    // ln(1 − x) / N keeps its precision where 1 − (1 − x)^(1/N) would lose it.
    let fmr = -f64::exp_m1(f64::ln_1p(-accepted) / people);
    similarity_at(fmr.log10() as f32).min(HIGHEST)
}

fn similarity_at(log_fmr: f32) -> f32 {
    let [first, .., last] = CURVE;
    if log_fmr >= first.0 {
        return first.1;
    }
    if log_fmr <= last.0 {
        return last.1 + (last.0 - log_fmr) * SLOPE_BEYOND;
    }
    let after = CURVE.iter().position(|(log, _)| *log <= log_fmr).unwrap_or(CURVE.len() - 1);
    let ((x0, y0), (x1, y1)) = (CURVE[after - 1], CURVE[after]);
    y0 + (y1 - y0) * (log_fmr - x0) / (x1 - x0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn more_people_or_less_risk_need_more_similarity() {
        let mut before = 0.0;
        for people in [1, 10, 100, 1_000, 10_000, 50_000] {
            let threshold = for_roster(people, 0.001);
            assert!(threshold >= before && (0.3..=HIGHEST).contains(&threshold), "{people}: {threshold}");
            before = threshold;
        }
        assert!(for_roster(1_000, 0.01) < for_roster(1_000, 0.001));
    }

    #[test]
    fn the_curve_is_met_and_continued_evenly() {
        for (log, similarity) in CURVE {
            assert!((similarity_at(log) - similarity).abs() < 1e-6);
        }
        assert!((similarity_at(-6.0) - CURVE[4].1 - SLOPE_BEYOND).abs() < 1e-6);
        assert_eq!(similarity_at(0.0), CURVE[0].1);
        assert!(for_roster(0, 0.0).is_finite());
    }
}
