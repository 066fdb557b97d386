//! Actions for scripts and for the page: started, waited for, and answered.

use std::time::Duration;

use bytes::Bytes;
use http::{Request, StatusCode};

use super::asked::Asked;
use super::auth::Who;
use super::jobs::ActionResult;
use super::refusals::{body_refused, refused, unexpected};
use super::reply::{Reply, error, json, see_other};
use super::request::wants_page;
use super::rights::of_button;
use super::routes::{Access, Endpoint};
use super::service::Service;
use super::{api, request};
use access::audit::AUDIT;
use base::secret::SecretUrl;
use view::Action;

/// How long a script's request waits for a long action; a first sync of thousands of photos takes minutes.
const ACTION_WAIT: Duration = Duration::from_secs(15 * 60);

/// How long the page waits before it says that the action continues in the background.
const PAGE_WAIT: Duration = Duration::from_secs(3);

/// The `url` field of a form, as the address of an update.
pub(super) fn address(form: &[u8]) -> Result<SecretUrl, String> {
    SecretUrl::parse(request::field(form, "url").unwrap_or_default().trim())
}

/// A message as a sentence.
pub(super) fn sentence(text: &str) -> String {
    let mut letters = text.chars();
    letters.next().map_or_else(String::new, |first| format!("{}{}.", first.to_uppercase(), letters.as_str()))
}

/// An id of a row as [`view::RefusedRow::id`] has it.
pub(super) fn row_id(text: &str) -> Option<String> {
    let plain = |b: u8| b.is_ascii_alphanumeric() || b"-_.:".contains(&b);
    (text.len() <= 128 && text.bytes().all(plain)).then(|| text.to_owned())
}

pub(super) fn acted(outcome: &ActionResult) -> api::Acted {
    let output = outcome.as_ref().map(|done| done.output.clone()).unwrap_or_default();
    api::Acted { success: outcome.is_ok(), message: message(outcome), output }
}

fn message(outcome: &ActionResult) -> String {
    match outcome {
        Ok(done) => done.message.clone(),
        Err(refused) => refused.message.clone(),
    }
}

fn still_under_way() -> view::Done {
    view::Done {
        message: "Under way. It continues in the background; you can leave.".to_owned(),
        output: String::new(),
    }
}

impl Service {
    /// Performs an action for a script, and waits for its result.
    pub(super) async fn act(&self, action: Action, asked: &Asked) -> Reply {
        log::info!(target: AUDIT, "{} at {} asked for: {}", asked.who, asked.from, action.kind());
        let outcome = match self.jobs.start(action.clone()) {
            Ok(waiting) => match tokio::time::timeout(ACTION_WAIT, waiting.outcome()).await {
                Ok(outcome) => outcome,
                Err(_) => return json(StatusCode::ACCEPTED, &acted(&Ok(still_under_way()))),
            },
            Err(refused) => return error(StatusCode::CONFLICT, &refused.message, &refused.details),
        };
        let view = self.source.view();
        match (&action, &outcome) {
            (Action::Upload, _) => {
                let reply = api::Uploaded {
                    success: outcome.is_ok(),
                    message: message(&outcome),
                    csv_file: api::file_name(&view.today.file),
                };
                json(if reply.success { StatusCode::OK } else { StatusCode::INTERNAL_SERVER_ERROR }, &reply)
            }
            (Action::Correct { .. }, Err(refused)) => {
                error(StatusCode::CONFLICT, &refused.message, &refused.details)
            }
            (_, Err(refused)) => error(StatusCode::INTERNAL_SERVER_ERROR, &refused.message, &refused.details),
            (Action::RestartRecognition, Ok(done)) => json(
                StatusCode::OK,
                &api::Restarted { success: true, message: done.message.clone(), pid: view.system.pid },
            ),
            (_, Ok(_)) => json(StatusCode::OK, &acted(&outcome)),
        }
    }

