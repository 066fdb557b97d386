//! The weights of a matrix product in the order in which [`super::gemm`] reads them.
//!
//! They are packed once into panels of one to four vectors of columns.

use super::{Aligned, Epilogue, Isa};

/// Columns of a panel, in vectors. Four vectors by six rows fill the 32 registers of AVX-512 and NEON.
const PANEL: usize = 4;

/// Weights, bias and slopes in the order in which [`super::gemm`] reads them.
#[derive(Clone)]
pub(crate) struct GemmWeights {
    pub(super) isa: Isa,
    pub(super) inputs: usize,
    pub(super) outputs: usize,
    pub(super) epilogue: Epilogue,
    pub(super) panels: Vec<Panel>,
    pub(super) weights: Aligned,
    pub(super) bias: Aligned,
    pub(super) slope: Aligned,
}

#[derive(Clone, Copy)]
pub(super) struct Panel {
    pub(super) column: usize,
    pub(super) vectors: usize,
    /// Where its weights begin.
    pub(super) start: usize,
}

impl GemmWeights {
    /// Packs a row-major `outputs × inputs` matrix (the order of TFLite's OHWI kernels and of torch's linear
    /// layers).
    ///
    /// `slope` has one value an output and is used by [`Epilogue::PRelu`] only. Panics when lengths do not
    /// match: the layers have checked the shapes of what came from a file.
    pub(crate) fn pack(
        isa: Isa,
        inputs: usize,
        weights: &[f32],
        bias: &[f32],
        epilogue: Epilogue,
        slope: &[f32],
    ) -> Self {
        let outputs = bias.len();
        assert_eq!(weights.len(), outputs * inputs);
        assert!(epilogue != Epilogue::PRelu || slope.len() == outputs);
        let lanes = isa.lanes();
        let vectors = outputs.div_ceil(lanes);
        let count = vectors.div_ceil(PANEL);
        let mut packed = Aligned::zeroed(vectors * lanes * inputs);
        let mut panels = Vec::with_capacity(count);
        let (mut column, mut start) = (0, 0);
        for panel in 0..count {
            // Even panels: six vectors are three and three, not four and two.
            let vectors = vectors * (panel + 1) / count - vectors * panel / count;
            let width = vectors * lanes;
            panels.push(Panel { column, vectors, start });
            for k in 0..inputs {
                for n in 0..width.min(outputs - column) {
                    packed[start + k * width + n] = weights[(column + n) * inputs + k];
                }
            }
            column += width;
            start += width * inputs;
        }
        let padded = |values: &[f32]| {
            let mut out = Aligned::zeroed(vectors * lanes);
            out[..values.len()].copy_from_slice(values);
            out
        };
        Self {
            isa,
            inputs,
            outputs,
            epilogue,
            panels,
            weights: packed,
            bias: padded(bias),
            slope: padded(slope),
        }
    }

    /// Length of a row of `a`.
    pub(crate) fn inputs(&self) -> usize {
        self.inputs
    }

    /// Columns of the result.
    pub(crate) fn outputs(&self) -> usize {
        self.outputs
    }
}
