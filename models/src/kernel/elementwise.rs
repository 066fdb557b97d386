//! The small steps between convolutions: pooling, upsampling, channel gates. One pass over memory each, a
//! vector of channels at a time.

use super::vector::Vector;
use super::{Isa, Kernel};

/// Largest of each 2×2 square: one output line from two input lines of `channels` a pixel. `below` may be
/// absent at an odd height, and a last odd column stands alone (TFLite's SAME; with even sizes it is also
/// VALID).
///
/// Panics when `out` is longer than half of `above`, rounded up, or the lines differ.
pub(crate) fn max_pool_2x2_row(
    isa: Isa,
    above: &[f32],
    below: Option<&[f32]>,
    channels: usize,
    out: &mut [f32],
) {
    let below = below.unwrap_or(above);
    let (width, out_width) = (above.len() / channels, out.len() / channels);
    assert!(above.len() == below.len() && out_width <= width.div_ceil(2));
    let (above, below, out) = (above.as_ptr(), below.as_ptr(), out.as_mut_ptr());
    // SAFETY: output pixel x reads input pixels 2x and, where the line has it, 2x + 1, of which both lines
    // hold `width`.
    unsafe { isa.run(Pool { above, below, width, out_width, channels, out }) }
}

struct Pool {
    above: *const f32,
    below: *const f32,
    width: usize,
    out_width: usize,
    channels: usize,
    out: *mut f32,
}

impl Kernel for Pool {
    #[inline(always)]
    unsafe fn run<V: Vector>(self) {
        for x in 0..self.out_width {
            let left = 2 * x * self.channels;
            let right = if 2 * x + 1 < self.width { left + self.channels } else { left };
            for c in (0..self.channels).step_by(V::LANES) {
                let rest = self.channels - c;
                // SAFETY: as the caller says; no more than `rest` values are touched.
                unsafe {
                    let above =
                        load::<V>(self.above.add(left + c), rest).max(load(self.above.add(right + c), rest));
                    let below =
                        load::<V>(self.below.add(left + c), rest).max(load(self.below.add(right + c), rest));
                    store(above.max(below), self.out.add(x * self.channels + c), rest);
                }
            }
        }
    }
}

/// How a coarse map is brought to twice its size.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Upsample {
    /// Each value four times (ONNX `asymmetric`, `floor`).
    Nearest,
    /// Bilinear with half-pixel centres (TFLite `half_pixel_centers`).
    Bilinear,
}

/// `out = fine + coarse brought to twice its size`; `fine` and `out` are `2·height × 2·width × channels`,
/// `coarse` is `height × width × channels`. Panics when a slice has another length.
pub(crate) fn add_upsampled_2x(
    isa: Isa,
    how: Upsample,
    fine: &[f32],
    coarse: &[f32],
    (height, width, channels): (usize, usize, usize),
    out: &mut [f32],
) {
    assert_eq!(coarse.len(), height * width * channels);
    assert!(fine.len() == 4 * coarse.len() && out.len() == fine.len());
    let (fine, coarse, out) = (fine.as_ptr(), coarse.as_ptr(), out.as_mut_ptr());
    // SAFETY: every index is of a pixel inside the maps, whose sizes are asserted above.
    unsafe { isa.run(Upsampled { how, fine, coarse, height, width, channels, out }) }
}

struct Upsampled {
    how: Upsample,
    fine: *const f32,
    coarse: *const f32,
    height: usize,
    width: usize,
    channels: usize,
    out: *mut f32,
}

impl Upsampled {
    /// The two coarse indices between which fine index `i` lies, nearer first; the edges repeat.
    #[inline(always)]
    fn between(&self, i: usize, len: usize) -> (usize, usize) {
        let near = i / 2;
        match self.how {
            Upsample::Nearest => (near, near),
            // Fine centres lie a quarter before and a quarter behind the coarse one.
            Upsample::Bilinear if i.is_multiple_of(2) => (near, near.saturating_sub(1)),
            Upsample::Bilinear => (near, (near + 1).min(len - 1)),
        }
    }
}

