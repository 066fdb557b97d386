//! Who may, and who may not.

use std::time::{Duration, Instant};

use access::password;
use access::token::TokenFile;
use base::event::Bus;
use base::secret::Secret;
use status::config::Page;
use status::limits::Limits;
use status::{Running, addresses, console, start};
use view::Action;

use crate::client::As;
use crate::device::{Device, PASSWORD};

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

#[test]
fn cookie_is_strict_and_ends_at_log_out() {
    let device = Device::start();
    let answer = device.post("/login", &As::default(), &format!("password={PASSWORD}"));
    let cookie = answer.header("set-cookie").unwrap();
    for part in ["__Host-session=", "Path=/", "Secure", "HttpOnly", "SameSite=Strict"] {
        assert!(cookie.contains(part), "{cookie}");
    }
    assert!(!cookie.contains("Domain") && !answer.text().contains("__Host"));
    let technician = device.log_in();
    assert_eq!(device.get("/status", &technician).status, 200);
    let out = device.post("/logout", &technician, "");
    assert_eq!((out.status, out.header("location")), (303, Some("/login")));
    assert!(out.header("set-cookie").unwrap().contains("Max-Age=0"));
    assert_eq!(device.get("/status", &technician).status, 401);
}

#[test]
fn changes_require_csrf_token_and_origin() {
    let device = Device::start();
    let technician = device.log_in();
    let cookie_only = As { headers: technician.headers[..1].to_vec() };
    assert_eq!(device.post("/sync/manual", &cookie_only, "").status, 403);
    assert_eq!(device.post("/do/sync", &cookie_only, "csrf=wrong").status, 403);
    assert_eq!(device.post("/logout", &cookie_only, "").status, 403);
    let forged = technician.clone().with("Origin", "https://evil.example");
    assert_eq!(device.post("/do/sync", &forged, "").status, 403);
    assert_eq!(
        device.post("/do/sync", &technician.clone().with("Sec-Fetch-Site", "cross-site"), "").status,
        403
    );
    let other_login = device.log_in();
    let mixed = As { headers: vec![technician.headers[0].clone(), other_login.headers[1].clone()] };
    assert_eq!(device.post("/do/sync", &mixed, "").status, 403, "another log-in's token");
    assert!(device.fake.performed.lock().unwrap().is_empty());
    let own = technician.clone().with("Origin", &format!("https://{}", device.running.address()));
    assert_eq!(device.post("/do/sync", &own, "").status, 200);
    let form = format!("csrf={}&row=r-1", technician.headers[1].1);
    let page = device.post("/do/retry", &cookie_only.with("Accept", "text/html"), &form);
    assert_eq!((page.status, page.header("location")), (303, Some("/device")));
    assert_eq!(*device.fake.performed.lock().unwrap(), [Action::Sync, Action::RetryRow("r-1".to_owned())]);
    let log_in = As::default().with("Origin", "https://evil.example");
    assert_eq!(device.post("/login", &log_in, &format!("password={PASSWORD}")).status, 403);
}

#[test]
fn guessing_is_slowed_down() {
    base::logging::start(log::LevelFilter::Info);
    let device = Device::start();
    let attempt = |password: &str| device.post("/login", &As::default(), &format!("password={password}"));
    let wrong = "That is not the password";
    let first = attempt("guess");
    assert_eq!(first.status, 401, "the first guess is answered at once");
    assert!(first.text().contains(wrong));
    // The delay doubles. Guess on until it is longer than a slow machine takes for the next request.
    let long = (0..60).map(|_| attempt("guess")).any(|refused| {
        let wait = refused.header("retry-after").map_or(0, |wait| wait.parse::<u64>().unwrap());
        wait >= 4 || {
            std::thread::sleep(Duration::from_millis(300));
            false
        }
    });
    assert!(long, "guessing goes on as fast as ever");
    let refused = attempt(PASSWORD);
    assert_eq!(refused.status, 429, "nothing is compared while the address waits");
    let wait: u64 = refused.header("retry-after").unwrap().parse().unwrap();
    let said = refused.text();
    assert!(said.contains("was not looked at") && said.contains("Try again in"), "{said}");
    assert!(!said.contains(wrong), "said of the right password: {said}");
    std::thread::sleep(Duration::from_secs(wait));
    assert_eq!(attempt(PASSWORD).status, 303);
    let told = base::logging::recent(usize::MAX);
    let counted = |line: &String| {
        line.contains("logged in from 127.0.0.1; before it") && line.contains("refused unread")
    };
    assert!(told.iter().any(counted), "{told:?}");
    // Tokens still work while passwords are refused.
    assert_eq!(device.get("/status", &As::token(&device.read)).status, 200);
}

