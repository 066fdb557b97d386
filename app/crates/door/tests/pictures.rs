//! Every state of the screen as a picture, in each size and language, compared with the golden pictures in
//! `tests/golden`. `UPDATE_GOLDEN=1` writes them again; look at them before you commit them.
#![allow(clippy::unwrap_used)]

use std::path::{Path, PathBuf};

use base::event::Advice;
use door::config::Language;
use door::fonts::{FOLDER, Fonts};
use door::paint::{Live, Painter};
use door::state::{Card, Kind, Light, Scene, Wall};
use door::words::Words;
use image::imageops::FilterType;
use image::{Rgb, RgbImage};
use tiny_skia::{Color, FillRule, Paint, PathBuilder, Pixmap, Transform};

/// Displays: a small TFT, the 7 inch touch display, HDMI in two sizes, and one mounted upright.
const SIZES: [(u32, u32); 5] = [(480, 320), (800, 480), (1280, 720), (1920, 1080), (600, 1024)];
/// Longest side of a picture in a sheet.
const SMALL: u32 = 160;
/// Columns of a sheet.
const COLUMNS: usize = 4;
/// The picture in README, and the states in it.
const README: &str = "door-states";
const IN_README: [&str; 9] = ["idle", "closer", "turn", "in", "out", "seen", "unknown", "refused", "two"];
/// Mean difference of a channel that another processor's rounding may make.
const TOLERANCE: f64 = 0.4;

fn fonts() -> Option<Fonts> {
    match Fonts::load(Path::new(FOLDER)) {
        Ok(fonts) => Some(fonts),
        Err(missing) => {
            skipped::skipped(&format!("the packages fonts-dejavu-core and fonts-lohit-deva ({missing})"));
            None
        }
    }
}

fn scene() -> Scene {
    Scene {
        cards: Vec::new(),
        advice: None,
        somebody: false,
        staff: false,
        light: Light::Bright,
        wall: Some(Wall { hour: 7, minute: 51, weekday: 3, day: 14, month: 1 }),
        site: "Green Valley School".to_owned(),
    }
}

fn card(kind: Kind, who: Option<&str>) -> Card {
    Card { kind, who: who.map(str::to_owned), time: Some("07:51".to_owned()) }
}

fn with(cards: Vec<Card>) -> Scene {
    Scene { cards, somebody: true, ..scene() }
}

fn advised(advice: Advice) -> Scene {
    Scene { somebody: true, advice: Some(advice), ..scene() }
}

/// Every state, with a name.
fn states(language: Language) -> Vec<(&'static str, Scene)> {
    let (asha, ravi) = match language {
        Language::En => ("Asha Rao", "Ravi Kshatriya"),
        Language::Hi => ("आशा राव", "रवि क्षत्रिय"),
    };
    vec![
        ("idle", scene()),
        ("dim", Scene { light: Light::Dim, ..scene() }),
        ("night", Scene { light: Light::Night, ..scene() }),
        ("no-clock", Scene { wall: None, staff: true, ..scene() }),
        ("somebody", Scene { somebody: true, ..scene() }),
        ("closer", advised(Advice::ComeCloser)),
        ("better", advised(Advice::BetterView)),
        ("blink", advised(Advice::BlinkOrTurn)),
        ("turn", advised(Advice::TurnLeft)),
        ("in", with(vec![card(Kind::In, Some(asha))])),
        ("out", with(vec![card(Kind::Out, Some(asha))])),
        ("seen", with(vec![card(Kind::Seen, Some("2110001"))])),
        ("too-early", with(vec![card(Kind::TooEarly, Some(asha))])),
        ("tick", with(vec![card(Kind::In, None)])),
        ("unknown", with(vec![card(Kind::Unknown, None)])),
        ("refused", with(vec![card(Kind::Refused, None)])),
        ("wait", with(vec![card(Kind::Wait, None)])),
        ("two", with(vec![card(Kind::In, Some(asha)), card(Kind::Unknown, None)])),
        (
            "four",
            with(vec![
                card(Kind::In, Some(asha)),
                card(Kind::Out, Some(ravi)),
                card(Kind::Refused, None),
                card(Kind::Seen, Some("2110001")),
            ]),
        ),
        ("long-name", with(vec![card(Kind::In, Some(&"Venkatanarasimharajuvaripeta ".repeat(3)[..80]))])),
    ]
}

