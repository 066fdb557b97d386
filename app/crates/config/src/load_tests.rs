#![allow(clippy::unwrap_used)]
use std::time::Duration;

use super::*;
use backend::config::Server;

#[test]
fn photos_are_read_every_five_minutes_and_rows_delivered_every_minute_unless_a_site_says_otherwise() {
    let config = parse("").unwrap();
    assert_eq!(config.photos.interval, Duration::from_secs(300));
    assert_eq!(config.webhook.interval, Duration::from_secs(60));
    assert_eq!(parse("[photos]\ninterval = \"15m\"").unwrap().photos.interval, Duration::from_secs(900));
}

#[test]
fn without_a_photo_server_roll_numbers_are_identifiers_unless_a_site_says_otherwise() {
    use vision::photos::RollPattern;
    let pattern = |text: &str| parse(text).unwrap().photos.roll_numbers;
    assert_eq!(pattern(""), RollPattern::Identifier);
    assert_eq!(pattern("[photos]\nroll_numbers = \"digits\""), RollPattern::Digits);
    let url = "[photos]\nurl = \"https://backend.example/media/students?key=k\"\n";
    assert_eq!(pattern(url), RollPattern::Digits);
    assert_eq!(pattern(&format!("{url}roll_numbers = \"identifier\"")), RollPattern::Identifier);
}

#[test]
fn the_originals_port_is_another_one() {
    let port = |port: u16| parse(&format!("[page]\noriginal_port = {port}"));
    assert_eq!(port(8000).unwrap().page.original_port, Some(8000));
    for wrong in [80, 8443] {
        assert!(port(wrong).unwrap_err().to_string().contains("page.original_port"), "{wrong}");
    }
}

#[test]
fn unknown_later_settings_are_ignored() {
    let later = "[site]\nname = \"gate\"\nfloor = 3\n[liveness]\nrequire = \"telepathy\"\n[attendance]\nkeep_days = \"long\"\n\
        minimum_gap = \"3m\"\n[oracle]\nkey = \"s3cr3t\"\n";
    assert!(parse(later).is_err(), "strict where a person can still correct it");
    let (config, left_out) = parse_known(later).unwrap();
    assert_eq!(
        (config.site.name.as_str(), config.attendance.minimum_gap),
        ("gate", Duration::from_secs(180))
    );
    assert_eq!(left_out, ["attendance.keep_days", "liveness.require", "oracle.key", "site.floor"]);
    assert_eq!(config.liveness.require, Config::default().liveness.require);
    assert!(
        parse_known("[site\n").is_none() && parse_known("[webhook]\nbatch_rows = 0\nnew = 1\n").is_none()
    );
}

#[test]
fn formerly_allowed_settings_still_start() {
    let earlier = "[site]\nname = \"gate\"\n[camera]\nframe_rate = 2.0\n[recognition]\nvotes = 30\n[page]\nhost_names = [\"tür.example\"]\npassword_hash = \"x\"\n";
    assert!(parse(earlier).is_err());
    let (config, left_out) = parse_known(earlier).unwrap();
    assert_eq!(left_out, ["camera.frame_rate", "page.host_names", "page.password_hash", "recognition.votes"]);
    assert_eq!((config.site.name.as_str(), config.recognition.votes), ("gate", 3));
}

#[test]
fn a_broker_needs_a_site_key_and_without_one_nothing_is_shared() {
    assert!(parse("").unwrap().mqtt.url.is_none());
    let alone = parse("[mqtt]\nurl = \"mqtts://broker.example\"").unwrap_err().to_string();
    assert!(alone.contains("mqtt.site_key: is missing"), "{alone}");
    let secret = parse("[mqtt]\nurl = \"mqtts://door:s3cr3t@broker.example\"").unwrap_err().to_string();
    assert!(secret.contains("mqtt.password") && !secret.contains("s3cr3t"), "{secret}");
    let key = "k".repeat(32);
    let shared = parse(&format!("[mqtt]\nurl = \"mqtts://broker.example\"\nsite_key = \"{key}\"")).unwrap();
    assert!(!toml::to_string(&shared).unwrap().contains(&key));
}

#[test]
fn fleet_settings_are_checked() {
    let wrong = |text: &str| parse(&format!("[fleet]\nurl = \"{text}")).unwrap_err().to_string();
    assert!(wrong("http://h.example\"\ntarget_token = \"t\"").contains("fleet.url"));
    assert!(wrong("https://h.example\"").contains("fleet.gateway_token"));
    assert!(
        wrong("https://h.example\"\ntarget_token = \"t\"\ngateway_token = \"g\"")
            .contains("fleet.gateway_token")
    );
    let both = "https://h.example\"\ntarget_token = \"t\"\n[update]\nurl = \"https://u.example/latest.json\"";
    assert!(wrong(both).contains("update.url"));
    assert!(
        parse("[update]\nurl = \"http://u.example/latest.json\"").unwrap_err().to_string().contains("https")
    );
    parse("[fleet]\nurl = \"https://h.example\"\ngateway_token = \"g\"").unwrap();
}

