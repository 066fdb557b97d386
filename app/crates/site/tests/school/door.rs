//! A door whose disk is a map in memory: it survives the end of the worker, as the journal survives a power
//! cut.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::atomic::{AtomicI64, AtomicU32, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, OnceLock};
use std::time::{Duration, Instant};

use base::failure::Fault;
use base::identity::RollNumber;
use base::secret::Secret;
use site::book::{Device, Direction, Visit, Void};
use site::config::{BrokerUrl, Mqtt};
use site::device::Identity;
use site::erasure::Erasures;
use site::home_assistant::{Command, Happening, State};
use site::judge::Window;
use site::keys::Keys;
use site::link::Pace;
use site::school::{Elsewhere, Own};
use site::worker::{Changes, Door, Settings, Shared, Worker};
use time::{Date, OffsetDateTime};
use tokio::sync::broadcast;
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

pub const KEY: &str = "0123456789abcdef0123456789abcdef";

pub fn roll(number: u32) -> RollNumber {
    RollNumber::parse(&format!("21{number:05}")).unwrap()
}

pub fn clock() -> i64 {
    OffsetDateTime::now_utc().unix_timestamp()
}

/// The school day is the day of UTC, a little longer, so that no test fails at midnight.
pub fn window(now: i64) -> Window {
    let starts = now - 20_000;
    let day = OffsetDateTime::from_unix_timestamp(starts).unwrap().date();
    Window { day, starts: now - 30_000, ends: now + 40_000 }
}

/// What survives a power cut.
#[derive(Default)]
pub struct Disk {
    own: Mutex<BTreeMap<(Date, RollNumber), Own>>,
    pub taken: Mutex<BTreeMap<(Date, RollNumber), Elsewhere>>,
    pub silent: Mutex<BTreeSet<Arc<str>>>,
    pub performed: Mutex<Vec<Command>>,
    /// Seconds by which the door's clock is wrong.
    pub ahead: AtomicI64,
    roster: AtomicU32,
    version: AtomicU64,
    starts: AtomicU32,
    base: i64,
    erasures: OnceLock<(tempfile::TempDir, Arc<Erasures>)>,
    /// How often it was asked to remove what it has of erased students.
    pub erases: AtomicU32,
}

impl Disk {
    pub fn new(students: u32) -> Arc<Self> {
        Arc::new(Self { roster: students.into(), base: clock(), ..Self::default() })
    }

    pub fn day(&self) -> Date {
        self.window().day
    }

    fn window(&self) -> Window {
        window(self.base + self.ahead.load(Ordering::Relaxed))
    }

    /// A visit, and its mark for the worker.
    pub fn visit(&self, changes: &Changes, number: u32, begins: i64, ends: i64) {
        let (day, roll) = (self.day(), roll(number));
        let mut own = self.own.lock().unwrap();
        own.entry((day, roll.clone())).or_default().visits.push(Visit { begins, ends });
        drop(own);
        changes.mark(day, roll);
    }

    pub fn void(&self, changes: &Changes, number: u32, void: Void) {
        let (day, roll) = (self.day(), roll(number));
        self.own.lock().unwrap().entry((day, roll.clone())).or_default().voids.push(void);
        changes.mark(day, roll);
    }

    pub fn erasures(&self) -> Arc<Erasures> {
        let opened = || {
            let folder = tempfile::tempdir().unwrap();
            let keys = Keys::new(&Mqtt::default().site, &Secret::new(KEY));
            let erasures = Erasures::below(folder.path(), Some(&keys));
            (folder, Arc::new(erasures))
        };
        Arc::clone(&self.erasures.get_or_init(opened).1)
    }

    /// What the appliance does at its next start.
    pub fn remove_erased(&self) {
        let Some(erased) = self.erasures().to_do() else { return };
        self.own.lock().unwrap().retain(|(_, roll), _| !erased.holds(roll));
        self.taken.lock().unwrap().retain(|(_, roll), _| !erased.holds(roll));
        self.erasures().finish().unwrap();
    }

    pub fn enrol(&self, students: u32) {
        self.roster.store(students, Ordering::Relaxed);
        self.version.fetch_add(1, Ordering::Relaxed);
    }
}

impl Door for Disk {
    fn time(&self) -> Option<(i64, Vec<Window>)> {
        let window = self.window();
        let before = Window {
            day: window.day.previous_day().unwrap(),
            starts: window.starts - 86_400,
            ends: window.starts,
        };
        Some((clock() + self.ahead.load(Ordering::Relaxed), vec![window, before]))
    }

