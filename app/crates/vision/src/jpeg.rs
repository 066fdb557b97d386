//! JPEGs from cameras and files, whole or not at all.
//!
//! Most decoders accept an incomplete picture. If a picture was cut (a busy USB bus), its missing part
//! becomes grey, or shows the end of an older picture that lay in the buffer. Recognition would see a face
//! cut in half. So a picture is [taken](take) marker by marker up to its end, and decoded strictly.

use std::io::{self, BufRead};

use zune_jpeg::JpegDecoder;
use zune_jpeg::errors::DecodeErrors;
use zune_jpeg::zune_core::bytestream::ZCursor;
use zune_jpeg::zune_core::colorspace::ColorSpace;
use zune_jpeg::zune_core::options::DecoderOptions;

use super::frame::{MAX_SIDE, PixelFormat};
use base::contain::{Panicked, contained};

/// How every JPEG begins: start of image, and the first byte of the next marker.
pub const START: [u8; 3] = [0xff, SOI, 0xff];

const SOI: u8 = 0xd8;
const EOI: u8 = 0xd9;
const SOS: u8 = 0xda;
const DHT: u8 = 0xc4;

/// An APP0 segment that says "motion JPEG of an AVI file": for the decoder, that the Huffman tables are the
/// standard's where the picture brings none.
const MOTION: [u8; 9] = [0xff, 0xe0, 0, 7, b'A', b'V', b'I', b'1', 0];

/// Most bytes of one picture: 4096×4096 at one byte a pixel, far more than JPEG needs.
const MAX_BYTES: usize = 16 << 20;

/// Why there is no picture.
#[derive(Debug, thiserror::Error)]
pub enum JpegError {
    /// It could not be read.
    #[error(transparent)]
    Io(#[from] io::Error),
    /// It is not a JPEG that we can decode.
    #[error("{0}")]
    Damaged(String),
}

impl From<DecodeErrors> for JpegError {
    fn from(error: DecodeErrors) -> Self {
        Self::Damaged(error.to_string())
    }
}

impl From<Panicked> for JpegError {
    fn from(panic: Panicked) -> Self {
        Self::Damaged(format!("it stops the decoder: {panic}"))
    }
}

/// Reads one JPEG into `jpeg`, from its start to its end; `false` when there is none, or it is cut short.
///
/// Going by markers and not by the bytes FF D9 alone skips the thumbnails that cameras put into APP segments.
///
/// # Errors
/// [`JpegError`] when it cannot be read, or what comes is not JPEG.
pub fn take(reader: &mut impl BufRead, jpeg: &mut Vec<u8>) -> Result<bool, JpegError> {
    jpeg.clear();
    Ok(Walk { reader, jpeg, scans: 0 }.picture()?.is_some())
}

/// How many scans a JPEG in memory has: a decoder goes over its picture once for each. Where its markers
/// cannot be followed to the end, everything that looks like a scan counts.
pub(crate) fn scans(mut bytes: &[u8]) -> usize {
    let all = bytes;
    let mut jpeg = Vec::new();
    let mut walk = Walk { reader: &mut bytes, jpeg: &mut jpeg, scans: 0 };
    match walk.picture() {
        Ok(Some(())) => walk.scans,
        _ => all.windows(2).filter(|pair| *pair == [0xff, SOS]).count(),
    }
}

/// The bytes that were walked over lie in `jpeg`. `None`, of every method, is the end of what can be read.
struct Walk<'a, R> {
    reader: &'a mut R,
    jpeg: &'a mut Vec<u8>,
    /// Scans seen so far.
    scans: usize,
}

impl<R: BufRead> Walk<'_, R> {
    fn picture(&mut self) -> Result<Option<()>, JpegError> {
        if self.bytes(2)?.is_none() {
            return Ok(None);
        }
        if *self.jpeg != START[..2] {
            return Err(damaged("a picture does not begin with the JPEG marker FF D8"));
        }
        let mut tables = false;
        let Some(mut marker) = self.marker()? else { return Ok(None) };
        loop {
            // Markers without a body: RST0 to RST7, TEM. Everything else but EOI has a length.
            match marker {
                EOI => break,
                0x01 | 0xd0..=0xd7 => {}
                SOI => return Err(damaged("a picture begins inside another one")),
                _ => {
                    tables |= marker == DHT;
                    let Some(at) = self.bytes(2)? else { return Ok(None) };
                    let length = usize::from(u16::from_be_bytes([self.jpeg[at], self.jpeg[at + 1]]));
                    if length < 2 {
                        return Err(damaged("a JPEG segment has no length"));
                    }
                    if self.bytes(length - 2)?.is_none() {
                        return Ok(None);
                    }
                }
            }
            self.scans += usize::from(marker == SOS);
            let next = if marker == SOS { self.scan()? } else { self.marker()? };
            let Some(next) = next else { return Ok(None) };
            marker = next;
        }
        if !tables {
            // Many USB cameras leave out the tables that all of them share.
            self.jpeg.splice(2..2, MOTION);
        }
        Ok(Some(()))
    }

    /// Reads compressed data up to the next marker that is not part of it.
    fn scan(&mut self) -> Result<Option<u8>, JpegError> {
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
    fn marker(&mut self) -> Result<Option<u8>, JpegError> {
        let Some(at) = self.bytes(1)? else { return Ok(None) };
        if self.jpeg[at] != 0xff {
            return Err(damaged("a JPEG marker is missing"));
        }
        loop {
            let Some(at) = self.bytes(1)? else { return Ok(None) };
            if self.jpeg[at] != 0xff {
                return Ok(Some(self.jpeg[at]));
            }
        }
    }

    /// Appends `count` bytes and gives where they begin.
    fn bytes(&mut self, count: usize) -> Result<Option<usize>, JpegError> {
        let at = self.jpeg.len();
        if at + count > MAX_BYTES {
            return Err(too_long());
        }
        self.jpeg.resize(at + count, 0);
        match self.reader.read_exact(&mut self.jpeg[at..]) {
            Ok(()) => Ok(Some(at)),
            Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => Ok(None),
            Err(error) => Err(error.into()),
        }
    }
}

