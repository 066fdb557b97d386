//! Making an embedding of an aligned face.

use models::mobilefacenet::MobileFaceNet;
use models::sface::Sface;
use models::store::Store;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::align::Aligned;
use super::error::EngineError;
use vision::embedding::Embedding;

/// The model that makes embeddings.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum EmbedderChoice {
    /// SFace, OpenCV Zoo, 128 numbers.
    #[default]
    Sface,
    /// MobileFaceNet, sirius-ai, 192 numbers.
    Mobilefacenet,
}

impl EmbedderChoice {
    /// All of them.
    pub const ALL: [Self; 2] = [Self::Sface, Self::Mobilefacenet];

    /// The weights it needs.
    pub fn role(self) -> models::Role {
        match self {
            Self::Sface => models::Role::EmbedderSface,
            Self::Mobilefacenet => models::Role::Embedder,
        }
    }

    /// Numbers in its embeddings, by which those of two embedders are told apart.
    pub fn dimensions(self) -> usize {
        match self {
            Self::Sface => models::sface::DIMENSIONS,
            Self::Mobilefacenet => models::mobilefacenet::DIMENSIONS,
        }
    }

    /// As the configuration writes it.
    pub fn name(self) -> &'static str {
        match self {
            Self::Sface => "sface",
            Self::Mobilefacenet => "mobilefacenet",
        }
    }

    /// Name of the file in which its embeddings are kept.
    pub fn cache(self) -> &'static str {
        match self {
            Self::Sface => "embeddings-sface.safetensors",
            Self::Mobilefacenet => "embeddings.safetensors",
        }
    }
}

/// Makes embeddings. Those of different embedders, or of different weights, never compare.
pub trait Embedder: Send {
    /// The embedding of one aligned face.
    ///
    /// # Errors
    /// [`EngineError::Run`] when the model fails.
    fn embed(&mut self, face: &Aligned) -> Result<Embedding, EngineError>;
}

/// Loads an embedder.
///
/// # Errors
/// [`EngineError::Load`] names the model and what to do.
pub fn load(choice: EmbedderChoice, store: &Store) -> Result<Box<dyn Embedder>, EngineError> {
    let role = choice.role();
    Ok(match choice {
        EmbedderChoice::Sface => Box::new(EngineError::load(store, role, Sface::load)?),
        EmbedderChoice::Mobilefacenet => Box::new(EngineError::load(store, role, MobileFaceNet::load)?),
    })
}

impl Embedder for MobileFaceNet {
    fn embed(&mut self, face: &Aligned) -> Result<Embedding, EngineError> {
        normalised(self.embed_with(|input| fill(face, input)))
    }
}

impl Embedder for Sface {
    fn embed(&mut self, face: &Aligned) -> Result<Embedding, EngineError> {
        normalised(self.embed_with(|input| fill(face, input)))
    }
}

/// Both models learned from pictures of −1 to 1.
fn fill(face: &Aligned, input: &mut [f32]) {
    for (value, byte) in input.iter_mut().zip(face.pixels().as_flattened()) {
        *value = (byte - 127.5) / 128.0;
    }
}

fn normalised<const N: usize>(raw: candle_core::Result<[f32; N]>) -> Result<Embedding, EngineError> {
    let raw = raw.map_err(|error| EngineError::run("embedder", &error))?;
    Embedding::normalised(&raw).map_err(|error| EngineError::run("embedder", &error))
}
