//! How much memory and work a decoder needs for a picture, told from its header before a pixel is decoded.
//!
//! The decoders are bounded by the sides of a picture, but not by what they allocate beside the pixels: a
//! progressive JPEG keeps all coefficients, an animated WebP a canvas and a frame.

use image::{ColorType, ImageFormat};

use crate::jpeg;

/// Bytes of a pixel of the picture that comes out: RGB, 8 bits each.
pub(crate) const RGB: u64 = 3;

/// A header that contradicts the file it stands in.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Contradiction(pub(crate) &'static str);

/// Bytes of memory a pixel, while a picture of `format` and `colour` is decoded to RGB in one buffer.
pub(crate) fn per_pixel(format: ImageFormat, colour: ColorType, bytes: &[u8]) -> u64 {
    let output = u64::from(colour.bytes_per_pixel()).max(RGB);
    match format {
        ImageFormat::Jpeg => output + jpeg_coefficients(bytes),
        // The first frame, where it does not fill the picture.
        ImageFormat::Gif => output + 4,
        ImageFormat::WebP => output + webp_buffers(bytes),
        // Read line by line into the output.
        ImageFormat::Png | ImageFormat::Bmp => output,
        _ => 2 * output,
    }
}

/// How often a decoder goes over the pixels of a picture of `format`. Only a JPEG that keeps its coefficients
/// is decoded in more than one pass: each scan refines the picture, and it may have any number of them.
pub(crate) fn passes(format: ImageFormat, bytes: &[u8]) -> u64 {
    match format {
        ImageFormat::Jpeg if jpeg_coefficients(bytes) > 0 => jpeg::scans(bytes).max(1) as u64,
        _ => 1,
    }
}

/// Bytes a pixel that a JPEG's coefficients take: 0 where they are decoded block by block, which is so when
/// one scan holds all components. Two bytes a coefficient otherwise, fewer where colour is sampled coarsely.
fn jpeg_coefficients(bytes: &[u8]) -> u64 {
    /// Two bytes for each of four components at full size.
    const MOST: u64 = 8;
    let (mut components, mut coefficients, mut progressive) = (0, MOST, false);
    let mut at = 2;
    while let Some([0xff, marker, high, low]) = bytes.get(at..at + 4) {
        let length = usize::from(u16::from_be_bytes([*high, *low]));
        let body = bytes.get(at + 4..at + 2 + length.max(2)).unwrap_or_default();
        match marker {
            // Filling before a marker.
            0xff => {
                at += 1;
                continue;
            }
            // Start of scan: how many components are in the first.
            0xda => {
                let together = body.first().is_some_and(|scanned| *scanned == components);
                return if progressive || !together { coefficients } else { 0 };
            }
            // Start of frame, but not DHT, JPG and DAC, which lie between them.
            0xc0..=0xcf if ![0xc4, 0xc8, 0xcc].contains(marker) => {
                progressive = ![0xc0, 0xc1].contains(marker);
                components = body.get(5).copied().unwrap_or(0);
                let samples = body.get(6..).unwrap_or_default().chunks_exact(3);
                let samples = samples.map(|it| (u64::from(it[1] >> 4), u64::from(it[1] & 15)));
                let samples: Vec<_> = samples.take(4).collect();
                let across = samples.iter().map(|it| it.0).max().unwrap_or(1).max(1);
                let down = samples.iter().map(|it| it.1).max().unwrap_or(1).max(1);
                let all: u64 = samples.iter().map(|it| it.0 * it.1).sum();
                coefficients = (2 * all).div_ceil(across * down).clamp(2, MOST);
            }
            _ => {}
        }
        at += 2 + length.max(2);
    }
    MOST
}

/// Bytes a pixel that a WebP takes beside the output.
fn webp_buffers(bytes: &[u8]) -> u64 {
    let mut most = 0;
    for (name, _) in riff(bytes.get(12..).unwrap_or_default()) {
        most = most.max(match name {
            b"ANMF" => 16, // canvas, frame, its alpha plane and its brightness and colours
            b"ALPH" => 8,  // the alpha plane, as it is compressed, and brightness and colours
            b"VP8L" => 4,
            b"VP8 " => 2,
            _ => 0,
        });
    }
    most
}

/// Checks what the WebP decoder believes: that each chunk lies within the file, for it reserves memory for
/// a whole chunk, and that a lossy frame is no larger than the picture, for it decodes before it compares.
pub(crate) fn check_webp(bytes: &[u8], width: u32, height: u32) -> Result<(), Contradiction> {
    check_chunks(bytes.get(12..).unwrap_or_default(), width, height)
}

