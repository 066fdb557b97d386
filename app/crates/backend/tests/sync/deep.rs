//! Folders below a student's own.

use std::os::unix::fs::MetadataExt as _;
use std::path::Path;

use crate::door::{Door, KEY, age, counts, jpeg, write};
use crate::site;
use crate::site::Site;

const PATHS: [&str; 4] = [
    "3000006/2024/photo.jpg",
    "3000006/2025/term 1/photo.jpg",
    "3000006/photo.jpg",
    "3000007/2024/photo.jpg",
];

async fn school() -> (Door, tempfile::TempDir) {
    let root = tempfile::tempdir().unwrap();
    for (seed, path) in PATHS.into_iter().enumerate() {
        write(root.path(), path, &jpeg(seed as u8));
        age(root.path(), path, 100);
    }
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let door = Door::new(&format!("{}/media/students?key={KEY}", site::origin(&listener, false).unwrap()));
    tokio::spawn(Site::new(root.path(), KEY).unwrap().serve(listener, None));
    (door, root)
}

/// Lays the mirror out as the version before this one did: every photo beside the others.
fn as_before(door: &Door) -> Vec<u64> {
    let mirror = door.mirror();
    let moves = [
        ("3000006/2024/photo.jpg", "3000006/photo~86f12197.jpg"),
        ("3000006/2025/term 1/photo.jpg", "3000006/photo~77aa77aa.jpg"),
        ("3000007/2024/photo.jpg", "3000007/photo.jpg"),
    ];
    let file = mirror.join(".sync_state.json");
    let mut state: serde_json::Value = serde_json::from_slice(&std::fs::read(&file).unwrap()).unwrap();
    for (now, before) in moves {
        std::fs::rename(mirror.join(now), mirror.join(before)).unwrap();
        let photos = state["photos"].as_object_mut().unwrap();
        let mut known = photos.remove(now).unwrap();
        known.as_object_mut().unwrap().retain(|field, _| field != "compared" && field != "read");
        photos.insert(before.to_owned(), known);
    }
    for folder in ["3000006/2024", "3000006/2025/term 1", "3000006/2025", "3000007/2024"] {
        std::fs::remove_dir(mirror.join(folder)).unwrap();
    }
    std::fs::write(file, state.to_string()).unwrap();
    inodes(&mirror, &moves.map(|(_, before)| before))
}

fn inodes(mirror: &Path, paths: &[&str]) -> Vec<u64> {
    paths.iter().map(|path| std::fs::metadata(mirror.join(path)).unwrap().ino()).collect()
}

#[tokio::test]
async fn folders_are_mirrored_as_they_are() {
    let (door, root) = school().await;
    assert_eq!(counts(&door.sync().await), [4, 0, 0, 0, 0]);
    assert_eq!(door.paths(), PATHS);
    assert_eq!(counts(&door.sync().await), [0, 0, 4, 0, 0]);
    std::fs::remove_dir_all(root.path().join("3000006/2025")).unwrap();
    assert_eq!(counts(&door.sync().await), [0, 0, 3, 1, 0]);
    assert!(!door.mirror().join("3000006/2025").exists(), "no empty folder stays");
}

#[tokio::test]
async fn what_an_earlier_version_stored_is_renamed_in_place() {
    let (mut door, _root) = school().await;
    // Nothing may be taken for lost.
    door.settings.photos.removal_limit = 0.0;
    door.sync().await;
    let before = as_before(&door);
    let report = door.sync().await;
    assert_eq!((counts(&report), report.alarm), ([0, 0, 4, 0, 0], None));
    assert_eq!(door.paths(), PATHS);
    let moved = ["3000006/2024/photo.jpg", "3000006/2025/term 1/photo.jpg", "3000007/2024/photo.jpg"];
    assert_eq!(inodes(&door.mirror(), &moved), before, "the same files: nothing was downloaded");
    assert_eq!(counts(&door.sync().await), [0, 0, 4, 0, 0]);
}

#[tokio::test]
async fn after_a_rollback_and_back_nothing_is_lost_or_kept_twice() {
    let (door, _root) = school().await;
    door.sync().await;
    // The earlier version does not look into folders: it fetches those photos once more, beside the others,
    // and forgets those in the folders.
    let mirror = door.mirror();
    let file = mirror.join(".sync_state.json");
    let mut state: serde_json::Value = serde_json::from_slice(&std::fs::read(&file).unwrap()).unwrap();
    let photos = state["photos"].as_object_mut().unwrap();
    let known = photos.remove("3000007/2024/photo.jpg").unwrap();
    photos.insert("3000007/photo.jpg".to_owned(), known);
    std::fs::copy(mirror.join("3000007/2024/photo.jpg"), mirror.join("3000007/photo.jpg")).unwrap();
    std::fs::write(file, state.to_string()).unwrap();
    let report = door.sync().await;
    assert_eq!((report.new + report.updated, report.unchanged, report.removed), (0, 4, 1));
    assert_eq!(door.paths(), PATHS);
}
