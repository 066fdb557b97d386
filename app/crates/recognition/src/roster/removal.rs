//! When students whose photos are gone from the site's own folder are forgotten.
//!
//! The folder may lie on a stick or a share, and is missing or empty while that is not mounted. So the same
//! rule holds as for the listing of a server: nothing at all is no removal, and a removal of too many
//! students is believed only after it has stood for some looks at the folder.

use std::collections::BTreeSet;

use vision::photos::Photos;

/// A large removal that is not believed yet.
#[derive(Debug, Default)]
pub struct Removal {
    /// The students that are gone.
    gone: BTreeSet<String>,
    /// Looks at the folder at which the same were gone.
    looks: u32,
}

impl Removal {
    /// Decides about the students that are `known` from earlier looks and not `listed` now. `Some` says why
    /// none of them is forgotten, and what to do.
    pub(super) fn held_back(
        &mut self,
        known: &BTreeSet<&str>,
        listed: &BTreeSet<&str>,
        photos: &Photos,
    ) -> Option<String> {
        let gone: BTreeSet<String> = known.difference(listed).map(|roll| (*roll).to_owned()).collect();
        if gone.len() as f32 <= photos.removal_limit * known.len() as f32 {
            *self = Self::default();
            return None;
        }
        if listed.is_empty() {
            *self = Self::default();
            return Some(format!(
                "the photo folder is missing or holds no photo; its {} students stay enrolled; mount it, or \
                 correct photos.folder",
                known.len()
            ));
        }
        self.looks = if self.gone == gone { self.looks + 1 } else { 1 };
        self.gone = gone;
        if self.looks > photos.removal_confirmations {
            *self = Self::default();
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
}

#[cfg(test)]
mod tests {
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
        assert_eq!([held(&["1", "2"]), held(&["1", "3"]), held(&["1", "3"])], [true; 3], "others begin anew");
        assert!((0..10).all(|_| held(&[])), "an empty folder is no removal");
    }
}
