//! Webhooks that answer as no demo does: each test gives the answer to each body.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use base::event::Event;
use bytes::Bytes;
use http::{Response, StatusCode};
use http_body_util::{BodyExt, Full};
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use serde_json::json;
use tokio::net::TcpListener;

use crate::door::Door;

type Bodies = Arc<Mutex<Vec<String>>>;

/// A webhook that answers by `script`; gives its URL and the bodies it got.
async fn webhook(
    script: impl Fn(&[&str], usize) -> Response<String> + Send + Sync + 'static,
) -> (String, Bodies) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}/hook", listener.local_addr().unwrap());
    let (script, bodies) = (Arc::new(script), Bodies::default());
    let got = Arc::clone(&bodies);
    tokio::spawn(async move {
        loop {
            let (stream, _) = listener.accept().await.unwrap();
            let (script, got) = (Arc::clone(&script), Arc::clone(&got));
            let service = service_fn(move |request: http::Request<hyper::body::Incoming>| {
                let (script, got) = (Arc::clone(&script), Arc::clone(&got));
                async move {
                    assert_eq!(request.headers()["x-webhook-key"], crate::door::KEY);
                    assert_eq!(request.headers()["content-type"], "text/csv");
                    let body = request.into_body().collect().await?.to_bytes();
                    let body = String::from_utf8(body.to_vec()).unwrap();
                    let number = {
                        let mut got = got.lock().unwrap();
                        got.push(body.clone());
                        got.len()
                    };
                    let rows: Vec<&str> = body.lines().skip(1).collect();
                    Ok::<_, hyper::Error>(script(&rows, number).map(|text| Full::new(Bytes::from(text))))
                }
            });
            tokio::spawn(
                hyper::server::conn::http1::Builder::new().serve_connection(TokioIo::new(stream), service),
            );
        }
    });
    (url, bodies)
}

fn answer(status: StatusCode, body: impl ToString) -> Response<String> {
    Response::builder().status(status).body(body.to_string()).unwrap()
}

/// Success for the rows with these indices.
fn created(indices: impl IntoIterator<Item = usize>) -> Response<String> {
    let records: Vec<_> = indices.into_iter().map(|index| json!({"row": index + 2})).collect();
    answer(StatusCode::OK, json!({"success": true, "processed_records": records, "errors": []}))
}

fn door_with(url: &str, rows: usize) -> Door {
    let door = Door::at(url);
    (1..=rows).for_each(|roll| door.see(&roll.to_string()));
    door
}

#[tokio::test]
async fn the_doors_name_goes_along_only_where_the_backend_can_take_it() {
    for (door_column, body) in [
        (false, "enrollment_number,status,timestamp\n1,in,2025-01-15 09:00:00\n"),
        (true, "enrollment_number,status,timestamp,door\n1,in,2025-01-15 09:00:00,North gate\n"),
    ] {
        let (url, bodies) = webhook(|rows, _| created(0..rows.len())).await;
        let door = Door::at(&url).with_door_column(door_column);
        door.see("1");
        assert_eq!(door.upload().await.created, 1);
        assert_eq!(*bodies.lock().unwrap(), [body]);
    }
}

#[tokio::test]
async fn poisonous_row_is_isolated() {
    for status in [StatusCode::BAD_REQUEST, StatusCode::UNPROCESSABLE_ENTITY] {
        let (url, bodies) = webhook(move |rows, _| match rows.iter().any(|row| row.starts_with("33,")) {
            true => answer(status, "no"),
            false => created(0..rows.len()),
        })
        .await;
        let door = door_with(&url, 50);
        let report = door.upload().await;
        assert_eq!((report.created, report.refused, report.backlog), (49, 0, 1), "{status}");
        assert!(bodies.lock().unwrap().len() < 25);
        // All may have been refused at that moment: it is tried alone once more.
        door.wait(60);
        let report = door.upload().await;
        assert_eq!((report.created, report.refused, report.backlog), (0, 1, 0), "{status}");
        let list = door.records.ledger.needs_person();
        assert_eq!(list[0].roll.as_str(), "33");
    }
}

