//! The MiniFASNet models, fed exactly as upstream feeds them, voting over frames.
//!
//! minivision Silent-Face-Anti-Spoofing: the box about its centre times 2.7 or 4.0, shifted to stay inside
//! the frame, limited to the frame's size, stretched to 80×80 with plain bilinear interpolation, BGR, 0
//! to 255. The models are very sensitive to all of this.
//!
//! Beside these two stands MiniFAS 128, of other authors and trained on other pictures, where its weights are
//! there. Its log-odds and those of the two are added (figures: MEASUREMENTS.md).

use std::time::Duration;

use image::RgbImage;
use models::Role;
use models::minifas::{LIVE, MiniFas, Variant};
use models::store::Store;

use super::observation::WITHOUT_A_BREAK;
use super::square::Square;
use faces::error::EngineError;
use vision::face::Bounds;

/// Votes after which an old one counts less: about six seconds of frames. All votes of a visit count alike
/// for that long, so that no short good moment of a picture outweighs what was seen before it.
const HORIZON: u32 = 90;

/// Log-odds of the clearest votes that count, for an attack and for a living person.
const CLEAR: std::ops::RangeInclusive<f32> = -4.0..=3.0;

/// Votes before anything is decided: a single frame may be blurred, or catch a reflection.
pub const MIN_VOTES: u32 = 5;

/// Votes before a face is refused. More than it takes to pass: a refusal lasts until the face has gone.
pub const MIN_REFUSING: u32 = 12;

/// Mean P(live) from which a track is alive, unless a prompt was answered just before. Of the frames at hand
/// the genuine ones score above 0.95 and one of three attacks 0.72: the middle is no place for the line.
pub const LIVE_FROM: f32 = 0.85;

/// The same of somebody who turned the head as they were asked to. A film guesses both turns in 9 % of its
/// visits at most (simulated: MEASUREMENTS.md), and a person answers nearly always: log-odds of 2.4. Only
/// half of that is taken off [`LIVE_FROM`]: it is not known how far models and prompt err together. The best
/// of three attacks at hand (0.82 with all three models) would pass this line if somebody made it turn.
pub const LIVE_AFTER_PROMPT_FROM: f32 = 0.63;

/// Mean P(live) below which it is an attack; in between more frames are awaited.
const ATTACK_BELOW: f32 = 0.4;

/// Largest input of a model, pixels along a side.
const MAX_SIDE: usize = 256;

/// How far the mean log-odds of both opinions stand below those of the first alone: the least of 89 genuine
/// frames stays above [`LIVE_FROM`], and the best of three attacks below. See MEASUREMENTS.md.
const BOTH: f32 = 0.6;

/// Least overlap of a face's boxes in two frames for which one answer of the third model counts: it looks at
/// every other frame of a face, because it takes longer than the two others together.
const SAME_FACE: f32 = 0.5;

/// Faces of the frame before whose answer is remembered.
const REMEMBERED: usize = 4;

/// The models. Two of them look at every frame that votes.
pub struct Passive {
    models: [(MiniFas, f32); 2],
    third: Option<MiniFas>,
    /// The third one's log-odds of faces of a film, each until its next frame: when, where, and which.
    kept: heapless::Vec<(Duration, Bounds, f32), REMEMBERED>,
}

impl Passive {
    /// Whether the weights of both models are there.
    pub fn is_there(store: &Store) -> bool {
        store.has(Role::AntispoofV2) && store.has(Role::AntispoofV1Se)
    }

    /// Loads both models; `None` where their weights are not there (a machine that reaches package
    /// registries only).
    ///
    /// # Errors
    /// [`EngineError::Load`] when they are there and damaged.
    pub fn load(store: &Store) -> Result<Option<Self>, EngineError> {
        if !Self::is_there(store) {
            return Ok(None);
        }
        let load = |role, variant| EngineError::load(store, role, |weights| MiniFas::load(variant, weights));
        Ok(Some(Self {
            models: [
                (load(Role::AntispoofV2, Variant::V2)?, 2.7),
                (load(Role::AntispoofV1Se, Variant::V1Se)?, 4.0),
            ],
            third: match store.has(Role::Antispoof128) {
                true => Some(load(Role::Antispoof128, Variant::Se128)?),
                false => None,
            },
            kept: heapless::Vec::new(),
        }))
    }

