#![allow(clippy::unwrap_used)]
use super::*;
use crate::card::WifiProfile;
use proptest::prelude::*;

const KEY: &str =
    "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIHJvYm90cyBoYXZlIGZlZWxpbmdzIHRvbywgbWF5YmUh anna@desk";

#[test]
fn settings_with_byte_order_mark_are_accepted() {
    let text = "\u{feff}[site]\r\nname = \"gate\"\r\n";
    assert!(
        matches!(parse(CardFile::Settings, text.as_bytes()), Ok(Accepted::Settings(kept, _)) if kept.starts_with("[site]"))
    );
    let utf16: Vec<u8> = text.encode_utf16().flat_map(u16::to_le_bytes).collect();
    assert!(matches!(parse(CardFile::Settings, &utf16), Err(CardError::Encoding)));
}

#[test]
fn the_example_on_the_card_is_valid() {
    let path = std::path::Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("../../../meta-attendance/recipes-bsp/raspberrypi5/bootconfig/attendance.example.toml");
    parse(CardFile::Settings, &std::fs::read(path).unwrap()).unwrap();
}

#[test]
fn wrong_settings_name_their_line() {
    let error = parse(CardFile::Settings, b"[site]\nname = \"gate\"\nnmae = 1\n").unwrap_err().to_string();
    assert!(error.contains("line 3"), "{error}");
}

#[test]
fn certificate_and_key_files_are_checked() {
    let made = rcgen::generate_simple_self_signed(vec!["door.example".to_owned()]).unwrap();
    let (certificate, key) = (made.cert.pem(), made.signing_key.serialize_pem());
    let parse = |file, text: &str| parse(file, text.as_bytes());
    assert!(matches!(parse(CardFile::PageCertificate, &certificate), Ok(Accepted::PageCertificate(_))));
    assert!(matches!(parse(CardFile::PageKey, &key), Ok(Accepted::PageKey(_))));
    assert!(matches!(parse(CardFile::PageCertificate, &key), Err(CardError::NoCertificate)));
    assert!(matches!(parse(CardFile::PageKey, &certificate), Err(CardError::NoKey)));
    assert!(matches!(
        parse(CardFile::PageKey, &key.replace("PRIVATE", "ENCRYPTED PRIVATE")),
        Err(CardError::NoKey)
    ));
}

#[test]
fn wifi_profiles_follow_iwd() {
    let profile = |text: &str| match parse(CardFile::Wifi, text.as_bytes()).unwrap() {
        Accepted::Wifi(profile) => profile,
        other => panic!("{other:?}"),
    };
    assert_eq!(
        profile("School 2\r\nback\\slash 1\r\n").unwrap(),
        WifiProfile {
            file: "School 2.psk".into(),
            content: "[Security]\nPassphrase=back\\\\slash 1\n".into(),
            country: None,
        }
    );
    assert_eq!(profile("Café\n password\n").unwrap().file, "=436166c3a9.psk");
    assert_eq!(profile("Café\n password\n").unwrap().content, "[Security]\nPassphrase=\\spassword\n");
    assert_eq!(profile("guests\n").unwrap().file, "guests.open");
    let abroad = profile("School 2\npassword1\nIN\n").unwrap();
    assert_eq!(abroad.country.as_deref(), Some("IN"));
    assert_eq!(profile("guests\n\nDE\n").unwrap().country.as_deref(), Some("DE"));
    assert_eq!(profile("\n"), None);
    for (wrong, line) in [
        ("net\nshort\n", 2),
        ("net\npassword1\nmore\n", 3),
        ("net\npassword1\nIN\nmore\n", 3),
        ("net\npassword1\nin\n", 3),
        (&*"n".repeat(33), 1),
    ] {
        assert!(
            matches!(parse(CardFile::Wifi, wrong.as_bytes()), Err(CardError::Line { line: found, .. }) if found == line)
        );
    }
}

#[test]
fn only_whole_public_ssh_keys_are_accepted() {
    let taken = parse(CardFile::SshKeys, format!("# ours\n\n{KEY}\n").as_bytes()).unwrap();
    assert!(matches!(taken, Accepted::SshKeys(keys) if keys == format!("{KEY}\n")));
    let rsa = KEY.replacen("ssh-ed25519", "ssh-rsa", 1);
    for wrong in
        [&KEY[..40], "command=\"true\" ssh-ed25519 AAAA", "-----BEGIN OPENSSH PRIVATE KEY-----", &rsa]
    {
        let text = format!("{KEY}\n{wrong}\n");
        assert!(
            matches!(parse(CardFile::SshKeys, text.as_bytes()), Err(CardError::Line { line: 2, .. })),
            "{wrong}"
        );
    }
}

#[test]
fn a_password_in_clear_is_refused() {
    let hash = "$6$saltsalt$".to_owned() + &"x".repeat(86);
    let taken = parse(CardFile::ConsolePassword, hash.as_bytes()).unwrap();
    assert!(matches!(taken, Accepted::ConsolePassword(kept) if kept == hash));
    let other = "$6$salt_of-others*$0123456789012345678901234567890123456789";
    assert!(parse(CardFile::ConsolePassword, other.as_bytes()).is_ok());
    for wrong in [
        "secret",
        "$1$salt$abcdefghijklmnopqrstuv0123456789abcdef",
        "$6$with:colon$0123456789012345678901234567890123456789",
        "$6$with|bar$01234567890123456789012345678901234567890123",
        "$6$with&sign$0123456789012345678901234567890123456789012",
        "$6$with\\back$0123456789012345678901234567890123456789012",
        "$6$with space$012345678901234567890123456789012345678901",
    ] {
        let error = parse(CardFile::ConsolePassword, wrong.as_bytes()).unwrap_err().to_string();
        assert!(!error.contains(wrong));
    }
}

proptest! {
    #[test]
    fn wifi_profile_never_leaves_its_folder_or_line(bytes in proptest::collection::vec(any::<u8>(), 0..120)) {
        if let Ok(Accepted::Wifi(Some(profile))) = parse(CardFile::Wifi, &bytes) {
            prop_assert!(!profile.file.contains('/') && !profile.file.starts_with('.'));
            prop_assert!(profile.content.lines().count() <= 2);
        }
    }

    #[test]
    fn password_hash_never_adds_a_shadow_field(bytes in proptest::collection::vec(any::<u8>(), 0..200)) {
        if let Ok(Accepted::ConsolePassword(hash)) = parse(CardFile::ConsolePassword, &bytes) {
            prop_assert!(!hash.contains([':', '\n']));
        }
    }
}
