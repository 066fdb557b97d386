//! What stands between the network and the program: headers, limits, TLS, and silence about secrets.

use std::io::{BufRead, BufReader, Read, Write};

use access::password;
use base::secret::Secret;
use proptest::prelude::*;

use crate::client::{As, request};
use crate::device::{Device, PASSWORD};
use crate::limits::shared;
use crate::real::Real;

#[test]
fn every_answer_carries_the_headers() {
    let device = Device::start();
    let technician = device.log_in().with("Accept", "text/html");
    let nobody = As::default();
    for (path, who) in [
        ("/", &technician),
        ("/login", &nobody),
        ("/status", &nobody),
        ("/nothing", &technician),
        ("/healthz", &nobody),
        ("/page.js", &technician),
        ("/docs", &technician),
        ("/preview.svg", &technician),
    ] {
        let answer = device.get(path, who);
        for (name, value) in [
            ("x-content-type-options", "nosniff"),
            ("cache-control", "no-store"),
            ("referrer-policy", "no-referrer"),
            ("cross-origin-opener-policy", "same-origin"),
            ("cross-origin-resource-policy", "same-origin"),
            ("x-frame-options", "DENY"),
        ] {
            assert_eq!(answer.header(name), Some(value), "{path}: {name}");
        }
        let policy = answer.header("content-security-policy").unwrap();
        assert!(
            policy.starts_with("default-src 'none'") && policy.contains("frame-ancestors 'none'"),
            "{policy}"
        );
        assert!(!policy.contains("unsafe") && !policy.contains('*'), "{policy}");
        assert_eq!(answer.header("strict-transport-security"), None);
        assert_eq!(answer.header("server"), None);
    }
    let page = device.get("/device", &technician).text();
    for outside in ["http://", "//cdn", "onclick", "style=\"", "javascript:"] {
        assert!(!page.contains(outside), "{outside}");
    }
    assert!(page.contains("&lt;script&gt;alert(1)"), "what the log says is text");
}

/// Requests that two parsers may read differently, or that only a careless parser accepts. Each is sent with
/// a second request behind it. Paths that are open to nobody must stay closed, and an ambiguous request must
/// end the connection.
#[test]
fn no_request_slips_by() {
    let device = Device::start();
    let head = "GET /status HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n";
    let first = "GET /status HTTP/1.1\r\nHost: x\r\n";
    let statuses = |request: &str| {
        let mut stream = device.connect().unwrap();
        stream.write_all(request.as_bytes()).unwrap();
        let _ = stream.flush();
        let mut all = Vec::new();
        let _ = stream.read_to_end(&mut all);
        let text = String::from_utf8_lossy(&all).into_owned();
        text.split("HTTP/1.").skip(1).map(|answer| answer[2..5].parse::<u16>().unwrap()).collect::<Vec<_>>()
    };
    // One after the other on one connection: each is judged alone.
    assert_eq!(statuses(&format!("{first}\r\n{head}")), [401, 401]);
    let with_token = format!("{first}Authorization: Bearer {}\r\n\r\n{head}", device.full.expose());
    assert_eq!(statuses(&with_token), [200, 401], "the right of one request is lent to the next");
    assert_eq!(statuses("GET /status HTTP/1.0\r\n\r\n"), [401]);
    assert_eq!(
        statuses("GET https://elsewhere.example/status HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n"),
        [401]
    );
    for (what, request, refused) in [
        (
            "two lengths",
            "POST /login HTTP/1.1\r\nHost: x\r\nContent-Length: 3\r\nContent-Length: 4\r\n\r\na=bc",
            400,
        ),
        ("a length with a sign", "POST /login HTTP/1.1\r\nHost: x\r\nContent-Length: +3\r\n\r\na=b", 400),
        ("a blank before the colon", "GET /status HTTP/1.1\r\nHost : x\r\n\r\n", 400),
        ("a folded header", "GET /status HTTP/1.1\r\nHost: x\r\nA: b\r\n c\r\n\r\n", 400),
        (
            "an unknown coding",
            "POST /login HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: identity\r\n\r\na=b",
            400,
        ),
        ("a NUL", "GET /status\0 HTTP/1.1\r\nHost: x\r\n\r\n", 400),
        ("a bare CR", "GET /status HTTP/1.1\r\nHost: x\rA: b\r\n\r\n", 400),
        ("a later protocol", "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", 400),
    ] {
        let answers = statuses(&(request.to_owned() + head));
        assert!(answers.is_empty() || answers == [refused], "{what}: {answers:?}");
    }
    // Both a length and a coding: the coding counts (RFC 9112, 6.3), and the connection must not be used
    // again.
    let both = "POST /login HTTP/1.1\r\nHost: x\r\nContent-Length: 60\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n";
    let answers = statuses(&(both.to_owned() + head));
    assert_eq!(answers.len(), 1, "{answers:?}");
    for path in [
        "/../status",
        "/./status",
        "//status",
        "/%2e%2e/status",
        "/status%00",
        "/status;a=b",
        "/status/",
        "/STATUS",
        "*",
    ] {
        let answer = device.try_send("GET", path, &As::token(&device.read), "").unwrap();
        assert!([400, 404].contains(&answer.status), "{path}: {}", answer.status);
    }
}

