//! What the page shows, as plain data, and what it may ask for.
//!
//! This is the one seam between the status server and the rest of the program. [`Source`] gives read-only
//! snapshots; [`Control`] performs the few actions a technician has. The server knows nothing else, so a test
//! stands in for the whole appliance with two small implementations.
//!
//! Everything here is shown to a technician and goes into support bundles: no field may carry a secret, a
//! face or an embedding. URLs come without their credentials ([`base::secret::without_credentials`]).

#![forbid(unsafe_code)]

pub mod answer;
pub mod card;
pub mod corrections;
pub mod enrolment;
pub mod on_memory;
pub mod settings;
pub mod systems;
pub mod verdict;

use std::fmt;
use std::io;
use std::sync::Arc;

use bytes::Bytes;
use office::day::Day;
use schemars::JsonSchema;
use serde::Serialize;
use time::Date;

pub use crate::answer::{Done, Pending, Refused};
use crate::card::Card;
use crate::corrections::Correction;
use crate::enrolment::Enrolment;
use crate::on_memory::OnMemory;
use crate::settings::Settings;
use crate::systems::Systems;
use base::event::WorkerState;
use base::failure::Fault;
use base::secret::{Secret, SecretUrl};

/// Gives the server what it shows. No call may take longer than a file read; those marked so are made off the
/// network thread.
pub trait Source: Send + Sync + 'static {
    /// The present state. Called about once a second a viewer: must not block on a worker.
    fn view(&self) -> View;
    /// The rows of one day, oldest first. May read a file.
    ///
    /// # Errors
    /// [`Refused`] when the day's rows cannot be read. A day without rows is an empty list.
    fn rows(&self, day: Date) -> Result<Vec<Row>, Refused>;
    /// The states of everybody on the days from `from` to `to`, at most
    /// [`MOST_DAYS`](office::range::MOST_DAYS). May read files.
    ///
    /// # Errors
    /// [`Refused`] when the rows cannot be read.
    fn days(&self, from: Date, to: Date) -> Result<Vec<Day>, Refused> {
        let _ = (from, to);
        Ok(Vec::new())
    }
    /// The rows of a day that persons added, changed or took away, and those that the rules took back.
    ///
    /// # Errors
    /// [`Refused`] when they cannot be read.
    fn corrected(&self, day: Date) -> Result<Vec<Row>, Refused>;

    /// The students' list in use, in numbers.
    fn students(&self) -> StudentsList {
        StudentsList::default()
    }
    /// What is known of a student beside their days; none for a roll number that nobody has.
    fn student(&self, roll: &str) -> Option<AboutStudent> {
        let _ = roll;
        None
    }
    /// Who was erased: not whom, but that somebody was, newest first.
    fn erasures(&self) -> Vec<Erasure> {
        Vec::new()
    }
    /// Everyone who has a photo, and every photo that is wrong. May read files.
    fn roster(&self) -> Roster;
    /// Whether this row needs a person, and so may be retried or dismissed.
    fn needs_person(&self, row: &str) -> bool {
        self.view().upload.needs_person.iter().any(|refused| refused.id == row)
    }
    /// The newest lines of the log, oldest first, at most `most`. Lines carry no secrets.
    fn log(&self, most: usize) -> Vec<String>;
    /// The same without what names a person, and without lines that say who was seen when: for the
    /// diagnostics, which leave the site.
    fn redacted_log(&self, most: usize) -> Vec<String>;
    /// The configuration in use, as TOML, secrets hidden.
    fn configuration(&self) -> String;
    /// What the detector saw in a photo that did not enrol, by its path below the photo folder. May read and
    /// decode a file.
    fn evidence(&self, photo: &str) -> Option<Picture>;
    /// The licence texts of everything in the image, compressed by gzip; none where there is no such file.
    /// Reads a file.
    fn licences(&self) -> Option<Bytes> {
        None
    }
    /// What stands on the screen at the door, as JPEG; none before the first picture. May encode one.
    fn door(&self) -> Option<Bytes> {
        None
    }
    /// The next frame of the camera with what was found in it. Only asked for while somebody looks.
    fn preview(&self) -> Pending<Result<Picture, Refused>>;
}

