//! Pictures that are damaged on purpose, with their lengths and checksums repaired so that the decoders go
//! beyond the first check: none of them ends the program, and none takes more memory than the limits say.
//!
//! It takes a few seconds; for as long as you like with `PICTURES_SECONDS=3600 cargo test -p vision --test
//! damaged_pictures -- --nocapture`. It stands alone in its file, for it watches the memory of its process.
#![allow(clippy::unwrap_used)]

use std::collections::BTreeMap;
use std::io::{Cursor, Write as _};
use std::time::{Duration, Instant};

use fastrand::Rng;
use image::{DynamicImage, ImageFormat};
use vision::photo::{PhotoError, PhotoLimits, decode};

/// Time of the ordinary run.
const SECONDS: u64 = 8;

const LIMITS: PhotoLimits = PhotoLimits { max_bytes: 1_000_000, max_pixels: 1_000_000 };

/// A part of a picture: its name or marker, and its content.
type Part = (Vec<u8>, Vec<u8>);

/// How a kind of picture is taken apart, and put together with lengths and checksums as they should be.
struct Kind {
    format: ImageFormat,
    split: fn(&[u8]) -> Vec<Part>,
    join: fn(&[Part]) -> Vec<u8>,
    /// Names that the decoder knows.
    names: &'static [&'static [u8]],
}

const KINDS: [Kind; 5] = [
    Kind {
        format: ImageFormat::Png,
        split: split_png,
        join: join_png,
        names: &[
            b"IHDR", b"PLTE", b"IDAT", b"IEND", b"tRNS", b"gAMA", b"cHRM", b"sRGB", b"iCCP", b"pHYs",
            b"eXIf", b"tEXt", b"zTXt", b"iTXt", b"acTL", b"fcTL", b"fdAT", b"sBIT", b"bKGD", b"cICP",
            b"mDCV", b"cLLI",
        ],
    },
    Kind {
        format: ImageFormat::Jpeg,
        split: split_jpeg,
        join: join_jpeg,
        names: &[
            &[0xc0],
            &[0xc1],
            &[0xc2],
            &[0xc3],
            &[0xc4],
            &[0xc9],
            &[0xcc],
            &[0xda],
            &[0xdb],
            &[0xdc],
            &[0xdd],
            &[0xe0],
            &[0xe1],
            &[0xe2],
            &[0xed],
            &[0xee],
            &[0xfe],
        ],
    },
    Kind {
        format: ImageFormat::WebP,
        split: split_webp,
        join: join_webp,
        names: &[b"VP8 ", b"VP8L", b"VP8X", b"ALPH", b"ANIM", b"ANMF", b"ICCP", b"EXIF", b"XMP "],
    },
    Kind {
        format: ImageFormat::Gif,
        split: split_gif,
        join: join_gif,
        names: &[b"\x21\xf9", b"\x21\xff", b"\x21\xfe", b"\x21\x01", b"\x2c"],
    },
    Kind { format: ImageFormat::Bmp, split: split_bmp, join: join_bmp, names: &[b"BM", b"info", b"data"] },
];

fn split_png(bytes: &[u8]) -> Vec<Part> {
    let (mut parts, mut at) = (Vec::new(), 8);
    while at + 8 <= bytes.len() {
        let length = u32::from_be_bytes(bytes[at..at + 4].try_into().unwrap()) as usize;
        parts.push((bytes[at + 4..at + 8].to_vec(), bytes[at + 8..at + 8 + length].to_vec()));
        at += 12 + length;
    }
    parts
}

fn join_png(parts: &[Part]) -> Vec<u8> {
    let mut bytes = b"\x89PNG\r\n\x1a\n".to_vec();
    for (name, body) in parts {
        let named = [&name[..], body].concat();
        bytes.extend((body.len() as u32).to_be_bytes());
        bytes.extend(&named);
        bytes.extend(crc32fast::hash(&named).to_be_bytes());
    }
    bytes
}

