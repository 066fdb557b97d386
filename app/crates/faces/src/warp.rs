//! Turning a part of a picture upright and into the size that a model wants.

use image::RgbImage;
use models::{Isa, Work};

use vision::face::Point;

/// Source pixels for one target pixel above which a target pixel is the mean of several: plain bilinear
/// interpolation would skip source pixels and alias. Between 1 and this, bilinear interpolation is what the
/// models were trained with.
const COARSE: f32 = 1.5;

/// Most samples along one side of a target pixel; a face of 2,000 pixels still costs a bounded time.
const MAX_SAMPLES: usize = 8;

/// A map of the plane: x' = xx·x + xy·y + x0, y' = yx·x + yy·y + y0. Pixel centres are at whole numbers.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Affine {
    /// Factors of x and y, and the offset, for x'.
    pub x: [f32; 3],
    /// The same for y'.
    pub y: [f32; 3],
}

impl Affine {
    /// The similarity (turn, scale, shift; no mirroring) that maps `from` onto `to` with the least squared
    /// error: the two-dimensional case of Umeyama, PAMI 1991, in closed form. `None` when the points coincide
    /// or are not finite.
    pub fn similarity(from: &[Point], to: &[Point]) -> Option<Self> {
        let (centre_from, centre_to) = (mean(from), mean(to));
        let (mut along, mut across, mut spread) = (0.0, 0.0, 0.0);
        for (p, q) in from.iter().zip(to) {
            let (px, py) = (p.x - centre_from.x, p.y - centre_from.y);
            let (qx, qy) = (q.x - centre_to.x, q.y - centre_to.y);
            along += px * qx + py * qy;
            across += px * qy - py * qx;
            spread += px * px + py * py;
        }
        let (a, b) = (along / spread, across / spread);
        let usable = a.is_finite() && b.is_finite() && a * a + b * b > 1e-12;
        usable.then(|| Self {
            x: [a, -b, centre_to.x - a * centre_from.x + b * centre_from.y],
            y: [b, a, centre_to.y - b * centre_from.x - a * centre_from.y],
        })
    }

    /// Maps the pixels of a square of `side` pixels onto the square of `size` pixels about `centre`, whose
    /// upper edge is turned by `angle` (radians, clockwise in the picture).
    pub fn square(centre: Point, size: f32, angle: f32, side: usize) -> Self {
        let scale = size / side as f32;
        let (sin, cos) = angle.sin_cos();
        let (a, b) = (scale * cos, scale * sin);
        // The middle of the target lies between its pixels.
        let middle = (side as f32 - 1.0) / 2.0;
        Self {
            x: [a, -b, centre.x - 0.5 - a * middle + b * middle],
            y: [b, a, centre.y - 0.5 - b * middle - a * middle],
        }
    }

    /// The same map with the target mirrored left to right; `side` is the target's width.
    pub fn mirrored(self, side: usize) -> Self {
        let last = side as f32 - 1.0;
        let flip = |[x, y, o]: [f32; 3]| [-x, y, o + x * last];
        Self { x: flip(self.x), y: flip(self.y) }
    }

    /// Where `point` goes.
    pub fn apply(&self, point: Point) -> Point {
        Point {
            x: self.x[0] * point.x + self.x[1] * point.y + self.x[2],
            y: self.y[0] * point.x + self.y[1] * point.y + self.y[2],
        }
    }

    /// The map back; `None` when the map flattens the plane.
    pub fn inverse(&self) -> Option<Self> {
        let ([a, b, c], [d, e, f]) = (self.x, self.y);
        let determinant = a * e - b * d;
        (determinant.is_finite() && determinant.abs() > 1e-12).then(|| {
            let (a, b, d, e) = (e / determinant, -b / determinant, -d / determinant, a / determinant);
            Self { x: [a, b, -(a * c + b * f)], y: [d, e, -(d * c + e * f)] }
        })
    }

    /// Source pixels for one target pixel, along one side.
    fn coarseness(&self) -> f32 {
        (self.x[0] * self.y[1] - self.x[1] * self.y[0]).abs().sqrt()
    }
}

fn mean(points: &[Point]) -> Point {
    let count = points.len().max(1) as f32;
    let sum = points.iter().fold(Point::default(), |s, p| Point { x: s.x + p.x, y: s.y + p.y });
    Point { x: sum.x / count, y: sum.y / count }
}