/// A drawn face before a wall: no photograph.
fn face() -> Live {
    let (width, height) = (480, 270);
    let mut pixmap = Pixmap::new(width, height).unwrap();
    pixmap.fill(Color::from_rgba8(150, 160, 150, 255));
    let mut dot = |x: f32, y: f32, r: f32, colour: (u8, u8, u8)| {
        let mut paint = Paint { anti_alias: true, ..Paint::default() };
        paint.set_color_rgba8(colour.0, colour.1, colour.2, 255);
        let path = PathBuilder::from_circle(x, y, r).unwrap();
        pixmap.fill_path(&path, &paint, FillRule::Winding, Transform::identity(), None);
    };
    dot(220.0, 330.0, 110.0, (40, 70, 120));
    dot(220.0, 140.0, 70.0, (160, 110, 80));
    dot(220.0, 105.0, 60.0, (40, 30, 25));
    dot(220.0, 150.0, 58.0, (160, 110, 80));
    dot(198.0, 135.0, 7.0, (30, 20, 20));
    dot(242.0, 135.0, 7.0, (30, 20, 20));
    dot(220.0, 178.0, 12.0, (120, 60, 60));
    let rgb = pixmap.data().chunks_exact(4).flat_map(|pixel| [pixel[0], pixel[1], pixel[2]]).collect();
    Live { width, height, rgb, faces: vec![[165.0, 85.0, 110.0, 125.0]] }
}

fn picture(pixmap: &Pixmap) -> RgbImage {
    let mut picture = RgbImage::new(pixmap.width(), pixmap.height());
    for (to, from) in picture.pixels_mut().zip(pixmap.data().chunks_exact(4)) {
        *to = Rgb([from[0], from[1], from[2]]);
    }
    picture
}

/// Small copies of all pictures in one.
fn sheet(pictures: &[RgbImage], longest: u32, columns: usize) -> RgbImage {
    let (width, height) = pictures[0].dimensions();
    let scale = f64::from(longest) / f64::from(width.max(height));
    let small = |side: u32| (f64::from(side) * scale) as u32;
    let (width, height) = (small(width), small(height));
    let rows = pictures.len().div_ceil(columns) as u32;
    let mut sheet = RgbImage::from_pixel((width + 4) * columns as u32, (height + 4) * rows, Rgb([128; 3]));
    for (index, picture) in pictures.iter().enumerate() {
        let picture = image::imageops::resize(picture, width, height, FilterType::Triangle);
        let (column, row) = ((index % columns) as u32, (index / columns) as u32);
        image::imageops::replace(
            &mut sheet,
            &picture,
            (column * (width + 4)).into(),
            (row * (height + 4)).into(),
        );
    }
    sheet
}

fn golden(name: &str) -> PathBuf {
    let folder = if name == README { "../../docs" } else { "tests/golden" };
    Path::new(env!("CARGO_MANIFEST_DIR")).join(folder).join(format!("{name}.png"))
}

fn compare(name: &str, picture: &RgbImage) {
    let path = golden(name);
    if std::env::var_os("UPDATE_GOLDEN").is_some() {
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        let encoder = image::codecs::png::PngEncoder::new_with_quality(
            std::fs::File::create(&path).unwrap(),
            image::codecs::png::CompressionType::Best,
            image::codecs::png::FilterType::Adaptive,
        );
        picture.write_with_encoder(encoder).unwrap();
        return;
    }
    let expected = image::open(&path)
        .unwrap_or_else(|error| panic!("{}: {error}; UPDATE_GOLDEN=1 makes it", path.display()))
        .into_rgb8();
    assert_eq!(expected.dimensions(), picture.dimensions(), "{name}");
    let difference: u64 =
        expected.as_raw().iter().zip(picture.as_raw()).map(|(a, b)| u64::from(a.abs_diff(*b))).sum();
    let mean = difference as f64 / expected.as_raw().len() as f64;
    if mean > TOLERANCE {
        let seen = std::env::temp_dir().join(format!("door-{name}.png"));
        picture.save(&seen).unwrap();
        panic!("{name}: differs by {mean:.2} a channel; look at {} and {}", path.display(), seen.display());
    }
}