/// Performs a technician's actions.
pub trait Control: Send + Sync + 'static {
    /// Performs `action`. The server runs at most one of each [`Action::kind`] at a time and never cancels
    /// one.
    fn perform(&self, action: Action) -> Pending<Result<Done, Refused>>;
    /// Begins to take an update bundle of so many bytes; whole, it is installed by
    /// [`Action::InstallReceived`].
    ///
    /// # Errors
    /// [`Refused`] when no update can be taken here and now.
    fn receive(&self, bytes: u64) -> Result<Box<dyn Incoming>, Refused>;
    /// The settings; none where they cannot be shown.
    fn settings(&self) -> Option<Arc<dyn Settings>> {
        None
    }
    /// Enrolment at the door; none where there is no camera to take pictures.
    fn enrolment(&self) -> Option<Arc<dyn Enrolment>> {
        None
    }
    /// Writes all that this device knows to `out`, encrypted with `passphrase`. Made on a thread of its own.
    ///
    /// # Errors
    /// What is wrong; what was written until then is of no use.
    fn export(&self, passphrase: &Secret, out: &mut dyn io::Write) -> Result<(), Fault> {
        let _ = (passphrase, out);
        Err(Fault::new("nothing can be exported here"))
    }
    /// Begins to take such a file of so many bytes. Whole, the appliance restarts with what is in it.
    ///
    /// # Errors
    /// [`Refused`] when none can be taken here and now.
    fn import(
        &self,
        passphrase: Secret,
        keep_settings: bool,
        bytes: u64,
    ) -> Result<Box<dyn Incoming>, Refused> {
        let _ = (passphrase, keep_settings, bytes);
        Err(Refused { message: "Nothing can be imported here".to_owned(), details: String::new() })
    }
    /// The rows that are on this device only, and the words that a person types for a factory reset; none
    /// where that is not possible. Reads files.
    fn reset_words(&self) -> Option<(usize, String)> {
        None
    }
    /// Erases everything, if the right words were typed: the machine restarts within seconds. Reads files.
    ///
    /// # Errors
    /// What is wrong and what to do; nothing is erased then.
    fn factory_reset(&self, typed: &str) -> Result<(), Fault> {
        let _ = typed;
        Err(Fault::new("a factory reset is not possible here"))
    }
    /// The recovery key of the encrypted card, as long as nobody has said that they have written it down. Reads
    /// files.
    fn recovery_key(&self) -> Option<Secret> {
        None
    }
    /// It is written down, and never shown again. Writes a file.
    ///
    /// # Errors
    /// What the file system says; it is shown again then.
    fn recovery_key_written_down(&self) -> io::Result<()> {
        Ok(())
    }
    /// How the last import ended: whether it was taken over, and a sentence. None before the first.
    fn last_import(&self) -> Option<(bool, String)> {
        None
    }
}

/// An update bundle on its way in. Dropped unfinished, it leaves nothing behind.
pub trait Incoming: Send + 'static {
    /// Takes the next piece. May write to the card.
    ///
    /// # Errors
    /// [`Refused`] when there is no room, or more comes than was announced.
    fn take(&mut self, piece: &[u8]) -> Result<(), Refused>;
    /// All has come. May write to the card. What it answers is kept until the request ends: dropped, the
    /// bundle is deleted unless it was installed.
    ///
    /// # Errors
    /// [`Refused`] when less came than was announced, or it cannot be kept.
    fn finish(self: Box<Self>) -> Result<Box<dyn Send>, Refused>;
}

