//! A fixed address of the section `[network]`.

use std::fmt;
use std::net::IpAddr;
use std::str::FromStr;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// An address and the length of its network.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(try_from = "String", into = "String")]
#[schemars(with = "String")]
pub struct FixedAddress {
    /// The address.
    pub ip: IpAddr,
    /// How many of its bits name the network.
    pub prefix: u8,
}

/// A text that is not a fixed address.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
pub enum NoAddress {
    /// Not of the form ADDRESS/LENGTH.
    #[error(
        "{text:?} is not an address with the length of its network, such as \"192.0.2.10/24\" or \"2001:db8::10/64\""
    )]
    Form {
        /// What was written.
        text: String,
    },
    /// An address that no machine may have.
    #[error("{text:?}: {why}")]
    NotForAMachine {
        /// What was written.
        text: String,
        /// Why not.
        why: &'static str,
    },
}

impl FixedAddress {
    /// Whether `other` is in the same network.
    pub(super) fn contains(self, other: IpAddr) -> bool {
        let (ours, theirs, bits) = match (self.ip, other) {
            (IpAddr::V4(ours), IpAddr::V4(theirs)) => (ours.to_bits().into(), theirs.to_bits().into(), 32),
            (IpAddr::V6(ours), IpAddr::V6(theirs)) => (ours.to_bits(), theirs.to_bits(), 128),
            _ => return false,
        };
        let host = bits - u32::from(self.prefix);
        let network = |address: u128| address.checked_shr(host).unwrap_or(0);
        network(ours) == network(theirs)
    }
}

impl FromStr for FixedAddress {
    type Err = NoAddress;

    fn from_str(text: &str) -> Result<Self, NoAddress> {
        let parsed = text.split_once('/').and_then(|(ip, prefix)| {
            let (ip, prefix): (IpAddr, u8) = (ip.trim().parse().ok()?, prefix.trim().parse().ok()?);
            (1..=if ip.is_ipv4() { 32 } else { 128 }).contains(&prefix).then_some(Self { ip, prefix })
        });
        let address = parsed.ok_or_else(|| NoAddress::Form { text: text.to_owned() })?;
        let refused = |why| Err(NoAddress::NotForAMachine { text: text.to_owned(), why });
        if address.ip.is_unspecified() || address.ip.is_loopback() || address.ip.is_multicast() {
            return refused("no machine on a network can have this address");
        }
        if let IpAddr::V4(ip) = address.ip
            && address.prefix < 31
        {
            let host = u32::MAX >> address.prefix;
            if ip.to_bits() & host == 0 {
                return refused("this is the address of the network itself; the device needs one in it");
            }
            if ip.to_bits() & host == host {
                return refused(
                    "this address means all machines of the network; the device needs another one",
                );
            }
        }
        Ok(address)
    }
}

impl TryFrom<String> for FixedAddress {
    type Error = NoAddress;

    fn try_from(text: String) -> Result<Self, NoAddress> {
        text.parse()
    }
}

impl From<FixedAddress> for String {
    fn from(address: FixedAddress) -> Self {
        address.to_string()
    }
}

impl fmt::Display for FixedAddress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.ip, self.prefix)
    }
}
