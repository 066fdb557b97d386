//! The similarities that tell one person from two: pure.

use super::threshold::Calibration;

/// Share of the pairs of different people that are at least as alike as the least alike photos that may be of
/// one person. See MEASUREMENTS.md, `attendance evaluate enrolment`.
const UNLIKE_FMR: f64 = 0.05;

/// Share of the pairs of different people that are as alike as two folders of one person must be whose names
/// could be two roll numbers.
const SAME_FMR: f64 = 1e-3;

/// Share of the pairs of different people that are so alike that the two are reported: a photo in the wrong
/// folder, or twins.
const ALIKE_FMR: f64 = 5e-5;

/// The similarities that tell one person from two, of one embedder.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Likeness {
    /// Below it two photos are of different people.
    pub unlike: f32,
    /// From it on two photos are of one person.
    pub same: f32,
    /// From it on photos of two students are reported: they look like one person.
    pub alike: f32,
}

impl Likeness {
    /// Of the embedder that was calibrated.
    pub fn of(calibration: &Calibration) -> Self {
        let [unlike, same, alike] =
            [UNLIKE_FMR, SAME_FMR, ALIKE_FMR].map(|fmr| calibration.similarity_at(fmr));
        Self { unlike, same, alike }
    }
}
