//! The attendance appliance: a camera at a door that recognises who comes and goes. This crate assembles the
//! others.
//!
//! Data flows one way. A frame becomes faces, a face over some frames becomes a [`recognition::Sighting`], a
//! sighting becomes a row by the rules of [`journal`], a row goes to disk, and [`backend::upload`] delivers
//! it to the webhook. Beside that way [`backend::sync`] mirrors the students' photos, [`recognition::roster`]
//! turns them into a gallery of embeddings, [`status`] lets a technician look, and [`supervisor`] keeps all
//! of it running.
#![forbid(unsafe_code)]

pub mod appliance;
pub mod command;
pub mod erasing;
pub mod reset;
pub mod supervisor;
pub mod transfer;
