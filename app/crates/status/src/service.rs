//! From a request to an answer: who asks, whether they may, and which endpoint answers.

use std::net::IpAddr;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use arc_swap::ArcSwap;
use bytes::Bytes;
use http::header::{ALLOW, HeaderValue, RETRY_AFTER, SET_COOKIE};
use http::{HeaderMap, HeaderName, Request, StatusCode};
use time::OffsetDateTime;
use tokio::sync::Semaphore;

use super::api;
use super::audit::AUDIT;
use super::auth::{AccessGuard, LogIn, MustWait, Who};
use super::certificate::Identity;
use super::history::History;
use super::jobs::{ActionResult, Jobs};
use super::limits::Limits;
use super::page;
use super::reply::{Reply, download, empty, error, json, of_type, secured, see_other};
use super::request;
use super::request::{SESSION_COOKIE, same_origin, wants_page};
use super::routes;
use super::routes::{Access, Endpoint, Found};
use super::session::csrf_matches;
use super::settings::Review;
use super::view::{Action, Control, Problem, Source, View};
use super::{diagnostics, events, metrics, openapi, verdict};
use base::event::Bus;
use base::identity::MAX_LENGTH;
use base::secret::SecretUrl;

/// How old the answer of `/healthz` may be. No monitor asks more often, and the state costs files and locks.
const HEALTH_AGE: Duration = Duration::from_secs(1);
/// Lines of the log in `/logs/server`, as in the original.
const LOG_LINES: usize = 50;
/// Lines of the log in the diagnostics.
const DIAGNOSTICS_LOG_LINES: usize = 500;
/// How long a script's request waits for a long action; a first sync of thousands of photos takes minutes.
const ACTION_WAIT: Duration = Duration::from_secs(15 * 60);
/// Lines of the log on the page.
const PAGE_LOG_LINES: usize = 60;
/// How long a preview waits for the camera's next frame.
const PREVIEW_WAIT: Duration = Duration::from_secs(3);
/// Photos looked at again at once, for the technician: each runs the detector, which recognition needs too.
const DETECTIONS_AT_ONCE: usize = 1;
/// How long one waits for its turn: a few photos opened together.
const DETECTION_WAIT: Duration = Duration::from_secs(30);
/// How long the page waits before it says that the action goes on by itself.
const PAGE_WAIT: Duration = Duration::from_secs(3);
/// Said of a password that was compared, and of one that was not.
const WRONG: &str = "That is not the password.";
const NOT_COMPARED: &str = "The password was not looked at: wrong ones came just before.";

/// Sent by the page when it looks again by itself.
const REFRESH_HEADER: HeaderName = HeaderName::from_static("x-refresh");
const CSRF_HEADER: HeaderName = HeaderName::from_static("x-csrf-token");

/// What every request needs.
pub(super) struct Service {
    pub(super) source: Arc<dyn Source>,
    judge: Judge,
    pub(super) jobs: Jobs,
    pub(super) bus: Bus,
    pub(super) door: Arc<AccessGuard>,
    pub(super) identity: Arc<ArcSwap<Identity>>,
    pub(super) limits: Limits,
    /// Event streams of pages.
    pub(super) streams: Arc<Semaphore>,
    /// Those of scripts: one that forgets to close them does not leave the page without.
    pub(super) script_streams: Arc<Semaphore>,
    pub(super) pictures: Arc<Semaphore>,
    pub(super) detecting: Semaphore,
    pub(super) history: History,
    health: Mutex<Option<(Instant, bool)>>,
}

impl Service {
    /// Whether the appliance's clock is known to be right.
    pub(super) fn clock_is_trusted(&self) -> bool {
        self.source.view().system.clock_trusted
    }

