//! The worker: again and again, telling what changed.

use std::sync::Arc;
use std::time::Duration;

use backend::sync::{Worker, run};
use base::event::{Bus, Event};
use base::failure::Disposition;
use tokio::sync::{Notify, watch};
use tokio_util::sync::CancellationToken;

use crate::door::{Door, KEY, age, jpeg, write};
use crate::site;
use crate::site::Site;

async fn worker(key: &str) -> (Worker, Door, tempfile::TempDir) {
    let root = tempfile::tempdir().unwrap();
    write(root.path(), "2110001/a.jpg", &jpeg(1));
    age(root.path(), "2110001/a.jpg", 100);
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let door = Door::new(&format!("{}/media/students?key={key}", site::origin(&listener, false).unwrap()));
    tokio::spawn(Site::new(root.path(), KEY).unwrap().serve(listener, None));
    let worker = Worker {
        settings: Arc::new(door.settings.clone()),
        bus: Bus::default(),
        changed: watch::channel(0).0,
        now: Arc::new(Notify::new()),
        progress: base::progress::Progress::default(),
        failed: Arc::default(),
        enrolling: Default::default(),
        account: Arc::default(),
    };
    (worker, door, root)
}

#[tokio::test]
async fn new_photos_are_told_and_unchanged_ones_are_not() {
    let (worker, _door, root) = worker(KEY).await;
    let (mut events, mut changed) = (worker.bus.subscribe(), worker.changed.subscribe());
    let stop = CancellationToken::new();
    let running = tokio::spawn(run(worker.clone(), stop.clone()));
    let mut next =
        async || tokio::time::timeout(Duration::from_secs(20), events.recv()).await.unwrap().unwrap();
    assert!(matches!(next().await, Event::PhotosSynced { new: 1, .. }));
    assert!(changed.has_changed().unwrap());
    changed.mark_unchanged();
    worker.now.notify_one();
    assert!(matches!(next().await, Event::PhotosSynced { new: 0, unchanged: 1, .. }));
    assert!(!changed.has_changed().unwrap());
    write(root.path(), "2110002/b.jpg", &jpeg(2));
    worker.now.notify_one();
    assert!(matches!(next().await, Event::PhotosSynced { new: 1, unchanged: 1, .. }));
    assert!(changed.has_changed().unwrap());
    stop.cancel();
    assert_eq!(tokio::time::timeout(Duration::from_secs(5), running).await.unwrap().unwrap(), Ok(()));
}

#[tokio::test]
async fn photos_that_another_process_changed_are_told() {
    let (worker, door, root) = worker(KEY).await;
    let (mut events, mut changed) = (worker.bus.subscribe(), worker.changed.subscribe());
    let stop = CancellationToken::new();
    let running = tokio::spawn(run(worker.clone(), stop.clone()));
    let mut next =
        async || tokio::time::timeout(Duration::from_secs(20), events.recv()).await.unwrap().unwrap();
    assert!(matches!(next().await, Event::PhotosSynced { new: 1, .. }));
    changed.mark_unchanged();
    // `attendance sync` while the worker waits; its own synchronisation then finds nothing to do.
    write(root.path(), "2110002/b.jpg", &jpeg(2));
    assert_eq!(door.sync().await.new, 1);
    worker.now.notify_one();
    assert!(matches!(next().await, Event::PhotosSynced { new: 0, unchanged: 2, removed: 0, .. }));
    assert!(changed.has_changed().unwrap());
    stop.cancel();
    running.await.unwrap().unwrap();
    // A change made while no worker runs is reported when one starts.
    changed.mark_unchanged();
    write(root.path(), "2110003/c.jpg", &jpeg(3));
    assert_eq!(door.sync().await.new, 1);
    let stop = CancellationToken::new();
    stop.cancel();
    run(worker.clone(), stop).await.unwrap();
    assert!(changed.has_changed().unwrap());
}

#[tokio::test]
async fn a_synchronisation_that_had_no_photo_is_no_success() {
    let (worker, door, root) = worker(KEY).await;
    write(root.path(), "2110001/a.jpg", b"no photo");
    let mut events = worker.bus.subscribe();
    let stop = CancellationToken::new();
    let running = tokio::spawn(run(worker.clone(), stop.clone()));
    let mut next = async || loop {
        let event = tokio::time::timeout(Duration::from_secs(20), events.recv()).await.unwrap().unwrap();
        if !matches!(event, Event::LeftOut { .. }) {
            break event;
        }
    };
    let first = next().await;
    assert!(
        matches!(&first, Event::SyncFailed { reason, .. } if reason.what.contains("2110001/a.jpg")),
        "{first}"
    );
    // One student's folder is of no use on the disk: that is mended, and stops nothing.
    write(root.path(), "2110001/a.jpg", &jpeg(1));
    write(root.path(), "2110002/b.jpg", &jpeg(2));
    std::fs::write(door.mirror().join("2110002"), "").unwrap();
    worker.now.notify_one();
    let second = next().await;
    assert!(matches!(second, Event::PhotosSynced { new: 2, failed: 0, .. }), "{second}");
    stop.cancel();
    running.await.unwrap().unwrap();
}

#[tokio::test]
async fn a_removal_that_waits_is_told_again_after_a_restart_without_the_server() {
    let (worker, door, _root) = worker("wrong-k3y").await;
    let state = r#"{"pending": {"digest": "d", "syncs": 2, "photos": 7, "students": 5, "of": 9}}"#;
    write(&door.mirror(), ".sync_state.json", state.as_bytes());
    let mut events = worker.bus.subscribe();
    run(worker, CancellationToken::new()).await.unwrap_err();
    assert!(matches!(events.recv().await.unwrap(), Event::RemovalWaits { students: 5, of: 9, .. }));
}

#[tokio::test]
async fn a_refused_key_holds_the_worker() {
    let (worker, _door, _root) = worker("wrong-k3y").await;
    let failure = run(worker, CancellationToken::new()).await.unwrap_err();
    assert_eq!(failure.disposition, Disposition::Hold);
    assert!(
        failure.reason.to_string().contains("key") && !failure.reason.to_string().contains("wrong-k3y"),
        "{}",
        failure.reason
    );
}

/// Between fetching and enrolling there is no moment at which a new student would be called a stranger.
#[tokio::test]
async fn enrolment_is_asked_for_before_fetching_is_said_to_be_over() {
    let (worker, _door, _root) = worker(KEY).await;
    let (progress, enrolling) = (worker.progress.clone(), worker.enrolling.clone());
    let mut events = worker.bus.subscribe();
    let stop = CancellationToken::new();
    let running = tokio::spawn(run(worker, stop.clone()));
    let watching = async {
        loop {
            let event = events.recv().await.unwrap();
            // In the order in which recognition looks at them.
            let loading = progress.under_way().is_some() || enrolling.under_way().is_some();
            if let Event::PhotosSynced { new, .. } = event {
                return (loading, new);
            }
        }
    };
    let (loading, new) = tokio::time::timeout(Duration::from_secs(20), watching).await.unwrap();
    assert_eq!((loading, new), (true, 1));
    tokio::time::sleep(Duration::from_millis(200)).await;
    assert_eq!(progress.under_way(), None, "the synchronisation is over");
    assert!(enrolling.under_way().is_some(), "the enrolment was asked for, and has not begun");
    stop.cancel();
    running.await.unwrap().unwrap();
}