/// Fills a target of `width` × `height` pixels: `put` gets each pixel's index, row by row, and its colour, 0
/// to 255. `to_source` maps target pixels into the picture; what lies outside it is black.
pub fn warp(
    picture: &RgbImage,
    to_source: &Affine,
    width: usize,
    height: usize,
    mut put: impl FnMut(usize, [f32; 3]),
) {
    let put = |at: usize, [red, green, blue]: [&[f32]; 3]| {
        for (i, ((red, green), blue)) in red.iter().zip(green).zip(blue).enumerate() {
            put(at + i, [*red, *green, *blue]);
        }
    };
    Isa::best().work(Warp { picture, to_source, width, height, value: |colour| colour, put });
}

/// Fills a model's input of `side × side × 3` values as [`warp`] does, with what `value` makes of each
/// colour.
pub fn fill(
    picture: &RgbImage,
    to_source: &Affine,
    side: usize,
    input: &mut [f32],
    value: impl Fn(f32) -> f32,
) {
    let input: &mut [[f32; 3]] = input.as_chunks_mut().0;
    let put = |at: usize, [red, green, blue]: [&[f32]; 3]| {
        for (((pixel, red), green), blue) in input[at..].iter_mut().zip(red).zip(green).zip(blue) {
            *pixel = [*red, *green, *blue];
        }
    };
    Isa::best().work(Warp { picture, to_source, width: side, height: side, value, put });
}

/// The arguments of [`warp`] and [`fill`]: `put` gets some pixels of a row, red, green and blue apart, and
/// the index of the first.
struct Warp<'a, V, P> {
    picture: &'a RgbImage,
    to_source: &'a Affine,
    width: usize,
    height: usize,
    value: V,
    put: P,
}

/// Target pixels that are computed together, in several simple loops over all of them: the compiler turns
/// such loops into vector instructions.
const PIECE: usize = 64;

/// The sums of a line's pixels, red, green and blue apart.
type Sums = [[f32; PIECE]; 3];

impl<V: Fn(f32) -> f32, P: FnMut(usize, [&[f32]; 3])> Work for Warp<'_, V, P> {
    #[inline(always)]
    fn run(self) {
        let Self { picture, to_source, width, height, value, mut put } = self;
        let coarseness = to_source.coarseness();
        let samples = if coarseness > COARSE { (coarseness.ceil() as usize).min(MAX_SAMPLES) } else { 1 };
        let weight = 1.0 / (samples * samples) as f32;
        let offset = |i: usize| (i as f32 + 0.5) / samples as f32 - 0.5;
        for (row, first) in
            (0..height).flat_map(|row| (0..width).step_by(PIECE).map(move |first| (row, first)))
        {
            let mut sums: Sums = [[0.0; PIECE]; 3];
            let count = (width - first).min(PIECE);
            for (dy, dx) in (0..samples).flat_map(|i| (0..samples).map(move |j| (i, j))) {
                let begin = Point { x: first as f32 + offset(dx), y: row as f32 + offset(dy) };
                add_samples(picture, to_source, begin, weight, &mut sums, count);
            }
            sums.as_flattened_mut().iter_mut().for_each(|sum| *sum = value(*sum));
            put(row * width + first, sums.each_ref().map(|of| &of[..count]));
        }
    }
}

