//! The school's backend: photos in ([`sync`]), rows out ([`upload`]), and the one HTTP client both use
//! ([`http`]).
#![forbid(unsafe_code)]

pub mod config;
pub mod http;
pub mod plain;
pub mod sync;
pub mod upload;
