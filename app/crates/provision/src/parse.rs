//! A file of the card, parsed. Nothing here reads or writes anything.

use super::card::{Accepted, CardError, CardFile};
use super::imager;
use super::parts::{certificates, console_password, key, ssh_keys, wifi};

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

#[cfg(test)]
#[path = "parse_tests.rs"]
mod tests;
