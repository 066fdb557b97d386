//! What is done about a camera that fails: [`camera::escalation`] decides, this remembers
//! and does it.

use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use tokio_util::sync::CancellationToken;

use base::durable;
use base::moment::Clock;
use camera::escalation::{Escalation, Record, STEADY, Step};
use camera::{CameraError, Grab, Source};
use recognition::watch::view::FrameView;
use vision::frame::Frame;

/// The record, in the folder of the camera.
const RECORD: &str = "trouble.json";

/// Asks the root unit attendance-camera-reboot to restart the machine, in the folder of the camera.
const REBOOT: &str = "reboot";

/// The same before it is one: made while there may still be no room for it.
const REBOOT_TO_BE: &str = ".reboot";

/// Time between two writes of a record in which no step was taken: a loose cable must not wear out the card.
const BETWEEN_NOTES: Duration = Duration::from_secs(60);

/// Looks after the camera through restarts of its worker.
pub struct Care {
    folder: PathBuf,
    clock: Arc<dyn Clock>,
    /// Whether somebody starts the program again when it ends: systemd, not a person at a desk.
    supervised: bool,
    state: Mutex<State>,
    given_up: CancellationToken,
}

struct State {
    escalation: Escalation,
    /// The record as it is on disk.
    written: Record,
    /// When it was last tried to write one in which no step was taken, time since boot.
    noted: Option<Duration>,
}

impl Care {
    /// Continues with the record that an earlier run left in `data_dir`. A record that cannot be read
    /// counts as none.
    pub fn new(data_dir: &Path, clock: Arc<dyn Clock>, supervised: bool) -> Self {
        let folder = data_dir.join("camera");
        let written = read(&folder);
        let escalation = Escalation::new(written.clone());
        let state = Mutex::new(State { escalation, written, noted: None });
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
        self.state().escalation.record.clone()
    }

