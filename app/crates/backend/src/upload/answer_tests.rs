#![allow(clippy::unwrap_used)]
use ::http::{HeaderMap, StatusCode};
use proptest::prelude::*;
use serde_json::json;
use time::macros::datetime;

use super::*;
use base::identity::RollNumber;
use journal::row::Status;

fn batch(rolls: &[&str]) -> Vec<OpenRow> {
    let rows = rolls.iter().zip(1..);
    rows.map(|(roll, id)| OpenRow {
        id,
        roll: RollNumber::parse(roll).unwrap(),
        status: Status::In,
        local: datetime!(2025-01-15 09:00:00),
    })
    .collect()
}

fn answer(status: u16, body: impl ToString) -> http::Answer {
    http::Answer {
        status: StatusCode::from_u16(status).unwrap(),
        headers: HeaderMap::new(),
        body: body.to_string().into(),
    }
}

fn read_rows(body: &Value, rolls: &[&str]) -> Vec<RowAnswer> {
    read(&answer(200, body), &batch(rolls), None).unwrap()
}

#[test]
fn the_contracts_own_answer_is_read_row_by_row() {
    let body = json!({"success": true,
        "summary": {"total_rows": 5, "successful": 3, "failed": 1, "duplicates": 1},
        "processed_records": [{"row": 2, "enrollment": 2110001, "name": "…", "status": "in", "time": "09:00:00",
            "date": "2025-01-15", "action": "created"}],
        "total_processed": 3,
        "errors": [{"row": 4, "error": "Student not found: 9999999", "data": {"enrollment_number": "9999999",
            "status": "in", "timestamp": "2025-01-15 09:00:00"}},
            {"row": 5, "error": "Entry already exists in database", "data": {}, "existing_record_id": "…"}],
        "total_errors": 2});
    let answers = read_rows(&body, &["2110001", "2110002", "9999999", "2110003", "2110004"]);
    let refused = RowAnswer::Refused("Student not found: 9999999".to_owned());
    use RowAnswer::{Created, Duplicate, Unnamed};
    assert_eq!(answers, [Created, Unnamed, refused, Duplicate, Unnamed]);
}

#[test]
fn a_student_is_called_what_the_answer_calls_that_very_student() {
    let record = |row: u64, enrollment: Value, name: &str| json!({"row": row, "enrollment": enrollment, "name": name, "status": "in"});
    let body = json!({"success": true, "processed_records": [
        record(2, json!(7), " Asha Rao "),
        record(3, json!("9"), "Somebody else"),
        record(4, Value::Null, "Nobody in particular"),
        record(5, json!(5), ""),
        record(9, json!(7), "Out of the batch"),
    ]});
    let batch = batch(&["7", "8", "3", "5"]);
    let named = names(&answer(200, body), &batch);
    assert_eq!(named, [(&batch[0].roll, "Asha Rao".to_owned())]);
    assert!(names(&answer(200, "no JSON"), &batch).is_empty());
}

#[test]
fn an_answer_without_end_acknowledges_nothing() {
    let rows: String = "{\"row\": 2},".repeat(400_000);
    let body = format!("{{\"success\": true, \"processed_records\": [{rows}{{\"row\": 2}}]}}");
    let trouble = read(&answer(200, body), &batch(&["7"]), None).unwrap_err();
    assert_eq!(trouble.kind, TroubleKind::Server);
    // A whole batch with every field is far below the bound.
    let record = json!({"row": 2, "enrollment": 7, "name": "…", "status": "in", "time": "09:00:00",
        "date": "2025-01-15", "action": "created"});
    let error = json!({"row": 1, "error": "Missing status", "data": {"enrollment_number": "8", "status": "in",
        "timestamp": "2025-01-15 09:00:00", "name": "…"}, "existing_record_id": "…"});
    let body = json!({"success": true, "processed_records": vec![record; 1000], "errors": vec![error; 1000]});
    assert_eq!(read_rows(&body, &["7"]), [RowAnswer::Created]);
}

