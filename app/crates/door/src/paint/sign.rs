//! The signs: each answer and each advice has a shape of its own, so that it is understood without reading
//! and without telling colours apart.

use std::f32::consts::TAU;

use base::event::Advice;
use tiny_skia::{FillRule, LineCap, LineJoin, Paint, Path, PathBuilder, Pixmap, Rect, Stroke, Transform};

use super::colour::Rgb;
use crate::state::Kind;

/// What a sign says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Sign {
    /// An answer.
    Answer(Kind),
    /// An advice.
    Advice(Advice),
    /// "Look here".
    Eye,
    /// Something for the staff.
    Staff,
}

/// Draws in a square of side 2 round the origin, at a place and size.
struct Pen<'a> {
    pixmap: &'a mut Pixmap,
    place: Transform,
}

/// Draws `sign` with its middle at (`x`, `y`) and `radius` around it, in `front` on `ground`.
pub fn draw(pixmap: &mut Pixmap, sign: Sign, x: f32, y: f32, radius: f32, front: Rgb, ground: Rgb) {
    let place = Transform::from_row(radius, 0.0, 0.0, radius, x, y);
    let mut pen = Pen { pixmap, place };
    match sign {
        Sign::Answer(kind) => pen.answer(kind, front, ground),
        Sign::Advice(advice) => pen.advice(advice, front, ground),
        Sign::Eye => pen.eye(front, ground),
        Sign::Staff => {
            pen.fill(polygon(3, 1.05, -0.25), front);
            pen.line(&[(0.0, -0.35), (0.0, 0.18)], 0.17, ground);
            pen.dot(0.0, 0.44, 0.11, ground);
        }
    }
}

