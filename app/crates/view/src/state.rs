//! The present state of the appliance: machine, workers, camera, updates, and what is wrong.

use schemars::JsonSchema;
use serde::Serialize;

use crate::card::Card;
use crate::on_memory::OnMemory;
use crate::photos::{PhotoSync, Progress, RosterCount};
use crate::rows::{Decision, School, Today, Upload};
use crate::systems::Systems;
use base::event::WorkerState;
use base::failure::Fault;

/// The state of the whole appliance at one moment.
#[derive(Debug, Clone, Default, PartialEq, Serialize, JsonSchema)]
pub struct View {
    /// Name of the door.
    pub site: String,
    /// The present local time, `YYYY-MM-DD HH:MM:SS`.
    pub now: String,
    /// The machine and the program.
    pub system: System,
    /// Every worker.
    pub workers: Vec<Worker>,
    /// Camera and recognition.
    pub camera: Camera,
    /// Today's attendance.
    pub today: Today,
    /// Delivery to the backend.
    pub upload: Upload,
    /// The mirror of the photos.
    pub sync: PhotoSync,
    /// The students that can be recognised, in numbers.
    pub roster: RosterCount,
    /// The systems on the card, and updates of them.
    pub update: Update,
    /// What is known of the card where this start runs on memory; none where it does not.
    pub on_memory: Option<OnMemory>,
    /// The encryption of the card; none where no initramfs of ours started this machine.
    pub card: Option<Card>,
    /// The other doors of the school, over MQTT; none where no broker is configured.
    pub school: Option<School>,
    /// Settings whose addresses are asked without encryption, by their names, unless that is allowed
    /// knowingly.
    pub plain_http: Vec<String>,
    /// Problems only their own part can know, beside those the server sees in the other fields.
    pub problems: Vec<Problem>,
}

/// How bad something is. Ordered.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Serialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Level {
    /// As it should be.
    #[default]
    Well,
    /// Attendance is taken, and somebody should look.
    Attention,
    /// Attendance is not taken, or is about to be lost.
    Broken,
}

/// Something that is wrong, and what to do.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, JsonSchema)]
pub struct Problem {
    /// How bad it is.
    pub level: Level,
    /// One sentence: what is wrong.
    pub what: String,
    /// One sentence: what to do.
    pub advice: String,
}

/// The machine and the program.
#[derive(Debug, Clone, Default, PartialEq, Serialize, JsonSchema)]
pub struct System {
    /// The program's version.
    pub version: String,
    /// The boot slot in use, for example `A`; none at a desk.
    pub slot: Option<String>,
    /// Process id.
    pub pid: u32,
    /// Local time the program started, `YYYY-MM-DD HH:MM:SS`.
    pub started: String,
    /// Seconds the program runs.
    pub uptime_s: u64,
    /// Free bytes of the data partition.
    pub storage_free: Option<u64>,
    /// All bytes of the data partition.
    pub storage_total: Option<u64>,
    /// Memory that can be had, bytes.
    pub memory_free: Option<u64>,
    /// All memory, bytes.
    pub memory_total: Option<u64>,
    /// Temperature of the processor, °C.
    pub temperature_c: Option<f32>,
    /// Whether the processor is slowed down because of it.
    pub slowed_by_heat: bool,
    /// Whether the supply's voltage broke down.
    pub lacks_power: bool,
    /// Whether the wall clock is known to be right.
    pub clock_trusted: bool,
    /// Why the wall clock is not believed although it was set, and what it shows; none without a doubt.
    pub clock_doubt: Option<String>,
    /// The site's time zone, IANA name.
    pub time_zone: String,
    /// What the liveness check asks for.
    pub liveness: LivenessCheck,
    /// Whether the empty scene behind the people is known, and serves the liveness check.
    pub scene: KnownScene,
}

/// What the liveness check asks for, as the configuration names it.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, JsonSchema)]
pub enum LivenessCheck {
    /// Nothing: a photo passes for a person.
    #[serde(rename = "off")]
    Off,
    /// A blink alone, because the anti-spoof models are missing.
    #[serde(rename = "blink")]
    Blink,
    /// The anti-spoof models.
    #[serde(rename = "passive")]
    Passive,
    /// The anti-spoof models and a blink.
    #[serde(rename = "passive+blink")]
    PassiveBlink,
    /// The anti-spoof models, and a blink or a movement.
    #[default]
    #[serde(rename = "passive+any")]
    PassiveAny,
    /// The anti-spoof models, and the known scene around the head or a turn that is asked for.
    #[serde(rename = "passive+prompt")]
    PassivePrompt,
}

impl LivenessCheck {
    /// As the API and the page have it.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Off => "off",
            Self::Blink => "blink",
            Self::Passive => "passive",
            Self::PassiveBlink => "passive+blink",
            Self::PassiveAny => "passive+any",
            Self::PassivePrompt => "passive+prompt",
        }
    }
}

/// What is known of the empty scene that the camera sees.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum KnownScene {
    /// It is being learnt: for about a minute nobody may be before the camera.
    #[default]
    Learning,
    /// It is known.
    Usable,
    /// It is known, and too plain to decide anything.
    TooPlain,
}

impl KnownScene {
    /// In words for a technician.
    pub fn text(self) -> &'static str {
        match self {
            Self::Learning => "being learnt; keep the doorway empty for a minute",
            Self::Usable => "usable",
            Self::TooPlain => "too plain; hang a poster behind where people stand",
        }
    }
}

/// The systems on the card, and updates of them.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, JsonSchema)]
pub struct Update {
    /// Why no update can be installed here; none where it can.
    pub unavailable: Option<String>,
    /// The two systems, and how the last update ended; none where there are no slots, as at a desk.
    pub systems: Option<Systems>,
    /// How far the update is that comes in now, of 100.
    pub progress: Option<Progress>,
    /// When an installed update is tried automatically, once nobody is there: `02:00-04:30`.
    pub window: String,
}

/// A worker as the supervisor knows it.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, JsonSchema)]
pub struct Worker {
    /// Its name: `recognition`, `sync`, `upload` ...
    pub name: String,
    /// `running`, `restarting`, `held` or `stopped`.
    #[schemars(with = "String")]
    pub state: WorkerState,
    /// Why, where there is a reason.
    pub reason: Option<Fault>,
    /// How often it was started again since the program runs.
    pub restarts: u32,
}

/// Camera and recognition.
#[derive(Debug, Clone, Default, PartialEq, Serialize, JsonSchema)]
pub struct Camera {
    /// Where frames come from, in words: `imx708`, `replay of demo.y4m`.
    pub source: String,
    /// Frames recognised a second, over the last seconds.
    pub frame_rate: f32,
    /// Time from the exposure to the end of recognition, of the last frame that was looked at, milliseconds.
    pub latency_ms: f32,
    /// Frames that were dropped because a newer one was there.
    pub dropped: u64,
    /// Frames recognised since the start.
    pub frames: u64,
    /// Seconds since the last frame came; none before the first.
    pub last_frame_age_s: Option<f32>,
    /// How often the program restarted itself because of the camera, ever.
    pub restarts: u32,
    /// How often the device restarted because of the camera, ever.
    pub reboots: u32,
    /// The last decisions about faces, newest first, each with the scores that led to it.
    pub decisions: Vec<Decision>,
}
