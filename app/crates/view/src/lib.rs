//! What the page shows, as plain data, and what it may ask for.
//!
//! This is the one seam between the status server and the rest of the program. [`Source`] gives read-only
//! snapshots; [`Control`] performs the few actions a technician has. The server knows nothing else, so a test
//! stands in for the whole appliance with two small implementations.
//!
//! Everything here is shown to a technician and goes into support bundles: no field may carry a secret, a
//! face or an embedding. URLs come without their credentials ([`base::secret::without_credentials`]).

#![forbid(unsafe_code)]

mod action;
pub mod answer;
pub mod card;
pub mod corrections;
pub mod enrolment;
pub mod on_memory;
mod photos;
mod rows;
pub mod settings;
mod state;
pub mod systems;
pub mod verdict;

use std::io;
use std::sync::Arc;

use bytes::Bytes;
use office::day::Day;
use time::Date;

pub use crate::action::Action;
pub use crate::answer::{Done, Pending, Refused};
use crate::enrolment::Enrolment;
pub use crate::photos::{
    AboutStudent, Erasure, Mark, PhotoSync, Picture, Progress, RefusedPhoto, Removal, Roster, RosterCount,
    Student, StudentsList,
};
pub use crate::rows::{Decision, RefusedRow, Row, RowDelivery, RowStatus, School, Today, Upload};
use crate::settings::Settings;
pub use crate::state::{Camera, KnownScene, Level, LivenessCheck, Problem, System, Update, View, Worker};
use base::failure::Fault;
use base::secret::Secret;

/// Gives the server what it shows. No call may take longer than a file read; those marked so are made off the
/// network thread.
pub trait Source: Send + Sync + 'static {
    /// The present state. Called about once a second a viewer: must not block on a worker.
    fn view(&self) -> View;
    /// The rows of one day, oldest first. May read a file.
    ///
    /// # Errors
    /// [`Refused`] when the day's rows cannot be read. A day without rows is an empty list.
    fn rows(&self, day: Date) -> Result<Vec<Row>, Refused>;
    /// The states of everybody on the days from `from` to `to`, at most
    /// [`MOST_DAYS`](office::range::MOST_DAYS). May read files.
    ///
    /// # Errors
    /// [`Refused`] when the rows cannot be read.
    fn days(&self, from: Date, to: Date) -> Result<Vec<Day>, Refused> {
        let _ = (from, to);
        Ok(Vec::new())
    }
    /// The rows of a day that persons added, changed or took away, and those that the rules withdrew.
    ///
    /// # Errors
    /// [`Refused`] when they cannot be read.
    fn corrected(&self, day: Date) -> Result<Vec<Row>, Refused>;

    /// The students' list in use, in numbers.
    fn students(&self) -> StudentsList {
        StudentsList::default()
    }
    /// What is known of a student beside their days; none for a roll number that nobody has.
    fn student(&self, roll: &str) -> Option<AboutStudent> {
        let _ = roll;
        None
    }
    /// Who was erased: not whom, but that somebody was, newest first.
    fn erasures(&self) -> Vec<Erasure> {
        Vec::new()
    }
    /// Everyone who has a photo, and every photo that is wrong. May read files.
    fn roster(&self) -> Roster;
    /// Whether this row needs a person, and so may be retried or dismissed.
    fn needs_person(&self, row: &str) -> bool {
        self.view().upload.needs_person.iter().any(|refused| refused.id == row)
    }
    /// The newest lines of the log, oldest first, at most `most`. Lines carry no secrets.
    fn log(&self, most: usize) -> Vec<String>;
    /// The same without what names a person, and without lines that say who was seen when: for the
    /// diagnostics, which leave the site.
    fn redacted_log(&self, most: usize) -> Vec<String>;
    /// The configuration in use, as TOML, secrets hidden.
    fn configuration(&self) -> String;
    /// What the detector saw in a photo that did not enrol, by its path below the photo folder. May read and
    /// decode a file.
    fn evidence(&self, photo: &str) -> Option<Picture>;
    /// The licence texts of everything in the image, compressed by gzip; none where there is no such file.
    /// Reads a file.
    fn licences(&self) -> Option<Bytes> {
        None
    }
    /// What stands on the screen at the door, as JPEG; none before the first picture. May encode one.
    fn door(&self) -> Option<Bytes> {
        None
    }
    /// The next frame of the camera with what was found in it. Only asked for while somebody looks.
    fn preview(&self) -> Pending<Result<Picture, Refused>>;
}

