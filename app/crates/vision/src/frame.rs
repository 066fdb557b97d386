//! One picture of the camera, in the layout the camera delivers.

use image::RgbImage;
use time::OffsetDateTime;
use yuv::{YuvBiPlanarImage, YuvConversionMode, YuvPlanarImage, YuvRange, YuvStandardMatrix};

use base::moment::Moment;

/// Largest side of a frame, pixels. Larger pictures are refused before anything is allocated.
pub const MAX_SIDE: u32 = 4096;

/// A picture and when it was taken.
#[derive(Debug, Clone)]
pub struct Frame {
    /// Counts the frames the source delivered, from 1; a gap means dropped frames.
    pub number: u64,
    /// When it was taken. Everything that measures time between frames uses `at.since_boot`.
    pub at: Moment,
    /// The picture.
    pub picture: Picture,
}

impl Default for Frame {
    /// An empty frame for a source to fill.
    fn default() -> Self {
        let at =
            Moment { utc: OffsetDateTime::UNIX_EPOCH, since_boot: std::time::Duration::ZERO, trusted: false };
        Self { number: 0, at, picture: Picture::default() }
    }
}

/// How a picture's bytes are laid out.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PixelFormat {
    /// Planes Y, U, V; U and V at half width and height, rounded up.
    Yuv420(Colour),
    /// Plane Y, and a plane of U and V in turn, at half width and height, rounded up.
    Nv12(Colour),
    /// Red, green, blue, interleaved.
    Rgb,
    /// Brightness alone.
    Grey,
}

impl Default for PixelFormat {
    fn default() -> Self {
        Self::Yuv420(Colour::default())
    }
}

/// What a picture's Y, U and V mean: the matrix they were made by, and their range.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Colour {
    /// BT.601, 16 to 235, as Y4M and most USB cameras deliver.
    #[default]
    Bt601,
    /// BT.601, 0 to 255, as JPEG has it.
    Bt601Full,
    /// BT.709, 16 to 235, as high-definition video has it.
    Bt709,
    /// BT.709, 0 to 255.
    Bt709Full,
}

impl Colour {
    /// The matrix between YUV and RGB.
    pub fn matrix(self) -> YuvStandardMatrix {
        match self {
            Self::Bt601 | Self::Bt601Full => YuvStandardMatrix::Bt601,
            Self::Bt709 | Self::Bt709Full => YuvStandardMatrix::Bt709,
        }
    }

    /// The range of values that is used.
    pub fn range(self) -> YuvRange {
        match self {
            Self::Bt601 | Self::Bt709 => YuvRange::Limited,
            Self::Bt601Full | Self::Bt709Full => YuvRange::Full,
        }
    }
}

/// Pixels in one buffer that is reused from frame to frame.
#[derive(Debug, Clone, Default)]
pub struct Picture {
    width: u32,
    height: u32,
    format: PixelFormat,
    data: Vec<u8>,
}

impl Picture {
    /// Makes room for a picture of that size and format and gives its bytes to be filled; the old content is
    /// arbitrary.
    ///
    /// `None` when a side is 0 or more than [`MAX_SIDE`].
    pub fn reshape(&mut self, width: u32, height: u32, format: PixelFormat) -> Option<&mut [u8]> {
        if width == 0 || height == 0 || width > MAX_SIDE || height > MAX_SIDE {
            return None;
        }
        (self.width, self.height, self.format) = (width, height, format);
        self.data.resize(byte_count(width, height, format), 0);
        Some(&mut self.data)
    }

    /// A picture of RGB pixels.
    pub fn from_rgb(rgb: RgbImage) -> Self {
        let (width, height) = rgb.dimensions();
        Self { width, height, format: PixelFormat::Rgb, data: rgb.into_raw() }
    }

    /// Width, pixels.
    pub fn width(&self) -> u32 {
        self.width
    }

    /// Height, pixels.
    pub fn height(&self) -> u32 {
        self.height
    }

    /// The layout of [`Picture::bytes`].
    pub fn format(&self) -> PixelFormat {
        self.format
    }

    /// The bytes, without padding between rows.
    pub fn bytes(&self) -> &[u8] {
        &self.data
    }

