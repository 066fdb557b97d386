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

/// A row that stands twice in one request: its result is that of the first one.
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
    // An answer that is not a success cannot have stored anything; its errors are believed, because they take
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
#[path = "answer_tests.rs"]
mod tests;
