//! A school day of many doors at a real broker, many times faster than real. `scripts/simulate-school` runs
//! it.
//!
//! Each door is the program's own worker with a journal in memory. What is measured: messages a second, the
//! time from a visit until the last of all doors' journals has it, bytes of messages, memory. At the end all
//! books are compared with each other and with what really happened.
#![allow(clippy::print_stdout, clippy::unwrap_used)]

use std::collections::{BTreeSet, HashMap};
use std::sync::atomic::{AtomicU32, AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use base::failure::Fault;
use base::identity::RollNumber;
use base::secret::Secret;
use site::book::{Device, Direction, Visit};
use site::config::{BrokerUrl, Mqtt};
use site::device::Identity;
use site::erasure::Erasures;
use site::home_assistant::{Command, State};
use site::judge::Window;
use site::link::Pace;
use site::school::{Elsewhere, Own};
use site::worker::{Changes, Door, Settings, Shared, Worker};
use time::{Date, OffsetDateTime};
use tokio_util::sync::CancellationToken;

/// What the command line asks for.
struct Asked {
    broker: String,
    doors: usize,
    students: usize,
    passes: usize,
    morning: Duration,
    rest: Duration,
    seed: u64,
}

fn asked() -> Asked {
    let mut asked = Asked {
        broker: String::new(),
        doors: 40,
        students: 10_000,
        passes: 5,
        morning: Duration::from_secs(30),
        rest: Duration::from_secs(120),
        seed: 1,
    };
    let mut arguments = std::env::args().skip(1);
    while let Some(name) = arguments.next() {
        let value = arguments.next().unwrap_or_default();
        let number = || value.parse::<u64>().unwrap_or_else(|_| panic!("{name} needs a number"));
        match name.as_str() {
            "--broker" => asked.broker = value,
            "--doors" => asked.doors = number() as usize,
            "--students" => asked.students = number() as usize,
            "--passes" => asked.passes = number() as usize,
            "--morning" => asked.morning = Duration::from_secs(number()),
            "--rest" => asked.rest = Duration::from_secs(number()),
            "--seed" => asked.seed = number(),
            other => panic!(
                "unknown argument {other}; there are --broker, --doors, --students, --passes, --morning, --rest \
                 (both in seconds) and --seed"
            ),
        }
    }
    asked
}

/// When which door's journal learnt of a visit: counted down to the last door.
struct Tracking {
    began: Instant,
    /// For each visit: milliseconds when it happened, the doors that do not know it yet, milliseconds when
    /// the last one learnt it.
    visits: Vec<(AtomicU64, AtomicU32, AtomicU64)>,
}

struct Simulated {
    number: usize,
    students: Arc<Vec<RollNumber>>,
    window: Window,
    own: Mutex<HashMap<RollNumber, Vec<Visit>>>,
    /// The latest time that is known of a student, and the visits behind it that were counted.
    learnt: Mutex<HashMap<RollNumber, Vec<i64>>>,
    index: Arc<HashMap<String, usize>>,
    tracking: Arc<Tracking>,
}

impl Door for Simulated {
    fn time(&self) -> Option<(i64, Vec<Window>)> {
        Some((OffsetDateTime::now_utc().unix_timestamp(), vec![self.window]))
    }

    fn own(&self, _day: Date, only: Option<&BTreeSet<RollNumber>>) -> Vec<(RollNumber, Own)> {
        let own = self.own.lock().unwrap();
        let of = |roll: &RollNumber| {
            let visits = own.get(roll).cloned().unwrap_or_default();
            (roll.clone(), Own { visits, ..Own::default() })
        };
        only.map_or_else(|| own.keys().map(of).collect(), |only| only.iter().map(of).collect())
    }

    fn take_in(&self, _day: Date, students: Vec<Elsewhere>) -> Result<(), Fault> {
        let now = self.tracking.began.elapsed().as_millis() as u64;
        let mut learnt = self.learnt.lock().unwrap();
        for student in students {
            let known = learnt.entry(student.roll).or_default();
            for visit in student.visits.iter().map(|passed| passed.visit) {
                if known.contains(&visit.begins) {
                    continue;
                }
                known.push(visit.begins);
                // Each visit begins at a second of its own, counted from the start of the day.
                let number = (visit.begins - self.window.starts - 1) as usize;
                let (_, missing, last) = &self.tracking.visits[number];
                if missing.fetch_sub(1, Ordering::Relaxed) == 1 {
                    last.store(now, Ordering::Relaxed);
                }
            }
        }
        Ok(())
    }

    fn silent(&self, _doors: BTreeSet<Arc<str>>) {}

    fn roster_version(&self) -> u64 {
        1
    }

    fn roster(&self) -> Vec<RollNumber> {
        self.students.to_vec()
    }

    fn state(&self) -> State {
        State { students: self.students.len() as u64, in_today: self.number as u64, ..State::default() }
    }

    fn perform(&self, _command: Command) {}

    fn erase(&self) {}
}

struct Running {
    door: Arc<Simulated>,
    changes: Changes,
    shared: Arc<Shared>,
}

fn resident_kilobytes() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find(|line| line.starts_with("VmRSS:")).unwrap_or_default();
    line.split_whitespace().nth(1).and_then(|number| number.parse().ok()).unwrap_or_default()
}

