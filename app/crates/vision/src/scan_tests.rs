//! Tests of the scan of a photo folder.

#![allow(clippy::unwrap_used, clippy::panic)]
use super::*;

fn with(roll_numbers: RollPattern, layout: Layout) -> Photos {
    Photos { roll_numbers, layout, ..Photos::default() }
}

fn put(folder: &Path, file: &str, content: &[u8]) {
    let path = folder.join(file);
    std::fs::create_dir_all(path.parent().unwrap()).unwrap();
    std::fs::write(path, content).unwrap();
}

fn paths(listing: &Listing) -> Vec<&str> {
    listing.photos.iter().map(|photo| photo.path.as_str()).collect()
}

fn left_out(listing: &Listing) -> Vec<&str> {
    listing.ignored.iter().map(|ignored| ignored.path.as_str()).collect()
}

const JPEG: &[u8] = b"\xff\xd8\xff\xe0\0\x10JFIF";
const HEIC: &[u8] = b"\0\0\0\x18ftypheic\0\0\0\0mif1heic";

#[test]
fn photos_are_found_and_the_rest_is_named() {
    let folder = tempfile::tempdir().unwrap();
    for file in [
        "2110001/a.JPG",
        "2110001/more/b.webp",
        "2110001/passport/c.jpg",
        "2110001/notes.txt",
        "teacher/d.png",
        "group.jpg",
        ".cache_metadata.json",
    ] {
        put(folder.path(), file, file.as_bytes());
    }
    let digits = with(RollPattern::Digits, Layout::Auto);
    let listing = scan(folder.path(), &digits).unwrap();
    assert_eq!(paths(&listing), ["2110001/a.JPG", "2110001/more/b.webp"]);
    assert_eq!(left_out(&listing), ["group.jpg", "teacher"]);
    assert!(listing.ignored[1].reason.contains("photos.layout"), "{:?}", listing.ignored);
    let identifiers = with(RollPattern::Identifier, Layout::Auto);
    assert_eq!(scan(folder.path(), &identifiers).unwrap().photos.len(), 3);
    let bounded = scan(folder.path(), &Photos { max_photos: 1, ..identifiers }).unwrap();
    assert_eq!(bounded.photos.len(), 1);
    assert!(bounded.ignored.iter().any(|ignored| ignored.reason.contains("max_photos")));
}

#[test]
fn a_jpeg_is_a_photo_whatever_it_is_called_and_every_other_picture_is_named() {
    let folder = tempfile::tempdir().unwrap();
    for (file, content) in [
        ("1/photo.HEIC", JPEG),
        ("1/photo.jfif", JPEG),
        ("1/photo.jpg_original", JPEG),
        ("1/photo", JPEG),
        ("2/photo.HEIC", HEIC),
        ("2/photo.tif", b"II*\0"),
        ("2/photo.jfif", b"no picture"),
        ("2/scan.pdf", b"%PDF-1.7"),
        ("2/readme.txt", b"text"),
    ] {
        put(folder.path(), file, content);
    }
    let listing = scan(folder.path(), &Photos::default()).unwrap();
    assert_eq!(paths(&listing), ["1/photo", "1/photo.HEIC", "1/photo.jfif", "1/photo.jpg_original"]);
    assert_eq!(left_out(&listing), ["2/photo.HEIC", "2/photo.jfif", "2/photo.tif", "2/scan.pdf"]);
    assert!(listing.ignored[0].reason.contains("JPEG"), "it says what to do: {:?}", listing.ignored[0]);
}

#[test]
fn hidden_files_are_nobodys_photos_and_no_trouble() {
    let folder = tempfile::tempdir().unwrap();
    for file in ["1/._photo.jpg", "1/.DS_Store", "1/Thumbs.db", ".Trash/a.jpg", "1/photo.jpg"] {
        put(folder.path(), file, JPEG);
    }
    let listing = scan(folder.path(), &Photos::default()).unwrap();
    assert_eq!((paths(&listing), left_out(&listing)), (vec!["1/photo.jpg"], vec![]));
}

#[test]
fn names_that_are_not_utf_8_and_links_are_named() {
    use std::os::unix::ffi::OsStrExt as _;
    let folder = tempfile::tempdir().unwrap();
    put(folder.path(), "1/photo.jpg", JPEG);
    let latin = std::ffi::OsStr::from_bytes(b"Ren\xe9.jpg");
    std::fs::write(folder.path().join("1").join(latin), JPEG).unwrap();
    std::os::unix::fs::symlink("photo.jpg", folder.path().join("1/link.jpg")).unwrap();
    let listing = scan(folder.path(), &Photos::default()).unwrap();
    assert_eq!(
        (paths(&listing), left_out(&listing)),
        (vec!["1/photo.jpg"], vec!["1/Ren\u{fffd}.jpg", "1/link.jpg"])
    );
}

