//! What the webhook's answer means: pure.
//!
//! Nothing is taken for delivered unless the answer says so of that very row. A login page with status 200,
//! an empty answer, or a "success" that names nobody acknowledges nothing.

use std::time::Duration;

use serde_json::Value;
use time::OffsetDateTime;
use time::format_description::well_known::Rfc2822;

use url::Url;

use crate::config::Server;
use crate::http;
use crate::http::portal::{self, Sign};
use base::failure::{Diagnosis as _, Fault};
use base::identity::RollNumber;
use journal::storage::OpenRow;

/// Most characters of a server's text that are kept.
const MAX_TEXT: usize = 200;
/// Most values in an answer. A thousand rows, the largest batch, are answered with some 13 each.
const MAX_VALUES: usize = 100_000;
/// Least and longest wait that a server can ask for: not none at all, and not so long that nobody notices it
/// works again.
const RETRY_AFTER: (Duration, Duration) = (Duration::from_secs(1), Duration::from_secs(3600));

/// What the webhook says of one row.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum RowAnswer {
    /// It stored the row.
    Created,
    /// It had the row already.
    Duplicate,
    /// It will never take the row as it is.
    Refused(String),
    /// It reports an error that is none of the known ones.
    Unknown(String),
    /// It does not name the row.
    Unnamed,
}

impl RowAnswer {
    /// Whether the row's fate is clear.
    pub fn is_clear(&self) -> bool {
        matches!(self, Self::Created | Self::Duplicate | Self::Refused(_))
    }
}

/// A batch that was not answered row by row.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Trouble {
    /// What kind of trouble.
    pub kind: TroubleKind,
    /// What is wrong, without secrets, and what to do.
    pub reason: Fault,
    /// How long the server asks to wait.
    pub wait: Option<Duration>,
}

/// Kinds of trouble, by what helps.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TroubleKind {
    /// The key is refused, or the configured trust cannot be set up: a person may have to act. It is tried
    /// again seldom, for a firewall or a deployment may have refused, too.
    Person,
    /// The batch is refused (400, 413, 422): a smaller one may not be.
    Batch,
    /// The server is not well, or one of the rows makes it so: later, and after some tries with fewer rows.
    Server,
    /// There is no webhook to be reached, or it asks for patience: later.
    Unreachable,
}

/// The known errors of a row that will not pass by waiting, in lower case.
const REFUSALS: [&str; 7] = [
    "student not found",
    "missing enrollment number",
    "missing status",
    "missing timestamp",
    "invalid enrollment number",
    "invalid status",
    "invalid timestamp",
];

/// The known errors that mean that the webhook has the row, in lower case.
const DUPLICATES: [&str; 3] =
    ["entry already exists", "in-time already recorded", "out-time already recorded"];

/// A row that stands twice in one request: what becomes of it is what becomes of the first one.
const TWIN: &str = "duplicate entry in csv";

/// Reads an answer: one [`RowAnswer`] for each row of `batch`, at least one of them clear. `now` is the wall
/// clock where it is known, for `Retry-After`.
///
/// # Errors
/// [`Trouble`] when the answer is clear of no row: a webhook whose database is down may say so row by row.
pub fn read(
    answer: &http::Answer,
    batch: &[OpenRow],
    now: Option<OffsetDateTime>,
) -> Result<Vec<RowAnswer>, Trouble> {
    let status = answer.status;
    let wait = answer.headers.get(::http::header::RETRY_AFTER).and_then(|value| value.to_str().ok());
    let wait = wait.and_then(|text| retry_after(text, now));
    let json = http::json::bounded(&answer.body, MAX_VALUES).ok().filter(Value::is_object);
    let said = json.as_ref().and_then(message).map(|text| format!(" ({text})")).unwrap_or_default();
    let trouble = |kind, reason: Fault| Err(Trouble { kind, reason, wait });
    let moved = answer.headers.get(::http::header::LOCATION).and_then(|value| value.to_str().ok());
    // Its query may repeat a key.
    let moved = moved.map(|to| shortened(to.split(['?', '#']).next().unwrap_or_default()));
    match status.as_u16() {
        200..=299 => {}
        511 => {
            let fault = portal::fault("the webhook", &Sign::Told, Server::Webhook);
            return trouble(TroubleKind::Unreachable, fault);
        }
        401 | 403 => {
            let reason = Fault::new(format!("the webhook refuses the key: {status}{said}")).advise(
                match status.as_u16() {
                    401 => "check webhook.key",
                    _ => "check webhook.key; a firewall or the server itself may refuse this device for now",
                },
            );
            return trouble(TroubleKind::Person, reason);
        }
        400 | 413 | 415 | 422 => {
            return trouble(
                TroubleKind::Batch,
                format!("the webhook refuses the request: {status}{said}").into(),
            );
        }
        408 | 425 | 429 => {
            return trouble(
                TroubleKind::Unreachable,
                format!("the webhook asks to wait: {status}{said}").into(),
            );
        }
        500..=599 => {
            return trouble(TroubleKind::Server, format!("the webhook failed: {status}{said}").into());
        }
        300..=399 if moved.is_some() => {
            let to = moved.unwrap_or_default();
            let reason = Fault::new(format!(
                "the webhook answers {status} and redirects to {to}; the key is not sent there"
            ))
            .advise(format!(
                "if that is the webhook's address, write it into webhook.url. Otherwise {}",
                portal::ADVICE
            ));
            return trouble(TroubleKind::Unreachable, reason);
        }
        _ => {
            let reason =
                Fault::new(format!("no webhook answers there: {status}{said}")).advise("check webhook.url");
            return trouble(TroubleKind::Unreachable, reason);
        }
    }
    // Every answer of the contract says whether it is a success: other JSON is somebody else's.
    let Some(json) = json.filter(|json| json["success"].is_boolean() || !batch.is_empty()) else {
        return trouble(TroubleKind::Server, not_an_answer(&answer.body));
    };
    let answers = rows(&json, batch);
    if !batch.is_empty() && !answers.iter().any(RowAnswer::is_clear) {
        let error = answers.iter().find_map(|answer| match answer {
            RowAnswer::Unknown(text) => Some(text),
            _ => None,
        });
        let reason = match error {
            Some(text) => Fault::new(format!("the webhook took none of the rows: {text}")),
            None => Fault::new(format!("the webhook answered without naming one of the rows{said}"))
                .advise("they are sent again"),
        };
        return trouble(TroubleKind::Server, reason);
    }
    Ok(answers)
}

