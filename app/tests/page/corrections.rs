//! The office corrects attendance: by forms in a real browser, and by the API.

use access::role::Role;
use access::token::TokenFile;
use base::event::WorkerState;
use time::macros::{date, datetime, time};
use view::corrections::Correction;
use view::{Action, RowStatus};

use crate::browser::office;
use crate::client::As;
use crate::device::Device;
use crate::states::{healthy, row};
use crate::webdriver::Browser;

/// A device with two rows of one student today, one of which waits for the day that a person says.
fn device() -> Device {
    let device = Device::start();
    *device.fake.students.lock().unwrap() = 20;
    device.change(|view| {
        *view = healthy();
        assert!(view.workers.iter().all(|worker| worker.state != WorkerState::Held));
        let mut came = row("2110007", "IN", "2026-11-22 08:05:09");
        came.id = "41".to_owned();
        view.today.rows = vec![came];
        view.upload.needs_person = vec![view::RefusedRow {
            id: "42".to_owned(),
            name: "2110007".to_owned(),
            days: vec!["2026-11-21".to_owned(), "2026-11-22".to_owned()],
            ..Default::default()
        }];
    });
    device
}

fn performed(device: &Device) -> Option<Action> {
    device.fake.performed.lock().unwrap().last().cloned()
}

/// The page shows the result of the last correction, too: what it says does not tell that the next one is
/// done.
fn until_performed(browser: &Browser, device: &Device, wanted: &Option<Action>) {
    let begun = std::time::Instant::now();
    while performed(device) != *wanted && begun.elapsed() < std::time::Duration::from_secs(20) {
        std::thread::sleep(std::time::Duration::from_millis(100));
    }
    let forms = browser.script("return [...document.forms].map(f => [f.action, f.checkValidity(), [...new FormData(f)].join()].join(String.fromCharCode(32))).join(String.fromCharCode(10))");
    assert_eq!(performed(device), *wanted, "{forms}");
}

fn by_anna(correction: Correction) -> Option<Action> {
    let (by, reason) = ("anna (office)".to_owned(), "her mother called".to_owned());
    Some(Action::Correct { correction, by, reason })
}

#[test]
fn the_office_corrects_rows_on_a_students_page_and_beside_the_rows_of_the_day() {
    let Some(browser) = Browser::open(true) else { return };
    let device = device();
    let mut gone = row("2110007", "OUT", "2026-11-22 09:10:00");
    gone.note = "anna: her mother called".to_owned();
    *device.fake.corrected.lock().unwrap() = vec![gone];
    browser.look(360, 740, false);
    office(&browser, &device);
    browser.go(&format!("{}student/2110007", device.url()));
    let wide =
        browser.script("return document.documentElement.scrollWidth - document.documentElement.clientWidth");
    assert_eq!(wide, 0, "the page is wider than the screen");
    let add = "#add-row";
    browser.click(&format!("{add} summary"));
    browser.script("document.querySelector('#add-row [name=status]').value = 'OUT'");
    browser.script("document.querySelector('#add-row [name=day]').value = '2026-11-21'");
    browser.script("document.querySelector('#add-row [name=time]').value = '15:30'");
    browser.write(&format!("{add} [name=reason]"), "her mother called");
    browser.click(&format!("{add} button"));
    browser.until("It is corrected, by anna (office): her mother called.", |b| b.text("#said"));
    let (roll, at) = ("2110007".to_owned(), datetime!(2026-11-21 15:30));
    assert_eq!(performed(&device), by_anna(Correction::Add { roll, status: RowStatus::Out, at }));
    assert!(browser.text("#corrected").contains("anna: her mother called"), "who did it, and why");
    // The rows of today have the same forms.
    browser.go(&device.url());
    browser.click("#correct-41 summary");
    assert!(browser.text("#correct-41").contains("cannot be changed there"), "the backend has this row");
    browser.script("document.querySelector('#correct-41 [name=time]').value = '07:58:00'");
    browser.write("#correct-41 form:nth-of-type(1) [name=reason]", "her mother called");
    let wide =
        browser.script("return document.documentElement.scrollWidth - document.documentElement.clientWidth");
    assert_eq!(wide, 0, "the form of a row is wider than the screen");
    browser.click("#correct-41 form:nth-of-type(1) button");
    let change = Correction::Change { row: "41".to_owned(), time: time!(7:58) };
    until_performed(&browser, &device, &by_anna(change));
    browser.until("It is corrected", |b| b.text(".attendance"));
    browser.go(&device.url());
    browser.click("#correct-41 summary");
    browser.write("#correct-41 form:nth-of-type(2) [name=reason]", "her mother called");
    browser.click("#correct-41 form:nth-of-type(2) button");
    until_performed(&browser, &device, &by_anna(Correction::Void { row: "41".to_owned() }));
}

