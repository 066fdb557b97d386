//! Whether a photo changed: by servers that tell much, little or nothing of it.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};

use crate::door::{Door, bmp, counts, jpeg};
use crate::scripted::{Script, Server, path};

/// A photo as a server has it: content, and its date in seconds since 1970.
#[derive(Clone)]
struct Photo(Vec<u8>, u64);

/// What a server tells of its photos.
#[derive(Clone, Copy, PartialEq)]
enum Tells {
    /// A date, and "not modified" for every file that is not newer: Django's static view, Python, rclone.
    NotNewer,
    /// A date and no answer to a question for a head.
    NoHeads,
    /// The length only.
    Length,
    /// Nothing.
    Nothing,
    /// An ETag that stays when the file is another one, and a date.
    SizeEtag,
}

fn stamp(seconds: u64) -> String {
    let time = time::OffsetDateTime::from_unix_timestamp(seconds as i64).unwrap();
    let form = time::macros::format_description!(
        "[weekday repr:short], [day] [month repr:short] [year] [hour]:[minute]:[second] GMT"
    );
    time.format(form).unwrap()
}

fn header<'a>(head: &'a str, name: &str) -> Option<&'a str> {
    head.lines().find_map(|line| line.strip_prefix(name))
}

struct Browser {
    server: Server,
    door: Door,
    photos: Arc<Mutex<BTreeMap<String, Photo>>>,
    /// Bodies of photos that were sent.
    bodies: Arc<AtomicUsize>,
}

impl Browser {
    async fn start(tells: Tells, count: usize) -> Self {
        let photos: BTreeMap<_, _> = (0..count)
            .map(|n| (format!("/students/{}/a.bmp", 2_110_000 + n), Photo(bmp(n as u8), 1_700_000_000)))
            .collect();
        let (photos, bodies) = (Arc::new(Mutex::new(photos)), Arc::new(AtomicUsize::new(0)));
        let (here, sent) = (Arc::clone(&photos), Arc::clone(&bodies));
        let server = Server::start(move |head| {
            let photos = here.lock().unwrap();
            if path(head) == "/students/" {
                let links = photos.keys().map(|path| format!("<a href='{path}'>{path}</a>\n"));
                return Script::page(links.collect::<String>());
            }
            let Some(Photo(content, date)) = photos.get(path(head)) else {
                return Script::answer("404 Not Found", "", b"");
            };
            let is_head = head.starts_with("HEAD");
            if is_head && tells == Tells::NoHeads {
                return Script::answer("405 Method Not Allowed", "", b"");
            }
            let since = header(head, "if-modified-since: ");
            let etag = format!("\"{}\"", content.len());
            let dated = format!("Last-Modified: {}\r\n", stamp(*date));
            let is_known = match tells {
                // "Not newer" for every date: what the photo replaced was as new as it can be.
                Tells::NotNewer | Tells::NoHeads => since.is_some(),
                Tells::SizeEtag => header(head, "if-none-match: ") == Some(&etag),
                Tells::Length | Tells::Nothing => false,
            };
            let headers = match tells {
                Tells::NotNewer | Tells::NoHeads => dated,
                Tells::SizeEtag => format!("ETag: {etag}\r\n{dated}"),
                Tells::Length | Tells::Nothing => String::new(),
            };
            if is_known {
                return Script::answer("304 Not Modified", &headers, b"");
            }
            sent.fetch_add(usize::from(!is_head), Ordering::Relaxed);
            if tells == Tells::Nothing {
                let mut bytes = b"HTTP/1.0 200 OK\r\n\r\n".to_vec();
                bytes.extend(&content[..if is_head { 0 } else { content.len() }]);
                return Script::raw(bytes);
            }
            let mut answer = Script::answer("200 OK", &headers, content);
            if is_head {
                answer.bytes.truncate(answer.bytes.len() - content.len());
            }
            answer
        })
        .await;
        let door = Door::new(&server.url());
        Self { server, door, photos, bodies }
    }

    fn replace(&self, number: usize, content: Vec<u8>, date: u64) {
        let path = format!("/students/{}/a.bmp", 2_110_000 + number);
        assert!(self.photos.lock().unwrap().insert(path, Photo(content, date)).is_some());
    }

    /// Synchronises: what was new, updated, unchanged, removed, failed, and how many bodies came.
    async fn sync(&self) -> ([usize; 5], usize) {
        self.bodies.store(0, Ordering::Relaxed);
        let report = self.door.sync().await;
        (counts(&report), self.bodies.load(Ordering::Relaxed))
    }

    /// Makes the state say that every photo was compared and read `hours` earlier.
    fn hours_pass(&self, hours: u64) {
        let file = self.door.mirror().join(".sync_state.json");
        let mut state: serde_json::Value = serde_json::from_slice(&std::fs::read(&file).unwrap()).unwrap();
        for photo in state["photos"].as_object_mut().unwrap().values_mut() {
            for field in ["compared", "read"] {
                photo[field] = (photo[field].as_u64().unwrap() - 3600 * hours).into();
            }
        }
        std::fs::write(file, state.to_string()).unwrap();
    }
}

