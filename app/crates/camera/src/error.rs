//! Why there is no frame, and what to do.

use std::path::PathBuf;
use std::time::Duration;

use super::health;
use base::failure::{Diagnosis, Fault};

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
        /// An error of the operating system.
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
