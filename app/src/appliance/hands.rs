//! What the technician's page may ask for, done.

use std::io;
use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use arc_swap::ArcSwap;
use archive::place::Place;
use tokio::sync::{Notify, broadcast};
use tokio::time::{Instant, timeout_at};

use super::answer::{done, ready, refused};
use super::corrections;
use super::erasing::Erasing;
use super::frame_path::RECOGNITION;
use super::office::Office;
use super::updates;
use crate::reset;
use crate::supervisor::{Board, WorkerView};
use crate::transfer::arriving::{Arriving, Turns};
use crate::transfer::export::export;
use crate::transfer::import::{Staged, waiting};
use backend::sync;
use backend::sync::confirm_removal;
use backend::upload;
use backend::upload::Uploader;
use base::event::WorkerState as State;
use base::event::{Bus, Event};
use base::failure::Fault;
use base::moment::Clock;
use base::secret::Secret;
use config::Config;
use journal::Recorder;
use recognition::watch::view::FrameView;
use settings::trial::Keeper;
use update::report::CAMERA;
use update::under_way::UnderWay;
use view::card::{Card, RECOVERY_KEY, Recovery};
use view::corrections::Correction;
use view::enrolment::Enrolment;
use view::settings::Settings;
use view::{Action, Control, Done, Incoming, Pending, Refused};

const NO_WEBHOOK: &str = "No webhook.url is set: rows stay on the device";
pub(super) const NO_SUCH_ROW: &str = "There is no such row; look at the list again";
/// How long the page waits for a synchronisation: a thousand photos over a slow line. It goes on beyond that.
const SYNC_TIME: Duration = Duration::from_secs(900);
/// How long the page waits for an upload of what waits.
const UPLOAD_TIME: Duration = Duration::from_secs(120);

/// How long camera and recognition may take to restart: a camera opens in two or three seconds, and one
/// that is not ready at once is tried a second and a third time.
const RESTART_TIME: Duration = Duration::from_secs(12);
/// How often it is looked whether they have.
const RESTART_LOOK: Duration = Duration::from_millis(200);

/// The technician's hands.
pub struct Hands {
    /// The configuration.
    pub config: Arc<Config>,
    /// The workers.
    pub board: Arc<Board>,
    /// Where the answers come from.
    pub bus: Bus,
    /// Asks for a synchronisation.
    pub sync_now: Arc<Notify>,
    /// The frame path: a picture that comes proves that it runs.
    pub frames: Arc<FrameView>,
    /// Delivers; none when rows stay on the device.
    pub uploader: Option<Arc<Uploader>>,
    /// Records, and closes the day.
    pub recorder: Arc<Mutex<Recorder>>,
    /// The device's clock.
    pub clock: Arc<dyn Clock>,
    /// The update that comes in.
    pub updating: UnderWay,
    /// Asks the worker of updates to look now.
    pub ask_updates: Arc<Notify>,
    /// What the last synchronisation did, line by line.
    pub account: Arc<ArcSwap<String>>,
    /// The settings; none where they cannot be changed while the program runs.
    pub settings: Option<Arc<dyn Settings>>,
    /// The encryption of the card; none elsewhere than on the appliance.
    pub card: Option<Card>,
    /// What the office keeps.
    pub office: Office,
    /// Erases students.
    pub erasing: Erasing,
    /// Enrolment at the door.
    pub enrolment: Arc<dyn Enrolment>,
    /// Knows the settings' file, and restarts the program; none where nobody starts it again.
    pub keeper: Option<Arc<Keeper>>,
    /// The archive that comes in.
    pub importing: Turns,
}

impl Hands {
    fn recovery(&self) -> Option<Recovery> {
        let card = self.card.as_ref()?;
        Some(Recovery::new(card, Path::new(RECOVERY_KEY), &self.config.site.data_dir))
    }
}

