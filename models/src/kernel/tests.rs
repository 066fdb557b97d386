//! Every kernel on every instruction set of this processor, against the same in double precision. What it
//! reads and writes lies between pages that nobody may touch, at the one or at the other: a value read or
//! written outside ends the test.

#![allow(clippy::unwrap_used)]

use super::*;
use rustix::mm::{MapFlags, MprotectFlags, ProtFlags, mmap_anonymous, mprotect, munmap};
use std::ffi::c_void;
use std::ops::{Deref, DerefMut, RangeInclusive};

/// Random shapes that each kernel is given.
const CASES: usize = 2_000;

/// A reproducible stream of numbers.
struct Random(u64);

impl Random {
    fn bits(&mut self) -> u64 {
        self.0 = self.0.wrapping_mul(6364136223846793005).wrapping_add(1442695040888963407);
        self.0 >> 40
    }

    fn of(&mut self, range: RangeInclusive<usize>) -> usize {
        range.start() + self.bits() as usize % (range.end() - range.start() + 1)
    }

    /// Values in −1..1.
    fn values(&mut self, len: usize) -> Vec<f32> {
        (0..len).map(|_| self.bits() as f32 / (1u64 << 23) as f32 - 1.0).collect()
    }

    /// The same, guarded before or behind.
    fn guarded(&mut self, len: usize) -> Guarded {
        let values = self.values(len);
        Guarded::new(&values, self.of(0..=1) == 1)
    }

    fn epilogue(&mut self) -> Epilogue {
        [Epilogue::None, Epilogue::Relu, Epilogue::PRelu][self.of(0..=2)]
    }
}

/// Values that begin at the beginning of a mapping or end at its end, with a page on either side that cannot
/// be touched.
struct Guarded {
    map: *mut c_void,
    bytes: usize,
    values: *mut f32,
    len: usize,
}

impl Guarded {
    fn new(values: &[f32], at_the_end: bool) -> Self {
        let page = rustix::param::page_size();
        let inside = size_of_val(values).next_multiple_of(page).max(page);
        let bytes = inside + 2 * page;
        // SAFETY: a new mapping, of which the middle is made accessible; the values fit it.
        unsafe {
            let map =
                mmap_anonymous(std::ptr::null_mut(), bytes, ProtFlags::empty(), MapFlags::PRIVATE).unwrap();
            let begin = map.byte_add(page);
            mprotect(begin, inside, MprotectFlags::READ | MprotectFlags::WRITE).unwrap();
            let to = begin.byte_add(if at_the_end { inside - size_of_val(values) } else { 0 }).cast::<f32>();
            to.copy_from_nonoverlapping(values.as_ptr(), values.len());
            Self { map, bytes, values: to, len: values.len() }
        }
    }
}

impl Deref for Guarded {
    type Target = [f32];
    fn deref(&self) -> &[f32] {
        // SAFETY: `len` values were written there, and the mapping lives as long as `self`.
        unsafe { std::slice::from_raw_parts(self.values, self.len) }
    }
}

impl DerefMut for Guarded {
    fn deref_mut(&mut self) -> &mut [f32] {
        // SAFETY: as in `deref`; the exclusive borrow of `self` makes this the only reference.
        unsafe { std::slice::from_raw_parts_mut(self.values, self.len) }
    }
}

impl Drop for Guarded {
    fn drop(&mut self) {
        // SAFETY: the mapping of `new`, to which no reference is left.
        unsafe { munmap(self.map, self.bytes) }.unwrap();
    }
}

fn every_isa(mut test: impl FnMut(Isa, &mut Random)) {
    for isa in Isa::available() {
        let mut random = Random(7);
        (0..CASES).for_each(|_| test(isa, &mut random));
    }
}

fn finished(sum: f64, epilogue: Epilogue, slope: f32) -> f64 {
    match epilogue {
        Epilogue::None => sum,
        Epilogue::Relu => sum.max(0.0),
        Epilogue::PRelu => sum.max(0.0) + sum.min(0.0) * f64::from(slope),
    }
}

