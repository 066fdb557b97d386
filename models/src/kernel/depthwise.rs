//! Depthwise convolution, one output line at a time: each channel is filtered by its own k×k window.
//!
//! In NHWC a vector holds neighbouring channels of one pixel, so no lane ever needs another's values. Up to
//! eight neighbouring outputs of one vector of channels are summed side by side, and share the pixels that
//! are loaded. Where a window hangs over the left or right edge only the taps inside are summed; lines above
//! and below the image are a line of zeros that the caller hands in.

use super::vector::Vector;
use super::{Aligned, Epilogue, Isa, Kernel, leaky};

/// Outputs that are summed side by side, to hide the latency of the multiply-add behind its siblings.
const ABREAST: usize = 8;
/// The largest window of any model here: the last of MiniFAS 128, over its whole map.
pub(crate) const MAX_WINDOW: usize = 8;

/// Weights, bias and slopes in the order in which [`depthwise_row`] reads them.
#[derive(Clone)]
pub(crate) struct DepthwiseWeights {
    isa: Isa,
    window: usize,
    stride: usize,
    channels: usize,
    epilogue: Epilogue,
    /// First channel of each vector of channels. The last is moved back to end with the channels, so that no
    /// vector is partial where there is at least a whole one; what two vectors share is computed twice,
    /// alike.
    blocks: Vec<usize>,
    /// For each block: `window²` vectors, bias, slope.
    weights: Aligned,
}

impl DepthwiseWeights {
    /// Packs a `window × window × channels` kernel (TFLite's layout). Panics when lengths do not match: the
    /// layers have checked the shapes of what came from a file.
    pub(crate) fn pack(
        isa: Isa,
        window: usize,
        stride: usize,
        weights: &[f32],
        bias: &[f32],
        epilogue: Epilogue,
        slope: &[f32],
    ) -> Self {
        let channels = bias.len();
        assert!(window <= MAX_WINDOW && stride > 0);
        assert_eq!(weights.len(), window * window * channels);
        assert!(epilogue != Epilogue::PRelu || slope.len() == channels);
        let lanes = isa.lanes();
        let blocks: Vec<usize> =
            (0..channels).step_by(lanes).map(|c| c.min(channels.saturating_sub(lanes))).collect();
        let taps = window * window;
        let mut packed = Aligned::zeroed(blocks.len() * (taps + 2) * lanes);
        for (block, &first) in blocks.iter().enumerate() {
            for lane in 0..lanes.min(channels - first) {
                let mut put = |i: usize, x: f32| packed[(block * (taps + 2) + i) * lanes + lane] = x;
                for tap in 0..taps {
                    put(tap, weights[tap * channels + first + lane]);
                }
                put(taps, bias[first + lane]);
                put(taps + 1, slope.get(first + lane).copied().unwrap_or(0.0));
            }
        }
        Self { isa, window, stride, channels, epilogue, blocks, weights: packed }
    }

    pub(crate) fn isa(&self) -> Isa {
        self.isa
    }

    pub(crate) fn window(&self) -> usize {
        self.window
    }

    pub(crate) fn stride(&self) -> usize {
        self.stride
    }

    pub(crate) fn channels(&self) -> usize {
        self.channels
    }
}

/// One output line: what it reads and where it goes.
pub(crate) struct RowArgs<'a> {
    /// The `window` input lines, each `width × channels`.
    pub(crate) lines: &'a [&'a [f32]],
    /// Pixels of an input line.
    pub(crate) width: usize,
    /// Columns of zeros before the first pixel.
    pub(crate) left: usize,
    /// Gets `out_width × channels` values.
    pub(crate) out: &'a mut [f32],
    /// Pixels of the output line.
    pub(crate) out_width: usize,
}

