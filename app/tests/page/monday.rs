//! The office on a Monday morning: six hundred students, in a real browser and as files.

use std::path::Path;

use access::role::Role;
use access::token::TokenFile;
use view::{Action, RefusedPhoto};

use crate::browser::office;
use crate::client::As;
use crate::device::Device;
use crate::fake::ERASURE;
use crate::states::healthy;
use crate::webdriver::Browser;

/// A school of six hundred, some of whom came.
fn school() -> Device {
    let device = Device::start();
    *device.fake.students.lock().unwrap() = 600;
    device
}

fn picture(browser: &Browser, name: &str) {
    if let Some(folder) = std::env::var_os("ATTENDANCE_SCREENSHOTS") {
        std::fs::write(Path::new(&folder).join(format!("{name}.png")), browser.picture()).unwrap();
    }
}

fn is_not_wider_than_the_screen(browser: &Browser, state: &str) {
    let wide =
        browser.script("return document.documentElement.scrollWidth - document.documentElement.clientWidth");
    assert_eq!(wide, 0, "{state}: the page is wider than the screen");
}

#[test]
fn six_hundred_students_are_found_by_class_name_and_state_on_a_phone() {
    let Some(browser) = Browser::open(true) else { return };
    let device = school();
    browser.look(360, 740, false);
    office(&browser, &device);
    assert!(browser.text(".states").contains("600"), "{}", browser.text(".states"));
    let bottom = browser.script("return document.querySelector('.states').getBoundingClientRect().top");
    assert!(bottom.as_f64().unwrap() < 740.0, "today's counts are not on the first screen: {bottom}");
    let lines =
        |b: &Browser| b.script("return document.querySelectorAll('#list tbody tr').length").to_string();
    assert_eq!(lines(&browser), "50");
    let height = browser.script("return document.documentElement.scrollHeight").as_f64().unwrap();
    assert!(height < 6000.0, "{height} pixels tall");
    is_not_wider_than_the_screen(&browser, "today");
    picture(&browser, "office-today-phone");
    browser.click("#list .paging a[rel=next]");
    browser.until("51–100 of 600", |b| b.text(".paging"));
    // The headings stay while one scrolls.
    browser
        .script("window.scrollTo(0, document.querySelector('#list tbody tr:nth-child(30)').offsetTop + 600)");
    let head = browser.script("return document.querySelector('#list thead th').getBoundingClientRect().top");
    assert!(head.as_f64().unwrap() >= 0.0, "the headings scroll away: {head}");
    browser.write("#search", "=asha");
    browser.until("1", lines);
    assert!(browser.text("#list").contains("=Asha Student 7"));
    browser.go(&format!("{}?class=9+B&state=absent", device.url()));
    let text = browser.text("#list");
    assert!(text.contains("absent") && !text.contains("8 A"), "{text}");
    browser.click("#list tbody a");
    browser.until("The last days", |b| b.text("main"));
    is_not_wider_than_the_screen(&browser, "student");
    picture(&browser, "office-student-phone");
}

#[test]
fn arrows_lead_to_other_days_and_what_is_no_date_is_said_so() {
    let Some(browser) = Browser::open(true) else { return };
    let device = school();
    browser.look(1280, 900, false);
    office(&browser, &device);
    picture(&browser, "office-today-desk");
    browser.click(".days .arrow");
    browser.until("Attendance of 2026-11-21", |b| b.text(".attendance"));
    assert!(browser.text("#list").contains("nobody was seen on this day"), "{}", browser.text("#list"));
    browser.go(&format!("{}?day=2026-13-45", device.url()));
    assert!(browser.text("#no-day").contains("“2026-13-45” is not a date. Write it like 2026-11-22."));
    browser.go(&format!("{}range?from=2026-11-16&to=2026-11-22", device.url()));
    assert!(browser.text("main").contains("1 of 7 days have attendance"), "{}", browser.text("main"));
    is_not_wider_than_the_screen(&browser, "range");
    picture(&browser, "office-range-desk");
    browser.go(&format!("{}range?from=nonsense", device.url()));
    assert!(browser.text("#no-range").contains("“nonsense” is not a date"));
    browser.go(&format!("{}range?from=2025-01-01&to=2026-11-22", device.url()));
    assert!(browser.text("#no-range").contains("too many days"));
}

#[test]
fn a_photo_that_is_known_leaves_the_list_and_a_students_list_is_sent() {
    let Some(browser) = Browser::open(true) else { return };
    let device = school();
    device.change(|view| {
        *view = healthy();
        let photo = |n: usize, by: Option<&str>| RefusedPhoto {
            photo: format!("21100{n:02}/a.jpg"),
            reason: "two faces; use a photo of one person".to_owned(),
            picture: true,
            accepted_by: by.map(str::to_owned),
        };
        view.roster.refused = (0..60).map(|n| photo(n, (n == 3).then_some("anna (office)"))).collect();
    });
    browser.look(360, 740, false);
    office(&browser, &device);
    browser.go(&format!("{}photos", device.url()));
    assert!(browser.text("#work").contains("59 to look at, 1 known"), "{}", browser.text("#work"));
    is_not_wider_than_the_screen(&browser, "photos");
    picture(&browser, "office-photos-phone");
    browser.click("#work form button");
    browser.until("2110000/a.jpg is known", |b| b.text("#said"));
    let accepted = Action::AcceptPhoto { photo: "2110000/a.jpg".to_owned(), by: "anna (office)".to_owned() };
    assert_eq!(device.fake.performed.lock().unwrap().last(), Some(&accepted));
    let file = device.path().join("students.csv");
    std::fs::write(&file, "Name;Roll no;Class\r\nAsha;2110001;9 B\r\n").unwrap();
    browser.write("#students-file", file.to_str().unwrap());
    browser.click("#students-form button");
    browser.until("The list has 1 students, from anna (office)", |b| b.text("#said"));
    std::fs::write(&file, "1;2;3").unwrap();
    browser.write("#students-file", file.to_str().unwrap());
    browser.click("#students-form button");
    browser.until("no column of the list holds roll numbers", |b| b.text("#said"));
}

