//! The networks of the attendance appliance on candle, and the pinned weight files they run on.
//!
//! A weight file's way: [`lock`] says what it must be, [`fetch`] gets it, [`convert`] makes safetensors of
//! it, [`store`] gives it to the network. `fetch_models` is the program that does the first three.
//!
//! A network's way: each has a module ([`blazeface`], [`face_mesh`], [`iris`], [`mobilefacenet`],
//! [`minifas`], [`yunet`]) that loads it by tensor name, runs it and decodes its answer. It is a [`plan`]: a
//! fixed list of fused [`layer`]s, candle custom ops, with fixed buffers between them. Their inner loops are
//! in `kernel`, the only `unsafe` code. [`selftest`] holds a loaded network against the reference runtimes'
//! answers.

#![deny(unsafe_code)]

pub mod blazeface;
pub mod convert;
pub mod describe;
pub mod face_mesh;
pub mod fetch;
mod folder;
pub mod iris;
#[allow(unsafe_code)]
mod kernel;
pub mod layer;
pub mod lock;
pub mod minifas;
pub mod mobilefacenet;
pub mod plan;
mod role;
mod scratch;
pub mod selftest;
mod sha256;
pub mod store;
pub mod yunet;

pub use kernel::{Isa, Work, scalar_products};
pub use role::{Role, UnknownRole};
pub use sha256::{NoSha256, Sha256};
