//! Synchronising photos with real servers, hostile servers and failing disks.
#![allow(clippy::unwrap_used, clippy::panic, unreachable_pub)]

#[path = "../../examples/demo_site/site/mod.rs"]
mod site;

mod changed;
mod deep;
mod disks;
mod door;
mod hostile;
mod hostile_listings;
mod interrupted;
mod kinds;
mod left_out;
mod memory;
mod portal;
mod proxy;
mod real_servers;
mod removal;
mod scripted;
mod students;
mod trust;
mod working;
