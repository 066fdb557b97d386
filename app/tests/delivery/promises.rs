//! What scripts of the original system rely on: the words and exit codes of `attendance sync`, the answers of
//! `/sync/manual`, and the connection test.

use std::io::{BufRead as _, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};
use std::sync::Arc;
use std::time::Duration;

use attendance::appliance::enrolment::DoorEnrolment;
use attendance::appliance::erasing::Erasing;
use attendance::appliance::hands::Hands;
use attendance::appliance::office::Office;
use attendance::supervisor::Supervisor;
use backend::sync;
use base::event::Bus;
use base::moment::{Clock, ClockTrust, SiteZone, SystemClock};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpListener;
use tokio::sync::{Notify, watch};
use view::{Action, Control as _, Done, Refused};

use crate::door::KEY;
use crate::site::{self, Site};

/// A backend with photos, and the configuration of a door in Kolkata that uses it.
struct Backend {
    photos: tempfile::TempDir,
    data: tempfile::TempDir,
    file: PathBuf,
    origin: String,
}

impl Backend {
    async fn start() -> Self {
        let photos = tempfile::tempdir().unwrap();
        for (roll, shade) in [("2110001", 10), ("2110002", 20)] {
            photo(photos.path(), &format!("{roll}/a.jpg"), shade);
        }
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let origin = site::origin(&listener, false).unwrap();
        tokio::spawn(Site::new(photos.path(), KEY).unwrap().serve(listener, None));
        let data = tempfile::tempdir().unwrap();
        let backend = Self { file: data.path().join("attendance.toml"), photos, data, origin };
        backend.configure(&format!("{}/media/students?key={KEY}", backend.origin), KEY);
        backend
    }

    fn configure(&self, photos: &str, key: &str) {
        let text = format!(
            "[site]\ndata_dir = {:?}\ntime_zone = \"Asia/Kolkata\"\nclock = \"system\"\n[photos]\nurl = \"{photos}\"\n\
             [webhook]\nurl = \"{}/attendance/webhook/\"\nkey = \"{key}\"\n[tls]\nallow_plain = true\n",
            self.data.path(),
            self.origin
        );
        std::fs::write(&self.file, text).unwrap();
    }

    fn command(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_attendance"));
        command.args(arguments).arg("--config").arg(&self.file);
        command
    }

    async fn run(&self, arguments: &[&str]) -> Output {
        let mut command = self.command(arguments);
        tokio::task::spawn_blocking(move || command.output().unwrap()).await.unwrap()
    }

    /// What a person at the page may do, with the synchronisation at work.
    fn hands(&self, supervisor: &mut Supervisor, bus: &Bus) -> Hands {
        let config = Arc::new(config::load(&self.file).unwrap());
        let worker = sync::Worker {
            settings: Arc::new(config.sync()),
            bus: bus.clone(),
            changed: watch::channel(0).0,
            now: Arc::new(Notify::new()),
            progress: Default::default(),
            failed: Arc::default(),
            enrolling: Default::default(),
            account: Arc::default(),
        };
        let (sync_now, account) = (Arc::clone(&worker.now), Arc::clone(&worker.account));
        supervisor.start("sync", move |stop| sync::run(worker.clone(), stop));
        let clock: Arc<dyn Clock> = Arc::new(SystemClock::new(ClockTrust::System));
        let zone = SiteZone::named("UTC").unwrap();
        let records =
            journal::open(self.data.path(), &config.attendance, zone, Arc::clone(&clock), bus.clone())
                .unwrap();
        let office = Office::below(self.data.path(), self.data.path(), Default::default());
        let zone = SiteZone::named("UTC").unwrap();
        Hands {
            enrolment: Arc::new(DoorEnrolment::off(
                config.roster(),
                office.clone(),
                Arc::clone(&clock),
                zone,
            )),
            keeper: None,
            importing: Default::default(),
            config,
            recorder: records.recorder,
            board: supervisor.board(),
            bus: bus.clone(),
            sync_now,
            frames: Arc::default(),
            uploader: None,
            clock,
            updating: Default::default(),
            account,
            office,
            erasing: Erasing::begin(&config::load(&self.file).unwrap()),
            settings: None,
            ask_updates: Arc::default(),
            card: None,
        }
    }
}

/// The URL of a server that answers each request, by its first line, with a status, a type and a body.
async fn scripted(
    script: impl Fn(&str) -> (&'static str, &'static str, &'static str) + Send + Sync + 'static,
) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}/hook/", listener.local_addr().unwrap());
    tokio::spawn(async move {
        loop {
            let (mut stream, _) = listener.accept().await.unwrap();
            let mut head = Vec::new();
            while !head.windows(4).any(|four| four == b"\r\n\r\n") {
                assert!(stream.read_buf(&mut head).await.unwrap() > 0);
            }
            let line = String::from_utf8_lossy(&head).lines().next().unwrap().to_owned();
            let (status, kind, body) = script(&line);
            let answer = format!(
                "HTTP/1.1 {status}\r\nContent-Type: {kind}\r\nContent-Length: {}\r\nConnection: close\r\n\r\n{body}",
                body.len()
            );
            let _ = stream.write_all(answer.as_bytes()).await;
            // What the client still sends is read, so that the answer is not lost in a reset.
            let _ = stream.shutdown().await;
            let _ = tokio::time::timeout(Duration::from_secs(1), stream.read_to_end(&mut head)).await;
        }
    });
    url
}

