//! The original system's HTTP API, field for field, and what was added to it. Fields may be added; none may
//! go or change its meaning.

use schemars::JsonSchema;
use serde::Serialize;
use serde_json::Number;

use base::event::WorkerState;
use view::verdict;
use view::verdict::Frames;
use view::{Erasure, Problem, Row, View};

/// Most entries of one list in `GET /status`: monitoring asks often.
pub(super) const MOST_LISTED: usize = 500;

/// `GET /`.
#[derive(Debug, Serialize, JsonSchema)]
pub(super) struct Root {
    service: &'static str,
    /// `running`: an answer at all is the proof.
    status: &'static str,
    /// `H:MM:SS`.
    uptime: String,
    /// Local time, `YYYY-MM-DDTHH:MM:SS`.
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
    /// Whether recognition gets pictures: without a camera nobody can be recognised.
    running: bool,
    /// The process; none when recognition does not run.
    pid: Option<u32>,
}

#[derive(Debug, Serialize, JsonSchema)]
struct RootSync {
    interval_minutes: Number,
    /// The name of today's file.
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
    /// Everything else that is known. Its long lists are cut, see `not_listed`.
    appliance: View,
    /// How many entries were left out of the lists in `appliance`, which have at most 500 each.
    not_listed: NotListed,
}

/// Entries that `GET /status` leaves out.
#[derive(Debug, PartialEq, Eq, Serialize, JsonSchema)]
pub(super) struct NotListed {
    /// Of `today.rows`: the oldest. `GET /attendance/today` has all.
    today_rows: usize,
    /// Of `upload.needs_person`: the newest.
    needs_person: usize,
    /// Of `roster.refused`. `GET /roster` has all.
    refused_photos: usize,
}

impl NotListed {
    /// Cuts the long lists of `view`.
    fn cut(view: &mut View) -> Self {
        let more = |length: usize| length.saturating_sub(MOST_LISTED);
        let cut = Self {
            today_rows: more(view.today.rows.len()),
            needs_person: more(view.upload.needs_person.len()),
            refused_photos: more(view.roster.refused.len()),
        };
        view.today.rows.drain(..cut.today_rows);
        view.upload.needs_person.truncate(MOST_LISTED);
        view.roster.refused.truncate(MOST_LISTED);
        cut
    }
}

#[derive(Debug, Serialize, JsonSchema)]
struct Server {
    running: bool,
    /// `H:MM:SS`.
    uptime: String,
    /// Local time, `YYYY-MM-DDTHH:MM:SS`.
    started: String,
}

#[derive(Debug, Serialize, JsonSchema)]
struct TodayFile {
    /// The name of today's file.
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
    /// `running`, `stopped`, or `not_started`: no picture has come since the start, half a minute ago at
    /// most.
    status: &'static str,
    /// The worst problem, or that there is none.
    message: String,
    running: bool,
    pid: Option<u32>,
    /// Always null: recognition is a worker of the program, which ends with it.
    exit_code: Option<i32>,
    /// Whether the machine does its work, as `/healthz` says it.
    healthy: bool,
}

/// `GET /healthz` for who may read, and the event `problems`.
#[derive(Debug, Serialize, JsonSchema)]
pub(super) struct Problems {
    /// Whether the machine does its work.
    pub(super) healthy: bool,
    /// What is wrong, the worst first: the same as on the page; empty when all is well.
    pub(super) problems: Vec<Problem>,
}

/// `GET /logs/server`.
#[derive(Debug, Serialize, JsonSchema)]
pub(super) struct Logs {
    pub(super) lines: Vec<String>,
    pub(super) total: usize,
}