/// A cookie that somebody else chose is never a log-in: not before one, and not after.
#[test]
fn session_fixation_is_impossible() {
    let device = Device::start();
    let chosen = As::default().with("Cookie", &format!("__Host-session={}", "A".repeat(43)));
    assert_eq!(device.get("/status", &chosen).status, 401);
    let opened = device.post("/login", &chosen, &format!("password={PASSWORD}"));
    assert_eq!(opened.status, 303);
    assert!(!opened.header("set-cookie").unwrap().contains("AAAA"));
    assert_eq!(device.get("/status", &chosen).status, 401);
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 150, failure_persistence: None, ..ProptestConfig::default() })]

    /// Any request, from anybody, gets an answer of the documented kind: never 500, never silence.
    #[test]
    fn no_request_makes_it_stumble(
        method in "GET|POST|PUT|HEAD|OPTIONS|[A-Z]{1,8}",
        path in "/(attendance/|do/|upload/retry/|roster/picture.svg|login|status|[!-~&&[^ #]]{0,20}){0,3}",
        query in "(\\?[!-~&&[^ #]]{0,40})?",
        header in "[ -~]{0,60}",
        body in "[ -~]{0,200}",
        rank in 0..4_usize,
    ) {
        let (device, everyone) = shared();
        let mut who = everyone[rank].clone();
        for name in ["Origin", "Sec-Fetch-Site", "Accept"] {
            who = who.with(name, &header);
        }
        let framed = format!("Content-Length: {}", body.len());
        let who = if method == "POST" { who } else { who.with("X-Length", &framed) };
        let answer = device.try_send(&method, &format!("{path}{query}"), &who, &body);
        let answer = answer.map_err(|error| TestCaseError::fail(format!("no answer: {error}")))?;
        prop_assert!(answer.status < 500, "{}: {}", answer.status, answer.text());
        prop_assert!(answer.status == 400 || answer.header("content-security-policy").is_some());
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 150, failure_persistence: None, ..ProptestConfig::default() })]

    /// The same of the page's own addresses, with parts, queries and forms that are nearly right.
    #[test]
    fn no_form_of_the_page_makes_it_stumble(
        path in "/(range|photos|door|device|students|student/[!-~&&[^ #?/]]{1,12}|\
                 sheets/(day|range|month|x)\\.(csv|xlsx|pdf)|\
                 enrol(/(begin|confirm|cancel|remove|[0-9]{1,22}\\.jpg))?|\
                 accounts(/(add|password|remove))?|settings(/(review|put-back|keep))?)",
        query in "(\\?((from|to|day|month|q|class|state|page)=\
                  (20[0-9]{2}-[0-9]{2}(-[0-9]{2})?|[0-9]{1,22}|[!-~&&[^ #&]]{0,20})&?){0,4})?",
        body in "((roll|sitting|name|role|version|photo)=(2110007|[0-9]{1,22}|[!-~&&[^ #&]]{0,20})&?){0,4}",
        post in any::<bool>(),
    ) {
        let (device, everyone) = shared();
        let method = if post { "POST" } else { "GET" };
        let answer = device.try_send(method, &format!("{path}{query}"), &everyone[3], &body);
        let answer = answer.map_err(|error| TestCaseError::fail(format!("no answer: {error}")))?;
        prop_assert!(answer.status < 500, "{}: {}", answer.status, answer.text());
    }
}

