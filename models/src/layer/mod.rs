//! Fused layers as candle custom ops.
//!
//! A [`Layer`] reads one or two NHWC tensors of `f32` and writes one that is there already; [`Fused`] makes
//! it a candle in-place op. Everything that follows a convolution in these models (folded batch norm, bias,
//! activation, residual) is part of the layer. [`forward`] is the ordinary way of calling one, with a fresh
//! output; a [`crate::plan::Plan`] calls them with buffers that are used again and again.

mod block;
mod coded;
mod conv;
mod gate;
mod projection;
mod resample;
#[cfg(test)]
mod tests;
mod weights;

pub use block::{Block, Residual};
pub use coded::{Coded, Whole};
pub use conv::Conv;
pub use gate::Gate;
pub use resample::{AddUpsampled, MaxPool};
pub use weights::{Activation, BatchNorm, Depthwise, Filter, Padding, vector};

use candle_core::{CpuStorage, DType, Device, InplaceOp2, InplaceOp3, Layout, Result, Tensor, bail};
use std::fmt::Debug;

/// Height, width and channels of one image or feature map.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Shape {
    /// Lines.
    pub height: usize,
    /// Pixels of a line.
    pub width: usize,
    /// Values of a pixel, which lie together.
    pub channels: usize,
}

impl Shape {
    /// Values in one image.
    pub fn len(self) -> usize {
        self.height * self.width * self.channels
    }

    /// Whether it holds nothing.
    pub fn is_empty(self) -> bool {
        self.len() == 0
    }

    /// Values in one line.
    pub fn line(self) -> usize {
        self.width * self.channels
    }
}

/// One image of a layer's input.
#[derive(Clone, Copy)]
pub struct Map<'a> {
    /// `shape.len()` values, NHWC.
    pub values: &'a [f32],
    /// Their arrangement.
    pub shape: Shape,
}

/// A step of a model.
pub trait Layer: Debug + Send + Sync {
    /// The output's shape, or why these inputs do not fit.
    fn output(&self, inputs: &[Shape]) -> Result<Shape>;

    /// Multiply-adds for one image, for reports.
    fn operations(&self, inputs: &[Shape]) -> usize;

    /// Computes one image. `out` has the length that [`Self::output`] says, which the caller has checked;
    /// what it held is overwritten.
    fn run(&self, inputs: &[Map<'_>], out: &mut [f32]);
}

/// Calls a layer the ordinary way: NHWC tensors in, a fresh tensor out. All inputs have the same batch.
pub fn forward(layer: &dyn Layer, inputs: &[&Tensor]) -> Result<Tensor> {
    let mut shapes = Vec::with_capacity(inputs.len());
    let mut batch = 1;
    for input in inputs {
        let (n, height, width, channels) = input.dims4()?;
        batch = n;
        shapes.push(Shape { height, width, channels });
    }
    let shape = layer.output(&shapes)?;
    let out = Tensor::zeros((batch, shape.height, shape.width, shape.channels), DType::F32, &Device::Cpu)?;
    apply(layer, inputs, &out)?;
    Ok(out)
}

/// Computes a layer into `out`, whose storage none of the inputs may share. Allocates nothing.
pub fn apply(layer: &dyn Layer, inputs: &[&Tensor], out: &Tensor) -> Result<()> {
    let op = Fused(layer);
    match *inputs {
        [a] => out.inplace_op2(a, &op),
        [a, b] => out.inplace_op3(a, b, &op),
        _ => bail!("a layer takes one or two inputs, not {}", inputs.len()),
    }
}

/// A layer as a candle op.
struct Fused<'a>(&'a dyn Layer);

impl InplaceOp2 for Fused<'_> {
    fn name(&self) -> &'static str {
        "fused layer"
    }

    fn cpu_fwd(&self, dst: &mut CpuStorage, dst_l: &Layout, a: &CpuStorage, a_l: &Layout) -> Result<()> {
        self.run(dst, dst_l, [(a, a_l)])
    }
}

impl InplaceOp3 for Fused<'_> {
    fn name(&self) -> &'static str {
        "fused layer"
    }

    fn cpu_fwd(
        &self,
        dst: &mut CpuStorage,
        dst_l: &Layout,
        a: &CpuStorage,
        a_l: &Layout,
        b: &CpuStorage,
        b_l: &Layout,
    ) -> Result<()> {
        self.run(dst, dst_l, [(a, a_l), (b, b_l)])
    }
}

impl Fused<'_> {
    fn run<const N: usize>(
        &self,
        dst: &mut CpuStorage,
        dst_layout: &Layout,
        srcs: [(&CpuStorage, &Layout); N],
    ) -> Result<()> {
        let empty: (&[f32], Shape) = (&[], Shape { height: 0, width: 0, channels: 0 });
        let mut inputs = [empty; N];
        let mut shapes = [empty.1; N];
        let (batch, out_shape) = batched(dst_layout)?;
        for (i, (storage, layout)) in srcs.into_iter().enumerate() {
            let (n, shape) = batched(layout)?;
            if n != batch {
                bail!("an input has batch {n}, the output {batch}");
            }
            inputs[i] = (contiguous(storage.as_slice()?, layout)?, shape);
            shapes[i] = shape;
        }
        let wanted = self.0.output(&shapes)?;
        if wanted != out_shape {
            bail!("the output is {out_shape:?}, but {:?} makes {wanted:?} of {shapes:?}", self.0);
        }
        let Some((begin, end)) = dst_layout.contiguous_offsets() else {
            bail!("the output is not contiguous")
        };
        let CpuStorage::F32(out) = dst else { bail!("the output is not f32") };
        let out = &mut out[begin..end];
        for image in 0..batch {
            let maps = inputs
                .map(|(values, shape)| Map { values: &values[image * shape.len()..][..shape.len()], shape });
            self.0.run(&maps, &mut out[image * out_shape.len()..][..out_shape.len()]);
        }
        Ok(())
    }
}

fn batched(layout: &Layout) -> Result<(usize, Shape)> {
    let &[batch, height, width, channels] = layout.dims() else {
        bail!("a layer takes [batch, height, width, channels], not {:?}", layout.dims())
    };
    Ok((batch, Shape { height, width, channels }))
}

fn contiguous<'a>(values: &'a [f32], layout: &Layout) -> Result<&'a [f32]> {
    match layout.contiguous_offsets() {
        Some((begin, end)) => Ok(&values[begin..end]),
        None => bail!("an input is not contiguous: call `contiguous()` first"),
    }
}
