//! The sections `[update]` and `[fleet]` of the configuration.

use std::path::PathBuf;
use std::time::Duration;

use backend::config::{Server, Tls};
use base::secret::{Secret, SecretUrl};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::schedule::{StickRule, Window};

/// Updates over the network. Bundles are installed at night and tried when nobody is there; a new system that
/// does not prove healthy is left for the old one.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Update {
    /// HTTPS address of the latest.json that stands beside a bundle. Without it nothing is fetched; a
    /// technician can still install a bundle by hand.
    #[schemars(with = "Option<String>")]
    pub url: Option<SecretUrl>,
    /// SHA-256 fingerprint (hex, colons allowed) of the one certificate that this server must show when it is
    /// asked for a newer version. Takes the place of tls.pinned_sha256. The bundle itself is fetched by RAUC,
    /// which knows no pins: put a self-signed certificate into tls.ca_file as well.
    pub pinned_sha256: Option<String>,
    /// Time between two questions for a newer version, for example "6h". It varies by a fifth, so that not
    /// all doors ask at once.
    #[serde(with = "humantime_serde")]
    #[schemars(with = "String")]
    pub interval: Duration,
    /// The part of the day, by the site's clock, in which updates are installed and tried. It may go over
    /// midnight.
    #[schemars(with = "String")]
    pub window: Window,
    /// How long nobody must have stood before the camera when the appliance restarts into an update.
    #[serde(with = "humantime_serde")]
    #[schemars(with = "String")]
    pub quiet: Duration,
    /// What becomes of a newer bundle (attendance-rpi5-*.raucb in the top folder) when a USB stick is plugged
    /// in: "at-once" (it is installed, and the appliance restarts into it as soon as nobody is there),
    /// "in-window" (it is installed, and the restart waits for that part of the day) or "off".
    pub stick: StickRule,
}

impl Default for Update {
    fn default() -> Self {
        Self {
            url: None,
            pinned_sha256: None,
            interval: Duration::from_secs(6 * 3600),
            window: Window::NIGHT,
            quiet: Duration::from_secs(600),
            stick: StickRule::AtOnce,
        }
    }
}

/// Updates of many doors in rollouts, from an Eclipse hawkBit server. They are installed and tried by the
/// same rules as above, and the server is told how the trial ended.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Fleet {
    /// HTTPS address of the server. Without it there is none. Takes the place of update.url.
    #[schemars(with = "Option<String>")]
    pub url: Option<SecretUrl>,
    /// SHA-256 fingerprint (hex, colons allowed) of the one certificate that this server must show. Takes the
    /// place of tls.pinned_sha256. Bundles are fetched by RAUC, which knows no pins: put a self-signed
    /// certificate into tls.ca_file as well.
    pub pinned_sha256: Option<String>,
    /// The tenant.
    pub tenant: String,
    /// This door's name there (controller id); empty: its host name.
    pub target: Option<String>,
    /// This door's own token there.
    #[schemars(with = "Option<String>")]
    pub target_token: Option<Secret>,
    /// A token for all doors, in the place of one for each.
    #[schemars(with = "Option<String>")]
    pub gateway_token: Option<Secret>,
}

impl Default for Fleet {
    fn default() -> Self {
        Self {
            url: None,
            pinned_sha256: None,
            tenant: "DEFAULT".to_owned(),
            target: None,
            target_token: None,
            gateway_token: None,
        }
    }
}

/// What updates need of the whole configuration.
#[derive(Debug, Clone, Default)]
pub struct Settings {
    /// Updates from an address.
    pub update: Update,
    /// Updates from a fleet's server.
    pub fleet: Fleet,
    /// Whom to trust on the network.
    pub tls: Tls,
    /// Folder below which the updates' own state is kept.
    pub data_dir: PathBuf,
}

impl Settings {
    /// Whom to trust as the server of updates.
    pub fn update_tls(&self) -> Tls {
        self.tls.of(Server::Update, self.update.pinned_sha256.as_ref())
    }
}
