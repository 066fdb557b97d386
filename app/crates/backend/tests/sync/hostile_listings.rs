//! Listings that lie, lead elsewhere, never end, or fail: nobody is removed because of them.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use backend::sync::Error;

use crate::door::{Door, KEY, counts, jpeg};
use crate::scripted::{Script, Server, path};

#[tokio::test]
async fn a_listing_leads_nowhere_but_below_the_base() {
    let elsewhere = Server::start(|_| Script::page("")).await;
    let other = elsewhere.address;
    let server = Server::start(move |head| match path(head) {
        "/students/" => Script::page(format!(
            "<a href='../'>up</a><a href='/etc/'>x</a><a href='http://{other}/students/2110009/'>other</a>
             <a href='//{other}/students/2110009/a.jpg'>other</a><a href='%2e%2e/secret/'>x</a>
             <a href='2110001/%252e%252e/%252e%252e/secret.jpg'>x</a><a href='2110001\\..\\..\\secret.jpg'>x</a>
             <a href='?C=N;O=D'>sort</a><a href='#top'>top</a><a href='javascript:x'>x</a>
             <a href='passport/'>left out</a><a href='2110001/passport/'>left out</a><a href='notes/'>no roll</a>
             <a href='stray.jpg'>nobody's</a><a href='2110001/'>1</a><a href='2110001/'>again</a>"
        )),
        "/students/2110001/" => Script::page("<img src='a%20b.JPG'><a href='a%20b.JPG'>a</a><a href='../'>up</a><a href='notes.txt'>n</a>"),
        "/students/2110001/a%20b.JPG" => Script::file(&jpeg(1)),
        _ => Script::answer("404 Not Found", "", b""),
    })
    .await;
    let door = Door::new(&server.url());
    assert_eq!(counts(&door.sync().await), [1, 0, 0, 0, 0]);
    assert_eq!(door.paths(), ["2110001/a b.JPG"]);
    let mut requests = server.requests();
    requests.sort();
    let get = |path: &str| format!("GET /students/{path}?key={KEY} HTTP/1.1");
    let mut expected = [get(""), get("2110001/"), get("2110001/a%20b.JPG")];
    expected.sort();
    assert_eq!(requests, expected);
    assert!(elsewhere.requests().is_empty());
}

#[tokio::test]
async fn a_hundred_thousand_links_are_survived() {
    let links: String = (0..100_000).map(|i| format!("<a href='2110001/{i}.jpg'>{i}</a>\n")).collect();
    let server = Server::start(move |_| Script::page(&links)).await;
    let mut door = Door::new(&server.url());
    let error = door.try_sync().await.unwrap_err();
    assert!(matches!(error, Error::TooMany { what: "photos", limit: 50_000 }), "{error}");

    let dots: String = (0..100_000).map(|i| format!("<a href='{i}/'>{i}</a>\n")).collect();
    let server = Server::start(move |_| Script::page(&dots)).await;
    door.settings.photos.url = Some(base::secret::SecretUrl::parse(&server.url()).unwrap());
    let error = door.try_sync().await.unwrap_err();
    assert!(matches!(error, Error::TooMany { what: "pages", .. }), "{error}");
    assert_eq!(server.requests().len(), 1);
}

#[tokio::test]
async fn folders_without_end_come_to_an_end() {
    let server = Server::start(|head| {
        let links: String = (0..3).map(|i| format!("<a href='{i}/'>{i}</a>")).collect();
        assert!(path(head).matches('/').count() <= 12);
        Script::page(links)
    })
    .await;
    let mut door = Door::new(&server.url());
    door.settings.photos.max_photos = 50;
    let error = door.try_sync().await.unwrap_err();
    assert!(matches!(error, Error::TooMany { what: "pages", limit: 1050 }), "{error}");
}

