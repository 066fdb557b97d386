//! What a technician or a script may ask for.

use bytes::Bytes;

use crate::corrections::Correction;
use base::secret::SecretUrl;

/// What a technician or a script may ask for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Action {
    /// Mirror the photos and enrol them, now.
    Sync,
    /// Deliver what waits, now.
    Upload,
    /// Ask the photo server whether it answers and takes the key.
    TestPhotos,
    /// Ask the webhook whether it answers and takes the key.
    TestWebhook,
    /// Stop and start camera and recognition.
    RestartRecognition,
    /// Try again to deliver a row that needs a person, by its id.
    RetryRow(String),
    /// Try again to deliver every row that needs a person.
    RetryAllRows,
    /// Give up a row that needs a person, by its id: it is never delivered, and stays in the day's file.
    DismissRow(String),
    /// Believe the listing that would remove many students.
    ConfirmRemoval,
    /// Believe the clock that is in doubt.
    ConfirmTime,
    /// Install the update bundle that was received, into the other slot.
    InstallReceived,
    /// Install the update bundle at this address, or the one that the offer (`latest.json`) at this address
    /// names.
    InstallFrom(SecretUrl),
    /// Restart into the installed update, on trial.
    TryUpdate,
    /// Ask now whether there is an update, and install it if there is.
    CheckUpdates,
    /// Restart into the other system, which is known to be whole, on trial.
    GoBack,
    /// The technician has read that the last update was rolled back.
    AcknowledgeUpdate,
    /// Close today's attendance: the OUTs that are open are sent.
    CloseDay,
    /// Take this file as the students' list.
    TakeStudents {
        /// What was uploaded.
        file: Bytes,
        /// Who uploaded it.
        by: String,
    },
    /// Remove the uploaded students' list.
    RemoveStudents,
    /// Accept the problem of a photo: it is not an alarm any more.
    AcceptPhoto {
        /// Its path below the photo folder.
        photo: String,
        /// Who accepts it.
        by: String,
    },
    /// Take the acceptance of a photo's problem back.
    WatchPhoto(String),
    /// Correct attendance by hand.
    Correct {
        /// What.
        correction: Correction,
        /// Who corrects it.
        by: String,
        /// Why.
        reason: String,
    },
    /// Erase everything of a student, at every door of the school.
    EraseStudent {
        /// The roll number.
        roll: String,
        /// Who asks for it.
        by: String,
    },
    /// Lift an erasure, by its number: the student may come back.
    LiftErasure(String),
}

impl Action {
    /// The kinds of corrections.
    pub const CORRECTIONS: [&str; 4] = ["add-row", "change-row", "void-row", "place-row"];

    /// A short name, the same for every row and every address.
    pub fn kind(&self) -> &'static str {
        match self {
            Self::Sync => "sync",
            Self::Upload => "upload",
            Self::TestPhotos => "test-photos",
            Self::TestWebhook => "test-webhook",
            Self::RestartRecognition => "restart",
            Self::RetryRow(_) => "retry",
            Self::RetryAllRows => "retry-all",
            Self::DismissRow(_) => "dismiss",
            Self::ConfirmRemoval => "confirm-removal",
            Self::ConfirmTime => "confirm-time",
            Self::InstallReceived | Self::InstallFrom(_) => "install",
            Self::TryUpdate => "try-update",
            Self::CheckUpdates => "check-updates",
            Self::GoBack => "go-back",
            Self::AcknowledgeUpdate => "acknowledge-update",
            Self::CloseDay => "close-day",
            Self::TakeStudents { .. } => "take-students",
            Self::RemoveStudents => "remove-students",
            Self::AcceptPhoto { .. } => "accept-photo",
            Self::WatchPhoto(_) => "watch-photo",
            Self::Correct { correction, .. } => {
                let [add, change, void, place] = Self::CORRECTIONS;
                match correction {
                    Correction::Add { .. } => add,
                    Correction::Change { .. } => change,
                    Correction::Void { .. } => void,
                    Correction::Place { .. } => place,
                }
            }
            Self::EraseStudent { .. } => "erase-student",
            Self::LiftErasure(_) => "lift-erasure",
        }
    }
}
