//! Updates that come by the page: streamed within limits, from who may send them, and nothing else.

use std::io::{Read, Write};
use std::time::{Duration, Instant};

use base::secret::SecretUrl;
use serde_json::json;
use status::limits::Limits;
use update::inbox::{MAX_BUNDLE, received};
use view::Action;
use view::systems::UpdateEnd;

use crate::client::{Answer, As, Tls, answer};
use crate::device::Device;
use crate::states::broken;

/// Begins to send a bundle that is said to have `bytes` bytes.
fn begin(device: &Device, who: &As, length: &str) -> Tls {
    let mut stream = device.connect().unwrap();
    let mut head = format!(
        "POST /update/bundle HTTP/1.1\r\nHost: {}\r\nConnection: close\r\n{length}\r\n",
        device.running.address()
    );
    for (name, value) in &who.headers {
        head += &format!("{name}: {value}\r\n");
    }
    stream.write_all((head + "\r\n").as_bytes()).unwrap();
    stream.flush().unwrap();
    stream
}

fn send(device: &Device, who: &As, bundle: &[u8]) -> Answer {
    let mut stream = begin(device, who, &format!("Content-Length: {}", bundle.len()));
    // A client that is refused may be cut off while it still sends.
    let _ = stream.write_all(bundle).and_then(|()| stream.flush());
    answer(&mut stream).unwrap()
}

fn left_in_the_inbox(device: &Device) -> usize {
    std::fs::read_dir(&device.fake.inbox).map_or(0, Iterator::count)
}

fn performed(device: &Device) -> Vec<Action> {
    device.fake.performed.lock().unwrap().clone()
}

fn until(complaint: &str, reached: impl Fn() -> bool) {
    let start = Instant::now();
    while !reached() {
        assert!(start.elapsed() < Duration::from_secs(20), "{complaint}");
        std::thread::sleep(Duration::from_millis(5));
    }
}

#[test]
fn bundle_is_streamed_and_installed() {
    let device = Device::start();
    let bundle: Vec<u8> = (0..3_000_000_u32).map(|n| ((n * 31) >> 5) as u8).collect();
    let sent = send(&device, &As::token(&device.full), &bundle);
    assert_eq!((sent.status, &sent.json()["success"]), (200, &json!(true)), "{}", sent.text());
    assert_eq!(std::fs::read(received(&device.fake.inbox)).unwrap(), bundle);
    assert_eq!(performed(&device), [Action::InstallReceived]);
    // The technician's browser sends its token in a header; in the body it would come too late.
    let technician = device.log_in();
    assert_eq!(send(&device, &technician, b"second").status, 200);
    let cookie_only = As { headers: technician.headers[..1].to_vec() };
    let in_the_body = format!("csrf={}", technician.headers[1].1);
    assert_eq!(send(&device, &cookie_only, in_the_body.as_bytes()).status, 403);
    assert_eq!(std::fs::read(received(&device.fake.inbox)).unwrap(), b"second");
}

#[test]
fn foreign_upload_is_refused_unread() {
    let device = Device::start();
    let full = As::token(&device.full);
    for (who, length, status) in [
        (&As::default(), "Content-Length: 400000000".to_owned(), 401),
        (&As::token(&device.read), "Content-Length: 400000000".to_owned(), 403),
        (&full, format!("Content-Length: {}", MAX_BUNDLE + 1), 413),
        (&full, "Transfer-Encoding: chunked".to_owned(), 411),
        (&full, "Content-Length: 0".to_owned(), 400),
    ] {
        // Not a byte of the body was sent: the answer comes by the header alone.
        let refused = answer(&mut begin(&device, who, &length)).unwrap();
        assert_eq!(refused.status, status, "{length}");
    }
    assert_eq!((left_in_the_inbox(&device), performed(&device).len()), (0, 0));
}

#[test]
fn aborted_upload_leaves_nothing() {
    let device = Device::with(Limits { bundle_pause: Duration::from_secs(2), ..Limits::default() });
    let full = As::token(&device.full);
    let mut slow = begin(&device, &full, "Content-Length: 1000");
    slow.write_all(b"the beginning").unwrap();
    slow.flush().unwrap();
    until("nothing arrives", || left_in_the_inbox(&device) > 0);
    let second = send(&device, &full, b"another");
    assert_eq!(second.status, 409, "two bundles at once: {}", second.text());
    assert_eq!(answer(&mut slow).unwrap().status, 408);

    let mut gone = begin(&device, &full, "Content-Length: 1000");
    gone.write_all(b"the beginning").unwrap();
    gone.flush().unwrap();
    until("nothing arrives", || left_in_the_inbox(&device) > 0);
    drop(gone);
    let all_gone = || left_in_the_inbox(&device) == 0 && device.fake.updating.progress().is_none();
    until("half a bundle stays", all_gone);
    assert!(performed(&device).is_empty());
    assert_eq!(send(&device, &full, b"another").status, 200);
}