/// The segments up to the start of scan; the last one includes the compressed data.
fn split_jpeg(bytes: &[u8]) -> Vec<Part> {
    let (mut parts, mut at) = (Vec::new(), 2);
    while at + 4 <= bytes.len() {
        let length = usize::from(u16::from_be_bytes([bytes[at + 2], bytes[at + 3]]));
        let end = if bytes[at + 1] == 0xda { bytes.len() - 2 } else { at + 2 + length };
        parts.push((vec![bytes[at + 1]], bytes[at + 4..end].to_vec()));
        at = if bytes[at + 1] == 0xda { bytes.len() } else { end };
    }
    parts
}

fn join_jpeg(parts: &[Part]) -> Vec<u8> {
    let mut bytes = vec![0xff, 0xd8];
    for (marker, body) in parts {
        bytes.extend([0xff, marker[0]]);
        let scanned = body.first().map_or(0, |scanned| usize::from(*scanned));
        let length = if marker[0] == 0xda { 6 + 2 * scanned } else { body.len().min(65_000) + 2 };
        bytes.extend((length as u16).to_be_bytes());
        bytes.extend(body);
    }
    bytes.extend([0xff, 0xd9]);
    bytes
}

fn split_webp(bytes: &[u8]) -> Vec<Part> {
    let (mut parts, mut at) = (Vec::new(), 12);
    while at + 8 <= bytes.len() {
        let length = u32::from_le_bytes(bytes[at + 4..at + 8].try_into().unwrap()) as usize;
        parts.push((bytes[at..at + 4].to_vec(), bytes[at + 8..at + 8 + length].to_vec()));
        at += 8 + length.next_multiple_of(2);
    }
    parts
}

fn join_webp(parts: &[Part]) -> Vec<u8> {
    let mut chunks = Vec::new();
    for (name, body) in parts {
        chunks.extend(name);
        chunks.extend((body.len() as u32).to_le_bytes());
        chunks.extend(body);
        chunks.extend(&[0][..body.len() % 2]);
    }
    [&b"RIFF"[..], &(chunks.len() as u32 + 4).to_le_bytes(), b"WEBP", &chunks].concat()
}

/// Header with the colours; then extensions and pictures, each with all of its data.
fn split_gif(bytes: &[u8]) -> Vec<Part> {
    let colours = if bytes[10] & 0x80 == 0 { 0 } else { 3 << ((bytes[10] & 7) + 1) };
    let mut parts = vec![(Vec::new(), bytes[..13 + colours].to_vec())];
    let mut at = 13 + colours;
    while at < bytes.len() && bytes[at] != 0x3b {
        let (name, head) = if bytes[at] == 0x21 { (2, 0) } else { (1, 9) };
        let local = if name == 1 && bytes[at + 9] & 0x80 != 0 { 3 << ((bytes[at + 9] & 7) + 1) } else { 0 };
        let mut end = at + name + head + local + usize::from(name == 1);
        while bytes[end] != 0 {
            end += 1 + usize::from(bytes[end]);
        }
        parts.push((bytes[at..at + name].to_vec(), bytes[at + name..=end].to_vec()));
        at = end + 1;
    }
    parts
}

fn join_gif(parts: &[Part]) -> Vec<u8> {
    let mut bytes: Vec<u8> = parts.iter().flat_map(|(name, body)| [&name[..], body].concat()).collect();
    bytes.push(0x3b);
    bytes
}

fn split_bmp(bytes: &[u8]) -> Vec<Part> {
    vec![
        (b"BM".to_vec(), bytes[6..14].to_vec()),
        (b"info".to_vec(), bytes[14..54].to_vec()),
        (b"data".to_vec(), bytes[54..].to_vec()),
    ]
}

fn join_bmp(parts: &[Part]) -> Vec<u8> {
    let all: Vec<u8> = parts.iter().flat_map(|(_, body)| body.clone()).collect();
    [&b"BM"[..], &(all.len() as u32 + 6).to_le_bytes(), &all].concat()
}

fn zlib(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = flate2::write::ZlibEncoder::new(Vec::new(), flate2::Compression::fast());
    encoder.write_all(bytes).unwrap();
    encoder.finish().unwrap()
}

