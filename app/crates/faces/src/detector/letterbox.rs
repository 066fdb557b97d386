//! A frame made to fit a detector's square input.

use image::RgbImage;

use vision::face::Point;
use vision::shrink::{Filter, Shrinker};

/// Resizes frames to a square, with buffers that are reused from frame to frame.
#[derive(Default)]
pub(super) struct Fitter(Shrinker);

impl Fitter {
    /// Makes `picture` fit a square of `side` pixels.
    ///
    /// # Errors
    /// The resizer's, in words.
    pub(super) fn fit(&mut self, picture: &RgbImage, side: usize) -> Result<Fitted<'_>, String> {
        let place = Letterbox::new(picture.width(), picture.height(), side);
        let size = (place.width as u32, place.height as u32);
        Ok(Fitted { place, small: self.0.shrink(picture, size, Filter::Triangle)? })
    }
}

/// A frame in a detector's size.
pub(super) struct Fitted<'a> {
    pub(super) place: Letterbox,
    small: &'a [u8],
}

impl Fitted<'_> {
    /// Writes the square into a model's input of `side × side × 3` values, each colour through `value`,
    /// black around it.
    pub(super) fn fill(&self, input: &mut [f32], value: impl Fn([u8; 3]) -> [f32; 3]) {
        let Letterbox { side, width, height, left, top, .. } = self.place;
        let black = value([0; 3]);
        let colours: &[[u8; 3]] = self.small.as_chunks().0;
        for (y, line) in input.as_chunks_mut().0.chunks_exact_mut(side).enumerate() {
            let Some(row) = y.checked_sub(top).filter(|row| *row < height) else {
                line.fill(black);
                continue;
            };
            line[..left].fill(black);
            line[left + width..].fill(black);
            for (pixel, colour) in line[left..left + width].iter_mut().zip(&colours[row * width..]) {
                *pixel = value(*colour);
            }
        }
    }
}

/// Where a frame lies in the square: centred, with black at two sides.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Letterbox {
    side: usize,
    width: usize,
    height: usize,
    left: usize,
    top: usize,
    /// Frame pixels for one pixel of the square.
    scale: [f32; 2],
}

impl Letterbox {
    fn new(width: u32, height: u32, side: usize) -> Self {
        let longest = width.max(height) as f32;
        let fit = |length: u32| ((length as f32 * side as f32 / longest).round() as usize).clamp(1, side);
        let (small_width, small_height) = (fit(width), fit(height));
        Self {
            side,
            width: small_width,
            height: small_height,
            left: (side - small_width) / 2,
            top: (side - small_height) / 2,
            scale: [width as f32 / small_width as f32, height as f32 / small_height as f32],
        }
    }

    /// From pixels of the square to pixels of the frame.
    pub(super) fn place(&self, [x, y]: [f32; 2]) -> Point {
        Point { x: (x - self.left as f32) * self.scale[0], y: (y - self.top as f32) * self.scale[1] }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn a_place_in_the_square_leads_back_to_its_place_in_the_frame(
            width in 1u32..5000, height in 1u32..5000, u in 0f32..1.0, v in 0f32..1.0
        ) {
            let fit = Letterbox::new(width, height, 128);
            prop_assert!(fit.left + fit.width <= 128 && fit.top + fit.height <= 128);
            let square = [fit.left as f32 + u * fit.width as f32, fit.top as f32 + v * fit.height as f32];
            let placed = fit.place(square);
            let tolerance = 1e-4 * width.max(height) as f32;
            prop_assert!((placed.x - u * width as f32).abs() <= tolerance);
            prop_assert!((placed.y - v * height as f32).abs() <= tolerance);
        }
    }

    #[test]
    fn the_frame_lies_in_the_middle_with_black_around_it() {
        let mut fitter = Fitter::default();
        let white = RgbImage::from_pixel(8, 4, image::Rgb([255; 3]));
        let mut input = vec![9.0; 48];
        fitter.fit(&white, 4).unwrap().fill(&mut input, |colour| colour.map(|c| f32::from(c) / 127.5 - 1.0));
        let rows: Vec<f32> = input.chunks(12).map(|row| row[0]).collect();
        assert_eq!(rows, [-1.0, 1.0, 1.0, -1.0]);
    }
}
