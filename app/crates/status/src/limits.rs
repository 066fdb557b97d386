//! How much one client, and all clients together, may take.

use std::time::Duration;

use access::throttle::Rate;

/// Least characters of a passphrase.
pub(super) const LEAST_PASSPHRASE: usize = 12;
/// Most characters: two of them, encoded, fit into a form.
pub(super) const LONGEST_PASSPHRASE: usize = 100;

/// The limits of the server. Everything it keeps for others is bounded by one of these.
#[derive(Debug, Clone)]
pub struct Limits {
    /// Connections at once. Each costs about 40 kB with TLS: some 10 MB in all.
    pub connections: usize,
    /// Connections at once from one address: a browser opens six, a few people may share an address.
    pub connections_per_address: usize,
    /// New connections from one address: so many at once, then so many a second. A handshake costs a
    /// signature.
    pub arrivals_per_address: (f64, f64),
    /// New connections from all addresses.
    pub arrivals: (f64, f64),
    /// Time for the TLS handshake.
    pub handshake_time: Duration,
    /// Time for a request's header, and between two requests on one connection.
    pub header_time: Duration,
    /// Time for a request's body.
    pub body_time: Duration,
    /// Largest body. The longest form of ours is the log-in.
    pub body_bytes: usize,
    /// Largest form with the address of an update, encoded. Only who may install one sends it.
    pub address_form_bytes: usize,
    /// Largest form with all settings, encoded. Only a technician sends it.
    pub settings_form_bytes: usize,
    /// Largest update bundle, which is streamed to the card.
    pub bundle_bytes: u64,
    /// Largest archive of a device, which is unpacked while it comes.
    pub archive_bytes: u64,
    /// A sender of an update who sends nothing for so long is dropped.
    pub bundle_pause: Duration,
    /// Time for a whole update: 120 MB over a weak Wi-Fi.
    pub bundle_time: Duration,
    /// A reader that takes nothing for so long is dropped.
    pub write_time: Duration,
    /// Event streams of pages at once, and as many of scripts; each holds a connection.
    pub event_streams: usize,
    /// Pictures (preview, enrolment help) made at once: each is up to a megabyte.
    pub pictures: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            connections: 256,
            connections_per_address: 32,
            arrivals_per_address: (64.0, 10.0),
            arrivals: (256.0, 50.0),
            handshake_time: Duration::from_secs(5),
            header_time: Duration::from_secs(5),
            body_time: Duration::from_secs(5),
            body_bytes: 1024,
            address_form_bytes: 4096,
            settings_form_bytes: 128 << 10,
            bundle_bytes: 400 << 20,
            // Its files have 4 GiB at most; and what encryption and names add.
            archive_bytes: 5 << 30,
            bundle_pause: Duration::from_secs(20),
            bundle_time: Duration::from_secs(30 * 60),
            write_time: Duration::from_secs(10),
            event_streams: 16,
            pictures: 4,
        }
    }
}

/// A pair of the limits, in the throttle's type.
pub(super) fn rate((at_once, a_second): (f64, f64)) -> Rate {
    Rate { at_once, a_second }
}
