//! The curve of similarities of the school's own students: pure.
//!
//! How alike two strangers are depends on who they are: a school's students are of one age, often of one
//! town. Each pair of photos of two students compares just such people. With enough photos the site's own
//! curve is measured and blended with the shipped one by its counts. It only ever raises a threshold: a few
//! unlike students are not a reason to be less careful.

use std::ops::ControlFlow;

use super::threshold::{Calibrated, Calibration};
use base::identity::RollNumber;
use vision::embedding::Embedding;

/// Photos from which on the pairs say something: 20,000 comparisons.
pub const ENOUGH: usize = 200;

/// Most pairs that are compared; of a larger roster a sample. 50,000 photos have 1,250,000,000.
const MAX_PAIRS: usize = 2_000_000;

/// Pairs more alike than this are one person under two numbers, or identical twins. They are reported, and
/// say nothing about everybody else.
const ONE_PERSON: f32 = 0.85;

/// Pairs that a point of the curve rests on, at least; and as many count for the shipped curve in the blend.
const EVENTS: usize = 10;

/// False-match rates at which the curve is measured.
const RATES: [f64; 8] = [1e-1, 1e-2, 3e-3, 1e-3, 3e-4, 1e-4, 3e-5, 1e-5];

/// The curve of these faces, blended with `general`, where it is above that; `None` when there are too few.
pub fn curve(faces: &[(RollNumber, Embedding)], general: &Calibration) -> Option<Calibration> {
    if faces.len() < ENOUGH {
        return None;
    }
    let mut similarities = Vec::new();
    pairs(faces.len(), |one, other| {
        if faces[one].0 != faces[other].0 {
            let similarity = faces[one].1.similarity(&faces[other].1);
            similarities.extend((similarity < ONE_PERSON).then_some(similarity));
        }
    });
    similarities.sort_by(|a, b| b.total_cmp(a));
    let mut points: Vec<Calibrated> = Vec::new();
    for fmr in RATES {
        let events = (fmr * similarities.len() as f64) as usize;
        if events < EVENTS {
            break;
        }
        let (own, shipped) = (similarities[events - 1], general.similarity_at(fmr));
        let share = events as f32 / (events + EVENTS) as f32;
        let blended = shipped + share * (own - shipped);
        // Rates must fall as similarities rise, also where two points are equal.
        let least = points.last().map_or(-1.0, |last| last.threshold + 1e-4);
        points.push(Calibrated { fmr, threshold: blended.max(shipped).max(least).min(1.0) });
    }
    let own = Calibration { embedder: general.embedder, comparisons: similarities.len(), points };
    own.check().ok()?;
    Some(own.followed_by(general))
}

/// Gives pairs of two different places below `count` to `see`: all of them, or an even sample.
fn pairs(count: usize, mut see: impl FnMut(usize, usize)) {
    if count * (count - 1) / 2 <= MAX_PAIRS {
        for one in 0..count {
            (one + 1..count).for_each(|other| see(one, other));
        }
        return;
    }
    // Each photo with as many others, at distances that are spread over the roster. The same roster gives the
    // same curve.
    let each = MAX_PAIRS / count;
    let mut distances = Vec::new();
    let half = count / 2;
    let _ = (0..each).try_for_each(|number| {
        let distance = 1 + number * half / each.max(1);
        distances.push(distance);
        if distance >= half { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
    });
    for one in 0..count {
        distances.iter().for_each(|distance| see(one, (one + distance) % count));
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use faces::embedder::EmbedderChoice;
    use vision::embedding::DIMENSIONS;

    /// So many students; the part of their faces that all of them share has this weight.
    fn school(students: usize, shared: f32) -> Vec<(RollNumber, Embedding)> {
        let mut rng = fastrand::Rng::with_seed(7);
        let face = |number: usize| {
            let mut raw: Vec<f32> = (0..DIMENSIONS).map(|_| rng.f32() - 0.5).collect();
            raw[0] += shared;
            (RollNumber::parse(&number.to_string()).unwrap(), Embedding::normalised(&raw).unwrap())
        };
        (0..students).map(face).collect()
    }

    #[test]
    fn students_who_are_alike_raise_the_threshold_and_others_do_not_lower_it() {
        let general = Calibration::of(None, EmbedderChoice::Mobilefacenet).unwrap();
        let alike = curve(&school(300, 4.5), &general).unwrap();
        let unlike = curve(&school(300, 0.0), &general).unwrap();
        for photos in [100, 300, 1_000] {
            let threshold = general.threshold(photos, 0.01);
            assert!(alike.threshold(photos, 0.01) > threshold + 0.02, "{photos}");
            assert!(unlike.threshold(photos, 0.01) >= threshold - 1e-3, "{photos}");
        }
        assert!(curve(&school(ENOUGH - 1, 4.5), &general).is_none(), "too few to say");
    }

    #[test]
    fn one_student_under_two_numbers_does_not_move_the_curve() {
        let general = Calibration::of(None, EmbedderChoice::Mobilefacenet).unwrap();
        let mut faces = school(300, 4.5);
        let before = curve(&faces, &general).unwrap();
        for number in 0..30 {
            let face = faces[number].1.clone();
            faces.push((RollNumber::parse(&format!("x{number}")).unwrap(), face));
        }
        let after = curve(&faces, &general).unwrap();
        assert!((before.threshold(300, 0.01) - after.threshold(300, 0.01)).abs() < 0.01);
    }

    #[test]
    fn a_large_roster_is_sampled() {
        for count in [2_000, 2_001, 5_000, 50_000] {
            let (mut seen, mut least) = (0, vec![0_u32; count]);
            pairs(count, |one, other| {
                assert!(one != other && one < count && other < count);
                seen += 1;
                least[one] += 1;
            });
            assert!(seen <= MAX_PAIRS + count && seen > MAX_PAIRS / 2, "{count}: {seen}");
        }
    }
}
