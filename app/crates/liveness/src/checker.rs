//! The tests of liveness, run on one face of one frame.

use std::time::Duration;

use image::RgbImage;
use models::store::Store;

use super::blink;
use super::eyes::Eyes;
use super::observation::{Observation, Summary};
use super::passive::Passive;
use super::requirement::Requirement;
use super::state::State;
use crate::config;
use faces::error::EngineError;
use faces::landmarks::Landmarks;
use vision::face::Bounds;

/// The models of liveness with what the site requires.
pub struct Checker {
    passive: Option<Passive>,
    eyes: Option<Eyes>,
    requirement: Requirement,
}

impl Checker {
    /// Loads what the site's rule needs; nothing when it is "off".
    ///
    /// # Errors
    /// [`EngineError::Load`] when weights are damaged. Missing anti-spoof models are not an error: then a
    /// blink is required.
    pub fn load(store: &Store, config: &config::Liveness) -> Result<Self, EngineError> {
        if config.require == config::LivenessRule::Off {
            return Ok(Self {
                passive: None,
                eyes: None,
                requirement: Requirement::new(config.require, false),
            });
        }
        let passive = Passive::load(store)?;
        let requirement = Requirement::new(config.require, passive.is_some());
        Ok(Self { passive, eyes: Some(Eyes::load(store)?), requirement })
    }

    /// What is required, as far as the models at hand allow.
    pub fn requirement(&self) -> Requirement {
        self.requirement
    }

    /// Whether the passive models are loaded.
    pub fn has_passive(&self) -> bool {
        self.passive.is_some()
    }

    /// Runs the models on one face, the passive ones only where they are to vote. `at` is the time of the
    /// frame in its film, `None` for a single picture.
    ///
    /// # Errors
    /// [`EngineError::Run`] when a model fails.
    pub fn observe(
        &mut self,
        picture: &RgbImage,
        landmarks: &Landmarks,
        votes: bool,
        at: Option<Duration>,
    ) -> Result<Observation, EngineError> {
        let face = face_bounds(&landmarks.mesh);
        let voters = self.passive.as_mut().filter(|_| votes);
        let live = voters.map(|passive| passive.score(picture, &face, at)).transpose()?;
        let opening = match &mut self.eyes {
            Some(eyes) => eyes.opening(picture, landmarks)?,
            None => None,
        };
        let opening = opening.and_then(|opening| blink::relative(opening, &landmarks.mesh));
        Ok(Observation { live, opening })
    }

    /// The decision over what is known of a track.
    pub fn judge(&self, state: &State) -> Summary {
        self.requirement.judge(state)
    }
}

/// The box of a face as the anti-spoof models' own detector draws it: forehead to chin and ear to ear,
/// which is where the mesh ends. It does not depend on which detector found the face.
pub fn face_bounds(mesh: &[[f32; 3]]) -> Bounds {
    let range = |axis: usize| {
        mesh.iter().fold((f32::INFINITY, f32::NEG_INFINITY), |(low, high), point| {
            (low.min(point[axis]), high.max(point[axis]))
        })
    };
    let ((left, right), (top, bottom)) = (range(0), range(1));
    Bounds { x: left, y: top, width: right - left, height: bottom - top }
}
