//! What a synchronisation needs of the configuration, and how long it waits.

use std::path::PathBuf;

use crate::config::Tls;
use crate::http::{Retry, Timeouts};
use base::erasure::Erased;
use base::moment::SiteZone;
use vision::photos::Photos;

/// How long a synchronisation waits for the server, and how often it asks again.
#[derive(Debug, Clone, Copy, Default)]
pub struct Patience {
    /// Of each request.
    pub timeouts: Timeouts,
    /// Of what may pass.
    pub retry: Retry,
}

/// What a synchronisation needs of the configuration.
#[derive(Debug, Clone, Default)]
pub struct Settings {
    /// Where the photos come from.
    pub photos: Photos,
    /// Whom to trust on the network.
    pub tls: Tls,
    /// Folder that holds the mirror and its state.
    pub data_dir: PathBuf,
    /// The site's time zone, in which the time of the last synchronisation is written.
    pub zone: SiteZone,
    /// Students whose photos are not fetched.
    pub erased: Erased,
}