    /// Writes the picture into `rgb`, whose buffer is reused when the size fits.
    pub fn write_rgb(&self, rgb: &mut RgbImage) {
        if rgb.dimensions() != (self.width, self.height) {
            *rgb = RgbImage::new(self.width, self.height);
        }
        let stride = self.width * 3;
        match self.format {
            PixelFormat::Rgb => rgb.copy_from_slice(&self.data),
            PixelFormat::Grey => {
                for (pixel, grey) in rgb.chunks_exact_mut(3).zip(&self.data) {
                    pixel.fill(*grey);
                }
            }
            PixelFormat::Yuv420(colour) => {
                let (y, chroma) = self.data.split_at(self.width as usize * self.height as usize);
                let (u, v) = chroma.split_at(chroma.len() / 2);
                let half = self.width.div_ceil(2);
                let planes = YuvPlanarImage {
                    y_plane: y,
                    y_stride: self.width,
                    u_plane: u,
                    u_stride: half,
                    v_plane: v,
                    v_stride: half,
                    width: self.width,
                    height: self.height,
                };
                // Fails only when a plane does not fit the size, which `reshape` rules out; the empty picture
                // has nothing to convert. The same below.
                let _ = yuv::yuv420_to_rgb(&planes, rgb, stride, colour.range(), colour.matrix());
            }
            PixelFormat::Nv12(colour) => {
                let (y, uv) = self.data.split_at(self.width as usize * self.height as usize);
                let planes = YuvBiPlanarImage {
                    y_plane: y,
                    y_stride: self.width,
                    uv_plane: uv,
                    uv_stride: 2 * self.width.div_ceil(2),
                    width: self.width,
                    height: self.height,
                };
                let mode = YuvConversionMode::Balanced;
                let _ = yuv::yuv_nv12_to_rgb(&planes, rgb, stride, colour.range(), colour.matrix(), mode);
            }
        }
    }
}

/// Bytes of a picture; the sides are at most [`MAX_SIDE`], so nothing overflows.
fn byte_count(width: u32, height: u32, format: PixelFormat) -> usize {
    let (width, height) = (width as usize, height as usize);
    match format {
        PixelFormat::Grey => width * height,
        PixelFormat::Rgb => 3 * width * height,
        PixelFormat::Yuv420(_) | PixelFormat::Nv12(_) => {
            width * height + 2 * width.div_ceil(2) * height.div_ceil(2)
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn yuv_of_an_odd_size_is_converted() {
        // Pure red: by BT.601 and BT.709, in the short and in the full range.
        for (colour, [y, u, v]) in [
            (Colour::Bt601, [81, 90, 240]),
            (Colour::Bt601Full, [76, 85, 255]),
            (Colour::Bt709, [63, 102, 240]),
            (Colour::Bt709Full, [54, 99, 255]),
        ] {
            for format in [PixelFormat::Yuv420(colour), PixelFormat::Nv12(colour)] {
                let mut picture = Picture::default();
                let bytes = picture.reshape(5, 3, format).unwrap();
                assert_eq!(bytes.len(), 15 + 2 * 3 * 2);
                bytes[..15].fill(y);
                if matches!(format, PixelFormat::Nv12(_)) {
                    bytes[15..].copy_from_slice(&[u, v].repeat(6));
                } else {
                    bytes[15..21].fill(u);
                    bytes[21..].fill(v);
                }
                let mut rgb = RgbImage::default();
                picture.write_rgb(&mut rgb);
                for pixel in rgb.pixels() {
                    assert!(
                        pixel[0] > 248 && pixel[1] < 8 && pixel[2] < 8,
                        "{format:?}: {pixel:?} is not red"
                    );
                }
            }
        }
    }

    #[test]
    fn sizes_out_of_bounds_are_refused() {
        let mut picture = Picture::default();
        for (width, height) in [(0, 1), (1, 0), (MAX_SIDE + 1, 1), (1, u32::MAX)] {
            assert!(picture.reshape(width, height, PixelFormat::Rgb).is_none());
        }
    }

    #[test]
    fn buffer_of_equal_size_is_reused() {
        let mut picture = Picture::default();
        picture.reshape(64, 48, PixelFormat::Grey).unwrap().fill(7);
        let before = picture.bytes().as_ptr();
        picture.reshape(64, 48, PixelFormat::Grey).unwrap();
        assert_eq!(picture.bytes().as_ptr(), before);
        let mut rgb = RgbImage::default();
        picture.write_rgb(&mut rgb);
        assert!(rgb.as_raw().iter().all(|byte| *byte == 7));
    }
}
