//! Asking the file browser: with the credential, below the base, again when it may help.

use http::header::{ACCEPT, ACCEPT_ENCODING, CONTENT_ENCODING, HeaderValue, LOCATION, TRANSFER_ENCODING};
use http::{HeaderMap, StatusCode};

use super::error::Error;
use super::link::{Base, Place};
use crate::http::{Client, Reply, Retry};
use base::secret::without_credentials;

/// Largest page of the base, which is read alone. 100,000 links take about 15 MB.
const MAX_BASE_BYTES: u64 = 40_000_000;

/// Largest page of a folder below: as many are in memory as requests are at work (`CONCURRENCY`).
const MAX_FOLDER_BYTES: u64 = 8_000_000;

/// Redirects followed for one request: a missing slash is one, a name in another spelling another.
const MAX_REDIRECTS: usize = 4;

/// The file browser.
#[derive(Debug)]
pub(super) struct Site {
    pub(super) client: Client,
    pub(super) base: Base,
    pub(super) retry: Retry,
}

/// A page as it came.
#[derive(Debug)]
pub(super) struct Found {
    /// Where it was found, after redirects.
    pub(super) at: Place,
    pub(super) content: bytes::Bytes,
    /// Whether the answer said where it ends: if not, one that broke off looks like a whole one.
    pub(super) is_framed: bool,
}

impl Site {
    /// Fetches a directory page.
    ///
    /// # Errors
    /// [`Error`] after the last try.
    pub(super) async fn page(&self, place: &Place) -> Result<Found, Error> {
        let limit = if place.segments().is_empty() { MAX_BASE_BYTES } else { MAX_FOLDER_BYTES };
        let mut headers = HeaderMap::new();
        headers.insert(ACCEPT, HeaderValue::from_static("text/html, application/json;q=0.9, */*;q=0.1"));
        let attempt = || async {
            let (at, reply) = self.open(place, headers.clone()).await?;
            if reply.status != StatusCode::OK {
                return Err(reply.unwanted().into());
            }
            let is_framed = reply.content_length().is_some() || reply.header(&TRANSFER_ENCODING).is_some();
            Ok(Found { at, content: reply.read(limit).await?.body, is_framed })
        };
        self.retry.run(attempt, Error::is_transient).await
    }

    /// Asks once for `place`, following redirects below the base. The reply may have any status that is no
    /// redirect.
    ///
    /// # Errors
    /// [`Error::Http`] without an answer, [`Error::Redirected`] for a redirect that leads elsewhere or in a
    /// circle.
    pub(super) async fn open(&self, place: &Place, mut headers: HeaderMap) -> Result<(Place, Reply), Error> {
        // What is counted, hashed and resumed are the bytes of the file.
        headers.insert(ACCEPT_ENCODING, HeaderValue::from_static("identity"));
        let mut place = place.clone();
        let mut reply = self.client.get(&self.base.url(&place), headers.clone()).await?;
        for _ in 0..MAX_REDIRECTS {
            if !reply.status.is_redirection() || reply.status == StatusCode::NOT_MODIFIED {
                let encoding = reply.header(&CONTENT_ENCODING).unwrap_or("identity");
                if !encoding.eq_ignore_ascii_case("identity") {
                    return Err(Error::Answer(format!("the server answers encoded ({encoding}), unasked")));
                }
                return Ok((place, reply));
            }
            let Some(location) = reply.header(&LOCATION) else { return Err(reply.unwanted().into()) };
            let to = self.base.redirect(&place, location).map_err(|reason| Error::Redirected {
                from: without_credentials(&self.base.url(&place)),
                to: location.split(['?', '#']).next().unwrap_or("").chars().take(200).collect(),
                reason,
            })?;
            place = to;
            reply = self.client.get(&self.base.url(&place), headers.clone()).await?;
        }
        Err(reply.unwanted().into())
    }
}
