//! A picture held before the camera and moved in every way in which a flat or bent sheet can move.
//!
//! The picture itself is clean (no paper, no screen), so the anti-spoof networks see little: what stands between it and a row
//! are the tests that ask for something that a sheet cannot do.

use std::f32::consts::TAU;
use std::time::Duration;

use image::{Rgb, RgbImage};

use crate::recognition::warp::{Affine, warp};
use crate::recognition::{Bounds, Point};

/// Frames a second that are drawn.
pub const RATE: u64 = 15;

/// How long each motion goes on: longer than anybody waits before a door.
pub const FRAMES: u64 = 5 * RATE;

/// Size of the frames drawn, pixels.
const SIZE: (u32, u32) = (640, 480);

/// Width of the face in them: somebody half a metre to a metre away.
const FACE: f32 = 150.0;

/// How far the sheet reaches about the face's centre, in face widths; less where the picture ends.
const SHEET: [f32; 2] = [1.6, 1.8];

/// Distance of the camera, in face widths.
const DISTANCE: f32 = 4.0;

/// Noise of the camera, as the largest difference of a pixel's colours.
const NOISE: i16 = 4;

/// Where a place of the frame (about its centre, in face widths) is found on the sheet; by the phases of two oscillations.
type Motion = fn([f32; 2], f32, f32) -> [f32; 2];

/// Every motion with its name.
pub const MOTIONS: [(&str, Motion); 10] = [
    ("held", |at, _, _| at),
    ("waved", |[x, y], a, b| [x + 0.4 * a, y + 0.2 * b]),
    ("turned in its plane", |[x, y], a, _| {
        let (sin, cos) = (0.3 * a).sin_cos();
        [x * cos - y * sin, x * sin + y * cos]
    }),
    ("moved to and fro", |[x, y], a, _| [x * (1.0 + 0.3 * a), y * (1.0 + 0.3 * a)]),
    ("tilted to the side", |at, a, _| plane(at, 0.7 * a, 0.0)),
    ("tilted up and down", |at, a, _| plane(at, 0.0, 0.6 * a)),
    ("tilted both ways", |at, a, b| plane(at, 0.5 * a, 0.5 * b)),
    ("bent", |at, a, _| bent(at, a)),
    ("bent the other way", |[x, y], a, _| {
        let [y, x] = bent([y, x], a);
        [x, y]
    }),
    ("bent and tilted", |at, a, b| bent(plane(at, 0.4 * b, 0.0), a)),
];

/// A picture to be held before the camera.
pub struct Sheet<'a> {
    picture: &'a RgbImage,
    face: Bounds,
}

impl<'a> Sheet<'a> {
    /// A picture and where the face in it is.
    pub fn new(picture: &'a RgbImage, face: Bounds) -> Self {
        Self { picture, face }
    }

    /// What the camera sees in frame `number` of a motion (an index into [`MOTIONS`]), and when, from the first frame.
    pub fn frame(&self, motion: usize, number: u64) -> (RgbImage, Duration) {
        let at = Duration::from_millis(1000 * number / RATE);
        let seconds = at.as_secs_f32();
        let (a, b) = ((0.6 * TAU * seconds).sin(), (0.4 * TAU * seconds).cos());
        let (_, place) = MOTIONS[motion];
        let mut noise = fastrand::Rng::with_seed(number);
        let (width, height) = SIZE;
        let centre = self.face.centre();
        // Source pixels in a frame's pixel: the sheet is drawn as coarse as it is seen.
        let scale = self.face.width / FACE;
        let frame = RgbImage::from_fn(width, height, |x, y| {
            let seen = [(x as f32 - width as f32 / 2.0) / FACE, (y as f32 - height as f32 / 2.0) / FACE];
            let [u, v] = place(seen, a, b);
            let source = Point { x: centre.x + u * self.face.width, y: centre.y + v * self.face.width };
            let on_sheet = u.abs() < SHEET[0]
                && v.abs() < SHEET[1]
                && (0.0..self.picture.width() as f32).contains(&source.x)
                && (0.0..self.picture.height() as f32).contains(&source.y);
            // Behind the sheet there is a wall, lit from above.
            let wall = 150.0 - 60.0 * y as f32 / height as f32;
            let colour = if on_sheet { sampled(self.picture, source, scale) } else { [wall; 3] };
            let noise = noise.i16(-NOISE..=NOISE);
            Rgb(colour.map(|value| (value as i16 + noise).clamp(0, 255) as u8))
        });
        (frame, at)
    }
}

/// The colour about a place, as the mean over what one pixel of the frame covers.
fn sampled(picture: &RgbImage, at: Point, scale: f32) -> [f32; 3] {
    let mut colour = [0.0; 3];
    let map = Affine { x: [scale, 0.0, at.x], y: [0.0, scale, at.y] };
    warp(picture, &map, 1, 1, |_, found| colour = found);
    colour
}

/// Where the ray through a place of the frame meets a plane that is turned by two angles about the face's centre.
fn plane([x, y]: [f32; 2], yaw: f32, pitch: f32) -> [f32; 2] {
    let ((sa, ca), (sb, cb)) = (yaw.sin_cos(), pitch.sin_cos());
    let (a11, a12, b1) = (DISTANCE * ca + x * sa * cb, -x * sb, x * DISTANCE);
    let (a21, a22, b2) = (DISTANCE * sa * sb + y * sa * cb, DISTANCE * cb - y * sb, y * DISTANCE);
    let determinant = a11 * a22 - a12 * a21;
    [(b1 * a22 - a12 * b2) / determinant, (a11 * b2 - a21 * b1) / determinant]
}

/// The same for a cylinder of changing curvature: the sheet's own width is the arc.
fn bent([x, y]: [f32; 2], phase: f32) -> [f32; 2] {
    let curve = 0.45 * (phase + 1.05);
    [(curve * x).clamp(-0.99, 0.99).asin() / curve, y]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_held_sheet_shows_its_face_in_the_middle_before_the_wall() {
        let picture = RgbImage::from_fn(300, 300, |x, y| {
            Rgb(if (100..200).contains(&x) && (100..200).contains(&y) { [250, 0, 0] } else { [0, 0, 250] })
        });
        let sheet = Sheet::new(&picture, Bounds { x: 100.0, y: 100.0, width: 100.0, height: 100.0 });
        let (frame, at) = sheet.frame(0, RATE);
        assert_eq!(at, Duration::from_secs(1));
        let [face, paper, wall] =
            [(320, 240), (320 - 140, 240), (5, 240)].map(|(x, y)| *frame.get_pixel(x, y));
        assert!(face[0] > 200 && paper[2] > 200 && wall[0] == wall[2], "{face:?} {paper:?} {wall:?}");
    }

    #[test]
    fn every_motion_moves_the_sheet_and_stays_finite() {
        for (name, place) in &MOTIONS[1..] {
            let places = [-1.0f32, 0.0, 1.0].map(|phase| place([0.4, 0.3], phase, -phase));
            assert!(places.as_flattened().iter().all(|place| place.is_finite()), "{name}");
            assert!(places[0] != places[2], "{name}");
        }
    }
}
