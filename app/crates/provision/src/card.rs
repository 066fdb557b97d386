//! The files that a technician may put on the card, parsed. Nothing here reads or writes anything.

use std::fmt::Write as _;

use rustls_pki_types::pem::PemObject as _;
use rustls_pki_types::{CertificateDer, PrivateKeyDer};

use super::imager::{self, Imager};
use base::hexadecimal::hexadecimal;
use base::secret::Secret;
use config::Config;

/// Largest file taken from the card: a roster of keys or a chain of certificates is a few kilobytes.
pub const MAX_BYTES: u64 = 256 * 1024;

/// What the card may hold.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum CardFile {
    /// The site's settings.
    Settings,
    /// A certificate authority of the site's own.
    Authority,
    /// The page's certificate, of the site's own.
    PageCertificate,
    /// Its key.
    PageKey,
    /// The authority of the network's log-in server (802.1X).
    EapAuthority,
    /// The device's certificate for 802.1X.
    EapCertificate,
    /// Its key.
    EapKey,
    /// The Wi-Fi network to join.
    Wifi,
    /// SSH keys of the technicians.
    SshKeys,
    /// The console password's hash.
    ConsolePassword,
    /// What Raspberry Pi Imager's dialog was filled in with.
    Imager,
    /// The same by an Imager that does not know this image's list.
    OldImager,
}

impl CardFile {
    /// In the order in which they are taken over: the settings may name the files before them.
    pub const ALL: [Self; 12] = [
        Self::Authority,
        Self::PageCertificate,
        Self::PageKey,
        Self::EapAuthority,
        Self::EapCertificate,
        Self::EapKey,
        Self::Settings,
        Self::Wifi,
        Self::SshKeys,
        Self::ConsolePassword,
        Self::Imager,
        Self::OldImager,
    ];

    /// The file's name on the card.
    pub fn name(self) -> &'static str {
        match self {
            Self::Settings => "attendance.toml",
            Self::Authority => "ca.pem",
            Self::PageCertificate => "page.crt",
            Self::PageKey => "page.key",
            Self::EapAuthority => "eap-ca.pem",
            Self::EapCertificate => "eap.crt",
            Self::EapKey => "eap.key",
            Self::Wifi => "wifi.txt",
            Self::SshKeys => "authorized_keys",
            Self::ConsolePassword => "password.hash",
            Self::Imager => "rpi-preseed.toml",
            Self::OldImager => "firstrun.sh",
        }
    }
}

