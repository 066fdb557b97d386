//! Servers that lie, break off, never end or lead astray.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use backend::http::{Retry, Timeouts};
use backend::sync::{Error, Patience, Worker};
use backend::{http, sync};
use base::event::Bus;
use base::failure::Disposition;
use base::progress::Progress;
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;

use crate::door::{Door, KEY, PATIENCE, bmp, counts, jpeg};
use crate::scripted::{Script, Server, path};

/// A server with one student and one photo, which it sends as `photo` says.
async fn one_photo(photo: impl Fn(&str) -> Script + Send + Sync + 'static) -> (Server, Door) {
    let server = Server::start(move |head| match path(head) {
        "/students/" => Script::page("<a href='2110001/'>2110001/</a>"),
        "/students/2110001/" => Script::page("<a href='a.jpg'>a.jpg</a>"),
        "/students/2110001/a.jpg" => photo(head),
        _ => Script::answer("404 Not Found", "", b""),
    })
    .await;
    let door = Door::new(&server.url());
    (server, door)
}

/// What is said of the one photo, which fails; an older version stays.
async fn failure(photo: impl Fn() -> Script + Send + Sync + 'static) -> String {
    let calls = AtomicUsize::new(0);
    let (_server, door) = one_photo(move |_| match calls.fetch_add(1, Ordering::Relaxed) {
        0 => Script::file(&jpeg(1)),
        _ => photo(),
    })
    .await;
    assert_eq!(counts(&door.sync().await), [1, 0, 0, 0, 0]);
    let report = door.sync().await;
    assert_eq!(counts(&report), [0, 0, 0, 0, 1]);
    assert_eq!(door.photos()["2110001/a.jpg"], jpeg(1));
    report.failed[0].reason.clone()
}

#[tokio::test]
async fn half_a_photo_is_never_kept() {
    let half = || jpeg(2)[..jpeg(2).len() / 2].to_vec();
    let announced = move || {
        let mut bytes = b"HTTP/1.1 200 OK\r\nContent-Length: 999999\r\n\r\n".to_vec();
        bytes.extend(half());
        Script::raw(bytes)
    };
    assert!(failure(announced).await.contains("broke off"));
    let unannounced = move || {
        let mut bytes = b"HTTP/1.0 200 OK\r\n\r\n".to_vec();
        bytes.extend(half());
        Script::raw(bytes)
    };
    assert!(failure(unannounced).await.contains("cut short"));
    let mut chunked = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n400\r\n".to_vec();
    chunked.extend(&jpeg(2)[..300]);
    assert!(failure(move || Script::raw(chunked.clone())).await.contains("broke off"));
}

#[tokio::test]
async fn what_is_no_photo_is_refused_with_the_reason() {
    assert!(failure(|| Script::page("<html>Please log in</html>")).await.contains("with a web page"));
    assert!(failure(|| Script::file(b"")).await.contains("not a picture"));
    assert!(failure(|| Script::answer("500 Oops", "", b"")).await.contains("500"));
    assert!(failure(|| Script::answer("404 Not Found", "", b"")).await.contains("404"));
    assert!(
        failure(|| Script::answer("200 OK", "Content-Encoding: gzip\r\n", &jpeg(2)))
            .await
            .contains("unpacked")
    );
    assert!(failure(|| Script::raw("SSH-2.0-OpenSSH_9.2\r\n")).await.contains("HTTP"));
    assert!(failure(|| Script::raw("")).await.contains("broke off"));
    assert!(failure(|| Script::answer("304 Not Modified", "", b"")).await.contains("304"));
}

#[tokio::test]
async fn a_photo_too_large_in_bytes_or_pixels_is_refused() {
    let announced = || Script::raw("HTTP/1.1 200 OK\r\nContent-Length: 99000000000\r\n\r\n");
    assert!(failure(announced).await.contains("99000000000 bytes"));
    let endless = || Script { endless: true, ..Script::raw("HTTP/1.0 200 OK\r\n\r\n") };
    assert!(failure(endless).await.contains("more than 1000000 bytes"));
    let mut bomb = bmp(1);
    bomb[18..22].copy_from_slice(&60_000i32.to_le_bytes());
    bomb[22..26].copy_from_slice(&60_000i32.to_le_bytes());
    assert!(failure(move || Script::file(&bomb)).await.contains("more than 12000 pixels"));
}

