//! Motion JPEG without a container: one JPEG after the other, as `ffmpeg -c:v mjpeg OUT.mjpeg` and USB cameras give it.

use std::io::{BufRead, Cursor};

use image::codecs::jpeg::JpegDecoder;
use image::{ColorType, ImageDecoder as _};

use super::{Picture, Reel, ReelError};
use crate::camera::PixelFormat;

/// How every JPEG begins: start of image, and the first byte of the next marker.
pub(super) const START: [u8; 3] = [0xff, SOI, 0xff];

const SOI: u8 = 0xd8;
const EOI: u8 = 0xd9;
const SOS: u8 = 0xda;

/// Most bytes of one picture: 4096×4096 at one byte a pixel, far more than JPEG needs.
const MAX_BYTES: usize = 16 << 20;

/// A video that is being read.
pub(super) struct Mjpeg<R> {
    reader: R,
    jpeg: Vec<u8>,
}

impl<R: BufRead> Mjpeg<R> {
    pub(super) fn open(reader: R) -> Self {
        Self { reader, jpeg: Vec::new() }
    }

    /// Reads one JPEG, marker by marker, into the buffer; `false` at the end of the file or when it is cut short.
    ///
    /// Going by markers and not by the bytes FF D9 alone skips the thumbnails that cameras put into APP segments.
    fn read_jpeg(&mut self) -> Result<bool, ReelError> {
        self.jpeg.clear();
        if self.take(2)?.is_none() {
            return Ok(false);
        }
        if self.jpeg != START[..2] {
            return Err(malformed("a picture does not begin with the JPEG marker FF D8"));
        }
        let Some(mut marker) = self.marker()? else { return Ok(false) };
        loop {
            // Markers without a body: RST0 to RST7, TEM. Everything else but EOI has a length.
            match marker {
                EOI => return Ok(true),
                0x01 | 0xd0..=0xd7 => {}
                SOI => return Err(malformed("a picture begins inside another one")),
                _ => {
                    let Some(at) = self.take(2)? else { return Ok(false) };
                    let length = usize::from(u16::from_be_bytes([self.jpeg[at], self.jpeg[at + 1]]));
                    if length < 2 {
                        return Err(malformed("a JPEG segment has no length"));
                    }
                    if self.take(length - 2)?.is_none() {
                        return Ok(false);
                    }
                }
            }
            let next = if marker == SOS { self.scan()? } else { self.marker()? };
            let Some(next) = next else { return Ok(false) };
            marker = next;
        }
    }

    /// Reads compressed data up to the next marker that is not part of it.
    fn scan(&mut self) -> Result<Option<u8>, ReelError> {
        loop {
            let available = self.reader.fill_buf()?;
            if available.is_empty() {
                return Ok(None);
            }
            let (length, found) = match available.iter().position(|byte| *byte == 0xff) {
                Some(at) => (at, true),
                None => (available.len(), false),
            };
            self.jpeg.extend_from_slice(&available[..length]);
            self.reader.consume(length);
            if self.jpeg.len() > MAX_BYTES {
                return Err(too_long());
            }
            if found {
                match self.marker()? {
                    // A stuffed zero, or a restart marker: the data goes on.
                    Some(0 | 0xd0..=0xd7) => {}
                    other => return Ok(other),
                }
            }
        }
    }

    /// Reads a marker: FF, perhaps repeated as filling, and its code.
    fn marker(&mut self) -> Result<Option<u8>, ReelError> {
        let Some(at) = self.take(1)? else { return Ok(None) };
        if self.jpeg[at] != 0xff {
            return Err(malformed("a JPEG marker is missing; the file is damaged"));
        }
        loop {
            let Some(at) = self.take(1)? else { return Ok(None) };
            if self.jpeg[at] != 0xff {
                return Ok(Some(self.jpeg[at]));
            }
        }
    }

    /// Appends `count` bytes and gives where they begin; `None` when the file has fewer.
    fn take(&mut self, count: usize) -> Result<Option<usize>, ReelError> {
        let at = self.jpeg.len();
        if at + count > MAX_BYTES {
            return Err(too_long());
        }
        self.jpeg.resize(at + count, 0);
        match self.reader.read_exact(&mut self.jpeg[at..]) {
            Ok(()) => Ok(Some(at)),
            Err(error) if error.kind() == std::io::ErrorKind::UnexpectedEof => Ok(None),
            Err(error) => Err(error.into()),
        }
    }
}

