//! Asking the file browser: with the credential, below the base, again when it may help.

use http::header::{ACCEPT, ACCEPT_ENCODING, CONTENT_ENCODING, HeaderValue, LOCATION};
use http::{HeaderMap, StatusCode};

use super::error::Error;
use super::link::{Base, Place};
use crate::http::{Client, Reply, Retry};
use base::secret::without_credentials;

/// Largest listing page. 100,000 links take about 15 MB.
const MAX_PAGE_BYTES: u64 = 40_000_000;

/// Redirects followed for one request: a missing slash is one, a name in another spelling another.
const MAX_REDIRECTS: usize = 4;

/// The file browser.
#[derive(Debug)]
pub(super) struct Site {
    pub(super) client: Client,
    pub(super) base: Base,
    pub(super) retry: Retry,
}

impl Site {
    /// Fetches a directory page; the place it was found at (after redirects) and its content.
    ///
    /// # Errors
    /// [`Error`] after the last try.
    pub(super) async fn page(&self, place: &Place) -> Result<(Place, bytes::Bytes), Error> {
        let mut headers = HeaderMap::new();
        headers.insert(ACCEPT, HeaderValue::from_static("text/html, application/json;q=0.9, */*;q=0.1"));
        let attempt = || async {
            let (found, reply) = self.open(place, headers.clone()).await?;
            if reply.status != StatusCode::OK {
                return Err(reply.unwanted().into());
            }
            Ok((found, reply.read(MAX_PAGE_BYTES).await?.body))
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