/// Adds one sample of each of `count` target pixels of a line that begins at `begin`, times `weight`.
// Loops over several arrays at once are clearer with indices.
#[allow(clippy::needless_range_loop)]
#[inline(always)]
fn add_samples(
    picture: &RgbImage,
    to_source: &Affine,
    begin: Point,
    weight: f32,
    sums: &mut Sums,
    count: usize,
) {
    let begin = to_source.apply(begin);
    let at = |i: usize| Point {
        x: begin.x + i as u32 as f32 * to_source.x[0],
        y: begin.y + i as u32 as f32 * to_source.y[0],
    };
    // What is inside is one piece, for the line is straight. A row's last pixel has no fourth byte to fill a
    // word with.
    let (right, bottom) = (picture.width() as f32 - 2.0, picture.height() as f32 - 1.0);
    let inside = |i: usize| {
        let Point { x, y } = at(i);
        x >= 0.0 && y >= 0.0 && x < right && y < bottom
    };
    let first = (0..count).find(|i| inside(*i)).unwrap_or(count);
    let end = (first..count).rfind(|i| inside(*i)).map_or(first, |last| last + 1);
    for i in (0..first).chain(end..count) {
        let colour = at_the_edge(picture, at(i));
        sums.iter_mut().zip(colour).for_each(|(sum, colour)| sum[i] += colour * weight);
    }
    // The pixel upper left of each place, counted row by row, and how far to the right of it and below the
    // place is.
    let (mut pixels, mut right, mut below) = ([0; PIECE], [0.0; PIECE], [0.0; PIECE]);
    for i in 0..PIECE {
        let Point { x, y } = at(i);
        let (left, top) = (x.floor(), y.floor());
        pixels[i] = whole(top).wrapping_mul(picture.width()).wrapping_add(whole(left));
        (right[i], below[i]) = (x - left, y - top);
    }
    // What is not inside is black here, wherever it lies.
    for fraction in [&mut right, &mut below] {
        fraction[..first].fill(0.0);
        fraction[end..].fill(0.0);
    }
    // The four pixels around each place, a word each, the first byte red; the fourth belongs to the next
    // pixel.
    let (mut upper_left, mut upper_right) = ([0; PIECE], [0; PIECE]);
    let (mut lower_left, mut lower_right) = ([0; PIECE], [0; PIECE]);
    let data = picture.as_raw().as_slice();
    let stride = 3 * picture.width() as usize;
    for i in first..end.min(PIECE) {
        let start = 3 * pixels[i] as usize;
        let (Some(upper), Some(lower)) = (seven(data, start), seven(data, start + stride)) else { continue };
        (upper_left[i], upper_right[i]) = two_words(upper);
        (lower_left[i], lower_right[i]) = two_words(lower);
    }
    let mut add = |colour: usize| {
        let value = |word: u32| ((word >> (8 * colour)) & 0xff) as i32 as f32;
        for i in 0..PIECE {
            let (a, b, c, d) =
                (value(upper_left[i]), value(upper_right[i]), value(lower_left[i]), value(lower_right[i]));
            let high = a + (b - a) * right[i];
            let low = c + (d - c) * right[i];
            sums[colour][i] += (high + (low - high) * below[i]) * weight;
        }
    };
    add(0);
    add(1);
    add(2);
}

/// A whole number from 0 to 2²³ − 1 as such: its bits are the lowest once it is added to 2²³. Unlike the
/// language's own conversion it needs to look at nothing else, and what is no such number becomes anything.
#[inline(always)]
fn whole(number: f32) -> u32 {
    const FIRST: f32 = 8_388_608.0;
    (number + FIRST).to_bits() & 0x7f_ffff
}

/// A pixel, the next one, and the byte behind them.
#[inline(always)]
fn seven(data: &[u8], start: usize) -> Option<&[u8; 7]> {
    data.get(start..)?.first_chunk()
}

/// Both pixels, the first byte lowest.
#[inline(always)]
fn two_words(bytes: &[u8; 7]) -> (u32, u32) {
    let word = |four: Option<&[u8; 4]>| u32::from_le_bytes(four.copied().unwrap_or_default());
    (word(bytes.first_chunk()), word(bytes.last_chunk()))
}

/// The colour at a place near the edge: neighbours outside of the picture count as black.
#[cold]
#[inline(never)]
fn at_the_edge(picture: &RgbImage, at: Point) -> [f32; 3] {
    let (width, height) = (picture.width() as i32, picture.height() as i32);
    // Not so, too, for NaN.
    if !(at.x > -1.0 && at.y > -1.0 && at.x < width as f32 && at.y < height as f32) {
        return [0.0; 3];
    }
    let (left, top) = (at.x.floor(), at.y.floor());
    let (fx, fy) = (at.x - left, at.y - top);
    let (left, top) = (left as i32, top as i32);
    let data = picture.as_raw();
    let stride = width as usize * 3;
    let tap = |x: i32, y: i32, c: usize| {
        if x < 0 || y < 0 || x >= width || y >= height {
            0.0
        } else {
            f32::from(data[y as usize * stride + x as usize * 3 + c])
        }
    };
    std::array::from_fn(|c| {
        let high = tap(left, top, c) + (tap(left + 1, top, c) - tap(left, top, c)) * fx;
        let low = tap(left, top + 1, c) + (tap(left + 1, top + 1, c) - tap(left, top + 1, c)) * fx;
        high + (low - high) * fy
    })
}

#[cfg(test)]
#[path = "warp_tests.rs"]
mod tests;