impl Control for Hands {
    fn perform(&self, action: Action) -> Pending<Result<Done, Refused>> {
        match action {
            Action::Sync => self.sync(),
            Action::Upload => self.upload(),
            Action::TestPhotos => self.test_photos(),
            Action::TestWebhook => self.test_webhook(),
            Action::RestartRecognition => self.restart(),
            Action::RetryRow(id) => self.retry(&id),
            Action::RetryAllRows => self.retry_all(),
            Action::DismissRow(id) => self.dismiss(&id),
            Action::ConfirmRemoval => self.confirm_removal(),
            Action::ConfirmTime => ready(self.confirm_time()),
            Action::InstallReceived => updates::install_received(&self.config, &self.updating),
            Action::InstallFrom(address) => updates::install_from(&self.config, &self.updating, address),
            Action::TryUpdate => ready(updates::try_installed(&self.config)),
            Action::CheckUpdates => updates::check(&self.config, &self.updating, &self.ask_updates),
            Action::GoBack => ready(updates::go_back(&self.config)),
            Action::AcknowledgeUpdate => ready(updates::acknowledge(&self.config)),
            Action::CloseDay => self.close_day(),
            Action::TakeStudents { file, by } => self.office.take_students(file, by),
            Action::RemoveStudents => self.office.remove_students(),
            Action::AcceptPhoto { photo, by } => self.office.accept_photo(photo, by),
            Action::WatchPhoto(photo) => self.office.watch_photo(photo),
            Action::Correct { correction, by, reason } => self.correct(correction, by, reason),
            Action::EraseStudent { roll, by } => {
                self.erasing.ask(&roll, &by, self.clock.now().utc.unix_timestamp())
            }
            Action::LiftErasure(id) => self.erasing.lift(id),
        }
    }

    fn receive(&self, bytes: u64) -> Result<Box<dyn Incoming>, Refused> {
        updates::receive(&self.config, &self.updating, bytes)
    }

    fn settings(&self) -> Option<Arc<dyn Settings>> {
        self.settings.clone()
    }

    fn enrolment(&self) -> Option<Arc<dyn Enrolment>> {
        Some(Arc::clone(&self.enrolment))
    }

    fn export(&self, passphrase: &Secret, out: &mut dyn io::Write) -> Result<(), Fault> {
        let keeper = self.keeper.as_ref().ok_or_else(no_archives)?;
        let exported = export(&keeper.writer.path, passphrase, out)?;
        log::info!("Exported {} files with {} bytes", exported.files, exported.bytes);
        exported.left_out.iter().for_each(|what| log::warn!(personal:% = what; "not in the archive: {what}"));
        Ok(())
    }

    fn import(
        &self,
        passphrase: Secret,
        keep_settings: bool,
        bytes: u64,
    ) -> Result<Box<dyn Incoming>, Refused> {
        let begun = self.keeper.as_ref().ok_or_else(no_archives).and_then(|keeper| {
            let (path, again) = (keeper.writer.path.clone(), Arc::clone(keeper));
            // Told from a thread of the page, whose runtime is there.
            let restart = move |staged: &Staged| {
                log::info!("Imported, for the next start: {staged}");
                tokio::spawn(again.restart_soon());
            };
            Arriving::begin(&self.importing, path, passphrase, keep_settings, bytes, restart)
        });
        match begun {
            Ok(arriving) => Ok(Box::new(arriving)),
            Err(fault) => Err(Refused { message: fault.what, details: fault.advice.unwrap_or_default() }),
        }
    }

    fn reset_words(&self) -> Option<(usize, String)> {
        let device = reset::Places::default().device().ok()?;
        let rows = waiting(&self.config).inspect_err(|fault| log::warn!("No factory reset: {fault}")).ok()?;
        Some((rows, reset::words(&device, rows)))
    }

    fn factory_reset(&self, typed: &str) -> Result<(), Fault> {
        let device = reset::Places::default().device()?;
        reset::check(typed, &device, waiting(&self.config)?)?;
        reset::ask(&self.config.site.data_dir).map_err(|error| {
            Fault::new(format!("nothing was erased: {error}")).advise("free space on the card, or replace it")
        })
    }

    fn recovery_key(&self) -> Option<Secret> {
        self.recovery()?.unseen()
    }

    fn recovery_key_written_down(&self) -> io::Result<()> {
        self.recovery().map_or(Ok(()), |recovery| recovery.keep_seen())
    }

