//! A technician changes settings in a real browser, and the real program takes them over.

use std::net::{SocketAddr, TcpListener};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::time::{Duration, Instant};

use base::event::Bus;
use base::identity::RollNumber;
use base::moment::{Clock, ClockTrust, SiteZone, SystemClock};
use base::secret::Secret;
use settings::store::{RealDisk, Store};
use settings::trial::Keeper;
use settings::writer::Writer;
use time::OffsetDateTime;

use crate::device::PASSWORD;
use crate::site::Site;
use crate::visits::visits;
use crate::webdriver::Browser;

const KEY: &str = "right-k3y";

/// `attendance run` without a camera, with this webhook key, and one row that waits. Ends with the value.
struct Appliance {
    process: Child,
    folder: tempfile::TempDir,
    address: SocketAddr,
}

impl Appliance {
    fn start(webhook: &str, key: &str) -> Self {
        let folder = tempfile::tempdir().unwrap();
        // Free now, and taken in a moment by the program.
        let address = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
        let data = folder.path().join("data");
        let hash = access::password::hash(&Secret::new(PASSWORD)).unwrap();
        let text = format!(
            "# The office knows the key.\n[site]\nname = \"North gate\" # shown on the page\nclock = \"system\"\ndata_dir = {data:?}\n\
             [camera]\nsource = \"replay\"\nreplay = [\"/nowhere/door.y4m\"]\n\
             [webhook]\nurl = \"{webhook}\"\n# From the office, 3 March.\nkey = \"{key}\"\ninterval = \"1s\"\n\
             [tls]\nallow_plain = true\n[page]\nlisten = \"{address}\"\npassword_hash = \"{hash}\"\n"
        );
        std::fs::write(folder.path().join("attendance.toml"), &text).unwrap();
        let config = config::parse(&text).unwrap();
        let clock: Arc<dyn Clock> = Arc::new(SystemClock::new(ClockTrust::System));
        let zone = SiteZone::named("UTC").unwrap();
        let records = journal::open(&data, config.rows(), zone, Arc::clone(&clock), Bus::default()).unwrap();
        records.with_recorder(|recorder| recorder.sighted(&RollNumber::parse("7").unwrap(), clock.now()));
        drop(records);
        let process = run(&folder.path().join("attendance.toml"));
        Self { process, folder, address }
    }

    /// Ends it with SIGTERM.
    fn end(&mut self) {
        Command::new("kill").arg(self.process.id().to_string()).status().unwrap();
        assert!(self.process.wait().unwrap().success());
    }

    fn data(&self) -> PathBuf {
        self.folder.path().join("data")
    }

    fn file(&self) -> PathBuf {
        self.folder.path().join("attendance.toml")
    }

    fn text(&self) -> String {
        std::fs::read_to_string(self.file()).unwrap()
    }

    fn url(&self, path: &str) -> String {
        format!("https://{}{path}", self.address)
    }

    fn log_in(&self, browser: &Browser) {
        let start = Instant::now();
        loop {
            browser.go(&self.url("/login"));
            if browser.find("#password").is_some() {
                break;
            }
            assert!(start.elapsed() < Duration::from_secs(60), "the page does not come back");
            std::thread::sleep(Duration::from_millis(200));
        }
        browser.write("#password", PASSWORD);
        browser.click("button[type=submit]");
        browser.until("North gate", |b| b.text("body"));
    }

    /// Saves what was typed, and waits until the program has started again.
    fn save(&self, browser: &Browser) {
        browser.click("#settings button.primary");
        browser.until("This changes", |b| b.text("main"));
        browser.click("form[action='/settings/save'] button");
        browser.until("restarts with the new settings", |b| b.text("main"));
        self.restarted(browser);
    }

    /// The log-ins of the old process have ended with it.
    fn restarted(&self, browser: &Browser) {
        let start = Instant::now();
        loop {
            browser.go(&self.url("/settings"));
            if browser.address().ends_with("/login") {
                return self.log_in(browser);
            }
            assert!(start.elapsed() < Duration::from_secs(60), "the program does not restart");
            std::thread::sleep(Duration::from_millis(200));
        }
    }
}