#[tokio::test]
async fn a_refused_photo_is_not_fetched_again_until_it_changes() {
    let bodies = Arc::new(AtomicUsize::new(0));
    let mended = Arc::new(AtomicUsize::new(0));
    let (sent, is_mended) = (Arc::clone(&bodies), Arc::clone(&mended));
    let (_server, door) = one_photo(move |head| {
        let version = is_mended.load(Ordering::Relaxed);
        if head.contains(&format!("if-none-match: \"v{version}\"")) {
            return Script::answer("304 Not Modified", "", b"");
        }
        sent.fetch_add(1, Ordering::Relaxed);
        let etag = format!("ETag: \"v{version}\"\r\n");
        Script::answer("200 OK", &etag, if version == 0 { b"no photo" } else { &[] as &[u8] })
    })
    .await;
    for _ in 0..3 {
        let report = door.sync().await;
        assert!(report.failed[0].reason.contains("not a picture"));
    }
    assert_eq!(bodies.load(Ordering::Relaxed), 1);
    mended.store(1, Ordering::Relaxed);
    door.sync().await;
    assert_eq!(bodies.load(Ordering::Relaxed), 2);
}

#[tokio::test]
async fn a_redirect_elsewhere_carries_the_key_nowhere() {
    let elsewhere = Server::start(|_| Script::page("")).await;
    let target = format!("Location: http://{}/students/\r\n", elsewhere.address);
    let server = Server::start(move |_| Script::answer("302 Found", &target, b"")).await;
    let error = Door::new(&server.url()).try_sync().await.unwrap_err();
    assert!(matches!(error, Error::Redirected { .. }), "{error}");
    assert!(elsewhere.requests().is_empty());

    let circle = Server::start(|_| Script::answer("302 Found", "Location: /students/\r\n", b"")).await;
    let error = Door::new(&circle.url()).try_sync().await.unwrap_err();
    assert!(error.to_string().contains("302"), "{error}");
    assert!(circle.requests().len() < 10);
}

/// While a synchronisation is under way, strangers are not reported. So it must end with the worker.
#[tokio::test]
async fn nothing_is_under_way_once_the_key_was_refused() {
    let server = Server::start(|_| Script::answer("401 Unauthorized", "", b"")).await;
    let door = Door::new(&server.url());
    let progress = Progress::default();
    let worker = Worker {
        settings: Arc::new(door.settings.clone()),
        bus: Bus::default(),
        changed: watch::Sender::new(0),
        now: Arc::default(),
        progress: progress.clone(),
        failed: Arc::default(),
        enrolling: Progress::default(),
        account: Arc::default(),
    };
    let failure = sync::run(worker, CancellationToken::new()).await.unwrap_err();
    assert_eq!(failure.disposition, Disposition::Hold, "{}", failure.reason);
    assert_eq!(progress.under_way(), None);
}

#[tokio::test]
async fn a_server_that_is_silent_or_too_slow_is_left() {
    let patience = Patience {
        timeouts: Timeouts {
            head: Duration::from_millis(300),
            idle: Duration::from_millis(300),
            whole: Duration::from_millis(900),
            ..PATIENCE.timeouts
        },
        retry: Retry { tries: 2, ..PATIENCE.retry },
    };
    for bytes in ["", "HTTP/1.1 200 OK\r\n", "HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\n<html>"] {
        let server = Server::start(move |_| Script::hang(bytes)).await;
        let start = Instant::now();
        let error = Door::new(&server.url()).try_sync_with(patience).await.unwrap_err();
        assert!(matches!(error, Error::Http(http::Error::TimedOut { .. })), "{error}");
        assert!(start.elapsed() < Duration::from_secs(4));
    }
}

#[tokio::test]
async fn nobody_listening_is_told_as_such() {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    drop(listener);
    let door = Door::new(&format!("http://{address}/students?key={KEY}"));
    let error = door.try_sync().await.unwrap_err();
    assert!(matches!(&error, Error::Http(http::Error::Connect { .. })), "{error}");
    assert!(error.to_string().contains("Connection refused"), "{error}");
}

#[tokio::test]
async fn a_server_that_dies_among_the_photos_is_not_asked_for_each() {
    let links: String = (0..200).map(|i| format!("<a href='2110001/{i}.jpg'>{i}</a>\n")).collect();
    let server = Server::start(move |head| match path(head) {
        "/students/" => Script::page(&links),
        _ => Script::answer("502 Bad Gateway", "", b""),
    })
    .await;
    let report = Door::new(&server.url()).sync().await;
    assert_eq!(report.failed.len(), 200);
    assert!(server.requests().len() < 60, "{} requests", server.requests().len());
    assert!(report.failed.iter().any(|failure| failure.reason.contains("not tried")));
}
