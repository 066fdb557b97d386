//! What is wrong with the network of this machine, as far as the machine itself can see: no link, a link
//! without an address, a certificate for 802.1X that is out of date, a log-in page that the network
//! announces.

mod certificates;

use std::path::{Path, PathBuf};
use std::time::Duration;

use time::OffsetDateTime;
use url::Host;

use base::failure::Fault;
use base::secret::SecretUrl;
pub use certificates::certificates;
pub(crate) use certificates::dates_of;
use config::{Config, EapMethod, Interface, Network};

/// Largest of the kernel's or systemd-networkd's files that is looked at.
const MAX_STATE: u64 = 16 * 1024;
/// For this long after its start a machine may still wait for its addresses.
const STARTS: Duration = Duration::from_secs(90);
/// Longest text from systemd-networkd that is shown.
const MAX_SHOWN: usize = 200;

/// Where the kernel and systemd-networkd tell of interfaces.
#[derive(Debug, Clone)]
pub struct System {
    /// The kernel's.
    pub interfaces: PathBuf,
    /// systemd-networkd's, a file for each interface.
    pub links: PathBuf,
}

impl Default for System {
    fn default() -> Self {
        Self { interfaces: "/sys/class/net".into(), links: "/run/systemd/netif/links".into() }
    }
}

/// An interface.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Link {
    /// Its name.
    pub name: String,
    /// Whether it is Wi-Fi.
    pub is_wifi: bool,
    /// Whether there is somebody at the other end.
    pub carrier: bool,
    /// Whether it has an address that others can reach, of IPv4 or IPv6.
    pub v4: bool,
    /// The same of IPv6.
    pub v6: bool,
    /// Whether systemd-networkd could not set it up.
    pub failed: bool,
    /// The address of the log-in page that the network announces (RFC 8910).
    pub log_in_page: Option<String>,
}

/// Everything that is wrong with this machine's network, each with what to do. `now` is the machine's time,
/// and `trusted` whether it is believed: an untrue clock is behind.
pub fn faults(system: &System, config: &Config, now: OffsetDateTime, trusted: bool) -> Vec<Fault> {
    let mut found = certificates(&config.network, now, trusted);
    if base::moment::since_boot() > STARTS
        && let Some(links) = links(system)
    {
        found.extend(judge(&links, config));
    }
    found
}

/// The physical interfaces and VLANs; `None` where systemd-networkd does not run, as at a desk, or there is
/// no such interface, as in a container.
fn links(system: &System) -> Option<Vec<Link>> {
    if !system.links.is_dir() {
        return None;
    }
    let mut links = Vec::new();
    for entry in std::fs::read_dir(&system.interfaces).ok()?.flatten() {
        let folder = entry.path();
        let name = entry.file_name().to_string_lossy().into_owned();
        if !folder.join("device").exists() && !name.starts_with("vlan") {
            continue;
        }
        let told = |file: &str| bounded(&folder.join(file)).unwrap_or_default().trim().to_owned();
        let state = bounded(&system.links.join(told("ifindex"))).unwrap_or_default();
        let says = |key: &str| state.lines().find_map(|line| line.strip_prefix(key)?.strip_prefix('='));
        links.push(Link {
            is_wifi: folder.join("wireless").exists() || folder.join("phy80211").exists(),
            carrier: told("carrier") == "1",
            v4: says("IPV4_ADDRESS_STATE") == Some("routable"),
            v6: says("IPV6_ADDRESS_STATE") == Some("routable"),
            failed: says("ADMIN_STATE") == Some("failed"),
            log_in_page: says("CAPTIVE_PORTAL").map(|page| page.chars().take(MAX_SHOWN).collect()),
            name,
        });
    }
    links.sort_by(|a, b| a.name.cmp(&b.name));
    (!links.is_empty()).then_some(links)
}

fn bounded(path: &Path) -> Option<String> {
    use std::io::Read as _;
    let mut text = String::new();
    std::fs::File::open(path).ok()?.take(MAX_STATE).read_to_string(&mut text).ok()?;
    Some(text)
}

/// What the interfaces say.
fn judge(links: &[Link], config: &Config) -> Vec<Fault> {
    let network = &config.network;
    let mut found = Vec::new();
    for link in links.iter().filter(|link| link.failed) {
        found.push(
            Fault::new(format!("the settings of the network cannot be put in force on {}", link.name))
                .advise("correct the section [network]; the log says what systemd-networkd does not take"),
        );
    }
    for (link, page) in links.iter().filter_map(|link| Some((link, link.log_in_page.as_ref()?))) {
        found.push(
            Fault::new(format!("the network at {} has a log-in page ({page})", link.name)).advise(
                "ask whoever looks after the network to let this device through without it, or connect the device to another \
                 network",
            ),
        );
    }
    let reachable: Vec<&Link> = links.iter().filter(|link| link.v4 || link.v6).collect();
    if reachable.is_empty() {
        found.push(unreachable(links, network));
    } else if !reachable.iter().any(|link| link.v4) {
        found.extend(needs_ipv4(config));
    }
    found
}

