//! BlazeFace on a whole frame.

use image::RgbImage;
use models::Role;
use models::blazeface::{BlazeFace, Range};
use models::store::Store;

use super::Detector;
use super::letterbox::Fitter;
use crate::error::EngineError;
use vision::face::DetectorChoice;
use vision::face::{Bounds, Face};

/// Least score of a face; MediaPipe's value.
const MIN_SCORE: f32 = 0.5;

/// BlazeFace with the buffers it needs.
pub(super) struct Blaze {
    network: BlazeFace,
    choice: DetectorChoice,
    fitter: Fitter,
    /// The model's value of each colour.
    values: [f32; 256],
}

impl Blaze {
    pub(super) fn load(store: &Store, range: Range) -> Result<Self, EngineError> {
        let (role, choice) = match range {
            Range::Short => (Role::FaceDetectorShortRange, DetectorChoice::Blazeface),
            Range::Full => (Role::FaceDetectorFullRange, DetectorChoice::BlazefaceFullRange),
        };
        let network = EngineError::load(store, role, |weights| BlazeFace::load(range, weights))?;
        let values = std::array::from_fn(|colour| colour as f32 / 127.5 - 1.0);
        Ok(Self { network, choice, fitter: Fitter::default(), values })
    }
}

impl Detector for Blaze {
    fn detect(&mut self, picture: &RgbImage) -> Result<Vec<Face>, EngineError> {
        let side = self.network.side();
        let fitted = self.fitter.fit(picture, side).map_err(|error| EngineError::run("detector", &error))?;
        let found = self
            .network
            .detect_with(
                |input| fitted.fill(input, |colour| colour.map(|c| self.values[usize::from(c)])),
                MIN_SCORE,
            )
            .map_err(|error| EngineError::run("detector", &error))?;
        // Fractions of the square to pixels of the frame.
        let place = |point: [f32; 2]| fitted.place.place(point.map(|fraction| fraction * side as f32));
        Ok(found
            .iter()
            .map(|face| {
                let [left, top, right, bottom] = face.bounds;
                let [right_eye, left_eye, nose, mouth, ..] = face.points.map(place);
                Face {
                    bounds: Bounds::between(place([left, top]), place([right, bottom])),
                    score: face.score,
                    by: self.choice,
                    points: Some([right_eye, left_eye, nose, mouth, mouth]),
                }
            })
            .collect())
    }
}
