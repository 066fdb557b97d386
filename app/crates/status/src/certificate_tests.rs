//! Tests of `certificate`.

#![allow(clippy::unwrap_used)]
use std::os::unix::fs::PermissionsExt;

use super::*;

const NOW: OffsetDateTime = datetime!(2026-11-01 12:00:00 UTC);

fn source(folder: &Path) -> CertificateSource {
    CertificateSource {
        folder: folder.join("tls"),
        own: None,
        names: vec!["door.local".to_owned(), "192.0.2.7".to_owned()],
    }
}

#[test]
fn made_once_kept_and_renewed_over_the_same_key() {
    let folder = tempfile::tempdir().unwrap();
    let source = source(folder.path());
    let first = source.identity(NOW, true).unwrap();
    let again = source.identity(NOW + Duration::days(300), true).unwrap();
    assert_eq!(first.fingerprint, again.fingerprint);
    let renewed = source.identity(NOW + Duration::days(330), true).unwrap();
    assert_ne!(first.fingerprint, renewed.fingerprint);
    assert_eq!(first.key_pin, renewed.key_pin);
    assert!(renewed.expires > NOW + Duration::days(690));
    let key = std::fs::metadata(folder.path().join("tls/key.pem")).unwrap();
    assert_eq!(key.permissions().mode() & 0o777, 0o600);
}

#[test]
fn a_clock_in_the_past_makes_a_certificate_that_is_valid_then_and_now() {
    let folder = tempfile::tempdir().unwrap();
    let identity = source(folder.path()).identity(datetime!(1970-01-01 00:00:10 UTC), false).unwrap();
    let (_, parsed) = x509_parser::parse_x509_certificate(&identity.certified.cert[0]).unwrap();
    assert!(parsed.validity().not_before.to_datetime() <= CLOCK_FLOOR);
    assert!(identity.expires >= CLOCK_FLOOR + LIFE);
    assert!(identity.expires - parsed.validity().not_before.to_datetime() <= Duration::days(825));
}

#[test]
fn no_certificate_of_a_trusted_clock_is_valid_for_longer_than_browsers_take() {
    let folder = tempfile::tempdir().unwrap();
    let source = source(folder.path());
    let mut begins = OffsetDateTime::UNIX_EPOCH;
    for month in 0..60 {
        let now = NOW + Duration::days(30 * month);
        let shown = source.identity(now, true).unwrap();
        assert!(shown.expires - shown.begins <= Duration::days(825), "{now}: from {}", shown.begins);
        assert!(shown.begins <= now && shown.expires > now + Duration::days(30), "{now}");
        begins = shown.begins;
    }
    assert!(begins > NOW + Duration::days(4 * 365), "it counts from the present day");
}

#[test]
fn a_certificate_made_with_a_wrong_clock_is_made_again_once_the_clock_is_right() {
    let folder = tempfile::tempdir().unwrap();
    let source = source(folder.path());
    // Years after the floor, and the clock not set: what is made then is over.
    let unset = source.identity(datetime!(1970-01-01 00:00:10 UTC), false).unwrap();
    let now = datetime!(2030-05-01 12:00:00 UTC);
    let shown = source.identity(now, true).unwrap();
    assert!(unset.expires < now && shown.expires == now + LIFE && shown.begins == now - HEAD_START);
    // The unset clock of the next start keeps it: it would only be made again a minute later.
    assert_eq!(source.identity(CLOCK_FLOOR, false).unwrap().fingerprint, shown.fingerprint);
    // A clock that ran ahead made it begin in what is the future now.
    let right = datetime!(2029-05-01 12:00:00 UTC);
    assert!(source.identity(right, true).unwrap().begins < right);
}

#[test]
fn a_new_host_name_renews_and_a_new_address_does_not() {
    let folder = tempfile::tempdir().unwrap();
    let mut source = source(folder.path());
    let first = source.identity(NOW, true).unwrap().fingerprint;
    source.names.push("192.0.2.99".to_owned());
    assert_eq!(source.identity(NOW, true).unwrap().fingerprint, first);
    source.names.push("gate.example".to_owned());
    assert_ne!(source.identity(NOW, true).unwrap().fingerprint, first);
}

#[test]
fn names_that_cannot_stand_in_a_certificate_do_not_keep_it_from_being_made() {
    let folder = tempfile::tempdir().unwrap();
    let names = device_names(&["tür.example".to_owned(), "door.example".to_owned()]);
    assert!(names.contains(&"door.example".to_owned()) && !names.iter().any(|name| name.contains('ü')));
    CertificateSource { names, ..source(folder.path()) }.identity(NOW, true).unwrap();
}

/// As on a card that is full or read-only: what is there stays in use, also when it is due.
#[test]
fn a_certificate_that_cannot_be_renewed_stays_in_use() {
    let folder = tempfile::tempdir().unwrap();
    let mut source = source(folder.path());
    let first = source.identity(NOW, true).unwrap().fingerprint;
    source.names.push("tür.example".to_owned());
    for days in [0, 330] {
        assert_eq!(source.identity(NOW + Duration::days(days), true).unwrap().fingerprint, first);
    }
    source.names.pop();
    assert_ne!(source.identity(NOW + Duration::days(330), true).unwrap().fingerprint, first);
}

#[test]
fn a_torn_certificate_is_made_again_and_a_torn_key_is_reported() {
    let folder = tempfile::tempdir().unwrap();
    let source = source(folder.path());
    let pin = source.identity(NOW, true).unwrap().key_pin;
    std::fs::write(folder.path().join("tls/certificate.pem"), "-----BEGIN CERT").unwrap();
    assert_eq!(source.identity(NOW, true).unwrap().key_pin, pin);
    std::fs::write(folder.path().join("tls/key.pem"), "").unwrap();
    assert!(source.identity(NOW, true).unwrap_err().to_string().contains("remove it"));
}

#[test]
fn a_sites_own_key_must_belong_to_its_certificate_or_the_devices_own_is_shown() {
    let folder = tempfile::tempdir().unwrap();
    let first = source(&folder.path().join("a"));
    let second = source(&folder.path().join("b"));
    first.identity(NOW, true).unwrap();
    second.identity(NOW, true).unwrap();
    let own = |certificate: &str, key: &str| CertificateSource {
        own: Some((folder.path().join(certificate), folder.path().join(key))),
        ..first.clone()
    };
    let used = own("b/tls/certificate.pem", "b/tls/key.pem").identity(NOW, true).unwrap();
    assert_eq!((used.fingerprint, used.concern), (second.identity(NOW, true).unwrap().fingerprint, None));
    for (certificate, key) in [
        ("a/tls/certificate.pem", "b/tls/key.pem"),
        ("a/tls/key.pem", "a/tls/key.pem"),
        ("x", "a/tls/key.pem"),
    ] {
        let fallen_back = own(certificate, key).identity(NOW, true).unwrap();
        assert_eq!(
            fallen_back.fingerprint,
            first.identity(NOW, true).unwrap().fingerprint,
            "{certificate} {key}"
        );
        assert!(fallen_back.concern.unwrap().contains(certificate), "{certificate} {key}");
    }
}