/// Whole pictures to begin with.
fn seeds(kind: &Kind, rng: &mut Rng) -> Vec<Vec<Part>> {
    let mut pictures = vec![DynamicImage::new_rgb8(23, 17), DynamicImage::new_luma8(9, 5)];
    if matches!(kind.format, ImageFormat::Png | ImageFormat::WebP) {
        pictures.push(DynamicImage::new_rgba8(12, 12));
    }
    if kind.format == ImageFormat::Png {
        pictures.extend([DynamicImage::new_rgba16(6, 6), DynamicImage::new_luma_a16(6, 6)]);
    }
    if matches!(kind.format, ImageFormat::Gif | ImageFormat::WebP) {
        pictures = pictures.into_iter().map(|picture| picture.into_rgba8().into()).collect();
    }
    let mut seeds: Vec<_> = pictures
        .into_iter()
        .map(|picture| {
            let mut raw = picture.as_bytes().to_vec();
            raw.fill_with(|| rng.u8(..));
            let mut bytes = Cursor::new(Vec::new());
            let (width, height, colour) = (picture.width(), picture.height(), picture.color());
            image::write_buffer_with_format(&mut bytes, &raw, width, height, colour, kind.format).unwrap();
            (kind.split)(&bytes.into_inner())
        })
        .collect();
    let part = |name: &[u8], body: &[u8]| (name.to_vec(), body.to_vec());
    match kind.format {
        // With a palette, which the library does not write: 1, 2, 4 and 8 bits, with and without interlace.
        ImageFormat::Png => {
            for (bits, interlaced) in [(1, 0), (2, 1), (4, 0), (8, 0), (8, 1)] {
                let rows: Vec<u8> = (0..400).map(|_| rng.u8(..2)).collect();
                seeds.push(vec![
                    part(b"IHDR", &[0, 0, 0, 9, 0, 0, 0, 7, bits, 3, 0, 0, interlaced]),
                    part(b"PLTE", &[1, 2, 3, 4, 5, 6]),
                    part(b"tRNS", &[1, 2]),
                    part(b"IDAT", &zlib(&rows)),
                    part(b"IEND", &[]),
                ]);
            }
        }
        // Progressive: the same segments under another marker.
        ImageFormat::Jpeg => {
            let mut progressive = seeds[0].clone();
            progressive.iter_mut().filter(|part| part.0 == [0xc0]).for_each(|part| part.0 = vec![0xc2]);
            seeds.push(progressive);
        }
        // Lossy, which the library does not write: any bytes behind the header of a frame are some picture.
        ImageFormat::WebP => {
            let mut frame = vec![0x10, 0x08, 0, 0x9d, 1, 0x2a, 20, 0, 20, 0];
            frame.extend((0..500).map(|_| rng.u8(..)));
            let head = [0x10, 0, 0, 0, 19, 0, 0, 19, 0, 0];
            let still = join_webp(&[part(b"VP8 ", &frame)])[12..].to_vec();
            let alpha: Vec<u8> = [0].into_iter().chain((0..400).map(|_| rng.u8(..))).collect();
            let shown = [&[0; 6][..], &[19, 0, 0, 19, 0, 0, 9, 0, 0, 0], &still].concat();
            let animated = [0x12, 0, 0, 0, 19, 0, 0, 19, 0, 0];
            seeds.push(vec![part(b"VP8 ", &frame)]);
            seeds.push(vec![part(b"VP8X", &head), part(b"ALPH", &alpha), part(b"VP8 ", &frame)]);
            seeds.push(vec![part(b"VP8X", &animated), part(b"ANIM", &[0; 6]), part(b"ANMF", &shown)]);
        }
        _ => {}
    }
    seeds
}

