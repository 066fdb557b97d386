//! 802.1X, the log-in of the device at the network itself: for wpa_supplicant by wire, for iwd by air.
//!
//! What the settings allow in a text (no control characters, `config`) can stand in both files as it is:
//! wpa_supplicant takes what is between the first and the last quotation mark of a line, iwd has an escape.
//!
//! The dates of the log-in server's certificate are not looked at by wpa_supplicant: a device without a
//! battery-backed clock knows the time only from the network that it is to be admitted to. The authority and
//! the name are.

use std::fmt::Write as _;
use std::path::Path;

use crate::parts::{iwd_name, iwd_value};
use config::{EapInner, EapMethod, Interface, Network};

/// wpa_supplicant's file; `None` where the cable wants no log-in.
pub(super) fn wired(network: &Network) -> Option<String> {
    let method = network.eap_method.filter(|_| network.interface == Interface::Ethernet)?;
    let mut lines = String::new();
    let mut quoted = |key: &str, value: Option<&str>| {
        if let Some(value) = value {
            let _ = writeln!(lines, "\t{key}=\"{value}\"");
        }
    };
    quoted("identity", network.eap_identity.as_deref());
    quoted("ca_cert", network.eap_ca_file.as_deref().and_then(Path::to_str));
    quoted("domain_match", network.eap_server_name.as_deref());
    let mut phase1 = "tls_disable_time_checks=1".to_owned();
    let name = match method {
        EapMethod::Tls => {
            quoted("client_cert", network.eap_certificate_file.as_deref().and_then(Path::to_str));
            quoted("private_key", network.eap_key_file.as_deref().and_then(Path::to_str));
            "TLS"
        }
        EapMethod::Peap | EapMethod::Ttls => {
            quoted("anonymous_identity", network.eap_anonymous_identity.as_deref());
            quoted("password", network.eap_password.as_ref().map(base::secret::Secret::expose));
            match (method, network.eap_inner) {
                (EapMethod::Ttls, EapInner::Pap) => quoted("phase2", Some("auth=PAP")),
                _ => quoted("phase2", Some("auth=MSCHAPV2")),
            }
            if method == EapMethod::Ttls {
                "TTLS"
            } else {
                phase1.push_str(" peaplabel=0");
                "PEAP"
            }
        }
    };
    quoted("phase1", Some(&phase1));
    Some(format!(
        "ap_scan=0\nfast_reauth=0\nnetwork={{\n\tkey_mgmt=IEEE8021X\n\teapol_flags=0\n\teap={name}\n{lines}}}\n"
    ))
}

