//! What a photo is called on disk.
//!
//! The same name as on the server wherever that is safe. Two photos of one student whose names differ only in
//! case, or that lie in different directories, would meet in one file on some file systems: the second gets a
//! mark made of its address.

use std::collections::BTreeMap;

use sha2::{Digest, Sha256};

use super::crawl::RemotePhoto;

/// Longest name on disk, bytes. File systems take 255; what is over leaves room for the mark and for a
/// temporary name.
const MAX_NAME_BYTES: usize = 200;

/// Hexadecimal digits of the mark. 32 bits: two photos of one student meet once in four billion.
const MARK_DIGITS: usize = 8;

/// Why a name is not used on disk.
pub(super) const UNSAFE_NAME: &str = "its name cannot be used safely on disk; rename the photo on the server (letters, digits, \
                               '-', '_', '.', at most 200 bytes, not beginning with '.')";

/// Gives each photo its path below the mirror, `<roll>/<file>`; those whose name is not safe come back
/// separately.
///
/// The same photos get the same paths, in whatever order they come.
pub(super) fn assign(mut photos: Vec<RemotePhoto>) -> (BTreeMap<String, RemotePhoto>, Vec<RemotePhoto>) {
    photos.sort_by(|one, other| order(one).cmp(&order(other)));
    let mut named = BTreeMap::new();
    let mut refused = Vec::new();
    let mut taken = std::collections::BTreeSet::new();
    for photo in photos {
        let name = photo.place.name();
        if !is_safe(name) {
            refused.push(photo);
            continue;
        }
        let mut path = format!("{}/{name}", photo.roll);
        if !taken.insert(folded(&path)) {
            path = format!("{}/{}", photo.roll, marked(name, &photo.place.to_string()));
            taken.insert(folded(&path));
        }
        named.insert(path, photo);
    }
    (named, refused)
}

/// The shallowest photo of a name keeps it.
fn order(photo: &RemotePhoto) -> (usize, &[String]) {
    (photo.place.segments().len(), photo.place.segments())
}

fn folded(path: &str) -> String {
    path.to_lowercase()
}

fn marked(name: &str, place: &str) -> String {
    let mut mark = String::new();
    for byte in Sha256::digest(place.as_bytes()).iter().take(MARK_DIGITS / 2) {
        mark.push_str(&format!("{byte:02x}"));
    }
    match name.rsplit_once('.') {
        Some((stem, extension)) => format!("{stem}~{mark}.{extension}"),
        None => format!("{name}~{mark}"),
    }
}

/// Whether a name can stand on disk, in a log line and on a terminal as it is.
fn is_safe(name: &str) -> bool {
    !name.is_empty()
        && name.len() <= MAX_NAME_BYTES
        && !name.starts_with(['.', ' ', '-'])
        && !name.ends_with([' ', '.'])
        && !name.chars().any(|c| c.is_control() || matches!(c, '/' | '\\') || turns_text_around(c))
}

/// Characters that make a name look like another: bidirectional overrides and invisible ones.
fn turns_text_around(c: char) -> bool {
    matches!(c, '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2060}'..='\u{2069}' | '\u{feff}' | '\u{fffd}')
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use std::collections::BTreeSet;

    use proptest::prelude::*;

    use super::*;
    use crate::sync::link::Base;
    use base::identity::RollNumber;
    use base::secret::SecretUrl;

    fn photo(href: &str) -> Option<RemotePhoto> {
        let base = Base::new(&SecretUrl::parse("http://backend.example/").unwrap());
        let place = base.follow(&base.root(), href).ok()?;
        Some(RemotePhoto { roll: RollNumber::parse("2110001").unwrap(), place })
    }

    fn assigned(hrefs: &[&str]) -> (Vec<String>, usize) {
        let (named, refused) = assign(hrefs.iter().filter_map(|href| photo(href)).collect());
        (named.into_keys().collect(), refused.len())
    }

    #[test]
    fn names_are_kept_and_colliding_ones_told_apart() {
        let (names, refused) =
            assigned(&["2110001/old/a.jpg", "2110001/A.jpg", "2110001/a.jpg", "2110001/b.png"]);
        assert_eq!(refused, 0);
        assert_eq!(names.len(), 4);
        assert!(
            names.contains(&"2110001/A.jpg".to_owned()) && names.contains(&"2110001/b.png".to_owned()),
            "{names:?}"
        );
        let reversed = assigned(&["2110001/b.png", "2110001/a.jpg", "2110001/A.jpg", "2110001/old/a.jpg"]);
        assert_eq!(names, reversed.0);
    }

    #[test]
    fn unsafe_names_are_reported() {
        let long = format!("2110001/{}.jpg", "x".repeat(250));
        assert_eq!(
            assigned(&["2110001/.a.jpg", "2110001/a%E2%80%AEgpj.jpg", "2110001/-rf.jpg", &long]),
            (vec![], 4)
        );
    }

    proptest! {
        #[test]
        fn every_photo_gets_its_own_path_or_is_reported(names in proptest::collection::vec("[aAbB.%é-]{1,4}\\.jpg", 1..12)) {
            let mut seen = BTreeSet::new();
            let photos: Vec<_> = names
                .iter()
                .filter_map(|name| photo(&format!("2110001/{name}")))
                // The listing follows each link once.
                .filter(|photo| seen.insert(photo.place.clone()))
                .collect();
            let count = photos.len();
            let (named, refused) = assign(photos);
            prop_assert_eq!(named.len() + refused.len(), count);
            let mut folded: Vec<_> = named.keys().map(|path| path.to_lowercase()).collect();
            folded.sort();
            folded.dedup();
            prop_assert_eq!(folded.len(), named.len());
        }
    }
}
