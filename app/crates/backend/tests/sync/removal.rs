//! Photos gone from the server.

use backend::sync;

use crate::door::{Door, KEY, age, counts, jpeg, write};
use crate::site;
use crate::site::Site;

/// Ten students on a demo site, synchronised.
async fn ten_students() -> (Door, tempfile::TempDir) {
    let root = tempfile::tempdir().unwrap();
    for roll in 0..10 {
        let path = format!("211000{roll}/a.jpg");
        write(root.path(), &path, &jpeg(roll));
        age(root.path(), &path, 100);
    }
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let mut door =
        Door::new(&format!("{}/media/students?key={KEY}", site::origin(&listener, false).unwrap()));
    door.settings.photos.removal_confirmations = 3;
    tokio::spawn(Site::new(root.path(), KEY).unwrap().serve(listener, None));
    assert_eq!(door.sync().await.new, 10);
    (door, root)
}

fn lose(root: &tempfile::TempDir, rolls: std::ops::Range<u8>) {
    for roll in rolls {
        std::fs::remove_dir_all(root.path().join(format!("211000{roll}"))).unwrap();
    }
}

#[tokio::test]
async fn a_few_go_at_once_and_many_only_when_it_stands() {
    let (door, root) = ten_students().await;
    lose(&root, 0..3);
    assert_eq!(counts(&door.sync().await), [0, 0, 7, 3, 0]);
    lose(&root, 3..8);
    for number in 1..=3 {
        let report = door.sync().await;
        assert_eq!(counts(&report), [0, 0, 2, 0, 0]);
        let alarm = report.alarm.unwrap();
        assert_eq!((alarm.students, alarm.of, alarm.syncs), (5, 7, number));
    }
    let report = door.sync().await;
    assert_eq!((counts(&report), report.alarm), ([0, 0, 2, 5, 0], None));
}

#[tokio::test]
async fn a_technician_may_confirm_a_large_removal_and_only_that_one() {
    let (door, root) = ten_students().await;
    assert_eq!(sync::confirm_removal(door.folder.path()).unwrap(), None);
    lose(&root, 0..5);
    assert!(door.sync().await.alarm.is_some());
    assert_eq!(sync::confirm_removal(door.folder.path()).unwrap(), Some(5));
    // Before the next synchronisation more go: that is not what was confirmed.
    lose(&root, 5..8);
    assert_eq!(door.sync().await.removed, 0);
    assert_eq!(sync::confirm_removal(door.folder.path()).unwrap(), Some(8));
    assert_eq!(door.sync().await.removed, 8);
    assert_eq!(door.paths().len(), 2);
}

#[tokio::test]
async fn an_empty_listing_removes_nothing_however_often() {
    let (door, root) = ten_students().await;
    lose(&root, 0..10);
    for _ in 0..5 {
        assert_eq!(counts(&door.sync().await), [0; 5]);
    }
    assert_eq!(door.paths().len(), 10);
}