    pub(super) fn new(
        source: Arc<dyn Source>,
        control: Arc<dyn Control>,
        bus: Bus,
        door: AccessGuard,
        identity: Arc<ArcSwap<Identity>>,
        limits: Limits,
    ) -> Self {
        Self {
            judge: Judge { source: Arc::clone(&source), identity: Arc::clone(&identity) },
            source,
            jobs: Jobs::new(control),
            bus,
            door: Arc::new(door),
            identity,
            streams: Arc::new(Semaphore::new(limits.event_streams)),
            script_streams: Arc::new(Semaphore::new(limits.event_streams)),
            pictures: Arc::new(Semaphore::new(limits.pictures)),
            detecting: Semaphore::new(DETECTIONS_AT_ONCE),
            history: History::default(),
            health: Mutex::new(None),
            limits,
        }
    }

    /// Answers one request.
    pub(super) async fn answer<B>(&self, request: Request<B>, from: IpAddr) -> Reply
    where
        B: http_body::Body<Data = Bytes>,
        B::Error: Into<Box<dyn std::error::Error + Send + Sync>>,
    {
        secured(self.route(request, from).await)
    }

    async fn route<B>(&self, request: Request<B>, from: IpAddr) -> Reply
    where
        B: http_body::Body<Data = Bytes>,
        B::Error: Into<Box<dyn std::error::Error + Send + Sync>>,
    {
        let path = request.uri().path().to_owned();
        let found = routes::find(request.method(), &path);
        let who = match self.door.who(request.headers(), from, by_a_person(&found, request.headers())) {
            Ok(who) => who,
            Err(MustWait(wait)) => return must_wait(wait),
        };
        // Who is nobody learns nothing about which addresses there are.
        let access = match &found {
            Found::Route(route, _) => route.access,
            Found::OtherMethods(_) | Found::Nothing => Access::Read,
        };
        if !who.may(access) {
            return refused(&who, request.headers());
        }
        let (route, part) = match found {
            Found::Route(route, part) => (route, part),
            Found::OtherMethods(methods) => {
                let mut reply = error(StatusCode::METHOD_NOT_ALLOWED, "This address has other methods.", "");
                reply
                    .headers_mut()
                    .extend(HeaderValue::try_from(methods.join(", ")).ok().map(|methods| (ALLOW, methods)));
                return reply;
            }
            Found::Nothing => return error(StatusCode::NOT_FOUND, "There is nothing at this address.", ""),
        };
        let query = request.uri().query().unwrap_or("").to_owned();
        let headers = request.headers().clone();
        let part = part.map(str::to_owned);
        if route.endpoint == Endpoint::ReceiveUpdate {
            // Its token must come in a header: the body is taken only from who may send it.
            if let Some(refusal) = not_from_the_page(route, &who, &headers, &[], from) {
                return refusal;
            }
            let asked = Asked { headers, query, body: Bytes::new(), part, who, from };
            return self.receive_update(request, &asked).await;
        }
        let body = if route.method == http::Method::POST {
            let most = match route.endpoint {
                Endpoint::InstallUpdate | Endpoint::Act => self.limits.address_form_bytes,
                Endpoint::ReviewSettings => self.limits.settings_form_bytes,
                _ => self.limits.body_bytes,
            };
            match request::body(request, most, &self.limits).await {
                Ok(body) => body,
                Err(refused) => return body_refused(refused),
            }
        } else {
            Bytes::new()
        };
        if let Some(refusal) = not_from_the_page(route, &who, &headers, &body, from) {
            return refusal;
        }
        let asked = Asked { headers, query, body, part, who, from };
        self.endpoint(route.endpoint, asked).await
    }

