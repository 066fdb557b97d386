//! Doors of one school at a real broker (Mosquitto), on loopback.
#![allow(clippy::unwrap_used, unreachable_pub)]

mod bad_input;
mod broker;
mod door;
mod erasure;
mod others;
mod proxy;
mod rounds;
mod together;
