//! Whom the client believes.

use std::sync::Arc;

use backend::config::{Server, Tls};
use backend::http;
use backend::sync::Error;
use base::moment::{CheckedClock, Clock, ManualClock};
use time::macros::datetime;

use crate::door::{Door, KEY, PATIENCE, jpeg, write};
use crate::site;
use crate::site::Site;

/// A photo behind a self-signed certificate: the door, the certificate's fingerprint and its PEM.
async fn encrypted() -> (Door, String, String, tempfile::TempDir) {
    let root = tempfile::tempdir().unwrap();
    write(root.path(), "2110001/a.jpg", &jpeg(1));
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let tls = site::Tls::self_signed().unwrap();
    let (fingerprint, pem) = (tls.fingerprint(), tls.pem());
    let door = Door::new(&format!("{}/media/students?key={KEY}", site::origin(&listener, true).unwrap()));
    tokio::spawn(Site::new(root.path(), KEY).unwrap().serve(listener, Some(tls)));
    (door, fingerprint, pem, root)
}

#[tokio::test]
async fn a_pinned_certificate_is_believed_and_no_other() {
    let (mut door, fingerprint, _, _root) = encrypted().await;
    door.settings.tls = Tls { pinned_sha256: Some(fingerprint.to_uppercase()), ..Tls::default() };
    assert_eq!(door.sync().await.new, 1);

    let (mut door, fingerprint, _, _root) = encrypted().await;
    let wrong = "ab".repeat(32);
    door.settings.tls = Tls { pinned_sha256: Some(wrong.clone()), ..Tls::default() };
    let error = door.try_sync().await.unwrap_err();
    assert!(
        matches!(&error, Error::Http(http::Error::PinMismatch { seen, expected, .. })
        if *seen == fingerprint && *expected == wrong),
        "{error}"
    );
    assert!(door.paths().is_empty());
}

#[tokio::test]
async fn a_copy_of_the_pinned_certificate_without_its_key_is_refused() {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let mut door = Door::new(&format!("{}/media/students?key={KEY}", site::origin(&listener, true).unwrap()));
    let tls = site::Tls::with_anothers_certificate().unwrap();
    door.settings.tls = Tls { pinned_sha256: Some(tls.fingerprint()), ..Tls::default() };
    let root = tempfile::tempdir().unwrap();
    tokio::spawn(Site::new(root.path(), KEY).unwrap().serve(listener, Some(tls)));
    let error = door.try_sync().await.unwrap_err();
    assert!(
        matches!(&error, Error::Http(http::Error::Tls { reason, seen: Some(_), .. }) if reason.contains("BadSignature")),
        "{error}"
    );
}

#[tokio::test]
async fn a_further_authority_is_believed_for_its_names_only() {
    let (mut door, _, pem, root) = encrypted().await;
    let ca_file = root.path().join("ca.pem");
    std::fs::write(&ca_file, pem).unwrap();
    door.settings.tls = Tls { ca_file: Some(ca_file.clone()), ..Tls::default() };
    assert_eq!(door.sync().await.new, 1);

    // The certificate of another server is not trusted, even with the same name.
    let (mut other, fingerprint, _, _root) = encrypted().await;
    other.settings.tls = Tls { ca_file: Some(ca_file), ..Tls::default() };
    let error = other.try_sync().await.unwrap_err();
    assert!(matches!(error, Error::Http(http::Error::Tls { .. })), "{error}");
    assert!(error.to_string().contains(&fingerprint), "{error}");
}

#[tokio::test]
async fn an_unknown_certificate_is_refused_with_its_fingerprint_and_advice() {
    let (mut door, fingerprint, _, _root) = encrypted().await;
    for (server, setting) in [(Server::Any, "tls"), (Server::Photos, "photos"), (Server::Webhook, "webhook")]
    {
        door.settings.tls = Tls::default().of(server, None);
        let error = door.try_sync().await.unwrap_err();
        assert!(matches!(error, Error::Http(http::Error::Tls { .. })), "{error}");
        let told = error.to_string();
        assert!(
            told.contains(&fingerprint) && told.contains(&format!("set {setting}.pinned_sha256")),
            "{told}"
        );
    }
}

/// A certificate that `openssl req -x509` makes: self-signed, and called an authority. It is valid from and
/// to these years, for `name`.
fn by_openssl(name: &str, (from, to): (i32, i32)) -> (rcgen::CertificateParams, rcgen::KeyPair) {
    let mut made = rcgen::CertificateParams::new(vec![name.to_owned()]).unwrap();
    made.is_ca = rcgen::IsCa::Ca(rcgen::BasicConstraints::Unconstrained);
    made.not_before = rcgen::date_time_ymd(from, 1, 1);
    made.not_after = rcgen::date_time_ymd(to, 1, 1);
    (made, rcgen::KeyPair::generate().unwrap())
}

/// A door whose server shows this certificate.
async fn showing(certificate: rcgen::Certificate, key: &rcgen::KeyPair) -> (Door, String, tempfile::TempDir) {
    let root = tempfile::tempdir().unwrap();
    write(root.path(), "2110001/a.jpg", &jpeg(1));
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let tls = site::Tls::new(certificate, key).unwrap();
    let fingerprint = tls.fingerprint();
    let door = Door::new(&format!("{}/media/students?key={KEY}", site::origin(&listener, true).unwrap()));
    tokio::spawn(Site::new(root.path(), KEY).unwrap().serve(listener, Some(tls)));
    (door, fingerprint, root)
}

