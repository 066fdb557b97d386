//! What a photo is called on disk.
//!
//! The same path as on the server wherever that is safe, folders included. Two photos of one student whose
//! paths differ only in case would meet in one file on some file systems: the second gets a mark made of its
//! address.

use std::collections::{BTreeMap, BTreeSet};

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

/// Gives each photo its path below the mirror, `<roll>/<folders>/<file>`; those whose names are not safe come
/// back separately.
///
/// The same photos get the same paths, in whatever order they come.
pub(super) fn assign(mut photos: Vec<RemotePhoto>) -> (BTreeMap<String, RemotePhoto>, Vec<RemotePhoto>) {
    photos.sort_by(|one, other| order(one).cmp(&order(other)));
    let mut named = BTreeMap::new();
    let mut refused = Vec::new();
    let (mut files, mut folders) = (BTreeSet::new(), BTreeSet::new());
    for photo in photos {
        let names = below_the_student(&photo);
        if names.is_empty() || !names.iter().all(|name| is_safe(name)) {
            refused.push(photo);
            continue;
        }
        let mut path = format!("{}/{}", photo.roll, names.join("/"));
        let is_free = |path: &str, files: &BTreeSet<String>, folders: &BTreeSet<String>| {
            let path = folded(path);
            !files.contains(&path)
                && !folders.contains(&path)
                && !above(&path).any(|folder| files.contains(folder))
        };
        if !is_free(&path, &files, &folders) {
            // Beside the student's other photos: a folder may not be where a file is.
            path = format!("{}/{}", photo.roll, marked(photo.place.name(), &photo.place.to_string()));
        }
        let key = folded(&path);
        folders.extend(above(&key).map(str::to_owned));
        files.insert(key);
        named.insert(path, photo);
    }
    (named, refused)
}

/// The names of folders and file below the student's own folder.
fn below_the_student(photo: &RemotePhoto) -> &[String] {
    let segments = photo.place.segments();
    let own = segments.iter().position(|name| name == photo.roll.as_str());
    own.map_or(&[][..], |own| &segments[own + 1..])
}

/// The folders above a path.
fn above(path: &str) -> impl Iterator<Item = &str> {
    path.match_indices('/').map(|(end, _)| &path[..end])
}

/// The shallowest photo of a path keeps it.
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
        assert_eq!(names[..2], ["2110001/A.jpg", "2110001/a~b9e853aa.jpg"], "{names:?}");
        assert_eq!(names[2..], ["2110001/b.png", "2110001/old/a.jpg"], "{names:?}");
        let reversed = assigned(&["2110001/b.png", "2110001/a.jpg", "2110001/A.jpg", "2110001/old/a.jpg"]);
        assert_eq!(names, reversed.0);
    }

    #[test]
    fn folders_below_a_student_are_kept() {
        let (names, refused) = assigned(&[
            "2110001/2024/photo.jpg",
            "2110001/2025/term 1/photo.jpg",
            "2110001/photo.jpg",
            "2110001/.old/photo.jpg",
            "2110001/a.jpg/b.jpg",
            "2110001/a.jpg",
        ]);
        assert_eq!(refused, 1, "a hidden folder would not be read");
        assert_eq!(
            names[..4],
            ["2110001/2024/photo.jpg", "2110001/2025/term 1/photo.jpg", "2110001/a.jpg", names[3].as_str()]
        );
        assert!(names[3].starts_with("2110001/b~") && names[4] == "2110001/photo.jpg", "{names:?}");
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
        fn every_photo_gets_its_own_path_or_is_reported(names in proptest::collection::vec("([aAbB]/){0,2}[aAbB.%é-]{1,4}\\.jpg", 1..12)) {
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
            for path in named.keys() {
                let below = format!("{path}/");
                prop_assert!(named.keys().all(|other| !other.starts_with(&below)));
            }
            let mut folded: Vec<_> = named.keys().map(|path| path.to_lowercase()).collect();
            folded.sort();
            folded.dedup();
            prop_assert_eq!(folded.len(), named.len());
        }
    }
}
