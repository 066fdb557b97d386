//! Synchronisations that are cut off: by a dropped future, by SIGKILL, by another one.

use std::process::{Command, Stdio};
use std::time::Duration;

use backend::sync;
use backend::sync::Error;

use crate::door::{Door, KEY, PATIENCE, age, bmp, write};
use crate::site;
use crate::site::{Fault, Site};

const PHOTOS: usize = 60;

/// Names the server and the data folder for the process that is to be killed.
const CHILD: &str = "ATTENDANCE_TEST_SYNC_AND_BE_KILLED";

async fn slow_site() -> (Door, std::sync::Arc<Site>, tempfile::TempDir) {
    let root = tempfile::tempdir().unwrap();
    for number in 0..PHOTOS {
        let path = format!("{}/a.bmp", 2_110_000 + number);
        write(root.path(), &path, &bmp(number as u8));
        age(root.path(), &path, 100);
    }
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let door = Door::new(&format!("{}/media/students?key={KEY}", site::origin(&listener, false).unwrap()));
    let site = Site::new(root.path(), KEY).unwrap();
    tokio::spawn(site.clone().serve(listener, None));
    (door, site, root)
}

fn slowly() -> Option<Fault> {
    Some("slow=0.04".parse().unwrap())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_killed_process_leaves_whole_photos_and_the_next_one_finishes() {
    let (door, site, _root) = slow_site().await;
    site.misbehave(slowly(), None);
    let url = door.settings.photos.url.as_ref().unwrap().expose().to_string();
    for enough in [5, 20, 40] {
        let mut child = Command::new(std::env::current_exe().unwrap())
            .args(["--exact", "interrupted::child", "--ignored", "--nocapture"])
            .env(CHILD, format!("{url} {}", door.folder.path().display()))
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        while door.photos().len() < enough {
            assert!(child.try_wait().unwrap().is_none(), "it ended before it was killed");
            tokio::time::sleep(Duration::from_millis(2)).await;
        }
        child.kill().unwrap();
        child.wait().unwrap();
        for (path, bytes) in door.photos() {
            assert!(
                path.contains("/.part-") || image::load_from_memory(&bytes).is_ok(),
                "{path} is not whole"
            );
        }
    }
    site.misbehave(None, None);
    let report = door.sync().await;
    assert_eq!(report.new + report.unchanged, PHOTOS);
    assert_eq!(door.paths().len(), PHOTOS);
}

#[test]
#[ignore = "the process that a_killed_process_leaves_whole_photos_and_the_next_one_finishes kills"]
fn child() {
    let Ok(told) = std::env::var(CHILD) else { return };
    let (url, folder) = told.split_once(' ').unwrap();
    let mut door = Door::new(url);
    door.settings.data_dir = folder.into();
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(sync::once_with(&door.settings, PATIENCE, &|_| {})).unwrap();
}

#[tokio::test]
async fn a_dropped_synchronisation_is_finished_by_the_next() {
    let (door, site, _root) = slow_site().await;
    site.misbehave(slowly(), None);
    let _ =
        tokio::time::timeout(Duration::from_millis(900), sync::once_with(&door.settings, PATIENCE, &|_| {}))
            .await;
    site.misbehave(None, None);
    // Work that was begun on other threads ends on its own.
    tokio::time::sleep(Duration::from_millis(200)).await;
    let report = door.sync().await;
    assert_eq!(report.new + report.unchanged, PHOTOS);
}

#[tokio::test]
async fn two_at_once_do_not_mix() {
    let (door, site, _root) = slow_site().await;
    site.misbehave(slowly(), None);
    let both = tokio::join!(sync::once_with(&door.settings, PATIENCE, &|_| {}), async {
        tokio::time::sleep(Duration::from_millis(200)).await;
        sync::once_with(&door.settings, PATIENCE, &|_| {}).await
    });
    assert_eq!(both.0.unwrap().new, PHOTOS);
    assert!(matches!(both.1, Err(Error::Busy { .. })));
}
