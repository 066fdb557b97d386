//! Matrix product with packed weights: pointwise and dense convolution, fully connected layers.
//!
//! `out[m][n] = epilogue(bias[n] + Σ_k a[m][k]·w[k][n] + residual[m][n])`, where a row `m` is a pixel. The
//! rows of `a` are read where they lie in the NHWC tensor; a k×k convolution is the same product with a row
//! in k *segments*, one for each line of the window, so that nothing is unfolded (im2col) in memory.
//!
//! The weights are packed once ([`super::packed`]) into panels of one to four vectors of columns. A tile of
//! `rows × vectors` accumulators stays in registers over the whole of k; what would be a second and third
//! pass over the output (bias, residual, activation) happens before its only store.

use super::packed::{GemmWeights, Panel};
use super::vector::Vector;
use super::{Epilogue, Kernel, leaky};

/// Values of `a` that are worked through before the next panel: half of a 32 KB first-level cache, so that
/// they stay there while every panel passes by.
const CHUNK: usize = 4096;

/// Where the rows of a product come from and go to.
pub(crate) struct GemmArgs<'a> {
    /// Holds the rows; row `m`'s segment `s` begins at `m · stride + s · segment_stride`.
    pub(crate) a: &'a [f32],
    /// From one row to the next.
    pub(crate) stride: usize,
    /// Pieces of a row that lie apart.
    pub(crate) segments: usize,
    /// From one piece to the next.
    pub(crate) segment_stride: usize,
    /// Rows.
    pub(crate) rows: usize,
    /// Added before the epilogue: values and channels a row (which may be fewer than the outputs; the others
    /// get nothing).
    pub(crate) residual: Option<(&'a [f32], usize)>,
    /// Gets `rows × outputs` values.
    pub(crate) out: &'a mut [f32],
}

/// Runs one product. Panics when a slice is too short for what the arguments describe.
pub(crate) fn gemm(w: &GemmWeights, args: GemmArgs<'_>) {
    let GemmArgs { a, stride, segments, segment_stride, rows, residual, out } = args;
    if rows == 0 {
        return;
    }
    assert!(segments > 0 && w.inputs.is_multiple_of(segments));
    let segment_len = w.inputs / segments;
    assert!((rows - 1) * stride + (segments - 1) * segment_stride + segment_len <= a.len());
    assert!(rows * w.outputs <= out.len());
    let (residual, residual_channels) = match residual {
        Some((values, channels)) => {
            assert!(rows * channels <= values.len() && channels <= w.outputs);
            (values.as_ptr(), channels)
        }
        None => (std::ptr::null(), 0),
    };
    let product = Product {
        w,
        a: a.as_ptr(),
        stride,
        segments,
        segment_stride,
        segment_len,
        rows,
        residual,
        residual_channels,
        out: out.as_mut_ptr(),
    };
    // SAFETY: every row's segments, the residual and the output lie inside their slices by the assertions
    // above; the packed arrays hold whole panels for `inputs` by construction.
    unsafe { w.isa.run(product) }
}

struct Product<'a> {
    w: &'a GemmWeights,
    a: *const f32,
    stride: usize,
    segments: usize,
    segment_stride: usize,
    segment_len: usize,
    rows: usize,
    residual: *const f32,
    residual_channels: usize,
    out: *mut f32,
}

impl Kernel for Product<'_> {
    #[inline(always)]
    unsafe fn run<V: Vector>(self) {
        let w = self.w;
        let chunk = (CHUNK / w.inputs).max(48);
        let mut begin = 0;
        while begin < self.rows {
            let end = (begin + chunk).min(self.rows);
            for panel in &w.panels {
                let most = max_rows::<V>(panel.vectors);
                let tiles = (end - begin).div_ceil(most);
                let mut row = begin;
                for tile in 0..tiles {
                    // Even tiles: fourteen rows are two sevens, not twelve and two.
                    let next = begin + (end - begin) * (tile + 1) / tiles;
                    // SAFETY: rows `row..next` are inside the product, the panel inside the packed arrays.
                    unsafe { self.tile::<V>(panel, row, next - row) };
                    row = next;
                }
            }
            begin = end;
        }
    }
}

