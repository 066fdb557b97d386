//! What the page shows of the settings, and what it may ask for. The program knows the settings' types; the
//! page knows fields with words.

use super::answer::{Done, Pending, Refused};
use base::failure;

/// All settings, and the result of the last change.
#[derive(Debug, Clone, Default)]
pub struct Sheet {
    /// The sections, in their order.
    pub sections: Vec<Section>,
    /// The kept versions, newest first.
    pub versions: Vec<Version>,
    /// Saved settings that have not yet proven that they work.
    pub trial: Option<Trial>,
    /// How the last change ended, and whether it was kept; none before the first.
    pub outcome: Option<(bool, String)>,
    /// Why nothing can be changed here; none where it can.
    pub unavailable: Option<String>,
    /// The file.
    pub file: String,
}

/// A section.
#[derive(Debug, Clone, Default)]
pub struct Section {
    /// `photos`.
    pub name: String,
    /// What it is about.
    pub about: String,
    /// Its settings.
    pub fields: Vec<Field>,
}

/// A setting.
#[derive(Debug, Clone)]
pub struct Field {
    /// `photos.interval`.
    pub name: String,
    /// Its documentation.
    pub about: String,
    /// How it is typed in.
    pub input: Input,
    /// What is written in the file; empty when it is not written, and for a secret.
    pub value: String,
    /// Whether the file has it.
    pub is_set: bool,
    /// What holds when it is not written; empty: nothing.
    pub default: String,
}

/// How a setting is typed in.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Input {
    /// `true` or `false`.
    Switch,
    /// One of these words.
    Choice(Vec<String>),
    /// A number.
    Number,
    /// A text.
    Text,
    /// A time span.
    Duration,
    /// Never shown.
    Secret,
    /// A list, in some lines.
    List,
    /// Shown, and not changed here.
    ReadOnly,
}

/// A kept version.
#[derive(Debug, Clone)]
pub struct Version {
    /// Names it.
    pub number: u64,
    /// Local time when it came into force.
    pub at: String,
    /// Who brought it.
    pub by: String,
    /// Whether it is the one in force.
    pub in_force: bool,
    /// In what it differs from the one in force.
    pub changes: Vec<Change>,
}

/// A setting that differs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Change {
    /// `photos.interval`.
    pub name: String,
    /// What holds without the change; never a secret.
    pub before: String,
    /// What holds with it; never a secret.
    pub after: String,
}

/// Settings on trial.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Trial {
    /// The trial runs.
    Runs {
        /// Whether somebody must confirm them on the page.
        confirm: bool,
        /// Seconds until they are put back, or kept.
        seconds: u64,
    },
    /// Nobody has confirmed them, and the ones before cannot be put back, for this reason. It is tried again,
    /// after some minutes less often; somebody who reaches the page may keep them.
    CannotGoBack(failure::Fault),
}

/// Something that is wrong with the given settings.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Fault {
    /// The setting; none when it is about the whole.
    pub name: Option<String>,
    /// What is wrong and what is allowed.
    pub what: String,
}

/// What saving the given settings would do.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Review {
    /// Nothing, for they are wrong.
    Wrong(Vec<Fault>),
    /// Nothing, for they are as they were.
    Unchanged,
    /// These changes, which are kept under this name until they are saved.
    Changes {
        /// Names the draft for [`Settings::save`].
        draft: String,
        /// What changes.
        changes: Vec<Change>,
        /// Whether somebody must confirm them after the restart.
        confirm: bool,
    },
}

/// The settings of the appliance.
pub trait Settings: Send + Sync + 'static {
    /// All of them. May read files.
    fn sheet(&self) -> Sheet;
    /// What the form's values would do. Saves nothing. May read files.
    fn review(&self, form: &[(String, String)]) -> Review;
    /// Saves a reviewed draft, and restarts the program with it, on trial.
    fn save(&self, draft: &str, who: &str) -> Pending<Result<Done, Refused>>;
    /// Saves a kept version again, and restarts the program with it, on trial.
    fn put_back(&self, version: u64, who: &str) -> Pending<Result<Done, Refused>>;
    /// Keeps the settings that are on trial.
    fn keep(&self) -> Pending<Result<Done, Refused>>;
    /// How far the trial is; none without one. Asked for with every view.
    fn trial(&self) -> Option<Trial>;
}
