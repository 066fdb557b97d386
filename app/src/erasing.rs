//! Erasing a student: everything about them on this device is deleted, while nothing else uses it.
//!
//! What is to be done is on the disk first, without a name ([`site::erasure`]). It is done at the start of
//! the program, before the journal and the photos are opened; so the program starts itself again when
//! somebody asks for an erasure. Each step can be done twice, and a step that was cut off is done again at
//! the next start.

use std::ffi::OsStr;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use base::durable::{Access, replace_for};
use base::erasure::Erased;
use base::failure::{Diagnosis as _, Fault};
use journal::storage::erasing::hold;
use recognition::roster::cache::Cache;
use recognition::roster::places::{Places, below_the_door, depth};
use site::erasure::Erasures;
use site::keys::Keys;
use vision::photos::Layout;

use crate::appliance::known_photos::KnownPhotos;
use crate::appliance::students;
use config::Config;

/// Folders of the data folder in which no folder is a student's, or which are looked through by their own
/// rules.
const OWN_RULES: [&str; 12] = [
    "attendance",
    "cached_faces",
    "camera",
    "erasures",
    "journal",
    "known_faces",
    "mqtt",
    "office",
    "page",
    "scene",
    "settings",
    "tls",
];

/// Beginnings of the names of files that were being written when the power went.
const HALF_WRITTEN: [&str; 2] = [".new-", ".tmp"];

/// The erasures that this device knows.
pub fn known(config: &Config) -> Arc<Erasures> {
    let key = config.mqtt.site_key.as_ref();
    let keys = key.map(|key| Keys::new(&config.mqtt.site, key));
    Arc::new(Erasures::below(&config.site.data_dir, keys.as_ref()))
}

/// The file by which the system is asked to remove its own log. The system removes the file when that is
/// done.
pub fn request(data_dir: &Path) -> PathBuf {
    data_dir.join("erasures/request")
}

/// Removes everything of the students whose erasure is not done yet. To be called while no other process and
/// no other part of this one works with the data folder.
///
/// # Errors
/// What could not be removed, and what to do. The rest is removed, and the next call tries again.
pub fn do_what_is_open(config: &Config, erasures: &Erasures) -> Result<(), Fault> {
    let Some(erased) = erasures.to_do() else { return Ok(()) };
    remove(config, &erased)?;
    ask_for_the_rest(&config.site.data_dir)
        .map_err(|error| Fault::new(format!("the log's removal cannot be asked for: {error}")))?;
    erasures.finish()?;
    log::info!("Everything of the students who were erased is removed from this device");
    Ok(())
}

/// Removes everything of these students from the data folder and the photo folder.
///
/// # Errors
/// The first thing that could not be removed; everything else is.
pub fn remove(config: &Config, erased: &Erased) -> Result<(), Fault> {
    let data_dir = &config.site.data_dir;
    let places = Places::of(&config.roster());
    let depth = depth(&config.photos);
    let failed = |what: &str, error: &dyn std::fmt::Display| {
        Fault::new(format!("{what} of a student who is to be erased cannot be removed: {error}")).advise(
            "free space on the card or replace it, then restart the device: it continues in the background",
        )
    };
    // Held to the end: no other process may write what is being removed.
    let held = hold(data_dir).map_err(|error| failed("the rows", &error))?;
    let in_photo = |path: &str| match below_the_door(path) {
        Some(at_the_door) => erased.in_path(at_the_door, 0),
        None => erased.in_path(path, depth),
    };
    // The mirror is the synchronisation's. The site's own folder may be one from before there was a server.
    let [known, mirror] = ["known_faces", "cached_faces"].map(|folder| data_dir.join(folder));
    let own_folders = || {
        let depth = usize::from(config.photos.layout == Layout::GroupRoll);
        remove_folders(&known, depth, erased)?;
        if places.photos == mirror { Ok(()) } else { remove_folders(&places.photos, depth, erased) }
    };
    let steps: [Result<(), Fault>; 7] = [
        held.erase(data_dir, erased).map(|_| ()).map_err(|error| failed("the rows", &error)),
        backend::sync::erase(data_dir, erased).map_err(|error| failed("the photos", &error.fault())),
        own_folders().map_err(|error| {
            failed(&format!("the photos in {}", places.photos.display()), &error)
                .advise("remove the student's folder there by hand, then restart the device")
        }),
        caches(data_dir, in_photo).map_err(|error| failed("the embeddings", &error)),
        students::erase(data_dir, &[&places.photos, &known, &mirror], erased)
            .map_err(|error| failed("the entry in the students' list", &error)),
        KnownPhotos::below(data_dir).erase(in_photo),
        other_folders(data_dir, erased).map_err(|error| failed("what is kept", &error)),
    ];
    steps.into_iter().collect()
}

