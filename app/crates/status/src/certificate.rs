//! The device's key and certificate.
//!
//! The key (P-256) is made on first start and kept for the device's life, so that its fingerprint (`curl
//! --pinnedpubkey`) stays the same; the self-signed certificate over it is made again before it expires. A
//! site may install its own instead. The clock of a Pi may be in the past at first start: a certificate made
//! then is valid from [`CLOCK_FLOOR`], one made later counts from the present day, and whether it must be
//! renewed is asked again every hour.

use std::io;
use std::net::IpAddr;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use rcgen::{
    CertificateParams, DistinguishedName, DnType, ExtendedKeyUsagePurpose, KeyPair, KeyUsagePurpose,
};
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::sign::CertifiedKey;
use sha2::{Digest, Sha256};
use time::macros::datetime;
use time::{Duration, OffsetDateTime};

use access::private_file;
use base::failure::{Diagnosis, Fault};

/// No clock of this device is earlier: the image's own files are newer. Certificates are valid from here as
/// long as the clock is not trusted.
const CLOCK_FLOOR: OffsetDateTime = datetime!(2026-01-01 00:00:00 UTC);

/// How long a certificate is valid from now.
const LIFE: Duration = Duration::days(365);

/// Apple's devices refuse certificates that are valid for more than 825 days.
const LONGEST_LIFE: Duration = Duration::days(824);

/// Valid from so long ago: the clocks of those who look may be behind.
const HEAD_START: Duration = Duration::days(1);

/// Renewed so long before the end: a device that is switched on once a month still renews in time.
const RENEW_BEFORE: Duration = Duration::days(45);

/// Longest name of the DNS, characters.
pub const LONGEST_NAME: usize = 253;

/// Why there is no certificate.
#[derive(Debug, thiserror::Error)]
pub enum CertificateError {
    /// A file cannot be read or written.
    #[error("{}", self.fault())]
    File {
        /// The file.
        path: PathBuf,
        /// An error of the operating system.
        source: io::Error,
    },
    /// The site's own files are not a certificate and a key, or do not belong together.
    #[error("{}", self.fault())]
    Unusable {
        /// The file.
        path: PathBuf,
        /// What is wrong.
        reason: String,
    },
    /// The certificate cannot be made.
    #[error("{}", self.fault())]
    Making(#[from] rcgen::Error),
}

impl Diagnosis for CertificateError {
    fn fault(&self) -> Fault {
        match self {
            Self::File { path, source } => {
                Fault::new(format!("{}: {source}", path.display())).advise("the page needs it for HTTPS")
            }
            Self::Unusable { path, reason } => Fault::new(format!("{}: {reason}", path.display())).advise(
                "page.certificate_file must hold the certificate (then its issuers) and page.key_file its key, both \
                 as PEM",
            ),
            Self::Making(error) => Fault::new(format!("cannot make the device's certificate: {error}"))
                .advise("check page.host_names"),
        }
    }
}

/// Where the certificate comes from.
#[derive(Debug, Clone)]
pub struct CertificateSource {
    /// Folder of the device's own key and certificate.
    pub folder: PathBuf,
    /// The site's own certificate and key, which replace the device's where they are of use.
    pub own: Option<(PathBuf, PathBuf)>,
    /// Names and addresses the device is reached by.
    pub names: Vec<String>,
}

/// A certificate, ready for use.
#[derive(Debug, Clone)]
pub struct Identity {
    /// What the TLS server shows and signs with.
    pub certified: Arc<CertifiedKey>,
    /// SHA-256 over the certificate.
    pub fingerprint: Fingerprint,
    /// SHA-256 over the public key, as curl pins it: `sha256//` and base64.
    pub key_pin: String,
    /// Its first moment.
    pub begins: OffsetDateTime,
    /// Its last moment.
    pub expires: OffsetDateTime,
    /// Why it is the device's own, where the site has another.
    pub concern: Option<String>,
}

/// SHA-256 over a certificate.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Fingerprint([u8; 32]);

impl std::fmt::Display for Fingerprint {
    /// As browsers show it: `AB:CD:…`.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        for (at, byte) in self.0.iter().enumerate() {
            write!(f, "{}{byte:02X}", if at == 0 { "" } else { ":" })?;
        }
        Ok(())
    }
}