#[tokio::test]
async fn a_listing_that_fails_changes_nothing() {
    for (script, tries, told) in [
        (Script::answer as fn(&str, &str, &[u8]) -> Script, 3, "500"),
        (|_, _, _| Script::answer("401 Unauthorized", "", b""), 1, "key"),
        (|_, _, _| Script::answer("403 Forbidden", "", b""), 1, "key"),
        (|_, _, _| Script::answer("404 Not Found", "", b""), 1, "path"),
        (|_, _, _| Script::raw("nonsense"), 3, "HTTP"),
        (|_, _, _| Script::raw("HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\n<a href="), 3, "broke off"),
    ] {
        let bad = Arc::new(AtomicUsize::new(0));
        let is_bad = Arc::clone(&bad);
        let server = Server::start(move |head| match path(head) {
            "/students/" if is_bad.load(Ordering::Relaxed) == 1 => script("500 Oops", "", b""),
            "/students/" => Script::page("<a href='2110001/a.jpg'>a</a>"),
            _ => Script::file(&jpeg(1)),
        })
        .await;
        let door = Door::new(&server.url());
        door.sync().await;
        bad.store(1, Ordering::Relaxed);
        server.forget();
        let error = door.try_sync().await.unwrap_err();
        assert!(error.to_string().contains(told), "{error}");
        assert_eq!(error.needs_a_person(), told == "key", "{error}");
        assert_eq!(server.requests().len(), tries, "{error}");
        assert_eq!(door.paths(), ["2110001/a.jpg"]);
    }
}

#[tokio::test]
async fn a_student_whose_folder_fails_loses_nothing() {
    let bad = Arc::new(AtomicUsize::new(0));
    let is_bad = Arc::clone(&bad);
    let server = Server::start(move |head| {
        let bad = is_bad.load(Ordering::Relaxed) == 1;
        match path(head) {
            "/students/" => Script::page("<a href='1/'>1</a><a href='2/'>2</a><a href='3/'>3</a>"),
            "/students/1/" if bad => Script::answer("404 Not Found", "", b""),
            "/students/1/" => Script::page("<a href='a.jpg'>a</a>"),
            // The photo was renamed, and the new one cannot be had: the old one stays.
            "/students/2/" if bad => Script::page("<a href='new.jpg'>a</a>"),
            "/students/2/" | "/students/3/" => Script::page("<a href='a.jpg'>a</a>"),
            "/students/2/new.jpg" => Script::page("no photo"),
            _ => Script::file(&jpeg(1)),
        }
    })
    .await;
    let mut door = Door::new(&server.url());
    door.settings.photos.removal_limit = 1.0;
    door.sync().await;
    bad.store(1, Ordering::Relaxed);
    let report = door.sync().await;
    assert_eq!(counts(&report), [0, 0, 1, 0, 2]);
    assert_eq!(door.paths(), ["1/a.jpg", "2/a.jpg", "3/a.jpg"]);
}

/// Two students, and what the second one's folder answers once all is fetched: whether the student goes.
async fn second_folder(answer: impl Fn() -> Script + Send + Sync + 'static) -> bool {
    let bad = Arc::new(AtomicUsize::new(0));
    let is_bad = Arc::clone(&bad);
    let server = Server::start(move |head| match path(head) {
        "/students/" => Script::page("<a href='1/'>1</a><a href='2/'>2</a>"),
        "/students/2/" if is_bad.load(Ordering::Relaxed) == 1 => answer(),
        "/students/1/" | "/students/2/" => Script::page("<a href='a.jpg'>a</a>"),
        _ => Script::file(&jpeg(1)),
    })
    .await;
    let mut door = Door::new(&server.url());
    door.settings.photos.removal_limit = 1.0;
    door.sync().await;
    bad.store(1, Ordering::Relaxed);
    let report = door.sync().await;
    let gone = door.paths() == ["1/a.jpg"];
    assert!(gone || door.paths() == ["1/a.jpg", "2/a.jpg"], "{:?}", door.paths());
    assert_eq!(counts(&report), [0, 0, 1, usize::from(gone), usize::from(!gone)]);
    gone
}

