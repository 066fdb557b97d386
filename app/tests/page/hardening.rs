//! What stands between the network and the program: headers, limits, TLS, and silence about secrets.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::process::{Command, Stdio};
use std::sync::OnceLock;
use std::time::{Duration, Instant};

use access::password;
use base::secret::Secret;
use proptest::prelude::*;
use status::limits::Limits;

use crate::client::{As, answer, plain, request, socket_from, tls};
use crate::device::{Device, PASSWORD};
use crate::flood::Flood;
use crate::real::Real;

/// Far longer than any limit under test, so that a slow machine is not mistaken for a server that waits for
/// ever.
const PATIENCE: Duration = Duration::from_secs(30);

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

#[test]
fn request_sizes_are_bounded() {
    let device = Device::start();
    let who = As::token(&device.full);
    assert_eq!(device.post("/login", &As::default(), &"x".repeat(1025)).status, 413);
    assert_eq!(device.post("/sync/manual", &who, &"x".repeat(2000)).status, 413);
    let long = As::default().with("X-Long", &"x".repeat(40_000));
    assert!(device.try_send("GET", "/status", &long, "").map_or(true, |a| a.status == 431));
    let many = (0..100).fold(As::default(), |who, n| who.with(&format!("X-{n}"), "x"));
    assert!(device.try_send("GET", "/status", &many, "").map_or(true, |a| a.status == 431));
    for nonsense in
        ["\0\0\0\0", "GET\r\n\r\n", "POST /login HTTP/1.1\r\nContent-Length: -1\r\n\r\n", "\u{7f}ELF"]
    {
        let mut stream = device.connect().unwrap();
        stream.write_all(nonsense.as_bytes()).unwrap();
        let mut rest = Vec::new();
        let _ = stream.read_to_end(&mut rest);
        assert!(rest.is_empty() || rest.starts_with(b"HTTP/1.1 400"), "{nonsense:?}");
    }
    assert_eq!(device.get("/status", &who).status, 200);
    assert!(device.fake.performed.lock().unwrap().is_empty());
}

/// Requests that mean one thing to one reader and another to the next, or that hope for a careless one. Each
/// is sent with a second request behind it; what is open to nobody must stay shut, and what is ambiguous must
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
    // One after the other on one connection: each is judged by itself.
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

#[test]
fn silent_clients_are_dropped() {
    let quick = Duration::from_millis(300);
    let device = Device::with(Limits {
        handshake_time: quick,
        header_time: quick,
        body_time: quick,
        write_time: quick,
        ..Limits::default()
    });
    let closes = |mut stream: TcpStream| {
        stream.set_read_timeout(Some(PATIENCE)).unwrap();
        let start = Instant::now();
        // Reset or end: either is closed. A time-out of ours is not.
        let kind = stream.read_to_end(&mut Vec::new()).map_err(|e| e.kind());
        assert!(!matches!(kind, Err(std::io::ErrorKind::WouldBlock)), "still open");
        start.elapsed()
    };
    let mut half = plain(device.running.address());
    half.write_all(&[0x16, 3, 1]).unwrap();
    assert!(closes(half) < PATIENCE);
    let mut headers = device.connect().unwrap();
    headers.write_all(b"GET /status HTTP/1.1\r\nHost:").unwrap();
    headers.flush().unwrap();
    assert!(closes(headers.sock) < PATIENCE);
    let mut body = device.connect().unwrap();
    let text = request(&device, "POST", "/login", &As::default(), "password=x");
    body.write_all(&text.as_bytes()[..text.len() - 4]).unwrap();
    assert_eq!(answer(&mut body).unwrap().status, 408);

    // Asks for much, again and again, and takes none of it.
    let mut deaf = device.connect().unwrap();
    let ask =
        request(&device, "GET", "/openapi.json", &As::token(&device.read), "").replace("close", "keep-alive");
    deaf.sock.set_write_timeout(Some(PATIENCE)).unwrap();
    let start = Instant::now();
    let dropped = loop {
        if let Err(error) = deaf.write_all(ask.as_bytes()).and_then(|()| deaf.flush()) {
            break error.kind();
        }
        assert!(start.elapsed() < PATIENCE, "a deaf reader is still served");
    };
    assert!(!matches!(dropped, std::io::ErrorKind::WouldBlock), "{dropped:?}");
}

#[test]
fn plain_http_is_redirected_to_https() {
    let device = Device::start();
    let mut plain = plain(device.running.address());
    plain.write_all(b"GET /status HTTP/1.1\r\nHost: door.local:8443\r\n\r\n").unwrap();
    let sent = answer(&mut plain).unwrap();
    assert_eq!((sent.status, sent.header("location")), (307, Some("https://door.local:8443/status")));
    assert_eq!(sent.text(), "This device answers over HTTPS only: https://door.local:8443/status\n");
}

