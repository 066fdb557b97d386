//! Disks that are full or may not be written.

use std::path::Path;
use std::process::Command;

use backend::sync::Error;

use crate::door::{Door, KEY, age, bmp, write};
use crate::site;
use crate::site::Site;

/// A small disk of its own, unmounted with the test.
struct Disk(tempfile::TempDir);

impl Disk {
    fn mount(options: &str) -> Option<Self> {
        let disk = Self(tempfile::tempdir().unwrap());
        disk.mounted("mount", &["-t", "tmpfs", "-o", options, "tmpfs"]).then_some(disk)
    }

    fn remount(&self, options: &str) {
        assert!(self.mounted("mount", &["-o", &format!("remount,{options}")]));
    }

    fn mounted(&self, program: &str, arguments: &[&str]) -> bool {
        Command::new(program)
            .args(arguments)
            .arg(self.0.path())
            .output()
            .is_ok_and(|done| done.status.success())
    }

    fn path(&self) -> &Path {
        self.0.path()
    }
}

impl Drop for Disk {
    fn drop(&mut self) {
        let _ = Command::new("umount").arg("-l").arg(self.0.path()).output();
    }
}

async fn door_with(photos: u8, data: &Path) -> (Door, tempfile::TempDir) {
    let root = tempfile::tempdir().unwrap();
    for roll in 0..photos {
        add(root.path(), roll);
    }
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let mut door =
        Door::new(&format!("{}/media/students?key={KEY}", site::origin(&listener, false).unwrap()));
    door.settings.data_dir = data.to_owned();
    tokio::spawn(Site::new(root.path(), KEY).unwrap().serve(listener, None));
    (door, root)
}

/// A photo of 9 kB.
fn add(root: &Path, roll: u8) {
    let path = format!("{}/a.bmp", 2_110_000 + u32::from(roll));
    write(root, &path, &bmp(roll));
    age(root, &path, 100);
}

#[tokio::test]
async fn a_full_disk_keeps_what_is_there_and_the_rest_comes_when_there_is_space() {
    let Some(disk) = Disk::mount("size=160k") else {
        skipped::skipped("the right to mount a tmpfs (root)");
        return;
    };
    let (door, root) = door_with(4, disk.path()).await;
    assert_eq!(door.sync().await.new, 4);
    for roll in 4..40 {
        add(root.path(), roll);
    }
    let report = door.try_sync().await.unwrap();
    let stopped = report.stopped.expect("forty photos do not fit");
    assert!(matches!(stopped, Error::Disk { .. }), "{stopped}");
    assert!(stopped.to_string().contains("free some space"), "{stopped}");
    let kept = door.photos();
    assert!(kept.len() >= 4 && kept.len() < 40, "{}", kept.len());
    assert_eq!(kept["2110000/a.bmp"], bmp(0));

    disk.remount("size=2m");
    let report = door.sync().await;
    assert_eq!(report.new + report.unchanged, 40);
    assert_eq!(door.paths().len(), 40);
    assert_eq!(door.sync().await.unchanged, 40);
}

#[tokio::test]
async fn photos_leave_the_journal_its_room() {
    let Some(disk) = Disk::mount("size=4m") else {
        skipped::skipped("the right to mount a tmpfs (root)");
        return;
    };
    let (door, root) = door_with(1, disk.path()).await;
    assert_eq!(door.sync().await.new, 1);
    let free = || {
        let disk = rustix::fs::statvfs(disk.path()).unwrap();
        disk.f_bavail * disk.f_frsize
    };
    // A photo would fit, and then a twentieth would not be free.
    let ballast = disk.path().join("ballast");
    std::fs::write(&ballast, vec![0_u8; (free() - 150_000) as usize]).unwrap();
    add(root.path(), 1);
    let stopped = door.try_sync().await.unwrap().stopped.expect("the rest is the journal's");
    assert!(matches!(stopped, Error::Disk { .. }), "{stopped}");
    assert!(
        stopped.to_string().contains("journal; the photos so far are kept; free some space"),
        "{stopped}"
    );
    assert_eq!(door.paths().len(), 1);
    std::fs::remove_file(ballast).unwrap();
    assert_eq!(door.sync().await.new, 1);
}

#[tokio::test]
async fn a_read_only_folder_is_told_and_keeps_its_photos() {
    let Some(disk) = Disk::mount("size=1m") else {
        skipped::skipped("the right to mount a tmpfs (root)");
        return;
    };
    let (door, root) = door_with(2, disk.path()).await;
    door.sync().await;
    add(root.path(), 7);
    disk.remount("ro");
    let error = door.try_sync().await.unwrap_err();
    assert!(error.to_string().contains("writable"), "{error}");
    assert_eq!(door.paths().len(), 2);
    disk.remount("rw");
    assert_eq!(door.sync().await.new, 1);
}

