//! The section `[mqtt]` of the configuration.

use std::fmt;
use std::path::PathBuf;
use std::time::Duration;

use base::secret::Secret;
use base::unworkable::Unworkable;
use schemars::JsonSchema;
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use url::Url;

/// Shortest site key, in characters.
pub const SHORTEST_KEY: usize = 32;

/// Several doors of one school share what they have seen over an MQTT 5 broker. Home Assistant, Node-RED and
/// others see the door on the same broker.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Mqtt {
    /// The broker: "mqtts://broker.example:8883". Without it nothing is shared, and each door decides alone.
    #[schemars(with = "Option<String>")]
    pub url: Option<BrokerUrl>,
    /// The school's name in topics, the same at all of its doors: small letters, digits and "-".
    pub site: String,
    /// The key that the doors of the school share, at least 32 characters, the same at all of them. It hides
    /// roll numbers from the broker and proves that a message is from a door of the school. Make it with:
    /// openssl rand -hex 32
    #[schemars(with = "Option<String>")]
    pub site_key: Option<Secret>,
    /// User name at the broker.
    pub user: Option<String>,
    /// The user's password.
    #[schemars(with = "Option<String>")]
    pub password: Option<Secret>,
    /// PEM file with the certificate authority that signed the broker's certificate; empty: the system's
    /// authorities.
    pub ca_file: Option<PathBuf>,
    /// PEM file with this door's certificate, for a broker that asks for one.
    pub certificate_file: Option<PathBuf>,
    /// PEM file with the key of that certificate.
    pub key_file: Option<PathBuf>,
    /// How long a door must not have been heard before another door delivers the OUT rows in its place.
    #[serde(with = "humantime_serde")]
    #[schemars(with = "String")]
    pub grace: Duration,
    /// Publish each row with its roll number in clear, for Node-RED and others. Everybody who may read at the
    /// broker then learns who came and went when.
    pub rows: bool,
    /// Take commands (sync, upload, restart) from the broker. They carry no authentication code: everybody
    /// who may write at the broker can send them. Each is taken once a minute at most.
    pub commands: bool,
    /// Home Assistant's discovery prefix; empty: no discovery.
    pub discovery: String,
    /// Accept a broker address that begins with mqtt://. Password and messages then travel in clear.
    pub allow_plain: bool,
}

impl Default for Mqtt {
    fn default() -> Self {
        Self {
            url: None,
            site: "school".to_owned(),
            site_key: None,
            user: None,
            password: None,
            ca_file: None,
            certificate_file: None,
            key_file: None,
            grace: Duration::from_secs(600),
            rows: false,
            commands: false,
            discovery: "homeassistant".to_owned(),
            allow_plain: false,
        }
    }
}

impl Mqtt {
    /// Everything that cannot work. Empty without a broker: the other settings are then not in use.
    pub fn problems(&self) -> Vec<Unworkable> {
        let Some(url) = &self.url else { return Vec::new() };
        let mut found = Vec::new();
        let mut check = |holds: bool, settings: &'static [&'static str], what: String| {
            if !holds {
                found.push(Unworkable { settings, what });
            }
        };
        check(
            url.encrypted || self.allow_plain,
            &["mqtt.url"],
            "begins with mqtt://; use mqtts://, or set mqtt.allow_plain = true where password and \
             messages may travel in clear"
                .to_owned(),
        );
        let key = self.site_key.as_ref().map_or(0, |key| key.expose().chars().count());
        check(
            key >= SHORTEST_KEY,
            &["mqtt.site_key"],
            format!(
                "{}; it needs at least {SHORTEST_KEY} characters, the same at all doors of the \
                 school. Make it with: openssl rand -hex 32",
                if key == 0 { "is missing".to_owned() } else { format!("has {key} characters") }
            ),
        );
        check(
            (1..=32).contains(&self.site.len())
                && self.site.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-'),
            &["mqtt.site"],
            format!("{:?} must be 1 to 32 small letters, digits and \"-\"", self.site),
        );
        check(
            self.password.is_none() || self.user.is_some(),
            &["mqtt.user"],
            "is missing; mqtt.password needs it".to_owned(),
        );
        check(
            self.certificate_file.is_some() == self.key_file.is_some(),
            &["mqtt.certificate_file", "mqtt.key_file"],
            "set mqtt.key_file as well, or neither of the two".to_owned(),
        );
        check(
            url.encrypted || (self.certificate_file.is_none() && self.ca_file.is_none()),
            &["mqtt.ca_file", "mqtt.certificate_file"], "certificates have no use with mqtt://; use mqtts://, or remove mqtt.ca_file and mqtt.certificate_file".to_owned(),
        );
        check(
            (Duration::from_secs(120)..=Duration::from_secs(86_400)).contains(&self.grace),
            &["mqtt.grace"],
            format!("is {:?}; allowed is 2 minutes to 1 day", self.grace),
        );
        check(
            self.discovery.len() <= 64
                && self.discovery.bytes().all(|b| b.is_ascii_alphanumeric() || b"-_/".contains(&b)),
            &["mqtt.discovery"],
            "must be at most 64 letters, digits, \"-\", \"_\" and \"/\"".to_owned(),
        );
        found
    }
}

