//! The section `[network]`: what a site without DHCP, or with a network of its own for machines, has to say.

mod address;

pub use address::FixedAddress;
use backend::config::Proxy;
use base::secret::{Secret, SecretUrl};
use base::unworkable::Unworkable;
use std::net::IpAddr;
use std::path::{Path, PathBuf};

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// The network, where DHCP does not say all of it. What the page changes is on trial until a browser has
/// reached the page with it. Whatever stands here, the device can also be reached as NAME.local on the same
/// cable.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Network {
    /// What the following fields are about: "ethernet" or "wifi". The other one uses DHCP.
    pub interface: Interface,
    /// Name of the Wi-Fi network that wants 802.1X (network.eap_method). Others stand in wifi.txt on the
    /// card.
    pub wifi_name: Option<String>,
    /// Fixed addresses, each with the length of its network, for example ["192.0.2.10/24"]. Empty: DHCP.
    pub addresses: Vec<FixedAddress>,
    /// Routers to other networks, for example ["192.0.2.1"]. They need fixed addresses.
    pub gateways: Vec<IpAddr>,
    /// Name servers, for example ["192.0.2.53"]. Empty: those that DHCP names.
    pub dns: Vec<IpAddr>,
    /// Time servers, names or addresses. Empty: those that DHCP names, otherwise Debian's on the internet.
    pub ntp: Vec<String>,
    /// Number of the VLAN whose tagged frames the device uses on its cable, 1 to 4094. Without it: untagged.
    pub vlan: Option<u16>,
    /// How the device logs in where the network admits only known machines (802.1X): "peap" or "ttls" with
    /// identity and password, "tls" with a certificate. Without it: no log-in.
    pub eap_method: Option<EapMethod>,
    /// Who the device is, as the network knows it, for example "door-3@school.example".
    pub eap_identity: Option<String>,
    /// What is shown in clear in the place of the identity, for example "anonymous@school.example". For
    /// "peap" and "ttls".
    pub eap_anonymous_identity: Option<String>,
    /// The password, for "peap" and "ttls".
    #[schemars(with = "Option<String>")]
    pub eap_password: Option<Secret>,
    /// How the password is sent within "ttls": "mschapv2", or "pap" where the network wants that.
    pub eap_inner: EapInner,
    /// PEM file of the authority that signed the certificate of the network's log-in server:
    /// "/etc/attendance/eap-ca.pem" when it came as eap-ca.pem by the card. Needed: without it anybody could
    /// ask for the password.
    pub eap_ca_file: Option<PathBuf>,
    /// Name that the log-in server's certificate must be for, for example "radius.school.example". Needed
    /// where the authority signs for everybody.
    pub eap_server_name: Option<String>,
    /// PEM file of the device's own certificate, for "tls": "/etc/attendance/eap.crt" from the card's
    /// eap.crt.
    pub eap_certificate_file: Option<PathBuf>,
    /// PEM file of its key, without a password: "/etc/attendance/eap.key" from the card's eap.key.
    pub eap_key_file: Option<PathBuf>,
    /// HTTP proxy through which photos, webhook, updates and fleet are asked, for example
    /// "http://proxy.example:3128". Where it wants a user and a password:
    /// "http://USER:PASSWORD@proxy.example:3128", with %40 for an "@" in them, %3A for a ":" and %2F for a
    /// "/". MQTT and time servers are asked directly.
    #[schemars(with = "Option<String>")]
    pub proxy: Option<SecretUrl>,
    /// Names (with everything below them), addresses and networks that are asked without the proxy, for
    /// example ["school.example", "192.0.2.0/24"]. The device itself never is asked through it.
    pub no_proxy: Vec<String>,
}

/// How the device logs in to a network (802.1X).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum EapMethod {
    /// With identity and password, within TLS.
    Peap,
    /// The same in another form.
    Ttls,
    /// With a certificate.
    Tls,
}

/// How the password is sent within "ttls".
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum EapInner {
    /// By a challenge.
    #[default]
    Mschapv2,
    /// As it is.
    Pap,
}

