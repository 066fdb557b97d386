//! A technician at the page, in a real browser. With `ATTENDANCE_SCREENSHOTS=FOLDER` every state is also
//! pictured there.

use std::time::{Duration, Instant};

use access::account::AccountFile;
use access::role::Role;
use base::event::{Advice, Event};
use base::identity::RollNumber;
use update::inbox::received;
use view::systems::Slot;
use view::{Action, Progress, Removal};

use crate::device::{Device, PASSWORD};
use crate::states::{broken, row};
use crate::webdriver::Browser;

pub fn log_in(browser: &Browser, device: &Device) {
    browser.go(&device.url());
    assert!(browser.address().ends_with("/login"));
    browser.write("#password", PASSWORD);
    browser.click("button[type=submit]");
    browser.until("North gate", |b| b.text("body"));
}

/// Somebody of the office, logged in.
pub fn office(browser: &Browser, device: &Device) {
    let password = AccountFile::below(device.path()).add("anna", Role::Office).unwrap();
    browser.go(&device.url());
    browser.script("document.getElementById('account').value = ''");
    browser.write("#account", "anna");
    browser.write("#password", password.expose());
    browser.click("button[type=submit]");
    browser.until("North gate", |b| b.text("body"));
}

/// The technician's view of the device.
pub fn at_device(browser: &Browser, device: &Device) {
    log_in(browser, device);
    browser.go(&format!("{}device", device.url()));
}

pub fn picture(browser: &Browser, name: &str) {
    if let Some(folder) = std::env::var_os("ATTENDANCE_SCREENSHOTS") {
        std::fs::write(std::path::Path::new(&folder).join(format!("{name}.png")), browser.picture()).unwrap();
    }
}

