//! The two servers: both are tested, and photos are synchronised.

use std::sync::Arc;
use std::time::Duration;

use arc_swap::ArcSwap;
use tokio::sync::broadcast;
use tokio::time::{Instant, timeout_at};

use super::Hands;
use crate::appliance::answer::{done, failed, ready, refused};
use backend::sync::confirm_removal;
use backend::{sync, upload};
use base::event::{Event, WorkerState as State};
use view::{Done, Pending, Refused};

/// How long the page waits for a synchronisation: a thousand photos over a slow line. It goes on beyond that.
const SYNC_TIME: Duration = Duration::from_secs(900);

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

impl Hands {
    pub(super) fn sync(&self) -> Pending<Result<Done, Refused>> {
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
    pub(super) fn test_photos(&self) -> Pending<Result<Done, Refused>> {
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
    pub(super) fn test_webhook(&self) -> Pending<Result<Done, Refused>> {
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

    /// On a thread made for blocking: it looks through all photos and waits for the disk.
    pub(super) fn confirm_removal(&self) -> Pending<Result<Done, Refused>> {
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
}