fn check_chunks(chunks: &[u8], width: u32, height: u32) -> Result<(), Contradiction> {
    for (name, body) in riff(chunks) {
        let body = body.ok_or(Contradiction("a part of it is longer than the file"))?;
        match name {
            b"VP8 " => {
                let side = |at: usize| {
                    let bytes = body.get(at..at + 2)?;
                    Some(u32::from(u16::from_le_bytes([bytes[0], bytes[1]]) & 0x3fff))
                };
                if side(6).is_some_and(|it| it > width) || side(8).is_some_and(|it| it > height) {
                    return Err(Contradiction("a frame is larger than the picture"));
                }
            }
            // A frame: 16 bytes about it, then chunks again; no frame is within a frame.
            b"ANMF" => {
                let within = body.get(16..).unwrap_or_default();
                if riff(within).any(|(name, _)| name == b"ANMF") {
                    return Err(Contradiction("a frame lies within a frame"));
                }
                check_chunks(within, width, height)?;
            }
            _ => {}
        }
    }
    Ok(())
}

/// The chunks of a RIFF file: name and content. The content is `None` if it would reach beyond the file's
/// end.
fn riff(mut rest: &[u8]) -> impl Iterator<Item = (&[u8; 4], Option<&[u8]>)> {
    std::iter::from_fn(move || {
        let (name, after) = rest.split_first_chunk::<4>()?;
        let (length, after) = after.split_first_chunk::<4>()?;
        let length = u32::from_le_bytes(*length) as usize;
        let body = after.get(..length);
        // A body of odd length has a byte of filling behind it.
        rest = after.get(length.saturating_add(length & 1)..).unwrap_or_default();
        Some((name, body))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A header: start of frame with these markers and sampling factors, start of scan with so many
    /// components.
    fn jpeg(frame: u8, samples: &[u8], scanned: u8) -> Vec<u8> {
        let length = 8 + 3 * samples.len() as u8;
        let mut bytes = vec![0xff, 0xd8, 0xff, frame, 0, length, 8, 0, 16, 0, 16, samples.len() as u8];
        for sampling in samples {
            bytes.extend([1, *sampling, 0]);
        }
        bytes.extend([0xff, 0xda, 0, 8, scanned, 0, 0, 0, 0, 0]);
        bytes
    }

    #[test]
    fn progressive_jpeg_needs_more_memory() {
        assert_eq!(jpeg_coefficients(&jpeg(0xc0, &[0x22, 0x11, 0x11], 3)), 0, "baseline");
        assert_eq!(jpeg_coefficients(&jpeg(0xc0, &[0x22, 0x11, 0x11], 1)), 3, "in several scans");
        assert_eq!(jpeg_coefficients(&jpeg(0xc2, &[0x22, 0x11, 0x11], 3)), 3, "progressive, 4:2:0");
        assert_eq!(jpeg_coefficients(&jpeg(0xc2, &[0x11, 0x11, 0x11], 3)), 6, "progressive, 4:4:4");
        assert_eq!(jpeg_coefficients(&[0xff, 0xd8, 1, 2, 3]), 8, "unknown");
    }

    #[test]
    fn webp_chunks_must_fit_the_file() {
        let chunk = |name: &[u8; 4], body: &[u8]| {
            [&name[..], &(body.len() as u32).to_le_bytes(), body, &[0][..body.len() % 2]].concat()
        };
        let lossy = |width: u8| chunk(b"VP8 ", &[0, 0, 0, 0x9d, 1, 0x2a, width, 0, 5, 0]);
        let file = |chunks: &[u8]| [b"RIFF\0\0\0\0WEBP", chunks].concat();
        assert_eq!(check_webp(&file(&lossy(10)), 10, 5), Ok(()));
        assert!(check_webp(&file(&lossy(11)), 10, 5).is_err());
        assert!(check_webp(&file(&chunk(b"ANMF", &[&[0; 16][..], &lossy(11)].concat())), 10, 5).is_err());
        let mut long = file(&chunk(b"EXIF", b"abc"));
        assert_eq!(check_webp(&long, 10, 5), Ok(()));
        long[16..20].copy_from_slice(&u32::MAX.to_le_bytes());
        assert!(check_webp(&long, 10, 5).is_err());
    }
}
