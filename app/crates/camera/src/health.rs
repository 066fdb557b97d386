//! Whether what a camera delivers is a picture of anything: black, frozen or garbled frames come on time and
//! show nothing. Pure.
//!
//! A sensor that works is never quite still: every pixel has noise. So frames that are equal to the last bit,
//! or even to the last bit within, are a driver's or a cable's work, or that of a lens cap. And what a sensor
//! sees is smooth: neighbours in a picture are alike, as those in torn data are not.

use std::hash::{DefaultHasher, Hasher as _};
use std::time::Duration;

use vision::frame::{Picture, PixelFormat};

/// A fault must last this long, so that one bad frame is none, and short enough to be told within three
/// seconds.
const LASTING: Duration = Duration::from_millis(2500);

/// Rows and columns that are looked at: 1,024 places and their neighbours, microseconds of work.
const GRID: u32 = 32;

/// A surface whose brightest and darkest places differ by no more than this (of 255) is even. Coding a black
/// picture as JPEG leaves so much.
const EVEN: u8 = 3;

/// Neighbouring places that differ by more than this share of the picture's standard deviation are unrelated.
/// Independent values differ by 1.13 of it (normally distributed) to 1.15 (evenly); pictures of rooms and
/// people by 0.05 to 0.4.
const STRANGERS: f32 = 0.85;

/// Noise of a dark picture is not damage: only strong patterns (standard deviation, of 255) count as damage.
const STRONG: f32 = 40.0;

/// What is wrong with what a camera shows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fault {
    /// One even surface.
    Even {
        /// Its brightness, 0 to 255.
        brightness: u8,
    },
    /// The same picture again and again.
    Frozen,
    /// Noise.
    Garbled,
}

impl Fault {
    /// What the camera does.
    pub fn what(self) -> &'static str {
        match self {
            Self::Even { brightness: 0..40 } => "sees nothing but black",
            Self::Even { .. } => "sees one even surface",
            Self::Frozen => "repeats one picture",
            Self::Garbled => "gives noise instead of pictures",
        }
    }

    /// What to do about it.
    pub fn advice(self) -> &'static str {
        match self {
            Self::Even { brightness: 0..40 } => "take the cover off the lens, and check that there is light",
            Self::Even { .. } => "take away what covers the lens, and check the cable at both ends",
            Self::Frozen => "check the cable at both ends if that does not pass",
            Self::Garbled => "check the cable at both ends",
        }
    }
}

/// Watches the frames of one opening of a camera.
#[derive(Debug, Default)]
pub struct Watch {
    /// What the last frame looked like.
    last: Option<u64>,
    /// Since when it looks wrong, and how.
    since: Option<(Duration, Fault)>,
}

impl Watch {
    /// Looks at a frame that was taken at `at` (time since boot); answers a fault once it has lasted.
    pub fn look(&mut self, picture: &Picture, at: Duration) -> Option<Fault> {
        let sample = Sample::of(picture)?;
        let fault = sample.fault(self.last.replace(sample.print));
        let Some(fault) = fault else {
            self.since = None;
            return None;
        };
        let alike = |other: Fault| std::mem::discriminant(&other) == std::mem::discriminant(&fault);
        let (since, _) = *match &mut self.since {
            Some(known) if alike(known.1) => known,
            other => other.insert((at, fault)),
        };
        (at.saturating_sub(since) >= LASTING).then_some(fault)
    }
}

/// Brightness at some places.
struct Sample {
    darkest: u8,
    brightest: u8,
    deviation: f32,
    /// Mean difference of each place to its right-hand neighbour.
    step: f32,
    /// Equal for equal samples.
    print: u64,
}

