//! Whom to believe: the system's certificate authorities and the site's own, or exactly one certificate.
//!
//! A certificate that stands in the site's own file is believed when a server shows it, whatever it says of
//! itself: it is pinned by its content. So an ordinary self-signed certificate can be put there.
//!
//! A certificate has dates, and a clock may be wrong. While the clock is in doubt, a certificate that is not
//! valid by it is looked at again by the last time that was believed. Otherwise nobody could be asked for the
//! time any more, and a doubt would never end.

use std::fmt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use base::moment::Clock;

use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::crypto::{CryptoProvider, verify_tls12_signature, verify_tls13_signature};
use rustls::{CertificateError, ClientConfig, DigitallySignedStruct, OtherError, SignatureScheme};
use rustls_pki_types::pem::PemObject;
use rustls_pki_types::{CertificateDer, ServerName, UnixTime};
use sha2::{Digest, Sha256};

use crate::config;
use crate::config::Server;
use base::failure::{Diagnosis, Fault};

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
        /// What the system says.
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

/// The server showed another certificate than the pinned one.
#[derive(Debug, Clone, thiserror::Error)]
#[error("the certificate's SHA-256 is {seen}, pinned is {expected}")]
pub(super) struct PinMismatch {
    pub(super) seen: Fingerprint,
    pub(super) expected: Fingerprint,
    pub(super) server: Server,
}

/// The server's certificate is not believed.
#[derive(Debug, Clone, thiserror::Error)]
#[error("{reason}")]
pub(super) struct Untrusted {
    pub(super) seen: Fingerprint,
    /// Why, in words, with rustls' own name for it.
    pub(super) reason: String,
    pub(super) server: Server,
    /// Whether the certificate is for other names.
    pub(super) for_others: bool,
}

/// Decides about certificates.
///
/// The handshake's signature is always checked: it proves that the server holds the certificate's key;
/// without it anybody could show a copy of the (public) certificate.
#[derive(Debug)]
struct Verifier {
    accepted: Accepted,
    server: Server,
    clock: ClockOf,
    provider: Arc<CryptoProvider>,
}

/// A clock, which has nothing to show.
struct ClockOf(Option<Arc<dyn Clock>>);

impl fmt::Debug for ClockOf {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Clock")
    }
}

/// Which certificates are accepted.
#[derive(Debug)]
enum Accepted {
    /// This one, whatever its name, signer and validity: the pin names the one key that may answer, which is
    /// stronger than all three, and a device without a clock must be able to upload.
    One(Fingerprint),
    /// Those that an authority signed, and the site's own.
    Signed { verifier: rustls_platform_verifier::Verifier, own: Vec<CertificateDer<'static>> },
    /// The site's own only, with the reason: no authority is known.
    Own { own: Vec<CertificateDer<'static>>, reason: String },
}

impl Verifier {
    fn untrusted(&self, certificate: &CertificateDer<'_>, reason: String) -> rustls::Error {
        self.refused(certificate, reason, false)
    }

    fn refused(&self, certificate: &CertificateDer<'_>, reason: String, for_others: bool) -> rustls::Error {
        let seen = Fingerprint::of(certificate);
        let untrusted = Untrusted { seen, reason, server: self.server, for_others };
        CertificateError::Other(OtherError(Arc::new(untrusted))).into()
    }

    /// The time that was believed last, while the clock is in doubt.
    fn believed(&self) -> Option<UnixTime> {
        let doubt = self.clock.0.as_ref()?.doubt()?;
        let seconds = u64::try_from(doubt.expected.unix_timestamp()).ok()?;
        Some(UnixTime::since_unix_epoch(Duration::from_secs(seconds)))
    }
}

impl ServerCertVerifier for Verifier {
    fn verify_server_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        server_name: &ServerName<'_>,
        ocsp_response: &[u8],
        now: UnixTime,
    ) -> Result<ServerCertVerified, rustls::Error> {
        let (verifier, own) = match &self.accepted {
            // Both fingerprints are public, so a comparison whose time tells where they differ gives nothing
            // away.
            Accepted::One(expected) => match Fingerprint::of(end_entity) {
                seen if seen == *expected => return Ok(ServerCertVerified::assertion()),
                seen => {
                    let mismatch = PinMismatch { seen, expected: *expected, server: self.server };
                    return Err(CertificateError::Other(OtherError(Arc::new(mismatch))).into());
                }
            },
            Accepted::Signed { verifier, own } => (Ok(verifier), own),
            Accepted::Own { own, reason } => (Err(reason), own),
        };
        if own.iter().any(|certificate| certificate == end_entity) {
            return Ok(ServerCertVerified::assertion());
        }
        let verifier = verifier.map_err(|reason| {
            self.untrusted(end_entity, format!("no authority is known: {reason} (package ca-certificates)"))
        })?;
        let at =
            |time| verifier.verify_server_cert(end_entity, intermediates, server_name, ocsp_response, time);
        let verified = match at(now) {
            Err(error) if is_about_time(&error) => match self.believed() {
                Some(believed) => at(believed).map_err(|_| error),
                None => Err(error),
            },
            other => other,
        };
        verified.map_err(|error| self.refused(end_entity, in_words(&error), is_for_others(&error)))
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        let algorithms = &self.provider.signature_verification_algorithms;
        verify_tls12_signature(message, certificate, signature, algorithms)
            .map_err(|error| self.untrusted(certificate, format!("{NO_KEY} ({error})")))
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        let algorithms = &self.provider.signature_verification_algorithms;
        verify_tls13_signature(message, certificate, signature, algorithms)
            .map_err(|error| self.untrusted(certificate, format!("{NO_KEY} ({error})")))
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.provider.signature_verification_algorithms.supported_schemes()
    }
}

/// What is said of a handshake whose signature is wrong.
const NO_KEY: &str = "it shows a certificate and does not prove that it has its key";

/// Whether a certificate is not valid for its dates only, as far as was looked.
fn is_about_time(error: &rustls::Error) -> bool {
    use CertificateError::{Expired, ExpiredContext, NotValidYet, NotValidYetContext};
    matches!(
        error,
        rustls::Error::InvalidCertificate(
            Expired | ExpiredContext { .. } | NotValidYet | NotValidYetContext { .. }
        )
    )
}

/// Whether a certificate is for other names than that of the server.
fn is_for_others(error: &rustls::Error) -> bool {
    use CertificateError::{NotValidForName, NotValidForNameContext};
    matches!(error, rustls::Error::InvalidCertificate(NotValidForName | NotValidForNameContext { .. }))
}

/// What a person reads, with the library's own words, which can be looked up.
fn in_words(error: &rustls::Error) -> String {
    use CertificateError::{
        BadSignature, Expired, ExpiredContext, NotValidForName, NotValidForNameContext, NotValidYet,
        NotValidYetContext, UnknownIssuer,
    };
    let words = match error {
        rustls::Error::InvalidCertificate(error) => match error {
            UnknownIssuer | BadSignature => "no authority that is known here signed its certificate",
            Expired | ExpiredContext { .. } => "its certificate has expired by this device's clock",
            NotValidYet | NotValidYetContext { .. } => {
                "its certificate is not valid yet by this device's clock"
            }
            NotValidForName | NotValidForNameContext { .. } => "its certificate is for other names",
            other if format!("{other:?}").contains("CaUsedAsEndEntity") => "its certificate is self-signed",
            _ => "its certificate is not valid",
        },
        _ => "its certificate cannot be used",
    };
    format!("{words} ({error})")
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
