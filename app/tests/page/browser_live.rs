//! The page in a real browser while it is open: the live picture, and a device that does not answer.

use std::time::{Duration, Instant};

use base::event::{Advice, Event};

use crate::browser::{at_device, log_in, picture};
use crate::device::Device;
use crate::states::broken;
use crate::webdriver::Browser;

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

    // A request without an answer times out, and so many events that none is followed by a pause hold
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
    // The same sentence with another number beside it is not news.
    browser.script("document.getElementById('spoken').textContent = ''");
    device.change(|view| view.system.temperature_c = Some(66.0));
    browser.until("66 °C", |b| b.text("#system"));
    assert_eq!(browser.script("return document.getElementById('spoken').textContent"), "");
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
    while *device.fake.previews.lock().unwrap() < before + 10 {
        assert!(begun.elapsed() < Duration::from_secs(60), "the picture stands still");
        std::thread::sleep(Duration::from_millis(50));
    }
    let svg = device.get("/preview.svg", &device.log_in()).text();
    let number = |after: &str| -> f64 {
        let text = svg.split(after).nth(1).unwrap();
        text.split(|c: char| !c.is_ascii_digit() && c != '.').next().unwrap().parse().unwrap()
    };
    let shown = browser.script(width).as_f64().unwrap();
    let pixels = number("font-size=\"") * shown / number("viewBox=\"0 0 ");
    assert!(pixels >= 12.0, "letters of {pixels:.1} pixels");
}
