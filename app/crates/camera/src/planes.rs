//! From a camera's buffer into a [`Picture`]: padding left out, turned the right way up.

use yuv::YuvPackedImage;

use super::turn::Turn;
use vision::frame::{Colour, Picture, PixelFormat};
use vision::jpeg;
use vision::jpeg::{Jpeg, JpegError};

/// How the pixels lie in a camera's buffer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Packing {
    /// Planes Y, U, V; U and V at half width and height.
    Yuv420(Colour),
    /// Plane Y, and a plane of U and V in turn at half width and height.
    Nv12(Colour),
    /// Y, U, Y, V in turn: what USB cameras give without compression.
    Yuyv(Colour),
    /// Red, green, blue in this order in memory.
    Rgb,
    /// Blue, green, red in this order in memory.
    Bgr,
    /// Brightness alone.
    Grey,
    /// One JPEG a picture: what USB cameras give at full size.
    Jpeg,
}

/// The shape of a camera's buffers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Layout {
    /// How the pixels lie.
    pub packing: Packing,
    /// Width, pixels.
    pub width: u32,
    /// Height, pixels.
    pub height: u32,
    /// Bytes from one row of the first plane to the next; 0 where there are no rows (JPEG).
    pub stride: u32,
}

/// Why a buffer gave no picture.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum BufferError {
    /// The buffer does not hold what its layout says.
    #[error("the camera's buffer is too short for {}x{} pixels of {:?}", .0.width, .0.height, .0.packing)]
    Short(Layout),
    /// The compressed picture is damaged.
    #[error("the camera's JPEG is damaged: {0}")]
    Jpeg(String),
}

impl From<JpegError> for BufferError {
    fn from(error: JpegError) -> Self {
        Self::Jpeg(error.to_string())
    }
}

/// Where pictures are unpacked that cannot be turned as they are; kept from frame to frame.
#[derive(Debug, Default)]
pub struct Scratch {
    jpeg: Vec<u8>,
    pixels: Vec<u8>,
}

impl Layout {
    /// Copies the picture in `planes` into `picture`, turned by `turn`. This is the one copy of a frame's
    /// bytes; see the module `libcamera` for why there is one.
    ///
    /// `planes` is as the driver gives it: one slice for each plane, or one for all. A JPEG's must end with
    /// what the driver has written: behind it lies what is left of an older picture. `scratch` is used by
    /// packings that have to be converted before they can be turned.
    ///
    /// # Errors
    /// [`BufferError`]; the picture's content is arbitrary then.
    pub fn read(
        self,
        planes: &[&[u8]],
        turn: Turn,
        picture: &mut Picture,
        scratch: &mut Scratch,
    ) -> Result<(), BufferError> {
        match self.packing {
            Packing::Jpeg => return self.read_jpeg(planes, turn, picture, scratch),
            Packing::Yuyv(colour) => self.read_yuyv(planes, colour, turn, picture, scratch),
            _ => self.copy(planes, turn, picture),
        }
        .ok_or(BufferError::Short(self))
    }

    fn copy(self, planes: &[&[u8]], turn: Turn, picture: &mut Picture) -> Option<()> {
        let (width, height, stride) = self.sides();
        let half = (width.div_ceil(2), height.div_ceil(2));
        let first = *planes.first()?;
        match self.packing {
            Packing::Yuv420(colour) => {
                let target = self.reshape(turn, PixelFormat::Yuv420(colour), picture)?;
                let (y, chroma) = target.split_at_mut(width * height);
                let (u, v) = chroma.split_at_mut(half.0 * half.1);
                let behind = |plane: usize| {
                    let at = stride * height + plane * stride.div_ceil(2) * half.1;
                    planes.get(1 + plane).copied().or_else(|| first.get(at..))
                };
                turn.copy::<1>(first, (width, height), stride, y)?;
                turn.copy::<1>(behind(0)?, half, stride.div_ceil(2), u)?;
                turn.copy::<1>(behind(1)?, half, stride.div_ceil(2), v)
            }
            Packing::Nv12(colour) => {
                let target = self.reshape(turn, PixelFormat::Nv12(colour), picture)?;
                let (y, uv) = target.split_at_mut(width * height);
                let behind = planes.get(1).copied().or_else(|| first.get(stride * height..))?;
                turn.copy::<1>(first, (width, height), stride, y)?;
                turn.copy::<2>(behind, half, stride, uv)
            }
            Packing::Rgb | Packing::Bgr => {
                let target = self.reshape(turn, PixelFormat::Rgb, picture)?;
                turn.copy::<3>(first, (width, height), stride, target)?;
                if self.packing == Packing::Bgr {
                    target.as_chunks_mut::<3>().0.iter_mut().for_each(|pixel| pixel.swap(0, 2));
                }
                Some(())
            }
            Packing::Grey => {
                let target = self.reshape(turn, PixelFormat::Grey, picture)?;
                turn.copy::<1>(first, (width, height), stride, target)
            }
            Packing::Yuyv(_) | Packing::Jpeg => None,
        }
    }

