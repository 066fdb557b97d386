//! The empty scene: a running mean of its gradient, learnt while nobody is there and nothing moves.
//!
//! No picture is kept that shows anybody: gradients only, and none of a frame with a face or with motion.
//! Otherwise whoever stands still with a picture would teach it.

use std::time::Duration;

use serde::Serialize;

use super::gradient::{Gradient, grid, windows};

/// Nothing has to be seen of faces or motion for this long before a frame is learnt.
const QUIET: Duration = Duration::from_secs(5);

/// Time over which the mean forgets.
const FORGETS: Duration = Duration::from_secs(120);

/// Least time between two learnt frames.
const EVERY: Duration = Duration::from_millis(200);

/// Frames after which the scene is known.
const KNOWN: u32 = 60;

/// Difference of brightness from which a window has changed, and the share of changed windows that is motion.
const CHANGED: f32 = 6.0;
const MOTION: f32 = 0.01;

/// Mean squared gradient from which a window has texture.
pub const TEXTURE: f32 = 2.0;

/// Squared gradient that noise alone makes.
pub const NOISE: f32 = 0.3;

/// Correlation of gradients from which a window shows the known scene.
pub const VISIBLE: f32 = 0.5;

/// Share of textured windows that must agree while nobody is there. If fewer agree, the camera or the
/// furniture was moved, and the scene is learnt again.
const AGREES: f32 = 0.9;

/// Frames in a row that have to disagree.
const DISAGREES: u32 = 10;

/// Share of textured windows from which a scene serves. A plain wall with a door frame has a seventh.
const USABLE: f32 = 0.25;

/// First bytes of a kept scene; the digit counts the forms.
const MAGIC: &[u8; 8] = b"scene 1\n";

/// Gradients are kept in sixteenths of a step of brightness.
const SCALE: f32 = 16.0;

/// What a technician sees of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Usefulness {
    /// It is being learnt; nobody must be before the camera meanwhile.
    #[default]
    Learning,
    /// Learnt, and with enough texture.
    Usable,
    /// Learnt, and too plain to decide anything.
    TooPlain,
}

/// The empty scene.
#[derive(Debug, Default)]
pub struct Scene {
    size: (usize, usize),
    x: Vec<f32>,
    y: Vec<f32>,
    /// Mean squared gradient of every window.
    pub(super) texture: Vec<f32>,
    frames: u32,
    disagreements: u32,
    /// The last frame, against which motion is seen, and its brightness by windows.
    windows: Vec<f32>,
    before: Vec<f32>,
    quiet_since: Option<Duration>,
    learnt: Option<Duration>,
    /// Memory for one comparison.
    correlation: Vec<f32>,
}

impl Scene {
    /// Notes that a face is there, or was a moment ago.
    pub fn interrupt(&mut self) {
        self.quiet_since = None;
    }

    /// Notes a frame without a face.
    pub fn note(&mut self, frame: &Gradient, now: Duration) {
        if self.moved(frame) {
            self.quiet_since = None;
            return;
        }
        let quiet = now.saturating_sub(*self.quiet_since.get_or_insert(now));
        let since = self.learnt.map(|at| now.saturating_sub(at));
        if quiet < QUIET || since.is_some_and(|since| since < EVERY) {
            return;
        }
        self.learnt = Some(now);
        if self.size != frame.size {
            *self = Self {
                size: frame.size,
                quiet_since: self.quiet_since,
                learnt: Some(now),
                ..Self::default()
            };
        }
        if self.is_known() && self.disagrees(frame) {
            self.disagreements += 1;
            if self.disagreements >= DISAGREES {
                log::info!(
                    "The camera sees another scene than the one it knows; it is learnt again. Scene evidence \
                     pauses for about a minute without people."
                );
                self.forget();
            }
            return;
        }
        self.disagreements = 0;
        self.learn(frame, since.unwrap_or_default());
    }

    fn learn(&mut self, frame: &Gradient, since: Duration) {
        let slow = (since.as_secs_f32() / FORGETS.as_secs_f32()).min(0.1);
        let share = slow.max(1.0 / (self.frames as f32 + 1.0));
        for (mean, new) in [(&mut self.x, &frame.x), (&mut self.y, &frame.y)] {
            mean.resize(new.len(), 0.0);
            mean.iter_mut().zip(new).for_each(|(mean, new)| *mean += share * (new - *mean));
        }
        self.frames = (self.frames + 1).min(KNOWN * 100);
        self.measure_texture();
    }

    fn measure_texture(&mut self) {
        let (x, y) = (&self.x, &self.y);
        windows(self.size, |at| (x[at] * x[at] + y[at] * y[at]) / 64.0, &mut self.texture);
    }

    fn forget(&mut self) {
        (self.frames, self.disagreements) = (0, 0);
        for plane in [&mut self.x, &mut self.y, &mut self.texture] {
            plane.iter_mut().for_each(|value| *value = 0.0);
        }
    }

