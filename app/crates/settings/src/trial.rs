//! Whether saved settings stay: a start that fails with them brings the ones before back, and settings of the
//! page go back unless a browser confirms them.

use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tokio::sync::Notify;
use tokio::time::{Instant, sleep};

use super::edit::{changes, forbidden, needs_confirmation};
use super::store::{Disk, Outcome, Store, Trial, digest};
use super::writer::Writer;
use base::failure::Fault;

/// A program that has run for so long with new settings has started with them.
const PROOF: Duration = Duration::from_secs(15);
/// Time for a browser to confirm settings of the page.
const CONFIRMATION: Duration = Duration::from_secs(120);
/// Time for the page's answer to leave before the program restarts.
const ANSWER_TIME: Duration = Duration::from_millis(500);
/// Between two tries to put the settings before back: first soon, and after so many tries seldom.
const AGAIN: Duration = Duration::from_secs(30);
const TRIES_SOON: u32 = 10;
const SELDOM: Duration = Duration::from_secs(3600);
/// Who brought a text that the page did not.
const ELSEWHERE: &str = "the card, or somebody with an editor";

/// What a start has to do.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Start {
    /// Go on.
    GoOn,
    /// Read the settings again: others are in force now.
    Again,
}

/// How far a trial is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Stage {
    /// It runs.
    Runs {
        /// When it ends.
        until: Instant,
        /// Whether somebody must confirm until then.
        confirm: bool,
    },
    /// Nobody has confirmed, and the settings before cannot be put back.
    CannotGoBack(Fault),
}

/// Keeps the settings' file, their versions and their trial.
pub struct Keeper {
    /// Replaces the file.
    pub writer: Writer,
    /// Versions and trial.
    pub store: Store,
    restart: Notify,
    confirmed: Notify,
    /// One change at a time.
    changing: Mutex<()>,
    /// How far the trial is, while there is one.
    stage: Mutex<Option<Stage>>,
}

impl Keeper {
    /// For the file at `path`, whose own data folder keeps the versions.
    pub fn new(path: &Path, disk: Arc<dyn Disk>) -> Self {
        let text = config::read(path).unwrap_or_default();
        let data_dir = config::examine(&text).0.site.data_dir;
        Self::with(Writer::new(path), Store::below(&data_dir, disk))
    }

    /// From its parts.
    pub fn with(writer: Writer, store: Store) -> Self {
        Self {
            writer,
            store,
            restart: Notify::new(),
            confirmed: Notify::new(),
            changing: Mutex::default(),
            stage: Mutex::default(),
        }
    }

    /// What a start does first: goes on with a trial, ends one that failed, and notes a text that came by
    /// another way. Nothing here keeps the door shut: what cannot be written is logged.
    pub fn begin(&self) -> Start {
        // What was asked for before a power cut is not done later, outside its trial.
        logged("a request for settings", self.store.disk().remove(&self.store.request()));
        let Ok(text) = self.writer.present() else { return Start::GoOn };
        let Some(mut trial) = self.store.trial() else {
            self.noted(&text, ELSEWHERE);
            return Start::GoOn;
        };
        if digest(&text) == trial.tried {
            if trial.starts > 0 && self.put_back("the program ended with them before it had started") {
                return Start::Again;
            }
            trial.starts += 1;
            logged("the trial of the settings", self.store.set_trial(&trial));
            self.noted(&text, &trial.by);
            return Start::GoOn;
        }
        self.noted(&text, ELSEWHERE);
        self.end(false, not_in_force(&trial, &text));
        Start::GoOn
    }

    /// Ends a trial whose settings have proven themselves, unless others are in their place meanwhile.
    /// Whether they are still there.
    fn prove(&self, trial: &Trial) -> bool {
        let text = self.writer.present().unwrap_or_default();
        let kept = digest(&text) == trial.tried;
        self.end(kept, if kept { "The saved settings are in force." } else { not_in_force(trial, &text) });
        kept
    }

    /// Ends a trial whose settings do not work: the ones before are in force then, or others that somebody
    /// brought meanwhile. Whether there was such a trial, and that worked.
    pub fn put_back(&self, reason: &str) -> bool {
        self.go_back(reason).unwrap_or_else(|fault| {
            log::error!("the settings before cannot be put back: {fault}");
            false
        })
    }

    fn go_back(&self, reason: &str) -> Result<bool, Fault> {
        let Some(trial) = self.store.trial() else { return Ok(false) };
        let present = self.writer.present()?;
        if digest(&present) != trial.tried {
            self.noted(&present, ELSEWHERE);
            self.end(false, not_in_force(&trial, &present));
            // Without this the program would start again and again.
            if self.store.trial().is_some() {
                return Err(Fault::new("the end of the trial cannot be noted")
                    .advise("free space on the card, or replace it"));
            }
            return Ok(true);
        }
        let before = self.store.text_of(&trial.back_to).ok_or_else(|| {
            Fault::new("their text is not there any more")
                .advise("keep the settings on trial, and correct them then")
        })?;
        self.writer.replace(&self.store, &present, &before)?;
        self.noted(&before, "put back automatically");
        self.end(
            false,
            &format!("The saved settings were put back, for {reason}. The ones before are in force."),
        );
        Ok(true)
    }

