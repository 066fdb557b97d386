//! First-boot configuration: what a technician puts on the card's first partition becomes the appliance's
//! settings.
//!
//! The card's first partition is FAT, so any laptop can open it, and so can anybody who holds the card. At
//! every start [`import`] looks for the files named in [`card`], checks each, takes over the good ones (whole
//! or not at all, so that cut power leaves the old file or the new one), and removes them from the card,
//! because they hold secrets. A file that is wrong stays on the card and changes nothing. [`report`] writes
//! `attendance-status.txt` back: the address and the certificate's fingerprint, or what is wrong and in which
//! line. The recorded words of the folder `words` are taken over one by one.
//!
//! [`parse`] is pure: text in, the files of [`card`] or reasons out. [`import`], [`network`] and [`report`]
//! take every folder as an argument.
#![forbid(unsafe_code)]

pub mod card;
pub mod card_key;
mod files;
pub mod imager;
pub mod import;
pub mod network;
pub mod parse;
mod parts;
pub mod report;
