//! Exposing for the face and not for the window behind it: a controller of the camera's exposure
//! compensation. Pure.
//!
//! The camera's own automatic exposure makes the whole picture about as bright as it should be. A face before
//! a bright door is dark in such a picture. So the brightness inside the face's box is measured, and the
//! compensation (in stops, what libcamera calls ExposureValue) moved until the face is as bright as skin
//! should be. The automatic exposure stays at work underneath.

use std::ops::RangeInclusive;
use std::time::Duration;

use vision::face::Bounds;
use vision::frame::{Picture, PixelFormat};

/// How bright a face should be (mean of the box's middle, 0 to 255, gamma-coded). The models were trained
/// on pictures of people of all complexions exposed by cameras, whose faces lie around the middle of the
/// scale.
const WANTED: f32 = 120.0;

/// Within this many stops the face is bright enough: light skin and dark skin are not faults of exposure.
const GOOD: f32 = 0.4;

/// Most stops moved at once, and the share of what is missing: the automatic exposure needs some frames for
/// each move.
const STEP: f32 = 0.35;
const SHARE: f32 = 0.4;

/// Time between two moves: longer than a sensor and its pipeline take to show the last one (three to eight
/// frames).
const SETTLING: Duration = Duration::from_millis(400);

/// Without a face for so long the compensation goes back to zero, step by step.
const FORGOTTEN: Duration = Duration::from_secs(5);

/// Never more than this, whatever the camera allows: four times the light and a quarter of it.
const MOST: f32 = 2.0;

/// The gamma of what cameras deliver, near enough.
const GAMMA: f32 = 2.2;

/// The controller of one opening of a camera.
#[derive(Debug)]
pub struct Exposure {
    allowed: RangeInclusive<f32>,
    stops: f32,
    moved: Duration,
    seen: Duration,
}

impl Exposure {
    /// A controller for a camera that allows compensation in `allowed`, stops.
    pub fn new(allowed: RangeInclusive<f32>) -> Self {
        let allowed = allowed.start().clamp(-MOST, 0.0)..=allowed.end().clamp(0.0, MOST);
        Self { allowed, stops: 0.0, moved: Duration::ZERO, seen: Duration::ZERO }
    }

    /// The compensation from now on, stops, if it changes. `face` is how bright the face is ([`brightness`]),
    /// if there is one, in a frame taken at `at` (time since boot).
    pub fn steer(&mut self, face: Option<f32>, at: Duration) -> Option<f32> {
        if face.is_some() {
            self.seen = at;
        }
        if at.saturating_sub(self.moved) < SETTLING {
            return None;
        }
        let missing = match face {
            Some(brightness) => missing_stops(brightness),
            None if at.saturating_sub(self.seen) >= FORGOTTEN => -self.stops,
            None => return None,
        };
        if face.is_some() && missing.abs() <= GOOD {
            return None;
        }
        let moved = (self.stops + (missing * SHARE).clamp(-STEP, STEP))
            .clamp(*self.allowed.start(), *self.allowed.end());
        // Small rests are not worth a change, and zero is reached exactly.
        let moved = if face.is_none() && moved.abs() < 0.1 { 0.0 } else { moved };
        if (moved - self.stops).abs() < 0.02 {
            return None;
        }
        (self.stops, self.moved) = (moved, at);
        Some(moved)
    }
}

/// Stops by which a face of that brightness lacks light; less than 0 when it has too much.
fn missing_stops(brightness: f32) -> f32 {
    (WANTED / brightness.clamp(1.0, 255.0)).log2() * GAMMA
}