    /// P(live) of the face in this box, 0 to 1: the mean of the two models, and the third one's opinion.
    ///
    /// `face` is a box as upstream's detector draws it: forehead to chin, ear to ear. `at` is the time of a
    /// film's frame, `None` for a single picture.
    ///
    /// # Errors
    /// [`EngineError::Run`] when a model fails.
    pub fn score(
        &mut self,
        picture: &RgbImage,
        face: &Bounds,
        at: Option<Duration>,
    ) -> Result<f32, EngineError> {
        let mut sum = 0.0;
        for (model, scale) in &mut self.models {
            let crop = Crop::about(face, *scale, picture.width(), picture.height());
            let side = model.variant().side();
            let classes = model
                .classify_with(|input| crop.fill_bgr(picture, side, input))
                .map_err(|error| EngineError::run("anti-spoof", &error))?;
            sum += classes[LIVE];
        }
        let pair = sum / self.models.len() as f32;
        let third = self.third(picture, face, at)?;
        Ok(third.map_or(pair, |third| together(log_odds(pair), third)))
    }

    /// The third model's log-odds, of this frame or of the one before; `None` where it is not there.
    fn third(
        &mut self,
        picture: &RgbImage,
        face: &Bounds,
        at: Option<Duration>,
    ) -> Result<Option<f32>, EngineError> {
        let Some(network) = &mut self.third else { return Ok(None) };
        // Of another film, of a longer time ago, or of no film: that is not the frame before.
        self.kept.retain(|(before, ..)| {
            at.is_some_and(|now| now.checked_sub(*before).is_some_and(|gap| gap <= WITHOUT_A_BREAK))
        });
        if let Some(place) = self.kept.iter().position(|(_, before, _)| before.overlap(face) >= SAME_FACE) {
            return Ok(Some(self.kept.swap_remove(place).2));
        }
        let square = Square::about(face, picture.width(), picture.height());
        let side = network.variant().side();
        let [live, ..] = network
            .classify_with(|input| square.fill_rgb(picture, side, input))
            .map_err(|error| EngineError::run("anti-spoof", &error))?;
        let odds = log_odds(live);
        if let Some(now) = at {
            // With more faces than that the model looks at every frame of some.
            let _ = self.kept.push((now, *face, odds));
        }
        Ok(Some(odds))
    }
}

/// The probability from the log-odds of two opinions.
fn together(first: f32, second: f32) -> f32 {
    probability((first + second) / 2.0 - BOTH)
}

fn log_odds(live: f32) -> f32 {
    let live = live.clamp(1e-6, 1.0 - 1e-6);
    (live / (1.0 - live)).ln()
}

fn probability(log_odds: f32) -> f32 {
    1.0 / (1.0 + (-log_odds).exp())
}

/// Pixels of a picture, corners included.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Crop {
    left: u32,
    top: u32,
    width: u32,
    height: u32,
}

impl Crop {
    /// Upstream's `_get_new_box`, its rounding included.
    fn about(face: &Bounds, scale: f32, width: u32, height: u32) -> Self {
        let (last_x, last_y) = (width as f32 - 1.0, height as f32 - 1.0);
        let (box_width, box_height) = (face.width.max(1.0), face.height.max(1.0));
        let scale = scale.min(last_x / box_width).min(last_y / box_height);
        let centre = face.centre();
        let span = |centre: f32, size: f32, last: f32| {
            let (mut low, mut high) = (centre - size / 2.0, centre + size / 2.0);
            if low < 0.0 {
                (low, high) = (0.0, high - low);
            }
            if high > last {
                (low, high) = (low - (high - last), last);
            }
            // Truncated towards zero, as Python's int() does; the clamp is for boxes that are not numbers.
            (low.clamp(0.0, last) as u32, high.clamp(0.0, last) as u32)
        };
        let (left, right) = span(centre.x, box_width * scale, last_x);
        let (top, bottom) = span(centre.y, box_height * scale, last_y);
        Self { left, top, width: right.saturating_sub(left) + 1, height: bottom.saturating_sub(top) + 1 }
    }