#[test]
fn the_office_says_on_which_day_a_row_was_and_cannot_send_it_without() {
    let Some(browser) = Browser::open(true) else { return };
    let device = device();
    browser.look(1280, 900, false);
    office(&browser, &device);
    browser.go(&format!("{}device", device.url()));
    assert_eq!(browser.script("return document.getElementById('retry-42')"), serde_json::Value::Null);
    browser.click("#day-42 summary");
    browser.script("document.querySelector('#day-42 [name=day]').value = '2026-11-22'");
    browser.write("#day-42 [name=reason]", "her mother called");
    browser.click("#day-42 button");
    browser.until("It is corrected", |b| b.text("body"));
    let place = Correction::Place { row: "42".to_owned(), day: date!(2026 - 11 - 22) };
    assert_eq!(performed(&device), by_anna(place));
}

#[test]
fn the_api_corrects_rows_and_says_what_a_form_lacks() {
    let device = device();
    let script = TokenFile::below(device.path()).add("correcting", Role::Office.into()).unwrap();
    let script = As::token(&script);
    let post = |path: &str, form: &str| device.post(path, &script, form);
    let added = post("/attendance/add", "name=7&status=IN&day=2026-11-22&time=08:05&reason=forgot");
    assert_eq!(added.status, 200, "{}", added.text());
    assert!(added.text().contains("It is corrected"));
    let Some(Action::Correct { correction: Correction::Add { at, .. }, .. }) = performed(&device) else {
        panic!("{:?}", performed(&device));
    };
    assert_eq!(at, datetime!(2026-11-22 08:05));
    assert_eq!(post("/attendance/void/41", "reason=was+not+here").status, 200);
    assert_eq!(post("/attendance/change/41", "time=08:00:10&reason=late").status, 200);
    assert_eq!(post("/attendance/day/42", "day=2026-11-21&reason=seen").status, 200);
    for (path, form, said) in [
        ("/attendance/void/41", "", "needs a reason"),
        ("/attendance/add", "name=7&status=BREAK&day=2026-11-22&time=08:05&reason=x", "neither IN nor OUT"),
        ("/attendance/add", "name=7&status=IN&day=22.11.&time=08:05&reason=x", "not a date"),
        ("/attendance/change/41", "time=8&reason=x", "not a time"),
    ] {
        let answer = post(path, form);
        assert!(answer.status == 400 && answer.text().contains(said), "{path}: {}", answer.text());
    }
    for token in [&device.read, &device.full] {
        assert_eq!(device.post("/attendance/void/41", &As::token(token), "reason=x").status, 403);
    }
    *device.fake.fails.lock().unwrap() = true;
    assert_eq!(post("/attendance/void/41", "reason=x").status, 409);
    // A form without the page's token is not the page's.
    let answer = device.post("/login", &As::default(), &format!("password={}", device.password));
    let cookie = answer.header("set-cookie").unwrap().split(';').next().unwrap().to_owned();
    let who = As::default().with("Cookie", &cookie);
    assert_eq!(device.post("/attendance/void/41", &who, "reason=x").status, 403);
}
