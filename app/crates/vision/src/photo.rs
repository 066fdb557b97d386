//! One photo from a file: decoded within limits, upright, and never trusted.
//!
//! A photo comes from a server and may be anything: half a JPEG, a page of HTML, a small file that claims
//! half a billion pixels, or one that makes the decoder panic. Size, sides, and the memory that it takes are
//! checked before any pixel is decoded, as is the number of passes that decoding needs, and a panic of the
//! decoder refuses this photo and nothing else.

use std::io::Cursor;
use std::sync::{Mutex, PoisonError};

use image::error::{LimitError, LimitErrorKind};
use image::metadata::Orientation;
use image::{ColorType, DynamicImage, ImageDecoder, ImageError, ImageFormat, ImageReader, Limits, RgbImage};

use crate::cost::{self, Contradiction, RGB};
use crate::jpeg;
use crate::kind::{self, Kind};
use base::contain::contained;
use base::failure::{Diagnosis, Fault};

/// Most pixels of one side. The decoders keep some rows and columns, whatever the other side is.
pub const MAX_SIDE: u32 = 12_000;

/// Bytes of memory that decoding may take for each pixel that is allowed: as much as one pixel of the dearest
/// PNG, four channels of 16 bits.
const BYTES_PER_PIXEL: u64 = 8;

/// Bytes of memory beside the pixels: rows, tables, and what else lies in the file (colour profile, EXIF,
/// text).
const BESIDE_PIXELS: u64 = 32 << 20;

/// How often a decoder may go over a picture of as many pixels as are allowed. Programs write progressive
/// JPEGs with 3 to 12 scans. A smaller picture may have more.
const MOST_PASSES: u64 = 12;

/// Pictures that take no more than this are decoded side by side, all others one after the other.
const SIDE_BY_SIDE: u64 = 64 << 20;

/// Held while a large picture is decoded: several at once are more than a small board has memory for.
static TURN: Mutex<()> = Mutex::new(());

/// What is accepted as a photo. A side has at most [`MAX_SIDE`] pixels in any case.
#[derive(Debug, Clone, Copy)]
pub struct PhotoLimits {
    /// Largest file, bytes. It is in memory while it is decoded, a JPEG twice.
    pub max_bytes: u64,
    /// Most pixels once decoded. This also bounds the memory, see [`PhotoLimits::max_memory`].
    pub max_pixels: u64,
}

impl PhotoLimits {
    /// Most bytes of memory that decoding takes, beside the file: 8 for each pixel that is allowed, and
    /// 32 MiB. For 50 megapixels that is 434 MB. A picture that needs more is refused, which only kinds are
    /// that no camera writes: a progressive JPEG of many colours, an animated WebP, of nearly as many pixels
    /// as are allowed. What comes out takes 3 bytes a pixel, 150 MB for 50 megapixels.
    pub fn max_memory(self) -> u64 {
        self.max_pixels.saturating_mul(BYTES_PER_PIXEL).saturating_add(BESIDE_PIXELS)
    }

    /// How often a decoder may go over a picture of `pixels`. This bounds the time of decoding: the size of
    /// the file, the pixels and this number are bounded, and no decoder does more than a fixed amount of work
    /// for each byte and for each pixel of a pass.
    fn max_passes(self, pixels: u64) -> u64 {
        self.max_pixels.saturating_mul(MOST_PASSES) / pixels.max(1)
    }
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
    /// A side is too long.
    #[error("a side of the picture has more than {MAX_SIDE} pixels; save it smaller")]
    TooLong,
    /// More memory than is allowed for so many pixels.
    #[error(
        "decoding the picture takes {} MB of memory, {} are allowed; save it smaller, as an ordinary JPEG",
        bytes / 1_000_000,
        max_bytes / 1_000_000
    )]
    TooMuchMemory {
        /// What it takes.
        bytes: u64,
        /// The limit, [`PhotoLimits::max_memory`].
        max_bytes: u64,
    },
    /// Decoding would take too long.
    #[error(
        "the picture is a JPEG of {scans} scans, {most} are allowed for its size; save it again, as an ordinary JPEG"
    )]
    TooMuchWork {
        /// How often a decoder goes over it.
        scans: u64,
        /// The limit for so many pixels.
        most: u64,
    },
    /// Not a picture of a kind that can be read.
    #[error("{}", self.fault())]
    NotReadable {
        /// What it is.
        kind: Kind,
    },
    /// A picture of a readable kind, coded in a way that cannot be read.
    #[error("the picture is coded in a rare way that this device cannot read; save it as an ordinary JPEG")]
    RareCoding,
    /// A picture that ends too early or is damaged.
    #[error("the picture is damaged or cut short ({0}); upload the photo again")]
    Damaged(String),
}

