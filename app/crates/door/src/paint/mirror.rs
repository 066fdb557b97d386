//! People's own picture, mirrored and brought to the size of its place.

use tiny_skia::Pixmap;

/// A camera picture, and where the faces are in it.
#[derive(Debug, Clone, Default)]
pub struct Live {
    /// Width, pixels.
    pub width: u32,
    /// Height, pixels.
    pub height: u32,
    /// Red, green, blue of each pixel, by rows.
    pub rgb: Vec<u8>,
    /// The faces, in its pixels: left, top, width, height.
    pub faces: Vec<[f32; 4]>,
}

/// A place on the screen, pixels.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Place {
    /// Left.
    pub x: u32,
    /// Top.
    pub y: u32,
    /// Width.
    pub width: u32,
    /// Height.
    pub height: u32,
}

impl Place {
    /// The smallest place that holds both.
    #[must_use]
    pub fn with(self, other: Self) -> Self {
        if self.width == 0 || self.height == 0 {
            return other;
        }
        if other.width == 0 || other.height == 0 {
            return self;
        }
        let (x, y) = (self.x.min(other.x), self.y.min(other.y));
        let right = (self.x + self.width).max(other.x + other.width);
        let bottom = (self.y + self.height).max(other.y + other.height);
        Self { x, y, width: right - x, height: bottom - y }
    }

    /// Whether there is nothing in it.
    pub fn is_empty(self) -> bool {
        self.width == 0 || self.height == 0
    }
}

/// The part of a picture that is shown, and its scale.
struct Crop {
    left: f32,
    top: f32,
    /// Source pixels for each pixel of the place.
    step: f32,
}

impl Crop {
    fn of(live: &Live, place: Place) -> Self {
        let step = (live.width as f32 / place.width as f32).min(live.height as f32 / place.height as f32);
        Self {
            left: (live.width as f32 - place.width as f32 * step) / 2.0,
            top: (live.height as f32 - place.height as f32 * step) / 2.0,
            step,
        }
    }
}

impl Live {
    fn is_whole(&self) -> bool {
        let pixels = self.width as usize * self.height as usize;
        pixels > 0 && self.rgb.len() >= 3 * pixels
    }

    /// Where the faces are on the screen when the picture fills `place`: left, top, width, height.
    pub fn faces_in(&self, place: Place) -> Vec<[f32; 4]> {
        if !self.is_whole() || place.is_empty() {
            return Vec::new();
        }
        let crop = Crop::of(self, place);
        let shown = |[x, y, width, height]: &[f32; 4]| {
            let left = self.width as f32 - x - width;
            [
                place.x as f32 + (left - crop.left) / crop.step,
                place.y as f32 + (y - crop.top) / crop.step,
                width / crop.step,
                height / crop.step,
            ]
        };
        self.faces.iter().map(shown).collect()
    }

    /// Fills `place` of the screen with the middle of the picture, left and right exchanged.
    pub fn fill(&self, pixmap: &mut Pixmap, place: Place) {
        let (columns, rows) = (pixmap.width(), pixmap.height());
        if !self.is_whole()
            || place.is_empty()
            || place.x + place.width > columns
            || place.y + place.height > rows
        {
            return;
        }
        let crop = Crop::of(self, place);
        let across: Vec<(usize, usize, u32)> = (0..place.width)
            .map(|x| {
                let at = self.width as f32 - 1.0 - (crop.left + (x as f32 + 0.5) * crop.step - 0.5);
                let (first, second, share) = between(at, self.width);
                (3 * first, 3 * second, share)
            })
            .collect();
        let stride = 3 * self.width as usize;
        let data = pixmap.data_mut();
        // Rows of the picture that have the width of the place already: most are used several times.
        let mut wide = [(); 2].map(|()| (None, vec![255; 4 * across.len()]));
        for y in 0..place.height {
            let (upper, lower, down) = between(crop.top + (y as f32 + 0.5) * crop.step - 0.5, self.height);
            if wide[0].0 != Some(upper) {
                wide.swap(0, 1);
            }
            for ((at, wide), wanted) in wide.iter_mut().zip([upper, lower]) {
                if *at != Some(wanted) {
                    widen(&self.rgb[wanted * stride..(wanted + 1) * stride], &across, wide);
                    *at = Some(wanted);
                }
            }
            let start = 4 * ((place.y + y) as usize * columns as usize + place.x as usize);
            let row = &mut data[start..start + 4 * across.len()];
            // In 16 bits, so that the compiler makes vectors of it on every processor.
            let down = down as u16;
            for ((to, upper), lower) in row.iter_mut().zip(&wide[0].1).zip(&wide[1].1) {
                *to = ((u16::from(*upper) * (256 - down) + u16::from(*lower) * down) >> 8) as u8;
            }
        }
    }
}

/// A row of the picture as wide as its place: red, green, blue, and opaque as before.
fn widen(row: &[u8], across: &[(usize, usize, u32)], wide: &mut [u8]) {
    for (pixel, (first, second, share)) in wide.chunks_exact_mut(4).zip(across) {
        for channel in 0..3 {
            let (a, b) = (u32::from(row[first + channel]), u32::from(row[second + channel]));
            pixel[channel] = ((a * (256 - share) + b * share + 128) >> 8) as u8;
        }
    }
}

/// The two pixels that a place lies between, and the second's share of 256.
fn between(at: f32, count: u32) -> (usize, usize, u32) {
    let at = at.clamp(0.0, (count - 1) as f32);
    let first = at as u32;
    (first as usize, (first + 1).min(count - 1) as usize, ((at - first as f32) * 256.0) as u32)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    fn halves() -> Live {
        // Left half red, right half blue.
        let rgb = (0..4 * 2).flat_map(|n| if n % 4 < 2 { [200, 0, 0] } else { [0, 0, 200] }).collect();
        Live { width: 4, height: 2, rgb, faces: vec![[0.0, 0.0, 1.0, 1.0]] }
    }

    #[test]
    fn left_and_right_are_exchanged_for_picture_and_faces() {
        let mut pixmap = Pixmap::new(60, 40).unwrap();
        let place = Place { x: 10, y: 5, width: 40, height: 20 };
        halves().fill(&mut pixmap, place);
        let at = |x, y| pixmap.pixel(x, y).unwrap();
        assert_eq!((at(11, 6).blue(), at(48, 23).red()), (200, 200));
        assert_eq!(at(9, 6).alpha() + at(50, 6).alpha() + at(11, 25).alpha(), 0, "nothing outside its place");
        assert_eq!(halves().faces_in(place), [[40.0, 5.0, 10.0, 10.0]]);
    }

    #[test]
    fn a_broken_picture_and_a_place_outside_draw_nothing() {
        let mut pixmap = Pixmap::new(8, 8).unwrap();
        let all = Place { x: 0, y: 0, width: 8, height: 8 };
        Live { rgb: vec![0; 5], ..halves() }.fill(&mut pixmap, all);
        Live::default().fill(&mut pixmap, all);
        halves().fill(&mut pixmap, Place { x: 4, ..all });
        assert!(pixmap.data().iter().all(|byte| *byte == 0));
        assert!(Live::default().faces_in(all).is_empty());
    }
}