#[test]
fn a_row_appears_by_itself_and_every_button_says_what_happened() {
    let Some(browser) = Browser::open(true) else { return };
    let device = Device::start();
    browser.look(1280, 900, false);
    log_in(&browser, &device);
    device.change(|view| view.today.rows.push(row("2119999", "IN", "2026-11-22 09:31:07")));
    device.bus.publish(Event::Recorded {
        roll: RollNumber::parse("2119999").unwrap(),
        status: "IN".to_owned(),
        timestamp: "2026-11-22 09:31:07".to_owned(),
    });
    let rows = browser.until("2119999", |b| b.text("#rows tbody tr"));
    assert!(rows.contains("09:31:07"), "the newest stands first: {rows}");

    device.change(broken);
    browser.until("no picture", |b| b.text("#verdict"));
    browser.go(&format!("{}device", device.url()));
    for (button, said) in [
        ("#do-sync", "12 photos are new"),
        ("#do-upload", "7 rows were delivered"),
        ("#do-restart", "Recognition was started again"),
        ("#do-test-photos", "It answers and takes the key"),
        ("#do-test-webhook", "It answers and takes the key"),
        (".people li:first-child button", "Row 2026-11-21:2110007:IN was delivered"),
        ("#do-retry-all", "All rows will be sent again"),
    ] {
        browser.click(button);
        browser.until(said, |b| b.text("#said"));
        browser.until(said, |b| b.text("main"));
    }
    // What cannot be undone takes two steps.
    browser.click(".people li:first-child summary");
    browser.click(".people li:first-child details button");
    browser.until("Row 2026-11-21:2110007:IN was dismissed", |b| b.text("#said"));
    device.change(|view| view.sync.removal = Some(Removal { students: 400, of: 1021 }));
    browser.until("400 of 1021", |b| b.text("#photos"));
    browser.click("#do-confirm-removal");
    browser.until("300 students were removed", |b| b.text("#said"));
    let row = "2026-11-21:2110007:IN".to_owned();
    assert_eq!(
        device.fake.performed.lock().unwrap()[5..],
        [
            Action::RetryRow(row.clone()),
            Action::RetryAllRows,
            Action::DismissRow(row),
            Action::ConfirmRemoval
        ]
    );

    *device.fake.fails.lock().unwrap() = true;
    browser.click("#do-sync");
    browser.until("cannot be reached", |b| b.text("#said"));
    *device.fake.fails.lock().unwrap() = false;

    // A long one shows its progress and can be left alone.
    *device.fake.takes.lock().unwrap() = Duration::from_secs(5);
    browser.click("#do-sync");
    device.change(|view| {
        view.sync.progress = Some(Progress { step: "enrolling".to_owned(), done: 250, total: 1000 });
    });
    browser.until("enrolling: 250 of 1000", |b| b.text("#photos"));
    browser.until("continues in the background", |b| b.text("#said"));
    browser.until("12 photos are new", |b| b.text("#photos"));

    // An update: sent with its progress, tried, and a rollback that is acknowledged.
    *device.fake.takes.lock().unwrap() = Duration::ZERO;
    let bundle = device.path().join("attendance-rpi5-1.4.0.raucb");
    std::fs::write(&bundle, vec![7; 2_000_000]).unwrap();
    browser.click("#install summary");
    picture(&browser, "update");
    browser.write("#bundle", bundle.to_str().unwrap());
    browser.click("#bundle-form button");
    browser.until("The update is installed in slot B", |b| b.text("#said"));
    assert_eq!(std::fs::read(received(&device.fake.inbox)).unwrap().len(), 2_000_000);
    browser.until("The update is installed in slot B", |b| b.text("#updates"));
    browser.write("#update-url", "https://updates.backend.example/latest.json?key=s3cr3t");
    browser.click("#install form[action='/do/install'] button");
    browser.until("Fetched from https://updates.backend.example/latest.json", |b| b.text("#said"));
    browser.click("#do-acknowledge-update");
    browser.until("Noted", |b| b.text("#said"));
    device.change(|view| {
        view.update.systems.as_mut().unwrap().waits_for_trial = Some(Slot::B);
        view.update.progress = Some(Progress { step: "receiving".to_owned(), done: 40, total: 100 });
    });
    browser.until("tried automatically between 02:00-04:30", |b| b.text("#updates"));
    assert!(browser.text("#updates").contains("receiving: 40 %"));
    browser.click("#do-try-update");
    browser.until("It restarts", |b| b.text("#said"));

    // Searching, another day, and files.
    browser.go(&device.url());
    browser.write("#search", "2119999");
    browser.until("with “2119999”", |b| b.text("#rows"));
    browser.go(&format!("{}?day=2025-01-15", device.url()));
    assert!(browser.text(".attendance").contains("Attendance of 2025-01-15"));
    assert!(browser.text("#rows").contains("2110009"));

    browser.click("header form button");
    browser.until("/login", |b| b.address());
    browser.go(&device.url());
    assert!(browser.address().ends_with("/login"), "the log-out holds");
}

/// The title and the file are those of the rows: after another day was chosen while one typed, and after
/// midnight. In a browser that lacks what phones of some years ago lack.
#[test]
fn title_and_file_are_those_of_the_rows() {
    let Some(browser) = Browser::open(true) else { return };
    let device = Device::start();
    log_in(&browser, &device);
    browser.script("delete URLSearchParams.prototype.size; delete AbortSignal.timeout");
    let file = |b: &Browser| b.script("return document.getElementById('csv').href").to_string();
    let day = |b: &Browser| b.script("return document.getElementById('day').value").to_string();
    browser.script("document.getElementById('day').value = '2025-01-15'");
    browser.write("#search", "2110009");
    browser.until("Attendance of 2025-01-15", |b| b.text(".attendance"));
    browser.until("17:00:00", |b| b.text("#rows"));
    browser.until("/attendance/2025-01-15.csv", file);
    assert_eq!(browser.script("return document.getElementById('search').value"), "2110009");

    browser.go(&device.url());
    browser.script("delete URLSearchParams.prototype.size; delete AbortSignal.timeout");
    assert!(
        browser.text(".attendance").contains("Today’s attendance") && day(&browser).contains("2026-11-22")
    );
    device.change(|view| {
        view.today.date = "2026-11-23".to_owned();
        view.today.rows = vec![row("2110030", "IN", "2026-11-23 07:59:00")];
    });
    device.bus.publish(Event::Hint { track: 1, advice: Advice::ComeCloser });
    browser.until("/attendance/2026-11-23.csv", file);
    browser.until("2026-11-23", day);
    browser.write("#search", "2110030");
    browser.until("with “2110030”", |b| b.text("#rows"));
    assert!(browser.text(".attendance").contains("Today’s attendance"));
}

