//! Putting another text in the place of the configuration file: directly where this process may, and on the
//! appliance through the helper that runs as root.

use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use rustix::fs::Access as Permission;
use serde::{Deserialize, Serialize};

use super::store::{Store, digest, read};
use base::durable::Access;
use base::failure::Fault;

/// Where the helper answers: a folder of root's, which the service can read.
pub const ANSWERS: &str = "/run/attendance-settings";
/// Time for the helper: systemd starts it, and it writes one file.
const HELPER_TIME: Duration = Duration::from_secs(45);
/// Time between two looks.
const LOOK: Duration = Duration::from_millis(100);

/// What the service asks of the helper.
#[derive(Debug, Serialize, Deserialize)]
pub struct Request {
    /// [`digest`] of the text that it was made from: another one on the disk is not overwritten.
    pub base: String,
    /// The whole new text.
    pub text: String,
}

/// What the helper answers.
#[derive(Debug, Serialize, Deserialize)]
pub struct Answer {
    /// [`digest`] of the text that was asked for.
    pub asked: String,
    /// Why it was not taken; none when it was.
    pub refused: Option<String>,
}

/// Where the file is and how it is replaced.
#[derive(Clone)]
pub struct Writer {
    /// The configuration file.
    pub path: PathBuf,
    answers: PathBuf,
    /// Never directly, also where that is possible.
    only_by_helper: bool,
}

/// How the file can be replaced.
enum Way {
    Directly,
    ByHelper,
}

impl Writer {
    /// For the file at `path`.
    pub fn new(path: &Path) -> Self {
        Self { path: path.to_owned(), answers: ANSWERS.into(), only_by_helper: false }
    }

    /// By the helper in any case, which answers in another folder.
    pub fn by_helper(path: &Path, answers: &Path) -> Self {
        Self { path: path.to_owned(), answers: answers.to_owned(), only_by_helper: true }
    }

    /// The text in force.
    ///
    /// # Errors
    /// A fault with what to do.
    pub fn present(&self) -> Result<String, Fault> {
        config::read(&self.path).map_err(|error| Fault::new(error.to_string()))
    }

    /// Why the settings cannot be changed here; none where they can.
    pub fn unavailable(&self) -> Option<Fault> {
        self.way().err()
    }

    fn way(&self) -> Result<Way, Fault> {
        let folder =
            self.path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
        if !self.only_by_helper && rustix::fs::access(folder, Permission::WRITE_OK).is_ok() {
            return Ok(Way::Directly);
        }
        if self.answers.is_dir() {
            return Ok(Way::ByHelper);
        }
        Err(Fault::new(format!("the folder {} cannot be written", folder.display()))
            .advise("change the file itself, or start the program as a user who may write there"))
    }

    /// Puts `text` in the place of `base`. Waits for the helper, where it is needed.
    ///
    /// # Errors
    /// A fault with what to do; the file is then as it was.
    pub fn replace(&self, store: &Store, base: &str, text: &str) -> Result<(), Fault> {
        if self.present()? != base {
            return Err(Fault::new("the settings were changed by somebody else meanwhile")
                .advise("load the page again and repeat the change"));
        }
        match self.way()? {
            Way::Directly => store
                .disk()
                .replace(Access::FolderGroup(0o640), &self.path, text.as_bytes())
                .map_err(|error| cannot_write(&self.path, &error)),
            Way::ByHelper => self.ask(store, base, text),
        }
    }

    fn ask(&self, store: &Store, base: &str, text: &str) -> Result<(), Fault> {
        let asked = digest(text);
        let request = Request { base: digest(base), text: text.to_owned() };
        store.write(&store.request(), &request).map_err(|error| cannot_write(&store.request(), &error))?;
        let since = Instant::now();
        while since.elapsed() < HELPER_TIME {
            std::thread::sleep(LOOK);
            // The helper removes an older answer before it removes the request.
            if store.request().exists() {
                continue;
            }
            let answer: Option<Answer> = read(&self.answers.join("answer.json")).ok().flatten();
            // The text in its place does not count yet: the helper may still roll it back, because of its
            // network.
            if let Some(answer) = answer.filter(|answer| answer.asked == asked) {
                return answer.refused.map_or(Ok(()), |refused| Err(Fault::new(refused)));
            }
        }
        // Not to be served later, when nobody expects it any more.
        if let Err(error) = store.disk().remove(&store.request()) {
            log::warn!("{} cannot be removed: {error}", store.request().display());
        }
        // It may have written without being able to answer; its unit's time is over by now.
        if self.present().is_ok_and(|present| present == text) {
            return Ok(());
        }
        Err(Fault::new("the helper that writes the settings did not answer within 45 seconds")
            .advise("try again; if it stays so, restart the device and send the diagnostics to support"))
    }
}

fn cannot_write(path: &Path, error: &std::io::Error) -> Fault {
    Fault::new(format!("{} cannot be written: {error}", path.display()))
        .advise("free space on the card, or replace it; the settings in force stay")
}
