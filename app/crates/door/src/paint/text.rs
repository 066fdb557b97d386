//! Text as glyphs: shaping, line breaks, and the largest size at which it fits.

use std::cell::RefCell;
use std::collections::HashMap;

use harfrust::{Buffer, GlyphId, ShapeOptions, ShaperFont, shape};
use skrifa::{DrawMemory, Font, ScalerFont};
use tiny_skia::{Color, FillRule, Paint, Path, PathBuilder, Pixmap, Rect, Stroke, Transform};

use crate::fonts::Fonts;

/// Distance of two base lines, in sizes: Devanagari has marks above and below.
const LINE: f32 = 1.3;
/// From the middle of a line down to its base line, in sizes.
const BASE: f32 = 0.36;
/// How much Devanagari, which has one weight only, is thickened, in sizes.
const BOLD: f32 = 0.04;
/// Sizes are tried in steps of this factor.
const STEP: f32 = 0.94;
/// Stands for what does not fit.
const ELLIPSIS: &str = "…";
/// Longest text that is shaped, characters.
const LONGEST: usize = 400;

/// Which font.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
enum Face {
    Latin,
    Devanagari,
}

/// One glyph; lengths are in sizes.
#[derive(Debug, Clone, Copy)]
struct Glyph {
    face: Face,
    id: u32,
    x: f32,
    y: f32,
}

/// A shaped word.
#[derive(Debug, Clone, Default)]
struct Word {
    glyphs: Vec<Glyph>,
    width: f32,
}

/// Lines that fit.
#[derive(Debug, Clone)]
pub struct Block {
    lines: Vec<Word>,
    /// Pixels of an em.
    pub size: f32,
    /// Whether something was left out.
    pub cut: bool,
}

impl Block {
    /// Height, pixels.
    pub fn height(&self) -> f32 {
        self.lines.len() as f32 * self.size * LINE
    }

    /// Width of the widest line, pixels.
    pub fn width(&self) -> f32 {
        self.lines.iter().map(|line| line.width * self.size).fold(0.0, f32::max)
    }

    /// Number of lines.
    pub fn lines(&self) -> usize {
        self.lines.len()
    }
}

/// Room for a text, and how large it may be.
#[derive(Debug, Clone, Copy)]
pub struct Room {
    /// Pixels.
    pub width: f32,
    /// Pixels.
    pub height: f32,
    /// Largest size, pixels of an em.
    pub largest: f32,
    /// Smallest size that can be read; what does not fit then is cut.
    pub smallest: f32,
    /// Most lines.
    pub lines: usize,
}

/// Shapes and draws text. Glyphs are kept as paths.
pub struct Type {
    fonts: Fonts,
    paths: RefCell<HashMap<(Face, u32), Option<Path>>>,
}

impl Type {
    /// Text in these fonts.
    pub fn new(fonts: Fonts) -> Self {
        Self { fonts, paths: RefCell::default() }
    }

    fn font(&self, face: Face) -> &Font {
        match face {
            Face::Latin => &self.fonts.latin,
            Face::Devanagari => &self.fonts.devanagari,
        }
    }

    /// Numbers of the glyphs that `text` becomes, in the order of drawing: for tests of the shaping.
    pub fn glyph_ids(&self, text: &str) -> Vec<u32> {
        self.word(text).glyphs.iter().map(|glyph| glyph.id).collect()
    }

    /// `text` at the largest size that fits `room`.
    pub fn fit(&self, text: &str, room: Room) -> Block {
        let text: String = text.chars().take(LONGEST).collect();
        let words: Vec<Word> =
            text.split(' ').filter(|word| !word.is_empty()).map(|w| self.word(w)).collect();
        let blank = self.word("a b").width - self.word("ab").width;
        let mut size = room.largest;
        while size > room.smallest {
            let lines = wrapped(&words, blank, room.width / size);
            let fits = lines.len() <= room.lines
                && lines.len() as f32 * size * LINE <= room.height
                && lines.iter().all(|line| line.width * size <= room.width);
            if fits {
                return Block { lines, size, cut: false };
            }
            size *= STEP;
        }
        self.cut(&text, &words, blank, Room { largest: room.smallest, ..room })
    }

