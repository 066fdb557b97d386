//! What every source of frames does.

use std::time::Duration;

use super::error::CameraError;
use vision::face::Bounds;
use vision::frame::Frame;

/// Something that delivers frames: a camera, or files in its place.
pub trait Source: Send {
    /// What it is, for the log and the status page: "replay of carphone.y4m".
    fn describe(&self) -> String;

    /// Waits for the next picture, at most `patience`, and fills `frame` with it; the frame's buffer is
    /// reused.
    ///
    /// # Errors
    /// [`CameraError`]; the source should be opened again.
    fn next_frame(&mut self, frame: &mut Frame, patience: Duration) -> Result<Grab, CameraError>;

    /// Told before each frame: where in the picture the largest face is, to be exposed and focused for. Files
    /// ignore it.
    fn follow(&mut self, _face: Option<Bounds>) {}
}

/// What a [`Source`] answered.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Grab {
    /// The frame was filled.
    Filled,
    /// No picture came in time; the source may be well, only slower.
    Waiting,
    /// There is no further frame: a replay without loop is over.
    Ended,
}