impl CertificateSource {
    /// Reads the certificate; makes or renews the device's own where `now` asks for it. `trusted`: whether
    /// that is known to be the time. A site's own that is of no use must not keep the page away: it gives way
    /// to the device's, with the reason.
    ///
    /// # Errors
    /// [`CertificateError`].
    pub fn identity(&self, now: OffsetDateTime, trusted: bool) -> Result<Identity, CertificateError> {
        match &self.own {
            Some((certificate, key)) => read(certificate, key).or_else(|error| {
                Ok(Identity { concern: Some(error.to_string()), ..self.device_identity(now, trusted)? })
            }),
            None => self.device_identity(now, trusted),
        }
    }

    fn device_identity(&self, now: OffsetDateTime, trusted: bool) -> Result<Identity, CertificateError> {
        let key_file = self.folder.join("key.pem");
        let certificate_file = self.folder.join("certificate.pem");
        let key = match read_file(&key_file)? {
            Some(pem) => KeyPair::from_pem(&pem).map_err(|_| CertificateError::Unusable {
                path: key_file.clone(),
                reason: "is damaged; remove it, and the device makes a new one with a new fingerprint"
                    .to_owned(),
            })?,
            None => {
                let key = KeyPair::generate_for(&rcgen::PKCS_ECDSA_P256_SHA256)?;
                write_file(&key_file, &key.serialize_pem())?;
                key
            }
        };
        let mut kept = None;
        if certificate_file.exists() {
            // A damaged certificate, unlike a damaged key, costs nothing to make again.
            match read(&certificate_file, &key_file) {
                Ok(identity) if !is_due(&identity, now, trusted) && self.covers_names(&identity) => {
                    return Ok(identity);
                }
                Ok(identity) => kept = Some(identity),
                Err(error) => log::warn!("{error}; a new certificate is made over the same key"),
            }
        }
        let renewed = self
            .self_signed(&key, now, trusted)
            .map_err(CertificateError::from)
            .and_then(|pem| write_file(&certificate_file, &pem))
            .and_then(|()| read(&certificate_file, &key_file));
        match (renewed, kept) {
            // A full card is told on the page: it must not keep the page away.
            (Err(error), Some(kept)) => {
                log::error!("the device's certificate is not renewed, the old one stays in use: {error}");
                Ok(kept)
            }
            (Ok(renewed), Some(_)) => {
                log::info!("the device's certificate is renewed; its fingerprint changes, its key stays");
                Ok(renewed)
            }
            (renewed, None) => renewed,
        }
    }

    fn self_signed(&self, key: &KeyPair, now: OffsetDateTime, trusted: bool) -> Result<String, rcgen::Error> {
        let mut wanted = CertificateParams::new(self.names.clone())?;
        wanted.distinguished_name = DistinguishedName::new();
        wanted
            .distinguished_name
            .push(DnType::CommonName, self.names.first().map_or("attendance appliance", String::as_str));
        // A clock that is not trusted may be anywhere: the certificate must hold when it is right, too.
        wanted.not_before = if trusted { now - HEAD_START } else { CLOCK_FLOOR };
        wanted.not_after = (now.max(CLOCK_FLOOR) + LIFE).min(wanted.not_before + LONGEST_LIFE);
        wanted.key_usages = vec![KeyUsagePurpose::DigitalSignature];
        wanted.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth];
        Ok(wanted.self_signed(key)?.pem())
    }

    /// Whether every host name stands in the certificate. Addresses come and go with DHCP and are not a
    /// reason for a new fingerprint.
    fn covers_names(&self, identity: &Identity) -> bool {
        let Some(certificate) = identity.certified.cert.first() else { return false };
        let Ok((_, parsed)) = x509_parser::parse_x509_certificate(certificate) else { return false };
        let Ok(Some(stated)) = parsed.subject_alternative_name() else { return self.names.is_empty() };
        self.names.iter().filter(|name| name.parse::<IpAddr>().is_err()).all(|name| {
            stated.value.general_names.iter().any(
                |stated| matches!(stated, x509_parser::extensions::GeneralName::DNSName(dns) if dns == name),
            )
        })
    }
}

/// Whether another certificate is to take this one's place: soon it is over, or, by a clock that is trusted,
/// no browser takes it.
fn is_due(identity: &Identity, now: OffsetDateTime, trusted: bool) -> bool {
    let refused = identity.begins > now || identity.expires - identity.begins > LONGEST_LIFE;
    identity.expires - now <= RENEW_BEFORE || (trusted && refused)
}