    async fn endpoint(&self, endpoint: Endpoint, asked: Asked) -> Reply {
        match endpoint {
            Endpoint::Health => self.health(&asked.who),
            Endpoint::LogInPage => page::log_in(StatusCode::OK, self.door.must_wait(asked.from), ""),
            Endpoint::LogIn => self.log_in(asked).await,
            Endpoint::LogOut => self.log_out(&asked),
            Endpoint::Root => self.root(&asked).await,
            Endpoint::Script => of_type(StatusCode::OK, "text/javascript; charset=utf-8", page::SCRIPT),
            Endpoint::Icon => {
                let (_, problems) = self.judged();
                of_type(StatusCode::OK, "image/svg+xml", page::icon(page::worst(&problems)))
            }
            Endpoint::Status => json(StatusCode::OK, &api::status(self.judged().0)),
            Endpoint::Today => {
                let today = self.source.view().today;
                json(StatusCode::OK, &api::Day::new(today.date, today.rows))
            }
            Endpoint::Day => self.day(asked.part.as_deref(), false).await,
            Endpoint::DayCsv => self.day(asked.part.as_deref(), true).await,
            Endpoint::SystemHealth => {
                let (view, problems) = self.judged();
                json(StatusCode::OK, &api::health(&view, verdict::healthy(&view), &problems))
            }
            Endpoint::Logs => {
                let lines = self.source.log(LOG_LINES);
                json(StatusCode::OK, &api::Logs { total: lines.len(), lines })
            }
            Endpoint::Roster => {
                let source = Arc::clone(&self.source);
                match tokio::task::spawn_blocking(move || source.roster()).await {
                    Ok(roster) => json(StatusCode::OK, &roster),
                    Err(_) => unexpected(),
                }
            }
            Endpoint::Metrics => {
                let (view, problems) = self.judged();
                let expires = self.identity.load().expires;
                let text = metrics::text(&view, &problems, verdict::healthy(&view), expires);
                of_type(StatusCode::OK, metrics::CONTENT_TYPE, text)
            }
            Endpoint::Events => {
                let streams = match asked.who {
                    Who::Technician { .. } => &self.streams,
                    _ => &self.script_streams,
                };
                match Arc::clone(streams).try_acquire_owned() {
                    Ok(permit) => events::stream_events(
                        self.bus.subscribe(),
                        self.judge.clone(),
                        Arc::clone(&self.door),
                        asked.headers,
                        permit,
                    ),
                    Err(_) => busy(),
                }
            }
            Endpoint::Diagnostics => self.diagnostics(&asked).await,
            Endpoint::Docs => match &asked.who {
                Who::Technician { csrf, .. } => page::docs(&openapi::document(), Some(csrf)),
                _ => page::docs(&openapi::document(), None),
            },
            Endpoint::OpenApi => json(StatusCode::OK, &openapi::document()),
            Endpoint::Sync => self.act(Action::Sync, &asked).await,
            Endpoint::ConfirmRemoval => self.act(Action::ConfirmRemoval, &asked).await,
            Endpoint::ConfirmTime => self.act(Action::ConfirmTime, &asked).await,
            Endpoint::Upload => self.act(Action::Upload, &asked).await,
            Endpoint::TestPhotos => self.act(Action::TestPhotos, &asked).await,
            Endpoint::TestWebhook => self.act(Action::TestWebhook, &asked).await,
            Endpoint::Restart => self.act(Action::RestartRecognition, &asked).await,
            Endpoint::Retry => match asked.part.as_deref().and_then(|row| self.refused_row(row)) {
                Some(row) => self.act(Action::RetryRow(row), &asked).await,
                None => no_such_row(),
            },
            Endpoint::RetryAll => self.act(Action::RetryAllRows, &asked).await,
            Endpoint::Dismiss => match asked.part.as_deref().and_then(|row| self.refused_row(row)) {
                Some(row) => self.act(Action::DismissRow(row), &asked).await,
                None => no_such_row(),
            },
            Endpoint::InstallUpdate => match address(&asked.body) {
                Ok(address) => self.act(Action::InstallFrom(address), &asked).await,
                Err(reason) => error(StatusCode::BAD_REQUEST, "This is no address of an update.", &reason),
            },
            Endpoint::TryUpdate => self.act(Action::TryUpdate, &asked).await,
            Endpoint::CheckUpdates => self.act(Action::CheckUpdates, &asked).await,
            Endpoint::GoBack => self.act(Action::GoBack, &asked).await,
            Endpoint::AcknowledgeUpdate => self.act(Action::AcknowledgeUpdate, &asked).await,
            Endpoint::CloseDay => self.act(Action::CloseDay, &asked).await,
            // Answered before its body was read.
            Endpoint::ReceiveUpdate => unexpected(),
            Endpoint::Act => self.act_from_page(&asked).await,
            Endpoint::Preview => self.preview().await,
            Endpoint::Evidence => self.evidence(&asked).await,
            Endpoint::DoorPage => page::door(),
            Endpoint::DoorPicture => self.door_picture().await,
            Endpoint::Settings
            | Endpoint::ReviewSettings
            | Endpoint::SaveSettings
            | Endpoint::PutBackSettings
            | Endpoint::KeepSettings => self.settings(endpoint, &asked).await,
        }
    }

