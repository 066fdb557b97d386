//! The page and the API, over real TLS sockets, against a stand-in for the appliance.
#![allow(clippy::unwrap_used, unreachable_pub)]

mod api;
mod client;
mod device;
mod doors;
mod hardening;
