//! The models of the attendance appliance on candle, and the pinned weight files they run on.
//!
//! The crate `model_files` says which weight files there are and what each must be; [`store`] loads them for
//! candle. Fetching and converting them is the work of a building machine: see `models/tools`.
//!
//! A model's way: each has a module ([`blazeface`], [`face_mesh`], [`iris`], [`mobilefacenet`], [`sface`],
//! [`minifas`], [`yunet`]) that loads it by tensor name, runs it and decodes its answer. It is a [`plan`]: a
//! fixed list of fused [`layer`]s, candle custom ops, with fixed buffers between them. Their inner loops are
//! in `kernel`, the only `unsafe` code. [`selftest`] holds a loaded model against the reference runtimes'
//! answers.

#![deny(unsafe_code)]

pub mod blazeface;
pub mod face_mesh;
pub mod iris;
#[allow(unsafe_code)]
mod kernel;
pub mod layer;
pub mod minifas;
pub mod mobilefacenet;
pub mod plan;
mod scratch;
pub mod selftest;
pub mod sface;
pub mod store;
pub mod yunet;

pub use kernel::{Isa, Work, scalar_products};
pub use model_files::{NoSha256, Role, Sha256, UnknownRole, lock};
