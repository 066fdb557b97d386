//! What is done about a camera that fails: [`camera::escalation`](camera::escalation) decides, this remembers
//! and does it.

use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use tokio_util::sync::CancellationToken;

use base::durable;
use base::moment::Clock;
use camera::escalation::{Escalation, Record, STEADY, Step};
use camera::{CameraError, Grab, Source};
use recognition::watch::view::View;
use vision::frame::Frame;

/// The record, in the folder of the camera.
const RECORD: &str = "trouble.json";

/// Asks the root unit attendance-camera-reboot to restart the machine, in the folder of the camera.
const REBOOT: &str = "reboot";

/// Looks after the camera through restarts of its worker.
pub struct Care {
    folder: PathBuf,
    clock: Arc<dyn Clock>,
    /// Whether somebody starts the program again when it ends: systemd, not a person at a desk.
    supervised: bool,
    state: Mutex<Escalation>,
    given_up: CancellationToken,
}

impl Care {
    /// Takes up what an earlier run left in `data_dir`. A record that cannot be read counts as none.
    pub fn new(data_dir: &Path, clock: Arc<dyn Clock>, supervised: bool) -> Self {
        let folder = data_dir.join("camera");
        let state = Mutex::new(Escalation::new(read(&folder)));
        Self { folder, clock, supervised, state, given_up: CancellationToken::new() }
    }

    /// Ends when the program should: nothing in this process brings the camera back.
    pub async fn given_up(&self) {
        self.given_up.cancelled().await;
    }

    /// Whether [`Care::given_up`] has ended.
    pub fn has_given_up(&self) -> bool {
        self.given_up.is_cancelled()
    }

    /// What was done so far for the camera's sake.
    pub fn record(&self) -> Record {
        self.state().record.clone()
    }

    /// The source, watched: that it works is noted once it has for a while.
    /// It is told where `view` has seen the largest face.
    pub fn watch<'a>(&'a self, source: &'a mut dyn Source, view: &'a View) -> impl Source + 'a {
        Watched { source, care: self, view, first: None, noted: false }
    }

    fn works(&self) {
        let mut state = self.state();
        if state.works(self.clock.boot_id()) {
            self.remember(&state.record);
        }
    }

    /// Does what is to be done about `error`; opening the camera again is the caller's.
    pub fn fails(&self, error: &CameraError) {
        if !self.supervised {
            return;
        }
        let mut state = self.state();
        let step = state.fails(error, self.clock.now(), self.clock.boot_id());
        // What is not remembered is not done: a step that is forgotten could be taken for ever.
        if step == Step::Reopen || !self.remember(&state.record) {
            return;
        }
        if step == Step::Reboot {
            log::error!("the machine is restarted for the camera's sake: {error}");
            if let Err(error) = std::fs::write(self.folder.join(REBOOT), b"") {
                log::error!("the restart cannot be asked for: {error}");
            }
        } else {
            log::error!("the program is started anew for the camera's sake: {error}");
            self.given_up.cancel();
        }
    }

    fn remember(&self, record: &Record) -> bool {
        let written = serde_json::to_vec(record)
            .map_err(std::io::Error::from)
            .and_then(|text| durable::replace(&self.folder.join(RECORD), &text));
        if let Err(error) = &written {
            log::warn!("what was done for the camera cannot be written: {error}");
        }
        written.is_ok()
    }

    fn state(&self) -> MutexGuard<'_, Escalation> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn read(folder: &Path) -> Record {
    let read = durable::read(&folder.join(RECORD)).ok().flatten();
    read.and_then(|text| serde_json::from_slice(&text).ok()).unwrap_or_default()
}

struct Watched<'a> {
    source: &'a mut dyn Source,
    care: &'a Care,
    view: &'a View,
    first: Option<Instant>,
    noted: bool,
}

impl Source for Watched<'_> {
    fn describe(&self) -> String {
        self.source.describe()
    }

    fn next_frame(&mut self, frame: &mut Frame, patience: Duration) -> Result<Grab, CameraError> {
        self.source.follow(self.view.largest_face());
        let grab = self.source.next_frame(frame, patience)?;
        if grab == Grab::Filled && !self.noted {
            let first = *self.first.get_or_insert_with(Instant::now);
            if first.elapsed() >= STEADY {
                self.noted = true;
                self.care.works();
            }
        }
        Ok(grab)
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use base::moment::ClockTrust;
    use base::moment::SystemClock;

    fn care(folder: &Path, supervised: bool) -> Care {
        Care::new(folder, Arc::new(SystemClock::new(ClockTrust::System)), supervised)
    }

    fn stuck() -> CameraError {
        CameraError::Stuck { waited: Duration::from_secs(3) }
    }

    #[test]
    fn three_new_programs_and_then_one_new_start_of_the_machine() {
        let folder = tempfile::tempdir().unwrap();
        let reboot = folder.path().join("camera/reboot");
        for n in 1..=3 {
            let care = care(folder.path(), true);
            assert!(!care.has_given_up());
            care.fails(&stuck());
            assert!(care.has_given_up() && care.record().restarts_ever == n && !reboot.exists());
        }
        let last = care(folder.path(), true);
        last.fails(&stuck());
        assert!(!last.has_given_up() && reboot.exists());
        assert_eq!(last.record().reboots_ever, 1);
        // The request is taken, and the machine does not restart: it is not asked for again.
        std::fs::remove_file(&reboot).unwrap();
        let again = care(folder.path(), true);
        for _ in 0..10 {
            again.fails(&stuck());
        }
        assert_eq!((reboot.exists(), again.record().reboots_ever), (false, 1));
    }

    #[test]
    fn what_cannot_be_remembered_is_not_done() {
        let folder = tempfile::tempdir().unwrap();
        std::fs::write(folder.path().join("camera"), "a file where the folder should be").unwrap();
        let care = care(folder.path(), true);
        care.fails(&stuck());
        assert!(!care.has_given_up());
    }

    #[test]
    fn at_a_desk_the_camera_is_only_opened_again() {
        let folder = tempfile::tempdir().unwrap();
        let care = care(folder.path(), false);
        care.fails(&stuck());
        assert!(!care.has_given_up() && !folder.path().join("camera").exists());
    }
}