/// Mean brightness, 0 to 255, of the middle of a face (half its width and height: skin, no hair and no
/// background).
///
/// `None` when the box lies outside the picture.
pub fn brightness(picture: &Picture, face: Bounds) -> Option<f32> {
    let (width, height) = (picture.width() as usize, picture.height() as usize);
    let within = |from: f32, length: f32, limit: usize| {
        let start = (from + length / 4.0).clamp(0.0, limit as f32) as usize;
        let end = (from + length * 3.0 / 4.0).clamp(0.0, limit as f32) as usize;
        start..end
    };
    let (columns, rows) = (within(face.x, face.width, width), within(face.y, face.height, height));
    // Green stands for brightness; in the planar formats brightness comes first.
    let (pixel, offset) = if picture.format() == PixelFormat::Rgb { (3, 1) } else { (1, 0) };
    let bytes = picture.bytes();
    let (mut sum, mut count) = (0u64, 0u64);
    // Every fourth row and column is more than enough for a mean.
    for y in rows.step_by(4) {
        for x in columns.clone().step_by(4) {
            sum += u64::from(*bytes.get((y * width + x) * pixel + offset)?);
            count += 1;
        }
    }
    (count > 0).then(|| sum as f32 / count as f32)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use proptest::prelude::*;

    use super::*;

    const FRAME: Duration = Duration::from_millis(66);

    /// A sensor with an automatic exposure of its own, which takes some frames to do what it is told, and a
    /// face that reflects `ratio` (stops) more light than the picture on average.
    struct Sensor {
        ratio: f32,
        told: f32,
        light: f32,
    }

    impl Sensor {
        fn new(ratio: f32) -> Self {
            Self { ratio, told: 0.0, light: 0.0 }
        }

        /// The face's brightness in the next frame.
        fn frame(&mut self) -> f32 {
            self.light += 0.5 * (self.told - self.light);
            let stops = self.ratio + self.light;
            (118.0 * (stops / GAMMA).exp2()).clamp(0.0, 255.0)
        }
    }

    /// The face's brightness over so many frames.
    fn run(sensor: &mut Sensor, exposure: &mut Exposure, frames: u32, from: u32) -> Vec<f32> {
        (from..from + frames)
            .map(|n| {
                let face = sensor.frame();
                if let Some(stops) = exposure.steer(Some(face), FRAME * n) {
                    sensor.told = stops;
                }
                face
            })
            .collect()
    }

    #[test]
    fn backlit_face_is_exposed_within_three_seconds() {
        let mut sensor = Sensor::new(-1.8);
        let mut exposure = Exposure::new(-8.0..=8.0);
        let brightness = run(&mut sensor, &mut exposure, 45, 10);
        assert!(missing_stops(brightness[0]) > 1.5);
        assert!(missing_stops(brightness[44]).abs() <= 0.5, "{}", brightness[44]);
        let mut exposure = Exposure::new(-8.0..=8.0);
        run(&mut Sensor::new(0.2), &mut exposure, 100, 10);
        assert_eq!(exposure.stops, 0.0);
    }

    #[test]
    fn compensation_returns_to_zero_without_a_face() {
        let mut exposure = Exposure::new(-8.0..=8.0);
        run(&mut Sensor::new(-1.8), &mut exposure, 45, 10);
        assert!(exposure.stops > 1.0);
        for n in 55..55 + 60 {
            exposure.steer(None, FRAME * n);
        }
        assert!(exposure.stops > 1.0, "a turned head is not a reason");
        for n in 115..300 {
            exposure.steer(None, FRAME * n);
        }
        assert_eq!(exposure.stops, 0.0);
    }

    #[test]
    fn only_the_middle_of_the_box_is_measured() {
        let mut picture = Picture::default();
        let bytes = picture.reshape(200, 100, PixelFormat::default()).unwrap();
        bytes.fill(255);
        for y in 40..60 {
            bytes[y * 200 + 90..y * 200 + 110].fill(50);
        }
        let face = Bounds { x: 80.0, y: 30.0, width: 40.0, height: 40.0 };
        assert_eq!(brightness(&picture, face), Some(50.0));
        assert_eq!(brightness(&picture, Bounds { x: 500.0, ..face }), None);
        assert_eq!(brightness(&picture, Bounds { x: f32::NAN, ..face }), None);
        assert_eq!(brightness(&Picture::default(), face), None);
    }

    proptest! {
        /// In any light the exposure settles, never overshoots by more than it was wrong before, and stays
        /// within its limits.
        #[test]
        fn every_scene_settles(ratio in -4.0..4.0f32, low in -3.0..0.0f32, high in 0.0..3.0f32) {
            let mut sensor = Sensor::new(ratio);
            let mut exposure = Exposure::new(low..=high);
            let brightness = run(&mut sensor, &mut exposure, 150, 10);
            let after = exposure.stops;
            prop_assert!(after >= low.max(-MOST) && after <= high.min(MOST));
            let last = missing_stops(brightness[149]);
            let at_limit = after <= low.max(-MOST) + 0.05 || after >= high.min(MOST) - 0.05;
            prop_assert!(last.abs() <= GOOD + 0.1 || at_limit, "{last} stops are missing at {after}");
            run(&mut sensor, &mut exposure, 100, 160);
            prop_assert!((exposure.stops - after).abs() < 0.05, "it swings");
            let first = missing_stops(brightness[0]);
            let overshoot = brightness.iter().map(|face| -missing_stops(*face) * first.signum()).fold(f32::MIN, f32::max);
            prop_assert!(overshoot <= GOOD + 0.1, "overshoot of {overshoot}");
        }
    }
}
