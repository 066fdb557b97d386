//! Draws a scene. What changed is known afterwards, so that only that is copied to a display.

pub mod colour;
mod mirror;
pub mod sign;
pub mod text;

use tiny_skia::{FillRule, Pixmap, Stroke, Transform};

pub use mirror::{Live, Place};

use crate::fonts::Fonts;
use crate::state::{Card, Light, Scene};
use crate::words::Words;
use colour::{AMBER, INK, Rgb};
use sign::Sign;
use text::{Block, Room, Type};

/// Smallest text, as a part of the screen's shorter side, and in pixels.
const SMALLEST: f32 = 0.042;
const SMALLEST_PIXELS: f32 = 13.0;
/// The clock moves by so many pixels over the minutes, so that nothing burns in.
const DRIFT: f32 = 8.0;
/// Largest side of a screen, pixels.
const MAX_SIDE: u32 = 4096;

/// Draws scenes of one size in one language.
pub struct Painter {
    words: Words,
    /// None while the fonts are missing: then there are signs without text.
    text: Option<Type>,
    pixmap: Pixmap,
    /// What was drawn last, without the live picture.
    drawn: Option<Scene>,
    /// What a full drawing is compared with.
    before: Pixmap,
    /// Where text and signs were put: for the test that all of it fits.
    inked: Vec<Inked>,
}

/// A text on the screen.
#[derive(Debug, Clone)]
pub struct Inked {
    /// Its ink: left, top, right, bottom.
    pub ink: [f32; 4],
    /// The area that it must stay in: left, top, right, bottom.
    pub area: [f32; 4],
    /// Pixels of an em.
    pub size: f32,
    /// Whether something was left out.
    pub cut: bool,
}

/// A part of the screen, pixels.
#[derive(Debug, Clone, Copy)]
struct Area {
    x: f32,
    y: f32,
    width: f32,
    height: f32,
}

impl Area {
    fn inset(self, by: f32) -> Self {
        Self {
            x: self.x + by,
            y: self.y + by,
            width: (self.width - 2.0 * by).max(1.0),
            height: (self.height - 2.0 * by).max(1.0),
        }
    }

    /// The part from `from` to `to`, shares of its height.
    fn rows(self, from: f32, to: f32) -> Self {
        Self { y: self.y + from * self.height, height: (to - from) * self.height, ..self }
    }

    fn middle(self) -> (f32, f32) {
        (self.x + self.width / 2.0, self.y + self.height / 2.0)
    }
}

impl Painter {
    /// A screen of this size, black. Sides are brought to 64 to 4096 pixels.
    pub fn new(fonts: Option<Fonts>, words: Words, width: u32, height: u32) -> Option<Self> {
        let (width, height) = (width.clamp(64, MAX_SIDE), height.clamp(64, MAX_SIDE));
        let pixmap = Pixmap::new(width, height)?;
        let before = pixmap.clone();
        Some(Self { words, text: fonts.map(Type::new), pixmap, drawn: None, before, inked: Vec::new() })
    }

    /// The picture.
    pub fn pixmap(&self) -> &Pixmap {
        &self.pixmap
    }

    /// The texts of the last full drawing.
    pub fn inked(&self) -> &[Inked] {
        &self.inked
    }

    /// Draws `scene`, with people's own picture where it has one; gives what changed.
    pub fn paint(&mut self, scene: &Scene, live: Option<&Live>) -> Place {
        let mut changed = Place::default();
        if self.drawn.as_ref() != Some(scene) {
            self.before.data_mut().copy_from_slice(self.pixmap.data());
            self.inked.clear();
            self.draw(scene);
            changed = difference(&self.before, &self.pixmap);
            self.drawn = Some(scene.clone());
        }
        if scene.has_picture()
            && let Some(live) = live
        {
            let place = self.picture_place();
            self.draw_live(live, place, scene.advice.is_some());
            changed = changed.with(place);
        }
        changed
    }

    /// The shorter side, which sizes follow.
    fn side(&self) -> f32 {
        self.pixmap.width().min(self.pixmap.height()) as f32
    }

    fn whole(&self) -> Area {
        Area { x: 0.0, y: 0.0, width: self.pixmap.width() as f32, height: self.pixmap.height() as f32 }
    }

    fn is_upright(&self) -> bool {
        self.pixmap.height() > self.pixmap.width()
    }

    /// Where people see themselves.
    fn picture_place(&self) -> Place {
        let (width, height) = (self.pixmap.width(), self.pixmap.height());
        if self.is_upright() {
            Place { x: 0, y: 0, width, height: height * 3 / 5 }
        } else {
            Place { x: 0, y: 0, width: width * 3 / 5, height }
        }
    }

    fn draw(&mut self, scene: &Scene) {
        if !scene.cards.is_empty() {
            self.draw_cards(&scene.cards);
        } else if scene.somebody {
            self.draw_somebody(scene);
        } else {
            self.draw_idle(scene);
        }
        if scene.staff {
            let r = self.side() * 0.035;
            let x = self.whole().width - 1.6 * r;
            sign::draw(&mut self.pixmap, Sign::Staff, x, 1.6 * r, r, AMBER, INK);
        }
    }