/// What a technician or a script may ask for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Action {
    /// Mirror the photos and enrol them, now.
    Sync,
    /// Deliver what waits, now.
    Upload,
    /// Ask the photo server whether it answers and takes the key.
    TestPhotos,
    /// Ask the webhook whether it answers and takes the key.
    TestWebhook,
    /// Stop and start camera and recognition.
    RestartRecognition,
    /// Try again to deliver a row that needs a person, by its id.
    RetryRow(String),
    /// Try again to deliver every row that needs a person.
    RetryAllRows,
    /// Give up a row that needs a person, by its id: it is never delivered, and stays in the day's file.
    DismissRow(String),
    /// Believe the listing that would remove many students.
    ConfirmRemoval,
    /// Believe the clock that is in doubt.
    ConfirmTime,
    /// Install the update bundle that was received, into the other slot.
    InstallReceived,
    /// Install the update bundle at this address, or the one that the offer (`latest.json`) at this address
    /// names.
    InstallFrom(SecretUrl),
    /// Restart into the installed update, on trial.
    TryUpdate,
    /// Ask now whether there is an update, and install it if there is.
    CheckUpdates,
    /// Restart into the other system, which is known to be whole, on trial.
    GoBack,
    /// The technician has read that the last update was rolled back.
    AcknowledgeUpdate,
    /// Close today's attendance: the OUTs that are open are sent.
    CloseDay,
    /// Take this file as the students' list.
    TakeStudents {
        /// What was uploaded.
        file: Bytes,
        /// Who uploaded it.
        by: String,
    },
    /// Remove the uploaded students' list.
    RemoveStudents,
    /// Accept the problem of a photo: it is no alarm any more.
    AcceptPhoto {
        /// Its path below the photo folder.
        photo: String,
        /// Who accepts it.
        by: String,
    },
    /// Take the acceptance of a photo's problem back.
    WatchPhoto(String),
    /// Correct attendance by hand.
    Correct {
        /// What.
        correction: Correction,
        /// Who corrects it.
        by: String,
        /// Why.
        reason: String,
    },
    /// Erase everything of a student, at every door of the school.
    EraseStudent {
        /// The roll number.
        roll: String,
        /// Who asks for it.
        by: String,
    },
    /// Lift an erasure, by its number: the student may come back.
    LiftErasure(String),
}

impl Action {
    /// The kinds of corrections.
    pub const CORRECTIONS: [&str; 4] = ["add-row", "change-row", "void-row", "place-row"];

    /// A short name, the same for every row and every address.
    pub fn kind(&self) -> &'static str {
        match self {
            Self::Sync => "sync",
            Self::Upload => "upload",
            Self::TestPhotos => "test-photos",
            Self::TestWebhook => "test-webhook",
            Self::RestartRecognition => "restart",
            Self::RetryRow(_) => "retry",
            Self::RetryAllRows => "retry-all",
            Self::DismissRow(_) => "dismiss",
            Self::ConfirmRemoval => "confirm-removal",
            Self::ConfirmTime => "confirm-time",
            Self::InstallReceived | Self::InstallFrom(_) => "install",
            Self::TryUpdate => "try-update",
            Self::CheckUpdates => "check-updates",
            Self::GoBack => "go-back",
            Self::AcknowledgeUpdate => "acknowledge-update",
            Self::CloseDay => "close-day",
            Self::TakeStudents { .. } => "take-students",
            Self::RemoveStudents => "remove-students",
            Self::AcceptPhoto { .. } => "accept-photo",
            Self::WatchPhoto(_) => "watch-photo",
            Self::Correct { correction, .. } => {
                let [add, change, void, place] = Self::CORRECTIONS;
                match correction {
                    Correction::Add { .. } => add,
                    Correction::Change { .. } => change,
                    Correction::Void { .. } => void,
                    Correction::Place { .. } => place,
                }
            }
            Self::EraseStudent { .. } => "erase-student",
            Self::LiftErasure(_) => "lift-erasure",
        }
    }
}

/// A picture with marks, for the logged-in technician only; never stored, never in a bundle.
#[derive(Debug, Clone, PartialEq)]
pub struct Picture {
    /// The picture as JPEG.
    pub jpeg: Bytes,
    /// Width, pixels.
    pub width: u32,
    /// Height, pixels.
    pub height: u32,
    /// What was found in it.
    pub marks: Vec<Mark>,
}

/// A box round a face, with words.
#[derive(Debug, Clone, PartialEq)]
pub struct Mark {
    /// Left edge, pixels from the left.
    pub x: f32,
    /// Upper edge, pixels from the top.
    pub y: f32,
    /// Width, pixels.
    pub width: f32,
    /// Height, pixels.
    pub height: f32,
    /// Short text beside the box: "2110001 0.71 live".
    pub label: String,
    /// Whether what the label says is good.
    pub good: bool,
}

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

/// A decision about a face: a name, a stranger, a refused attack, or what a person was asked to do.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, JsonSchema)]
pub struct Decision {
    /// Local time, `YYYY-MM-DD HH:MM:SS`.
    pub at: String,
    /// What was decided, and why, in words.
    pub what: String,
}

