//! From a frame to names: detect → track → quality gate → align → embed → match → liveness → vote over the
//! track.
//!
//! The models live in [`Engine`]; [`Pipeline`] decides with them, frame by frame, and says what it found as
//! [`FrameOutcome`]s. Everything that is a rule (tracking, gates, votes, thresholds) is pure and stands apart
//! from the models. State belongs to a track, never to the process. [`watch::worker`] runs a pipeline on
//! its thread.
#![forbid(unsafe_code)]

pub mod config;
pub mod engine;
pub mod naming;
pub mod roster;
pub mod watch;

pub use base::event::Advice;
pub use engine::Engine;
pub use faces::enrolment::{Content, EnrolRefusal, Enrolment, Inspection};
pub use faces::error::EngineError;
pub use faces::finder::Finder;
pub use faces::quality::Quality;
pub use naming::gallery::{Gallery, Match, SharedGallery};
pub use watch::outcome::{FrameOutcome, Sighting};
pub use watch::pipeline::Pipeline;
