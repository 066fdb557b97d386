//! Addresses that are asked without encryption, and saying so.
//!
//! With `http://` the key and the photos travel in clear, and anybody on the network can put in photos or
//! acknowledge rows. That is allowed, for some backends know nothing else, but never in silence.
//!
//! Addresses of the device itself (127.0.0.0/8, ::1, localhost) are exempt: what is sent there does not leave
//! the device. A tunnel or proxy that encrypts may listen there.

use std::time::{Duration, Instant};

use url::Host;

use crate::config::Tls;
use base::secret::SecretUrl;

/// How often the log is told.
const AGAIN_AFTER: Duration = Duration::from_secs(3600);

/// Whether requests to `url` cross a network in clear, and nobody has said that this is meant.
pub fn is_plain(url: &SecretUrl, tls: &Tls) -> bool {
    let is_here = match url.expose().host() {
        Some(Host::Domain(name)) => {
            let name = name.strip_suffix('.').unwrap_or(name);
            name == "localhost" || name.ends_with(".localhost")
        }
        Some(Host::Ipv4(address)) => address.is_loopback(),
        Some(Host::Ipv6(address)) => {
            address.is_loopback() || address.to_ipv4_mapped().is_some_and(|address| address.is_loopback())
        }
        None => false,
    };
    !url.is_https() && !is_here && !tls.allow_plain
}

/// What plain HTTP means, of the setting `name`.
pub fn meaning(name: &str) -> String {
    let what = match name {
        "webhook.url" => {
            "the key and the rows travel in clear, and others on the network can acknowledge rows in its place"
        }
        _ => "the key and the photos travel in clear, and others on the network can put in photos",
    };
    format!("{name} begins with http://: {what}")
}

/// What to do about it.
pub const ADVICE: &str = "Use https:// (a self-signed certificate is accepted by tls.pinned_sha256); if this network is \
                          meant to be trusted, set tls.allow_plain = true.";

/// Tells the log again and again for as long as an address is plain.
#[derive(Debug, Default)]
pub(crate) struct Reminder {
    told: Option<Instant>,
}

impl Reminder {
    /// Tells of the setting `name`, unless it was told of a short time ago.
    pub(crate) fn tell(&mut self, name: &str, url: &SecretUrl, tls: &Tls) {
        if is_plain(url, tls) && self.told.is_none_or(|told| told.elapsed() >= AGAIN_AFTER) {
            self.told = Some(Instant::now());
            log::warn!("{}. {ADVICE}", meaning(name));
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use proptest::prelude::*;

    use super::*;

    fn plain(url: &str) -> bool {
        is_plain(&SecretUrl::parse(url).unwrap(), &Tls::default())
    }

    #[test]
    fn plain_addresses_are_named_unless_they_stay_on_the_device() {
        for url in [
            "http://backend.example/media?key=k3y",
            "HTTP://backend.example:443/",
            "http://192.168.1.5/",
            "http://[fe80::1]/",
            "http://localhost.example/",
            "http://0.0.0.0/",
        ] {
            assert!(plain(url), "{url}");
            let allowed = Tls { allow_plain: true, ..Tls::default() };
            assert!(!is_plain(&SecretUrl::parse(url).unwrap(), &allowed), "{url}");
        }
        for url in [
            "https://backend.example/",
            "http://127.0.0.1:8000/",
            "http://127.9.9.9/",
            "http://[::1]/",
            "http://[::ffff:127.0.0.1]/",
            "http://localhost/",
            "http://LOCALHOST.:8000/",
        ] {
            assert!(!plain(url), "{url}");
        }
    }

    #[test]
    fn what_is_said_names_the_setting_and_no_key() {
        for name in ["photos.url", "webhook.url"] {
            assert!(meaning(name).starts_with(name) && meaning(name).contains("clear"));
        }
        assert!(ADVICE.contains("tls.allow_plain"));
    }

    proptest! {
        #[test]
        fn https_is_never_plain(host in "[a-z]{1,10}(\\.[a-z]{2,5}){0,2}", port in 1..u16::MAX) {
            let https = format!("https://{host}:{port}/");
            prop_assert!(!plain(&https));
        }
    }
}
