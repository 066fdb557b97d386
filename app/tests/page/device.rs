//! A server with a stand-in behind it: a healthy appliance whose state each test changes as it likes.

use access::password;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use access::token::{TokenAccess, TokenFile};
use attendance::appliance::systems::Bundle;
use base::event::{Bus, WorkerState};
use base::moment::SiteZone;
use base::secret::Secret;
use bytes::Bytes;
use office::day::{Day, Now, Person, Rules, Seen};
use settings::desk::Desk;
use settings::store::{RealDisk, Store};
use settings::trial::Keeper;
use settings::writer::Writer;
use status::config::Page;
use status::limits::Limits;
use status::{Running, start};
use time::macros::{format_description, time};
use time::{Date, PrimitiveDateTime};
use update::inbox;
use update::under_way::UnderWay;
use view::systems::{
    Content, InstalledSystem, Origin, Signers, Slot, SlotView, Systems, UpdateEnd, UpdateOutcome,
};
use view::{
    AboutStudent, Action, Camera, Control, Decision, Done, Erasure, Incoming, KnownScene, LivenessCheck,
    Mark, Pending, PhotoSync, Picture, Refused, RefusedPhoto, RefusedRow, Roster, RosterCount, Row,
    RowDelivery, RowStatus, Source, Student, StudentsList, System, Today, Update, Upload, View, Worker,
};

/// The number of an erasure that is in force.
pub const ERASURE: &str = "0123456789abcdef";

use crate::enrolment::FakeEnrolment;
use crate::spreadsheet::TRICKS;

pub const PASSWORD: &str = "correct-horse-battery";

/// An archive that came in: its passphrase, whether own settings are kept, and its bytes.
pub type ArchiveSeen = (String, bool, Vec<u8>);

/// The stand-in.
pub struct Fake {
    pub view: Mutex<View>,
    pub performed: Mutex<Vec<Action>>,
    /// How long an action takes, and whether it works.
    pub takes: Mutex<Duration>,
    pub fails: Mutex<bool>,
    pub previews: Mutex<usize>,
    pub evidences: Mutex<usize>,
    /// Students of the school.
    pub students: Mutex<usize>,
    /// Where bundles are received.
    pub inbox: PathBuf,
    pub updating: UnderWay,
    /// The real one, on a file in the folder of the device.
    pub settings: Arc<Desk>,
    pub enrolment: Arc<FakeEnrolment>,
    /// What persons corrected.
    pub corrected: Mutex<Vec<Row>>,
    /// How often everything was erased.
    pub erased: Mutex<usize>,
    /// Whether somebody has written the card's recovery key down.
    pub written_down: Mutex<bool>,
    /// Archives that came: passphrase, whether the settings stay, content.
    pub archives: Arc<Mutex<Vec<ArchiveSeen>>>,
}

pub struct Device {
    pub fake: Arc<Fake>,
    pub bus: Bus,
    pub running: Running,
    pub folder: tempfile::TempDir,
    pub read: Secret,
    pub full: Secret,
    pub password: String,
}

impl Device {
    pub fn start() -> Self {
        // Tests open more connections at once than a person does.
        Self::with(Limits {
            arrivals_per_address: (10_000.0, 10_000.0),
            arrivals: (10_000.0, 10_000.0),
            ..Limits::default()
        })
    }

    pub fn with(limits: Limits) -> Self {
        Self::made(limits, Page::default(), true, None)
    }

    /// One that also listens on the port of the original system's scripts.
    pub fn with_original_port(port: u16) -> Self {
        Self::made(Limits::default(), Page { original_port: Some(port), ..Page::default() }, true, None)
    }

    /// The server before another source than the stand-in.
    pub fn showing(source: Arc<dyn Source>, bus: Bus) -> Self {
        Self::made(Limits::default(), Page::default(), true, Some((source, bus)))
    }

    /// One that made its password itself.
    pub fn with_own_password() -> Self {
        Self::made(Limits::default(), Page::default(), false, None)
    }

