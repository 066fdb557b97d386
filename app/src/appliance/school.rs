//! This door among the other doors of the school: the journal on one side, MQTT on the other.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex, PoisonError};

use arc_swap::ArcSwap;
use time::{Date, OffsetDateTime};
use tokio::sync::broadcast;
use tokio_util::sync::CancellationToken;

use super::between_doors::{heard, named, told, visits_of, without_commas};
use super::erasing::Erasing;
use super::latest::Memory;
use super::machine;
use crate::supervisor::Board;
use base::event::{Bus, Event, WorkerState};
use base::failure::{Failure, Fault};
use base::identity::RollNumber;
use base::moment::Clock;
use config::Config;
use journal::Recorder;
use journal::config::Direction;
use journal::rules::{HandRow, Visit};
use journal::storage::Ledger;
use recognition::roster::Report;
use site::home_assistant::{Command, Happening, State};
use site::judge::Window;
use site::link::Pace;
use site::school::{Elsewhere, Own};
use site::worker::{Door, Settings, Shared, Worker};
use site::{book, device};
use view::{Action, Control, Level, Problem};

/// Name of the worker.
pub(super) const MQTT: &str = "mqtt";

/// What the school's worker needs of this door.
pub(super) struct ThisDoor {
    /// Its name, as the other doors have it.
    pub(super) name: Arc<str>,
    pub(super) recorder: Arc<Mutex<Recorder>>,
    pub(super) ledger: Arc<Ledger>,
    pub(super) clock: Arc<dyn Clock>,
    pub(super) report: Arc<ArcSwap<Report>>,
    pub(super) board: Arc<Board>,
    pub(super) memory: Memory,
    pub(super) control: Arc<dyn Control>,
    pub(super) erasing: Erasing,
    /// The windows of the open days, kept because they are asked for with every message.
    pub(super) windows: Mutex<Vec<Window>>,
}

