//! A factory reset that is asked for by a file on the card.

use std::fs::File;
use std::io::{self, Read as _};
use std::path::Path;

use super::{ask, check, words};
use crate::provision::import::ImportedFile;
use base::failure::Fault;

/// The file's name on the card. Windows may add a second `.txt`.
const NAMES: [&str; 3] = ["factory-reset.txt", "factory-reset.txt.txt", "factory-reset"];

/// Looks for the file on the card. With the right words it is removed, and everything is erased at the
/// restart that follows. `device` is this device's name, or why nothing can be erased; `rows` counts those
/// that nobody else has. None where there is no such file.
pub fn look(
    card: &Path,
    data_dir: &Path,
    device: Result<String, Fault>,
    rows: impl FnOnce() -> usize,
) -> Option<ImportedFile> {
    let path = NAMES.iter().map(|name| card.join(name)).find(|path| path.is_file())?;
    let asked = device.and_then(|device| {
        let typed = read(&path)
            .map_err(|error| Fault::new(format!("it cannot be read: {error}")).advise("write it again"))?;
        let rows = rows();
        check(&typed, &device, rows)?;
        // First the file: one that stays would ask again and again.
        std::fs::remove_file(&path).and_then(|()| File::open(card)?.sync_all()).map_err(|error| {
            Fault::new(format!(
                "it cannot be removed from the card ({error}), and would ask again at every start"
            ))
            .advise("replace the card")
        })?;
        log::warn!("Factory reset, asked for on the card: {}", words(&device, rows));
        ask(data_dir).map_err(|error| {
            Fault::new(format!("the request cannot be written: {error}"))
                .advise("put the file on the card again")
        })
    });
    let wrong = asked.err().map(|fault| format!("nothing was erased: {fault}"));
    if let Some(wrong) = &wrong {
        log::warn!("factory-reset.txt on the card: {wrong}");
    }
    Some(ImportedFile { name: "factory-reset.txt", wrong, stays: false, remark: None })
}

fn read(path: &Path) -> io::Result<String> {
    let mut text = String::new();
    File::open(path)?.take(1024).read_to_string(&mut text)?;
    Ok(text.trim_start_matches('\u{feff}').to_owned())
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use crate::reset::request;

    fn device() -> Result<String, Fault> {
        Ok("attendance-0a1b2c".to_owned())
    }

    fn folders() -> (tempfile::TempDir, tempfile::TempDir) {
        (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap())
    }

    #[test]
    fn the_right_words_ask_once_and_leave_the_card() {
        let (card, data) = folders();
        assert_eq!(look(card.path(), data.path(), device(), || 0), None);
        for name in NAMES {
            std::fs::write(card.path().join(name), "\u{feff}ERASE attendance-0a1b2c\r\n").unwrap();
            let outcome = look(card.path(), data.path(), device(), || 0).unwrap();
            assert_eq!(outcome.wrong, None, "{name}");
            assert!(request(data.path()).exists() && !card.path().join(name).exists());
            std::fs::remove_file(request(data.path())).unwrap();
            assert_eq!(look(card.path(), data.path(), device(), || 0), None);
        }
    }

    #[test]
    fn wrong_words_say_which_are_right_and_how_many_rows_would_be_lost() {
        let (card, data) = folders();
        let file = card.path().join("factory-reset.txt");
        for (text, rows, says) in [
            ("", 0, "type: ERASE attendance-0a1b2c"),
            ("ERASE attendance-ffffff", 0, "type: ERASE attendance-0a1b2c"),
            ("ERASE attendance-0a1b2c", 7, "7 rows are on this device only"),
            ("ERASE attendance-0a1b2c", 7, "type: ERASE attendance-0a1b2c AND 7 ROWS"),
        ] {
            std::fs::write(&file, text).unwrap();
            let wrong = look(card.path(), data.path(), device(), || rows).unwrap().wrong.unwrap();
            assert!(wrong.starts_with("nothing was erased") && wrong.contains(says), "{wrong}");
            assert!(!request(data.path()).exists() && file.exists());
        }
        std::fs::write(&file, "ERASE attendance-0a1b2c AND 7 ROWS").unwrap();
        assert_eq!(look(card.path(), data.path(), device(), || 7).unwrap().wrong, None);
    }

    #[test]
    fn where_nothing_can_be_erased_the_card_says_why() {
        let (card, data) = folders();
        std::fs::write(card.path().join("factory-reset.txt"), "ERASE attendance-0a1b2c").unwrap();
        let why = Err(Fault::new("this start runs on memory"));
        let wrong = look(card.path(), data.path(), why, || 0).unwrap().wrong.unwrap();
        assert!(wrong.contains("runs on memory") && !request(data.path()).exists(), "{wrong}");
    }
}
