//! The visits of a student as they stand on a door's disk.

use std::path::{Path, PathBuf};

use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;

/// When each visit of this student began, and its last sighting, from the visits' log below the data folder.
/// The log says a visit's last sighting at most once a minute, and at a stop.
pub fn visits(data: &Path, roll: &str) -> Vec<(OffsetDateTime, OffsetDateTime)> {
    let names = std::fs::read_dir(data.join("journal")).into_iter().flatten();
    let name = |path: &PathBuf| path.file_name().and_then(|name| name.to_str()).map(ToOwned::to_owned);
    let is_log = |path: &PathBuf| name(path).is_some_and(|name| name.starts_with("visits-"));
    let logs = names.map(|entry| entry.unwrap().path()).filter(is_log);
    let text: String = logs.map(|path| std::fs::read_to_string(path).unwrap()).collect();
    let at = |text: &str| OffsetDateTime::parse(text, &Rfc3339).ok();
    let visit = |line: &str| {
        let fields: Vec<&str> = line.split(',').collect();
        match fields[..] {
            [_, "visit", _, of, first, last, ..] if of == roll => Some((at(first)?, at(last)?)),
            _ => None,
        }
    };
    text.lines().filter_map(visit).collect()
}