/// Today's attendance.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, JsonSchema)]
pub struct Today {
    /// The site's date, `YYYY-MM-DD`.
    pub date: String,
    /// Path of the day's CSV file.
    pub file: String,
    /// Whether the file exists.
    pub exists: bool,
    /// Rows, oldest first.
    pub rows: Vec<Row>,
    /// Rows that could not be written to the disk yet: in memory only, lost when the power goes.
    pub unsaved: usize,
    /// Those of them that the backend does not have either; 0 without a webhook.
    pub unsaved_undelivered: usize,
    /// Why, and what to do; none when everything is on the disk.
    pub unsaved_reason: Option<Fault>,
    /// Recognitions since the program started that became no row, because rows could not be written for
    /// hours.
    pub lost: u64,
    /// The policy: `first-in-last-out` or `alternate`.
    pub policy: String,
    /// OUTs that are open: a later visit moves them, and they are sent when the day closes.
    pub open_outs: usize,
    /// When OUT rows are sent, one sentence; empty with the policy `alternate`.
    pub outs_are_sent: String,
    /// Whether attendance of today is closed.
    pub closed: bool,
    /// Rows of today that a person made, changed or took away, and those that the rules took back unsent.
    pub corrected: Vec<Row>,
}

/// A row of attendance, as the original writes it.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, JsonSchema)]
pub struct Row {
    /// Roll number.
    pub name: String,
    /// `IN` or `OUT`.
    pub status: RowStatus,
    /// Local time of the site, `YYYY-MM-DD HH:MM:SS`.
    pub timestamp: String,
    /// Whether the clock could not be trusted when it was written.
    pub provisional: bool,
    /// Whether the backend has it.
    pub delivery: RowDelivery,
    /// Whether it is an OUT that a later visit can still move: it is sent when the day closes.
    pub open: bool,
    /// What else there is to say: `no departure seen`, that the student was seen after the OUT was sent, who
    /// corrected the row and why; empty when nothing.
    pub note: String,
    /// Names the row for a correction; empty for an OUT that is open.
    pub id: String,
}

/// Whether somebody came or went.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(rename_all = "UPPERCASE")]
pub enum RowStatus {
    /// Came.
    #[default]
    In,
    /// Went.
    Out,
}

impl RowStatus {
    /// As the API and the CSV files have it.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::In => "IN",
            Self::Out => "OUT",
        }
    }
}