impl Diagnosis for PhotoError {
    fn fault(&self) -> Fault {
        match self {
            Self::NotReadable { kind } => kind.fault().unwrap_or_else(|| Self::RareCoding.fault()),
            other => Fault::new(other.to_string()),
        }
    }
}

impl PhotoError {
    /// Whether the photo is beyond a limit that the site may raise.
    pub fn is_beyond_a_setting(&self) -> bool {
        matches!(
            self,
            Self::TooManyBytes { .. }
                | Self::TooManyPixels { .. }
                | Self::TooMuchMemory { .. }
                | Self::TooMuchWork { .. }
        )
    }
}

/// Decodes `bytes` to 8-bit RGB, turned upright as its EXIF orientation says. Of an animation, the first
/// frame. Takes at most [`PhotoLimits::max_memory`] beside the file.
///
/// # Errors
/// [`PhotoError`]; the limits are checked before decoding. A panic of the decoder is [`PhotoError::Damaged`].
pub fn decode(bytes: &[u8], limits: PhotoLimits) -> Result<RgbImage, PhotoError> {
    if bytes.len() as u64 > limits.max_bytes {
        return Err(PhotoError::TooManyBytes { bytes: bytes.len() as u64, max_bytes: limits.max_bytes });
    }
    contained(|| decoded(bytes, limits))
        .unwrap_or_else(|panic| Err(PhotoError::Damaged(format!("it stops the decoder: {panic}"))))
}

fn decoded(bytes: &[u8], limits: PhotoLimits) -> Result<RgbImage, PhotoError> {
    let mut reader = ImageReader::new(Cursor::new(bytes)).with_guessed_format().map_err(damaged)?;
    let not_readable = || PhotoError::NotReadable { kind: Kind::of(&bytes[..bytes.len().min(kind::HEAD)]) };
    // The reader knows more kinds than it can read.
    let format = reader.format().filter(ImageFormat::reading_enabled).ok_or_else(not_readable)?;
    if format == ImageFormat::Jpeg && !is_whole_jpeg(bytes) {
        // The decoder fills what is missing with grey and says nothing.
        return Err(PhotoError::Damaged("the end of the JPEG is missing".to_owned()));
    }
    let mut memory = Limits::default();
    (memory.max_image_width, memory.max_image_height) = (Some(MAX_SIDE), Some(MAX_SIDE));
    memory.max_alloc = Some(BESIDE_PIXELS);
    reader.limits(memory.clone());
    let mut decoder = reader.into_decoder().map_err(refused)?;
    let (width, height) = decoder.dimensions();
    let pixels = u64::from(width) * u64::from(height);
    if pixels > limits.max_pixels {
        return Err(PhotoError::TooManyPixels { width, height, max_pixels: limits.max_pixels });
    }
    if format == ImageFormat::WebP {
        cost::check_webp(bytes, width, height).map_err(|Contradiction(why)| damaged(why))?;
    }
    let orientation = decoder.orientation().map_err(refused)?;
    let colour = decoder.color_type();
    let decoding = pixels.saturating_mul(cost::per_pixel(format, colour, bytes));
    // Turning takes a second picture, when the first is RGB and the decoder is gone.
    let turning = if turns_sideways(orientation) { 2 * RGB * pixels } else { 0 };
    let needed = decoding.max(turning);
    if needed > limits.max_memory() {
        return Err(PhotoError::TooMuchMemory { bytes: needed, max_bytes: limits.max_memory() });
    }
    let (scans, most) = (cost::passes(format, bytes), limits.max_passes(pixels));
    if scans > most {
        return Err(PhotoError::TooMuchWork { scans, most });
    }
    let _turn = (needed > SIDE_BY_SIDE).then(|| TURN.lock().unwrap_or_else(PoisonError::into_inner));
    // Of the decoders only that of GIF heeds this: for a frame that is larger than the picture.
    memory.max_alloc = Some(limits.max_memory().saturating_sub(pixels * RGB));
    decoder.set_limits(memory).map_err(refused)?;
    let picture = read_rgb(decoder)?;
    let mut picture = DynamicImage::ImageRgb8(picture);
    picture.apply_orientation(orientation);
    Ok(picture.into_rgb8())
}