#[track_caller]
fn assert_near(isa: Isa, found: f32, wanted: f64, terms: usize) {
    // Each term is at most 1, so is each rounding's relative error of 2⁻²⁴ at most that of `terms`.
    let tolerance = 1e-6 * (4 + terms) as f64;
    assert!((f64::from(found) - wanted).abs() <= tolerance, "{isa}: {found}, not {wanted}");
}

#[test]
fn products() {
    every_isa(|isa, random| {
        let (rows, outputs) = (random.of(1..=40), random.of(1..=90));
        let (segments, segment) = (random.of(1..=4), random.of(1..=24));
        // Windows overlap, and so may rows and segments here.
        let (stride, segment_stride) = (random.of(0..=40), random.of(0..=100));
        let inputs = segments * segment;
        let a = random.guarded((rows - 1) * stride + (segments - 1) * segment_stride + segment);
        let (weights, bias, slope) =
            (random.values(outputs * inputs), random.values(outputs), random.values(outputs));
        let epilogue = random.epilogue();
        let channels = random.of(0..=outputs);
        let residual = random.guarded(rows * channels);
        let mut out = random.guarded(rows * outputs);
        let w = GemmWeights::pack(isa, inputs, &weights, &bias, epilogue, &slope);
        let residual_of = (channels > 0).then_some((&*residual, channels));
        let args =
            GemmArgs { a: &a, stride, segments, segment_stride, rows, residual: residual_of, out: &mut out };
        gemm(&w, args);
        for (row, found) in out.chunks_exact(outputs).enumerate() {
            for (n, found) in found.iter().enumerate() {
                let mut sum = f64::from(bias[n]);
                for k in 0..inputs {
                    let x = a[row * stride + k / segment * segment_stride + k % segment];
                    sum += f64::from(x) * f64::from(weights[n * inputs + k]);
                }
                if n < channels {
                    sum += f64::from(residual[row * channels + n]);
                }
                assert_near(isa, *found, finished(sum, epilogue, slope[n]), inputs);
            }
        }
    });
}

/// The result that [`dot_product`] promises to the last bit, computed in a second, slow way.
fn dots_exactly(
    (pixels, inputs): (usize, usize),
    a: &[f32],
    codes: &[i8],
    [scale, bias, slope]: [&[f32]; 3],
    epilogue: Epilogue,
) -> Vec<f32> {
    let mut out = Vec::new();
    for row in a.chunks_exact(pixels * inputs) {
        for (n, weights) in codes.chunks_exact(pixels * inputs).enumerate() {
            let mut sum = 0f32;
            for (pixel, weights) in row.chunks_exact(inputs).zip(weights.chunks_exact(inputs)) {
                let largest = pixel.iter().fold(0f32, |largest, x| largest.max(x.abs()));
                let inverse = if largest > 0.0 { 127.0 / largest } else { 0.0 };
                let products = pixel
                    .iter()
                    .zip(weights)
                    .map(|(x, w)| (x * inverse).round_ties_even() as i64 * i64::from(*w));
                sum += products.sum::<i64>() as f32 * (largest / 127.0);
            }
            let x = sum * scale[n] + bias[n];
            out.push(match epilogue {
                Epilogue::None => x,
                Epilogue::Relu => x.max(0.0),
                Epilogue::PRelu => x.max(0.0) + x.min(0.0) * slope[n],
            });
        }
    }
    out
}

