#![allow(clippy::unwrap_used)]
use super::*;

#[test]
fn report_names_page_address_and_problems() {
    let folder = tempfile::tempdir().unwrap();
    let places = Places::below(folder.path());
    let outcomes = [
        ImportedFile {
            name: "attendance.toml".into(),
            wrong: Some("line 3: unknown field\nallowed: …".into()),
            stays: false,
            remark: None,
        },
        ImportedFile {
            name: "wifi.txt".into(),
            wrong: None,
            stays: false,
            remark: Some("the firewall".into()),
        },
        ImportedFile { name: "ca.pem".into(), wrong: None, stays: true, remark: None },
    ];
    remember(&places, &outcomes).unwrap();
    std::fs::create_dir_all(&places.etc).unwrap();
    std::fs::write(places.etc.join("os-release"), "ID=debian\nIMAGE_VERSION=\"1.2.3\"\n").unwrap();
    std::fs::write(places.etc.join("hostname"), "attendance-0a1b2c\n").unwrap();
    let mut state = State::of_system(&places, folder.path());
    state.addresses = vec!["192.0.2.7".into(), "2001:db8::7".into()];
    state.fingerprint = Some("AB:CD".into());
    state.start = vec![Fault::new("the EEPROM is old").advise("update it")];
    let text = text(&state);
    for expected in [
        "attendance-0a1b2c, system 1.2.3",
        "NOT CONFIGURED",
        "https://192.0.2.7/",
        "https://[2001:db8::7]/",
        "AB:CD",
        "attendance.toml IS WRONG",
        "    line 3: unknown field\r\n    allowed",
        "wifi.txt was taken over and removed from this card.\r\n    the firewall\r\n",
        "ca.pem was taken over for this start alone",
        "ATTENTION: the EEPROM is old.\r\nWhat to do: update it.\r\n",
        ".local/",
    ] {
        assert!(text.contains(expected), "{expected} is missing in\n{text}");
    }
    assert!(text.lines().count() > 5 && text.matches('\n').count() == text.matches("\r\n").count());
}

#[test]
fn first_password_is_on_the_console_never_on_the_card() {
    let folder = tempfile::tempdir().unwrap();
    let places = Places::below(folder.path());
    std::fs::create_dir_all(&places.card).unwrap();
    let kept = folder.path().join("first-password");
    std::fs::write(&kept, "abcd-efgh-ijkm-npqr\n").unwrap();
    let mut state = State {
        addresses: vec!["192.0.2.7".into()],
        fingerprint: Some("AB:".repeat(31) + "CD"),
        card: "wifi.txt: \\S is not a network\n".into(),
        first_password: first_password(&kept),
        ..State::default()
    };
    let path = folder.path().join("issue.d/attendance.issue");
    assert!(show(&path, &state).unwrap() && !show(&path, &state).unwrap());
    let shown = std::fs::read_to_string(&path).unwrap();
    for part in ["https://192.0.2.7/", ":AB:CD", "abcd-efgh-ijkm-npqr", "▀", "\\\\S is no"] {
        assert!(shown.contains(part), "{part} is missing in\n{shown}");
    }
    assert!(shown.lines().count() <= 40 && !shown.contains('\r'));
    let mode = std::os::unix::fs::PermissionsExt::mode(&std::fs::metadata(&path).unwrap().permissions());
    assert_eq!(mode & 0o777, 0o600);
    publish(&places, &state).unwrap();
    assert!(!std::fs::read_to_string(places.card.join(STATUS_FILE)).unwrap().contains("abcd-efgh"));
    // After the first log-in the service removes it.
    state.first_password = None;
    assert!(show(&path, &state).unwrap());
    assert!(!std::fs::read_to_string(&path).unwrap().contains("Password"));
    // Nothing but a password is taken, and no link is followed.
    std::fs::write(&kept, "root:$6$hash:19000\n").unwrap();
    assert_eq!(first_password(&kept), None);
    let link = folder.path().join("link");
    std::fs::write(&kept, "abcd-efgh\n").unwrap();
    std::os::unix::fs::symlink(&kept, &link).unwrap();
    assert_eq!(first_password(&link), None);
    assert!(first_password(&kept).is_some());
}

#[test]
fn running_page_reports_its_fingerprint() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("report.json");
    let say = |fingerprint: &str| {
        let page = service::Page { port: 8443, fingerprint: fingerprint.to_owned() };
        let written = base::moment::since_boot();
        let report = service::Report { page: Some(page), written, ..service::Report::default() };
        std::fs::write(&path, serde_json::to_vec(&report).unwrap()).unwrap();
        shown_fingerprint(&path)
    };
    let digest = ["AB"; 32].join(":");
    assert_eq!(say(&digest), Some(digest));
    assert_eq!(say("\u{1b}[2J not a fingerprint"), None);
    assert_eq!(shown_fingerprint(&folder.path().join("none")), None);
}

#[test]
fn only_listening_addresses_are_reported() {
    let all = || vec!["192.0.2.7".to_owned(), "2001:db8::7".to_owned()];
    assert_eq!(reachable(all(), "::".parse().unwrap()), all());
    assert_eq!(reachable(all(), "0.0.0.0".parse().unwrap()), all()[..1]);
    assert_eq!(reachable(all(), "192.0.2.8".parse().unwrap()), Vec::<String>::new());
}

#[test]
fn fingerprint_is_that_of_browsers() {
    let folder = tempfile::tempdir().unwrap();
    let made = rcgen::generate_simple_self_signed(vec!["door.local".to_owned()]).unwrap();
    let path = folder.path().join("certificate.pem");
    std::fs::write(&path, made.cert.pem()).unwrap();
    let shown = fingerprint(&path).unwrap();
    assert_eq!(shown.len(), 32 * 3 - 1);
    let digest: Vec<u8> = Sha256::digest(made.cert.der()).to_vec();
    assert!(shown.starts_with(&format!("{:02X}:{:02X}:", digest[0], digest[1])));
    assert_eq!(fingerprint(&folder.path().join("none")), None);
}

#[test]
fn unchanged_report_is_not_rewritten() {
    let folder = tempfile::tempdir().unwrap();
    let places = Places::below(folder.path());
    std::fs::create_dir_all(&places.card).unwrap();
    let state = State { host: "attendance-0a1b2c".into(), ..State::default() };
    let path = places.card.join(STATUS_FILE);
    std::fs::write(&path, text(&state)).unwrap();
    let before = std::fs::metadata(&path).unwrap().modified().unwrap();
    publish(&places, &state).unwrap();
    assert_eq!(std::fs::metadata(&path).unwrap().modified().unwrap(), before);
}
