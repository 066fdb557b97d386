//! Where frames come from.
//!
//! A [`Source`] fills the caller's [`Frame`]; [`capture`] runs it on a thread of its own and hands frames to
//! the inference thread through [`vision::latest`], a bounded queue that blocks nobody: a slow consumer
//! drops frames, it never queues them.
#![forbid(unsafe_code)]

pub mod capture;
pub mod config;
pub mod escalation;
pub mod exposure;
pub mod focus;
pub mod health;
#[cfg(feature = "libcamera")]
pub mod libcamera;
pub mod planes;
pub mod replay;
pub mod turn;

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use base::failure::{Diagnosis, Fault};
use base::moment::Clock;
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

/// Why there is no frame.
#[derive(Debug, thiserror::Error)]
pub enum CameraError {
    /// This build has no libcamera.
    #[error("{}", self.fault())]
    NotBuilt,
    /// No camera is connected, or not the one the configuration names.
    #[error("{}", self.fault())]
    Missing {
        /// Which camera was looked for.
        wanted: String,
    },
    /// The camera was there and is gone.
    #[error("{}", self.fault())]
    Unplugged {
        /// Its name.
        camera: String,
    },
    /// Frames come, and show nothing.
    #[error("{}", self.fault())]
    Blind {
        /// What they show.
        fault: health::Fault,
    },
    /// The camera neither opens nor closes: its driver hangs, and nothing in this process can help.
    #[error("{}", self.fault())]
    Stuck {
        /// How long was waited.
        waited: Duration,
    },
    /// The camera gave no frame in time.
    #[error("{}", self.fault())]
    Stalled {
        /// How long was waited.
        waited: Duration,
    },
    /// The camera or its driver refused.
    #[error("{}", self.fault())]
    Device {
        /// What it said.
        reason: String,
    },
    /// A replay file cannot be read.
    #[error("{}", self.fault())]
    Unreadable {
        /// The file or folder.
        path: PathBuf,
        /// What the system says.
        source: std::io::Error,
    },
    /// A replay file is not what its name says, or is damaged.
    #[error("{}", self.fault())]
    Malformed {
        /// The file.
        path: PathBuf,
        /// What is wrong and what is allowed.
        reason: String,
    },
}

impl Diagnosis for CameraError {
    fn fault(&self) -> Fault {
        let opened_again = "it is opened again";
        match self {
            Self::NotBuilt => Fault::new("this build has no libcamera")
                .advise("build with the feature \"libcamera\", or set camera.source = \"replay\""),
            Self::Missing { wanted } => Fault::new(format!("no camera found ({wanted})"))
                .advise("check the cable at both ends, and camera.id in the configuration"),
            Self::Unplugged { camera } => Fault::new(format!("the camera {camera} was unplugged"))
                .advise("plug it in again, and check the cable at both ends"),
            Self::Blind { fault } => {
                Fault::new(format!("the camera {}", fault.what())).advise(fault.advice())
            }
            Self::Stuck { waited } => {
                Fault::new(format!("the camera's driver hangs for {} s", waited.as_secs()))
                    .advise("the program is started again")
            }
            Self::Stalled { waited } => {
                Fault::new(format!("the camera gave no frame for {:.1} s", waited.as_secs_f32()))
                    .advise(opened_again)
            }
            Self::Device { reason } => {
                Fault::new(format!("the camera failed: {reason}")).advise(opened_again)
            }
            Self::Unreadable { path, source } => {
                Fault::new(format!("cannot read {}: {source}", path.display())).advise("check camera.replay")
            }
            Self::Malformed { path, reason } => {
                Fault::new(format!("{}: {reason}", path.display())).advise("check camera.replay")
            }
        }
    }
}

/// Opens what the configuration names.
///
/// # Errors
/// [`CameraError`] when there is no such camera or file.
pub fn open(config: &config::Camera, clock: Arc<dyn Clock>) -> Result<Box<dyn Source>, CameraError> {
    match config.source {
        #[cfg(feature = "libcamera")]
        config::CameraSource::Libcamera => Ok(Box::new(libcamera::Device::open(config, clock)?)),
        #[cfg(not(feature = "libcamera"))]
        config::CameraSource::Libcamera => Err(CameraError::NotBuilt),
        config::CameraSource::Replay => {
            Ok(Box::new(replay::Replay::open(&config.replay, replay::Pace::of(config), clock)?))
        }
    }
}
