//! Kinds of file browser, and what stands before them.

use std::io::Write as _;

use backend::sync::Error;

use crate::door::{Door, KEY, counts, jpeg};
use crate::scripted::{Script, Server, path};
use crate::site;

fn gzip(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::default());
    encoder.write_all(bytes).unwrap();
    encoder.finish().unwrap()
}

fn zipped(headers: &str, body: &[u8]) -> Script {
    Script::answer("200 OK", &format!("Content-Encoding: gzip\r\n{headers}"), &gzip(body))
}

#[tokio::test]
async fn links_to_folders_may_have_further_parameters() {
    let server = Server::start(|head| match path(head) {
        "/students/" => {
            Script::page(format!("<a href='2110001/?key={KEY}&v=2'>1</a><a href='2110002/?v=2'>2</a>"))
        }
        "/students/2110001/" => Script::page(format!("<a href='a.jpg?key={KEY}&v=2'>a</a>")),
        "/students/2110002/" => Script::page("<a href='?C=N;O=D'>sort</a><a href='a.jpg'>a</a>"),
        _ => Script::file(&jpeg(1)),
    })
    .await;
    let door = Door::new(&server.url());
    assert_eq!(counts(&door.sync().await), [2, 0, 0, 0, 0]);
    assert_eq!(server.requests().len(), 5, "each once: {:?}", server.requests());
}

#[tokio::test]
async fn a_json_object_is_a_listing() {
    let server = Server::start(|head| match path(head) {
        "/students/" => Script::page(
            r#"{"files":[{"base":"2110001/","relative":"/2110001/","type":"folder","name":"2110001"},
                {"base":"2110002/","relative":"/2110002/","type":"folder"}],"directory":"students/","paths":[]}"#,
        ),
        "/students/2110001/" | "/students/2110002/" => Script::page(
            r#"{"files":[{"type":"directory","base":"..","relative":"/"},
                {"base":"a b.jpg","name":"a b","ext":"jpg","type":"file"}]}"#,
        ),
        "/students/2110001/a%20b.jpg" | "/students/2110002/a%20b.jpg" => Script::file(&jpeg(1)),
        _ => Script::answer("404 Not Found", "", b""),
    })
    .await;
    let door = Door::new(&server.url());
    assert_eq!(counts(&door.sync().await), [2, 0, 0, 0, 0]);
    assert_eq!(door.paths(), ["2110001/a b.jpg", "2110002/a b.jpg"]);
}

#[tokio::test]
async fn a_script_that_takes_the_folder_as_a_parameter_is_a_listing() {
    let server = Server::start(|head| {
        let query = head.split([' ', '?']).nth(2).unwrap();
        match path(head) {
            "/students/" if query.contains("dir=2110001%2F2024") => Script::page(
                "<html><h1>Index of 2024</h1><a href='?dir=2110001'>..</a><a href='?file=2110001/2024/b.jpg'>b</a></html>",
            ),
            "/students/" if query.contains("dir=2110001") => Script::page(
                "<html><h1>Index of 2110001</h1><a href='?dir='>..</a><a href='?dir=2110001%2F2024'>2024</a>\
                 <a href='2110001/a.jpg'>a</a></html>",
            ),
            "/students/" if query.contains("file=2110001%2F2024%2Fb.jpg") => Script::file(&jpeg(2)),
            "/students/" => Script::page("<html><h1>Photos</h1><a href='?dir=2110001'>2110001</a><a href='?sort=name'>s</a></html>"),
            "/students/2110001/a.jpg" => Script::file(&jpeg(1)),
            _ => Script::answer("404 Not Found", "", b""),
        }
    })
    .await;
    let door = Door::new(&server.url());
    assert_eq!(counts(&door.sync().await), [2, 0, 0, 0, 0]);
    assert_eq!(door.paths(), ["2110001/2024/b.jpg", "2110001/a.jpg"]);
    assert!(server.requests().iter().all(|line| line.contains(KEY)), "{:?}", server.requests());
}

