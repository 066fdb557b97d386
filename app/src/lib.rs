//! The attendance appliance: a camera at a door that recognises who comes and goes.
//!
//! Data flows one way. A frame becomes faces, a face over some frames becomes a [`recognition::Sighting`], a sighting
//! becomes a row by the rules of [`attendance`], a row goes to the journal on disk, and [`upload`] delivers the journal to
//! the backend's webhook. Beside that way [`sync`] mirrors the students' photos, [`roster`] turns them into a gallery of
//! embeddings, [`status`] lets a technician look, and [`supervisor`] keeps all of it running.
//!
//! Policy (rules, thresholds, plans) is pure code without clocks, sockets or files; effects stand at the edges.
#![forbid(unsafe_code)]

pub mod appliance;
pub mod attendance;
pub mod camera;
pub mod command;
pub mod config;
pub mod evaluate;
pub mod event;
pub mod http;
pub mod identity;
pub mod journal;
pub mod liveness;
pub mod logging;
pub mod moment;
pub mod photo;
pub mod progress;
pub mod provision;
pub mod recognition;
pub mod roster;
pub mod secret;
pub mod status;
pub mod supervisor;
pub mod sync;
pub mod update;
pub mod upload;