    fn last_import(&self) -> Option<(bool, String)> {
        let outcome = Place::below(&self.config.site.data_dir).outcome()?;
        Some((outcome.taken, outcome.sentence))
    }
}

fn no_archives() -> Fault {
    Fault::new("nothing can be exported or imported here: the program does not know its settings' file")
}

impl Hands {
    fn sync(&self) -> Pending<Result<Done, Refused>> {
        if self.config.photos.url.is_none() {
            return ready(refused(
                "No photos.url is set: photos are taken from the folder, nothing is synchronised",
            ));
        }
        let heard = self.bus.subscribe();
        // A held worker tries again only when it is restarted, and then synchronises at once.
        if self.is_held("sync") {
            self.board.ask_restart("sync");
        } else {
            self.sync_now.notify_one();
        }
        Box::pin(outcome_of_sync(heard, Arc::clone(&self.account)))
    }

    /// Asks the photo server for its first page. A worker that is held then tries again.
    fn test_photos(&self) -> Pending<Result<Done, Refused>> {
        let (settings, board) = (self.config.sync(), Arc::clone(&self.board));
        let held = self.is_held("sync");
        Box::pin(async move {
            let answered = sync::check_connection(&settings).await.map_err(failed)?;
            if held {
                board.ask_restart("sync");
            }
            done(&answered)
        })
    }

    /// Asks the webhook whether it takes the key. A worker that is held then tries again.
    fn test_webhook(&self) -> Pending<Result<Done, Refused>> {
        let (config, board) = (Arc::clone(&self.config), Arc::clone(&self.board));
        let held = self.is_held("upload");
        Box::pin(async move {
            let answered = upload::check_connection(&config.webhook, &config.tls).await.map_err(failed)?;
            if held {
                board.ask_restart("upload");
            }
            done(&answered)
        })
    }

    fn upload(&self) -> Pending<Result<Done, Refused>> {
        let Some(uploader) = self.uploader.clone() else {
            return ready(refused(NO_WEBHOOK));
        };
        if self.is_held("upload") {
            self.board.ask_restart("upload");
        }
        let recorder = Arc::clone(&self.recorder);
        Box::pin(async move {
            let report = uploader.once(UPLOAD_TIME).await;
            let open = recorded(&recorder, |recorder| recorder.open_outs()).await.unwrap_or_default();
            let waits = match open {
                0 => String::new(),
                1 => "; 1 open OUT waits for the day to close".to_owned(),
                open => format!("; {open} open OUT rows wait for the day to close"),
            };
            let message = format!(
                "{} rows stored, {} the backend had already, {} need a person, {} still to deliver{waits}",
                report.created, report.duplicates, report.refused, report.backlog
            );
            match report.failure {
                None => done(&message),
                Some(failure) => Err(Refused { message: failure, details: message }),
            }
        })
    }

    /// Restarts camera and recognition, and says so when a picture has come through both.
    fn restart(&self) -> Pending<Result<Done, Refused>> {
        let (board, frames) = (Arc::clone(&self.board), Arc::clone(&self.frames));
        let before = [CAMERA, RECOGNITION].map(|name| (name, worker(&board, name)));
        for (name, _) in &before {
            board.ask_restart(name);
        }
        Box::pin(async move {
            let until = Instant::now() + RESTART_TIME;
            loop {
                tokio::time::sleep(RESTART_LOOK).await;
                let now = before.each_ref().map(|(name, before)| (before, worker(&board, name)));
                let restarted = now.iter().all(|(before, now)| match (before, now) {
                    (Some(before), Some(now)) => {
                        now.restarts > before.restarts
                            && now.state == State::Running
                            && frames.age().is_some_and(|age| age < now.since)
                    }
                    _ => false,
                });
                if restarted {
                    return done("Camera and recognition were restarted, and pictures come");
                }
                if Instant::now() >= until {
                    return Err(still_not(now.into_iter().filter_map(|(_, now)| now)));
                }
            }
        })
    }

    fn retry(&self, id: &str) -> Pending<Result<Done, Refused>> {
        let (Some(uploader), Ok(number)) = (self.uploader.clone(), id.parse()) else {
            return ready(refused(NO_SUCH_ROW));
        };
        Box::pin(async move {
            match uploader.retry(number).await {
                Ok(()) => done("The row will be sent again"),
                Err(error) => refused(&error.to_string()),
            }
        })
    }