    /// Stretches the crop to `side` × `side` as OpenCV's `INTER_LINEAR` does (no averaging, borders
    /// repeated).
    fn fill_bgr(&self, picture: &RgbImage, side: usize, input: &mut [f32]) {
        let taps = |length: u32, i: usize| {
            let at = ((i as f32 + 0.5) * length as f32 / side as f32 - 0.5).clamp(0.0, length as f32 - 1.0);
            let low = at as u32;
            (low, (low + 1).min(length - 1), at - low as f32)
        };
        // Where each column looks is the same for all rows.
        let columns: heapless::Vec<_, MAX_SIDE> = (0..side).map(|column| taps(self.width, column)).collect();
        let data = picture.as_raw();
        let stride = 3 * picture.width() as usize;
        for (row, target) in input.chunks_exact_mut(3 * side).take(side).enumerate() {
            let (upper, lower, fy) = taps(self.height, row);
            let line = |y: u32| {
                &data[(self.top + y) as usize * stride + 3 * self.left as usize..][..3 * self.width as usize]
            };
            let (upper, lower) = (line(upper), line(lower));
            for (target, (west, east, fx)) in target.as_chunks_mut::<3>().0.iter_mut().zip(&columns) {
                let mix = |line: &[u8]| -> [f32; 3] {
                    let (west, east) = (&line[3 * *west as usize..][..3], &line[3 * *east as usize..][..3]);
                    std::array::from_fn(|c| f32::from(west[c]) * (1.0 - fx) + f32::from(east[c]) * fx)
                };
                let (upper, lower) = (mix(upper), mix(lower));
                let colour: [f32; 3] = std::array::from_fn(|c| upper[c] * (1.0 - fy) + lower[c] * fy);
                // Blue first; whole numbers, as OpenCV's 8-bit result has them.
                let [red, green, blue] = colour.map(|value| (value + 0.5) as i32 as f32);
                *target = [blue, green, red];
            }
        }
    }
}

/// What the passive models say of one track, over all of its frames: the mean of the votes' log-odds. A
/// clear vote counts for no more than [`CLEAR`], so that one frame never decides.
#[derive(Debug, Clone, Default)]
pub struct Votes {
    count: u32,
    mean: f32,
}

/// What the votes say.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Verdict {
    /// Too few votes, or no clear answer.
    Open,
    /// Alive.
    Live,
    /// A picture.
    Attack,
}

impl Votes {
    /// Counts P(live) of one frame.
    pub fn cast(&mut self, live: f32) {
        let odds = log_odds(live).clamp(*CLEAR.start(), *CLEAR.end());
        self.count = self.count.saturating_add(1);
        self.mean += (odds - self.mean) / self.count.min(HORIZON) as f32;
    }

    /// The mean of the votes as a probability, 0 to 1; `None` before the first.
    pub fn mean(&self) -> Option<f32> {
        (self.count > 0).then(|| probability(self.mean))
    }

    /// Whether they suffice beside turns that were asked for and shown.
    pub fn suffice_after_prompt(&self) -> bool {
        self.count >= MIN_VOTES && self.mean().is_some_and(|mean| mean >= LIVE_AFTER_PROMPT_FROM)
    }

