//! What a day brings.

use std::sync::Arc;
use std::time::Duration;

use base::event::Event;
use base::failure::Disposition;
use journal::storage::Progress;
use tokio_util::sync::CancellationToken;

use crate::door::{Door, demo, stored};

#[tokio::test]
async fn rows_are_delivered_in_order_once() {
    let (site, url) = demo(&["7", "8"]).await;
    let door = Door::at(&url);
    door.see("7");
    door.wait(3600);
    door.see("7");
    // Nothing is delivered on this day: the original forgot these rows at midnight.
    door.wait(86_400);
    door.tick();
    door.see("8");
    let report = door.upload().await;
    assert_eq!((report.created, report.backlog, report.failure), (3, 0, None));
    assert_eq!(
        site.webhook.rows(),
        "enrollment_number,status,timestamp\n7,in,2025-01-15 09:00:00\n7,out,2025-01-15 10:00:00\n\
         8,in,2025-01-16 10:00:00\n"
    );
    let requests = site.webhook.requests();
    let door = door.restart();
    assert_eq!(door.upload().await.created, 0);
    assert_eq!(site.webhook.requests(), requests, "nothing is delivered again");
}

#[tokio::test]
async fn batches_have_the_configured_size() {
    let students: Vec<String> = (1..=95).map(|student| student.to_string()).collect();
    let students: Vec<&str> = students.iter().map(String::as_str).collect();
    let (site, url) = demo(&students).await;
    let door = Door::at(&url).with_batches_of(10);
    students.iter().for_each(|student| door.see(student));
    let report = door.upload().await;
    assert_eq!((report.created, site.webhook.requests()), (95, 10));
}

#[tokio::test]
async fn an_open_out_is_not_delivered_before_its_day_closes() {
    let (site, url) = demo(&["7"]).await;
    let door = Door::at(&url);
    door.see("7");
    door.wait(3600);
    door.see("7");
    let report = door.upload().await;
    assert_eq!((report.created, report.backlog), (1, 0));
    assert_eq!(door.records.ledger.summary().open_outs, 1);
    door.wait(300);
    let closed = door.records.with_recorder(journal::Recorder::close_day_now);
    assert_eq!(closed, Ok(1));
    assert_eq!(door.upload().await.created, 1);
    assert!(site.webhook.rows().ends_with("7,out,2025-01-15 10:00:00\n"));
}

/// Somebody typed the row into the backend, or a device of another site sent it.
#[tokio::test]
async fn a_row_that_the_backend_had_before_this_door_sent_one_is_a_conflict() {
    let (_site, url) = demo(&["7"]).await;
    let other = Door::at(&url);
    other.see("7");
    assert_eq!(other.upload().await.created, 1);
    let door = Door::at(&url);
    door.wait(600);
    door.see("7");
    let report = door.upload().await;
    assert_eq!((report.created, report.duplicates, report.refused), (0, 0, 1));
    let door = door.restart();
    let list = door.records.ledger.needs_person();
    assert!(list.len() == 1 && list[0].conflict, "{list:?}");
    // The answer to our own repeated request stays "delivered".
    let row = other.records.ledger.on(time::macros::date!(2025 - 01 - 15)).unwrap()[0].id;
    let folder = other.folder.path().join("journal/deliveries-00000001.log");
    let log = std::fs::read_to_string(&folder).unwrap();
    let without: String = log
        .lines()
        .filter(|line| !line.contains(&format!("delivered,{row},")))
        .map(|line| format!("{line}\n"))
        .collect();
    std::fs::write(&folder, without).unwrap();
    let other = other.restart();
    let report = other.upload().await;
    assert_eq!((report.created, report.duplicates, report.refused), (0, 1, 0));
}

