//! Matrix product in 8 bits: pointwise layers and the fully connected one behind a whole map.
//!
//! `out[m][n] = epilogue(bias[n] + scale[n] · Σ_p s[m][p] · Σ_k code(a[m][p][k]) · w[n][p][k])`. A row of `a`
//! comes in f32, in one or more *pixels*; each pixel is quantised by its own largest value, whose 127th part
//! is `s`. So no value is ever cut off, whatever picture it comes from.
//!
//! The codes of `a` and of `w` are −127 to 127. The inner sum is exact in 32 bits for up to 133,000 inputs.

use super::dots::{Dots, PANEL, STEP};
use super::vector::Vector;
use super::{Aligned, DotKernel, Epilogue, Isa, leaky};

/// A pixel whose largest value is below this is all zeros: its inverse would not be finite.
const NOTHING: f32 = 1e-30;

/// Weights, scales, bias and slopes in the order in which [`dot_product`] reads them.
#[derive(Clone)]
pub(crate) struct DotWeights {
    isa: Isa,
    pixels: usize,
    /// Of a pixel.
    inputs: usize,
    outputs: usize,
    epilogue: Epilogue,
    /// For each panel and pixel, for each group of inputs: the groups of its columns.
    codes: Aligned,
    scale: Aligned,
    bias: Aligned,
    slope: Aligned,
}

impl DotWeights {
    /// Packs `outputs × pixels × inputs` codes.
    ///
    /// `slope` has one value an output and is used by [`Epilogue::PRelu`] only. Panics when lengths do not
    /// match, or are not multiples of 16: the layers have checked the shapes of what came from a file.
    pub(crate) fn pack(
        isa: Isa,
        pixels: usize,
        codes: &[i8],
        scale: &[f32],
        bias: &[f32],
        epilogue: Epilogue,
        slope: &[f32],
    ) -> Self {
        let outputs = bias.len();
        let inputs = codes.len() / (outputs * pixels);
        assert!(codes.len() == outputs * pixels * inputs && scale.len() == outputs);
        assert!(inputs.is_multiple_of(STEP) && outputs.is_multiple_of(PANEL) && inputs > 0);
        assert!(epilogue != Epilogue::PRelu || slope.len() == outputs);
        let together = isa.codes_together();
        let mut packed = Aligned::zeroed(codes.len() / size_of::<f32>());
        let bytes = packed.bytes_mut();
        let mut at = 0;
        for panel in (0..outputs).step_by(PANEL) {
            for group in (0..pixels * inputs).step_by(together) {
                for column in panel..panel + PANEL {
                    let from = column * pixels * inputs + group;
                    bytes[at..at + together].copy_from_slice(&codes[from..from + together]);
                    at += together;
                }
            }
        }
        let aligned = |values: &[f32]| {
            let mut out = Aligned::zeroed(outputs);
            out[..values.len()].copy_from_slice(values);
            out
        };
        let (scale, bias, slope) = (aligned(scale), aligned(bias), aligned(slope));
        Self { isa, pixels, inputs, outputs, epilogue, codes: packed, scale, bias, slope }
    }

    /// Length of a row of `a`.
    pub(crate) fn inputs(&self) -> usize {
        self.pixels * self.inputs
    }

    /// Columns of the result.
    pub(crate) fn outputs(&self) -> usize {
        self.outputs
    }

    /// Values of working memory for so many rows: their scales, then their codes in 16 bits at most.
    pub(crate) fn working_memory(&self, rows: usize) -> usize {
        self.scales(rows) + (rows * self.inputs()).div_ceil(2)
    }

    fn scales(&self, rows: usize) -> usize {
        (rows * self.pixels).next_multiple_of(STEP)
    }
}

/// Where the rows of a product come from and go to.
pub(crate) struct DotArgs<'a> {
    /// Holds the rows one behind the other.
    pub(crate) a: &'a [f32],
    /// Rows.
    pub(crate) rows: usize,
    /// [`DotWeights::working_memory`] values; what they held is overwritten.
    pub(crate) codes: &'a mut [f32],
    /// Gets `rows × outputs` values.
    pub(crate) out: &'a mut [f32],
}

