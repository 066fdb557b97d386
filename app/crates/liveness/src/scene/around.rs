//! How much of the known scene is visible around one head, frame by frame, and when that is evidence.

use std::time::Duration;

use heapless::Deque;
use vision::face::Bounds;

use super::gradient::{Gradient, grid, middle};
use super::learnt::{Scene, TEXTURE, VISIBLE};

/// Time between two looks of one face.
pub const EVERY: Duration = Duration::from_millis(150);

/// Looks that are remembered: two seconds at five a second and some more.
const LOOKS: usize = 16;

/// How far the looks that count reach back.
const REACH: Duration = Duration::from_secs(2);

/// Looks, and the time they have to span, before they are evidence.
const LEAST: usize = 5;
const SPAN: Duration = Duration::from_secs(1);

/// Share of the looks that have to show the scene.
const SHARE: f32 = 0.75;

/// What one frame shows around a head.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Surround {
    /// The known scene, right up to the head.
    Visible,
    /// Something else all around.
    Hidden,
    /// Too little texture, or neither of the two.
    Undecided,
}

/// Textured windows of a zone, and how many of them show the known scene.
#[derive(Debug, Clone, Copy, Default)]
struct Zone {
    all: u32,
    visible: u32,
}

impl Zone {
    fn count(&mut self, visible: bool) {
        self.all += 1;
        self.visible += u32::from(visible);
    }

    fn share(self) -> f32 {
        if self.all == 0 { 0.0 } else { self.visible as f32 / self.all as f32 }
    }
}

/// The zones around a head.
#[derive(Debug, Clone, Copy, Default)]
struct Zones {
    near: Zone,
    left: Zone,
    right: Zone,
    top: Zone,
    /// Beside and above the temples, where a tight frame shows its edge.
    corner: Zone,
    tight: Zone,
    /// Where a living person's shoulders hide the scene.
    shoulders: Zone,
}

/// The head's shape about the face: an ellipse of these half axes, half a face box wide.
fn ellipse(u: f32, v: f32, half: (f32, f32)) -> f32 {
    (u / half.0).powi(2) + ((v + 0.15) / half.1).powi(2)
}

impl Zones {
    fn count(&mut self, u: f32, v: f32, visible: bool) {
        let side = u.abs();
        if ellipse(u, v, (0.85, 1.10)) > 1.0 {
            if ellipse(u, v, (1.4, 1.75)) <= 1.0 && v < 0.35 {
                self.near.count(visible);
                let part = match u {
                    u if u < -0.6 => &mut self.left,
                    u if u > 0.6 => &mut self.right,
                    _ => &mut self.top,
                };
                part.count(visible);
            }
            if side > 0.45 && side < 1.0 && v > -1.4 && v < -0.8 {
                self.corner.count(visible);
            }
            if side > 0.42 && side < 0.78 && v > -1.32 && v < -0.8 {
                self.tight.count(visible);
            }
        }
        if side > 0.45 && side < 1.0 && v > 1.0 && v < 1.5 {
            self.shoulders.count(visible);
        }
    }

    fn verdict(&self) -> Surround {
        if self.near.all < 30 {
            return Surround::Undecided;
        }
        if self.near.share() < 0.10 {
            return Surround::Hidden;
        }
        let corners = self.corner.all >= 8 && self.corner.share() >= 0.90;
        let tight = self.tight.all >= 4 && self.tight.share() >= 0.85;
        let sides = [self.left, self.right, self.top].iter().all(|zone| zone.all < 8 || zone.share() >= 0.75);
        let body = self.shoulders.all < 8 || self.shoulders.share() <= 0.35;
        if self.near.share() >= 0.85 && corners && tight && sides && body {
            Surround::Visible
        } else {
            Surround::Undecided
        }
    }
}

/// One frame compared with the scene.
#[derive(Debug, Default)]
pub struct Comparison {
    correlation: Vec<f32>,
    /// Width of the small picture by that of the frame.
    scale: f32,
    across: usize,
}

impl Comparison {
    /// Compares a frame of this width, in pixels, with the scene; `None` where the scene is not known or was
    /// learnt from frames of another size.
    pub fn new(scene: &Scene, frame: &Gradient, full_width: u32) -> Option<Self> {
        scene.fits(frame).then(|| {
            let mut correlation = Vec::new();
            scene.compare(frame, &mut correlation);
            let scale = frame.size.0 as f32 / full_width.max(1) as f32;
            Self { correlation, scale, across: grid(frame.size).0 }
        })
    }

    /// What is around the head with this face, a box from forehead to chin in pixels of the frame.
    pub fn around(&self, scene: &Scene, face: &Bounds) -> Surround {
        let half = self.scale * (face.width + 0.75 * face.height) / 2.0;
        if half.is_nan() || half < 4.0 {
            return Surround::Undecided;
        }
        let centre = face.centre();
        let (x, y) = (self.scale * centre.x, self.scale * centre.y);
        let mut zones = Zones::default();
        for (index, (texture, correlation)) in scene.texture.iter().zip(&self.correlation).enumerate() {
            if *texture > TEXTURE {
                let at = middle(index, self.across);
                zones.count((at.0 - x) / half, (at.1 - y) / half, *correlation > VISIBLE);
            }
        }
        zones.verdict()
    }
}

/// What was seen around the head of one track over time.
#[derive(Debug, Clone, Default)]
pub struct Surroundings {
    looks: Deque<(Duration, Surround), LOOKS>,
}

impl Surroundings {
    /// Whether it is time for another look.
    pub fn is_due(&self, now: Duration) -> bool {
        self.looks.back().is_none_or(|(at, _)| now.saturating_sub(*at) >= EVERY)
    }

