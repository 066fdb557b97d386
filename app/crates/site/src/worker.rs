//! What runs: publishes what this door sees, and hands the journal what the others see.
//!
//! One task owns everything; the connection and the publishing have tasks of their own, so that neither a
//! slow broker nor a slow disk holds up the other. A broker that is gone is no failure of the worker: the
//! door goes on alone, and the fault is shown by [`Shared::faults`].

use std::collections::{BTreeMap, BTreeSet};
use std::sync::atomic::{AtomicBool, AtomicU32, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use base::failure::{Diagnosis as _, Failure, Fault};
use base::identity::RollNumber;
use bytes::Bytes;
use time::Date;
use tokio::sync::{Notify, broadcast};
use tokio_util::sync::CancellationToken;

use crate::book::{Direction, Student};
use crate::config::Mqtt;
use crate::device::Identity;
use crate::erasure::{Erasures, Told as Erasure};
use crate::home_assistant::{self, Command, Gatekeeper, Happening, State};
use crate::judge::Window;
use crate::link::{self, Link, LinkError, Pace, Told};
use crate::message::Keys;
use crate::outbox::{Outbox, Publication};
use crate::school::{Elsewhere, Own, Received, School};
use crate::topics::{Topic, Topics};

/// How often time passes for the worker.
const TICK: Duration = Duration::from_millis(250);
/// How often a beacon is sent.
const BEACON_EVERY: Duration = Duration::from_secs(60);
/// How often the whole day is compared with what was published: a visit ends without anybody saying so.
const REFRESH_EVERY: Duration = Duration::from_secs(60);
/// How often it is looked which doors are silent.
const LOOK_EVERY: Duration = Duration::from_secs(10);
/// How often the state is published, if it changed.
const STATE_EVERY: Duration = Duration::from_secs(5);
/// How often the state is published in any case.
const STATE_AT_LEAST: Duration = Duration::from_secs(300);
/// Students in one call of the journal.
const MOST_AT_ONCE: usize = 500;
/// Entries published again at one tick.
const RESTORED_AT_ONCE: usize = 20;
/// Calls of the journal at one tick.
const MOST_BATCHES: usize = 20;
/// Time to say goodbye.
const GOODBYE: Duration = Duration::from_secs(2);
/// How long the broker keeps a day's messages after the day.
const KEPT_AFTER: i64 = 86_400;
/// How long the broker keeps an erasure for doors that are off, seconds: longer than any holidays.
const ERASURE_KEPT: i64 = 400 * 86_400;

/// What the worker needs of its door. Calls may read and write files; they are made off the network's thread,
/// except where it says otherwise.
pub trait Door: Send + Sync + 'static {
    /// The device's clock, seconds since 1970, and the open days: today and the day before. None while the
    /// clock is not known to be right: nothing is published and nothing is believed then. Must not block.
    fn time(&self) -> Option<(i64, Vec<Window>)>;
    /// What this door knows of a day: of everybody who was seen here, or of these students only.
    fn own(&self, day: Date, only: Option<&BTreeSet<RollNumber>>) -> Vec<(RollNumber, Own)>;
    /// Takes in what the school's doors know. Called again with the same after an error.
    ///
    /// # Errors
    /// Why it cannot be kept now.
    fn take_in(&self, day: Date, students: Vec<Elsewhere>) -> Result<(), Fault>;
    /// These doors have been silent for `mqtt.grace`: others deliver in their place. Called when it changes.
    fn silent(&self, doors: BTreeSet<Arc<str>>);
    /// Differs from the last answer whenever the roster has changed. Must not block.
    fn roster_version(&self) -> u64;
    /// Everybody on the roster.
    fn roster(&self) -> Vec<RollNumber>;
    /// What Home Assistant shows. Must not block.
    fn state(&self) -> State;
    /// Does what was asked for over the broker. Must not block.
    fn perform(&self, command: Command);
    /// Another door erased a student, which is kept: everything of theirs has to go here, too. Must not
    /// block.
    fn erase(&self);
}

/// Whose day has changed at this door. Bounded by the roster: one mark for each student and day.
#[derive(Debug, Clone, Default)]
pub struct Changes(Arc<(Mutex<Marks>, Notify)>);

/// The students whose day has changed, with that day.
type Marks = BTreeSet<(Date, RollNumber)>;