#[test]
fn products_of_codes_are_the_same_to_the_last_bit() {
    every_isa(|isa, random| {
        let (rows, pixels) = (random.of(1..=9), random.of(1..=3));
        let (inputs, outputs) = (16 * random.of(1..=4), 16 * random.of(1..=2));
        let a = random.guarded(rows * pixels * inputs);
        // One in ten is the largest code there is, whose neighbouring products overflow 16 bits.
        let code = |x: f32| if x > 0.8 { 127 } else { (x * 127.0) as i8 };
        let codes: Vec<i8> = random.values(outputs * pixels * inputs).into_iter().map(code).collect();
        let [scale, bias, slope] = [(); 3].map(|()| random.values(outputs));
        let epilogue = random.epilogue();
        let w = DotWeights::pack(isa, pixels, &codes, &scale, &bias, epilogue, &slope);
        let mut memory = random.guarded(w.working_memory(rows));
        let mut out = random.guarded(rows * outputs);
        dot_product(&w, DotArgs { a: &a, rows, codes: &mut memory, out: &mut out });
        let wanted = dots_exactly((pixels, inputs), &a, &codes, [&scale, &bias, &slope], epilogue);
        assert_eq!(*out, *wanted, "{isa}");
    });
}

#[test]
fn products_of_the_largest_codes_do_not_saturate() {
    for isa in Isa::available() {
        let codes = vec![127; 16 * 32];
        let w = DotWeights::pack(isa, 1, &codes, &[1.0; 16], &[0.0; 16], Epilogue::None, &[]);
        let (mut memory, mut out) = (vec![0.0; w.working_memory(2)], [0.0; 32]);
        let a = [[-1.0; 32], [0.0; 32]];
        dot_product(&w, DotArgs { a: a.as_flattened(), rows: 2, codes: &mut memory, out: &mut out });
        let full = -32.0 * 127.0 * 127.0 * (1.0f32 / 127.0);
        assert_eq!(out[..16], [full; 16], "{isa}");
        assert_eq!(out[16..], [0.0; 16], "{isa}: a pixel of zeros");
    }
}

#[test]
fn depthwise_lines() {
    every_isa(|isa, random| {
        let (window, stride) = (random.of(1..=MAX_WINDOW), random.of(1..=3));
        let (width, channels) = (random.of(1..=24), random.of(1..=40));
        let left = random.of(0..=window - 1);
        let out_width = random.of(1..=(width + left).div_ceil(stride));
        let lines: Vec<Guarded> = (0..window).map(|_| random.guarded(width * channels)).collect();
        let (weights, bias) = (random.values(window * window * channels), random.values(channels));
        let (slope, epilogue) = (random.values(channels), random.epilogue());
        let mut out = random.guarded(out_width * channels);
        let w = DepthwiseWeights::pack(isa, window, stride, &weights, &bias, epilogue, &slope);
        let slices: Vec<&[f32]> = lines.iter().map(|line| &**line).collect();
        depthwise_row(&w, RowArgs { lines: &slices, width, left, out: &mut out, out_width });
        for (x, found) in out.chunks_exact(channels).enumerate() {
            for (c, found) in found.iter().enumerate() {
                let mut sum = f64::from(bias[c]);
                for (ky, line) in lines.iter().enumerate() {
                    for kx in 0..window {
                        if let Some(column) = (x * stride + kx).checked_sub(left).filter(|x| *x < width) {
                            let weight = weights[(ky * window + kx) * channels + c];
                            sum += f64::from(line[column * channels + c]) * f64::from(weight);
                        }
                    }
                }
                assert_near(isa, *found, finished(sum, epilogue, slope[c]), window * window);
            }
        }
    });
}

#[test]
fn pooling() {
    every_isa(|isa, random| {
        let (width, channels) = (random.of(1..=12), random.of(1..=40));
        let (above, below) = (random.guarded(width * channels), random.guarded(width * channels));
        let below = (random.of(0..=3) > 0).then_some(&*below);
        let mut out = random.guarded(width.div_ceil(2) * channels);
        max_pool_2x2_row(isa, &above, below, channels, &mut out);
        for (i, found) in out.iter().enumerate() {
            let (x, c) = (2 * (i / channels), i % channels);
            let columns = [x, (x + 1).min(width - 1)];
            let of = |line: &[f32]| columns.map(|x| line[x * channels + c]).into_iter().fold(-2.0, f32::max);
            assert_eq!(*found, of(&above).max(below.map_or(-2.0, of)), "{isa}");
        }
    });
}

