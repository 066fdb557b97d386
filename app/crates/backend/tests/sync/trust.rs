//! Whom the client believes.

use backend::config::Tls;
use backend::http;
use backend::sync::Error;

use crate::door::{Door, KEY, jpeg, write};
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
        matches!(&error, Error::Http(http::Error::Tls { reason, .. }) if reason.contains("BadSignature")),
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

    // Another server's certificate, though of the same name, is not.
    let (mut other, _, _, _root) = encrypted().await;
    other.settings.tls = Tls { ca_file: Some(ca_file), ..Tls::default() };
    let error = other.try_sync().await.unwrap_err();
    assert!(matches!(error, Error::Http(http::Error::Tls { .. })), "{error}");
}

#[tokio::test]
async fn an_unknown_certificate_is_refused_with_advice() {
    let (door, _, _, _root) = encrypted().await;
    let error = door.try_sync().await.unwrap_err();
    assert!(matches!(error, Error::Http(http::Error::Tls { .. })), "{error}");
    assert!(error.to_string().contains("tls.pinned_sha256"), "{error}");
}
