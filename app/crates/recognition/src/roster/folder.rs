//! Watches a photo folder of the site's own: it is filled by hand, and nobody tells of a change.
//!
//! The folder is looked at every few seconds. Notifications of the kernel would be faster, but do not exist
//! for network shares, and are lost when a stick is mounted over the folder.

use std::hash::{DefaultHasher, Hash as _, Hasher as _};
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};
use std::time::Duration;

use tokio::time::{Instant, sleep};

/// Shortest and longest pause between two looks. A change is enrolled once two looks agree, so the longest
/// pause counts twice, and has to stay well below ten seconds.
const PAUSE: (Duration, Duration) = (Duration::from_secs(2), Duration::from_secs(4));
/// Pause in multiples of what a look takes: a large folder on a slow card must not keep a core busy.
const REST: u32 = 20;
/// A folder that changes at every look, because many photos are copied into it, is enrolled after so long
/// all the same.
const LONGEST_UNREST: Duration = Duration::from_secs(6);
/// Folders below each other that are looked into, as in [`vision::scan`].
const MAX_DEPTH: usize = 12;

/// What lies in a folder, as one number: another one when any file comes, goes or changes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Fingerprint(u64);

impl Fingerprint {
    /// Looks at `folder`, at most at `most` entries.
    pub(super) fn of(folder: &Path, most: usize) -> Self {
        let mut hasher = DefaultHasher::new();
        let mut left = most;
        note(folder, MAX_DEPTH, &mut left, &mut hasher);
        Self(hasher.finish())
    }
}

/// Takes everything below `folder` into the number, in the order of names.
fn note(folder: &Path, depth: usize, left: &mut usize, hasher: &mut DefaultHasher) {
    let entries = match std::fs::read_dir(folder) {
        Ok(entries) => entries,
        Err(error) => return error.kind().hash(hasher),
    };
    let mut entries: Vec<_> = entries.flatten().take(*left).map(|entry| (entry.file_name(), entry)).collect();
    *left -= entries.len();
    entries.sort_by(|a, b| a.0.cmp(&b.0));
    for (name, entry) in entries {
        name.hash(hasher);
        // Not followed: the scan leaves links out, too.
        let Ok(metadata) = entry.metadata() else { continue };
        metadata.is_dir().hash(hasher);
        if metadata.is_dir() {
            if depth > 0 {
                note(&entry.path(), depth - 1, left, hasher);
            }
        } else {
            let file = (metadata.len(), metadata.ino(), metadata.mtime(), metadata.mtime_nsec());
            (file, metadata.ctime(), metadata.ctime_nsec()).hash(hasher);
        }
    }
    // Where the folder ends.
    '/'.hash(hasher);
}

/// Ends when `folder` is no longer as it was at `seen`, and has come to rest: a photo that is still being
/// copied would be refused.
pub(super) async fn changed(folder: PathBuf, most: usize, seen: Fingerprint) {
    let (mut pause, mut before, mut unrest) = (PAUSE.0, seen, None);
    loop {
        sleep(pause).await;
        let begun = Instant::now();
        let looked = {
            let folder = folder.clone();
            tokio::task::spawn_blocking(move || Fingerprint::of(&folder, most)).await
        };
        // A look that panicked says nothing about the folder.
        let Ok(now) = looked else { continue };
        pause = (begun.elapsed() * REST).clamp(PAUSE.0, PAUSE.1);
        if now == seen {
            unrest = None;
        } else {
            let since = *unrest.get_or_insert(begun);
            if now == before || since.elapsed() >= LONGEST_UNREST {
                return;
            }
        }
        before = now;
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn any_change_in_a_folder_changes_its_number() {
        let folder = tempfile::tempdir().unwrap();
        let number = || Fingerprint::of(folder.path(), 100);
        let photo = folder.path().join("2110001/photo.jpg");
        let mut seen = vec![number()];
        let mut changes = |what: &str| {
            let now = number();
            assert_eq!(now, number(), "{what}: the same folder, the same number");
            assert!(!seen.contains(&now), "{what} is not seen");
            seen.push(now);
        };
        std::fs::create_dir(folder.path().join("2110001")).unwrap();
        changes("a new folder");
        std::fs::write(&photo, "a").unwrap();
        changes("a new photo");
        std::fs::write(&photo, "ab").unwrap();
        changes("another content");
        std::fs::rename(&photo, folder.path().join("2110001/other.jpg")).unwrap();
        changes("another name");
        std::fs::create_dir(folder.path().join("2110001/more")).unwrap();
        std::fs::rename(
            folder.path().join("2110001/other.jpg"),
            folder.path().join("2110001/more/other.jpg"),
        )
        .unwrap();
        changes("a photo in another folder");
    }

    #[tokio::test(start_paused = true)]
    async fn a_photo_is_told_when_it_has_come_to_rest() {
        let folder = tempfile::tempdir().unwrap();
        let photo = folder.path().join("photo.jpg");
        let watch = |seen| changed(folder.path().to_owned(), 100, seen);
        let seen = Fingerprint::of(folder.path(), 100);
        assert!(tokio::time::timeout(Duration::from_secs(60), watch(seen)).await.is_err(), "nothing changed");
        std::fs::write(&photo, "a").unwrap();
        let begun = Instant::now();
        watch(seen).await;
        assert!(begun.elapsed() < Duration::from_secs(10), "{:?}", begun.elapsed());
        // One that grows at every look is told after a while.
        let seen = Fingerprint::of(folder.path(), 100);
        let grows = async {
            for size in 2.. {
                std::fs::write(&photo, vec![0_u8; size]).unwrap();
                sleep(Duration::from_millis(500)).await;
            }
        };
        let begun = Instant::now();
        tokio::select! {
            () = watch(seen) => {}
            () = grows => {}
        }
        assert!((4..=10).contains(&begun.elapsed().as_secs()), "{:?}", begun.elapsed());
    }
}
