//! The one configuration file, as types.
//!
//! Every field is documented here and nowhere else: `attendance check-config --print-defaults` prints this text with the
//! default values as a TOML file. Unknown keys are errors. Everything is parsed into types before anything starts.

mod document;
mod load;
mod size;

use std::net::{Ipv6Addr, SocketAddr};
use std::path::PathBuf;
use std::time::Duration;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::secret::{Secret, SecretUrl};
use crate::status::token::StoredToken;
use crate::update::schedule::{StickRule, Window};

pub use document::commented_defaults;
pub use load::{ConfigError, check_files, load, parse};
pub use size::ByteSize;

/// Everything a site can choose.
#[derive(Debug, Clone, Default, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Config {
    /// Where the appliance stands.
    pub site: Site,
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
    /// The rules that turn recognitions into rows.
    pub attendance: Attendance,
    /// The technician's HTTPS page.
    pub page: Page,
    /// Updates over the network.
    pub update: Update,
    /// Updates from a fleet's server.
    pub fleet: Fleet,
    /// What is logged.
    pub log: Log,
}

impl Config {
    /// The folder of the networks' weights.
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
    /// When the device's clock is believed: "automatic" (after a time server answered since boot, or when a
    /// battery-backed hardware clock kept the time) or "system" (always, if later than 2024: a machine whose host keeps its
    /// clock right). Rows seen before that are kept, and delivered once their time is known.
    pub clock: ClockTrust,
    /// Folder for photos, journal and everything else that is kept.
    pub data_dir: PathBuf,
    /// Folder of the networks' weights; empty: /usr/share/attendance/models, or the cache of fetch_models.
    pub models_dir: Option<PathBuf>,
}

impl Default for Site {
    fn default() -> Self {
        Self {
            name: "attendance".to_owned(),
            time_zone: "UTC".to_owned(),
            clock: ClockTrust::Automatic,
            data_dir: PathBuf::from("/var/lib/attendance"),
            models_dir: None,
        }
    }
}

/// When the device's clock is believed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum ClockTrust {
    /// After a time server answered since boot, or when a battery-backed hardware clock kept the time.
    Automatic,
    /// Always, once it shows a time at which this program existed.
    System,
}

/// Where the students' photos come from: a file browser, or a folder.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Photos {
    /// Base URL of the file browser, query string (the credential) included, for example
    /// "https://backend.example/media/students?key=...". Without it the folder below is used as it is.
    #[schemars(with = "Option<String>")]
    pub url: Option<SecretUrl>,
    /// Folder of photos, `<roll>/<file>`, used when there is no URL; empty: known_faces in the data folder.
    pub folder: Option<PathBuf>,
    /// How roll numbers look: "digits" (the original) or "identifier" (letters, digits, '-' and '_').
    pub roll_numbers: RollPattern,
    /// Time between two synchronisations, for example "15m".
    #[serde(with = "humantime_serde")]
    #[schemars(with = "String")]
    pub interval: Duration,
    /// A listing that would remove more than this share of the students removes nothing and raises an alarm, 0 to 1.
    pub removal_limit: f32,
    /// After this many synchronisations with the same large removal it is believed.
    pub removal_confirmations: u32,
    /// Largest photo file accepted, for example "20 MB".
    #[schemars(with = "String")]
    pub max_file_size: ByteSize,
    /// Most pixels a photo may have once decoded, in millions. Every photo is checked before it is decoded.
    pub max_megapixels: u32,
    /// Most photos in all. A listing with more is refused whole.
    pub max_photos: usize,
}

impl Default for Photos {
    fn default() -> Self {
        Self {
            url: None,
            folder: None,
            roll_numbers: RollPattern::Digits,
            interval: Duration::from_secs(15 * 60),
            removal_limit: 0.3,
            removal_confirmations: 12,
            max_file_size: ByteSize::from_mb(20),
            max_megapixels: 50,
            max_photos: 50_000,
        }
    }
}

