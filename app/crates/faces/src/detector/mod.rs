//! Finding faces in a whole picture. The site chooses one of several detectors.

mod blazeface;
mod letterbox;
mod seetaface;
mod yunet;

use image::RgbImage;
use models::Role;
use models::store::Store;

use super::error::EngineError;
use vision::face::DetectorChoice;
use vision::face::Face;

/// Finds the faces of a picture.
pub trait Detector {
    /// All faces, in no particular order.
    ///
    /// # Errors
    /// [`EngineError::Run`] when the model fails.
    fn detect(&mut self, picture: &RgbImage) -> Result<Vec<Face>, EngineError>;
}

/// Loads the detector that the site chose.
///
/// # Errors
/// [`EngineError::Load`] when its weights cannot be had.
pub fn load(choice: DetectorChoice, store: &Store) -> Result<Box<dyn Detector>, EngineError> {
    use models::blazeface::Range;
    Ok(match choice {
        DetectorChoice::Blazeface => Box::new(blazeface::Blaze::load(store, Range::Short)?),
        DetectorChoice::BlazefaceFullRange => Box::new(blazeface::Blaze::load(store, Range::Full)?),
        DetectorChoice::Rustface => Box::new(seetaface::Seeta::load()?),
        DetectorChoice::Yunet => Box::new(yunet::Yu::load(store)?),
    })
}

/// Names the detector with its weights; `None` where these are not there.
pub(super) fn name(choice: DetectorChoice, store: &Store) -> Option<String> {
    let role = match choice {
        DetectorChoice::Blazeface => Role::FaceDetectorShortRange,
        DetectorChoice::BlazefaceFullRange => Role::FaceDetectorFullRange,
        DetectorChoice::Yunet => yunet::role(store),
        // Part of the program.
        DetectorChoice::Rustface => return Some("rustface".to_owned()),
    };
    store.hash(role).ok().map(|hash| format!("{role}:{hash}"))
}