    fn made(limits: Limits, page: Page, configured: bool, shown: Option<(Arc<dyn Source>, Bus)>) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let hash = password::hash(&Secret::new(PASSWORD)).unwrap();
        let config = Page {
            listen: "127.0.0.1:0".parse().unwrap(),
            password_hash: configured.then(|| Secret::new(hash)),
            ..page
        };
        let tokens = TokenFile::below(folder.path());
        let read = tokens.add("monitoring", TokenAccess::Read).unwrap();
        let full = tokens.add("script", TokenAccess::Full).unwrap();
        let fake = Arc::new(Fake {
            view: Mutex::new(healthy()),
            performed: Mutex::default(),
            takes: Mutex::new(Duration::ZERO),
            fails: Mutex::new(false),
            previews: Mutex::new(0),
            evidences: Mutex::new(0),
            students: Mutex::new(0),
            inbox: folder.path().join("update"),
            updating: UnderWay::default(),
            erased: Mutex::default(),
            written_down: Mutex::default(),
            archives: Arc::default(),
            corrected: Mutex::default(),
            settings: Arc::new(desk(folder.path())),
            enrolment: Arc::default(),
        });
        let (source, bus) = shown.unwrap_or_else(|| (fake.clone(), Bus::default()));
        let mut running = start(&config, folder.path(), source, fake.clone(), bus.clone(), limits).unwrap();
        let password = running.first_password().map_or(PASSWORD.to_owned(), |made| made.expose().to_owned());
        Self { fake, bus, running, folder, read, full, password }
    }

    pub fn change(&self, change: impl FnOnce(&mut View)) {
        change(&mut self.fake.view.lock().unwrap());
    }

    pub fn url(&self) -> String {
        format!("https://{}/", self.running.address())
    }

    pub fn path(&self) -> &Path {
        self.folder.path()
    }
}

impl Source for Fake {
    fn view(&self) -> View {
        self.view.lock().unwrap().clone()
    }

    fn corrected(&self, _day: Date) -> Result<Vec<Row>, Refused> {
        Ok(self.corrected.lock().unwrap().clone())
    }

    fn rows(&self, day: Date) -> Result<Vec<Row>, Refused> {
        match day.year() {
            2025 => Ok(vec![
                row("2110009", "IN", "2025-01-15 08:59:58"),
                row("2110009", "OUT", "2025-01-15 17:00:00"),
            ]),
            1999 => Err(Refused {
                message: "The file of this day is damaged.".to_owned(),
                details: String::new(),
            }),
            _ => Ok(Vec::new()),
        }
    }

    /// A school of some hundred students in three classes; who has a row today came.
    fn days(&self, from: Date, to: Date) -> Result<Vec<Day>, Refused> {
        let today = self.view.lock().unwrap().today.clone();
        let persons: Vec<Person> = (1..=*self.students.lock().unwrap())
            .map(|n| Person {
                roll: format!("{}", 2_110_000 + n),
                name: match n {
                    7 => format!("=Asha Student {n}"),
                    601.. => TRICKS[(n - 601) % TRICKS.len()].to_owned(),
                    _ => format!("Ben Student {n}"),
                },
                class: format!("{} {}", 8 + n % 3, if n % 2 == 0 { "A" } else { "B" }),
                enrolled: n % 50 != 0,
            })
            .collect();
        let moment = |text: &str| {
            let form = format_description!("[year]-[month]-[day] [hour]:[minute]:[second]");
            PrimitiveDateTime::parse(text, form).unwrap()
        };
        let time = moment(&format!("{} 09:30:12", today.date));
        let now = Now { date: time.date(), time, closed: today.closed };
        let rules = Rules { late_after: Some(time!(8:30)), school_days: Vec::new(), departures: true };
        let days = office::range::days(from, to).unwrap_or_default().into_iter().map(|date| {
            let rows = if date.to_string() == today.date { Ok(today.rows.clone()) } else { self.rows(date) };
            let seen = rows.unwrap_or_default().into_iter().map(|row| Seen {
                at: moment(&row.timestamp),
                is_in: row.status == RowStatus::In,
                provisional: row.provisional,
                roll: row.name,
            });
            office::day::judge(date, &now, &rules, &persons, &seen.collect::<Vec<_>>())
        });
        Ok(days.collect())
    }

    fn students(&self) -> StudentsList {
        StudentsList {
            from: Some("uploaded by the technician".to_owned()),
            uploaded: true,
            students: *self.students.lock().unwrap(),
            ..StudentsList::default()
        }
    }

