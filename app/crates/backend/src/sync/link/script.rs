//! File browsers that are one script, which names folder and file in parameters (`?dir=2110001`).

use percent_encoding::percent_decode_str;
use url::Url;

use super::place::{Asked, Place, is_dangerous};
use super::{Base, Refused};

/// Parameters by which scripts name a folder.
pub(super) const FOLDER_PARAMETERS: [&str; 5] = ["dir", "directory", "folder", "path", "subdir"];

/// Parameters by which scripts name a file.
const FILE_PARAMETERS: [&str; 2] = ["file", "download"];

/// What the names of scripts end with.
const SCRIPTS: [&str; 6] = [".php", ".asp", ".aspx", ".cgi", ".pl", ".jsp"];

impl Base {
    /// The place that a link to the script of the base names by a parameter; `None` when it is no such link.
    pub(super) fn by_parameter(&self, url: &Url) -> Option<Result<Place, Refused>> {
        let script = self.script_of(url)?;
        let is_own =
            |name: &str, value: &str| self.url.query_pairs().any(|pair| pair == (name.into(), value.into()));
        let (mut folder, mut file, mut parameters) = (None, None, Vec::new());
        for (name, value) in url.query_pairs() {
            if is_own(&name, &value) {
                continue;
            }
            if FOLDER_PARAMETERS.contains(&&*name) {
                folder = Some(value.clone().into_owned());
            } else if FILE_PARAMETERS.contains(&&*name) {
                file = Some(value.clone().into_owned());
            } else if self.url.query_pairs().any(|(own, _)| own == name) {
                // The credential is the base's.
                continue;
            }
            parameters.push((name.into_owned(), value.into_owned()));
        }
        if folder.is_none() && file.is_none() {
            return None;
        }
        let mut segments = Vec::new();
        for part in [&folder, &file].into_iter().flatten() {
            let mut names: Vec<&str> =
                part.split('/').filter(|name| !name.is_empty() && *name != ".").collect();
            // Some scripts name the path from the server's root.
            if part.starts_with('/') && !self.path.is_empty() && names.len() >= self.path.len() {
                let is_base = names.iter().zip(&self.path).all(|(name, base)| name == base);
                names.drain(..if is_base { self.path.len() } else { 0 });
            }
            if names.iter().any(|name| is_dangerous(name)) {
                return Some(Err(Refused::Dangerous));
            }
            segments.extend(names.into_iter().map(str::to_owned));
        }
        if let Some((_, above)) = &self.folder {
            if !segments.starts_with(above) {
                return Some(Err(Refused::OutsideBase));
            }
            segments.drain(..above.len());
        }
        let slash = file.is_none()
            && (folder.is_some_and(|folder| folder.ends_with('/'))
                || segments.last().is_none_or(|name| !name.contains('.')));
        Some(Ok(Place { segments, slash, asked: Some(Asked { script, parameters }) }))
    }

    /// Whether a URL's path is that of the base, and the script that stands below it.
    fn script_of(&self, url: &Url) -> Option<Option<String>> {
        let decoded = |name: &str| percent_decode_str(name).decode_utf8_lossy().into_owned();
        let mut names: Vec<String> = url.path_segments()?.map(decoded).collect();
        names.pop_if(|last| last.is_empty());
        let script = names.pop_if(|last| is_script(last));
        (names == self.path).then_some(script)
    }

    /// Whether a URL is that of the base, however its parameters stand.
    pub(super) fn is_base_itself(&self, url: &Url) -> bool {
        self.script_of(url).is_some() && url.fragment().is_none()
    }
}

/// Whether a name is a script's.
pub(super) fn is_script(name: &str) -> bool {
    let lower = name.to_lowercase();
    SCRIPTS.iter().any(|extension| lower.ends_with(extension))
}
