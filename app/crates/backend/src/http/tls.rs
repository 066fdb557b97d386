//! Whom to believe: the system's certificate authorities and the site's own, or exactly one certificate.
//!
//! A certificate that stands in the site's own file is believed when a server shows it, whatever it says of
//! itself: it is pinned by its content. So an ordinary self-signed certificate can be put there.
//!
//! A certificate has dates, and a clock may be wrong. While the clock is in doubt, a certificate that is not
//! valid by it is looked at again by the last time that was believed. Otherwise nobody could be asked for the
//! time any more, and a doubt would never end.

mod verifier;

use std::fmt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use base::moment::Clock;

use rustls::ClientConfig;
use rustls::crypto::CryptoProvider;
use rustls_pki_types::CertificateDer;
use rustls_pki_types::pem::PemObject;
use sha2::{Digest, Sha256};

use crate::config;
use crate::config::Server;
use base::failure::{Diagnosis, Fault};
use verifier::{Accepted, ClockOf, Verifier};
pub(super) use verifier::{PinMismatch, Untrusted};

/// Largest file of certificates read. The system's own bundle of all authorities has about 220 kB.
const MAX_CA_BYTES: u64 = 2_000_000;

/// The SHA-256 of a certificate (DER), by which one server is known.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Fingerprint([u8; 32]);

impl Fingerprint {
    /// The fingerprint of a certificate in DER.
    pub fn of(certificate: &[u8]) -> Self {
        Self(Sha256::digest(certificate).into())
    }

    /// Reads 64 hexadecimal digits; colons between them are allowed, as `openssl x509 -fingerprint` writes
    /// them.
    pub fn parse(text: &str) -> Option<Self> {
        let digits: Vec<u8> = text.bytes().filter(|byte| *byte != b':').collect();
        let mut bytes = [0; 32];
        if digits.len() != 2 * bytes.len() {
            return None;
        }
        for (byte, pair) in bytes.iter_mut().zip(digits.chunks_exact(2)) {
            let high = char::from(pair[0]).to_digit(16)?;
            let low = char::from(pair[1]).to_digit(16)?;
            *byte = u8::try_from(high * 16 + low).ok()?;
        }
        Some(Self(bytes))
    }
}

impl fmt::Display for Fingerprint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

impl fmt::Debug for Fingerprint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// Why the trust that the configuration asks for cannot be set up.
#[derive(Debug, thiserror::Error)]
pub enum TlsConfigError {
    /// The file of authorities cannot be read.
    #[error("{}", self.fault())]
    Unreadable {
        /// The file.
        path: PathBuf,
        /// An error of the operating system.
        source: std::io::Error,
    },
    /// The file holds no certificate, or a broken one.
    #[error("{}", self.fault())]
    NotCertificates {
        /// The file.
        path: PathBuf,
        /// What is wrong.
        reason: String,
    },
    /// The pinned fingerprint is malformed.
    #[error("{}", self.fault())]
    Fingerprint {
        /// The setting.
        setting: &'static str,
    },
    /// The TLS library refused its own defaults.
    #[error("{}", self.fault())]
    Library(#[from] rustls::Error),
}

impl Diagnosis for TlsConfigError {
    fn fault(&self) -> Fault {
        match self {
            Self::Unreadable { path, source } => {
                Fault::new(format!("tls.ca_file: cannot read {}: {source}", path.display()))
                    .advise("put the authorities' certificates there, or correct the path")
            }
            Self::NotCertificates { path, reason } => {
                Fault::new(format!("tls.ca_file: {} holds no usable certificate: {reason}", path.display()))
                    .advise("it must be PEM (-----BEGIN CERTIFICATE-----)")
            }
            Self::Fingerprint { setting } => {
                Fault::new(format!("{setting}: must be 64 hexadecimal digits, colons allowed"))
                    .advise("copy the SHA-256 fingerprint of the server's certificate")
            }
            Self::Library(error) => Fault::new(format!("TLS cannot be set up: {error}")),
        }
    }
}

/// Which certificates a connection accepts.
#[derive(Debug, Clone)]
pub enum TlsPolicy {
    /// Those that the system's authorities or these further ones signed, for the name in the URL, within
    /// their time; and these themselves.
    Authorities(Vec<CertificateDer<'static>>),
    /// This one certificate and no other, whatever name, signer and validity it states: for a server with a
    /// self-signed certificate, whose fingerprint a person compared.
    Pinned(Fingerprint),
}

impl TlsPolicy {
    /// The policy that the configuration asks for.
    ///
    /// # Errors
    /// [`TlsConfigError`] when the file of authorities or the fingerprint is unusable.
    pub fn from_config(tls: &config::Tls) -> Result<Self, TlsConfigError> {
        if let Some(text) = &tls.pinned_sha256 {
            let wrong = TlsConfigError::Fingerprint { setting: tls.server.pin() };
            return Fingerprint::parse(text).map(Self::Pinned).ok_or(wrong);
        }
        tls.ca_file.as_deref().map_or(Ok(Vec::new()), authorities).map(Self::Authorities)
    }

