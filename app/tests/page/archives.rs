//! All that a device knows, sent as a file, and such a file taken.

use std::io::Write as _;

use access::role::Role;
use access::token::TokenFile;
use serde_json::json;

use crate::client::{Answer, As, answer};
use crate::device::Device;

/// How a body in chunks ends.
const END: &[u8] = b"\r\n0\r\n\r\n";
const FORM: &str = "passphrase=correct+horse+battery&repeated=correct+horse+battery";

fn send(device: &Device, who: &As, archive: &[u8]) -> Answer {
    let mut stream = device.connect().unwrap();
    let mut head = format!(
        "POST /archive/import HTTP/1.1\r\nHost: {}\r\nConnection: close\r\nContent-Length: {}\r\n",
        device.running.address(),
        archive.len()
    );
    for (name, value) in &who.headers {
        head += &format!("{name}: {value}\r\n");
    }
    stream.write_all((head + "\r\n").as_bytes()).unwrap();
    let _ = stream.write_all(archive).and_then(|()| stream.flush());
    answer(&mut stream).unwrap()
}

#[test]
fn an_export_is_sent_while_it_is_made() {
    let device = Device::start();
    let technician = device.log_in();
    let sent = device.post("/archive/export", &technician, FORM);
    assert_eq!(sent.status, 200);
    assert!(sent.header("content-disposition").unwrap().contains(".age"));
    assert!(sent.body.len() > 3_000_000 && sent.body.ends_with(END));
    // A script does the same with a token of the role.
    let token = TokenFile::below(device.path()).add("backup", Role::Technician.into()).unwrap();
    assert!(device.post("/archive/export", &As::token(&token), FORM).body.ends_with(END));
}

#[test]
fn a_wrong_passphrase_form_exports_nothing() {
    let device = Device::start();
    let technician = device.log_in();
    for (form, why) in [
        ("passphrase=correct+horse+battery&repeated=correct+horse", "differ"),
        ("passphrase=short&repeated=short", "12 to 100 characters"),
        ("", "12 to 100 characters"),
    ] {
        let refused = device.post("/archive/export", &technician, form);
        assert_eq!(refused.status, 400, "{form}");
        assert!(refused.text().contains(why), "{}", refused.text());
        let page = device.post("/archive/export", &technician.clone().with("Accept", "text/html"), form);
        assert!(page.status == 400 && page.text().contains(why) && page.text().contains("id=\"passphrase\""));
    }
}

#[test]
fn an_export_that_fails_is_no_whole_download() {
    let device = Device::start();
    let technician = device.log_in();
    *device.fake.fails.lock().unwrap() = true;
    let at_once = FORM.replace("correct", "at+once");
    let refused = device.post("/archive/export", &technician, &at_once);
    assert_eq!(refused.status, 500);
    assert!(refused.text().contains("The card cannot be read; replace it."), "{}", refused.text());
    // What was sent already cannot be undone: the connection ends without the end of the body.
    let broken = device.try_send("POST", "/archive/export", &technician, FORM).unwrap();
    assert!(broken.body.len() > 100_000 && !broken.body.ends_with(END), "{}", broken.body.len());
    *device.fake.fails.lock().unwrap() = false;
    assert_eq!(device.post("/archive/export", &technician, FORM).status, 200, "and the next one works");
}

