//! The last part of a block: a pointwise convolution in f32, or with weights of 8 bits.

use crate::kernel::{DotWeights, GemmWeights};

/// The weights of the last part.
pub(super) enum Projection {
    F32(GemmWeights),
    /// In 8 bits: the strip is quantised before the product, pixel by pixel.
    Int8(DotWeights),
}

impl Projection {
    pub(super) fn inputs(&self) -> usize {
        match self {
            Self::F32(weights) => weights.inputs(),
            Self::Int8(weights) => weights.inputs(),
        }
    }

    pub(super) fn outputs(&self) -> usize {
        match self {
            Self::F32(weights) => weights.outputs(),
            Self::Int8(weights) => weights.outputs(),
        }
    }

    /// Values of working memory for so many pixels.
    pub(super) fn working_memory(&self, pixels: usize) -> usize {
        match self {
            Self::F32(_) => 0,
            Self::Int8(weights) => weights.working_memory(pixels),
        }
    }
}