/// Computes one output line. Panics when a slice is too short for what the arguments describe.
pub(crate) fn depthwise_row(w: &DepthwiseWeights, args: RowArgs<'_>) {
    let RowArgs { lines, width, left, out, out_width } = args;
    assert_eq!(lines.len(), w.window);
    assert!(out.len() >= out_width * w.channels);
    let mut pointers = [std::ptr::null(); MAX_WINDOW];
    for (pointer, line) in pointers.iter_mut().zip(lines) {
        assert!(line.len() >= width * w.channels);
        *pointer = line.as_ptr();
    }
    let line = Line { w, lines: pointers, width, left, out: out.as_mut_ptr(), out_width };
    // SAFETY: each line holds `width` pixels and `out` holds `out_width`, asserted above; the kernel reads no
    // tap outside `0..width`, and the packed array holds every block by construction.
    unsafe { w.isa.run(line) }
}

struct Line<'a> {
    w: &'a DepthwiseWeights,
    lines: [*const f32; MAX_WINDOW],
    width: usize,
    left: usize,
    out: *mut f32,
    out_width: usize,
}

impl Kernel for Line<'_> {
    #[inline(always)]
    unsafe fn run<V: Vector>(self) {
        // SAFETY: forwarded from the caller.
        unsafe {
            match (self.w.window, self.w.stride) {
                (3, 1) => self.blocks::<V, 3, 1>(),
                (3, 2) => self.blocks::<V, 3, 2>(),
                (5, 1) => self.blocks::<V, 5, 1>(),
                (5, 2) => self.blocks::<V, 5, 2>(),
                // Any other window: every output is taken for an edge, where the taps are counted at run
                // time.
                _ => self.blocks::<V, 0, 1>(),
            }
        }
    }
}

