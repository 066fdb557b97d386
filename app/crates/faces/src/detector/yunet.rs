//! YuNet on a whole frame: five points, and better than BlazeFace at several and at distant faces.

use image::RgbImage;
use models::Role;
use models::store::Store;
use models::yunet::YuNet;

use super::Detector;
use super::letterbox::Fitter;
use crate::error::EngineError;
use vision::face::DetectorChoice;
use vision::face::{Bounds, Face};

/// Side of the square that a frame is made to fit, pixels.
const SIDE: usize = 320;

/// Least score of a face. Upstream uses 0.6 for distant faces and 0.9 for few false finds; the mesh looks at
/// every find again.
const MIN_SCORE: f32 = 0.7;

/// The file to take: both hold the same weights, and only the larger one's is in a registry.
pub(super) fn role(store: &Store) -> Role {
    if store.has(Role::DetectorYunet640) { Role::DetectorYunet640 } else { Role::DetectorYunet320 }
}

/// YuNet with the buffers it needs.
pub(super) struct Yu {
    network: YuNet,
    fitter: Fitter,
}

impl Yu {
    pub(super) fn load(store: &Store) -> Result<Self, EngineError> {
        let network = EngineError::load(store, role(store), |weights| YuNet::load(SIDE, SIDE, weights))?;
        Ok(Self { network, fitter: Fitter::default() })
    }
}

impl Detector for Yu {
    fn detect(&mut self, picture: &RgbImage) -> Result<Vec<Face>, EngineError> {
        let fitted = self.fitter.fit(picture, SIDE).map_err(|error| EngineError::run("detector", &error))?;
        let found = self
            .network
            .detect_with(|input| fitted.fill(input, |[r, g, b]| [b, g, r].map(f32::from)), MIN_SCORE)
            .map_err(|error| EngineError::run("detector", &error))?;
        let place = |point| fitted.place.place(point);
        Ok(found
            .iter()
            .map(|face| {
                let [left, top, right, bottom] = face.bounds;
                Face {
                    bounds: Bounds::between(place([left, top]), place([right, bottom])),
                    score: face.score,
                    by: DetectorChoice::Yunet,
                    points: Some(face.points.map(place)),
                }
            })
            .collect())
    }
}