#[test]
fn each_row_error_has_its_meaning() {
    for (text, expected) in [
        ("Entry already exists in database", "duplicate"),
        ("In-time already recorded", "duplicate"),
        ("OUT-time already recorded for 2025-01-15", "duplicate"),
        ("Student not found: 7", "refused"),
        ("Missing enrollment number", "refused"),
        ("Missing status (in/out)", "refused"),
        ("Missing timestamp", "refused"),
        ("Invalid enrollment number", "refused"),
        ("Invalid status", "refused"),
        ("Invalid timestamp format", "refused"),
        ("Database is locked", "unknown"),
        ("", "unknown"),
    ] {
        let body = json!({"success": true, "processed_records": [{"row": 3}], "errors": [{"row": 2, "error": text}]});
        let answers = read_rows(&body, &["7", "8"]);
        let found = match &answers[0] {
            RowAnswer::Duplicate => "duplicate",
            RowAnswer::Refused(reason) if reason == text => "refused",
            RowAnswer::Unknown(_) => "unknown",
            _ => "another",
        };
        assert_eq!(found, expected, "{text}");
    }
}

#[test]
fn a_twin_in_one_request_shares_the_fate_of_the_first() {
    let twin = json!({"row": 3, "error": "Duplicate entry in CSV"});
    let body = json!({"success": true, "processed_records": [{"row": 2}], "errors": [twin]});
    assert_eq!(read_rows(&body, &["7", "7"]), [RowAnswer::Created, RowAnswer::Duplicate]);
    let body = json!({"success": true, "errors": [{"row": 2, "error": "Student not found: 7"}, twin]});
    assert!(read_rows(&body, &["7", "7"]).iter().all(|row| matches!(row, RowAnswer::Refused(_))));
    let body = json!({"success": true, "processed_records": [{"row": 2}], "errors": [twin]});
    assert!(matches!(read_rows(&body, &["8", "7"])[1], RowAnswer::Unknown(_)));
}

#[test]
fn an_error_for_every_row_is_the_webhooks() {
    let error = |row| json!({"row": row, "error": "Database is locked"});
    for errors in [json!([error(2), error(3)]), json!([error(3)])] {
        let body = json!({"success": true, "processed_records": [], "errors": errors});
        let trouble = read(&answer(200, &body), &batch(&["7", "8"]), None).unwrap_err();
        assert_eq!(trouble.kind, TroubleKind::Server, "{body}");
        assert!(trouble.reason.to_string().contains("Database is locked"), "{}", trouble.reason);
    }
    let body = json!({"success": true, "processed_records": [{"row": 2}], "errors": [error(3)]});
    let unknown = RowAnswer::Unknown("Database is locked".to_owned());
    assert_eq!(read_rows(&body, &["7", "8"]), [RowAnswer::Created, unknown]);
}

#[test]
fn nobody_is_acknowledged_who_is_not_named() {
    let wrong_rows = json!([{"row": 1}, {"row": 99}, {"row": -3}, {"row": null}, {"row": 2.5}, {}, 7]);
    for body in [
        json!({"success": true}),
        json!({"success": true, "processed_records": "all", "errors": {}}),
        json!({"success": true, "processed_records": wrong_rows, "errors": wrong_rows}),
        json!({"success": false, "processed_records": [{"row": 2}]}),
        json!({"success": "true", "processed_records": [{"row": 2}]}),
        // Somebody else's record under this row's number.
        json!({"success": true, "processed_records": [{"row": 2, "enrollment": 8}]}),
        json!({"success": true, "processed_records": [{"row": 2, "status": "out"}]}),
        // Stored and refused at once.
        json!({"success": true, "processed_records": [{"row": 2}], "errors": [{"row": 2, "error": "x"}]}),
    ] {
        let trouble = read(&answer(200, &body), &batch(&["7"]), None).unwrap_err();
        assert_eq!(trouble.kind, TroubleKind::Server, "{body}");
    }
}

