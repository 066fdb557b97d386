//! The audit lines of the log: every log-in, and every change that somebody asked for.

/// Their log target: below the program's own name, or the log would drop them as a library's.
pub const AUDIT: &str = "attendance::audit";
