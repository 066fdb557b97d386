//! Every address, and what each of them requires.

use status::addresses;

use crate::client::As;
use crate::device::Device;

/// Every address with the least that opens it: nobody, a reading token, a full token, the technician.
const ADDRESSES: &[(&str, &str, u8)] = &[
    ("GET", "/healthz", 0),
    ("GET", "/login", 0),
    ("POST", "/login", 0),
    ("GET", "/", 1),
    ("GET", "/status", 1),
    ("GET", "/attendance/today", 1),
    ("GET", "/attendance/{date}", 1),
    ("GET", "/attendance/{date}.csv", 1),
    ("GET", "/attendance/health", 1),
    ("GET", "/roster", 1),
    ("GET", "/students/erasures", 3),
    ("GET", "/logs/server", 1),
    ("GET", "/metrics", 1),
    ("GET", "/events", 1),
    ("GET", "/diagnostics", 1),
    ("GET", "/docs", 1),
    ("GET", "/openapi.json", 1),
    ("POST", "/sync/manual", 2),
    ("POST", "/sync/test", 2),
    ("POST", "/sync/confirm-removal", 2),
    ("POST", "/clock/confirm", 2),
    ("POST", "/upload/manual", 2),
    ("POST", "/upload/test", 2),
    ("POST", "/upload/retry/{row}", 2),
    ("POST", "/upload/retry-all", 2),
    ("POST", "/upload/dismiss/{row}", 2),
    ("POST", "/attendance/restart", 2),
    ("POST", "/attendance/close", 2),
    ("POST", "/attendance/add", 3),
    ("POST", "/attendance/change/{row}", 3),
    ("POST", "/attendance/void/{row}", 3),
    ("POST", "/attendance/day/{row}", 3),
    ("GET", "/enrol", 3),
    ("GET", "/enrol/{picture}.jpg", 3),
    ("POST", "/enrol/{change}", 3),
    ("POST", "/students/{roll}/erase", 3),
    ("POST", "/students/erasures/{id}/lift", 3),
    ("POST", "/update/bundle", 2),
    ("POST", "/update/install", 2),
    ("POST", "/update/try", 2),
    ("POST", "/update/check", 2),
    ("POST", "/update/go-back", 2),
    ("POST", "/update/acknowledge", 2),
    ("GET", "/page.js", 3),
    ("GET", "/icon.svg", 3),
    ("GET", "/preview.svg", 3),
    ("GET", "/roster/picture.svg", 3),
    ("GET", "/door", 3),
    ("GET", "/door.jpg", 3),
    ("GET", "/accounts", 3),
    ("POST", "/accounts/{change}", 3),
    ("GET", "/range", 3),
    ("GET", "/sheets/{sheet}", 3),
    ("GET", "/student/{roll}", 3),
    ("GET", "/photos", 3),
    ("POST", "/students", 3),
    ("GET", "/device", 3),
    ("GET", "/licences", 3),
    ("GET", "/archive", 3),
    ("POST", "/archive/export", 3),
    ("POST", "/archive/import", 3),
    ("POST", "/archive/reset", 3),
    ("POST", "/archive/recovery-key", 3),
    ("POST", "/do/{action}", 3),
    ("GET", "/settings", 3),
    ("POST", "/settings/review", 3),
    ("POST", "/settings/save", 3),
    ("POST", "/settings/put-back", 3),
    ("POST", "/settings/keep", 3),
    // The last: it ends the log-in that the others need.
    ("POST", "/logout", 3),
];

/// An address that is added stands here too, or this fails.
#[test]
fn the_list_of_addresses_is_whole() {
    let mut listed: Vec<_> = ADDRESSES.iter().map(|(method, path, _)| (*method, *path)).collect();
    let mut answered: Vec<_> = addresses().collect();
    listed.sort();
    answered.sort();
    assert_eq!(listed, answered);
}

#[test]
fn every_address_requires_its_access() {
    let device = Device::start();
    let technician = device.log_in();
    let everyone = [As::default(), As::token(&device.read), As::token(&device.full), technician];
    for &(method, path, least) in ADDRESSES {
        let path = path.replace("{date}", "2025-01-15").replace("{row}", "x").replace("{action}", "sync");
        let path = path.as_str();
        // A wrong password is refused with 401 too, and a stream does not end: what is tried is the door
        // before them.
        let (method, path) = match path {
            "/login" => ("GET", path),
            "/events" => ("HEAD", path),
            _ => (method, path),
        };
        for (rank, who) in everyone.iter().enumerate() {
            let answer = device.send(method, path, who, "");
            // What follows behind the door (400: no update came along) is another matter.
            let opened = ![401, 403].contains(&answer.status);
            assert_eq!(opened, rank >= least.into(), "{method} {path} as {rank}: {}", answer.status);
            if !opened {
                assert_eq!(answer.status, if rank == 0 { 401 } else { 403 }, "{method} {path} as {rank}");
            }
        }
    }
    // Before a log-in nothing tells which addresses there are.
    let nobody = As::default();
    let [there, not] = ["/status", "/nothing"].map(|path| device.get(path, &nobody));
    assert_eq!((there.status, there.text()), (not.status, not.text()));
    assert_eq!(device.send("DELETE", "/status", &nobody, "").status, 401);
    assert_eq!(
        device.send("DELETE", "/status", &As::token(&device.read), "").header("allow"),
        Some("GET, HEAD")
    );
    let browser = As::default().with("Accept", "text/html");
    assert_eq!(device.get("/status", &browser).header("location"), Some("/login"));
}
