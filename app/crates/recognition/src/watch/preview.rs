//! The picture a technician sees: the last frame, small, and where the faces are in it.

use image::RgbImage;
use serde::Serialize;

use base::event::Advice;
use base::identity::RollNumber;
use vision::face::Bounds;
use vision::shrink::{Filter, Shrinker};

/// Width of a preview, pixels: enough to aim the camera, little to send.
const WIDTH: u32 = 480;

/// One followed face.
#[derive(Debug, Clone, Serialize)]
pub struct TrackView {
    /// Its number.
    pub track: u64,
    /// Where it is.
    pub bounds: Bounds,
    /// Who it seems to be.
    pub roll: Option<RollNumber>,
    /// Best similarity of the last match.
    pub similarity: f32,
    /// Votes for that person.
    pub votes: u32,
    /// Liveness scores in words.
    pub liveness: String,
    /// What the person is asked to do.
    pub advice: Option<Advice>,
}

/// A small copy of a frame, with its faces.
#[derive(Debug)]
pub struct Preview {
    /// The picture, at most 480 pixels wide.
    pub picture: RgbImage,
    /// The faces of this very frame, their bounds in the small picture's pixels.
    pub tracks: Vec<TrackView>,
}

impl Preview {
    /// A small copy of `frame`; `tracks` are in the frame's pixels.
    pub(super) fn of(frame: &RgbImage, mut tracks: Vec<TrackView>) -> Self {
        let width = WIDTH.min(frame.width()).max(1);
        let scale = width as f32 / frame.width().max(1) as f32;
        let height = ((frame.height() as f32 * scale) as u32).max(1);
        for bounds in tracks.iter_mut().map(|track| &mut track.bounds) {
            for value in [&mut bounds.x, &mut bounds.y, &mut bounds.width, &mut bounds.height] {
                *value *= scale;
            }
        }
        // It fails for what is no picture only; it would stay black.
        let shrunk = Shrinker::default().shrink(frame, (width, height), Filter::Mean).cloned();
        Self { picture: shrunk.unwrap_or_else(|_| RgbImage::new(width, height)), tracks }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_faces_shrink_with_the_picture_and_nothing_is_drawn_into_it() {
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
        let stripes = RgbImage::from_fn(960, 540, |x, _| image::Rgb([[10, 30][x as usize % 2], 7, 200]));
        let preview = Preview::of(&stripes, vec![track]);
        assert_eq!(preview.picture.dimensions(), (480, 270));
        assert!(preview.picture.pixels().all(|pixel| pixel.0 == [20, 7, 200]));
        let small = preview.tracks[0].bounds;
        assert_eq!((small.x, small.y, small.width, small.height), (450.0, -25.0, 100.0, 150.0));
    }
}
