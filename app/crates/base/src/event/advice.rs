//! What a person before the camera is told, and what has shown that they live: what the door's screen and its
//! opener have to know of recognition.

use serde::{Serialize, Serializer};

/// What a person before the camera should do.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
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
    /// The anti-spoof models cannot tell a person from a picture yet.
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

/// The text, as the event stream always had it.
impl Serialize for Advice {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.text())
    }
}

/// What has shown that a recognised person lives. From weak to strong: the door opener asks for the last two.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Life {
    /// Nothing: the site does not check liveness.
    Unchecked,
    /// Tests that a recording of the person on a screen may pass: passive models, a blink, a turn that
    /// nobody asked for, or one that was asked for while the models doubt.
    Recordable,
    /// The door's own scene is visible around the head.
    Scene,
    /// The person made the turn that was asked for at random.
    Prompt,
}

impl Life {
    /// Whether a recording of the person may have shown the same.
    pub fn may_be_a_recording(self) -> bool {
        self < Self::Scene
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_scene_and_prompt_rule_out_a_recording() {
        let weak = [Life::Unchecked, Life::Recordable];
        assert!(weak.into_iter().all(Life::may_be_a_recording));
        assert!(![Life::Scene, Life::Prompt].into_iter().any(Life::may_be_a_recording));
    }
}