    /// Performs an action for the page: says what happened, or after a moment that it continues in the
    /// background.
    pub(super) async fn act_from_page(&self, asked: &Asked) -> Reply {
        let row = || request::field(&asked.body, "row").as_deref().and_then(row_id);
        let photo = || request::field(&asked.body, "photo").filter(|photo| !photo.is_empty());
        let button = asked.part.as_deref().and_then(of_button);
        if button.is_some_and(|same| !asked.who.may(Access::PageChange, self.rights.least(same))) {
            return refused(&asked.who, &asked.headers);
        }
        let action = match asked.part.as_deref() {
            Some("sync") => Some(Action::Sync),
            Some("upload") => Some(Action::Upload),
            Some("test-photos") => Some(Action::TestPhotos),
            Some("test-webhook") => Some(Action::TestWebhook),
            Some("restart") => Some(Action::RestartRecognition),
            Some("confirm-removal") => Some(Action::ConfirmRemoval),
            Some("confirm-time") => Some(Action::ConfirmTime),
            Some("retry") => row().map(Action::RetryRow),
            Some("retry-all") => Some(Action::RetryAllRows),
            Some("dismiss") => row().map(Action::DismissRow),
            Some("install") => match address(&asked.body) {
                Ok(address) => Some(Action::InstallFrom(address)),
                Err(reason) => {
                    return error(StatusCode::BAD_REQUEST, "This is not an address of an update.", &reason);
                }
            },
            Some("try-update") => Some(Action::TryUpdate),
            Some("check-updates") => Some(Action::CheckUpdates),
            Some("go-back") => Some(Action::GoBack),
            Some("acknowledge-update") => Some(Action::AcknowledgeUpdate),
            Some("close-day") => Some(Action::CloseDay),
            Some("remove-students") => Some(Action::RemoveStudents),
            Some("accept-photo") => {
                photo().map(|photo| Action::AcceptPhoto { photo, by: asked.who.to_string() })
            }
            Some("watch-photo") => photo().map(Action::WatchPhoto),
            _ => None,
        };
        let Some(action) = action else {
            return error(StatusCode::NOT_FOUND, "There is no such action.", "Load the page again.");
        };
        log::info!(target: AUDIT, "{} at {} asked for: {}", asked.who, asked.from, action.kind());
        let outcome = self.outcome(action).await;
        if wants_page(&asked.headers) {
            // The page itself shows the outcome beside its button.
            let photos = button == Some(Endpoint::PhotosPage) || button == Some(Endpoint::TakeStudents);
            return see_other(match button {
                _ if photos => "/photos",
                Some(Endpoint::CloseDay) => "/",
                _ => "/device",
            });
        }
        json(StatusCode::OK, &acted(&outcome))
    }

    /// Starts an action; its outcome, or after a moment that it continues in the background.
    pub(super) async fn outcome(&self, action: Action) -> ActionResult {
        let waiting = self.jobs.start(action)?;
        tokio::time::timeout(PAGE_WAIT, waiting.outcome()).await.unwrap_or_else(|_| Ok(still_under_way()))
    }

    /// Takes an update bundle and installs it. The page gets its answer as soon as the bundle has arrived, a
    /// script when the result is known.
    pub(super) async fn receive_update<B>(&self, request: Request<B>, asked: &Asked) -> Reply
    where
        B: http_body::Body<Data = Bytes>,
        B::Error: Into<Box<dyn std::error::Error + Send + Sync>>,
    {
        let Some(bytes) = request.body().size_hint().exact() else {
            return error(
                StatusCode::LENGTH_REQUIRED,
                "An update must say how long it is.",
                "Content-Length",
            );
        };
        if bytes == 0 {
            return error(StatusCode::BAD_REQUEST, "The request holds no update.", "");
        }
        if bytes > self.limits.bundle_bytes {
            return body_refused(request::BodyRefused::TooLarge);
        }
        log::info!(target: AUDIT, "{} at {} sends an update of {bytes} bytes", asked.who, asked.from);
        let incoming = match self.jobs.receive(bytes) {
            Ok(incoming) => incoming,
            Err(refused) => {
                return match request::discard(request, &self.limits).await {
                    Ok(()) => error(StatusCode::CONFLICT, &refused.message, &refused.details),
                    Err(refused) => body_refused(refused),
                };
            }
        };
        let taken = match request::bundle(request, &self.limits, incoming).await {
            Ok(incoming) => tokio::task::spawn_blocking(move || incoming.finish()).await,
            Err(request::BundleRefused::Body(refused)) => return body_refused(refused),
            Err(request::BundleRefused::Receiver(refused)) => Ok(Err(refused)),
            Err(request::BundleRefused::Unexpected) => return unexpected(),
        };
        // However this request ends, what was received does not stay: it is installed, or dropped
        // here.
        let _received = match taken {
            Ok(Ok(received)) => received,
            Ok(Err(refused)) => {
                return error(StatusCode::INTERNAL_SERVER_ERROR, &refused.message, &refused.details);
            }
            Err(_) => return unexpected(),
        };
        match asked.who {
            Who::Person { .. } => json(StatusCode::OK, &acted(&self.outcome(Action::InstallReceived).await)),
            _ => self.act(Action::InstallReceived, asked).await,
        }
    }
}
