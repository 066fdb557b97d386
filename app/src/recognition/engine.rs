//! The networks behind recognition, loaded once for a thread.

use std::path::Path;

use image::RgbImage;

use super::embedding::Embedding;
use super::face::{Bounds, Face};
use super::quality::Quality;
use crate::config;

/// The detector, the mesh and the embedder, with their buffers. One for each thread that recognises or enrols.
pub struct Engine {
    hash: String,
}

/// A network cannot be loaded or run.
#[derive(Debug, thiserror::Error)]
pub enum EngineError {
    /// A weight file is missing or damaged.
    #[error("cannot load the network {role}: {reason}; run fetch_models")]
    Load {
        /// Which network.
        role: &'static str,
        /// What is wrong with it.
        reason: String,
    },
    /// A network failed on a picture.
    #[error("the network {role} failed: {reason}")]
    Run {
        /// Which network.
        role: &'static str,
        /// What it said.
        reason: String,
    },
}

/// A face that was enrolled from a photo.
#[derive(Debug, Clone)]
pub struct Enrolment {
    /// The face as a point on the unit sphere.
    pub embedding: Embedding,
    /// How good the photo is.
    pub quality: Quality,
    /// Where the face is in the photo.
    pub bounds: Bounds,
}

/// Why a photo does not enrol; the message is for the technician.
#[derive(Debug, thiserror::Error)]
pub enum EnrolRefusal {
    /// No face was found.
    #[error("no face found; take a photo of the face from the front")]
    NoFace,
    /// More than one face of similar size.
    #[error("{count} faces; crop the photo to one person")]
    SeveralFaces {
        /// How many.
        count: usize,
    },
    /// Too few pixels.
    #[error("the face is {width:.0} pixels wide; at least {minimum} are needed")]
    TooSmall {
        /// Width found.
        width: f32,
        /// Width needed.
        minimum: u32,
    },
    /// Out of focus or moved.
    #[error("the face is blurred (sharpness {sharpness:.0}, at least {minimum:.0} is needed)")]
    Blurred {
        /// Sharpness found.
        sharpness: f32,
        /// Sharpness needed.
        minimum: f32,
    },
    /// Turned away.
    #[error("the face is turned away (yaw {yaw:.0}°, pitch {pitch:.0}°); take a photo from the front")]
    Turned {
        /// Turn to the side, degrees.
        yaw: f32,
        /// Nod, degrees.
        pitch: f32,
    },
    /// Under- or overexposed.
    #[error("the face is too dark or too bright (mean {brightness:.0} of 255)")]
    Exposure {
        /// Mean brightness.
        brightness: f32,
    },
    /// A network failed; the photo may be good.
    #[error(transparent)]
    Engine(#[from] EngineError),
}

impl Engine {
    /// Loads what the configuration chooses from the folder of weights.
    ///
    /// # Errors
    /// [`EngineError::Load`] names the network and what to do.
    pub fn load(_models_dir: &Path, _config: &config::Recognition) -> Result<Self, EngineError> {
        Err(EngineError::Load { role: "detector", reason: "not linked yet".to_owned() })
    }

    /// SHA-256, hex, of everything that an embedding depends on: cached embeddings of another hash are made anew.
    pub fn model_hash(&self) -> &str {
        &self.hash
    }

    /// Finds all faces, the largest first.
    ///
    /// # Errors
    /// [`EngineError::Run`] when the network fails.
    pub fn detect(&mut self, _picture: &RgbImage) -> Result<Vec<Face>, EngineError> {
        Ok(Vec::new())
    }

    /// Makes the embedding of the one face in a photo. The photo must be upright (EXIF orientation applied).
    ///
    /// # Errors
    /// [`EnrolRefusal`], in words for the technician.
    pub fn enrol(&mut self, _photo: &RgbImage) -> Result<Enrolment, EnrolRefusal> {
        Err(EnrolRefusal::NoFace)
    }
}
