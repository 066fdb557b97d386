//! A face is followed by its own landmarks between two looks of the detector.
//!
//! The mesh of one frame says where the face is, and the next frame's crop is taken there, as MediaPipe's own
//! graph does. The box and the points that the detector gave are moved as the landmarks have moved since: the
//! mesh gets the crop that it would have got from the detector. Pure: points in, places out.

use faces::warp::Affine;
use vision::face::{Bounds, Face, Point};

/// A face that the detector found, and where it is by now.
#[derive(Debug, Clone)]
pub(super) struct Followed {
    found: Face,
    /// The landmarks in the frame in which it was found.
    five: [Point; 5],
    place: Face,
}

impl Followed {
    /// `face` is what the detector found, `five` the landmarks that the mesh found there.
    pub(super) fn new(face: &Face, five: [Point; 5]) -> Self {
        Self { found: face.clone(), five, place: face.clone() }
    }

    /// Its landmarks are here now; `None` when they say nothing about the place.
    pub(super) fn moved(mut self, five: &[Point; 5]) -> Option<Self> {
        let map = Affine::similarity(&self.five, five)?;
        let scale = map.x[0].hypot(map.y[0]);
        let bounds = &self.found.bounds;
        let centre = map.apply(bounds.centre());
        let (width, height) = (bounds.width * scale, bounds.height * scale);
        self.place.bounds = Bounds { x: centre.x - width / 2.0, y: centre.y - height / 2.0, width, height };
        self.place.points = self.found.points.map(|points| points.map(|point| map.apply(point)));
        Some(self)
    }

    /// The face as the detector would find it.
    pub(super) fn place(&self) -> &Face {
        &self.place
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn the_box_goes_where_the_landmarks_go() {
        let five = [(38.0, 52.0), (74.0, 52.0), (56.0, 72.0), (42.0, 92.0), (71.0, 92.0)];
        let five = five.map(|(x, y)| Point { x, y });
        let bounds = Bounds { x: 20.0, y: 30.0, width: 70.0, height: 70.0 };
        let followed = Followed::new(
            &Face { bounds, score: 0.9, points: Some(five), by: vision::face::DetectorChoice::Blazeface },
            five,
        );
        assert_eq!(followed.place().bounds, bounds);
        let nearer = five.map(|p| Point { x: 2.0 * p.x - 10.0, y: 2.0 * p.y + 5.0 });
        let moved = followed.clone().moved(&nearer).unwrap();
        let Face { bounds, points, .. } = moved.place();
        assert!((bounds.x - 30.0).abs() < 1e-3 && (bounds.y - 65.0).abs() < 1e-3, "{bounds:?}");
        assert!((bounds.width - 140.0).abs() < 1e-3 && (points.unwrap()[0].x - 66.0).abs() < 1e-3);
        // Always from where it was found: errors do not add up.
        assert_eq!(moved.moved(&five).unwrap().place().bounds.width, 70.0);
        assert!(followed.moved(&[five[0]; 5]).is_none());
    }
}