impl Changes {
    /// Notes that a student's day has changed. Never waits for the network.
    pub fn mark(&self, day: Date, roll: RollNumber) {
        self.0.0.lock().unwrap_or_else(PoisonError::into_inner).insert((day, roll));
        self.0.1.notify_one();
    }

    fn take(&self) -> BTreeSet<(Date, RollNumber)> {
        std::mem::take(&mut *self.0.0.lock().unwrap_or_else(PoisonError::into_inner))
    }

    async fn marked(&self) {
        self.0.1.notified().await;
    }
}

/// What the worker is made of.
#[derive(Debug, Clone)]
pub struct Settings {
    /// The section `[mqtt]`.
    pub config: Mqtt,
    /// This device.
    pub identity: Identity,
    /// The door's name.
    pub door: String,
    /// Which way people go.
    pub direction: Direction,
    /// The program's version.
    pub version: String,
    /// How fast a lost connection is tried again.
    pub pace: Pace,
    /// Students who were erased.
    pub erasures: Arc<Erasures>,
}

/// What others may look at while the worker runs.
#[derive(Debug)]
pub struct Shared {
    school: Mutex<School>,
    link: Mutex<Option<Fault>>,
    refused: Mutex<Option<Fault>>,
    journal: Mutex<Option<Fault>>,
    connected: AtomicBool,
    sessions: AtomicU64,
    published: AtomicU64,
    published_bytes: AtomicU64,
    received: AtomicU64,
    received_bytes: AtomicU64,
    grace: Duration,
    began: Instant,
}

/// Numbers for the metrics.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Numbers {
    /// Whether the broker is connected.
    pub connected: bool,
    /// Connections made since the start.
    pub sessions: u64,
    /// Messages published since the start.
    pub published: u64,
    /// Their bytes, topics included.
    pub published_bytes: u64,
    /// Messages received since the start.
    pub received: u64,
    /// Their bytes, topics included.
    pub received_bytes: u64,
    /// Messages that were refused or not believed.
    pub refused: u64,
    /// Doors heard in the last three minutes, this one included.
    pub doors: usize,
}

fn locked<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Shared {
    /// What this door knows of the school.
    pub fn school(&self) -> MutexGuard<'_, School> {
        locked(&self.school)
    }

    /// Whether this door delivers the student's OUT at the close of the day.
    pub fn delivers_departure(&self, day: Date, roll: &RollNumber, now: i64) -> bool {
        self.school().delivers_departure(day, roll, now, self.grace, self.began.elapsed())
    }

    /// What is wrong now: with the connection, with the other doors, with what came.
    pub fn faults(&self, now: i64) -> Vec<Fault> {
        let mut faults: Vec<Fault> = [&self.link, &self.refused, &self.journal]
            .into_iter()
            .filter_map(|fault| locked(fault).clone())
            .collect();
        faults.extend(self.school().faults(now));
        faults
    }

    /// Numbers for the metrics.
    pub fn numbers(&self, now: i64) -> Numbers {
        let school = self.school();
        let counters = school.counters();
        Numbers {
            connected: self.connected.load(Ordering::Relaxed),
            sessions: self.sessions.load(Ordering::Relaxed),
            published: self.published.load(Ordering::Relaxed),
            published_bytes: self.published_bytes.load(Ordering::Relaxed),
            received: self.received.load(Ordering::Relaxed),
            received_bytes: self.received_bytes.load(Ordering::Relaxed),
            refused: counters.doubted
                + counters.foreign
                + counters.other_version
                + counters.garbage
                + counters.lost,
            doors: school.judge().here(now, crate::judge::PRESENT).len(),
        }
    }
}

/// The worker. Cheap to clone; every clone is the same one.
pub struct Worker<D> {
    settings: Arc<Settings>,
    door: Arc<D>,
    changes: Changes,
    happenings: broadcast::Sender<Happening>,
    shared: Arc<Shared>,
    topics: Topics,
    /// When this run of the program began.
    began: Instant,
    /// Messages of this run of the program; worker and connection may begin again, and the numbers go on.
    sequence: Arc<AtomicU32>,
}

impl<D> Clone for Worker<D> {
    fn clone(&self) -> Self {
        Self {
            settings: Arc::clone(&self.settings),
            door: Arc::clone(&self.door),
            changes: self.changes.clone(),
            happenings: self.happenings.clone(),
            shared: Arc::clone(&self.shared),
            topics: self.topics.clone(),
            began: self.began,
            sequence: Arc::clone(&self.sequence),
        }
    }
}

