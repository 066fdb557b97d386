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
    /// SFace, and MobileFaceNet beside it where SFace alone leaves a doubt; 320 numbers.
    #[serde(rename = "sface+mobilefacenet")]
    Both,
}

/// Weight of SFace in the similarity of both, 0 to 1. The scores are summed as log-odds: the weights are in
/// the ratio of the slopes of two logistic regressions on the 1,800 pairs of LFW's first three folds (41.8
/// and 36.0).
const WEIGHT: f32 = 0.54;

impl EmbedderChoice {
    /// All of them.
    pub const ALL: [Self; 3] = [Self::Sface, Self::Mobilefacenet, Self::Both];

    /// The weights it needs.
    pub fn roles(self) -> &'static [models::Role] {
        match self {
            Self::Sface => &[models::Role::EmbedderSface],
            Self::Mobilefacenet => &[models::Role::Embedder],
            Self::Both => &[models::Role::EmbedderSface, models::Role::Embedder],
        }
    }

    /// The embedder that every face is compared with; [`Self::Both`] asks the other in doubt only.
    pub fn first(self) -> Self {
        match self {
            Self::Both => Self::Sface,
            alone => alone,
        }
    }

    /// Numbers in its embeddings, by which those of two embedders are told apart.
    pub fn dimensions(self) -> usize {
        match self {
            Self::Sface => models::sface::DIMENSIONS,
            Self::Mobilefacenet => models::mobilefacenet::DIMENSIONS,
            Self::Both => models::sface::DIMENSIONS + models::mobilefacenet::DIMENSIONS,
        }
    }

    /// As the configuration writes it.
    pub fn name(self) -> &'static str {
        match self {
            Self::Sface => "sface",
            Self::Mobilefacenet => "mobilefacenet",
            Self::Both => "sface+mobilefacenet",
        }
    }

    /// Name of the file in which its embeddings are kept.
    pub fn cache(self) -> &'static str {
        match self {
            Self::Sface => "embeddings-sface.safetensors",
            Self::Mobilefacenet => "embeddings.safetensors",
            Self::Both => "embeddings-both.safetensors",
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

    /// What every face is compared with: of two embedders the first one's embedding.
    ///
    /// # Errors
    /// As [`Embedder::embed`].
    fn embed_first(&mut self, face: &Aligned) -> Result<Embedding, EngineError> {
        self.embed(face)
    }

    /// The whole embedding of a face of which [`Embedder::embed_first`] gave `first`.
    ///
    /// # Errors
    /// As [`Embedder::embed`].
    fn complete(&mut self, _face: &Aligned, first: &Embedding) -> Result<Embedding, EngineError> {
        Ok(first.clone())
    }
}

/// SFace and MobileFaceNet.
struct Both {
    first: Sface,
    second: MobileFaceNet,
}

impl Embedder for Both {
    fn embed(&mut self, face: &Aligned) -> Result<Embedding, EngineError> {
        let first = self.embed_first(face)?;
        self.complete(face, &first)
    }

    fn embed_first(&mut self, face: &Aligned) -> Result<Embedding, EngineError> {
        self.first.embed(face)
    }

    fn complete(&mut self, face: &Aligned, first: &Embedding) -> Result<Embedding, EngineError> {
        let second = self.second.embed(face)?;
        Embedding::joined(first, &second, WEIGHT).map_err(|error| EngineError::run("embedder", &error))
    }
}

/// Loads an embedder.
///
/// # Errors
/// [`EngineError::Load`] names the model and what to do.
pub fn load(choice: EmbedderChoice, store: &Store) -> Result<Box<dyn Embedder>, EngineError> {
    let sface = || EngineError::load(store, models::Role::EmbedderSface, Sface::load);
    let mobilefacenet = || EngineError::load(store, models::Role::Embedder, MobileFaceNet::load);
    Ok(match choice {
        EmbedderChoice::Sface => Box::new(sface()?),
        EmbedderChoice::Mobilefacenet => Box::new(mobilefacenet()?),
        EmbedderChoice::Both => Box::new(Both { first: sface()?, second: mobilefacenet()? }),
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
