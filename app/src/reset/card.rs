//! A factory reset that is asked for by a file on the card.

use std::fs::File;
use std::io::{self, Read as _};
use std::path::Path;

use super::{ask, check, words};
use base::failure::Fault;
use provision::import::ImportedFile;

/// The file's name on the card. Windows may add a second `.txt`.
const NAMES: [&str; 3] = ["factory-reset.txt", "factory-reset.txt.txt", "factory-reset"];

/// Looks for the file on the card, and removes it in any case. With the right words everything is erased at
/// the restart that follows. `device` is this device's name, or why nothing can be erased; `rows` counts
/// those that nobody else has. None where there is no such file.
pub fn look(
    card: &Path,
    data_dir: &Path,
    device: Result<String, Fault>,
    rows: impl FnOnce() -> Result<usize, Fault>,
) -> Option<ImportedFile> {
    let path = NAMES.iter().map(|name| card.join(name)).find(|path| path.is_file())?;
    let typed = read(&path);
    // First the file, whatever it says: one that stays asks again at every start, and may then be right.
    let removed = std::fs::remove_file(&path).and_then(|()| File::open(card)?.sync_all());
    let removed = removed.map_err(|error| {
        Fault::new(format!(
            "it cannot be removed from the card ({error}), and would ask again at every start"
        ))
        .advise("replace the card")
    });
    let asked = removed.and(device).and_then(|device| {
        let typed = typed
            .map_err(|error| Fault::new(format!("it cannot be read: {error}")).advise("write it again"))?;
        let rows = rows()?;
        check(&typed, &device, rows)?;
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
    Some(ImportedFile { name: "factory-reset.txt".into(), wrong, stays: false, remark: None })
}

fn read(path: &Path) -> io::Result<String> {
    let mut text = String::new();
    File::open(path)?.take(1024).read_to_string(&mut text)?;
    Ok(text.trim_start_matches('\u{feff}').to_owned())
}