/// Adds one column of `a`, lane `LANE` of `rows`, times the weights at `b` to a tile.
///
/// # Safety
/// `b` must be valid for `N` vectors.
#[inline(always)]
unsafe fn lane<V: Vector, const M: usize, const N: usize, const LANE: i32>(
    acc: &mut [[V; N]; M],
    rows: &[V; M],
    b: *const f32,
) {
    // SAFETY: the caller's contract.
    unsafe {
        let mut column = [V::splat(0.0); N];
        for n in 0..N {
            column[n] = V::load(b.add(n * V::LANES));
        }
        for m in 0..M {
            for n in 0..N {
                acc[m][n] = column[n].mul_add_lane::<LANE>(rows[m], acc[m][n]);
            }
        }
    }
}

/// Rows of a tile, so that accumulators, one row of weights, and one broadcast value or a vector of each row
/// fit the registers. Without [`Vector::BY_LANE`] one register stays free: with AVX2's sixteen all taken,
/// four rows by three vectors, the compiler kept some in memory, and the tile took twice the time.
const fn max_rows<V: Vector>(vectors: usize) -> usize {
    let rows = if V::BY_LANE {
        (V::REGISTERS - 1 - vectors) / (vectors + 1)
    } else {
        (V::REGISTERS - 2 - vectors) / vectors
    };
    if rows > MOST_ROWS { MOST_ROWS } else { rows }
}

/// Taller tiles gain nothing: the row pointers no longer fit the general registers.
const MOST_ROWS: usize = 14;

