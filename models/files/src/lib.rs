//! Which weight files there are, what each must be, and where they lie.
//!
//! [`lock`] pins every file by its hash, [`store`] reads a folder of them. Both the models on the device and
//! the tools of a building machine use this crate, so that the tools compile without candle.
#![forbid(unsafe_code)]

pub mod folder;
pub mod lock;
mod role;
mod sha256;
pub mod store;

pub use role::{Role, UnknownRole};
pub use sha256::{NoSha256, Sha256};
