//! Whether a face is good enough to be named, and what the person could do about it.

use std::fmt;

use serde::{Deserialize, Serialize};

use super::align::{Aligned, SIDE};
use super::landmarks::Pose;
use base::event::Advice;

/// Largest turn to the side at which embeddings still compare well, degrees.
const MAX_YAW: f32 = 35.0;

/// Largest nod, degrees.
const MAX_PITCH: f32 = 30.0;

/// Least variance of the Laplacian for a live frame; sharp faces have several hundred.
const MIN_SHARPNESS: f32 = 15.0;

/// Darkest and brightest mean of a face that still shows its features.
const BRIGHTNESS: std::ops::RangeInclusive<f32> = 35.0..=230.0;

/// What is measured about one face in one frame.
#[derive(Debug, Clone, Copy, PartialEq, Default, Serialize, Deserialize)]
pub struct Quality {
    /// Width of the face, pixels of the picture.
    pub width: f32,
    /// Variance of the Laplacian of the aligned face: higher is sharper.
    pub sharpness: f32,
    /// Mean brightness of the aligned face, 0 to 255.
    pub brightness: f32,
    /// Turn to the side, degrees; positive to the picture's right.
    pub yaw: f32,
    /// Nod, degrees; positive is down.
    pub pitch: f32,
    /// Tilt of the head, degrees; positive is clockwise in the picture.
    pub roll: f32,
}

impl Quality {
    /// Measures an aligned face.
    pub fn measure(aligned: &Aligned, width: f32, pose: Pose) -> Self {
        let mut grey = [0.0; SIDE * SIDE];
        for (grey, [r, g, b]) in grey.iter_mut().zip(aligned.pixels()) {
            *grey = 0.299 * r + 0.587 * g + 0.114 * b;
        }
        Self {
            width,
            sharpness: laplacian_variance(&grey),
            brightness: grey.iter().sum::<f32>() / grey.len() as f32,
            yaw: pose.yaw,
            pitch: pose.pitch,
            roll: pose.roll,
        }
    }

    /// What keeps this face from being named; `None` when it is good enough. The most useful advice comes
    /// first.
    pub fn problem(&self, min_width: u32) -> Option<Advice> {
        if self.width < min_width as f32 {
            Some(Advice::ComeCloser)
        } else if self.brightness < *BRIGHTNESS.start() {
            Some(Advice::MoreLight)
        } else if self.brightness > *BRIGHTNESS.end() {
            Some(Advice::LessLight)
        } else if self.yaw.abs() > MAX_YAW || self.pitch.abs() > MAX_PITCH {
            Some(Advice::LookAtTheCamera)
        } else if self.sharpness < MIN_SHARPNESS {
            Some(Advice::HoldStill)
        } else {
            None
        }
    }

    /// How much a vote from this face counts, above 0 to 1: large, frontal faces count most.
    pub fn weight(&self) -> f32 {
        // Beyond the size of an aligned face more pixels add nothing.
        let size = (self.width / SIDE as f32).clamp(0.1, 1.0);
        size * self.yaw.to_radians().cos().max(0.1) * self.pitch.to_radians().cos().max(0.1)
    }
}

impl fmt::Display for Quality {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "width {:.0}, sharpness {:.0}, brightness {:.0}, yaw {:.0}, pitch {:.0}",
            self.width, self.sharpness, self.brightness, self.yaw, self.pitch
        )
    }
}

/// Variance of the four-neighbour Laplacian (Pech-Pacheco et al., ICPR 2000) over the face without its rim.
fn laplacian_variance(grey: &[f32]) -> f32 {
    /// The rim holds hair and background, which may be sharp when the face is not.
    const RIM: usize = 16;
    let (mut sum, mut squares, mut count) = (0.0, 0.0, 0.0);
    for y in RIM..SIDE - RIM {
        for x in RIM..SIDE - RIM {
            let at = y * SIDE + x;
            let value = grey[at - 1] + grey[at + 1] + grey[at - SIDE] + grey[at + SIDE] - 4.0 * grey[at];
            sum += value;
            squares += value * value;
            count += 1.0;
        }
    }
    squares / count - (sum / count) * (sum / count)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::align::TEMPLATE;

    fn measured(pattern: impl Fn(u32, u32) -> u8, pose: Pose) -> Quality {
        let picture = image::RgbImage::from_fn(112, 112, |x, y| image::Rgb([pattern(x, y); 3]));
        let mut aligned = Aligned::default();
        assert!(aligned.take(&picture, &TEMPLATE));
        Quality::measure(&aligned, 100.0, pose)
    }

    #[test]
    fn every_problem_has_its_advice_and_a_good_face_has_none() {
        let textured = |x: u32, y: u32| if (x / 4 + y / 4).is_multiple_of(2) { 90 } else { 160 };
        let front = Pose::default();
        assert_eq!(measured(textured, front).problem(60), None);
        assert_eq!(measured(textured, front).problem(101), Some(Advice::ComeCloser));
        let turned = Pose { yaw: -50.0, ..front };
        assert_eq!(measured(textured, turned).problem(60), Some(Advice::LookAtTheCamera));
        assert_eq!(measured(|x, _| (x / 8) as u8, front).problem(60), Some(Advice::MoreLight));
        assert_eq!(measured(|_, _| 250, front).problem(60), Some(Advice::LessLight));
        assert_eq!(measured(|x, _| 90 + (x / 4) as u8, front).problem(60), Some(Advice::HoldStill));
    }

    #[test]
    fn a_frontal_face_counts_more_than_a_turned_or_small_one() {
        let front = measured(|_, _| 100, Pose::default());
        let turned = measured(|_, _| 100, Pose { yaw: 30.0, ..Pose::default() });
        assert!(front.weight() > turned.weight());
        assert!(front.weight() > Quality { width: 50.0, ..front }.weight());
    }
}