#[tokio::main]
async fn main() {
    let asked = asked();
    let mut random = fastrand::Rng::with_seed(asked.seed);
    let visits = asked.students * asked.passes;
    let now = OffsetDateTime::now_utc().unix_timestamp();
    // One second of the simulated clock for each visit, all of them past: the day is as long as that needs.
    let starts = now - visits as i64 - 1_000;
    let day = OffsetDateTime::from_unix_timestamp(now).unwrap().date();
    let window = Window { day, starts, ends: now + 86_400 };
    let students: Arc<Vec<RollNumber>> =
        Arc::new((0..asked.students).map(|n| RollNumber::parse(&format!("21{n:05}")).unwrap()).collect());
    let index =
        Arc::new(students.iter().enumerate().map(|(n, roll)| (roll.as_str().to_owned(), n)).collect());
    let tracking = Arc::new(Tracking {
        began: Instant::now(),
        visits: (0..visits)
            .map(|_| (AtomicU64::new(0), AtomicU32::new(asked.doors as u32 - 1), AtomicU64::new(0)))
            .collect(),
    });
    let stop = CancellationToken::new();
    let before = resident_kilobytes();
    let running: Vec<Running> = (0..asked.doors)
        .map(|number| {
            let door = Arc::new(Simulated {
                number,
                students: Arc::clone(&students),
                window,
                own: Mutex::default(),
                learnt: Mutex::default(),
                index: Arc::clone(&index),
                tracking: Arc::clone(&tracking),
            });
            let config = Mqtt {
                url: Some(BrokerUrl::parse(&asked.broker).expect("--broker")),
                site_key: Some(Secret::new("0123456789abcdef0123456789abcdef")),
                allow_plain: true,
                ..Mqtt::default()
            };
            let mut device = [0; 8];
            device[..4].copy_from_slice(&(number as u32 + 1).to_be_bytes());
            let settings = Settings {
                config,
                identity: Identity { device: Device(device), start: 1 },
                door: format!("Door {number}"),
                direction: Direction::Both,
                version: "0.1.0".to_owned(),
                pace: Pace::default(),
                erasures: Arc::new(Erasures::below(std::path::Path::new("none"), None)),
            };
            let worker = Worker::new(settings, Arc::clone(&door)).unwrap();
            let (changes, shared) = (worker.changes(), worker.shared());
            tokio::spawn(worker.run(stop.clone()));
            Running { door, changes, shared }
        })
        .collect();
    while !running.iter().all(|door| door.shared.numbers(now).connected) {
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    println!("{} doors are connected", asked.doors);

    let mut happened: Vec<Vec<(i64, usize)>> = vec![Vec::new(); asked.students];
    let mut order: Vec<usize> = (0..asked.students).collect();
    random.shuffle(&mut order);
    let mut number = 0;
    let mut phase = |name: &'static str, order: Vec<usize>, lasts: Duration, random: &mut fastrand::Rng| {
        let plan: Vec<(usize, usize, usize)> = order
            .into_iter()
            .map(|student| {
                let door = random.usize(0..asked.doors);
                happened[student].push((starts + 1 + number as i64, door));
                number += 1;
                (number - 1, student, door)
            })
            .collect();
        (name, plan, lasts)
    };
    let morning = phase("morning", order.clone(), asked.morning, &mut random);
    let mut passes = Vec::new();
    for _ in 1..asked.passes {
        random.shuffle(&mut order);
        passes.extend(order.iter().copied());
    }
    let rest = phase("rest of the day", passes, asked.rest, &mut random);
    for (name, plan, lasts) in [morning, rest] {
        play(name, &plan, lasts, &running, &students, &tracking, starts).await;
    }
    let resident = resident_kilobytes();
    check(&running, &students, &happened, day);
    let numbers: Vec<_> = running.iter().map(|door| door.shared.numbers(now)).collect();
    let sum = |of: fn(&site::worker::Numbers) -> u64| numbers.iter().map(of).sum::<u64>();
    println!(
        "in all: {} messages published with {} kB, {} received with {} kB (topics and contents), {} refused",
        sum(|n| n.published),
        sum(|n| n.published_bytes) / 1000,
        sum(|n| n.received),
        sum(|n| n.received_bytes) / 1000,
        sum(|n| n.refused)
    );
    println!(
        "memory: {} kB for each door, the simulation's own journals included",
        (resident - before) / asked.doors as u64
    );
    assert_eq!(sum(|n| n.sessions), asked.doors as u64, "no connection broke");
    assert_eq!(sum(|n| n.refused), 0);
    stop.cancel();
    tokio::time::sleep(Duration::from_millis(500)).await;
}

