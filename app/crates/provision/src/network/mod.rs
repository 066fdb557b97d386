//! The section `[network]` as files of those who make the network: systemd-networkd, wpa_supplicant (802.1X
//! by wire), iwd (by air) and RAUC (the proxy). They are made again at each start, and when the page changes
//! the settings: what an earlier version or earlier settings wrote does not stay.

mod log_in;
pub mod state;

use std::fmt::Write as _;
use std::io;
use std::path::{Path, PathBuf};
use std::time::Duration;

use super::import::replace;
use base::failure::Fault;
use config::{Interface, Network};

/// What the names of our files for systemd-networkd have in common.
const OURS: [&str; 2] = ["40-attendance.", "41-attendance."];
/// The proxy, as the environment of RAUC.
const PROXY: &str = "proxy.env";
/// 802.1X by wire, for wpa_supplicant.
pub const WIRED: &str = "8021x.conf";
/// Written anew when the others have changed: a unit watches it, and starts anew who reads them once.
const CHANGED: &str = "changed";

/// Where the files lie: all last until the machine is switched off, but for iwd's.
#[derive(Debug, Clone)]
pub struct Places {
    /// Where systemd-networkd looks.
    pub networkd: PathBuf,
    /// Our own folder, for the files of the others.
    pub own: PathBuf,
    /// iwd's folder of known networks.
    pub iwd: PathBuf,
}

impl Default for Places {
    fn default() -> Self {
        Self {
            networkd: "/run/systemd/network".into(),
            own: "/run/attendance-network".into(),
            iwd: "/var/lib/iwd".into(),
        }
    }
}

/// The files of systemd-networkd for these settings, name and content; none where DHCP says all.
pub fn files(network: &Network) -> Vec<(&'static str, String)> {
    let says_nothing = network.addresses.is_empty()
        && network.dns.is_empty()
        && network.ntp.is_empty()
        && network.vlan.is_none();
    if says_nothing {
        return Vec::new();
    }
    let (kind, metric) = match network.interface {
        Interface::Ethernet => ("Type=ether\nKind=!*", 100),
        Interface::Wifi => ("Type=wlan", 600),
    };
    let Some(number) = network.vlan else {
        return vec![("40-attendance.network", of_interface(kind, metric, network))];
    };
    // Another number is another interface: systemd-networkd changes none that is there.
    let name = format!("vlan{number}");
    vec![
        ("40-attendance.netdev", format!("[NetDev]\nName={name}\nKind=vlan\n\n[VLAN]\nId={number}\n")),
        // The cable itself keeps an address of its own, by which a laptop on it finds the device.
        (
            "40-attendance.network",
            format!(
                "[Match]\n{kind}\n\n[Network]\nVLAN={name}\nDHCP=no\nLinkLocalAddressing=yes\nMulticastDNS=yes\nLLMNR=no\n\n[Link]\n\
                 RequiredForOnline=no\n"
            ),
        ),
        ("41-attendance.network", of_interface(&format!("Name={name}"), metric, network)),
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
    lines("DNS", &network.dns.iter().map(ToString::to_string).collect::<Vec<_>>());
    lines("NTP", &network.ntp);
    for address in &network.addresses {
        // One that another machine has is not used, which is then reported.
        let _ = write!(text, "\n[Address]\nAddress={address}\nDuplicateAddressDetection=both\n");
    }
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

/// Writes every file, and removes what other settings left.
///
/// # Errors
/// What the file system says.
pub fn write(places: &Places, network: &Network) -> io::Result<()> {
    let files = files(network);
    for (name, content) in &files {
        replace(&places.networkd.join(name), content, 0o644)?;
    }
    let ours = |name: &str| OURS.iter().any(|start| name.starts_with(start));
    sweep(&places.networkd, |name| ours(name) && !files.iter().any(|(kept, _)| *kept == name))?;
    // Both may hold a password.
    let environment = network.way().environment();
    let lines = environment.iter().map(|(name, value)| format!("{name}=\"{}\"\n", value.expose())).collect();
    keep(&places.own.join(PROXY), Some(lines).filter(|lines: &String| !lines.is_empty()))?;
    keep(&places.own.join(WIRED), log_in::wired(network))?;
    let by_air = log_in::by_air(network);
    if let Some((name, content)) = &by_air {
        replace(&places.iwd.join(name), content, 0o600)?;
    }
    let kept = by_air.map(|(name, _)| name);
    sweep(&places.iwd, |name| name.ends_with(".8021x") && kept.as_deref() != Some(name))
}

/// A file for root alone, or none.
fn keep(path: &Path, content: Option<String>) -> io::Result<()> {
    match content {
        Some(content) => replace(path, &content, 0o600),
        None => remove(path),
    }
}

fn remove(path: &Path) -> io::Result<()> {
    match std::fs::remove_file(path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
        _ => Ok(()),
    }
}

/// Removes the files of these names.
fn sweep(folder: &Path, stale: impl Fn(&str) -> bool) -> io::Result<()> {
    let entries = match std::fs::read_dir(folder) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
        entries => entries?,
    };
    for entry in entries {
        let entry = entry?;
        if entry.file_name().to_str().is_some_and(&stale) {
            remove(&entry.path())?;
        }
    }
    Ok(())
}

/// Puts these settings in force on the running machine: systemd-networkd is told by `reload`, and a unit
/// starts anew who reads its file once.
///
/// # Errors
/// What is wrong and what to do.
pub fn apply(
    places: &Places,
    network: &Network,
    reload: impl FnOnce() -> io::Result<()>,
) -> Result<(), Fault> {
    let failed = |error: io::Error| {
        Fault::new(format!("the settings of the network cannot be put in force: {error}"))
            .advise("the ones before hold; try again, or restart the device and try then")
    };
    write(places, network).map_err(failed)?;
    reload().map_err(failed)?;
    replace(&places.own.join(CHANGED), "", 0o600).map_err(failed)
}

/// For systemd-networkd's answer.
const ANSWER: Duration = Duration::from_secs(15);

#[zbus::proxy(
    interface = "org.freedesktop.network1.Manager",
    default_service = "org.freedesktop.network1",
    default_path = "/org/freedesktop/network1"
)]
trait Manager {
    fn reload(&self) -> zbus::Result<()>;
}

/// Lets systemd-networkd read its files again, and set the interfaces up that they are about. (Not by
/// `networkctl reload`, which refuses to work in a network namespace of its own, as the helper's unit is in.)
///
/// # Errors
/// What the bus or systemd-networkd says.
pub fn reload() -> io::Result<()> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let asked = async {
        let bus = zbus::Connection::system().await?;
        ManagerProxy::new(&bus).await?.reload().await
    };
    let answer = runtime.block_on(async { tokio::time::timeout(ANSWER, asked).await });
    match answer {
        Ok(Ok(())) => Ok(()),
        Ok(Err(error)) => Err(io::Error::other(format!("systemd-networkd: {error}"))),
        Err(_) => {
            Err(io::Error::other(format!("systemd-networkd did not answer within {} s", ANSWER.as_secs())))
        }
    }
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

    #[test]
    fn reload_that_fails_is_told_and_one_that_works_wakes_the_others() {
        let folder = tempfile::tempdir().unwrap();
        let places = places(folder.path());
        let network = Network::default();
        let fault = apply(&places, &network, || Err(io::Error::other("no bus"))).unwrap_err();
        assert!(fault.to_string().contains("no bus") && !places.own.join(CHANGED).exists());
        apply(&places, &network, || Ok(())).unwrap();
        assert!(places.own.join(CHANGED).exists());
    }
}