/// The folders of these students below `folder`; the roll number is the folder at `depth`.
fn remove_folders(folder: &Path, depth: usize, erased: &Erased) -> io::Result<()> {
    for entry in entries(folder)? {
        let entry = entry?;
        let is_folder = entry.file_type()?.is_dir();
        if depth > 0 {
            if is_folder {
                remove_folders(&entry.path(), depth - 1, erased)?;
            }
        } else if is_named(&entry.file_name(), erased) {
            if is_folder {
                std::fs::remove_dir_all(entry.path())?
            } else {
                std::fs::remove_file(entry.path())?
            }
        }
    }
    Ok(())
}

/// Whether a file or folder is called by a student's roll number, with or without an ending.
fn is_named(name: &OsStr, erased: &Erased) -> bool {
    name.to_str().is_some_and(|name| erased.is(name) || erased.is(name.split('.').next().unwrap_or_default()))
}

/// The embeddings in the cache of every embedder.
fn caches(data_dir: &Path, is_erased: impl Fn(&str) -> bool) -> io::Result<()> {
    for entry in entries(data_dir)? {
        let name = entry?.file_name();
        let is_cache = |name: &&str| name.starts_with("embeddings") && name.ends_with(".safetensors");
        if let Some(name) = name.to_str().filter(is_cache) {
            Cache::erase(&data_dir.join(name), &is_erased)?;
        }
    }
    Ok(())
}

/// What is called by a roll number in any other folder of the data folder, such as photos that were taken at
/// the door; and what a power cut left half written.
fn other_folders(data_dir: &Path, erased: &Erased) -> io::Result<()> {
    let half_written = |name: &OsStr| {
        name.to_str().is_some_and(|name| HALF_WRITTEN.iter().any(|begin| name.starts_with(begin)))
    };
    for entry in entries(data_dir)? {
        let entry = entry?;
        let (name, path) = (entry.file_name(), entry.path());
        if !entry.file_type()?.is_dir() {
            if half_written(&name) {
                std::fs::remove_file(path)?;
            }
            continue;
        }
        if !name.to_str().is_some_and(|name| OWN_RULES.contains(&name)) {
            remove_folders(&path, 0, erased)?;
        }
        for inner in entries(&path)? {
            let inner = inner?;
            if half_written(&inner.file_name()) && inner.file_type()?.is_file() {
                std::fs::remove_file(inner.path())?;
            }
        }
    }
    Ok(())
}

/// What a folder holds; nothing where it is missing.
fn entries(folder: &Path) -> io::Result<impl Iterator<Item = io::Result<std::fs::DirEntry>>> {
    match std::fs::read_dir(folder) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None.into_iter().flatten()),
        entries => Ok(Some(entries?).into_iter().flatten()),
    }
}

/// On the appliance, the system's log and the copy that the repair of a card leaves belong to root:
/// `attendance-erase.service` removes both, and this file afterwards.
fn ask_for_the_rest(data_dir: &Path) -> io::Result<()> {
    if std::env::var_os("JOURNAL_STREAM").is_none() {
        return Ok(());
    }
    replace_for(Access::Owner, &request(data_dir), b"")
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn a_group_that_is_called_like_the_roll_number_stays() {
        let folder = tempfile::tempdir().unwrap();
        for photo in ["9/2110001/a.jpg", "9/9/a.jpg", "8/2110002/a.jpg"] {
            let photo = folder.path().join(photo);
            std::fs::create_dir_all(photo.parent().unwrap()).unwrap();
            std::fs::write(photo, "").unwrap();
        }
        remove_folders(folder.path(), 1, &Erased::new(|roll| roll.as_str() == "9")).unwrap();
        assert!(folder.path().join("9/2110001/a.jpg").exists() && !folder.path().join("9/9").exists());
    }

    #[test]
    fn photos_of_the_door_and_half_written_files_go() {
        let data = tempfile::tempdir().unwrap();
        for (file, stays) in [
            ("enrolled_at_the_door/2110001/a.jpg", false),
            ("enrolled_at_the_door/2110002/a.jpg", true),
            ("enrolled_at_the_door/2110001.jpg", false),
            (".tmpAbC123", false),
            ("office/.new-x", false),
            ("page/password", true),
        ] {
            let path = data.path().join(file);
            std::fs::create_dir_all(path.parent().unwrap()).unwrap();
            std::fs::write(&path, "").unwrap();
            other_folders(data.path(), &Erased::new(|roll| roll.as_str() == "2110001")).unwrap();
            assert_eq!(path.exists(), stays, "{file}");
        }
    }
}