fn turns_sideways(orientation: Orientation) -> bool {
    use Orientation::{Rotate90, Rotate90FlipH, Rotate270, Rotate270FlipH};
    matches!(orientation, Rotate90 | Rotate270 | Rotate90FlipH | Rotate270FlipH)
}

/// Decodes into one buffer and makes it RGB in place: a picture of 16 bits and a copy of 8 would take 11
/// bytes a pixel.
fn read_rgb(decoder: impl ImageDecoder) -> Result<RgbImage, PhotoError> {
    let (width, height) = decoder.dimensions();
    let colour = decoder.color_type();
    let (channels, wide) = match colour {
        ColorType::L8 => (1, false),
        ColorType::La8 => (2, false),
        ColorType::Rgb8 => (3, false),
        ColorType::Rgba8 => (4, false),
        ColorType::L16 => (1, true),
        ColorType::La16 => (2, true),
        ColorType::Rgb16 => (3, true),
        ColorType::Rgba16 => (4, true),
        _ => return Err(PhotoError::RareCoding),
    };
    let count = width as usize * height as usize;
    let from_bytes = usize::from(colour.bytes_per_pixel());
    let mut bytes = vec![0; count * from_bytes.max(3)];
    // A pixel of fewer bytes grows: it is read from the end of the buffer, so that none is overwritten before
    // it was read.
    let start = bytes.len() - count * from_bytes;
    decoder.read_image(&mut bytes[start..]).map_err(refused)?;
    if (channels, wide) != (3, false) {
        for index in 0..count {
            let pixel = start + index * from_bytes;
            let value = |channel: usize| {
                if wide {
                    let at = pixel + 2 * channel;
                    // Rounded, as the conversion of the crate `image`.
                    ((u32::from(u16::from_ne_bytes([bytes[at], bytes[at + 1]])) + 128) / 257) as u8
                } else {
                    bytes[pixel + channel]
                }
            };
            let rgb = if channels < 3 { [value(0); 3] } else { [value(0), value(1), value(2)] };
            bytes[3 * index..][..3].copy_from_slice(&rgb);
        }
        bytes.truncate(3 * count);
        bytes.shrink_to_fit();
    }
    RgbImage::from_raw(width, height, bytes).ok_or_else(|| damaged("its size is not known"))
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
        ImageError::Unsupported(_) => PhotoError::RareCoding,
        ImageError::Limits(error) if is_of_sides(&error) => PhotoError::TooLong,
        other => damaged(other),
    }
}

fn is_of_sides(error: &LimitError) -> bool {
    matches!(error.kind(), LimitErrorKind::DimensionError)
}

fn damaged(error: impl ToString) -> PhotoError {
    PhotoError::Damaged(error.to_string())
}

#[cfg(test)]
#[path = "photo_tests.rs"]
mod tests;
