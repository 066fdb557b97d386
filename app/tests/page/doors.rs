//! Who may, and who may not.

use std::time::{Duration, Instant};

use access::password;
use access::token::TokenFile;
use base::event::Bus;
use base::secret::Secret;
use status::config::Page;
use status::limits::Limits;
use status::{Running, console, start};
use view::Action;

use crate::client::As;
use crate::device::{Device, PASSWORD};

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
    assert!(said.contains("was not checked") && said.contains("Try again in"), "{said}");
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
        // A new device for each guess: guesses at one device are slowed down, and the times would prove
        // nothing.
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

/// A network without IPv4.
#[test]
fn page_works_over_ipv6_alone() {
    let folder = tempfile::tempdir().unwrap();
    let config = Page { listen: "[::1]:0".parse().unwrap(), ..Page::default() };
    let mut device = Device::start();
    let fake = device.fake.clone();
    device.running =
        start(&config, folder.path(), fake.clone(), fake, Bus::default(), Limits::default()).unwrap();
    assert!(device.running.address().is_ipv6());
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