/// iwd's file, its name and content; `None` where no Wi-Fi wants a log-in.
pub(super) fn by_air(network: &Network) -> Option<(String, String)> {
    let method = network.eap_method.filter(|_| network.interface == Interface::Wifi)?;
    let file = format!("{}.8021x", iwd_name(network.wifi_name.as_deref()?));
    let (name, prefix) = match method {
        EapMethod::Tls => ("TLS", "EAP-TLS"),
        EapMethod::Peap => ("PEAP", "EAP-PEAP"),
        EapMethod::Ttls => ("TTLS", "EAP-TTLS"),
    };
    let mut lines = format!("[Security]\nEAP-Method={name}\n");
    let mut set = |key: &str, value: Option<&str>| {
        if let Some(value) = value {
            let _ = writeln!(lines, "{key}={}", iwd_value(value));
        }
    };
    let identity = network.eap_identity.as_deref();
    set(&format!("{prefix}-CACert"), network.eap_ca_file.as_deref().and_then(Path::to_str));
    set(&format!("{prefix}-ServerDomainMask"), network.eap_server_name.as_deref());
    if method == EapMethod::Tls {
        set("EAP-Identity", identity);
        set("EAP-TLS-ClientCert", network.eap_certificate_file.as_deref().and_then(Path::to_str));
        set("EAP-TLS-ClientKey", network.eap_key_file.as_deref().and_then(Path::to_str));
    } else {
        let inner = match (method, network.eap_inner) {
            (EapMethod::Ttls, EapInner::Pap) => "Tunneled-PAP",
            (EapMethod::Ttls, EapInner::Mschapv2) => "Tunneled-MSCHAPv2",
            _ => "MSCHAPV2",
        };
        set("EAP-Identity", network.eap_anonymous_identity.as_deref().or(identity));
        set(&format!("{prefix}-Phase2-Method"), Some(inner));
        set(&format!("{prefix}-Phase2-Identity"), identity);
        let password = network.eap_password.as_ref().map(base::secret::Secret::expose);
        set(&format!("{prefix}-Phase2-Password"), password);
    }
    Some((file, lines))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    fn network(settings: &str) -> Network {
        config::parse(&format!("[network]\n{settings}")).unwrap().network
    }

    const PASSWORD: &str = "eap_identity = \"door-3\"\neap_password = \" a\\\"b\\\\c\"\neap_ca_file = \"/etc/attendance/eap-ca.pem\"\n\
                            eap_server_name = \"radius.school.example\"\n";
    const CERTIFICATE: &str = "eap_method = \"tls\"\neap_identity = \"door-3\"\neap_ca_file = \"/ca.pem\"\n\
                               eap_certificate_file = \"/eap.crt\"\neap_key_file = \"/eap.key\"\n";

    #[test]
    fn cable_with_identity_and_password() {
        let text = wired(&network(&format!("eap_method = \"peap\"\n{PASSWORD}"))).unwrap();
        for line in [
            "key_mgmt=IEEE8021X",
            "eap=PEAP",
            "identity=\"door-3\"",
            "password=\" a\"b\\c\"",
            "phase2=\"auth=MSCHAPV2\"",
            "ca_cert=\"/etc/attendance/eap-ca.pem\"",
            "domain_match=\"radius.school.example\"",
        ] {
            assert!(text.lines().any(|found| found.trim() == line), "{line} is missing in\n{text}");
        }
        let text =
            wired(&network(&format!("eap_method = \"ttls\"\neap_inner = \"pap\"\n{PASSWORD}"))).unwrap();
        assert!(text.contains("eap=TTLS") && text.contains("phase2=\"auth=PAP\""), "{text}");
        assert_eq!(wired(&Network::default()), None);
    }

    #[test]
    fn cable_with_a_certificate() {
        let text = wired(&network(CERTIFICATE)).unwrap();
        assert!(
            text.contains("client_cert=\"/eap.crt\"") && text.contains("private_key=\"/eap.key\""),
            "{text}"
        );
        assert!(!text.contains("password"), "{text}");
    }

    #[test]
    fn wifi_is_iwds_and_the_cable_wants_no_log_in_then() {
        let wifi = network(&format!(
            "interface = \"wifi\"\nwifi_name = \"School é\"\neap_method = \"peap\"\n{PASSWORD}"
        ));
        assert_eq!(wired(&wifi), None);
        let (file, text) = by_air(&wifi).unwrap();
        assert_eq!(file, "=5363686f6f6c20c3a9.8021x");
        for line in [
            "EAP-Method=PEAP",
            "EAP-Identity=door-3",
            "EAP-PEAP-CACert=/etc/attendance/eap-ca.pem",
            "EAP-PEAP-ServerDomainMask=radius.school.example",
            "EAP-PEAP-Phase2-Method=MSCHAPV2",
            "EAP-PEAP-Phase2-Password=\\sa\"b\\\\c",
        ] {
            assert!(text.lines().any(|found| found == line), "{line} is missing in\n{text}");
        }
        let (file, text) =
            by_air(&network(&format!("interface = \"wifi\"\nwifi_name = \"School\"\n{CERTIFICATE}")))
                .unwrap();
        assert!(file == "School.8021x" && text.contains("EAP-TLS-ClientKey=/eap.key"), "{text}");
    }
}
