//! What is not a photo is named, JPEG is taken whatever it is called, and nothing hidden is anybody's photo.

use std::sync::Arc;

use backend::sync::{Report, Worker, run};
use base::erasure::Erased;
use base::event::{Bus, Event};
use tokio::sync::{Notify, watch};
use tokio_util::sync::CancellationToken;
use vision::photos::Layout;

use crate::door::{Door, counts, jpeg};
use crate::scripted::{Script, Server};

const HEIC: &[u8] = b"\0\0\0\x18ftypheic\0\0\0\0mif1heic and so on";

/// A listing as Python's http.server writes it.
fn listing(folder: &str, links: &[&str]) -> Script {
    let links: String = links.iter().map(|href| format!("<li><a href=\"{href}\">x</a></li>\n")).collect();
    // Decoration, as Apache writes it, is nothing that is left out.
    let links = format!("<img src=\"/icons/logo.png\">{links}");
    let title = format!("Directory listing for /{folder}");
    Script::page(format!(
        "<html><head><title>{title}</title></head><body><h1>{title}</h1><ul>{links}</ul></body></html>"
    ))
}

/// The path that a request asks for.
fn asked(head: &str) -> String {
    head.split(' ').nth(1).unwrap().split('?').next().unwrap().to_owned()
}

async fn door(script: impl Fn(&str) -> Script + Send + Sync + 'static) -> (Server, Door) {
    let server = Server::start(move |head| script(&asked(head))).await;
    let door = Door::new(&format!("http://{}/?key={}", server.address, crate::door::KEY));
    (server, door)
}

fn named(report: &Report) -> Vec<(&str, &str)> {
    let all = report.failed.iter().chain(&report.left_out);
    let mut all: Vec<_> = all.map(|failure| (failure.photo.as_str(), failure.reason.as_str())).collect();
    all.sort();
    all
}

fn schools_photos(path: &str) -> Script {
    match path {
        "/" => listing("", &["2110001/", "2110002/", "teacher/", "class.jpg", ".Trash/", "readme.txt"]),
        "/2110001/" => {
            listing("2110001/", &["photo.HEIC", "photo.jfif", "photo.dat", "._photo.HEIC", "notes.txt"])
        }
        "/2110002/" => listing(
            "2110002/",
            &[
                "IMG_2.HEIC",
                "fake.jpg",
                "scan.tif",
                "Ren%e9.jpg",
                "a%2Fb.jpg",
                "a%5Cb.jpg",
                "no#1.jpg",
                "why?.jpg",
                "a:b.jpg",
            ],
        ),
        "/2110001/photo.HEIC" => Script::file(&jpeg(1)),
        "/2110001/photo.jfif" => Script::file(&jpeg(2)),
        "/2110001/photo.dat" => Script::file(&jpeg(3)),
        "/2110002/IMG_2.HEIC" | "/2110002/fake.jpg" => Script::file(HEIC),
        "/2110002/scan.tif" => Script::file(b"II*\0\x08\0\0\0"),
        other => panic!("{other} was asked for"),
    }
}

#[tokio::test]
async fn the_folder_of_an_erased_student_is_not_asked_for() {
    for groups in [false, true] {
        let (_server, mut door) = door(move |path| match (groups, path) {
            (false, "/") | (true, "/9B/") => {
                listing(if groups { "9B/" } else { "" }, &["2110001/", "2110002/", "photo.heic"])
            }
            (true, "/") => listing("", &["9B/"]),
            (false, "/2110002/") => listing("2110002/", &["a.jpg"]),
            (true, "/9B/2110002/") => listing("9B/2110002/", &["a.jpg"]),
            (false, "/2110002/a.jpg") | (true, "/9B/2110002/a.jpg") => Script::file(&jpeg(1)),
            other => panic!("{other:?} was asked for"),
        })
        .await;
        if groups {
            door.settings.photos.layout = Layout::GroupRoll;
        }
        door.settings.erased = Erased::new(|roll| roll.as_str() == "2110001");
        door.sync().await;
        assert_eq!(door.paths(), ["2110002/a.jpg"]);
        // A server that has nobody else is not taken for an empty one.
        door.settings.erased = Erased::new(|_| true);
        door.sync().await;
    }
}

#[tokio::test]
async fn a_server_that_lists_nothing_usable_is_told_what_is_left_out() {
    let (_server, door) = door(|path| match path {
        "/" => listing("", &["2110001/", "class.jpg"]),
        "/2110001/" => listing("2110001/", &["a:b.jpg"]),
        other => panic!("{other} was asked for"),
    })
    .await;
    let error = door.try_sync().await.unwrap_err().to_string();
    assert!(error.contains("2110001/a:b.jpg: "), "{error}");
    assert!(error.contains("1 more"), "{error}");
    assert!(!error.contains("log-in page"), "{error}");
}

#[tokio::test]
async fn jpeg_is_taken_whatever_it_is_called_and_the_rest_is_named() {
    let (_server, door) = door(schools_photos).await;
    let report = door.sync().await;
    assert_eq!(door.paths(), ["2110001/photo.HEIC", "2110001/photo.dat", "2110001/photo.jfif"]);
    let named = named(&report);
    let paths: Vec<_> = named.iter().map(|(path, _)| *path).collect();
    let expected = [
        "2110002/IMG_2.HEIC",
        "2110002/Ren\u{fffd}.jpg",
        "2110002/a/b.jpg",
        "2110002/a:b.jpg",
        "2110002/a\\b.jpg",
        "2110002/fake.jpg",
        "2110002/no#1.jpg",
        "2110002/scan.tif",
        "2110002/why?.jpg",
        "class.jpg",
        "teacher/",
    ];
    assert_eq!(paths, expected);
    for (path, reason) in named {
        assert!(
            reason.contains("JPEG") || reason.contains("rename") || reason.contains("move"),
            "{path}: {reason}"
        );
    }
    assert_eq!(counts(&report), [3, 0, 0, 0, 3]);
    assert_eq!(counts(&door.sync().await), [0, 0, 3, 0, 3]);
}

