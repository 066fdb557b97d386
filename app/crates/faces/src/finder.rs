//! Finding the faces of a picture: with the site's detector at the door, and with every one there is in a
//! photo.

use std::path::Path;

use image::RgbImage;
use models::store::Store;

use super::detector;
use super::detector::Detector;
use super::error::EngineError;
use vision::face::DetectorChoice;
use vision::face::Face;

/// A face of a second detector that overlaps a known one by this much (intersection over union) is the same
/// face.
const SAME_FACE: f32 = 0.2;

/// The detectors that look at a photo besides the chosen one. One detector alone misses the second person
/// of some group photos, and a photo is looked at once: what two models more cost does not matter there.
const SECOND_LOOK: [DetectorChoice; 3] =
    [DetectorChoice::Blazeface, DetectorChoice::BlazefaceFullRange, DetectorChoice::Yunet];

/// The detectors, without the models that recognise.
pub struct Finder {
    choice: DetectorChoice,
    chosen: Box<dyn Detector>,
    /// Loaded with the first photo: recognition at the door does not need them.
    second_look: Option<Vec<Box<dyn Detector>>>,
    store: Store,
}

impl Finder {
    /// Loads the detector that the configuration chooses from the folder of weights.
    ///
    /// # Errors
    /// [`EngineError::Load`] names the model and what to do.
    pub fn load(models_dir: &Path, choice: DetectorChoice) -> Result<Self, EngineError> {
        let store = Store::open(models_dir).map_err(|error| EngineError::store("store", &error))?;
        Self::of_store(store, choice)
    }

    /// The same with weights from `store`.
    ///
    /// # Errors
    /// As [`Self::load`].
    pub fn of_store(store: Store, choice: DetectorChoice) -> Result<Self, EngineError> {
        Ok(Self { choice, chosen: detector::load(choice, &store)?, second_look: None, store })
    }

    /// Names the detectors that look at a photo, with their weights: others may find somebody else in it.
    pub fn detectors(&self) -> String {
        let others = SECOND_LOOK.into_iter().filter(|other| *other != self.choice);
        let all = std::iter::once(self.choice).chain(others);
        let names: Vec<String> = all.filter_map(|choice| detector::name(choice, &self.store)).collect();
        names.join(" ")
    }

    /// Finds all faces with the site's detector, the largest first.
    ///
    /// # Errors
    /// [`EngineError::Run`] when the model fails.
    pub fn find(&mut self, picture: &RgbImage) -> Result<Vec<Face>, EngineError> {
        let mut faces = self.chosen.detect(picture)?;
        faces.retain(is_sane);
        sort(&mut faces);
        Ok(faces)
    }

    /// Finds the faces of a photo with every detector there is, the largest first.
    ///
    /// # Errors
    /// As [`Self::find`].
    pub fn find_thoroughly(&mut self, photo: &RgbImage) -> Result<Vec<Face>, EngineError> {
        let mut faces = self.find(photo)?;
        let (choice, store) = (self.choice, &self.store);
        // Of the second detectors some are optional, and one whose weights are missing leaves it to the
        // others.
        let others = self.second_look.get_or_insert_with(|| {
            let others = SECOND_LOOK.into_iter().filter(|other| *other != choice);
            others.filter_map(|other| detector::load(other, store).ok()).collect()
        });
        for other in others {
            for face in other.detect(photo)? {
                if is_sane(&face) && faces.iter().all(|known| known.bounds.overlap(&face.bounds) < SAME_FACE)
                {
                    faces.push(face);
                }
            }
        }
        sort(&mut faces);
        Ok(faces)
    }
}

fn is_sane(face: &Face) -> bool {
    face.bounds.area().is_finite() && face.bounds.width >= 1.0
}

fn sort(faces: &mut [Face]) {
    faces.sort_by(|a, b| b.bounds.area().total_cmp(&a.bounds.area()));
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn a_detector_without_weights_is_not_named() {
        let folder = tempfile::tempdir().unwrap();
        assert_eq!(Finder::load(folder.path(), DetectorChoice::Rustface).unwrap().detectors(), "rustface");
    }
}
