//! The colours, and how well they can be told apart.

use tiny_skia::Color;

use crate::state::{Kind, Light};

/// Red, green, blue.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Rgb(pub u8, pub u8, pub u8);

/// White text.
pub const WHITE: Rgb = Rgb(255, 255, 255);
/// Dark text on bright ground.
pub const INK: Rgb = Rgb(29, 22, 0);
/// The ground of the idle screen.
pub const NIGHT_BLUE: Rgb = Rgb(14, 27, 44);
/// Quiet text on it.
pub const MIST: Rgb = Rgb(168, 190, 212);
/// What asks for attention.
pub const AMBER: Rgb = Rgb(255, 196, 61);
const BLACK: Rgb = Rgb(0, 0, 0);

impl Rgb {
    /// For tiny-skia.
    pub fn color(self) -> Color {
        Color::from_rgba8(self.0, self.1, self.2, 255)
    }

    /// Somewhere between black and itself.
    #[must_use]
    pub fn dimmed(self, share: f32) -> Self {
        let part = |channel: u8| (f32::from(channel) * share) as u8;
        Self(part(self.0), part(self.1), part(self.2))
    }

    /// Contrast by WCAG 2, 1 to 21.
    pub fn contrast(self, other: Self) -> f32 {
        let (a, b) = (self.luminance(), other.luminance());
        (a.max(b) + 0.05) / (a.min(b) + 0.05)
    }

    fn luminance(self) -> f32 {
        let linear = |channel: u8| {
            let share = f32::from(channel) / 255.0;
            if share <= 0.04045 { share / 12.92 } else { ((share + 0.055) / 1.055).powf(2.4) }
        };
        0.2126 * linear(self.0) + 0.7152 * linear(self.1) + 0.0722 * linear(self.2)
    }
}

/// Ground and text of an answer.
pub fn of_answer(kind: Kind) -> (Rgb, Rgb) {
    match kind {
        Kind::In => (Rgb(11, 118, 60), WHITE),
        Kind::Out => (Rgb(21, 84, 168), WHITE),
        Kind::Seen => (Rgb(13, 94, 100), WHITE),
        Kind::TooEarly => (Rgb(72, 76, 100), WHITE),
        Kind::Unknown => (Rgb(106, 44, 145), WHITE),
        Kind::Refused => (Rgb(176, 20, 28), WHITE),
        Kind::Wait => (Rgb(44, 62, 84), WHITE),
    }
}

/// Ground, main and quiet text of the idle screen.
pub fn of_idle(light: Light) -> (Rgb, Rgb, Rgb) {
    match light {
        Light::Bright => (NIGHT_BLUE, WHITE, MIST),
        Light::Dim => (NIGHT_BLUE.dimmed(0.35), WHITE.dimmed(0.5), MIST.dimmed(0.5)),
        Light::Night => (BLACK, WHITE.dimmed(0.27), MIST.dimmed(0.27)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn texts_can_be_read_and_answers_differ() {
        let most = WHITE.contrast(BLACK);
        assert!((most - 21.0).abs() < 0.01, "{most}");
        for kind in Kind::ALL {
            let (ground, text) = of_answer(kind);
            assert!(ground.contrast(text) >= 4.5, "{kind:?}: {}", ground.contrast(text));
            for other in Kind::ALL.into_iter().filter(|other| *other != kind) {
                assert_ne!(of_answer(other).0, ground, "{kind:?} and {other:?}");
            }
        }
        for light in [Light::Bright, Light::Dim] {
            let (ground, text, quiet) = of_idle(light);
            assert!(ground.contrast(text) >= 4.5 && ground.contrast(quiet) >= 3.0, "{light:?}");
        }
        assert!(AMBER.contrast(INK) >= 7.0);
        let (ground, text, _) = of_idle(Light::Night);
        assert!(ground.contrast(text) < 3.0, "the night is dark");
    }
}