    fn retry_all(&self) -> Pending<Result<Done, Refused>> {
        let Some(uploader) = self.uploader.clone() else { return ready(refused(NO_WEBHOOK)) };
        Box::pin(async move {
            match uploader.retry_all().await {
                Ok(0) => refused("No row needs a person any more; look at the list again"),
                Ok(1) => done("1 row will be sent again"),
                Ok(rows) => done(&format!("{rows} rows will be sent again")),
                Err(error) => refused(&error.to_string()),
            }
        })
    }

    fn dismiss(&self, id: &str) -> Pending<Result<Done, Refused>> {
        let (Some(uploader), Ok(number)) = (self.uploader.clone(), id.parse()) else {
            return ready(refused(NO_SUCH_ROW));
        };
        Box::pin(async move {
            match uploader.dismiss(number).await {
                Ok(()) => done("The row is dismissed; it stays in the day’s file"),
                Err(error) => refused(&error.to_string()),
            }
        })
    }

    /// On a thread made for blocking: it looks through all photos and waits for the disk.
    fn confirm_removal(&self) -> Pending<Result<Done, Refused>> {
        let (config, sync_now) = (Arc::clone(&self.config), Arc::clone(&self.sync_now));
        Box::pin(async move {
            let confirmed = tokio::task::spawn_blocking(move || confirm_removal(&config.site.data_dir)).await;
            match confirmed {
                Ok(Ok(Some(photos))) => {
                    sync_now.notify_one();
                    done(&format!("Confirmed: {photos} photos go if the server still lacks them"))
                }
                Ok(Ok(None)) => refused("No removal waits for confirmation"),
                Ok(Err(error)) => refused(&error.to_string()),
                Err(panic) => refused(&format!("A defect in the program: {panic}")),
            }
        })
    }

    /// On a thread made for blocking: it writes to the disk.
    fn close_day(&self) -> Pending<Result<Done, Refused>> {
        let (recorder, uploader) = (Arc::clone(&self.recorder), self.uploader.clone());
        Box::pin(async move {
            match recorded(&recorder, Recorder::close_day_now).await? {
                Ok(rows) => {
                    if let Some(uploader) = uploader {
                        uploader.nudge();
                    }
                    done(&format!("The day is closed; {rows} OUT rows are written and will be delivered"))
                }
                Err(reason) => refused(&reason),
            }
        })
    }

    /// On a thread made for blocking: it writes to the disk.
    fn correct(&self, correction: Correction, by: String, reason: String) -> Pending<Result<Done, Refused>> {
        let (recorder, uploader) = (Arc::clone(&self.recorder), self.uploader.clone());
        let to_a_backend = uploader.is_some();
        Box::pin(async move {
            let told = recorded(&recorder, move |recorder| {
                let wish = corrections::wish(&correction, &recorder.day(), |id| recorder.day_of_row(id))?;
                let corrected = recorder.correct(wish, &by, &reason).map_err(failed)?;
                Ok(corrections::told(&correction, &corrected, to_a_backend))
            });
            let told = told.await??;
            if let Some(uploader) = uploader {
                uploader.nudge();
            }
            done(&told)
        })
    }

    fn confirm_time(&self) -> Result<Done, Refused> {
        if self.clock.confirm() {
            done("The clock is believed; rows that waited for it get their time now")
        } else {
            refused("The clock is not in doubt")
        }
    }

    fn is_held(&self, name: &str) -> bool {
        worker(&self.board, name).is_some_and(|worker| worker.state == State::Held)
    }
}

/// A fault as the page shows it.
fn failed(fault: Fault) -> Refused {
    Refused { message: fault.what, details: fault.advice.unwrap_or_default() }
}

