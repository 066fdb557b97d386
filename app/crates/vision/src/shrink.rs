//! A picture in a smaller size, for a detector or for people.
//!
//! The resizing library is used here alone, and for this one kind of pixel: its general entry is compiled for
//! every kind, again in each crate that calls it.

use fast_image_resize::images::{TypedImage, TypedImageRef};
use fast_image_resize::pixels::U8x3;
use fast_image_resize::{FilterType, ResizeAlg, ResizeOptions, Resizer};
use image::RgbImage;

/// How the pixels of the larger picture make one of the smaller.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Filter {
    /// The mean of those that it stands for.
    Mean,
    /// A triangle as wide as the reduction: no pixel is skipped, which plain bilinear sampling would do.
    Triangle,
}

/// Shrinks pictures into a buffer that is used again and again.
#[derive(Debug, Default)]
pub struct Shrinker {
    resizer: Resizer,
    small: RgbImage,
}

impl Shrinker {
    /// `picture` in another size, pixels.
    ///
    /// # Errors
    /// The library's, in words. A size of 0 gives an error or a black picture.
    pub fn shrink(
        &mut self,
        picture: &RgbImage,
        size: (u32, u32),
        filter: Filter,
    ) -> Result<&RgbImage, String> {
        let (width, height) = size;
        if self.small.dimensions() != size {
            self.small = RgbImage::new(width, height);
        }
        let from = TypedImageRef::<U8x3>::from_buffer(picture.width(), picture.height(), picture.as_raw());
        let from = from.map_err(|error| error.to_string())?;
        let mut to = TypedImage::<U8x3>::from_buffer(width, height, &mut self.small);
        let to = to.as_mut().map_err(|error| error.to_string())?;
        let filter = match filter {
            Filter::Mean => FilterType::Box,
            Filter::Triangle => FilterType::Bilinear,
        };
        let options = ResizeOptions::new().resize_alg(ResizeAlg::Convolution(filter));
        self.resizer.resize_typed(&from, to, &options).map_err(|error| error.to_string())?;
        Ok(&self.small)
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn pixels_become_the_mean_of_those_that_they_stand_for() {
        let stripes = RgbImage::from_fn(960, 540, |x, _| image::Rgb([[10, 30][x as usize % 2], 7, 200]));
        let mut shrinker = Shrinker::default();
        for filter in [Filter::Mean, Filter::Triangle] {
            let small = shrinker.shrink(&stripes, (480, 270), filter).unwrap();
            assert_eq!(small.dimensions(), (480, 270));
            assert_eq!(small.get_pixel(240, 135).0, [20, 7, 200]);
        }
        let other = shrinker.shrink(&stripes, (10, 20), Filter::Mean).unwrap();
        assert_eq!(other.dimensions(), (10, 20), "the buffer follows the size");
    }

    #[test]
    fn an_empty_picture_is_no_panic() {
        let mut shrinker = Shrinker::default();
        for (picture, size) in [(RgbImage::default(), (10, 10)), (RgbImage::new(4, 4), (0, 10))] {
            let small = shrinker.shrink(&picture, size, Filter::Mean).cloned();
            assert!(small.is_err() || small == Ok(RgbImage::new(size.0, size.1)), "black, or refused");
        }
    }
}