impl From<&http::Error> for Trouble {
    fn from(error: &http::Error) -> Self {
        let kind = match error {
            http::Error::Connect { .. }
            | http::Error::Tls { .. }
            | http::Error::PinMismatch { .. }
            | http::Error::Proxy { .. } => TroubleKind::Unreachable,
            _ => TroubleKind::Server,
        };
        Self { kind, reason: error.fault(), wait: None }
    }
}

/// What each of the two lists says of each row. Whoever is named in neither stays unnamed; whoever is named
/// with different outcomes is, too: asking again will tell.
fn rows(json: &Value, batch: &[OpenRow]) -> Vec<RowAnswer> {
    let mut answers: Vec<Option<RowAnswer>> = vec![None; batch.len()];
    let mut contradicted = vec![false; batch.len()];
    let mut twins = Vec::new();
    let mut note = |index: usize, answer: RowAnswer| {
        contradicted[index] |= answers[index].as_ref().is_some_and(|earlier| *earlier != answer);
        answers[index] = Some(answer);
    };
    // An answer that is no success cannot have stored anything; its errors are believed, because they take
    // nothing for stored that is not there.
    if json["success"] == Value::Bool(true) {
        for record in list(json, "processed_records") {
            let about = (record.get("enrollment"), record.get("status"));
            if let Some(index) = index(record, batch).filter(|index| is_about(about, &batch[*index])) {
                note(index, RowAnswer::Created);
            }
        }
    }
    for record in list(json, "errors") {
        let data = &record["data"];
        let about = (data.get("enrollment_number"), data.get("status"));
        let Some(index) = index(record, batch).filter(|index| is_about(about, &batch[*index])) else {
            continue;
        };
        let text = shortened(record["error"].as_str().unwrap_or("an error without text"));
        let lower = text.to_lowercase();
        let begins = |known: &&str| lower.starts_with(*known);
        if lower.starts_with(TWIN) {
            twins.push((index, text));
        } else if DUPLICATES.iter().any(begins) {
            note(index, RowAnswer::Duplicate);
        } else if REFUSALS.iter().any(begins) {
            note(index, RowAnswer::Refused(text));
        } else {
            note(index, RowAnswer::Unknown(text));
        }
    }
    for (index, text) in twins {
        let same = |other: &OpenRow| {
            let row = &batch[index];
            other.roll == row.roll && other.status == row.status && other.local.date() == row.local.date()
        };
        let first = batch[..index].iter().position(same).and_then(|first| answers[first].clone());
        let answer = match first {
            Some(RowAnswer::Created | RowAnswer::Duplicate) => RowAnswer::Duplicate,
            Some(other) => other,
            None => RowAnswer::Unknown(text),
        };
        answers[index] = Some(answer);
    }
    answers
        .into_iter()
        .zip(contradicted)
        .map(|(answer, contradicted)| match answer {
            Some(answer) if !contradicted => answer,
            _ => RowAnswer::Unnamed,
        })
        .collect()
}