impl<D: Door> Worker<D> {
    /// A worker of this door; none where no broker is configured.
    pub fn new(settings: Settings, door: Arc<D>) -> Option<Self> {
        let config = &settings.config;
        let site_key = config.site_key.as_ref().filter(|_| config.url.is_some())?;
        let keys = Keys::new(&config.site, site_key);
        let topics = Topics::new(&config.site);
        let device = settings.identity.device;
        let school = School::new(device, &settings.door, settings.direction, keys, topics.clone());
        let shared = Shared {
            school: Mutex::new(school),
            link: Mutex::default(),
            refused: Mutex::default(),
            journal: Mutex::default(),
            connected: AtomicBool::default(),
            sessions: AtomicU64::default(),
            published: AtomicU64::default(),
            published_bytes: AtomicU64::default(),
            received: AtomicU64::default(),
            received_bytes: AtomicU64::default(),
            grace: config.grace,
            began: Instant::now(),
        };
        Some(Self {
            settings: Arc::new(settings),
            door,
            changes: Changes::default(),
            happenings: broadcast::channel(256).0,
            shared: Arc::new(shared),
            topics,
            began: Instant::now(),
            sequence: Arc::default(),
        })
    }

    /// Where the journal notes that a student's day has changed.
    pub fn changes(&self) -> Changes {
        self.changes.clone()
    }

    /// Where events for Node-RED and Home Assistant go in. Nothing waits for them.
    pub fn happenings(&self) -> broadcast::Sender<Happening> {
        self.happenings.clone()
    }

    /// What others may look at.
    pub fn shared(&self) -> Arc<Shared> {
        Arc::clone(&self.shared)
    }

    /// Runs until `stop`.
    ///
    /// # Errors
    /// A file of certificates that cannot be used: it is tried again, because somebody may put it there.
    pub async fn run(self, stop: CancellationToken) -> Result<(), Failure> {
        let config = &self.settings.config;
        let Some(url) = &config.url else { return Ok(()) };
        let device = self.settings.identity.device;
        let will = (self.topics.of(device, "availability"), "offline");
        let name = format!("attendance-{device}");
        let mut link = Link::open(config, url, &name, will, self.settings.pace).map_err(|error| {
            *locked(&self.shared.link) = Some(error.fault());
            Failure::restart(error)
        })?;
        let outbox = Arc::new(Outbox::default());
        let publishing =
            tokio::spawn(deliver(link.client.clone(), Arc::clone(&outbox), Arc::clone(&self.shared)));
        let mut run = Run {
            outbox,
            unsaved: BTreeSet::new(),
            overwritten: BTreeSet::new(),
            roster: None,
            gatekeeper: Gatekeeper::default(),
            started: Instant::now(),
            last_beacon: None,
            last_state: None,
            last_event: String::new(),
            subscribed: BTreeSet::new(),
            silent: BTreeSet::new(),
            last_look: None,
            last_refresh: Instant::now(),
            erasures: None,
            worker: self.clone(),
        };
        let mut happenings = self.happenings.subscribe();
        let mut tick = tokio::time::interval(TICK);
        tick.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
        loop {
            tokio::select! {
                told = link.told() => match told {
                    Some(told) => run.heard(told, &link).await,
                    None => return Err(Failure::restart("the connection's task ended by a defect")),
                },
                () = self.changes.marked() => run.publish_changes().await,
                happening = happenings.recv() => match happening {
                    Ok(happening) => run.tell(&happening),
                    Err(broadcast::error::RecvError::Lagged(_)) => {}
                    Err(broadcast::error::RecvError::Closed) => {}
                },
                _ = tick.tick() => run.tick(&link).await,
                () = stop.cancelled() => break,
            }
        }
        publishing.abort();
        if self.shared.connected.swap(false, Ordering::Relaxed) {
            let topic = self.topics.of(device, "availability");
            // A connection that takes nothing more must not hold up the stop.
            let goodbye = link::publish(&link.client, retained(topic, "offline"));
            let _ = tokio::time::timeout(GOODBYE, goodbye).await;
        }
        link.close(GOODBYE).await;
        Ok(())
    }

