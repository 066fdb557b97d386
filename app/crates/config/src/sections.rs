//! The sections that belong to no other crate: `[site]`, `[enrolment]` and `[log]`.

use std::path::PathBuf;

use base::moment::ClockTrust;
use journal::config::TimeOfDay;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Where the appliance stands.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Site {
    /// Name of the door, shown on the page and in the log.
    pub name: String,
    /// The site's time zone, a name of the IANA data base such as "Asia/Kolkata".
    pub time_zone: String,
    /// When a school day begins, for example "04:00" where people leave after midnight. What happens between
    /// midnight and then belongs to the day before; the backend is told 23:59:59 of that day.
    pub day_starts: TimeOfDay,
    /// When the device's clock is believed: "automatic" (after a time server answered since boot, or when a
    /// battery-backed hardware clock kept the time) or "system" (always, if later than 2024: a machine whose
    /// host keeps its clock right). Rows seen before that are kept, and delivered once their time is known.
    pub clock: ClockTrust,
    /// Folder for photos, journal and everything else that is kept.
    pub data_dir: PathBuf,
    /// Folder of the models' weights; empty: /usr/share/attendance/models, or the cache of fetch_models.
    pub models_dir: Option<PathBuf>,
}

impl Default for Site {
    fn default() -> Self {
        Self {
            name: "attendance".to_owned(),
            time_zone: "UTC".to_owned(),
            day_starts: TimeOfDay::MIDNIGHT,
            clock: ClockTrust::Automatic,
            data_dir: PathBuf::from("/var/lib/attendance"),
            models_dir: None,
        }
    }
}

/// Pictures of students that the office takes with the door's camera.
#[derive(Debug, Clone, Default, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Enrolment {
    /// Whether the office may enrol a student at the door: it chooses the student on the page, the camera
    /// takes three pictures, and a person confirms them. They are kept on the device, beside the photos of
    /// the photo server. With "false" pictures that were taken earlier are not used; they stay until somebody
    /// deletes them.
    pub at_the_door: bool,
}

/// What is logged.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Log {
    /// "error", "warn", "info", "debug" or "trace".
    pub level: LogLevel,
}

impl Default for Log {
    fn default() -> Self {
        Self { level: LogLevel::Info }
    }
}

/// How much is logged.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum LogLevel {
    /// What stops something from working.
    Error,
    /// What a person should look at.
    Warn,
    /// What happens.
    Info,
    /// Why it happens: scores and decisions.
    Debug,
    /// Everything.
    Trace,
}

impl From<LogLevel> for log::LevelFilter {
    fn from(level: LogLevel) -> Self {
        match level {
            LogLevel::Error => Self::Error,
            LogLevel::Warn => Self::Warn,
            LogLevel::Info => Self::Info,
            LogLevel::Debug => Self::Debug,
            LogLevel::Trace => Self::Trace,
        }
    }
}
