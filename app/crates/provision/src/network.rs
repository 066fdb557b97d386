//! The section `[network]` as files of systemd-networkd, made again at each start: what an earlier version or
//! earlier settings wrote does not stay.

use std::fmt::Write as _;
use std::io;
use std::path::Path;

use super::import::replace;
use config::{Interface, Network};

/// Where systemd-networkd looks for files that last until the machine is switched off.
pub const FOLDER: &str = "/run/systemd/network";

/// The VLAN's interface.
const VLAN: &str = "site";

/// The files for these settings, name and content; none where DHCP says all.
pub fn files(network: &Network) -> Vec<(&'static str, String)> {
    if *network == Network::default() {
        return Vec::new();
    }
    let (kind, metric) = match network.interface {
        Interface::Ethernet => ("Type=ether\nKind=!*", 100),
        Interface::Wifi => ("Type=wlan", 600),
    };
    let Some(number) = network.vlan else {
        return vec![("40-attendance.network", of_interface(kind, metric, network))];
    };
    vec![
        ("40-attendance.netdev", format!("[NetDev]\nName={VLAN}\nKind=vlan\n\n[VLAN]\nId={number}\n")),
        // The cable itself keeps an address of its own, by which a laptop on it finds the device.
        (
            "40-attendance.network",
            format!(
                "[Match]\n{kind}\n\n[Network]\nVLAN={VLAN}\nDHCP=no\nLinkLocalAddressing=yes\nMulticastDNS=yes\nLLMNR=no\n\n[Link]\n\
                 RequiredForOnline=no\n"
            ),
        ),
        ("41-attendance.network", of_interface(&format!("Name={VLAN}"), metric, network)),
    ]
}

/// One interface with everything that the site says. Link-local addresses stay: whoever wrote a wrong address
/// still reaches the device from the same cable.
fn of_interface(kind: &str, metric: u32, network: &Network) -> String {
    let dhcp = if network.addresses.is_empty() { "yes" } else { "no" };
    let mut text = format!(
        "[Match]\n{kind}\n\n[Network]\nDHCP={dhcp}\nLinkLocalAddressing=yes\nMulticastDNS=yes\nLLMNR=no\n"
    );
    if network.interface == Interface::Wifi {
        text.push_str("IgnoreCarrierLoss=5s\n");
    }
    let mut lines = |key: &str, values: &[String]| {
        for value in values {
            let _ = writeln!(text, "{key}={value}");
        }
    };
    lines("Address", &network.addresses.iter().map(ToString::to_string).collect::<Vec<_>>());
    lines("DNS", &network.dns.iter().map(ToString::to_string).collect::<Vec<_>>());
    lines("NTP", &network.ntp);
    for gateway in &network.gateways {
        let _ = write!(text, "\n[Route]\nGateway={gateway}\nMetric={metric}\n");
    }
    let use_dns = if network.dns.is_empty() { "yes" } else { "no" };
    let use_ntp = if network.ntp.is_empty() { "yes" } else { "no" };
    let _ = write!(
        text,
        "\n[Link]\nRequiredForOnline=no\n\n[DHCPv4]\nClientIdentifier=mac\nRouteMetric={metric}\nUseDomains=yes\nUseDNS={use_dns}\n\
         UseNTP={use_ntp}\n\n[DHCPv6]\nDUIDType=link-layer\nUseDNS={use_dns}\nUseNTP={use_ntp}\n"
    );
    text
}

/// Writes the files into `folder`.
///
/// # Errors
/// What the file system says.
pub fn write(folder: &Path, network: &Network) -> io::Result<()> {
    for (name, content) in files(network) {
        replace(&folder.join(name), &content, 0o644)?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
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
        assert!(made[1].1.contains("VLAN=site") && !made[1].1.contains("Address="), "{}", made[1].1);
        assert!(
            made[2].1.contains("Name=site") && made[2].1.contains("Address=192.0.2.10/24"),
            "{}",
            made[2].1
        );
    }

    #[test]
    fn files_are_written_where_networkd_reads_them() {
        let folder = tempfile::tempdir().unwrap();
        let network = config::parse("[network]\nvlan = 3\n").unwrap().network;
        write(folder.path(), &network).unwrap();
        assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 3);
    }
}