/// Which of the board's interfaces is meant.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Interface {
    /// Any cable.
    #[default]
    Ethernet,
    /// Wi-Fi.
    Wifi,
}

/// Longest name of a time server.
const LONGEST_NAME: usize = 253;

/// Whether a path can stand in the files of wpa_supplicant and iwd: both also take other things than files
/// ("pkcs11:", "blob://").
fn is_plain_file_name(path: &Path) -> bool {
    path.is_absolute()
        && path.to_str().is_some_and(|text| {
            text.len() <= LONGEST_NAME && !text.contains(|sign: char| sign.is_control() || sign == '"')
        })
}

/// Whether a server can be meant by this entry of `no_proxy`: a name, an address or a network.
fn can_be_excepted(entry: &str) -> bool {
    if let Some((ip, prefix)) = entry.split_once('/') {
        let most = ip.parse().map(|ip: IpAddr| if ip.is_ipv4() { 32 } else { 128 });
        return most.is_ok_and(|most| prefix.parse().is_ok_and(|prefix: u8| (1..=most).contains(&prefix)));
    }
    if entry.parse::<IpAddr>().is_ok() {
        return true;
    }
    let name = entry.strip_prefix('.').unwrap_or(entry);
    let is_label = |label: &str| {
        !label.is_empty() && label.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-')
    };
    // A name whose last part is a number is an address with a fault.
    let is_number = |label: &str| label.bytes().all(|byte| byte.is_ascii_digit());
    name.len() <= LONGEST_NAME
        && name.split('.').all(is_label)
        && !name.rsplit('.').next().is_some_and(is_number)
}

impl Network {
    /// The way to the servers.
    pub fn way(&self) -> Proxy {
        Proxy { url: self.proxy.clone(), except: self.no_proxy.clone() }
    }