#[tokio::test]
async fn an_error_page_that_comes_as_a_success_removes_nobody() {
    for (page, gone) in [
        ("<html><body><h1>Database error</h1></body></html>", false),
        ("", false),
        // Themed, with links and pictures.
        (
            "<html><body><img src='/logo.png'><h1>Back soon</h1><a href='/'>Home</a><ul><li><a href='/contact/'>Contact</a></li></ul></body></html>",
            false,
        ),
        ("<html><body><img src='logo.png'><h1>Error</h1><a href='../'>Back</a></body></html>", false),
        (
            "<html><body><form><input name=u><input type=password><a href='reset/'>Forgotten?</a></form></body></html>",
            false,
        ),
        // The base in the place of the folder.
        (
            "<html><h1>Index of /students/</h1><ul><li><a href='1/'>1/</a><li><a href='2/'>2/</a></ul></html>",
            false,
        ),
        // Whole by its length, and yet broken off.
        ("<html><h1>Index of /students/2/</h1><ul><li><a href='../'>../</a>", false),
        // An empty folder as Python's http.server shows it, as nginx does, and in JSON.
        ("<html><body><h1>Directory listing for /2/</h1><hr><ul>\n</ul><hr></body></html>", true),
        (
            "<html><title>Index of /students/2/</title><h1>Index of /students/2/</h1><pre><a href='../'>../</a></pre></html>",
            true,
        ),
        ("[]", true),
    ] {
        assert_eq!(second_folder(move || Script::page(page)).await, gone, "{page}");
    }
}

#[tokio::test]
async fn a_folder_redirected_to_the_base_removes_nobody() {
    assert!(!second_folder(|| Script::answer("302 Found", "Location: /students/\r\n", b"")).await);
    assert!(!second_folder(|| Script::answer("302 Found", "Location: /students/1/\r\n", b"")).await);
}

#[tokio::test]
async fn a_page_that_broke_off_without_a_length_is_not_whole() {
    // The connection ends, and nothing says that more was to come.
    for (page, gone) in [
        ("<h1>Index of /students/2/</h1><a href='../'>../</a>", false),
        ("[", false),
        ("<h1>Index of /students/2/</h1><ul><a href='../'>../</a></ul>", true),
    ] {
        let script = move || Script::raw(format!("HTTP/1.0 200 OK\r\n\r\n{page}"));
        assert_eq!(second_folder(script).await, gone, "{page}");
    }
    let server = Server::start(|_| Script::raw("HTTP/1.0 200 OK\r\n\r\n<html><a href='1/'>1</a>")).await;
    let error = Door::new(&server.url()).try_sync().await.unwrap_err();
    assert!(error.to_string().contains("broke off"), "{error}");
}

#[tokio::test]
async fn an_array_without_end_is_left_and_costs_one_student() {
    let numbers = format!("[{}0]", "0,".repeat(3_000_000));
    let server = Server::start(move |head| match path(head) {
        "/students/" => Script::page("<a href='1/'>1</a><a href='2/'>2</a>"),
        "/students/2/" => Script::page(&numbers),
        "/students/1/" => Script::page("<a href='a.jpg'>a</a>"),
        _ => Script::file(&jpeg(1)),
    })
    .await;
    let report = Door::new(&server.url()).sync().await;
    assert_eq!(counts(&report), [1, 0, 0, 0, 1]);
    assert!(report.failed[0].reason.contains("250000 links"), "{}", report.failed[0].reason);
}

#[tokio::test]
async fn a_server_that_is_not_well_removes_nobody_and_counts_nothing() {
    // At first all is well; then the listing lacks the last of twenty, and photos fail: all, or all but one
    // until it is given up.
    let state = Arc::new(AtomicUsize::new(0));
    let current = Arc::clone(&state);
    let server = Server::start(move |head| {
        let (state, all) = (current.load(Ordering::Relaxed), 10..30);
        let listed = if state == 0 { all } else { 10..29 };
        match (path(head), state) {
            ("/students/", _) => {
                Script::page(listed.map(|i| format!("<a href='{i}/a.jpg'>{i}</a>\n")).collect::<String>())
            }
            ("/students/10/a.jpg", 1) | (_, 0) => Script::file(&jpeg(1)),
            (_, 1) => Script::answer("502 Bad Gateway", "", b""),
            _ => Script::answer("404 Not Found", "", b""),
        }
    })
    .await;
    let mut door = Door::new(&server.url());
    assert_eq!(counts(&door.sync().await), [20, 0, 0, 0, 0]);
    for (bad, unchanged) in [(1, 1), (2, 0)] {
        state.store(bad, Ordering::Relaxed);
        assert_eq!(counts(&door.sync().await), [0, 0, unchanged, 0, 19 - unchanged]);
        assert_eq!(door.paths().len(), 20);
    }
    // A removal that is too large does not begin to count either.
    door.settings.photos.removal_limit = 0.0;
    assert_eq!(door.sync().await.alarm, None);
    assert_eq!(door.paths().len(), 20);
}