    /// The pages of the settings. What is answered holds no secret.
    async fn settings(&self, endpoint: Endpoint, asked: &Asked) -> Reply {
        let Who::Technician { csrf, .. } = &asked.who else {
            return error(StatusCode::FORBIDDEN, "The settings are for a log-in on the page.", "");
        };
        let Some(settings) = self.jobs.settings() else {
            return error(StatusCode::NOT_FOUND, "There are no settings to show here.", "");
        };
        let who = format!("{} at {}", asked.who, asked.from);
        let field = |name| request::field(&asked.body, name).unwrap_or_default();
        let waiting = match endpoint {
            Endpoint::SaveSettings => settings.save(&field("draft"), &who),
            Endpoint::PutBackSettings => match field("version").parse() {
                Ok(version) => settings.put_back(version, &who),
                Err(_) => return error(StatusCode::BAD_REQUEST, "There is no such version.", ""),
            },
            Endpoint::KeepSettings => settings.keep(),
            _ => {
                let form = request::fields(&asked.body);
                let asks = endpoint == Endpoint::ReviewSettings;
                let shown = tokio::task::spawn_blocking(move || {
                    let review = asks.then(|| settings.review(&form));
                    (review, settings.sheet(), form)
                });
                let Ok((review, sheet, form)) = shown.await else { return unexpected() };
                return match review {
                    Some(Review::Changes { draft, changes, confirm }) => {
                        page::settings::review(&draft, &changes, confirm, csrf)
                    }
                    Some(Review::Wrong(faults)) => page::settings::form(&sheet, csrf, &form, &faults, ""),
                    Some(Review::Unchanged) => {
                        page::settings::form(&sheet, csrf, &[], &[], "Nothing is different.")
                    }
                    None => page::settings::form(&sheet, csrf, &[], &[], ""),
                };
            }
        };
        log::info!(target: AUDIT, "{who} asked for a change of the settings ({endpoint:?})");
        match waiting.await {
            Ok(done) => page::settings::outcome(true, &done.message, &done.output, csrf),
            Err(refused) => page::settings::outcome(false, &refused.message, &refused.details, csrf),
        }
    }

    /// The id of a row that needs a person, as it stands in an address; none when there is no such row.
    fn refused_row(&self, text: &str) -> Option<String> {
        row_id(text).filter(|row| self.source.needs_person(row))
    }

    /// The status code of `/healthz`. Anybody may ask, as often as they like: the state is looked at once a
    /// second.
    fn healthy(&self) -> bool {
        let mut kept = self.health.lock().unwrap_or_else(PoisonError::into_inner);
        match *kept {
            Some((at, healthy)) if at.elapsed() < HEALTH_AGE => healthy,
            _ => {
                let healthy = verdict::healthy(&self.source.view());
                *kept = Some((Instant::now(), healthy));
                healthy
            }
        }
    }

    /// A status code for everybody; what is wrong is told to who may read.
    fn health(&self, who: &Who) -> Reply {
        let status = |healthy| if healthy { StatusCode::OK } else { StatusCode::SERVICE_UNAVAILABLE };
        if !who.may(Access::Read) {
            return empty(status(self.healthy()));
        }
        let (view, problems) = self.judged();
        let healthy = verdict::healthy(&view);
        json(status(healthy), &api::Problems { healthy, problems })
    }

    fn judged(&self) -> (View, Vec<Problem>) {
        self.judge.judged()
    }