/// Runs `work` on the recorder, on a thread made for blocking.
async fn recorded<T: Send + 'static>(
    recorder: &Arc<Mutex<Recorder>>,
    work: impl FnOnce(&mut Recorder) -> T + Send + 'static,
) -> Result<T, Refused> {
    let recorder = Arc::clone(recorder);
    tokio::task::spawn_blocking(move || work(&mut recorder.lock().unwrap_or_else(PoisonError::into_inner)))
        .await
        .map_err(|panic| Refused {
            message: "A defect in the program; the log says more".to_owned(),
            details: panic.to_string(),
        })
}

fn worker(board: &Board, name: &str) -> Option<WorkerView> {
    board.views().into_iter().find(|worker| worker.name == name)
}

/// What keeps pictures from coming after a restart.
fn still_not(workers: impl Iterator<Item = WorkerView>) -> Refused {
    let troubles: Vec<_> = workers
        .filter(|worker| worker.state != State::Running)
        .map(|worker| {
            let (name, state) = (worker.name, worker.state.as_str());
            worker
                .reason
                .map_or(format!("{name} is {state}"), |reason| format!("{name} is {state}: {reason}"))
        })
        .collect();
    Refused {
        message: "Camera and recognition were asked to restart, and no picture has come yet".to_owned(),
        details: troubles.join(". "),
    }
}

