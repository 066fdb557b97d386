//! Tests of the section `[network]`.
#![allow(clippy::unwrap_used)]
use super::super::parse;

fn wrong(settings: &str) -> String {
    parse(&format!("[network]\n{settings}")).unwrap_err().to_string()
}

#[test]
fn fixed_addresses_of_both_families_are_taken() {
    let text = "[network]\naddresses = [\"192.0.2.10/24\", \"2001:db8::10/64\"]\ngateways = [\"192.0.2.1\", \"fe80::1\"]\n\
                dns = [\"192.0.2.53\"]\nntp = [\"time.example\", \"192.0.2.4\"]\nvlan = 20\n";
    let network = parse(text).unwrap().network;
    assert_eq!(network.addresses[1].to_string(), "2001:db8::10/64");
    assert_eq!(network.vlan, Some(20));
    // Two machines at the ends of one line.
    assert!(parse("[network]\naddresses = [\"192.0.2.0/31\"]\ngateways = [\"192.0.2.1\"]\n").is_ok());
}

#[test]
fn address_that_no_machine_can_have_is_refused() {
    for (address, part) in [
        ("192.0.2.10", "length of its network"),
        ("192.0.2.10/33", "length of its network"),
        ("192.0.2.0/24", "address of the network itself"),
        ("192.0.2.255/24", "means all machines"),
        ("127.0.0.1/8", "no machine"),
        ("ff02::1/64", "no machine"),
        ("school/24", "length of its network"),
    ] {
        let told = wrong(&format!("addresses = [\"{address}\"]\n"));
        assert!(told.contains(part), "{told}");
    }
}

#[test]
fn proxy_reaches_every_client_and_its_password_no_message() {
    let text =
        "[network]\nproxy = \"http://door:s3cr3t@proxy.example:3128\"\nno_proxy = [\"school.example\"]\n";
    let config = parse(text).unwrap();
    for way in [&config.tls.proxy, &config.sync().tls.proxy, &config.updates().tls.proxy] {
        assert_eq!(way.url, config.network.proxy);
        assert!(way.no_proxy().ends_with(",school.example"), "{}", way.no_proxy());
    }
    assert!(!format!("{config:?}").contains("s3cr3t"));
    assert!(!serde_json::to_string(&config).unwrap().contains("s3cr3t"));
    let environment = config.tls.proxy.environment();
    assert!(environment.iter().any(|(name, value)| {
        *name == "https_proxy" && value.expose() == "http://door:s3cr3t@proxy.example:3128"
    }));
    assert!(parse("").unwrap().tls.proxy.environment().is_empty());
}

#[test]
fn servers_that_can_be_asked_without_the_proxy_are_taken() {
    let text = "[network]\nno_proxy = [\"school.example\", \".school.example\", \"files\", \"192.0.2.7\", \"192.0.2.0/24\", \
                \"2001:db8::7\", \"2001:db8::/32\"]\n";
    assert_eq!(parse(text).unwrap().network.no_proxy.len(), 7);
}

#[test]
fn values_that_do_not_fit_together_are_refused() {
    for (settings, part) in [
        ("gateways = [\"192.0.2.1\"]", "needs network.addresses"),
        ("addresses = [\"192.0.2.10/28\"]\ngateways = [\"192.0.2.17\"]", "in none of the networks"),
        ("addresses = [\"192.0.2.10/24\"]\ngateways = [\"192.0.2.10\"]", "own address"),
        ("vlan = 4095", "1 to 4094"),
        ("interface = \"wifi\"\nvlan = 3", "for a cable"),
        ("ntp = [\"a\\nb\"]", "neither a name nor an address"),
        ("ntp = [\"\"]", "neither a name nor an address"),
        ("eap_method = \"peap\"", "eap_identity"),
        ("eap_method = \"peap\"\neap_identity = \"door\"\neap_password = \"x\"", "anybody"),
        ("eap_method = \"tls\"\neap_identity = \"door\"\neap_ca_file = \"/ca.pem\"", "eap_certificate_file"),
        ("interface = \"wifi\"\neap_method = \"tls\"", "network.wifi_name"),
        ("eap_password = \"a\\nb\"", "no line ends"),
        ("proxy = \"https://proxy.example:3128\"", "http://HOST:PORT"),
        ("proxy = \"http://proxy.example/proxy.pac\"", "PAC"),
        ("no_proxy = [\"*.school.example\"]", "\"*.school.example\" is neither"),
        ("no_proxy = [\"a.example\", \"school.example:8443\"]", "\"school.example:8443\" is neither"),
        ("no_proxy = [\"192.0.2.0/33\"]", "\"192.0.2.0/33\" is neither"),
        ("no_proxy = [\"192.0.2\"]", "\"192.0.2\" is neither"),
        ("no_proxy = [\"school.example/24\"]", "\"school.example/24\" is neither"),
        ("no_proxy = [\"school.example.\"]", "\"school.example.\" is neither"),
        (
            "eap_method = \"peap\"\neap_identity = \"door\"\neap_password = \"x\"\neap_ca_file = \"/ca.pem\"\neap_inner = \"pap\"",
            "\"ttls\" only",
        ),
        ("eap_ca_file = \"probe://ca\"", "path of a file"),
        ("eap_certificate_file = \"/eap.crt\\nnetwork={\"", "path of a file"),
        ("eap_certificate_file = \"eap.crt\"", "path of a file"),
        ("eap_key_file = \"pkcs11:token=x\"", "path of a file"),
        ("eap_key_file = \"/eap\\\".key\"", "path of a file"),
    ] {
        let told = wrong(settings);
        assert!(told.contains(part), "{told}");
    }
}
