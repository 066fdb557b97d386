//! The one configuration file, as types.
//!
//! Every field is documented here and nowhere else: `attendance check-config --print-defaults` prints this
//! text with the default values as a TOML file. Unknown keys are errors. Everything is parsed into types
//! before anything starts.
#![forbid(unsafe_code)]

mod at_door;
mod card;
mod config;
mod document;
pub mod fields;
mod load;
mod network;
mod problems;
mod sections;
mod survey;

pub use at_door::DoorSection;
pub use card::{Card, CardKey};
pub use config::Config;
pub use document::commented_defaults;
pub use load::{ConfigError, MAX_BYTES, check_files, examine, load, parse, read};
pub use network::{EapInner, EapMethod, FixedAddress, Interface, Network};
pub use sections::{Enrolment, Log, LogLevel, Site};
pub use survey::Wrong;
