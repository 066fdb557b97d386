//! 802.1X by cable: the files that this crate writes, a real wpa_supplicant, and hostapd as the port that
//! admits or does not, at the two ends of a cable in a network of their own.
#![allow(clippy::unwrap_used)]

use std::path::{Path, PathBuf};
use std::process::Command;

use provision::network::{self, Places, WIRED, state};
use rcgen::{BasicConstraints, CertificateParams, IsCa, Issuer, KeyPair};

/// Everything of a school's log-in, in a folder.
struct School {
    folder: tempfile::TempDir,
}

impl School {
    /// With a log-in server whose certificate ends in the year `server`, and a device whose certificate ends
    /// in `device`.
    fn new(server: i32, device: i32) -> Self {
        let school = Self { folder: tempfile::tempdir().unwrap() };
        let mut authority = CertificateParams::new(Vec::new()).unwrap();
        authority.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        authority.distinguished_name.push(rcgen::DnType::CommonName, "School");
        let key = KeyPair::generate().unwrap();
        std::fs::write(school.path("ca.pem"), authority.self_signed(&key).unwrap().pem()).unwrap();
        let issuer = Issuer::new(authority, key);
        for (file, name, ends) in
            [("server", "radius.school.example", server), ("eap", "door.school.example", device)]
        {
            let mut wanted = CertificateParams::new(vec![name.to_owned()]).unwrap();
            wanted.distinguished_name.push(rcgen::DnType::CommonName, name);
            wanted.not_before = rcgen::date_time_ymd(2019, 1, 1);
            wanted.not_after = rcgen::date_time_ymd(ends, 1, 1);
            let key = KeyPair::generate().unwrap();
            std::fs::write(
                school.path(&format!("{file}.crt")),
                wanted.signed_by(&key, &issuer).unwrap().pem(),
            )
            .unwrap();
            std::fs::write(school.path(&format!("{file}.key")), key.serialize_pem()).unwrap();
        }
        std::fs::write(
            school.path("users"),
            "\"door.school.example\" TLS\n* PEAP,TTLS\n\"door\" MSCHAPV2,TTLS-PAP,TTLS-MSCHAPV2 \"s3cr3t\" [2]\n",
        )
        .unwrap();
        let shown = school.folder.path().display();
        std::fs::write(
            school.path("hostapd.conf"),
            format!(
                "interface=switch\ndriver=wired\nlogger_stdout=-1\nlogger_stdout_level=1\nieee8021x=1\neap_server=1\n\
                 use_pae_group_addr=1\neap_user_file={shown}/users\nca_cert={shown}/ca.pem\nserver_cert={shown}/server.crt\n\
                 private_key={shown}/server.key\n"
            ),
        )
        .unwrap();
        school
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// What `[network]` of these settings becomes; `FOLDER` in them is the school's.
    fn network(&self, settings: &str) -> config::Network {
        let folder = self.folder.path().to_str().unwrap();
        let text =
            format!("[network]\neap_ca_file = \"FOLDER/ca.pem\"\n{settings}").replace("FOLDER", folder);
        config::parse(&text).unwrap().network
    }

    /// Whether the port admits a device with these settings.
    fn admits(&self, settings: &str) -> bool {
        let folder = self.folder.path();
        let places =
            Places { networkd: folder.join("networkd"), own: folder.join("own"), iwd: folder.join("iwd") };
        network::write(&places, &self.network(settings)).unwrap();
        // Both programs end with the shell, at the latest after 40 s, and so does their network.
        let script = "ip link add door type veth peer name switch && ip link set door up && ip link set switch up
            timeout 40 hostapd \"$1/hostapd.conf\" > \"$1/hostapd.log\" 2>&1 & port=$!
            timeout 40 wpa_supplicant -D wired -i door -c \"$2\" > \"$1/door.log\" 2>&1 & door=$!
            for look in $(seq 150); do
                grep -q 'CTRL-EVENT-EAP-SUCCESS' \"$1/door.log\" && grep -q 'authorizing port' \"$1/hostapd.log\" && { ended=0; break; }
                grep -q 'CTRL-EVENT-EAP-FAILURE' \"$1/door.log\" && { ended=1; break; }
                sleep 0.2
            done
            kill $port $door
            wait
            exit ${ended-2}";
        let done = Command::new("unshare")
            .args(["--net", "sh", "-c", script, "sh"])
            .args([folder, &places.own.join(WIRED)])
            .env("PATH", "/usr/sbin:/usr/bin:/sbin:/bin")
            .status()
            .unwrap();
        let log = |name: &str| std::fs::read_to_string(self.path(name)).unwrap_or_default();
        match done.code() {
            Some(0) => true,
            Some(1) => false,
            other => panic!("{other:?}: neither\n{}\n{}", log("door.log"), log("hostapd.log")),
        }
    }
}

fn can_run() -> bool {
    let there =
        |program: &str| ["/usr/sbin", "/sbin"].iter().any(|folder| Path::new(folder).join(program).exists());
    let is_root = rustix::process::geteuid().is_root();
    if is_root && there("hostapd") && there("wpa_supplicant") && there("ip") {
        return true;
    }
    skipped::skipped("root, and Debian's packages hostapd, wpasupplicant and iproute2");
    false
}

const PASSWORD: &str = "eap_identity = \"door\"\neap_password = \"s3cr3t\"\n";
const CERTIFICATE: &str = "eap_method = \"tls\"\neap_identity = \"door.school.example\"\neap_certificate_file = \"FOLDER/eap.crt\"\n\
                           eap_key_file = \"FOLDER/eap.key\"\n";

#[test]
fn device_logs_in_with_each_method() {
    if !can_run() {
        return;
    }
    let school = School::new(2090, 2090);
    let named = "eap_server_name = \"radius.school.example\"\n";
    for settings in [
        format!("eap_method = \"peap\"\n{PASSWORD}{named}eap_anonymous_identity = \"anonymous\"\n"),
        format!("eap_method = \"ttls\"\n{PASSWORD}"),
        format!("eap_method = \"ttls\"\neap_inner = \"pap\"\n{PASSWORD}"),
        format!("{CERTIFICATE}{named}"),
    ] {
        assert!(school.admits(&settings), "{settings}");
    }
}

#[test]
fn wrong_password_and_wrong_log_in_server_are_not_admitted() {
    if !can_run() {
        return;
    }
    let school = School::new(2090, 2090);
    for settings in [
        "eap_method = \"peap\"\neap_identity = \"door\"\neap_password = \"wr0ng\"\n".to_owned(),
        format!("eap_method = \"peap\"\n{PASSWORD}eap_server_name = \"radius.other.example\"\n"),
    ] {
        assert!(!school.admits(&settings), "{settings}");
    }
}

#[test]
fn expired_certificate_of_the_device_is_not_admitted_and_named() {
    if !can_run() {
        return;
    }
    let school = School::new(2090, 2020);
    assert!(!school.admits(CERTIFICATE));
    let now = time::OffsetDateTime::now_utc();
    let faults = state::certificates(&school.network(CERTIFICATE), now, true);
    assert!(faults.len() == 1 && faults[0].to_string().contains("has expired (2020-01-01)"), "{faults:?}");
}

#[test]
fn dates_of_the_log_in_servers_certificate_keep_no_device_out() {
    if !can_run() {
        return;
    }
    // As a clock of years ago sees it.
    assert!(School::new(2020, 2090).admits(&format!("eap_method = \"peap\"\n{PASSWORD}")));
}
