//! A fleet's server: Eclipse hawkBit's Direct Device Integration (DDI) API, as a device speaks it.
//!
//! # Why not rauc-hawkbit-updater
//! It closes an action with "success" as soon as RAUC has written the slot (its `install_complete_cb`),
//! before the new system was ever started. The server would list a door as updated that rolled the update
//! back. A rollout must stop when the first doors fail, but would then go on to the next.
//! rauc-hawkbit-updater knows neither our part of the day nor our health check. So an action is closed here
//! only when the trial is over: success when the new system committed itself, failure, with the check and its
//! reason, when it was rolled back.
//!
//! # Design
//! [`Fleet`] asks and tells; it keeps nothing. [`Action`] is what must outlive the restart, in the
//! appliance's own folder of updates; [`Action::verdict`] is pure. hawkBit's own words: a *target* is a door,
//! an *action* asks it for one deployment. Reference: hawkBit's DDI API documentation
//! (`/{tenant}/controller/v1/{controllerId}`).
//!
//! # Limitations
//! One bundle a deployment: the first `.raucb` of its artifacts. An installed update cannot be cancelled any
//! more.

mod action;

use std::time::Duration;

use bytes::Bytes;
use http::header::{ACCEPT, AUTHORIZATION, CONTENT_TYPE};
use http::{HeaderMap, HeaderValue, Method, StatusCode};
use serde_json::{Value, json};
use url::Url;

pub use self::action::{Action, Feedback};
use super::view::SystemsView;
use crate::config;
use backend::config::Server;
use backend::http::{Client, Timeouts};
use base::failure::{Diagnosis, Fault};
use base::secret::Secret;

/// Largest answer read. A deployment of a few artifacts has 3 KB.
const MAX_BYTES: u64 = 256 * 1024;

/// Most values in an answer. A deployment of a few artifacts has some hundred.
const MAX_VALUES: usize = 10_000;

/// For each request.
const LIMIT: Duration = Duration::from_secs(60);

/// Shortest and longest time between two questions, whatever the server says: it may not be flooded nor
/// forgotten.
const SLEEP: (Duration, Duration) = (Duration::from_secs(30), Duration::from_secs(24 * 3600));

/// Where the time between two questions is not told.
const USUAL_SLEEP: Duration = Duration::from_secs(300);

/// Why the fleet's server could not be asked or told.
#[derive(Debug, thiserror::Error)]
pub enum FleetError {
    /// The configured trust cannot be set up.
    #[error(transparent)]
    Tls(#[from] backend::http::TlsConfigError),
    /// The server did not answer, or not as it should.
    #[error("{}", self.fault())]
    Http(#[from] backend::http::Error),
    /// The answer is not hawkBit's.
    #[error("{}", self.fault())]
    Content {
        /// What was asked.
        url: String,
        /// What is wrong.
        reason: String,
    },
    /// A setting cannot be used.
    #[error("{}", self.fault())]
    Setting {
        /// Its name.
        setting: &'static str,
        /// What is wrong.
        reason: String,
    },
}

impl Diagnosis for FleetError {
    fn fault(&self) -> Fault {
        match self {
            Self::Tls(error) => error.fault(),
            Self::Http(error) => {
                error.fault().described(|what| format!("cannot speak with the fleet's server: {what}"))
            }
            Self::Content { url, reason } => {
                Fault::new(format!("the fleet's server at {url} does not answer as hawkBit does ({reason})"))
                    .advise("check fleet.url")
            }
            Self::Setting { setting, reason } => {
                Fault::new(format!("fleet.{setting} cannot be used: {reason}"))
            }
        }
    }
}

/// A fleet's server and this door's place in it.
#[derive(Debug, Clone)]
pub struct Fleet {
    client: Client,
    /// The door's own resource, from which all links go out.
    target: Url,
    authorization: Secret,
}

/// The server's answer to the question whether there is anything to do.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Orders {
    /// When it wants to be asked again.
    pub sleep: Duration,
    /// Where it wants to be told about this door.
    pub attributes: Option<Url>,
    /// The deployment it asks for.
    pub deployment: Option<Url>,
    /// The action that is to be cancelled.
    pub cancel: Option<Url>,
}

/// A deployment.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Deployment {
    /// The action that asks for it.
    pub action: String,
    /// Where its bundle lies; none when it has none.
    pub bundle: Option<Url>,
    /// Whether the server wants it to wait: its own maintenance window is not open.
    pub is_to_wait: bool,
}