/// A site that asks for it gets the original's port, with the same tokens over HTTPS.
#[test]
fn the_originals_port_answers_over_https_with_tokens() {
    let port = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    let device = Device::with_original_port(port);
    let address = device.running.original_address().unwrap();
    assert_eq!(address.port(), port);
    let ask = |who: &As| {
        let fingerprint = device.running.identity().fingerprint.to_string();
        let mut stream = tls(std::net::TcpStream::connect(address).unwrap(), &fingerprint).unwrap();
        stream.write_all(request(&device, "GET", "/status", who, "").as_bytes()).unwrap();
        answer(&mut stream).unwrap().status
    };
    assert_eq!((ask(&As::token(&device.read)), ask(&As::default())), (200, 401));
    // The old call, without HTTPS: it is told where to go, with its path.
    let mut plain = plain(address);
    let old = format!("POST /sync/manual HTTP/1.1\r\nHost: door.local:{port}\r\n\r\n");
    plain.write_all(old.as_bytes()).unwrap();
    let sent = answer(&mut plain).unwrap();
    let to = format!("https://door.local:{port}/sync/manual");
    assert_eq!((sent.status, sent.header("location")), (307, Some(to.as_str())));

    assert!(Device::start().running.original_address().is_none(), "nobody listens unasked");
    // A port that is taken is told, and the page works.
    let other = Device::with_original_port(port);
    let problems = other.get("/", &As::token(&other.read)).json()["problems"].to_string();
    assert!(
        other.running.original_address().is_none() && problems.contains("page.original_port"),
        "{problems}"
    );
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

/// One server for all the cases, and everybody who may come to it. Log-outs among the cases are part of the
/// game.
fn shared() -> &'static (Device, [As; 4]) {
    static SHARED: OnceLock<(Device, [As; 4])> = OnceLock::new();
    SHARED.get_or_init(|| {
        let device = Device::start();
        let everyone = [As::default(), As::token(&device.read), As::token(&device.full), device.log_in()];
        (device, everyone)
    })
}

#[test]
fn one_address_takes_only_its_share() {
    let device = Device::with(Limits {
        connections_per_address: 4,
        arrivals_per_address: (1000.0, 1000.0),
        arrivals: (1000.0, 1000.0),
        ..Limits::default()
    });
    let held: Vec<_> = (0..4).map(|_| device.connect().unwrap()).collect();
    assert!(device.connect().is_err(), "a fifth connection was taken");
    // Another address of the loopback network still gets in.
    let other = socket_from("127.0.0.2", device.running.address()).unwrap();
    assert!(tls(other, &device.running.identity().fingerprint.to_string()).is_ok());
    drop(held);
    let start = Instant::now();
    while device.connect().is_err() {
        assert!(start.elapsed() < Duration::from_secs(5), "places are not given back");
        std::thread::sleep(Duration::from_millis(20));
    }
}

/// Six addresses that hold every place, eight each, do not keep out a seventh; and what it then has they do
/// not take from it.
#[test]
fn address_with_most_connections_loses_one() {
    let limits = Limits {
        connections: 48,
        connections_per_address: 16,
        arrivals_per_address: (1000.0, 1000.0),
        arrivals: (1000.0, 1000.0),
        handshake_time: PATIENCE,
        ..Limits::default()
    };
    let device = Device::with(limits);
    let address = device.running.address();
    let held: Vec<_> =
        (0..48).map(|n| socket_from(&format!("127.0.1.{}", n / 8 + 1), address).unwrap()).collect();
    let fingerprint = device.running.identity().fingerprint.to_string();
    let mut technician: Vec<_> =
        (0..6).map(|_| tls(socket_from("127.0.2.1", address).unwrap(), &fingerprint).unwrap()).collect();
    // Who holds many gets no more, and takes nothing from who has few.
    for n in 0..20 {
        let more = socket_from(&format!("127.0.1.{}", n % 6 + 1), address).unwrap();
        assert!(tls(more, &fingerprint).is_err());
    }
    for stream in &mut technician {
        let ask = request(&device, "GET", "/login", &As::default(), "");
        stream.write_all(ask.as_bytes()).unwrap();
        assert_eq!(answer(stream).unwrap().status, 200);
    }
    drop(held);
}

#[test]
fn forgotten_event_streams_leave_room_for_the_page() {
    let device = Device::with(Limits { event_streams: 2, ..Limits::default() });
    let open = |who: &As| {
        let mut stream = device.connect().unwrap();
        stream.write_all(request(&device, "GET", "/events", who, "").as_bytes()).unwrap();
        let mut status = [0; 12];
        stream.read_exact(&mut status).unwrap();
        (String::from_utf8_lossy(&status[9..]).into_owned(), stream)
    };
    let script = As::token(&device.read);
    let forgotten = [open(&script), open(&script)];
    assert_eq!(forgotten.each_ref().map(|(status, _)| status.as_str()), ["200", "200"]);
    assert_eq!(open(&script).0, "503");
    assert_eq!(open(&device.log_in()).0, "200");
}

