//! Who can be recognised: the photos on disk, turned into a gallery.
//!
//! [`vision::scan`] lists the photos, [`enrol`] makes an embedding of each that is new or changed and keeps
//! those in [`cache`], and the result is a [`crate::Gallery`] for recognition and a [`Report`] for the
//! technician. [`worker`] does it again whenever photos change, and swaps the new gallery in while
//! recognition runs.

pub mod cache;
pub mod earlier;
pub mod enrol;
mod folder;
pub mod layout;
pub mod persons;
pub mod places;
pub mod removal;
mod report;
mod settings;
pub mod sitting;
pub mod worker;

pub use report::{Alike, PhotoOutcome, PhotoReport, Report, Roster};
pub use settings::Settings;
