//! The original system's HTTP API, field for field, and what was added to it. Fields may be added; none may
//! go or change its meaning.

use schemars::JsonSchema;
use serde::Serialize;
use serde_json::Number;

use super::view::{Problem, Row, View};
use base::event::WorkerState;

/// `GET /`.
#[derive(Debug, Serialize, JsonSchema)]
pub(super) struct Root {
    service: &'static str,
    /// `running`: an answer at all is the proof.
    status: &'static str,
    /// `H:MM:SS`.
    uptime: String,
    /// Local time, `YYYY-MM-DD HH:MM:SS`.
    started_at: String,
    attendance_system: Recognition,
    sync: RootSync,
    upload: RootUpload,
    /// The door's name.
    site: String,
    version: String,
    /// What is wrong, the worst first; empty when all is well.
    problems: Vec<Problem>,
}

#[derive(Debug, Serialize, JsonSchema)]
struct Recognition {
    running: bool,
    /// The process; none when recognition does not run.
    pid: Option<u32>,
}

#[derive(Debug, Serialize, JsonSchema)]
struct RootSync {
    interval_minutes: Number,
    csv_file: String,
}

#[derive(Debug, Serialize, JsonSchema)]
struct RootUpload {
    interval_minutes: Number,
    /// Without credentials.
    backend_url: Option<String>,
}

/// `GET /status`.
#[derive(Debug, Serialize, JsonSchema)]
pub(super) struct Status {
    server: Server,
    attendance_system: Recognition,
    today_attendance: TodayFile,
    sync_thread: Thread,
    upload_thread: Thread,
    /// Everything else that is known.
    appliance: View,
}

#[derive(Debug, Serialize, JsonSchema)]
struct Server {
    running: bool,
    /// `H:MM:SS`.
    uptime: String,
    started: String,
}

#[derive(Debug, Serialize, JsonSchema)]
struct TodayFile {
    file: String,
    exists: bool,
    total_records: usize,
}

#[derive(Debug, Serialize, JsonSchema)]
struct Thread {
    running: bool,
    interval_minutes: Number,
}

/// `GET /attendance/today` and `GET /attendance/{date}`.
#[derive(Debug, Serialize, JsonSchema)]
pub(super) struct Day {
    /// `YYYY-MM-DD`.
    pub(super) date: String,
    pub(super) records: Vec<Row>,
    pub(super) total: usize,
}

impl Day {
    pub(super) fn new(date: String, records: Vec<Row>) -> Self {
        Self { date, total: records.len(), records }
    }
}

/// `GET /attendance/health`.
#[derive(Debug, Serialize, JsonSchema)]
pub(super) struct Health {
    /// `healthy` or `unhealthy`.
    status: &'static str,
    /// The worst problem, or that there is none.
    message: String,
    running: bool,
    pid: Option<u32>,
    /// Always null: recognition is a worker of the program, which ends with it.
    exit_code: Option<i32>,
}

/// `GET /logs/server`.
#[derive(Debug, Serialize, JsonSchema)]
pub(super) struct Logs {
    pub(super) lines: Vec<String>,
    pub(super) total: usize,
}

/// `POST /sync/manual` and the actions that were added.
#[derive(Debug, Serialize, JsonSchema)]
pub(super) struct Acted {
    pub(super) success: bool,
    pub(super) message: String,
    pub(super) output: String,
}

/// `POST /upload/manual`.
#[derive(Debug, Serialize, JsonSchema)]
pub(super) struct Uploaded {
    pub(super) success: bool,
    pub(super) message: String,
    pub(super) csv_file: String,
}

/// `POST /attendance/restart`.
#[derive(Debug, Serialize, JsonSchema)]
pub(super) struct Restarted {
    pub(super) success: bool,
    pub(super) message: String,
    pub(super) pid: u32,
}

/// Every error.
#[derive(Debug, Serialize, JsonSchema)]
#[allow(dead_code, reason = "its schema is in the documentation; reply::error writes it")]
pub(super) struct Failure {
    detail: FailureDetail,
}