    fn student(&self, roll: &str) -> Option<AboutStudent> {
        (roll == "2110007").then(|| AboutStudent {
            name: "=Asha Student 7".to_owned(),
            class: "9 B".to_owned(),
            photos: vec![("2110007/a.jpg".to_owned(), "face 212 pixels wide, sharpness 310".to_owned())],
            refused: Vec::new(),
            decisions: vec![Decision {
                at: "2026-11-22 08:12:03".to_owned(),
                what: "No row for 2110007: IN 08:05:09 stands".to_owned(),
            }],
            undelivered: 2,
        })
    }

    fn erasures(&self) -> Vec<Erasure> {
        let lifted = self.performed.lock().unwrap().contains(&Action::LiftErasure(ERASURE.to_owned()));
        let (id, at) = (ERASURE.to_owned(), "2026-11-21 15:00:00".to_owned());
        vec![Erasure { id, at, by: "anna (office)".to_owned(), done: true, lifted }]
    }

    fn roster(&self) -> Roster {
        Roster {
            students: vec![Student { name: "2110001".to_owned(), photos: vec!["2110001/a.jpg".to_owned()] }],
            refused: self.view().roster.refused,
        }
    }

    fn log(&self, most: usize) -> Vec<String> {
        (0..60)
            .map(|n| format!("2026-11-22 09:{n:02}:00 INFO line {n} <script>alert(1)</script>"))
            .take(most)
            .collect()
    }

    fn redacted_log(&self, most: usize) -> Vec<String> {
        self.log(most)
    }

    fn configuration(&self) -> String {
        "[webhook]\nkey = \"[hidden]\"\n".to_owned()
    }

    fn evidence(&self, photo: &str) -> Option<Picture> {
        *self.evidences.lock().unwrap() += 1;
        (photo != "2110005/broken.jpg").then(|| picture("two faces", false))
    }

    fn licences(&self) -> Option<bytes::Bytes> {
        use std::io::Write as _;
        let mut packed = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
        packed.write_all(b"the text of a licence").unwrap();
        (!*self.fails.lock().unwrap()).then(|| packed.finish().unwrap().into())
    }

    fn door(&self) -> Option<bytes::Bytes> {
        Some(picture("", true).jpeg)
    }

    fn preview(&self) -> Pending<Result<Picture, Refused>> {
        *self.previews.lock().unwrap() += 1;
        Box::pin(async { Ok(picture("2110001 0.71 live", true)) })
    }
}

impl Control for Fake {
    fn settings(&self) -> Option<Arc<dyn view::settings::Settings>> {
        Some(self.settings.clone())
    }

    fn enrolment(&self) -> Option<Arc<dyn view::enrolment::Enrolment>> {
        Some(self.enrolment.clone())
    }

    fn perform(&self, action: Action) -> Pending<Result<Done, Refused>> {
        self.performed.lock().unwrap().push(action.clone());
        let (takes, fails) = (*self.takes.lock().unwrap(), *self.fails.lock().unwrap());
        let turn = if action == Action::InstallReceived { self.updating.resume() } else { None };
        Box::pin(async move {
            tokio::time::sleep(takes).await;
            drop(turn);
            if fails {
                return Err(Refused {
                    message: "The photo server cannot be reached.".to_owned(),
                    details: "connection refused".to_owned(),
                });
            }
            let message = match action {
                Action::Sync => "12 photos are new, 988 as they were.".to_owned(),
                Action::Upload => "7 rows were delivered.".to_owned(),
                Action::TestPhotos | Action::TestWebhook => "It answers and takes the key.".to_owned(),
                Action::RestartRecognition => "Recognition was started again.".to_owned(),
                Action::RetryRow(row) => format!("Row {row} was delivered."),
                Action::RetryAllRows => "All rows will be sent again.".to_owned(),
                Action::DismissRow(row) => format!("Row {row} was dismissed."),
                Action::ConfirmRemoval => "300 students were removed.".to_owned(),
                Action::ConfirmTime => "The clock is believed.".to_owned(),
                Action::InstallReceived => "The update is installed in slot B.".to_owned(),
                Action::InstallFrom(address) => format!("Fetched from {address}."),
                Action::TryUpdate => "It restarts.".to_owned(),
                Action::CheckUpdates => "Nothing to install.".to_owned(),
                Action::GoBack => "It restarts into the other system.".to_owned(),
                Action::AcknowledgeUpdate => "Noted.".to_owned(),
                Action::CloseDay => "The day is closed.".to_owned(),
                Action::TakeStudents { file, by } => match office::students::parse(&file) {
                    Ok(list) => format!("The list has {} students, from {by}.", list.students.len()),
                    Err(error) => {
                        return Err(Refused { message: error.to_string(), details: String::new() });
                    }
                },
                Action::RemoveStudents => "The uploaded list is removed.".to_owned(),
                Action::AcceptPhoto { photo, .. } => format!("{photo} is known."),
                Action::Correct { by, reason, .. } => format!("It is corrected, by {by}: {reason}."),
                Action::WatchPhoto(photo) => format!("{photo} is on the list again."),
                Action::EraseStudent { .. } => "The student is erased".to_owned(),
                Action::LiftErasure(id) => format!("Erasure {id} is lifted."),
            };
            Ok(Done { message, output: "details\n".to_owned() })
        })
    }

