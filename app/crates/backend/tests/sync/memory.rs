//! A hostile server, and a device with little memory.
//!
//! The synchronisation runs in a process of its own, whose whole address space is limited: where it asked for
//! more, it would be ended.

#![allow(clippy::print_stdout)] // The process with the limit tells the test what it saw.

use std::io::{Cursor, Write as _};
use std::process::Command;
use std::time::Duration;

use backend::http::{Retry, Timeouts};
use backend::sync;
use backend::sync::Patience;
use vision::size::ByteSize;

use crate::door::{Door, jpeg};
use crate::scripted::{Script, Server, path};

/// Addresses of the servers, for the process with the limit.
const URLS: &str = "ATTENDANCE_TEST_MEMORY_URLS";

/// The limit, kB, as a shell takes it.
const LIMIT_KB: usize = 700 * 1024;

/// As for a real server: a page of 40 MB and a large picture take their time in a program that is not
/// optimised.
const PATIENCE: Patience = Patience {
    timeouts: Timeouts {
        connect: Duration::from_secs(10),
        head: Duration::from_secs(60),
        idle: Duration::from_secs(60),
        whole: Duration::from_secs(120),
    },
    retry: Retry { tries: 1, first_pause: Duration::from_millis(20) },
};

fn gzip(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    encoder.write_all(bytes).unwrap();
    encoder.finish().unwrap()
}

fn zipped(body: &[u8]) -> Script {
    Script::answer("200 OK", "Content-Encoding: gzip\r\n", body)
}

/// A picture of so many pixels, and few bytes.
fn large(width: u32, height: u32, format: image::ImageFormat) -> Vec<u8> {
    let mut bytes = Cursor::new(Vec::new());
    image::RgbImage::new(width, height).write_to(&mut bytes, format).unwrap();
    bytes.into_inner()
}

/// A server whose base says `base`, and whose folders and photos say `below`.
async fn saying(base: impl Into<Vec<u8>>, below: Script) -> Server {
    let base = base.into();
    Server::start(move |head| match path(head) {
        "/students/" => Script::page(&base),
        _ => Script::raw(below.bytes.clone()),
    })
    .await
}

fn folders(count: usize) -> String {
    (0..count).map(|n| format!("<a href='{n}/'>{n}</a>\n")).collect()
}

fn photos(count: usize) -> String {
    (0..count).map(|n| format!("<a href='{n}/a.jpg'>{n}</a>\n")).collect()
}

#[tokio::test]
async fn a_hostile_server_does_not_exhaust_700_mb() {
    let long = "x".repeat(4000);
    let bomb = gzip(&vec![b'<'; 400_000_000]);
    let page_of_8_mb: String = (0..70_000).map(|n| format!("<a href='{n}.jpg'>{:090}</a>\n", n)).collect();
    let nothing = || Script::answer("404 Not Found", "", b"");
    let mut servers = Vec::new();
    // Pages at the base: arrays of numbers, of long texts and of lists; links without end and long ones.
    for page in [
        format!("[{}0]", "0,".repeat(20_000_000)),
        format!("[{}0]", format!("\"{long}\",").repeat(9_900)),
        format!("{{\"files\":[{}0]}}", "{\"name\":[0]},".repeat(3_000_000)),
        "[".repeat(39_000_000),
        "{\"files\":".repeat(4_000_000),
        format!("<a href='{long}'>x</a>").repeat(9_700),
        "<a href=1/>".repeat(3_500_000),
        "<".repeat(39_000_000),
    ] {
        servers.push(saying(page, nothing()).await);
    }
    // Pages of folders, as many at once as are asked for: large, and small ones that unpack to 400 MB.
    servers.push(saying(folders(12), Script::page(&page_of_8_mb)).await);
    servers.push(saying(folders(12), Script::page(format!("[{}0]", "0,".repeat(3_900_000)))).await);
    servers.push(saying(folders(12), zipped(&bomb)).await);
    // Photos: without end, unpacking to 400 MB, and of 48 megapixels in a few bytes.
    let endless = Script { endless: true, ..Script::raw("HTTP/1.0 200 OK\r\n\r\n") };
    servers.push(
        Server::start(move |head| match path(head) {
            "/students/" => Script::page(photos(12)),
            _ => Script { endless: endless.endless, ..Script::raw(endless.bytes.clone()) },
        })
        .await,
    );
    servers.push(saying(photos(12), zipped(&bomb)).await);
    for format in [image::ImageFormat::Png, image::ImageFormat::Jpeg] {
        servers.push(saying(photos(6), Script::file(&large(8000, 6000, format))).await);
    }
    // And one that is well.
    servers.push(saying(photos(2), Script::file(&jpeg(1))).await);

    let urls = servers.iter().map(Server::url).collect::<Vec<_>>().join(" ");
    let program = std::env::current_exe().unwrap();
    let limited = format!("ulimit -v {LIMIT_KB}; exec \"$0\" \"$@\"");
    let run = tokio::task::spawn_blocking(move || {
        Command::new("sh")
            .args(["-c", &limited])
            .arg(program)
            .args(["--exact", "memory::synchronise_under_a_limit", "--nocapture", "--test-threads", "1"])
            .env(URLS, urls)
            // Each of glibc's arenas takes 64 MB of addresses, whatever is in it.
            .env("MALLOC_ARENA_MAX", "2")
            .output()
    });
    let done = run.await.unwrap().unwrap();
    let (out, err) = (String::from_utf8_lossy(&done.stdout), String::from_utf8_lossy(&done.stderr));
    assert!(done.status.success(), "{}: {out}\n{err}", done.status);
    assert!(out.contains("2 new"), "the server that is well: {out}");
    println!("{out}");
}

/// Not a test of its own: what runs in the process with the limit.
#[tokio::test]
async fn synchronise_under_a_limit() {
    let Ok(urls) = std::env::var(URLS) else { return };
    for url in urls.split(' ') {
        let mut door = Door::new(url);
        door.settings.photos.max_file_size = ByteSize::from_mb(20);
        door.settings.photos.max_megapixels = 50;
        match sync::once_with(&door.settings, PATIENCE, &|_| {}).await {
            Ok(report) => {
                println!("{} new, {} failed: {:?}", report.new, report.failed.len(), report.failed.first())
            }
            Err(error) => println!("{}", error.to_string().chars().take(200).collect::<String>()),
        }
    }
    let status = std::fs::read_to_string("/proc/self/status").unwrap();
    for line in status.lines().filter(|line| line.starts_with("VmPeak") || line.starts_with("VmHWM")) {
        println!("{line}");
    }
}