/// Where the broker is. It holds no credentials: they have settings of their own.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BrokerUrl {
    /// Whether the connection is encrypted.
    pub encrypted: bool,
    /// Name or address.
    pub host: String,
    /// Port: 8883, or 1883 where it is not encrypted, unless the URL names another one.
    pub port: u16,
}

impl BrokerUrl {
    /// Reads `mqtts://host:port` or `mqtt://host:port`.
    ///
    /// # Errors
    /// What is wrong, without the text itself: it may hold a password.
    pub fn parse(text: &str) -> Result<Self, String> {
        const LIKE: &str = "write it like mqtts://broker.example:8883";
        let url = Url::parse(text).map_err(|error| format!("not a URL ({error}); {LIKE}"))?;
        let encrypted = match url.scheme() {
            "mqtts" => true,
            "mqtt" => false,
            other => return Err(format!("the scheme is {other:?}; {LIKE}")),
        };
        if !url.username().is_empty() || url.password().is_some() {
            return Err("holds a user or a password; put them into mqtt.user and mqtt.password".to_owned());
        }
        if !matches!(url.path(), "" | "/") || url.query().is_some() || url.fragment().is_some() {
            return Err(format!("has something behind the port; {LIKE}"));
        }
        let host = url.host_str().filter(|host| !host.is_empty());
        let host = host.ok_or_else(|| format!("names no host; {LIKE}"))?;
        let host = host.trim_matches(['[', ']']).to_owned();
        Ok(Self { encrypted, host, port: url.port().unwrap_or(if encrypted { 8883 } else { 1883 }) })
    }
}

impl fmt::Display for BrokerUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let scheme = if self.encrypted { "mqtts" } else { "mqtt" };
        if self.host.contains(':') {
            write!(f, "{scheme}://[{}]:{}", self.host, self.port)
        } else {
            write!(f, "{scheme}://{}:{}", self.host, self.port)
        }
    }
}

impl Serialize for BrokerUrl {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for BrokerUrl {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        // Not the value itself in the error: it may hold a password.
        let text = Secret::deserialize(deserializer)?;
        Self::parse(text.expose()).map_err(serde::de::Error::custom)
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    fn with(url: &str) -> Mqtt {
        Mqtt {
            url: Some(BrokerUrl::parse(url).unwrap()),
            site_key: Some(Secret::new("k".repeat(32))),
            ..Mqtt::default()
        }
    }

    #[test]
    fn it_is_off_by_default_and_an_address_alone_is_refused() {
        assert!(Mqtt::default().problems().is_empty());
        assert!(with("mqtts://broker.example").problems().is_empty());
        let alone = Mqtt { site_key: None, ..with("mqtts://broker.example") };
        assert!(alone.problems()[0].to_string().contains("mqtt.site_key: is missing"));
        let short = Mqtt { site_key: Some(Secret::new("secret")), ..with("mqtts://broker.example") };
        assert!(short.problems()[0].to_string().contains("has 6 characters"));
        assert!(!short.problems()[0].to_string().contains("secret\""));
    }

    #[test]
    fn what_cannot_work_is_named() {
        let good = || with("mqtts://broker.example");
        for (wrong, name) in [
            (with("mqtt://broker.example"), "mqtt.url"),
            (Mqtt { site: "A/B".to_owned(), ..good() }, "mqtt.site"),
            (Mqtt { password: Some(Secret::new("x")), ..good() }, "mqtt.user"),
            (Mqtt { key_file: Some("key.pem".into()), ..good() }, "mqtt.certificate_file"),
            (Mqtt { grace: Duration::from_secs(1), ..good() }, "mqtt.grace"),
            (Mqtt { discovery: "a#".to_owned(), ..good() }, "mqtt.discovery"),
        ] {
            let problems = wrong.problems();
            assert!(problems.len() == 1 && problems[0].setting() == Some(name), "{name}: {problems:?}");
        }
        let plain = Mqtt { allow_plain: true, ..with("mqtt://broker.example") };
        assert!(plain.problems().is_empty());
    }

    #[test]
    fn addresses_of_brokers() {
        let parsed = |text| BrokerUrl::parse(text).map(|url| url.to_string());
        assert_eq!(parsed("mqtts://broker.example").unwrap(), "mqtts://broker.example:8883");
        assert_eq!(parsed("mqtt://127.0.0.1:1999").unwrap(), "mqtt://127.0.0.1:1999");
        assert_eq!(parsed("mqtts://[::1]").unwrap(), "mqtts://[::1]:8883");
        for (wrong, says) in [
            ("https://broker.example", "scheme"),
            ("mqtts://door:secret@broker.example", "mqtt.password"),
            ("mqtts://broker.example/path", "behind the port"),
            ("broker.example", "not a URL"),
        ] {
            let error = BrokerUrl::parse(wrong).unwrap_err();
            assert!(error.contains(says) && !error.contains("secret"), "{error}");
        }
    }
}
