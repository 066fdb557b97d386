//! What a person before the camera is told, and when: early enough to help, and only once.

use serde::Serialize;

use crate::liveness::prompt::Turn;

/// Frames in a row with the same problem before the person is told: a single blurred frame is nobody's fault.
const PATIENCE: u32 = 5;

/// What a person before the camera should do.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Advice {
    /// The face is too small.
    ComeCloser,
    /// The face is too dark.
    MoreLight,
    /// The face is overexposed.
    LessLight,
    /// The face is turned away.
    LookAtTheCamera,
    /// The face is blurred by motion.
    HoldStill,
    /// A blink is needed to tell a person from a photo.
    Blink,
    /// A blink, or a turn of the head, is needed to tell a person from a photo.
    BlinkOrTurn,
    /// The anti-spoof networks cannot tell a person from a picture yet.
    BetterView,
    /// The head is to be turned to the person's left, because nothing else shows a living person.
    TurnLeft,
    /// The same to the right.
    TurnRight,
    /// The head is to be raised.
    LookUp,
    /// The head is to be lowered.
    LookDown,
    /// The face was refused. It is looked at again after it has been gone for some seconds.
    StepAside,
    /// The face is not among the photos that are loaded, and more are on their way.
    WaitForPhotos,
}

impl From<Turn> for Advice {
    fn from(turn: Turn) -> Self {
        match turn {
            Turn::Left => Self::TurnLeft,
            Turn::Right => Self::TurnRight,
            Turn::Up => Self::LookUp,
            Turn::Down => Self::LookDown,
        }
    }
}

impl Advice {
    /// In words for the person.
    pub fn text(self) -> &'static str {
        match self {
            Self::ComeCloser => "come closer",
            Self::MoreLight => "more light is needed",
            Self::LessLight => "the light is too bright",
            Self::LookAtTheCamera => "look at the camera",
            Self::HoldStill => "hold still",
            Self::Blink => "blink, please",
            Self::BlinkOrTurn => "blink or turn your head, please",
            Self::BetterView => "come closer, into better light",
            Self::TurnLeft => "turn your head to your left, please",
            Self::TurnRight => "turn your head to your right, please",
            Self::LookUp => "look up, please",
            Self::LookDown => "look down, please",
            Self::StepAside => "not accepted; step aside for a few seconds and come back without a picture",
            Self::WaitForPhotos => "one moment, photos are still being loaded",
        }
    }
}

/// What a person was advised, so that advice comes late enough to be true and is not repeated.
#[derive(Debug, Default)]
pub struct Counsel {
    current: Option<Advice>,
    frames: u32,
    told: Option<Advice>,
}

impl Counsel {
    /// Notes the advice of one frame; gives it when it is time to tell it.
    pub fn note(&mut self, advice: Option<Advice>) -> Option<Advice> {
        self.frames = if advice == self.current { self.frames.saturating_add(1) } else { 1 };
        self.current = advice;
        // What does not depend on the picture stays until it is fulfilled: that the picture is good does not
        // change it.
        let lasts = matches!(
            self.told,
            Some(
                Advice::Blink
                    | Advice::BlinkOrTurn
                    | Advice::TurnLeft
                    | Advice::TurnRight
                    | Advice::LookUp
                    | Advice::LookDown
                    | Advice::StepAside
                    | Advice::BetterView
                    | Advice::WaitForPhotos
            )
        );
        // A head that turns as it was asked to looks away from the camera, and moves.
        let turning = matches!(
            self.told,
            Some(Advice::TurnLeft | Advice::TurnRight | Advice::LookUp | Advice::LookDown)
        ) && matches!(advice, Some(Advice::LookAtTheCamera | Advice::HoldStill));
        let asked = lasts && (advice.is_none() || turning);
        if self.frames < PATIENCE || advice == self.told || asked {
            return None;
        }
        self.told = advice;
        advice
    }

    /// What the person was told last.
    pub fn told(&self) -> Option<Advice> {
        self.told
    }

    /// Notes advice that is certain; whether it is to be told.
    pub fn tell(&mut self, advice: Advice) -> bool {
        self.told.replace(advice) != Some(advice)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn advice_is_told_once_when_it_lasts_and_again_after_it_changed() {
        let mut counsel = Counsel::default();
        let far = Some(Advice::ComeCloser);
        let told: Vec<_> = (0..20).filter_map(|_| counsel.note(far)).collect();
        assert_eq!(told, [Advice::ComeCloser]);
        for n in 0..10 {
            let flicker = if n % 2 == 0 { far } else { Some(Advice::HoldStill) };
            assert_eq!(counsel.note(flicker), None, "flicker is not told");
        }
        assert!((0..PATIENCE).all(|_| counsel.note(None).is_none()));
        assert!((0..PATIENCE).any(|_| counsel.note(far).is_some()), "it became good in between");
    }
}