/// Runs one product. Panics when a slice is too short for what the arguments describe.
pub(crate) fn dot_product(w: &DotWeights, args: DotArgs<'_>) {
    let DotArgs { a, rows, codes, out } = args;
    assert!(rows * w.inputs() <= a.len() && rows * w.outputs <= out.len());
    assert!(w.working_memory(rows) <= codes.len());
    let (scales, codes) = codes.split_at_mut(w.scales(rows));
    let product =
        Product { w, a: a.as_ptr(), rows, scales, codes: codes.as_mut_ptr(), out: out.as_mut_ptr() };
    // SAFETY: rows and output lie inside their slices, and the codes of all rows inside theirs, two bytes
    // each at most, by the assertions above; the packed array holds whole panels by construction.
    unsafe { w.isa.run_dots(product) }
}

struct Product<'a> {
    w: &'a DotWeights,
    a: *const f32,
    rows: usize,
    scales: &'a mut [f32],
    codes: *mut f32,
    out: *mut f32,
}

impl DotKernel for Product<'_> {
    #[inline(always)]
    unsafe fn run<D: Dots>(self) {
        // SAFETY: forwarded from the caller; all rows are encoded before the first tile reads them.
        unsafe {
            let w = self.w;
            for pixel in 0..self.rows * w.pixels {
                self.scales[pixel] = encode::<D>(
                    self.a.add(pixel * w.inputs),
                    w.inputs,
                    self.codes.cast::<D::Code>().add(pixel * w.inputs),
                );
            }
            let tiles = self.rows.div_ceil(D::ROWS);
            for panel in 0..w.outputs / PANEL {
                let mut row = 0;
                for tile in 0..tiles {
                    // Even tiles: seven rows are four and three, not six and one.
                    let next = self.rows * (tile + 1) / tiles;
                    self.tile::<D>(panel, row, next - row);
                    row = next;
                }
            }
        }
    }
}

/// Quantises one pixel and returns what a step is worth.
#[inline(always)]
unsafe fn encode<D: Dots>(from: *const f32, inputs: usize, to: *mut D::Code) -> f32 {
    // SAFETY: `inputs` values are valid on both sides, and a multiple of a step and of every vector.
    unsafe {
        let (mut most, mut least) = (D::Float::splat(0.0), D::Float::splat(0.0));
        for at in (0..inputs).step_by(D::Float::LANES) {
            let values = D::Float::load(from.add(at));
            (most, least) = (values.max(most), values.min(least));
        }
        let mut lanes = [[0f32; PANEL]; 2];
        most.store(lanes[0].as_mut_ptr());
        least.store(lanes[1].as_mut_ptr());
        let largest = lanes.as_flattened().iter().fold(0f32, |largest, x| largest.max(x.abs()));
        let (step, inverse) = if largest > NOTHING { (largest / 127.0, 127.0 / largest) } else { (0.0, 0.0) };
        for at in (0..inputs).step_by(STEP) {
            D::encode(from.add(at), inverse, to.add(at));
        }
        step
    }
}

/// Adds one group of inputs, lane `LANE` of `rows`, times the weights at `b` to a tile.
///
/// # Safety
/// `b` must be valid for a panel's weights of one group.
#[inline(always)]
unsafe fn lane<D: Dots, const M: usize, const N: usize, const LANE: i32>(
    acc: &mut [[D; N]; M],
    rows: &[D::Row; M],
    b: *const i8,
) {
    // SAFETY: the caller's contract.
    unsafe {
        let mut weights = [D::weights(b); N];
        for n in 1..N {
            weights[n] = D::weights(b.add(n * 16));
        }
        for m in 0..M {
            for n in 0..N {
                acc[m][n] = acc[m][n].add_lane::<LANE>(weights[n], rows[m]);
            }
        }
    }
}

