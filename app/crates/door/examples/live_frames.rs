//! Draws a person's own picture with advice again and again and copies it as to a display, for a count of
//! instructions: `live_frames WIDTH HEIGHT FRAMES`. The difference of two runs under callgrind is the cost of
//! the frames between them; MEASUREMENTS.md says how.
#![allow(clippy::print_stdout)]

use std::path::Path;

use base::event::Advice;
use door::config::Language;
use door::fonts::{FOLDER, Fonts};
use door::paint::{Live, Painter};
use door::screen::blit;
use door::state::{Light, Scene, Wall};
use door::words::Words;

/// Size of the picture that recognition hands out.
const PREVIEW: (u32, u32) = (480, 270);

fn main() {
    let given: Vec<u32> = std::env::args().skip(1).filter_map(|word| word.parse().ok()).collect();
    let [width, height, frames] = given[..] else {
        println!("live_frames WIDTH HEIGHT FRAMES");
        return;
    };
    let fonts = Fonts::load(Path::new(FOLDER)).ok();
    let Some(mut painter) = Painter::new(fonts, Words::of(Language::En), width, height) else { return };
    let scene = Scene {
        cards: Vec::new(),
        advice: Some(Advice::TurnLeft),
        somebody: true,
        staff: false,
        light: Light::Bright,
        wall: Some(Wall { hour: 7, minute: 51, weekday: 3, day: 14, month: 1 }),
        site: "Green Valley School".to_owned(),
    };
    let pixels = (PREVIEW.0 * PREVIEW.1) as usize;
    let mut live = Live {
        width: PREVIEW.0,
        height: PREVIEW.1,
        rgb: (0..3 * pixels).map(|n| (n % 251) as u8).collect(),
        faces: vec![[165.0, 60.0, 98.0, 112.0]],
    };
    let mut memory = vec![0; 4 * (width * height) as usize];
    let mut copied = 0;
    for frame in 0..frames {
        live.rgb[frame as usize % pixels] ^= 1;
        let changed = painter.paint(&scene, Some(&live));
        blit(&mut memory, 4 * width as usize, painter.pixmap(), changed, 0);
        copied += u64::from(changed.width) * u64::from(changed.height);
    }
    println!("{frames} frames of {width}x{height}, {copied} pixels copied");
}
