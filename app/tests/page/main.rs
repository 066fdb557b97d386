//! The page and the API, over real TLS sockets, against a stand-in for the appliance.
#![allow(clippy::unwrap_used, unreachable_pub)]

mod addresses;
mod api;
mod archives;
mod browser;
mod browser_live;
mod browser_reading;
mod client;
mod corrections;
mod device;
mod doors;
mod encryption;
mod enrolment;
mod fake;
mod flood;
mod hardening;
mod limits;
mod monday;
mod real;
mod roles;
mod settings;
mod soak;
mod spreadsheet;
mod states;
mod truth;
mod update;
mod webdriver;
mod year;

#[path = "../../crates/backend/examples/demo_site/site/mod.rs"]
mod site;
#[path = "../two_doors/visits.rs"]
mod visits;
