//! What the settings say about the card's encryption, for the initramfs of the next start.

use std::io;
use std::path::Path;

use base::durable::{Access, replace_for};
use config::Card;

/// Where the initramfs looks (`card.sh`): at the top of the data partition, which root alone writes.
pub const FILE: &str = "/data/card-key";

/// Writes what is wanted, or removes the file. Where the folder is missing there is no such initramfs.
///
/// # Errors
/// An error of the file system.
pub fn write(path: &Path, card: &Card) -> io::Result<()> {
    let Some(wanted) = card.wanted() else {
        return match std::fs::remove_file(path) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
            _ => Ok(()),
        };
    };
    let text = format!("{wanted}\n");
    if path.parent().is_none_or(|folder| !folder.exists())
        || std::fs::read_to_string(path).is_ok_and(|there| there == text)
    {
        return Ok(());
    }
    replace_for(Access::Owner, path, text.as_bytes())
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn the_wish_is_kept_and_taken_back() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("card-key");
        write(&path, &config::parse("card.key = \"tpm\"").unwrap().card).unwrap();
        assert_eq!(std::fs::read_to_string(&path).unwrap(), "tpm\n");
        write(&path, &Card::default()).unwrap();
        assert!(!path.exists());
        write(&path, &Card::default()).unwrap();
    }
}