    /// Three megabytes; on a device whose actions fail, it breaks off in the middle, or at once.
    fn export(&self, passphrase: &Secret, out: &mut dyn std::io::Write) -> Result<(), base::failure::Fault> {
        let full = |_| base::failure::Fault::new("nobody reads");
        let fails = *self.fails.lock().unwrap();
        if fails && passphrase.expose().starts_with("at once") {
            return Err(base::failure::Fault::new("the card cannot be read").advise("replace it"));
        }
        for piece in 0..3 {
            if fails && piece == 2 {
                return Err(base::failure::Fault::new("a file changed while it was read"));
            }
            out.write_all(&vec![piece; 1_000_000]).map_err(full)?;
        }
        Ok(())
    }

    fn import(&self, passphrase: Secret, keep: bool, bytes: u64) -> Result<Box<dyn Incoming>, Refused> {
        if *self.fails.lock().unwrap() {
            let details = "wait for its end".to_owned();
            return Err(Refused { message: "another import is under way".to_owned(), details });
        }
        assert!(bytes > 0);
        let archive = (passphrase.expose().to_owned(), keep, Vec::new());
        Ok(Box::new(Coming { archive, all: Arc::clone(&self.archives) }))
    }

    fn reset_words(&self) -> Option<(usize, String)> {
        Some((12, "ERASE attendance-0a1b2c AND 12 ROWS".to_owned()))
    }

    fn factory_reset(&self, typed: &str) -> Result<(), base::failure::Fault> {
        if typed != "ERASE attendance-0a1b2c AND 12 ROWS" {
            return Err(base::failure::Fault::new("12 rows are on this device only").advise("type the words"));
        }
        *self.erased.lock().unwrap() += 1;
        Ok(())
    }

    fn recovery_key(&self) -> Option<Secret> {
        (!*self.written_down.lock().unwrap()).then(|| Secret::new("vlftknbj-tvrglvhb"))
    }

    fn recovery_key_written_down(&self) -> std::io::Result<()> {
        *self.written_down.lock().unwrap() = true;
        Ok(())
    }

    fn last_import(&self) -> Option<(bool, String)> {
        Some((true, "The archive was taken over.".to_owned()))
    }

    fn receive(&self, bytes: u64) -> Result<Box<dyn Incoming>, Refused> {
        inbox::Incoming::begin(&self.inbox, bytes, &self.updating)
            .map(|incoming| -> Box<dyn Incoming> { Box::new(Bundle(incoming)) })
            .map_err(|error| Refused { message: error.to_string(), details: String::new() })
    }
}

struct Coming {
    archive: (String, bool, Vec<u8>),
    all: Arc<Mutex<Vec<ArchiveSeen>>>,
}

impl Incoming for Coming {
    fn take(&mut self, piece: &[u8]) -> Result<(), Refused> {
        self.archive.2.extend_from_slice(piece);
        Ok(())
    }

    fn finish(self: Box<Self>) -> Result<Box<dyn Send>, Refused> {
        if self.archive.0.starts_with("wrong") {
            let message = "the passphrase does not open this archive".to_owned();
            return Err(Refused { message, details: "type it as at the export".to_owned() });
        }
        self.all.lock().unwrap().push(self.archive);
        Ok(Box::new(()))
    }
}

