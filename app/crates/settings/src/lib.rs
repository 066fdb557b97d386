//! Settings changed while the appliance runs: edited in the file without losing a comment, tried, and put
//! back when they do not work.
//!
//! # Design
//! `edit` turns a form into another text of the file. `store` keeps the last ten versions and the trial in
//! the data folder; `trial` decides at a start, and while the program runs, whether the saved settings stay.
//! `writer` puts a text in the place of the file: itself where it may, and on the appliance through `helper`,
//! a command that a systemd unit starts as root and that checks everything again. `desk` is what the page
//! talks to.
//!
//! New settings are taken over by an ordered restart of the whole program: every worker stops in its order,
//! rows are written and delivered a last time, and the program then starts itself again in the same process
//! (`exec`). No part needs to change its settings while it runs, and a row is on disk before it is told.
#![forbid(unsafe_code)]

pub mod desk;
pub mod edit;
pub mod helper;
pub mod store;
pub mod trial;
pub mod writer;