/// What the webhook calls the students of these rows, where it names a row's student and says so of that very
/// row. The original calls them by `processed_records.name`.
pub fn names<'a>(answer: &http::Answer, batch: &'a [OpenRow]) -> Vec<(&'a RollNumber, String)> {
    let json = http::json::bounded(&answer.body, MAX_VALUES).unwrap_or_default();
    list(&json, "processed_records")
        .filter_map(|record| {
            let row = &batch[index(record, batch)?];
            let told = record.get("enrollment").filter(|told| told.is_string() || told.is_number())?;
            let name = record["name"].as_str().map(str::trim).filter(|name| !name.is_empty())?;
            is_about((Some(told), record.get("status")), row).then(|| (&row.roll, shortened(name)))
        })
        .collect()
}

fn list<'a>(json: &'a Value, name: &str) -> impl Iterator<Item = &'a Value> {
    json[name].as_array().into_iter().flatten()
}

/// The place in the batch; the header counts as row 1.
fn index(record: &Value, batch: &[OpenRow]) -> Option<usize> {
    let row = &record["row"];
    let number = row.as_u64().or_else(|| row.as_str()?.trim().parse().ok())?;
    let index = usize::try_from(number).ok()?.checked_sub(2)?;
    (index < batch.len()).then_some(index)
}

/// Whether what a record repeats of a row is that row's: a webhook that counts otherwise must not acknowledge
/// somebody else. The original answers with a number where we sent its digits.
fn is_about((roll, status): (Option<&Value>, Option<&Value>), row: &OpenRow) -> bool {
    let plain = |text: &str| text.trim().trim_start_matches('0').to_lowercase();
    let agrees = |said: Option<&Value>, sent: &str| match said {
        Some(Value::String(said)) if !said.trim().is_empty() => plain(said) == plain(sent),
        Some(Value::Number(said)) => said.to_string() == plain(sent) || said.to_string() == sent,
        _ => true,
    };
    agrees(roll, row.roll.as_str()) && agrees(status, row.status.lower_case())
}

/// What the answer says in words.
pub(super) fn message(json: &Value) -> Option<String> {
    ["error", "message", "detail"].iter().find_map(|name| json[*name].as_str()).map(shortened)
}

pub(super) fn not_an_answer(body: &[u8]) -> Fault {
    let text = String::from_utf8_lossy(&body[..body.len().min(4096)]);
    let start = text.trim_start().to_lowercase();
    let what = if start.is_empty() {
        "nothing"
    } else if portal::is_page(body) {
        return nothing_counts(portal::fault("the webhook", &Sign::Page, Server::Webhook));
    } else {
        "something that is not the webhook's JSON"
    };
    Fault::new(format!("the webhook answered with {what}"))
        .advise("nothing counts as delivered. Check webhook.url and what stands before it")
}

/// A fault of an answer that delivers nothing, although it came.
fn nothing_counts(fault: Fault) -> Fault {
    Fault { advice: fault.advice.map(|advice| format!("nothing counts as delivered; {advice}")), ..fault }
}

/// One line of at most [`MAX_TEXT`] characters.
fn shortened(text: &str) -> String {
    text.trim().chars().map(|c| if c.is_control() { ' ' } else { c }).take(MAX_TEXT).collect()
}

/// The time that a server tells in the header `Date`, as a second source beside the device's clock. None over
/// plain HTTP: anybody on the network could have written it.
pub fn date(url: &Url, answer: &http::Answer) -> Option<OffsetDateTime> {
    let date = answer.headers.get(::http::header::DATE).filter(|_| url.scheme() == "https")?;
    OffsetDateTime::parse(date.to_str().ok()?.trim(), &Rfc2822).ok()
}

/// `Retry-After` (RFC 9110 §10.2.3), within bounds: seconds, or a date where the present is known.
fn retry_after(text: &str, now: Option<OffsetDateTime>) -> Option<Duration> {
    let wait = match text.trim().parse() {
        Ok(seconds) => Duration::from_secs(seconds),
        Err(_) => {
            let until = OffsetDateTime::parse(text.trim(), &Rfc2822).ok()?;
            Duration::try_from(until - now?).unwrap_or_default()
        }
    };
    Some(wait.clamp(RETRY_AFTER.0, RETRY_AFTER.1))
}

#[cfg(test)]
mod tests {
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
        let body =
            json!({"success": true, "processed_records": vec![record; 1000], "errors": vec![error; 1000]});
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
            (429, "no".to_owned(), Unreachable, "wait"),
            (500, "<h1>no</h1>".to_owned(), Server, "500"),
            (302, "no".to_owned(), Unreachable, "log-in page"),
            (511, "<html>Welcome".to_owned(), Unreachable, "wants a log-in"),
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
}
