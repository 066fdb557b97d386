//! The networks of the attendance appliance on candle, and the pinned weight files they run on.
//!
//! A weight file's way: [`lock`] says what it must be, [`fetch`] gets it, [`convert`] makes safetensors of it, [`store`] gives
//! it to the network. `fetch_models` is the program that does the first three.

pub mod convert;
pub mod describe;
pub mod fetch;
mod folder;
pub mod lock;
mod role;
mod sha256;
pub mod store;

pub use role::{Role, UnknownRole};
pub use sha256::{NoSha256, Sha256};
