//! What the school's office works with: the students' list, the states of a day, and sheets for
//! spreadsheets.
//!
//! # Design
//! [`students`] reads a list as schools have it. [`day`] turns rows into present, late, absent and so on.
//! [`range`] counts them over many days. [`sheet`] writes tables that a spreadsheet opens, in which no cell
//! is taken for a formula. Everything here is pure: no clock, no file, no network.
#![forbid(unsafe_code)]

pub mod day;
pub mod range;
pub mod sheet;
pub mod students;
