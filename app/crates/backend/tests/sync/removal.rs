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

/// Lets the last synchronisation be two hours ago, the most that counts between two.
fn two_hours_pass(door: &Door) {
    let file = door.mirror().join(".sync_state.json");
    let mut state: serde_json::Value = serde_json::from_slice(&std::fs::read(&file).unwrap()).unwrap();
    state["listed_at"] = (state["listed_at"].as_u64().unwrap() - 7200).into();
    std::fs::write(file, state.to_string()).unwrap();
}

#[tokio::test]
async fn a_few_go_at_once_and_many_only_after_a_day_of_agreeing_listings() {
    let (door, root) = ten_students().await;
    lose(&root, 0..5);
    // However often it is asked.
    for number in 1..=8 {
        let report = door.sync().await;
        assert_eq!(counts(&report), [0, 0, 5, 0, 0]);
        let alarm = report.alarm.unwrap();
        assert_eq!((alarm.students, alarm.of, alarm.syncs), (5, 10, number));
    }
    for _ in 1..12 {
        two_hours_pass(&door);
        assert!(door.sync().await.alarm.is_some());
    }
    two_hours_pass(&door);
    let report = door.sync().await;
    assert_eq!((counts(&report), report.alarm), ([0, 0, 5, 5, 0], None));
    // A removal that was believed no longer counts when the next few students are removed.
    lose(&root, 5..6);
    assert_eq!(counts(&door.sync().await), [0, 0, 4, 1, 0]);
}

#[tokio::test]
async fn what_is_lost_bit_by_bit_raises_an_alarm() {
    let (door, root) = ten_students().await;
    lose(&root, 0..3);
    assert_eq!(counts(&door.sync().await), [0, 0, 7, 3, 0]);
    lose(&root, 3..5);
    let report = door.sync().await;
    let alarm = report.alarm.clone().unwrap();
    assert_eq!((counts(&report), alarm.students, alarm.of, alarm.lately), ([0, 0, 5, 0, 0], 2, 7, 3));
    let event = alarm.event().to_string();
    assert!(event.contains("3 others were removed already") && event.contains("24 h"), "{event}");
    // A day later two of seven are few again.
    for _ in 0..12 {
        two_hours_pass(&door);
        door.sync().await;
    }
    assert_eq!(door.paths().len(), 5);
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
async fn an_empty_listing_is_an_error_and_removes_nothing_however_often() {
    let (door, root) = ten_students().await;
    lose(&root, 0..10);
    for _ in 0..5 {
        let error = door.try_sync().await.unwrap_err();
        assert!(error.to_string().contains("the 10 photos here are kept"), "{error}");
    }
    assert_eq!(door.paths().len(), 10);
}