impl fmt::Display for RowStatus {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// Whether the backend has a row.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum RowDelivery {
    /// Not yet.
    #[default]
    Waiting,
    /// The backend has it.
    Delivered,
    /// The backend refused it, and a person must look.
    NeedsPerson,
    /// The backend has another row in its place, which this door did not send.
    Conflict,
    /// A person decided that it is not delivered.
    Dismissed,
    /// A person declared it void.
    Void,
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

/// Delivery to the backend.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, JsonSchema)]
pub struct Upload {
    /// The webhook without its credentials; none when rows stay on the device.
    pub url: Option<String>,
    /// Seconds between two uploads.
    pub interval_s: u64,
    /// Rows that wait for delivery.
    pub backlog: usize,
    /// Local time of the last answer that took rows.
    pub last_success: Option<String>,
    /// Why the last try failed, without secrets; none when it did not.
    pub error: Option<Fault>,
    /// Seconds until the next try, after a failure.
    pub retry_in_s: Option<u64>,
    /// Rows the backend refused, which a person must look at.
    pub needs_person: Vec<RefusedRow>,
}

/// A row the backend refused.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, JsonSchema)]
pub struct RefusedRow {
    /// Names the row for [`Action::RetryRow`] and [`Action::DismissRow`]; letters, digits, `-`, `_`, `.` and
    /// `:`.
    pub id: String,
    /// Roll number.
    pub name: String,
    /// `IN` or `OUT`.
    pub status: RowStatus,
    /// Local time of the site.
    pub timestamp: String,
    /// The backend's words, or why a person must look.
    pub reason: String,
    /// Whether it was taken away here, and the backend may have it still: it can be dismissed only.
    pub void: bool,
    /// The days on which it may have been seen, `YYYY-MM-DD`, where a person has to say which.
    pub days: Vec<String>,
}

/// The other doors of the school, over MQTT. What is wrong with them stands among the problems.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, JsonSchema)]
pub struct School {
    /// The broker, without credentials.
    pub broker: String,
    /// Whether it is connected.
    pub connected: bool,
    /// Doors heard in the last three minutes, this one included.
    pub doors: usize,
    /// Messages published since the start.
    pub published: u64,
    /// Messages received since the start.
    pub received: u64,
    /// Messages that were refused or not believed.
    pub refused: u64,
}

/// The mirror of the photos.
#[derive(Debug, Clone, Default, PartialEq, Serialize, JsonSchema)]
pub struct PhotoSync {
    /// Where photos come from: a URL without credentials, or a folder.
    pub source: String,
    /// Seconds between two synchronisations.
    pub interval_s: u64,
    /// Local time of the last one that worked.
    pub last_success: Option<String>,
    /// What it did, one sentence.
    pub summary: Option<String>,
    /// Why the last one failed, without secrets; none when it did not.
    pub error: Option<Fault>,
    /// Photos the server named at the last one that worked; none before the first.
    pub listed: Option<usize>,
    /// Those of them that could not be fetched.
    pub failed: usize,
    /// How far the present one is; none between two.
    pub progress: Option<Progress>,
    /// A listing that would remove so many students that a person is asked.
    pub removal: Option<Removal>,
}

/// How far a long action is.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, JsonSchema)]
pub struct Progress {
    /// What is done at present: `fetching photos`, `enrolling`.
    pub step: String,
    /// Done of it.
    pub done: usize,
    /// All of it; 0 when not yet known.
    pub total: usize,
}

/// A large removal that waits for a person's word.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, JsonSchema)]
pub struct Removal {
    /// Students that would go.
    pub students: usize,
    /// Students on the roster.
    pub of: usize,
}

/// The roster in numbers.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, JsonSchema)]
pub struct RosterCount {
    /// Students that can be recognised.
    pub students: usize,
    /// Photos they were enrolled from.
    pub photos: usize,
    /// Students that cannot be recognised, because none of their photos enrolled.
    pub unrecognisable: usize,
    /// Photos that did not enrol.
    pub refused: Vec<RefusedPhoto>,
}

/// A photo that did not enrol.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, JsonSchema)]
pub struct RefusedPhoto {
    /// Its path below the photo folder, `<roll>/<file>`.
    pub photo: String,
    /// Why, and what to do.
    pub reason: String,
    /// Whether it is here and can be looked at: what could not be fetched cannot, nor a remark on two
    /// students or a folder.
    pub picture: bool,
    /// Who accepted this problem, so that it is no alarm; none where nobody did.
    pub accepted_by: Option<String>,
}

/// The students' list in use, in numbers.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct StudentsList {
    /// Where it comes from, in words; none without a list.
    pub from: Option<String>,
    /// Whether somebody uploaded it.
    pub uploaded: bool,
    /// Students on it.
    pub students: usize,
    /// Lines that were left out when it was read, and why.
    pub left_out: Vec<String>,
    /// Why it cannot be used, and what to do.
    pub problem: Option<Fault>,
}

/// What is known of a student beside their days.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct AboutStudent {
    /// Name; empty where none is known.
    pub name: String,
    /// Class; empty where none is known.
    pub class: String,
    /// Photos in use, with the quality of the face in words.
    pub photos: Vec<(String, String)>,
    /// Photos that are not in use.
    pub refused: Vec<RefusedPhoto>,
    /// The last decisions about them, newest first: why a recognition made no row.
    pub decisions: Vec<Decision>,
    /// Rows of theirs that the webhook has not got.
    pub undelivered: usize,
}

/// One erasure. It does not say whom.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, JsonSchema)]
pub struct Erasure {
    /// Its number, the same at all doors of the school.
    pub id: String,
    /// Local time at which it was asked for.
    pub at: String,
    /// Who asked for it here; empty where another door did.
    pub by: String,
    /// Whether everything on this device is removed.
    pub done: bool,
    /// Whether it was lifted: the student may be enrolled again.
    pub lifted: bool,
}

/// Everyone who has a photo.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, JsonSchema)]
pub struct Roster {
    /// The students that can be recognised, by roll number.
    pub students: Vec<Student>,
    /// Photos that did not enrol.
    pub refused: Vec<RefusedPhoto>,
}

/// A student that can be recognised.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, JsonSchema)]
pub struct Student {
    /// Roll number.
    pub name: String,
    /// The photos that enrolled, by their paths below the photo folder.
    pub photos: Vec<String>,
}