/// Why a file is not taken over. The message is for the technician and repeats no secret.
#[derive(Debug, thiserror::Error)]
pub enum CardError {
    /// Not text that a program can read.
    #[error("is not plain text in UTF-8; save it again with that encoding")]
    Encoding,
    /// The settings are wrong; the text says where.
    #[error(transparent)]
    Settings(#[from] config::ConfigError),
    /// No certificate in the file.
    #[error("holds no certificate in PEM form (-----BEGIN CERTIFICATE-----)")]
    NoCertificate,
    /// No key in the file. The parser's own words might repeat parts of one.
    #[error("holds no private key in PEM form (-----BEGIN PRIVATE KEY-----), or one locked with a password")]
    NoKey,
    /// Imager's file cannot be used.
    #[error("{0}")]
    Imager(&'static str),
    /// A line that cannot be what it should be.
    #[error("line {line}: {reason}")]
    Line {
        /// Counted from 1.
        line: usize,
        /// What is wrong, and what is expected.
        reason: &'static str,
    },
}

/// A file of the card that may be taken over, in the form in which it is kept.
#[derive(Debug)]
pub enum Accepted {
    /// `attendance.toml` as it was, without a byte-order mark, and what it says.
    Settings(String, Box<Config>),
    /// The authority's PEM file as it was.
    Authority(String),
    /// The page's certificate and its issuers, PEM.
    PageCertificate(String),
    /// Its key, PEM.
    PageKey(Secret),
    /// The authority of the network's log-in server, PEM.
    EapAuthority(String),
    /// The device's certificate for 802.1X and its issuers, PEM.
    EapCertificate(String),
    /// Its key, PEM.
    EapKey(Secret),
    /// A profile for iwd; `None` forgets every network.
    Wifi(Option<WifiProfile>),
    /// The keys, one a line; empty switches SSH off.
    SshKeys(String),
    /// The hash for /etc/shadow; empty locks the console.
    ConsolePassword(String),
    /// What Imager's dialog says.
    Imager(Box<Imager>),
}

/// What iwd reads for one network.
#[derive(Debug, PartialEq, Eq)]
pub struct WifiProfile {
    /// File name below /var/lib/iwd.
    pub file: String,
    /// Its content.
    pub content: String,
    /// The country whose rules for channels hold, ISO 3166; none: as the kernel has it.
    pub country: Option<String>,
}

/// Parses one file's bytes.
///
/// # Errors
/// [`CardError`], with the line where there is one.
pub fn parse(file: CardFile, bytes: &[u8]) -> Result<Accepted, CardError> {
    let text = std::str::from_utf8(bytes).map_err(|_| CardError::Encoding)?;
    // Windows' editors begin files with a mark that no Unix program expects.
    let text = text.strip_prefix('\u{feff}').unwrap_or(text);
    match file {
        CardFile::Settings => {
            let config = config::parse(text)?;
            Ok(Accepted::Settings(text.to_owned(), Box::new(config)))
        }
        CardFile::Authority => certificates(text).map(Accepted::Authority),
        CardFile::PageCertificate => certificates(text).map(Accepted::PageCertificate),
        CardFile::PageKey => key(text).map(Accepted::PageKey),
        CardFile::EapAuthority => certificates(text).map(Accepted::EapAuthority),
        CardFile::EapCertificate => certificates(text).map(Accepted::EapCertificate),
        CardFile::EapKey => key(text).map(Accepted::EapKey),
        CardFile::Wifi => wifi(text),
        CardFile::SshKeys => ssh_keys(text),
        CardFile::ConsolePassword => console_password(text),
        CardFile::Imager => imager::parse(text).map(|imager| Accepted::Imager(Box::new(imager))),
        CardFile::OldImager => Err(CardError::Imager(
            "is a program, and is never run: an older Raspberry Pi Imager wrote it, or one without this image's list. Write the \
             card again with Imager 2.0.11 or later and the list, or put attendance.toml and wifi.txt on the card; remove this \
             file, it may hold passwords",
        )),
    }
}

fn certificates(text: &str) -> Result<String, CardError> {
    let certificates: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(text.as_bytes()).collect();
    match certificates {
        Ok(found) if !found.is_empty() => Ok(text.to_owned()),
        _ => Err(CardError::NoCertificate),
    }
}

fn key(text: &str) -> Result<Secret, CardError> {
    match PrivateKeyDer::from_pem_slice(text.as_bytes()) {
        Ok(_) => Ok(Secret::new(text)),
        Err(_) => Err(CardError::NoKey),
    }
}

/// First line the network's name, second its password, third the country if it is given; a name alone is an
/// open network, an empty file none.
fn wifi(text: &str) -> Result<Accepted, CardError> {
    let mut lines = text.lines().map(|line| line.trim_end_matches('\r'));
    let Some(name) = lines.next().filter(|name| !name.is_empty()) else { return Ok(Accepted::Wifi(None)) };
    if name.len() > 32 {
        return Err(CardError::Line { line: 1, reason: "the network's name has more than 32 bytes" });
    }
    let stem = iwd_name(name);
    let profile = match lines.next().filter(|password| !password.is_empty()) {
        None => WifiProfile { file: format!("{stem}.open"), content: String::new(), country: None },
        Some(password) => {
            WifiProfile { file: format!("{stem}.psk"), content: passphrase(password)?, country: None }
        }
    };
    let country = lines.next().map(str::trim).filter(|line| !line.is_empty());
    country.map_or(Ok(()), check_country)?;
    if lines.any(|line| !line.trim().is_empty()) {
        return Err(CardError::Line { line: 3, reason: THREE_LINES });
    }
    Ok(Accepted::Wifi(Some(WifiProfile { country: country.map(str::to_owned), ..profile })))
}

/// What is said of a third line that cannot be one.
const THREE_LINES: &str = "expected three lines at most: the network's name, its password, and the country in two capital \
                           letters, for example IN";

/// Whether a text is a country as ISO 3166 writes it.
pub(super) fn check_country(text: &str) -> Result<(), CardError> {
    let is_country = text.len() == 2 && text.bytes().all(|b| b.is_ascii_uppercase());
    if is_country { Ok(()) } else { Err(CardError::Line { line: 3, reason: THREE_LINES }) }
}

/// A Wi-Fi password as iwd's file has it.
pub(super) fn passphrase(password: &str) -> Result<String, CardError> {
    if !(8..=63).contains(&password.len()) || !password.bytes().all(|b| (32..127).contains(&b)) {
        return Err(CardError::Line { line: 2, reason: "a Wi-Fi password has 8 to 63 ASCII characters" });
    }
    Ok(format!("[Security]\nPassphrase={}\n", iwd_value(password)))
}

/// iwd's own rule for the names of its files: plain names as they are, others as hexadecimal digits.
pub(super) fn iwd_name(network: &str) -> String {
    let plain = network.bytes().all(|b| b.is_ascii_alphanumeric() || b"-_ ".contains(&b));
    if plain { network.to_owned() } else { format!("={}", hexadecimal(network.as_bytes())) }
}

/// A value as iwd's settings files spell it: backslashes doubled, a leading space as `\s`.
pub(super) fn iwd_value(value: &str) -> String {
    let escaped = value.replace('\\', "\\\\");
    match escaped.strip_prefix(' ') {
        Some(rest) => format!("\\s{rest}"),
        None => escaped,
    }
}

/// Key types that dropbear takes. Options before the type are refused: a key that may do only some things is
/// not for a technician.
const KEY_TYPES: [&str; 5] =
    ["ssh-ed25519", "ssh-rsa", "ecdsa-sha2-nistp256", "ecdsa-sha2-nistp384", "ecdsa-sha2-nistp521"];

fn ssh_keys(text: &str) -> Result<Accepted, CardError> {
    use base64::Engine as _;
    let mut kept = String::new();
    for (index, line) in text.lines().map(str::trim).enumerate() {
        if line.is_empty() || line.starts_with('#') {
            continue;
        }
        let wrong = |reason| CardError::Line { line: index + 1, reason };
        let mut words = line.split_ascii_whitespace();
        let (kind, key) = (words.next().unwrap_or_default(), words.next().unwrap_or_default());
        if !KEY_TYPES.contains(&kind) {
            return Err(wrong(
                "expected a public key: ssh-ed25519, ssh-rsa or ecdsa-sha2-nistp…, the key, a comment",
            ));
        }
        let bytes = base64::engine::general_purpose::STANDARD
            .decode(key)
            .map_err(|_| wrong("the key is cut or changed; copy the whole line of the .pub file"))?;
        // RFC 4253, 6.6: strings with their lengths, the first of which is the type again. A key that was cut
        // ends within one.
        let parts = wire_strings(&bytes).unwrap_or_default();
        if parts.len() < 2 || parts[0] != kind.as_bytes() {
            return Err(wrong(
                "the key is cut, or of another type than stands before it; copy the whole line of the .pub file",
            ));
        }
        if line.chars().any(|c| c.is_control() && c != '\t') {
            return Err(wrong("there are control characters in it; copy the whole line of the .pub file"));
        }
        // As a start lets it into /etc (etc.sh).
        let _ = writeln!(kept, "{}", line.split_ascii_whitespace().collect::<Vec<_>>().join(" "));
    }
    Ok(Accepted::SshKeys(kept))
}

/// Splits SSH's wire form into its strings; `None` when the last one is not whole.
fn wire_strings(mut bytes: &[u8]) -> Option<Vec<&[u8]>> {
    let mut strings = Vec::new();
    while !bytes.is_empty() {
        let (length, rest) = bytes.split_first_chunk::<4>()?;
        let (string, rest) = rest.split_at_checked(u32::from_be_bytes(*length) as usize)?;
        strings.push(string);
        bytes = rest;
    }
    Some(strings)
}

/// A crypt(3) hash of a method that is not yet weak: yescrypt, SHA-512 or SHA-256.
fn console_password(text: &str) -> Result<Accepted, CardError> {
    let hash = text.trim();
    let strong = ["$y$", "$6$", "$5$"].iter().any(|method| hash.starts_with(method));
    // Those that a start lets into /etc/shadow (etc.sh).
    let plain = hash.bytes().all(|b| b.is_ascii_graphic() && !br":|&\".contains(&b));
    if hash.is_empty() || (strong && plain && (40..=200).contains(&hash.len())) {
        return Ok(Accepted::ConsolePassword(hash.to_owned()));
    }
    Err(CardError::Line {
        line: 1,
        reason: "expected a password's hash as `openssl passwd -6` prints it, not a password",
    })
}

#[cfg(test)]
#[path = "card_tests.rs"]
mod tests;