    async fn log_in(&self, asked: Asked) -> Reply {
        if !same_origin(&asked.headers) {
            return error(StatusCode::FORBIDDEN, "This did not come from the log-in page.", "");
        }
        let attempt = request::field(&asked.body, "password").unwrap_or_default();
        match self.door.log_in(attempt, asked.from).await {
            LogIn::Opened(cookie) => {
                let mut reply = see_other("/");
                set_cookie(&mut reply, &cookie, "");
                reply
            }
            LogIn::Wrong(None) => page::log_in(StatusCode::UNAUTHORIZED, None, WRONG),
            LogIn::Wrong(Some(wait)) => log_in_later(wait, WRONG),
            LogIn::MustWait(wait) => log_in_later(wait, NOT_COMPARED),
        }
    }

    fn log_out(&self, asked: &Asked) -> Reply {
        if let Who::Technician { cookie, .. } = &asked.who {
            self.door.log_out(cookie, asked.from);
        }
        let mut reply = see_other("/login");
        set_cookie(&mut reply, "", "; Max-Age=0");
        reply
    }

    async fn root(&self, asked: &Asked) -> Reply {
        let (view, problems) = self.judged();
        let Who::Technician { csrf, .. } = &asked.who else {
            return json(StatusCode::OK, &api::root(view, problems));
        };
        if !wants_page(&asked.headers) {
            return json(StatusCode::OK, &api::root(view, problems));
        }
        let shown = self.shown(&asked.query, &view.today.date).await;
        page::home(&page::Home {
            view: &view,
            problems: &problems,
            identity: &self.identity.load(),
            log: &self.source.log(PAGE_LOG_LINES),
            jobs: &self.jobs,
            history: &self.history.samples(),
            bundle_bytes: self.limits.bundle_bytes,
            csrf,
            shown,
        })
    }

    /// Which rows the page's address asks for. What is no day is today.
    async fn shown(&self, query: &str, today: &str) -> page::Shown {
        let field = |name| request::field(query.as_bytes(), name);
        let search = field("q").map(|q| q.trim().chars().take(MAX_LENGTH).collect()).unwrap_or_default();
        let mut shown = page::Shown { search, all: field("all").is_some(), ..page::Shown::default() };
        if let Some(day) =
            field("day").as_deref().and_then(request::date).filter(|day| day.to_string() != today)
        {
            let source = Arc::clone(&self.source);
            let rows = tokio::task::spawn_blocking(move || source.rows(day)).await;
            shown.day = Some(day.to_string());
            shown.rows = Some(match rows {
                Ok(rows) => rows.map_err(|refused| refused.message),
                Err(_) => Err("The day’s rows cannot be read; the log says more.".to_owned()),
            });
        }
        shown
    }

    async fn diagnostics(&self, asked: &Asked) -> Reply {
        log::info!(target: AUDIT, "{} at {} took the diagnostics", asked.who, asked.from);
        let (view, problems) = self.judged();
        let source = Arc::clone(&self.source);
        let identity = self.identity.load_full();
        let made = tokio::task::spawn_blocking(move || {
            diagnostics::bundle(diagnostics::Parts {
                view,
                problems,
                roster: source.roster(),
                configuration: source.configuration(),
                log: source.redacted_log(DIAGNOSTICS_LOG_LINES),
                certificate: format!("{} until {}", identity.fingerprint, identity.expires),
            })
        });
        match made.await {
            Ok(Ok(bundle)) => download("application/gzip", "attendance-diagnostics.tar.gz", bundle),
            _ => unexpected(),
        }
    }

    async fn preview(&self) -> Reply {
        let Ok(_place) = self.pictures.try_acquire() else { return busy() };
        match tokio::time::timeout(PREVIEW_WAIT, self.source.preview()).await {
            Ok(Ok(picture)) => page::picture(&picture),
            Ok(Err(refused)) => error(StatusCode::SERVICE_UNAVAILABLE, &refused.message, &refused.details),
            Err(_) => error(StatusCode::SERVICE_UNAVAILABLE, "The camera gives no picture.", ""),
        }
    }

    /// What stands on the screen at the door.
    async fn door_picture(&self) -> Reply {
        let Ok(_place) = self.pictures.try_acquire() else { return busy() };
        let source = Arc::clone(&self.source);
        match tokio::task::spawn_blocking(move || source.door()).await {
            Ok(Some(jpeg)) => of_type(StatusCode::OK, "image/jpeg", jpeg),
            Ok(None) => error(StatusCode::SERVICE_UNAVAILABLE, "There is no picture yet; it comes soon.", ""),
            Err(_) => unexpected(),
        }
    }

