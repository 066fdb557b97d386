//! What is shown to the camera: a living person, or an attack of some species.

use std::f32::consts::TAU;

use serde::Serialize;

use super::head::Attitude;

/// A species of attack; each is counted apart.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Species {
    /// A photo on paper, held by hand.
    PrintPlain,
    /// The same with a white border.
    PrintBorder,
    /// The same, bent.
    PrintBent,
    /// A photo cut close round the head, with straight edges.
    PrintTight,
    /// A photo on a phone with bezel and hand.
    Phone,
    /// A photo on a tablet whose pixels make a moiré pattern.
    TabletMoire,
    /// A photo on a tablet that mirrors a lamp.
    TabletGlare,
    /// A film on a monitor that flickers.
    MonitorFlicker,
    /// A photo on a tablet moved to and fro.
    TabletMoved,
    /// One photo animated by a mesh (turning and blinking), on a tablet.
    Animated,
    /// The same on a screen that fills the frame.
    AnimatedFullFrame,
    /// A film of somebody who turns the head to some side now and then, filling the frame.
    FilmFullFrame,
    /// A paper mask cut out along the head.
    CutOut,
    /// A screen that fills the frame and shows the person before this very door.
    OwnScene,
}

impl Species {
    /// All of them.
    pub const ALL: [Self; 14] = [
        Self::PrintPlain,
        Self::PrintBorder,
        Self::PrintBent,
        Self::PrintTight,
        Self::Phone,
        Self::TabletMoire,
        Self::TabletGlare,
        Self::MonitorFlicker,
        Self::TabletMoved,
        Self::Animated,
        Self::AnimatedFullFrame,
        Self::FilmFullFrame,
        Self::CutOut,
        Self::OwnScene,
    ];

    /// In words.
    pub fn name(self) -> &'static str {
        match self {
            Self::PrintPlain => "print, plain",
            Self::PrintBorder => "print with border",
            Self::PrintBent => "print, bent",
            Self::PrintTight => "print cut tight",
            Self::Phone => "phone with hand",
            Self::TabletMoire => "tablet, moiré",
            Self::TabletGlare => "tablet, glare",
            Self::MonitorFlicker => "monitor, flicker",
            Self::TabletMoved => "tablet moved to and fro",
            Self::Animated => "animated photo on a tablet",
            Self::AnimatedFullFrame => "animated photo, full frame",
            Self::FilmFullFrame => "film, full frame",
            Self::CutOut => "cut-out mask",
            Self::OwnScene => "the door's own scene",
        }
    }

    /// Whether the goal of 5 % holds for it. The two others pass by principle and are only reported.
    pub fn is_gated(self) -> bool {
        !matches!(self, Self::CutOut | Self::OwnScene)
    }

    /// Whether the development half has it. The others are seen by the test half only.
    pub fn is_in_development(self) -> bool {
        !matches!(self, Self::PrintBorder | Self::TabletGlare | Self::MonitorFlicker | Self::TabletMoved)
    }

    pub(super) fn is_animated(self) -> bool {
        matches!(self, Self::Animated | Self::AnimatedFullFrame)
    }

    /// A film of a head that rests between its turns.
    pub(super) fn is_filmed(self) -> bool {
        matches!(self, Self::FilmFullFrame | Self::OwnScene)
    }

    pub(super) fn fills_the_frame(self) -> bool {
        matches!(self, Self::AnimatedFullFrame | Self::FilmFullFrame | Self::OwnScene)
    }
}

/// Which half of people and of parameters an item is from.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Half {
    /// Limits may be set on it.
    Development,
    /// Run after changes; no limit is set on it alone. How often it was run is in MEASUREMENTS.md.
    Test,
}

/// Parameters of one item, in the ranges of its half.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct Parameters {
    /// Width of the face, pixels.
    pub face: f32,
    /// Where it is, from the frame's middle, pixels.
    pub place: [f32; 2],
    /// Largest noise of a pixel. An assumption: a stream of 1280×720 averages 13 pixels of Camera Module 3.
    pub noise: f32,
    /// Shake of the camera, pixels.
    pub shake: f32,
    /// Change of the light, as a share.
    pub light: f32,
    /// Whether somebody walks behind.
    pub walker: bool,
    /// Half width and height of the sheet or screen, face widths.
    pub sheet: [f32; 2],
    /// Width of its border or bezel, face widths.
    pub border: f32,
    /// Strength of what the species adds (bend, moiré, glare, flicker, motion), 0 to 1.
    pub strength: f32,
    /// Offset of a copy of the scene, pixels of 320.
    pub offset: f32,
    /// Phase of the motions, radians.
    pub phase: f32,
    /// Seconds until a person reacts to a prompt.
    pub reaction: f32,
    /// How far they turn then, radians: 23 to 40°.
    pub turn: f32,
}

