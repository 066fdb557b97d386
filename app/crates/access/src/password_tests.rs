#![allow(clippy::unwrap_used)]
use super::*;

#[test]
fn made_once_shown_once_and_stored_as_a_hash() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("page/password");
    assert!(Password::load(None, &file, "boot 1").unwrap().is_none());
    let (password, shown) = Password::make_first(&file, "boot 1").unwrap();
    assert!(password.is(shown.expose()));
    assert!(!password.is(""));
    assert!(!password.is(&"a".repeat(100_000)));
    let stored = std::fs::read_to_string(&file).unwrap();
    assert!(stored.starts_with("$argon2id$v=19$m=19456,t=2,p=1$") && !stored.contains(shown.expose()));
    let again = Password::load(None, &file, "boot 1").unwrap().unwrap();
    assert!(again.is(shown.expose()));
    let (_, other) = Password::make(&folder.path().join("other")).unwrap();
    assert_ne!(other.expose(), shown.expose());
}

#[test]
fn nothing_is_no_password() {
    for nothing in ["", " ", "\t "] {
        assert!(matches!(hash(&Secret::new(nothing)), Err(PasswordError::Empty)));
    }
    assert!(matches!(hash(&Secret::new("x".repeat(LONGEST + 1))), Err(PasswordError::TooLong)));
    // As an older program hashed it.
    let empty = hash_of(&Secret::new("")).unwrap();
    assert!(!Password::parse(&empty, "here").unwrap().is(""));
}

#[test]
fn the_configured_hash_comes_first_and_must_be_one() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("password");
    let hash = Secret::new(hash(&Secret::new("correct horse")).unwrap());
    let password = Password::load(Some(&hash), &file, "boot 1").unwrap().unwrap();
    assert!(password.is("correct horse") && !file.exists());
    for bad in ["correct horse", "", "$argon2id$", "$5$rounds=1$a$b"] {
        let refused = Password::load(Some(&Secret::new(bad)), &file, "boot 1").err().unwrap().to_string();
        assert!(refused.contains("page.password_hash") && !refused.contains("horse"), "{refused}");
    }
}

#[test]
fn unused_first_password_is_regenerated_on_reboot() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("page/password");
    let is_to_be_made = |boot: &str| Password::load(None, &file, boot).unwrap().is_none();
    let (password, _) = Password::make_first(&file, "boot 1").unwrap();
    assert!(!is_to_be_made("boot 1"), "the console still shows it when the program starts again");
    assert!(is_to_be_made("boot 2"));
    CurrentPassword::new(Ok(password), Some(file.clone())).is_used();
    assert!(!is_to_be_made("boot 2"));
    // Cut power between the mark and the hash, or a password made by hand.
    private_file::write(&unused_mark(&file), b"boot 2").unwrap();
    assert!(is_to_be_made("boot 3"));
    Password::make(&file).unwrap();
    assert!(!is_to_be_made("boot 3"));
}

/// Below a folder where even root can make nothing, as on a card that is full.
#[test]
fn a_first_password_that_cannot_be_kept_counts_until_the_program_ends() {
    let file = Path::new("/sys/attendance-test/page/password");
    let (password, shown) = Password::make_first(file, "boot 1").unwrap();
    let current = CurrentPassword::new(Ok(password), Some(file.to_owned()));
    assert!(current.present().0.is(shown.expose()) && !current.present().1);
    assert!(Password::load(None, file, "boot 1").unwrap().is_none(), "the next start makes another");
}

#[test]
fn a_hash_that_cannot_be_read_lets_nobody_in_until_it_can() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("password");
    std::fs::create_dir(&file).unwrap();
    let unreadable = Password::load(None, &file, "boot 1");
    let unreadable = unreadable.map(Option::unwrap);
    let current = CurrentPassword::new(unreadable, Some(file.clone()));
    assert!(!current.present().0.is("") && current.trouble().unwrap().contains("nobody can log in"));
    std::fs::remove_dir(&file).unwrap();
    let (_, shown) = Password::make(&file).unwrap();
    let (password, is_new) = current.present();
    assert!(is_new && password.is(shown.expose()) && current.trouble().is_none());
    std::fs::write(&file, "no hash").unwrap();
    assert!(current.present().0.is(shown.expose()) && current.trouble().is_some(), "the old one stays");
}