/// How a site's roll numbers look.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum RollPattern {
    /// Digits only, as in the original deployment.
    Digits,
    /// ASCII letters, digits, `-` and `_`.
    Identifier,
}

impl RollPattern {
    /// Whether `roll` has this form.
    pub fn admits(self, roll: &crate::identity::RollNumber) -> bool {
        match self {
            Self::Digits => roll.as_str().bytes().all(|b| b.is_ascii_digit()),
            Self::Identifier => true,
        }
    }
}

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
    /// SHA-256 fingerprint (hex, colons allowed) of the one certificate that backend and file browser must show, for a
    /// self-signed server. Replaces the certificate authorities.
    pub pinned_sha256: Option<String>,
}

/// The camera.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Camera {
    /// "libcamera" on the device, "replay" for files.
    pub source: CameraSource,
    /// The camera's id as libcamera names it, or a part of it that no other camera's id has, for example "imx219"; empty: the
    /// first camera that is there.
    pub id: Option<String>,
    /// Files for "replay": a Y4M or MJPEG video, or folders of pictures, shown one after the other.
    pub replay: Vec<PathBuf>,
    /// Whether the replay starts again at its end.
    pub replay_loop: bool,
    /// Seconds of film shown in a second, 0.01 to 1. Below 1 the film is in slow motion, for a machine that is too slow for it;
    /// time stamps are then the film's.
    pub replay_speed: f32,
    /// Frames a second, 5 to 60: liveness loses a face that it does not see for 350 ms. A replayed video keeps its own rate.
    pub frame_rate: f32,
    /// Frames a second that the exposure may slow down to in the dark, 5 to 60; never above frame_rate. Slower gathers more light
    /// and blurs who walks.
    pub slowest_frame_rate: f32,
    /// Width of the picture asked for, pixels. The camera gives the nearest it has.
    pub width: u32,
    /// Height of the picture asked for, pixels.
    pub height: u32,
    /// Degrees by which the picture is turned clockwise, so that heads are up: 0, 90, 180 or 270.
    #[schemars(with = "u32")]
    pub rotation: Rotation,
    /// Whether left and right are exchanged, after which it is turned.
    pub mirror: bool,
    /// The mains frequency, whose lamps flicker: "50hz", "60hz", "auto" (where the camera can tell) or "off".
    pub flicker: Flicker,
    /// Whether a camera that can focus does so by itself, on the face when there is one.
    pub autofocus: bool,
    /// Whether the exposure is corrected so that the face is bright enough, not the whole picture.
    pub expose_for_face: bool,
}

impl Default for Camera {
    fn default() -> Self {
        Self {
            source: CameraSource::Libcamera,
            id: None,
            replay: Vec::new(),
            replay_loop: true,
            replay_speed: 1.0,
            frame_rate: 15.0,
            slowest_frame_rate: 10.0,
            width: 1280,
            height: 720,
            rotation: Rotation::default(),
            mirror: false,
            flicker: Flicker::Hz50,
            autofocus: true,
            expose_for_face: true,
        }
    }
}

/// Which way up the camera is mounted: quarter-turns clockwise, written in degrees.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(try_from = "u32", into = "u32")]
pub struct Rotation(u8);

impl Rotation {
    /// Quarter-turns clockwise, 0 to 3.
    pub fn quarters(self) -> u8 {
        self.0
    }
}

impl TryFrom<u32> for Rotation {
    type Error = String;

    fn try_from(degrees: u32) -> Result<Self, Self::Error> {
        match degrees {
            0 | 90 | 180 | 270 => Ok(Self((degrees / 90) as u8)),
            _ => Err(format!("{degrees} is not a rotation; it is 0, 90, 180 or 270 degrees")),
        }
    }
}

impl From<Rotation> for u32 {
    fn from(rotation: Rotation) -> Self {
        Self::from(rotation.0) * 90
    }
}

