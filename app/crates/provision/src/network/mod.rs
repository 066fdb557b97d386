//! The section `[network]` as files of the programs that make the network: systemd-networkd, wpa_supplicant
//! (802.1X by wire), iwd (by air) and RAUC (the proxy). They are made again at each start, and when the page
//! changes the settings, so nothing stays that an earlier version or earlier settings wrote.

mod log_in;
pub mod state;

use std::fmt::Write as _;
use std::io;
use std::path::{Path, PathBuf};
use std::time::Duration;

use super::files::{remove, replace};
use base::failure::Fault;
use config::{Interface, Network};

/// What the names of our files for systemd-networkd have in common.
const OURS: [&str; 2] = ["40-attendance.", "41-attendance."];
/// The proxy, as the environment of RAUC.
const PROXY: &str = "proxy.env";
/// 802.1X by wire, for wpa_supplicant.
pub const WIRED: &str = "8021x.conf";
/// Folder with an empty file for each program whose file has changed, named after its unit. Another unit
/// watches it, and restarts these programs (`/usr/lib/attendance/network-changed`).
const CHANGED: &str = "changed";
/// The same while the files are being written. Whoever ends in between leaves it to the next to tell.
const CHANGING: &str = "changing";

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

/// Writes every file at a start, and removes what other settings left, also where there are no settings that
/// can be read: DHCP is used then.
///
/// # Errors
/// An error of the file system.
pub fn at_start(places: &Places, settings: &Path) -> io::Result<()> {
    let network = if settings.exists() {
        config::load(settings)
            .inspect_err(|wrong| log::error!("DHCP is used, for the settings cannot be read: {wrong}"))
            .map(|config| config.network)
            .unwrap_or_default()
    } else {
        Network::default()
    };
    write(places, &network)
}

/// Writes every file, and removes what other settings left.
///
/// # Errors
/// An error of the file system.
pub fn write(places: &Places, network: &Network) -> io::Result<()> {
    write_and_mark(places, network, |_| Ok(()))
}

/// The same. Each unit that reads its file once is given to `mark` before that file becomes another one.
fn write_and_mark(
    places: &Places,
    network: &Network,
    mark: impl Fn(&str) -> io::Result<()>,
) -> io::Result<()> {
    let files = files(network);
    for (name, content) in &files {
        replace(&places.networkd.join(name), content, 0o644)?;
    }
    let ours = |name: &str| OURS.iter().any(|start| name.starts_with(start));
    let stale = |name: &str| ours(name) && !files.iter().any(|(kept, _)| *kept == name);
    sweep(&places.networkd, stale, || Ok(()))?;
    // Both may hold a password.
    let environment = network.way().environment();
    let lines = environment.iter().map(|(name, value)| format!("{name}=\"{}\"\n", value.expose())).collect();
    let lines = Some(lines).filter(|lines: &String| !lines.is_empty());
    keep(&places.own.join(PROXY), lines, || mark("rauc.service"))?;
    keep(&places.own.join(WIRED), log_in::wired(network), || mark("attendance-8021x.service"))?;
    // iwd sees another file, but stays with the network that it has joined by the one before.
    let by_air = log_in::by_air(network);
    if let Some((name, content)) = &by_air {
        keep(&places.iwd.join(name), Some(content.clone()), || mark("iwd.service"))?;
    }
    let kept = by_air.map(|(name, _)| name);
    let stale = |name: &str| name.ends_with(".8021x") && kept.as_deref() != Some(name);
    sweep(&places.iwd, stale, || mark("iwd.service"))
}

/// A file for root alone, or none; `mark` comes before a change.
fn keep(path: &Path, content: Option<String>, mark: impl Fn() -> io::Result<()>) -> io::Result<()> {
    match content {
        Some(content) if std::fs::read_to_string(path).is_ok_and(|present| present == content) => Ok(()),
        Some(content) => mark().and_then(|()| replace(path, &content, 0o600)),
        None if !path.try_exists()? => Ok(()),
        None => mark().and_then(|()| remove(path)),
    }
}

/// Removes the files of these names; `mark` comes before each.
fn sweep(folder: &Path, stale: impl Fn(&str) -> bool, mark: impl Fn() -> io::Result<()>) -> io::Result<()> {
    for path in paths(folder)? {
        if path.file_name().and_then(|name| name.to_str()).is_some_and(&stale) {
            mark()?;
            remove(&path)?;
        }
    }
    Ok(())
}

/// What lies in a folder, which need not be there.
fn paths(folder: &Path) -> io::Result<Vec<PathBuf>> {
    match std::fs::read_dir(folder) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(Vec::new()),
        entries => entries?.map(|entry| entry.map(|entry| entry.path())).collect(),
    }
}

/// Puts these settings in force on the running machine: a unit restarts those that read their file once, if
/// it has changed, and systemd-networkd is told by `reload`. Whoever is ended in between can do it again:
/// what has changed is noted before.
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
    let changing = places.own.join(CHANGING);
    let mark = |unit: &str| {
        std::fs::create_dir_all(&changing)?;
        std::fs::write(changing.join(unit), "")
    };
    let written = write_and_mark(places, network, mark);
    // Also after an error: nobody finds out later that these files are others.
    let told = tell(&changing, &places.own.join(CHANGED));
    written.and(told).and_then(|()| reload()).map_err(failed)
}

/// Lets the marked units be restarted.
fn tell(changing: &Path, changed: &Path) -> io::Result<()> {
    for marked in paths(changing)? {
        std::fs::create_dir_all(changed)?;
        let Some(unit) = marked.file_name() else { continue };
        std::fs::rename(&marked, changed.join(unit))?;
    }
    Ok(())
}

/// For systemd-networkd's answer. Twice this, for the settings and for those before, is less than the time of
/// the unit that waits for it (attendance-settings.service).
const ANSWER: Duration = Duration::from_secs(8);

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
#[path = "network_tests.rs"]
mod tests;