/// An update that takes longer than an idle log-in lasts is not broken off by the page itself, and a log-in
/// in another tab leaves this one able to act.
#[test]
fn a_log_in_that_ends_breaks_off_no_update_and_another_is_taken_up() {
    let Some(browser) = Browser::open(true) else { return };
    let device = Device::start();
    at_device(&browser, &device);
    let token = "return document.querySelector('header input[name=csrf]').value";
    let look = || device.bus.publish(Event::Hint { track: 1, advice: Advice::ComeCloser });
    let before = browser.script(token);
    browser.script(&format!(
        "fetch('/login', {{ method: 'POST', body: new URLSearchParams({{ password: '{PASSWORD}' }}) }})"
    ));
    let start = Instant::now();
    while browser.script(token) == before {
        assert!(start.elapsed() < Duration::from_secs(30), "the old log-in's token stays");
        look();
        std::thread::sleep(Duration::from_millis(100));
    }
    let all = browser.script(
        "return new Set([document.getElementById('bundle-form').dataset.csrf,
            ...[...document.querySelectorAll('input[name=csrf]')].map(f => f.value)]).size",
    );
    assert_eq!(all, 1, "two tokens on one page");

    // An update whose bytes never end; meanwhile the log-in does.
    browser.script("XMLHttpRequest.prototype.send = function () { window.sent = this }");
    let bundle = device.path().join("attendance-rpi5-1.4.0.raucb");
    std::fs::write(&bundle, b"x").unwrap();
    browser.click("#install summary");
    browser.write("#bundle", bundle.to_str().unwrap());
    browser.click("#bundle-form button");
    browser.until("true", |b| b.script("return !!window.sent").to_string());
    browser.script(
        "window.asks = 0; const ask = window.fetch;
         window.fetch = async (...how) => { const answer = await ask(...how); if (answer.redirected) window.asks++; return answer };
         ask('/logout', { method: 'POST', body: new URLSearchParams({ csrf: document.querySelector('input[name=csrf]').value }) })",
    );
    // It has looked twice, and been sent to the log-in page twice.
    let start = Instant::now();
    while browser.script("return window.asks ?? -1").as_i64().unwrap_or_default() < 2 {
        assert!(start.elapsed() < Duration::from_secs(60), "the page does not look, or has left");
        look();
        std::thread::sleep(Duration::from_millis(100));
    }
    assert!(!browser.address().ends_with("/login"), "the update was broken off");
    browser.script("window.sent.onloadend()");
    browser.until("/login", |b| b.address());
}

#[test]
fn a_wrong_password_waits_longer_each_time() {
    let Some(browser) = Browser::open(true) else { return };
    let device = Device::start();
    browser.go(&device.url());
    for expected in ["not the password", "not the password", "Try again in", "Try again in"] {
        browser.write("#password", "wrong");
        browser.script("window.before = 'yes'");
        browser.click("button[type=submit]");
        browser.until("no", |b| b.script("return window.before ?? 'no'").as_str().unwrap_or("").to_owned());
        browser.until(expected, |b| b.text("[role=alert]"));
    }
    picture(&browser, "log-in-refused");
    std::thread::sleep(Duration::from_secs(3));
    browser.write("#password", PASSWORD);
    browser.click("button[type=submit]");
    browser.until("North gate", |b| b.text("body"));
}
