//! What is left over in the folder is found and removed; a folder takes the place of another.

use std::io::{self};

use cap_std::fs::DirEntry;

use super::{Mirror, PART, clear_away};
use crate::sync::error::{Error, is_of_the_whole_disk};
use crate::sync::link::MAX_DEPTH;
use base::identity::RollNumber;

impl Mirror {
    /// Removes the folders above `path` that hold nothing more.
    pub(super) fn remove_empty_folders(&self, path: &str) {
        let mut path = path;
        while let Some((folder, _)) = path.rsplit_once('/') {
            // Fails while the folder holds anything else, which is right.
            if self.dir.remove_dir(folder).is_err() {
                return;
            }
            path = folder;
        }
    }

    pub(super) fn clear_parts(&self) -> Result<(), Error> {
        let mut parts = Vec::new();
        self.each_file(|path, name, _| {
            if name.starts_with(PART) {
                parts.push(path.to_owned());
            }
            Ok(())
        })?;
        for entry in self.dir.entries().map_err(|source| self.failed("read", "", source))?.flatten() {
            let name = entry.file_name();
            parts.extend(name.to_str().filter(|name| name.starts_with(PART)).map(str::to_owned));
        }
        for part in parts {
            match clear_away(&self.dir, &part) {
                Err(error) if is_of_the_whole_disk(&error) => return Err(self.failed("remove", &part, error)),
                // It lies there and harms nobody.
                Err(error) => log::warn!("{} cannot be removed: {error}", self.path.join(&part).display()),
                Ok(()) => {}
            }
        }
        Ok(())
    }

    /// Visits what is in the students' folders and below them, with its path and its name; other folders and
    /// names that are not text are nobody's business here.
    pub(super) fn each_file(
        &self,
        mut visit: impl FnMut(&str, &str, &cap_std::fs::DirEntry) -> io::Result<()>,
    ) -> Result<(), Error> {
        let entries = self.dir.entries().map_err(|source| self.failed("read", "", source))?;
        for entry in entries {
            let entry = match entry {
                Ok(entry) => entry,
                // The rest of the folder cannot be read: what is not found is fetched again.
                Err(error) => {
                    self.tell("", &error);
                    break;
                }
            };
            let roll = entry.file_name();
            let Some(roll) = roll.to_str().filter(|roll| RollNumber::parse(roll).is_ok()) else { continue };
            self.each_file_below(&entry, roll, MAX_DEPTH, &mut visit);
        }
        Ok(())
    }

    /// Visits what is in a folder, which is at `shown`, and below it; anything but a folder holds nothing.
    fn each_file_below(
        &self,
        folder: &DirEntry,
        shown: &str,
        depth: usize,
        visit: &mut impl FnMut(&str, &str, &DirEntry) -> io::Result<()>,
    ) {
        let entries = match folder.file_type() {
            Ok(kind) if !kind.is_dir() => return,
            kind => kind.and_then(|_| folder.open_dir()?.entries()),
        };
        let entries = match entries {
            Ok(entries) => entries,
            Err(error) => return self.tell(shown, &error),
        };
        for entry in entries {
            let entry = match entry {
                Ok(entry) => entry,
                Err(error) => return self.tell(shown, &error),
            };
            let name = entry.file_name();
            let Some(name) = name.to_str() else { continue };
            let path = format!("{shown}/{name}");
            if let Err(error) = visit(&path, name, &entry) {
                self.tell(&path, &error);
            }
            if depth > 0 && !name.starts_with('.') {
                self.each_file_below(&entry, &path, depth - 1, visit);
            }
        }
    }
}
