//! From a sighting to the webhook's acknowledgement, over real sockets and real files.
#![allow(clippy::unwrap_used, unreachable_pub)]

mod command;
mod command_line;
mod door;
mod erased;
mod faults;
mod first_settings;
mod killed;
mod moved;
mod promises;
mod reports;
mod reset;
mod scripted;
mod working;

#[path = "../../crates/backend/examples/demo_site/site/mod.rs"]
mod site;
