//! What one client may take: sizes, time, connections and streams; a flood leaves recognition alone.

use std::io::{Read, Write};
use std::net::TcpStream;
use std::sync::OnceLock;
use std::time::{Duration, Instant};

use status::limits::Limits;

use crate::client::{As, answer, plain, request, socket_from, tls};
use crate::device::Device;
use crate::flood::Flood;

/// Far longer than any limit under test, so that a slow machine is not mistaken for a server that waits for
/// ever.
const PATIENCE: Duration = Duration::from_secs(30);

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

    // Asks for large answers again and again, and reads none of them.
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

/// One server for all the cases, and everybody who may come to it. Log-outs among the cases are part of the
/// game.
pub fn shared() -> &'static (Device, [As; 4]) {
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

/// Six addresses hold all connections, eight each. A seventh address gets in all the same, and the six cannot
/// take its connections away.
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
    // An address with many connections gets no more, and takes nothing from one with few.
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
    // Other tests start servers at the same time, and a thread that has just begun is not nice yet.
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
