//! What `scripts/first-settings` writes for the card, as the device reads it.

use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};

use access::password::Password;
use provision::card::{Accepted, CardFile};
use provision::parse::parse;

fn ask(folder: &Path, words: &[&str]) -> Output {
    let script = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../scripts/first-settings");
    Command::new(script).arg(folder).args(words).stdin(Stdio::null()).output().unwrap()
}

#[test]
fn first_settings_let_the_technician_in() {
    if Command::new("argon2").stdin(Stdio::null()).output().is_err() {
        skipped::skipped("argon2 (Debian's package); scripts/test installs it");
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    let file = |name: &str, text: &str| {
        let path = folder.path().join(name);
        std::fs::write(&path, text).unwrap();
        path.display().to_string()
    };
    let (password, wifi) = (file("password", "l0ng-enough \u{e9}\n"), file("wifi", "school-w1fi\n"));
    let card = folder.path().join("card");
    let done = ask(
        &card,
        &[
            "--no-questions",
            "--name",
            "The \"north\" gate",
            "--time-zone",
            "Asia/Kolkata",
            "--password-file",
            &password,
            "--wifi",
            "School 2",
            "--wifi-country",
            "IN",
            "--wifi-password-file",
            &wifi,
        ],
    );
    assert!(done.status.success(), "{}", String::from_utf8_lossy(&done.stderr));
    let read = |file: CardFile| parse(file, &std::fs::read(card.join(file.name())).unwrap()).unwrap();
    let Accepted::Settings(text, config) = read(CardFile::Settings) else { panic!("no settings") };
    assert!(!text.contains("l0ng-enough"));
    assert_eq!((&*config.site.name, &*config.site.time_zone), ("The \"north\" gate", "Asia/Kolkata"));
    let hash = config.page.password_hash.unwrap();
    let password = Password::parse(hash.expose(), "page.password_hash").unwrap();
    assert!(password.is("l0ng-enough \u{e9}") && !password.is("another"));
    let Accepted::Wifi(Some(wifi)) = read(CardFile::Wifi) else { panic!("no Wi-Fi") };
    assert_eq!((&*wifi.file, wifi.country.as_deref()), ("School 2.psk", Some("IN")));
    assert!(wifi.content.contains("school-w1fi"));
}

#[test]
fn first_settings_that_are_left_empty_stay_as_they_are() {
    let folder = tempfile::tempdir().unwrap();
    assert!(ask(folder.path(), &["--no-questions"]).status.success());
    let text = std::fs::read(folder.path().join("attendance.toml")).unwrap();
    let Ok(Accepted::Settings(_, config)) = parse(CardFile::Settings, &text) else { panic!("refused") };
    assert!(config.page.password_hash.is_none() && config.site.time_zone == "UTC");
    assert!(!folder.path().join("wifi.txt").exists());
    for wrong in [
        &["--time-zone", "Calcuta"][..],
        &["--wifi", "School"],
        &["--wifi", "School", "--wifi-country", "in"],
    ] {
        let refused = ask(folder.path(), &[wrong, &["--no-questions"]].concat());
        assert!(!refused.status.success() && !refused.stderr.is_empty(), "{wrong:?}");
    }
}
