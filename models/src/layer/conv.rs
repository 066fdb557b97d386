//! Dense convolution with bias and activation: stems, pointwise layers, heads.

use super::{Activation, Filter, Layer, Map, Padding, Shape};
use crate::kernel::{GemmArgs, GemmWeights, Isa, gemm};
use crate::scratch;
use candle_core::{Result, bail};
use rayon::ThreadPool;
use std::fmt;

/// A k×k convolution over all channels.
pub struct Conv {
    weights: GemmWeights,
    window: (usize, usize),
    stride: usize,
    padding: Padding,
    inputs: usize,
}

impl Conv {
    /// Packs a filter for this processor.
    pub fn new(filter: &Filter, stride: usize, padding: Padding, activation: &Activation) -> Result<Self> {
        Self::packed_for(Isa::best(), filter, stride, padding, activation)
    }

    /// A pointwise (1×1) or fully connected layer.
    pub fn pointwise(filter: &Filter, activation: &Activation) -> Result<Self> {
        Self::new(filter, 1, Padding::VALID, activation)
    }

    pub(crate) fn packed_for(
        isa: Isa,
        filter: &Filter,
        stride: usize,
        padding: Padding,
        activation: &Activation,
    ) -> Result<Self> {
        if stride == 0 {
            bail!("a convolution's stride cannot be zero");
        }
        let weights = super::weights::pack(isa, filter, activation)?;
        Ok(Self { weights, window: (filter.height, filter.width), stride, padding, inputs: filter.inputs })
    }

    /// Output size, and zeros above and left.
    fn geometry(&self, input: Shape) -> (Shape, usize, usize) {
        let (height, top) = self.padding.along(input.height, self.window.0, self.stride);
        let (width, left) = self.padding.along(input.width, self.window.1, self.stride);
        (Shape { height, width, channels: self.weights.outputs() }, top, left)
    }
}

impl fmt::Debug for Conv {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (h, w) = self.window;
        write!(f, "conv {h}x{w}/{} {}->{}", self.stride, self.inputs, self.weights.outputs())
    }
}

impl Layer for Conv {
    fn output(&self, inputs: &[Shape]) -> Result<Shape> {
        match *inputs {
            [input] if input.channels == self.inputs => match self.geometry(input).0 {
                out if out.is_empty() => bail!("{self:?}: {input:?} is smaller than the window"),
                out => Ok(out),
            },
            _ => bail!("{self:?} cannot take {inputs:?}"),
        }
    }

    fn operations(&self, inputs: &[Shape]) -> usize {
        let out = self.geometry(inputs[0]).0;
        out.height * out.width * self.weights.inputs() * self.weights.outputs()
    }

    fn run(&self, inputs: &[Map<'_>], out: &mut [f32], threads: Option<&ThreadPool>) {
        let Map { values, shape } = inputs[0];
        let (out_shape, top, left) = self.geometry(shape);
        let pointwise = self.window == (1, 1) && self.stride == 1 && self.padding == Padding::VALID;
        super::split_lines(out, out_shape, self.operations(&[shape]), threads, |first, out| {
            let lines = out.len() / out_shape.line();
            if pointwise {
                let a = &values[first * shape.line()..][..lines * shape.line()];
                let rows = lines * shape.width;
                gemm(
                    &self.weights,
                    GemmArgs {
                        a,
                        stride: shape.channels,
                        segments: 1,
                        segment_stride: 0,
                        rows,
                        residual: None,
                        out,
                    },
                );
                return;
            }
            // The window's lines with their zeros around; each output line is then one product over k segments.
            let (kh, kw) = self.window;
            let padded_width = ((out_shape.width - 1) * self.stride + kw).max(left + shape.width);
            let padded_line = padded_width * shape.channels;
            let direct = top == 0
                && left == 0
                && padded_width == shape.width
                && (out_shape.height - 1) * self.stride + kh <= shape.height;
            scratch::with([if direct { 0 } else { kh * padded_line }], |[padded]| {
                for (y, out) in out.chunks_exact_mut(out_shape.line()).enumerate() {
                    let begin = (first + y) * self.stride;
                    let a = if direct {
                        &values[begin * shape.line()..]
                    } else {
                        for (k, line) in padded.chunks_exact_mut(padded_line).enumerate() {
                            line.fill(0.0);
                            if let Some(row) = (begin + k).checked_sub(top).filter(|row| *row < shape.height)
                            {
                                let source = &values[row * shape.line()..][..shape.line()];
                                line[left * shape.channels..][..source.len()].copy_from_slice(source);
                            }
                        }
                        &*padded
                    };
                    gemm(
                        &self.weights,
                        GemmArgs {
                            a,
                            stride: self.stride * shape.channels,
                            segments: kh,
                            segment_stride: if direct { shape.line() } else { padded_line },
                            rows: out_shape.width,
                            residual: None,
                            out,
                        },
                    );
                }
            });
        });
    }
}