impl Drop for Appliance {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

fn run(config: &Path) -> Child {
    let mut command = Command::new(env!("CARGO_BIN_EXE_attendance"));
    command.args(["run", "--config"]).arg(config).stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap()
}

/// A webhook that takes [`KEY`], on a thread of its own for as long as the test runs.
fn webhook() -> (Arc<Site>, String) {
    let students = tempfile::tempdir().unwrap();
    std::fs::create_dir(students.path().join("7")).unwrap();
    webhook_of(students.path())
}

/// The same for the students of this folder.
fn webhook_of(students: &Path) -> (Arc<Site>, String) {
    let site = Site::new(students, KEY).unwrap();
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    listener.set_nonblocking(true).unwrap();
    let url = format!("http://{}/attendance/webhook/", listener.local_addr().unwrap());
    let serving = Arc::clone(&site);
    std::thread::spawn(move || {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(async {
            let listener = tokio::net::TcpListener::from_std(listener).unwrap();
            serving.serve(listener, None).await;
        });
    });
    (site, url)
}

#[test]
fn a_wrong_key_is_corrected_on_the_page() {
    let Some(browser) = Browser::open(true) else { return };
    let (site, url) = webhook();
    let appliance = Appliance::start(&url, "wr0ng");
    let before = appliance.text();
    appliance.log_in(&browser);
    // Behind what is worse: there is no camera.
    browser.until("webhook.key", |b| {
        b.script("return document.getElementById('verdict').textContent").to_string()
    });

    // Nothing that is wrong is saved, and all of it is told at once.
    browser.go(&appliance.url("/settings"));
    assert!(!browser.script("return document.documentElement.outerHTML").to_string().contains("wr0ng"));
    browser.write("#webhook-batch_rows", "0");
    browser.write("#webhook-timeout", "soon");
    browser.click("#settings button.primary");
    let faults = browser.until("2 things are wrong", |b| b.text("main"));
    assert!(faults.contains("1 to 1000") && faults.contains("15m"), "{faults}");
    assert_eq!(appliance.text(), before);

    // The key is corrected, and the row is delivered at the press of a button.
    browser.go(&appliance.url("/settings"));
    browser.write("#webhook-key", KEY);
    appliance.save(&browser);
    assert_eq!(appliance.text(), before.replace("wr0ng", KEY), "comments and order stay");
    browser.go(&appliance.url("/device"));
    browser.click("#do-upload");
    browser.until("0 still to deliver", |b| b.text("#said"));
    assert!(site.webhook.rows().contains("7,in,"), "{}", site.webhook.rows());

    // After its trial it can be changed again: the version before is put back by one button.
    let kept = |b: &Browser| {
        b.go(&appliance.url("/settings"));
        b.text("main")
    };
    browser.until("The saved settings are in force", kept);
    browser.script("document.querySelector('form[action=\"/settings/put-back\"] button').scrollIntoView()");
    browser.click("form[action='/settings/put-back'] button");
    browser.until("restarts with the new settings", |b| b.text("main"));
    appliance.restarted(&browser);
    assert_eq!(appliance.text(), before);
}

/// A change of the page's own settings waits for a browser.
#[test]
fn settings_of_the_page_are_kept_by_a_button() {
    let Some(browser) = Browser::open(true) else { return };
    let (_site, url) = webhook();
    let appliance = Appliance::start(&url, "wr0ng");
    appliance.log_in(&browser);
    browser.go(&appliance.url("/settings"));
    browser.script("document.querySelectorAll('details').forEach(d => d.open = true)");
    browser.write("#page-session_idle", "20m");
    browser.click("#settings button.primary");
    browser.until("within two minutes", |b| b.text("main"));
    browser.click("form[action='/settings/save'] button");
    browser.until("restarts with the new settings", |b| b.text("main"));
    appliance.restarted(&browser);
    browser.until("New settings of this page are on trial", |b| {
        b.script("return document.body.textContent").to_string()
    });
    browser.go(&appliance.url("/settings"));
    browser.click("form[action='/settings/keep'] button");
    browser.until("are kept", |b| b.text("main"));
    browser.until("The saved settings are in force", |b| {
        b.go(&appliance.url("/settings"));
        b.text("main")
    });
    assert!(appliance.text().contains("session_idle = \"20m\""));
}

/// A person stands before the camera all the time, and the settings change three times. Each change starts
/// the program again; the person's visit goes on, and its row is written and delivered once.
#[test]
fn settings_change_during_a_visit_and_no_row_is_lost() {
    let Some(demo) = std::env::var_os("ATTENDANCE_DEMO").map(PathBuf::from) else {
        return skipped::skipped("the demo's data in ATTENDANCE_DEMO; run scripts/demo-data");
    };
    let Some(browser) = Browser::open(true) else { return };
    let students = demo.join("students");
    let (site, url) = webhook_of(&students);
    let mut appliance = Appliance::start(&url, KEY);
    let film = format!(
        "[photos]\nfolder = {students:?}\n[liveness]\nrequire = \"off\"\n\
         [attendance]\nminimum_gap = \"2m\"\n[camera]"
    );
    let text = appliance.text().replace("[camera]", &film);
    let text = text.replace("/nowhere/door.y4m", &demo.join("door.y4m").display().to_string());
    appliance.process.kill().unwrap();
    appliance.process.wait().unwrap();
    std::fs::write(appliance.file(), text).unwrap();
    appliance.process = run(&appliance.file());
    appliance.log_in(&browser);
    let roll = std::fs::read_to_string(demo.join("person")).unwrap().trim().to_owned();
    let row = format!("{roll},in,");
    let start = Instant::now();
    while !site.webhook.rows().contains(&row) {
        assert!(start.elapsed() < Duration::from_secs(120), "the IN is not delivered");
        std::thread::sleep(Duration::from_millis(200));
    }

    let store = Store::below(&appliance.data(), Arc::new(RealDisk));
    for seconds in [2, 3, 4] {
        browser.go(&appliance.url("/settings"));
        browser.write("#webhook-interval", &format!("{seconds}s"));
        appliance.save(&browser);
        let saved = Instant::now();
        while store.trial().is_some() {
            assert!(saved.elapsed() < Duration::from_secs(60), "the trial does not end");
            std::thread::sleep(Duration::from_millis(200));
        }
    }
    // The clock of the page, and of what it tells.
    let status = || {
        browser.go(&appliance.url("/status"));
        let text = browser.script("return document.body.innerText");
        serde_json::from_str::<serde_json::Value>(text.as_str().unwrap()).unwrap()["appliance"].take()
    };
    let (saved, then) = (OffsetDateTime::now_utc(), status()["now"].as_str().unwrap().to_owned());
    let start = Instant::now();
    let seen_again = |status: &serde_json::Value| {
        status["camera"]["decisions"].as_array().unwrap().iter().any(|decision| {
            let [at, what] = ["at", "what"].map(|part| decision[part].as_str().unwrap());
            at > &*then && what.contains(&roll)
        })
    };
    loop {
        let now = status();
        if seen_again(&now) {
            break;
        }
        let decisions = &now["camera"]["decisions"];
        assert!(start.elapsed() < Duration::from_secs(120), "nobody is recognised any more: {decisions}");
        std::thread::sleep(Duration::from_millis(500));
    }
    // The last sighting is written at a stop.
    appliance.end();
    let mut seen = visits(&appliance.data(), &roll);
    let last = seen.iter().map(|(_, last)| *last).max().unwrap();
    seen.dedup_by_key(|(first, _)| *first);
    assert_eq!(seen.len(), 1, "one visit: {seen:?}");
    assert!(last > saved, "the person was recognised after the last change: {last}");
    assert_eq!(site.webhook.rows().matches(&row).count(), 1, "{}", site.webhook.rows());
    assert!(!site.webhook.rows().contains(",out,"), "{}", site.webhook.rows());
}

/// The helper's check was passed, and the program does not start all the same.
#[test]
fn settings_that_stop_the_program_go_back_by_themselves() {
    let Some(browser) = Browser::open(true) else { return };
    let (_site, url) = webhook();
    let mut appliance = Appliance::start(&url, "wr0ng");
    appliance.log_in(&browser);
    appliance.process.kill().unwrap();
    appliance.process.wait().unwrap();
    let before = appliance.text();
    let store = Store::below(&appliance.folder.path().join("data"), Arc::new(RealDisk));
    let keeper = Keeper::with(Writer::new(&appliance.file()), store);
    keeper.change(&before, &before.replace("interval = \"1s\"", "interval = \"0s\""), "a test").unwrap();
    assert_ne!(appliance.text(), before);
    appliance.process = run(&appliance.file());
    appliance.log_in(&browser);
    assert_eq!(appliance.text(), before);
    browser.go(&appliance.url("/settings"));
    let said = browser.text("main");
    assert!(said.contains("were put back") && said.contains("webhook.interval"), "{said}");
}