#[test]
fn parallel_guesses_are_counted() {
    let device = Device::start();
    let compared = std::thread::scope(|scope| {
        let tries: Vec<_> = (0..12)
            .map(|n| {
                let device = &device;
                scope.spawn(move || {
                    device.post("/login", &As::default(), &format!("password=guess{n}")).status
                })
            })
            .collect();
        tries.into_iter().map(|t| t.join().unwrap()).filter(|status| *status == 401).count()
    });
    assert!(compared <= 3, "{compared} passwords were compared");
}

#[test]
fn wrong_and_revoked_tokens_are_refused() {
    let device = Device::start();
    let who = As::token(&device.read);
    assert_eq!(device.get("/status", &who).status, 200);
    TokenFile::below(device.path()).revoke("monitoring").unwrap();
    assert_eq!(device.get("/status", &who).status, 401);
    let statuses: Vec<_> = (0..25).map(|_| device.get("/status", &who).status).collect();
    assert!(statuses.contains(&429), "{statuses:?}");
    assert_eq!(
        device.get("/status", &As::token(&device.full)).status,
        200,
        "a right one does not wait for wrong ones"
    );
}

/// A guess is compared by its hash, whole, whatever is wrong with it: one that is refused sooner tells how
/// far it was right.
#[test]
fn every_guess_costs_a_hash() {
    let least = |work: &dyn Fn()| {
        let times = (0..3).map(|_| {
            let start = Instant::now();
            work();
            start.elapsed()
        });
        times.min().unwrap()
    };
    // A quarter of it: other work on the machine may have slowed the measurement.
    let hash = least(&|| drop(password::hash(&Secret::new("x")).unwrap()));
    for wrong in ["", "x", "correct-horse-batterx", "correct-horse-battery-"] {
        // One of its own each: guesses at one device are slowed down, which would prove nothing.
        let device = Device::start();
        let plain = least(&|| assert_eq!(device.get("/login", &As::default()).status, 200));
        let start = Instant::now();
        assert_eq!(device.post("/login", &As::default(), &format!("password={wrong}")).status, 401);
        let guess = start.elapsed();
        assert!(guess > plain + hash / 4, "{wrong:?}: {guess:?}, a page {plain:?}, a hash {hash:?}");
    }
}

#[test]
fn first_start_makes_a_password() {
    let folder = tempfile::tempdir().unwrap();
    let begin = || {
        let fake = Device::start().fake;
        let config = Page { listen: "127.0.0.1:0".parse().unwrap(), ..Page::default() };
        start(&config, folder.path(), fake.clone(), fake, Bus::default(), Limits::default()).unwrap()
    };
    let mut first = begin();
    let fingerprint = first.identity().fingerprint;
    let made = first.first_password().unwrap();
    assert!(first.first_password().is_none());
    let notice = console::notice(first.address(), &first.identity(), Some(&made));
    assert!(notice.contains(made.expose()));
    assert!(!used(&first), "nobody has logged in yet");
    // The port is taken: the message says what to do, and no password is made that nobody would see.
    let config = Page { listen: first.address(), ..Page::default() };
    let (fake, other) = (Device::start().fake, tempfile::tempdir().unwrap());
    let second = start(&config, other.path(), fake.clone(), fake, Bus::default(), Limits::default());
    assert!(second.err().unwrap().to_string().contains("page.listen"));
    assert!(!status::password_file(other.path()).exists());
    first.stop();
    let mut again = begin();
    assert!(again.first_password().is_none(), "it is kept as a hash");
    assert_eq!(again.identity().fingerprint, fingerprint);
}

