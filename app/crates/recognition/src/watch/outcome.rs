//! What recognition tells the others.

use base::event::Advice;
use base::identity::RollNumber;
use base::moment::Moment;
use liveness;

/// A person was recognised: the one thing that attendance is made of.
#[derive(Debug, Clone, PartialEq)]
pub struct Sighting {
    /// Who.
    pub roll: RollNumber,
    /// The track of the face, counted from the start of the program.
    pub track: u64,
    /// Cosine similarity to the best photo, weighted mean of the votes, −1 to 1.
    pub similarity: f32,
    /// Distance to the best photo of anybody else, the same mean.
    pub margin: f32,
    /// Frames that voted for this answer.
    pub votes: u32,
    /// Similarity that was needed.
    pub threshold: f32,
    /// What was found about liveness.
    pub liveness: liveness::Summary,
    /// When the frame was taken that decided it.
    pub at: Moment,
    /// Frames of the track up to the decision.
    pub frames_to_decision: u32,
}

/// What one frame brought.
#[derive(Debug, Clone, PartialEq)]
pub enum FrameOutcome {
    /// A living person was recognised; told once a visit, and again when the person stays.
    Recognised(Sighting),
    /// A face was seen well over enough frames, and is nobody on the roster; told once a track.
    Stranger {
        /// The track.
        track: u64,
        /// Best similarity seen.
        similarity: f32,
        /// Similarity that is needed.
        threshold: f32,
        /// When.
        at: Moment,
    },
    /// A face looks like somebody on the roster and not like a living person; told once for
    /// each refusal.
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
