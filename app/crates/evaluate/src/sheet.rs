//! A picture held before the camera and moved in every way in which a flat or bent sheet can move.
//!
//! The picture itself is clean (no paper, no screen), so the anti-spoof models see little: what stands
//! between it and a row are the tests that ask for something that a sheet cannot do.

use std::f32::consts::TAU;
use std::time::Duration;

use image::{Rgb, RgbImage};

use faces::warp::{Affine, warp};
use vision::face::{Bounds, Point};

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

/// One way in which somebody shows a picture to the camera. All phases are seconds since the first frame.
pub struct Motion {
    /// What is done.
    pub name: &'static str,
    /// Where a place of the frame (about its centre, in face widths) is found on the sheet.
    place: fn([f32; 2], f32) -> [f32; 2],
    /// What the camera sees in place of a colour of the sheet: light and shadow, or a finger before it. The
    /// place is about the middle between the eyes, in distances of the eyes.
    over: fn([f32; 3], [f32; 2], f32) -> [f32; 3],
    /// Whether the other picture of the same person is shown at a place of the sheet.
    other: Option<fn([f32; 2], f32) -> bool>,
}

/// A motion that does nothing: the others differ from it.
const HELD: Motion = Motion { name: "held", place: |at, _| at, over: |colour, _, _| colour, other: None };

/// The colour of a finger.
const SKIN: [f32; 3] = [205.0, 160.0, 135.0];

/// Every motion, those of the bare sheet first.
pub const MOTIONS: [Motion; 24] = [
    HELD,
    Motion { name: "waved", place: |[x, y], t| [x + 0.4 * sway(t), y + 0.2 * nod(t)], ..HELD },
    Motion {
        name: "turned in its plane",
        place: |[x, y], t| {
            let (sin, cos) = (0.3 * sway(t)).sin_cos();
            [x * cos - y * sin, x * sin + y * cos]
        },
        ..HELD
    },
    Motion { name: "moved to and fro", place: |at, t| at.map(|x| x * (1.0 + 0.3 * sway(t))), ..HELD },
    Motion { name: "tilted to the side", place: |at, t| plane(at, 0.7 * sway(t), 0.0), ..HELD },
    Motion { name: "tilted up and down", place: |at, t| plane(at, 0.0, 0.6 * sway(t)), ..HELD },
    Motion { name: "tilted both ways", place: |at, t| plane(at, 0.5 * sway(t), 0.5 * nod(t)), ..HELD },
    Motion { name: "bent", place: |at, t| bent(at, sway(t)), ..HELD },
    Motion {
        name: "bent the other way",
        place: |[x, y], t| {
            let [y, x] = bent([y, x], sway(t));
            [x, y]
        },
        ..HELD
    },
    Motion { name: "bent and tilted", place: |at, t| bent(plane(at, 0.4 * nod(t), 0.0), sway(t)), ..HELD },
    Motion { name: "sheared", place: |[x, y], t| [x + 0.35 * y * sway(t), y + 0.15 * x * nod(t)], ..HELD },
    Motion {
        name: "moved to and fro fast",
        place: |at, t| at.map(|x| x * (1.0 + 0.35 * (2.0 * TAU * t).sin())),
        ..HELD
    },
    Motion {
        name: "shaken",
        place: |[x, y], t| [x + 0.06 * (5.0 * TAU * t).sin(), y + 0.05 * (4.3 * TAU * t).cos()],
        ..HELD
    },
    Motion {
        name: "jerked",
        place: |[x, y], t| {
            let [a, b] = [7.9, 3.1].map(|pace| (pace * (t / 0.4).floor()).sin());
            plane([x + 0.1 * a, y + 0.1 * b], 0.6 * a, 0.5 * b)
        },
        ..HELD
    },
    Motion {
        name: "creased",
        place: |[x, y], t| [x + 0.06 * (6.0 * y + 3.0 * t).sin(), y + 0.05 * (5.0 * x + 2.0 * t).sin()],
        ..HELD
    },
    Motion {
        name: "in flickering light",
        over: |colour, _, t| colour.map(|c| c * (0.65 + 0.35 * (3.0 * TAU * t).sin())),
        ..HELD
    },
    Motion {
        name: "a finger over the eyes",
        over: |colour, at, t| if briefly(t) && beside_eyes(at) { SKIN } else { colour },
        ..HELD
    },
    Motion {
        name: "a shadow over the eyes",
        over: |colour, at, t| if briefly(t) && beside_eyes(at) { colour.map(|c| 0.3 * c) } else { colour },
        ..HELD
    },
    Motion {
        name: "a pen over the eyes",
        over: |colour, [_, y], t| if briefly(t) && y.abs() < 0.12 { [30.0; 3] } else { colour },
        ..HELD
    },
    Motion {
        name: "a hand passed over",
        over: |colour, [x, _], t| if (x - 8.0 * ((t % 1.2) - 0.4)).abs() < 0.8 { SKIN } else { colour },
        ..HELD
    },
    Motion { name: "exchanged twice a second", other: Some(|_, t| (2.0 * t) as u32 % 2 == 1), ..HELD },
    Motion { name: "exchanged for a moment", other: Some(|_, t| briefly(t)), ..HELD },
    Motion {
        name: "exchanged for a moment and waved",
        place: |[x, y], t| [x + 0.2 * sway(t), y + 0.1 * nod(t)],
        other: Some(|_, t| briefly(t)),
        ..HELD
    },
    Motion {
        name: "turned over like a page",
        other: Some(|[x, _], t| {
            let edge = 2.0 - 8.0 * ((t % 0.8) - 0.2);
            (x > edge) != ((t / 0.8) as u32 % 2 == 1)
        }),
        ..HELD
    },
];