/// Whether the console is told to forget the first password.
fn used(running: &Running) -> bool {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap();
    let soon = Duration::from_millis(200);
    runtime.block_on(async { tokio::time::timeout(soon, running.first_password_used()).await.is_ok() })
}

#[test]
fn console_forgets_the_password_at_first_log_in() {
    let device = Device::with_own_password();
    assert_eq!(device.post("/login", &As::default(), "password=wrong").status, 401);
    assert!(!used(&device.running));
    std::thread::sleep(Duration::from_secs(1));
    device.log_in();
    assert!(used(&device.running));
}

/// A data folder that takes no password, as one that is full: the page is there, and lets in who reads the
/// console.
#[test]
fn unsaved_first_password_still_works() {
    let folder = tempfile::tempdir().unwrap();
    std::os::unix::fs::symlink("/sys/attendance-test", folder.path().join("page")).unwrap();
    let config = Page { listen: "127.0.0.1:0".parse().unwrap(), ..Page::default() };
    let mut device = Device::start();
    let fake = device.fake.clone();
    device.running =
        start(&config, folder.path(), fake.clone(), fake, Bus::default(), Limits::default()).unwrap();
    device.password = device.running.first_password().unwrap().expose().to_owned();
    let technician = device.log_in();
    assert_eq!(device.get("/status", &technician).status, 200);
}

#[test]
fn used_first_password_is_kept() {
    let device = Device::with_own_password();
    let mark = status::password_file(device.path()).with_extension("unused");
    assert!(mark.exists(), "a power cut now, and the next start shows another");
    device.log_in();
    assert!(!mark.exists());
}

#[test]
fn unusable_files_are_reported_on_the_page() {
    let folder = tempfile::tempdir().unwrap();
    let file = status::password_file(folder.path());
    std::fs::create_dir_all(&file).unwrap();
    let full = TokenFile::below(folder.path()).add("script", access::token::TokenAccess::Full).unwrap();
    let config = Page {
        listen: "127.0.0.1:0".parse().unwrap(),
        certificate_file: Some(folder.path().join("page.crt")),
        key_file: Some(folder.path().join("page.key")),
        ..Page::default()
    };
    let mut device = Device::start();
    let fake = device.fake.clone();
    device.running =
        start(&config, folder.path(), fake.clone(), fake, Bus::default(), Limits::default()).unwrap();
    for attempt in ["", PASSWORD] {
        assert_eq!(device.post("/login", &As::default(), &format!("password={attempt}")).status, 401);
    }
    let told = device.get("/", &As::token(&full)).text();
    assert!(told.contains("page.crt") && told.contains("nobody can log in"), "{told}");
    // Mended: it counts from the next try on.
    std::fs::remove_dir(&file).unwrap();
    let (_, new) = access::password::Password::make(&file).unwrap();
    assert_eq!(device.post("/login", &As::default(), &format!("password={}", new.expose())).status, 303);
}

#[test]
fn new_password_ends_every_session() {
    let device = Device::with_own_password();
    let old = device.log_in();
    let file = status::password_file(device.path());
    let (_, new) = access::password::Password::make(&file).unwrap();
    assert_eq!(device.get("/status", &old).status, 401);
    assert_eq!(device.post("/login", &As::default(), &format!("password={}", device.password)).status, 401);
    assert_eq!(device.post("/login", &As::default(), &format!("password={}", new.expose())).status, 303);
}
