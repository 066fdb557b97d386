//! The building stone of every model here, as one layer: expand (1×1), depthwise, project (1×1), residual.
//!
//! MobileNetV2's inverted residual, BlazeFace's and the mesh's depthwise + pointwise pair, the iris model's
//! bottleneck and YuNet's pointwise + depthwise unit are this block with parts left out. Computed layer by
//! layer, the widened map between the parts would be written to memory and read again: 400 KB for
//! MobileFaceNet's second stage, against 512 KB of second-level cache on a Cortex-A76. Here the block
//! advances by a few output lines at a time: the expanded lines live in a ring just tall enough for the
//! window, the filtered ones in a strip that the projection reads at once. Both stay in the first-level cache
//! or close to it.

use super::projection::Projection;
use super::{Activation, Coded, Depthwise, Filter, Layer, Map, Padding, Shape};
use crate::kernel::{
    DepthwiseWeights, DotArgs, GemmArgs, GemmWeights, Isa, RowArgs, depthwise_row, dot_product, gemm,
    max_pool_2x2_row,
};
use crate::scratch;
use candle_core::{Result, bail};
use std::fmt;

/// What is added to the projection before its activation: the block's input, or the second input where it is
/// given one. Fewer channels than the projection has are padded with zeros.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Residual {
    /// Nothing.
    None,
    /// The input as it is.
    Input,
    /// The input with its 2×2 squares reduced to their maximum.
    Pooled,
}

/// Expand, filter, project; see the module's text.
pub struct Block {
    expand: Option<GemmWeights>,
    depthwise: DepthwiseWeights,
    project: Option<Projection>,
    padding: Padding,
    residual: Residual,
    pooled: bool,
}

/// Values of the strip between depthwise and projection: a third of a 48 KB first-level cache, half of a 32
/// KB one.
const STRIP: usize = 4096;
/// Pixels that a strip should have, so that the product's tiles are full.
const STRIP_PIXELS: usize = 24;

impl Block {
    /// A depthwise convolution with its activation; parts before and after are added by the methods below.
    pub fn new(
        depthwise: &Depthwise,
        stride: usize,
        padding: Padding,
        activation: &Activation,
    ) -> Result<Self> {
        Self::packed_for(Isa::best(), depthwise, stride, padding, activation)
    }

    pub(crate) fn packed_for(
        isa: Isa,
        depthwise: &Depthwise,
        stride: usize,
        padding: Padding,
        activation: &Activation,
    ) -> Result<Self> {
        let depthwise = super::weights::pack_depthwise(isa, depthwise, stride, activation)?;
        Ok(Self { expand: None, depthwise, project: None, padding, residual: Residual::None, pooled: false })
    }

    /// Puts a pointwise convolution before the depthwise one.
    pub fn expand(mut self, filter: &Filter, activation: &Activation) -> Result<Self> {
        if filter.height * filter.width != 1 || filter.outputs != self.depthwise.channels() {
            bail!(
                "the expansion makes {} channels of {}x{}, not {}",
                filter.outputs,
                filter.height,
                filter.width,
                self.depthwise.channels()
            );
        }
        self.expand = Some(super::weights::pack(self.depthwise.isa(), filter, activation)?);
        Ok(self)
    }

    /// Puts a pointwise convolution after the depthwise one; `residual` is added before its activation.
    pub fn project(mut self, filter: &Filter, residual: Residual, activation: &Activation) -> Result<Self> {
        if filter.height * filter.width != 1 || filter.inputs != self.depthwise.channels() {
            bail!(
                "the projection takes {} channels of {}x{}, not {}",
                filter.inputs,
                filter.height,
                filter.width,
                self.depthwise.channels()
            );
        }
        self.project = Some(Projection::F32(super::weights::pack(self.depthwise.isa(), filter, activation)?));
        self.residual = residual;
        Ok(self)
    }

    /// The same with weights of 8 bits, and without a residual.
    pub fn project_coded(mut self, coded: &Coded, activation: &Activation) -> Result<Self> {
        if !coded.is_pointwise() || coded.inputs() != self.depthwise.channels() {
            bail!("the projection {coded:?} does not take {} channels", self.depthwise.channels());
        }
        self.project = Some(Projection::Int8(coded.pack(self.depthwise.isa(), activation)?));
        Ok(self)
    }

