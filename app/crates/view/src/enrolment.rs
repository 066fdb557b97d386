//! What the page shows of an enrolment at the door, and what it may ask for.

use bytes::Bytes;

use crate::answer::{Done, Refused};

/// Pictures of a student that the door's camera takes.
pub trait Enrolment: Send + Sync + 'static {
    /// The sitting that is under way or has just ended; none before the first.
    fn sitting(&self) -> Option<Sitting>;
    /// Begins a sitting of this student.
    ///
    /// # Errors
    /// [`Refused`] where the site does not allow it, and while another one is under way. While photos are
    /// being enrolled it begins, and takes its pictures after that.
    fn begin(&self, roll: &str, by: &str) -> Result<(), Refused>;
    /// A picture of the sitting, as JPEG, counted from 1.
    fn picture(&self, number: usize) -> Option<Bytes>;
    /// Keeps the pictures of the sitting of this number. May write to the card.
    ///
    /// # Errors
    /// [`Refused`] when there is no such sitting any more, or nothing can be written.
    fn confirm(&self, sitting: u64, by: &str) -> Result<Done, Refused>;
    /// Ends the sitting of this number, and drops its pictures.
    fn cancel(&self, sitting: u64);
    /// The kept pictures of a student.
    fn kept(&self, roll: &str) -> Option<Kept>;
    /// Deletes the kept pictures of a student. May write to the card.
    ///
    /// # Errors
    /// [`Refused`] when they cannot be deleted.
    fn remove(&self, roll: &str) -> Result<Done, Refused>;
    /// Whether the site allows it: without that, kept pictures are not used, and can be deleted.
    fn is_allowed(&self) -> bool;
}

/// A sitting.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Sitting {
    /// Its number: what is confirmed is what was looked at.
    pub number: u64,
    /// Whose.
    pub roll: String,
    /// Their name; empty where none is known.
    pub name: String,
    /// Who began it.
    pub by: String,
    /// Pictures taken.
    pub pictures: usize,
    /// Pictures that are needed.
    pub wanted: usize,
    /// What to do next, or why the last picture was not good.
    pub hint: String,
    /// Seconds until it ends automatically.
    pub seconds: u64,
    /// Why it is over; none while it is under way.
    pub over: Option<String>,
}

/// Pictures of a student that were taken at the door.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Kept {
    /// Who confirmed them.
    pub by: String,
    /// When, local time.
    pub at: String,
    /// How many.
    pub pictures: usize,
}
