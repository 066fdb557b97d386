//! A technician at the page, in a real browser. With `ATTENDANCE_SCREENSHOTS=FOLDER` every state is also
//! pictured there.

use std::time::{Duration, Instant};

use access::account::AccountFile;
use access::role::Role;
use base::event::{Advice, Event};
use base::identity::RollNumber;
use update::inbox::received;
use view::systems::Slot;
use view::{Action, Progress, RefusedRow, Removal};

use crate::device::{Device, PASSWORD, broken, healthy, row};
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
fn at_device(browser: &Browser, device: &Device) {
    log_in(browser, device);
    browser.go(&format!("{}device", device.url()));
}

fn picture(browser: &Browser, name: &str) {
    if let Some(folder) = std::env::var_os("ATTENDANCE_SCREENSHOTS") {
        std::fs::write(std::path::Path::new(&folder).join(format!("{name}.png")), browser.picture()).unwrap();
    }
}

/// Nothing may be wider than the screen, and every control must have a name and a size fit for a thumb.
fn fits(browser: &Browser, state: &str) {
    let wide =
        browser.script("return document.documentElement.scrollWidth - document.documentElement.clientWidth");
    assert_eq!(wide, 0, "{state}: the page is wider than the screen");
    let outside = browser.script(
        "return [...document.querySelectorAll('.card')].flatMap(card => [...card.querySelectorAll('*')]
            .filter(e => e.checkVisibility() && e.getBoundingClientRect().right > card.getBoundingClientRect().right)
            .map(e => e.outerHTML.slice(0, 90)))",
    );
    assert_eq!(outside, serde_json::json!([]), "{state}: something leaves its card");
    let bad = browser.script(
        "return [...document.querySelectorAll('button, input:not([type=hidden]), summary, a.button')]
            .filter(e => e.checkVisibility() && !e.hidden)
            .filter(e => e.getBoundingClientRect().height < 32
                || !(e.innerText || e.ariaLabel || e.labels?.[0]?.innerText || '').trim())
            .map(e => e.outerHTML)",
    );
    assert_eq!(bad, serde_json::json!([]), "{state}: controls too small or without a name");
}

/// Text against its ground, by WCAG's formula: 4.5 at least, for everything that can be seen.
fn contrast(browser: &Browser, state: &str) {
    let bad = browser.script(
        "const rgb = s => { const m = s.match(/[\\d.]+/g).map(Number); return { c: m.slice(0, 3), a: m.length > 3 ? m[3] : 1 } };
         const light = c => { const [r, g, b] = c.map(v => { v /= 255; return v <= .03928 ? v / 12.92 : ((v + .055) / 1.055) ** 2.4 }); return .2126 * r + .7152 * g + .0722 * b };
         const ground = e => { for (; e; e = e.parentElement) { const b = rgb(getComputedStyle(e).backgroundColor); if (b.a > 0) return b.c } return [255, 255, 255] };
         const walk = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT), bad = new Set();
         for (let n; n = walk.nextNode();) {
            const e = n.parentElement;
            if (!n.data.trim() || !e.checkVisibility() || e.closest('svg, script, style')) continue;
            const [a, b] = [light(rgb(getComputedStyle(e).color).c), light(ground(e))].sort((x, y) => y - x);
            const ratio = (a + .05) / (b + .05);
            if (ratio < 4.5) bad.add(ratio.toFixed(2) + ' ' + e.outerHTML.slice(0, 90));
         }
         return [...bad]",
    );
    assert_eq!(bad, serde_json::json!([]), "{state}: too little contrast");
}

/// With `ATTENDANCE_AXE=FILE` (axe.min.js of the package axe-core) its rules for WCAG 2.1 A and AA are asked
/// as well.
fn axe(browser: &Browser, state: &str) {
    let Some(file) = std::env::var_os("ATTENDANCE_AXE") else {
        return skipped::skipped("axe-core: set ATTENDANCE_AXE to its axe.min.js, as ci/run does");
    };
    browser.script(&std::fs::read_to_string(file).unwrap());
    browser.script(
        "window.found = undefined; axe.run({ runOnly: ['wcag2a', 'wcag2aa', 'wcag21a', 'wcag21aa', 'best-practice'] })
            .then(r => window.found = r.violations.map(v => v.id + ': ' + v.nodes.map(n => n.html.slice(0, 80))))",
    );
    browser.until("[", |b| b.script("return window.found ?? ''").to_string());
    let found = browser.script("return window.found");
    assert_eq!(found, serde_json::json!([]), "{state}");
}

