//! Rows of attendance, their delivery, and the other doors that have rows of the same students.

use std::fmt;

use schemars::JsonSchema;
use serde::Serialize;

use base::failure::Fault;

/// Today's attendance.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, JsonSchema)]
pub struct Today {
    /// The site's date, `YYYY-MM-DD`.
    pub date: String,
    /// Path of the day's CSV file.
    pub file: String,
    /// Whether the file exists.
    pub exists: bool,
    /// Rows, oldest first.
    pub rows: Vec<Row>,
    /// Rows that could not be written to the disk yet: in memory only, lost when the power goes.
    pub unsaved: usize,
    /// Those of them that the backend does not have either; 0 without a webhook.
    pub unsaved_undelivered: usize,
    /// Why, and what to do; none when everything is on the disk.
    pub unsaved_reason: Option<Fault>,
    /// Recognitions since the program started that became no row, because rows could not be written for
    /// hours.
    pub lost: u64,
    /// The policy: `first-in-last-out` or `alternate`.
    pub policy: String,
    /// OUTs that are open: a later visit moves them, and they are sent when the day closes.
    pub open_outs: usize,
    /// When OUT rows are sent, one sentence; empty with the policy `alternate`.
    pub outs_are_sent: String,
    /// Whether attendance of today is closed.
    pub closed: bool,
    /// Rows of today that a person made, changed or took away, and those that the rules withdrew before
    /// they were sent.
    pub corrected: Vec<Row>,
}

/// A row of attendance, as the original writes it.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, JsonSchema)]
pub struct Row {
    /// Roll number.
    pub name: String,
    /// `IN` or `OUT`.
    pub status: RowStatus,
    /// Local time of the site, `YYYY-MM-DD HH:MM:SS`.
    pub timestamp: String,
    /// Whether the clock could not be trusted when it was written.
    pub provisional: bool,
    /// Whether the backend has it.
    pub delivery: RowDelivery,
    /// Whether it is an OUT that a later visit can still move: it is sent when the day closes.
    pub open: bool,
    /// What else there is to say: `no departure seen`, that the student was seen after the OUT was sent, who
    /// corrected the row and why; empty when nothing.
    pub note: String,
    /// Names the row for a correction; empty for an OUT that is open.
    pub id: String,
}

/// Whether somebody came or went.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(rename_all = "UPPERCASE")]
pub enum RowStatus {
    /// Came.
    #[default]
    In,
    /// Went.
    Out,
}

impl RowStatus {
    /// As the API and the CSV files have it.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::In => "IN",
            Self::Out => "OUT",
        }
    }
}

impl fmt::Display for RowStatus {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// Whether the backend has a row.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum RowDelivery {
    /// Not yet.
    #[default]
    Waiting,
    /// The backend has it.
    Delivered,
    /// The backend refused it, and a person must look.
    NeedsPerson,
    /// The backend has another row in its place, which this door did not send.
    Conflict,
    /// A person decided that it is not delivered.
    Dismissed,
    /// A person declared it void.
    Void,
}

/// Delivery to the backend.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, JsonSchema)]
pub struct Upload {
    /// The webhook without its credentials; none when rows stay on the device.
    pub url: Option<String>,
    /// Seconds between two uploads.
    pub interval_s: u64,
    /// Rows that wait for delivery.
    pub backlog: usize,
    /// Local time of the last answer that took rows.
    pub last_success: Option<String>,
    /// Why the last try failed, without secrets; none when it did not.
    pub error: Option<Fault>,
    /// Seconds until the next try, after a failure.
    pub retry_in_s: Option<u64>,
    /// Rows the backend refused, which a person must look at.
    pub needs_person: Vec<RefusedRow>,
}

/// A row the backend refused.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, JsonSchema)]
pub struct RefusedRow {
    /// Names the row when it is sent again or dismissed; letters, digits, `-`, `_`, `.` and `:`.
    pub id: String,
    /// Roll number.
    pub name: String,
    /// `IN` or `OUT`.
    pub status: RowStatus,
    /// Local time of the site.
    pub timestamp: String,
    /// The backend's words, or why a person must look.
    pub reason: String,
    /// Whether it was taken away here, and the backend may have it still: it can be dismissed only.
    pub void: bool,
    /// The days on which it may have been seen, `YYYY-MM-DD`, where a person has to say which.
    pub days: Vec<String>,
}

/// The other doors of the school, over MQTT. What is wrong with them stands among the problems.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, JsonSchema)]
pub struct School {
    /// The broker, without credentials.
    pub broker: String,
    /// Whether it is connected.
    pub connected: bool,
    /// Doors heard in the last three minutes, this one included.
    pub doors: usize,
    /// Messages published since the start.
    pub published: u64,
    /// Messages received since the start.
    pub received: u64,
    /// Messages that were refused or not believed.
    pub refused: u64,
}

/// A decision about a face: a name, a stranger, a refused attack, or what a person was asked to do.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, JsonSchema)]
pub struct Decision {
    /// Local time, `YYYY-MM-DD HH:MM:SS`.
    pub at: String,
    /// What was decided, and why, in words.
    pub what: String,
}
