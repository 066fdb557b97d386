//! From a recognition to a row on disk: the rules that decide, the recorder that writes, and what became of
//! every row.
#![forbid(unsafe_code)]

pub mod config;
mod day_files;
mod estimate;
mod recorder;
#[cfg(test)]
mod recorder_tests;
pub mod row;
mod rules;
pub mod storage;
mod worker;

pub use recorder::{Recorder, Records, open, open_for};
pub use row::{DAYS_HELD, Dates, Stamp, Status};
pub use rules::{Book, Decision, Refusal};
pub use worker::work;