/// Settings as a site has them, with secrets that are to be seen nowhere.
fn desk(folder: &Path) -> Desk {
    let file = folder.join("attendance.toml");
    let text = "# The north gate.\n[site]\nname = \"North gate\" # shown on the page\n\n[webhook]\nurl = \"https://backend.example/hook?key=s3cr3t\"\n\
                # From the office, 3 March.\nkey = \"s3cr3t\"\n";
    std::fs::write(&file, text).unwrap();
    let store = Store::below(folder, Arc::new(RealDisk));
    let keeper = Keeper::with(Writer::new(&file), store);
    assert_eq!(keeper.begin(), settings::trial::Start::GoOn);
    Desk::new(Arc::new(keeper), SiteZone::default())
}

pub fn row(name: &str, status: &str, timestamp: &str) -> Row {
    Row {
        name: name.to_owned(),
        status: if status == "OUT" { RowStatus::Out } else { RowStatus::In },
        timestamp: timestamp.to_owned(),
        provisional: false,
        delivery: RowDelivery::Delivered,
        ..Row::default()
    }
}

/// A grey picture with one mark: no face.
pub fn picture(label: &str, good: bool) -> Picture {
    let grey =
        image::RgbImage::from_fn(320, 180, |x, y| image::Rgb([(x / 2) as u8, (y / 2) as u8 + 60, 110]));
    let mut jpeg = std::io::Cursor::new(Vec::new());
    grey.write_to(&mut jpeg, image::ImageFormat::Jpeg).unwrap();
    let mark = Mark { x: 120.0, y: 50.0, width: 70.0, height: 90.0, label: label.to_owned(), good };
    Picture { jpeg: Bytes::from(jpeg.into_inner()), width: 320, height: 180, marks: vec![mark] }
}

/// An appliance at half past nine on a good day.
pub fn healthy() -> View {
    let running =
        |name: &str| Worker { name: name.to_owned(), state: WorkerState::Running, reason: None, restarts: 0 };
    View {
        site: "North gate".to_owned(),
        now: "2026-11-22 09:30:12".to_owned(),
        system: System {
            version: "0.1.0".to_owned(),
            slot: Some("A".to_owned()),
            pid: std::process::id(),
            started: "2026-11-20 06:00:00".to_owned(),
            uptime_s: 185_412,
            storage_free: Some(21_400_000_000),
            storage_total: Some(28_900_000_000),
            memory_free: Some(6_100_000_000),
            memory_total: Some(8_200_000_000),
            temperature_c: Some(54.2),
            slowed_by_heat: false,
            lacks_power: false,
            clock_trusted: true,
            clock_doubt: None,
            time_zone: "Asia/Kolkata".to_owned(),
            liveness: LivenessCheck::PassiveAny,
            scene: KnownScene::Usable,
        },
        workers: ["recognition", "sync", "upload", "attendance"].map(running).to_vec(),
        camera: Camera {
            restarts: 0,
            reboots: 0,
            source: "imx708".to_owned(),
            frame_rate: 14.6,
            latency_ms: 61.0,
            dropped: 214,
            frames: 2_702_331,
            last_frame_age_s: Some(0.07),
            decisions: Vec::new(),
        },
        today: Today {
            date: "2026-11-22".to_owned(),
            file: "/var/lib/attendance/attendance_2026-11-22.csv".to_owned(),
            exists: true,
            unsaved: 0,
            unsaved_undelivered: 0,
            unsaved_reason: None,
            lost: 0,
            policy: "first-in-last-out".to_owned(),
            outs_are_sent: "OUT rows are open until 19:00, and are sent then.".to_owned(),
            rows: (0..42)
                .map(|n| {
                    let at = format!("2026-11-22 {:02}:{:02}:{:02}", 8 + n / 30, (n * 2) % 60, (n * 37) % 60);
                    row(&format!("21100{:02}", n % 36 + 1), if n < 36 { "IN" } else { "OUT" }, &at)
                })
                .collect(),
            ..Today::default()
        },
        upload: Upload {
            url: Some("https://backend.example/attendance/webhook".to_owned()),
            interval_s: 60,
            last_success: Some("2026-11-22 09:29:40".to_owned()),
            ..Upload::default()
        },
        sync: PhotoSync {
            source: "https://backend.example/media/students".to_owned(),
            interval_s: 900,
            last_success: Some("2026-11-22 09:15:03".to_owned()),
            summary: Some("Nothing changed: 2104 photos as they were.".to_owned()),
            ..PhotoSync::default()
        },
        roster: RosterCount { students: 1021, photos: 2104, unrecognisable: 0, refused: Vec::new() },
        update: Update {
            systems: Some(systems(UpdateEnd::Committed)),
            window: "02:00-04:30".to_owned(),
            ..Update::default()
        },
        school: None,
        plain_http: Vec::new(),
        on_memory: None,
        card: Some(Card::parse("state=plain\n")),
        problems: Vec::new(),
    }
}