    fn read_yuyv(
        self,
        planes: &[&[u8]],
        colour: Colour,
        turn: Turn,
        picture: &mut Picture,
        scratch: &mut Scratch,
    ) -> Option<()> {
        let (width, height, stride) = self.sides();
        let source = YuvPackedImage {
            yuy: planes.first()?.get(..stride * height)?,
            yuy_stride: self.stride,
            width: self.width,
            height: self.height,
        };
        let (range, matrix) = (colour.range(), colour.matrix());
        let row = self.width * 3;
        if turn.is_none() {
            let target = picture.reshape(self.width, self.height, PixelFormat::Rgb)?;
            return yuv::yuyv422_to_rgb(&source, target, row, range, matrix).ok();
        }
        let pixels = &mut scratch.pixels;
        pixels.resize(width * height * 3, 0);
        yuv::yuyv422_to_rgb(&source, pixels, row, range, matrix).ok()?;
        let target = self.reshape(turn, PixelFormat::Rgb, picture)?;
        turn.copy::<3>(pixels, (width, height), width * 3, target)
    }

    fn read_jpeg(
        self,
        planes: &[&[u8]],
        turn: Turn,
        picture: &mut Picture,
        scratch: &mut Scratch,
    ) -> Result<(), BufferError> {
        let mut plane = *planes.first().ok_or(BufferError::Short(self))?;
        let Scratch { jpeg, pixels } = scratch;
        if !jpeg::take(&mut plane, jpeg)? {
            return Err(BufferError::Jpeg("it is cut short".to_owned()));
        }
        let jpeg = Jpeg::open(jpeg)?;
        let (width, height, stride) = (jpeg.width, jpeg.height, jpeg.stride());
        if turn.is_none() {
            let target = picture.reshape(width, height, jpeg.format).ok_or(BufferError::Short(self))?;
            return Ok(jpeg.read(target)?);
        }
        let packing = if jpeg.format == PixelFormat::Grey { Packing::Grey } else { Packing::Rgb };
        pixels.resize((stride * height) as usize, 0);
        jpeg.read(pixels)?;
        let decoded = Self { packing, width, height, stride };
        decoded.copy(&[pixels], turn, picture).ok_or(BufferError::Short(self))
    }

    fn sides(self) -> (usize, usize, usize) {
        (self.width as usize, self.height as usize, self.stride as usize)
    }

