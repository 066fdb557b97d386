//! The networks behind recognition, loaded once for a thread.

use std::path::Path;

use candle_core::Device;
use candle_nn::VarBuilder;
use image::RgbImage;
use models::Role;
use models::face_mesh::FaceMesh;
use models::store::Store;

use super::align::Aligned;
use super::embedder::{Embedder, MobileFace};
use super::embedding::Embedding;
use super::face::{Bounds, Face};
use super::finder::Finder;
use super::landmarks::Landmarks;
use super::pipeline::Advice;
use super::quality::Quality;
use crate::config;
use crate::liveness::Checker;

/// Changes whenever detection, alignment or cropping change in a way that moves embeddings; part of [`Engine::model_hash`].
const METHOD: &str = "mesh-aligned-2";

/// A face narrower than this share of the widest one in a photo is in the background: it does not make a portrait a group.
const BACKGROUND: f32 = 0.5;

/// Least width of a face in a photo, pixels. Below it the aligned face is mostly interpolation.
const MIN_PHOTO_FACE: u32 = 40;

/// The detector, the mesh and the embedder, with their buffers. One for each thread that recognises or enrols.
pub struct Engine {
    finder: Finder,
    pub(super) mesh: FaceMesh,
    pub(super) embedder: Box<dyn Embedder>,
    pub(super) aligned: Aligned,
    store: Store,
    hash: String,
}

