//! What is remembered about the two systems: which was installed and waits for its trial, how far a trial
//! came.
//!
//! The record decides nothing about what boots; autoboot.txt alone does. A lost record therefore costs a
//! report, never a system, and one that cannot be read counts as lost. It lies on the data partition, which
//! both systems share: fields may be added and old ones must stay, because after a rollback the old system
//! reads what the new one wrote.

use serde::{Deserialize, Serialize};

use super::attempt::Origin;
use super::network::Network;
use super::slot::Slot;

/// The record's form. A reader takes what it knows of a newer one.
pub const FORMAT: u32 = 1;

/// What is remembered about the two systems.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Record {
    /// [`FORMAT`] of the program that wrote it.
    pub format: u32,
    /// Trials begun so far: the number of the last one.
    pub trials: u64,
    /// The system that was installed and is not committed.
    pub pending: Option<Pending>,
    /// The start of the kernel in which the last trial was asked for: in the same one it is still to come.
    pub begun_in: Option<String>,
    /// What is known of slot A.
    pub a: Known,
    /// What is known of slot B.
    pub b: Known,
}

impl Record {
    /// What is known of `slot`.
    pub fn known(&self, slot: Slot) -> &Known {
        match slot {
            Slot::A => &self.a,
            Slot::B => &self.b,
        }
    }

    pub(super) fn known_mut(&mut self, slot: Slot) -> &mut Known {
        match slot {
            Slot::A => &mut self.a,
            Slot::B => &mut self.b,
        }
    }
}

/// What is known of one slot.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Known {
    /// Whether it holds a whole system.
    pub content: Content,
    /// The system that last ran from it, or is installed in it; unknown before it ran once.
    pub system: Option<System>,
    /// The start of the kernel in which it began to be written, as long as it is half written. A later one
    /// cannot finish it.
    pub writing: Option<String>,
}

/// What a slot holds.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Content {
    /// Being written, or left so by a power cut.
    Partial,
    /// A whole system.
    Whole,
    /// A whole system that did not pass its trial.
    Failed,
    /// Nobody knows: never written since the record began, or written by a newer program in words unknown
    /// here.
    #[default]
    #[serde(other)]
    Unknown,
}

/// A system's name: what os-release says of it.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct System {
    /// `IMAGE_VERSION`.
    pub version: String,
    /// `BUILD_DATE`, RFC 3339, where the image states one.
    pub built: Option<String>,
}

impl System {
    /// The system that runs; without a name at a desk.
    pub fn running() -> Self {
        Self::from_os_release(&std::fs::read_to_string("/etc/os-release").unwrap_or_default())
    }

    /// Reads it from the text of an os-release file (os-release(5): `KEY=value`, perhaps in quotes).
    pub fn from_os_release(text: &str) -> Self {
        let value = |key: &str| {
            let line = text.lines().find_map(|line| line.strip_prefix(key)?.strip_prefix('='))?;
            Some(line.trim_matches(['"', '\'']).to_owned())
        };
        Self { version: value("IMAGE_VERSION").unwrap_or_default(), built: value("BUILD_DATE") }
    }
}

/// A system that was installed and is not committed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Pending {
    /// Where it lies.
    pub slot: Slot,
    /// How far its trial came.
    pub progress: TrialProgress,
    /// The trial's number, from when it began.
    #[serde(default)]
    pub trial: u64,
    /// Whether it is a system that ran before, to which somebody returns.
    #[serde(default)]
    pub went_back: bool,
    /// How the old system was when the trial began.
    #[serde(default)]
    pub before: Before,
}

/// How the old system was: what did not work then is not a fault of the new one.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Before {
    /// The system.
    pub system: System,
    /// Whether its service ran: then the new system's must, whatever that finds of its settings.
    pub service_ran: bool,
    /// Whether its camera gave no frames.
    pub camera_was_absent: bool,
    /// Its workers that did not run.
    pub ailing: Vec<String>,
    /// Its network interfaces, and the units that were active for them.
    pub network: Network,
    /// How the update had come.
    pub origin: Origin,
    /// The version that had come, where it was told: a system that never comes up cannot say it.
    pub installed: Option<String>,
}

