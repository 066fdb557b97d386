//! Why a worker ended, and what its supervisor does next.

/// What the supervisor does with a worker that failed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Disposition {
    /// Starts it again after a delay: the fault may pass.
    Restart,
    /// Leaves it until a technician restarts it: trying again cannot help, and may do harm (a refused key).
    Hold,
}

/// Why a worker ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Failure {
    /// In words for the technician, with what to do.
    pub reason: String,
    /// What the supervisor does next.
    pub disposition: Disposition,
}

impl Failure {
    /// A fault that may pass.
    pub fn restart(reason: impl ToString) -> Self {
        Self { reason: reason.to_string(), disposition: Disposition::Restart }
    }

    /// A fault that stays until a person acts.
    pub fn hold(reason: impl ToString) -> Self {
        Self { reason: reason.to_string(), disposition: Disposition::Hold }
    }
}
