//! Where the photos and the cache of their embeddings lie.

use std::path::PathBuf;

use base::erasure::Erased;
use vision::photos::{Layout, Photos};
use vision::scan::Listing;

use super::Settings;

/// Where photos and cache lie.
#[derive(Debug, Clone, Default)]
pub struct Places {
    /// Folder of the photos.
    pub photos: PathBuf,
    /// The cache file; `None` keeps nothing.
    pub cache: Option<PathBuf>,
    /// Students who are not enrolled, whatever photos lie there.
    pub erased: Erased,
}

impl Places {
    /// The places a configuration names: the mirror of the backend, or the site's own folder.
    pub fn of(settings: &Settings) -> Self {
        let data = &settings.data_dir;
        let photos = match (&settings.photos.url, &settings.photos.folder) {
            (Some(_), _) => data.join("cached_faces"),
            (None, Some(folder)) => folder.clone(),
            (None, None) => data.join("known_faces"),
        };
        let cache = Some(data.join(settings.recognition.embedder.cache()));
        Self { photos, cache, erased: settings.erased.clone() }
    }

    /// What lies there, but for the students who were erased.
    pub fn admit(&self, mut listing: Listing, photos: &Photos) -> Listing {
        listing.photos.retain(|photo| !self.erased.holds(&photo.roll));
        let depth = depth(photos);
        listing.ignored.retain(|ignored| !self.erased.in_path(&ignored.path, depth));
        listing
    }
}

/// Where in a photo's path below the photo folder the roll number stands, from 0.
pub fn depth(photos: &Photos) -> usize {
    match photos.layout_on_disk() {
        Layout::Auto | Layout::Roll => 0,
        Layout::GroupRoll => 1,
    }
}