    /// Saves another text in the place of `base`, on trial from the next start on.
    ///
    /// # Errors
    /// What is wrong and what to do; the settings are then as they were.
    pub fn change(&self, base: &str, text: &str, by: &str) -> Result<(), Fault> {
        let _one = self.changing.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(trial) = self.store.trial() {
            // Pressed twice: the same text is the same change, which is on its way.
            if trial.starts == 0 && trial.tried == digest(text) {
                return Ok(());
            }
            return Err(
                Fault::new("settings are on trial").advise("wait until the trial has ended, or keep them")
            );
        }
        if let Some(fault) = self.writer.unavailable() {
            return Err(fault);
        }
        if let Some(wrong) = forbidden(base, text).first() {
            return Err(Fault::new(wrong.what.clone()));
        }
        let kept = self.store.note(base, ELSEWHERE).and_then(|()| {
            self.store.set_trial(&Trial {
                tried: digest(text),
                back_to: digest(base),
                by: by.to_owned(),
                confirm: needs_confirmation(&changes(base, text)),
                starts: 0,
            })
        });
        let kept = kept.map_err(|error| {
            Fault::new(format!("the settings before cannot be kept: {error}"))
                .advise("free space on the card, or replace it")
        });
        kept.and_then(|()| self.writer.replace(&self.store, base, text)).inspect_err(|fault| {
            // Without a file on trial the trial would end at the next start.
            self.end(false, &format!("Nothing was saved: {}.", fault.what));
        })
    }

    /// Lets the program restart in its order, a moment later.
    pub async fn restart_soon(self: Arc<Self>) {
        sleep(ANSWER_TIME).await;
        self.restart.notify_one();
    }

    /// Ends when the program shall restart.
    pub async fn restart_wanted(&self) {
        self.restart.notified().await;
    }

    /// Somebody at a browser has confirmed. Whether there was something to confirm, and it is in force.
    pub fn confirm(&self) -> bool {
        if self.stage().is_none() {
            return false;
        }
        let present = self.writer.present().unwrap_or_default();
        let there = self.store.trial().is_some_and(|trial| trial.tried == digest(&present));
        self.confirmed.notify_one();
        there
    }

    /// How far the trial is; none without one.
    pub fn stage(&self) -> Option<Stage> {
        self.stage.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Watches over the trial, if there is one, until it has ended.
    pub async fn watch(self: Arc<Self>) {
        let Some(trial) = self.store.trial() else { return };
        let time = if trial.confirm { CONFIRMATION } else { PROOF };
        self.set_stage(Some(Stage::Runs { until: Instant::now() + time, confirm: trial.confirm }));
        let mut kept = tokio::select! {
            () = self.confirmed.notified() => true,
            () = sleep(time) => !trial.confirm,
        };
        // The disk may be full, or the helper late: the page that nobody reaches is tried again. Somebody who
        // reaches it after all may still keep the settings.
        let mut tries = 0;
        while !kept && self.store.trial().is_some() {
            // Nothing can be confirmed while it is going back.
            self.set_stage(None);
            let keeper = Arc::clone(&self);
            let back = tokio::task::spawn_blocking(move || {
                keeper.go_back("nobody confirmed on the page that it can still be reached")
            });
            match back.await.map_err(Fault::from).flatten() {
                Ok(true) => return self.restart.notify_one(),
                Ok(false) => break,
                Err(fault) => {
                    tries += 1;
                    let pause = if tries < TRIES_SOON { AGAIN } else { SELDOM };
                    let seconds = pause.as_secs();
                    log::error!("the settings before cannot be put back ({fault}); next try in {seconds} s");
                    self.set_stage(Some(Stage::CannotGoBack(fault)));
                    kept = tokio::time::timeout(pause, self.confirmed.notified()).await.is_ok();
                }
            }
        }
        self.set_stage(None);
        if kept {
            let keeper = Arc::clone(&self);
            match tokio::task::spawn_blocking(move || keeper.prove(&trial)).await {
                Ok(true) => {}
                // The program runs with other settings than the file has.
                Ok(false) => self.restart.notify_one(),
                Err(error) => log::error!("the trial of the settings did not end: {error}"),
            }
        }
    }

    /// The program was asked to stop. A program that could be stopped in order has started with these
    /// settings.
    pub fn stopped(&self) {
        if let Some(trial) = self.store.trial().filter(|trial| !trial.confirm && trial.starts > 0) {
            self.prove(&trial);
        }
    }

    fn set_stage(&self, stage: Option<Stage>) {
        *self.stage.lock().unwrap_or_else(PoisonError::into_inner) = stage;
    }

    fn end(&self, kept: bool, sentence: &str) {
        if kept {
            log::info!("{sentence}");
        } else {
            log::warn!("{sentence}");
        }
        let outcome = Outcome { kept, sentence: sentence.to_owned() };
        logged("the end of the trial of the settings", self.store.end_trial(&outcome));
    }

    fn noted(&self, text: &str, by: &str) {
        logged("a version of the settings", self.store.note(text, by));
    }
}

/// Why the settings on trial are not in force when the file contains `text`.
fn not_in_force(trial: &Trial, text: &str) -> &'static str {
    if digest(text) == trial.back_to {
        "The saved settings are not in force: the power went, or the file could not be written. The ones before are in \
         force."
    } else {
        "The saved settings are not in force: others came by the card, or by an editor, and these count."
    }
}

fn logged(what: &str, written: std::io::Result<()>) {
    if let Err(error) = written {
        log::error!("{what} cannot be noted: {error}");
    }
}

#[cfg(test)]
#[path = "trial_tests.rs"]
mod tests;
