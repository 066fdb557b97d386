//! Watching the door: faces are followed over frames, and each track leads to a decision.

pub mod counsel;
pub mod decision;
pub(crate) mod follow;
pub mod outcome;
pub mod pipeline;
pub mod preview;
mod scenery;
pub(crate) mod senses;
pub mod subject;
pub mod tempo;
pub mod track;
pub mod view;
pub mod worker;
