//! Corrections of attendance by hand.

use time::{Date, PrimitiveDateTime, Time};

use crate::rows::RowStatus;

/// A correction of attendance by hand. Times are the site's.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Correction {
    /// A row is missing.
    Add {
        /// The student's roll number.
        roll: String,
        /// Whether they came or went.
        status: RowStatus,
        /// When.
        at: PrimitiveDateTime,
    },
    /// A row has the wrong time.
    Change {
        /// Which row, by its id.
        row: String,
        /// The right time of its day.
        time: Time,
    },
    /// A row is wrong: the student was not there.
    Void {
        /// Which row, by its id.
        row: String,
    },
    /// A row whose day nobody knew is of this day.
    Place {
        /// Which row, by its id.
        row: String,
        /// The day.
        day: Date,
    },
}
