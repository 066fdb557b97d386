//! The picture a technician sees: the last frame, small, with a frame about each face.

use image::{Rgb, RgbImage};

use super::view::TrackView;

/// Width of a preview, pixels: enough to aim the camera, little to send.
const WIDTH: u32 = 480;

/// Thickness of a drawn line, pixels.
const LINE: i32 = 2;

const KNOWN: Rgb<u8> = Rgb([60, 200, 90]);
const UNKNOWN: Rgb<u8> = Rgb([240, 190, 40]);

/// Draws the tracks, green with a name and yellow without, into a small copy of the frame.
pub(super) fn draw(picture: &RgbImage, tracks: &[TrackView]) -> RgbImage {
    let width = WIDTH.min(picture.width()).max(1);
    let scale = width as f32 / picture.width().max(1) as f32;
    let height = ((picture.height() as f32 * scale) as u32).max(1);
    let mut small = image::imageops::thumbnail(picture, width, height);
    for track in tracks {
        let colour = if track.roll.is_some() { KNOWN } else { UNKNOWN };
        let edge = |value: f32| (value * scale) as i32;
        let (left, top) = (edge(track.bounds.x), edge(track.bounds.y));
        let (right, bottom) =
            (edge(track.bounds.x + track.bounds.width), edge(track.bounds.y + track.bounds.height));
        fill(&mut small, [left, top, right, top + LINE], colour);
        fill(&mut small, [left, bottom - LINE, right, bottom], colour);
        fill(&mut small, [left, top, left + LINE, bottom], colour);
        fill(&mut small, [right - LINE, top, right, bottom], colour);
    }
    small
}

/// Fills a rectangle (left, top, right, bottom), as far as it lies inside the picture.
fn fill(picture: &mut RgbImage, [left, top, right, bottom]: [i32; 4], colour: Rgb<u8>) {
    for y in top.max(0)..bottom.min(picture.height() as i32) {
        for x in left.max(0)..right.min(picture.width() as i32) {
            picture.put_pixel(x as u32, y as u32, colour);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::recognition::face::Bounds;

    #[test]
    fn a_face_that_reaches_over_the_edge_is_drawn_as_far_as_it_is_seen() {
        let bounds = Bounds { x: 900.0, y: -50.0, width: 200.0, height: 300.0 };
        let track = TrackView {
            track: 1,
            bounds,
            roll: None,
            similarity: 0.0,
            votes: 0,
            liveness: String::new(),
            advice: None,
        };
        let drawn = draw(&RgbImage::new(960, 540), &[track]);
        assert_eq!(drawn.dimensions(), (480, 270));
        assert_eq!(*drawn.get_pixel(450, 50), UNKNOWN);
        assert_eq!(*drawn.get_pixel(470, 60), Rgb([0; 3]));
    }
}