    fn next_sequence(&self) -> u64 {
        self.settings.identity.sequence(self.sequence.fetch_add(1, Ordering::Relaxed) + 1)
    }
}

fn retained(topic: String, payload: impl Into<Bytes>) -> Publication {
    Publication { topic, payload: payload.into(), retained: true, acknowledged: true, expires_in: None }
}

fn passing(topic: String, payload: impl Into<Bytes>, acknowledged: bool) -> Publication {
    Publication { topic, payload: payload.into(), retained: false, acknowledged, expires_in: None }
}

/// Publishes what waits, one after the other.
async fn deliver(client: rumqttc::AsyncClient, outbox: Arc<Outbox>, shared: Arc<Shared>) {
    loop {
        let publication = outbox.next().await;
        let bytes = publication.topic.len() + publication.payload.len();
        link::publish(&client, publication).await;
        shared.published.fetch_add(1, Ordering::Relaxed);
        shared.published_bytes.fetch_add(bytes as u64, Ordering::Relaxed);
    }
}

/// One run of the worker.
struct Run<D> {
    worker: Worker<D>,
    outbox: Arc<Outbox>,
    /// What the journal has not taken in yet.
    unsaved: BTreeSet<(Date, Student)>,
    /// Entries of this device that somebody deleted or replaced at the broker.
    overwritten: BTreeSet<(Date, Student)>,
    /// The version of the roster whose hashes are known.
    roster: Option<u64>,
    gatekeeper: Gatekeeper,
    started: Instant,
    last_beacon: Option<Instant>,
    last_state: Option<(Instant, State)>,
    last_event: String,
    subscribed: BTreeSet<Date>,
    silent: BTreeSet<Arc<str>>,
    last_look: Option<Instant>,
    last_refresh: Instant,
    /// The version of the list of erasures that was published.
    erasures: Option<u64>,
}

impl<D: Door> Run<D> {
    fn connected(&self) -> bool {
        self.worker.shared.connected.load(Ordering::Relaxed)
    }

    async fn heard(&mut self, told: Told, link: &Link) {
        let shared = Arc::clone(&self.worker.shared);
        match told {
            Told::Up => {
                log::info!("MQTT: connected to {}", self.broker());
                shared.connected.store(true, Ordering::Relaxed);
                shared.sessions.fetch_add(1, Ordering::Relaxed);
                *locked(&shared.link) = None;
                *locked(&shared.refused) = None;
                self.begin(link).await;
            }
            Told::Down(error) => self.lost(&error),
            Told::Refused(error) => {
                let fault = error.fault();
                let before = locked(&shared.refused).replace(fault.clone());
                if before.as_ref() != Some(&fault) {
                    log::warn!("MQTT: {fault}");
                }
            }
            Told::Message { topic, payload, retained } => self.message(&topic, &payload, retained).await,
        }
    }

    fn broker(&self) -> String {
        self.worker.settings.config.url.as_ref().map(ToString::to_string).unwrap_or_default()
    }

    fn lost(&mut self, error: &LinkError) {
        let shared = &self.worker.shared;
        let was_up = shared.connected.swap(false, Ordering::Relaxed);
        let fault = error.fault();
        let before = locked(&shared.link).replace(fault.clone());
        if was_up || before.is_none_or(|before| before.what != fault.what) {
            log::warn!("MQTT: {fault}");
        }
        // At the next session everything is put in again.
        self.outbox.clear();
        self.subscribed.clear();
    }

    /// A new session: who we are, what we have seen, and what we want to hear.
    async fn begin(&mut self, link: &Link) {
        let worker = self.worker.clone();
        let settings = &worker.settings;
        let device = settings.identity.device;
        self.last_beacon = None;
        self.last_state = None;
        self.erasures = None;
        self.outbox.put(retained(worker.topics.of(device, "availability"), "online"));
        let discovery = home_assistant::discovery(
            &settings.config,
            &worker.topics,
            device,
            &settings.door,
            &settings.version,
        );
        if let Some((topic, message)) = discovery {
            self.outbox.put(retained(topic, message));
        }
        let mut filters = vec![worker.topics.beacons()];
        filters.extend(worker.topics.erasures());
        if settings.config.commands {
            filters.push(worker.topics.command(device, "+"));
        }
        link::subscribe(&link.client, filters).await;
        self.tick(link).await;
        let Some((_, windows)) = self.worker.door.time() else { return };
        for window in windows {
            self.publish_day(window).await;
        }
    }