    /// Reduces each 2×2 square of the result to its maximum, before it ever reaches memory. For blocks that
    /// end with the depthwise convolution.
    pub fn pool(mut self) -> Result<Self> {
        if self.project.is_some() {
            bail!("a block with a projection cannot pool its result");
        }
        self.pooled = true;
        Ok(self)
    }

    fn inputs(&self) -> usize {
        self.expand.as_ref().map_or(self.depthwise.channels(), GemmWeights::inputs)
    }

    fn outputs(&self) -> usize {
        self.project.as_ref().map_or(self.depthwise.channels(), Projection::outputs)
    }

    /// Output size before pooling, and zeros above and left.
    fn geometry(&self, input: Shape) -> (Shape, usize, usize) {
        let (window, stride) = (self.depthwise.window(), self.depthwise.stride());
        let (height, top) = self.padding.along(input.height, window, stride);
        let (width, left) = self.padding.along(input.width, window, stride);
        (Shape { height, width, channels: self.outputs() }, top, left)
    }

    /// Output size.
    fn result(&self, input: Shape) -> Shape {
        let (shape, ..) = self.geometry(input);
        if self.pooled {
            Shape { height: shape.height.div_ceil(2), width: shape.width.div_ceil(2), ..shape }
        } else {
            shape
        }
    }

    /// Computes the output, some lines after the other. `side` is what the residual comes from.
    fn advance(&self, input: Map<'_>, side: Map<'_>, out: &mut [f32]) {
        let Map { values, shape } = input;
        let (out_shape, top, left) = self.geometry(shape);
        let (window, stride, channels) =
            (self.depthwise.window(), self.depthwise.stride(), self.depthwise.channels());
        // Lines are counted before pooling: `each` of them make one of the result.
        let each = if self.pooled { 2 } else { 1 };
        let result_line = self.result(shape).line();

        let strip_line = out_shape.width * channels;
        let strip_lines =
            (STRIP / strip_line).max(STRIP_PIXELS.div_ceil(out_shape.width)).min(out_shape.height);
        let strip_lines = strip_lines.next_multiple_of(each);
        let ring_lines = ((strip_lines - 1) * stride + window).min(shape.height);
        let ring_line = shape.width * channels;
        let pooled_line = out_shape.width * side.shape.channels;
        let sizes = [
            if self.expand.is_some() { ring_lines * ring_line } else { 0 },
            ring_line,
            if self.project.is_some() || self.pooled { strip_lines * strip_line } else { 0 },
            if self.residual == Residual::Pooled { strip_lines * pooled_line } else { 0 },
            self.project.as_ref().map_or(0, |project| project.working_memory(strip_lines * out_shape.width)),
        ];
        scratch::with(sizes, |[ring, zeros, strip, pooled, codes]| {
            zeros.fill(0.0);
            let zeros = &*zeros;
            // Lines below this one have been expanded into the ring.
            let mut expanded = 0;
            let mut y = 0;
            for out in out.chunks_mut(strip_lines / each * result_line) {
                let end = (y + out.len() / result_line * each).min(out_shape.height);
                if let Some(expand) = &self.expand {
                    let wanted = ((end - 1) * stride + window).saturating_sub(top).min(shape.height);
                    while expanded < wanted {
                        // As many lines at once as lie together in the ring.
                        let slot = expanded % ring_lines;
                        let lines = (wanted - expanded).min(ring_lines - slot);
                        gemm(
                            expand,
                            GemmArgs {
                                a: &values[expanded * shape.line()..],
                                stride: shape.channels,
                                segments: 1,
                                segment_stride: 0,
                                rows: lines * shape.width,
                                residual: None,
                                out: &mut ring[slot * ring_line..],
                            },
                        );
                        expanded += lines;
                    }
                }
                let source = |line: usize| -> &[f32] {
                    match line.checked_sub(top) {
                        Some(row) if row < shape.height => match self.expand {
                            Some(_) => &ring[row % ring_lines * ring_line..][..ring_line],
                            None => &values[row * ring_line..][..ring_line],
                        },
                        _ => zeros,
                    }
                };
                let filtered = if self.project.is_some() || self.pooled { &mut *strip } else { &mut *out };
                for (line, filtered) in (y..end).zip(filtered.chunks_exact_mut(strip_line)) {
                    let lines: [&[f32]; crate::kernel::MAX_WINDOW] =
                        std::array::from_fn(|k| if k < window { source(line * stride + k) } else { zeros });
                    let args = RowArgs {
                        lines: &lines[..window],
                        width: shape.width,
                        left,
                        out: filtered,
                        out_width: out_shape.width,
                    };
                    depthwise_row(&self.depthwise, args);
                }
                if let Some(Projection::Int8(project)) = &self.project {
                    let rows = (end - y) * out_shape.width;
                    dot_product(project, DotArgs { a: strip, rows, codes: &mut *codes, out: &mut *out });
                }
                if let Some(Projection::F32(project)) = &self.project {
                    let residual = match self.residual {
                        Residual::None => None,
                        Residual::Input => Some((&side.values[y * side.shape.line()..], side.shape.channels)),
                        Residual::Pooled => {
                            let Shape { channels, .. } = side.shape;
                            let length = side.shape.line();
                            for (line, pooled) in (y..end).zip(pooled.chunks_exact_mut(pooled_line)) {
                                let above = &side.values[2 * line * length..][..length];
                                let below = side.values.get((2 * line + 1) * length..(2 * line + 2) * length);
                                max_pool_2x2_row(self.depthwise.isa(), above, below, channels, pooled);
                            }
                            Some((&*pooled, channels))
                        }
                    };
                    gemm(
                        project,
                        GemmArgs {
                            a: strip,
                            stride: channels,
                            segments: 1,
                            segment_stride: 0,
                            rows: (end - y) * out_shape.width,
                            residual,
                            out,
                        },
                    );
                }
                if self.pooled {
                    let pairs = strip[..(end - y) * strip_line].chunks(2 * strip_line);
                    for (pair, out) in pairs.zip(out.chunks_exact_mut(result_line)) {
                        let (above, below) = pair.split_at(strip_line);
                        let below = (!below.is_empty()).then_some(below);
                        max_pool_2x2_row(self.depthwise.isa(), above, below, channels, out);
                    }
                }
                y = end;
            }
        });
    }
}