    async fn evidence(&self, asked: &Asked) -> Reply {
        let Ok(Ok(_turn)) = tokio::time::timeout(DETECTION_WAIT, self.detecting.acquire()).await else {
            return busy();
        };
        // Only a photo that is on the list of refused ones: a path from outside never reaches a file system.
        let photo = request::field(asked.query.as_bytes(), "photo").filter(|photo| {
            let refused = self.source.view().roster.refused;
            refused.iter().any(|refused| refused.picture && refused.photo == *photo)
        });
        let Some(photo) = photo else {
            return error(StatusCode::NOT_FOUND, "There is no refused photo of this name.", "");
        };
        let source = Arc::clone(&self.source);
        match tokio::task::spawn_blocking(move || source.evidence(&photo)).await {
            Ok(Some(picture)) => page::picture(&picture),
            Ok(None) => error(StatusCode::NOT_FOUND, "The photo cannot be shown: it cannot be decoded.", ""),
            Err(_) => unexpected(),
        }
    }

    /// Performs an action for the page: says what happened, or after a moment that it goes on by itself.
    async fn act_from_page(&self, asked: &Asked) -> Reply {
        let row = || request::field(&asked.body, "row").as_deref().and_then(row_id);
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
                    return error(StatusCode::BAD_REQUEST, "This is no address of an update.", &reason);
                }
            },
            Some("try-update") => Some(Action::TryUpdate),
            Some("check-updates") => Some(Action::CheckUpdates),
            Some("go-back") => Some(Action::GoBack),
            Some("acknowledge-update") => Some(Action::AcknowledgeUpdate),
            Some("close-day") => Some(Action::CloseDay),
            _ => None,
        };
        let Some(action) = action else {
            return error(StatusCode::NOT_FOUND, "There is no such action.", "Load the page again.");
        };
        log::info!(target: AUDIT, "{} at {} asked for: {}", asked.who, asked.from, action.kind());
        let outcome = self.outcome(action).await;
        if wants_page(&asked.headers) {
            // The page itself shows the outcome beside its button.
            return see_other("/");
        }
        json(StatusCode::OK, &acted(&outcome))
    }

    /// Starts an action; its outcome, or after a moment that it goes on by itself.
    async fn outcome(&self, action: Action) -> ActionResult {
        let waiting = self.jobs.start(action)?;
        tokio::time::timeout(PAGE_WAIT, waiting.outcome()).await.unwrap_or_else(|_| Ok(still_under_way()))
    }

    /// Takes an update bundle and installs it. The page is told at once that it came, scripts are told what
    /// became of it.
    async fn receive_update<B>(&self, request: Request<B>, asked: &Asked) -> Reply
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
        // Whatever becomes of this request, what was received does not stay: it is installed, or dropped
        // here.
        let _received = match taken {
            Ok(Ok(received)) => received,
            Ok(Err(refused)) => {
                return error(StatusCode::INTERNAL_SERVER_ERROR, &refused.message, &refused.details);
            }
            Err(_) => return unexpected(),
        };
        match asked.who {
            Who::Technician { .. } => {
                json(StatusCode::OK, &acted(&self.outcome(Action::InstallReceived).await))
            }
            _ => self.act(Action::InstallReceived, asked).await,
        }
    }

    async fn day(&self, text: Option<&str>, as_csv: bool) -> Reply {
        let Some(day) = text.and_then(request::date) else {
            return error(StatusCode::NOT_FOUND, "This is no day.", "Write it like /attendance/2025-01-15.");
        };
        let source = Arc::clone(&self.source);
        let rows = match tokio::task::spawn_blocking(move || source.rows(day)).await {
            Ok(Ok(rows)) => rows,
            Ok(Err(refused)) => {
                return error(StatusCode::INTERNAL_SERVER_ERROR, &refused.message, &refused.details);
            }
            Err(_) => return unexpected(),
        };
        if !as_csv {
            return json(StatusCode::OK, &api::Day::new(day.to_string(), rows));
        }
        match api::csv(&rows) {
            Ok(text) => download("text/csv; charset=utf-8", &format!("attendance_{day}.csv"), text),
            Err(_) => unexpected(),
        }
    }

    /// Performs an action for a script, and waits for what becomes of it.
    async fn act(&self, action: Action, asked: &Asked) -> Reply {
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
            (_, Err(refused)) => error(StatusCode::INTERNAL_SERVER_ERROR, &refused.message, &refused.details),
            (Action::RestartRecognition, Ok(done)) => json(
                StatusCode::OK,
                &api::Restarted { success: true, message: done.message.clone(), pid: view.system.pid },
            ),
            (_, Ok(_)) => json(StatusCode::OK, &acted(&outcome)),
        }
    }
}