/// How far a trial came.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum TrialProgress {
    /// Installed whole; the trial has not begun.
    Installed,
    /// The reboot into it was asked for.
    Begun,
    /// It came up and began to examine itself.
    Up,
}

/// The record's text on disk.
pub(super) fn to_text(record: &Record) -> Vec<u8> {
    let current = Record { format: FORMAT, ..record.clone() };
    // Plain structs and strings: nothing in them can fail to become JSON.
    serde_json::to_vec_pretty(&current).unwrap_or_default()
}

/// The record of a text. One that cannot be read counts as lost, with a word in the log.
pub(super) fn from_text(text: &[u8]) -> Record {
    serde_json::from_slice(text).unwrap_or_else(|error| {
        log::warn!("the record of updates cannot be read and begins again: {error}");
        Record::default()
    })
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use proptest::prelude::*;

    use super::*;
    use crate::network::Interface;

    #[test]
    fn a_record_survives_its_text() {
        let pending = Pending {
            slot: Slot::B,
            progress: TrialProgress::Begun,
            trial: 7,
            went_back: true,
            before: Before {
                system: System { version: "1.0.0".to_owned(), built: None },
                service_ran: true,
                camera_was_absent: true,
                ailing: vec!["roster".to_owned()],
                network: Network {
                    interfaces: vec![Interface { name: "end0".to_owned(), ..Interface::default() }],
                    units: vec!["nftables.service".to_owned()],
                },
                origin: Origin::Stick,
                installed: Some("2.0.0".to_owned()),
            },
        };
        let mut record = Record { format: FORMAT, trials: 7, pending: Some(pending), ..Record::default() };
        record.known_mut(Slot::B).content = Content::Partial;
        record.known_mut(Slot::B).writing = Some("c1d2".to_owned());
        assert_eq!(from_text(&to_text(&record)), record);
    }

    #[test]
    fn old_program_reads_a_newer_record() {
        let newer = br#"{"format": 9, "trials": 3, "later": [1], "a": {"content": "whole", "signed": true},
            "b": {"content": "half-baked"}, "pending": {"slot": "b", "progress": "installed", "reason": "night"}}"#;
        let record = from_text(newer);
        assert_eq!(record.trials, 3);
        assert_eq!(record.a.content, Content::Whole);
        assert_eq!(record.b.content, Content::Unknown);
        assert_eq!(record.pending.unwrap().slot, Slot::B);
    }

    #[test]
    fn old_record_leaves_new_fields_unknown() {
        let older = br#"{"format": 1, "trials": 3, "pending": {"slot": "b", "progress": "begun", "trial": 3,
            "before": {"system": {"version": "1.0.0"}, "camera_was_absent": true, "ailing": ["roster"], "origin": "stick"}}}"#;
        let before = from_text(older).pending.unwrap().before;
        assert_eq!((before.system.version.as_str(), before.camera_was_absent), ("1.0.0", true));
        assert!(!before.service_ran && before.network == Network::default());
    }

    #[test]
    fn os_release_names_the_system() {
        let text = "NAME=Debian\nIMAGE_ID=attendance-rpi5\nIMAGE_VERSION=\"0.2.0+20260101.1200.abc1234\"\nBUILD_DATE=2026-01-01T12:00:00Z\n";
        let system = System::from_os_release(text);
        assert_eq!(system.version, "0.2.0+20260101.1200.abc1234");
        assert_eq!(system.built.as_deref(), Some("2026-01-01T12:00:00Z"));
        assert_eq!(System::from_os_release("NAME=Debian\n"), System::default());
    }

    proptest! {
        #[test]
        fn any_bytes_are_answered(bytes in proptest::collection::vec(any::<u8>(), 0..512)) {
            let _ = from_text(&bytes);
        }

        #[test]
        fn a_torn_text_counts_as_lost(cut in 0_usize..200) {
            let text = to_text(&Record { trials: 5, ..Record::default() });
            let cut = cut.min(text.len() - 1);
            prop_assert_eq!(from_text(&text[..cut]), Record::default());
        }
    }
}