impl Sample {
    /// `None` for a picture too small for the grid.
    fn of(picture: &Picture) -> Option<Self> {
        let (width, height) = (picture.width(), picture.height());
        if width < 2 * GRID || height < GRID {
            return None;
        }
        // Green stands for brightness; in the planar formats brightness comes first.
        let (pixel, offset) = if picture.format() == PixelFormat::Rgb { (3, 1) } else { (1, 0) };
        let bytes = picture.bytes();
        let mut hasher = DefaultHasher::new();
        let (mut darkest, mut brightest) = (u8::MAX, u8::MIN);
        let (mut sum, mut squares, mut steps) = (0.0, 0.0, 0.0);
        for place in 0..GRID * GRID {
            let (x, y) = ((place % GRID) * (width / GRID), (place / GRID) * (height / GRID));
            let at = ((y * width + x) as usize) * pixel + offset;
            let (value, neighbour) = (*bytes.get(at)?, *bytes.get(at + pixel)?);
            hasher.write(&[value, neighbour]);
            darkest = darkest.min(value).min(neighbour);
            brightest = brightest.max(value).max(neighbour);
            sum += f32::from(value);
            squares += f32::from(value) * f32::from(value);
            steps += f32::from(value.abs_diff(neighbour));
        }
        let places = (GRID * GRID) as f32;
        let mean = sum / places;
        let deviation = (squares / places - mean * mean).max(0.0).sqrt();
        Some(Self { darkest, brightest, deviation, step: steps / places, print: hasher.finish() })
    }

    fn fault(&self, before: Option<u64>) -> Option<Fault> {
        if self.brightest - self.darkest <= EVEN {
            return Some(Fault::Even { brightness: self.darkest });
        }
        if self.deviation > STRONG && self.step > STRANGERS * self.deviation {
            return Some(Fault::Garbled);
        }
        (before == Some(self.print)).then_some(Fault::Frozen)
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use proptest::prelude::*;

    use super::*;

    const FRAME: Duration = Duration::from_millis(66);

    fn grey(mut value: impl FnMut(u32, u32) -> u8) -> Picture {
        let mut picture = Picture::default();
        let bytes = picture.reshape(160, 120, PixelFormat::Grey).unwrap();
        for (place, byte) in bytes.iter_mut().enumerate() {
            *byte = value(place as u32 % 160, place as u32 / 160);
        }
        picture
    }

    /// A room: a smooth ramp with edges, and this much noise.
    fn room(noise: u8) -> Picture {
        grey(|x, y| {
            let ramp = 30 + x + if y > 60 { 40 } else { 0 };
            (ramp as u8).saturating_add(if noise > 0 { fastrand::u8(0..=noise) } else { 0 })
        })
    }

    /// After how many frames a fault is told, and which.
    fn told(mut picture: impl FnMut() -> Picture, frames: u32) -> Option<(u32, Fault)> {
        let mut watch = Watch::default();
        (0..frames).find_map(|n| watch.look(&picture(), FRAME * n).map(|fault| (n, fault)))
    }

    fn soon((frames, _): (u32, Fault)) -> bool {
        FRAME * frames < Duration::from_secs(3)
    }

    #[test]
    fn black_frozen_and_garbled_frames_are_faults() {
        let black = told(|| grey(|_, _| 16), 100).unwrap();
        assert!(soon(black) && black.1 == Fault::Even { brightness: 16 });
        assert!(black.1.advice().contains("lens"));
        let green = told(|| grey(|_, _| 80 + fastrand::u8(0..3)), 100).unwrap();
        assert!(matches!(green.1, Fault::Even { brightness: 80 }));
        let frozen = room(3);
        let frozen = told(|| frozen.clone(), 100).unwrap();
        assert!(soon(frozen) && frozen.1 == Fault::Frozen);
        let garbled = told(|| grey(|_, _| fastrand::u8(..)), 100).unwrap();
        assert!(soon(garbled) && garbled.1 == Fault::Garbled);
        assert_eq!(told(|| room(3), 1000), None);
    }

    #[test]
    fn dark_noisy_room_is_no_fault() {
        assert_eq!(told(|| grey(|_, _| 10 + fastrand::u8(0..30)), 1000), None);
    }

    #[test]
    fn passing_fault_is_forgotten() {
        let mut n = 0;
        let flicker = || {
            n += 1;
            if n % 30 == 0 { room(3) } else { grey(|_, _| 0) }
        };
        assert_eq!(told(flicker, 1000), None);
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(12))]

        #[test]
        fn noise_of_any_strength_is_no_fault(noise in 1..60u8) {
            prop_assert_eq!(told(|| room(noise), 100), None);
        }

        #[test]
        fn no_picture_makes_it_panic(width in 1..200u32, height in 1..200u32, fill: u8, rgb: bool) {
            let mut picture = Picture::default();
            let format = if rgb { PixelFormat::Rgb } else { PixelFormat::default() };
            picture.reshape(width, height, format).unwrap().fill(fill);
            Watch::default().look(&picture, FRAME);
            Watch::default().look(&Picture::default(), FRAME);
        }
    }
}
