//! From a request to an answer: who asks, whether they may, and which endpoint answers.

use std::net::IpAddr;
use std::sync::{Arc, Mutex};
use std::time::Instant;

use arc_swap::ArcSwap;
use bytes::Bytes;
use http::header::{ALLOW, HeaderValue};
use http::{Request, StatusCode};
use office::students::MOST_BYTES;
use tokio::sync::Semaphore;

use super::asked::{Asked, by_a_person, not_from_the_page};
use super::auth::{AccessGuard, MustWait};
use super::certificate::Identity;
use super::history::History;
use super::jobs::Jobs;
use super::judge::Judge;
use super::limits::Limits;
use super::refusals::{body_refused, must_wait, refused};
use super::reply::{Reply, error, secured};
use super::rights::Rights;
use super::routes::{Access, Endpoint, Found};
use super::{request, routes};
use access::audit::AUDIT;
use access::role::Role;
use base::event::Bus;
use view::{Control, Problem, Source, View};

/// Photos looked at again at once, for the technician: each runs the detector, which recognition needs too.
const DETECTIONS_AT_ONCE: usize = 1;

/// What every request needs.
pub(super) struct Service {
    pub(super) source: Arc<dyn Source>,
    pub(super) judge: Judge,
    pub(super) jobs: Jobs,
    pub(super) bus: Bus,
    pub(super) door: Arc<AccessGuard>,
    pub(super) identity: Arc<ArcSwap<Identity>>,
    pub(super) limits: Limits,
    pub(super) rights: Rights,
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
    pub(super) health: Mutex<Option<(Instant, bool)>>,
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
        // Unauthenticated clients get the same answer for known and unknown paths.
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

    pub(super) fn judged(&self) -> (View, Vec<Problem>) {
        self.judge.judged()
    }

    /// Whether the sender may use what leads to an endpoint.
    pub(super) fn may(&self, asked: &Asked, endpoint: Endpoint) -> bool {
        asked.who.may(Access::Page, self.rights.least(endpoint))
    }

    /// A change in the log, with who asked for it.
    pub(super) fn log_change(&self, asked: &Asked, what: &str) {
        log::info!(target: AUDIT, "{} at {} asked for: {what}", asked.who, asked.from);
    }
}
