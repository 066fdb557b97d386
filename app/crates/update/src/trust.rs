//! Whose updates this image takes: real signers', or those of a development authority.
//!
//! The builder makes a development authority of its own where it is given no keys (image/steps/keys), and
//! says so in the certificate's subject. Whoever has that builder's cache can sign updates for the image, so
//! on a door in use it must be seen.

use std::path::Path;

use serde::Serialize;

use base::durable;

/// RAUC's keyring in the image.
pub const KEYRING: &str = "/usr/lib/rauc/keyring.pem";

/// What the builder writes into the subject of a development authority.
const MARK: &str = "DEVELOPMENT";

/// Who may sign updates for this image.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Signers {
    /// The authorities that the image was built with.
    Own,
    /// At least one development authority: not for a door in use.
    Development,
    /// The keyring cannot be read, as at a desk.
    #[default]
    Unknown,
}

/// Whom a keyring trusts.
pub fn signers(keyring: &Path) -> Signers {
    match durable::read(keyring) {
        Ok(Some(text)) => of_text(&text),
        _ => Signers::Unknown,
    }
}

fn of_text(text: &[u8]) -> Signers {
    let mut found = Signers::Unknown;
    for pem in x509_parser::pem::Pem::iter_from_buffer(text) {
        let Ok(pem) = pem else { return Signers::Unknown };
        if pem.label != "CERTIFICATE" {
            continue;
        }
        let Ok(certificate) = pem.parse_x509() else { return Signers::Unknown };
        if certificate.subject().to_string().to_ascii_uppercase().contains(MARK) {
            return Signers::Development;
        }
        found = Signers::Own;
    }
    found
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use rcgen::{CertificateParams, DnType, KeyPair};

    use super::*;

    /// A certificate with a subject as `openssl req -subj` makes it.
    fn authority(organization: &str) -> String {
        let mut params = CertificateParams::default();
        params.distinguished_name.push(DnType::OrganizationName, organization);
        params.distinguished_name.push(DnType::CommonName, "attendance updates");
        params.self_signed(&KeyPair::generate().unwrap()).unwrap().pem()
    }

    #[test]
    fn development_authority_is_recognised() {
        let (own, development) = (authority("A school's IT"), authority("DEVELOPMENT ONLY"));
        assert_eq!(of_text(own.as_bytes()), Signers::Own);
        assert_eq!(of_text(development.as_bytes()), Signers::Development);
        assert_eq!(of_text(format!("{own}{development}").as_bytes()), Signers::Development, "one is enough");
        assert_eq!(of_text(b""), Signers::Unknown);
        assert_eq!(
            of_text(b"-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n"),
            Signers::Unknown
        );
        assert_eq!(signers(Path::new("/nonexistent")), Signers::Unknown);
    }
}
