//! The one configuration file, as types.
//!
//! Every field is documented here and nowhere else: `attendance check-config --print-defaults` prints this
//! text with the default values as a TOML file. Unknown keys are errors. Everything is parsed into types
//! before anything starts.
#![forbid(unsafe_code)]

mod at_door;
mod card;
mod document;
pub mod fields;
mod load;
mod network;
mod problems;
mod survey;

use std::path::PathBuf;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use backend::config::{Server, Tls, Webhook};
use base::erasure::Erased;
use base::moment::{ClockTrust, SiteZone};
use camera::config::Camera;
use door::config::{Relay, Screen, Sound};
use journal::config::{Attendance, Settings, TimeOfDay};
use liveness::config::Liveness;
use recognition::config::Recognition;
use site::config::Mqtt;
use status::config::Page;
use update::config::{Fleet, Update};
use vision::photos::Photos;

pub use at_door::DoorSection;
pub use card::{Card, CardKey};
pub use document::commented_defaults;
pub use load::{ConfigError, MAX_BYTES, check_files, examine, load, parse, read};
pub use network::{EapInner, EapMethod, FixedAddress, Interface, Network};
pub use survey::Wrong;

/// Everything a site can choose.
#[derive(Debug, Clone, Default, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Config {
    /// Where the appliance stands.
    pub site: Site,
    /// The network, where DHCP does not say all of it.
    pub network: Network,
    /// The card: whether it is encrypted, and where its key comes from.
    pub card: Card,
    /// Where the students' photos come from.
    pub photos: Photos,
    /// Where attendance rows go.
    pub webhook: Webhook,
    /// Whom to trust on the network.
    pub tls: Tls,
    /// The camera.
    pub camera: Camera,
    /// Finding and naming faces.
    pub recognition: Recognition,
    /// Telling living people from pictures of them.
    pub liveness: Liveness,
    /// Pictures of students that the office takes with the door's camera.
    pub enrolment: Enrolment,
    /// The rules that turn recognitions into rows.
    pub attendance: Attendance,
    /// The door: which way people pass it, and how they are named.
    pub door: DoorSection,
    /// The display at the door.
    pub screen: Screen,
    /// Tones and lights at the door.
    pub sound: Sound,
    /// The door opener.
    pub relay: Relay,
    /// The technician's HTTPS page.
    pub page: Page,
    /// The other doors of the school.
    pub mqtt: Mqtt,
    /// Updates over the network.
    pub update: Update,
    /// Updates from a fleet's server.
    pub fleet: Fleet,
    /// What is logged.
    pub log: Log,
}

impl Config {
    /// What a synchronisation of the photos needs; whoever starts one adds who was erased.
    pub fn sync(&self) -> backend::sync::Settings {
        backend::sync::Settings {
            photos: self.photos.clone(),
            tls: self.tls.of(Server::Photos, self.photos.pinned_sha256.as_ref()),
            data_dir: self.site.data_dir.clone(),
            // The name was checked when the file was read.
            zone: SiteZone::named(&self.site.time_zone).unwrap_or_default(),
            erased: Erased::default(),
        }
    }

    /// What making rows needs.
    pub fn rows(&self) -> Settings {
        Settings {
            attendance: self.attendance.clone(),
            door: self.door.of_rows(),
            day_starts: self.site.day_starts,
            rows_stay: self.webhook.url.is_none(),
        }
    }

    /// What making a roster needs; whoever makes one adds who was erased.
    pub fn roster(&self) -> recognition::roster::Settings {
        recognition::roster::Settings {
            photos: self.photos.clone(),
            recognition: self.recognition.clone(),
            data_dir: self.site.data_dir.clone(),
            models_dir: self.models_dir(),
            erased: Erased::default(),
            at_the_door: self.enrolment.at_the_door,
        }
    }

    /// What screen, sound and pins need.
    pub fn at_the_door(&self) -> door::config::Settings {
        door::config::Settings {
            door: self.door.of_screen(),
            screen: self.screen.clone(),
            sound: self.sound.clone(),
            relay: self.relay.clone(),
        }
    }

    /// What updates need.
    pub fn updates(&self) -> update::config::Settings {
        update::config::Settings {
            update: self.update.clone(),
            fleet: self.fleet.clone(),
            tls: self.tls.clone(),
            data_dir: self.site.data_dir.clone(),
        }
    }

    /// The settings whose addresses are asked without encryption, and nobody has said that this is meant.
    pub fn plain_addresses(&self) -> impl Iterator<Item = &'static str> {
        let addresses = [("photos.url", &self.photos.url), ("webhook.url", &self.webhook.url)];
        let tls = &self.tls;
        addresses.into_iter().filter_map(move |(name, url)| {
            url.as_ref().is_some_and(|url| backend::plain::is_plain(url, tls)).then_some(name)
        })
    }

    /// The folder of the models' weights.
    pub fn models_dir(&self) -> PathBuf {
        self.site.models_dir.clone().unwrap_or_else(models::store::Store::default_dir)
    }
}

/// Where the appliance stands.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Site {
    /// Name of the door, shown on the page and in the log.
    pub name: String,
    /// The site's time zone, a name of the IANA data base such as "Asia/Kolkata".
    pub time_zone: String,
    /// When a school day begins, for example "04:00" where people leave after midnight. What happens between
    /// midnight and then belongs to the day before; the backend is told 23:59:59 of that day.
    pub day_starts: TimeOfDay,
    /// When the device's clock is believed: "automatic" (after a time server answered since boot, or when a
    /// battery-backed hardware clock kept the time) or "system" (always, if later than 2024: a machine whose
    /// host keeps its clock right). Rows seen before that are kept, and delivered once their time is known.
    pub clock: ClockTrust,
    /// Folder for photos, journal and everything else that is kept.
    pub data_dir: PathBuf,
    /// Folder of the models' weights; empty: /usr/share/attendance/models, or the cache of fetch_models.
    pub models_dir: Option<PathBuf>,
}

impl Default for Site {
    fn default() -> Self {
        Self {
            name: "attendance".to_owned(),
            time_zone: "UTC".to_owned(),
            day_starts: TimeOfDay::MIDNIGHT,
            clock: ClockTrust::Automatic,
            data_dir: PathBuf::from("/var/lib/attendance"),
            models_dir: None,
        }
    }
}

/// Pictures of students that the office takes with the door's camera.
#[derive(Debug, Clone, Default, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Enrolment {
    /// Whether the office may enrol a student at the door: it chooses the student on the page, the camera
    /// takes three pictures, and a person confirms them. They are kept on the device, beside the photos of
    /// the photo server. With "false" pictures that were taken earlier are not used; they stay until somebody
    /// deletes them.
    pub at_the_door: bool,
}

/// What is logged.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Log {
    /// "error", "warn", "info", "debug" or "trace".
    pub level: LogLevel,
}

impl Default for Log {
    fn default() -> Self {
        Self { level: LogLevel::Info }
    }
}

/// How much is logged.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum LogLevel {
    /// What stops something from working.
    Error,
    /// What a person should look at.
    Warn,
    /// What happens.
    Info,
    /// Why it happens: scores and decisions.
    Debug,
    /// Everything.
    Trace,
}

impl From<LogLevel> for log::LevelFilter {
    fn from(level: LogLevel) -> Self {
        match level {
            LogLevel::Error => Self::Error,
            LogLevel::Warn => Self::Warn,
            LogLevel::Info => Self::Info,
            LogLevel::Debug => Self::Debug,
            LogLevel::Trace => Self::Trace,
        }
    }
}