#[test]
fn a_student_is_erased_only_where_the_roll_number_is_typed_again() {
    let Some(browser) = Browser::open(true) else { return };
    let device = school();
    browser.look(360, 740, false);
    office(&browser, &device);
    browser.go(&format!("{}student/2110007", device.url()));
    let text = browser.text("main");
    assert!(text.contains("2 rows that the backend has not got go, too"), "{text}");
    is_not_wider_than_the_screen(&browser, "student");
    browser.write("#erase-confirm", "2110008");
    browser.click("#erase button");
    browser.until("another roll number was typed", |b| b.text("main"));
    assert!(device.fake.performed.lock().unwrap().is_empty());
    browser.write("#erase-confirm", "2110007");
    browser.click("#erase button");
    browser.until("The student is erased", |b| b.text("main"));
    let asked = Action::EraseStudent { roll: "2110007".to_owned(), by: "anna (office)".to_owned() };
    assert_eq!(*device.fake.performed.lock().unwrap(), [asked]);

    browser.go(&format!("{}photos", device.url()));
    let text = browser.text("#erased");
    assert!(text.contains(ERASURE) && text.contains("by anna (office)"), "{text}");
    is_not_wider_than_the_screen(&browser, "erasures");
    browser.click("#erased form button");
    browser.until("lifted", |b| b.text("#erased"));
    assert!(device.fake.performed.lock().unwrap().contains(&Action::LiftErasure(ERASURE.to_owned())));
}

#[test]
fn scripts_erase_and_lift_by_the_api() {
    let device = school();
    let script = TokenFile::below(device.path()).add("erasing", Role::Office.into()).unwrap();
    let script = As::token(&script);
    let erase = |confirm: &str| device.post("/students/2110007/erase", &script, confirm);
    for nothing in ["", "confirm=", "confirm=2110008"] {
        let answer = erase(nothing);
        assert!(answer.status == 400 && answer.text().contains("Nothing was erased"), "{}", answer.text());
    }
    let full = device.post("/students/2110007/erase", &As::token(&device.full), "confirm=2110007");
    assert_eq!(full.status, 403, "a token that only says full");
    assert!(device.fake.performed.lock().unwrap().is_empty());
    let answer = erase("confirm=2110007");
    assert!(answer.status == 200 && answer.json()["success"] == true, "{}", answer.text());
    let list = device.get("/students/erasures", &script).json();
    assert_eq!(list["erasures"][0]["id"], ERASURE);
    assert!(!list.to_string().contains("2110007"), "not whom");
    assert_eq!(device.post("/students/erasures/ffffffffffffffff/lift", &script, "").status, 404);
    assert_eq!(device.post(&format!("/students/erasures/{ERASURE}/lift"), &script, "").status, 200);
    assert_eq!(device.post(&format!("/students/erasures/{ERASURE}/lift"), &script, "").status, 404);
}

#[test]
fn downloads_hold_the_choice_and_no_formula_and_the_contracts_file_stays() {
    let device = school();
    let who = device.log_in();
    let get = |path: &str| device.get(path, &who);
    let day = get("/sheets/day.csv?q=asha");
    assert_eq!(day.header("content-disposition"), Some("attachment; filename=\"attendance-2026-11-22.csv\""));
    let text = day.text();
    assert!(text.contains(",'=Asha Student 7,") && text.lines().count() == 2, "{text}");
    assert_eq!(
        get("/sheets/day.csv?state=absent").text().lines().filter(|line| line.contains(",present,")).count(),
        0
    );
    let book = get("/sheets/month.xlsx?month=2026-11");
    assert!(book.status == 200 && book.body.starts_with(b"PK"), "{}", book.status);
    assert_eq!(get("/sheets/range.csv?from=2026-11-21&to=2026-11-22").text().lines().count(), 1 + 2 * 600);
    for (bad, said) in [
        ("/sheets/day.csv?day=2026-13-45", "not a date"),
        ("/sheets/month.csv?month=2026-13", "not a month"),
        ("/sheets/range.csv?from=2020-01-01", "too many days"),
    ] {
        let answer = get(bad);
        assert!(answer.status == 400 && answer.text().contains(said), "{bad}: {}", answer.text());
    }
    assert_eq!(get("/sheets/day.ods").status, 404);
    assert_eq!(get("/student/nobody").status, 404);
    let contract = get("/attendance/2025-01-15.csv").text();
    let rows = "2110009,IN,2025-01-15 08:59:58\n2110009,OUT,2025-01-15 17:00:00\n";
    assert!(contract.replace('\r', "").ends_with(rows), "{contract}");
    assert_eq!(device.get("/sheets/day.csv", &As::token(&device.full)).status, 403, "it has names");
}
