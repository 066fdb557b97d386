//! Photos in: the server's file browser is mirrored to disk.
//!
//! One synchronisation lists what the server has (every link filtered, every page bounded), asks for each
//! photo whether it changed, downloads what did, and then removes what is gone. At any moment, also after a
//! cut of power, each photo on disk is whole and decodes; a synchronisation that fails leaves what is there.
//!
//! Layout, in the data folder:
//! - `cached_faces/<roll>/<file>`: the photos, called as on the server, folders below a student's included
//!   ([`names`] tells the exceptions);
//! - `cached_faces/.cache_metadata.json`: the last synchronisation in numbers, as the original wrote it;
//! - `cached_faces/.sync_state.json`: what the next one needs: validators and hashes, and a removal that
//!   waits.

pub mod account;
pub mod bounds;
mod confirm;
mod connection;
mod crawl;
mod download;
mod erase;
mod error;
mod fetch;
mod folder;
mod json;
mod left_out;
pub mod link;
pub mod listing;
mod markup;
mod metadata;
mod mirror;
mod names;
mod once;
mod removal;
mod report;
mod settings;
mod state;
mod step;
mod students;
mod work;
mod worker;

pub use confirm::confirm_removal;
pub use connection::check as check_connection;
pub use erase::erase;
pub use error::Error;
pub use metadata::LastSync;
pub use mirror::FOLDER;
pub use once::{once, once_with};
pub use removal::Alarm;
pub use report::Report;
pub use settings::{Patience, Settings};
pub use step::{Failure, PhotoChange, Step};
pub use worker::{Worker, run};
