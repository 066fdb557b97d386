//! The page and the API, over real TLS sockets, against a stand-in for the appliance.
#![allow(clippy::unwrap_used, unreachable_pub)]

mod api;
mod archives;
mod browser;
mod client;
mod corrections;
mod device;
mod doors;
mod enrolment;
mod flood;
mod hardening;
mod monday;
mod real;
mod roles;
mod settings;
mod soak;
mod spreadsheet;
mod truth;
mod update;
mod webdriver;
mod year;

#[path = "../../crates/backend/examples/demo_site/site/mod.rs"]
mod site;
#[path = "../two_doors/visits.rs"]
mod visits;