/// Twenty rows wait, and new ones keep coming. The webhook accepts others, which shows that the fault is in
/// the first row.
async fn only_the_first_goes_to_a_person(door: &Door) {
    let (mut created, mut refused) = (0, 0);
    // Life goes on at the door; that others pass shows whose fault it is.
    for roll in 100..150 {
        let report = door.upload().await;
        created += report.created;
        refused += report.refused;
        door.wait(1800);
        door.see(&roll.to_string());
    }
    let report = door.upload().await;
    assert_eq!((created + report.created, refused + report.refused, report.backlog), (19 + 50, 1, 0));
    assert_eq!(door.records.ledger.needs_person()[0].roll.as_str(), "1");
}

#[tokio::test]
async fn failing_row_does_not_block_others() {
    let (url, _) = webhook(|rows, _| match rows.iter().any(|row| row.starts_with("1,")) {
        true => answer(StatusCode::INTERNAL_SERVER_ERROR, "<h1>Internal Server Error"),
        false => created(0..rows.len()),
    })
    .await;
    let door = door_with(&url, 20);
    only_the_first_goes_to_a_person(&door).await;
}

/// An answer that names every row, those with these beginnings as ones with an error that nobody knows.
fn with_errors(rows: &[&str], failing: &[&str]) -> Response<String> {
    let (mut records, mut errors) = (Vec::new(), Vec::new());
    for (index, row) in rows.iter().enumerate() {
        match failing.iter().any(|beginning| row.starts_with(beginning)) {
            true => errors.push(json!({"row": index + 2, "error": "Database is locked"})),
            false => records.push(json!({"row": index + 2})),
        }
    }
    answer(StatusCode::OK, json!({"success": true, "processed_records": records, "errors": errors}))
}

#[tokio::test]
async fn webhook_failing_for_all_rows_refuses_none() {
    let sick = Arc::new(AtomicBool::new(true));
    let is_sick = Arc::clone(&sick);
    let (url, _) = webhook(move |rows, _| match is_sick.load(Ordering::Relaxed) {
        true => with_errors(rows, &[""]),
        false => created(0..rows.len()),
    })
    .await;
    let door = door_with(&url, 20);
    let mut heard = door.bus.subscribe();
    for _ in 0..40 {
        let report = door.upload().await;
        assert_eq!((report.created, report.refused, report.backlog), (0, 0, 20));
        assert!(report.failure.unwrap().contains("Database is locked"));
        assert!(matches!(heard.try_recv().unwrap(), Event::DeliveryFailed { .. }));
        assert!(door.uploader.view().failure.is_some());
        door.wait(1800);
    }
    sick.store(false, Ordering::Relaxed);
    let report = door.upload_everything().await;
    assert_eq!((report.created, report.refused, report.backlog), (20, 0, 0));
}

#[tokio::test]
async fn unknown_row_error_needs_a_person() {
    let (url, _) = webhook(|rows, _| with_errors(rows, &["1,"])).await;
    let door = door_with(&url, 20);
    only_the_first_goes_to_a_person(&door).await;
}

#[tokio::test]
async fn unanswered_rows_are_sent_again() {
    // It lists at most three rows, whatever it did, and knows what it has.
    let seen = Mutex::new(std::collections::BTreeSet::new());
    let (url, _) = webhook(move |rows, _| {
        let mut seen = seen.lock().unwrap();
        let (mut records, mut errors) = (Vec::new(), Vec::new());
        for (index, row) in rows.iter().enumerate() {
            match seen.insert((*row).to_owned()) {
                true => records.push(json!({"row": index + 2})),
                false => errors.push(json!({"row": index + 2, "error": "Entry already exists in database"})),
            }
        }
        records.truncate(3);
        errors.truncate(3);
        answer(StatusCode::OK, json!({"success": true, "processed_records": records, "errors": errors}))
    })
    .await;
    let door = door_with(&url, 20);
    let report = door.upload_everything().await;
    assert_eq!((report.created, report.duplicates, report.refused, report.backlog), (3, 17, 0, 0));
}