/// Waits for the words of the synchronisation that was asked for.
async fn outcome_of_sync(
    mut heard: broadcast::Receiver<Event>,
    account: Arc<ArcSwap<String>>,
) -> Result<Done, Refused> {
    let until = Instant::now() + SYNC_TIME;
    // Written before the event was published.
    let output = || account.load().to_string();
    let refused = |message: String| Err(Refused { message, details: output() });
    loop {
        match timeout_at(until, heard.recv()).await {
            Ok(Ok(event @ Event::PhotosSynced { .. })) => {
                return Ok(Done { message: event.to_string(), output: output() });
            }
            Ok(Ok(Event::SyncFailed { reason, .. })) => return refused(reason.to_string()),
            Ok(Ok(Event::Worker { name: "sync", state: State::Held, reason })) => {
                return refused(reason.map(|reason| reason.to_string()).unwrap_or_default());
            }
            Ok(Err(broadcast::error::RecvError::Closed)) => {
                return refused("The appliance is stopping".to_owned());
            }
            Ok(_) => {}
            Err(_) => {
                return done(
                    "The synchronisation takes long and goes on; its end is told here and in the log",
                );
            }
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use crate::appliance::enrolment::DoorEnrolment;
    use crate::supervisor::Supervisor;
    use base::failure::Failure;
    use base::identity::RollNumber;
    use base::moment::ClockTrust;
    use base::moment::{CheckedClock, ManualClock, SiteZone, SystemClock};
    use base::secret::SecretUrl;
    use journal::open;
    use journal::storage::{Delivery, Fate, Ledger};
    use recognition::watch::view::Snapshot;

    /// Hands of an appliance with a webhook that nobody answers, and rows of these students that the backend
    /// refused.
    fn hands(
        folder: &std::path::Path,
        refused: &[&str],
        bus: &Bus,
        board: Arc<Board>,
    ) -> (Hands, Arc<Ledger>) {
        let mut config = Config::default();
        config.webhook.url = Some(SecretUrl::parse("http://127.0.0.1:1/webhook/").unwrap());
        let clock: Arc<dyn Clock> = Arc::new(SystemClock::new(ClockTrust::System));
        let zone = SiteZone::named("UTC").unwrap();
        let records = open(folder, &config.attendance, zone, Arc::clone(&clock), bus.clone()).unwrap();
        for roll in refused {
            records.recorder.lock().unwrap().sighted(&RollNumber::parse(roll).unwrap(), clock.now());
        }
        let ledger = Arc::clone(&records.ledger);
        for row in ledger.open_rows(usize::MAX, |_| true) {
            let fate = Fate::Refused("Student not found".to_owned());
            ledger.deliver(Delivery { id: row.id, utc: clock.now().utc, fate });
        }
        let uploader = Uploader::new(
            &config.webhook,
            &config.tls,
            Arc::clone(&ledger),
            Arc::clone(&records.deliveries),
            Arc::clone(&clock),
            bus.clone(),
        )
        .map(Arc::new);
        let office = Office::below(folder, folder, Default::default());
        let hands = Hands {
            erasing: Erasing::begin(&config),
            enrolment: Arc::new(DoorEnrolment::off(
                config.roster(),
                office.clone(),
                Arc::clone(&clock),
                SiteZone::named("UTC").unwrap(),
            )),
            office,
            config: Arc::new(config),
            board,
            bus: bus.clone(),
            sync_now: Arc::default(),
            frames: Arc::default(),
            uploader,
            recorder: records.recorder,
            clock,
            updating: UnderWay::default(),
            account: Arc::default(),
            settings: None,
            ask_updates: Arc::default(),
            keeper: None,
            importing: Turns::default(),
        };
        (hands, ledger)
    }

    #[tokio::test]
    async fn refused_rows_are_retried_or_dismissed() {
        let folder = tempfile::tempdir().unwrap();
        let (hands, ledger) =
            hands(folder.path(), &["2110001", "2110002", "2110003"], &Bus::default(), Arc::default());
        let refused = ledger.needs_person();
        assert_eq!(refused.len(), 3);
        let dismiss = Action::DismissRow(refused[1].id.to_string());
        assert!(hands.perform(dismiss.clone()).await.unwrap().message.contains("dismissed"));
        assert!(hands.perform(dismiss).await.is_err(), "it is on the list no more");
        let done = hands.perform(Action::RetryAllRows).await.unwrap();
        assert_eq!(done.message, "2 rows will be sent again");
        assert_eq!((ledger.needs_person().len(), ledger.open_count()), (0, 2));
        assert!(hands.perform(Action::RetryAllRows).await.is_err());
    }

    #[tokio::test]
    async fn only_a_doubted_clock_can_be_confirmed() {
        let folder = tempfile::tempdir().unwrap();
        let (mut hands, _) = hands(folder.path(), &[], &Bus::default(), Arc::default());
        let start = time::macros::datetime!(2026-11-23 08:00:00 UTC);
        let wall = Arc::new(ManualClock::at(start, "boot-1"));
        hands.clock = Arc::new(CheckedClock::new(Arc::clone(&wall) as Arc<dyn Clock>));
        assert!(hands.clock.now().trusted && hands.perform(Action::ConfirmTime).await.is_err());
        wall.set(start + time::Duration::days(2), true);
        assert!(!hands.clock.now().trusted);
        assert!(hands.perform(Action::ConfirmTime).await.is_ok());
        assert!(hands.clock.now().trusted);
    }

    #[tokio::test(start_paused = true)]
    async fn restart_is_reported_only_when_pictures_come() {
        let folder = tempfile::tempdir().unwrap();
        let bus = Bus::default();
        let mut supervisor = Supervisor::new(bus.clone());
        let (hands, _) = hands(folder.path(), &[], &bus, supervisor.board());
        let fault = Arc::new(Mutex::new(None));
        let (frames, broken) = (Arc::clone(&hands.frames), Arc::clone(&fault));
        for name in [CAMERA, RECOGNITION] {
            let (frames, broken) = (Arc::clone(&frames), Arc::clone(&broken));
            supervisor.start(name, move |stop| {
                let (frames, broken) = (Arc::clone(&frames), Arc::clone(&broken));
                async move {
                    let broken: Option<&str> = *broken.lock().unwrap();
                    match broken {
                        Some("hangs") => {}
                        Some(reason) => return Err(Failure::restart(reason)),
                        None => frames.publish(Snapshot::default()),
                    }
                    stop.cancelled().await;
                    Ok(())
                }
            });
        }
        tokio::time::sleep(Duration::from_secs(1)).await;
        let restart = || hands.perform(Action::RestartRecognition);
        assert!(restart().await.unwrap().message.contains("pictures come"));
        *fault.lock().unwrap() = Some("no camera is connected; check its cable");
        let refused = restart().await.unwrap_err();
        assert!(refused.details.contains("recognition is restarting: no camera is connected"), "{refused:?}");
        *fault.lock().unwrap() = Some("hangs");
        let refused = restart().await.unwrap_err();
        assert!(refused.message.contains("no picture has come") && refused.details.is_empty(), "{refused:?}");
        supervisor.stop(Duration::from_secs(10)).await;
    }
}
