//! The small steps between convolutions: pooling, upsampling, channel gates. They are a few per cent of a network's time, and
//! plain Rust over slices is turned into vector code by the compiler.

/// Largest of each 2×2 square: one output line from two input lines of `channels` a pixel. `below` may be absent at an odd
/// height, and a last odd column stands alone (TFLite's SAME; with even sizes it is also VALID).
pub(crate) fn max_pool_2x2_row(above: &[f32], below: Option<&[f32]>, channels: usize, out: &mut [f32]) {
    let below = below.unwrap_or(above);
    let pairs = above.chunks(2 * channels).zip(below.chunks(2 * channels));
    for (out, (a, b)) in out.chunks_exact_mut(channels).zip(pairs) {
        let (a0, a1) = a.split_at(channels);
        let (b0, b1) = b.split_at(channels);
        let (a1, b1) = if a1.is_empty() { (a0, b0) } else { (a1, b1) };
        for c in 0..channels {
            out[c] = greater(greater(a0[c], a1[c]), greater(b0[c], b1[c]));
        }
    }
}

/// As one instruction; `f32::max` must also get NaN right and is several.
#[inline(always)]
fn greater(a: f32, b: f32) -> f32 {
    if a > b { a } else { b }
}

/// How a coarse map is brought to twice its size.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Upsample {
    /// Each value four times (ONNX `asymmetric`, `floor`).
    Nearest,
    /// Bilinear with half-pixel centres (TFLite `half_pixel_centers`).
    Bilinear,
}

/// `out = fine + coarse brought to twice its size`; `fine` and `out` are `2h × 2w × channels`, `coarse` is `h × w × channels`.
pub(crate) fn add_upsampled_2x(
    how: Upsample,
    fine: &[f32],
    coarse: &[f32],
    (height, width, channels): (usize, usize, usize),
    out: &mut [f32],
) {
    // Output line 2i lies a quarter above coarse line i, 2i+1 a quarter below; the edges repeat.
    let neighbour = |i: usize, n: usize| match how {
        Upsample::Nearest => (i / 2, i / 2),
        Upsample::Bilinear if i.is_multiple_of(2) => (i / 2, (i / 2).saturating_sub(1)),
        Upsample::Bilinear => (i / 2, (i / 2 + 1).min(n - 1)),
    };
    let line = 2 * width * channels;
    for (y, (out, fine)) in out.chunks_exact_mut(line).zip(fine.chunks_exact(line)).enumerate() {
        let (near, far) = neighbour(y, height);
        let near = &coarse[near * width * channels..][..width * channels];
        let far = &coarse[far * width * channels..][..width * channels];
        for (x, (out, fine)) in out.chunks_exact_mut(channels).zip(fine.chunks_exact(channels)).enumerate() {
            let (left, right) = neighbour(x, width);
            let (nn, nf) = (&near[left * channels..][..channels], &near[right * channels..][..channels]);
            let (fn_, ff) = (&far[left * channels..][..channels], &far[right * channels..][..channels]);
            for c in 0..channels {
                let (near, far) = (0.75 * nn[c] + 0.25 * nf[c], 0.75 * fn_[c] + 0.25 * ff[c]);
                out[c] = fine[c] + 0.75 * near + 0.25 * far;
            }
        }
    }
}

/// The mean of each channel over all pixels.
pub(crate) fn channel_means(values: &[f32], means: &mut [f32]) {
    means.fill(0.0);
    let pixels = values.len() / means.len();
    for pixel in values.chunks_exact(means.len()) {
        for (mean, value) in means.iter_mut().zip(pixel) {
            *mean += value;
        }
    }
    for mean in means {
        *mean /= pixels as f32;
    }
}

/// `out = values · gate + residual`, with one gate a channel.
pub(crate) fn scale_add(values: &[f32], gate: &[f32], residual: &[f32], out: &mut [f32]) {
    let channels = gate.len();
    let pixels = values.chunks_exact(channels).zip(residual.chunks_exact(channels));
    for (out, (value, residual)) in out.chunks_exact_mut(channels).zip(pixels) {
        for c in 0..channels {
            out[c] = value[c] * gate[c] + residual[c];
        }
    }
}