/// Reads a certificate chain and its key and checks that they belong together.
///
/// # Errors
/// [`CertificateError`].
pub fn read(certificate_file: &Path, key_file: &Path) -> Result<Identity, CertificateError> {
    let unusable = |path: &Path, reason: &dyn std::fmt::Display| CertificateError::Unusable {
        path: path.to_owned(),
        reason: reason.to_string(),
    };
    let missing = |path: &Path| CertificateError::File {
        path: path.to_owned(),
        source: io::ErrorKind::NotFound.into(),
    };
    let pem = read_file(certificate_file)?.ok_or_else(|| missing(certificate_file))?;
    let chain = CertificateDer::pem_slice_iter(pem.as_bytes())
        .collect::<Result<Vec<_>, _>>()
        .map_err(|error| unusable(certificate_file, &error))?;
    let first = chain.first().ok_or_else(|| unusable(certificate_file, &"holds no certificate"))?.clone();
    let key_pem = read_file(key_file)?.ok_or_else(|| missing(key_file))?;
    // The parser's own words might repeat parts of the key.
    let key = PrivateKeyDer::from_pem_slice(key_pem.as_bytes())
        .map_err(|_| unusable(key_file, &"holds no private key"))?;
    let certified = CertifiedKey::from_der(chain, key, &rustls::crypto::ring::default_provider())
        .map_err(|error| unusable(certificate_file, &error))?;
    let (_, parsed) =
        x509_parser::parse_x509_certificate(&first).map_err(|error| unusable(certificate_file, &error))?;
    Ok(Identity {
        certified: Arc::new(certified),
        fingerprint: Fingerprint(Sha256::digest(&first).into()),
        key_pin: format!("sha256//{}", STANDARD.encode(Sha256::digest(parsed.public_key().raw))),
        begins: parsed.validity().not_before.to_datetime(),
        expires: parsed.validity().not_after.to_datetime(),
        concern: None,
    })
}

fn read_file(path: &Path) -> Result<Option<String>, CertificateError> {
    private_file::read(path).map_err(|source| CertificateError::File { path: path.to_owned(), source })
}

fn write_file(path: &Path, content: &str) -> Result<(), CertificateError> {
    private_file::write(path, content.as_bytes())
        .map_err(|source| CertificateError::File { path: path.to_owned(), source })
}

/// The names and addresses of this device: the host name, the same below `.local` (mDNS), what the site adds,
/// and the addresses of its interfaces.
pub fn device_names(further: &[String]) -> Vec<String> {
    let mut names = Vec::new();
    let host = rustix::system::uname().nodename().to_string_lossy().into_owned();
    if host != "localhost" && !host.contains('.') {
        names.push(format!("{host}.local"));
    }
    names.push(host);
    names.extend(further.iter().cloned());
    names.push("localhost".to_owned());
    names.extend(device_addresses().iter().map(ToString::to_string));
    names.extend(["127.0.0.1".to_owned(), "::1".to_owned()]);
    let mut seen = std::collections::HashSet::new();
    names.retain(|name| !name.is_empty() && seen.insert(name.clone()));
    names.retain(|name| {
        let can = can_name(name);
        if !can {
            log::warn!(
                "the page's certificate leaves {name:?} out: it is not ASCII, has blanks or is too long"
            );
        }
        can
    });
    names
}

/// Whether a name or address can stand in a certificate: visible ASCII, no longer than the DNS takes.
pub fn can_name(name: &str) -> bool {
    (1..=LONGEST_NAME).contains(&name.len()) && name.bytes().all(|byte| byte.is_ascii_graphic())
}

/// The addresses others reach this device by; link-local ones need a zone to be of use and are left out.
pub fn device_addresses() -> Vec<IpAddr> {
    let interfaces = if_addrs::get_if_addrs().unwrap_or_default();
    let mut found: Vec<_> = interfaces
        .iter()
        .filter(|i| !i.is_loopback() && !i.is_link_local())
        .map(if_addrs::Interface::ip)
        .collect();
    found.sort_by_key(IpAddr::is_ipv6);
    found
}

#[cfg(test)]
#[path = "certificate_tests.rs"]
mod tests;