#[tokio::test]
async fn unknown_student_needs_a_person() {
    let (site, url) = demo(&["7"]).await;
    let door = Door::at(&url);
    door.see("9999999");
    door.see("7");
    let report = door.upload().await;
    assert_eq!((report.created, report.refused, report.backlog), (1, 1, 0));
    let door = door.restart();
    let list = door.records.ledger.needs_person();
    assert_eq!(list.len(), 1);
    assert_eq!(list[0].progress, Progress::NeedsPerson("Student not found: 9999999".to_owned()));
    let requests = site.webhook.requests();
    door.upload().await;
    assert_eq!(site.webhook.requests(), requests, "not retried for ever");
    // A person asks for it once more, without success, and then gives it up.
    door.uploader.retry(list[0].id).await.unwrap();
    assert_eq!(door.upload().await.refused, 1);
    door.uploader.dismiss(list[0].id).await.unwrap();
    assert!(door.uploader.retry(list[0].id).await.unwrap_err().to_string().contains("not among"));
    let door = door.restart();
    assert!(door.records.ledger.needs_person().is_empty() && door.upload().await.backlog == 0);
}

#[tokio::test]
async fn crash_after_the_answer_makes_duplicates_only() {
    let (site, url) = demo(&["7", "8"]).await;
    let door = Door::at(&url);
    door.see("7");
    door.see("8");
    assert_eq!(door.upload().await.created, 2);
    std::fs::remove_file(door.folder.path().join("journal/deliveries-00000001.log")).unwrap();
    let door = door.restart();
    let report = door.upload().await;
    assert_eq!((report.created, report.duplicates, report.backlog), (0, 2, 0));
    assert_eq!(stored(&site).len(), 2);
}

#[tokio::test]
async fn worker_delivers_automatically() {
    let (site, url) = demo(&["7"]).await;
    let door = Door::at(&url);
    let mut heard = door.bus.subscribe();
    let stop = CancellationToken::new();
    let worker = tokio::spawn(Arc::clone(&door.uploader).work(stop.clone()));
    door.see("7");
    let delivered = tokio::time::timeout(Duration::from_secs(10), async {
        loop {
            if let Event::Delivered { created, backlog, .. } = heard.recv().await.unwrap() {
                return (created, backlog);
            }
        }
    });
    assert_eq!(delivered.await.unwrap(), (1, 0));
    stop.cancel();
    worker.await.unwrap().unwrap();
    assert_eq!(stored(&site).len(), 1);
    let summary = door.records.ledger.summary();
    assert!(summary.backlog == 0 && summary.last_delivery.is_some());
}

#[tokio::test]
async fn refused_key_holds_the_worker() {
    let (site, url) = demo(&["7"]).await;
    let door = Door::at(&url);
    door.see("7");
    site.misbehave(None, Some("401".parse().unwrap()));
    let failure = Arc::clone(&door.uploader).work(CancellationToken::new()).await.unwrap_err();
    assert_eq!(failure.disposition, Disposition::Hold);
    assert!(
        failure.reason.to_string().contains("webhook.key")
            && !failure.reason.to_string().contains(crate::door::KEY)
    );
    assert_eq!(site.requests(), 1);
    // The key is corrected and a technician restarts the worker.
    site.misbehave(None, None);
    assert_eq!(door.upload().await.created, 1);
}

#[tokio::test]
async fn missing_ca_file_holds_the_worker() {
    let (_site, url) = demo(&["7"]).await;
    let folder = tempfile::tempdir().unwrap();
    let ca_file = folder.path().join("ca.pem");
    let door = Door::at(&url).trusting(ca_file.clone());
    door.see("7");
    let failure = Arc::clone(&door.uploader).work(CancellationToken::new()).await.unwrap_err();
    assert_eq!(failure.disposition, Disposition::Hold);
    assert!(
        failure.reason.to_string().contains("tls.ca_file") && failure.reason.to_string().contains("ca.pem"),
        "{}",
        failure.reason
    );
    let authority = rcgen::generate_simple_self_signed(vec!["backend.example".to_owned()]).unwrap();
    std::fs::write(&ca_file, authority.cert.pem()).unwrap();
    assert_eq!(door.upload().await.created, 1);
}

#[tokio::test]
async fn second_process_is_refused_the_journal() {
    let (_, url) = demo(&[]).await;
    let door = Door::at(&url);
    let zone = base::moment::SiteZone::named("UTC").unwrap();
    let second = journal::storage::open(&door.folder.path().join("journal"), zone, |_| {});
    assert!(second.err().unwrap().to_string().contains("is running"));
}
