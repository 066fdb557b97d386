//! Carries out what page and API may ask for: `connections` (photo server, removals), `rows` (upload,
//! corrections, day, clock), `restart` (camera and recognition).

mod connections;
mod restart;
mod rows;

use std::io;
use std::path::Path;
use std::sync::{Arc, Mutex};

use arc_swap::ArcSwap;
use archive::place::Place;
use tokio::sync::Notify;

use super::answer::ready;
use super::erasing::Erasing;
use super::office::Office;
use super::updates;
use crate::reset;
use crate::supervisor::Board;
use crate::transfer::arriving::{Arriving, Turns};
use crate::transfer::export::export;
use crate::transfer::import::{Staged, waiting};
use backend::upload::Uploader;
use base::event::Bus;
use base::failure::Fault;
use base::moment::Clock;
use base::secret::Secret;
use config::Config;
use journal::Recorder;
use recognition::watch::view::FrameView;
use settings::trial::Keeper;
use update::under_way::UnderWay;
use view::card::{Card, RECOVERY_KEY, Recovery};
use view::enrolment::Enrolment;
use view::settings::Settings;
use view::{Action, Control, Done, Incoming, Pending, Refused};

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
    /// The encryption of the card; none except on the appliance.
    pub card: Option<Card>,
    /// What the office keeps.
    pub office: Office,
    /// Erases students.
    pub erasing: Erasing,
    /// Enrolment at the door.
    pub enrolment: Arc<dyn Enrolment>,
    /// Knows the settings' file, and restarts the program; none where nothing would start the program again.
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

#[cfg(test)]
mod tests;