#[tokio::test]
async fn a_photo_replaced_by_an_older_file_is_fetched_and_an_unchanged_one_costs_no_body() {
    for tells in [Tells::NotNewer, Tells::SizeEtag] {
        let browser = Browser::start(tells, 3).await;
        assert_eq!(browser.sync().await, ([3, 0, 0, 0, 0], 3));
        assert_eq!(browser.sync().await, ([0, 0, 3, 0, 0], 0));
        // Older and of the same size, then newer.
        for (seed, date) in [(101, 1_600_000_000), (102, 1_750_000_000)] {
            browser.replace(1, bmp(seed), date);
            assert_eq!(browser.sync().await, ([0, 1, 2, 0, 0], 1));
            assert_eq!(browser.door.photos()["2110001/a.bmp"], bmp(seed));
            assert_eq!(browser.sync().await, ([0, 0, 3, 0, 0], 0));
        }
        // Of the same date and another size.
        browser.replace(2, jpeg(7), 1_700_000_000);
        assert_eq!(browser.sync().await.0, [0, 1, 2, 0, 0]);
    }
}

#[tokio::test]
async fn a_server_without_heads_is_asked_once_for_one() {
    let browser = Browser::start(Tells::NoHeads, 10).await;
    assert_eq!(browser.sync().await.0, [10, 0, 0, 0, 0]);
    browser.replace(1, bmp(101), 1_600_000_000);
    browser.server.forget();
    assert_eq!(browser.sync().await.0, [0, 1, 9, 0, 0]);
    let heads = browser.server.requests().iter().filter(|line| line.starts_with("HEAD")).count();
    assert!((1..=4).contains(&heads), "{heads} heads, as many as requests at once at most");
    assert_eq!(browser.sync().await.0, [0, 0, 10, 0, 0]);
}

#[tokio::test]
async fn with_the_length_alone_each_photo_is_compared_once_a_day() {
    let browser = Browser::start(Tells::Length, 61).await;
    assert_eq!(browser.sync().await, ([61, 0, 0, 0, 0], 61));
    for _ in 0..3 {
        assert_eq!(browser.sync().await, ([0, 0, 61, 0, 0], 0));
    }
    // Another length is seen at once.
    browser.replace(3, jpeg(7), 0);
    assert_eq!(browser.sync().await, ([0, 1, 60, 0, 0], 1));
    // The same length is seen within a day, and the photos do not come all at once.
    browser.replace(4, bmp(104), 0);
    assert_eq!(browser.sync().await, ([0, 0, 61, 0, 0], 0));
    browser.hours_pass(18);
    let (counted, bodies) = browser.sync().await;
    assert_eq!(counted[1] + counted[2], 61);
    assert!((10..=50).contains(&bodies), "{bodies} bodies after 18 hours");
    browser.hours_pass(6);
    let (later, _) = browser.sync().await;
    assert_eq!(counted[1] + later[1], 1);
    assert_eq!(browser.door.photos()["2110004/a.bmp"], bmp(104));
    assert_eq!(browser.sync().await, ([0, 0, 61, 0, 0], 0));
}

#[tokio::test]
async fn where_nothing_is_told_the_content_decides() {
    let browser = Browser::start(Tells::Nothing, 2).await;
    assert_eq!(browser.sync().await.0, [2, 0, 0, 0, 0]);
    assert_eq!(browser.sync().await.0, [0, 0, 2, 0, 0]);
    browser.replace(1, bmp(101), 0);
    assert_eq!(browser.sync().await.0, [0, 1, 1, 0, 0]);
    assert_eq!(browser.door.photos()["2110001/a.bmp"], bmp(101));
}

#[tokio::test]
async fn a_refused_photo_is_not_fetched_again_while_the_server_tells_the_same_of_it() {
    for (tells, bodies_later) in [(Tells::NotNewer, 0), (Tells::Length, 0)] {
        let browser = Browser::start(tells, 2).await;
        browser.replace(1, b"no photo".to_vec(), 1_700_000_000);
        assert_eq!(browser.sync().await, ([1, 0, 0, 0, 1], 2));
        assert_eq!(browser.sync().await, ([0, 0, 1, 0, 1], bodies_later));
        browser.replace(1, bmp(1), 1_600_000_000);
        assert_eq!(browser.sync().await, ([1, 0, 1, 0, 0], 1));
    }
}

#[tokio::test]
async fn a_copy_here_that_is_damaged_is_fetched_again() {
    for tells in [Tells::NotNewer, Tells::SizeEtag, Tells::Length] {
        let browser = Browser::start(tells, 3).await;
        browser.sync().await;
        // The same size, and other bytes: seen when the copy is read as a whole, once a day.
        let file = browser.door.mirror().join("2110001/a.bmp");
        std::fs::write(&file, bmp(99)).unwrap();
        browser.hours_pass(24);
        let (counted, _) = browser.sync().await;
        assert_eq!(counted, [0, 1, 2, 0, 0]);
        assert_eq!(browser.door.photos()["2110001/a.bmp"], bmp(1));
    }
}

#[tokio::test]
async fn a_body_is_left_unread_where_its_headers_tell_that_nothing_changed() {
    // A server that ignores the condition but repeats the ETag: its body may be as long as it likes.
    let first = AtomicUsize::new(0);
    let server = Server::start(move |head| match path(head) {
        "/students/" => Script::page("<a href='2110001/a.jpg'>a</a>"),
        _ => match first.fetch_add(1, Ordering::Relaxed) {
            0 => Script::answer("200 OK", "ETag: \"same\"\r\n", &jpeg(1)),
            _ => {
                let length = jpeg(1).len();
                Script::hang(format!("HTTP/1.1 200 OK\r\nETag: \"same\"\r\nContent-Length: {length}\r\n\r\n"))
            }
        },
    })
    .await;
    let door = Door::new(&server.url());
    assert_eq!(counts(&door.sync().await), [1, 0, 0, 0, 0]);
    assert_eq!(counts(&door.sync().await), [0, 0, 1, 0, 0]);
}
