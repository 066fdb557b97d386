//! From a recognition to a row on disk: visits, the rules that say which rows follow from them,
//! the recorder that writes, and the delivery of every row.
#![forbid(unsafe_code)]

mod book;
pub mod config;
mod corrections;
pub mod day;
mod day_files;
mod doors;
mod estimate;
mod judging;
mod open;
mod opening;
mod placing;
mod recorder;
#[cfg(test)]
mod recorder_tests;
pub mod row;
pub mod rules;
mod settling;
pub mod storage;
mod worker;

pub use corrections::{Corrected, Correction};
pub use day::SchoolDay;
pub use doors::{ByHand, Elsewhere};
pub use open::open;
pub use recorder::{Recorder, Records};
pub use row::{DAYS_HELD, Dates, Stamp, Status};
pub use worker::work;
