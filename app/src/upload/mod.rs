//! Delivery: every row of every day to the backend's webhook, until it acknowledges it (backend-contract.md §2).
//!
//! Rows go in the order in which they were recorded, in batches. The webhook answers for each row, and only what it answers
//! counts: created and duplicate rows are delivered, rows that it refuses for good wait for a person, and everything else is
//! sent again, for ever. One row that breaks its whole batch is found by halving and set aside, so that it holds up nobody
//! else ([`plan`]).

pub mod answer;
mod body;
pub mod plan;
mod worker;

pub use worker::{Report, RetryError, Uploader, View};
