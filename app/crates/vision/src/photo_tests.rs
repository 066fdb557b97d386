//! Tests of the decoding of photos.

#![allow(clippy::unwrap_used, clippy::panic)]
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
    for format in [ImageFormat::Jpeg, ImageFormat::Png, ImageFormat::Gif, ImageFormat::Bmp, ImageFormat::WebP]
    {
        assert_eq!(decode(&encoded(60, 40, format), LIMITS).unwrap().dimensions(), (60, 40), "{format:?}");
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

/// A PNG of one pixel whose header says another size.
fn png_that_claims(width: u32, height: u32) -> Vec<u8> {
    let mut bytes = encoded(1, 1, ImageFormat::Png);
    bytes[16..20].copy_from_slice(&width.to_be_bytes());
    bytes[20..24].copy_from_slice(&height.to_be_bytes());
    let crc = crc32fast::hash(&bytes[12..29]);
    bytes[29..33].copy_from_slice(&crc.to_be_bytes());
    bytes
}

#[test]
fn a_picture_that_claims_too_many_pixels_is_refused_before_it_is_decoded() {
    assert!(matches!(
        decode(&png_that_claims(10_000, 8_000), LIMITS),
        Err(PhotoError::TooManyPixels { width: 10_000, height: 8_000, .. })
    ));
}

#[test]
fn a_side_is_bounded_whatever_the_number_of_pixels() {
    let limits = PhotoLimits { max_bytes: 1_000_000, max_pixels: 50_000_000 };
    for (width, height) in [(49_000_000, 1), (1, 12_001), (12_001, 1)] {
        let refused = decode(&png_that_claims(width, height), limits);
        assert!(matches!(refused, Err(PhotoError::TooLong)), "{width}×{height}: {refused:?}");
    }
    assert!(decode(&encoded(12_000, 1, ImageFormat::Png), limits).is_ok());
}

#[test]
fn a_picture_that_takes_too_much_memory_is_refused() {
    // Progressive, all components at full size: 3 bytes a pixel and 6 for its coefficients.
    let mut jpeg = encoded(60, 40, ImageFormat::Jpeg);
    let frame = jpeg.windows(2).position(|two| two == [0xff, 0xc0]).unwrap();
    jpeg[frame + 1] = 0xc2;
    jpeg[frame + 5..frame + 9].copy_from_slice(&[0x1b, 0x58, 0x1b, 0x58]);
    let limits = PhotoLimits { max_bytes: 1_000_000, max_pixels: 50_000_000 };
    let refused = decode(&jpeg, limits);
    assert!(matches!(refused, Err(PhotoError::TooMuchMemory { bytes: 441_000_000, .. })), "{refused:?}");
}

#[test]
fn too_many_scans_are_refused_before_decoding() {
    let baseline = encoded(200, 160, ImageFormat::Jpeg);
    let frame = baseline.windows(2).position(|two| two == [0xff, 0xc0]).unwrap();
    let scan = baseline.windows(2).position(|two| two == [0xff, 0xda]).unwrap();
    let with_scans = |kind: u8, count: usize| {
        let (head, scan) = (&baseline[..scan], &baseline[scan..baseline.len() - 2]);
        let mut jpeg = [head, &scan.repeat(count), &[0xff, 0xd9]].concat();
        jpeg[frame + 1] = kind;
        jpeg
    };
    // 32,000 pixels; 12 passes over 100,000 are allowed.
    let refused = decode(&with_scans(0xc2, 38), LIMITS);
    assert!(matches!(refused, Err(PhotoError::TooMuchWork { scans: 38, most: 37 })), "{refused:?}");
    let allowed = decode(&with_scans(0xc2, 37), LIMITS);
    assert!(!matches!(allowed, Err(PhotoError::TooMuchWork { .. })), "{allowed:?}");
    // The decoder stops after the only scan of a baseline JPEG.
    assert!(!matches!(decode(&with_scans(0xc0, 38), LIMITS), Err(PhotoError::TooMuchWork { .. })));
}

#[test]
fn a_panic_of_the_decoder_refuses_the_photo_and_says_where() {
    // An indexed PNG of one pixel with 4 bytes of palette, which is not a multiple of 3.
    let chunk = |name: &[u8; 4], body: &[u8]| {
        let named = [&name[..], body].concat();
        [&(body.len() as u32).to_be_bytes()[..], &named, &crc32fast::hash(&named).to_be_bytes()].concat()
    };
    let pixel = [0x78, 0x01, 0x01, 2, 0, 0xfd, 0xff, 0, 0, 0, 2, 0, 1];
    let png = [
        b"\x89PNG\r\n\x1a\n".to_vec(),
        chunk(b"IHDR", &[0, 0, 0, 1, 0, 0, 0, 1, 8, 3, 0, 0, 0]),
        chunk(b"PLTE", &[1, 2, 3, 4]),
        chunk(b"IDAT", &pixel),
        chunk(b"IEND", &[]),
    ]
    .concat();
    let refused = decode(&png, LIMITS);
    let Err(PhotoError::Damaged(why)) = refused else { panic!("{refused:?}") };
    // Without a panic, once the decoder is mended, this test has done its work.
    assert!(why.contains("it stops the decoder") && why.contains("palette.rs:"), "{why}");
}

#[test]
fn every_kind_of_pixel_becomes_the_rgb_that_the_library_makes_of_it() {
    let mut rng = fastrand::Rng::with_seed(3);
    let kinds = [
        DynamicImage::new_luma8(7, 5),
        DynamicImage::new_luma_a8(7, 5),
        DynamicImage::new_rgb8(7, 5),
        DynamicImage::new_rgba8(7, 5),
        DynamicImage::new_luma16(7, 5),
        DynamicImage::new_luma_a16(7, 5),
        DynamicImage::new_rgb16(7, 5),
        DynamicImage::new_rgba16(7, 5),
    ];
    for kind in kinds {
        let mut raw = kind.as_bytes().to_vec();
        raw.fill_with(|| rng.u8(..));
        let mut png = Vec::new();
        let encoder = image::codecs::png::PngEncoder::new(&mut png);
        image::ImageEncoder::write_image(encoder, &raw, 7, 5, kind.color().into()).unwrap();
        let expected = image::load_from_memory(&png).unwrap().into_rgb8();
        assert_eq!(decode(&png, LIMITS).unwrap(), expected, "{:?}", kind.color());
    }
}

#[test]
fn what_is_not_a_picture_is_said_to_be_none() {
    for (bytes, what) in [
        (&b"<html><body>502 Bad Gateway</body></html>"[..], "a web page"),
        (b"\0\0\0\x18ftypheic\0\0\0\0mif1heic and more", "HEIC"),
        (b"\0\0\0\x1cftypavif\0\0\0\0mif1avifmiaf and more", "AVIF"),
        (b"II*\0\x08\0\0\0 and more", "TIFF"),
        (b"any bytes", "not a picture"),
    ] {
        let fault = decode(bytes, LIMITS).unwrap_err().fault();
        assert!(fault.what.contains(what) && fault.advice.is_some(), "{fault}");
    }
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
