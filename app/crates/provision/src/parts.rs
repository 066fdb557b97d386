//! The contents of single files of the card: certificates, keys, a Wi-Fi network, a password's hash.

use std::fmt::Write as _;

use rustls_pki_types::pem::PemObject as _;
use rustls_pki_types::{CertificateDer, PrivateKeyDer};

use super::card::{Accepted, CardError, WifiProfile};
use base::hexadecimal::hexadecimal;
use base::secret::Secret;

pub(super) fn certificates(text: &str) -> Result<String, CardError> {
    let certificates: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(text.as_bytes()).collect();
    match certificates {
        Ok(found) if !found.is_empty() => Ok(text.to_owned()),
        _ => Err(CardError::NoCertificate),
    }
}

pub(super) fn key(text: &str) -> Result<Secret, CardError> {
    match PrivateKeyDer::from_pem_slice(text.as_bytes()) {
        Ok(_) => Ok(Secret::new(text)),
        Err(_) => Err(CardError::NoKey),
    }
}

/// First line the network's name, second its password, third the country if it is given; a name alone is an
/// open network, an empty file none.
pub(super) fn wifi(text: &str) -> Result<Accepted, CardError> {
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

pub(super) fn ssh_keys(text: &str) -> Result<Accepted, CardError> {
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
pub(super) fn console_password(text: &str) -> Result<Accepted, CardError> {
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
