//! The sections `[webhook]` and `[tls]` of the configuration.

use std::path::PathBuf;
use std::time::Duration;

use base::secret::{Secret, SecretUrl};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Where attendance rows go.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Webhook {
    /// The webhook's URL. Without it rows are kept in the journal and the CSV files only.
    #[schemars(with = "Option<String>")]
    pub url: Option<SecretUrl>,
    /// The key, sent as the header X-Webhook-Key.
    #[schemars(with = "Option<String>")]
    pub key: Option<Secret>,
    /// Time between two uploads when there is something to deliver.
    #[serde(with = "humantime_serde")]
    #[schemars(with = "String")]
    pub interval: Duration,
    /// Rows in one request, 1 to 1000 (the backend's limit).
    pub batch_rows: usize,
    /// Time-out of one request.
    #[serde(with = "humantime_serde")]
    #[schemars(with = "String")]
    pub timeout: Duration,
}

impl Default for Webhook {
    fn default() -> Self {
        Self {
            url: None,
            key: None,
            interval: Duration::from_secs(60),
            batch_rows: 500,
            timeout: Duration::from_secs(30),
        }
    }
}

/// Whom to trust on the network. Certificates are always verified.
#[derive(Debug, Clone, Default, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Tls {
    /// PEM file with further certificate authorities, beside the system's.
    pub ca_file: Option<PathBuf>,
    /// SHA-256 fingerprint (hex, colons allowed) of the one certificate that backend and file browser must
    /// show, for a self-signed server. Replaces the certificate authorities.
    pub pinned_sha256: Option<String>,
    /// Accept addresses that begin with http:// without a warning. Keys, photos and rows then travel in
    /// clear: everybody on the network can read them, put in photos and acknowledge rows. Without it such
    /// addresses work, too, and are reported for as long as they are in use.
    pub allow_plain: bool,
}
