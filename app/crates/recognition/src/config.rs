//! The section `[recognition]` of the configuration.

use std::path::PathBuf;

use faces::embedder::EmbedderChoice;
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
    /// The model that compares faces: "sface" (fewer people missed), "mobilefacenet" (less than half of the
    /// computing time), or "sface+mobilefacenet" (SFace, and in doubt both together). After a change every
    /// photo is read again; until then the earlier one goes on.
    pub embedder: EmbedderChoice,
    /// Lowest cosine similarity that counts as a match, 0 to 1; empty: by the number of enrolled photos. With
    /// two embedders it is that of SFace.
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
