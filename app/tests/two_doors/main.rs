//! Two appliances as programs, a real Mosquitto and a demo backend: in at one door and out by the other,
//! while doors and broker are killed.
#![allow(clippy::unwrap_used, clippy::panic, unreachable_pub, dead_code)]

#[path = "../../crates/site/tests/school/broker.rs"]
mod broker;
mod door;
#[path = "../../crates/site/tests/school/proxy.rs"]
mod proxy;
mod rounds;
#[path = "../../crates/backend/examples/demo_site/site/mod.rs"]
mod site;
mod visits;
