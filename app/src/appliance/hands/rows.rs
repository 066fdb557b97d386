//! Rows: delivered, sent again, dismissed and corrected; the day and the clock they depend on.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use super::Hands;
use crate::appliance::answer::{NO_SUCH_ROW, done, failed, ready, refused};
use crate::appliance::corrections;
use journal::Recorder;
use view::corrections::Correction;
use view::{Done, Pending, Refused};

const NO_WEBHOOK: &str = "No webhook.url is set: rows stay on the device";

/// How long the page waits for an upload of what waits.
const UPLOAD_TIME: Duration = Duration::from_secs(120);

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

impl Hands {
    pub(super) fn upload(&self) -> Pending<Result<Done, Refused>> {
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
                "{} {} stored, {} duplicates, {} refused, {} still to deliver{waits}",
                report.created,
                if report.created == 1 { "row" } else { "rows" },
                report.duplicates,
                report.refused,
                report.backlog
            );
            match report.failure {
                None => done(&message),
                Some(failure) => Err(Refused { message: failure, details: message }),
            }
        })
    }

    pub(super) fn retry(&self, id: &str) -> Pending<Result<Done, Refused>> {
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

    pub(super) fn retry_all(&self) -> Pending<Result<Done, Refused>> {
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

    pub(super) fn dismiss(&self, id: &str) -> Pending<Result<Done, Refused>> {
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

    /// On a thread made for blocking: it writes to the disk.
    pub(super) fn close_day(&self) -> Pending<Result<Done, Refused>> {
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
    pub(super) fn correct(
        &self,
        correction: Correction,
        by: String,
        reason: String,
    ) -> Pending<Result<Done, Refused>> {
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

    pub(super) fn confirm_time(&self) -> Result<Done, Refused> {
        if self.clock.confirm() {
            done("The clock is believed; rows that waited for it get their time now")
        } else {
            refused("The clock is not in doubt")
        }
    }
}