    /// The source, watched: that it works is noted once it has for a while.
    /// It is told where `view` has seen the largest face.
    pub fn watch<'a>(&'a self, source: &'a mut dyn Source, view: &'a FrameView) -> impl Source + 'a {
        Watched { source, care: self, view, first: None, noted: false }
    }

    fn works(&self) {
        let state = &mut *self.state();
        // The restart may wait for its turn (restart-bound).
        match std::fs::remove_file(self.folder.join(REBOOT)) {
            Ok(()) => log::info!("the camera works again: the restart of the machine is not needed any more"),
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => {}
            Err(error) => log::warn!("the restart for the camera's sake cannot be withdrawn: {error}"),
        }
        if state.escalation.works(self.clock.boot_id()) {
            self.note(state);
        }
    }

    /// Takes the next step against `error`. The caller opens the camera again.
    pub fn fails(&self, error: &CameraError) {
        // A program that is about to end needs no further step.
        if !self.supervised || self.has_given_up() {
            return;
        }
        let state = &mut *self.state();
        let (now, boot) = (self.clock.now(), self.clock.boot_id());
        let mut next = state.escalation.clone();
        let done = match next.fails(error, now, boot) {
            Step::Reopen => {
                state.escalation = next;
                let lately =
                    state.noted.is_some_and(|then| now.since_boot.saturating_sub(then) < BETWEEN_NOTES);
                if state.escalation.record != state.written && !lately {
                    state.noted = Some(now.since_boot);
                    self.note(state);
                }
                return;
            }
            // What is not remembered is not done: a step that is forgotten could be taken forever.
            Step::RestartProgram => {
                let remembered = self.remember(&next.record);
                if remembered {
                    log::error!("the program restarts because of the camera: {error}");
                    self.given_up.cancel();
                }
                remembered
            }
            Step::Reboot => self.ask_for_reboot(&state.written, &next.record, error),
        };
        // And what is not done is not spent: it is due again with the next failure.
        if done {
            state.written.clone_from(&next.record);
            state.escalation = next;
        }
    }

    /// Whether a restart of the machine is asked for, and remembered.
    fn ask_for_reboot(&self, before: &Record, after: &Record, error: &CameraError) -> bool {
        let to_be = self.folder.join(REBOOT_TO_BE);
        let made = std::fs::create_dir_all(&self.folder).and_then(|()| std::fs::write(&to_be, b""));
        if let Err(error) = made {
            log::error!("the restart cannot be asked for: {error}");
            return false;
        }
        if !self.remember(after) {
            // It is no request under this name, and is written over by the next one.
            let _ = std::fs::remove_file(&to_be);
            return false;
        }
        log::error!("the machine is restarted for the camera's sake: {error}");
        if let Err(error) = std::fs::rename(&to_be, self.folder.join(REBOOT)) {
            log::error!("the restart cannot be asked for: {error}");
            self.remember(before);
            return false;
        }
        true
    }

    /// Writes what changed without a step. Where that fails it is tried again later; the memory goes on.
    fn note(&self, state: &mut State) {
        if self.remember(&state.escalation.record) {
            state.written.clone_from(&state.escalation.record);
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

    fn state(&self) -> MutexGuard<'_, State> {
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
    view: &'a FrameView,
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
    use base::moment::{ClockTrust, ManualClock, SystemClock};

    fn care(folder: &Path, supervised: bool) -> Care {
        Care::new(folder, Arc::new(SystemClock::new(ClockTrust::System)), supervised)
    }

    fn stuck() -> CameraError {
        CameraError::Stuck { waited: Duration::from_secs(3) }
    }

    #[test]
    fn three_program_restarts_then_one_reboot() {
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
        // The request was taken, but the machine does not restart: no second request is made.
        std::fs::remove_file(&reboot).unwrap();
        let again = care(folder.path(), true);
        for _ in 0..10 {
            again.fails(&stuck());
        }
        assert_eq!((reboot.exists(), again.record().reboots_ever), (false, 1));
    }

    #[test]
    fn camera_that_works_withdraws_the_restart() {
        let folder = tempfile::tempdir().unwrap();
        let reboot = folder.path().join("camera/reboot");
        for _ in 1..=4 {
            care(folder.path(), true).fails(&stuck());
        }
        assert!(reboot.exists());
        care(folder.path(), true).works();
        assert!(!reboot.exists());
    }

    #[test]
    fn unrecorded_step_is_not_taken() {
        let folder = tempfile::tempdir().unwrap();
        std::fs::write(folder.path().join("camera"), "a file where the folder should be").unwrap();
        let care = care(folder.path(), true);
        care.fails(&stuck());
        assert!(!care.has_given_up());
    }

    #[test]
    fn failed_step_is_not_counted() {
        let folder = tempfile::tempdir().unwrap();
        let camera = folder.path().join("camera");
        // No write succeeds, as on a full disk.
        std::fs::write(&camera, "a file where the folder should be").unwrap();
        let first = care(folder.path(), true);
        for _ in 0..10 {
            first.fails(&stuck());
        }
        let record = first.record();
        assert_eq!((record.restarts, record.restarts_ever, record.reboots_ever), (0, 0, 0));
        std::fs::remove_file(&camera).unwrap();
        for n in 1..=3 {
            let care = if n == 1 { &first } else { &self::care(folder.path(), true) };
            care.fails(&stuck());
            care.fails(&stuck());
            assert!(care.has_given_up() && care.record().restarts_ever == n, "one step a program");
        }
        // The record can be written, the request cannot.
        std::fs::create_dir(camera.join("reboot")).unwrap();
        let last = care(folder.path(), true);
        last.fails(&stuck());
        assert_eq!(last.record().reboots_ever, 0);
        assert_eq!(care(folder.path(), true).record().reboots_ever, 0, "on disk neither");
        std::fs::remove_dir(camera.join("reboot")).unwrap();
        last.fails(&stuck());
        assert_eq!((camera.join("reboot").is_file(), last.record().reboots_ever), (true, 1));
    }

    #[test]
    fn fault_duration_survives_a_killed_program() {
        let folder = tempfile::tempdir().unwrap();
        let clock = Arc::new(ManualClock::at(time::OffsetDateTime::UNIX_EPOCH, "one"));
        let silent = CameraError::Stalled { waited: Duration::from_secs(10) };
        let (reboot, mut programs) = (folder.path().join("camera/reboot"), 0);
        // An hour in which something else ends the program every two minutes.
        for _ in 0..30 {
            if reboot.exists() {
                break;
            }
            let care = Care::new(folder.path(), Arc::clone(&clock) as Arc<dyn Clock>, true);
            for _ in 0..5 {
                clock.advance(Duration::from_secs(24));
                care.fails(&silent);
                if care.has_given_up() {
                    programs += 1;
                    break;
                }
            }
        }
        assert!(reboot.exists(), "after {programs} new programs");
        assert_eq!(programs, 3);
    }

    #[test]
    fn unsupervised_program_only_reopens_the_camera() {
        let folder = tempfile::tempdir().unwrap();
        let care = care(folder.path(), false);
        care.fails(&stuck());
        assert!(!care.has_given_up() && !folder.path().join("camera").exists());
    }
}