impl ThisDoor {
    fn with_recorder<T>(&self, work: impl FnOnce(&mut Recorder) -> T) -> T {
        work(&mut self.recorder.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// Today and the day before.
    fn windows(&self, today: Date) -> Vec<Window> {
        let mut windows = self.windows.lock().unwrap_or_else(PoisonError::into_inner);
        if windows.first().is_none_or(|window| window.day != today) {
            let days = [Some(today), today.previous_day()];
            let date_of = |utc| self.ledger.day().date(utc);
            *windows = days.into_iter().flatten().filter_map(|day| Window::of(day, date_of)).collect();
        }
        windows.clone()
    }
}

impl Door for ThisDoor {
    fn time(&self) -> Option<(i64, Vec<Window>)> {
        // A clock that is doubted counts as unknown.
        let now = self.clock.now();
        now.trusted.then(|| (now.utc.unix_timestamp(), self.windows(self.ledger.day().date(now.utc))))
    }

    fn own(&self, day: Date, only: Option<&BTreeSet<RollNumber>>) -> Vec<(RollNumber, Own)> {
        let visits = self.with_recorder(|recorder| recorder.visits_on(day));
        let mut own: BTreeMap<RollNumber, Own> = BTreeMap::new();
        // Other doors must not decide by an estimated time.
        for visit in visits.into_iter().filter(|visit| !visit.estimated) {
            if only.is_none_or(|only| only.contains(&visit.student)) {
                let (begins, ends) = (visit.first.unix_timestamp(), visit.last.unix_timestamp());
                own.entry(visit.student).or_default().visits.push(book::Visit { begins, ends });
            }
        }
        for by_hand in self.with_recorder(|recorder| recorder.by_hand_on(day)) {
            if only.is_none_or(|only| only.contains(&by_hand.student)) {
                let own = own.entry(by_hand.student).or_default();
                (own.voids, own.fixed) = told(&self.name, &by_hand.voids, &by_hand.rows);
            }
        }
        // What was withdrawn has to be published, too.
        for roll in only.into_iter().flatten() {
            own.entry(roll.clone()).or_default();
        }
        own.into_iter().collect()
    }

    fn take_in(&self, day: Date, students: Vec<Elsewhere>) -> Result<(), Fault> {
        let by_hand = students.iter().map(|student| heard(&self.name, day, student)).collect();
        self.with_recorder(|recorder| recorder.take_in_by_hand(by_hand));
        let visits = students.into_iter().flat_map(visits_of).collect();
        self.with_recorder(|recorder| recorder.take_in(visits));
        Ok(())
    }

    fn silent(&self, doors: BTreeSet<Arc<str>>) {
        let doors = doors.iter().filter_map(|door| named(door)).collect();
        self.with_recorder(|recorder| recorder.set_absent(doors));
    }

    fn roster_version(&self) -> u64 {
        // A new report is a new allocation, and the old one is held while the new one is made.
        Arc::as_ptr(&self.report.load_full()) as usize as u64
    }

    fn roster(&self) -> Vec<RollNumber> {
        self.report.load().students().into_keys().cloned().collect()
    }

    fn state(&self) -> State {
        let idle = |state| matches!(state, WorkerState::Restarting | WorkerState::Held);
        let troubles = self.board.views().into_iter().filter(|worker| idle(worker.state));
        let mut texts: Vec<String> = troubles
            .map(|worker| match worker.reason {
                Some(reason) => format!("{} is {}: {reason}", worker.name, worker.state),
                None => format!("{} is {}", worker.name, worker.state),
            })
            .collect();
        texts.extend(
            self.memory.latest().upload_error.map(|(error, _)| format!("rows are not delivered: {error}")),
        );
        let today = self.clock.now();
        let rows = self.ledger.on(self.ledger.day().date(today.utc)).unwrap_or_default();
        let count = |status: &str| rows.iter().filter(|row| row.status == status).count() as u64;
        State {
            problem: !texts.is_empty(),
            problem_text: texts.into_iter().next().unwrap_or_default(),
            in_today: count("IN"),
            out_today: count("OUT"),
            waiting: self.ledger.summary().backlog as u64,
            students: self.report.load().students().values().filter(|enrolled| **enrolled).count() as u64,
            temperature: machine::temperature(),
            last_event: String::new(),
        }
    }

    fn erase(&self) {
        self.erasing.go_on();
    }

    fn perform(&self, command: Command) {
        let action = match command {
            Command::Sync => Action::Sync,
            Command::Upload => Action::Upload,
            Command::Restart => Action::RestartRecognition,
        };
        let pending = self.control.perform(action);
        tokio::spawn(async move {
            match pending.await {
                Ok(done) => log::info!("MQTT: {}: {}", command.name(), done.message),
                Err(refused) => log::warn!("MQTT: {}: {}", command.name(), refused.message),
            }
        });
    }
}

/// The worker with what feeds it.
#[derive(Clone)]
pub(super) struct Neighbours {
    worker: Worker<ThisDoor>,
    clock: Arc<dyn Clock>,
    ledger: Arc<Ledger>,
    bus: Bus,
}

impl Neighbours {
    /// The worker that joins the other doors, and what the page shows of them; none where no broker is
    /// configured.
    pub(super) fn new(config: &Config, door: ThisDoor, bus: Bus) -> Option<(Self, School)> {
        let broker = config.mqtt.url.as_ref()?.to_string();
        let identity = match device::identify(&config.site.data_dir) {
            Ok(identity) => identity,
            Err(error) => {
                log::error!("MQTT is off until the next start: the data folder cannot be written ({error})");
                return None;
            }
        };
        let settings = Settings {
            config: config.mqtt.clone(),
            identity,
            // Without commas, as the journal and the tombstones of the book name it.
            door: without_commas(&config.site.name),
            direction: match config.door.direction {
                Direction::Both => book::Direction::Both,
                Direction::In => book::Direction::In,
                Direction::Out => book::Direction::Out,
            },
            version: env!("CARGO_PKG_VERSION").to_owned(),
            pace: Pace::default(),
            erasures: Arc::clone(&door.erasing.erasures),
        };
        let (clock, ledger) = (Arc::clone(&door.clock), Arc::clone(&door.ledger));
        let recorder = Arc::clone(&door.recorder);
        let worker = Worker::new(settings, Arc::new(door))?;
        let school = School { shared: worker.shared(), broker, recorder };
        Some((Self { worker, clock, ledger, bus }, school))
    }

    /// Runs until `stop`.
    pub(super) async fn run(self, stop: CancellationToken) -> Result<(), Failure> {
        let mut events = self.bus.subscribe();
        let (changes, happenings) = (self.worker.changes(), self.worker.happenings());
        let feeding = async {
            loop {
                match events.recv().await {
                    Ok(event) => {
                        if let Event::Corrected { roll, timestamp, .. } = &event {
                            // A row after midnight is of the day before.
                            let date = timestamp.get(..10).and_then(date_of);
                            for day in date.into_iter().chain(date.and_then(Date::previous_day)) {
                                changes.mark(day, roll.clone());
                            }
                        }
                        if let Some(roll) = seen(&event) {
                            changes.mark(self.ledger.day().date(self.clock.now().utc), roll.clone());
                        }
                        if let Some(happening) = happening(event) {
                            // An error only says that the worker does not listen.
                            let _ = happenings.send(happening);
                        }
                    }
                    Err(broadcast::error::RecvError::Lagged(_)) => {}
                    Err(broadcast::error::RecvError::Closed) => return,
                }
            }
        };
        let running = self.worker.clone().run(stop);
        tokio::pin!(running);
        tokio::select! {
            ended = &mut running => return ended,
            () = feeding => {}
        }
        running.await
    }
}

fn date_of(text: &str) -> Option<Date> {
    Date::parse(text, time::macros::format_description!("[year]-[month]-[day]")).ok()
}

/// Whose day this event may have changed.
fn seen(event: &Event) -> Option<&RollNumber> {
    match event {
        Event::Recorded { roll, .. } | Event::NotRecorded { roll, .. } | Event::Recognised { roll, .. } => {
            Some(roll)
        }
        _ => None,
    }
}

/// What others are told of an event.
fn happening(event: Event) -> Option<Happening> {
    match event {
        Event::Recorded { roll, status, timestamp } => {
            Some(Happening::Recorded { roll, status, at: timestamp })
        }
        Event::Stranger { .. } => Some(Happening::Stranger),
        Event::AttackRefused { .. } => Some(Happening::Attack),
        _ => None,
    }
}

/// What the page shows of the other doors.
#[derive(Clone)]
pub struct School {
    shared: Arc<Shared>,
    broker: String,
    recorder: Arc<Mutex<Recorder>>,
}

impl School {
    /// The numbers.
    pub(super) fn view(&self, now: OffsetDateTime) -> view::School {
        let numbers = self.shared.numbers(now.unix_timestamp());
        view::School {
            broker: self.broker.clone(),
            connected: numbers.connected,
            doors: numbers.doors,
            published: numbers.published,
            received: numbers.received,
            refused: numbers.refused,
        }
    }

    /// Who passed at other doors on a day, as far as that is held here. May wait for the disk.
    pub(super) fn elsewhere(&self, day: Date) -> (Vec<Visit>, Vec<(RollNumber, HandRow)>) {
        let recorder = self.recorder.lock().unwrap_or_else(PoisonError::into_inner);
        (recorder.elsewhere_on(day), recorder.by_hand_elsewhere_on(day))
    }

    /// What is wrong. Attendance is taken all the same.
    pub(super) fn problems(&self, now: OffsetDateTime) -> Vec<Problem> {
        self.shared.faults(now.unix_timestamp()).into_iter().map(problem).collect()
    }
}

fn problem(fault: Fault) -> Problem {
    let advice = fault.advice.unwrap_or_else(|| "restart this door".to_owned());
    Problem {
        level: Level::Attention,
        what: format!("Other doors: {}.", fault.what),
        advice: format!("To do: {advice}."),
    }
}
