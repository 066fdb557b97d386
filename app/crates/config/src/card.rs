//! The section `[card]`: whether the data partition of the card is encrypted, and where its key comes from.

use std::fmt;

use base::unworkable::Unworkable;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// The card: whether rows, photos and settings on it are encrypted, and where their key comes from. Taken
/// from the card; it takes effect when the machine starts.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Card {
    /// Where the key of the encrypted card comes from: "tpm" (a TPM 2.0 module on the header's SPI) or
    /// "network" (a Tang server, by cable and DHCP). Empty: the card is not encrypted. A card that is
    /// encrypted stays so when this is removed.
    pub key: Option<CardKey>,
    /// The Tang server, for example "http://tang.example". With card.key = "network" only.
    pub tang: Option<String>,
    /// Thumbprint of the Tang server's signing key, as `tang-show-keys` prints it: only this server is
    /// believed.
    pub thumbprint: Option<String>,
}

/// Where the key of an encrypted card comes from.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum CardKey {
    /// A TPM 2.0.
    Tpm,
    /// A Tang server.
    Network,
    /// The board's one-time-programmable memory. Not on this kernel.
    Otp,
}

impl fmt::Display for CardKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Tpm => "tpm",
            Self::Network => "network",
            Self::Otp => "otp",
        })
    }
}

/// Longest address of a Tang server, bytes.
const LONGEST_ADDRESS: usize = 255;
/// Letters of a thumbprint: SHA-256 in base64url.
const THUMBPRINT: usize = 43;

impl Card {
    /// What the initramfs is told (`card.sh`): `tpm`, or `network ADDRESS THUMBPRINT`. None: plain.
    pub fn wanted(&self) -> Option<String> {
        match (self.key?, &self.tang, &self.thumbprint) {
            (CardKey::Tpm, _, _) => Some("tpm".to_owned()),
            (CardKey::Network, Some(tang), Some(thumbprint)) => Some(format!("network {tang} {thumbprint}")),
            (CardKey::Network | CardKey::Otp, _, _) => None,
        }
    }

    /// Values that cannot work together.
    pub(super) fn problems(&self) -> Vec<Unworkable> {
        let mut found = Vec::new();
        let mut add =
            |settings: &'static [&'static str], what: String| found.push(Unworkable { settings, what });
        if self.key == Some(CardKey::Otp) {
            add(
                &["card.key"],
                "\"otp\" is not possible on this kernel: the key in the board's one-time-programmable memory can be \
                 asked for on Raspberry Pi's own kernel only; use \"tpm\" or \"network\""
                    .to_owned(),
            );
        }
        if self.key == Some(CardKey::Network) && (self.tang.is_none() || self.thumbprint.is_none()) {
            add(
                &["card.tang", "card.thumbprint"],
                "card.key = \"network\" needs the server's address and the thumbprint of its signing key"
                    .to_owned(),
            );
        }
        if self.key != Some(CardKey::Network) && (self.tang.is_some() || self.thumbprint.is_some()) {
            add(
                &["card.tang", "card.thumbprint"],
                "is for card.key = \"network\" only; remove it".to_owned(),
            );
        }
        if let Some(tang) = self.tang.as_ref().filter(|tang| !is_address(tang)) {
            add(
                &["card.tang"],
                format!(
                    "{tang:?} is not an address such as \"http://tang.example\"; write http and a name, with nothing after it"
                ),
            );
        }
        let base64url = |byte: u8| byte.is_ascii_alphanumeric() || b"-_".contains(&byte);
        let is_thumbprint = |text: &&String| text.len() == THUMBPRINT && text.bytes().all(base64url);
        if let Some(wrong) = self.thumbprint.as_ref().filter(|text| !is_thumbprint(text)) {
            add(&["card.thumbprint"], format!("{wrong:?} is not a thumbprint of {THUMBPRINT} letters"));
        }
        found
    }
}

/// Whether a shell and a JSON document can hold it as it is. Tang needs no TLS: its answers prove themselves.
fn is_address(text: &str) -> bool {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || b".-:/[]_".contains(&byte);
    let rest = text.strip_prefix("http://").unwrap_or_default();
    !rest.is_empty() && text.len() <= LONGEST_ADDRESS && text.bytes().all(plain) && !text.ends_with('/')
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use crate::parse;

    const THUMBPRINT: &str = "zfTe6PkBBcdxaGpZ-KHZGfaMmAdVLSzPRGm0LJ9OQYs";

    #[test]
    fn what_the_initramfs_is_told() {
        let wanted = |text: &str| parse(text).unwrap().card.wanted();
        assert_eq!(wanted(""), None);
        assert_eq!(wanted("card.key = \"tpm\""), Some("tpm".to_owned()));
        let network = format!(
            "[card]\nkey = \"network\"\ntang = \"http://tang.example\"\nthumbprint = \"{THUMBPRINT}\""
        );
        assert_eq!(wanted(&network), Some(format!("network http://tang.example {THUMBPRINT}")));
    }

    #[test]
    fn what_cannot_work_is_said() {
        for (text, says) in [
            ("card.key = \"otp\"", "not possible on this kernel"),
            ("card.key = \"network\"", "needs the server's address"),
            ("card.tang = \"http://tang.example\"", "only; remove it"),
            (
                "[card]\nkey = \"network\"\nthumbprint = \"short\"\ntang = \"http://tang.example\"",
                "not a thumbprint",
            ),
            ("[card]\nkey = \"network\"\ntang = \"https://tang.example\"", "not an address"),
            ("[card]\nkey = \"network\"\ntang = \"http://tang.example\\\"; reboot\"", "not an address"),
        ] {
            let wrong = parse(text).unwrap_err().to_string();
            assert!(wrong.contains(says), "{text}: {wrong}");
        }
    }
}