    /// `text` at the smallest size, cut where the room ends.
    fn cut(&self, text: &str, words: &[Word], blank: f32, room: Room) -> Block {
        let size = room.largest;
        let most = room.lines.min((room.height / (size * LINE)) as usize).max(1);
        let width = room.width / size;
        let mut lines = wrapped(words, blank, width);
        let whole = lines.len() <= most && lines.iter().all(|line| line.width <= width);
        if whole {
            return Block { lines, size, cut: false };
        }
        // One word that is too long, or too many lines: the text is cut letter by letter to one line less
        // than its last, and the last ends with an ellipsis.
        let kept: Vec<&str> = text.split(' ').filter(|word| !word.is_empty()).collect();
        let fitting =
            lines.iter().take(most.saturating_sub(1)).take_while(|line| line.width <= width).count();
        lines.truncate(fitting);
        let used = words_in(&lines, words);
        let rest = kept[used.min(kept.len())..].join(" ");
        lines.push(self.shortened(&rest, width));
        Block { lines, size, cut: true }
    }

    fn shortened(&self, text: &str, width: f32) -> Word {
        let chars: Vec<char> = text.chars().collect();
        for count in (0..chars.len()).rev() {
            // Not between a letter and its marks.
            if chars.get(count).is_some_and(|c| is_mark(*c)) {
                continue;
            }
            let start: String = chars[..count].iter().collect();
            let word = self.word(&format!("{}{ELLIPSIS}", start.trim_end()));
            if word.width <= width {
                return word;
            }
        }
        self.word(ELLIPSIS)
    }

    /// Shapes a text without breaking it.
    fn word(&self, text: &str) -> Word {
        let mut word = Word::default();
        for (face, run) in self.runs(text) {
            let font = self.font(face);
            let mut buffer = Buffer::new();
            buffer.push_str(&run);
            buffer.guess_segment_properties();
            if shape(&ShaperFont::new(font), &mut buffer, ShapeOptions::default()).is_err() {
                continue;
            }
            let scale = 1.0 / units(font);
            for (info, at) in buffer.glyph_infos().iter().zip(buffer.glyph_positions()) {
                word.glyphs.push(Glyph {
                    face,
                    id: info.glyph_id,
                    x: word.width + at.x_offset as f32 * scale,
                    y: at.y_offset as f32 * scale,
                });
                word.width += at.x_advance as f32 * scale;
            }
        }
        word
    }

    /// Parts of a text by font. What both fonts have stays with what stands before it, so that a digit after
    /// Devanagari is not a break.
    fn runs(&self, text: &str) -> Vec<(Face, String)> {
        let mut runs: Vec<(Face, String)> = Vec::new();
        for c in text.chars() {
            let last = runs.last().map(|(face, _)| *face);
            let face = match last {
                Some(face) if is_joiner(c) || is_mark(c) => face,
                _ if is_devanagari(c) => Face::Devanagari,
                _ => Face::Latin,
            };
            match runs.last_mut() {
                Some((before, run)) if *before == face => run.push(c),
                _ => runs.push((face, c.to_string())),
            }
        }
        runs
    }

    /// Draws a block whose lines are centred on `x`, from `top` down.
    pub fn draw(&self, pixmap: &mut Pixmap, block: &Block, x: f32, top: f32, colour: Color) {
        let mut paint = Paint { anti_alias: true, ..Paint::default() };
        paint.set_color(colour);
        for (index, line) in block.lines.iter().enumerate() {
            let middle = top + (index as f32 + 0.5) * block.size * LINE;
            let left = x - line.width * block.size / 2.0;
            for glyph in &line.glyphs {
                let Some(path) = self.path(glyph.face, glyph.id) else { continue };
                let place = Transform::from_row(
                    block.size,
                    0.0,
                    0.0,
                    -block.size,
                    left + glyph.x * block.size,
                    middle + (BASE - glyph.y) * block.size,
                );
                pixmap.fill_path(&path, &paint, FillRule::Winding, place, None);
                if glyph.face == Face::Devanagari {
                    let stroke = Stroke { width: BOLD, ..Stroke::default() };
                    pixmap.stroke_path(&path, &paint, &stroke, place, None);
                }
            }
        }
    }