/// Changes one thing about a picture.
fn damage(parts: &mut Vec<Part>, kind: &Kind, rng: &mut Rng) {
    if parts.is_empty() {
        return;
    }
    let at = rng.usize(..parts.len());
    let body = &mut parts[at].1;
    // The front of a part says most about it.
    let position =
        if rng.bool() { rng.usize(..body.len().clamp(1, 16)) } else { rng.usize(..body.len().max(1)) };
    match rng.u8(..12) {
        0..=3 => {
            if let Some(byte) = body.get_mut(position) {
                *byte =
                    *rng.choice(&[0, 1, 2, 3, 4, 7, 8, 16, 0x7f, 0x80, 0xff, rng.clone().u8(..)]).unwrap();
            }
        }
        4 => {
            let number: u32 =
                *rng.choice(&[0, 1, 255, 256, 4096, 12_000, 65_535, 1 << 24, 1 << 31, u32::MAX]).unwrap();
            let number = if rng.bool() { number.to_be_bytes() } else { number.to_le_bytes() };
            let width = *rng.choice(&[2, 4]).unwrap();
            if let Some(field) = body.get_mut(position..position + width) {
                let narrow = if number[0] == 0 { 4 - width } else { 0 };
                field.copy_from_slice(&number[narrow..narrow + width]);
            }
        }
        5 => body.truncate(position),
        6 => body.extend((0..rng.usize(1..40)).map(|_| rng.u8(..))),
        7 => {
            let part = parts[at].clone();
            parts.insert(rng.usize(..=parts.len()), part);
        }
        8 => {
            parts.remove(at);
        }
        9 => {
            let other = rng.usize(..parts.len());
            parts.swap(at, other);
        }
        10 => parts[at].0 = rng.choice(kind.names).unwrap().to_vec(),
        _ => {
            let body: Vec<u8> = (0..rng.usize(..60)).map(|_| rng.u8(..)).collect();
            let body = if rng.bool() { body } else { zlib(&body) };
            parts.insert(rng.usize(..=parts.len()), (rng.choice(kind.names).unwrap().to_vec(), body));
        }
    }
}

/// Most bytes of memory that this process ever had.
fn most_memory() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap();
    let line = status.lines().find(|line| line.starts_with("VmHWM:")).unwrap();
    line.split_whitespace().nth(1).unwrap().parse::<u64>().unwrap() * 1024
}

#[test]
fn damaged_pictures_never_crash_and_stay_within_memory() {
    let seconds =
        std::env::var("PICTURES_SECONDS").ok().and_then(|text| text.parse().ok()).unwrap_or(SECONDS);
    let start = std::env::var("PICTURES_SEED").ok().and_then(|text| text.parse().ok()).unwrap_or(0u64);
    let before = most_memory();
    let begun = Instant::now();
    let (mut tried, mut decoded) = (0u64, 0u64);
    let mut panics: BTreeMap<String, u64> = BTreeMap::new();
    while begun.elapsed() < Duration::from_secs(seconds) {
        let seed = start + tried;
        let mut rng = Rng::with_seed(seed);
        let kind = &KINDS[seed as usize % KINDS.len()];
        let seeds = seeds(kind, &mut Rng::with_seed(1));
        let mut parts = rng.choice(&seeds).unwrap().clone();
        for _ in 0..rng.usize(0..=4) {
            damage(&mut parts, kind, &mut rng);
        }
        let one = Instant::now();
        match decode(&(kind.join)(&parts), LIMITS) {
            Ok(picture) => {
                decoded += 1;
                assert!(u64::from(picture.width()) * u64::from(picture.height()) <= LIMITS.max_pixels);
            }
            Err(PhotoError::Damaged(why)) if why.contains("it stops the decoder") => {
                let place = why.rsplit_once(", ").map_or("?", |(_, place)| place).to_owned();
                *panics.entry(place).or_default() += 1;
            }
            Err(_) => {}
        }
        assert!(one.elapsed() < Duration::from_secs(20), "seed {seed} of {:?} takes too long", kind.format);
        if tried.is_multiple_of(50) {
            let more = most_memory() - before;
            assert!(more < LIMITS.max_memory() + (16 << 20), "{more} bytes up to seed {seed}");
        }
        tried += 1;
    }
    eprintln!("{tried} pictures, {decoded} decoded, panics of decoders: {panics:?}");
    // Else it is the damaging that is broken, and nothing was tested.
    assert!(decoded > tried / 50 && decoded < tried);
}
