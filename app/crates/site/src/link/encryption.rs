//! TLS to the broker: its authority, and this door’s certificate.

use std::io;
use std::path::Path;
use std::sync::Arc;

use rustls::ClientConfig;
use rustls_pki_types::pem::PemObject as _;
use rustls_pki_types::{CertificateDer, PrivateKeyDer};

use super::diagnosis::LinkError;
use crate::config::Mqtt;

/// Largest certificate or key file.
const MAX_PEM: u64 = 1_000_000;

/// The client's side of TLS.
pub(super) fn tls(config: &Mqtt) -> Result<ClientConfig, LinkError> {
    let wrong = |error: rustls::Error| LinkError::Tls(error.to_string());
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let builder = ClientConfig::builder_with_provider(Arc::clone(&provider))
        .with_safe_default_protocol_versions()
        .map_err(wrong)?;
    let builder = match &config.ca_file {
        Some(path) => {
            let mut roots = rustls::RootCertStore::empty();
            for certificate in certificates("mqtt.ca_file", path)? {
                let added = roots.add(certificate);
                added.map_err(|error| unusable("mqtt.ca_file", path, &error.to_string()))?;
            }
            builder.with_root_certificates(roots)
        }
        None => {
            let verifier = rustls_platform_verifier::Verifier::new(provider).map_err(wrong)?;
            builder.dangerous().with_custom_certificate_verifier(Arc::new(verifier))
        }
    };
    match (&config.certificate_file, &config.key_file) {
        (Some(certificate), Some(key)) => {
            let pem = pem("mqtt.key_file", key)?;
            let secret = PrivateKeyDer::from_pem_slice(&pem)
                .map_err(|error| unusable("mqtt.key_file", key, &error.to_string()))?;
            builder
                .with_client_auth_cert(certificates("mqtt.certificate_file", certificate)?, secret)
                .map_err(|error| unusable("mqtt.key_file", key, &error.to_string()))
        }
        _ => Ok(builder.with_no_client_auth()),
    }
}

fn unusable(setting: &'static str, path: &Path, reason: &str) -> LinkError {
    LinkError::File { setting, path: path.to_owned(), reason: reason.to_owned() }
}

fn pem(setting: &'static str, path: &Path) -> Result<Vec<u8>, LinkError> {
    let wrong = |error: io::Error| unusable(setting, path, &error.to_string());
    if std::fs::metadata(path).map_err(wrong)?.len() > MAX_PEM {
        return Err(unusable(setting, path, &format!("it has more than {MAX_PEM} bytes")));
    }
    std::fs::read(path).map_err(wrong)
}

fn certificates(setting: &'static str, path: &Path) -> Result<Vec<CertificateDer<'static>>, LinkError> {
    let found = CertificateDer::pem_slice_iter(&pem(setting, path)?)
        .collect::<Result<Vec<_>, _>>()
        .map_err(|error| unusable(setting, path, &error.to_string()))?;
    if found.is_empty() {
        return Err(unusable(setting, path, "it holds no certificate (-----BEGIN CERTIFICATE-----)"));
    }
    Ok(found)
}

/// Checks the files that the section names.
///
/// # Errors
/// The first that cannot be used.
pub fn check_files(config: &Mqtt) -> Result<(), LinkError> {
    match &config.url {
        Some(url) if url.encrypted => tls(config).map(|_| ()),
        _ => Ok(()),
    }
}
