//! The page and the API, over real TLS sockets, against a stand-in for the appliance.
#![allow(clippy::unwrap_used, unreachable_pub)]

mod api;
mod browser;
mod client;
mod device;
mod doors;
mod flood;
mod hardening;
mod monday;
mod real;
mod roles;
mod soak;
mod update;
mod webdriver;