#[derive(Debug, Serialize, JsonSchema)]
#[allow(dead_code, reason = "as above")]
struct FailureDetail {
    /// One sentence.
    error: String,
    /// More, or empty.
    details: String,
}

pub(super) fn root(view: View, problems: Vec<Problem>) -> Root {
    Root {
        service: "Attendance appliance",
        status: "running",
        uptime: hours_minutes_seconds(view.system.uptime_s),
        started_at: view.system.started.clone(),
        attendance_system: recognition(&view),
        sync: RootSync { interval_minutes: minutes(view.sync.interval_s), csv_file: view.today.file },
        upload: RootUpload {
            interval_minutes: minutes(view.upload.interval_s),
            backend_url: view.upload.url,
        },
        site: view.site,
        version: view.system.version,
        problems,
    }
}

pub(super) fn status(view: View) -> Status {
    Status {
        server: Server {
            running: true,
            uptime: hours_minutes_seconds(view.system.uptime_s),
            started: view.system.started.clone(),
        },
        attendance_system: recognition(&view),
        today_attendance: TodayFile {
            file: view.today.file.clone(),
            exists: view.today.exists,
            total_records: view.today.rows.iter().filter(|row| !row.open).count(),
        },
        sync_thread: Thread { running: runs(&view, "sync"), interval_minutes: minutes(view.sync.interval_s) },
        upload_thread: Thread {
            running: runs(&view, "upload"),
            interval_minutes: minutes(view.upload.interval_s),
        },
        appliance: view,
    }
}

pub(super) fn health(view: &View, healthy: bool, problems: &[Problem]) -> Health {
    let Recognition { running, pid } = recognition(view);
    Health {
        status: if healthy { "healthy" } else { "unhealthy" },
        message: problems.first().map_or("All well.".to_owned(), |p| format!("{} {}", p.what, p.advice)),
        running,
        pid,
        exit_code: None,
    }
}

fn recognition(view: &View) -> Recognition {
    let running = runs(view, "recognition");
    Recognition { running, pid: running.then_some(view.system.pid) }
}

fn runs(view: &View, worker: &str) -> bool {
    view.workers.iter().any(|w| w.name == worker && w.state == WorkerState::Running)
}

/// `H:MM:SS`, the hours growing without end, as scripts split it at the colons.
pub(super) fn hours_minutes_seconds(seconds: u64) -> String {
    format!("{}:{:02}:{:02}", seconds / 3600, seconds / 60 % 60, seconds % 60)
}

/// Whole minutes as an integer, as the original has them; else with a fraction.
fn minutes(seconds: u64) -> Number {
    if seconds.is_multiple_of(60) {
        return Number::from(seconds / 60);
    }
    Number::from_f64(seconds as f64 / 60.0).unwrap_or_else(|| Number::from(seconds / 60))
}

/// One day's rows as the original's file: `name,status,timestamp`. An OUT that is open gets into it when the
/// day closes.
pub(super) fn csv(rows: &[Row]) -> Result<Vec<u8>, csv::Error> {
    let mut writer = csv::Writer::from_writer(Vec::new());
    writer.write_record(["name", "status", "timestamp"])?;
    for row in rows.iter().filter(|row| !row.open) {
        writer.write_record([&row.name, &row.status, &row.timestamp])?;
    }
    writer.into_inner().map_err(|error| error.into_error().into())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_open_out_is_no_row_of_the_file_yet() {
        let row = |status: &str, open| Row {
            name: "7".to_owned(),
            status: status.to_owned(),
            timestamp: "2026-11-29 08:00:00".to_owned(),
            open,
            ..Row::default()
        };
        let text = csv(&[row("IN", false), row("OUT", true)]).unwrap_or_default();
        assert_eq!(String::from_utf8_lossy(&text), "name,status,timestamp\n7,IN,2026-11-29 08:00:00\n");
    }

    #[test]
    fn times_read_as_in_the_original() {
        assert_eq!(hours_minutes_seconds(59), "0:00:59");
        assert_eq!(hours_minutes_seconds(3 * 86_400 + 61), "72:01:01");
        assert_eq!(minutes(900).to_string(), "15");
        assert_eq!(minutes(90).to_string(), "1.5");
    }
}
