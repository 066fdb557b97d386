//! What went wrong, what to do about it, and what a worker's supervisor does next.

use std::borrow::Cow;
use std::fmt;

use schemars::{JsonSchema, Schema, SchemaGenerator};
use serde::{Serialize, Serializer};

/// What is wrong, and what to do about it. Made where the fault is seen, and kept in two parts all the way to
/// the page; only what shows it joins them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Fault {
    /// What is wrong, without secrets.
    pub what: String,
    /// What to do, or what the device does; none where that is not known.
    pub advice: Option<String>,
    /// The parts of the text that name a person, as a photo's path does: they do not leave the site
    /// ([`crate::redaction`]).
    pub personal: Vec<String>,
}

impl Fault {
    /// A fault without advice.
    pub fn new(what: impl Into<String>) -> Self {
        Self { what: what.into(), advice: None, personal: Vec::new() }
    }

    /// The fault with what to do about it.
    #[must_use]
    pub fn advise(self, advice: impl Into<String>) -> Self {
        Self { advice: Some(advice.into()), ..self }
    }

    /// The fault with another description, and the same advice.
    #[must_use]
    pub fn described(self, describe: impl FnOnce(&str) -> String) -> Self {
        Self { what: describe(&self.what), ..self }
    }

    /// The fault, whose text names a person by `value`.
    #[must_use]
    pub fn naming(mut self, value: impl Into<String>) -> Self {
        self.personal.push(value.into());
        self
    }
}

/// Both parts, for the log and the terminal.
impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.advice {
            Some(advice) => write!(f, "{}; {advice}", self.what),
            None => f.write_str(&self.what),
        }
    }
}

/// One text, as the API always had it.
impl Serialize for Fault {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl JsonSchema for Fault {
    fn inline_schema() -> bool {
        true
    }

    fn schema_name() -> Cow<'static, str> {
        String::schema_name()
    }

    fn json_schema(generator: &mut SchemaGenerator) -> Schema {
        String::json_schema(generator)
    }
}

/// An error that knows what is wrong and what to do.
pub trait Diagnosis {
    /// The two, apart.
    fn fault(&self) -> Fault;
}

impl<E: Diagnosis> From<E> for Fault {
    fn from(error: E) -> Self {
        error.fault()
    }
}

impl From<String> for Fault {
    fn from(what: String) -> Self {
        Self::new(what)
    }
}

impl From<&str> for Fault {
    fn from(what: &str) -> Self {
        Self::new(what)
    }
}

/// A task that ended without an answer: it panicked.
impl From<tokio::task::JoinError> for Fault {
    fn from(panic: tokio::task::JoinError) -> Self {
        Self::new(format!("stopped by a defect in the program ({panic})"))
    }
}

/// What the supervisor does with a worker that failed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Disposition {
    /// Starts it again after a delay: the fault may pass.
    Restart,
    /// Says that a person may have to act, and tries again seldom: trying again soon cannot help (a refused
    /// key). A technician can restart it at once.
    Hold,
}

/// Why a worker ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Failure {
    /// What is wrong, and what to do.
    pub reason: Fault,
    /// What the supervisor does next.
    pub disposition: Disposition,
}

impl Failure {
    /// A fault that may pass.
    pub fn restart(reason: impl Into<Fault>) -> Self {
        Self { reason: reason.into(), disposition: Disposition::Restart }
    }

    /// A fault that most often stays until a person acts.
    pub fn hold(reason: impl Into<Fault>) -> Self {
        Self { reason: reason.into(), disposition: Disposition::Hold }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn a_fault_stays_in_two_parts_and_is_one_text_in_json() {
        let fault = Fault::new("none of 2 photos; the first: 404").advise("check photos.url");
        assert_eq!(fault.what, "none of 2 photos; the first: 404", "a semicolon in it splits nothing");
        let inside = fault.described(|what| format!("not synced: {what}"));
        assert_eq!(inside.advice.as_deref(), Some("check photos.url"));
        let json = serde_json::to_string(&inside).unwrap();
        assert_eq!(json, r#""not synced: none of 2 photos; the first: 404; check photos.url""#);
    }
}