fn malformed(reason: &str) -> ReelError {
    ReelError::Malformed(reason.to_owned())
}

fn too_long() -> ReelError {
    ReelError::Malformed(format!("a picture has more than {MAX_BYTES} bytes; the file is damaged"))
}

impl<R: BufRead + Send> Reel for Mjpeg<R> {
    fn next(&mut self, picture: &mut Picture) -> Result<bool, ReelError> {
        if !self.read_jpeg()? {
            return Ok(false);
        }
        let damaged =
            |error: image::ImageError| ReelError::Malformed(format!("a picture is damaged: {error}"));
        let decoder = JpegDecoder::new(Cursor::new(&self.jpeg)).map_err(damaged)?;
        let (width, height) = decoder.dimensions();
        let format = match decoder.color_type() {
            ColorType::L8 => PixelFormat::Grey,
            ColorType::Rgb8 => PixelFormat::Rgb,
            other => {
                return Err(ReelError::Malformed(format!("pictures of type {other:?} are not supported")));
            }
        };
        let bytes = picture
            .reshape(width, height, format)
            .ok_or_else(|| ReelError::Malformed(format!("a picture has {width}×{height} pixels")))?;
        decoder.read_image(bytes).map_err(damaged)?;
        Ok(true)
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use image::RgbImage;
    use proptest::prelude::*;

    fn jpeg(grey: u8) -> Vec<u8> {
        let mut bytes = Vec::new();
        let picture = RgbImage::from_pixel(20, 10, image::Rgb([grey; 3]));
        picture.write_to(&mut Cursor::new(&mut bytes), image::ImageFormat::Jpeg).unwrap();
        bytes
    }

    /// A JPEG with another one inside an APP1 segment, as a thumbnail.
    fn with_thumbnail(grey: u8) -> Vec<u8> {
        let (outer, inner) = (jpeg(grey), jpeg(0));
        let mut bytes = outer[..2].to_vec();
        bytes.extend_from_slice(&[0xff, 0xe1]);
        bytes.extend_from_slice(&(inner.len() as u16 + 2).to_be_bytes());
        bytes.extend_from_slice(&inner);
        bytes.extend_from_slice(&outer[2..]);
        bytes
    }

    #[test]
    fn every_picture_is_seen_and_a_thumbnail_is_none() {
        let bytes = [jpeg(10), with_thumbnail(100), jpeg(200)].concat();
        let mut video = Mjpeg::open(&bytes[..]);
        let mut picture = Picture::default();
        for grey in [10u8, 100, 200] {
            assert!(video.next(&mut picture).unwrap());
            assert_eq!((picture.width(), picture.height()), (20, 10));
            assert!(picture.bytes().iter().all(|byte| byte.abs_diff(grey) < 3));
        }
        assert!(!video.next(&mut picture).unwrap());
    }

    #[test]
    fn a_video_cut_short_ends_with_its_last_whole_picture() {
        let bytes = [jpeg(10), jpeg(20)].concat();
        let mut video = Mjpeg::open(&bytes[..bytes.len() - 5]);
        let mut picture = Picture::default();
        assert!(video.next(&mut picture).unwrap());
        assert!(!video.next(&mut picture).unwrap());
    }

    proptest! {
        #[test]
        fn no_damage_makes_it_panic_or_hang(at in 0usize..600, byte: u8, tail in proptest::collection::vec(any::<u8>(), 0..50)) {
            let mut bytes = jpeg(50);
            let at = at % bytes.len();
            bytes[at] = byte;
            bytes.extend_from_slice(&tail);
            let mut video = Mjpeg::open(&bytes[..]);
            let mut picture = Picture::default();
            for _ in 0..100 {
                if !matches!(video.next(&mut picture), Ok(true)) {
                    return Ok(());
                }
            }
            prop_assert!(false, "one picture became a hundred");
        }
    }
}