#[tokio::test]
async fn a_self_signed_certificate_as_the_file_of_authorities_is_pinned_by_its_content() {
    // Also with another name, and out of date: it is the certificate itself.
    for (name, years) in [("127.0.0.1", (2020, 2090)), ("old.example", (2001, 2003))] {
        let (params, key) = by_openssl(name, years);
        let certificate = params.self_signed(&key).unwrap();
        let ca_file = tempfile::NamedTempFile::new().unwrap();
        std::fs::write(ca_file.path(), certificate.pem()).unwrap();
        let (mut door, fingerprint, _root) = showing(certificate, &key).await;
        let told = door.try_sync().await.unwrap_err().to_string();
        assert!(told.contains(&fingerprint), "{told}");
        door.settings.tls.ca_file = Some(ca_file.path().to_owned());
        assert_eq!(door.sync().await.new, 1, "{name}");

        // Another certificate with the same name and dates is not trusted, even if the first is marked as an
        // authority.
        let (params, key) = by_openssl(name, years);
        let (mut other, fingerprint, _root) = showing(params.self_signed(&key).unwrap(), &key).await;
        other.settings.tls.ca_file = Some(ca_file.path().to_owned());
        let told = other.try_sync().await.unwrap_err().to_string();
        assert!(told.contains("not trusted") && told.contains(&fingerprint), "{told}");
    }
}

#[tokio::test]
async fn each_fault_of_a_certificate_is_told_in_words_with_the_fingerprint() {
    let (params, authority_key) = by_openssl("authority.example", (2020, 2090));
    let authority = params.self_signed(&authority_key).unwrap();
    let issuer = rcgen::Issuer::new(params, authority_key);
    let ca_file = tempfile::NamedTempFile::new().unwrap();
    std::fs::write(ca_file.path(), authority.pem()).unwrap();
    for (name, years, words) in [
        ("127.0.0.1", (2020, 2021), "expired"),
        ("127.0.0.1", (2080, 2090), "not valid yet"),
        ("other.example", (2020, 2090), "for other names"),
    ] {
        let (mut params, key) = by_openssl(name, years);
        params.is_ca = rcgen::IsCa::NoCa;
        let (mut door, fingerprint, _root) = showing(params.signed_by(&key, &issuer).unwrap(), &key).await;
        door.settings.tls.ca_file = Some(ca_file.path().to_owned());
        let told = door.try_sync().await.unwrap_err().to_string();
        assert!(told.contains(words) && told.contains(&fingerprint), "{told}");
    }
    let (mut params, key) = by_openssl("127.0.0.1", (2020, 2090));
    params.is_ca = rcgen::IsCa::NoCa;
    let (mut door, _, _root) = showing(params.signed_by(&key, &issuer).unwrap(), &key).await;
    door.settings.tls.ca_file = Some(ca_file.path().to_owned());
    assert_eq!(door.sync().await.new, 1);
}

/// A clock that jumped by 400 days makes the webhook's certificate look out of date. The webhook's own clock
/// would end the doubt, so it must be asked all the same.
#[tokio::test]
async fn while_the_clock_is_in_doubt_a_certificate_may_be_valid_by_the_time_that_was_believed() {
    let (params, authority_key) = by_openssl("authority.example", (2020, 2090));
    let authority = params.self_signed(&authority_key).unwrap();
    let issuer = rcgen::Issuer::new(params, authority_key);
    let ca_file = tempfile::NamedTempFile::new().unwrap();
    std::fs::write(ca_file.path(), authority.pem()).unwrap();
    // Valid around the time that was believed, and not by the clock of this machine.
    let (mut params, key) = by_openssl("127.0.0.1", (2024, 2026));
    params.is_ca = rcgen::IsCa::NoCa;
    let (mut door, _, _root) = showing(params.signed_by(&key, &issuer).unwrap(), &key).await;
    door.settings.tls.ca_file = Some(ca_file.path().to_owned());
    let url = door.settings.photos.url.clone().unwrap();
    for (believed, is_reached) in [
        (Some(datetime!(2025-06-01 08:00:00 UTC)), true),
        (Some(datetime!(2026-06-01 08:00:00 UTC)), false),
        (None, false),
    ] {
        let start = believed.unwrap_or(datetime!(2025-06-01 08:00:00 UTC));
        let wall = Arc::new(ManualClock::at(start, "boot-1"));
        let clock: Arc<dyn Clock> = Arc::new(CheckedClock::new(Arc::clone(&wall) as Arc<dyn Clock>));
        assert!(clock.now().trusted);
        if believed.is_some() {
            wall.set(start + time::Duration::days(400), true);
        }
        assert_eq!(clock.now().trusted, believed.is_none());
        let client = http::Client::with_clock(&door.settings.tls, PATIENCE.timeouts, clock).unwrap();
        let reply = client.get(url.expose(), ::http::HeaderMap::new()).await;
        assert_eq!(reply.is_ok(), is_reached, "{believed:?}: {:?}", reply.err());
    }
}
