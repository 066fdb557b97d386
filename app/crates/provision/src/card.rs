//! The files that a technician may put on the card, and what they become.

use base::secret::Secret;
use config::Config;

/// Largest file taken from the card: a roster of keys or a chain of certificates is a few kilobytes.
pub const MAX_BYTES: u64 = 256 * 1024;

/// What the card may hold.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum CardFile {
    /// The site's settings.
    Settings,
    /// A certificate authority of the site's own.
    Authority,
    /// The page's certificate, of the site's own.
    PageCertificate,
    /// Its key.
    PageKey,
    /// The authority of the network's log-in server (802.1X).
    EapAuthority,
    /// The device's certificate for 802.1X.
    EapCertificate,
    /// Its key.
    EapKey,
    /// The Wi-Fi network to join.
    Wifi,
    /// SSH keys of the technicians.
    SshKeys,
    /// The console password's hash.
    ConsolePassword,
    /// What Raspberry Pi Imager's dialog was filled in with.
    Imager,
    /// The same by an Imager that does not know this image's list.
    OldImager,
}

impl CardFile {
    /// In the order in which they are taken over: the settings may name the files before them.
    pub const ALL: [Self; 12] = [
        Self::Authority,
        Self::PageCertificate,
        Self::PageKey,
        Self::EapAuthority,
        Self::EapCertificate,
        Self::EapKey,
        Self::Settings,
        Self::Wifi,
        Self::SshKeys,
        Self::ConsolePassword,
        Self::Imager,
        Self::OldImager,
    ];

    /// The file's name on the card.
    pub fn name(self) -> &'static str {
        match self {
            Self::Settings => "attendance.toml",
            Self::Authority => "ca.pem",
            Self::PageCertificate => "page.crt",
            Self::PageKey => "page.key",
            Self::EapAuthority => "eap-ca.pem",
            Self::EapCertificate => "eap.crt",
            Self::EapKey => "eap.key",
            Self::Wifi => "wifi.txt",
            Self::SshKeys => "authorized_keys",
            Self::ConsolePassword => "password.hash",
            Self::Imager => "rpi-preseed.toml",
            Self::OldImager => "firstrun.sh",
        }
    }
}

/// Why a file is not taken over. The message is for the technician and repeats no secret.
#[derive(Debug, thiserror::Error)]
pub enum CardError {
    /// Not text that a program can read.
    #[error("is not plain text in UTF-8; save it again with that encoding")]
    Encoding,
    /// The settings are wrong; the text says where.
    #[error(transparent)]
    Settings(#[from] config::ConfigError),
    /// No certificate in the file.
    #[error("holds no certificate in PEM form (-----BEGIN CERTIFICATE-----)")]
    NoCertificate,
    /// No key in the file. The parser's own words might repeat parts of one.
    #[error("holds no private key in PEM form (-----BEGIN PRIVATE KEY-----), or one locked with a password")]
    NoKey,
    /// Imager's file cannot be used.
    #[error("{0}")]
    Imager(&'static str),
    /// A line that cannot be what it should be.
    #[error("line {line}: {reason}")]
    Line {
        /// Counted from 1.
        line: usize,
        /// What is wrong, and what is expected.
        reason: &'static str,
    },
}

/// A file of the card that may be taken over, in the form in which it is kept.
#[derive(Debug)]
pub enum Accepted {
    /// `attendance.toml` as it was, without a byte-order mark, and what it says.
    Settings(String, Box<Config>),
    /// The authority's PEM file as it was.
    Authority(String),
    /// The page's certificate and its issuers, PEM.
    PageCertificate(String),
    /// Its key, PEM.
    PageKey(Secret),
    /// The authority of the network's log-in server, PEM.
    EapAuthority(String),
    /// The device's certificate for 802.1X and its issuers, PEM.
    EapCertificate(String),
    /// Its key, PEM.
    EapKey(Secret),
    /// A profile for iwd; `None` forgets every network.
    Wifi(Option<WifiProfile>),
    /// The keys, one a line; empty switches SSH off.
    SshKeys(String),
    /// The hash for /etc/shadow; empty locks the console.
    ConsolePassword(String),
    /// What Imager's dialog says.
    Imager(Box<Imager>),
}

/// What iwd reads for one network.
#[derive(Debug, PartialEq, Eq)]
pub struct WifiProfile {
    /// File name below /var/lib/iwd.
    pub file: String,
    /// Its content.
    pub content: String,
    /// The country whose rules for channels hold, ISO 3166; none: as the kernel has it.
    pub country: Option<String>,
}

/// What Imager's dialog says, as far as it is for this device.
#[derive(Debug, Default)]
pub struct Imager {
    /// The machine's name; the door's too, where the settings name none.
    pub host: Option<String>,
    /// The time zone, where the settings name none.
    pub time_zone: Option<String>,
    /// Wi-Fi, SSH keys and the console's password, as their own files would bring them.
    pub parts: Vec<Accepted>,
    /// What was left out, and why.
    pub remarks: Vec<String>,
}
