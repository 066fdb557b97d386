//! What only a building machine needs: fetching the pinned weight files, and converting them to safetensors.
//!
//! `fetch_models` is the program that does both; `model_files::lock` says what each file must be.
#![forbid(unsafe_code)]

pub mod convert;
pub mod describe;
pub mod fetch;
