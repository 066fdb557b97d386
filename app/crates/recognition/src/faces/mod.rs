//! Finding a face and describing it: detect → landmarks → quality gate → align → embed.

pub mod advice;
pub mod align;
pub mod detector;
pub mod embedder;
pub mod enrolment;
pub mod error;
pub mod finder;
pub mod landmarks;
pub mod quality;
pub mod upright;
pub mod warp;