/// The one place where it is decided what is wrong: the page, the API, the event stream and the metrics all
/// ask here.
#[derive(Clone)]
pub(super) struct Judge {
    source: Arc<dyn Source>,
    identity: Arc<ArcSwap<Identity>>,
}

impl Judge {
    /// The state, and what is wrong with it. The state's own list holds the same problems.
    pub(super) fn judged(&self) -> (View, Vec<Problem>) {
        let mut view = self.source.view();
        let problems = verdict::problems(&view, self.identity.load().expires, OffsetDateTime::now_utc());
        verdict::agree(&mut view);
        view.problems.clone_from(&problems);
        (view, problems)
    }
}

/// A request, read.
struct Asked {
    headers: HeaderMap,
    query: String,
    body: Bytes,
    part: Option<String>,
    who: Who,
    from: IpAddr,
}

/// Whether a person asked, rather than an open page by itself: only then does a log-in live on. Pictures of
/// photos count as the page's own: what is opened once is asked for again when the list changes.
fn by_a_person(found: &Found<'_>, headers: &HeaderMap) -> bool {
    let by_itself = matches!(
        found,
        Found::Route(route, _) if matches!(
            route.endpoint,
            Endpoint::Preview
                | Endpoint::Evidence
                | Endpoint::DoorPicture
                | Endpoint::Icon
                | Endpoint::Events
        )
    );
    !by_itself && !headers.contains_key(REFRESH_HEADER)
}

/// What a change gets that the technician's browser sends and the technician did not ask for.
fn not_from_the_page(
    route: &routes::Route,
    who: &Who,
    headers: &HeaderMap,
    body: &[u8],
    from: IpAddr,
) -> Option<Reply> {
    let Who::Technician { csrf, .. } = who else { return None };
    let changes = matches!(route.access, Access::Full | Access::TechnicianChange);
    if !changes || wanted_by_the_technician(csrf, headers, body) {
        return None;
    }
    log::warn!(target: AUDIT, "a request to {} from {from} lacked the page's token", route.path);
    Some(error(
        StatusCode::FORBIDDEN,
        "This did not come from the page.",
        "Load the page again and press the button there.",
    ))
}

/// Whether the log-in's own page sent this: its token came along, and no other site's page sent it.
fn wanted_by_the_technician(csrf: &str, headers: &HeaderMap, body: &[u8]) -> bool {
    let given = match headers.get(CSRF_HEADER) {
        Some(header) => header.to_str().map(str::to_owned).ok(),
        None => request::field(body, "csrf"),
    };
    same_origin(headers) && given.is_some_and(|given| csrf_matches(csrf, &given))
}

/// The `url` field of a form, as the address of an update.
fn address(form: &[u8]) -> Result<SecretUrl, String> {
    SecretUrl::parse(request::field(form, "url").unwrap_or_default().trim())
}

/// An id of a row as [`super::view::RefusedRow::id`] has it.
fn row_id(text: &str) -> Option<String> {
    let plain = |b: u8| b.is_ascii_alphanumeric() || b"-_.:".contains(&b);
    (text.len() <= 128 && text.bytes().all(plain)).then(|| text.to_owned())
}

