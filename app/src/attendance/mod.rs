//! From a recognition to a row: the rules, and the worker that writes what they decide.

mod day_files;
mod estimate;
mod recorder;
#[cfg(test)]
mod recorder_tests;
mod rules;
mod worker;

pub use recorder::{Recorder, Records, open};
pub use rules::{Book, DAYS_HELD, Dates, Decision, Refusal, Stamp, Status};
pub use worker::{Inbox, Outbox, Sighted, inbox, work};
