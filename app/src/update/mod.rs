//! Updates that cannot brick the door.
//!
//! # Background
//! The card holds two systems, slot A and slot B. The Pi 5's firmware starts the committed one (autoboot.txt), or the other one
//! once after `reboot "0 tryboot"`. RAUC writes a signed bundle into the slot that is not running. image/UPDATES.md says what
//! happens when the power is cut at each step.
//!
//! # Design
//! [`boot_flow`] is the pure state machine; [`store`] holds its state on disk ([`slot`], [`autoboot`], [`record`],
//! [`history`]) and makes its writes, each of them atomic. RAUC asks it through `attendance boot-slot`, its custom bootloader
//! backend.
//!
//! # Limitations
//! The firmware counts no boots: a *committed* system whose boot partition goes bad is left only where the EEPROM's
//! `PARTITION_WALK` is set.

pub mod autoboot;
pub mod boot_flow;
mod durable;
pub mod health;
pub mod history;
#[cfg(test)]
mod power_cut;
pub mod record;
pub mod report;
pub mod slot;
pub mod store;
