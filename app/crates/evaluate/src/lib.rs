//! Accuracy, measured on pictures, with the count and a confidence interval beside every figure.
//!
//! - [`verification`]: are two pictures one person (LFW's protocol; accuracy, TAR at FAR, EER)?
//! - [`identification`]: who of the roster is it, and is a stranger told apart (open set; FPIR, FNIR; ISO/IEC
//!   19795-1)?
//! - [`groups`]: for whom does a threshold err more often?
//! - [`enrolment`]: are turned photos enrolled, and folders with two people's photos?
//! - [`attacks`]: is it a living person (APCER, BPCER, ACER; ISO/IEC 30107-3)?
//! - [`mod@bench`]: the same on composed films, with scene and prompts, by the whole pipeline.
//!
//! The figures come from the same code that runs at the door. [`statistics`] and [`chart`] are pure.
#![forbid(unsafe_code)]

pub mod attacks;
pub mod bench;
pub mod chart;
pub mod enrolment;
pub mod groups;
pub mod identification;
pub mod pairs;
pub mod pictures;
pub mod sheet;
pub mod statistics;
pub mod verification;