    /// What is missing for 802.1X, or cannot be used with it.
    fn check_log_in(&self, add: &mut impl FnMut(&'static [&'static str], String)) {
        let texts: [(&'static [&'static str], Option<&str>); 5] = [
            (&["network.wifi_name"], self.wifi_name.as_deref()),
            (&["network.eap_identity"], self.eap_identity.as_deref()),
            (&["network.eap_anonymous_identity"], self.eap_anonymous_identity.as_deref()),
            (&["network.eap_password"], self.eap_password.as_ref().map(Secret::expose)),
            (&["network.eap_server_name"], self.eap_server_name.as_deref()),
        ];
        for (setting, text) in texts {
            if text.is_some_and(|text| {
                text.is_empty() || text.len() > LONGEST_NAME || text.contains(char::is_control)
            }) {
                add(setting, format!("must have 1 to {LONGEST_NAME} bytes and no line ends"));
            }
        }
        let files: [(&'static [&'static str], Option<&PathBuf>); 3] = [
            (&["network.eap_ca_file"], self.eap_ca_file.as_ref()),
            (&["network.eap_certificate_file"], self.eap_certificate_file.as_ref()),
            (&["network.eap_key_file"], self.eap_key_file.as_ref()),
        ];
        for (setting, file) in files {
            if let Some(path) = file.filter(|path| !is_plain_file_name(path)) {
                add(
                    setting,
                    format!(
                        "{path:?} is not the path of a file from \"/\" on, with at most {LONGEST_NAME} bytes and neither line ends nor \
                         quotation marks"
                    ),
                );
            }
        }
        if self.wifi_name.as_ref().is_some_and(|name| name.len() > 32) {
            add(&["network.wifi_name"], "has more than 32 bytes".to_owned());
        }
        let Some(method) = self.eap_method else { return };
        let with_certificate = method == EapMethod::Tls;
        if self.eap_inner == EapInner::Pap && method != EapMethod::Ttls {
            add(
                &["network.eap_inner", "network.eap_method"],
                "\"pap\" is for network.eap_method = \"ttls\" only; remove it, or change the method"
                    .to_owned(),
            );
        }
        let mut needs = |is_there: bool, setting: &'static [&'static str], why: &str| {
            if !is_there {
                add(setting, format!("is missing; {why}"));
            }
        };
        needs(self.eap_identity.is_some(), &["network.eap_identity"], "network.eap_method needs it");
        needs(
            self.eap_ca_file.is_some(),
            &["network.eap_ca_file"],
            "without it the device would log in at anybody who calls themselves the school's network",
        );
        needs(
            with_certificate || self.eap_password.is_some(),
            &["network.eap_password"],
            "\"peap\" and \"ttls\" need it",
        );
        needs(
            !with_certificate || self.eap_certificate_file.is_some(),
            &["network.eap_certificate_file"],
            "\"tls\" needs it",
        );
        needs(
            !with_certificate || self.eap_key_file.is_some(),
            &["network.eap_key_file"],
            "\"tls\" needs it",
        );
        needs(
            self.interface == Interface::Ethernet || self.wifi_name.is_some(),
            &["network.wifi_name"],
            "802.1X by air needs the network's name",
        );
    }

    /// Values that cannot work together.
    pub(super) fn problems(&self) -> Vec<Unworkable> {
        let mut found = Vec::new();
        let mut add =
            |settings: &'static [&'static str], what: String| found.push(Unworkable { settings, what });
        if !self.gateways.is_empty() && self.addresses.is_empty() {
            add(
                &["network.gateways", "network.addresses"],
                "needs network.addresses; without fixed addresses DHCP names the router".to_owned(),
            );
        }
        for gateway in &self.gateways {
            let is_local = matches!(gateway, IpAddr::V6(ip) if ip.is_unicast_link_local());
            let reachable = self.addresses.iter().any(|address| address.contains(*gateway));
            if self.addresses.iter().any(|address| address.ip == *gateway) {
                add(&["network.gateways"], format!("{gateway} is the device's own address"));
            } else if !self.addresses.is_empty() && !is_local && !reachable {
                add(
                    &["network.gateways"],
                    format!(
                        "{gateway} is in none of the networks of network.addresses; compare the address and the length \
                     behind the \"/\""
                    ),
                );
            }
        }
        let names = |name: &String| {
            let plain = |byte: u8| byte.is_ascii_alphanumeric() || b".-:".contains(&byte);
            !name.is_empty() && name.len() <= LONGEST_NAME && name.bytes().all(plain)
        };
        if let Some(wrong) = self.ntp.iter().find(|name| !names(name)) {
            add(&["network.ntp"], format!("{wrong:?} is neither a name nor an address"));
        }
        if let Some(proxy) = self.proxy.as_ref().map(SecretUrl::expose) {
            let is_bare = proxy.path() == "/" && proxy.query().is_none();
            if proxy.scheme() != "http" || !is_bare {
                add(
                    &["network.proxy"],
                    "must be of the form http://HOST:PORT or http://USER:PASSWORD@HOST:PORT; a proxy that itself wants \
                     https, SOCKS or a PAC file cannot be used"
                        .to_owned(),
                );
            }
        }
        for wrong in self.no_proxy.iter().filter(|entry| !can_be_excepted(entry)) {
            add(
                &["network.no_proxy"],
                format!(
                    "{wrong:?} is neither a name nor an address nor a network, such as \"school.example\", \"192.0.2.7\" or \
                     \"192.0.2.0/24\"; a port does not belong to it"
                ),
            );
        }
        self.check_log_in(&mut add);
        if let Some(number) = self.vlan {
            if !(1..=4094).contains(&number) {
                add(&["network.vlan"], format!("is {number}; allowed is 1 to 4094"));
            }
            if self.interface == Interface::Wifi {
                add(
                    &["network.vlan"],
                    "is for a cable; remove it, or set network.interface = \"ethernet\"".to_owned(),
                );
            }
        }
        found
    }
}

#[cfg(test)]
#[path = "network_tests.rs"]
mod tests;