/// Under a flood each thread of the page has a lower priority than recognition, so that the scheduler gives
/// recognition what it needs, and the technician gets in after some tries: a place is taken from who has
/// many, and at times nobody has. Counted in tries, not in seconds, because others use this machine too. The
/// frame rate of real recognition is measured by `soak`.
#[test]
fn flood_has_lower_priority() {
    const TRIES: u32 = 200;
    let device = Device::with(Limits::default());
    let flood = Flood::begin(device.running.address(), &device.running.identity().fingerprint.to_string());
    let technician = As::token(&device.read);
    let tried = (1..=TRIES).find(|_| {
        let answered =
            device.try_send("GET", "/status", &technician, "").is_ok_and(|answer| answer.status == 200);
        if !answered {
            std::thread::sleep(Duration::from_millis(200));
        }
        answered
    });
    let least = (rustix::process::getpriority_process(None).unwrap() + 15).min(19);
    // Other tests start servers meanwhile, whose threads are new for a moment.
    let is_nice = || {
        let found = niceness_of(&["page", "page-files"]);
        assert!(!found.is_empty(), "the page has no thread");
        found.iter().all(|nice| *nice >= least)
    };
    let nice = (0..100).any(|_| {
        let nice = is_nice();
        if !nice {
            std::thread::sleep(Duration::from_millis(50));
        }
        nice
    });
    drop(flood);
    assert!(nice, "threads of the page have the priority of recognition");
    eprintln!("the technician is in after {tried:?} tries");
    assert!(tried.is_some(), "the technician does not get in");
}

/// Nice values of this program's threads with these names.
fn niceness_of(names: &[&str]) -> Vec<i32> {
    let threads = std::fs::read_dir("/proc/self/task").unwrap().flatten();
    threads
        .filter_map(|thread| {
            // Some end while they are looked at.
            let stat = std::fs::read_to_string(thread.path().join("stat")).ok()?;
            let (head, fields) = stat.rsplit_once(") ")?;
            let (_, thread_name) = head.split_once('(')?;
            // The 19th field of all, of which two stand before.
            names.contains(&thread_name).then(|| fields.split(' ').nth(16)?.parse().ok()).flatten()
        })
        .collect()
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

/// Runs a program, or says loudly that it is not there.
fn run(program: &str, arguments: &[&str]) -> Option<String> {
    let out = Command::new(program).args(arguments).stdin(Stdio::null()).output();
    match out {
        Ok(out) => Some(String::from_utf8_lossy(&[out.stdout, out.stderr].concat()).into_owned()),
        Err(_) => {
            skipped::skipped(&format!("{program}; scripts/test installs it"));
            None
        }
    }
}

#[test]
fn nothing_below_tls_1_3_is_spoken() {
    let device = Device::start();
    let address = device.running.address().to_string();
    let scan = |more: &[&str]| {
        let mut arguments = vec!["s_client", "-connect", &address, "-servername", "localhost"];
        arguments.extend(more);
        run("openssl", &arguments)
    };
    let Some(good) = scan(&["-tls1_3", "-alpn", "h2,http/1.1"]) else { return };
    for part in ["TLSv1.3", "ALPN protocol: http/1.1", "Early data was not sent"] {
        assert!(good.contains(part), "{part}\n{good}");
    }
    assert!(
        good.contains("ECDSA") && good.contains("(secp256r1)")
            || good.contains("prime256v1")
            || good.contains("256 bit"),
        "{good}"
    );
    for old in ["-tls1_2", "-tls1_1", "-tls1"] {
        let refused = scan(&[old, "-cipher", "ALL:@SECLEVEL=0"]).unwrap();
        assert!(!refused.contains("BEGIN CERTIFICATE"), "{old}\n{refused}");
        assert!(
            refused.contains("Cipher is (NONE)") || refused.contains("unknown option"),
            "{old}\n{refused}"
        );
    }
    // One certificate, signed by itself, for this host.
    let chain = scan(&["-tls1_3", "-showcerts"]).unwrap();
    assert_eq!(chain.matches("BEGIN CERTIFICATE").count(), 1, "{chain}");
    let certificate = device.path().join("tls/certificate.pem");
    let text = run("openssl", &["x509", "-in", certificate.to_str().unwrap(), "-noout", "-text"]).unwrap();
    for part in
        ["ASN1 OID: prime256v1", "TLS Web Server Authentication", "DNS:localhost", "IP Address:127.0.0.1"]
    {
        assert!(text.contains(part), "{part}\n{text}");
    }
}

#[test]
fn curl_can_pin_the_key() {
    let device = Device::start();
    let pin = device.running.identity().key_pin.clone();
    let url = format!("{}status", device.url());
    let bearer = format!("Authorization: Bearer {}", device.read.expose());
    let pinned = |pin: &str| run("curl", &["-sS", "--insecure", "--pinnedpubkey", pin, "-H", &bearer, &url]);
    let Some(answer) = pinned(&pin) else { return };
    assert!(answer.contains("\"attendance_system\""), "{answer}");
    let wrong = pinned("sha256//AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=").unwrap();
    assert!(!wrong.contains("attendance_system") && wrong.contains("public key"), "{wrong}");
}