    fn own(&self, day: Date, only: Option<&BTreeSet<RollNumber>>) -> Vec<(RollNumber, Own)> {
        let own = self.own.lock().unwrap();
        own.iter()
            .filter(|((of, roll), _)| *of == day && only.is_none_or(|only| only.contains(roll)))
            .map(|((_, roll), own)| (roll.clone(), own.clone()))
            .collect()
    }

    fn take_in(&self, day: Date, students: Vec<Elsewhere>) -> Result<(), Fault> {
        let mut taken = self.taken.lock().unwrap();
        for student in students {
            taken.insert((day, student.roll.clone()), student);
        }
        Ok(())
    }

    fn silent(&self, doors: BTreeSet<Arc<str>>) {
        *self.silent.lock().unwrap() = doors;
    }

    fn roster_version(&self) -> u64 {
        self.version.load(Ordering::Relaxed)
    }

    fn roster(&self) -> Vec<RollNumber> {
        (0..self.roster.load(Ordering::Relaxed)).map(roll).collect()
    }

    fn state(&self) -> State {
        State { students: 3, ..State::default() }
    }

    fn perform(&self, command: Command) {
        self.performed.lock().unwrap().push(command);
    }

    fn erase(&self) {
        self.erases.fetch_add(1, Ordering::Relaxed);
    }
}

pub fn config(url: &str) -> Mqtt {
    Mqtt {
        url: Some(BrokerUrl::parse(url).unwrap()),
        site_key: Some(Secret::new(KEY)),
        allow_plain: true,
        ..Mqtt::default()
    }
}

/// A door that runs.
pub struct Running {
    pub disk: Arc<Disk>,
    pub changes: Changes,
    pub happenings: broadcast::Sender<Happening>,
    pub shared: Arc<Shared>,
    pub device: Device,
    stop: CancellationToken,
    task: JoinHandle<()>,
}

impl Running {
    pub fn start(name: &str, number: u8, disk: &Arc<Disk>, config: Mqtt) -> Self {
        let device = Device([number; 8]);
        let start = disk.starts.fetch_add(1, Ordering::Relaxed) + 1;
        let millis = Duration::from_millis;
        let settings = Settings {
            config,
            identity: Identity { device, start },
            door: name.to_owned(),
            direction: Direction::Both,
            version: "0.1.0".to_owned(),
            pace: Pace {
                passing: (millis(20), millis(100)),
                lasting: (millis(100), millis(400)),
                steady: millis(200),
            },
            erasures: disk.erasures(),
        };
        let worker = Worker::new(settings, Arc::clone(disk)).unwrap();
        let stop = CancellationToken::new();
        let (changes, happenings, shared) = (worker.changes(), worker.happenings(), worker.shared());
        let token = stop.clone();
        let task = tokio::spawn(async move {
            let _ = worker.run(token).await;
        });
        Self { disk: Arc::clone(disk), changes, happenings, shared, device, stop, task }
    }

    pub fn visit(&self, number: u32, begins: i64, ends: i64) {
        self.disk.visit(&self.changes, number, begins, ends);
    }

    /// The times of IN and OUT of a student, as this door's own journal was told or knows.
    pub fn times(&self, number: u32) -> (Option<i64>, Option<i64>) {
        let account = self.shared.school().account(self.disk.day(), &roll(number));
        (account.arrival.map(|seen| seen.at), account.departure.map(|seen| seen.at))
    }

    pub fn connected(&self) -> bool {
        self.shared.numbers(clock()).connected
    }

    pub fn faults(&self) -> String {
        let faults = self.shared.faults(clock() + self.disk.ahead.load(Ordering::Relaxed));
        faults.iter().map(|fault| format!("{fault}\n")).collect()
    }

    pub async fn wait_connected(&self) {
        eventually("the door is connected", || self.connected()).await;
    }

    pub async fn stop(self) {
        self.stop.cancel();
        self.task.await.unwrap();
    }

    /// As a power cut: nothing is said to anybody.
    pub async fn die(self) {
        self.task.abort();
        let _ = self.task.await;
    }
}

/// Waits until `holds`, for at most 20 seconds.
pub async fn eventually(what: &str, mut holds: impl FnMut() -> bool) {
    let until = Instant::now() + Duration::from_secs(20);
    while !holds() {
        assert!(Instant::now() < until, "not within 20 seconds: {what}");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}
