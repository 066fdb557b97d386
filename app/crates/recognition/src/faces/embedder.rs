//! Making an embedding of an aligned face.

use models::Role;
use models::mobilefacenet::MobileFaceNet;
use models::store::Store;

use super::align::Aligned;
use super::error::EngineError;
use vision::embedding::Embedding;

/// Makes embeddings. Those of different embedders, or of different weights, never compare.
pub trait Embedder {
    /// The embedding of one aligned face.
    ///
    /// # Errors
    /// [`EngineError::Run`] when the network fails.
    fn embed(&mut self, face: &Aligned) -> Result<Embedding, EngineError>;
}

/// MobileFaceNet, sirius-ai's training, 192 numbers.
pub struct MobileFace(MobileFaceNet);

impl MobileFace {
    /// Loads its weights.
    ///
    /// # Errors
    /// [`EngineError::Load`] names the model and what to do.
    pub fn load(store: &Store) -> Result<Self, EngineError> {
        EngineError::load(store, Role::Embedder, MobileFaceNet::load).map(Self)
    }
}

impl Embedder for MobileFace {
    fn embed(&mut self, face: &Aligned) -> Result<Embedding, EngineError> {
        let raw = self
            .0
            .embed_with(|input| {
                for (value, byte) in input.iter_mut().zip(face.pixels().as_flattened()) {
                    *value = (byte - 127.5) / 128.0;
                }
            })
            .map_err(|error| EngineError::run("embedder", &error))?;
        Embedding::normalised(&raw).map_err(|error| EngineError::run("embedder", &error))
    }
}