/// Two slow oscillations whose phases differ, −1 to 1.
fn sway(seconds: f32) -> f32 {
    (0.6 * TAU * seconds).sin()
}

fn nod(seconds: f32) -> f32 {
    (0.4 * TAU * seconds).cos()
}

/// As often and as long as people blink.
fn briefly(seconds: f32) -> bool {
    seconds % 1.3 > 1.1
}

fn beside_eyes([x, y]: [f32; 2]) -> bool {
    x.abs() < 1.1 && y.abs() < 0.3
}

/// A picture of a face, and where the face is.
pub struct Still {
    /// The picture.
    pub picture: RgbImage,
    /// The detector's box.
    pub bounds: Bounds,
    /// Right eye, left eye, nose tip, right and left mouth corner.
    pub five: [Point; 5],
}

/// A picture to be held before the camera.
pub struct Sheet<'a> {
    still: &'a Still,
    /// Another picture of the same person, with the map from places of the first.
    other: Option<(&'a Still, Affine)>,
}

impl<'a> Sheet<'a> {
    /// A picture, and another one of the same person that may take its place: eyes, nose and mouth come to
    /// lie where those of the first do.
    pub fn new(still: &'a Still, other: Option<&'a Still>) -> Self {
        let other = other.and_then(|other| Some((other, Affine::similarity(&still.five, &other.five)?)));
        Self { still, other }
    }

    /// Whether a motion can be made with the pictures at hand.
    pub fn allows(&self, motion: &Motion) -> bool {
        motion.other.is_none() || self.other.is_some()
    }