impl Line<'_> {
    #[inline(always)]
    unsafe fn blocks<V: Vector, const K: usize, const S: usize>(&self) {
        // SAFETY: forwarded; a whole vector follows each block's first channel unless there is only a part.
        unsafe {
            if self.w.channels < V::LANES {
                self.along::<V, K, S, true>();
            } else {
                self.along::<V, K, S, false>();
            }
        }
    }

    /// The line in pieces of neighbouring outputs, all channels of a piece before the next: pixels lie far
    /// apart in memory where they have many channels, and only few lines of a cache can hold them.
    #[inline(always)]
    unsafe fn along<V: Vector, const K: usize, const S: usize, const PARTIAL: bool>(&self) {
        // Outputs whose whole window is inside: from the first with x·S ≥ left to the last with x·S − left +
        // K ≤ width.
        let (inner, end) = if K == 0 {
            (self.out_width, self.out_width)
        } else {
            let inner = self.left.div_ceil(S.max(1)).min(self.out_width);
            let end =
                if self.width + self.left < K { 0 } else { (self.width + self.left - K) / S.max(1) + 1 };
            (inner, end.clamp(inner, self.out_width))
        };
        // SAFETY: the edges sum only taps inside the line; between `inner` and `end` whole windows are inside
        // by the arithmetic above. Lanes: whole vectors from `first`, or `channels` of them when `PARTIAL`.
        unsafe {
            let step = (self.w.window * self.w.window + 2) * V::LANES;
            for x in 0..inner {
                let mut weights = self.w.weights.as_ptr();
                for &first in &self.w.blocks {
                    self.edge::<V, PARTIAL>(weights, first, x);
                    weights = weights.wrapping_add(step);
                }
            }
            let mut x = inner;
            while x + ABREAST <= end {
                let mut weights = self.w.weights.as_ptr();
                for &first in &self.w.blocks {
                    self.inside::<V, K, S, PARTIAL, ABREAST>(weights, first, x);
                    weights = weights.wrapping_add(step);
                }
                x += ABREAST;
            }
            if x + ABREAST / 2 <= end {
                let mut weights = self.w.weights.as_ptr();
                for &first in &self.w.blocks {
                    self.inside::<V, K, S, PARTIAL, { ABREAST / 2 }>(weights, first, x);
                    weights = weights.wrapping_add(step);
                }
                x += ABREAST / 2;
            }
            while x < end {
                let mut weights = self.w.weights.as_ptr();
                for &first in &self.w.blocks {
                    self.inside::<V, K, S, PARTIAL, 1>(weights, first, x);
                    weights = weights.wrapping_add(step);
                }
                x += 1;
            }
            for x in end.max(inner)..self.out_width {
                let mut weights = self.w.weights.as_ptr();
                for &first in &self.w.blocks {
                    self.edge::<V, PARTIAL>(weights, first, x);
                    weights = weights.wrapping_add(step);
                }
            }
        }
    }

    #[inline(always)]
    unsafe fn load<V: Vector, const PARTIAL: bool>(&self, from: *const f32) -> V {
        // SAFETY: forwarded.
        unsafe { if PARTIAL { V::load_first(from, self.w.channels) } else { V::load(from) } }
    }

    /// Activation and store of `N` neighbouring outputs from `x`. `slope` is the block's.
    #[inline(always)]
    unsafe fn finish<V: Vector, const PARTIAL: bool, const N: usize>(
        &self,
        mut sums: [V; N],
        slope: *const f32,
        first: usize,
        x: usize,
    ) {
        // SAFETY: forwarded; pixels `x..x + N` of the output hold `channels` values each.
        unsafe {
            match self.w.epilogue {
                Epilogue::None => {}
                Epilogue::Relu => {
                    for n in 0..N {
                        sums[n] = sums[n].max(V::splat(0.0));
                    }
                }
                Epilogue::PRelu => {
                    let slope = V::load(slope);
                    for n in 0..N {
                        sums[n] = leaky(sums[n], slope);
                    }
                }
            }
            let mut out = self.out.add(x * self.w.channels + first);
            for n in 0..N {
                if PARTIAL {
                    sums[n].store_first(out, self.w.channels);
                } else {
                    sums[n].store(out);
                }
                out = out.wrapping_add(self.w.channels);
            }
        }
    }

    /// `N` neighbouring outputs from `x`, whose windows lie inside the line.
    #[inline(always)]
    unsafe fn inside<V: Vector, const K: usize, const S: usize, const PARTIAL: bool, const N: usize>(
        &self,
        weights: *const f32,
        first: usize,
        x: usize,
    ) {
        let channels = self.w.channels;
        // SAFETY: forwarded.
        unsafe {
            let bias = V::load(weights.add(K * K * V::LANES));
            let mut sums = [bias; N];
            let begin = (x * S - self.left) * channels + first;
            for ky in 0..K {
                let mut column = self.lines[ky].add(begin);
                // Each pixel is loaded once and serves every window that it lies in.
                for i in 0..(N - 1) * S + K {
                    let value = self.load::<V, PARTIAL>(column);
                    for n in 0..N {
                        if n * S <= i && i < n * S + K {
                            let weight = V::load(weights.add((ky * K + i - n * S) * V::LANES));
                            sums[n] = value.mul_add(weight, sums[n]);
                        }
                    }
                    column = column.wrapping_add(channels);
                }
            }
            self.finish::<V, PARTIAL, N>(sums, weights.add((K * K + 1) * V::LANES), first, x);
        }
    }

    /// One output whose window may hang over an edge, of any size and stride.
    #[inline(always)]
    unsafe fn edge<V: Vector, const PARTIAL: bool>(&self, weights: *const f32, first: usize, x: usize) {
        let (window, channels) = (self.w.window, self.w.channels);
        let begin = x * self.w.stride;
        let taps =
            self.left.saturating_sub(begin)..window.min((self.left + self.width).saturating_sub(begin));
        // SAFETY: only taps with `left ≤ begin + kx < left + width` are read, which are pixels of the line.
        unsafe {
            let mut sum = V::load(weights.add(window * window * V::LANES));
            for ky in 0..window {
                for kx in taps.clone() {
                    let value = self
                        .load::<V, PARTIAL>(self.lines[ky].add((begin + kx - self.left) * channels + first));
                    sum = value.mul_add(V::load(weights.add((ky * window + kx) * V::LANES)), sum);
                }
            }
            self.finish::<V, PARTIAL, 1>([sum], weights.add((window * window + 1) * V::LANES), first, x);
        }
    }
}
