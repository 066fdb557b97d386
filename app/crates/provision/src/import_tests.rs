//! Tests of `import`.

#![allow(clippy::unwrap_used)]
use std::os::unix::fs::PermissionsExt as _;

use super::*;

#[path = "import_tests/restarts.rs"]
mod restarts;

const KEY: &str = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIHJvYm90cyBoYXZlIGZlZWxpbmdzIHRvbywgbWF5YmUh anna";

fn places(folder: &Path) -> Places {
    let places = Places::below(folder);
    for made in [&places.card, &places.kept, &places.etc.join("attendance")] {
        std::fs::create_dir_all(made).unwrap();
    }
    std::fs::write(places.etc.join("shadow"), "root:*:20000:0:99999:7:::\ndaemon:*:20000:0:99999:7:::\n")
        .unwrap();
    places
}

fn mode(path: &Path) -> u32 {
    std::fs::metadata(path).unwrap().permissions().mode() & 0o777
}

#[test]
fn good_files_are_imported_and_removed_from_the_card() {
    let folder = tempfile::tempdir().unwrap();
    let places = places(folder.path());
    let hash = format!("$6$saltsalt${}", "x".repeat(86));
    for (name, text) in [
        ("attendance.toml", "[site]\nname = \"gate\"\n"),
        ("wifi.txt", "School\npassword1\n"),
        ("authorized_keys", KEY),
        ("password.hash", &*hash),
    ] {
        std::fs::write(places.card.join(name), text).unwrap();
    }
    let outcomes = import(&places);
    assert_eq!(outcomes.len(), 4);
    assert!(outcomes.iter().all(|outcome| outcome.wrong.is_none()), "{outcomes:?}");
    assert_eq!(std::fs::read_dir(&places.card).unwrap().count(), 0);
    let settings = places.etc.join("attendance/attendance.toml");
    assert!(std::fs::read_to_string(&settings).unwrap().contains("gate"));
    assert_eq!(mode(&settings), 0o640);
    assert_eq!(mode(&places.iwd.join("School.psk")), 0o600);
    assert_eq!(mode(&places.etc.join("attendance/ssh/authorized_keys")), 0o600);
    assert!(places.etc.join("nftables.d/ssh.nft").exists());
    let shadow = std::fs::read_to_string(places.etc.join("shadow")).unwrap();
    assert_eq!(shadow, format!("root:{hash}:20000:0:99999:7:::\ndaemon:*:20000:0:99999:7:::\n"));
    let kept = |name: &str| std::fs::read_to_string(places.kept.join(name)).unwrap();
    assert!(kept("attendance.toml").contains("gate"));
    assert_eq!((kept("authorized_keys"), kept("password.hash")), (format!("{KEY}\n"), hash));
    assert_eq!(mode(&places.kept.join("attendance.toml")), 0o600);
    assert!(import(&places).is_empty());
}

const PRESEED: &str = "config_version = \"1.0\"\n[system]\nhostname = \"North-Gate\"\n[wlan]\nssid = \"School\"\npassword = \"password1\"\n\
                       country = \"IN\"\n[locale]\ntimezone = \"Asia/Kolkata\"\nkeymap = \"us\"\n";

#[test]
fn imagers_dialog_alone_makes_a_device_whose_page_can_be_reached() {
    let folder = tempfile::tempdir().unwrap();
    let places = places(folder.path());
    std::fs::write(places.card.join("rpi-preseed.toml"), PRESEED).unwrap();
    let outcomes = import(&places);
    assert!(outcomes.len() == 1 && outcomes[0].wrong.is_none(), "{outcomes:?}");
    assert!(outcomes[0].remark.as_ref().unwrap().contains("locale.keymap"), "{outcomes:?}");
    assert!(!places.card.join("rpi-preseed.toml").exists(), "it holds a password");
    let config = config::load(&places.etc.join("attendance/attendance.toml")).unwrap();
    assert_eq!((&*config.site.name, &*config.site.time_zone), ("north-gate", "Asia/Kolkata"));
    assert_eq!(std::fs::read_to_string(places.etc.join("hostname")).unwrap(), "north-gate\n");
    assert_eq!(name_machine(&places).unwrap(), None);
    assert!(places.iwd.join("School.psk").exists());
    assert!(std::fs::read_to_string(places.etc.join("iwd/main.conf")).unwrap().contains("Country=IN"));
}

#[test]
fn imagers_dialog_leaves_what_the_settings_say() {
    let folder = tempfile::tempdir().unwrap();
    let places = places(folder.path());
    let settings = "# The north gate.\n[site]\nname = \"North gate\" # short\n";
    std::fs::write(places.card.join("attendance.toml"), settings).unwrap();
    std::fs::write(places.card.join("rpi-preseed.toml"), PRESEED).unwrap();
    assert!(import(&places).iter().all(|outcome| outcome.wrong.is_none()));
    let text = std::fs::read_to_string(places.etc.join("attendance/attendance.toml")).unwrap();
    assert_eq!(text, format!("{settings}time_zone = \"Asia/Kolkata\"\n"));
}

