//! The network as a machine has it, whoever answers at its other end: its interfaces, and the units that make
//! use of them.
//!
//! A new system that lost the driver of the network card, its addresses or its firewall works on, and nobody
//! reaches it any more. So what there was before an update must be there after it. Whether anything can be
//! reached is no question here. Reference: the kernel's Documentation/ABI/testing/sysfs-class-net.

use std::path::Path;
use std::time::Duration;

use serde::{Deserialize, Serialize};
use tokio::process::Command;
use tokio::time::timeout;

/// Where the kernel shows its network interfaces.
pub const INTERFACES: &str = "/sys/class/net";

/// The units that must be active again: the firewall, the addresses, Wi-Fi where the site has it. The list is
/// that of the version on trial: one that does with other units has another.
const UNITS: [&str; 3] = ["nftables.service", "systemd-networkd.service", "iwd.service"];

/// For systemd's answer.
const LIMIT: Duration = Duration::from_secs(20);

/// `addr_assign_type` of an address that is the card's own.
const OWN_ADDRESS: &str = "0";

/// What a machine has for the network.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Network {
    /// The built-in interfaces. One on USB may be pulled at any time and would send every later update back:
    /// it does not count.
    pub interfaces: Vec<Interface>,
    /// The units for the network that are active.
    pub units: Vec<String>,
}

/// A built-in network interface.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Interface {
    /// Its name. Another version may name it otherwise.
    pub name: String,
    /// The card's own hardware address, by which a site's network may admit it; none where the system made
    /// one up.
    pub address: Option<String>,
    /// Whether it is Wi-Fi.
    pub wireless: bool,
}

impl Network {
    /// What this machine has now.
    pub async fn of_machine() -> Self {
        Self { interfaces: interfaces(Path::new(INTERFACES)), units: active_units().await }
    }

    /// The first thing that was there and is not any more, in `now`.
    ///
    /// # Errors
    /// What is missing, in words.
    pub fn is_kept_in(&self, now: &Self) -> Result<(), String> {
        let mut left: Vec<_> = now.interfaces.iter().collect();
        // Those with an address of their own first: any other would do for the rest.
        let (own, others): (Vec<_>, Vec<_>) =
            self.interfaces.iter().partition(|known| known.address.is_some());
        for known in own.into_iter().chain(others) {
            let found = left.iter().position(|found| match &known.address {
                Some(address) => found.address.as_ref() == Some(address),
                None => found.wireless == known.wireless,
            });
            match found {
                Some(at) => {
                    left.swap_remove(at);
                }
                None => {
                    return Err(format!(
                        "the network interface {} of the previous system is missing",
                        known.name
                    ));
                }
            }
        }
        let missing = |unit: &&String| UNITS.contains(&unit.as_str()) && !now.units.contains(unit);
        match self.units.iter().find(missing) {
            Some(unit) => Err(format!("{unit} is not active")),
            None => Ok(()),
        }
    }
}

/// The built-in interfaces: those of a device that does not hang on USB. What cannot be read is none.
fn interfaces(class: &Path) -> Vec<Interface> {
    let entries = std::fs::read_dir(class).into_iter().flatten().flatten();
    let mut found: Vec<_> = entries
        .filter_map(|entry| {
            let folder = entry.path();
            let device = folder.join("device").canonicalize().ok()?;
            let on_usb = device.components().any(|part| is_usb(part.as_os_str().as_encoded_bytes()));
            let read = |file| {
                std::fs::read_to_string(folder.join(file)).ok().map(|text: String| text.trim().to_owned())
            };
            let is_own = read("addr_assign_type").is_some_and(|kind| kind == OWN_ADDRESS);
            (!on_usb).then(|| Interface {
                name: entry.file_name().to_string_lossy().into_owned(),
                address: read("address").filter(|_| is_own),
                wireless: ["wireless", "phy80211"].iter().any(|name| folder.join(name).exists()),
            })
        })
        .collect();
    found.sort_by(|one, other| one.name.cmp(&other.name));
    found
}

/// `usb1`, the root of every path on a USB bus.
fn is_usb(part: &[u8]) -> bool {
    part.strip_prefix(b"usb")
        .is_some_and(|number| !number.is_empty() && number.iter().all(u8::is_ascii_digit))
}