/// What holds of every page, in whatever state.
pub fn reads_well(browser: &Browser, state: &str) {
    fits(browser, state);
    contrast(browser, state);
    axe(browser, state);
}

#[test]
fn the_page_reads_well_on_phone_and_desk_light_and_dark_well_and_broken() {
    let Some(browser) = Browser::open(true) else { return };
    let device = Device::start();
    browser.look(360, 740, false);
    browser.go(&device.url());
    fits(&browser, "log-in");
    contrast(&browser, "log-in");
    axe(&browser, "log-in");
    picture(&browser, "log-in-phone-light");
    log_in(&browser, &device);
    assert_eq!(browser.text("#sentence"), "All well");
    for (state, break_it) in [("well", false), ("broken", true)] {
        device.change(|view| {
            *view = healthy();
            if break_it {
                broken(view);
                view.sync.progress =
                    Some(Progress { step: "fetching photos".to_owned(), done: 312, total: 1000 });
                view.sync.removal = Some(Removal { students: 400, of: 1021 });
            }
        });
        for (size, width, height) in [("phone", 360, 740), ("desk", 1280, 900)] {
            for (scheme, dark) in [("light", false), ("dark", true)] {
                for view in ["", "door", "device"] {
                    let name = format!("{state}-{size}-{scheme}-{view}");
                    browser.look(width, height, dark);
                    browser.go(&format!("{}{view}", device.url()));
                    browser.script("document.querySelectorAll('details').forEach(d => d.open = true)");
                    fits(&browser, &name);
                    contrast(&browser, &name);
                    axe(&browser, &name);
                    browser.script(
                        "document.querySelectorAll('details').forEach(d => d.open = d.id === 'refused')",
                    );
                    picture(&browser, &name);
                }
            }
        }
    }
    let sentence = browser.text("#verdict");
    assert!(
        sentence.contains("no picture for 1 minute") && sentence.contains("camera’s cable"),
        "{sentence}"
    );
    browser.go(&format!("{}docs", device.url()));
    fits(&browser, "docs");
    contrast(&browser, "docs");
    axe(&browser, "docs");
    browser.click("[data-try='/status'] button");
    browser.until("attendance_system", |b| b.text("[data-try='/status'] + pre"));
    // Paths with a part, and calls that change something.
    browser.write("[data-try='/attendance/{date}'] input", "2025-01-15");
    browser.click("[data-try='/attendance/{date}'] button");
    browser.until("2110009", |b| b.text("[data-try='/attendance/{date}'] + pre"));
    browser.click("[data-try='/sync/manual'] button");
    browser.until("12 photos are new", |b| b.text("[data-try='/sync/manual'] + pre"));
    browser.write("[data-try='/update/install'] input", "https://updates.example/latest.json");
    browser.click("[data-try='/update/install'] button");
    browser.until("Fetched from https://updates.example/", |b| b.text("[data-try='/update/install'] + pre"));
    browser.click("[data-try='/events'] button");
    browser.until("event: problems", |b| b.text("[data-try='/events'] + pre"));
    let all = browser.script(
        "return [document.querySelectorAll('form.try').length, document.querySelectorAll('section.card').length]",
    );
    assert_eq!(all[0], all[1], "every call can be tried");
    for (size, width, dark) in [("phone", 360, false), ("phone-dark", 360, true), ("desk", 1280, false)] {
        let name = format!("settings-{size}");
        browser.look(width, 900, dark);
        browser.go(&format!("{}settings", device.url()));
        picture(&browser, &name);
        browser.script("document.querySelectorAll('details').forEach(d => d.open = true)");
        fits(&browser, &name);
        contrast(&browser, &name);
        axe(&browser, &name);
    }
    assert!(!browser.script("return document.documentElement.outerHTML").to_string().contains("s3cr3t"));
    let complaints = browser.complaints();
    // "[DOM]" is Chromium's advice about several secrets in one form.
    let known = |c: &String| ["favicon", "broken.jpg", "[DOM]"].iter().any(|known| c.contains(known));
    assert!(complaints.iter().all(known), "{complaints:?}");
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
    browser.until("goes on by itself", |b| b.text("#said"));
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

#[test]
fn the_live_picture_is_asked_for_only_while_it_is_open() {
    let Some(browser) = Browser::open(true) else { return };
    let device = Device::start();
    device.change(broken);
    at_device(&browser, &device);
    let asked = || *device.fake.previews.lock().unwrap();
    assert_eq!(asked(), 0);
    browser.go(&format!("{}door", device.url()));
    let start = Instant::now();
    while asked() < 5 {
        assert!(start.elapsed() < Duration::from_secs(20), "no live picture");
        std::thread::sleep(Duration::from_millis(50));
    }
    browser.until("320", |b| {
        b.script("return document.querySelector('#live img')?.naturalWidth ?? 0").to_string()
    });
    picture(&browser, "preview");
    browser.go(&format!("{}device", device.url()));
    std::thread::sleep(Duration::from_millis(500));
    let then = asked();
    std::thread::sleep(Duration::from_secs(1));
    assert_eq!(asked(), then);

    // What the detector saw in a photo that did not enrol, and a photo nobody can see.
    browser.click("#refused > summary");
    browser.click("#seen-0 > summary");
    browser.until("320", |b| {
        b.script("return document.querySelector('#seen-0 img')?.naturalWidth ?? 0").to_string()
    });
    // What is loaded is not asked for again when the list changes, and stays open.
    browser.script("document.querySelector('#seen-0 img').dataset.mine = 'kept'");
    device.change(|view| view.roster.photos = 1977);
    browser.until("1977", |b| b.text("#photos"));
    let kept =
        browser.script("return document.querySelector('#seen-0[open] img')?.dataset.mine ?? 'another'");
    assert_eq!((kept.as_str(), *device.fake.evidences.lock().unwrap()), (Some("kept"), 1));
    browser.go(&format!("{}roster/picture.svg?photo=../../etc/passwd", device.url()));
    assert!(browser.text("body").contains("no refused photo"));
}

/// One question that fails must not be the end: the page says so, looks again, and takes it back.
#[test]
fn a_device_that_did_not_answer_is_asked_again_and_only_news_is_read_aloud() {
    let Some(browser) = Browser::open(true) else { return };
    let device = Device::start();
    at_device(&browser, &device);
    let change = |age| {
        device.change(|view| view.camera.last_frame_age_s = Some(age));
        device.bus.publish(Event::Hint { track: 1, advice: Advice::ComeCloser });
    };
    browser.script("window.asked = window.fetch; window.fetch = () => Promise.reject(new TypeError('gone'))");
    change(73.0);
    browser.until("does not answer", |b| b.text("#said"));
    browser.script("window.fetch = window.asked");
    browser.until("for 1 minute", |b| b.text("#sentence"));
    browser.until("false", |b| b.script("return document.body.classList.contains('lost')").to_string());

    // A question without an answer ends by itself, and so many events that none is followed by a pause hold
    // up nothing.
    browser.script(
        "window.fetch = (at, how) => new Promise((_, no) => how.signal.addEventListener('abort', no))",
    );
    change(7300.0);
    std::thread::sleep(Duration::from_secs(1));
    browser.script("window.fetch = window.asked");
    let start = Instant::now();
    while browser.text("#sentence") != "The camera has given no picture for 2 hours." {
        assert!(
            start.elapsed() < Duration::from_secs(30),
            "a question that hangs holds up the page for ever"
        );
        change(7300.0);
        std::thread::sleep(Duration::from_millis(50));
    }
    assert_eq!(
        browser.script("return document.getElementById('spoken').textContent"),
        "The camera has given no picture for 2 hours."
    );
    // The same sentence with another number beside it is no news.
    browser.script("document.getElementById('spoken').textContent = ''");
    device.change(|view| view.system.temperature_c = Some(66.0));
    browser.until("66 °C", |b| b.text("#system"));
    assert_eq!(browser.script("return document.getElementById('spoken').textContent"), "");
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

#[test]
fn the_page_is_used_by_keyboard_alone() {
    let Some(browser) = Browser::open(true) else { return };
    let device = Device::start();
    log_in(&browser, &device);
    for (view, controls) in [
        ("", &["Log out", "Today", "Device", "search", "day", "Show", "sheet-xlsx", "csv"][..]),
        ("device", &["do-restart", "do-upload", "do-sync", "log"]),
    ] {
        browser.go(&format!("{}{view}", device.url()));
        let mut reached = Vec::new();
        for _ in 0..100 {
            browser.press("\u{e004}");
            let focus = browser.script(
                "const e = document.activeElement, s = getComputedStyle(e);
                 return (e.id || e.innerText || e.tagName) + (s.outlineStyle === 'none' ? ' UNSEEN' : '')",
            );
            reached.push(focus.as_str().unwrap().to_owned());
        }
        for control in controls {
            assert!(reached.iter().any(|r| r == control), "{control:?} is not reached: {reached:?}");
        }
    }
    // What has the focus keeps it when the page looks again.
    device.change(broken);
    browser.until("no picture", |b| b.text("#verdict"));
    for (n, control) in
        ["#others > summary", "#retry-2026-11-21\\\\:2110007\\\\:IN", "#do-retry-all", "#refused > summary"]
            .into_iter()
            .enumerate()
    {
        browser.script(&format!("document.querySelector('{control}').focus()"));
        let changed = 400 + n;
        device.change(|view| {
            view.upload.backlog = changed;
            view.roster.photos = changed;
        });
        for section in ["#delivery", "#photos", "#verdict"] {
            browser.until(&changed.to_string(), |b| {
                b.script(&format!("return document.querySelector('{section}').textContent")).to_string()
            });
        }
        let focused = browser.script(&format!("return document.activeElement.matches('{control}')"));
        assert_eq!(focused, true, "{control} lost the focus");
    }
    browser.script("document.getElementById('do-upload').focus()");
    browser.press("\u{e007}");
    browser.until("7 rows were delivered", |b| b.text("#said"));
    let outline = browser.script(
        "return [document.documentElement.lang, document.querySelectorAll('h1').length,
            [...document.querySelectorAll('section')].every(s => s.getAttribute('aria-labelledby')),
            !!document.querySelector('main'), !!document.querySelector('[role=status]')]",
    );
    assert_eq!(outline, serde_json::json!(["en", 1, true, true, true]));
}

#[test]
fn without_scripts_all_can_be_read_and_done() {
    let Some(browser) = Browser::open(false) else { return };
    let device = Device::start();
    log_in(&browser, &device);
    assert_eq!(browser.text("#sentence"), "All well");
    assert!(browser.text("#rows").contains("Show all 42 rows"));
    browser.go(&format!("{}device", device.url()));
    browser.click("#do-sync");
    browser.until("12 photos are new", |b| b.text("#photos"));
    // A school's worth of refused rows is a list that ends, and each can be given up.
    device.change(|view| {
        broken(view);
        let row = view.upload.needs_person[0].clone();
        view.upload.needs_person =
            (0..700).map(|n| RefusedRow { id: n.to_string(), ..row.clone() }).collect();
    });
    browser.go(&format!("{}device", device.url()));
    assert_eq!(browser.script("return document.querySelectorAll('.people li').length"), 20);
    assert!(
        browser.text("#delivery").contains("(700 rows)")
            && browser.text("#delivery").contains("And 680 rows more")
    );
    browser.click(".people li:first-child summary");
    browser.click(".people li:first-child details button");
    browser.until("Row 0 was dismissed", |b| b.text("#delivery"));
    browser.click("#do-retry-all");
    browser.until("All rows will be sent again", |b| b.text("#delivery"));
    browser.go(&device.url());
    browser.write("#search", "2110036");
    browser.click("#filter button");
    browser.until("with “2110036”", |b| b.text("#rows"));
    browser.click("header form button");
    browser.until("/login", |b| b.address());
}

/// The picture moves, and its words can be read where it is as wide as a phone.
#[test]
fn the_live_picture_moves_and_is_readable_on_a_phone() {
    let Some(browser) = Browser::open(true) else { return };
    let device = Device::start();
    browser.look(360, 740, false);
    log_in(&browser, &device);
    browser.go(&format!("{}door", device.url()));
    let width = "return document.querySelector('#live img')?.getBoundingClientRect().width ?? 0";
    let start = Instant::now();
    while browser.script(width).as_f64().unwrap_or_default() < 100.0 {
        assert!(start.elapsed() < Duration::from_secs(20), "there is no picture");
        std::thread::sleep(Duration::from_millis(50));
    }
    let (begun, before) = (Instant::now(), *device.fake.previews.lock().unwrap());
    std::thread::sleep(Duration::from_secs(3));
    let pictures = *device.fake.previews.lock().unwrap() - before;
    let rate = pictures as f64 / begun.elapsed().as_secs_f64();
    assert!(rate >= 5.0, "{rate:.1} pictures a second");
    let svg = device.get("/preview.svg", &device.log_in()).text();
    let number = |after: &str| -> f64 {
        let text = svg.split(after).nth(1).unwrap();
        text.split(|c: char| !c.is_ascii_digit() && c != '.').next().unwrap().parse().unwrap()
    };
    let shown = browser.script(width).as_f64().unwrap();
    let pixels = number("font-size=\"") * shown / number("viewBox=\"0 0 ");
    assert!(pixels >= 12.0, "letters of {pixels:.1} pixels");
}