/// Slot A runs and is committed; the last update, in A or (rolled back) in B, ended so.
pub fn systems(end: UpdateEnd) -> Systems {
    let system = |version: &str, day: &str| {
        Some(InstalledSystem { version: version.to_owned(), built: Some(format!("{day}T12:00:00Z")) })
    };
    let failed = !end.is_success();
    let a = system("1.3.0+20261118.1610.9b3e01c", "2026-11-18");
    let b = if failed {
        system("1.4.0+20261120.0830.77d0c52", "2026-11-20")
    } else {
        system("1.2.0+20261002.0900.4f1c2aa", "2026-10-02")
    };
    let to = InstalledSystem { version: if failed { "1.4.0" } else { "1.3.0" }.to_owned(), built: None };
    let last = UpdateOutcome {
        trial: 3,
        slot: if failed { Slot::B } else { Slot::A },
        from: InstalledSystem::default(),
        went_back: false,
        to: Some(to),
        origin: Origin::Page,
        at: time::macros::datetime!(2026-11-21 02:14:00 UTC),
        end,
    };
    let sentence = if failed {
        "The update to version 1.4.0 was rolled back: its check \"camera\" failed (no frame within 180 s). The previous version runs."
    } else {
        "Updated to version 1.3.0 from the page."
    };
    Systems {
        slot: Slot::A,
        on_trial: false,
        committed: Slot::A,
        a: SlotView { content: Content::Whole, system: a },
        b: SlotView { content: if failed { Content::Failed } else { Content::Whole }, system: b },
        waits_for_trial: None,
        sentence: Some(sentence.to_owned()),
        attempt: None,
        installed: None,
        needs_acknowledgement: failed,
        signers: if failed { Signers::Development } else { Signers::Own },
        eeprom: "The EEPROM's settings cannot be seen from this system.".to_owned(),
        not_wanted: if failed { vec!["1.4.0".to_owned()] } else { Vec::new() },
        last: Some(last),
    }
}

/// Much is wrong at once.
pub fn broken(view: &mut View) {
    view.update.systems = Some(systems(UpdateEnd::Failed {
        check: "camera".to_owned(),
        reason: "no frame within 180 s".to_owned(),
        log: vec!["camera: opening imx708".to_owned(), "WARN: camera failed: no such device".to_owned()],
    }));
    view.camera.last_frame_age_s = Some(73.0);
    view.camera.frame_rate = 0.0;
    view.system.clock_trusted = false;
    view.workers[0].restarts = 3;
    view.workers[2].state = WorkerState::Held;
    view.workers[2].reason = Some("the webhook refuses the key (401)".into());
    view.upload.backlog = 318;
    view.upload.error = Some("the webhook refuses the key (401)".into());
    view.upload.needs_person = ["2110007", "9999999"]
        .map(|name| RefusedRow {
            id: format!("2026-11-21:{name}:IN"),
            name: name.to_owned(),
            status: RowStatus::In,
            timestamp: "2026-11-21 09:02:10".to_owned(),
            reason: format!("Student not found: {name}"),
            ..RefusedRow::default()
        })
        .to_vec();
    view.roster.refused = [
        ("2110004/group.jpg", "Two faces; use a photo with one person."),
        ("2110005/broken.jpg", "The file is damaged; upload it again."),
    ]
    .map(|(photo, reason)| RefusedPhoto {
        photo: photo.to_owned(),
        reason: reason.to_owned(),
        picture: true,
        accepted_by: None,
    })
    .to_vec();
}
