//! What a server offers: `latest.json`, the small file that scripts/build-image puts beside a bundle.

use std::time::Duration;

use http::{HeaderMap, StatusCode};
use serde::Deserialize;
use url::Url;

use backend::config::Tls;
use backend::http::{Client, Timeouts};
use base::secret::SecretUrl;

/// Largest offer read. A usual one has 200 bytes.
const MAX_BYTES: u64 = 16 * 1024;

/// For the whole question.
const LIMIT: Duration = Duration::from_secs(60);

/// A newer bundle, perhaps.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Offer {
    /// Its version.
    pub version: String,
    /// Where it lies.
    pub bundle: Url,
}

/// Why there is no offer.
#[derive(Debug, thiserror::Error)]
pub enum OfferError {
    /// The configured trust cannot be set up.
    #[error(transparent)]
    Tls(#[from] backend::http::TlsConfigError),
    /// The server did not answer.
    #[error("cannot ask for updates: {0}")]
    Http(#[from] backend::http::Error),
    /// The answer is not an offer.
    #[error(
        "{url} is not an offer of an update ({reason}); it must be the latest.json that build-image makes"
    )]
    Content {
        /// What was asked.
        url: String,
        /// What is wrong.
        reason: String,
    },
}

#[derive(Deserialize)]
struct Latest {
    version: String,
    bundle: String,
}

/// Asks the server.
///
/// # Errors
/// [`OfferError`].
pub async fn ask(url: &SecretUrl, tls: &Tls) -> Result<Offer, OfferError> {
    let client = Client::new(tls, Timeouts::whole(LIMIT))?;
    let reply = client.get(url.expose(), HeaderMap::new()).await?;
    if reply.status != StatusCode::OK {
        return Err(reply.unwanted().into());
    }
    let answer = client.data(url.expose(), reply.read(MAX_BYTES).await?)?;
    read(&answer.body, url.expose()).map_err(|reason| OfferError::Content { url: url.to_string(), reason })
}

/// An offer's text, found at `url`. The bundle may lie anywhere, but is fetched over HTTPS alone: its
/// signature protects what it is, not who learns of it. A credential in the address is not handed on.
fn read(text: &[u8], url: &Url) -> Result<Offer, String> {
    let latest: Latest = serde_json::from_slice(text).map_err(|error| error.to_string())?;
    let bundle = url.join(&latest.bundle).map_err(|error| format!("bundle: {error}"))?;
    if bundle.scheme() != "https" {
        return Err("bundle: only https addresses are fetched".to_owned());
    }
    Ok(Offer { version: latest.version, bundle })
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn bundle_addresses_must_be_https() {
        let url = Url::parse("https://updates.backend.example/rpi5/latest.json?key=s3cr3t").unwrap();
        let bundle = |name: &str| {
            let text = format!(r#"{{"version": "1.2.0", "bundle": "{name}", "bytes": 1, "sha256": ""}}"#);
            read(text.as_bytes(), &url).map(|offer| offer.bundle.to_string())
        };
        assert_eq!(
            bundle("attendance-rpi5-1.2.0+1.raucb").unwrap(),
            "https://updates.backend.example/rpi5/attendance-rpi5-1.2.0+1.raucb"
        );
        assert_eq!(bundle("https://cdn.example/a.raucb").unwrap(), "https://cdn.example/a.raucb");
        for bad in ["http://cdn.example/a.raucb", "file:///etc/passwd", "ftp://cdn.example/a"] {
            assert!(bundle(bad).is_err(), "{bad}");
        }
        assert!(read(b"<html>", &url).is_err());
    }
}