impl Pen<'_> {
    fn answer(&mut self, kind: Kind, front: Rgb, ground: Rgb) {
        const CHECK: [(f32, f32); 3] = [(-0.45, 0.05), (-0.12, 0.38), (0.48, -0.32)];
        match kind {
            Kind::In => {
                self.dot(0.0, 0.0, 1.0, front);
                self.line(&CHECK, 0.2, ground);
            }
            Kind::Out => {
                self.fill(rounded(-0.9, -0.9, 1.8, 1.8, 0.3), front);
                self.arrow((-0.55, 0.0), (0.55, 0.0), 0.2, ground);
            }
            Kind::Seen => {
                self.ring(0.0, 0.0, 0.9, 0.16, front);
                self.line(&CHECK, 0.2, front);
            }
            Kind::TooEarly => {
                self.ring(0.0, 0.0, 0.9, 0.16, front);
                self.line(&[(0.0, -0.55), (0.0, 0.0), (0.38, 0.25)], 0.16, front);
            }
            Kind::Unknown => {
                self.fill(polygon(4, 1.1, -0.25), front);
                let mut hook = PathBuilder::new();
                hook.move_to(-0.28, -0.26);
                hook.cubic_to(-0.28, -0.66, 0.32, -0.66, 0.32, -0.24);
                hook.cubic_to(0.32, 0.02, 0.0, 0.0, 0.0, 0.26);
                self.stroke(hook.finish(), 0.17, ground);
                self.dot(0.0, 0.55, 0.11, ground);
            }
            Kind::Refused => {
                self.fill(polygon(8, 1.05, 0.0625), front);
                self.line(&[(-0.4, -0.4), (0.4, 0.4)], 0.22, ground);
                self.line(&[(-0.4, 0.4), (0.4, -0.4)], 0.22, ground);
            }
            Kind::Wait => self.dots(front),
        }
    }

    fn advice(&mut self, advice: Advice, front: Rgb, ground: Rgb) {
        match advice {
            Advice::ComeCloser => self.closer(0.0, front, ground),
            Advice::BetterView => {
                self.closer(0.3, front, ground);
                self.sun(0.0, -0.6, 0.22, front);
            }
            Advice::MoreLight | Advice::LessLight => {
                self.sun(0.0, 0.0, 0.5, front);
                self.line(&[(-0.25, 0.0), (0.25, 0.0)], 0.13, ground);
                if advice == Advice::MoreLight {
                    self.line(&[(0.0, -0.25), (0.0, 0.25)], 0.13, ground);
                }
            }
            Advice::LookAtTheCamera => self.eye(front, ground),
            Advice::HoldStill => {
                self.face(0.0, 0.0, 0.6, front, ground, true);
                for x in [-0.85, 0.85] {
                    self.line(&[(x, -0.5), (x, 0.5)], 0.14, front);
                }
            }
            Advice::Blink => self.face(0.0, 0.0, 0.9, front, ground, false),
            Advice::BlinkOrTurn => {
                self.face(0.0, -0.2, 0.62, front, ground, false);
                self.arrow((-0.2, 0.75), (-0.85, 0.75), 0.13, front);
                self.arrow((0.2, 0.75), (0.85, 0.75), 0.13, front);
            }
            Advice::TurnLeft => {
                self.face(0.35, 0.0, 0.6, front, ground, true);
                self.arrow((-0.4, 0.0), (-1.0, 0.0), 0.16, front);
            }
            Advice::TurnRight => {
                self.face(-0.35, 0.0, 0.6, front, ground, true);
                self.arrow((0.4, 0.0), (1.0, 0.0), 0.16, front);
            }
            Advice::LookUp => {
                self.face(0.0, 0.35, 0.6, front, ground, true);
                self.arrow((0.0, -0.4), (0.0, -1.0), 0.16, front);
            }
            Advice::LookDown => {
                self.face(0.0, -0.35, 0.6, front, ground, true);
                self.arrow((0.0, 0.4), (0.0, 1.0), 0.16, front);
            }
            Advice::StepAside => {
                self.line(&[(-0.75, -0.6), (-0.75, 0.6)], 0.16, front);
                self.arrow((-0.4, 0.0), (0.85, 0.0), 0.18, front);
            }
            Advice::WaitForPhotos => self.dots(front),
        }
    }

    /// A small face becomes a large one.
    fn closer(&mut self, y: f32, front: Rgb, ground: Rgb) {
        self.face(-0.9, y, 0.24, front, ground, true);
        self.arrow((-0.52, y), (-0.16, y), 0.11, front);
        self.face(0.58, y, 0.5, front, ground, true);
    }

    fn sun(&mut self, x: f32, y: f32, r: f32, front: Rgb) {
        self.dot(x, y, r, front);
        for ray in 0..8 {
            let (sin, cos) = (TAU * ray as f32 / 8.0).sin_cos();
            let (inner, outer) = (1.4 * r, 1.9 * r);
            let ends = [(x + inner * cos, y + inner * sin), (x + outer * cos, y + outer * sin)];
            self.line(&ends, 0.26 * r, front);
        }
    }

    fn eye(&mut self, front: Rgb, ground: Rgb) {
        let mut lids = PathBuilder::new();
        lids.move_to(-1.0, 0.0);
        lids.quad_to(0.0, -1.1, 1.0, 0.0);
        lids.quad_to(0.0, 1.1, -1.0, 0.0);
        lids.close();
        self.fill(lids.finish(), front);
        self.dot(0.0, 0.0, 0.36, ground);
        self.dot(0.12, -0.12, 0.1, front);
    }

    fn face(&mut self, x: f32, y: f32, r: f32, front: Rgb, ground: Rgb, open: bool) {
        self.dot(x, y, r, front);
        for side in [-1.0, 1.0] {
            let (ex, ey) = (x + side * 0.36 * r, y - 0.18 * r);
            if open {
                self.dot(ex, ey, 0.12 * r, ground);
            } else {
                let mut lid = PathBuilder::new();
                lid.move_to(ex - 0.2 * r, ey - 0.04 * r);
                lid.quad_to(ex, ey + 0.22 * r, ex + 0.2 * r, ey - 0.04 * r);
                self.stroke(lid.finish(), 0.11 * r, ground);
            }
        }
        let mut mouth = PathBuilder::new();
        mouth.move_to(x - 0.38 * r, y + 0.3 * r);
        mouth.quad_to(x, y + 0.68 * r, x + 0.38 * r, y + 0.3 * r);
        self.stroke(mouth.finish(), 0.11 * r, ground);
    }

    fn dots(&mut self, front: Rgb) {
        for x in [-0.65, 0.0, 0.65] {
            self.dot(x, 0.0, 0.22, front);
        }
    }

    fn arrow(&mut self, from: (f32, f32), to: (f32, f32), width: f32, colour: Rgb) {
        let (dx, dy) = (to.0 - from.0, to.1 - from.1);
        let length = dx.hypot(dy).max(f32::EPSILON);
        let (ux, uy) = (dx / length, dy / length);
        let wing = (2.2 * width).min(0.7 * length);
        let end = |side: f32| (to.0 - wing * ux + side * wing * uy, to.1 - wing * uy - side * wing * ux);
        self.line(&[from, to], width, colour);
        self.line(&[end(1.0), to, end(-1.0)], width, colour);
    }

    fn dot(&mut self, x: f32, y: f32, r: f32, colour: Rgb) {
        self.fill(PathBuilder::from_circle(x, y, r), colour);
    }

    fn ring(&mut self, x: f32, y: f32, r: f32, width: f32, colour: Rgb) {
        self.stroke(PathBuilder::from_circle(x, y, r), width, colour);
    }

    fn line(&mut self, points: &[(f32, f32)], width: f32, colour: Rgb) {
        let mut path = PathBuilder::new();
        for (index, (x, y)) in points.iter().enumerate() {
            if index == 0 {
                path.move_to(*x, *y);
            } else {
                path.line_to(*x, *y);
            }
        }
        self.stroke(path.finish(), width, colour);
    }

    fn fill(&mut self, path: Option<Path>, colour: Rgb) {
        if let Some(path) = path {
            self.pixmap.fill_path(&path, &paint(colour), FillRule::Winding, self.place, None);
        }
    }

    fn stroke(&mut self, path: Option<Path>, width: f32, colour: Rgb) {
        let stroke =
            Stroke { width, line_cap: LineCap::Round, line_join: LineJoin::Round, ..Stroke::default() };
        if let Some(path) = path {
            self.pixmap.stroke_path(&path, &paint(colour), &stroke, self.place, None);
        }
    }
}