#[test]
fn with_groups_the_second_folder_is_the_roll_number() {
    let folder = tempfile::tempdir().unwrap();
    for file in
        ["Class 5a/2110001/a.jpg", "2025/2110002/old/b.jpg", "2025/teacher/c.jpg", "2025/d.jpg", "e.jpg"]
    {
        put(folder.path(), file, JPEG);
    }
    let listing = scan(folder.path(), &with(RollPattern::Digits, Layout::GroupRoll)).unwrap();
    let found: Vec<_> =
        listing.photos.iter().map(|photo| (photo.path.as_str(), photo.roll.as_str())).collect();
    assert_eq!(found, [("2025/2110002/old/b.jpg", "2110002"), ("Class 5a/2110001/a.jpg", "2110001")]);
    assert_eq!(left_out(&listing), ["2025/d.jpg", "2025/teacher", "e.jpg"]);
    // The mirror of a server has the roll number first, whatever the server has.
    let url = base::secret::SecretUrl::parse("https://backend.example/").unwrap();
    let mirrored = Photos { url: Some(url), ..with(RollPattern::Digits, Layout::GroupRoll) };
    assert_eq!(mirrored.layout_on_disk(), Layout::Roll);
}

#[test]
fn the_list_of_what_is_left_out_is_bounded() {
    let folder = tempfile::tempdir().unwrap();
    for n in 0..MAX_IGNORED + 7 {
        std::fs::write(folder.path().join(format!("{n}.jpg")), "x").unwrap();
    }
    let listing = scan(folder.path(), &Photos::default()).unwrap();
    assert_eq!(listing.ignored.len(), MAX_IGNORED + 1);
    assert!(listing.ignored[MAX_IGNORED].reason.starts_with("7 more"));
}

#[test]
fn in_a_plain_folder_every_photo_is_a_student() {
    let folder = tempfile::tempdir().unwrap();
    for file in ["2110001.jpg", "Anna B.png", "notes.txt"] {
        std::fs::write(folder.path().join(file), "x").unwrap();
    }
    let listing = scan_plain(folder.path(), 100).unwrap();
    assert_eq!(listing.photos.len(), 1);
    assert_eq!(listing.photos[0].roll.as_str(), "2110001");
    assert_eq!(listing.ignored.len(), 1, "only what is a photo is named: {:?}", listing.ignored);
}

#[test]
fn a_folder_that_cannot_be_read_is_reported_and_the_others_are_listed() {
    // Root may read everything, so a path of more than 4096 bytes stands for a folder that cannot be
    // read: it is made below a short path, and moved.
    let work = tempfile::tempdir().unwrap();
    let long = "x".repeat(250);
    let mut deep = work.path().join("2110001");
    for _ in 0..10 {
        deep.push(&long);
    }
    std::fs::create_dir_all(&deep).unwrap();
    std::fs::write(work.path().join("2110001/a.jpg"), "a").unwrap();
    let mut folder = work.path().to_owned();
    for _ in 0..8 {
        folder.push(&long);
    }
    std::fs::create_dir_all(folder.join("2110002")).unwrap();
    std::fs::write(folder.join("2110002/b.jpg"), "b").unwrap();
    std::fs::rename(work.path().join("2110001"), folder.join("2110001")).unwrap();

    let listing = scan(&folder, &Photos::default()).unwrap();
    let found: Vec<_> = listing.photos.iter().map(|photo| photo.path.as_str()).collect();
    assert_eq!(found, ["2110001/a.jpg", "2110002/b.jpg"]);
    let [ignored] = &listing.ignored[..] else { panic!("{:?}", listing.ignored) };
    assert!(ignored.path.starts_with("2110001/xxx") && ignored.reason.contains("cannot be read"));
    assert!(listing.may_hold(&format!("{}/photo.jpg", ignored.path)) && listing.may_hold(&ignored.path));
    assert!(!listing.may_hold("2110001/b.jpg") && !listing.may_hold(&format!("{}y/photo.jpg", ignored.path)));
    let moved = folder.join("2110001");
    std::fs::rename(&moved, work.path().join("2110001")).unwrap();
}

#[test]
fn a_photo_that_vanishes_while_it_is_listed_is_no_error() {
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("a.jpg"), "a").unwrap();
    let (roll, photos) = (RollNumber::parse("2110001").unwrap(), Photos::default());
    let mut walk = Walk { photos: &photos, listing: Listing::default() };
    let entries = entries(folder.path()).unwrap();
    std::fs::remove_file(folder.path().join("a.jpg")).unwrap();
    walk.add(&roll, &entries[0].entry, "2110001/a.jpg".to_owned());
    walk.judge(&roll, &entries[0].entry, "a.heic", "2110001/a.heic".to_owned());
    walk.photos_of(&roll, &folder.path().join("gone"), "2110001/gone", 3);
    assert_eq!(walk.listing, Listing::default());
}

#[test]
fn a_folder_that_is_not_there_holds_nothing() {
    assert_eq!(scan(Path::new("/nowhere/at/all"), &Photos::default()).unwrap(), Listing::default());
}