    fn draw_idle(&mut self, scene: &Scene) {
        let (ground, main, quiet) = colour::of_idle(scene.light);
        self.pixmap.fill(ground.color());
        let minute = scene.wall.map_or(0, |wall| wall.minute_of_day());
        let step = |n: u16| f32::from(n % 5) / 2.0 - 1.0;
        let (dx, dy) = (DRIFT * step(minute), DRIFT * step(minute / 5));
        let whole = self.whole().inset(self.side() * 0.06 + DRIFT);
        let area = Area { x: whole.x + dx, y: whole.y + dy, ..whole };
        if let Some(wall) = scene.wall {
            self.write(&wall.clock(), area.rows(0.12, 0.5), main, 0.36, 1);
            let date = self.words.date(&wall);
            self.write(&date, area.rows(0.5, 0.62), quiet, 0.07, 1);
        }
        self.write(&scene.site, area.rows(0.0, 0.12), quiet, 0.07, 1);
        if scene.light == Light::Night {
            return;
        }
        let low = if scene.wall.is_some() { area.rows(0.66, 1.0) } else { area.rows(0.3, 0.8) };
        let (x, _) = low.middle();
        let r = 0.2 * low.height.min(low.width);
        sign::draw(&mut self.pixmap, Sign::Eye, x, low.y + r, r, quiet, ground);
        let invitation = self.words.invitation();
        self.write(&invitation, low.rows(0.5, 1.0), main, 0.085, 2);
    }

    fn draw_somebody(&mut self, scene: &Scene) {
        let place = self.picture_place();
        let whole = self.whole();
        let panel = if self.is_upright() {
            Area { y: place.height as f32, height: whole.height - place.height as f32, ..whole }
        } else {
            Area { x: place.width as f32, width: whole.width - place.width as f32, ..whole }
        };
        let (idle, white, quiet) = colour::of_idle(Light::Bright);
        let (ground, front) = if scene.advice.is_some() { (AMBER, INK) } else { (idle, white) };
        self.pixmap.fill(idle.color());
        self.fill_area(panel, ground, 0.0);
        // Drawn where the picture will be; it stays if there is no picture.
        let (x, y) = (place.width as f32 / 2.0, place.height as f32 / 2.0);
        let r = 0.14 * self.side();
        sign::draw(&mut self.pixmap, Sign::Eye, x, y, r, quiet, idle);
        let panel = panel.inset(self.side() * 0.05);
        let (sign, text) = match scene.advice {
            Some(advice) => (Sign::Advice(advice), self.words.advice(advice)),
            None => (Sign::Eye, self.words.invitation()),
        };
        let (x, _) = panel.middle();
        let r = (0.19 * panel.height).min(0.32 * panel.width);
        sign::draw(&mut self.pixmap, sign, x, panel.y + 0.23 * panel.height, r, front, ground);
        self.write(&text, panel.rows(0.46, 0.88), front, 0.12, 4);
        if let Some(wall) = scene.wall {
            self.write(&wall.clock(), panel.rows(0.88, 1.0), front, 0.07, 1);
        }
    }

    fn draw_cards(&mut self, cards: &[Card]) {
        self.pixmap.fill(Rgb(0, 0, 0).color());
        let whole = self.whole();
        let (columns, rows) = match (cards.len(), self.is_upright()) {
            (0 | 1, _) => (1, 1),
            (2, false) => (2, 1),
            (2, true) => (1, 2),
            (3, false) => (3, 1),
            (3, true) => (1, 3),
            _ => (2, 2),
        };
        let gap = if cards.len() > 1 { self.side() * 0.012 } else { 0.0 };
        let (width, height) = (whole.width / columns as f32, whole.height / rows as f32);
        for (index, card) in cards.iter().take(columns * rows).enumerate() {
            let (column, row) = ((index % columns) as f32, (index / columns) as f32);
            let area = Area { x: column * width, y: row * height, width, height }.inset(gap);
            self.draw_card(card, area, if gap > 0.0 { 2.5 * gap } else { 0.0 });
        }
    }

