//! BlazeFace on a whole frame.

use fast_image_resize::images::{Image, ImageRef};
use fast_image_resize::{FilterType, PixelType, ResizeAlg, ResizeOptions, Resizer};
use image::RgbImage;
use models::Role;
use models::blazeface::{BlazeFace, Range};
use models::store::Store;

use super::Detector;
use crate::recognition::engine::EngineError;
use crate::recognition::face::{Bounds, Face, Point};

/// Least score of a face; MediaPipe's value.
const MIN_SCORE: f32 = 0.5;

/// BlazeFace with the buffers it needs.
pub(super) struct Blaze {
    network: BlazeFace,
    resizer: Resizer,
    /// The frame in the network's size, as far as it fills it.
    small: Image<'static>,
}

impl Blaze {
    pub(super) fn load(store: &Store, range: Range) -> Result<Self, EngineError> {
        let role = match range {
            Range::Short => Role::FaceDetectorShortRange,
            Range::Full => Role::FaceDetectorFullRange,
        };
        let network = EngineError::load(store, role, |weights| BlazeFace::load(range, weights))?;
        Ok(Self { network, resizer: Resizer::new(), small: Image::new(1, 1, PixelType::U8x3) })
    }
}

impl Detector for Blaze {
    fn detect(&mut self, picture: &RgbImage) -> Result<Vec<Face>, EngineError> {
        let failed = |error: &dyn std::fmt::Display| EngineError::run("detector", error);
        let side = self.network.side();
        let fit = Letterbox::new(picture.width(), picture.height(), side);
        if (self.small.width(), self.small.height()) != (fit.width as u32, fit.height as u32) {
            self.small = Image::new(fit.width as u32, fit.height as u32, PixelType::U8x3);
        }
        let source = ImageRef::new(picture.width(), picture.height(), picture.as_raw(), PixelType::U8x3)
            .map_err(|error| failed(&error))?;
        // A triangle filter as wide as the reduction: no source pixel is skipped, which plain bilinear sampling would do.
        let options = ResizeOptions::new().resize_alg(ResizeAlg::Convolution(FilterType::Bilinear));
        self.resizer.resize(&source, &mut self.small, &options).map_err(|error| failed(&error))?;
        let small = self.small.buffer();
        let faces = self
            .network
            .detect_with(|input| fit.fill(small, input), MIN_SCORE)
            .map_err(|error| failed(&error))?;
        Ok(faces.iter().map(|face| fit.place(face)).collect())
    }
}

/// A frame made to fit a square, centred, with black at two sides.
#[derive(Debug, Clone, Copy, PartialEq)]
struct Letterbox {
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

    /// Writes the small picture into the network's input, −1 to 1, black around it.
    fn fill(&self, small: &[u8], input: &mut [f32]) {
        input.fill(-1.0);
        let row = 3 * self.width;
        for (y, line) in small.chunks_exact(row).enumerate() {
            let start = 3 * ((self.top + y) * self.side + self.left);
            for (value, byte) in input[start..start + row].iter_mut().zip(line) {
                *value = f32::from(*byte) / 127.5 - 1.0;
            }
        }
    }

    /// From fractions of the square to pixels of the frame.
    fn place(&self, face: &models::blazeface::Face) -> Face {
        let side = self.side as f32;
        let x = |fraction: f32| (fraction * side - self.left as f32) * self.scale[0];
        let y = |fraction: f32| (fraction * side - self.top as f32) * self.scale[1];
        let [left, top, right, bottom] = face.bounds;
        let [right_eye, left_eye, nose, mouth, ..] = face.points.map(|[px, py]| Point { x: x(px), y: y(py) });
        Face {
            bounds: Bounds { x: x(left), y: y(top), width: x(right) - x(left), height: y(bottom) - y(top) },
            score: face.score,
            points: Some([right_eye, left_eye, nose, mouth, mouth]),
        }
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
            let square = [
                (fit.left as f32 + u * fit.width as f32) / 128.0,
                (fit.top as f32 + v * fit.height as f32) / 128.0,
            ];
            let face = models::blazeface::Face {
                score: 1.0,
                bounds: [square[0], square[1], square[0], square[1]],
                points: [square; models::blazeface::POINTS],
            };
            let placed = fit.place(&face);
            let tolerance = 1e-4 * width.max(height) as f32;
            prop_assert!((placed.bounds.x - u * width as f32).abs() <= tolerance);
            prop_assert!((placed.bounds.y - v * height as f32).abs() <= tolerance);
        }
    }

    #[test]
    fn the_frame_lies_in_the_middle_with_black_around_it() {
        let fit = Letterbox::new(4, 2, 4);
        let mut input = vec![9.0; 48];
        fit.fill(&[255; 24], &mut input);
        let rows: Vec<f32> = input.chunks(12).map(|row| row[0]).collect();
        assert_eq!(rows, [-1.0, 1.0, 1.0, -1.0]);
    }
}
