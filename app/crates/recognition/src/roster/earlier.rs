//! The roster of an earlier embedder, for the time until the present one has seen every photo.
//!
//! After an update or a setting that changes the embedder, every photo must be embedded again: minutes for a
//! thousand of them. The embeddings of the earlier one are still on the disk, and recognition goes on with
//! them; no photo is opened for that. When the new roster is whole, they are deleted.

use std::path::Path;

use base::identity::RollNumber;
use models::store::Store;
use vision::scan::scan;

use super::cache::{Cache, Entry, keeps_marks};
use super::enrol::roster;
use super::places::Places;
use super::report::Roster;
use super::settings::Settings;
use crate::engine::{earlier_model_hash, model_hash};
use crate::naming::likeness::Likeness;
use crate::naming::threshold::Calibration;
use faces::embedder::EmbedderChoice;
use faces::finder::Finder;

/// The roster of the embedder that knows most of the photos, where that is not the chosen one.
///
/// A photo that changed since is left out: whom it shows is not known. On a file system that does not tell
/// changes nothing is known of any photo.
pub fn earlier(settings: &Settings) -> Option<Roster> {
    let places = Places::of(settings);
    let store = Store::open(&settings.models_dir).ok()?;
    let chosen = settings.recognition.embedder;
    let kept = others(chosen).filter(|other| settings.data_dir.join(other.cache()).exists());
    let kept: Vec<EmbedderChoice> = kept.collect();
    if kept.is_empty() || !keeps_marks(&places.photos) {
        return None;
    }
    let mut listing = scan(&places.photos, &settings.photos).ok()?;
    places.add_those_of_the_door(&mut listing, &settings.photos);
    let listing = places.admit(listing, &settings.photos);
    let detectors = Finder::of_store(store.clone(), settings.recognition.detector).ok()?.detectors();
    let known = |embedder: EmbedderChoice| -> Vec<(String, RollNumber, Entry)> {
        let path = settings.data_dir.join(embedder.cache());
        let mut cache = Cache::load(&path, &model_hash(&store, embedder), &detectors);
        if cache.paths().next().is_none() {
            cache = Cache::load(&path, &earlier_model_hash(&store, embedder), &detectors);
        }
        let entry = |photo: &vision::scan::PhotoFile| cache.untouched(photo);
        let photos = listing.photos.iter();
        photos.filter_map(|photo| Some((photo.path.clone(), photo.roll.clone(), entry(photo)?))).collect()
    };
    let of_kept = kept.into_iter().map(|other| (other, known(other)));
    let (other, old) = of_kept.max_by_key(|(_, photos)| photos.len())?;
    let calibration = Calibration::of(None, other).ok()?;
    (old.len() > known(chosen).len()).then(|| {
        let likeness = Likeness::of(&calibration);
        roster(old, listing.ignored.clone(), &settings.photos, likeness, Some(&calibration))
    })
}

/// Deletes the embeddings of the embedders that are not chosen: the roster of the chosen one is whole.
pub fn forget(data_dir: &Path, chosen: EmbedderChoice) {
    let Ok(entries) = std::fs::read_dir(data_dir) else { return };
    // Also those of an embedder that only another version of this program knows.
    let is_other = |name: &str| {
        name.starts_with("embeddings") && name.ends_with(".safetensors") && name != chosen.cache()
    };
    for entry in entries.flatten().filter(|entry| entry.file_name().to_str().is_some_and(is_other)) {
        let path = entry.path();
        match std::fs::remove_file(&path) {
            Ok(()) => log::info!("{} is deleted: the new embeddings are complete", path.display()),
            Err(error) => log::warn!("{} cannot be deleted: {error}; delete it by hand", path.display()),
        }
    }
}

/// All embedders but the chosen one.
fn others(chosen: EmbedderChoice) -> impl Iterator<Item = EmbedderChoice> {
    EmbedderChoice::ALL.into_iter().filter(move |embedder| *embedder != chosen)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use crate::Quality;
    use crate::config::Recognition;
    use crate::roster::PhotoOutcome;
    use crate::roster::cache::Seen;
    use vision::embedding::Embedding;
    use vision::face::{Bounds, DetectorChoice};

    /// Writes the cache of `embedder` as it stands after all photos of `settings` were enrolled.
    fn remember(settings: &Settings, embedder: EmbedderChoice) {
        let store = Store::open(&settings.models_dir).unwrap();
        let mut cache = Cache::default();
        let photos = scan(&Places::of(settings).photos, &settings.photos).unwrap().photos;
        for (number, photo) in photos.iter().enumerate() {
            let mut raw = vec![0.0; embedder.dimensions()];
            raw[number] = 1.0;
            let entry = Entry {
                seen: Seen::of(photo, i128::MAX),
                sha256: format!("{number}"),
                content: None,
                outcome: PhotoOutcome::Enrolled { quality: Quality::default(), bounds: Bounds::default() },
                embedding: Some(Embedding::normalised(&raw).unwrap()),
            };
            cache.insert(photo.path.clone(), entry);
        }
        let path = settings.data_dir.join(embedder.cache());
        cache.save(&path, &model_hash(&store, embedder), "rustface").unwrap();
    }

    #[test]
    fn the_earlier_embedders_photos_go_on_until_the_new_ones_are_complete() {
        let folder = tempfile::tempdir().unwrap();
        let place = |name: &str| folder.path().join(name);
        std::fs::create_dir(place("models")).unwrap();
        for photo in ["1/a.jpg", "2/b.jpg"] {
            let photo = place("known_faces").join(photo);
            std::fs::create_dir_all(photo.parent().unwrap()).unwrap();
            std::fs::write(photo, "a picture that nobody opens").unwrap();
        }
        let settings = Settings {
            recognition: Recognition { detector: DetectorChoice::Rustface, ..Recognition::default() },
            data_dir: folder.path().to_owned(),
            models_dir: place("models"),
            ..Settings::default()
        };
        assert!(earlier(&settings).is_none(), "there is no earlier one");

        remember(&settings, EmbedderChoice::Mobilefacenet);
        let Some(roster) = earlier(&settings) else {
            assert!(!keeps_marks(folder.path()));
            return;
        };
        assert_eq!((roster.gallery.people(), roster.report.photos.len()), (2, 2));
        assert_eq!(roster.gallery.embedder(), Some(EmbedderChoice::Mobilefacenet));

        std::thread::sleep(std::time::Duration::from_millis(10));
        std::fs::write(place("known_faces/2/b.jpg"), "somebody else, perhaps").unwrap();
        assert_eq!(earlier(&settings).unwrap().gallery.people(), 1, "a changed photo is left out");

        remember(&settings, EmbedderChoice::Sface);
        assert!(earlier(&settings).is_none(), "the new one knows more");
        std::fs::write(place("embeddings-later.safetensors"), "of a version to come").unwrap();
        forget(&settings.data_dir, EmbedderChoice::Sface);
        assert!(!place("embeddings-later.safetensors").exists());
        assert!(!place(EmbedderChoice::Mobilefacenet.cache()).exists());
        assert!(place(EmbedderChoice::Sface.cache()).exists());
    }
}
