//! The section `[attendance]` of the configuration.

use std::time::Duration;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// The rules that turn recognitions into rows.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Attendance {
    /// "first-in-last-out" (one IN and one OUT a day, what the backend stores) or "alternate" (IN, OUT, IN
    /// ...).
    pub policy: Policy,
    /// Least time between two rows of one student.
    #[serde(with = "humantime_serde")]
    #[schemars(with = "String")]
    pub minimum_gap: Duration,
    /// Days that delivered rows stay in the journal and the CSV files, 8 to 36500. What is not delivered
    /// always stays; without a webhook these days count for every row whose time is known.
    pub keep_days: u32,
}

impl Default for Attendance {
    fn default() -> Self {
        Self { policy: Policy::FirstInLastOut, minimum_gap: Duration::from_secs(120), keep_days: 400 }
    }
}

/// How recognitions of one day become rows.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Policy {
    /// The first recognition is IN, the next after the gap is OUT, and that is all for the day.
    FirstInLastOut,
    /// IN, OUT, IN, OUT, each after the gap.
    Alternate,
}
