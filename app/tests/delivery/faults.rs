//! Webhooks that fail, in each way that the demo site can.

use std::time::Duration;

use crate::door::{Door, demo, stored};

#[tokio::test]
async fn webhook_faults_lose_and_duplicate_no_row() {
    for (fault, words) in [
        ("500", "500"),
        ("503", "503"),
        ("404", "webhook.url"),
        ("html", "web page"),
        ("empty", "nothing"),
        ("hang", "in time"),
        ("reset", "broke off"),
        ("gone", "closed"),
    ] {
        let (site, url) = demo(&["7", "8", "9"]).await;
        let door = Door::at(&url);
        for roll in ["7", "8", "9"] {
            door.see(roll);
        }
        site.misbehave(None, Some(fault.parse().unwrap()));
        let mut heard = door.bus.subscribe();
        let report = door.upload().await;
        assert_eq!((report.created, report.backlog), (0, 3), "{fault}");
        assert!(report.failure.as_ref().unwrap().contains(words), "{fault}: {report:?}");
        let told = heard.try_recv().unwrap().to_string();
        assert!(told.contains("kept, next try in"), "{fault}: {told}");
        assert!(door.uploader.view().failure.is_some());
        // The webhook comes and goes, and the program is restarted.
        let door = door.restart();
        site.misbehave(None, Some(format!("{fault}/2").parse().unwrap()));
        let report = door.upload_everything().await;
        assert_eq!((report.backlog, report.refused), (0, 0), "{fault}");
        assert_eq!(report.created + report.duplicates, 3, "{fault}");
        assert_eq!(stored(&site).len(), 3, "{fault}");
        assert_eq!(door.uploader.view().failure, None, "{fault}");
    }
}

#[tokio::test]
async fn refused_connection_names_the_address() {
    let door = Door::at("http://127.0.0.1:9/attendance/webhook/?key=s3cret");
    door.see("7");
    let report = door.upload().await;
    let reason = report.failure.unwrap();
    assert!(reason.contains("127.0.0.1:9") && !reason.contains("s3cret"), "{reason}");
    assert_eq!(report.backlog, 1);
}

#[tokio::test]
async fn last_upload_keeps_its_deadline() {
    let (site, url) = demo(&["7"]).await;
    let door = Door::at(&url);
    door.see("7");
    site.misbehave(None, Some("slow=30".parse().unwrap()));
    // On a clock of its own, which moves when nobody has anything to do: a busy machine takes no part.
    tokio::time::pause();
    let started = tokio::time::Instant::now();
    let report = door.uploader.once(Duration::from_millis(200)).await;
    assert!(started.elapsed() < Duration::from_millis(450), "{:?}", started.elapsed());
    tokio::time::resume();
    assert!(report.failure.unwrap().contains("within"));
    assert_eq!(door.records.ledger.summary().backlog, 1);
}

#[tokio::test]
async fn full_disk_during_upload_sends_nothing_twice() {
    let (site, url) = demo(&["7"]).await;
    let door = Door::at(&url);
    door.see("7");
    // A folder where the log's file should be: it cannot be written.
    let in_the_way = door.folder.path().join("journal/deliveries-00000001.log");
    std::fs::create_dir(&in_the_way).unwrap();
    assert_eq!(door.upload().await.created, 1);
    let requests = site.webhook.requests();
    door.upload().await;
    assert_eq!(site.webhook.requests(), requests);
    // Writable again: the record is made up for.
    std::fs::remove_dir(&in_the_way).unwrap();
    door.upload().await;
    let door = door.restart();
    door.upload().await;
    assert_eq!(site.webhook.requests(), requests);
}
