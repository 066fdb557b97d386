//! Where frames come from.
//!
//! A [`Source`] fills the caller's [`vision::frame::Frame`]; [`capture`] runs it on a thread of its own and
//! hands frames to the inference thread through [`vision::latest`], a bounded queue that blocks nobody: a
//! slow consumer drops frames, it never queues them.
#![forbid(unsafe_code)]

pub mod capture;
pub mod config;
mod error;
pub mod escalation;
pub mod exposure;
pub mod focus;
pub mod health;
#[cfg(feature = "libcamera")]
pub mod libcamera;
pub mod planes;
pub mod replay;
mod source;
pub mod turn;

use std::sync::Arc;

use base::moment::Clock;

pub use error::CameraError;
pub use source::{Grab, Source};

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