#[test]
fn upsampling() {
    every_isa(|isa, random| {
        let (height, width, channels) = (random.of(1..=6), random.of(1..=6), random.of(1..=40));
        let coarse = random.guarded(height * width * channels);
        let fine = random.guarded(4 * coarse.len());
        let how = [Upsample::Nearest, Upsample::Bilinear][random.of(0..=1)];
        let mut out = random.guarded(fine.len());
        add_upsampled_2x(isa, how, &fine, &coarse, (height, width, channels), &mut out);
        let at = |y: usize, x: usize, c: usize| {
            let (y, x) = (y.min(height - 1), x.min(width - 1));
            f64::from(coarse[(y * width + x) * channels + c])
        };
        for (i, found) in out.iter().enumerate() {
            let (y, x, c) = (i / channels / (2 * width), i / channels % (2 * width), i % channels);
            let wanted = match how {
                Upsample::Nearest => at(y / 2, x / 2, c),
                Upsample::Bilinear => {
                    let centre = |i: usize| ((i as f64 + 0.5) / 2.0 - 0.5).max(0.0);
                    let (y, x) = (centre(y), centre(x));
                    let (top, first) = (y as usize, x as usize);
                    let (fy, fx) = (y - top as f64, x - first as f64);
                    let line =
                        |row: usize| at(row, first, c) + (at(row, first + 1, c) - at(row, first, c)) * fx;
                    line(top) + (line(top + 1) - line(top)) * fy
                }
            };
            assert_near(isa, *found, f64::from(fine[i]) + wanted, 1);
        }
    });
}

#[test]
fn means_and_gates() {
    every_isa(|isa, random| {
        let (pixels, channels) = (random.of(1..=30), random.of(1..=40));
        let (values, gate) = (random.guarded(pixels * channels), random.guarded(channels));
        let residual = random.guarded(values.len());
        let (mut means, mut out) = (random.guarded(channels), random.guarded(values.len()));
        channel_means(isa, &values, &mut means);
        scale_add(isa, &values, &gate, &residual, &mut out);
        for (c, mean) in means.iter().enumerate() {
            let sum: f64 = values.iter().skip(c).step_by(channels).copied().map(f64::from).sum();
            assert_near(isa, *mean, sum / pixels as f64, pixels);
        }
        for (i, found) in out.iter().enumerate() {
            let wanted = f64::from(values[i]) * f64::from(gate[i % channels]) + f64::from(residual[i]);
            assert_near(isa, *found, wanted, 1);
        }
    });
}

#[test]
fn what_is_no_number_becomes_nothing_in_an_activation_everywhere() {
    for isa in Isa::available() {
        for epilogue in [Epilogue::Relu, Epilogue::PRelu] {
            let (nan, slope) = ([f32::NAN; 5], [0.5; 5]);
            let mut product = [9.0; 5];
            let w = GemmWeights::pack(isa, 1, &[1.0; 5], &nan, epilogue, &slope);
            let (a, out) = (&[1.0], &mut product);
            gemm(&w, GemmArgs { a, stride: 1, segments: 1, segment_stride: 0, rows: 1, residual: None, out });
            let mut line = [9.0; 5];
            let w = DepthwiseWeights::pack(isa, 1, 1, &[1.0; 5], &nan, epilogue, &slope);
            let (lines, out) = (&[&[1.0; 5][..]], &mut line);
            depthwise_row(&w, RowArgs { lines, width: 1, left: 0, out, out_width: 1 });
            assert_eq!((product, line), ([0.0; 5], [0.0; 5]), "{isa} {epilogue:?}");
        }
    }
}
