//! The sections `[webhook]` and `[tls]` of the configuration.

use std::path::PathBuf;
use std::time::Duration;

use base::secret::{Secret, SecretUrl};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Where attendance rows go.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Webhook {
    /// The webhook's URL. Without it rows are kept in the journal and the CSV files only.
    #[schemars(with = "Option<String>")]
    pub url: Option<SecretUrl>,
    /// The key, sent as the header X-Webhook-Key.
    #[schemars(with = "Option<String>")]
    pub key: Option<Secret>,
    /// SHA-256 fingerprint (hex, colons allowed) of the one certificate that the webhook must show. Takes the
    /// place of tls.pinned_sha256 for this server.
    pub pinned_sha256: Option<String>,
    /// Time between two uploads when there is something to deliver.
    #[serde(with = "humantime_serde")]
    #[schemars(with = "String")]
    pub interval: Duration,
    /// Rows in one request, 1 to 1000 (the backend's limit).
    pub batch_rows: usize,
    /// Add the door's name (site.name) to each row, in a fourth column called "door", for a backend that can
    /// take it. Without it rows have the three columns that every backend takes.
    pub door_column: bool,
    /// Time-out of one request.
    #[serde(with = "humantime_serde")]
    #[schemars(with = "String")]
    pub timeout: Duration,
}

impl Default for Webhook {
    fn default() -> Self {
        Self {
            url: None,
            key: None,
            pinned_sha256: None,
            interval: Duration::from_secs(60),
            batch_rows: 500,
            door_column: false,
            timeout: Duration::from_secs(30),
        }
    }
}

/// Whom to trust on the network. Certificates are always verified.
#[derive(Debug, Clone, Default, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Tls {
    /// PEM file with further certificate authorities, beside the system's, or with a server's own self-signed
    /// certificate: that one is then accepted as it is, whatever its name and dates.
    pub ca_file: Option<PathBuf>,
    /// SHA-256 fingerprint (hex, colons allowed) of the one certificate that a server must show, for a
    /// self-signed server. Replaces the certificate authorities. Counts for every server that has no pin of
    /// its own: photos.pinned_sha256, webhook.pinned_sha256, update.pinned_sha256, fleet.pinned_sha256.
    pub pinned_sha256: Option<String>,
    /// Accept addresses that begin with http:// without a warning. Keys, photos and rows then travel in
    /// clear: everybody on the network can read them, put in photos and acknowledge rows. Without it such
    /// addresses work, too, and are reported for as long as they are in use.
    pub allow_plain: bool,
    /// Which server this is for: messages name its setting.
    #[serde(skip)]
    pub server: Server,
    /// The way to the servers: what `network.proxy` and `network.no_proxy` say.
    #[serde(skip)]
    pub proxy: Proxy,
}

impl Tls {
    /// The trust for one server, whose own pin, if it has one, takes the place of the one for all.
    #[must_use]
    pub fn of(&self, server: Server, pin: Option<&String>) -> Self {
        Self { pinned_sha256: pin.or(self.pinned_sha256.as_ref()).cloned(), server, ..self.clone() }
    }
}

/// The HTTP proxy between the device and the servers.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Proxy {
    /// Its address, with user and password where it asks for them. None: servers are asked directly.
    pub url: Option<SecretUrl>,
    /// Names, addresses and networks that are asked directly. The device itself always is.
    pub except: Vec<String>,
}

/// The device itself, which is never asked through a proxy.
const ITSELF: &str = "localhost,127.0.0.0/8,::1";

impl Proxy {
    /// The exceptions as curl and most other programs take them.
    pub fn no_proxy(&self) -> String {
        std::iter::once(ITSELF).chain(self.except.iter().map(String::as_str)).collect::<Vec<_>>().join(",")
    }

    /// The environment variables for a program that must use the same proxy (RAUC, by libcurl); empty without
    /// a proxy. User and password are in them.
    pub fn environment(&self) -> Vec<(&'static str, Secret)> {
        let Some(url) = &self.url else { return Vec::new() };
        let url = url.expose();
        // A port that is the scheme's own is left out in a URL; libcurl takes 1080 then.
        let port = url.port_or_known_default().map(|port| format!(":{port}")).unwrap_or_default();
        let with_user = &url[..url::Position::AfterHost];
        let proxy = Secret::new(format!("{with_user}{port}"));
        let no = Secret::new(self.no_proxy());
        vec![("http_proxy", proxy.clone()), ("https_proxy", proxy), ("no_proxy", no)]
    }
}

/// A server that the device asks.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Server {
    /// Any.
    #[default]
    Any,
    /// The file browser of the photos.
    Photos,
    /// The webhook.
    Webhook,
    /// The server of updates.
    Update,
    /// The fleet's server.
    Fleet,
}

impl Server {
    /// The setting that pins its certificate.
    pub fn pin(self) -> &'static str {
        match self {
            Self::Any => "tls.pinned_sha256",
            Self::Photos => "photos.pinned_sha256",
            Self::Webhook => "webhook.pinned_sha256",
            Self::Update => "update.pinned_sha256",
            Self::Fleet => "fleet.pinned_sha256",
        }
    }

    /// The setting that names its address.
    pub fn address(self) -> &'static str {
        match self {
            Self::Any => "the address",
            Self::Photos => "photos.url",
            Self::Webhook => "webhook.url",
            Self::Update => "update.url",
            Self::Fleet => "fleet.url",
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn port_of_the_proxy_is_always_written() {
        for (url, written) in [
            ("http://u:p@proxy.example:80", "http://u:p@proxy.example:80"),
            ("http://proxy.example/", "http://proxy.example:80"),
            ("http://u:p%40q@[2001:db8::1]:3128", "http://u:p%40q@[2001:db8::1]:3128"),
        ] {
            let url = serde_json::from_value(serde_json::json!(url)).unwrap();
            let environment = Proxy { url: Some(url), except: Vec::new() }.environment();
            for name in ["http_proxy", "https_proxy"] {
                assert!(environment.iter().any(|(key, value)| *key == name && value.expose() == written));
            }
        }
    }
}