    /// What the camera sees in frame `number` of a motion, and when, from the first frame.
    pub fn frame(&self, motion: &Motion, number: u64) -> (RgbImage, Duration) {
        let at = Duration::from_millis(1000 * number / RATE);
        let seconds = at.as_secs_f32();
        let mut noise = fastrand::Rng::with_seed(number);
        let (width, height) = SIZE;
        let Still { bounds, five: [right, left, ..], .. } = self.still;
        let centre = bounds.centre();
        let apart = (left.x - right.x).hypot(left.y - right.y).max(1.0);
        let eyes = Point { x: (left.x + right.x) / 2.0, y: (left.y + right.y) / 2.0 };
        // Source pixels in a frame's pixel: the sheet is drawn as coarse as it is seen.
        let scale = bounds.width / FACE;
        let frame = RgbImage::from_fn(width, height, |x, y| {
            let seen = [(x as f32 - width as f32 / 2.0) / FACE, (y as f32 - height as f32 / 2.0) / FACE];
            let place @ [u, v] = (motion.place)(seen, seconds);
            let source = Point { x: centre.x + u * bounds.width, y: centre.y + v * bounds.width };
            let exchanged = motion.other.is_some_and(|other| other(place, seconds));
            let (picture, source, scale) = match &self.other {
                Some((other, map)) if exchanged => {
                    (&other.picture, map.apply(source), scale * map.x[0].hypot(map.y[0]))
                }
                _ => (&self.still.picture, source, scale),
            };
            let on_sheet = u.abs() < SHEET[0]
                && v.abs() < SHEET[1]
                && (0.0..picture.width() as f32).contains(&source.x)
                && (0.0..picture.height() as f32).contains(&source.y);
            // Behind the sheet there is a wall, lit from above.
            let wall = 150.0 - 60.0 * y as f32 / height as f32;
            let colour = if on_sheet { sampled(picture, source, scale) } else { [wall; 3] };
            let about_eyes = [
                (u * bounds.width + centre.x - eyes.x) / apart,
                (v * bounds.width + centre.y - eyes.y) / apart,
            ];
            let colour = (motion.over)(colour, about_eyes, seconds);
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

/// Where the ray through a place of the frame meets a plane that is turned by two angles about the face's
/// centre.
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
    #![allow(clippy::unwrap_used)]
    use super::*;

    const BOUNDS: Bounds = Bounds { x: 100.0, y: 100.0, width: 100.0, height: 100.0 };

    /// A square in a colour, with eyes in its upper half.
    fn still(colour: [u8; 3]) -> Still {
        let picture = RgbImage::from_fn(300, 300, |x, y| {
            Rgb(if (100..200).contains(&x) && (100..200).contains(&y) { colour } else { [0, 0, 250] })
        });
        let five = [(130.0, 130.0), (170.0, 130.0), (150.0, 150.0), (135.0, 175.0), (165.0, 175.0)];
        Still { picture, bounds: BOUNDS, five: five.map(|(x, y)| Point { x, y }) }
    }

    fn motion(name: &str) -> &'static Motion {
        MOTIONS.iter().find(|motion| motion.name == name).unwrap()
    }

    #[test]
    fn held_sheet_shows_its_face_in_the_middle() {
        let red = still([250, 0, 0]);
        let (frame, at) = Sheet::new(&red, None).frame(&HELD, RATE);
        assert_eq!(at, Duration::from_secs(1));
        let [face, paper, wall] =
            [(320, 240), (320 - 140, 240), (5, 240)].map(|(x, y)| *frame.get_pixel(x, y));
        assert!(face[0] > 200 && paper[2] > 200 && wall[0] == wall[2], "{face:?} {paper:?} {wall:?}");
    }

    #[test]
    fn second_picture_and_finger_appear_briefly() {
        let (red, green) = (still([250, 0, 0]), still([0, 250, 0]));
        let sheet = Sheet::new(&red, Some(&green));
        // The middle of the frame is that of the face; the eyes are a fifth of its width higher.
        let colours = |name: &str, frame: u64| {
            let (frame, _) = sheet.frame(motion(name), frame);
            [210, 240].map(|y| frame.get_pixel(320, y).0)
        };
        let (before, during) = (10, 18);
        let [_, middle] = colours("exchanged for a moment", before);
        assert!(middle[0] > 200, "{middle:?}");
        let [_, middle] = colours("exchanged for a moment", during);
        assert!(middle[1] > 200, "{middle:?}");
        let [eyes, middle] = colours("a pen over the eyes", during);
        assert!(eyes[0] < 60 && middle[0] > 200, "{eyes:?} {middle:?}");
        assert!(!Sheet::new(&red, None).allows(motion("exchanged for a moment")));
    }

    #[test]
    fn every_motion_moves_the_sheet() {
        for Motion { name, place, over, other } in &MOTIONS[1..] {
            let frames = || (0..FRAMES).map(|number| number as f32 / RATE as f32);
            let places: Vec<_> = frames().map(|t| place([0.4, 0.3], t)).collect();
            assert!(places.as_flattened().iter().all(|place| place.is_finite()), "{name}");
            let moves = places.iter().any(|place| *place != places[0]);
            let covers = frames().any(|t| over([9.0; 3], [0.1, 0.1], t) != [9.0; 3]);
            let exchanges = other.is_some_and(|other| frames().any(|t| other([0.1, 0.1], t)));
            assert!(moves || covers || exchanges, "{name}");
        }
    }
}