#[test]
fn an_archive_comes_with_its_passphrase_in_a_header() {
    let device = Device::start();
    let archive: Vec<u8> = (0..2_000_000_u32).map(|n| (n >> 3) as u8).collect();
    let technician = device.log_in().with("X-Passphrase", "correct%20h%C3%B6rse%2B");
    let taken = send(&device, &technician.clone().with("X-Keep-Settings", "1"), &archive);
    assert_eq!((taken.status, &taken.json()["success"]), (200, &json!(true)), "{}", taken.text());
    assert!(taken.text().contains("restarts"));
    let came = device.fake.archives.lock().unwrap().pop().unwrap();
    assert_eq!((came.0.as_str(), came.1, came.2 == archive), ("correct hörse+", true, true));
    assert_eq!(send(&device, &technician, &archive).status, 200);
    assert!(!device.fake.archives.lock().unwrap().pop().unwrap().1);

    let without = send(&device, &device.log_in(), b"x");
    assert!(without.status == 400 && without.text().contains("passphrase is missing"));
    let wrong = send(&device, &device.log_in().with("X-Passphrase", "wrong"), b"x");
    assert_eq!(wrong.status, 409);
    assert!(wrong.text().contains("does not open") && wrong.text().contains("as at the export"));
    let foreign = As { headers: technician.headers[..1].to_vec() };
    assert_eq!(send(&device, &foreign, b"x").status, 403, "without the page's token");
    *device.fake.fails.lock().unwrap() = true;
    let busy = send(&device, &technician, &archive);
    assert!(busy.status == 409 && busy.text().contains("under way"), "{}", busy.text());
    assert!(device.fake.archives.lock().unwrap().is_empty());
}

#[test]
fn the_page_says_what_the_file_holds_and_how_the_last_import_ended() {
    let device = Device::start();
    let page = device.get("/archive", &device.log_in().with("Accept", "text/html")).text();
    for words in ["holds secrets", "taken over", "Keep this device", "import-form"] {
        assert!(page.contains(words), "{words}");
    }
}

#[test]
fn a_factory_reset_takes_a_person_who_types_the_words() {
    let device = Device::start();
    let technician = device.log_in().with("Accept", "text/html");
    let page = device.get("/archive", &technician).text();
    assert!(
        page.contains("12 rows are on this device only")
            && page.contains("ERASE attendance-0a1b2c AND 12 ROWS")
    );
    let wrong = device.post("/archive/reset", &technician, "words=ERASE+attendance-0a1b2c");
    assert!(wrong.status == 400 && wrong.text().contains("12 rows are on this device only; type the words."));
    assert_eq!(*device.fake.erased.lock().unwrap(), 0);
    let right = "words=ERASE+attendance-0a1b2c+AND+12+ROWS";
    let without_token = As { headers: technician.headers[..1].to_vec() };
    assert_eq!(device.post("/archive/reset", &without_token, right).status, 403);
    let token = TokenFile::below(device.path()).add("resetting", Role::Technician.into()).unwrap();
    assert_eq!(device.post("/archive/reset", &As::token(&token), right).status, 403, "never a script");
    assert_eq!(*device.fake.erased.lock().unwrap(), 0);
    let erased = device.post("/archive/reset", &technician, right);
    assert!(erased.status == 200 && erased.text().contains("erases everything"), "{}", erased.text());
    assert_eq!(*device.fake.erased.lock().unwrap(), 1);
}

#[test]
fn the_recovery_key_is_shown_to_a_technician_until_it_is_written_down() {
    let device = Device::start();
    let technician = device.log_in().with("Accept", "text/html");
    assert!(device.get("/archive", &technician).text().contains("vlftknbj-tvrglvhb"));
    let token = TokenFile::below(device.path()).add("reading", Role::Technician.into()).unwrap();
    assert!(!device.get("/archive", &As::token(&token)).text().contains("vlftknbj"), "never a script");
    for path in ["/device", "/status", "/metrics"] {
        assert!(!device.get(path, &technician).text().contains("vlftknbj"), "{path}");
    }
    let written = device.post("/archive/recovery-key", &technician, "");
    assert!(written.status == 200 && !written.text().contains("vlftknbj"), "{}", written.text());
    assert!(!device.get("/archive", &technician).text().contains("vlftknbj"));
}

#[test]
fn licences_are_shown_compressed_or_not() {
    let device = Device::start();
    let technician = device.log_in();
    let plain = device.get("/licences", &technician);
    assert_eq!((plain.status, plain.text().as_str()), (200, "the text of a licence"));
    let packed = device.get("/licences", &technician.clone().with("Accept-Encoding", "br, gzip"));
    assert_eq!(packed.header("content-encoding"), Some("gzip"));
    assert_eq!(packed.body[..2], [0x1f, 0x8b]);
    *device.fake.fails.lock().unwrap() = true;
    assert_eq!(device.get("/licences", &technician).status, 404);
}