#[tokio::test]
async fn what_is_compressed_unasked_is_unpacked() {
    let server = Server::start(|head| match path(head) {
        "/students/" => zipped("Content-Type: text/html\r\n", b"<a href='2110001/'>1</a>"),
        "/students/2110001/" => zipped("", b"<a href='a.jpg'>a</a>"),
        _ if head.contains("if-none-match: \"v1\"") => Script::answer("304 Not Modified", "", b""),
        _ => zipped("ETag: \"v1\"\r\n", &jpeg(1)),
    })
    .await;
    let door = Door::new(&server.url());
    assert_eq!(counts(&door.sync().await), [1, 0, 0, 0, 0]);
    assert_eq!(door.photos()["2110001/a.jpg"], jpeg(1));
    assert_eq!(counts(&door.sync().await), [0, 0, 1, 0, 0]);

    // A few bytes that decompress to a photo beyond the limit, and a page that ends in the middle.
    let server = Server::start(|head| match path(head) {
        "/students/" => Script::page("<a href='1/a.jpg'>1</a><a href='2/'>2</a><a href='3/a.jpg'>3</a>"),
        "/students/1/a.jpg" => zipped("", &vec![0; 30_000_000]),
        "/students/2/" => {
            let whole = gzip(b"<ul><li><a href='a.jpg'>a</a></ul>");
            Script::answer("200 OK", "Content-Encoding: gzip\r\n", &whole[..whole.len() / 2])
        }
        _ => Script::file(&jpeg(1)),
    })
    .await;
    let report = Door::new(&server.url()).sync().await;
    assert_eq!(counts(&report), [1, 0, 0, 0, 2]);
    let told = report.failed.iter().map(|failure| failure.reason.as_str()).collect::<Vec<_>>().join("\n");
    assert!(told.contains("more than 1000000 bytes") && told.contains("unpacked"), "{told}");

    let server = Server::start(|_| Script::answer("200 OK", "Content-Encoding: br\r\n", b"xyz")).await;
    let told = Door::new(&server.url()).try_sync().await.unwrap_err().to_string();
    assert!(told.contains("compressed by br") && told.contains("gzip"), "{told}");
}

#[tokio::test]
async fn a_redirect_to_https_on_the_same_host_is_followed() {
    let root = tempfile::tempdir().unwrap();
    crate::door::write(root.path(), "2110001/a.jpg", &jpeg(1));
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let tls = site::Tls::self_signed().unwrap();
    let (origin, pin) = (site::origin(&listener, true).unwrap(), tls.fingerprint());
    tokio::spawn(site::Site::new(root.path(), KEY).unwrap().serve(listener, Some(tls)));
    let server = Server::start(move |head| {
        let target = head.split(' ').nth(1).unwrap();
        Script::answer("301 Moved", &format!("Location: {origin}{target}\r\n"), b"")
    })
    .await;
    let mut door = Door::new(&server.url().replace("/students/", "/media/students/"));
    // Not without trust in the certificate.
    assert!(matches!(door.try_sync().await.unwrap_err(), Error::Http(backend::http::Error::Tls { .. })));
    door.settings.tls.pinned_sha256 = Some(pin);
    server.forget();
    assert_eq!(counts(&door.sync().await), [1, 0, 0, 0, 0]);
    assert_eq!(server.requests().len(), 1, "everything after the first request is encrypted");
}

#[tokio::test]
async fn a_listing_without_a_photo_is_an_error_that_says_what_to_look_at() {
    for (page, told) in [
        ("<html><h1>Index of /students/</h1><ul></ul></html>", "open photos.url in a browser"),
        ("<form><input name=user>who are you?</form>", "log-in page"),
        ("{\"files\":[]}", "lists no photo"),
        ("<a href='class-a/'>a</a><a href='class-b/'>b</a>", "class-a, class-b"),
    ] {
        let server = Server::start(move |_| Script::page(page)).await;
        let error = Door::new(&server.url()).try_sync().await.unwrap_err();
        assert!(matches!(error, Error::Empty { kept: 0, .. }), "{page}: {error}");
        assert!(error.to_string().contains(told), "{page}: {error}");
    }
}
