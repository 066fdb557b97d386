//! Where the photos and the cache of their embeddings lie.

use std::path::PathBuf;

use super::Settings;

/// Where photos and cache lie.
#[derive(Debug, Clone)]
pub struct Places {
    /// Folder of the photos.
    pub photos: PathBuf,
    /// The cache file; `None` keeps nothing.
    pub cache: Option<PathBuf>,
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
        Self { photos, cache: Some(data.join(settings.recognition.embedder.cache())) }
    }
}