    /// What they say.
    pub fn verdict(&self) -> Verdict {
        match self.mean() {
            Some(mean) if self.count >= MIN_VOTES && mean >= LIVE_FROM => Verdict::Live,
            Some(mean) if self.count >= MIN_REFUSING && mean < ATTACK_BELOW => Verdict::Attack,
            _ => Verdict::Open,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn bounds(x: f32, y: f32, width: f32, height: f32) -> Bounds {
        Bounds { x, y, width, height }
    }

    #[test]
    fn crops_are_those_of_upstream() {
        // Worked by hand from CropImage._get_new_box.
        let inside = Crop::about(&bounds(300.0, 200.0, 100.0, 120.0), 2.7, 1000, 800);
        assert_eq!(inside, Crop { left: 215, top: 98, width: 271, height: 325 });
        let corner = Crop::about(&bounds(10.0, 10.0, 100.0, 120.0), 2.7, 1000, 800);
        assert_eq!(corner, Crop { left: 0, top: 0, width: 271, height: 325 });
        // 270×324 about (940, 730) would end at 1075 and 892: 76 and 93 beyond the last column and row.
        let far_corner = Crop::about(&bounds(890.0, 670.0, 100.0, 120.0), 2.7, 1000, 800);
        assert_eq!(far_corner, Crop { left: 729, top: 475, width: 271, height: 325 });
        let limited = Crop::about(&bounds(50.0, 50.0, 100.0, 100.0), 4.0, 250, 200);
        assert_eq!((limited.width, limited.height), (200, 200));
    }

    #[test]
    fn a_crop_of_the_models_size_is_copied_with_blue_first() {
        let picture = RgbImage::from_fn(80, 80, |x, y| image::Rgb([x as u8, y as u8, 200]));
        let crop = Crop { left: 0, top: 0, width: 80, height: 80 };
        let mut input = vec![0.0; 3 * 80 * 80];
        crop.fill_bgr(&picture, 80, &mut input);
        assert_eq!(input[3 * (80 * 7 + 5)..][..3], [200.0, 7.0, 5.0]);
    }

    #[test]
    fn two_opinions_add_up_and_each_can_prevent_the_other() {
        assert!(together(log_odds(0.99), log_odds(0.99)) > LIVE_FROM);
        assert!(together(log_odds(0.7), log_odds(0.999)) > LIVE_FROM, "a dark room for one of them");
        assert!(together(log_odds(0.99), log_odds(0.4)) < LIVE_FROM, "a print");
        assert!(together(log_odds(0.73), log_odds(0.96)) < LIVE_FROM, "the best attack of its authors");
        assert!(together(log_odds(0.03), log_odds(0.9)) < ATTACK_BELOW);
        assert!(together(f32::MAX, f32::MIN).is_finite());
    }

    #[test]
    fn half_of_what_a_prompt_says_is_taken_off_the_line() {
        assert!((log_odds(LIVE_FROM) - log_odds(LIVE_AFTER_PROMPT_FROM) - 1.2).abs() < 0.01);
        let mut votes = Votes::default();
        for _ in 1..MIN_VOTES {
            votes.cast(0.7);
            assert!(!votes.suffice_after_prompt(), "too few");
        }
        votes.cast(0.7);
        assert!(votes.suffice_after_prompt() && votes.verdict() == Verdict::Open);
        (0..5).for_each(|_| votes.cast(0.4));
        assert!(!votes.suffice_after_prompt());
    }

    #[test]
    fn a_few_bad_frames_do_not_refuse_a_person_and_few_frames_decide_nothing() {
        let mut votes = Votes::default();
        for _ in 1..MIN_VOTES {
            votes.cast(0.99);
        }
        assert_eq!(votes.verdict(), Verdict::Open);
        votes.cast(0.01);
        assert_eq!(votes.verdict(), Verdict::Open, "one bad frame of five asks for more");
        (0..4).for_each(|_| votes.cast(0.99));
        assert_eq!(votes.verdict(), Verdict::Live);
        for _ in 0..40 {
            votes.cast(0.01);
        }
        assert_eq!(votes.verdict(), Verdict::Attack);
    }

    proptest! {
        #[test]
        fn a_crop_never_leaves_the_picture(
            x in -500f32..1500.0, y in -500f32..1500.0, w in -10f32..3000.0, h in -10f32..3000.0,
            width in 1u32..900, height in 1u32..900, scale in 1f32..4.0
        ) {
            let crop = Crop::about(&bounds(x, y, w, h), scale, width, height);
            prop_assert!(crop.left + crop.width <= width && crop.top + crop.height <= height);
            let mut input = vec![0.0; 3 * 4 * 4];
            crop.fill_bgr(&RgbImage::new(width, height), 4, &mut input);
        }
    }
}
