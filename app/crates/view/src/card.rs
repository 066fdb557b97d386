//! The encryption of the card's data partition: what the initramfs says of this start
//! (`/run/attendance-boot/card`, which its script `init` describes), and the recovery key until somebody has
//! written it down.

use std::path::{Path, PathBuf};

use base::durable::{Access, replace_for};
use base::failure::Fault;
use base::secret::Secret;
use schemars::JsonSchema;
use serde::Serialize;

/// Where the initramfs says so. There on the appliance's own image only.
pub const PATH: &str = "/run/attendance-boot/card";
/// The recovery key, where it was made at this start.
pub const RECOVERY_KEY: &str = "/run/attendance-boot/recovery-key";
/// Longest recovery key, bytes.
const KEY_BYTES: u64 = 128;

/// The card's encryption.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, JsonSchema)]
pub struct Card {
    /// Whether it is encrypted.
    pub state: Encryption,
    /// Where the key comes from; none of a plain card.
    pub key: Option<Key>,
    /// Whether the recovery key opened it at this start.
    pub opened_by_recovery_key: bool,
    /// What could not be done of what card.key asks for.
    pub problem: Option<Undone>,
    /// The identity of its header, in which the recovery key is; none of a plain card.
    #[serde(skip)]
    pub uuid: String,
}

/// Whether the card is encrypted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Encryption {
    /// Whoever has the card reads it.
    Plain,
    /// Only its key opens it.
    Encrypted,
    /// Encrypted, and no key is bound to it yet: anybody can open it.
    Unlocked,
    /// A word that this version does not know.
    Unknown,
}

/// Where the key comes from.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Key {
    /// A TPM 2.0.
    Tpm,
    /// A Tang server.
    Network,
    /// A kind that this version does not know, or none.
    Unknown,
}

/// Why card.key is not in force.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Undone {
    /// The TPM or the server did not answer.
    NoAnswer,
    /// It answered, and the key could not be bound to the card.
    NotBound,
    /// The other slot's system does not know encrypted cards.
    OtherSystem,
    /// There is no room for the encryption's header.
    NoRoom,
    /// The encryption did not begin, or stopped half-way: a part of the card cannot be read or written.
    NotBegun,
    /// A reason that this version does not know.
    Unknown,
}

impl Card {
    /// Reads what the initramfs wrote.
    pub fn parse(text: &str) -> Self {
        let value = |key: &str| {
            let found = text.lines().find_map(|line| line.strip_prefix(key)?.strip_prefix('='));
            found.unwrap_or_default()
        };
        let state = match value("state") {
            "plain" => Encryption::Plain,
            "encrypted" => Encryption::Encrypted,
            "unlocked" => Encryption::Unlocked,
            _ => Encryption::Unknown,
        };
        let key = match value("key") {
            _ if state == Encryption::Plain => None,
            "tpm" => Some(Key::Tpm),
            "network" => Some(Key::Network),
            _ => Some(Key::Unknown),
        };
        let problem = match value("problem") {
            "" => None,
            "no-answer" => Some(Undone::NoAnswer),
            "not-bound" => Some(Undone::NotBound),
            "other-system" => Some(Undone::OtherSystem),
            "no-room" => Some(Undone::NoRoom),
            "not-begun" => Some(Undone::NotBegun),
            _ => Some(Undone::Unknown),
        };
        let opened_by_recovery_key = value("by") == "recovery";
        Self { state, key, opened_by_recovery_key, problem, uuid: value("uuid").to_owned() }
    }

    /// The line on the page.
    pub fn line(&self) -> &'static str {
        match (self.state, self.key) {
            (Encryption::Plain, _) => {
                "The card is not encrypted: whoever takes it can read its photos, rows and keys."
            }
            (Encryption::Unlocked, _) => {
                "The card is encrypted, and no key is bound to it: anybody can open it."
            }
            (Encryption::Unknown, _) => "It is not known whether the card is encrypted.",
            (Encryption::Encrypted, Some(Key::Tpm)) => "The card is encrypted; this board’s TPM opens it.",
            (Encryption::Encrypted, Some(Key::Network)) => {
                "The card is encrypted; a server on the network opens it."
            }
            (Encryption::Encrypted, _) => "The card is encrypted; only its recovery key opens it.",
        }
    }

    /// The state as the initramfs and the API have it.
    pub fn name(&self) -> &'static str {
        match self.state {
            Encryption::Plain => "plain",
            Encryption::Encrypted => "encrypted",
            Encryption::Unlocked => "unlocked",
            Encryption::Unknown => "unknown",
        }
    }

    /// What is not as card.key asks for, and what to do.
    pub fn fault(&self) -> Option<Fault> {
        let fault = |what: &str, advice: &str| Some(Fault::new(what).advise(advice));
        match self.problem {
            None if self.state == Encryption::Unlocked => fault(
                "the card is encrypted, and no key is bound to it: anybody can open it",
                "set card.key in attendance.toml and restart the device",
            ),
            None => None,
            Some(Undone::NoAnswer) => fault(
                "card.key is not in force: the TPM or the Tang server did not answer at the start",
                "check the module on the header, or cable, DHCP and server; then restart the device",
            ),
            Some(Undone::NotBound) => fault(
                "card.key is not in force: the key could not be bound to the card",
                "restart the device; if it stays so, the start's messages on the console say why",
            ),
            Some(Undone::OtherSystem) => fault(
                "card.key is not in force: the other system on this card does not know encrypted cards",
                "install one more update, and restart the device",
            ),
            Some(Undone::NoRoom) => fault(
                "card.key is not in force: no room could be made on the card",
                "export this device, flash the card again with card.key in attendance.toml, and import",
            ),
            Some(Undone::NotBegun | Undone::Unknown) => fault(
                "card.key is not in force: the card could not be encrypted",
                "restart the device; if it stays so, use another card",
            ),
        }
    }
}

