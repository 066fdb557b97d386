//! Archives written, read back, cut, changed and forged.
#![allow(clippy::unwrap_used)]

use std::path::Path;

use archive::read::{Limits, unpack};
use archive::seal::seal;
use archive::write::Archiver;
use archive::{ABOUT, About, ArchiveError, FORMAT, SUMS};
use base::failure::Diagnosis as _;
use base::secret::Secret;
use sha2::{Digest as _, Sha256};

fn passphrase() -> Secret {
    Secret::new("correct horse battery staple")
}

fn about() -> About {
    About {
        format: FORMAT,
        program: "0.1.0".to_owned(),
        site: "Main gate".to_owned(),
        made: "2026-11-29T19:30:00Z".to_owned(),
    }
}

fn long_name() -> String {
    format!("known_faces/{}/{}.jpg", "c".repeat(120), "p".repeat(200))
}

fn files(bytes: usize) -> Vec<(String, Vec<u8>)> {
    vec![
        ("attendance.toml".to_owned(), b"[site]\nname = \"gate\"\n".to_vec()),
        ("journal/journal-00000001.log".to_owned(), vec![b'x'; bytes]),
        ("known_faces/2110001/frönt.jpg".to_owned(), vec![7; 5]),
        (long_name(), Vec::new()),
    ]
}

fn archived() -> Vec<u8> {
    archived_with(files(300_000))
}

fn archived_with(files: Vec<(String, Vec<u8>)>) -> Vec<u8> {
    let mut archiver = Archiver::begin(Vec::new(), &passphrase(), &about()).unwrap();
    for (path, content) in files {
        archiver.file(&path, content.len() as u64, &*content).unwrap();
    }
    archiver.finish().unwrap()
}

fn read(bytes: &[u8]) -> Result<(), ArchiveError> {
    let folder = tempfile::tempdir().unwrap();
    unpack(bytes, &passphrase(), folder.path(), Limits::default()).map(drop)
}

/// An archive of any entries, as somebody with the passphrase can make it.
fn forged(entries: &[(&str, tar::EntryType, &[u8])]) -> Vec<u8> {
    let mut tar = tar::Builder::new(seal(Vec::new(), &passphrase()).unwrap());
    for (path, kind, content) in entries {
        let mut header = tar::Header::new_ustar();
        header.set_entry_type(*kind);
        header.set_size(content.len() as u64);
        // Written as it is: `set_path` refuses what we want to try.
        header.as_mut_bytes()[..path.len()].copy_from_slice(path.as_bytes());
        header.set_cksum();
        tar.append(&header, *content).unwrap();
    }
    tar.into_inner().unwrap().finish().unwrap()
}

fn json(format: u32) -> Vec<u8> {
    serde_json::to_vec(&About { format, program: "9.9.9".to_owned(), ..about() }).unwrap()
}

#[test]
fn what_was_written_is_read_back() {
    let folder = tempfile::tempdir().unwrap();
    let contents = unpack(&*archived(), &passphrase(), folder.path(), Limits::default()).unwrap();
    assert_eq!((contents.about, contents.files), (about(), 4));
    for (path, content) in files(300_000) {
        assert_eq!(std::fs::read(folder.path().join(path)).unwrap(), content);
    }
}

/// Nothing of a file can be seen without the passphrase.
#[test]
fn the_file_is_encrypted() {
    let bytes = archived();
    for word in [&b"Main gate"[..], b"2110001", b"xxxxxxxx", b"journal"] {
        assert!(!bytes.windows(word.len()).any(|window| window == word));
    }
}

fn golden(format: u32) -> std::path::PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join(format!("tests/format-{format}.age"))
}

/// What this program wrote on 29 November 2026. `UPDATE_GOLDEN=1` writes the archive of a new format, and
/// leaves those that are there.
#[test]
fn the_archive_of_an_earlier_version_is_read() {
    if std::env::var_os("UPDATE_GOLDEN").is_some() && !golden(FORMAT).exists() {
        std::fs::write(golden(FORMAT), archived_with(files(1000))).unwrap();
    }
    let folder = tempfile::tempdir().unwrap();
    let file = std::fs::File::open(golden(1)).unwrap();
    let contents = unpack(file, &passphrase(), folder.path(), Limits::default()).unwrap();
    assert_eq!((contents.about.format, contents.files), (1, 4));
    for (path, content) in files(1000) {
        assert_eq!(std::fs::read(folder.path().join(path)).unwrap(), content);
    }
}

#[test]
fn the_archive_of_a_newer_version_says_so() {
    let regular = tar::EntryType::Regular;
    let error = read(&forged(&[(ABOUT, regular, &json(FORMAT + 1))])).unwrap_err();
    assert!(matches!(&error, ArchiveError::Newer(program) if program == "9.9.9"), "{error}");
    assert!(error.fault().to_string().contains("update this device first"));
}

#[test]
fn a_wrong_passphrase_and_another_kind_of_file_say_what_to_do() {
    let folder = tempfile::tempdir().unwrap();
    let wrong = unpack(&*archived(), &Secret::new("another passphrase"), folder.path(), Limits::default());
    assert!(matches!(wrong, Err(ArchiveError::WrongPassphrase)));
    assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 0);
    for other in [&b""[..], b"PK\x03\x04", &[0; 5000], b"age-encryption.org/v2\n"] {
        assert!(matches!(read(other), Err(ArchiveError::Foreign)), "{other:.10?}");
    }
    let mut endless = b"age-encryption.org/v1\n".to_vec();
    endless.resize(1 << 20, b'x');
    assert!(matches!(read(&endless), Err(ArchiveError::Foreign)));
    let other_tar = forged(&[("readme.txt", tar::EntryType::Regular, b"hello")]);
    assert!(matches!(read(&other_tar), Err(ArchiveError::Foreign)));
}

