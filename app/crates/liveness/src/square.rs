//! The crop of the third anti-spoof model, made as its authors make it: the square about the box's centre
//! with 1.5 times its longer side, mirrored where it leaves the frame, averaged down to 128×128, RGB from 0
//! to 1.

use image::RgbImage;
use vision::face::Bounds;

/// Side of the square, as a multiple of the box's longer side.
const GROWN: f32 = 1.5;

/// A square of pixels, which may reach beyond the picture.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Square {
    left: i32,
    top: i32,
    side: i32,
}

impl Square {
    /// About a face in a picture of this size. Boxes that are no boxes give some square all the same.
    pub(super) fn about(face: &Bounds, width: u32, height: u32) -> Self {
        let most = width.max(height) as f32;
        let longest = face.width.max(face.height).clamp(1.0, most);
        let centre = face.centre();
        // Truncated towards zero, as Python's int() does.
        let start = |centre: f32| (centre - longest * GROWN / 2.0).clamp(-2.0 * most, 2.0 * most) as i32;
        Self { left: start(centre.x), top: start(centre.y), side: ((longest * GROWN) as i32).max(1) }
    }

    /// Shrinks the square to `side` × `side` by averaging whole areas, or stretches it between its pixels.
    pub(super) fn fill_rgb(&self, picture: &RgbImage, side: usize, input: &mut [f32]) {
        let (width, height) = (picture.width() as i32, picture.height() as i32);
        let data = picture.as_raw();
        let step = self.side as f32 / side as f32;
        for (row, target) in input.chunks_exact_mut(3 * side).take(side).enumerate() {
            let rows = Taps::of(row, step, self.side);
            for (column, target) in target.as_chunks_mut::<3>().0.iter_mut().enumerate() {
                let columns = Taps::of(column, step, self.side);
                let mut sum = [0.0; 3];
                for (y, down) in rows.each() {
                    let line = mirrored(self.top + y, height) * width as usize;
                    for (x, across) in columns.each() {
                        let at = 3 * (line + mirrored(self.left + x, width));
                        let weight = down * across / 255.0;
                        for (sum, value) in sum.iter_mut().zip(data.get(at..at + 3).unwrap_or_default()) {
                            *sum += weight * f32::from(*value);
                        }
                    }
                }
                *target = sum;
            }
        }
    }
}

/// Which source pixels make one of the crop, along one axis; their weights sum up to 1.
#[derive(Debug, Clone, Copy)]
struct Taps {
    /// From here on, in pixels of the square; the end, where it is averaged.
    from: f32,
    to: f32,
    last: i32,
}

impl Taps {
    fn of(index: usize, step: f32, side: i32) -> Self {
        if step >= 1.0 {
            Self { from: index as f32 * step, to: (index + 1) as f32 * step, last: side - 1 }
        } else {
            // Between the middles of two pixels: a window of one pixel's width has the same weights.
            let from = ((index as f32 + 0.5) * step - 0.5).clamp(0.0, side as f32 - 1.0);
            Self { from, to: from + 1.0, last: side - 1 }
        }
    }

    fn each(self) -> impl Iterator<Item = (i32, f32)> {
        let whole = self.to - self.from;
        (self.from as i32..self.to.ceil() as i32).map(move |at| {
            let share = (self.to.min(at as f32 + 1.0) - self.from.max(at as f32)).max(0.0);
            (at.min(self.last), share / whole)
        })
    }
}

/// A place beyond the edge is mirrored at it, without the edge's own pixel twice.
fn mirrored(at: i32, length: i32) -> usize {
    let last = (length - 1).max(0);
    if last == 0 {
        return 0;
    }
    let folded = at.rem_euclid(2 * last);
    folded.min(2 * last - folded) as usize
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn square_is_that_of_its_authors() {
        let face = Bounds { x: 100.0, y: 50.0, width: 80.0, height: 100.0 };
        assert_eq!(Square::about(&face, 640, 480), Square { left: 65, top: 25, side: 150 });
    }

    #[test]
    fn square_is_averaged_and_mirrored_at_the_edge() {
        let picture = RgbImage::from_fn(64, 64, |x, y| image::Rgb([x as u8, y as u8, 255]));
        let mut input = vec![0.0; 3 * 4 * 4];
        Square { left: 0, top: 0, side: 16 }.fill_rgb(&picture, 4, &mut input);
        assert!((input[0] - 1.5 / 255.0).abs() < 1e-5 && (input[2] - 1.0).abs() < 1e-5, "{input:?}");
        Square { left: -4, top: 0, side: 4 }.fill_rgb(&picture, 4, &mut input);
        let reds: Vec<u8> = (0..4).map(|x| (input[3 * x] * 255.0 + 0.5) as u8).collect();
        assert_eq!(reds, [4, 3, 2, 1]);
    }

    proptest! {
        #[test]
        fn no_box_makes_it_fail(
            x in proptest::num::f32::ANY, y in proptest::num::f32::ANY, w in proptest::num::f32::ANY,
            h in proptest::num::f32::ANY, width in 1u32..90, height in 1u32..90
        ) {
            let square = Square::about(&Bounds { x, y, width: w, height: h }, width, height);
            let mut input = vec![0.0; 3 * 8 * 8];
            square.fill_rgb(&RgbImage::from_pixel(width, height, image::Rgb([255; 3])), 8, &mut input);
            prop_assert!(input.iter().all(|value| (value - 1.0).abs() < 1e-3), "{input:?}");
        }
    }
}