    /// The client's side of rustls under this policy, for `server`. `clock` tells whether its time is in
    /// doubt, and which one was believed last.
    pub(super) fn client_config(
        self,
        server: Server,
        clock: Option<Arc<dyn Clock>>,
    ) -> Result<ClientConfig, TlsConfigError> {
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let accepted = match self {
            Self::Pinned(expected) => Accepted::One(expected),
            Self::Authorities(own) => match platform_verifier(&own, &provider) {
                Ok(verifier) => Accepted::Signed { verifier, own },
                // A system without certificate authorities can still speak plain HTTP.
                Err(rustls::Error::General(reason)) => Accepted::Own { own, reason },
                Err(error) => return Err(error.into()),
            },
        };
        let verifier = Verifier { accepted, server, clock: ClockOf(clock), provider: Arc::clone(&provider) };
        Ok(ClientConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()?
            .dangerous()
            .with_custom_certificate_verifier(Arc::new(verifier))
            .with_no_client_auth())
    }
}

fn platform_verifier(
    extra: &[CertificateDer<'static>],
    provider: &Arc<CryptoProvider>,
) -> Result<rustls_platform_verifier::Verifier, rustls::Error> {
    rustls_platform_verifier::Verifier::new_with_extra_roots(extra.iter().cloned(), Arc::clone(provider))
}

fn authorities(path: &Path) -> Result<Vec<CertificateDer<'static>>, TlsConfigError> {
    let unreadable = |source| TlsConfigError::Unreadable { path: path.to_owned(), source };
    let unusable = |reason: String| TlsConfigError::NotCertificates { path: path.to_owned(), reason };
    if std::fs::metadata(path).map_err(unreadable)?.len() > MAX_CA_BYTES {
        return Err(unusable(format!("it has more than {MAX_CA_BYTES} bytes")));
    }
    let pem = std::fs::read(path).map_err(unreadable)?;
    let found = CertificateDer::pem_slice_iter(&pem)
        .collect::<Result<Vec<_>, _>>()
        .map_err(|error| unusable(error.to_string()))?;
    if found.is_empty() {
        return Err(unusable("there is none in it".to_owned()));
    }
    let mut roots = rustls::RootCertStore::empty();
    for certificate in &found {
        roots.add(certificate.clone()).map_err(|error| unusable(error.to_string()))?;
    }
    Ok(found)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn fingerprints_are_read_with_and_without_colons() {
        let fingerprint = Fingerprint::of(b"certificate");
        let plain = fingerprint.to_string();
        let colons = plain
            .as_bytes()
            .chunks(2)
            .map(|pair| std::str::from_utf8(pair).unwrap())
            .collect::<Vec<_>>()
            .join(":");
        assert_eq!(Fingerprint::parse(&plain), Some(fingerprint));
        assert_eq!(Fingerprint::parse(&colons.to_uppercase()), Some(fingerprint));
        for bad in ["", "00", &plain[1..], &format!("{plain}0"), &"é".repeat(32)] {
            assert_eq!(Fingerprint::parse(bad), None, "{bad}");
        }
    }

    #[test]
    fn a_file_without_certificates_says_what_it_must_be() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("ca.pem");
        let read = |text: &str| {
            std::fs::write(&path, text).unwrap();
            let tls = config::Tls { ca_file: Some(path.clone()), ..config::Tls::default() };
            TlsPolicy::from_config(&tls).unwrap_err().to_string()
        };
        assert!(read("").contains("BEGIN CERTIFICATE"));
        assert!(read("-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n").contains("ca.pem"));
        let missing = config::Tls { ca_file: Some(folder.path().join("none.pem")), ..config::Tls::default() };
        assert!(TlsPolicy::from_config(&missing).unwrap_err().to_string().contains("none.pem"));
    }
}