    fn reshape(self, turn: Turn, format: PixelFormat, picture: &mut Picture) -> Option<&mut [u8]> {
        let (width, height) =
            if turn.is_sideways() { (self.height, self.width) } else { (self.width, self.height) };
        picture.reshape(width, height, format)
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use image::{Rgb, RgbImage};
    use proptest::prelude::*;

    use super::*;
    use crate::turn::COPIED;

    const RED: Rgb<u8> = Rgb([254, 0, 0]);
    const QUARTER: u8 = 1;

    fn near(pixel: &Rgb<u8>, expected: Rgb<u8>) -> bool {
        pixel.0.iter().zip(expected.0).all(|(a, b)| a.abs_diff(b) < 10)
    }

    fn rgb(layout: Layout, planes: &[&[u8]], turn: Turn) -> Result<RgbImage, BufferError> {
        let (mut picture, mut rgb) = (Picture::default(), RgbImage::default());
        layout.read(planes, turn, &mut picture, &mut Scratch::default())?;
        picture.write_rgb(&mut rgb);
        Ok(rgb)
    }

    /// Rows of one value each, `stride` apart, with padding of another value.
    fn rows(value: &[u8], width: usize, stride: usize, height: usize) -> Vec<u8> {
        let mut row = value.repeat(width);
        row.resize(stride, 0x55);
        row.repeat(height)
    }

    /// A red picture of 6×4 pixels in every packing with rows, padded.
    fn reds() -> Vec<(Layout, Vec<Vec<u8>>)> {
        let layout = |packing, stride| Layout { packing, width: 6, height: 4, stride };
        let [y, u, v] = [81, 90, 240];
        vec![
            (
                layout(Packing::Yuv420(Colour::Bt601), 8),
                vec![rows(&[y], 6, 8, 4), rows(&[u], 3, 4, 2), rows(&[v], 3, 4, 2)],
            ),
            (layout(Packing::Nv12(Colour::Bt601), 8), vec![rows(&[y], 6, 8, 4), rows(&[u, v], 3, 8, 2)]),
            (layout(Packing::Yuyv(Colour::Bt601), 16), vec![rows(&[y, u, y, v], 3, 16, 4)]),
            (layout(Packing::Rgb, 20), vec![rows(&RED.0, 6, 20, 4)]),
            (layout(Packing::Bgr, 20), vec![rows(&[0, 0, 254], 6, 20, 4)]),
        ]
    }

    #[test]
    fn every_packing_and_orientation_has_its_colour() {
        for (layout, planes) in reds() {
            let slices: Vec<&[u8]> = planes.iter().map(Vec::as_slice).collect();
            for turn in (0..8).map(|n| Turn::new(n / 2, n % 2 == 1)) {
                let rgb = rgb(layout, &slices, turn).unwrap();
                let sides = if turn.is_sideways() { (4, 6) } else { (6, 4) };
                assert_eq!(rgb.dimensions(), sides, "{layout:?} {turn:?}");
                assert!(rgb.pixels().all(|pixel| near(pixel, RED)), "{layout:?} {turn:?}");
            }
        }
    }

    #[test]
    fn contiguous_planes_are_found() {
        for (layout, planes) in reds() {
            let rgb = rgb(layout, &[&planes.concat()], Turn::default()).unwrap();
            assert!(rgb.pixels().all(|pixel| near(pixel, RED)), "{layout:?}");
        }
    }

    #[test]
    fn every_byte_is_copied_once() {
        for (layout, planes) in reds() {
            let slices: Vec<&[u8]> = planes.iter().map(Vec::as_slice).collect();
            for turn in (0..8).map(|n| Turn::new(n / 2, n % 2 == 1)) {
                let (mut picture, before) = (Picture::default(), COPIED.get());
                layout.read(&slices, turn, &mut picture, &mut Scratch::default()).unwrap();
                // YUYV is converted on the way, into the picture itself where it is upright already.
                let converted = matches!(layout.packing, Packing::Yuyv(_)) && turn.is_none();
                let expected = if converted { 0 } else { picture.bytes().len() };
                assert_eq!(COPIED.get() - before, expected, "{layout:?} {turn:?}");
            }
        }
    }

    #[test]
    fn jpeg_is_decoded_and_turned() {
        let mut picture = RgbImage::from_pixel(16, 8, Rgb([0, 0, 254]));
        for x in 0..8 {
            (0..8).for_each(|y| picture.put_pixel(x, y, RED));
        }
        let mut jpeg = Vec::new();
        picture.write_with_encoder(image::codecs::jpeg::JpegEncoder::new(&mut jpeg)).unwrap();
        let layout = Layout { packing: Packing::Jpeg, width: 16, height: 8, stride: 0 };
        let upright = rgb(layout, &[&jpeg], Turn::default()).unwrap();
        assert!(near(upright.get_pixel(2, 4), RED) && near(upright.get_pixel(13, 4), Rgb([0, 0, 254])));
        let turned = rgb(layout, &[&jpeg], Turn::new(QUARTER, false)).unwrap();
        assert!(near(turned.get_pixel(4, 2), RED) && turned.dimensions() == (8, 16));
        for length in [20, jpeg.len() - 20, jpeg.len() - 1] {
            let cut = rgb(layout, &[&jpeg[..length]], Turn::default());
            assert!(matches!(cut, Err(BufferError::Jpeg(_))), "{length} of {} bytes", jpeg.len());
        }
        assert!(rgb(layout, &[], Turn::default()).is_err());
    }

    proptest! {
        #[test]
        fn no_buffer_makes_it_panic(
            packing in 0..7usize, width in 0..9u32, height in 0..9u32, stride in 0..40u32,
            lengths in prop::collection::vec(0..200usize, 0..4), quarters in 0..4u8, mirror: bool,
        ) {
            let colour = Colour::Bt709;
            let packing = [
                Packing::Yuv420(colour), Packing::Nv12(colour), Packing::Yuyv(colour), Packing::Rgb, Packing::Bgr,
                Packing::Grey, Packing::Jpeg,
            ][packing];
            let planes: Vec<Vec<u8>> = lengths.iter().map(|length| vec![0x80; *length]).collect();
            let slices: Vec<&[u8]> = planes.iter().map(Vec::as_slice).collect();
            let _ = rgb(Layout { packing, width, height, stride }, &slices, Turn::new(quarters, mirror));
        }
    }
}