impl Parameters {
    /// Draws parameters. Each range is cut into eight parts: development takes every other one, test the
    /// rest, so that no value of one half is in the other.
    pub fn draw(half: Half, random: &mut fastrand::Rng) -> Self {
        let mut value = |low: f32, high: f32| {
            let part = 2 * random.u32(..4) + u32::from(half == Half::Test);
            low + (high - low) * (part as f32 + random.f32()) / 8.0
        };
        Self {
            face: value(78.0, 112.0),
            place: [value(-70.0, 70.0), value(-25.0, 35.0)],
            noise: value(1.0, 4.0),
            shake: value(0.0, 1.6),
            light: value(0.0, 0.12),
            walker: value(0.0, 1.0) > 0.75,
            sheet: [value(0.95, 1.5), value(1.2, 1.7)],
            border: value(0.06, 0.25),
            strength: value(0.2, 1.0),
            offset: value(0.0, 10.0),
            phase: value(0.0, TAU),
            reaction: value(0.4, 1.2),
            turn: value(0.40, 0.70),
        }
    }
}

/// The head of somebody who answers no prompt: a living person's small motions.
pub(super) fn at_rest(parameters: &Parameters, seconds: f32) -> Attitude {
    let phase = parameters.phase;
    Attitude {
        yaw: 0.05 * (1.3 * seconds + phase).sin(),
        pitch: 0.04 * (0.9 * seconds + 2.0 * phase).cos(),
        closed: blinking(seconds + phase),
    }
}

/// What an animated photo does: it turns to all sides without a rest and blinks, whatever is asked for.
pub(super) fn animated(parameters: &Parameters, seconds: f32) -> Attitude {
    let phase = parameters.phase;
    Attitude {
        yaw: parameters.turn * (0.45 * TAU * seconds + phase).sin(),
        pitch: 0.5 * parameters.turn * (0.3 * TAU * seconds + phase).sin(),
        closed: blinking(seconds + phase),
    }
}

/// What a film does whose head rests, and turns to some side now and then.
pub(super) fn filmed(parameters: &Parameters, seconds: f32) -> Attitude {
    // The turns are drawn by chance, and the same each time they are asked for.
    let mut random = fastrand::Rng::with_seed(u64::from(parameters.phase.to_bits()));
    let rest = at_rest(parameters, seconds);
    let mut begins = 0.0;
    while begins <= seconds {
        begins += 0.3 + 2.7 * random.f32();
        let (side, holds) = (random.u8(..4), 0.9 + 0.8 * random.f32());
        let after = seconds - begins;
        if (0.0..holds).contains(&after) {
            let angle = parameters.turn * (after / 0.4).min((holds - after) / 0.4).min(1.0);
            let [across, down] = [[1.0, 0.0], [-1.0, 0.0], [0.0, -1.0], [0.0, 1.0]][usize::from(side)];
            return Attitude { yaw: across * angle + rest.yaw, pitch: down * angle + rest.pitch, ..rest };
        }
        begins += holds;
    }
    rest
}

/// A blink of a fifth of a second every two seconds and a half.
fn blinking(seconds: f32) -> f32 {
    if seconds % 2.5 > 2.3 { 1.0 } else { 0.0 }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn film_rests_and_turns_to_all_sides() {
        let mut random = fastrand::Rng::with_seed(3);
        let (mut rests, mut sides) = (0, [false; 4]);
        for _ in 0..20 {
            let parameters = Parameters::draw(Half::Development, &mut random);
            for n in 0..66u8 {
                let held = filmed(&parameters, 0.1 * f32::from(n));
                rests += usize::from(held.yaw.abs() < 0.06 && held.pitch.abs() < 0.06);
                let shown = [held.yaw > 0.3, held.yaw < -0.3, held.pitch < -0.3, held.pitch > 0.3];
                sides = std::array::from_fn(|side| sides[side] || shown[side]);
            }
        }
        assert!((400..1_100).contains(&rests), "{rests} of 1,320");
        assert_eq!(sides, [true; 4]);
    }

    #[test]
    fn halves_share_no_value() {
        let mut random = fastrand::Rng::with_seed(1);
        let mut part = |half| {
            let face = Parameters::draw(half, &mut random).face;
            ((face - 78.0) / (112.0 - 78.0) * 8.0) as u32 % 2
        };
        assert!((0..200).all(|_| part(Half::Development) == 0 && part(Half::Test) == 1));
        assert!(Species::ALL.iter().any(|species| !species.is_in_development()));
    }
}