/// How bands from flickering lamps are avoided.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Flicker {
    /// Not at all.
    Off,
    /// As the camera finds out.
    Auto,
    /// Europe, Africa, most of Asia and of South America.
    #[serde(rename = "50hz")]
    Hz50,
    /// North America, Japan's west and some others.
    #[serde(rename = "60hz")]
    Hz60,
}

impl Flicker {
    /// Time from one flash of a lamp to the next, microseconds: lamps flash twice in a period of the mains.
    pub fn period_us(self) -> Option<i32> {
        match self {
            Self::Off | Self::Auto => None,
            Self::Hz50 => Some(10_000),
            Self::Hz60 => Some(8_333),
        }
    }
}

/// Where frames come from.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum CameraSource {
    /// A real camera.
    Libcamera,
    /// Files, in real time.
    Replay,
}

/// Finding and naming faces.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Recognition {
    /// The face detector: "blazeface-full-range" (faces within five metres), "blazeface" (within two, and the fastest), "yunet" or
    /// "rustface" (which needs no network file).
    pub detector: DetectorChoice,
    /// Lowest cosine similarity that counts as a match, 0 to 1; empty: by the number of enrolled photos.
    pub threshold: Option<f32>,
    /// Accepted share of strangers that a single frame takes for somebody on the roster (FPIR), for the automatic threshold. Votes
    /// over frames lower it further. 0.001 misses twice as many people whose photo is old or poor.
    pub accepted_fpir: f32,
    /// File that `attendance evaluate identification --calibration` wrote, for the automatic threshold; empty: what was
    /// measured on LFW.
    pub calibration: Option<PathBuf>,
    /// Least distance of the best match to the best photo of anybody else.
    pub margin: f32,
    /// Least width of a face, pixels.
    pub min_face_px: u32,
    /// Frames that must agree before somebody is recognised, 1 to 16.
    pub votes: u32,
}

impl Default for Recognition {
    fn default() -> Self {
        Self {
            detector: DetectorChoice::BlazefaceFullRange,
            threshold: None,
            accepted_fpir: 0.01,
            calibration: None,
            margin: 0.05,
            min_face_px: 60,
            votes: 3,
        }
    }
}

/// The face detectors to choose from.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum DetectorChoice {
    /// BlazeFace short range, 128×128.
    Blazeface,
    /// BlazeFace full range, 192×192.
    BlazefaceFullRange,
    /// YuNet, with five points.
    Yunet,
    /// SeetaFace through rustface.
    Rustface,
}

/// Telling living people from pictures of them.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Liveness {
    /// What a person must show before a row is written: "passive" (the anti-spoof networks), "passive+blink",
    /// "passive+any" (a blink, or motion that a flat picture cannot make) or "off".
    pub require: LivenessRule,
}

impl Default for Liveness {
    fn default() -> Self {
        Self { require: LivenessRule::PassiveAny }
    }
}

/// What is required of a living person.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub enum LivenessRule {
    /// Nothing: photos pass. For tests of recognition alone.
    #[serde(rename = "off")]
    Off,
    /// The anti-spoof networks.
    #[serde(rename = "passive")]
    Passive,
    /// The anti-spoof networks and a blink.
    #[serde(rename = "passive+blink")]
    PassiveBlink,
    /// The anti-spoof networks, and a blink or motion in depth.
    #[serde(rename = "passive+any")]
    PassiveAny,
}

/// The rules that turn recognitions into rows.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Attendance {
    /// "first-in-last-out" (one IN and one OUT a day, what the backend stores) or "alternate" (IN, OUT, IN ...).
    pub policy: Policy,
    /// Least time between two rows of one student.
    #[serde(with = "humantime_serde")]
    #[schemars(with = "String")]
    pub minimum_gap: Duration,
    /// Days that delivered rows stay in the journal and the CSV files, 8 to 36500. What is not delivered always stays.
    pub keep_days: u32,
}