#[test]
fn every_state_looks_as_it_was_approved() {
    let Some(fonts) = fonts() else { return };
    let face = face();
    for language in Language::ALL {
        for (width, height) in SIZES {
            let mut painter = Painter::new(Some(fonts.clone()), Words::of(language), width, height).unwrap();
            let pictures: Vec<RgbImage> = states(language)
                .iter()
                .map(|(_, scene)| {
                    painter.paint(scene, Some(&face));
                    picture(painter.pixmap())
                })
                .collect();
            compare(&format!("{}-{width}x{height}", language.tag()), &sheet(&pictures, SMALL, COLUMNS));
        }
    }
}

#[test]
fn the_picture_in_readme_is_what_the_program_draws() {
    let Some(fonts) = fonts() else { return };
    let mut painter = Painter::new(Some(fonts), Words::of(Language::En), 800, 480).unwrap();
    let states = states(Language::En);
    let pictures: Vec<RgbImage> = IN_README
        .iter()
        .map(|wanted| {
            let (_, scene) = states.iter().find(|(name, _)| name == wanted).unwrap();
            painter.paint(scene, Some(&face()));
            picture(painter.pixmap())
        })
        .collect();
    compare(README, &sheet(&pictures, 400, 3));
}

#[test]
fn every_text_fits_its_place_and_is_large_enough_to_read() {
    let Some(fonts) = fonts() else { return };
    for language in Language::ALL {
        for (width, height) in SIZES {
            let mut painter = Painter::new(Some(fonts.clone()), Words::of(language), width, height).unwrap();
            for (name, scene) in states(language) {
                painter.paint(&scene, None);
                let at = format!("{name}, {width}x{height}, {language:?}");
                assert!(!painter.inked().is_empty(), "{at}: no text");
                for text in painter.inked() {
                    let [left, top, right, bottom] = text.ink;
                    let slack = 0.12 * text.size;
                    let inside = left >= text.area[0] - slack
                        && top >= text.area[1] - slack
                        && right <= text.area[2] + slack
                        && bottom <= text.area[3] + slack;
                    assert!(inside, "{at}: {text:?}");
                    assert!(text.size >= 13.0, "{at}: {text:?}");
                    assert!(!text.cut || name == "long-name", "{at}: {text:?}");
                }
            }
        }
    }
}

#[test]
fn all_advice_fits_in_every_size_and_language() {
    let Some(fonts) = fonts() else { return };
    use Advice::*;
    let all = [
        ComeCloser,
        MoreLight,
        LessLight,
        LookAtTheCamera,
        HoldStill,
        Blink,
        BlinkOrTurn,
        TurnLeft,
        TurnRight,
        LookUp,
        LookDown,
        StepAside,
        BetterView,
        WaitForPhotos,
    ];
    for language in Language::ALL {
        for (width, height) in SIZES {
            let mut painter = Painter::new(Some(fonts.clone()), Words::of(language), width, height).unwrap();
            for advice in all {
                painter.paint(&advised(advice), None);
                let cut = painter.inked().iter().any(|text| text.cut);
                assert!(!cut, "{advice:?}, {width}x{height}, {language:?}");
            }
        }
    }
}

#[test]
fn without_fonts_there_are_signs_and_no_text() {
    let mut painter = Painter::new(None, Words::of(Language::En), 480, 320).unwrap();
    painter.paint(&with(vec![card(Kind::In, Some("Asha Rao"))]), None);
    assert!(painter.inked().is_empty());
    let white = painter.pixmap().pixels().iter().filter(|pixel| pixel.red() == 255).count();
    assert!(white > 3_000, "the sign is there: {white} pixels");
}

#[test]
fn a_frame_of_the_live_picture_changes_its_place_alone() {
    let Some(fonts) = fonts() else { return };
    let mut painter = Painter::new(Some(fonts), Words::of(Language::En), 800, 480).unwrap();
    let face = face();
    let scene = advised(Advice::ComeCloser);
    let all = painter.paint(&scene, Some(&face));
    assert_eq!((all.width, all.height), (800, 480));
    let next = painter.paint(&scene, Some(&face));
    assert_eq!((next.x, next.y, next.width, next.height), (0, 0, 480, 480));
    let idle = painter.paint(&scene_of_minute(51), None);
    assert!(!idle.is_empty());
    assert!(painter.paint(&scene_of_minute(51), None).is_empty(), "nothing changed");
    let minute = painter.paint(&scene_of_minute(52), None);
    assert!(minute.width < 800 && minute.height < 480, "{minute:?}");
}

fn scene_of_minute(minute: u8) -> Scene {
    Scene { wall: Some(Wall { minute, ..scene().wall.unwrap() }), ..scene() }
}