#[test]
fn program_of_an_older_imager_is_not_run_and_says_so() {
    let folder = tempfile::tempdir().unwrap();
    let places = places(folder.path());
    std::fs::write(places.card.join("firstrun.sh"), "#!/bin/bash\nset +e\n").unwrap();
    let outcomes = import(&places);
    assert!(outcomes[0].wrong.as_ref().unwrap().contains("never run"), "{outcomes:?}");
    assert!(places.card.join("firstrun.sh").exists());
}

#[test]
fn certificate_for_the_network_that_has_expired_is_taken_and_said() {
    let folder = tempfile::tempdir().unwrap();
    let places = places(folder.path());
    let mut wanted = rcgen::CertificateParams::new(vec!["door-3.school.example".to_owned()]).unwrap();
    wanted.not_before = rcgen::date_time_ymd(2019, 1, 1);
    wanted.not_after = rcgen::date_time_ymd(2020, 1, 1);
    let key = rcgen::KeyPair::generate().unwrap();
    std::fs::write(places.card.join("eap.crt"), wanted.self_signed(&key).unwrap().pem()).unwrap();
    std::fs::write(places.card.join("eap.key"), key.serialize_pem()).unwrap();
    let outcomes = import(&places);
    assert!(outcomes[0].remark.as_ref().unwrap().contains("has expired (2020-01-01)"), "{outcomes:?}");
    let ours = places.etc.join("attendance");
    assert_eq!((mode(&ours.join("eap.crt")), mode(&ours.join("eap.key"))), (0o644, 0o600));
}

#[test]
fn the_firewall_follows_keys_that_a_start_put_there() {
    let folder = tempfile::tempdir().unwrap();
    let places = places(folder.path());
    std::fs::create_dir(places.etc.join("attendance/ssh")).unwrap();
    std::fs::write(places.etc.join("attendance/ssh/authorized_keys"), KEY).unwrap();
    import(&places);
    assert!(places.etc.join("nftables.d/ssh.nft").exists());
}

#[test]
fn wrong_file_stays_and_changes_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let places = places(folder.path());
    let settings = places.etc.join("attendance/attendance.toml");
    std::fs::write(&settings, "[site]\nname = \"old\"\n").unwrap();
    std::fs::write(places.card.join("attendance.toml"), "[site]\nnaem = \"new\"\n").unwrap();
    std::fs::write(places.card.join("authorized_keys"), KEY).unwrap();
    let outcomes = import(&places);
    let wrong = outcomes.iter().find(|outcome| outcome.name == "attendance.toml").unwrap();
    assert!(wrong.wrong.as_ref().unwrap().contains("line 2"), "{wrong:?}");
    assert!(std::fs::read_to_string(&settings).unwrap().contains("old"));
    assert!(places.card.join("attendance.toml").exists());
    assert!(places.etc.join("attendance/ssh/authorized_keys").exists());
}

#[test]
fn correct_one_of_two_settings_files_is_imported() {
    let [exact, notepads] = ["attendance.toml", "attendance.toml.txt"];
    let [right, wrong] = ["[site]\nname = \"new\"\n", "[site]\nnaem = \"new\"\n"];
    for (corrected, mistaken) in [(notepads, exact), (exact, notepads)] {
        let folder = tempfile::tempdir().unwrap();
        let places = places(folder.path());
        std::fs::write(places.card.join(corrected), right).unwrap();
        std::fs::write(places.card.join(mistaken), wrong).unwrap();
        let outcome = import(&places).remove(0);
        assert_eq!(outcome.wrong, None);
        let remark = outcome.remark.unwrap();
        assert!(remark.contains(exact) && remark.contains(notepads) && remark.contains("line 2"), "{remark}");
        let settings = places.etc.join("attendance/attendance.toml");
        assert!(std::fs::read_to_string(&settings).unwrap().contains("new"));
        // What is left would be taken for the newer settings at the next start.
        assert_eq!(std::fs::read_dir(&places.card).unwrap().count(), 0);
    }
    let folder = tempfile::tempdir().unwrap();
    let places = places(folder.path());
    for name in [exact, notepads] {
        std::fs::write(places.card.join(name), wrong).unwrap();
    }
    let told = import(&places).remove(0).wrong.unwrap();
    assert!(told.contains("line 2") && told.contains(notepads), "{told}");
    assert_eq!(std::fs::read_dir(&places.card).unwrap().count(), 2);
    // Both correct: the one that was saved last.
    for (name, site, age) in [(exact, "older", 60), (notepads, "newer", 0)] {
        std::fs::write(places.card.join(name), format!("[site]\nname = {site:?}\n")).unwrap();
        let saved = std::time::SystemTime::now() - std::time::Duration::from_secs(age);
        File::options().write(true).open(places.card.join(name)).unwrap().set_modified(saved).unwrap();
    }
    assert!(import(&places)[0].remark.as_ref().unwrap().contains("saved last"));
    let settings = places.etc.join("attendance/attendance.toml");
    assert!(std::fs::read_to_string(&settings).unwrap().contains("newer"));
}