fn photo(folder: &Path, path: &str, shade: u8) {
    let path = folder.join(path);
    std::fs::create_dir_all(path.parent().unwrap()).unwrap();
    image::RgbImage::from_pixel(64, 64, image::Rgb([shade, 80, 90])).save(path).unwrap();
}

fn said(output: &Output) -> String {
    String::from_utf8_lossy(&output.stdout).into_owned()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_synchronisation_says_in_the_originals_words_what_it_did() {
    let backend = Backend::start().await;
    let first = backend.run(&["sync"]).await;
    let text = said(&first);
    assert_eq!(first.status.code(), Some(0), "{text}");
    let lines: Vec<&str> = text.lines().collect();
    let stamp = lines[0].strip_prefix('[').and_then(|line| line.strip_suffix("] Starting face sync..."));
    assert!(stamp.is_some_and(|stamp| stamp.len() == 19 && stamp.as_bytes()[10] == b' '), "{text}");
    for line in [
        "  Found 2 image(s) from backend",
        "  Downloaded: 2110001/a.jpg",
        "  Downloaded: 2110002/a.jpg",
        "  Sync complete: 2 new, 0 updated, 0 unchanged, 0 removed, 0 failed",
    ] {
        assert!(lines.contains(&line), "{line} is missing in\n{text}");
    }
    assert!(!text.contains(KEY), "{text}");

    let metadata = std::fs::read(backend.data.path().join("cached_faces/.cache_metadata.json")).unwrap();
    let metadata: serde_json::Value = serde_json::from_slice(&metadata).unwrap();
    // As Python's datetime.fromisoformat reads it, and as the clock at the site showed it.
    let last = metadata["last_sync"].as_str().unwrap();
    let form = time::macros::format_description!(
        "[year]-[month]-[day]T[hour]:[minute]:[second].[subsecond digits:6]"
    );
    let last =
        time::PrimitiveDateTime::parse(last, form).unwrap().assume_offset(time::macros::offset!(+5:30));
    let age = time::OffsetDateTime::now_utc() - last;
    assert!(age.is_positive() && age < time::Duration::minutes(2), "{metadata}");

    std::fs::remove_dir_all(backend.photos.path().join("2110002")).unwrap();
    photo(backend.photos.path(), "2110003/b.png", 30);
    photo(backend.photos.path(), "2110004/b.png", 40);
    photo(backend.photos.path(), "2110005/b.png", 50);
    assert_eq!(backend.run(&["sync"]).await.status.code(), Some(1), "one of two students would go");
    let confirmed = backend.run(&["sync", "--confirm-removal"]).await;
    let text = said(&confirmed);
    assert_eq!(confirmed.status.code(), Some(0), "{text}");
    assert!(text.contains("  Removed: 2110002/a.jpg\n"), "{text}");
    assert!(text.contains("Sync complete: 0 new, 0 updated, 4 unchanged, 1 removed, 0 failed\n"), "{text}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_without_a_photo_is_a_failure_everywhere() {
    let backend = Backend::start().await;
    assert_eq!(backend.run(&["sync"]).await.status.code(), Some(0));
    let metadata = backend.data.path().join("cached_faces/.cache_metadata.json");
    let before = std::fs::read(&metadata).unwrap();
    for page in ["<html><body><form action='/login'><input name='user'></form></body></html>", "", "[]"] {
        let url = scripted(move |_| ("200 OK", "text/html", page)).await;
        backend.configure(&format!("{url}?key={KEY}"), KEY);
        let failed = backend.run(&["sync"]).await;
        let text = said(&failed);
        assert_eq!(failed.status.code(), Some(1), "{page:?}: {text}");
        assert!(text.contains("Sync failed: ") && !text.contains("Sync complete"), "{page:?}: {text}");
        let bus = Bus::default();
        let mut supervisor = Supervisor::new(bus.clone());
        let hands = backend.hands(&mut supervisor, &bus);
        let refused = hands.perform(Action::Sync).await;
        assert!(matches!(&refused, Err(Refused { .. })), "{page:?}: {refused:?}");
        supervisor.stop(Duration::from_secs(5)).await;
    }
    assert_eq!(std::fs::read(&metadata).unwrap(), before, "what failed is not a synchronisation");
    assert!(backend.data.path().join("cached_faces/2110001/a.jpg").is_file());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_synchronisation_by_hand_answers_with_what_it_did() {
    let backend = Backend::start().await;
    let bus = Bus::default();
    let mut supervisor = Supervisor::new(bus.clone());
    let hands = backend.hands(&mut supervisor, &bus);
    let Done { message, output } = hands.perform(Action::Sync).await.unwrap();
    assert!(message.contains("2 new"), "{message}");
    assert!(output.contains("Downloaded: 2110001/a.jpg\n"), "{output}");
    assert!(
        output.ends_with("Sync complete: 2 new, 0 updated, 0 unchanged, 0 removed, 0 failed\n"),
        "{output}"
    );
    supervisor.stop(Duration::from_secs(5)).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn continuous_synchronisation_says_when_and_how_long_until_the_next() {
    let backend = Backend::start().await;
    let mut child =
        backend.command(&["sync", "--continuous", "--interval", "1"]).stdout(Stdio::piped()).spawn().unwrap();
    let lines = BufReader::new(child.stdout.take().unwrap()).lines().map(Result::unwrap);
    let text = tokio::task::spawn_blocking(move || {
        let mut rounds = 0;
        lines
            .take_while(|line| {
                rounds += usize::from(line.contains("Starting face sync"));
                rounds < 3
            })
            .collect::<Vec<_>>()
    })
    .await
    .unwrap();
    child.kill().unwrap();
    child.wait().unwrap();
    let count = |part: &str| text.iter().filter(|line| line.contains(part)).count();
    assert_eq!(count("] Starting face sync..."), 2, "{text:?}");
    assert_eq!(count("Sync complete: "), 2, "{text:?}");
    assert_eq!(count("Waiting 1 seconds until next sync..."), 2, "{text:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_corrected_key_is_proven_while_no_row_waits() {
    let backend = Backend::start().await;
    let good = backend.run(&["check-connection"]).await;
    assert_eq!(good.status.code(), Some(0), "{}", said(&good));
    assert!(
        said(&good).contains("Photos: well: ") && said(&good).contains("Webhook: well: "),
        "{}",
        said(&good)
    );
    assert!(
        said(&good).contains("/attendance/webhook/status/") && !said(&good).contains(KEY),
        "{}",
        said(&good)
    );
    assert_eq!(backend.run(&["check-config", "--connect"]).await.status.code(), Some(0));

    backend.configure(&format!("{}/media/students?key=other", backend.origin), "other");
    for arguments in [&["check-connection"][..], &["check-config", "--connect"]] {
        let bad = backend.run(arguments).await;
        assert_eq!(bad.status.code(), Some(1), "{}", said(&bad));
        assert_eq!(said(&bad).matches("FAILED").count(), 2, "{}", said(&bad));
        assert!(said(&bad).contains("set webhook.key to a valid one"), "{}", said(&bad));
    }
    assert_eq!(
        backend.run(&["check-config"]).await.status.code(),
        Some(0),
        "nobody is asked without --connect"
    );

    let bus = Bus::default();
    let mut supervisor = Supervisor::new(bus.clone());
    let hands = backend.hands(&mut supervisor, &bus);
    let photos = hands.perform(Action::TestPhotos).await.unwrap_err();
    let webhook = hands.perform(Action::TestWebhook).await.unwrap_err();
    assert!(webhook.message.contains("refuses the key"), "{webhook:?}");
    assert!(
        !photos.message.contains("other") && !webhook.message.contains("other"),
        "{photos:?} {webhook:?}"
    );
    supervisor.stop(Duration::from_secs(5)).await;
}

/// Some webhooks take the key of a status request in its query only, some have no status address at all, and
/// some servers answer everything with a page.
#[tokio::test]
async fn the_connection_test_knows_other_webhooks_too() {
    let asked = async |url: &str| {
        let webhook = backend::config::Webhook {
            url: Some(base::secret::SecretUrl::parse(url).unwrap()),
            key: Some(base::secret::Secret::new(KEY)),
            timeout: Duration::from_secs(5),
            ..backend::config::Webhook::default()
        };
        backend::upload::check_connection(&webhook, &Default::default()).await
    };
    let json = "application/json";
    let in_query = scripted(move |line| match line.contains(KEY) {
        true => ("200 OK", json, r#"{"success": true, "webhook_active": true, "statistics": {}}"#),
        false => ("401 Unauthorized", json, r#"{"success": false}"#),
    });
    assert!(asked(&in_query.await).await.is_ok());
    let rows_only = scripted(move |line| match line.starts_with("POST") {
        true => ("400 Bad Request", json, r#"{"success": false, "error": "no rows"}"#),
        false => ("404 Not Found", "text/html", "<h1>Not Found</h1>"),
    });
    let answered = asked(&rows_only.await).await.unwrap();
    assert!(answered.contains("without rows"), "{answered}");
    let page = scripted(|_| ("200 OK", "text/html", "<html>Log in</html>"));
    let fault = asked(&page.await).await.unwrap_err();
    assert!(fault.what.contains("web page"), "{fault}");
    let off = scripted(move |_| ("200 OK", json, r#"{"success": true, "webhook_active": false}"#));
    let fault = asked(&off.await).await.unwrap_err();
    assert!(fault.what.contains("takes no rows"), "{fault}");
}