#[test]
fn each_server_may_have_a_pin_of_its_own() {
    let pin = "ab:".repeat(31) + "ab";
    for section in ["tls", "photos", "webhook", "update", "fleet"] {
        let with = |pin: &str| parse(&format!("[{section}]\npinned_sha256 = \"{pin}\"\n"));
        with(&pin).unwrap();
        let message = with("ab:cd").unwrap_err().to_string();
        assert!(message.contains(&format!("{section}.pinned_sha256: must be 64 hexa")), "{message}");
    }
    let other = "cd".repeat(32);
    let config = parse(&format!(
        "[tls]\npinned_sha256 = \"{pin}\"\n[photos]\npinned_sha256 = \"{other}\"\n[update]\npinned_sha256 = \"{other}\"\n"
    ))
    .unwrap();
    let photos = config.sync().tls;
    assert_eq!((photos.pinned_sha256.as_ref(), photos.server), (Some(&other), Server::Photos));
    assert_eq!(config.updates().update_tls().pinned_sha256.as_ref(), Some(&other));
    assert_eq!(config.tls.of(Server::Webhook, None).pinned_sha256.as_ref(), Some(&pin), "the default of all");
}

#[test]
fn typo_is_named_with_its_line() {
    let message = parse("[site]\nname = \"gate\"\ntimezone = \"UTC\"\n").unwrap_err().to_string();
    assert!(
        message.contains("line 3") && message.contains("timezone") && message.contains("time_zone"),
        "{message}"
    );
    let message = parse("[attendance]\npolicy = \"sometimes\"\n").unwrap_err().to_string();
    assert!(message.contains("line 2") && message.contains("first-in-last-out"), "{message}");
}

#[test]
fn no_message_repeats_a_secret() {
    for text in [
        "[webhook]\nkey = 12345678901\n",
        "[webhook]\nkey = \"s3cr3t\"\nkey = \"s3cr3t\"\n",
        "[webhook]\nkey: \"s3cr3t\"\n",
        "[webhook]\nkey \"s3cr3t\"\n",
        "[webhook]\nkey: \"s3cr3t=\"\n",
        "[webhook]\nurl = \"ftp://backend.example/?key=s3cr3t\"\n",
        "[photos]\nurl = \"s3cr3t\"\n",
    ] {
        let message = parse(text).unwrap_err().to_string();
        assert!(!message.contains("s3cr3t") && !message.contains("12345678901"), "{message}");
    }
}

#[test]
fn all_wrong_values_are_reported_at_once() {
    let message =
        parse("[webhook]\nbatch_rows = 0\n[recognition]\nvotes = 99\n[camera]\nsource = \"replay\"\n")
            .unwrap_err()
            .to_string();
    assert_eq!(message.lines().count(), 3, "{message}");
    assert!(parse("[recognition]\nvotes = 17\n").is_err() && parse("[recognition]\nvotes = 16\n").is_ok());
}

#[test]
fn plain_password_is_refused_and_not_repeated() {
    let message = parse("[page]\npassword_hash = \"s3cr3t\"\n").unwrap_err().to_string();
    assert!(message.contains("page.password_hash") && !message.contains("s3cr3t"), "{message}");
}

#[test]
fn invalid_certificate_name_is_refused() {
    let with = |name: &str| parse(&format!("[page]\nhost_names = [\"door.example\", \"{name}\"]\n"));
    for wrong in ["tür.schule.example", "", "north gate", &"a".repeat(254)] {
        let message = with(wrong).unwrap_err().to_string();
        assert!(message.contains("page.host_names") && message.contains("xn--"), "{wrong:?}: {message}");
    }
    for right in ["xn--tr-xka.schule.example", "192.0.2.7", "2001:db8::7", &"a".repeat(253)] {
        assert!(with(right).is_ok(), "{right:?}");
    }
}

#[test]
fn unusable_files_are_named_at_start() {
    let folder = tempfile::tempdir().unwrap();
    let write = |name: &str, text: &str| {
        let path = folder.path().join(name);
        std::fs::write(&path, text).unwrap();
        path
    };
    let [one, other] = ["one.example", "other.example"]
        .map(|name| rcgen::generate_simple_self_signed(vec![name.to_owned()]).unwrap());
    let mut config = Config::default();
    check_files(&config).unwrap();
    config.page.certificate_file = Some(write("page.crt", &one.cert.pem()));
    config.page.key_file = Some(write("page.key", &one.signing_key.serialize_pem()));
    config.tls.ca_file = config.page.certificate_file.clone();
    check_files(&config).unwrap();
    write("page.key", &other.signing_key.serialize_pem());
    config.tls.ca_file = Some(folder.path().join("none.pem"));
    let message = check_files(&config).unwrap_err().to_string();
    assert!(message.contains("tls.ca_file") && message.contains("page.certificate_file"), "{message}");
    assert_eq!(message.lines().count(), 2, "{message}");
}

#[test]
fn wrong_camera_settings_say_what_is_allowed() {
    let camera = parse("[camera]\nid = \"imx219\"\nrotation = 270\nmirror = true\nflicker = \"60hz\"\n")
        .unwrap()
        .camera;
    assert_eq!((camera.rotation.quarters(), camera.flicker.period_us()), (3, Some(8_333)));
    for (wrong, allowed) in [
        ("rotation = 45", "0, 90, 180 or 270"),
        ("flicker = \"55hz\"", "50hz"),
        ("frame_rate = 500.0", "5 to 60"),
        ("slowest_frame_rate = 2.0", "5 to 60"),
        ("exposure = 3", "expose_for_face"),
    ] {
        let message = parse(&format!("[camera]\n{wrong}\n")).unwrap_err().to_string();
        assert!(message.contains(allowed), "{message}");
    }
}

#[test]
fn the_defaults_are_valid() {
    assert!(parse("").is_ok());
}
