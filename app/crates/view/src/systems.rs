//! The two systems on the card and the updates of them, as the page and the API show them.
//!
//! Plain data: who installs and judges updates fills it in. The names and the order of the fields are the
//! API's (`/status`), and scripts read them.

use std::fmt;

use schemars::JsonSchema;
use serde::Serialize;
use time::OffsetDateTime;

/// The systems on the card and how the last update ended.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, JsonSchema)]
pub struct Systems {
    /// The slot that runs.
    pub slot: Slot,
    /// Whether it is on trial.
    pub on_trial: bool,
    /// The slot that starts after a power cut: the other one during a trial. (autoboot.txt, which decides, is
    /// root's to read. After a fallback of the firmware this is wrong until the health gate has committed the
    /// system that runs, some minutes.)
    pub committed: Slot,
    /// Slot A.
    pub a: SlotView,
    /// Slot B.
    pub b: SlotView,
    /// The slot of an installed system that waits for its trial.
    pub waits_for_trial: Option<Slot>,
    /// What came in last, installed or refused.
    pub attempt: Option<Attempt>,
    /// What was installed last.
    pub installed: Option<Attempt>,
    /// How the last update ended.
    pub last: Option<UpdateOutcome>,
    /// The same in one sentence.
    pub sentence: Option<String>,
    /// Whether the last update was rolled back and nobody has said yet that they know.
    pub needs_acknowledgement: bool,
    /// Versions that are not installed automatically until somebody acknowledges: rolled back, or left by
    /// going back.
    pub not_wanted: Vec<String>,
    /// Who may sign updates for this image.
    pub signers: Signers,
    /// What is known of the settings in the board's EEPROM that updates lean on, and what to do about them.
    pub eeprom: String,
}

impl Systems {
    /// What is known of `slot`.
    pub fn known(&self, slot: Slot) -> &SlotView {
        match slot {
            Slot::A => &self.a,
            Slot::B => &self.b,
        }
    }
}

/// One of the two systems: a boot partition (kernel, initramfs, command line) and the root that belongs to
/// it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Slot {
    /// Boot partition 2, root partition 4.
    A,
    /// Boot partition 3, root partition 5.
    B,
}

impl fmt::Display for Slot {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::A => "A",
            Self::B => "B",
        })
    }
}

/// One slot.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, JsonSchema)]
pub struct SlotView {
    /// What it holds.
    pub content: Content,
    /// The system in it, where it is known.
    pub system: Option<InstalledSystem>,
}

/// What a slot holds.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Content {
    /// Being written, or left so by a power cut.
    Partial,
    /// A whole system.
    Whole,
    /// A whole system that did not pass its trial.
    Failed,
    /// Not known: never written since the record began, or written by a newer program with a word that this
    /// version does not know.
    #[default]
    Unknown,
}

/// A system's name: what os-release says of it.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(default)]
pub struct InstalledSystem {
    /// `IMAGE_VERSION`.
    pub version: String,
    /// `BUILD_DATE`, RFC 3339, where the image states one.
    pub built: Option<String>,
}

/// How an update came to the appliance.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Origin {
    /// Sent through the page, or from an address given there.
    Page,
    /// `attendance update install`.
    Console,
    /// The configured address.
    Address,
    /// A USB stick.
    Stick,
    /// A fleet's hawkBit server.
    Fleet,
    /// Nobody noted it, or a newer program did in words unknown here.
    #[default]
    Unknown,
}

/// An update that came in.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, JsonSchema)]
pub struct Attempt {
    /// From where.
    #[serde(default)]
    pub origin: Origin,
    /// Its version, as far as it is known.
    #[serde(default)]
    pub version: Option<String>,
    /// When this was noted, by the device's clock.
    #[serde(with = "time::serde::rfc3339")]
    #[schemars(with = "String")]
    pub at: OffsetDateTime,
    /// Why it was not installed; none: it was, and waits for its trial or had it.
    #[serde(default)]
    pub refused: Option<String>,
    /// The same in one sentence, for the page.
    #[serde(skip)]
    pub sentence: String,
}

/// How one trial ended.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, JsonSchema)]
#[schemars(rename = "Outcome")]
pub struct UpdateOutcome {
    /// The trial's number, by which a technician acknowledges it.
    pub trial: u64,
    /// The slot that was tried.
    pub slot: Slot,
    /// The system that installed it.
    #[serde(default)]
    pub from: InstalledSystem,
    /// The system that was tried, where it is known.
    #[serde(default)]
    pub to: Option<InstalledSystem>,
    /// Whether somebody wanted a system back that ran before.
    #[serde(default)]
    pub went_back: bool,
    /// How the update had come.
    #[serde(default)]
    pub origin: Origin,
    /// When this was noted, by the device's clock.
    #[serde(with = "time::serde::rfc3339")]
    #[schemars(with = "String")]
    pub at: OffsetDateTime,
    /// How it ended.
    #[serde(flatten)]
    pub end: UpdateEnd,
}

/// How a trial can end.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(tag = "end", rename_all = "kebab-case")]
#[schemars(rename = "End")]
pub enum UpdateEnd {
    /// The new system proved healthy and is the committed one.
    Committed,
    /// The committed system did not start any more; the other one did, proved healthy and was committed.
    Rescued,
    /// A check of the new system failed; it went back to the old one.
    Failed {
        /// The check that failed.
        check: String,
        /// What it found.
        reason: String,
        /// The newest lines of the new system's log.
        log: Vec<String>,
    },
    /// The new system said nothing: it did not come up, crashed, hung, or lost its power.
    Silent {
        /// How far it came.
        reached: TrialProgress,
    },
}

impl UpdateEnd {
    /// Whether the system that was tried is the committed one now.
    pub fn is_success(&self) -> bool {
        matches!(self, Self::Committed | Self::Rescued)
    }
}

/// How far a trial came.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum TrialProgress {
    /// Installed whole; the trial has not begun.
    Installed,
    /// The reboot into it was asked for.
    Begun,
    /// It came up and began to examine itself.
    Up,
}

/// Who may sign updates for this image.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Signers {
    /// The authorities that the image was built with.
    Own,
    /// A development authority, perhaps beside others: not for a door in use.
    Development,
    /// The keyring cannot be read, as at a desk.
    #[default]
    Unknown,
}