fn damaged(reason: &str) -> JpegError {
    JpegError::Damaged(reason.to_owned())
}

fn too_long() -> JpegError {
    JpegError::Damaged(format!("a picture has more than {MAX_BYTES} bytes"))
}

/// A JPEG whose size is known and that is still to be decoded.
pub struct Jpeg<'a> {
    decoder: JpegDecoder<ZCursor<&'a [u8]>>,
    /// Width, pixels, at most [`MAX_SIDE`].
    pub width: u32,
    /// Height, pixels, at most [`MAX_SIDE`].
    pub height: u32,
    /// What it is decoded to: RGB, or brightness alone.
    pub format: PixelFormat,
}

impl<'a> Jpeg<'a> {
    /// Reads the header of what [`take`] gave.
    ///
    /// # Errors
    /// [`JpegError::Damaged`], also when it is too large, or makes the decoder panic.
    pub fn open(jpeg: &'a [u8]) -> Result<Self, JpegError> {
        contained(|| Self::header(jpeg))?
    }

    fn header(jpeg: &'a [u8]) -> Result<Self, JpegError> {
        let side = MAX_SIDE as usize;
        let options =
            DecoderOptions::default().set_strict_mode(true).set_max_width(side).set_max_height(side);
        let mut decoder = JpegDecoder::new_with_options(ZCursor::new(jpeg), options);
        decoder.decode_headers()?;
        let (Some((width, height)), Some(colours)) = (decoder.dimensions(), decoder.input_colorspace())
        else {
            return Err(damaged("its size is not known"));
        };
        let (format, colours) = match colours {
            ColorSpace::Luma => (PixelFormat::Grey, ColorSpace::Luma),
            _ => (PixelFormat::Rgb, ColorSpace::RGB),
        };
        decoder.set_options(options.jpeg_set_out_colorspace(colours));
        Ok(Self { decoder, width: width as u32, height: height as u32, format })
    }

    /// Bytes of a row.
    pub fn stride(&self) -> u32 {
        if self.format == PixelFormat::Grey { self.width } else { 3 * self.width }
    }

    /// Decodes it into `stride · height` bytes.
    ///
    /// # Errors
    /// [`JpegError::Damaged`]; what was written is of no use then.
    pub fn read(mut self, pixels: &mut [u8]) -> Result<(), JpegError> {
        Ok(contained(|| self.decoder.decode_into(pixels))??)
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use image::RgbImage;
    use image::codecs::jpeg::JpegEncoder;

    use super::*;

    /// Every part of it is needed: noise does not compress.
    fn noise() -> Vec<u8> {
        let mut rng = fastrand::Rng::with_seed(5);
        let picture = RgbImage::from_fn(96, 64, |_, _| image::Rgb([(); 3].map(|()| rng.u8(..))));
        let mut jpeg = Vec::new();
        picture.write_with_encoder(JpegEncoder::new_with_quality(&mut jpeg, 90)).unwrap();
        jpeg
    }

    fn decoded(bytes: &[u8]) -> Result<Option<Vec<u8>>, JpegError> {
        let mut jpeg = Vec::new();
        if !take(&mut &bytes[..], &mut jpeg)? {
            return Ok(None);
        }
        let jpeg = Jpeg::open(&jpeg)?;
        let mut pixels = vec![0; (jpeg.stride() * jpeg.height) as usize];
        jpeg.read(&mut pixels)?;
        Ok(Some(pixels))
    }

    #[test]
    fn truncated_jpeg_is_refused() {
        let whole = noise();
        let pixels = decoded(&whole).unwrap().unwrap();
        let reference = image::load_from_memory(&whole).unwrap().into_rgb8();
        assert_eq!(pixels, reference.into_raw());
        for length in (0..whole.len()).step_by(7).chain([whole.len() - 1]) {
            assert!(!matches!(decoded(&whole[..length]), Ok(Some(_))), "cut after {length} bytes");
        }
    }

    #[test]
    fn trailing_data_is_ignored() {
        let whole = noise();
        let padded = [whole.as_slice(), &[0; 1000], &[0xff, 0xda, 7]].concat();
        assert_eq!(decoded(&padded).unwrap(), decoded(&whole).unwrap());
    }

    #[test]
    fn missing_huffman_tables_are_the_standard_ones() {
        let whole = noise();
        let mut bare = whole.clone();
        while let Some(at) = bare.windows(2).position(|two| two == [0xff, DHT]) {
            let length = usize::from(u16::from_be_bytes([bare[at + 2], bare[at + 3]]));
            bare.drain(at..at + 2 + length);
        }
        assert!(bare.len() < whole.len());
        assert_eq!(decoded(&bare).unwrap().unwrap(), decoded(&whole).unwrap().unwrap());
    }
}
