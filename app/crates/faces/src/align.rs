//! A face turned and scaled so that eyes, nose and mouth lie where the embedder learned to expect them.

use image::RgbImage;

use super::warp::{Affine, warp};
use vision::face::Point;

/// Side of an aligned face, pixels.
pub const SIDE: usize = 112;

/// Where ArcFace (Deng et al. 2019; insightface) puts right eye, left eye, nose tip, right and left mouth
/// corner.
pub const TEMPLATE: [Point; 5] = [
    Point { x: 38.2946, y: 51.6963 },
    Point { x: 73.5318, y: 51.5014 },
    Point { x: 56.0252, y: 71.7366 },
    Point { x: 41.5493, y: 92.3655 },
    Point { x: 70.7299, y: 92.2041 },
];

/// An aligned face, RGB, reused from face to face.
#[derive(Debug, Clone)]
pub struct Aligned(Vec<[f32; 3]>);

impl Default for Aligned {
    fn default() -> Self {
        Self(vec![[0.0; 3]; SIDE * SIDE])
    }
}

impl Aligned {
    /// Takes the face with these five points from the picture; `false` when the points coincide.
    pub fn take(&mut self, picture: &RgbImage, five: &[Point; 5]) -> bool {
        let Some(map) = Affine::similarity(five, &TEMPLATE).and_then(|map| map.inverse()) else {
            return false;
        };
        warp(picture, &map, SIDE, SIDE, |i, colour| self.0[i] = colour);
        true
    }

    /// Mirrors the face left to right.
    pub fn mirror(&mut self) {
        self.0.chunks_exact_mut(SIDE).for_each(<[_]>::reverse);
    }

    /// The pixels, row by row, 0 to 255.
    pub fn pixels(&self) -> &[[f32; 3]] {
        &self.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_face_already_in_place_is_not_changed() {
        let picture = RgbImage::from_fn(112, 112, |x, y| image::Rgb([x as u8, y as u8, 9]));
        let mut aligned = Aligned::default();
        assert!(aligned.take(&picture, &TEMPLATE));
        for (i, pixel) in aligned.pixels().iter().enumerate() {
            let (x, y) = ((i % SIDE) as f32, (i / SIDE) as f32);
            if x < 111.0 && y < 111.0 {
                assert!((pixel[0] - x).abs() < 0.01 && (pixel[1] - y).abs() < 0.01, "{i}: {pixel:?}");
            }
        }
        assert!(!aligned.take(&picture, &[TEMPLATE[0]; 5]));
    }
}
