//! What runs: publishes what this door sees, and hands the journal what the others see.
//!
//! One task owns everything; the connection and the publishing have tasks of their own, so that neither a
//! slow broker nor a slow disk holds up the other. A broker that is gone is not a failure of the worker: the
//! door goes on alone, and the fault is shown by [`Shared::faults`].

mod keeping;
mod publishing;
mod receiving;
mod shared;

use std::collections::BTreeSet;
use std::sync::atomic::{AtomicBool, AtomicU32, AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use base::failure::{Diagnosis as _, Failure, Fault};
use base::identity::RollNumber;
use bytes::Bytes;
use time::Date;
use tokio::sync::broadcast;
use tokio_util::sync::CancellationToken;

use self::shared::locked;
pub use self::shared::{Changes, Numbers, Shared};
use crate::book::{Direction, Student};
use crate::config::Mqtt;
use crate::device::Identity;
use crate::erasure::Erasures;
use crate::home_assistant::{self, Command, Gatekeeper, Happening, State};
use crate::judge::Window;
use crate::keys::Keys;
use crate::link::{self, Link, LinkError, Pace, Told};
use crate::outbox::{Outbox, Publication};
use crate::school::{Elsewhere, Own, School};
use crate::topics::Topics;

/// How often time passes for the worker.
const TICK: Duration = Duration::from_millis(250);
/// How often a beacon is sent.
const BEACON_EVERY: Duration = Duration::from_secs(60);
/// How often the whole day is compared with what was published: a visit ends without anybody saying so.
const REFRESH_EVERY: Duration = Duration::from_secs(60);
/// How often the worker looks for silent doors.
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
            listens: false,
            last_beacon: None,
            last_state: None,
            last_event: String::new(),
            subscribed: BTreeSet::new(),
            subscribes_again: false,
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
    /// Whether the broker has answered the subscription: only then is a beacon sent, because the client may
    /// send it before the subscription that was asked for earlier. So of two doors that connect at once, one
    /// hears the other, and answers.
    listens: bool,
    last_beacon: Option<Instant>,
    last_state: Option<(Instant, State)>,
    last_event: String,
    subscribed: BTreeSet<Date>,
    /// Whether to subscribe to all open days again, so that the broker sends what it keeps once more.
    subscribes_again: bool,
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
                self.listens = true;
                let fault = error.fault();
                let before = locked(&shared.refused).replace(fault.clone());
                if before.as_ref() != Some(&fault) {
                    log::warn!("MQTT: {fault}");
                }
            }
            Told::Subscribed => self.listens = true,
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
        self.listens = false;
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
}