/// Over the real configuration, log, photo mirror and upload, which have failed with a backend that needs all
/// of these.
#[test]
fn secrets_are_nowhere() {
    let folder = tempfile::tempdir().unwrap();
    let hash = password::hash(&Secret::new(PASSWORD)).unwrap();
    let settings = SETTINGS.replace("HASH", &hash);
    let mut real = Real::start(&settings, folder.path());
    real.sighted("2110001");
    let mut events = real.device.connect().unwrap();
    let ask = request(&real.device, "GET", "/events", &As::token(&real.device.read), "");
    events.write_all(ask.as_bytes()).unwrap();
    let events = std::thread::spawn(move || {
        let mut heard = String::new();
        for line in BufReader::new(events).lines().map(Result::unwrap) {
            heard += &line;
            if ["sync-failed", "delivery-failed"].iter().all(|kind| heard.contains(kind)) && line.is_empty() {
                break;
            }
        }
        heard
    });
    real.talk_to_the_backend();
    let device = &real.device;
    let technician = device.log_in();
    let cookie = technician.headers[0].1.split_once('=').unwrap().1.to_owned();
    let key = std::fs::read_to_string(device.path().join("tls/key.pem")).unwrap();
    let mut secrets = vec![PASSWORD, device.read.expose(), device.full.expose(), &cookie, "$argon2id$"];
    secrets.push(key.lines().nth(1).unwrap());
    secrets.extend(CONFIGURED);
    // Each place is proved to hold what it should: an empty one hides everything.
    let search = |place: &str, text: &str, holds: &str| {
        assert!(text.contains(holds), "{place} holds nothing: {text}");
        for secret in &secrets {
            assert!(!text.contains(secret), "{place} holds {secret}");
        }
    };
    let as_page = technician.clone().with("Accept", "text/html");
    for (path, holds) in [("/", "127.0.0.1:1/webhook"), ("/login", "password"), ("/docs", "/status")] {
        search(path, &device.get(path, &as_page).text(), holds);
    }
    for (path, holds) in [
        ("/", "127.0.0.1:1/webhook"),
        ("/status", "127.0.0.1:1/media"),
        ("/roster", "students"),
        ("/logs/server", "Photos not synced"),
        ("/metrics", "attendance_upload_failing 1"),
        ("/openapi.json", "openapi"),
        ("/attendance/today", "2110001"),
    ] {
        search(path, &device.get(path, &technician).text(), holds);
    }
    search("the events", &events.join().unwrap(), "127.0.0.1:1");
    let log = base::logging::recent(usize::MAX).join("\n");
    search("the log", &log, "Rows not delivered");
    let bundle = device.get("/diagnostics", &technician);
    let mut archive = tar::Archive::new(flate2::read::GzDecoder::new(bundle.body.as_slice()));
    for (entry, holds) in
        archive.entries().unwrap().zip(["state.json", "127.0.0.1:1", "[hidden]", "not synced"])
    {
        let mut entry = entry.unwrap();
        let mut text = String::new();
        entry.read_to_string(&mut text).unwrap();
        search(&format!("{}", entry.path().unwrap().display()), &text, holds);
    }
    // On disk stand hashes only (the device's key is its own file).
    let tokens = std::fs::read_to_string(device.path().join("page/tokens.json")).unwrap();
    assert!(!secrets[..4].iter().any(|secret| tokens.contains(secret)), "{tokens}");
}

/// Nobody listens at port 1.
const SETTINGS: &str = r#"
[site]
data_dir = "DATA"
time_zone = "UTC"
[photos]
url = "http://door:ph0t0-passw0rd@127.0.0.1:1/media?key=ph0t0-key"
[webhook]
url = "http://127.0.0.1:1/webhook/?token=h00k-token"
key = "h00k-key"
[fleet]
url = "https://127.0.0.1:1/?key=fl33t-key"
target_token = "fl33t-token"
[page]
password_hash = "HASH"
"#;

/// What must not be shown of them.
const CONFIGURED: [&str; 6] =
    ["ph0t0-passw0rd", "ph0t0-key", "h00k-token", "h00k-key", "fl33t-key", "fl33t-token"];
