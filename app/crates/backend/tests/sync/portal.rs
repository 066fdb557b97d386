//! A network that shows its log-in page in the place of every server, and one without IPv4.

use std::net::Ipv6Addr;

use backend::config::{Server as Asked, Tls, Webhook};
use backend::http;
use backend::http::portal::{ADVICE, Sign};
use backend::sync::Error;
use backend::upload;
use base::secret::{Secret, SecretUrl};
use tokio::net::TcpListener;

use crate::door::{Door, KEY, jpeg, write};
use crate::scripted::{Script, Server, path};
use crate::site;
use crate::site::Site;

/// What a caught request is answered with.
fn caught(kind: usize) -> (Script, Sign) {
    match kind {
        0 => (Script::page(PORTAL), Sign::Page),
        1 => (
            Script::answer("302 Found", "Location: http://login.example/?to=x\r\n", b""),
            Sign::LeadsTo("http://login.example/".to_owned()),
        ),
        _ => (Script::answer("511 Network Authentication Required", "", PORTAL.as_bytes()), Sign::Told),
    }
}

const PORTAL: &str = "<!DOCTYPE html><title>Guest network</title><form><input type=\"password\"></form>";

#[tokio::test]
async fn log_in_page_in_the_place_of_the_photos_is_named_and_removes_nothing() {
    for kind in 0..3 {
        let server = Server::start(move |_| caught(kind).0).await;
        let mut door = Door::new(&server.url());
        door.settings.tls = Tls { server: Asked::Photos, ..Tls::default() };
        let sign = caught(kind).1;
        let error = door.try_sync().await.unwrap_err();
        assert!(
            matches!(&error, Error::Http(http::Error::LogInPage { sign: seen, .. }) if *seen == sign),
            "{error:?}"
        );
        assert!(error.to_string().contains(ADVICE), "{error}");
    }
}

#[tokio::test]
async fn log_in_page_in_the_place_of_a_photo_is_not_remembered_as_a_bad_photo() {
    let listing = "<a href='2110001/'>2110001</a>";
    let server = Server::start(move |head| match path(head).trim_end_matches('/') {
        path if path.ends_with(".jpg") => Script::page(PORTAL),
        path if path.ends_with("2110001") => Script::page("<h1>Index of</h1><a href='a.jpg'>a.jpg</a>"),
        _ => Script::page(listing),
    })
    .await;
    let door = Door::new(&server.url());
    let report = door.sync().await;
    assert!(report.failed.iter().any(|failure| failure.reason.contains(ADVICE)), "{report:?}");
    let state = std::fs::read_to_string(door.mirror().join(".sync_state.json")).unwrap();
    assert!(!state.contains("Guest") && !state.contains("\"reason\""), "{state}");
}

#[tokio::test]
async fn log_in_page_in_the_place_of_the_webhook_is_named_alike() {
    for kind in 0..3 {
        let server = Server::start(move |_| caught(kind).0).await;
        let webhook = Webhook {
            url: Some(SecretUrl::parse(&server.url()).unwrap()),
            key: Some(Secret::new(KEY)),
            ..Webhook::default()
        };
        let fault = upload::check_connection(&webhook, &Tls::default()).await.unwrap_err();
        assert!(fault.to_string().contains(ADVICE), "{fault}");
    }
}

#[tokio::test]
async fn photos_and_webhook_work_without_ipv4() {
    let Ok(listener) = TcpListener::bind((Ipv6Addr::LOCALHOST, 0)).await else {
        skipped::skipped("an IPv6 loopback");
        return;
    };
    let root = tempfile::tempdir().unwrap();
    write(root.path(), "2110001/a.jpg", &jpeg(1));
    let port = listener.local_addr().unwrap().port();
    let tls = site::Tls::self_signed().unwrap();
    let trust = Tls { pinned_sha256: Some(tls.fingerprint()), ..Tls::default() };
    tokio::spawn(Site::new(root.path(), KEY).unwrap().serve(listener, Some(tls)));
    let mut door = Door::new(&format!("https://[::1]:{port}/media/students?key={KEY}"));
    door.settings.tls = trust.clone();
    assert_eq!(door.sync().await.new, 1);
    let webhook = Webhook {
        url: Some(SecretUrl::parse(&format!("https://[::1]:{port}/attendance/webhook/")).unwrap()),
        key: Some(Secret::new(KEY)),
        ..Webhook::default()
    };
    upload::check_connection(&webhook, &trust).await.unwrap();
}