    fn draw_card(&mut self, card: &Card, area: Area, corner: f32) {
        let (ground, front) = colour::of_answer(card.kind);
        self.fill_area(area, ground, corner);
        let inside = area.inset((0.05 * area.width.min(area.height)).max(4.0));
        let (title, hint) = self.words.answer(card.kind);
        let sign = Sign::Answer(card.kind);
        // A wide card has its sign beside the text, another one above it.
        let text = if inside.width > 1.35 * inside.height {
            let r = (0.34 * inside.height).min(0.17 * inside.width);
            let (_, y) = inside.middle();
            sign::draw(&mut self.pixmap, sign, inside.x + 1.25 * r, y, r, front, ground);
            let taken = 2.6 * r;
            Area { x: inside.x + taken, width: inside.width - taken, ..inside }
        } else {
            let r = (0.19 * inside.height).min(0.34 * inside.width);
            let (x, _) = inside.middle();
            sign::draw(&mut self.pixmap, sign, x, inside.y + 1.15 * r, r, front, ground);
            let taken = 2.3 * r;
            Area { y: inside.y + taken, height: inside.height - taken, ..inside }
        };
        let time = card.time.as_deref().filter(|_| card.kind.has_time());
        match (&card.who, hint) {
            (Some(who), _) => {
                self.write(&title, text.rows(0.02, 0.42), front, 0.3, 2);
                self.write(who, text.rows(0.42, 0.76), front, 0.15, 2);
                if let Some(time) = time {
                    self.write(time, text.rows(0.78, 0.98), front, 0.13, 1);
                }
            }
            (None, Some(hint)) => {
                self.write(&title, text.rows(0.04, 0.5), front, 0.26, 3);
                self.write(&hint, text.rows(0.52, 0.8), front, 0.1, 3);
                if let Some(time) = time {
                    self.write(time, text.rows(0.82, 0.98), front, 0.1, 1);
                }
            }
            (None, None) => self.write(&title, text.rows(0.2, 0.8), front, 0.2, 2),
        }
    }

    fn draw_live(&mut self, live: &Live, place: Place, asked: bool) {
        live.fill(&mut self.pixmap, place);
        let frame = if asked { AMBER } else { colour::WHITE };
        let width = (self.side() * 0.012).max(2.0);
        let (right, bottom) = ((place.x + place.width) as f32, (place.y + place.height) as f32);
        for [x, y, w, h] in live.faces_in(place) {
            // Round the head, and not beyond the picture.
            let (x, y, w, h) = (x - 0.15 * w, y - 0.25 * h, 1.3 * w, 1.4 * h);
            let (left, top) = (x.max(place.x as f32 + width), y.max(place.y as f32 + width));
            let (r, b) = ((x + w).min(right - width), (y + h).min(bottom - width));
            if r - left < 4.0 * width || b - top < 4.0 * width {
                continue;
            }
            let corner = 0.2 * (r - left).min(b - top);
            if let Some(path) = sign::rounded(left, top, r - left, b - top, corner) {
                let stroke = Stroke { width, ..Stroke::default() };
                self.pixmap.stroke_path(&path, &sign::paint(frame), &stroke, Transform::identity(), None);
            }
        }
    }

    fn fill_area(&mut self, area: Area, colour: Rgb, corner: f32) {
        if let Some(path) = sign::rounded(area.x, area.y, area.width, area.height, corner) {
            let paint = sign::paint(colour);
            self.pixmap.fill_path(&path, &paint, FillRule::Winding, Transform::identity(), None);
        }
    }

    /// Writes in the middle of an area, at most `largest` (a part of the shorter side) high.
    fn write(&mut self, text: &str, area: Area, colour: Rgb, largest: f32, lines: usize) {
        let Some(face) = &self.text else { return };
        let smallest = (SMALLEST * self.side()).max(SMALLEST_PIXELS);
        let room = Room {
            width: area.width,
            height: area.height,
            largest: (largest * self.side()).max(smallest),
            smallest,
            lines,
        };
        let block: Block = face.fit(text, room);
        let (x, y) = area.middle();
        let top = y - block.height() / 2.0;
        face.draw(&mut self.pixmap, &block, x, top, colour.color());
        if let Some(ink) = face.ink(&block, x, top) {
            self.inked.push(Inked {
                ink: [ink.left(), ink.top(), ink.right(), ink.bottom()],
                area: [area.x, area.y, area.x + area.width, area.y + area.height],
                size: block.size,
                cut: block.cut,
            });
        }
    }
}

/// The smallest place that holds every pixel that differs. Both are of one size.
fn difference(one: &Pixmap, other: &Pixmap) -> Place {
    let width = one.width() as usize;
    let rows = || one.data().chunks_exact(4 * width).zip(other.data().chunks_exact(4 * width)).enumerate();
    let (mut top, mut bottom, mut left, mut right) = (None, 0, width, 0);
    for (y, (a, b)) in rows() {
        if a == b {
            continue;
        }
        top.get_or_insert(y);
        bottom = y + 1;
        let differs = |x: &usize| a[4 * x..4 * x + 4] != b[4 * x..4 * x + 4];
        left = (0..left).find(differs).unwrap_or(left);
        right = (right..width).rev().find(differs).map_or(right, |x| x + 1);
    }
    match top {
        Some(top) => Place {
            x: left as u32,
            y: top as u32,
            width: (right - left) as u32,
            height: (bottom - top) as u32,
        },
        None => Place::default(),
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn the_difference_holds_what_changed_and_no_more() {
        let one = Pixmap::new(100, 80).unwrap();
        assert!(difference(&one, &one).is_empty());
        let mut other = one.clone();
        for (x, y) in [(20, 30), (60, 31), (40, 50)] {
            other.data_mut()[4 * (y * 100 + x)] = 1;
        }
        assert_eq!(difference(&one, &other), Place { x: 20, y: 30, width: 41, height: 21 });
    }
}
