//! What a worker is doing, as a type: supervisor, page, metrics and log name it the same way.

use std::fmt;

use serde::Serialize;

/// What a worker is doing.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum WorkerState {
    /// At work.
    Running,
    /// Failed, and waiting to be started again.
    Restarting,
    /// Cannot work until a person does something.
    Held,
    /// Ended as it should.
    #[default]
    Stopped,
}

impl WorkerState {
    /// The state as one word.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Running => "running",
            Self::Restarting => "restarting",
            Self::Held => "held",
            Self::Stopped => "stopped",
        }
    }
}

impl fmt::Display for WorkerState {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}
