//! Weights of 8 bits, as `models/tools` quantises them, and the layer over a whole map that has most of them.

use super::weights::{dims4, sized};
use super::{Activation, BatchNorm, Filter, Layer, Map, Shape};
use crate::kernel::{DotArgs, DotWeights, Isa, dot_product};
use crate::scratch;
use candle_core::{DType, Result, Tensor, bail};
use candle_nn::VarBuilder;
use std::fmt;

/// The code of zero: candle has no signed bytes.
const ZERO: i16 = 128;

/// Channels come in groups of this many: what every kernel takes without a rest.
const GROUP: usize = 16;

/// A dense convolution whose weights are codes: `outputs × pixels × inputs`, a scale and a bias for each
/// output.
#[derive(Clone, Debug)]
pub struct Coded {
    outputs: usize,
    height: usize,
    width: usize,
    inputs: usize,
    codes: Vec<i8>,
    scale: Vec<f32>,
    bias: Vec<f32>,
}

impl Coded {
    /// Whether the file has codes for `kernel`.
    pub fn has(vb: &VarBuilder, kernel: &str) -> bool {
        vb.contains_tensor(&scales(kernel))
    }

    /// Reads a torch or ONNX kernel (OIHW). `window` is the size of the map that a matrix of the torch layout
    /// `outputs × (inputs · height · width)` was flattened from; (1, 1) for a pointwise layer. Without a name
    /// for the bias it is zero.
    pub fn torch(vb: &VarBuilder, kernel: &str, window: (usize, usize), bias: Option<&str>) -> Result<Self> {
        let codes = vb.get_unchecked_dtype(kernel, DType::U8)?;
        let codes = unflattened(&codes, window)?;
        let (outputs, inputs, height, width) = dims4(&codes, kernel)?;
        if (height, width) != window || !inputs.is_multiple_of(GROUP) || !outputs.is_multiple_of(GROUP) {
            bail!("{kernel} is {:?}, for which there is no kernel of 8 bits", codes.dims());
        }
        let codes: Vec<u8> = codes.permute((0, 2, 3, 1))?.flatten_all()?.to_vec1()?;
        let bias = match bias {
            Some(bias) => sized(vb, bias, outputs)?,
            None => vec![0.0; outputs],
        };
        // 0 would be the code −128, which no quantised weight has.
        let codes = codes.iter().map(|code| (i16::from((*code).max(1)) - ZERO) as i8).collect();
        Ok(Self { outputs, height, width, inputs, codes, scale: sized(vb, &scales(kernel), outputs)?, bias })
    }

    /// Folds the batch norm that follows: no code changes.
    pub fn norm(mut self, norm: &BatchNorm) -> Result<Self> {
        norm.fits(self.outputs)?;
        for o in 0..self.outputs {
            self.scale[o] *= norm.scale[o];
            self.bias[o] = self.bias[o] * norm.scale[o] + norm.shift[o];
        }
        Ok(self)
    }

    pub(super) fn inputs(&self) -> usize {
        self.inputs
    }

    pub(super) fn is_pointwise(&self) -> bool {
        self.height * self.width == 1
    }

    pub(super) fn pack(&self, isa: Isa, activation: &Activation) -> Result<DotWeights> {
        let (epilogue, slope) = super::weights::epilogue(activation, self.outputs)?;
        let pixels = self.height * self.width;
        Ok(DotWeights::pack(isa, pixels, &self.codes, &self.scale, &self.bias, epilogue, slope))
    }
}

impl Filter {
    /// As [`Filter::torch`], for a matrix that was flattened from a map of `window`.
    pub fn flattened(vb: &VarBuilder, kernel: &str, window: (usize, usize), bias: &str) -> Result<Self> {
        let kernel_of_map = unflattened(&vb.get_unchecked(kernel)?, window)?;
        let (outputs, inputs, height, width) = dims4(&kernel_of_map, kernel)?;
        let weights = kernel_of_map.permute((0, 2, 3, 1))?.flatten_all()?.to_vec1()?;
        Ok(Self { outputs, height, width, inputs, weights, bias: sized(vb, bias, outputs)? })
    }
}

fn scales(kernel: &str) -> String {
    format!("{kernel}.scale")
}

/// OI as OIHW.
fn unflattened(kernel: &Tensor, (height, width): (usize, usize)) -> Result<Tensor> {
    match *kernel.dims() {
        [outputs, flat] if flat % (height * width) == 0 => {
            kernel.reshape((outputs, flat / (height * width), height, width))
        }
        _ => Ok(kernel.clone()),
    }
}

/// A fully connected layer over a whole map, behind a batch norm of the map's channels.
///
/// The norm is computed, not folded into the weights: channels that it makes alike lose less in 8 bits.
pub struct Whole {
    norm: BatchNorm,
    weights: DotWeights,
    map: Shape,
}

impl Whole {
    /// Packs the weights for this processor.
    pub fn new(norm: BatchNorm, coded: &Coded, activation: &Activation) -> Result<Self> {
        norm.fits(coded.inputs)?;
        let map = Shape { height: coded.height, width: coded.width, channels: coded.inputs };
        Ok(Self { norm, weights: coded.pack(Isa::best(), activation)?, map })
    }
}

impl fmt::Debug for Whole {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Shape { height, width, channels } = self.map;
        write!(f, "whole {height}x{width}x{channels}->{}, 8 bits", self.weights.outputs())
    }
}

impl Layer for Whole {
    fn output(&self, inputs: &[Shape]) -> Result<Shape> {
        match *inputs {
            [input] if input == self.map => {
                Ok(Shape { height: 1, width: 1, channels: self.weights.outputs() })
            }
            _ => bail!("{self:?} cannot take {inputs:?}"),
        }
    }

    fn operations(&self, _: &[Shape]) -> usize {
        self.map.len() * self.weights.outputs()
    }

    fn run(&self, inputs: &[Map<'_>], out: &mut [f32]) {
        let sizes = [self.map.len(), self.weights.working_memory(1)];
        scratch::with(sizes, |[normed, codes]| {
            let pixels = inputs[0].values.chunks_exact(self.map.channels);
            for (normed, pixel) in normed.chunks_exact_mut(self.map.channels).zip(pixels) {
                let norm = self.norm.scale.iter().zip(&self.norm.shift);
                for ((normed, x), (scale, shift)) in normed.iter_mut().zip(pixel).zip(norm) {
                    *normed = x * scale + shift;
                }
            }
            dot_product(&self.weights, DotArgs { a: normed, rows: 1, codes, out });
        });
    }
}