impl Fleet {
    /// The configured server; none where there is none.
    ///
    /// # Errors
    /// [`FleetError`] when the settings cannot be used.
    pub fn from_config(
        fleet: &config::Fleet,
        tls: &backend::config::Tls,
    ) -> Result<Option<Self>, FleetError> {
        let Some(server) = &fleet.url else { return Ok(None) };
        let name = match &fleet.target {
            Some(name) => name.clone(),
            None => rustix::system::uname().nodename().to_string_lossy().into_owned(),
        };
        let (scheme, token) = match (&fleet.target_token, &fleet.gateway_token) {
            (Some(token), _) => ("TargetToken", token),
            (None, Some(token)) => ("GatewayToken", token),
            (None, None) => {
                return Err(FleetError::Setting {
                    setting: "target_token",
                    reason: "neither it nor fleet.gateway_token is set".to_owned(),
                });
            }
        };
        let mut target = server.expose().clone();
        let path = target.path_segments_mut().map(|mut path| {
            path.pop_if_empty().extend([&fleet.tenant, "controller", "v1", &name]);
        });
        path.map_err(|()| FleetError::Setting { setting: "url", reason: "it has no path".to_owned() })?;
        let authorization = Secret::new(format!("{scheme} {}", token.expose()));
        let tls = tls.of(Server::Fleet, fleet.pinned_sha256.as_ref());
        Ok(Some(Self { client: Client::new(&tls, Timeouts::whole(LIMIT))?, target, authorization }))
    }

    /// Asks whether there is anything to do.
    ///
    /// # Errors
    /// [`FleetError`].
    pub async fn ask(&self) -> Result<Orders, FleetError> {
        let answer = self.get(&self.target).await?;
        let link = |name: &str| self.own_link(&answer["_links"][name]["href"]);
        let sleep = answer["config"]["polling"]["sleep"].as_str().and_then(clock_time).unwrap_or(USUAL_SLEEP);
        Ok(Orders {
            sleep: sleep.clamp(SLEEP.0, SLEEP.1),
            attributes: link("configData"),
            deployment: link("deploymentBase"),
            cancel: link("cancelAction"),
        })
    }

    /// Reads what a deployment asks for.
    ///
    /// # Errors
    /// [`FleetError`].
    pub async fn deployment(&self, link: &Url) -> Result<Deployment, FleetError> {
        let answer = self.get(link).await?;
        let content = |reason: &str| FleetError::Content { url: shown(link), reason: reason.to_owned() };
        let action = answer["id"].as_str().ok_or_else(|| content("no id"))?.to_owned();
        let order = &answer["deployment"];
        let chunks = order["chunks"].as_array().ok_or_else(|| content("no chunks"))?;
        let artifacts = chunks.iter().flat_map(|chunk| chunk["artifacts"].as_array().into_iter().flatten());
        let bundle = artifacts
            .filter(|artifact| artifact["filename"].as_str().is_some_and(|name| name.ends_with(".raucb")))
            .find_map(|artifact| self.link(&artifact["_links"]["download"]["href"]));
        // "skip" is said outside the server's maintenance window.
        Ok(Deployment { action, bundle, is_to_wait: order["update"] == "skip" })
    }

    /// The header with which a bundle is fetched, where it lies on the fleet's own server. Others do not
    /// learn the token.
    pub fn header_for(&self, bundle: &Url) -> Option<Secret> {
        (bundle.origin() == self.target.origin())
            .then(|| Secret::new(format!("Authorization: {}", self.authorization.expose())))
    }

    /// Tells how an action goes. An action that the server has closed or forgotten meanwhile is not an error.
    ///
    /// # Errors
    /// [`FleetError`] when the server did not take it.
    pub async fn tell(&self, action: &str, feedback: &Feedback) -> Result<(), FleetError> {
        let (execution, finished, detail) = match feedback {
            Feedback::Proceeding(detail) => ("proceeding", "none", detail),
            Feedback::Success(detail) => ("closed", "success", detail),
            Feedback::Failure(detail) => ("closed", "failure", detail),
        };
        self.report("deploymentBase", action, execution, finished, detail).await
    }