    /// Publishes what this door has seen on a day: what is new, and once more what is not.
    async fn publish_day(&mut self, window: Window) {
        let door = Arc::clone(&self.worker.door);
        let day = window.day;
        let Ok(own) = tokio::task::spawn_blocking(move || door.own(day, None)).await else { return };
        let Some((now, _)) = self.worker.door.time() else { return };
        for (roll, own) in own {
            let mut school = self.worker.shared.school();
            let student = school.student(&roll);
            let message = school
                .own(day, &roll, own, now, || self.worker.next_sequence())
                .or_else(|| school.message(day, student, now));
            drop(school);
            self.put(message, window, now);
        }
    }

    async fn publish_changes(&mut self) {
        let Some((now, windows)) = self.worker.door.time() else {
            // Without a clock they wait; the next session or the next tick with a clock publishes the day.
            return;
        };
        let mut changed: BTreeMap<Date, BTreeSet<RollNumber>> = BTreeMap::new();
        for (day, roll) in self.worker.changes.take() {
            changed.entry(day).or_default().insert(roll);
        }
        let mine = changed.into_iter().map(|(day, rolls)| (day, Some(rolls))).collect();
        self.publish_what_changed(mine, &windows, now).await;
    }

    /// Publishes what is new of these days: of everybody, or of some students.
    async fn publish_what_changed(
        &mut self,
        days: Vec<(Date, Option<BTreeSet<RollNumber>>)>,
        windows: &[Window],
        now: i64,
    ) {
        for (day, rolls) in days {
            let Some(window) = windows.iter().find(|window| window.day == day) else { continue };
            let door = Arc::clone(&self.worker.door);
            let read = tokio::task::spawn_blocking(move || door.own(day, rolls.as_ref()));
            let Ok(own) = read.await else { continue };
            for (roll, own) in own {
                let sequence = || self.worker.next_sequence();
                let message = self.worker.shared.school().own(day, &roll, own, now, sequence);
                self.put(message, *window, now);
            }
        }
    }

    fn put(&self, message: Option<(String, Vec<u8>)>, window: Window, now: i64) {
        if let Some((topic, payload)) = message
            && self.connected()
        {
            let expires_in = u32::try_from(window.ends + KEPT_AFTER - now).ok();
            self.outbox.put(Publication { expires_in, ..retained(topic, payload) });
        }
    }

    async fn message(&mut self, topic: &str, payload: &[u8], kept: bool) {
        let shared = Arc::clone(&self.worker.shared);
        shared.received.fetch_add(1, Ordering::Relaxed);
        shared.received_bytes.fetch_add((topic.len() + payload.len()) as u64, Ordering::Relaxed);
        let (now, windows) = match self.worker.door.time() {
            Some(time) => time,
            // An erasure waits for no clock.
            None if matches!(self.worker.topics.read(topic), Some(Topic::Erasure(..))) => (0, Vec::new()),
            None => return,
        };
        if self.is_of_erased(topic) {
            // What the broker still keeps of the student goes, whichever door it is from.
            if kept && !payload.is_empty() {
                self.outbox.put(retained(topic.to_owned(), Bytes::new()));
            }
            return;
        }
        let received = shared.school().receive(topic, payload, kept, now);
        match received {
            Received::Changed(day, student) => {
                self.unsaved.insert((day, student));
                // What stands between the first and the last visit counts now.
                let school = shared.school();
                if school.is_voided(day, student)
                    && let Some(roll) = school.roll(student)
                {
                    self.worker.changes.mark(day, roll.clone());
                }
            }
            Received::Behind(day, student) => {
                let roll = shared.school().roll(student).cloned();
                if let (Some(roll), true) = (roll, windows.iter().any(|window| window.day == day)) {
                    self.worker.changes.mark(day, roll);
                }
            }
            Received::Overwritten(day, student) => {
                self.overwritten.insert((day, student));
            }
            Received::Erasure(told) => self.take_erasure(told).await,
            Received::Command(name) => self.command(&name, kept),
            // It came after our last beacon, and would wait a minute for the next one.
            Received::Beacon { first: true } => self.last_beacon = None,
            Received::Known | Received::Refused | Received::Beacon { first: false } => {}
        }
    }