impl Product<'_> {
    #[inline(always)]
    unsafe fn tile<D: Dots>(&self, panel: usize, row: usize, rows: usize) {
        macro_rules! choose {
            ($($rows:literal)*) => {
                match rows {
                    // SAFETY: forwarded from the caller.
                    $($rows if $rows <= D::ROWS => unsafe {
                        // A register holds four columns or eight: a panel is four registers or two.
                        if D::Float::LANES == 4 {
                            self.micro::<D, $rows, 4>(panel, row)
                        } else {
                            self.micro::<D, $rows, 2>(panel, row)
                        }
                    },)*
                    _ => unreachable!("{rows} rows"),
                }
            };
        }
        choose! { 1 2 3 4 5 6 }
    }

    /// One tile of `M` rows by `N` registers, a panel.
    ///
    /// # Safety
    /// Rows `row..row + M` must lie inside the product, and `N` registers must hold [`PANEL`] columns.
    #[inline(always)]
    unsafe fn micro<D: Dots, const M: usize, const N: usize>(&self, panel: usize, row: usize) {
        let w = self.w;
        // SAFETY: by the contract above and the checks in `dot_product`, all reads and writes are inside
        // their slices.
        unsafe {
            let mut sums = [[D::Float::splat(0.0); N]; M];
            if w.pixels == 1 {
                self.pixel::<D, M, N>(panel, row, 0, &mut sums);
            } else {
                for pixel in 0..w.pixels {
                    let mut more = [[D::Float::splat(0.0); N]; M];
                    self.pixel::<D, M, N>(panel, row, pixel, &mut more);
                    for m in 0..M {
                        for n in 0..N {
                            sums[m][n] = sums[m][n].add(more[m][n]);
                        }
                    }
                }
            }
            let zero = D::Float::splat(0.0);
            for n in 0..N {
                let column = panel * PANEL + n * D::Float::LANES;
                let scale = D::Float::load(w.scale.as_ptr().add(column));
                let bias = D::Float::load(w.bias.as_ptr().add(column));
                for m in 0..M {
                    // A product alone, then a sum: never fused.
                    sums[m][n] = sums[m][n].mul_add(scale, zero).add(bias);
                }
                match w.epilogue {
                    Epilogue::None => {}
                    Epilogue::Relu => {
                        for m in 0..M {
                            sums[m][n] = sums[m][n].max(zero);
                        }
                    }
                    Epilogue::PRelu => {
                        let slope = D::Float::load(w.slope.as_ptr().add(column));
                        for m in 0..M {
                            sums[m][n] = leaky(sums[m][n], slope);
                        }
                    }
                }
                for m in 0..M {
                    sums[m][n].store(self.out.add((row + m) * w.outputs + column));
                }
            }
        }
    }

    /// The products of one pixel of `M` rows, in f32 and times the pixel's step.
    ///
    /// # Safety
    /// As for [`Self::micro`].
    #[inline(always)]
    unsafe fn pixel<D: Dots, const M: usize, const N: usize>(
        &self,
        panel: usize,
        row: usize,
        pixel: usize,
        sums: &mut [[D::Float; N]; M],
    ) {
        let w = self.w;
        // SAFETY: as in `micro`.
        unsafe {
            let mut acc = [[D::zero(); N]; M];
            let mut b = w.codes.as_ptr().cast::<i8>().add((panel * w.pixels + pixel) * w.inputs * PANEL);
            let mut a = self.codes.cast::<D::Code>().cast_const().add((row * w.pixels + pixel) * w.inputs);
            let stride = w.pixels * w.inputs;
            if D::BY_LANE {
                for _ in 0..w.inputs / STEP {
                    let mut pointer = a;
                    let mut rows = [D::row(a); M];
                    for m in 1..M {
                        pointer = pointer.wrapping_add(stride);
                        rows[m] = D::row(pointer);
                    }
                    lane::<D, M, N, 0>(&mut acc, &rows, b);
                    lane::<D, M, N, 1>(&mut acc, &rows, b.add(4 * PANEL));
                    lane::<D, M, N, 2>(&mut acc, &rows, b.add(8 * PANEL));
                    lane::<D, M, N, 3>(&mut acc, &rows, b.add(12 * PANEL));
                    b = b.add(STEP * PANEL);
                    a = a.add(STEP);
                }
            } else {
                for _ in 0..w.inputs / D::TOGETHER {
                    let mut weights = [D::weights(b); N];
                    for n in 1..N {
                        weights[n] = D::weights(b.add(n * 16));
                    }
                    let mut pointer = a;
                    for m in 0..M {
                        let group = D::row(pointer);
                        for n in 0..N {
                            acc[m][n] = acc[m][n].add(weights[n], group);
                        }
                        pointer = pointer.wrapping_add(stride);
                    }
                    b = b.add(D::TOGETHER * PANEL);
                    a = a.add(D::TOGETHER);
                }
            }
            let zero = D::Float::splat(0.0);
            for m in 0..M {
                let step = D::Float::splat(self.scales[(row + m) * w.pixels + pixel]);
                for n in 0..N {
                    sums[m][n] = acc[m][n].float().mul_add(step, zero);
                }
            }
        }
    }
}