/// A network cannot be loaded or run.
#[derive(Debug, thiserror::Error)]
pub enum EngineError {
    /// A weight file is missing or damaged.
    #[error("cannot load the network {role}: {reason}")]
    Load {
        /// Which network.
        role: String,
        /// What is wrong with it and what to do.
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

impl EngineError {
    pub(crate) fn run(role: &'static str, error: &dyn std::fmt::Display) -> Self {
        Self::Run { role, reason: error.to_string() }
    }

    /// Loads one network from the store.
    pub(crate) fn load<N>(
        store: &Store,
        role: Role,
        make: impl FnOnce(VarBuilder<'static>) -> candle_core::Result<N>,
    ) -> Result<N, Self> {
        let failed = |reason: String| Self::Load { role: role.to_string(), reason };
        let weights = store.load(role, &Device::Cpu).map_err(|error| failed(error.to_string()))?;
        make(weights).map_err(|error| failed(error.to_string()))
    }
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
    #[error("the face is blurred (sharpness {sharpness:.0}); take a sharper photo")]
    Blurred {
        /// Variance of the Laplacian.
        sharpness: f32,
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
    pub fn load(models_dir: &Path, config: &config::Recognition) -> Result<Self, EngineError> {
        let store = Store::open(models_dir)
            .map_err(|error| EngineError::Load { role: "store".to_owned(), reason: error.to_string() })?;
        let hash_of = |role: Role| {
            store
                .hash(role)
                .map_err(|error| EngineError::Load { role: role.to_string(), reason: error.to_string() })
        };
        // The detector is not part of it: whoever finds the face, the mesh aligns it.
        let hash = format!("{METHOD}:{}:{}", hash_of(Role::FaceMesh)?, hash_of(Role::Embedder)?);
        Ok(Self {
            finder: Finder::of_store(store.clone(), config)?,
            mesh: EngineError::load(&store, Role::FaceMesh, FaceMesh::load)?,
            embedder: Box::new(MobileFace::load(&store)?),
            aligned: Aligned::default(),
            store,
            hash,
        })
    }

    /// Names everything that an embedding depends on: cached embeddings of another hash are made anew.
    pub fn model_hash(&self) -> &str {
        &self.hash
    }

    /// The networks of liveness, from where this engine's weights came.
    ///
    /// # Errors
    /// [`EngineError::Load`] when weights that the site's rule needs are missing or damaged.
    pub fn liveness(&self, config: &config::Liveness) -> Result<Checker, EngineError> {
        Checker::load(&self.store, config)
    }

    /// Finds all faces with the site's detector, the largest first.
    ///
    /// # Errors
    /// [`EngineError::Run`] when the network fails.
    pub fn detect(&mut self, picture: &RgbImage) -> Result<Vec<Face>, EngineError> {
        self.finder.find(picture)
    }

    /// Makes the embedding of the one face in a photo. The photo must be upright (EXIF orientation applied).
    ///
    /// # Errors
    /// [`EnrolRefusal`], in words for the technician.
    pub fn enrol(&mut self, photo: &RgbImage) -> Result<Enrolment, EnrolRefusal> {
        let faces = self.finder.find_thoroughly(photo)?;
        let face = faces.first().ok_or(EnrolRefusal::NoFace)?;
        let mut count = 1;
        for rival in rivals(&faces) {
            // The mesh looks again: a pattern on a shirt that the detector took for a face does not make a group.
            count += usize::from(self.landmarks(photo, rival)?.is_some());
        }
        if count > 1 {
            return Err(EnrolRefusal::SeveralFaces { count });
        }
        let (_, quality) = self.look(photo, face)?.ok_or(EnrolRefusal::NoFace)?;
        match quality.problem(MIN_PHOTO_FACE) {
            None => {}
            Some(Advice::ComeCloser) => {
                return Err(EnrolRefusal::TooSmall { width: quality.width, minimum: MIN_PHOTO_FACE });
            }
            Some(Advice::MoreLight | Advice::LessLight) => {
                return Err(EnrolRefusal::Exposure { brightness: quality.brightness });
            }
            Some(Advice::HoldStill) => return Err(EnrolRefusal::Blurred { sharpness: quality.sharpness }),
            Some(Advice::LookAtTheCamera | Advice::Blink | Advice::BlinkOrTurn) => {
                return Err(EnrolRefusal::Turned { yaw: quality.yaw, pitch: quality.pitch });
            }
        }
        let embedding = self.embedder.embed(&self.aligned)?;
        Ok(Enrolment { embedding, quality, bounds: face.bounds })
    }

    /// The landmarks of one face; `None` when the mesh sees no face there. For measuring.
    ///
    /// # Errors
    /// [`EngineError::Run`] when the network fails.
    pub fn landmarks(&mut self, picture: &RgbImage, face: &Face) -> Result<Option<Landmarks>, EngineError> {
        Landmarks::find(&mut self.mesh, picture, face)
    }

    /// The embedding of one face, whatever its quality: for measurements. `None` when the mesh sees no face there.
    ///
    /// # Errors
    /// [`EngineError::Run`] when a network fails.
    pub fn embed(&mut self, picture: &RgbImage, face: &Face) -> Result<Option<Embedding>, EngineError> {
        match self.look(picture, face)? {
            Some(_) => self.embed_aligned().map(Some),
            None => Ok(None),
        }
    }

    /// Finds the landmarks of one face, aligns it into the engine's buffer and measures it; `None` when the mesh sees no face.
    pub(super) fn look(
        &mut self,
        picture: &RgbImage,
        face: &Face,
    ) -> Result<Option<(Landmarks, Quality)>, EngineError> {
        let Some(landmarks) = Landmarks::find(&mut self.mesh, picture, face)? else { return Ok(None) };
        if !self.aligned.take(picture, &landmarks.five) {
            return Ok(None);
        }
        let quality = Quality::measure(&self.aligned, face.bounds.width, landmarks.pose);
        Ok(Some((landmarks, quality)))
    }

    /// The embedding of the face that [`Engine::look`] aligned last.
    pub(super) fn embed_aligned(&mut self) -> Result<Embedding, EngineError> {
        self.embedder.embed(&self.aligned)
    }
}

/// The faces that make a portrait a group: all but the largest, and those in the background.
fn rivals(faces: &[Face]) -> impl Iterator<Item = &Face> {
    let widest = faces.first().map_or(0.0, |face| face.bounds.width);
    faces.iter().skip(1).filter(move |face| face.bounds.width >= BACKGROUND * widest)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn somebody_far_behind_is_no_rival_and_somebody_beside_is() {
        let faces = [100.0, 80.0, 51.0, 30.0].map(|width| Face {
            bounds: Bounds { x: 0.0, y: 0.0, width, height: width },
            score: 0.9,
            points: None,
        });
        let widths: Vec<f32> = rivals(&faces).map(|face| face.bounds.width).collect();
        assert_eq!(widths, [80.0, 51.0]);
        assert_eq!(rivals(&faces[..1]).count() + rivals(&[]).count(), 0);
    }

    #[test]
    fn a_folder_without_weights_says_what_to_do() {
        let dir = tempfile::tempdir().unwrap();
        let error = Engine::load(dir.path(), &config::Recognition::default()).err().unwrap().to_string();
        assert!(error.contains("fetch_models"), "{error}");
    }
}
