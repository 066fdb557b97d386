//! Finding faces in a whole picture. The site chooses one of several detectors.

mod blazeface;
mod letterbox;
mod seetaface;
mod yunet;

use image::RgbImage;
use models::store::Store;

use super::error::EngineError;
use super::face::Face;
use crate::config::DetectorChoice;

/// Finds the faces of a picture.
pub trait Detector {
    /// All faces, in no particular order.
    ///
    /// # Errors
    /// [`EngineError::Run`] when the network fails.
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
