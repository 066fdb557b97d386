//! What the technician's page may ask for, done.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::{Notify, broadcast};
use tokio::time::{Instant, timeout_at};

use super::frame_path::{CAMERA, RECOGNITION};
use super::updates;
use crate::config::Config;
use crate::event::{Bus, Event};
use crate::status::view::{Action, Control, Done, Pending, Refused};
use crate::supervisor::{Board, State};
use crate::sync::confirm_removal;
use crate::update::inbox::Incoming;
use crate::update::under_way::UnderWay;
use crate::upload::Uploader;

/// How long the page waits for a synchronisation: a thousand photos over a slow line. It goes on beyond that.
const SYNC_TIME: Duration = Duration::from_secs(900);
/// How long the page waits for an upload of what waits.
const UPLOAD_TIME: Duration = Duration::from_secs(120);

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
    /// Delivers; none when rows stay on the device.
    pub uploader: Option<Arc<Uploader>>,
    /// The update that comes in.
    pub updating: UnderWay,
}

impl Control for Hands {
    fn perform(&self, action: Action) -> Pending<Result<Done, Refused>> {
        match action {
            Action::Sync => self.sync(),
            Action::Upload => self.upload(),
            Action::RestartRecognition => {
                self.board.ask_restart(CAMERA);
                self.board.ask_restart(RECOGNITION);
                ready(done("Camera and recognition are started anew"))
            }
            Action::RetryRow(id) => self.retry(&id),
            Action::ConfirmRemoval => ready(self.confirm()),
            Action::InstallReceived => updates::install_received(&self.config, &self.updating),
            Action::InstallFrom(address) => updates::install_from(&self.config, &self.updating, address),
            Action::TryUpdate => ready(updates::try_installed(&self.config)),
            Action::AcknowledgeUpdate => ready(updates::acknowledge(&self.config)),
        }
    }

    fn receive(&self, bytes: u64) -> Result<Incoming, Refused> {
        updates::receive(&self.config, &self.updating, bytes)
    }
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
        Box::pin(outcome_of_sync(heard))
    }

    fn upload(&self) -> Pending<Result<Done, Refused>> {
        let Some(uploader) = self.uploader.clone() else {
            return ready(refused("No webhook.url is set: rows stay on the device"));
        };
        if self.is_held("upload") {
            self.board.ask_restart("upload");
        }
        Box::pin(async move {
            let report = uploader.once(UPLOAD_TIME).await;
            let message = format!(
                "{} rows stored, {} the backend had already, {} need a person, {} still to deliver",
                report.created, report.duplicates, report.refused, report.backlog
            );
            match report.failure {
                None => done(&message),
                Some(failure) => Err(Refused { message: failure, details: message }),
            }
        })
    }

    fn retry(&self, id: &str) -> Pending<Result<Done, Refused>> {
        let (Some(uploader), Ok(number)) = (self.uploader.clone(), id.parse()) else {
            return ready(refused("There is no such row; look at the list again"));
        };
        Box::pin(async move {
            match uploader.retry(number).await {
                Ok(()) => done("The row will be sent again"),
                Err(error) => refused(&error.to_string()),
            }
        })
    }

    fn confirm(&self) -> Result<Done, Refused> {
        match confirm_removal(&self.config.site.data_dir) {
            Ok(Some(photos)) => {
                self.sync_now.notify_one();
                done(&format!("Confirmed: {photos} photos go if the server still lacks them"))
            }
            Ok(None) => refused("No removal waits for confirmation"),
            Err(error) => refused(&error.to_string()),
        }
    }

    fn is_held(&self, name: &str) -> bool {
        self.board.views().iter().any(|worker| worker.name == name && worker.state == State::Held)
    }
}

/// Waits for the words of the synchronisation that was asked for.
async fn outcome_of_sync(mut heard: broadcast::Receiver<Event>) -> Result<Done, Refused> {
    let until = Instant::now() + SYNC_TIME;
    loop {
        match timeout_at(until, heard.recv()).await {
            Ok(Ok(event @ Event::PhotosSynced { .. })) => return done(&event.to_string()),
            Ok(Ok(Event::SyncFailed { reason, .. })) => return refused(&reason),
            Ok(Ok(Event::Worker { name: "sync", state: "held", reason })) => {
                return refused(&reason.unwrap_or_default());
            }
            Ok(Err(broadcast::error::RecvError::Closed)) => return refused("The appliance is stopping"),
            Ok(_) => {}
            Err(_) => {
                return done(
                    "The synchronisation takes long and goes on; its end is told here and in the log",
                );
            }
        }
    }
}

pub(super) fn ready(result: Result<Done, Refused>) -> Pending<Result<Done, Refused>> {
    Box::pin(std::future::ready(result))
}

pub(super) fn done(message: &str) -> Result<Done, Refused> {
    Ok(Done { message: message.to_owned(), output: String::new() })
}

pub(super) fn refused(message: &str) -> Result<Done, Refused> {
    Err(Refused { message: message.to_owned(), details: String::new() })
}
