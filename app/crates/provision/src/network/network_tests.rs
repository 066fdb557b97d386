//! Tests of the section `[network]` as files.
#![allow(clippy::unwrap_used)]
use super::*;
use config;

fn of(settings: &str) -> Vec<(&'static str, String)> {
    files(&config::parse(settings).unwrap().network)
}

#[test]
fn settings_without_a_network_leave_the_images_own_files() {
    assert_eq!(of("[site]\nname = \"Door\"\n"), []);
}

#[test]
fn fixed_address_replaces_dhcp_and_keeps_the_link_local_one() {
    let made = of(
        "[network]\naddresses = [\"192.0.2.10/24\"]\ngateways = [\"192.0.2.1\"]\ndns = [\"192.0.2.53\"]\n",
    );
    let [(name, text)] = &made[..] else { panic!("{made:?}") };
    assert_eq!(*name, "40-attendance.network");
    for line in
        ["Type=ether", "DHCP=no", "LinkLocalAddressing=yes", "Address=192.0.2.10/24", "DNS=192.0.2.53"]
    {
        assert!(text.lines().any(|found| found == line), "{line} is missing in\n{text}");
    }
    assert!(text.contains("[Route]\nGateway=192.0.2.1\nMetric=100\n"), "{text}");
}

#[test]
fn time_server_alone_keeps_dhcp() {
    let made = of("[network]\nntp = [\"time.example\"]\n");
    let text = &made[0].1;
    assert!(text.contains("DHCP=yes") && text.contains("NTP=time.example"), "{text}");
    assert!(text.contains("UseDNS=yes") && text.contains("UseNTP=no"), "{text}");
}

#[test]
fn vlan_has_its_own_interface_and_the_cable_stays_reachable() {
    let made = of("[network]\nvlan = 20\naddresses = [\"192.0.2.10/24\"]\n");
    assert_eq!(
        made.iter().map(|(name, _)| *name).collect::<Vec<_>>(),
        ["40-attendance.netdev", "40-attendance.network", "41-attendance.network"]
    );
    assert!(made[0].1.contains("Id=20"), "{}", made[0].1);
    assert!(made[1].1.contains("VLAN=vlan20") && !made[1].1.contains("Address="), "{}", made[1].1);
    assert!(
        made[2].1.contains("Name=vlan20") && made[2].1.contains("Address=192.0.2.10/24"),
        "{}",
        made[2].1
    );
}

#[test]
fn files_are_written_where_networkd_reads_them() {
    let folder = tempfile::tempdir().unwrap();
    let network = config::parse("[network]\nvlan = 3\n").unwrap().network;
    let places = places(folder.path());
    write(&places, &network).unwrap();
    let count = || std::fs::read_dir(&places.networkd).unwrap().count();
    assert_eq!(count(), 3);
    // Others' files stay.
    std::fs::write(places.networkd.join("40-others.network"), "").unwrap();
    write(&places, &Network::default()).unwrap();
    assert_eq!(count(), 1);
}

fn places(folder: &Path) -> Places {
    Places { networkd: folder.join("networkd"), own: folder.join("own"), iwd: folder.join("iwd") }
}

#[test]
fn proxy_alone_leaves_the_addresses_to_dhcp_and_reaches_the_updater() {
    let folder = tempfile::tempdir().unwrap();
    let places = places(folder.path());
    let text =
        "[network]\nproxy = \"http://door:s3cr3t@proxy.example:3128\"\nno_proxy = [\"school.example\"]\n";
    let network = config::parse(text).unwrap().network;
    assert_eq!(files(&network), []);
    write(&places, &network).unwrap();
    let environment = places.own.join(PROXY);
    assert_eq!(
        std::fs::read_to_string(&environment).unwrap(),
        "http_proxy=\"http://door:s3cr3t@proxy.example:3128\"\n\
         https_proxy=\"http://door:s3cr3t@proxy.example:3128\"\n\
         no_proxy=\"localhost,127.0.0.0/8,::1,school.example\"\n"
    );
    let mode = std::os::unix::fs::PermissionsExt::mode(&environment.metadata().unwrap().permissions());
    assert_eq!(mode & 0o777, 0o600);
    write(&places, &Network::default()).unwrap();
    assert!(!environment.exists());
}

const WIFI: &str = "[network]\ninterface = \"wifi\"\nwifi_name = \"School\"\neap_method = \"peap\"\n\
                    eap_identity = \"door\"\neap_password = \"x\"\neap_ca_file = \"/ca.pem\"\n";

