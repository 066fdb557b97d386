//! The way of a weight file from its source to the store, on small files made here and, where they are, on
//! the real ones.
#![allow(clippy::unwrap_used, missing_docs)]

mod fetching;
mod golden;
mod hostile;
mod program;
mod seeds;
