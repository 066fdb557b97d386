//! A factory reset, asked for by words.

use attendance::reset::card::look;
use attendance::reset::{Places, ask, carry_out, check, request};
use base::failure::Fault;

#[test]
fn the_words_name_the_device_and_the_rows_that_would_be_lost() {
    assert!(check("ERASE attendance-0a1b2c", "attendance-0a1b2c", 0).is_ok());
    assert!(check("  ERASE   attendance-0a1b2c\r\n", "attendance-0a1b2c", 0).is_ok());
    for wrong in [
        "",
        "erase attendance-0a1b2c",
        "ERASE attendance-ffffff",
        "ERASE",
        "ERASE attendance-0a1b2c AND 3 ROWS",
    ] {
        let fault = check(wrong, "attendance-0a1b2c", 0).unwrap_err();
        assert!(fault.to_string().ends_with("type: ERASE attendance-0a1b2c"), "{wrong}: {fault}");
    }
    let fault = check("ERASE attendance-0a1b2c", "attendance-0a1b2c", 12).unwrap_err();
    assert!(fault.what.starts_with("12 rows are on this device only"), "{fault}");
    assert!(check("ERASE attendance-0a1b2c AND 12 ROWS", "attendance-0a1b2c", 12).is_ok());
    assert!(check("ERASE attendance-0a1b2c AND 12 ROWS", "attendance-0a1b2c", 13).is_err());
}

#[test]
fn a_request_becomes_the_mark_once() {
    let folder = tempfile::tempdir().unwrap();
    let (data, mark) = (folder.path().join("service"), folder.path().join("factory-reset"));
    std::fs::create_dir(&data).unwrap();
    assert!(!carry_out(&data, &mark).unwrap());
    ask(&data).unwrap();
    assert!(carry_out(&data, &mark).unwrap());
    // As `is_to_be_erased` in data.sh compares it.
    assert_eq!(std::fs::read_to_string(&mark).unwrap().trim_end(), "ERASE EVERYTHING");
    std::fs::remove_file(&mark).unwrap();
    assert!(!carry_out(&data, &mark).unwrap() && !mark.exists());
}

#[test]
fn another_file_in_its_place_erases_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let mark = folder.path().join("mark");
    std::fs::write(request(folder.path()), "erase\n").unwrap();
    assert!(!carry_out(folder.path(), &mark).unwrap());
    let words = folder.path().join("words");
    std::fs::write(&words, "ERASE EVERYTHING\n").unwrap();
    std::os::unix::fs::symlink(&words, request(folder.path())).unwrap();
    assert!(carry_out(folder.path(), &mark).is_err(), "a link is not followed");
    assert!(!mark.exists() && words.exists() && !request(folder.path()).exists());
}

#[test]
fn on_memory_and_elsewhere_nothing_can_be_erased() {
    let folder = tempfile::tempdir().unwrap();
    let at = |name: &str| folder.path().join(name);
    let places = Places { mark: at("mark"), started: at("slot"), memory: at("memory"), name: at("hostname") };
    assert!(places.device().unwrap_err().what.contains("own image only"));
    std::fs::write(at("slot"), "a").unwrap();
    assert!(places.device().unwrap_err().what.contains("no name"));
    std::fs::write(at("hostname"), "attendance-0a1b2c\n").unwrap();
    assert_eq!(places.device().unwrap(), "attendance-0a1b2c");
    std::fs::write(at("memory"), "state=absent").unwrap();
    assert!(places.device().unwrap_err().what.contains("runs on memory"));
}

fn device() -> Result<String, Fault> {
    Ok("attendance-0a1b2c".to_owned())
}

fn folders() -> (tempfile::TempDir, tempfile::TempDir) {
    (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap())
}

#[test]
fn the_right_words_ask_once_and_leave_the_card() {
    let (card, data) = folders();
    assert_eq!(look(card.path(), data.path(), device(), || Ok(0)), None);
    for name in ["factory-reset.txt", "factory-reset.txt.txt", "factory-reset"] {
        std::fs::write(card.path().join(name), "\u{feff}ERASE attendance-0a1b2c\r\n").unwrap();
        let outcome = look(card.path(), data.path(), device(), || Ok(0)).unwrap();
        assert_eq!(outcome.wrong, None, "{name}");
        assert!(request(data.path()).exists() && !card.path().join(name).exists());
        std::fs::remove_file(request(data.path())).unwrap();
        assert_eq!(look(card.path(), data.path(), device(), || Ok(0)), None);
    }
}

#[test]
fn wrong_words_say_which_are_right_and_how_many_rows_would_be_lost() {
    let (card, data) = folders();
    let file = card.path().join("factory-reset.txt");
    for (text, rows, says) in [
        ("", 0, "type: ERASE attendance-0a1b2c"),
        ("ERASE attendance-ffffff", 0, "type: ERASE attendance-0a1b2c"),
        ("ERASE attendance-0a1b2c", 7, "7 rows are on this device only"),
        ("ERASE attendance-0a1b2c", 7, "type: ERASE attendance-0a1b2c AND 7 ROWS"),
    ] {
        std::fs::write(&file, text).unwrap();
        let wrong = look(card.path(), data.path(), device(), || Ok(rows)).unwrap().wrong.unwrap();
        assert!(wrong.starts_with("nothing was erased") && wrong.contains(says), "{wrong}");
        assert!(!request(data.path()).exists() && !file.exists(), "it does not ask again at a later start");
    }
    std::fs::write(&file, "ERASE attendance-0a1b2c AND 7 ROWS").unwrap();
    assert_eq!(look(card.path(), data.path(), device(), || Ok(7)).unwrap().wrong, None);
}

#[test]
fn where_nothing_can_be_erased_the_card_says_why() {
    let (card, data) = folders();
    std::fs::write(card.path().join("factory-reset.txt"), "ERASE attendance-0a1b2c").unwrap();
    let why = Err(Fault::new("this start runs on memory"));
    let wrong = look(card.path(), data.path(), why, || Ok(0)).unwrap().wrong.unwrap();
    assert!(wrong.contains("runs on memory") && !request(data.path()).exists(), "{wrong}");
}

#[test]
fn rows_that_cannot_be_counted_are_not_erased() {
    let (card, data) = folders();
    std::fs::write(card.path().join("factory-reset.txt"), "ERASE attendance-0a1b2c").unwrap();
    let rows = || Err(Fault::new("the journal cannot be read"));
    let wrong = look(card.path(), data.path(), device(), rows).unwrap().wrong.unwrap();
    assert!(wrong.contains("the journal cannot be read") && !request(data.path()).exists(), "{wrong}");
}
