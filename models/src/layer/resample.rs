//! Pooling and upsampling between stages.

use super::{Layer, Map, Shape};
use crate::kernel::{Isa, Upsample, add_upsampled_2x, max_pool_2x2_row};
use candle_core::{Result, bail};

/// The maximum of each 2×2 square, at stride 2; an odd last line or column stands alone.
#[derive(Clone, Copy, Debug)]
pub struct MaxPool;

impl Layer for MaxPool {
    fn output(&self, inputs: &[Shape]) -> Result<Shape> {
        match *inputs {
            [input] if !input.is_empty() => {
                Ok(Shape { height: input.height.div_ceil(2), width: input.width.div_ceil(2), ..input })
            }
            _ => bail!("pooling cannot take {inputs:?}"),
        }
    }

    fn operations(&self, _: &[Shape]) -> usize {
        0
    }

    fn run(&self, inputs: &[Map<'_>], out: &mut [f32]) {
        let Map { values, shape } = inputs[0];
        let out_line = shape.width.div_ceil(2) * shape.channels;
        for (out, pair) in out.chunks_exact_mut(out_line).zip(values.chunks(2 * shape.line())) {
            let (above, below) = pair.split_at(shape.line());
            max_pool_2x2_row(Isa::best(), above, (!below.is_empty()).then_some(below), shape.channels, out);
        }
    }
}

/// The first input plus the second brought to twice its size (feature pyramids).
#[derive(Clone, Copy, Debug)]
pub struct AddUpsampled(Upsample);

impl AddUpsampled {
    /// Each coarse value four times, as ONNX's `asymmetric` + `floor` does.
    pub const NEAREST: Self = Self(Upsample::Nearest);
    /// Bilinear with half-pixel centres, as TFLite's `half_pixel_centers` does.
    pub const BILINEAR: Self = Self(Upsample::Bilinear);
}

impl Layer for AddUpsampled {
    fn output(&self, inputs: &[Shape]) -> Result<Shape> {
        match *inputs {
            [fine, coarse]
                if !coarse.is_empty()
                    && fine == (Shape { height: 2 * coarse.height, width: 2 * coarse.width, ..coarse }) =>
            {
                Ok(fine)
            }
            _ => bail!("the first of {inputs:?} is not twice the second"),
        }
    }

    fn operations(&self, inputs: &[Shape]) -> usize {
        inputs[0].len()
    }

    fn run(&self, inputs: &[Map<'_>], out: &mut [f32]) {
        let coarse = inputs[1].shape;
        let size = (coarse.height, coarse.width, coarse.channels);
        add_upsampled_2x(Isa::best(), self.0, inputs[0].values, inputs[1].values, size, out);
    }
}
