//! SeetaFace through rustface: a cascade of boosted classifiers and small models on grey pictures, without
//! any model file.
//!
//! It gives boxes and no points; the mesh finds those. It is slower than BlazeFace, and it is always there.

use image::RgbImage;
use rustface::ImageData;

use super::Detector;
use crate::error::EngineError;
use vision::face::DetectorChoice;
use vision::face::{Bounds, Face};

/// The cascade's tables; see build.rs.
const MODEL: &[u8] = include_bytes!(concat!(env!("OUT_DIR"), "/seetaface.bin"));

/// Longest side of the picture that is searched; the cost grows with the number of pixels.
const SEARCHED_SIDE: u32 = 640;

/// Smallest face that is looked for, pixels of the searched picture. Smaller ones are of no use for
/// recognition.
const MIN_FACE: u32 = 40;

/// Least score of a face, as upstream's example has it.
const MIN_SCORE: f64 = 2.0;

/// A score at which the cascade is as good as certain; maps its open scale to 0 to 1.
const CERTAIN: f64 = 10.0;

/// Each step of the image pyramid has this share of the size of the one before; upstream's value.
const PYRAMID_STEP: f32 = 0.8;

pub(super) struct Seeta {
    detector: Box<dyn rustface::Detector>,
    grey: Vec<u8>,
}

impl Seeta {
    pub(super) fn load() -> Result<Self, EngineError> {
        let model = rustface::read_model(MODEL).map_err(|error| EngineError::Load {
            role: "rustface".to_owned(),
            reason: error.to_string().into(),
        })?;
        let mut detector = rustface::create_detector_with_model(model);
        detector.set_min_face_size(MIN_FACE);
        detector.set_score_thresh(MIN_SCORE);
        detector.set_pyramid_scale_factor(PYRAMID_STEP);
        Ok(Self { detector, grey: Vec::new() })
    }
}

impl Detector for Seeta {
    fn detect(&mut self, picture: &RgbImage) -> Result<Vec<Face>, EngineError> {
        // Whole steps only: averaging blocks of pixels is exact and needs no filter.
        let step = picture.width().max(picture.height()).div_ceil(SEARCHED_SIDE).max(1);
        let (width, height) = (picture.width() / step, picture.height() / step);
        if width == 0 || height == 0 {
            return Ok(Vec::new());
        }
        self.grey.clear();
        for y in 0..height {
            for x in 0..width {
                self.grey.push(block_mean(picture, x * step, y * step, step));
            }
        }
        let found = self.detector.detect(&ImageData::new(&self.grey, width, height));
        let scale = step as f32;
        Ok(found
            .iter()
            .map(|face| {
                let bounds = face.bbox();
                Face {
                    bounds: Bounds {
                        x: bounds.x() as f32 * scale,
                        y: bounds.y() as f32 * scale,
                        width: bounds.width() as f32 * scale,
                        height: bounds.height() as f32 * scale,
                    },
                    score: (face.score() / CERTAIN).clamp(0.0, 1.0) as f32,
                    by: DetectorChoice::Rustface,
                    points: None,
                }
            })
            .collect())
    }
}

/// Mean brightness (BT.601) of a block of `step` × `step` pixels.
fn block_mean(picture: &RgbImage, left: u32, top: u32, step: u32) -> u8 {
    let mut sum = 0;
    for y in top..top + step {
        for x in left..left + step {
            let [r, g, b] = picture.get_pixel(x, y).0.map(u32::from);
            sum += 77 * r + 150 * g + 29 * b;
        }
    }
    (sum / (256 * step * step)) as u8
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn the_model_is_part_of_the_program_and_odd_pictures_are_survived() {
        let mut detector = Seeta::load().unwrap();
        for (width, height) in [(1, 1), (39, 41), (700, 1), (1300, 300)] {
            let noise = RgbImage::from_fn(width, height, |x, y| image::Rgb([((x * 7) ^ (y * 13)) as u8; 3]));
            detector.detect(&noise).unwrap();
        }
    }
}
