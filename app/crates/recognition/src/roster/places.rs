//! Where the photos and the cache of their embeddings lie.

use std::path::{Path, PathBuf};

use base::erasure::Erased;
use vision::photos::{Layout, Photos, RollPattern};
use vision::scan::{Ignored, Listing, scan};

use super::settings::Settings;

/// The first part of the path of a picture that was taken at the door, in reports and in the cache. No photo
/// of the photo folder has it: folders with a dot are hidden there.
const AT_THE_DOOR: &str = ".at-the-door";

/// Where photos and cache lie.
#[derive(Debug, Clone, Default)]
pub struct Places {
    /// Folder of the photos.
    pub photos: PathBuf,
    /// Folder of the pictures that were taken at the door; `None` where they are not used.
    pub at_the_door: Option<PathBuf>,
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
        Self {
            photos,
            at_the_door: settings.at_the_door.then(|| at_the_door(data)),
            cache: Some(data.join(settings.recognition.embedder.cache())),
            erased: settings.erased.clone(),
        }
    }

    /// The file of a photo, by its path in a report.
    pub fn file(&self, photo: &str) -> PathBuf {
        match (below_the_door(photo), &self.at_the_door) {
            (Some(rest), Some(folder)) => folder.join(rest),
            _ => self.photos.join(photo),
        }
    }

    /// Adds the pictures that were taken at the door to a listing of the photo folder.
    pub(super) fn add_those_of_the_door(&self, listing: &mut Listing, photos: &Photos) {
        let Some(folder) = &self.at_the_door else { return };
        let photos = Photos { layout: Layout::Roll, roll_numbers: RollPattern::Identifier, ..photos.clone() };
        let path = |path: &str| format!("{AT_THE_DOOR}/{path}");
        match scan(folder, &photos) {
            Ok(found) => {
                let file = |mut file: vision::scan::PhotoFile| {
                    file.path = path(&file.path);
                    file
                };
                listing.photos.extend(found.photos.into_iter().map(file));
                let ignored = found.ignored.into_iter();
                listing.ignored.extend(ignored.map(|it| Ignored { path: path(&it.path), reason: it.reason }));
                listing.unreadable.extend(found.unreadable.iter().map(|it| path(it)));
            }
            Err(error) => {
                listing.ignored.push(Ignored { path: AT_THE_DOOR.to_owned(), reason: error.to_string() });
                listing.unreadable.push(AT_THE_DOOR.to_owned());
            }
        }
    }

    /// What lies there, without the students who were erased.
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

/// The folder of the pictures that were taken at the door: apart from the mirror, which holds what the server
/// has and nothing else.
pub fn at_the_door(data_dir: &Path) -> PathBuf {
    data_dir.join("enrolled_at_the_door")
}

/// The rest of the path of a picture that was taken at the door, `<roll>/<file>`; none for any other photo.
pub fn below_the_door(photo: &str) -> Option<&str> {
    photo.strip_prefix(AT_THE_DOOR)?.strip_prefix('/')
}