/// Why no other network can be reached.
fn unreachable(links: &[Link], network: &Network) -> Fault {
    let with_carrier: Vec<&Link> = links.iter().filter(|link| link.carrier).collect();
    let Some(link) = with_carrier.iter().find(|link| !link.is_wifi).or(with_carrier.first()) else {
        return Fault::new("the device is in no network: no cable has a link, and no Wi-Fi is joined").advise(
            "plug a cable in, or put wifi.txt on the card and check the network's name and password in it; recognition goes \
             on, and rows are kept",
        );
    };
    let is_meant = (network.interface == Interface::Wifi) == link.is_wifi;
    if network.eap_method.is_some() && is_meant {
        return Fault::new(format!(
            "{} has a link and no address: the network has not admitted the device (802.1X), or it gives no addresses",
            link.name
        ))
        .advise(match network.eap_method {
            Some(EapMethod::Tls) => {
                "ask whoever looks after the network whether it knows the device's certificate (network.eap_certificate_file), and \
                 check network.eap_identity, network.eap_ca_file and network.eap_server_name"
            }
            _ => {
                "check network.eap_identity, network.eap_password, network.eap_ca_file and network.eap_server_name; the log \
                 of the network's log-in server says what it refuses"
            }
        });
    }
    if !network.addresses.is_empty() && is_meant {
        return Fault::new(format!(
            "{} has a link, and its fixed address is not in use: another machine has it, or it cannot be set",
            link.name
        ))
        .advise("choose a free address for network.addresses");
    }
    Fault::new(format!("{} has a link and no address: nobody in this network gives one", link.name)).advise(
        "ask whoever looks after the network: it needs a DHCP server, or a fixed address in network.addresses; a port that \
         admits only known machines needs 802.1X (network.eap_method); a VLAN needs network.vlan",
    )
}

/// The servers that a network without IPv4 cannot reach by their addresses.
fn needs_ipv4(config: &Config) -> Vec<Fault> {
    let servers: [(&str, Option<&SecretUrl>); 5] = [
        ("photos.url", config.photos.url.as_ref()),
        ("webhook.url", config.webhook.url.as_ref()),
        ("update.url", config.update.url.as_ref()),
        ("fleet.url", config.fleet.url.as_ref()),
        ("network.proxy", config.network.proxy.as_ref()),
    ];
    let by_number = servers.into_iter().filter(|(_, url)| {
        matches!(url.and_then(|url| url.expose().host()), Some(Host::Ipv4(ip)) if !ip.is_loopback())
    });
    by_number
        .map(|(setting, _)| {
            Fault::new(format!("this network has IPv6 only, and {setting} names an IPv4 address")).advise(format!(
                "write the server's name into {setting}: the network's name server translates it (DNS64) if the network \
                 reaches IPv4 at all"
            ))
        })
        .collect()
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    fn cable(carrier: bool, v4: bool, v6: bool) -> Link {
        Link { name: "end0".to_owned(), carrier, v4, v6, ..Link::default() }
    }

    fn told(links: &[Link], settings: &str) -> Vec<String> {
        judge(links, &config::parse(settings).unwrap()).iter().map(ToString::to_string).collect()
    }

    const EAP: &str = "[network]\neap_method = \"peap\"\neap_identity = \"door\"\neap_password = \"x\"\neap_ca_file = \"/ca.pem\"\n";

    #[test]
    fn link_without_an_address_is_told_by_what_the_site_has_set() {
        assert_eq!(told(&[cable(true, true, false)], ""), Vec::<String>::new());
        for (settings, words) in [
            ("", "DHCP"),
            (EAP, "has not admitted the device (802.1X)"),
            ("[network]\naddresses = [\"192.0.2.10/24\"]\n", "another machine has it"),
        ] {
            let told = told(&[cable(true, false, false)], settings);
            assert!(told.len() == 1 && told[0].contains(words), "{settings}: {told:?}");
        }
        assert!(told(&[cable(false, false, false)], EAP)[0].contains("no cable has a link"));
        assert!(told(&[], "")[0].contains("no Wi-Fi is joined"));
    }

    #[test]
    fn ipv6_alone_is_enough_unless_a_server_is_named_by_an_ipv4_address() {
        let links = [cable(true, false, true)];
        assert_eq!(told(&links, "[photos]\nurl = \"https://backend.example/\"\n"), Vec::<String>::new());
        let by_number =
            "[photos]\nurl = \"https://192.0.2.7/\"\n[webhook]\nurl = \"http://127.0.0.1/\"\nkey = \"k\"\n";
        let told = told(&links, by_number);
        assert!(told.len() == 1 && told[0].contains("IPv6 only, and photos.url"), "{told:?}");
    }

    #[test]
    fn announced_log_in_page_and_failed_settings_are_told() {
        let page =
            Link { log_in_page: Some("https://login.example/".to_owned()), ..cable(true, true, false) };
        assert!(told(&[page], "")[0].contains("https://login.example/"));
        assert!(told(&[Link { failed: true, ..cable(true, true, false) }], "")[0].contains("[network]"));
    }

    #[test]
    fn interfaces_are_read_from_the_kernel_and_networkd() {
        let folder = tempfile::tempdir().unwrap();
        let system = System { interfaces: folder.path().join("net"), links: folder.path().join("links") };
        assert_eq!(links(&system), None);
        std::fs::create_dir_all(&system.links).unwrap();
        for (name, index, extra) in
            [("end0", "2", "device"), ("wlan0", "3", "device/x"), ("lo", "1", "queues")]
        {
            let interface = system.interfaces.join(name);
            std::fs::create_dir_all(interface.join(extra)).unwrap();
            std::fs::write(interface.join("ifindex"), format!("{index}\n")).unwrap();
            std::fs::write(interface.join("carrier"), "1\n").unwrap();
        }
        std::fs::create_dir(system.interfaces.join("wlan0/phy80211")).unwrap();
        let state = "ADMIN_STATE=configured\nIPV4_ADDRESS_STATE=off\nIPV6_ADDRESS_STATE=routable\n\
                     CAPTIVE_PORTAL=https://login.example/\n";
        std::fs::write(system.links.join("2"), state).unwrap();
        let found = links(&system).unwrap();
        assert_eq!(found.len(), 2);
        assert!(found[0].v6 && !found[0].v4 && found[0].carrier && found[0].log_in_page.is_some());
        assert!(found[1].is_wifi && !found[1].v6);
    }
}
