//! Until when the certificates for 802.1X are valid.

use std::path::Path;

use rustls_pki_types::CertificateDer;
use rustls_pki_types::pem::PemObject as _;
use time::OffsetDateTime;

use base::failure::Fault;
use config::{EapMethod, Network};

/// Largest file of certificates that is looked at.
const MAX_CERTIFICATES: u64 = 256 * 1024;
/// A certificate that ends within this time is reported.
const NOTICE: time::Duration = time::Duration::days(14);

/// Certificates for 802.1X that are out of date, soon will be, or cannot be read.
pub fn certificates(network: &Network, now: OffsetDateTime, trusted: bool) -> Vec<Fault> {
    if network.eap_method.is_none() {
        return Vec::new();
    }
    let own = network.eap_certificate_file.as_ref().filter(|_| network.eap_method == Some(EapMethod::Tls));
    let files = [
        ("network.eap_certificate_file", own, "the device's certificate for 802.1X", "eap.crt and eap.key"),
        (
            "network.eap_ca_file",
            network.eap_ca_file.as_ref(),
            "the authority's certificate for 802.1X",
            "eap-ca.pem",
        ),
    ];
    let mut found = Vec::new();
    for (setting, file, name, on_card) in files {
        let Some(file) = file else { continue };
        let renew = format!(
            "get a new one from whoever looks after the network, and put it on the card as {on_card}"
        );
        match dates(file) {
            Err(reason) => found.push(
                Fault::new(format!("{setting}: {} cannot be used: {reason}", file.display())).advise(renew),
            ),
            Ok((_, ends)) if ends <= now => found.push(
                Fault::new(format!(
                    "{name} has expired ({}): the network does not admit the device",
                    ends.date()
                ))
                .advise(renew),
            ),
            Ok((_, ends)) if trusted && ends - now < NOTICE => found
                .push(Fault::new(format!("{name} ends in {} days", (ends - now).whole_days())).advise(renew)),
            Ok((begins, _)) if trusted && begins > now => found.push(
                Fault::new(format!("{name} is not valid before {}", begins.date()))
                    .advise(format!("check the device's clock, or {renew}")),
            ),
            Ok(_) => {}
        }
    }
    found
}

/// From when to when all certificates of a file are valid: for an authority's file that of the one that lasts
/// longest, for a chain (where the first is the device's own) that of the first.
fn dates(file: &Path) -> Result<(OffsetDateTime, OffsetDateTime), String> {
    let length = std::fs::metadata(file).map_err(|error| error.to_string())?.len();
    if length > MAX_CERTIFICATES {
        return Err(format!("it has more than {MAX_CERTIFICATES} bytes"));
    }
    dates_of(&std::fs::read(file).map_err(|error| error.to_string())?)
}

/// The same of a file's content.
pub(crate) fn dates_of(pem: &[u8]) -> Result<(OffsetDateTime, OffsetDateTime), String> {
    let none = || "it holds no certificate in PEM form (-----BEGIN CERTIFICATE-----)".to_owned();
    let mut found = Vec::new();
    for certificate in CertificateDer::pem_slice_iter(pem) {
        let certificate = certificate.map_err(|_| none())?;
        let (_, parsed) =
            x509_parser::parse_x509_certificate(&certificate).map_err(|error| error.to_string())?;
        let validity = parsed.validity();
        found.push((validity.not_before.to_datetime(), validity.not_after.to_datetime(), parsed.is_ca()));
    }
    let authorities = found.iter().filter(|(_, _, is_ca)| *is_ca).max_by_key(|(_, ends, _)| *ends);
    let counts = match found.first() {
        Some((_, _, true)) => authorities,
        first => first,
    };
    counts.map(|(begins, ends, _)| (*begins, *ends)).ok_or_else(none)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use std::path::PathBuf;

    use super::*;
    use time::macros::datetime;

    const NOW: OffsetDateTime = datetime!(2026-11-30 08:00 UTC);

    /// A certificate file that ends on this day of 2026.
    fn certificate(folder: &Path, name: &str, ends: (i32, u8, u8), is_ca: bool) -> PathBuf {
        let mut wanted = rcgen::CertificateParams::new(vec!["door-3.school.example".to_owned()]).unwrap();
        wanted.not_before = rcgen::date_time_ymd(2020, 1, 1);
        wanted.not_after = rcgen::date_time_ymd(ends.0, ends.1, ends.2);
        if is_ca {
            wanted.is_ca = rcgen::IsCa::Ca(rcgen::BasicConstraints::Unconstrained);
        }
        let pem = wanted.self_signed(&rcgen::KeyPair::generate().unwrap()).unwrap().pem();
        let path = folder.join(name);
        std::fs::write(&path, pem).unwrap();
        path
    }

    #[test]
    fn certificates_that_are_out_of_date_are_named_with_what_to_do() {
        let folder = tempfile::tempdir().unwrap();
        let of = |own: PathBuf, authority: PathBuf| Network {
            eap_method: Some(EapMethod::Tls),
            eap_certificate_file: Some(own),
            eap_ca_file: Some(authority),
            ..Network::default()
        };
        let good = certificate(folder.path(), "good.pem", (2030, 1, 1), false);
        let authority = certificate(folder.path(), "ca.pem", (2030, 1, 1), true);
        let expired = certificate(folder.path(), "old.pem", (2026, 11, 1), false);
        let soon = certificate(folder.path(), "soon.pem", (2026, 12, 5), true);
        let told = |network: &Network, trusted| {
            let faults = certificates(network, NOW, trusted);
            faults.iter().map(ToString::to_string).collect::<Vec<_>>().join("\n")
        };
        assert_eq!(told(&of(good.clone(), authority.clone()), true), "");
        let text = told(&of(expired.clone(), soon), true);
        assert!(text.contains("has expired (2026-11-01)") && text.contains("eap.crt and eap.key"), "{text}");
        assert!(text.contains("authority's certificate for 802.1X ends in 4 days"), "{text}");
        // If even a clock that is behind shows the certificate as expired, it has surely expired.
        assert!(told(&of(expired, authority), false).contains("has expired"));
        assert!(told(&of(good, folder.path().join("none.pem")), true).contains("network.eap_ca_file"));
        assert!(certificates(&Network::default(), NOW, true).is_empty());
    }
}