    /// The area that the block's ink covers when it is drawn at (`x`, `top`); none for blank text.
    pub fn ink(&self, block: &Block, x: f32, top: f32) -> Option<Rect> {
        let mut area: Option<(f32, f32, f32, f32)> = None;
        for (index, line) in block.lines.iter().enumerate() {
            let base = top + (index as f32 + 0.5) * block.size * LINE + BASE * block.size;
            let left = x - line.width * block.size / 2.0;
            for glyph in &line.glyphs {
                let Some(path) = self.path(glyph.face, glyph.id) else { continue };
                let bounds = path.bounds();
                let (l, r) = (bounds.left() + glyph.x, bounds.right() + glyph.x);
                let (b, t) = (bounds.top() + glyph.y, bounds.bottom() + glyph.y);
                let (l, r) = (left + l * block.size, left + r * block.size);
                let (t, b) = (base - t * block.size, base - b * block.size);
                area =
                    Some(area.map_or((l, t, r, b), |(al, at, ar, ab)| {
                        (al.min(l), at.min(t), ar.max(r), ab.max(b))
                    }));
            }
        }
        area.and_then(|(l, t, r, b)| Rect::from_ltrb(l, t, r, b))
    }

    /// The outline of a glyph, in sizes, with y upwards.
    fn path(&self, face: Face, id: u32) -> Option<Path> {
        let known = self.paths.borrow().get(&(face, id)).cloned();
        known.unwrap_or_else(|| {
            let font = self.font(face);
            let path = outline(font, id).and_then(|path| {
                let scale = 1.0 / units(font);
                path.transform(Transform::from_scale(scale, scale))
            });
            self.paths.borrow_mut().insert((face, id), path.clone());
            path
        })
    }
}

fn units(font: &Font) -> f32 {
    f32::from(font.units_per_em().max(1))
}

fn outline(font: &Font, id: u32) -> Option<Path> {
    struct Pen(PathBuilder);
    impl skrifa::font::glyph::outline::PathSink for Pen {
        fn move_to(&mut self, x: f32, y: f32) {
            self.0.move_to(x, y);
        }
        fn line_to(&mut self, x: f32, y: f32) {
            self.0.line_to(x, y);
        }
        fn quad_to(&mut self, cx: f32, cy: f32, x: f32, y: f32) {
            self.0.quad_to(cx, cy, x, y);
        }
        fn curve_to(&mut self, ax: f32, ay: f32, bx: f32, by: f32, x: f32, y: f32) {
            self.0.cubic_to(ax, ay, bx, by, x, y);
        }
        fn close(&mut self) {
            self.0.close();
        }
    }
    let scaler = ScalerFont::unhinted(font.clone(), None);
    let outline = scaler.outline(GlyphId::new(id))?;
    let mut pen = Pen(PathBuilder::new());
    outline.draw(DrawMemory::Scratch, &mut pen).ok()?;
    pen.0.finish()
}

/// Words in lines of at most this width, in sizes. A word that is wider has a line of its own.
fn wrapped(words: &[Word], blank: f32, width: f32) -> Vec<Word> {
    let mut lines: Vec<Word> = Vec::new();
    for word in words {
        match lines.last_mut() {
            Some(line) if line.width + blank + word.width <= width => {
                let start = line.width + blank;
                let moved = word.glyphs.iter().map(|glyph| Glyph { x: glyph.x + start, ..*glyph });
                line.glyphs.extend(moved);
                line.width = start + word.width;
            }
            _ => lines.push(word.clone()),
        }
    }
    lines
}

/// How many of the words stand in these lines.
fn words_in(lines: &[Word], words: &[Word]) -> usize {
    let mut glyphs: usize = lines.iter().map(|line| line.glyphs.len()).sum();
    words
        .iter()
        .take_while(|word| {
            let fits = word.glyphs.len() <= glyphs && glyphs > 0;
            if fits {
                glyphs -= word.glyphs.len();
            }
            fits
        })
        .count()
}

fn is_devanagari(c: char) -> bool {
    matches!(c as u32, 0x0900..=0x097f | 0xa8e0..=0xa8ff | 0x1cd0..=0x1cff)
}

fn is_joiner(c: char) -> bool {
    matches!(c, '\u{200c}' | '\u{200d}')
}

/// A mark that belongs to the letter before it.
fn is_mark(c: char) -> bool {
    matches!(
        c as u32,
        0x0300..=0x036f | 0x0900..=0x0903 | 0x093a..=0x093c | 0x093e..=0x094f | 0x0951..=0x0957 | 0x0962..=0x0963
    ) || is_joiner(c)
}
