//! Rows as others see them, and the journal in numbers.

use serde::Serialize;
use time::{OffsetDateTime, PrimitiveDateTime};

use crate::row::Status;
use base::failure::Fault;
use base::identity::RollNumber;

/// An OUT that becomes a row when its day closes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct OpenOut {
    /// When the student was last seen.
    pub utc: OffsetDateTime,
    /// Whether that is an estimate.
    pub estimated: bool,
}

/// Where a row stands on its way to the webhook.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case", tag = "state", content = "reason")]
pub enum Progress {
    /// Its time is not known yet; it waits for the clock.
    AwaitsClock,
    /// To be delivered.
    Open,
    /// A person must look, for this reason.
    NeedsPerson(String),
    /// The webhook has it.
    Delivered,
    /// Not to be delivered: a person decided so.
    Dismissed,
    /// No row any more, for this reason.
    Void(String),
}

/// A row as it can be looked at.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct RowView {
    /// Its number, for [`Progress::NeedsPerson`] rows the handle to retry it.
    pub id: u64,
    /// Who.
    pub roll: RollNumber,
    /// `IN` or `OUT`.
    pub status: &'static str,
    /// Local time of the site, `YYYY-MM-DD HH:MM:SS`.
    pub timestamp: String,
    /// `known`, `unknown` (will be corrected), `estimated`, or `doubtful` (estimated, and no row by the
    /// rules).
    pub clock: &'static str,
    /// Where it stands.
    pub progress: Progress,
    /// Whether it is an OUT that a later visit can move: it is sent when the day closes.
    pub open: bool,
    /// Whether the webhook has another row in its place, which no door of the site sent.
    pub conflict: bool,
    /// Local time at which the student was seen after this OUT was sent.
    pub late: Option<String>,
    /// Who made or changed it by hand, and why.
    pub by_hand: Option<String>,
    /// Whether it is no row any more. One that the webhook has still needs a person.
    pub void: bool,
    /// The days on which it may have been seen, `YYYY-MM-DD`, where a person has to say which.
    pub days: Vec<String>,
}

/// A row ready for the webhook.
#[derive(Debug, Clone, PartialEq)]
pub struct OpenRow {
    /// Its number.
    pub id: u64,
    /// Who.
    pub roll: RollNumber,
    /// Coming or going.
    pub status: Status,
    /// Local time of the site.
    pub local: PrimitiveDateTime,
}

/// Numbers for the status page.
#[derive(Debug, Clone, Default, PartialEq, Serialize)]
pub struct Summary {
    /// Rows to be delivered, those that wait for the clock included.
    pub backlog: usize,
    /// Rows that wait for the clock.
    pub awaiting_clock: usize,
    /// Rows that need a person.
    pub needs_person: usize,
    /// OUTs that wait for their day to close.
    pub open_outs: usize,
    /// When the webhook last acknowledged a row.
    #[serde(with = "time::serde::rfc3339::option")]
    pub last_delivery: Option<OffsetDateTime>,
    /// Rows that neither the disk nor the webhook has: a restart would lose them. 0 without a webhook.
    pub undelivered_in_memory: usize,
    /// How the disk does.
    pub storage: Storage,
}

/// How the disk does.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct Storage {
    /// Rows in memory that could not be written yet.
    pub unwritten: usize,
    /// Why, and what to do.
    pub trouble: Option<Fault>,
    /// Why a day's CSV file cannot be written; none when all are.
    pub csv_trouble: Option<String>,
    /// Lines of the logs that cannot be read.
    pub damaged_lines: usize,
}

/// A local time as the webhook, the CSV files and people have it: `YYYY-MM-DD HH:MM:SS`.
pub fn timestamp(local: PrimitiveDateTime) -> String {
    let (hour, minute, second) = local.as_hms();
    format!("{} {hour:02}:{minute:02}:{second:02}", local.date())
}