/// A colour for drawing with smooth edges.
pub(super) fn paint(colour: Rgb) -> Paint<'static> {
    let mut paint = Paint { anti_alias: true, ..Paint::default() };
    paint.set_color(colour.color());
    paint
}

/// A regular polygon, turned by this part of a whole turn.
fn polygon(corners: u32, r: f32, turn: f32) -> Option<Path> {
    let mut path = PathBuilder::new();
    for corner in 0..corners {
        let (sin, cos) = (TAU * (corner as f32 / corners as f32 + turn)).sin_cos();
        if corner == 0 {
            path.move_to(r * cos, r * sin);
        } else {
            path.line_to(r * cos, r * sin);
        }
    }
    path.close();
    path.finish()
}

/// A rectangle with round corners.
pub(super) fn rounded(x: f32, y: f32, width: f32, height: f32, r: f32) -> Option<Path> {
    let rect = Rect::from_xywh(x, y, width, height)?;
    let r = r.min(width / 2.0).min(height / 2.0);
    let (left, top, right, bottom) = (rect.left(), rect.top(), rect.right(), rect.bottom());
    let mut path = PathBuilder::new();
    path.move_to(left + r, top);
    path.line_to(right - r, top);
    path.quad_to(right, top, right, top + r);
    path.line_to(right, bottom - r);
    path.quad_to(right, bottom, right - r, bottom);
    path.line_to(left + r, bottom);
    path.quad_to(left, bottom, left, bottom - r);
    path.line_to(left, top + r);
    path.quad_to(left, top, left + r, top);
    path.close();
    path.finish()
}