#[test]
fn refused_upload_gets_its_reason() {
    let device = Device::start();
    let full = As::token(&device.full);
    let _first = begin(&device, &full, "Content-Length: 1000");
    until("the first is not under way", || left_in_the_inbox(&device) == 1);
    // More than the buffers between us hold.
    let bundle = vec![7; 30_000_000];
    let mut second = begin(&device, &full, &format!("Content-Length: {}", bundle.len()));
    second.write_all(&bundle).and_then(|()| second.flush()).unwrap();
    let answer = answer(&mut second).unwrap();
    assert_eq!(answer.status, 409);
    assert!(answer.text().contains("wait for its end"), "{}", answer.text());
}

#[test]
fn excess_bytes_are_no_part_of_the_bundle() {
    let device = Device::start();
    let mut stream = begin(&device, &As::token(&device.full), "Content-Length: 5");
    stream.write_all(b"12345GET /status HTTP/1.1\r\nHost: x\r\n\r\n").unwrap();
    let mut all = Vec::new();
    let _ = stream.read_to_end(&mut all);
    assert_eq!(std::fs::read(received(&device.fake.inbox)).unwrap(), b"12345");
    assert_eq!(String::from_utf8_lossy(&all).matches("HTTP/1.1 ").count(), 1, "the connection was to close");
}

#[test]
fn credential_of_an_update_address_is_hidden() {
    let device = Device::start();
    let full = As::token(&device.full);
    let form = "url=https%3A%2F%2Fupdates.backend.example%2Flatest.json%3Fkey%3Ds3cr3t";
    let fetched = device.post("/update/install", &full, form);
    assert_eq!(fetched.json()["message"], "Fetched from https://updates.backend.example/latest.json.");
    let url = SecretUrl::parse("https://updates.backend.example/latest.json?key=s3cr3t").unwrap();
    assert_eq!(performed(&device), [Action::InstallFrom(url)]);
    for bad in [
        "",
        "url=",
        "url=file%3A%2F%2F%2Fetc%2Fshadow",
        "url=updates",
        &format!("url=https://x/{}", "y".repeat(1100)),
    ] {
        assert_eq!(device.post("/update/install", &full, bad).status, 400, "{bad}");
    }
    let technician = device.log_in();
    assert_eq!(device.post("/do/install", &technician, form).status, 200);
    assert_eq!(device.post("/do/install", &technician, "url=nonsense").status, 400);
    let page = device.get("/device", &technician.with("Accept", "text/html")).text();
    assert!(
        page.contains("Fetched from https://updates.backend.example/latest.json") && !page.contains("s3cr3t")
    );
}

#[test]
fn page_shows_a_rollback_until_acknowledged() {
    let device = Device::start();
    let read = As::token(&device.read);
    let systems = device.get("/status", &read).json()["appliance"]["update"]["systems"].clone();
    assert_eq!((&systems["slot"], &systems["committed"]), (&json!("a"), &json!("a")));
    assert_eq!(systems["b"]["system"]["built"], "2026-10-02T12:00:00Z");
    assert_eq!(systems["last"]["end"], "committed");
    device.change(broken);
    let systems = device.get("/status", &read).json()["appliance"]["update"]["systems"].clone();
    assert_eq!(
        (&systems["last"]["check"], &systems["needs_acknowledgement"]),
        (&json!("camera"), &json!(true))
    );
    let technician = device.log_in();
    let page = device.get("/device", &technician.clone().with("Accept", "text/html")).text();
    for part in [
        "failed (no frame within 180 s)",
        "WARN: camera failed: no such device",
        "I have read this",
        "until you say so here: version 1.4.0",
        "signed with development keys",
        "settings cannot be seen from this system",
    ] {
        assert!(page.contains(part), "{part}");
    }
    assert_eq!(device.post("/do/acknowledge-update", &technician, "").status, 200);
    assert_eq!(device.post("/update/try", &As::token(&device.full), "").status, 200);
    assert_eq!(performed(&device), [Action::AcknowledgeUpdate, Action::TryUpdate]);
    // Left by going back: nothing is wrong, and the version stays away.
    device.change(|view| {
        let mut left = crate::states::systems(UpdateEnd::Committed);
        left.not_wanted = vec!["1.4.0".to_owned()];
        view.update.systems = Some(left);
    });
    let page = device.get("/device", &technician.clone().with("Accept", "text/html")).text();
    assert!(page.contains("version 1.4.0") && page.contains("It may come again"));
    assert!(!page.contains("development keys") && !page.contains("I have read this"));
    device.change(|view| {
        view.update.systems = None;
        view.update.unavailable = Some("no slots".to_owned());
    });
    let page = device.get("/device", &technician.with("Accept", "text/html")).text();
    assert!(page.contains("Updates are not available here") && !page.contains("bundle-form"));
}
