//! A picture of a student is held before the camera and moved in every way a flat or bent sheet can move.
//!
//! The stills are clean (no paper, no screen), so the passive networks have nothing to see: only the tests of motion stand
//! between the picture and a row. No motion of a picture may pass them.

use std::time::Duration;

use attendance::camera::{Frame, Picture};
use attendance::config::{DetectorChoice, LivenessRule};
use attendance::moment::Moment;
use attendance::recognition::warp::{Affine, warp};
use attendance::recognition::{Outcome, Point};
use image::{Rgb, RgbImage};
use time::OffsetDateTime;

use crate::material::Material;

/// Frames of each motion, at 15 a second: three seconds.
const FRAMES: u64 = 45;

/// Height of the frames; small, so that unoptimised builds stay fast.
const HEIGHT: u32 = 360;

/// Where a place of the frame (about the face, in face widths) is found on the still sheet; by the phases of two oscillations.
type Motion = fn([f32; 2], f32, f32) -> [f32; 2];

const MOTIONS: [(&str, Motion); 7] = [
    ("waved", |[x, y], a, b| [x + 0.4 * a, y + 0.2 * b]),
    ("turned in its plane", |[x, y], a, _| {
        let (sin, cos) = (0.3 * a).sin_cos();
        [x * cos - y * sin, x * sin + y * cos]
    }),
    ("moved to and fro", |[x, y], a, _| [x * (1.0 + 0.3 * a), y * (1.0 + 0.3 * a)]),
    ("tilted to the side", |at, a, _| plane(at, 0.7 * a, 0.0)),
    ("tilted up and down", |at, a, _| plane(at, 0.0, 0.6 * a)),
    ("tilted both ways", |at, a, b| plane(at, 0.5 * a, 0.5 * b)),
    ("bent and tilted", |at, a, b| {
        let [x, y] = plane(at, 0.4 * b, 0.0);
        // About a cylinder: the sheet's own width is the arc.
        let curve = 0.45 * (a + 1.05);
        [(curve * x).clamp(-0.99, 0.99).asin() / curve, y]
    }),
];

#[test]
fn no_motion_of_a_picture_makes_it_alive() {
    let Some(material) = Material::find() else { return };
    let mut engine = material.engine(DetectorChoice::Blazeface);
    let photo = material.photo("2110003");
    let width = (photo.width() * HEIGHT) / photo.height();
    let still = image::imageops::resize(&photo, width, HEIGHT, image::imageops::FilterType::Triangle);
    let face = engine.detect(&still).unwrap()[0].bounds;
    for (name, motion) in MOTIONS {
        let mut pipeline = material.pipeline(material.gallery(|_| true), LivenessRule::PassiveAny);
        let mut seen = 0;
        for n in 0..FRAMES {
            let (a, b) = ((n as f32 * 0.25).sin(), (n as f32 * 0.17).cos());
            let centre = face.centre();
            let sheet = RgbImage::from_fn(width, HEIGHT, |x, y| {
                let place = [(x as f32 - centre.x) / face.width, (y as f32 - centre.y) / face.width];
                let [u, v] = motion(place, a, b);
                pixel(&still, Point { x: u * face.width + centre.x, y: v * face.width + centre.y })
            });
            for outcome in pipeline.process(&frame(n, sheet)).unwrap() {
                assert!(!matches!(outcome, Outcome::Recognised(_)), "{name}, frame {n}: {outcome:?}");
            }
            seen += usize::from(pipeline.snapshot().tracks.iter().any(|track| track.votes > 0));
        }
        assert!(seen > 10, "{name}: the face was matched in {seen} frames only, so nothing was tested");
    }
}

fn frame(number: u64, picture: RgbImage) -> Frame {
    let since_boot = Duration::from_millis(1_000_000 + 66 * number);
    let at = Moment { utc: OffsetDateTime::UNIX_EPOCH, since_boot, trusted: true };
    Frame { number, at, picture: Picture::from_rgb(picture) }
}

fn pixel(picture: &RgbImage, at: Point) -> Rgb<u8> {
    let mut colour = [0; 3];
    let map = Affine { x: [1.0, 0.0, at.x], y: [0.0, 1.0, at.y] };
    warp(picture, &map, 1, 1, |_, found| colour = found.map(|value| value as u8));
    Rgb(colour)
}

/// Where on a plane, turned by two angles before a camera four face widths away, the ray through a place of the frame meets it.
fn plane([x, y]: [f32; 2], yaw: f32, pitch: f32) -> [f32; 2] {
    const DISTANCE: f32 = 4.0;
    let ((sa, ca), (sb, cb)) = (yaw.sin_cos(), pitch.sin_cos());
    let (a11, a12, b1) = (DISTANCE * ca + x * sa * cb, -x * sb, x * DISTANCE);
    let (a21, a22, b2) = (DISTANCE * sa * sb + y * sa * cb, DISTANCE * cb - y * sb, y * DISTANCE);
    let determinant = a11 * a22 - a12 * a21;
    [(b1 * a22 - a12 * b2) / determinant, (a11 * b2 - a21 * b1) / determinant]
}