    /// Notes one look.
    pub fn note(&mut self, seen: Surround, now: Duration) {
        while self.looks.front().is_some_and(|(at, _)| now.saturating_sub(*at) > REACH)
            || self.looks.is_full()
        {
            self.looks.pop_front();
        }
        // There is room now.
        let _ = self.looks.push_back((now, seen));
    }

    /// Whether the scene was visible around this head for long enough, and never hidden.
    pub fn are_evidence(&self) -> bool {
        let (Some((first, _)), Some((last, _))) = (self.looks.front(), self.looks.back()) else {
            return false;
        };
        let count = |what| self.looks.iter().filter(|(_, seen)| *seen == what).count();
        self.looks.len() >= LEAST
            && last.saturating_sub(*first) >= SPAN
            && count(Surround::Hidden) == 0
            && count(Surround::Visible) as f32 >= SHARE * self.looks.len() as f32
    }

    /// Whether enough was looked at and the scene was seldom visible: it will hardly become evidence soon.
    pub fn are_no_help(&self) -> bool {
        let visible = self.looks.iter().filter(|(_, seen)| *seen == Surround::Visible).count();
        self.looks.len() >= LEAST && 2 * visible < self.looks.len()
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use image::{Rgb, RgbImage};

    use super::super::learnt::tests::{gradient, learnt, room};
    use super::*;

    /// The box of the face that [`person`] draws.
    const FACE: Bounds = Bounds { x: 560.0, y: 240.0, width: 160.0, height: 200.0 };

    /// A head with shoulders before a room: everything else is the room.
    fn person(room: &RgbImage) -> RgbImage {
        let mut picture = room.clone();
        let centre = FACE.centre();
        for (x, y, pixel) in picture.enumerate_pixels_mut() {
            let (u, v) = ((x as f32 - centre.x) / 155.0, (y as f32 - centre.y) / 155.0);
            let head = ellipse(u, v, (0.62, 0.85)) < 1.0;
            let body = v > 0.75 && u.abs() < 1.3;
            if head || body {
                *pixel = Rgb([if head { 150 } else { 70 }; 3]);
            }
        }
        picture
    }

    /// The person of another room on a sheet held before this one, half a face away from the head.
    fn print(room: &RgbImage, other: &RgbImage) -> RgbImage {
        let shown = person(other);
        let mut picture = room.clone();
        for (x, y, pixel) in picture.enumerate_pixels_mut() {
            if (440..840).contains(&x) && (120..680).contains(&y) {
                *pixel = *shown.get_pixel(x, y);
            }
        }
        picture
    }

    fn seen(scene: &Scene, picture: &RgbImage) -> Surround {
        let comparison = Comparison::new(scene, &gradient(picture), picture.width()).unwrap();
        comparison.around(scene, &FACE)
    }

    #[test]
    fn the_scene_is_visible_around_a_person_and_not_around_a_print() {
        let (here, elsewhere) = (room(1, 0), room(2, 0));
        let scene = learnt(&here);
        assert_eq!(seen(&scene, &person(&here)), Surround::Visible);
        assert_ne!(seen(&scene, &print(&here, &elsewhere)), Surround::Visible);
        assert_eq!(seen(&scene, &person(&elsewhere)), Surround::Hidden, "a full screen");
        let mut brighter = person(&here);
        brighter.pixels_mut().for_each(|pixel| pixel.0 = pixel.0.map(|v| (f32::from(v) * 0.8) as u8 + 20));
        assert_eq!(seen(&scene, &brighter), Surround::Visible, "the light has changed");
    }

    #[test]
    fn a_plain_wall_and_a_far_face_decide_nothing() {
        let wall = RgbImage::from_pixel(1280, 720, Rgb([180; 3]));
        let scene = learnt(&wall);
        assert_eq!(seen(&scene, &person(&wall)), Surround::Undecided);
        let here = room(1, 0);
        let scene = learnt(&here);
        let comparison = Comparison::new(&scene, &gradient(&person(&here)), 1280).unwrap();
        let tiny = Bounds { x: 600.0, y: 300.0, width: 10.0, height: 12.0 };
        assert_eq!(comparison.around(&scene, &tiny), Surround::Undecided);
    }

    #[test]
    fn surroundings_that_never_show_the_scene_are_no_help() {
        let after = |looks: &[Surround]| {
            let mut seen = Surroundings::default();
            for (n, look) in looks.iter().enumerate() {
                seen.note(*look, Duration::from_millis(150 * n as u64));
            }
            seen.are_no_help()
        };
        use Surround::{Undecided, Visible};
        assert!(after(&[Undecided; 5]) && !after(&[Undecided; 4]));
        assert!(!after(&[Undecided, Undecided, Visible, Visible, Visible]));
    }

    #[test]
    fn evidence_takes_a_second_and_nothing_hidden() {
        let after = |looks: &[Surround], every: u64| {
            let mut seen = Surroundings::default();
            for (n, look) in looks.iter().enumerate() {
                seen.note(*look, Duration::from_millis(every * n as u64));
            }
            seen.are_evidence()
        };
        use Surround::{Hidden, Undecided, Visible};
        assert!(after(&[Visible; 6], 200));
        assert!(!after(&[Visible; 6], 150), "less than a second");
        assert!(!after(&[Visible; 4], 400), "too few looks");
        assert!(after(&[Visible, Visible, Undecided, Visible, Visible, Visible], 200));
        assert!(!after(&[Visible, Undecided, Undecided, Visible, Visible, Visible], 200));
        assert!(!after(&[Visible, Visible, Hidden, Visible, Visible, Visible, Visible, Visible], 200));
    }
}
