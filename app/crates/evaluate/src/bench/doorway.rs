//! A drawn doorway: what the camera sees while nobody stands before it.

use image::{Rgb, RgbImage};

/// Size of the composed frames, pixels.
pub const SIZE: (u32, u32) = (640, 480);

/// What a doorway looks like.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// Shelves, posters and tiles: texture everywhere.
    Textured,
    /// One even wall, lit from above.
    Plain,
}

/// Draws a doorway. The same seed always draws the same one.
pub fn draw(kind: Kind, seed: u64) -> RgbImage {
    let mut random = fastrand::Rng::with_seed(seed);
    let wall: [f32; 3] = std::array::from_fn(|_| 120.0 + 80.0 * random.f32());
    let mut colours = vec![wall; (SIZE.0 * SIZE.1) as usize];
    if kind == Kind::Textured {
        let tile = 30 + random.u32(..20);
        for (index, colour) in colours.iter_mut().enumerate() {
            let (x, y) = (index as u32 % SIZE.0, index as u32 / SIZE.0);
            if x % tile < 2 || y % tile < 2 {
                *colour = colour.map(|value| 0.6 * value);
            }
        }
        for _ in 0..160 {
            rectangle(&mut colours, &mut random);
        }
    }
    RgbImage::from_fn(SIZE.0, SIZE.1, |x, y| {
        let light = 1.05 - 0.3 * y as f32 / SIZE.1 as f32;
        let colour = colours[(y * SIZE.0 + x) as usize];
        Rgb(colour.map(|value| (light * value).clamp(0.0, 255.0) as u8))
    })
}

/// A poster, a book or a notice: a rectangle with lines of writing.
fn rectangle(colours: &mut [[f32; 3]], random: &mut fastrand::Rng) {
    let (width, height) = (14 + random.u32(..70), 14 + random.u32(..70));
    let (left, top) = (random.u32(..SIZE.0), random.u32(..SIZE.1));
    let paper: [f32; 3] = std::array::from_fn(|_| 30.0 + 210.0 * random.f32());
    let ink: [f32; 3] = std::array::from_fn(|_| 20.0 + 200.0 * random.f32());
    let line = 5 + random.u32(..9);
    for y in top..(top + height).min(SIZE.1) {
        for x in left..(left + width).min(SIZE.0) {
            let written = (y - top) % line < 2 && (x * 7 + y / line * 13) % 11 < 8;
            colours[(y * SIZE.0 + x) as usize] = if written { ink } else { paper };
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn doorway_is_drawn_the_same_again_and_kinds_differ_in_texture() {
        let edges = |picture: &RgbImage| {
            let grey = |x, y| i32::from(picture.get_pixel(x, y)[0]);
            (1..SIZE.0).filter(|x| (grey(*x, 200) - grey(*x - 1, 200)).abs() > 12).count()
        };
        let textured = draw(Kind::Textured, 3);
        assert_eq!(textured, draw(Kind::Textured, 3));
        assert_ne!(textured, draw(Kind::Textured, 4));
        assert!(edges(&textured) > 40 && edges(&draw(Kind::Plain, 3)) == 0);
    }
}
