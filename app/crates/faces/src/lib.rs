//! Finding a face and describing it: detect → landmarks → quality gate → align → embed.
//!
//! Each step stands alone, and none knows the roster or the camera: what follows faces over frames is the
//! crate `recognition`, what tells the living from pictures is `liveness`.
#![forbid(unsafe_code)]

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
