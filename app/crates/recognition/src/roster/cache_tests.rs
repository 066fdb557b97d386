#![allow(clippy::unwrap_used)]
use super::*;
use crate::Quality;
use faces::enrolment::Found;
use vision::embedding::DIMENSIONS;
use vision::face::Bounds;
use vision::face::DetectorChoice;

fn sample() -> Cache {
    let mut cache = Cache::default();
    let seen = Seen { bytes: 7, modified_ns: 1_700_000_000_123_456_789, inode: 9, changed_ns: 5 };
    let outcome = PhotoOutcome::Enrolled { quality: Quality::default(), bounds: Bounds::default() };
    let embedding = Embedding::normalised(&std::array::from_fn::<_, DIMENSIONS, _>(|i| i as f32)).unwrap();
    let face = Found { by: DetectorChoice::Yunet, bounds: Bounds::default() };
    let content = Some(Content { width: 640, height: 480, faces: vec![face] });
    let enrolled = Entry { seen, sha256: "aa".to_owned(), content, outcome, embedding: Some(embedding) };
    let outcome = PhotoOutcome::Refused { reason: "no face".to_owned() };
    cache.insert("1/a.jpg".to_owned(), enrolled);
    cache.insert(
        "2/b.jpg".to_owned(),
        Entry { seen, sha256: "bb".to_owned(), content: None, outcome, embedding: None },
    );
    cache
}

#[test]
fn what_was_saved_is_loaded_for_the_same_models_only() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("new/embeddings.safetensors");
    let cache = sample();
    cache.save(&path, "model", "detectors").unwrap();
    let loaded = Cache::load(&path, "model", "detectors");
    assert_eq!(loaded.photos.len(), 2);
    assert_eq!(loaded.get("2/b.jpg"), cache.get("2/b.jpg"));
    let embedding = |cache: &Cache| cache.get("1/a.jpg").unwrap().embedding.unwrap();
    assert!(embedding(&loaded).similarity(&embedding(&cache)) > 0.999_99);
    assert!(Cache::load(&path, "another model", "detectors").photos.is_empty());
}

#[test]
fn with_other_detectors_only_who_is_alone_in_a_photo_stays_enrolled() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("embeddings.safetensors");
    let mut cache = sample();
    let mut group = Entry { sha256: "cc".to_owned(), ..cache.get("1/a.jpg").unwrap() };
    let faces = &mut group.content.as_mut().unwrap().faces;
    let face = faces[0].clone();
    faces.push(face);
    cache.insert("3/c.jpg".to_owned(), group);
    cache.save(&path, "model", "detectors").unwrap();
    assert_eq!(Cache::load(&path, "model", "detectors").photos.len(), 3);
    let stays = |path: &Path| {
        let loaded = Cache::load(path, "model", "others");
        loaded.photos.into_keys().collect::<Vec<_>>()
    };
    assert_eq!(stays(&path), ["1/a.jpg"]);
    // A file of an earlier version has no such field.
    let mut earlier = std::fs::read(&path).unwrap();
    let at = earlier.windows(11).position(|bytes| bytes == b"\"detectors\"").unwrap();
    earlier[at + 1] = b'x';
    std::fs::write(&path, &earlier).unwrap();
    assert_eq!(stays(&path), ["1/a.jpg"]);
    assert_eq!(Cache::load(&path, "model", "detectors").photos.len(), 1);
}

#[test]
fn marks_save_the_hashing_only_when_they_are_settled_and_all_the_same() {
    let photo = PhotoFile {
        path: "1/a.jpg".to_owned(),
        roll: base::identity::RollNumber::parse("1").unwrap(),
        bytes: 7,
        modified_ns: 1,
        inode: 9,
        changed_ns: 5,
    };
    let known = |photo: &PhotoFile, later_ns: i128| {
        let mut cache = sample();
        let entry = cache.get("1/a.jpg").unwrap();
        cache.insert("1/a.jpg".to_owned(), Entry { seen: Seen::of(photo, 5 + later_ns), ..entry });
        cache
    };
    assert!(known(&photo, SETTLED_NS).untouched(&photo).is_some());
    assert!(known(&photo, SETTLED_NS - 1).untouched(&photo).is_none(), "it may change within the same tick");
    let cache = known(&photo, SETTLED_NS);
    for other in [
        PhotoFile { inode: 10, ..photo.clone() },
        PhotoFile { changed_ns: 6, ..photo.clone() },
        PhotoFile { modified_ns: 2, ..photo.clone() },
        PhotoFile { bytes: 8, ..photo.clone() },
    ] {
        assert!(cache.untouched(&other).is_none(), "{other:?}");
    }
}

#[test]
fn marks_of_an_earlier_version_are_not_trusted() {
    let seen: Seen = serde_json::from_str(r#"{"bytes":7,"modified_ns":1}"#).unwrap();
    assert_eq!(seen, Seen { bytes: 7, modified_ns: 1, inode: 0, changed_ns: 0 });
}

#[test]
fn a_damaged_cache_is_no_cache() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("embeddings.safetensors");
    sample().save(&path, "model", "detectors").unwrap();
    let whole = std::fs::read(&path).unwrap();
    for kept in (0..whole.len()).step_by(37) {
        std::fs::write(&path, &whole[..kept]).unwrap();
        assert!(Cache::load(&path, "model", "detectors").photos.is_empty(), "cut to {kept}");
    }
    let mut flipped = whole.clone();
    *flipped.last_mut().unwrap() ^= 1;
    std::fs::write(&path, &flipped).unwrap();
    assert!(Cache::load(&path, "model", "detectors").photos.is_empty());
}