impl Kernel for Upsampled {
    #[inline(always)]
    unsafe fn run<V: Vector>(self) {
        let Self { how, fine, coarse, width, channels, out, .. } = self;
        for y in 0..2 * self.height {
            let (row, far_row) = self.between(y, self.height);
            for x in 0..2 * width {
                let (column, far_column) = self.between(x, width);
                let at = (y * 2 * width + x) * channels;
                let near = (row * width + column) * channels;
                for c in (0..channels).step_by(V::LANES) {
                    let rest = channels - c;
                    // SAFETY: as the caller says; no more than `rest` values are touched.
                    unsafe {
                        let fine = load::<V>(fine.add(at + c), rest);
                        let coarse = coarse.wrapping_add(c);
                        let sum = match how {
                            Upsample::Nearest => fine.add(load(coarse.add(near), rest)),
                            Upsample::Bilinear => {
                                let sum = load::<V>(coarse.add(near), rest).mul_add(V::splat(0.5625), fine);
                                let beside = (row * width + far_column) * channels;
                                let sum = load::<V>(coarse.add(beside), rest).mul_add(V::splat(0.1875), sum);
                                let above = (far_row * width + column) * channels;
                                let sum = load::<V>(coarse.add(above), rest).mul_add(V::splat(0.1875), sum);
                                let across = (far_row * width + far_column) * channels;
                                load::<V>(coarse.add(across), rest).mul_add(V::splat(0.0625), sum)
                            }
                        };
                        store(sum, out.add(at + c), rest);
                    }
                }
            }
        }
    }
}

/// The mean of each channel over all pixels. Panics when there is not a whole number of pixels, or none.
pub(crate) fn channel_means(isa: Isa, values: &[f32], means: &mut [f32]) {
    let channels = means.len();
    assert!(!values.is_empty() && values.len().is_multiple_of(channels));
    let pixels = values.len() / channels;
    // SAFETY: `values` holds `pixels` times and `means` once `channels` values.
    unsafe { isa.run(Means { values: values.as_ptr(), pixels, channels, means: means.as_mut_ptr() }) }
}

struct Means {
    values: *const f32,
    pixels: usize,
    channels: usize,
    means: *mut f32,
}

impl Kernel for Means {
    #[inline(always)]
    unsafe fn run<V: Vector>(self) {
        for c in (0..self.channels).step_by(V::LANES) {
            let rest = self.channels - c;
            // SAFETY: as the caller says; no more than `rest` values are touched.
            unsafe {
                let mut sum = V::splat(0.0);
                for pixel in 0..self.pixels {
                    sum = sum.add(load(self.values.add(pixel * self.channels + c), rest));
                }
                let mean = sum.mul_add(V::splat(1.0 / self.pixels as f32), V::splat(0.0));
                store(mean, self.means.add(c), rest);
            }
        }
    }
}

/// `out = values · gate + residual`, with one gate a channel. Panics when the slices do not fit.
pub(crate) fn scale_add(isa: Isa, values: &[f32], gate: &[f32], residual: &[f32], out: &mut [f32]) {
    let channels = gate.len();
    assert!(
        values.len() == residual.len() && values.len() == out.len() && values.len().is_multiple_of(channels)
    );
    let pixels = values.len() / channels;
    let (values, gate, residual, out) = (values.as_ptr(), gate.as_ptr(), residual.as_ptr(), out.as_mut_ptr());
    // SAFETY: all but `gate` hold `pixels` times `channels` values, `gate` holds them once.
    unsafe { isa.run(ScaleAdd { values, gate, residual, pixels, channels, out }) }
}

struct ScaleAdd {
    values: *const f32,
    gate: *const f32,
    residual: *const f32,
    pixels: usize,
    channels: usize,
    out: *mut f32,
}

impl Kernel for ScaleAdd {
    #[inline(always)]
    unsafe fn run<V: Vector>(self) {
        for c in (0..self.channels).step_by(V::LANES) {
            let rest = self.channels - c;
            // SAFETY: as the caller says; no more than `rest` values are touched.
            unsafe {
                let gate = load::<V>(self.gate.add(c), rest);
                for pixel in 0..self.pixels {
                    let at = pixel * self.channels + c;
                    let residual = load(self.residual.add(at), rest);
                    store(
                        load::<V>(self.values.add(at), rest).mul_add(gate, residual),
                        self.out.add(at),
                        rest,
                    );
                }
            }
        }
    }
}

/// A vector from memory, or what is left of one.
///
/// # Safety
/// `from` must be valid for the lesser of `rest` and a vector.
#[inline(always)]
unsafe fn load<V: Vector>(from: *const f32, rest: usize) -> V {
    // SAFETY: forwarded.
    unsafe { if rest >= V::LANES { V::load(from) } else { V::load_first(from, rest) } }
}

/// A vector to memory, or as much of it as is left.
///
/// # Safety
/// `to` must be valid for the lesser of `rest` and a vector.
#[inline(always)]
unsafe fn store<V: Vector>(x: V, to: *mut f32, rest: usize) {
    // SAFETY: forwarded.
    unsafe { if rest >= V::LANES { x.store(to) } else { x.store_first(to, rest) } }
}