    /// Whether much of the frame differs from the frame before. An equal change of all brightness does not
    /// count.
    fn moved(&mut self, frame: &Gradient) -> bool {
        windows(frame.size, |at| frame.luma[at] / 64.0, &mut self.windows);
        let moved = self.windows.len() != self.before.len() || {
            let mean = |values: &[f32]| values.iter().sum::<f32>() / values.len().max(1) as f32;
            let step = mean(&self.windows) - mean(&self.before);
            let pairs = self.windows.iter().zip(&self.before);
            let changed = pairs.filter(|(new, old)| (*new - *old - step).abs() > CHANGED).count();
            changed as f32 > MOTION * self.windows.len() as f32
        };
        std::mem::swap(&mut self.windows, &mut self.before);
        moved
    }

    /// Whether the frame shows another scene than this one.
    fn disagrees(&mut self, frame: &Gradient) -> bool {
        let mut correlation = std::mem::take(&mut self.correlation);
        self.compare(frame, &mut correlation);
        let textured = self.texture.iter().zip(&correlation).filter(|(texture, _)| **texture > TEXTURE);
        let (mut all, mut visible) = (0u32, 0u32);
        for (_, correlation) in textured {
            all += 1;
            visible += u32::from(*correlation > VISIBLE);
        }
        self.correlation = correlation;
        all >= 30 && (visible as f32) < AGREES * all as f32
    }

    /// How far the gradient of every window of the frame agrees with the scene's, −1 to 1, at the best of
    /// the shifts of one pixel over the whole frame.
    pub(super) fn compare(&self, frame: &Gradient, best: &mut Vec<f32>) {
        let (width, height) = self.size;
        let mut energy = Vec::new();
        let (fx, fy) = (&frame.x, &frame.y);
        windows(self.size, |at| (fx[at] * fx[at] + fy[at] * fy[at]) / 64.0, &mut energy);
        let mut shifted = Vec::new();
        let mut highest = f32::NEG_INFINITY;
        for down in -1isize..=1 {
            for right in -1isize..=1 {
                let offset = down * width as isize + right;
                let moved = |at: usize| at.saturating_add_signed(offset).min(width * height - 1);
                let product = |at: usize| {
                    let other = moved(at);
                    (self.x[at] * fx[other] + self.y[at] * fy[other]) / 64.0
                };
                windows(self.size, product, &mut shifted);
                let terms = shifted.iter_mut().zip(&self.texture).zip(&energy);
                let mut sum = 0.0;
                for ((value, texture), energy) in terms {
                    *value /= ((texture + NOISE) * (energy + NOISE)).sqrt();
                    sum += value.clamp(0.0, 1.0);
                }
                if sum > highest {
                    highest = sum;
                    std::mem::swap(best, &mut shifted);
                }
            }
        }
    }

    /// Whether enough was learnt.
    pub fn is_known(&self) -> bool {
        self.frames >= KNOWN
    }

    /// Whether a frame of this size can be compared with it.
    pub(super) fn fits(&self, frame: &Gradient) -> bool {
        self.is_known() && self.size == frame.size
    }

    /// What a technician should know.
    pub fn usefulness(&self) -> Usefulness {
        let textured = self.texture.iter().filter(|texture| **texture > TEXTURE).count();
        if !self.is_known() {
            Usefulness::Learning
        } else if textured as f32 >= USABLE * self.texture.len() as f32 {
            Usefulness::Usable
        } else {
            Usefulness::TooPlain
        }
    }

    /// The scene as bytes, to be kept over a restart; `None` while it is not known. About 230 kB.
    pub fn to_bytes(&self) -> Option<Vec<u8>> {
        self.is_known().then(|| {
            let mut bytes = MAGIC.to_vec();
            for side in [self.size.0, self.size.1] {
                bytes.extend((side as u32).to_le_bytes());
            }
            for value in self.x.iter().chain(&self.y) {
                bytes.extend(((value * SCALE).round().clamp(-32_000.0, 32_000.0) as i16).to_le_bytes());
            }
            bytes.extend(crc32fast::hash(&bytes).to_le_bytes());
            bytes
        })
    }

