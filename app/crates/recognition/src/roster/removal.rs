//! When students whose photos are gone from the site's own folder are forgotten.
//!
//! A folder that the site named may lie on a stick or a share, and is missing or empty while that is not
//! mounted. So the same rule holds as for the listing of a server: nothing at all is not a removal, and a
//! removal of too many students is believed only after it has stood for some looks at the folder.
//!
//! `known_faces` in the data folder is on the device itself: while it is there, photos were taken out of it
//! on purpose, however many.

use std::collections::BTreeSet;

use vision::photos::Photos;

use super::places::Places;
use super::settings::Settings;

/// A large removal that is not believed yet.
#[derive(Debug, Default)]
pub struct Removal {
    /// The students that are gone.
    gone: BTreeSet<String>,
    /// The number of looks at the folder in which the same students were gone.
    looks: u32,
    /// Whether the folder is the device's own, and is there.
    is_own: bool,
}

impl Removal {
    /// Looks at where the photos lie. To be called before each look at the photos: a folder may vanish.
    pub fn look_at_folder(&mut self, settings: &Settings) {
        let named = settings.photos.url.is_some() || settings.photos.folder.is_some();
        self.is_own = !named && Places::of(settings).photos.is_dir();
    }

    /// Decides about the students that are `known` from earlier looks and not `listed` now. `Some` says why
    /// none of them is forgotten, and what to do.
    pub(super) fn held_back(
        &mut self,
        known: &BTreeSet<&str>,
        listed: &BTreeSet<&str>,
        photos: &Photos,
    ) -> Option<String> {
        let gone: BTreeSet<String> = known.difference(listed).map(|roll| (*roll).to_owned()).collect();
        // A share of a handful of students is less than one of them, and one of them may leave.
        let few = gone.len() as f32 <= photos.removal_limit * known.len() as f32 || gone.len() == 1;
        if self.is_own || gone.is_empty() || few && !listed.is_empty() {
            self.forget();
            return None;
        }
        if listed.is_empty() {
            self.forget();
            return Some(format!(
                "the photo folder is missing or holds no photo; its {} students stay enrolled; mount it, or \
                 correct photos.folder",
                known.len()
            ));
        }
        self.looks = if self.gone == gone { self.looks + 1 } else { 1 };
        self.gone = gone;
        if self.looks > photos.removal_confirmations {
            self.forget();
            return None;
        }
        Some(format!(
            "{} of {} students have no photo any more; they stay enrolled until that is so at {} looks at the \
             folder in a row (this was number {}); if it is not meant, put the photos back",
            self.gone.len(),
            known.len(),
            photos.removal_confirmations + 1,
            self.looks
        ))
    }

    fn forget(&mut self) {
        (self.gone, self.looks) = (BTreeSet::new(), 0);
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn few_go_at_once_many_after_some_looks_and_all_never() {
        let photos = Photos { removal_limit: 0.3, removal_confirmations: 2, ..Photos::default() };
        let known = BTreeSet::from(["1", "2", "3", "4"]);
        let mut removal = Removal::default();
        let mut held =
            |listed: &[&str]| removal.held_back(&known, &listed.iter().copied().collect(), &photos).is_some();
        assert!(!held(&["1", "2", "3"]), "one of four");
        assert!(!held(&["1", "2", "3", "4", "5"]), "none");
        assert_eq!([held(&["1", "2"]), held(&["1", "2"]), held(&["1", "2"])], [true, true, false]);
        assert_eq!(
            [held(&["1", "2"]), held(&["1", "3"]), held(&["1", "3"])],
            [true; 3],
            "others start again"
        );
        assert!((0..10).all(|_| held(&[])), "an empty folder is not a removal");
        let known = BTreeSet::from(["1", "2"]);
        let mut held =
            |listed: &[&str]| removal.held_back(&known, &listed.iter().copied().collect(), &photos).is_some();
        assert!(!held(&["1"]), "one of two is a share of a half, and one student");
        assert!(held(&[]));
    }

    #[test]
    fn whoever_empties_the_devices_own_folder_means_it() {
        let data = tempfile::tempdir().unwrap();
        let mut settings = Settings { data_dir: data.path().to_owned(), ..Settings::default() };
        let known = BTreeSet::from(["1", "2", "3"]);
        let mut removal = Removal::default();
        let mut held = |settings: &Settings| {
            removal.look_at_folder(settings);
            removal.held_back(&known, &BTreeSet::new(), &settings.photos).is_some()
        };
        assert!(held(&settings), "a folder that is not there says nothing");
        std::fs::create_dir(data.path().join("known_faces")).unwrap();
        assert!(!held(&settings));
        settings.photos.folder = Some(data.path().join("known_faces"));
        assert!(held(&settings), "a folder that the site named may be one that is not mounted");
    }
}