/// Lets the visits of `plan` happen in the order they are planned, and waits until all doors know them.
async fn play(
    name: &str,
    plan: &[(usize, usize, usize)],
    lasts: Duration,
    running: &[Running],
    students: &[RollNumber],
    tracking: &Tracking,
    starts: i64,
) {
    let began = Instant::now();
    let day = running[0].door.window.day;
    for (done, (number, student, door)) in plan.iter().enumerate() {
        let due = lasts.mul_f64(done as f64 / plan.len() as f64);
        if let Some(wait) = due.checked_sub(began.elapsed()) {
            tokio::time::sleep(wait).await;
        }
        let at = starts + 1 + *number as i64;
        let (roll, running) = (students[*student].clone(), &running[*door]);
        let happened = tracking.began.elapsed().as_millis() as u64;
        tracking.visits[*number].0.store(happened, Ordering::Relaxed);
        running
            .door
            .own
            .lock()
            .unwrap()
            .entry(roll.clone())
            .or_default()
            .push(Visit { begins: at, ends: at });
        running.changes.mark(day, roll);
    }
    let published = began.elapsed();
    // A visit between the first and the last one at the same door is not published: nobody needs to learn it.
    let last_moment = Instant::now() + Duration::from_secs(300);
    let mut quiet_since = (0, Instant::now());
    while quiet_since.1.elapsed() < Duration::from_secs(3) && Instant::now() < last_moment {
        let received: u64 = running.iter().map(|door| door.shared.numbers(0).received).sum();
        if received != quiet_since.0 {
            quiet_since = (received, Instant::now());
        }
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    let mut took: Vec<u64> = plan
        .iter()
        .map(|(number, ..)| &tracking.visits[*number])
        .filter(|(_, missing, _)| missing.load(Ordering::Relaxed) == 0)
        .map(|(happened, _, last)| {
            last.load(Ordering::Relaxed).saturating_sub(happened.load(Ordering::Relaxed))
        })
        .collect();
    took.sort_unstable();
    let at = |share: f64| took.get(((took.len() as f64 * share) as usize).min(took.len().saturating_sub(1)));
    println!(
        "{name}: {} visits in {:.1} s, {:.0} a second; known at all doors after {} ms (median), {} ms (99 %), \
         {} ms (longest); {} of them were needed by the others",
        plan.len(),
        published.as_secs_f64(),
        plan.len() as f64 / published.as_secs_f64(),
        at(0.5).unwrap_or(&0),
        at(0.99).unwrap_or(&0),
        took.last().unwrap_or(&0),
        took.len()
    );
}

/// All books are the same, and say what happened: nothing is lost, nothing is double.
fn check(running: &[Running], students: &[RollNumber], happened: &[Vec<(i64, usize)>], day: Date) {
    let now = OffsetDateTime::now_utc().unix_timestamp();
    let first = running[0].shared.school().book(day).cloned().unwrap_or_default();
    for (number, door) in running.iter().enumerate().skip(1) {
        let same = door.shared.school().book(day) == Some(&first);
        assert!(same, "the book of door {number} differs from the book of door 0");
    }
    for (student, visits) in happened.iter().enumerate() {
        let roll = &students[student];
        assert_eq!(running[0].door.index.get(roll.as_str()), Some(&student));
        let account = running[0].shared.school().account(day, roll);
        let times = (account.arrival.map(|seen| seen.at), account.departure.map(|seen| seen.at));
        let expected = (
            visits.first().map(|(at, _)| *at),
            visits.last().filter(|_| visits.len() > 1).map(|(at, _)| *at),
        );
        assert_eq!(times, expected, "{roll}");
        let delivering = running.iter().filter(|door| door.shared.delivers_departure(day, roll, now)).count();
        assert_eq!(
            delivering,
            usize::from(visits.len() > 1),
            "{roll} has {delivering} doors that deliver the OUT"
        );
    }
    println!(
        "all {} books are the same, with {} entries; each of {} students has the right IN and OUT, and one door \
         that delivers the OUT",
        running.len(),
        first.len(),
        students.len()
    );
}