#[test]
fn those_whose_file_changed_are_started_anew_and_no_others() {
    let folder = tempfile::tempdir().unwrap();
    let places = places(folder.path());
    let cable = WIFI.replace("wifi\"\nwifi_name = \"School", "ethernet");
    let proxy = format!("{cable}proxy = \"http://proxy.example:3128\"\n");
    let name_server = format!("{proxy}dns = [\"192.0.2.53\"]\n");
    let cases: [(&str, &[&str]); 9] = [
        ("", &[]),
        (&cable, &["attendance-8021x.service"]),
        (&proxy, &["rauc.service"]),
        (&name_server, &[]),
        (&cable.replace("\"x\"", "\"y\""), &["attendance-8021x.service", "rauc.service"]),
        (WIFI, &["attendance-8021x.service", "iwd.service"]),
        (&WIFI.replace("\"x\"", "\"y\""), &["iwd.service"]),
        (&format!("{WIFI}dns = [\"192.0.2.53\"]\n").replace("\"x\"", "\"y\""), &[]),
        ("", &["iwd.service"]),
    ];
    for (settings, wanted) in cases {
        apply(&places, &config::parse(settings).unwrap().network, || Ok(())).unwrap();
        assert_eq!(told(&places), wanted, "{settings}");
    }
}

/// The units that are to be restarted; afterwards there are none.
fn told(places: &Places) -> Vec<String> {
    let folder = places.own.join(CHANGED);
    let entries = std::fs::read_dir(&folder).into_iter().flatten();
    let mut units: Vec<_> = entries.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
    units.sort();
    drop(std::fs::remove_dir_all(folder));
    units
}

/// Whoever is ended while they are written, or while systemd-networkd reads its own, has not lost them.
#[test]
fn changed_files_are_noted_before_networkd_is_told() {
    let folder = tempfile::tempdir().unwrap();
    let places = places(folder.path());
    let network = config::parse(WIFI).unwrap().network;
    apply(&places, &network, || {
        assert_eq!(told(&places), ["iwd.service"]);
        Ok(())
    })
    .unwrap();
    // The file was written, and nobody was told.
    std::fs::create_dir_all(places.own.join(CHANGING)).unwrap();
    let mark = |unit: &str| std::fs::write(places.own.join(CHANGING).join(unit), "");
    write_and_mark(&places, &Network::default(), mark).unwrap();
    apply(&places, &Network::default(), || Ok(())).unwrap();
    assert_eq!(told(&places), ["iwd.service"]);
    apply(&places, &Network::default(), || Ok(())).unwrap();
    assert!(told(&places).is_empty());
}

#[test]
fn unit_waits_longer_than_networkd_may_take() {
    let unit = "../../../meta-attendance/recipes-attendance/attendance/files/usr/lib/systemd/system/attendance-settings.service";
    let unit = std::fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join(unit)).unwrap();
    let time = unit.lines().find_map(|line| line.strip_prefix("TimeoutStartSec=")).unwrap();
    let time = Duration::from_secs(time.parse().unwrap());
    // The settings, and where they fail those before; as much again for the files.
    assert!(time >= ANSWER * 2 + Duration::from_secs(10), "{time:?}");
}

#[test]
fn reload_that_fails_is_told_and_changed_files_are_not_forgotten() {
    let folder = tempfile::tempdir().unwrap();
    let places = places(folder.path());
    let network = config::parse(WIFI).unwrap().network;
    let fault = apply(&places, &network, || Err(io::Error::other("no bus"))).unwrap_err();
    assert!(fault.to_string().contains("no bus") && told(&places) == ["iwd.service"]);
}

#[test]
fn old_log_in_goes_at_a_start_whose_settings_cannot_be_read() {
    let folder = tempfile::tempdir().unwrap();
    let places = places(folder.path());
    let settings = folder.path().join("attendance.toml");
    let profile = places.iwd.join("School.8021x");
    for next in [Some("[network\n"), None] {
        std::fs::write(&settings, WIFI).unwrap();
        at_start(&places, &settings).unwrap();
        assert!(profile.exists());
        match next {
            Some(text) => std::fs::write(&settings, text).unwrap(),
            None => std::fs::remove_file(&settings).unwrap(),
        }
        at_start(&places, &settings).unwrap();
        assert!(!profile.exists(), "{next:?}");
    }
}
