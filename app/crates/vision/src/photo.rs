//! One photo from a file: decoded within limits, upright, and never trusted.
//!
//! A photo comes from a server and may be anything: half a JPEG, a page of HTML, or a small file that claims
//! half a billion pixels. Size and dimensions are checked before any pixel is decoded.

use std::io::Cursor;

use image::{DynamicImage, ImageDecoder as _, ImageError, ImageReader, Limits, RgbImage};

use crate::jpeg;

/// Bytes of memory a decoder may use for a pixel: four channels of 16 bits, twice.
const DECODER_BYTES_PER_PIXEL: u64 = 16;

/// What is accepted as a photo.
#[derive(Debug, Clone, Copy)]
pub struct PhotoLimits {
    /// Largest file, bytes.
    pub max_bytes: u64,
    /// Most pixels once decoded.
    pub max_pixels: u64,
}

impl From<&crate::photos::Photos> for PhotoLimits {
    fn from(photos: &crate::photos::Photos) -> Self {
        Self {
            max_bytes: photos.max_file_size.bytes(),
            max_pixels: u64::from(photos.max_megapixels) * 1_000_000,
        }
    }
}

/// Why a file is not a usable photo. The messages are for the school office: they say what to do.
#[derive(Debug, thiserror::Error)]
pub enum PhotoError {
    /// More bytes than the site accepts.
    #[error("the file has {bytes} bytes, {max_bytes} are allowed; save it smaller")]
    TooManyBytes {
        /// Size of the file.
        bytes: u64,
        /// The limit.
        max_bytes: u64,
    },
    /// More pixels than the site accepts.
    #[error("the picture has {width}×{height} pixels, {max_pixels} are allowed in all; save it smaller")]
    TooManyPixels {
        /// Columns.
        width: u32,
        /// Rows.
        height: u32,
        /// The limit.
        max_pixels: u64,
    },
    /// Not a picture of a kind that is supported.
    #[error("not a picture (JPEG, PNG, GIF, BMP or WebP); upload the photo again")]
    NotAPicture,
    /// A picture that ends too early or is damaged.
    #[error("the picture is damaged or cut short ({0}); upload the photo again")]
    Damaged(String),
}

/// Decodes `bytes` to 8-bit RGB, turned upright as its EXIF orientation says. Of an animation, the first
/// frame.
///
/// # Errors
/// [`PhotoError`]; the limits are checked before decoding.
pub fn decode(bytes: &[u8], limits: PhotoLimits) -> Result<RgbImage, PhotoError> {
    if bytes.len() as u64 > limits.max_bytes {
        return Err(PhotoError::TooManyBytes { bytes: bytes.len() as u64, max_bytes: limits.max_bytes });
    }
    let mut reader = ImageReader::new(Cursor::new(bytes)).with_guessed_format().map_err(damaged)?;
    let format = reader.format().ok_or(PhotoError::NotAPicture)?;
    if format == image::ImageFormat::Jpeg && !is_whole_jpeg(bytes) {
        // The decoder fills what is missing with grey and says nothing.
        return Err(PhotoError::Damaged("the end of the JPEG is missing".to_owned()));
    }
    let mut memory = Limits::default();
    memory.max_alloc = Some(limits.max_pixels.saturating_mul(DECODER_BYTES_PER_PIXEL));
    reader.limits(memory);
    let mut decoder = reader.into_decoder().map_err(refused)?;
    let (width, height) = decoder.dimensions();
    if u64::from(width) * u64::from(height) > limits.max_pixels {
        return Err(PhotoError::TooManyPixels { width, height, max_pixels: limits.max_pixels });
    }
    let orientation = decoder.orientation().map_err(refused)?;
    let mut picture = DynamicImage::from_decoder(decoder).map_err(refused)?;
    picture.apply_orientation(orientation);
    Ok(picture.into_rgb8())
}

/// Whether a JPEG is there up to its end, which a thumbnail's is not, and behind which phones append a film.
/// Where the markers are not as they should be, or too far apart to be followed, a look at the end has to do.
fn is_whole_jpeg(mut bytes: &[u8]) -> bool {
    let all = bytes;
    jpeg::take(&mut bytes, &mut Vec::new()).unwrap_or_else(|_| ends_like_a_jpeg(all))
}

/// Whether an end-of-image marker stands near the end. Cameras and editors append a few bytes of padding
/// after it; a file cut within its picture data has none.
fn ends_like_a_jpeg(bytes: &[u8]) -> bool {
    /// More than any padding or trailer seen, less than the data of a picture row block.
    const TAIL: usize = 4096;
    let tail = &bytes[bytes.len().saturating_sub(TAIL)..];
    tail.windows(2).any(|pair| pair == [0xFF, 0xD9])
}

fn refused(error: ImageError) -> PhotoError {
    match error {
        ImageError::Unsupported(_) => PhotoError::NotAPicture,
        other => damaged(other),
    }
}