#[tokio::test]
async fn a_link_out_of_the_mirror_is_replaced_and_not_followed() {
    let data = tempfile::tempdir().unwrap();
    let outside = tempfile::tempdir().unwrap();
    std::fs::create_dir(data.path().join("cached_faces")).unwrap();
    std::os::unix::fs::symlink(outside.path(), data.path().join("cached_faces/2110000")).unwrap();
    let (door, _root) = door_with(2, data.path()).await;
    assert_eq!(door.sync().await.new, 2);
    assert_eq!(std::fs::read_dir(outside.path()).unwrap().count(), 0);
}

#[tokio::test]
async fn one_bad_photo_on_disk_stops_nothing_and_is_replaced() {
    let data = tempfile::tempdir().unwrap();
    let (mut door, root) = door_with(5, data.path()).await;
    // Photos that cannot be read do not count as on the disk, so the removal of one of two students would be
    // a large one.
    door.settings.photos.removal_limit = 1.0;
    assert_eq!(door.sync().await.new, 5);
    let photo = |roll: u32| door.mirror().join(format!("{roll}/a.bmp"));
    // A directory where a photo belongs, with something in it; a file where a student's folder belongs; a
    // link to nothing; directories in the places of our own files.
    std::fs::remove_file(photo(2_110_000)).unwrap();
    std::fs::create_dir_all(photo(2_110_000).join("deep")).unwrap();
    std::fs::remove_dir_all(door.mirror().join("2110001")).unwrap();
    std::fs::write(door.mirror().join("2110001"), "").unwrap();
    std::fs::remove_file(photo(2_110_002)).unwrap();
    std::os::unix::fs::symlink("nowhere", photo(2_110_002)).unwrap();
    for own in [".sync_state.json", ".cache_metadata.json", ".lock"] {
        let own = door.mirror().join(own);
        std::fs::remove_file(&own).unwrap();
        std::fs::create_dir(&own).unwrap();
    }
    std::fs::create_dir(door.mirror().join("2110003/.part-00")).unwrap();
    // One goes, too.
    std::fs::remove_dir_all(root.path().join("2110004")).unwrap();
    let report = door.sync().await;
    assert_eq!((report.new, report.unchanged, report.removed), (3, 1, 1), "{:?}", report.failed);
    assert_eq!(door.paths().len(), 4);
    assert_eq!(door.sync().await.unchanged, 4);
}

#[tokio::test]
async fn a_photo_that_can_neither_be_read_nor_replaced_stops_nothing() {
    let Some(disk) = Disk::mount("size=4m") else {
        skipped::skipped("the right to mount a tmpfs (root)");
        return;
    };
    let (door, _root) = door_with(2, disk.path()).await;
    door.sync().await;
    // What is mounted over the old copy cannot be read, removed or renamed, as on a damaged file system.
    let bad = door.mirror().join("2110000/a.bmp");
    std::fs::remove_file(door.mirror().join(".sync_state.json")).unwrap();
    let unreadable = Path::new("/proc/self/mem");
    let mounted = Command::new("mount").args(["--bind"]).arg(unreadable).arg(&bad).output();
    if !mounted.is_ok_and(|done| done.status.success()) {
        skipped::skipped("the right to bind a file");
        return;
    }
    let report = sync_only(&door).await;
    let _ = Command::new("umount").arg(&bad).output();
    assert!(report.stopped.is_none(), "{:?}", report.stopped);
    assert_eq!((report.unchanged, report.failed.len()), (1, 1), "the other photo is as it was");
}

/// Synchronises without looking at the photos afterwards: one of them is not to be read.
async fn sync_only(door: &Door) -> backend::sync::Report {
    backend::sync::once_with(&door.settings, crate::door::PATIENCE, &|_| {}).await.unwrap()
}

#[tokio::test]
async fn a_damaged_state_costs_a_comparison_and_no_photo() {
    let data = tempfile::tempdir().unwrap();
    let (door, _root) = door_with(3, data.path()).await;
    door.sync().await;
    std::fs::write(door.mirror().join(".sync_state.json"), "{\"photos\": {\"2110").unwrap();
    let report = door.sync().await;
    assert_eq!((report.new, report.updated, report.unchanged), (0, 0, 3));
}
