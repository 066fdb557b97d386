//! Motion JPEG without a container: one JPEG after the other, as `ffmpeg -c:v mjpeg OUT.mjpeg` and USB
//! cameras give it.

use std::io::BufRead;

use super::{Picture, Reel, ReelError};
use vision::jpeg;
use vision::jpeg::{Jpeg, JpegError};

/// A video that is being read.
pub(super) struct Mjpeg<R> {
    reader: R,
    jpeg: Vec<u8>,
}

impl<R: BufRead> Mjpeg<R> {
    pub(super) fn open(reader: R) -> Self {
        Self { reader, jpeg: Vec::new() }
    }
}

impl From<JpegError> for ReelError {
    fn from(error: JpegError) -> Self {
        match error {
            JpegError::Io(error) => error.into(),
            JpegError::Damaged(reason) => Self::Malformed(format!("a picture is damaged: {reason}")),
        }
    }
}

impl<R: BufRead + Send> Reel for Mjpeg<R> {
    fn next(&mut self, picture: &mut Picture) -> Result<bool, ReelError> {
        if !jpeg::take(&mut self.reader, &mut self.jpeg)? {
            return Ok(false);
        }
        let jpeg = Jpeg::open(&self.jpeg)?;
        let bytes = picture
            .reshape(jpeg.width, jpeg.height, jpeg.format)
            .ok_or_else(|| ReelError::Malformed("a picture has no pixels".to_owned()))?;
        jpeg.read(bytes)?;
        Ok(true)
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use std::io::Cursor;

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
    fn thumbnails_are_no_frames() {
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
    fn truncated_mjpeg_ends_with_its_last_whole_picture() {
        let bytes = [jpeg(10), jpeg(20)].concat();
        let mut video = Mjpeg::open(&bytes[..bytes.len() - 5]);
        let mut picture = Picture::default();
        assert!(video.next(&mut picture).unwrap());
        assert!(!video.next(&mut picture).unwrap());
    }

    proptest! {
        #[test]
        fn damaged_mjpeg_never_panics_or_hangs(at in 0usize..600, byte: u8, tail in proptest::collection::vec(any::<u8>(), 0..50)) {
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