/// `GET /students/erasures`.
#[derive(Debug, Serialize, JsonSchema)]
pub(super) struct Erasures {
    /// The newest first.
    pub(super) erasures: Vec<Erasure>,
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
    /// The name of today's file.
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
        service: "Face Attendance System",
        status: "running",
        uptime: hours_minutes_seconds(view.system.uptime_s),
        started_at: iso(&view.system.started),
        attendance_system: recognition(&view),
        sync: RootSync {
            interval_minutes: minutes(view.sync.interval_s),
            csv_file: file_name(&view.today.file),
        },
        upload: RootUpload {
            interval_minutes: minutes(view.upload.interval_s),
            backend_url: view.upload.url,
        },
        site: view.site,
        version: view.system.version,
        problems,
    }
}

pub(super) fn status(mut view: View) -> Status {
    let total_records = view.today.rows.iter().filter(|row| !row.open).count();
    let not_listed = NotListed::cut(&mut view);
    Status {
        server: Server {
            running: true,
            uptime: hours_minutes_seconds(view.system.uptime_s),
            started: iso(&view.system.started),
        },
        attendance_system: recognition(&view),
        today_attendance: TodayFile {
            file: file_name(&view.today.file),
            exists: view.today.exists,
            total_records,
        },
        sync_thread: Thread { running: runs(&view, "sync"), interval_minutes: minutes(view.sync.interval_s) },
        upload_thread: Thread {
            running: runs(&view, "upload"),
            interval_minutes: minutes(view.upload.interval_s),
        },
        appliance: view,
        not_listed,
    }
}

pub(super) fn health(view: &View, healthy: bool, problems: &[Problem]) -> Health {
    let Recognition { running, pid } = recognition(view);
    Health {
        status: match verdict::frames(view) {
            Frames::Coming => "running",
            Frames::NotYet => "not_started",
            Frames::Missing => "stopped",
        },
        message: problems.first().map_or("All well.".to_owned(), |p| format!("{} {}", p.what, p.advice)),
        running,
        pid,
        exit_code: None,
        healthy,
    }
}

fn recognition(view: &View) -> Recognition {
    let running = verdict::frames(view) == Frames::Coming;
    Recognition { running, pid: running.then_some(view.system.pid) }
}

fn runs(view: &View, worker: &str) -> bool {
    view.workers.iter().any(|w| w.name == worker && w.state == WorkerState::Running)
}

/// A local time stamp in the form of ISO 8601.
fn iso(timestamp: &str) -> String {
    timestamp.replacen(' ', "T", 1)
}

/// The file's name, as the original has it: its files lay where the program was started.
pub(super) fn file_name(path: &str) -> String {
    path.rsplit('/').next().unwrap_or(path).to_owned()
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
        writer.write_record([row.name.as_str(), row.status.as_str(), &row.timestamp])?;
    }
    writer.into_inner().map_err(|error| error.into_error().into())
}

#[cfg(test)]
mod tests {
    use super::*;
    use view::{RefusedPhoto, RefusedRow, RowStatus};

    #[test]
    fn status_lists_are_bounded() {
        let row = |number: usize| Row { name: number.to_string(), ..Row::default() };
        let mut view = View::default();
        view.today.rows = (0..MOST_LISTED + 2).map(row).collect();
        view.upload.needs_person = vec![RefusedRow::default(); MOST_LISTED + 3];
        view.roster.refused = vec![RefusedPhoto::default(); MOST_LISTED];
        let status = status(view);
        assert_eq!(status.not_listed, NotListed { today_rows: 2, needs_person: 3, refused_photos: 0 });
        assert_eq!(status.today_attendance.total_records, MOST_LISTED + 2);
        let View { today, upload, roster, .. } = status.appliance;
        assert_eq!((today.rows.len(), today.rows[0].name.as_str()), (MOST_LISTED, "2"), "the newest stay");
        assert_eq!((upload.needs_person.len(), roster.refused.len()), (MOST_LISTED, MOST_LISTED));
    }

    #[test]
    fn an_open_out_is_no_row_of_the_file_yet() {
        let row = |status, open| Row {
            name: "7".to_owned(),
            status,
            timestamp: "2026-11-29 08:00:00".to_owned(),
            open,
            ..Row::default()
        };
        let text = csv(&[row(RowStatus::In, false), row(RowStatus::Out, true)]).unwrap_or_default();
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