/// Performs a technician's actions.
pub trait Control: Send + Sync + 'static {
    /// Performs `action`. The server runs at most one of each [`Action::kind`] at a time and never cancels
    /// one.
    fn perform(&self, action: Action) -> Pending<Result<Done, Refused>>;
    /// Begins to take an update bundle of so many bytes; whole, it is installed by
    /// [`Action::InstallReceived`].
    ///
    /// # Errors
    /// [`Refused`] when no update can be taken here and now.
    fn receive(&self, bytes: u64) -> Result<Box<dyn Incoming>, Refused>;
    /// The settings; none where they cannot be shown.
    fn settings(&self) -> Option<Arc<dyn Settings>> {
        None
    }
    /// Enrolment at the door; none where there is no camera to take pictures.
    fn enrolment(&self) -> Option<Arc<dyn Enrolment>> {
        None
    }
    /// Writes all that this device knows to `out`, encrypted with `passphrase`. Made on a thread of its own.
    ///
    /// # Errors
    /// What is wrong; what was written until then is of no use.
    fn export(&self, passphrase: &Secret, out: &mut dyn io::Write) -> Result<(), Fault> {
        let _ = (passphrase, out);
        Err(Fault::new("nothing can be exported here"))
    }
    /// Begins to take such a file of so many bytes. Whole, the appliance restarts with what is in it.
    ///
    /// # Errors
    /// [`Refused`] when none can be taken here and now.
    fn import(
        &self,
        passphrase: Secret,
        keep_settings: bool,
        bytes: u64,
    ) -> Result<Box<dyn Incoming>, Refused> {
        let _ = (passphrase, keep_settings, bytes);
        Err(Refused { message: "Nothing can be imported here".to_owned(), details: String::new() })
    }
    /// The rows that are on this device only, and the words that a person types for a factory reset; none
    /// where that is not possible. Reads files.
    fn reset_words(&self) -> Option<(usize, String)> {
        None
    }
    /// Erases everything, if the right words were typed: the machine restarts within seconds. Reads files.
    ///
    /// # Errors
    /// What is wrong and what to do; nothing is erased then.
    fn factory_reset(&self, typed: &str) -> Result<(), Fault> {
        let _ = typed;
        Err(Fault::new("a factory reset is not possible here"))
    }
    /// The recovery key of the encrypted card, as long as nobody has said that they have written it down.
    /// Reads files.
    fn recovery_key(&self) -> Option<Secret> {
        None
    }
    /// It is written down, and never shown again. Writes a file.
    ///
    /// # Errors
    /// An error of the file system; it is shown again then.
    fn recovery_key_written_down(&self) -> io::Result<()> {
        Ok(())
    }
    /// How the last import ended: whether it was taken over, and a sentence. None before the first.
    fn last_import(&self) -> Option<(bool, String)> {
        None
    }
}

/// An update bundle on its way in. Dropped unfinished, it leaves nothing behind.
pub trait Incoming: Send + 'static {
    /// Takes the next piece. May write to the card.
    ///
    /// # Errors
    /// [`Refused`] when there is no room, or more comes than was announced.
    fn take(&mut self, piece: &[u8]) -> Result<(), Refused>;
    /// All has come. May write to the card. What it answers is kept until the request ends: dropped, the
    /// bundle is deleted unless it was installed.
    ///
    /// # Errors
    /// [`Refused`] when less came than was announced, or it cannot be kept.
    fn finish(self: Box<Self>) -> Result<Box<dyn Send>, Refused>;
}
