//! Dense convolution with bias and activation: stems, pointwise layers, heads.

use super::{Activation, Filter, Layer, Map, Padding, Shape};
use crate::kernel::{GemmArgs, GemmWeights, Isa, gemm};
use crate::scratch;
use candle_core::{Result, bail};
use std::fmt;

/// Values of the strip of padded input lines: 32 KB, what a first-level cache holds.
const STRIP: usize = 8192;

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

    fn run(&self, inputs: &[Map<'_>], out: &mut [f32]) {
        let Map { values, shape } = inputs[0];
        let (out_shape, top, left) = self.geometry(shape);
        let pointwise = self.window == (1, 1) && self.stride == 1 && self.padding == Padding::VALID;
        if pointwise {
            let args = GemmArgs {
                a: values,
                stride: shape.channels,
                segments: 1,
                segment_stride: 0,
                rows: shape.height * shape.width,
                residual: None,
                out,
            };
            return gemm(&self.weights, args);
        }
        // The strip's lines with their zeros around, so that each output line is one product over k segments.
        // Where nothing hangs over an edge, the input itself is such a strip.
        let (kh, kw) = self.window;
        let reach = (out_shape.width - 1) * self.stride + kw;
        let bare = top == 0 && left == 0 && reach <= shape.width;
        let bare = bare && (out_shape.height - 1) * self.stride + kh <= shape.height;
        let line = if bare { shape.line() } else { reach.max(left + shape.width) * shape.channels };
        let strip_lines = (STRIP / (self.stride * line)).clamp(1, out_shape.height);
        let tall = (strip_lines - 1) * self.stride + kh;
        scratch::with([if bare { 0 } else { tall * line }], |[padded]| {
            // Left and right stay zero for all strips; only what lies between is copied.
            padded.fill(0.0);
            for (strip, out) in out.chunks_mut(strip_lines * out_shape.line()).enumerate() {
                let begin = strip * strip_lines * self.stride;
                let strip = if bare {
                    &values[begin * line..]
                } else {
                    for (k, padded) in padded.chunks_exact_mut(line).enumerate() {
                        let padded = &mut padded[left * shape.channels..][..shape.line()];
                        match (begin + k).checked_sub(top).filter(|row| *row < shape.height) {
                            Some(row) => {
                                padded.copy_from_slice(&values[row * shape.line()..][..shape.line()])
                            }
                            None => padded.fill(0.0),
                        }
                    }
                    &*padded
                };
                for (y, out) in out.chunks_exact_mut(out_shape.line()).enumerate() {
                    let args = GemmArgs {
                        a: &strip[y * self.stride * line..],
                        stride: self.stride * shape.channels,
                        segments: kh,
                        segment_stride: line,
                        rows: out_shape.width,
                        residual: None,
                        out,
                    };
                    gemm(&self.weights, args);
                }
            }
        });
    }
}
