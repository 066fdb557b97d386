//! The sections `[recognition]` and `[liveness]` of the configuration.

use std::path::PathBuf;

use base::identity::RollNumber;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use vision::face::DetectorChoice;

/// Finding and naming faces.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Recognition {
    /// The face detector: "blazeface-full-range" (faces within five metres), "blazeface" (within two, and the
    /// fastest), "yunet" or "rustface" (which needs no model file).
    pub detector: DetectorChoice,
    /// The model that compares faces: "sface" (fewer people missed) or "mobilefacenet" (less than half of the
    /// computing time). After a change every photo is read again; until then the earlier one goes on.
    pub embedder: EmbedderChoice,
    /// Lowest cosine similarity that counts as a match, 0 to 1; empty: by the number of enrolled photos.
    pub threshold: Option<f32>,
    /// Accepted share of strangers that a single frame takes for somebody on the roster (FPIR), for the
    /// automatic threshold. Votes over frames lower it further. 0.001 misses twice as many people whose photo
    /// is old or poor.
    pub accepted_fpir: f32,
    /// File that `attendance evaluate identification --calibration` wrote, for the automatic threshold;
    /// empty: what was measured on LFW.
    pub calibration: Option<PathBuf>,
    /// Least distance of the best match to the best photo of anybody else.
    pub margin: f32,
    /// Least width of a face, pixels.
    pub min_face_px: u32,
    /// Frames that must agree before somebody is recognised, 1 to 16.
    pub votes: u32,
}

impl Default for Recognition {
    fn default() -> Self {
        Self {
            detector: DetectorChoice::BlazefaceFullRange,
            embedder: EmbedderChoice::default(),
            threshold: None,
            accepted_fpir: 0.01,
            calibration: None,
            margin: 0.05,
            min_face_px: 60,
            votes: 3,
        }
    }
}

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

/// Telling living people from pictures of them.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Liveness {
    /// What a person must show before a row is written: "passive+prompt" (the anti-spoof models, and the
    /// known scene around the head or a turn that the device asks for), "passive+any" (a blink, or motion
    /// that a flat picture cannot make), "passive+blink", "passive" (the models alone, which do not stop
    /// prints) or "off". A device that cannot ask, for want of a screen, does with "passive+any" and the
    /// scene.
    pub require: LivenessRule,
    /// Whether the device asks people to turn the head: "auto" (where it has a screen), "always" or "never".
    /// "always" is for a site whose own display follows the event stream.
    pub prompt: PromptUse,
    /// Roll numbers of people who cannot turn the head. They are not asked to, and pass with the models and
    /// the known scene together.
    #[schemars(with = "Vec<String>")]
    pub exempt: Vec<RollNumber>,
}

/// When a person may be asked to turn the head.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum PromptUse {
    /// Where the device has a screen.
    #[default]
    Auto,
    /// Always: something else shows the events.
    Always,
    /// Never.
    Never,
}

impl Default for Liveness {
    fn default() -> Self {
        Self { require: LivenessRule::PassivePrompt, prompt: PromptUse::Auto, exempt: Vec::new() }
    }
}

/// What is required of a living person.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub enum LivenessRule {
    /// Nothing: photos pass. For tests of recognition alone.
    #[serde(rename = "off")]
    Off,
    /// The anti-spoof models.
    #[serde(rename = "passive")]
    Passive,
    /// The anti-spoof models and a blink.
    #[serde(rename = "passive+blink")]
    PassiveBlink,
    /// The anti-spoof models, and a blink or motion in depth.
    #[serde(rename = "passive+any")]
    PassiveAny,
    /// The anti-spoof models, and the known scene around the head or a turn that was asked for.
    #[serde(rename = "passive+prompt")]
    PassivePrompt,
}