    /// A kept scene; `None` when the bytes are damaged or of another form.
    pub fn from_bytes(bytes: &[u8]) -> Option<Self> {
        let (content, sum) = bytes.split_last_chunk::<4>()?;
        let values = content.strip_prefix(MAGIC)?;
        let (sides, values) = values.split_at_checked(8)?;
        let side =
            |at: usize| u32::from_le_bytes([sides[at], sides[at + 1], sides[at + 2], sides[at + 3]]) as usize;
        let size = (side(0), side(4));
        let pixels = size.0.checked_mul(size.1)?;
        let fits = super::gradient::size_for((size.0 as u32, size.1 as u32)) == Some(size);
        if !fits || crc32fast::hash(content) != u32::from_le_bytes(*sum) || values.len() != 4 * pixels {
            return None;
        }
        let gradients: Vec<f32> = values
            .as_chunks::<2>()
            .0
            .iter()
            .map(|pair| f32::from(i16::from_le_bytes(*pair)) / SCALE)
            .collect();
        let (x, y) = gradients.split_at(pixels);
        let mut scene = Self { size, x: x.to_vec(), y: y.to_vec(), frames: KNOWN, ..Self::default() };
        scene.measure_texture();
        debug_assert_eq!(scene.texture.len(), grid(size).0 * grid(size).1);
        Some(scene)
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
pub(super) mod tests {
    use image::{Rgb, RgbImage};
    use proptest::prelude::*;

    use super::*;

    /// A drawn room with texture everywhere, moved by some pixels of the full picture.
    pub(in crate::scene) fn room(seed: u64, moved: u32) -> RgbImage {
        let mut random = fastrand::Rng::with_seed(seed);
        let mut blocks = vec![0u8; 100 * 60];
        blocks.iter_mut().for_each(|value| *value = random.u8(40..210));
        RgbImage::from_fn(1280, 720, |x, y| {
            Rgb([blocks[((x + moved) / 20 % 100 + 100 * (y / 20)) as usize]; 3])
        })
    }

    pub(in crate::scene) fn gradient(picture: &RgbImage) -> Gradient {
        let mut gradient = Gradient::default();
        assert!(gradient.take(picture));
        gradient
    }

    fn seconds(n: f32) -> Duration {
        Duration::from_secs_f32(n)
    }

    /// A scene that was learnt from this picture.
    pub(in crate::scene) fn learnt(picture: &RgbImage) -> Scene {
        let (mut scene, frame) = (Scene::default(), gradient(picture));
        (0..200u16).for_each(|n| scene.note(&frame, seconds(0.25 * f32::from(n))));
        assert!(scene.is_known());
        scene
    }

    #[test]
    fn a_scene_is_learnt_without_people_only() {
        let (mut scene, frame) = (Scene::default(), gradient(&room(1, 0)));
        for n in 0..400u16 {
            scene.note(&frame, seconds(0.25 * f32::from(n)));
            scene.interrupt();
        }
        assert_eq!(scene.usefulness(), Usefulness::Learning);
        for n in 0..400u16 {
            let moving = gradient(&room(1, 40 * (u32::from(n) % 2)));
            scene.note(if n < 8 { &moving } else { &frame }, seconds(100.0 + 0.25 * f32::from(n)));
            if n % 16 == 15 {
                scene.interrupt();
            }
        }
        assert_eq!(scene.usefulness(), Usefulness::Learning, "somebody came every four seconds");
        assert_eq!(learnt(&room(1, 0)).usefulness(), Usefulness::Usable);
    }

    #[test]
    fn a_plain_wall_is_too_plain() {
        let wall = RgbImage::from_pixel(1280, 720, Rgb([180; 3]));
        assert_eq!(learnt(&wall).usefulness(), Usefulness::TooPlain);
    }

    #[test]
    fn a_camera_that_was_moved_learns_again() {
        let mut scene = learnt(&room(1, 0));
        let other = gradient(&room(1, 60));
        for n in 0..44u16 {
            scene.note(&other, seconds(60.0 + 0.25 * f32::from(n)));
        }
        assert_eq!(scene.usefulness(), Usefulness::Learning);
        for n in 44..200u16 {
            scene.note(&other, seconds(60.0 + 0.25 * f32::from(n)));
        }
        assert_eq!(scene.usefulness(), Usefulness::Usable);
    }

    #[test]
    fn a_kept_scene_is_the_same_and_a_damaged_one_is_refused() {
        let scene = learnt(&room(1, 0));
        let bytes = scene.to_bytes().unwrap();
        let kept = Scene::from_bytes(&bytes).unwrap();
        assert_eq!(kept.usefulness(), Usefulness::Usable);
        assert!(kept.x.iter().zip(&scene.x).all(|(kept, was)| (kept - was).abs() <= 0.5 / SCALE));
        assert_eq!(Scene::default().to_bytes(), None, "nothing is known yet");
        for at in [0, 9, 5_000, bytes.len() - 1] {
            let mut damaged = bytes.clone();
            damaged[at] ^= 1;
            assert!(Scene::from_bytes(&damaged).is_none(), "byte {at}");
        }
    }

    proptest! {
        #[test]
        fn no_bytes_break_it(bytes in proptest::collection::vec(any::<u8>(), 0..400)) {
            let mut kept = MAGIC.to_vec();
            kept.extend(&bytes);
            kept.extend(crc32fast::hash(&kept).to_le_bytes());
            prop_assert!(Scene::from_bytes(&kept).is_none());
        }
    }
}
