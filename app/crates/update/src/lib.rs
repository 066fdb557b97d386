//! Updates that cannot brick the door.
//!
//! # Background
//! The card holds two systems, slot A and slot B. The Pi 5's firmware starts the committed one
//! (autoboot.txt), or the other one once after `reboot "0 tryboot"`. RAUC writes a signed bundle into the
//! slot that is not running. image/UPDATES.md says what happens when the power is cut at each step.
//!
//! # Design
//! [`boot_flow`] is the pure state machine; [`store`] holds its state on disk ([`slot`], [`autoboot`],
//! [`record`], [`history`]) and makes its writes, each of them atomic. RAUC asks it through `attendance
//! boot-slot`, its custom bootloader backend.
//!
//! After a trial boot [`gate`] examines the new system ([`health`] judges what the service says in its
//! [`report`], [`golden`] the models, [`network`] the interfaces) and commits it, or notes why
//! not and restarts into the old one ([`restart`]). [`install`] drives RAUC over D-Bus; [`refusal`] puts its
//! errors into words.
//!
//! In the service, [`worker`] follows the site's [`schedule`]: it asks a server for an [`offer`], or a
//! [`fleet`]'s server for orders ([`rollout`]), installs at night, and asks for the restart when nobody is
//! there. [`newer`] admits automatic updates; [`inbox`] takes bundles that a person brings, [`under_way`]
//! lets only one come in at a time, and [`stick`] fetches those on a USB stick. [`attempt`] remembers what
//! came last; [`view`] is what the page shows, also whose updates are taken ([`trust`]).
//!
//! # Limitations
//! The firmware counts no boots: a *committed* system whose boot partition goes bad is left only where the
//! EEPROM's `PARTITION_WALK` is set ([`eeprom`] tells where it is not).
#![forbid(unsafe_code)]

pub mod attempt;
pub mod autoboot;
pub mod boot_flow;
pub mod config;
pub mod eeprom;
pub mod fleet;
pub mod gate;
pub mod golden;
pub mod health;
pub mod history;
pub mod inbox;
pub mod install;
pub mod network;
pub mod newer;
pub mod offer;
#[cfg(test)]
mod power_cut;
pub mod record;
pub mod refusal;
pub mod report;
pub mod restart;
pub mod rollout;
pub mod schedule;
pub mod slot;
pub mod start;
pub mod stick;
pub mod store;
pub mod trust;
pub mod under_way;
pub mod view;
pub mod worker;
