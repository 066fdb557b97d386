//! From a frame to names: detect → track → quality gate → align → embed → match → liveness → vote over the track.
//!
//! The networks live in [`Engine`]; [`Pipeline`] decides with them, frame by frame, and says what it found as [`Outcome`]s.
//! Everything that is a rule (tracking, gates, votes, thresholds) is pure and stands apart from the networks. State belongs
//! to a track, never to the process. [`worker`] runs a pipeline on its thread.

pub mod advice;
pub mod align;
pub(crate) mod decision;
pub mod detector;
pub mod embedder;
pub mod embedding;
pub mod engine;
pub mod enrolment;
pub mod error;
pub mod face;
pub mod finder;
pub(crate) mod follow;
pub mod gallery;
pub mod landmarks;
pub mod outcome;
pub mod pipeline;
pub mod preview;
pub mod quality;
pub(crate) mod senses;
pub(crate) mod subject;
pub mod tempo;
pub mod threshold;
pub mod track;
pub mod view;
pub mod vote;
pub mod warp;
pub mod worker;

pub use advice::Advice;
pub use embedding::Embedding;
pub use engine::Engine;
pub use enrolment::{Content, EnrolRefusal, Enrolment, Inspection};
pub use error::EngineError;
pub use face::{Bounds, Face, Point};
pub use finder::Finder;
pub use gallery::{Gallery, Match, SharedGallery};
pub use outcome::{Outcome, Sighting};
pub use pipeline::Pipeline;
pub use quality::Quality;
