//! The decision about one certificate.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use base::moment::Clock;

use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::crypto::{CryptoProvider, verify_tls12_signature, verify_tls13_signature};
use rustls::{CertificateError, DigitallySignedStruct, OtherError, SignatureScheme};
use rustls_pki_types::{CertificateDer, ServerName, UnixTime};

use super::Fingerprint;
use crate::config::Server;

/// The server showed another certificate than the pinned one.
#[derive(Debug, Clone, thiserror::Error)]
#[error("the certificate's SHA-256 is {seen}, pinned is {expected}")]
pub(in crate::http) struct PinMismatch {
    pub(in crate::http) seen: Fingerprint,
    pub(in crate::http) expected: Fingerprint,
    pub(in crate::http) server: Server,
}

/// The server's certificate is not believed.
#[derive(Debug, Clone, thiserror::Error)]
#[error("{reason}")]
pub(in crate::http) struct Untrusted {
    pub(in crate::http) seen: Fingerprint,
    /// Why, in words, with rustls' own name for it.
    pub(in crate::http) reason: String,
    pub(in crate::http) server: Server,
    /// Whether the certificate is for other names.
    pub(in crate::http) for_others: bool,
}

/// Decides about certificates.
///
/// The handshake's signature is always checked: it proves that the server holds the certificate's key;
/// without it anybody could show a copy of the (public) certificate.
#[derive(Debug)]
pub(super) struct Verifier {
    pub(super) accepted: Accepted,
    pub(super) server: Server,
    pub(super) clock: ClockOf,
    pub(super) provider: Arc<CryptoProvider>,
}

/// A clock, which has nothing to show.
pub(super) struct ClockOf(pub(super) Option<Arc<dyn Clock>>);

impl fmt::Debug for ClockOf {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Clock")
    }
}

/// Which certificates are accepted.
#[derive(Debug)]
pub(super) enum Accepted {
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
