//! What every other crate uses: who, when, what happened, and how small files survive a power cut.
//!
//! Nothing here knows of cameras, photos, servers or models.
#![forbid(unsafe_code)]

pub mod backoff;
pub mod contain;
pub mod durable;
pub mod erasure;
pub mod event;
pub mod failure;
pub mod hexadecimal;
pub mod identity;
pub mod kept;
pub mod logging;
pub mod moment;
pub mod progress;
pub mod redaction;
pub mod rotation;
pub mod secret;
pub mod sightings;
pub mod unworkable;