impl fmt::Debug for Block {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (k, s, c) = (self.depthwise.window(), self.depthwise.stride(), self.depthwise.channels());
        if let Some(expand) = &self.expand {
            write!(f, "1x1 {}->", expand.inputs())?;
        }
        write!(f, "dw {k}x{k}/{s} {c}")?;
        if let Some(project) = &self.project {
            write!(f, "->1x1 {}", project.outputs())?;
            if matches!(project, Projection::Int8(_)) {
                write!(f, ", 8 bits")?;
            }
        }
        match self.residual {
            Residual::None => {}
            Residual::Input => write!(f, " +input")?,
            Residual::Pooled => write!(f, " +pooled")?,
        }
        if self.pooled { write!(f, ", pooled") } else { Ok(()) }
    }
}

impl Layer for Block {
    fn output(&self, inputs: &[Shape]) -> Result<Shape> {
        let (input, side) = match *inputs {
            [input] => (input, input),
            [input, side] if self.residual != Residual::None => (input, side),
            _ => bail!("{self:?} cannot take {} inputs", inputs.len()),
        };
        let (out, ..) = self.geometry(input);
        let wanted = match self.residual {
            Residual::Input => (side.height, side.width),
            Residual::Pooled => (side.height.div_ceil(2), side.width.div_ceil(2)),
            Residual::None => (out.height, out.width),
        };
        let residual_fits = (out.height, out.width) == wanted
            && (self.residual == Residual::None || side.channels <= out.channels);
        if input.channels != self.inputs() || out.is_empty() || !residual_fits {
            bail!("{self:?} cannot take {inputs:?}");
        }
        Ok(self.result(input))
    }

    fn operations(&self, inputs: &[Shape]) -> usize {
        let (out, ..) = self.geometry(inputs[0]);
        let pixels = out.height * out.width;
        let expand =
            self.expand.as_ref().map_or(0, |e| inputs[0].height * inputs[0].width * e.inputs() * e.outputs());
        let project = self.project.as_ref().map_or(0, |p| pixels * p.inputs() * p.outputs());
        expand + pixels * self.depthwise.window().pow(2) * self.depthwise.channels() + project
    }

    fn run(&self, inputs: &[Map<'_>], out: &mut [f32]) {
        self.advance(inputs[0], inputs[inputs.len() - 1], out);
    }
}
