//! The section `[page]` of the configuration.

use std::net::{Ipv6Addr, SocketAddr};
use std::path::PathBuf;
use std::time::Duration;

use base::secret::Secret;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use access::token::StoredToken;

/// The technician's HTTPS page.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Page {
    #[allow(rustdoc::broken_intra_doc_links)]
    /// Address and port to listen on; "[::]" is every address, of IPv4 too. On the appliance leave the port
    /// at 8443: its firewall lets nothing else in, and leads https:// without a port there.
    pub listen: SocketAddr,
    /// A second port with the same answers, for scripts that were written for the original system: 8000,
    /// which is the only other one that the appliance's firewall lets in. HTTPS and tokens as on the first
    /// port; plain http:// is sent on to https://. Empty: nobody listens there.
    pub original_port: Option<u16>,
    /// Further names the device is reached by, for its certificate. The host name, the same below .local, and
    /// the addresses at first start stand in it anyway. A name with other letters than ASCII is written in
    /// its xn-- form.
    pub host_names: Vec<String>,
    /// Argon2 hash of the password of the account "technician", as `attendance password --hash` prints it.
    /// Empty: the device makes a password on first start and shows it once on the console.
    #[schemars(with = "Option<String>")]
    pub password_hash: Option<Secret>,
    /// API tokens, each like { name = "monitoring", access = "read", sha256 = "..." }; access is "read",
    /// "full", or a role: "viewer", "office" or "technician". `attendance token add` manages others without
    /// this file.
    pub tokens: Vec<StoredToken>,
    /// The site's own certificate (then its issuers), PEM, instead of the device's; needs key_file. As
    /// page.crt on the card it becomes /etc/attendance/page.crt.
    pub certificate_file: Option<PathBuf>,
    /// The key of certificate_file, PEM. As page.key on the card it becomes /etc/attendance/page.key.
    pub key_file: Option<PathBuf>,
    /// Whether accounts with the role "office" see the live picture of the camera, and the screen at the
    /// door.
    pub office_sees_picture: bool,
    /// A log-in ends after so long without a request.
    #[serde(with = "humantime_serde")]
    #[schemars(with = "String")]
    pub session_idle: Duration,
    /// A log-in ends after so long in all.
    #[serde(with = "humantime_serde")]
    #[schemars(with = "String")]
    pub session_longest: Duration,
}

impl Default for Page {
    fn default() -> Self {
        Self {
            listen: SocketAddr::from((Ipv6Addr::UNSPECIFIED, 8443)),
            original_port: None,
            host_names: Vec::new(),
            password_hash: None,
            tokens: Vec::new(),
            certificate_file: None,
            key_file: None,
            office_sees_picture: false,
            session_idle: Duration::from_secs(30 * 60),
            session_longest: Duration::from_secs(12 * 60 * 60),
        }
    }
}