impl Product<'_> {
    #[inline(always)]
    unsafe fn tile<V: Vector>(&self, panel: &Panel, row: usize, rows: usize) {
        macro_rules! choose {
            ($($vectors:literal: $($rows:literal)*;)*) => {
                match (panel.vectors, rows) {
                    $($(($vectors, $rows) if $rows <= max_rows::<V>($vectors) =>
                        // SAFETY: forwarded from the caller.
                        unsafe { self.micro::<V, $rows, $vectors>(panel, row) },)*)*
                    _ => unreachable!("{} rows of {} vectors", rows, panel.vectors),
                }
            };
        }
        choose! {
            1: 1 2 3 4 5 6 7 8 9 10 11 12 13 14;
            2: 1 2 3 4 5 6 7 8 9 10 11 12 13 14;
            3: 1 2 3 4 5 6 7 8 9;
            4: 1 2 3 4 5 6;
        }
    }

    /// One tile of `M` rows by `N` vectors.
    ///
    /// Each loop over the accumulators is short enough for the compiler to unroll, and choices at run time
    /// are made outside of these loops. Otherwise the accumulators would not stay in registers.
    ///
    /// # Safety
    /// Rows `row..row + M` must lie inside the product and `panel` must have `N` vectors.
    #[inline(always)]
    unsafe fn micro<V: Vector, const M: usize, const N: usize>(&self, panel: &Panel, row: usize) {
        // SAFETY: by the contract above and the checks in `gemm`, all reads of `a` and of the packed arrays
        // (padded to whole vectors) and all writes of `out` (only its `outputs` columns) are inside their
        // slices.
        unsafe {
            let w = self.w;
            let mut acc = [[V::splat(0.0); N]; M];
            for n in 0..N {
                let bias = V::load(w.bias.as_ptr().add(panel.column + n * V::LANES));
                for m in 0..M {
                    acc[m][n] = bias;
                }
            }
            let mut b = w.weights.as_ptr().add(panel.start);
            let mut segment = self.a.add(row * self.stride);
            for _ in 0..self.segments {
                let mut a = segment;
                let mut left = self.segment_len;
                // Four values of each row at once, each multiplied from its lane.
                while V::BY_LANE && left >= 4 {
                    let mut rows = [V::splat(0.0); M];
                    let mut pixel = a;
                    for m in 0..M {
                        rows[m] = V::load(pixel);
                        pixel = pixel.wrapping_add(self.stride);
                    }
                    lane::<V, M, N, 0>(&mut acc, &rows, b);
                    lane::<V, M, N, 1>(&mut acc, &rows, b.add(N * V::LANES));
                    lane::<V, M, N, 2>(&mut acc, &rows, b.add(2 * N * V::LANES));
                    lane::<V, M, N, 3>(&mut acc, &rows, b.add(3 * N * V::LANES));
                    b = b.add(4 * N * V::LANES);
                    a = a.add(4);
                    left -= 4;
                }
                for _ in 0..left {
                    let mut column = [V::splat(0.0); N];
                    for n in 0..N {
                        column[n] = V::load(b.add(n * V::LANES));
                    }
                    let mut pixel = a;
                    for m in 0..M {
                        let x = V::splat(*pixel);
                        for n in 0..N {
                            acc[m][n] = x.mul_add(column[n], acc[m][n]);
                        }
                        pixel = pixel.wrapping_add(self.stride);
                    }
                    b = b.add(N * V::LANES);
                    a = a.add(1);
                }
                segment = segment.wrapping_add(self.segment_stride);
            }

            if panel.column < self.residual_channels {
                self.add_residual(&mut acc, panel.column, row);
            }
            match w.epilogue {
                Epilogue::None => {}
                Epilogue::Relu => {
                    for m in 0..M {
                        for n in 0..N {
                            acc[m][n] = acc[m][n].max(V::splat(0.0));
                        }
                    }
                }
                Epilogue::PRelu => {
                    for n in 0..N {
                        let slope = V::load(w.slope.as_ptr().add(panel.column + n * V::LANES));
                        for m in 0..M {
                            acc[m][n] = leaky(acc[m][n], slope);
                        }
                    }
                }
            }

            let mut out = self.out.add(row * w.outputs + panel.column);
            // Only the very last vector of columns can be partial.
            let last = w.outputs - panel.column - (N - 1) * V::LANES;
            if last >= V::LANES {
                for m in 0..M {
                    for n in 0..N {
                        acc[m][n].store(out.add(n * V::LANES));
                    }
                    out = out.wrapping_add(w.outputs);
                }
            } else {
                for m in 0..M {
                    for n in 0..N - 1 {
                        acc[m][n].store(out.add(n * V::LANES));
                    }
                    acc[m][N - 1].store_first(out.add((N - 1) * V::LANES), last);
                    out = out.wrapping_add(w.outputs);
                }
            }
        }
    }

    /// Adds the residual of rows `row..row + M` to a tile that begins at `column`, one of the residual's
    /// channels.
    ///
    /// # Safety
    /// As for `micro`.
    #[inline(always)]
    unsafe fn add_residual<V: Vector, const M: usize, const N: usize>(
        &self,
        acc: &mut [[V; N]; M],
        column: usize,
        row: usize,
    ) {
        // SAFETY: the residual has `residual_channels` values for each row, and no more than those are read.
        unsafe {
            let mut residual = self.residual.add(row * self.residual_channels + column);
            let channels = self.residual_channels - column;
            let before_last = (N - 1) * V::LANES;
            if channels >= N * V::LANES {
                for m in 0..M {
                    for n in 0..N {
                        acc[m][n] = acc[m][n].add(V::load(residual.add(n * V::LANES)));
                    }
                    residual = residual.wrapping_add(self.residual_channels);
                }
            } else if channels > before_last {
                for m in 0..M {
                    for n in 0..N - 1 {
                        acc[m][n] = acc[m][n].add(V::load(residual.add(n * V::LANES)));
                    }
                    let last = V::load_first(residual.add(before_last), channels - before_last);
                    acc[m][N - 1] = acc[m][N - 1].add(last);
                    residual = residual.wrapping_add(self.residual_channels);
                }
            } else {
                // Rare: the residual ends inside an earlier vector. Through memory, since its place is known
                // only now.
                for m in 0..M {
                    let mut sums = acc[m];
                    for (n, sum) in sums.iter_mut().enumerate().take(channels.div_ceil(V::LANES)) {
                        let rest = channels - n * V::LANES;
                        let from = residual.add(n * V::LANES);
                        *sum =
                            sum.add(if rest >= V::LANES { V::load(from) } else { V::load_first(from, rest) });
                    }
                    acc[m] = sums;
                    residual = residual.wrapping_add(self.residual_channels);
                }
            }
        }
    }
}