fn acted(outcome: &ActionResult) -> api::Acted {
    let output = outcome.as_ref().map(|done| done.output.clone()).unwrap_or_default();
    api::Acted { success: outcome.is_ok(), message: message(outcome), output }
}

fn message(outcome: &ActionResult) -> String {
    match outcome {
        Ok(done) => done.message.clone(),
        Err(refused) => refused.message.clone(),
    }
}

fn still_under_way() -> super::view::Done {
    super::view::Done {
        message: "Under way. It goes on by itself; you can leave.".to_owned(),
        output: String::new(),
    }
}

fn set_cookie(reply: &mut Reply, value: &str, more: &str) {
    let cookie = format!("{SESSION_COOKIE}={value}; Path=/; Secure; HttpOnly; SameSite=Strict{more}");
    reply.headers_mut().extend(HeaderValue::try_from(cookie).ok().map(|cookie| (SET_COOKIE, cookie)));
}

/// What who may not gets: browsers the log-in page, scripts 401, tokens without the right 403.
fn refused(who: &Who, headers: &HeaderMap) -> Reply {
    match who {
        Who::Nobody if wants_page(headers) => see_other("/login"),
        Who::Nobody => {
            let mut reply = error(
                StatusCode::UNAUTHORIZED,
                "Log in, or send a token.",
                "Authorization: Bearer TOKEN; `attendance token add` makes one.",
            );
            let scheme = HeaderValue::from_static("Bearer");
            reply.headers_mut().insert(http::header::WWW_AUTHENTICATE, scheme);
            reply
        }
        Who::Token { .. } | Who::Technician { .. } => {
            error(StatusCode::FORBIDDEN, "This token may not do this.", "A token with full access may.")
        }
    }
}

fn log_in_later(wait: Duration, said: &str) -> Reply {
    let mut reply = page::log_in(StatusCode::TOO_MANY_REQUESTS, Some(wait), said);
    retry_after(&mut reply, wait);
    reply
}

fn must_wait(wait: Duration) -> Reply {
    let mut reply = error(StatusCode::TOO_MANY_REQUESTS, "Too many wrong tokens came from this address.", "");
    retry_after(&mut reply, wait);
    reply
}

fn retry_after(reply: &mut Reply, wait: Duration) {
    reply.headers_mut().insert(RETRY_AFTER, HeaderValue::from(wait.as_secs() + 1));
}

fn body_refused(refused: request::BodyRefused) -> Reply {
    match refused {
        request::BodyRefused::TooLarge => {
            error(StatusCode::PAYLOAD_TOO_LARGE, "The request is too large.", "")
        }
        request::BodyRefused::TooSlow => {
            error(StatusCode::REQUEST_TIMEOUT, "The request came too slowly.", "")
        }
        request::BodyRefused::Broken => error(StatusCode::BAD_REQUEST, "The request broke off.", ""),
    }
}

fn no_such_row() -> Reply {
    error(StatusCode::NOT_FOUND, "There is no row of this name.", "")
}

fn busy() -> Reply {
    let mut reply =
        error(StatusCode::SERVICE_UNAVAILABLE, "Too many look at once; try again in a moment.", "");
    retry_after(&mut reply, Duration::from_secs(4));
    reply
}

fn unexpected() -> Reply {
    error(StatusCode::INTERNAL_SERVER_ERROR, "Something unexpected happened; the log says more.", "")
}

#[cfg(test)]
mod tests {
    use http::Method;

    use super::*;

    #[test]
    fn what_an_open_page_asks_by_itself_keeps_no_log_in_alive() {
        let by_a_person = |path, headers: &HeaderMap| by_a_person(&routes::find(&Method::GET, path), headers);
        let plain = HeaderMap::new();
        for path in ["/preview.svg", "/roster/picture.svg", "/door.jpg", "/icon.svg", "/events"] {
            assert!(!by_a_person(path, &plain), "{path}");
        }
        let refresh = HeaderMap::from_iter([(REFRESH_HEADER, HeaderValue::from_static("1"))]);
        assert!(by_a_person("/", &plain) && !by_a_person("/", &refresh));
    }
}