    /// Whether a message is about a student who was erased.
    fn is_of_erased(&self, topic: &str) -> bool {
        let Some(Topic::Book(_, _, student)) = self.worker.topics.read(topic) else { return false };
        self.worker.settings.erasures.holds(student)
    }

    async fn take_erasure(&mut self, told: Erasure) {
        let (erasures, door) = (Arc::clone(&self.worker.settings.erasures), Arc::clone(&self.worker.door));
        let taken = tokio::task::spawn_blocking(move || erasures.take(&told)).await;
        match taken.map_err(Fault::from).and_then(|taken| taken) {
            Ok(true) => {
                log::info!("MQTT: another door erased a student; everything of theirs is removed here, too");
                door.erase();
            }
            Ok(false) => {}
            Err(fault) => log::error!("MQTT: an erasure is not done here: {fault}"),
        }
    }

    /// Publishes every erasure at each session and after each change, so that a door that was off, or a
    /// broker that lost what it had, learns of it.
    fn publish_erasures(&mut self, now: i64) {
        let erasures = &self.worker.settings.erasures;
        let version = Some(erasures.version());
        if self.erasures == version {
            return;
        }
        for told in erasures.told() {
            let Some(expires_in) = u32::try_from(told.at + ERASURE_KEPT - now).ok().filter(|left| *left > 0)
            else {
                continue;
            };
            let (topic, payload) = self.worker.shared.school().erasure(&told);
            self.outbox.put(Publication { expires_in: Some(expires_in), ..retained(topic, payload) });
        }
        self.erasures = version;
    }

    fn command(&mut self, name: &str, kept: bool) {
        let allowed = self.worker.settings.config.commands;
        match self.gatekeeper.admit(allowed, name, kept, self.started.elapsed()) {
            Ok(command) => {
                log::info!("MQTT: the command {:?} came from the broker", command.name());
                self.worker.door.perform(command);
            }
            Err(refused) => log::warn!("MQTT: a command is not carried out: {refused}"),
        }
    }

    /// An event of the door, for others.
    fn tell(&mut self, happening: &Happening) {
        let settings = &self.worker.settings;
        self.last_event = happening.in_short(&self.local_time());
        if self.connected() {
            let topic = self.worker.topics.of(settings.identity.device, "event");
            let message = happening.message(&settings.door, settings.config.rows);
            self.outbox.put(passing(topic, message, true));
        }
    }

    fn local_time(&self) -> String {
        let now = self.worker.door.time().map_or(0, |(now, _)| now);
        time::OffsetDateTime::from_unix_timestamp(now).map(|utc| format!("{utc}")).unwrap_or_default()
    }

    async fn tick(&mut self, link: &Link) {
        self.learn_roster().await;
        let Some((now, windows)) = self.worker.door.time() else { return };
        let opened = self.worker.shared.school().open(&windows);
        if self.connected() {
            self.follow_days(&windows, link).await;
            if opened {
                for window in &windows {
                    self.publish_day(*window).await;
                }
            }
            if self.last_refresh.elapsed() >= REFRESH_EVERY {
                self.last_refresh = Instant::now();
                let days = windows.iter().map(|window| (window.day, None)).collect();
                self.publish_what_changed(days, &windows, now).await;
            }
            self.publish_erasures(now);
            self.say_hello(now);
            self.show_state();
            self.restore(&windows, now);
        }
        self.save().await;
        self.look_for_silent_doors(now).await;
    }

    async fn look_for_silent_doors(&mut self, now: i64) {
        if self.last_look.is_some_and(|last| last.elapsed() < LOOK_EVERY) {
            return;
        }
        self.last_look = Some(Instant::now());
        let runs_for = self.worker.began.elapsed();
        let silent = self.worker.shared.school().silent(now, self.worker.settings.config.grace, runs_for);
        if silent != self.silent {
            self.silent.clone_from(&silent);
            let door = Arc::clone(&self.worker.door);
            if let Err(panic) = tokio::task::spawn_blocking(move || door.silent(silent)).await {
                log::error!("MQTT: the journal was not told which doors are silent: {panic}");
            }
        }
    }

