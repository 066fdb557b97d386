//! Asking the file browser: with the credential, below the base, again when it may help.

use std::sync::OnceLock;

use bytes::Bytes;
use http::header::{ACCEPT, ACCEPT_ENCODING, HeaderValue, LOCATION};
use http::{HeaderMap, Method, StatusCode};

use super::error::Error;
use super::link::{Base, Place};
use crate::http::{Client, Reply, Retry, portal};
use base::secret::without_credentials;

/// Largest page of the base, which is read alone. 100,000 links take about 15 MB.
const MAX_BASE_BYTES: u64 = 40_000_000;

/// Largest page of a folder below: as many are in memory as requests are at work (`CONCURRENCY`).
const MAX_FOLDER_BYTES: u64 = 8_000_000;

/// Redirects followed for one request. A missing slash costs one, another spelling of a name costs another.
const MAX_REDIRECTS: usize = 4;

/// The file browser.
#[derive(Debug)]
pub(super) struct Site {
    pub(super) client: Client,
    base: Base,
    /// The base over HTTPS, once the server redirected there.
    encrypted: OnceLock<Base>,
    retry: Retry,
}

/// A page as it came.
#[derive(Debug)]
pub(super) struct Found {
    /// Where it was found, after redirects.
    pub(super) at: Place,
    pub(super) content: Bytes,
    /// Whether the answer said where it ends: if not, one that broke off looks like a whole one.
    pub(super) is_framed: bool,
    /// What is wrong if it turns out to be no listing: it asks for a password.
    pub(super) log_in: Option<crate::http::Error>,
}

impl Site {
    /// The file browser at `base`.
    pub(super) fn new(client: Client, base: Base, retry: Retry) -> Self {
        Self { client, base, encrypted: OnceLock::new(), retry }
    }

    /// Where it is.
    pub(super) fn base(&self) -> &Base {
        self.encrypted.get().unwrap_or(&self.base)
    }

    /// Tries again what may pass.
    pub(super) fn retry(&self) -> Retry {
        self.retry
    }

    /// Fetches a directory page.
    ///
    /// # Errors
    /// [`Error`] after the last try.
    pub(super) async fn page(&self, place: &Place) -> Result<Found, Error> {
        let limit = if place.segments().is_empty() { MAX_BASE_BYTES } else { MAX_FOLDER_BYTES };
        let mut headers = HeaderMap::new();
        headers.insert(ACCEPT, HeaderValue::from_static("text/html, application/json;q=0.9, */*;q=0.1"));
        let attempt = || async {
            let (at, reply) = self.open(Method::GET, place, headers.clone()).await?;
            if reply.status != StatusCode::OK {
                return Err(reply.unwanted().into());
            }
            let (is_framed, log_in) = (reply.is_framed(), reply.is_a_page());
            let content = reply.read(limit).await?.body;
            let log_in = portal::asks_for_a_password(&content).then_some(log_in);
            Ok(Found { at, content, is_framed, log_in })
        };
        self.retry.run(attempt, Error::is_transient).await
    }

    /// Asks once for `place`, following redirects below the base. The reply may have any status that is no
    /// redirect.
    ///
    /// # Errors
    /// [`Error::Http`] without an answer, [`Error::Redirected`] for a redirect that leads elsewhere or in a
    /// circle.
    pub(super) async fn open(
        &self,
        method: Method,
        place: &Place,
        mut headers: HeaderMap,
    ) -> Result<(Place, Reply), Error> {
        // Where lengths are compared, compression is in the way.
        headers.insert(ACCEPT_ENCODING, HeaderValue::from_static("identity"));
        let mut place = place.clone();
        let mut turn = 0;
        loop {
            let url = self.base().url(&place);
            let reply = self.client.send(method.clone(), &url, headers.clone(), Bytes::new()).await?;
            if !reply.status.is_redirection() || reply.status == StatusCode::NOT_MODIFIED {
                return Ok((place, reply));
            }
            let Some(location) = reply.header(&LOCATION).filter(|_| turn < MAX_REDIRECTS) else {
                return Err(reply.unwanted().into());
            };
            let encrypted = self.base().encrypted(&place, location);
            let to = encrypted.as_ref().unwrap_or(self.base()).redirect(&place, location);
            place = to.map_err(|reason| match reason {
                super::link::Refused::OtherHost => Error::Http(reply.unwanted()),
                _ => Error::Redirected {
                    from: without_credentials(&url),
                    to: location.split(['?', '#']).next().unwrap_or("").chars().take(200).collect(),
                    reason,
                },
            })?;
            turn += 1;
            if let Some(encrypted) = encrypted {
                log::info!(
                    "the file browser is on https; write https:// in photos.url, for the first request \
                            still carries the key in clear"
                );
                // Another request may have been redirected there at the same time.
                let _ = self.encrypted.set(encrypted);
            }
        }
    }
}