impl Default for Attendance {
    fn default() -> Self {
        Self { policy: Policy::FirstInLastOut, minimum_gap: Duration::from_secs(120), keep_days: 400 }
    }
}

/// How recognitions of one day become rows.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Policy {
    /// The first recognition is IN, the next after the gap is OUT, and that is all for the day.
    FirstInLastOut,
    /// IN, OUT, IN, OUT, each after the gap.
    Alternate,
}

/// The technician's HTTPS page.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Page {
    /// Address and port to listen on; "[::]" is every address, of IPv4 too. On the appliance leave the port at 8443: its firewall lets
    /// nothing else in, and leads https:// without a port there.
    pub listen: SocketAddr,
    /// Further names the device is reached by, for its certificate. The host name, the same below .local, and the
    /// addresses at first start stand in it anyway. A name with other letters than ASCII is written in its xn-- form.
    pub host_names: Vec<String>,
    /// Argon2 hash of the technician's password, as `attendance password --hash` prints it. Empty: the device makes a
    /// password on first start and shows it once on the console.
    #[schemars(with = "Option<String>")]
    pub password_hash: Option<Secret>,
    /// API tokens, each like { name = "monitoring", access = "read", sha256 = "..." }; access is "read" or "full".
    /// `attendance token add` manages others without this file.
    pub tokens: Vec<StoredToken>,
    /// The site's own certificate (then its issuers), PEM, instead of the device's; needs key_file. As page.crt on the card it becomes
    /// /etc/attendance/page.crt.
    pub certificate_file: Option<PathBuf>,
    /// The key of certificate_file, PEM. As page.key on the card it becomes /etc/attendance/page.key.
    pub key_file: Option<PathBuf>,
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
            host_names: Vec::new(),
            password_hash: None,
            tokens: Vec::new(),
            certificate_file: None,
            key_file: None,
            session_idle: Duration::from_secs(30 * 60),
            session_longest: Duration::from_secs(12 * 60 * 60),
        }
    }
}

/// Updates over the network. Bundles are installed at night and tried when nobody is there; a new system that does not prove
/// healthy is left for the old one.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Update {
    /// HTTPS address of the latest.json that stands beside a bundle. Without it nothing is fetched; a technician can still
    /// install a bundle by hand.
    #[schemars(with = "Option<String>")]
    pub url: Option<SecretUrl>,
    /// Time between two questions for a newer version, for example "6h". It varies by a fifth, so that not all doors ask at once.
    #[serde(with = "humantime_serde")]
    #[schemars(with = "String")]
    pub interval: Duration,
    /// The part of the day, by the site's clock, in which updates are installed and tried. It may go over midnight.
    #[schemars(with = "String")]
    pub window: Window,
    /// How long nobody must have stood before the camera when the appliance restarts into an update.
    #[serde(with = "humantime_serde")]
    #[schemars(with = "String")]
    pub quiet: Duration,
    /// What becomes of a newer bundle (attendance-rpi5-*.raucb in the top folder) when a USB stick is plugged in: "at-once" (it is
    /// installed, and the appliance restarts into it as soon as nobody is there), "in-window" (it is installed, and the restart
    /// waits for that part of the day) or "off".
    pub stick: StickRule,
}

impl Default for Update {
    fn default() -> Self {
        Self {
            url: None,
            interval: Duration::from_secs(6 * 3600),
            window: Window::NIGHT,
            quiet: Duration::from_secs(600),
            stick: StickRule::AtOnce,
        }
    }
}

/// Updates of many doors in rollouts, from an Eclipse hawkBit server. They are installed and tried by the same rules as above, and
/// the server is told how the trial ended.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Fleet {
    /// HTTPS address of the server. Without it there is none. Takes the place of update.url.
    #[schemars(with = "Option<String>")]
    pub url: Option<SecretUrl>,
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
            tenant: "DEFAULT".to_owned(),
            target: None,
            target_token: None,
            gateway_token: None,
        }
    }
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