    /// Subscribes to the open days, and to no other.
    async fn follow_days(&mut self, windows: &[Window], link: &Link) {
        let topics = &self.worker.topics;
        let open: BTreeSet<Date> = windows.iter().map(|window| window.day).collect();
        let new: Vec<String> = open.difference(&self.subscribed).map(|day| topics.all_of_day(*day)).collect();
        if !new.is_empty() {
            link::subscribe(&link.client, new).await;
        }
        for day in self.subscribed.difference(&open) {
            link::unsubscribe(&link.client, topics.all_of_day(*day)).await;
        }
        self.subscribed = open;
    }

    fn say_hello(&mut self, now: i64) {
        if self.last_beacon.is_none_or(|last| last.elapsed() >= BEACON_EVERY) {
            self.last_beacon = Some(Instant::now());
            let sequence = self.worker.next_sequence();
            let version = &self.worker.settings.version;
            let (topic, message) = self.worker.shared.school().beacon(sequence, now, version);
            self.outbox.put(passing(topic, message, false));
        }
    }

    /// Publishes again what somebody deleted or replaced: a few at a time, so that it costs whoever does that
    /// more than us.
    fn restore(&mut self, windows: &[Window], now: i64) {
        for _ in 0..RESTORED_AT_ONCE {
            let Some((day, student)) = self.overwritten.pop_first() else { return };
            let Some(window) = windows.iter().find(|window| window.day == day) else { continue };
            let message = self.worker.shared.school().message(day, student, now);
            self.put(message, *window, now);
        }
    }

    fn show_state(&mut self) {
        let due = |every| move |(at, _): &(Instant, State)| at.elapsed() >= every;
        if !self.last_state.as_ref().is_none_or(due(STATE_EVERY)) {
            return;
        }
        let mut state = self.worker.door.state();
        state.last_event.clone_from(&self.last_event);
        let same = self.last_state.as_ref().is_some_and(|(_, last)| *last == state);
        if same && !self.last_state.as_ref().is_none_or(due(STATE_AT_LEAST)) {
            return;
        }
        if let Ok(message) = serde_json::to_vec(&state) {
            let topic = self.worker.topics.of(self.worker.settings.identity.device, "state");
            self.outbox.put(retained(topic, message));
        }
        self.last_state = Some((Instant::now(), state));
    }

    /// Learns the hashes of a roster that changed. What the doors said of new students is handed on then.
    async fn learn_roster(&mut self) {
        let version = self.worker.door.roster_version();
        if self.roster == Some(version) {
            return;
        }
        let door = Arc::clone(&self.worker.door);
        let Ok(rolls) = tokio::task::spawn_blocking(move || door.roster()).await else { return };
        self.worker.shared.school().enrol(rolls);
        self.roster = Some(version);
    }

    /// Hands the journal what it has not taken in yet.
    async fn save(&mut self) {
        for _ in 0..MOST_BATCHES {
            if !self.save_some().await {
                return;
            }
        }
    }

    /// One call of the journal. Gives whether there may be more.
    async fn save_some(&mut self) -> bool {
        let (day, batch, students) = {
            let school = self.worker.shared.school();
            let days: BTreeSet<Date> = school.windows().iter().map(|window| window.day).collect();
            self.unsaved.retain(|(day, _)| days.contains(day));
            let known = |place: &&(Date, Student)| school.is_known(place.1);
            let Some((day, _)) = self.unsaved.iter().find(known).copied() else { return false };
            let of_day = self.unsaved.iter().filter(known).take_while(|(of, _)| *of == day);
            let batch: Vec<_> = of_day.take(MOST_AT_ONCE).copied().collect();
            let students = batch.iter().filter_map(|(_, student)| school.elsewhere(day, *student)).collect();
            (day, batch, students)
        };
        let door = Arc::clone(&self.worker.door);
        let kept = tokio::task::spawn_blocking(move || door.take_in(day, students)).await;
        let fault = kept.map_err(Fault::from).and_then(|kept| kept).err();
        let fault = fault
            .map(|fault| fault.described(|what| format!("what other doors have seen is not kept: {what}")));
        if fault.is_none() {
            for place in &batch {
                self.unsaved.remove(place);
            }
        }
        let before = std::mem::replace(&mut *locked(&self.worker.shared.journal), fault.clone());
        match fault {
            Some(fault) => {
                if before.as_ref() != Some(&fault) {
                    log::warn!("MQTT: {fault}");
                }
                false
            }
            None => true,
        }
    }
}
