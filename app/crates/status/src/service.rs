//! From a request to an answer: who asks, whether they may, and which endpoint answers.

use std::net::IpAddr;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use arc_swap::ArcSwap;
use bytes::Bytes;
use http::header::{ALLOW, HeaderValue, RETRY_AFTER, SET_COOKIE};
use http::{HeaderMap, HeaderName, Request, StatusCode};
use office::students::MOST_BYTES;
use tokio::sync::Semaphore;

use super::api;
use super::auth::{AccessGuard, LogIn, MustWait, Who};
use super::certificate::Identity;
use super::history::History;
use super::jobs::{ActionResult, Jobs};
use super::judge::Judge;
use super::limits::Limits;
use super::page;
use super::reply::{Reply, download, empty, error, json, of_type, secured, see_other};
use super::request;
use super::request::{SESSION_COOKIE, same_origin, wants_page};
use super::rights::{Rights, of_button};
use super::routes;
use super::routes::{Access, Endpoint, Found};
use super::{diagnostics, events, metrics, openapi};
use access::account::TECHNICIAN;
use access::audit::AUDIT;
use access::role::Role;
use access::session::csrf_matches;
use base::event::Bus;
use base::secret::SecretUrl;
use view::verdict;
use view::{Action, Control, Problem, Source, View};

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
pub(super) const DETECTION_WAIT: Duration = Duration::from_secs(30);
/// How long the page waits before it says that the action goes on by itself.
const PAGE_WAIT: Duration = Duration::from_secs(3);
/// Said of a password that was compared, and of one that was not.
const WRONG: &str = "That is not the password of this account.";
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
    rights: Rights,
    /// Event streams of pages.
    pub(super) streams: Arc<Semaphore>,
    /// Those of scripts: one that forgets to close them does not leave the page without.
    pub(super) script_streams: Arc<Semaphore>,
    pub(super) pictures: Arc<Semaphore>,
    pub(super) detecting: Semaphore,
    /// One at a time: many students of many days take memory.
    pub(super) sheets: Semaphore,
    /// One at a time: each reads the whole card.
    pub(super) exporting: Arc<Semaphore>,
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
        rights: Rights,
    ) -> Self {
        Self {
            judge: Judge::new(Arc::clone(&source), Arc::clone(&identity)),
            source,
            jobs: Jobs::new(control),
            bus,
            door: Arc::new(door),
            identity,
            streams: Arc::new(Semaphore::new(limits.event_streams)),
            script_streams: Arc::new(Semaphore::new(limits.event_streams)),
            pictures: Arc::new(Semaphore::new(limits.pictures)),
            detecting: Semaphore::new(DETECTIONS_AT_ONCE),
            sheets: Semaphore::new(1),
            exporting: Arc::new(Semaphore::new(1)),
            history: History::default(),
            health: Mutex::new(None),
            limits,
            rights,
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
        let (access, least) = match &found {
            Found::Route(route, _) => (route.access, self.rights.least(route.endpoint)),
            Found::OtherMethods(_) | Found::Nothing => (Access::Read, Role::Viewer),
        };
        if !who.may(access, least) {
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
        if matches!(route.endpoint, Endpoint::ReceiveUpdate | Endpoint::Import) {
            // Its token must come in a header: the body is taken only from who may send it.
            if let Some(refusal) = not_from_the_page(route, &who, &headers, &[], from) {
                return refusal;
            }
            let asked = Asked { headers, query, body: Bytes::new(), part, who, from };
            return match route.endpoint {
                Endpoint::Import => self.import(request, &asked).await,
                _ => self.receive_update(request, &asked).await,
            };
        }
        let body = if route.method == http::Method::POST {
            let most = match route.endpoint {
                Endpoint::InstallUpdate
                | Endpoint::Act
                | Endpoint::AddRow
                | Endpoint::ChangeRow
                | Endpoint::VoidRow
                | Endpoint::PlaceRow
                | Endpoint::Export => self.limits.address_form_bytes,
                Endpoint::ReviewSettings => self.limits.settings_form_bytes,
                Endpoint::TakeStudents => MOST_BYTES,
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
                    Who::Person { .. } => &self.streams,
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
                Who::Person { csrf, .. } => page::docs(&openapi::document(), Some(csrf)),
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
            Endpoint::AddRow | Endpoint::ChangeRow | Endpoint::VoidRow | Endpoint::PlaceRow => {
                self.correct(endpoint, &asked).await
            }
            // Answered before its body was read.
            Endpoint::ReceiveUpdate | Endpoint::Import => unexpected(),
            Endpoint::ArchivePage => self.archive_page(&asked, page::Archived::Nothing).await,
            Endpoint::Licences => self.licences(&asked).await,
            Endpoint::FactoryReset => self.factory_reset(&asked).await,
            Endpoint::RecoveryKeyWritten => self.recovery_key_written(&asked).await,
            Endpoint::Export => self.export(&asked).await,
            Endpoint::Act => self.act_from_page(&asked).await,
            Endpoint::Preview => self.preview().await,
            Endpoint::Evidence => self.evidence(&asked).await,
            Endpoint::DoorPage => self.view_of(&asked, page::door).await,
            Endpoint::DevicePage => self.view_of(&asked, page::device).await,
            Endpoint::PhotosPage => self.photos_page(&asked).await,
            Endpoint::Range => self.range(&asked).await,
            Endpoint::Sheet => self.sheet(&asked).await,
            Endpoint::StudentPage => self.student(&asked).await,
            Endpoint::EnrolPage => self.enrol_page(&asked).await,
            Endpoint::EnrolPicture => self.enrol_picture(&asked),
            Endpoint::Enrol => self.enrol(&asked).await,
            Endpoint::TakeStudents => self.take_students(&asked).await,
            Endpoint::Erasures => json(StatusCode::OK, &api::Erasures { erasures: self.source.erasures() }),
            Endpoint::EraseStudent => self.erase_student(&asked).await,
            Endpoint::LiftErasure => self.lift_erasure(&asked).await,
            Endpoint::DoorPicture => self.door_picture().await,
            Endpoint::Accounts => self.accounts(&asked, page::Said::Nothing),
            Endpoint::ChangeAccounts => self.change_accounts(&asked).await,
            Endpoint::Settings
            | Endpoint::ReviewSettings
            | Endpoint::SaveSettings
            | Endpoint::PutBackSettings
            | Endpoint::KeepSettings => self.settings(endpoint, &asked).await,
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
        if !who.may(Access::Read, Role::Viewer) {
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
        let account = request::field(&asked.body, "account").map(|account| account.trim().to_owned());
        let account = account.filter(|account| !account.is_empty());
        let account = account.unwrap_or_else(|| TECHNICIAN.to_owned());
        match self.door.log_in(account, attempt, asked.from).await {
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
        if let Who::Person { cookie, .. } = &asked.who {
            self.door.log_out(&asked.who, cookie, asked.from);
        }
        let mut reply = see_other("/login");
        set_cookie(&mut reply, "", "; Max-Age=0");
        reply
    }

    async fn root(&self, asked: &Asked) -> Reply {
        if !matches!(asked.who, Who::Person { .. }) || !wants_page(&asked.headers) {
            let (view, problems) = self.judged();
            return json(StatusCode::OK, &api::root(view, problems));
        }
        self.view_of(asked, page::home).await
    }

    /// A view of the page.
    async fn view_of(&self, asked: &Asked, show: impl FnOnce(&page::Home<'_>) -> Reply) -> Reply {
        let (view, problems) = self.judged();
        let shown = self.shown(&asked.query, &view.today.date).await;
        show(&page::Home {
            view: &view,
            problems: &problems,
            identity: &self.identity.load(),
            log: &self.source.log(PAGE_LOG_LINES),
            jobs: &self.jobs,
            history: &self.history.samples(),
            bundle_bytes: self.limits.bundle_bytes,
            csrf: asked.csrf(),
            may: page::May { who: &asked.who, rights: self.rights },
            shown,
        })
    }

    /// The photos' problems and the students' list.
    async fn photos_page(&self, asked: &Asked) -> Reply {
        let source = Arc::clone(&self.source);
        let read = tokio::task::spawn_blocking(move || {
            (source.roster().refused, source.students(), source.erasures())
        });
        let Ok((refused, list, erasures)) = read.await else { return unexpected() };
        self.view_of(asked, |home| page::photos(home, &refused, &list, MOST_BYTES, &erasures)).await
    }

    /// Whether the sender may use what leads to an endpoint.
    pub(super) fn may(&self, asked: &Asked, endpoint: Endpoint) -> bool {
        asked.who.may(Access::Page, self.rights.least(endpoint))
    }

    /// A change in the log, with who asked for it.
    pub(super) fn log_change(&self, asked: &Asked, what: &str) {
        log::info!(target: AUDIT, "{} at {} asked for: {what}", asked.who, asked.from);
    }

    /// Which day the page's address asks for, and what is known of it.
    async fn shown(&self, query: &str, today: &str) -> page::Shown {
        let mut shown = page::Shown { filter: page::Filter::of(query), ..page::Shown::default() };
        let Some(today) = request::date(today) else { return shown };
        let asked = request::field(query.as_bytes(), "day").filter(|day| !day.is_empty());
        let day = match asked.as_deref().map(|text| request::date(text).ok_or(text)) {
            None => today,
            Some(Ok(day)) => day,
            Some(Err(text)) => {
                shown.no_day = Some(text.chars().take(40).collect());
                return shown;
            }
        };
        if day != today {
            let source = Arc::clone(&self.source);
            let rows = tokio::task::spawn_blocking(move || source.rows(day)).await;
            shown.filter.day = Some(day.to_string());
            shown.rows = Some(match rows {
                Ok(rows) => rows.map_err(|refused| refused.message),
                Err(_) => Err("The day’s rows cannot be read; the log says more.".to_owned()),
            });
        }
        let states = self.states(day, day).await;
        shown.states = Some(
            states.and_then(|mut days| days.pop().ok_or_else(|| "Nothing is known of this day.".to_owned())),
        );
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
                    return error(StatusCode::BAD_REQUEST, "This is no address of an update.", &reason);
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

    /// Starts an action; its outcome, or after a moment that it goes on by itself.
    pub(super) async fn outcome(&self, action: Action) -> ActionResult {
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
            Who::Person { .. } => json(StatusCode::OK, &acted(&self.outcome(Action::InstallReceived).await)),
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
}

/// A request, read.
pub(super) struct Asked {
    pub(super) headers: HeaderMap,
    pub(super) query: String,
    pub(super) body: Bytes,
    pub(super) part: Option<String>,
    pub(super) who: Who,
    pub(super) from: IpAddr,
}

impl Asked {
    /// The log-in's token for forms; empty for a script.
    pub(super) fn csrf(&self) -> &str {
        match &self.who {
            Who::Person { csrf, .. } => csrf,
            _ => "",
        }
    }
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
                | Endpoint::EnrolPicture
                | Endpoint::Icon
                | Endpoint::Events
        )
    );
    !by_itself && !headers.contains_key(REFRESH_HEADER)
}

/// What a change gets that a person's browser sends and the person did not ask for.
fn not_from_the_page(
    route: &routes::Route,
    who: &Who,
    headers: &HeaderMap,
    body: &[u8],
    from: IpAddr,
) -> Option<Reply> {
    let Who::Person { csrf, .. } = who else { return None };
    let changes = matches!(route.access, Access::Full | Access::PageChange | Access::PersonChange);
    if !changes || wanted_by_the_person(csrf, headers, body) {
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
fn wanted_by_the_person(csrf: &str, headers: &HeaderMap, body: &[u8]) -> bool {
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
        Who::Person { .. } if wants_page(headers) => page::not_allowed(),
        Who::Person { account, role, .. } => error(
            StatusCode::FORBIDDEN,
            &format!("The account {account} may not do this: its role is {role}."),
            "Log in with another account, or ask the technician.",
        ),
        Who::Token { .. } => error(
            StatusCode::FORBIDDEN,
            "This token may not do this.",
            "A token with full access, or with another role, may.",
        ),
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

pub(super) fn body_refused(refused: request::BodyRefused) -> Reply {
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

pub(super) fn busy() -> Reply {
    let mut reply =
        error(StatusCode::SERVICE_UNAVAILABLE, "Too many look at once; try again in a moment.", "");
    retry_after(&mut reply, Duration::from_secs(4));
    reply
}

pub(super) fn unexpected() -> Reply {
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
