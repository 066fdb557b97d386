//! What of the card outlives a restart, and who the machine is then.
use super::*;

#[test]
fn what_is_switched_off_is_remembered() {
    let folder = tempfile::tempdir().unwrap();
    let places = places(folder.path());
    std::fs::write(places.card.join("authorized_keys"), KEY).unwrap();
    import(&places);
    for name in ["authorized_keys", "password.hash"] {
        std::fs::write(places.card.join(name), "\n").unwrap();
    }
    import(&places);
    assert!(!places.etc.join("attendance/ssh/authorized_keys").exists());
    assert!(!places.etc.join("nftables.d/ssh.nft").exists());
    assert_eq!(std::fs::read_to_string(places.kept.join("authorized_keys")).unwrap(), "");
    assert_eq!(std::fs::read_to_string(places.kept.join("password.hash")).unwrap(), "*");
}

#[test]
fn identity_is_kept_only_if_it_is_one() {
    let folder = tempfile::tempdir().unwrap();
    let places = places(folder.path());
    let (identity, kept) = (places.etc.join("machine-id"), places.kept.join("machine-id"));
    for wrong in ["", "uninitialized\n", "0123456789ABCDEF0123456789abcdef\n"] {
        std::fs::write(&identity, wrong).unwrap();
        assert!(keep_identity(&places).is_err() && !kept.exists(), "{wrong}");
    }
    let [first, second] = ["0", "1"].map(|digit| digit.repeat(32) + "\n");
    // The second takes the place of what a start refused.
    for (there, written) in [(None, &first), (Some("uninitialized\n"), &second), (Some(""), &first)] {
        if let Some(there) = there {
            std::fs::write(&kept, there).unwrap();
        }
        std::fs::write(&identity, written).unwrap();
        keep_identity(&places).unwrap();
        assert_eq!(std::fs::read_to_string(&kept).unwrap(), *written);
    }
}

#[test]
fn machine_is_named_once_after_its_board() {
    let folder = tempfile::tempdir().unwrap();
    let places = places(folder.path());
    std::fs::write(&places.serial, "9f2a771c00000001\0").unwrap();
    let name = name_machine(&places).unwrap().unwrap();
    assert!(name.starts_with("attendance-") && name.len() == "attendance-".len() + 6);
    assert_eq!(name_machine(&places).unwrap(), None);
    std::fs::remove_file(places.etc.join("hostname")).unwrap();
    assert_eq!(name_machine(&places).unwrap().unwrap(), name);
}

/// What may be put on the card under a name.
fn sample(file: CardFile) -> Vec<u8> {
    let made = || rcgen::generate_simple_self_signed(vec!["door.example".to_owned()]).unwrap();
    let text = match file.name() {
        "attendance.toml" => "[site]\nname = \"gate\"\n".to_owned(),
        "wifi.txt" => "School\npassword1\nIN\n".to_owned(),
        "authorized_keys" => KEY.to_owned(),
        "password.hash" => format!("$6$saltsalt${}", "x".repeat(86)),
        "rpi-preseed.toml" => "config_version = \"1.0\"\n\n[system]\nhostname = \"north-gate\"\n".to_owned(),
        name if name.ends_with(".key") => made().signing_key.serialize_pem(),
        name if name.ends_with(".pem") || name.ends_with(".crt") => made().cert.pem(),
        name => panic!("no sample of {name}"),
    };
    text.into_bytes()
}

#[test]
fn everything_in_etc_is_there_again_after_a_restart() {
    let folder = tempfile::tempdir().unwrap();
    let places = places(folder.path());
    std::fs::write(&places.serial, "serial").unwrap();
    name_machine(&places).unwrap();
    for file in CardFile::ALL.into_iter().filter(|file| *file != CardFile::OldImager) {
        std::fs::write(places.card.join(file.name()), sample(file)).unwrap();
    }
    let outcomes = import(&places);
    assert!(outcomes.iter().all(|outcome| outcome.wrong.is_none()), "{outcomes:?}");
    // What the initramfs lets in: each line a name in the folder, and its place below /etc.
    let script =
        Path::new(env!("CARGO_MANIFEST_DIR")).join("../../../meta-attendance/recipes-core/initramfs/etc.sh");
    let script = std::fs::read_to_string(script).unwrap();
    let list = script.split_once("\nLIST=\"").unwrap().1.split_once('"').unwrap().0;
    let list: Vec<Vec<_>> = list.lines().map(|line| line.split(' ').collect()).collect();
    let mut left = vec![places.etc.clone()];
    while let Some(next) = left.pop() {
        for entry in std::fs::read_dir(next).unwrap() {
            let path = entry.unwrap().path();
            let place = path.strip_prefix(&places.etc).unwrap().to_str().unwrap().to_owned();
            // The rule is made again at each start.
            if path.is_dir() {
                left.push(path);
            } else if place != "nftables.d/ssh.nft" {
                let line = list.iter().find(|line| line[1] == place).unwrap_or_else(|| panic!("{place}"));
                assert!(places.kept.join(line[0]).exists(), "{place} is gone after a restart");
                let modes = line[3] == "-" || u32::from_str_radix(line[3], 8).unwrap() == mode(&path);
                assert!(modes, "{place} has another mode after a restart");
            }
        }
    }
    for entry in std::fs::read_dir(&places.kept).unwrap() {
        let name = entry.unwrap().file_name();
        assert!(list.iter().any(|line| line[0] == name), "{name:?} is not let in");
    }
}