#[tokio::test]
async fn redirect_never_gets_the_key() {
    let (url, bodies) = webhook(|rows, number| match number {
        1 => {
            let mut answer = answer(StatusCode::TOO_MANY_REQUESTS, "");
            answer.headers_mut().insert("retry-after", "77".parse().unwrap());
            answer
        }
        2 => {
            let mut answer = answer(StatusCode::FOUND, "");
            answer.headers_mut().insert("location", "http://127.0.0.1:9/elsewhere".parse().unwrap());
            answer
        }
        _ => created(0..rows.len()),
    })
    .await;
    let door = door_with(&url, 1);
    let mut heard = door.bus.subscribe();
    assert!(door.upload().await.failure.unwrap().contains("429"));
    assert!(heard.try_recv().unwrap().to_string().contains("next try in 77 s"));
    assert!(door.upload().await.failure.unwrap().contains("302"));
    assert_eq!(door.upload().await.created, 1);
    assert_eq!(bodies.lock().unwrap().len(), 3);
}

#[tokio::test]
async fn an_answer_without_end_is_cut_off() {
    let (url, _) = webhook(|_, _| answer(StatusCode::OK, "[".repeat(5_000_000))).await;
    let door = door_with(&url, 1);
    let report = tokio::time::timeout(Duration::from_secs(20), door.upload()).await.unwrap();
    assert!(report.failure.unwrap().contains("bytes"));
    assert_eq!(report.backlog, 1);
}

#[tokio::test]
async fn wrong_key_is_detected_without_rows() {
    let refuses =
        |_: &[&str], _| answer(StatusCode::UNAUTHORIZED, json!({"success": false, "error": "Unauthorized"}));
    let (url, bodies) = webhook(refuses).await;
    let report = Door::at(&url).upload().await;
    assert!(report.failure.unwrap().contains("refuses the key"));
    assert_eq!(*bodies.lock().unwrap(), ["enrollment_number,status,timestamp\n"]);
    let unreachable = Door::at("http://127.0.0.1:1/hook").upload().await;
    assert!(unreachable.failure.unwrap().contains("cannot connect"));
}

#[tokio::test]
async fn only_a_webhook_counts_as_one() {
    let asked = async |status: StatusCode, body: &'static str| {
        let (url, _) = webhook(move |_, _| answer(status, body)).await;
        Door::at(&url).upload().await.failure
    };
    for (status, body) in [
        (StatusCode::OK, "{\"success\": true, \"processed_records\": [], \"errors\": []}"),
        (StatusCode::OK, "{\"success\": false, \"error\": \"no rows\"}"),
        // Who finds fault with a list without rows has read it.
        (StatusCode::BAD_REQUEST, "no rows"),
        (StatusCode::UNPROCESSABLE_ENTITY, ""),
    ] {
        assert_eq!(asked(status, body).await, None, "{status} {body}");
    }
    for (status, body, told) in [
        (StatusCode::OK, "<!doctype html><p>Log in", "web page"),
        (StatusCode::OK, "{\"detail\": \"nobody here\"}", "webhook's JSON"),
        (StatusCode::INTERNAL_SERVER_ERROR, "", "500"),
    ] {
        let failure = asked(status, body).await.unwrap_or_default();
        assert!(failure.contains(told), "{status} {body}: {failure}");
    }
    let silent = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let door = Door::at(&format!("http://{}/hook", silent.local_addr().unwrap()));
    assert!(door.upload().await.failure.unwrap().contains("did not answer in time"));
}
