//! Values that must never be seen: keys, and URLs whose query string is a key.
//!
//! Neither type can be printed whole. `Debug`, `Display` and `Serialize` show a placeholder, so that a log
//! line, an error, a status page or a support bundle built from them cannot leak; the one way to the value is
//! a call that says so.

use std::fmt;

use serde::{Deserialize, Deserializer, Serialize, Serializer};
use url::Url;

/// What stands in the place of a secret wherever it would be shown.
const HIDDEN: &str = "[hidden]";

/// A key or password.
#[derive(Clone, PartialEq, Eq)]
pub struct Secret(String);

impl Secret {
    /// Wraps a value that must not be shown.
    pub fn new(value: impl Into<String>) -> Self {
        Self(value.into())
    }

    /// The value itself, for the one place that sends or compares it.
    pub fn expose(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(HIDDEN)
    }
}

impl Serialize for Secret {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(HIDDEN)
    }
}

impl<'de> Deserialize<'de> for Secret {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        text_unseen(deserializer).map(Self)
    }
}

/// An `http` or `https` URL whose query string or user part may be a credential.
///
/// Shown without query, fragment, user and password.
#[derive(Clone, PartialEq, Eq)]
pub struct SecretUrl(Url);

impl SecretUrl {
    /// Accepts absolute `http` and `https` URLs with a host.
    ///
    /// # Errors
    /// A message that names what is wrong, without the URL itself.
    pub fn parse(text: &str) -> Result<Self, String> {
        let url = Url::parse(text)
            .map_err(|error| format!("not a URL ({error}); write it like https://backend.example/path"))?;
        if !matches!(url.scheme(), "http" | "https") {
            return Err(format!("the scheme is {:?}; only http and https are supported", url.scheme()));
        }
        if url.host().is_none() {
            return Err("the URL names no host".to_owned());
        }
        Ok(Self(url))
    }

    /// The whole URL, credential included, for the client that sends the request.
    pub fn expose(&self) -> &Url {
        &self.0
    }

    /// Whether requests to it are encrypted.
    pub fn is_https(&self) -> bool {
        self.0.scheme() == "https"
    }
}

impl fmt::Display for SecretUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&without_credentials(&self.0))
    }
}

impl fmt::Debug for SecretUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl Serialize for SecretUrl {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for SecretUrl {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = text_unseen(deserializer)?;
        Self::parse(&text).map_err(serde::de::Error::custom)
    }
}

/// A text, or an error that does not repeat the value: serde's own error would name a number found instead.
fn text_unseen<'de, D: Deserializer<'de>>(deserializer: D) -> Result<String, D::Error> {
    match serde_json::Value::deserialize(deserializer)? {
        serde_json::Value::String(text) => Ok(text),
        _ => Err(serde::de::Error::custom("must be a text in quotes")),
    }
}

/// `url` as it may be logged: scheme, host, port and path.
pub fn without_credentials(url: &Url) -> String {
    let mut shown = url.clone();
    shown.set_query(None);
    shown.set_fragment(None);
    // Both fail only for URLs that cannot have a user part, which then need no clearing.
    let _ = shown.set_username("");
    let _ = shown.set_password(None);
    shown.to_string()
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn a_secret_is_shown_nowhere() {
        let secret = Secret::new("k3y");
        assert_eq!(format!("{secret:?}"), HIDDEN);
        assert_eq!(serde_json::to_string(&secret).unwrap(), "\"[hidden]\"");
        assert_eq!(secret.expose(), "k3y");
    }

    #[test]
    fn url_is_shown_without_credentials() {
        let url = SecretUrl::parse("https://user:pw@backend.example:8443/media/a%20b/?key=k3y#top").unwrap();
        for shown in [url.to_string(), format!("{url:?}"), serde_json::to_string(&url).unwrap()] {
            assert_eq!(shown.trim_matches('"'), "https://backend.example:8443/media/a%20b/");
        }
    }

    #[test]
    fn refusals_never_repeat_the_url() {
        for text in ["ftp://backend.example/?key=k3y", "backend.example?key=k3y", "http:///x?key=k3y#k3y"] {
            if let Err(message) = SecretUrl::parse(text) {
                assert!(!message.contains("k3y"), "{message}");
            }
        }
        assert!(SecretUrl::parse("ftp://backend.example/").is_err());
    }
}
