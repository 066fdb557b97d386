//! A start on memory: the card could not be used, and `/data` lies in memory.
//!
//! The initramfs says so in `/run/attendance-boot/memory`, three lines that its script `init` describes.

use schemars::JsonSchema;
use serde::Serialize;

use base::failure::Fault;

/// Where the initramfs says so. There only if `/data` lies in memory.
pub const PATH: &str = "/run/attendance-boot/memory";

/// What is known of a start on memory.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, JsonSchema)]
pub struct OnMemory {
    /// Why the card is not used.
    pub state: CardState,
    /// How much of the card's settings, rows and photos lies in memory.
    pub copy: Copied,
    /// Whether the card may no longer hold what was copied: memory then has the only copy of it.
    pub original_gone: bool,
}

/// Why the card is not used.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum CardState {
    /// There is no data partition.
    Absent,
    /// The card takes no writes.
    ReadOnly,
    /// The check finds no error, and the file system does not mount.
    Unmountable,
    /// The check could not run.
    Unchecked,
    /// Damaged, and not all of it can be read.
    Unreadable,
    /// No file system could be made on a new card.
    NoFileSystem,
    /// A repair or a new file system failed half-way.
    NotRestored,
    /// `/var` could not get its layer on the data partition.
    NoOverlay,
    /// A reason that this version does not know.
    Unknown,
}

/// How much of the card was copied to memory.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Copied {
    /// All.
    All,
    /// Some of it.
    Part,
    /// Nothing.
    None,
}

impl OnMemory {
    /// Reads what the initramfs wrote. Lines that are missing or unknown count as the worst case.
    pub fn parse(text: &str) -> Self {
        let value = |key: &str| text.lines().find_map(|line| line.strip_prefix(key)?.strip_prefix('='));
        Self {
            state: match value("state") {
                Some("absent") => CardState::Absent,
                Some("read-only") => CardState::ReadOnly,
                Some("unmountable") => CardState::Unmountable,
                Some("unchecked") => CardState::Unchecked,
                Some("unreadable") => CardState::Unreadable,
                Some("no-file-system") => CardState::NoFileSystem,
                Some("not-restored") => CardState::NotRestored,
                Some("no-overlay") => CardState::NoOverlay,
                _ => CardState::Unknown,
            },
            copy: match value("copy") {
                Some("all") => Copied::All,
                Some("part") => Copied::Part,
                _ => Copied::None,
            },
            original_gone: value("original") != Some("kept"),
        }
    }

    /// What it means, and what to do.
    pub fn fault(&self) -> Fault {
        let copied = match self.copy {
            Copied::All => "settings and earlier rows were copied to memory",
            Copied::Part => "only a part of the settings and earlier rows could be copied to memory",
            Copied::None => "no settings and no earlier rows could be copied to memory",
        };
        let advice = match (self.copy, self.original_gone) {
            (Copied::None, _) => {
                "What is recorded now is lost with the power. Save today’s rows and wait until all are delivered, then \
                 switch off and replace the card."
            }
            (_, false) => {
                "What is recorded now is lost with the power. Wait until all rows are delivered, or save the days’ rows \
                 from this page; then switch off and replace the card."
            }
            (_, true) => {
                "Do not switch off: the card may no longer hold the earlier rows, and memory has their only copy. Wait \
                 until all rows are delivered, or save the days’ rows from this page; then replace the card."
            }
        };
        let reason = self.state.reason();
        Fault::new(format!("the device runs on memory, because {reason} ({copied})")).advise(advice)
    }
}

impl CardState {
    /// The name as the initramfs and the API have it.
    pub fn name(self) -> &'static str {
        match self {
            Self::Absent => "absent",
            Self::ReadOnly => "read-only",
            Self::Unmountable => "unmountable",
            Self::Unchecked => "unchecked",
            Self::Unreadable => "unreadable",
            Self::NoFileSystem => "no-file-system",
            Self::NotRestored => "not-restored",
            Self::NoOverlay => "no-overlay",
            Self::Unknown => "unknown",
        }
    }

    fn reason(self) -> &'static str {
        match self {
            Self::Absent => "the card has no data partition",
            Self::ReadOnly => "the card takes no writes",
            Self::Unmountable => "the card’s data partition does not mount, although no error is found on it",
            Self::Unchecked => "the card’s data partition could not be checked",
            Self::Unreadable => "the card’s data partition is damaged, and not all of it can be read",
            Self::NoFileSystem => "no file system could be made on the card",
            Self::NotRestored => "the repair of the card failed half-way",
            Self::NoOverlay => "the settings on the card could not be put in place",
            Self::Unknown => "the card could not be used",
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    /// Every state that the initramfs documents is known here, by the same name.
    #[test]
    fn every_state_of_the_initramfs_is_known() {
        let init =
            concat!(env!("CARGO_MANIFEST_DIR"), "/../../../meta-attendance/recipes-core/initramfs/data.sh");
        let script = std::fs::read_to_string(init).unwrap();
        let states: Vec<&str> = script
            .lines()
            .filter_map(|line| line.split_once("on_memory "))
            .filter_map(|(_, rest)| rest.split([' ', '"']).next())
            .filter(|state| !state.is_empty() && state.chars().all(|c| c.is_ascii_lowercase() || c == '-'))
            .collect();
        assert!(states.len() >= 7, "{states:?}");
        for state in states {
            let parsed = OnMemory::parse(&format!("state={state}\ncopy=all\noriginal=kept\n"));
            assert_eq!(parsed.state.name(), state);
            assert_eq!(serde_json::to_value(parsed.state).unwrap(), state);
            assert_eq!((parsed.copy, parsed.original_gone), (Copied::All, false));
        }
    }

    #[test]
    fn unknown_lines_count_as_the_worst_case() {
        let parsed = OnMemory::parse("");
        assert_eq!(parsed, OnMemory { state: CardState::Unknown, copy: Copied::None, original_gone: true });
    }

    #[test]
    fn the_only_copy_must_not_be_switched_off() {
        let fault = OnMemory::parse("state=not-restored\ncopy=part\noriginal=gone\n").fault();
        assert!(fault.what.contains("failed half-way") && fault.what.contains("a part"), "{fault}");
        assert!(fault.advice.unwrap().starts_with("Do not switch off"));
        let kept = OnMemory::parse("state=read-only\ncopy=all\noriginal=kept\n").fault();
        assert!(!kept.advice.unwrap().contains("Do not switch off"));
    }
}
