//! One frame after the other, and what is known after each.

use serde::Serialize;

use super::engine::{Engine, EngineError};
use super::gallery::SharedGallery;
use crate::camera::Frame;
use crate::config;
use crate::identity::RollNumber;
use crate::liveness;
use crate::moment::Moment;

/// A person was recognised: the one thing that attendance is made of.
#[derive(Debug, Clone, PartialEq)]
pub struct Sighting {
    /// Who.
    pub roll: RollNumber,
    /// The track of the face, counted from the start of the program.
    pub track: u64,
    /// Cosine similarity to the best photo, −1 to 1.
    pub similarity: f32,
    /// Distance to the best photo of anybody else.
    pub margin: f32,
    /// Frames that voted for this answer.
    pub votes: u32,
    /// What was found about liveness.
    pub liveness: liveness::Summary,
    /// When the frame was taken that decided it.
    pub at: Moment,
    /// Frames of the track up to the decision.
    pub frames_to_decision: u32,
}

/// What one frame brought.
#[derive(Debug, Clone, PartialEq)]
pub enum Outcome {
    /// A living person was recognised; told once a visit.
    Recognised(Sighting),
    /// A face was seen well over enough frames, and is nobody on the roster; told once a track.
    Stranger {
        /// The track.
        track: u64,
        /// Best similarity seen.
        similarity: f32,
        /// When.
        at: Moment,
    },
    /// A face looks like somebody on the roster and not like a living person; told once a track.
    AttackRefused {
        /// The track.
        track: u64,
        /// Whom it looks like.
        roll: RollNumber,
        /// Which test refused it and its scores.
        liveness: liveness::Summary,
        /// When.
        at: Moment,
    },
    /// Why nothing happens yet, for the person; told when it changes.
    Hint {
        /// The track.
        track: u64,
        /// What to do.
        advice: Advice,
    },
}

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
        }
    }
}

/// Recognition with its state: the tracks.
pub struct Pipeline {
    _engine: Engine,
    _gallery: SharedGallery,
}

impl Pipeline {
    /// A pipeline without tracks.
    pub fn new(
        engine: Engine,
        gallery: SharedGallery,
        _recognition: &config::Recognition,
        _liveness: &config::Liveness,
    ) -> Self {
        Self { _engine: engine, _gallery: gallery }
    }

    /// Looks at one frame.
    ///
    /// # Errors
    /// [`EngineError::Run`] when a network fails; the tracks are as before the frame.
    pub fn process(&mut self, _frame: &Frame) -> Result<Vec<Outcome>, EngineError> {
        Ok(Vec::new())
    }
}
