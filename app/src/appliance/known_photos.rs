//! Photos with a problem that somebody accepted: they are listed, and are not an alarm any more.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, MutexGuard, PoisonError};

use serde::{Deserialize, Serialize};

use base::durable::{Access, read, replace_for};
use base::failure::Fault;

/// Most photos kept.
const MOST: usize = 10_000;

/// Why a photo's problem is accepted, and by whom.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Known {
    /// The problem: with another one the photo is listed as new.
    pub reason: String,
    /// Who accepted it.
    pub by: String,
}

/// The photos, by their paths below the photo folder.
pub struct KnownPhotos {
    path: PathBuf,
    photos: Mutex<BTreeMap<String, Known>>,
}

impl KnownPhotos {
    /// Those of the data folder. A file that cannot be read holds none.
    pub fn below(data_dir: &Path) -> Self {
        let path = data_dir.join("office/known_photos.json");
        let photos = read(&path)
            .ok()
            .flatten()
            .and_then(|bytes| serde_json::from_slice(&bytes).ok())
            .unwrap_or_default();
        Self { path, photos: Mutex::new(photos) }
    }

    /// Who accepted this problem of this photo.
    pub fn by(&self, photo: &str, reason: &str) -> Option<String> {
        self.photos().get(photo).filter(|known| known.reason == reason).map(|known| known.by.clone())
    }

    /// Accepts the problem of a photo.
    ///
    /// # Errors
    /// Too many, or what the file system says.
    pub fn accept(&self, photo: &str, reason: &str, by: &str) -> Result<(), Fault> {
        let mut photos = self.photos();
        if photos.len() >= MOST && !photos.contains_key(photo) {
            return Err(
                Fault::new(format!("{MOST} photos are accepted already")).advise("replace photos instead")
            );
        }
        let mut now = photos.clone();
        now.insert(photo.to_owned(), Known { reason: reason.to_owned(), by: by.to_owned() });
        self.keep(&now)?;
        *photos = now;
        Ok(())
    }

    /// Takes it back.
    ///
    /// # Errors
    /// An error of the file system.
    pub fn take_back(&self, photo: &str) -> Result<(), Fault> {
        let mut photos = self.photos();
        let mut now = photos.clone();
        now.remove(photo);
        self.keep(&now)?;
        *photos = now;
        Ok(())
    }

    /// Forgets the photos of students who were erased.
    ///
    /// # Errors
    /// An error of the file system.
    pub fn erase(&self, is_erased: impl Fn(&str) -> bool) -> Result<(), Fault> {
        let mut photos = self.photos();
        let mut now = photos.clone();
        now.retain(|photo, _| !is_erased(photo));
        if now.len() < photos.len() {
            self.keep(&now)?;
            *photos = now;
        }
        Ok(())
    }

    /// Forgets photos that are not among these any more.
    pub fn retain(&self, is_there: impl Fn(&str) -> bool) {
        let mut photos = self.photos();
        let before = photos.len();
        photos.retain(|photo, _| is_there(photo));
        if photos.len() < before
            && let Err(error) = self.keep(&photos)
        {
            log::warn!("{}", error.what);
        }
    }

    fn keep(&self, photos: &BTreeMap<String, Known>) -> Result<(), Fault> {
        let kept = serde_json::to_vec(photos).map_err(std::io::Error::from);
        kept.and_then(|bytes| replace_for(Access::Owner, &self.path, &bytes)).map_err(|error| {
            Fault::new(format!("{}: {error}", self.path.display()))
                .advise("free space on the card, then try again")
        })
    }

    fn photos(&self) -> MutexGuard<'_, BTreeMap<String, Known>> {
        self.photos.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn a_problem_is_accepted_until_the_photo_has_another_one() {
        let folder = tempfile::tempdir().unwrap();
        let known = KnownPhotos::below(folder.path());
        known.accept("7/a.jpg", "two faces", "anna (office)").unwrap();
        let known = KnownPhotos::below(folder.path());
        assert_eq!(known.by("7/a.jpg", "two faces").as_deref(), Some("anna (office)"));
        assert_eq!(known.by("7/a.jpg", "too dark"), None);
        known.take_back("7/a.jpg").unwrap();
        assert_eq!(known.by("7/a.jpg", "two faces"), None);
        known.accept("8/a.jpg", "two faces", "anna").unwrap();
        known.retain(|photo| photo != "8/a.jpg");
        assert_eq!(KnownPhotos::below(folder.path()).by("8/a.jpg", "two faces"), None);
    }
}
