//! Copies the part of a picture that changed into a display's memory, turned where the display is.

use tiny_skia::Pixmap;

use crate::paint::Place;

/// Copies `changed` of `picture` into `memory`, whose rows have `pitch` bytes and whose pixels are blue,
/// green, red, unused; the picture is turned clockwise by so many `quarters`. What would lie outside is left
/// out.
pub fn blit(memory: &mut [u8], pitch: usize, picture: &Pixmap, changed: Place, quarters: u8) {
    let (width, height) = (picture.width() as usize, picture.height() as usize);
    let right = (changed.x as usize + changed.width as usize).min(width);
    let bottom = (changed.y as usize + changed.height as usize).min(height);
    let (left, top) = (changed.x as usize, changed.y as usize);
    if left >= right || top >= bottom {
        return;
    }
    let data = picture.data();
    for y in top..bottom {
        let row = &data[4 * (y * width + left)..4 * (y * width + right)];
        if quarters == 0 {
            let start = y * pitch + 4 * left;
            let Some(target) = memory.get_mut(start..start + row.len()) else { return };
            for (to, from) in target.chunks_exact_mut(4).zip(row.chunks_exact(4)) {
                to.copy_from_slice(&exchanged(from));
            }
            continue;
        }
        for (x, from) in (left..right).zip(row.chunks_exact(4)) {
            let (column, line) = match quarters {
                1 => (height - 1 - y, x),
                2 => (width - 1 - x, height - 1 - y),
                _ => (y, width - 1 - x),
            };
            let start = line * pitch + 4 * column;
            if let Some(target) = memory.get_mut(start..start + 4) {
                target.copy_from_slice(&exchanged(from));
            }
        }
    }
}

/// Red, green, blue as blue, green, red, unused: as one number, of which the compiler makes vectors.
fn exchanged(pixel: &[u8]) -> [u8; 4] {
    let bytes = pixel.try_into().unwrap_or_default();
    let pixel = u32::from_le_bytes(bytes);
    ((pixel & 0xff) << 16 | pixel & 0xff00 | pixel >> 16 & 0xff).to_le_bytes()
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    /// The picture 3×2 whose red channel counts its pixels from 1.
    fn counted() -> Pixmap {
        let mut picture = Pixmap::new(3, 2).unwrap();
        for (n, pixel) in picture.data_mut().chunks_exact_mut(4).enumerate() {
            pixel.copy_from_slice(&[n as u8 + 1, 50, 60, 255]);
        }
        picture
    }

    fn red(memory: &[u8], pitch: usize, columns: usize) -> Vec<Vec<u8>> {
        memory.chunks(pitch).map(|row| row.chunks(4).take(columns).map(|pixel| pixel[2]).collect()).collect()
    }

    const ALL: Place = Place { x: 0, y: 0, width: 3, height: 2 };

    #[test]
    fn a_picture_is_turned_clockwise() {
        for (quarters, columns, expected) in [
            (0, 3, vec![vec![1, 2, 3], vec![4, 5, 6]]),
            (1, 2, vec![vec![4, 1], vec![5, 2], vec![6, 3]]),
            (2, 3, vec![vec![6, 5, 4], vec![3, 2, 1]]),
            (3, 2, vec![vec![3, 6], vec![2, 5], vec![1, 4]]),
        ] {
            let pitch = 4 * columns + 8;
            let mut memory = vec![0; pitch * expected.len()];
            blit(&mut memory, pitch, &counted(), ALL, quarters);
            assert_eq!(red(&memory, pitch, columns), expected, "{quarters}");
            assert_eq!(&memory[..2], [60, 50], "blue, then green");
        }
    }

    #[test]
    fn only_what_changed_is_copied_and_nothing_outside_the_memory() {
        let mut memory = vec![0; 12 * 2];
        blit(&mut memory, 12, &counted(), Place { x: 1, y: 1, width: 9, height: 9 }, 0);
        assert_eq!(red(&memory, 12, 3), [[0, 0, 0], [0, 5, 6]]);
        for quarters in 0..4 {
            blit(&mut [0; 7], 12, &counted(), ALL, quarters);
            blit(&mut [], 0, &counted(), Place { x: 9, ..ALL }, quarters);
        }
    }
}