/// The recovery key of this start, until somebody said that they have written it down.
#[derive(Debug, Clone)]
pub struct Recovery {
    key: PathBuf,
    seen: PathBuf,
    uuid: String,
}

impl Recovery {
    /// The recovery key of this card; `data_dir` keeps whether somebody has written it down.
    pub fn new(card: &Card, key: &Path, data_dir: &Path) -> Self {
        let seen = data_dir.join("card/recovery-key-seen");
        Self { key: key.to_owned(), seen, uuid: card.uuid.clone() }
    }

    /// The key, as long as nobody has seen it.
    pub fn unseen(&self) -> Option<Secret> {
        use std::io::Read as _;
        let was_seen = std::fs::read_to_string(&self.seen).is_ok_and(|of| of.trim() == self.uuid);
        if was_seen || self.uuid.is_empty() {
            return None;
        }
        let mut text = String::new();
        std::fs::File::open(&self.key).ok()?.take(KEY_BYTES).read_to_string(&mut text).ok()?;
        let key = text.trim();
        let is_one = !key.is_empty() && key.bytes().all(|byte| byte.is_ascii_lowercase() || byte == b'-');
        is_one.then(|| Secret::new(key))
    }

    /// Somebody has written it down: it is never shown again, and the next start makes no other.
    ///
    /// # Errors
    /// An error of the file system.
    pub fn keep_seen(&self) -> std::io::Result<()> {
        if let Some(folder) = self.seen.parent() {
            std::fs::create_dir_all(folder)?;
        }
        replace_for(Access::Owner, &self.seen, format!("{}\n", self.uuid).as_bytes())
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    fn initramfs(file: &str) -> String {
        let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/../../../meta-attendance/recipes-core/initramfs");
        std::fs::read_to_string(Path::new(folder).join(file)).unwrap()
    }

    /// Every word that the initramfs writes is known here.
    #[test]
    fn every_word_of_the_initramfs_is_known() {
        let scripts: String = ["card.sh", "key.sh", "move.sh"].map(initramfs).concat();
        let words = |assigned: &str| -> Vec<String> {
            let values =
                scripts.split(assigned).skip(1).filter_map(|rest| rest.split([';', '\n', ' ']).next());
            values.filter(|word| !word.is_empty()).map(str::to_owned).collect()
        };
        let problems = words("card_problem=");
        assert!(problems.len() >= 5, "{problems:?}");
        for word in problems {
            let card = Card::parse(&format!("state=plain\nproblem={word}\n"));
            assert_ne!(card.problem, Some(Undone::Unknown), "{word}");
            assert!(card.fault().is_some());
        }
        let states = words("card_state=");
        assert!(states.len() >= 3, "{states:?}");
        for word in states {
            let card = Card::parse(&format!("state={word}\nkey=tpm\n"));
            assert_eq!(card.name(), word);
            assert_eq!(serde_json::to_value(card.state).unwrap(), word);
        }
    }

    #[test]
    fn a_plain_card_is_no_fault_and_is_said() {
        let card = Card::parse("state=plain\nkey=\nby=\nuuid=\nproblem=\n");
        assert_eq!((card.fault(), card.key), (None, None));
        assert!(card.line().starts_with("The card is not encrypted: "));
        assert_eq!(Card::parse("").state, Encryption::Unknown);
    }

    #[test]
    fn the_recovery_key_is_shown_until_it_was_seen() {
        let folder = tempfile::tempdir().unwrap();
        let key = folder.path().join("key");
        let card = Card::parse("state=encrypted\nkey=tpm\nuuid=a1\n");
        let recovery = Recovery::new(&card, &key, folder.path());
        assert!(recovery.unseen().is_none());
        std::fs::write(&key, "abcd-efgh\n").unwrap();
        assert_eq!(recovery.unseen().unwrap().expose(), "abcd-efgh");
        recovery.keep_seen().unwrap();
        assert!(recovery.unseen().is_none());
        // Another card with this one's data has another key.
        let other = Card::parse("state=encrypted\nkey=tpm\nuuid=b2\n");
        assert!(Recovery::new(&other, &key, folder.path()).unseen().is_some());
        std::fs::write(&key, "<script>").unwrap();
        assert!(Recovery::new(&other, &key, folder.path()).unseen().is_none());
    }
}