fn damaged(error: impl ToString) -> PhotoError {
    PhotoError::Damaged(error.to_string())
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use image::ImageFormat;
    use proptest::prelude::*;

    use super::*;

    const LIMITS: PhotoLimits = PhotoLimits { max_bytes: 1_000_000, max_pixels: 100_000 };

    fn encoded(width: u32, height: u32, format: ImageFormat) -> Vec<u8> {
        let mut bytes = Cursor::new(Vec::new());
        RgbImage::from_fn(width, height, |x, y| image::Rgb([x as u8, y as u8, (x ^ y) as u8]))
            .write_to(&mut bytes, format)
            .unwrap();
        bytes.into_inner()
    }

    #[test]
    fn every_kind_of_photo_is_read() {
        for format in
            [ImageFormat::Jpeg, ImageFormat::Png, ImageFormat::Gif, ImageFormat::Bmp, ImageFormat::WebP]
        {
            assert_eq!(
                decode(&encoded(60, 40, format), LIMITS).unwrap().dimensions(),
                (60, 40),
                "{format:?}"
            );
        }
    }

    #[test]
    fn a_photo_cut_anywhere_is_refused() {
        for format in [ImageFormat::Jpeg, ImageFormat::Png, ImageFormat::WebP] {
            let whole = encoded(200, 160, format);
            for kept in [0, 1, 10, whole.len() / 3, whole.len() / 2, whole.len() * 9 / 10] {
                assert!(decode(&whole[..kept], LIMITS).is_err(), "{format:?} cut to {kept} bytes");
            }
        }
    }

    /// A JPEG with EXIF in it: a TIFF that says how the picture is turned and nothing else, and `more` behind
    /// that.
    fn with_exif(jpeg: &[u8], orientation: u8, more: &[u8]) -> Vec<u8> {
        // One entry at offset 8: tag 0x0112, type 3 (SHORT), count 1, and its value.
        let head = b"Exif\0\0II*\0\x08\0\0\0\x01\0\x12\x01\x03\0\x01\0\0\0";
        let exif = [&head[..], &[orientation, 0, 0, 0], &[0; 4], more].concat();
        let length = (exif.len() as u16 + 2).to_be_bytes();
        [&jpeg[..2], &[0xFF, 0xE1], &length[..], &exif[..], &jpeg[2..]].concat()
    }

    #[test]
    fn a_photo_that_was_taken_sideways_is_turned_upright() {
        let upright = decode(&with_exif(&encoded(60, 40, ImageFormat::Jpeg), 6, &[]), LIMITS).unwrap();
        assert_eq!(upright.dimensions(), (40, 60));
        // Red grows to the right in what was encoded, and downwards once that is turned clockwise.
        assert!(upright.get_pixel(20, 5)[0] + 30 < upright.get_pixel(20, 55)[0]);
    }

    #[test]
    fn a_photo_with_a_film_behind_it_is_whole() {
        let photo = [encoded(60, 40, ImageFormat::Jpeg), vec![b'm'; 100_000]].concat();
        assert_eq!(decode(&photo, LIMITS).unwrap().dimensions(), (60, 40));
    }

    #[test]
    fn a_photo_cut_behind_its_thumbnail_is_refused() {
        let thumbnail = encoded(8, 8, ImageFormat::Jpeg);
        let mut photo = with_exif(&encoded(60, 40, ImageFormat::Jpeg), 1, &thumbnail);
        assert!(decode(&photo, LIMITS).is_ok());
        photo.truncate(photo.len() - 20);
        assert!(ends_like_a_jpeg(&photo), "the thumbnail's end is near");
        let refused = decode(&photo, LIMITS);
        assert!(matches!(refused, Err(PhotoError::Damaged(why)) if why.contains("the end of")));
    }

    #[test]
    fn strange_markers_alone_do_not_refuse_a_photo() {
        let whole = encoded(60, 40, ImageFormat::Jpeg);
        let strange = [&whole[..2], &[0], &whole[2..]].concat();
        assert!(is_whole_jpeg(&strange) && !is_whole_jpeg(&strange[..strange.len() - 20]));
    }

    #[test]
    fn a_picture_that_claims_too_many_pixels_is_refused_before_it_is_decoded() {
        // The header of a 25,000×20,000 PNG: 500 megapixels in a few bytes.
        let mut bomb = encoded(1, 1, ImageFormat::Png);
        bomb[16..20].copy_from_slice(&25_000u32.to_be_bytes());
        bomb[20..24].copy_from_slice(&20_000u32.to_be_bytes());
        let crc = crc32fast::hash(&bomb[12..29]);
        bomb[29..33].copy_from_slice(&crc.to_be_bytes());
        assert!(matches!(
            decode(&bomb, LIMITS),
            Err(PhotoError::TooManyPixels { width: 25_000, height: 20_000, .. })
        ));
    }

    #[test]
    fn what_is_not_a_picture_is_said_to_be_none() {
        assert!(matches!(
            decode(b"<html><body>502 Bad Gateway</body></html>", LIMITS),
            Err(PhotoError::NotAPicture)
        ));
        let large = vec![0; 1_000_001];
        assert!(matches!(decode(&large, LIMITS), Err(PhotoError::TooManyBytes { .. })));
    }

    proptest! {
        #[test]
        fn no_bytes_make_the_decoder_panic(mut bytes in proptest::collection::vec(any::<u8>(), 0..400), kind in 0..4usize) {
            let magic: &[u8] = [&b"\xFF\xD8\xFF\xE0"[..], b"\x89PNG\r\n\x1a\n", b"GIF89a", b"RIFF\0\0\0\0WEBPVP8L"][kind];
            bytes.splice(0..0, magic.iter().copied());
            let _ = decode(&bytes, LIMITS);
        }
    }
}