    /// Answers the wish to cancel an action: granted, or refused because it is installed already.
    ///
    /// # Errors
    /// [`FleetError`].
    pub async fn answer_cancel(&self, link: &Url, installed: Option<&Action>) -> Result<(), FleetError> {
        let answer = self.get(link).await?;
        let content = |reason: &str| FleetError::Content { url: shown(link), reason: reason.to_owned() };
        let id = answer["id"].as_str().ok_or_else(|| content("no id"))?;
        let stop = answer["cancelAction"]["stopId"].as_str().unwrap_or(id);
        match installed.filter(|action| action.id == stop) {
            Some(_) => {
                self.report(
                    "cancelAction",
                    id,
                    "rejected",
                    "none",
                    "It is installed and waits for its trial.",
                )
                .await
            }
            None => self.report("cancelAction", id, "closed", "success", "Nothing of it was begun.").await,
        }
    }

    /// Tells the server what it may show and filter doors by.
    ///
    /// # Errors
    /// [`FleetError`].
    pub async fn describe(&self, link: &Url, version: &str, seen: &SystemsView) -> Result<(), FleetError> {
        let last = seen.sentence.clone().unwrap_or_default();
        let data = json!({"version": version, "slot": seen.slot.to_string(), "last_update": last});
        self.send(Method::PUT, link, &json!({"mode": "merge", "data": data})).await?;
        Ok(())
    }

    async fn report(
        &self,
        resource: &str,
        action: &str,
        execution: &str,
        finished: &str,
        detail: &str,
    ) -> Result<(), FleetError> {
        let mut url = self.target.clone();
        if let Ok(mut path) = url.path_segments_mut() {
            path.extend([resource, action, "feedback"]);
        }
        let status = json!({"execution": execution, "result": {"finished": finished}, "details": [detail]});
        self.send(Method::POST, &url, &json!({"id": action, "status": status})).await
    }

    async fn get(&self, url: &Url) -> Result<Value, FleetError> {
        let reply = self.client.get(url, self.headers()).await?;
        if reply.status != StatusCode::OK {
            return Err(reply.unwanted().into());
        }
        let answer = self.client.data(url, reply.read(MAX_BYTES).await?)?;
        backend::http::json::bounded(&answer.body, MAX_VALUES)
            .map_err(|error| FleetError::Content { url: shown(url), reason: error.to_string() })
    }

    async fn send(&self, method: Method, url: &Url, body: &Value) -> Result<(), FleetError> {
        let mut headers = self.headers();
        headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
        let reply = self.client.send(method, url, headers, Bytes::from(body.to_string())).await?;
        match reply.status {
            // Closed by somebody at the server, or removed from it: nobody waits for the answer any more.
            StatusCode::NOT_FOUND | StatusCode::GONE => Ok(()),
            status if status.is_success() => Ok(()),
            _ => Err(reply.unwanted().into()),
        }
    }

    fn headers(&self) -> HeaderMap {
        let mut headers = HeaderMap::new();
        headers.insert(ACCEPT, HeaderValue::from_static("application/hal+json, application/json"));
        headers.extend(Client::secret_header(&self.authorization).map(|value| (AUTHORIZATION, value)));
        headers
    }

    /// A link of an answer. It may lead to another server, which must not learn the token
    /// ([`Self::header_for`]).
    fn link(&self, value: &Value) -> Option<Url> {
        self.target.join(value.as_str()?).ok()
    }

    /// A link that is followed with the token: only one that stays on the server.
    fn own_link(&self, value: &Value) -> Option<Url> {
        let url = self.link(value)?;
        let stays = url.origin() == self.target.origin();
        if !stays {
            log::warn!(
                "the fleet's server links to another server ({}), which is not asked; check the server's own address \
                 in its settings",
                shown(&url)
            );
        }
        stays.then_some(url)
    }
}

/// `HH:MM:SS`.
fn clock_time(text: &str) -> Option<Duration> {
    let mut parts = text.split(':').map(|part| part.parse::<u64>().ok());
    let (hours, minutes, seconds) = (parts.next()??, parts.next()??, parts.next()??);
    (hours < 1000 && minutes < 60 && seconds < 60 && parts.next().is_none())
        .then(|| Duration::from_secs((hours * 60 + minutes) * 60 + seconds))
}

fn shown(url: &Url) -> String {
    base::secret::without_credentials(url)
}