#[tokio::test]
async fn what_is_left_out_is_told_once() {
    let (_server, door) = door(schools_photos).await;
    let worker = Worker {
        settings: Arc::new(door.settings.clone()),
        bus: Bus::default(),
        changed: watch::channel(0).0,
        now: Arc::new(Notify::new()),
        progress: base::progress::Progress::default(),
        failed: Arc::default(),
        enrolling: Default::default(),
        account: Arc::default(),
    };
    let (mut events, stop) = (worker.bus.subscribe(), CancellationToken::new());
    let running = tokio::spawn(run(worker.clone(), stop.clone()));
    let (mut told, mut synced) = (Vec::new(), 0);
    while synced < 2 {
        match events.recv().await.unwrap() {
            Event::LeftOut { path, reason } => told.push((synced, path, reason.to_string())),
            Event::PhotosSynced { .. } => {
                synced += 1;
                worker.now.notify_one();
            }
            other => panic!("{other}"),
        }
    }
    assert!(told.len() == 11 && told.iter().all(|(synced, ..)| *synced == 0), "{told:?}");
    let heic = told.iter().find(|(_, path, _)| path == "2110002/IMG_2.HEIC").unwrap();
    assert!(heic.2.contains("HEIC") && heic.2.contains("JPEG"), "{heic:?}");
    assert_eq!(worker.failed.load().len(), 11, "the page has them too");
    stop.cancel();
    running.await.unwrap().unwrap();
}

#[tokio::test]
async fn neither_a_hidden_file_nor_one_that_is_left_out_keeps_a_replaced_photo() {
    let replaced = Arc::new(std::sync::atomic::AtomicBool::new(false));
    let now = Arc::clone(&replaced);
    let (_server, mut door) = door(move |path| match (path, now.load(std::sync::atomic::Ordering::SeqCst)) {
        ("/", _) => listing("", &["1/", "2/"]),
        ("/1/", false) => listing("1/", &["old.jpg"]),
        ("/1/", true) => listing("1/", &["new.jpg", "._new.jpg", "IMG_1.HEIC", "no#1.jpg"]),
        ("/2/", false) => listing("2/", &["old.jpg"]),
        ("/2/", true) => listing("2/", &["._new.HEIC", "new.HEIC"]),
        ("/1/old.jpg", _) => Script::file(&jpeg(1)),
        ("/1/new.jpg", _) => Script::file(&jpeg(2)),
        ("/2/old.jpg", _) => Script::file(&jpeg(3)),
        ("/1/IMG_1.HEIC" | "/2/new.HEIC", _) => Script::file(HEIC),
        other => panic!("{other:?} was asked for"),
    })
    .await;
    door.settings.photos.removal_limit = 1.0;
    door.sync().await;
    assert_eq!(door.paths(), ["1/old.jpg", "2/old.jpg"]);
    replaced.store(true, std::sync::atomic::Ordering::SeqCst);
    door.sync().await;
    assert_eq!(door.paths(), ["1/new.jpg", "2/old.jpg"], "whoever has nothing else keeps the old one");
}

#[tokio::test]
async fn with_groups_the_mirror_has_the_roll_numbers() {
    let broken = Arc::new(std::sync::atomic::AtomicBool::new(false));
    let now = Arc::clone(&broken);
    let (_server, mut door) = door(move |path| match path {
        "/2025/" if now.load(std::sync::atomic::Ordering::SeqCst) => Script::answer("404 Not Found", "", b""),
        "/" => listing("", &["2025/", "Class%205a/", "group.jpg"]),
        "/2025/" => listing("2025/", &["1/", "teacher/", "lost.jpg"]),
        "/Class%205a/" => listing("Class 5a/", &["2/"]),
        "/2025/1/" => listing("2025/1/", &["photo.jpg"]),
        "/Class%205a/2/" => listing("Class 5a/2/", &["photo.jpg"]),
        "/2025/1/photo.jpg" => Script::file(&jpeg(1)),
        "/Class%205a/2/photo.jpg" => Script::file(&jpeg(2)),
        other => panic!("{other} was asked for"),
    })
    .await;
    door.settings.photos.layout = Layout::GroupRoll;
    let report = door.sync().await;
    assert_eq!(door.paths(), ["1/photo.jpg", "2/photo.jpg"]);
    let named: Vec<_> = named(&report).into_iter().map(|(path, _)| path).collect();
    assert_eq!(named, ["2025/lost.jpg", "2025/teacher/", "group.jpg"]);
    assert_eq!(counts(&door.sync().await), [0, 0, 2, 0, 0]);
    // A class that cannot be read takes nobody away.
    door.settings.photos.removal_limit = 1.0;
    broken.store(true, std::sync::atomic::Ordering::SeqCst);
    assert_eq!(counts(&door.sync().await), [0, 0, 1, 0, 1]);
    assert_eq!(door.paths(), ["1/photo.jpg", "2/photo.jpg"]);
}