#[test]
fn settings_need_their_files() {
    let folder = tempfile::tempdir().unwrap();
    let places = places(folder.path());
    let ours = places.etc.join("attendance");
    let settings = format!(
        "[page]\ncertificate_file = {0:?}\nkey_file = {1:?}\n",
        ours.join("page.crt"),
        ours.join("page.key")
    );
    std::fs::write(places.card.join("attendance.toml"), settings).unwrap();
    assert!(import(&places)[0].wrong.as_ref().unwrap().contains("page.certificate_file"));
    let made = rcgen::generate_simple_self_signed(vec!["door.example".to_owned()]).unwrap();
    std::fs::write(places.card.join("page.crt"), made.cert.pem()).unwrap();
    std::fs::write(places.card.join("page.key"), made.signing_key.serialize_pem()).unwrap();
    assert!(import(&places).iter().all(|outcome| outcome.wrong.is_none()));
    assert_eq!((mode(&ours.join("page.crt")), mode(&ours.join("page.key"))), (0o644, 0o640));
    assert_eq!(std::fs::read_dir(&places.card).unwrap().count(), 0, "the key does not stay on the card");
}

#[test]
fn port_closed_by_the_firewall_is_reported() {
    let folder = tempfile::tempdir().unwrap();
    let places = places(folder.path());
    let told = |listen: &str| {
        std::fs::write(places.card.join("attendance.toml"), format!("[page]\nlisten = {listen:?}\n"))
            .unwrap();
        let outcome = import(&places).remove(0);
        assert_eq!(outcome.wrong, None);
        outcome.remark
    };
    assert_eq!(told("0.0.0.0:8443"), None);
    assert!(told("[::]:443").unwrap().contains("8443"));
}

#[test]
fn empty_files_revoke_access() {
    let folder = tempfile::tempdir().unwrap();
    let places = places(folder.path());
    for (name, first) in [("authorized_keys", KEY), ("wifi.txt", "School\npassword1\n")] {
        std::fs::write(places.card.join(name), first).unwrap();
    }
    import(&places);
    for name in ["authorized_keys", "wifi.txt", "password.hash"] {
        std::fs::write(places.card.join(name), "").unwrap();
    }
    assert!(import(&places).iter().all(|outcome| outcome.wrong.is_none()));
    assert!(!places.etc.join("attendance/ssh/authorized_keys").exists());
    assert!(!places.etc.join("nftables.d/ssh.nft").exists());
    assert_eq!(std::fs::read_dir(&places.iwd).unwrap().count(), 0);
    assert!(std::fs::read_to_string(places.etc.join("shadow")).unwrap().starts_with("root:*:"));
}

#[test]
fn unsaved_file_stays_on_the_card() {
    let folder = tempfile::tempdir().unwrap();
    let places = places(folder.path());
    std::fs::remove_dir(places.etc.join("attendance")).unwrap();
    std::fs::write(places.etc.join("attendance"), "a file where the folder should be").unwrap();
    std::fs::write(places.card.join("attendance.toml.txt"), "[site]\n").unwrap();
    let outcomes = import(&places);
    assert!(outcomes[0].wrong.as_ref().unwrap().contains("cannot be kept"), "{outcomes:?}");
    assert!(places.card.join("attendance.toml.txt").exists());
}

#[test]
fn half_wiped_file_is_ignored() {
    let folder = tempfile::tempdir().unwrap();
    let places = places(folder.path());
    std::fs::write(places.card.join("wifi.txt"), "School\npassword1\n").unwrap();
    import(&places);
    for file in CardFile::ALL {
        std::fs::write(places.card.join(file.name()), [0; 17]).unwrap();
    }
    assert_eq!(import(&places), []);
    assert_eq!(std::fs::read_dir(&places.card).unwrap().count(), 0);
    assert!(places.iwd.join("School.psk").exists());
}

#[test]
fn start_on_memory_leaves_files_on_the_card() {
    let folder = tempfile::tempdir().unwrap();
    let places = places(folder.path());
    std::fs::write(&places.memory, "").unwrap();
    std::fs::write(places.card.join("attendance.toml"), "[site]\nname = \"gate\"\n").unwrap();
    let outcomes = import(&places);
    assert!(outcomes[0].stays && outcomes[0].wrong.is_none(), "{outcomes:?}");
    assert!(places.etc.join("attendance/attendance.toml").exists());
    assert!(places.card.join("attendance.toml").exists());
}

#[test]
fn oversized_file_is_not_read() {
    let folder = tempfile::tempdir().unwrap();
    let places = places(folder.path());
    File::create(places.card.join("ca.pem")).unwrap().set_len(1 << 40).unwrap();
    assert!(import(&places)[0].wrong.as_ref().unwrap().contains("more than"));
}