/// Which of [`UNITS`] are active; none when systemd does not answer.
async fn active_units() -> Vec<String> {
    let asked = Command::new("systemctl").arg("is-active").args(UNITS).kill_on_drop(true).output();
    let Ok(Ok(done)) = timeout(LIMIT, asked).await else { return Vec::new() };
    // One line for each, and an exit code that says whether all are.
    let said = String::from_utf8_lossy(&done.stdout);
    UNITS
        .iter()
        .zip(said.lines())
        .filter(|(_, state)| *state == "active")
        .map(|(unit, _)| (*unit).to_owned())
        .collect()
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use std::os::unix::fs::symlink;

    use proptest::prelude::*;

    use super::*;

    fn card(name: &str, address: Option<&str>, wireless: bool) -> Interface {
        Interface { name: name.to_owned(), address: address.map(str::to_owned), wireless }
    }

    fn network(interfaces: &[Interface], units: &[&str]) -> Network {
        Network {
            interfaces: interfaces.to_vec(),
            units: units.iter().map(|unit| (*unit).to_owned()).collect(),
        }
    }

    #[test]
    fn built_in_interfaces_are_listed() {
        let folder = tempfile::tempdir().unwrap();
        let class = folder.path().join("class/net");
        let add = |name: &str, device: Option<&str>, assigned: &str| {
            let interface = class.join(name);
            std::fs::create_dir_all(&interface).unwrap();
            std::fs::write(interface.join("address"), format!("d8:3a:dd:00:00:{:02x}\n", name.len()))
                .unwrap();
            std::fs::write(interface.join("addr_assign_type"), format!("{assigned}\n")).unwrap();
            if let Some(device) = device {
                let device = folder.path().join(device);
                std::fs::create_dir_all(&device).unwrap();
                symlink(device, interface.join("device")).unwrap();
            }
        };
        add("lo", None, "0");
        add("end0", Some("devices/platform/axi/1000120000.pcie/1f00100000.ethernet"), "0");
        add("wlan00", Some("devices/platform/axi/1001100000.mmc/mmc1:0001:1"), "3");
        std::fs::create_dir(class.join("wlan00/phy80211")).unwrap();
        add("enxd83add", Some("devices/platform/axi/xhci-hcd.0/usb1/1-1/1-1:1.0"), "0");
        let expected = [card("end0", Some("d8:3a:dd:00:00:04"), false), card("wlan00", None, true)];
        assert_eq!(interfaces(&class), expected);
        assert_eq!(interfaces(&folder.path().join("none")), []);
    }

    #[test]
    fn lost_interfaces_are_faults() {
        let before = network(
            &[card("eth0", Some("a"), false), card("wlan0", None, true)],
            &["nftables.service", "systemd-networkd.service"],
        );
        assert_eq!(before.is_kept_in(&before), Ok(()));
        let renamed = network(
            &[card("wlan1", Some("c"), true), card("end0", Some("a"), false)],
            &["systemd-networkd.service"],
        );
        assert_eq!(before.is_kept_in(&renamed).unwrap_err(), "nftables.service is not active");
        // The school's network admits the machine by its address.
        let another = Network {
            interfaces: vec![card("eth0", Some("b"), false), card("wlan0", None, true)],
            ..before.clone()
        };
        assert!(before.is_kept_in(&another).unwrap_err().contains("eth0"));
        let wired = Network { interfaces: vec![card("eth0", Some("a"), false)], ..before.clone() };
        assert!(before.is_kept_in(&wired).unwrap_err().contains("wlan0"));
        assert_eq!(
            Network::default().is_kept_in(&Network::default()),
            Ok(()),
            "an older version noted nothing"
        );
        let later = network(&[], &["a-later-versions.service"]);
        assert_eq!(later.is_kept_in(&Network::default()), Ok(()), "a unit unknown here");
    }

    fn any_network() -> impl Strategy<Value = Network> {
        let interface = ("[a-c]{1,2}", proptest::option::of("[0-3]"), any::<bool>());
        let interfaces = proptest::collection::vec(interface, 0..4).prop_map(|all| {
            let mut taken = std::collections::BTreeSet::new();
            all.into_iter()
                .filter(|(_, address, _)| {
                    address.as_ref().is_none_or(|address| taken.insert(address.clone()))
                })
                .map(|(name, address, wireless)| Interface { name, address, wireless })
                .collect()
        });
        let units = proptest::sample::subsequence(UNITS.to_vec(), 0..=UNITS.len());
        (interfaces, units).prop_map(|(interfaces, units): (Vec<Interface>, _)| network(&interfaces, &units))
    }

    proptest! {
        #[test]
        fn only_losses_are_faults(
            before in any_network(),
            more in any_network(),
            order in any::<prop::sample::Index>(),
            lost in any::<prop::sample::Index>(),
        ) {
            let mut now = before.clone();
            now.interfaces.extend(more.interfaces.iter().filter(|new| new.address.is_none()).cloned());
            now.units.extend(more.units.clone());
            if !now.interfaces.is_empty() {
                let turn = order.index(now.interfaces.len());
                now.interfaces.rotate_left(turn);
            }
            prop_assert_eq!(before.is_kept_in(&now), Ok(()));
            if !before.interfaces.is_empty() {
                let mut now = before.clone();
                now.interfaces.remove(lost.index(before.interfaces.len()));
                prop_assert!(before.is_kept_in(&now).is_err());
            }
        }
    }
}
