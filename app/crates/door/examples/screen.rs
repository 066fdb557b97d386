//! What the door's screen costs, for `scripts/bench`.
//!
//! `scripts/bench` runs this program and asks it questions (see `answer`): `live-800x480` is a person's own
//! picture with advice on a screen of that size, drawn and copied into a display's memory, as it happens 15
//! times a second while somebody stands there; `change-800x480` a whole new state, which is an event.

#[path = "../../../../models/examples/answer/mod.rs"]
mod answer;

use std::path::Path;

use answer::Question;
use anyhow::{Context as _, Result, bail};
use base::event::Advice;
use door::config::Language;
use door::fonts::{FOLDER, Fonts};
use door::paint::{Live, Painter, Place};
use door::screen::blit;
use door::state::{Light, Scene, Wall};
use door::words::Words;

/// Size of the small copy of the camera's picture that is drawn.
const PICTURE: (u32, u32) = (480, 270);

fn main() -> Result<()> {
    answer::every_question(|question| measure(question).map_err(|error| format!("{error:#}")))?;
    Ok(())
}

fn measure(question: &Question<'_>) -> Result<f64> {
    let (what, size) = question.name.split_once('-').context("a name is WHAT-WIDTHxHEIGHT")?;
    let (width, height) = size.split_once('x').context("a size is WIDTHxHEIGHT")?;
    let (width, height) = (width.parse()?, height.parse()?);
    let fonts = Fonts::load(Path::new(FOLDER))?;
    let mut painter = Painter::new(Some(fonts), Words::of(Language::En), width, height)
        .context("the size cannot be drawn")?;
    let mut memory = vec![0; 4 * width as usize * height as usize];
    let live = picture();
    let (closer, turn) = (advised(Advice::ComeCloser), advised(Advice::TurnLeft));
    let mut show = |scene: &Scene| {
        let changed: Place = painter.paint(scene, Some(&live));
        blit(&mut memory, 4 * width as usize, painter.pixmap(), changed, 0);
    };
    match what {
        "live" => question.shortest(|| {
            show(&closer);
            Ok(())
        }),
        "change" => {
            let mut other = false;
            question.shortest(|| {
                other = !other;
                show(if other { &turn } else { &closer });
                Ok(())
            })
        }
        _ => bail!("this program has live and change"),
    }
}

fn advised(advice: Advice) -> Scene {
    Scene {
        cards: Vec::new(),
        advice: Some(advice),
        somebody: true,
        staff: false,
        light: Light::Bright,
        wall: Some(Wall { hour: 7, minute: 51, weekday: 3, day: 14, month: 1 }),
        site: "Green Valley School".to_owned(),
    }
}

/// Every pixel another one, so that nothing is drawn as one colour.
fn picture() -> Live {
    let (width, height) = PICTURE;
    let rgb = (0..width * height).flat_map(|n| [n as u8, (n >> 3) as u8, (n >> 7) as u8]).collect();
    Live { width, height, rgb, faces: vec![[250.0, 120.0, 140.0, 160.0]] }
}