#[test]
fn a_short_passphrase_is_refused_before_anything_is_written() {
    let made = Archiver::begin(Vec::new(), &Secret::new("short"), &about());
    assert!(matches!(made.err(), Some(ArchiveError::ShortPassphrase)));
}

/// A header that asks for 2^40 steps, as `age` itself would write it.
#[test]
fn a_file_cannot_ask_for_hours_of_work() {
    let bytes = archived();
    let end = bytes.windows(5).position(|window| window == b"\n--- ").unwrap();
    let header = String::from_utf8(bytes[..end].to_vec()).unwrap();
    let hostile = header.replacen(" 16\n", " 40\n", 1);
    assert_ne!(header, hostile);
    let since = std::time::Instant::now();
    let error = read(&[hostile.as_bytes(), &bytes[end..]].concat()).unwrap_err();
    assert!(matches!(error, ArchiveError::ExcessiveWork), "{error}");
    assert!(since.elapsed().as_secs() < 5);
}

#[test]
fn a_cut_or_changed_file_is_damaged() {
    let bytes = archived();
    for length in [100, 150, 400, 70_000, bytes.len() - 1] {
        let error = read(&bytes[..length]).unwrap_err();
        assert!(matches!(error, ArchiveError::Damaged(_)), "{length} bytes: {error}");
    }
    let mut changed = bytes.clone();
    let middle = bytes.len() / 2;
    changed[middle] ^= 1;
    assert!(matches!(read(&changed), Err(ArchiveError::Damaged(_))));
    // Whole for age, but not an archive that came to its end.
    let about = json(1);
    assert!(matches!(
        read(&forged(&[(ABOUT, tar::EntryType::Regular, &about)])),
        Err(ArchiveError::Damaged(_))
    ));
}

#[test]
fn nothing_but_known_plain_files_is_taken() {
    use tar::EntryType::{Directory, Fifo, GNULongName, GNUSparse, Link, Regular, Symlink, XHeader};
    let about = json(1);
    let name = "page/password";
    for (path, kind) in [
        ("../page/password", Regular),
        ("/etc/passwd", Regular),
        ("settings/request.json", Regular),
        ("known_faces/a/../../x.jpg", Regular),
        (name, Symlink),
        (name, Link),
        (name, Directory),
        (name, Fifo),
        (name, GNUSparse),
        (name, XHeader),
    ] {
        let error = read(&forged(&[(ABOUT, Regular, &about), (path, kind, b"")])).unwrap_err();
        assert!(matches!(error, ArchiveError::Unexpected(_)), "{path} {kind:?}: {error}");
    }
    let twice = forged(&[(ABOUT, Regular, &about), (name, Regular, b"a"), (name, Regular, b"b")]);
    assert!(matches!(read(&twice), Err(ArchiveError::Unexpected(_))));
    let long = vec![b'x'; 5000];
    let long = forged(&[(ABOUT, Regular, &about), ("././@LongLink", GNULongName, &long)]);
    assert!(matches!(read(&long), Err(ArchiveError::TooLarge)));
    let sums = format!("{:x}  {name}\n", Sha256::digest(b"b"));
    let other_sum =
        forged(&[(ABOUT, Regular, &about), (name, Regular, b"a"), (SUMS, Regular, sums.as_bytes())]);
    assert!(matches!(read(&other_sum), Err(ArchiveError::Damaged(_))));
    let right = format!("{:x}  {name}\n", Sha256::digest(b"a"));
    let after = forged(&[
        (ABOUT, Regular, &about),
        (name, Regular, b"a"),
        (SUMS, Regular, right.as_bytes()),
        ("page/tokens.json", Regular, b"[]"),
    ]);
    assert!(matches!(read(&after), Err(ArchiveError::Unexpected(_))));
}

#[test]
fn sizes_are_bounded() {
    let folder = |limits| {
        let folder = tempfile::tempdir().unwrap();
        unpack(&*archived(), &passphrase(), folder.path(), limits).map(drop)
    };
    let most = Limits::default();
    assert!(matches!(folder(Limits { bytes: 100_000, ..most }), Err(ArchiveError::TooLarge)));
    assert!(matches!(folder(Limits { files: 2, ..most }), Err(ArchiveError::TooLarge)));
    assert!(matches!(folder(Limits { reserve: u64::MAX, ..most }), Err(ArchiveError::NoRoom { .. })));
    let large = vec![0; (1 << 20) + 1];
    let regular = tar::EntryType::Regular;
    let large = forged(&[(ABOUT, regular, &json(1)), ("page/password", regular, &large)]);
    assert!(matches!(read(&large), Err(ArchiveError::TooLarge)));
}

#[test]
fn a_file_that_shrinks_while_it_is_read_ends_the_export() {
    let mut archiver = Archiver::begin(Vec::new(), &passphrase(), &about()).unwrap();
    let written = archiver.file("page/password", 10, &b"short"[..]);
    assert!(matches!(written, Err(ArchiveError::Changing(_))));
}
