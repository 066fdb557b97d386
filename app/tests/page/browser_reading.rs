//! The page in a real browser: contrast, width, accessibility, the keyboard alone, and no scripts.

use view::{Progress, RefusedRow, Removal};

use crate::browser::{log_in, picture};
use crate::device::Device;
use crate::states::{broken, healthy};
use crate::webdriver::Browser;

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
