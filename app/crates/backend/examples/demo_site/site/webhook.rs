//! The daily webhook, as the original backend answers.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Mutex, MutexGuard, PoisonError};

use http::{Response, StatusCode};
use serde_json::{Value, json};
use time::PrimitiveDateTime;
use time::macros::format_description;

use super::{Body, text};

/// Most rows in a request.
const MAX_ROWS: usize = 1000;

/// What the webhook has stored.
pub struct Webhook {
    students: BTreeSet<String>,
    stored: Mutex<Stored>,
}

#[derive(Default)]
struct Stored {
    /// One `in` and one `out` a student and day: the time stamp, and the record's number.
    records: BTreeMap<(String, String, String), (String, usize)>,
    /// Rows in the order they came.
    rows: Vec<[String; 3]>,
    requests: usize,
}

/// Why a row is not stored.
struct Refusal {
    error: String,
    is_duplicate: bool,
    existing: Option<usize>,
}

impl Refusal {
    fn invalid(error: impl Into<String>) -> Self {
        Self { error: error.into(), is_duplicate: false, existing: None }
    }

    fn duplicate(error: &str, existing: Option<usize>) -> Self {
        Self { error: error.to_owned(), is_duplicate: true, existing }
    }
}

impl Webhook {
    /// A webhook that knows these students and has no rows.
    pub fn new(students: impl IntoIterator<Item = String>) -> Self {
        Self { students: students.into_iter().collect(), stored: Mutex::default() }
    }

    /// Answers an upload: each row stands for itself.
    pub fn receive(&self, body: &[u8]) -> Response<Body> {
        let mut reader = csv::ReaderBuilder::new().flexible(true).from_reader(body);
        let header = reader.headers().cloned().unwrap_or_default();
        let column = |name: &str| header.iter().position(|field| field.trim() == name);
        let columns = [column("enrollment_number"), column("status"), column("timestamp")];
        if columns.contains(&None) {
            let error = "CSV must have the columns enrollment_number, status, timestamp";
            return answer(StatusCode::BAD_REQUEST, &json!({"success": false, "error": error}));
        }
        let records: Result<Vec<_>, _> = reader.records().collect();
        let rows = match records {
            Ok(rows) if rows.len() <= MAX_ROWS => rows,
            Ok(_) => {
                let error = format!("more than {MAX_ROWS} rows");
                return answer(StatusCode::PAYLOAD_TOO_LARGE, &json!({"success": false, "error": error}));
            }
            Err(error) => {
                let error = format!("not CSV: {error}");
                return answer(StatusCode::BAD_REQUEST, &json!({"success": false, "error": error}));
            }
        };
        let mut stored = self.stored();
        stored.requests += usize::from(!rows.is_empty());
        let (mut processed, mut errors, mut duplicates) = (Vec::new(), Vec::new(), 0);
        let mut in_this_file = BTreeSet::new();
        for (index, row) in rows.iter().enumerate() {
            let fields = columns.map(|column| row.get(column.unwrap_or(0)).unwrap_or("").trim().to_owned());
            // The header counts as row 1.
            let number = index + 2;
            match self.store(&mut stored, &mut in_this_file, &fields) {
                Ok(record) => processed.push(with_row(number, record)),
                Err(refusal) => {
                    duplicates += usize::from(refusal.is_duplicate);
                    let [enrollment, status, timestamp] = fields;
                    let mut error = json!({"row": number, "error": refusal.error, "data": {
                        "enrollment_number": enrollment, "status": status, "timestamp": timestamp}});
                    if let Some(existing) = refusal.existing {
                        error["existing_record_id"] = json!(format!("{existing:08x}"));
                    }
                    errors.push(error);
                }
            }
        }
        let summary = json!({"total_rows": rows.len(), "successful": processed.len(),
            "failed": errors.len() - duplicates, "duplicates": duplicates});
        let (total_processed, total_errors) = (processed.len(), errors.len());
        answer(
            StatusCode::OK,
            &json!({"success": true, "summary": summary, "processed_records": processed,
                "total_processed": total_processed, "errors": errors, "total_errors": total_errors}),
        )
    }

    /// Whether the webhook works, and what it holds.
    pub fn status(&self) -> Response<Body> {
        let stored = self.stored();
        let statistics = json!({"total_records": stored.rows.len(), "requests": stored.requests,
            "students": self.students.len()});
        answer(StatusCode::OK, &json!({"success": true, "webhook_active": true, "statistics": statistics}))
    }

    /// Every stored row, in the order they came, as CSV with header.
    pub fn rows(&self) -> String {
        let stored = self.stored();
        let rows = stored.rows.iter().map(|row| row.join(",") + "\n").collect::<String>();
        format!("enrollment_number,status,timestamp\n{rows}")
    }

    /// Uploads with rows answered so far.
    pub fn requests(&self) -> usize {
        self.stored().requests
    }

    fn store(
        &self,
        stored: &mut Stored,
        in_this_file: &mut BTreeSet<[String; 3]>,
        fields: &[String; 3],
    ) -> Result<Value, Refusal> {
        let [enrollment, status, timestamp] = fields;
        for (value, error) in [
            (enrollment, "Missing enrollment number"),
            (status, "Missing status (in/out)"),
            (timestamp, "Missing timestamp"),
        ] {
            if value.is_empty() {
                return Err(Refusal::invalid(error));
            }
        }
        let number: u64 = enrollment.parse().map_err(|_| Refusal::invalid("Invalid enrollment number"))?;
        if !matches!(status.as_str(), "in" | "out") {
            return Err(Refusal::invalid("Invalid status"));
        }
        let form = format_description!("[year]-[month]-[day] [hour]:[minute]:[second]");
        PrimitiveDateTime::parse(timestamp, form)
            .map_err(|_| Refusal::invalid("Invalid timestamp format"))?;
        let (date, time) = timestamp.split_once(' ').unwrap_or((timestamp, ""));
        if !self.students.contains(enrollment) {
            return Err(Refusal::invalid(format!("Student not found: {number}")));
        }
        if !in_this_file.insert(fields.clone()) {
            return Err(Refusal::duplicate("Duplicate entry in CSV", None));
        }
        let slot = (enrollment.clone(), date.to_owned(), status.clone());
        if let Some((existing, id)) = stored.records.get(&slot) {
            let error = match status.as_str() {
                _ if existing == timestamp => "Entry already exists in database",
                "in" => "In-time already recorded",
                _ => "Out-time already recorded",
            };
            return Err(Refusal::duplicate(error, Some(*id)));
        }
        stored.rows.push(fields.clone());
        let id = stored.rows.len();
        stored.records.insert(slot, (timestamp.clone(), id));
        Ok(json!({"enrollment": number, "name": format!("Student {number}"), "status": status, "time": time,
            "date": date, "action": "created"}))
    }

    fn stored(&self) -> MutexGuard<'_, Stored> {
        self.stored.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The answer to a wrong key.
pub fn unauthorised() -> Response<Body> {
    let body = json!({"success": false, "error": "Unauthorized - Invalid webhook key",
        "message": "Provide the key in the X-Webhook-Key header"});
    answer(StatusCode::UNAUTHORIZED, &body)
}

fn with_row(number: usize, record: Value) -> Value {
    let mut row = json!({"row": number});
    if let (Value::Object(row), Value::Object(record)) = (&mut row, record) {
        row.extend(record);
    }
    row
}

fn answer(status: StatusCode, body: &Value) -> Response<Body> {
    text(status, "application/json", body.to_string())
}