#[test]
fn rolls_are_compared_as_the_webhook_writes_them() {
    for (roll, said) in [("0007", json!(7)), ("7", json!("7")), ("A-1", json!("a-1")), ("0", json!(0))] {
        let body = json!({"success": true, "processed_records": [{"row": "2", "enrollment": said}]});
        assert_eq!(read_rows(&body, &[roll]), [RowAnswer::Created], "{roll}");
    }
}

#[test]
fn errors_of_an_answer_that_is_no_success_are_believed() {
    let body = json!({"success": false, "errors": [{"row": 2, "error": "Student not found: 7"}]});
    assert!(matches!(&read_rows(&body, &["7"])[0], RowAnswer::Refused(_)));
}

#[test]
fn statuses_and_strange_bodies_have_their_kind_and_say_what_to_do() {
    use TroubleKind::{Batch, Person, Server, Unreachable};
    let refusal = json!({"success": false, "error": "Unauthorized - Invalid webhook key"});
    for (status, body, kind, words) in [
        (401, refusal.to_string(), Person, "Invalid webhook key"),
        (403, String::new(), Person, "webhook.key"),
        (400, "no".to_owned(), Batch, "400"),
        (413, "no".to_owned(), Batch, "413"),
        (422, "no".to_owned(), Batch, "422"),
        (404, "no".to_owned(), Unreachable, "webhook.url"),
        (302, "no".to_owned(), Unreachable, "webhook.url"),
        (511, "<html>Welcome".to_owned(), Unreachable, "wants a log-in"),
        (429, "no".to_owned(), Unreachable, "wait"),
        (500, "<h1>no</h1>".to_owned(), Server, "500"),
        (200, "<!DOCTYPE html><p>Log in".to_owned(), Server, "web page"),
        (200, String::new(), Server, "nothing"),
        (204, String::new(), Server, "nothing"),
        (200, "[1, 2]".to_owned(), Server, "JSON"),
        (200, "\u{0}\u{1}".to_owned(), Server, "JSON"),
    ] {
        let trouble = read(&answer(status, body), &batch(&["7"]), None).unwrap_err();
        assert_eq!(trouble.kind, kind, "{status}");
        assert!(trouble.reason.to_string().contains(words), "{status}: {}", trouble.reason);
    }
}

#[test]
fn retry_after_is_honoured_within_bounds() {
    let now = Some(datetime!(1994-11-06 08:49:07 UTC));
    let seconds = |text: &str| retry_after(text, now).map(|wait| wait.as_secs());
    assert_eq!(seconds("120"), Some(120));
    assert_eq!(seconds("0"), Some(1));
    assert_eq!(seconds("999999999"), Some(3600));
    assert_eq!(seconds("Sun, 06 Nov 1994 08:49:37 GMT"), Some(30));
    assert_eq!(seconds("Sun, 06 Nov 1983 08:49:37 GMT"), Some(1));
    assert_eq!(seconds("soon"), None);
    assert_eq!(retry_after("Sun, 06 Nov 1994 08:49:37 GMT", None), None);
}

#[test]
fn the_date_counts_over_tls_only() {
    let mut answer = answer(200, "");
    let told = |answer: &http::Answer, url: &str| date(&Url::parse(url).unwrap(), answer);
    assert_eq!(told(&answer, "https://backend.example/"), None);
    for (text, utc) in
        [("Mon, 23 Nov 2026 08:00:00 GMT", Some(datetime!(2026-11-23 08:00:00 UTC))), ("yesterday", None)]
    {
        answer.headers.insert(::http::header::DATE, text.parse().unwrap());
        assert_eq!(told(&answer, "https://backend.example/"), utc);
        assert_eq!(told(&answer, "http://backend.example/"), None);
    }
}

proptest! {
    #[test]
    fn any_body_is_survived(body in prop::collection::vec(any::<u8>(), 0..300)) {
        let answer = http::Answer { body: body.into(), ..answer(200, "") };
        prop_assert!(read(&answer, &batch(&["7"]), None).is_err());
    }
}
