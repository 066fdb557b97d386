//! Sees that what the rules say reaches the disk, and says for each recognition whether it made a row.
//!
//! A sighting begins a visit or goes on with one. The visit is written first, then the rules look at the
//! student's day ([`judge`](crate::rules::judge)), and what they say is written as well. So whatever the
//! power or a crash does in between, the next start comes to the same rows. What cannot be written waits in
//! memory, in order, and is tried again every second; nothing is announced before it is durable. Where the
//! disk has become read-only, rows whose time is known are delivered from memory.
//!
//! What is seen while the wall clock is unknown, or doubted ([`Clock::doubt`]), is recorded as a row of
//! unknown time for each visit; as soon as the clock is known, every such visit gets its time
//! ([`super::settling`]).

mod writing;

use std::collections::{BTreeMap, BTreeSet, HashMap, VecDeque};
use std::fs::File;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use time::{Date, OffsetDateTime};

use super::day_files::DayFiles;
use super::estimate;
use crate::book::{Book, Current};
use crate::config::Settings;
use crate::opening::Past;
use crate::row::{Stamp, Status};
use crate::rules::DoorName;
use crate::storage::record::rounded;
use crate::storage::{Deliveries, Journal, Ledger, Opened, Record, Row, VisitRecord, Visits};
use base::event::{Bus, Event};
use base::identity::RollNumber;
use base::moment::{Clock, Moment};
use base::sightings::Sighted;

/// Records that wait for the disk. A school of a thousand comes and goes five times; beyond that the disk has
/// been broken for days and only new rows are refused, loudly.
const MAX_WAITING: usize = 10_000;
/// Times a sighting is decided about when a panic comes in between.
const MAX_TRIES: u8 = 2;
/// How often a time known to be right is noted, so that a boot without clock is placed well.
pub(super) const NOTE_CLOCK_EVERY: Duration = Duration::from_secs(3600);
/// How often old files are looked for.
const PRUNE_EVERY: Duration = Duration::from_secs(24 * 3600);

/// The journal with everything that works on it.
pub struct Records {
    /// For the worker that records.
    pub recorder: Arc<Mutex<Recorder>>,
    /// For the worker that delivers.
    pub deliveries: Arc<Mutex<Deliveries>>,
    /// For everyone who looks.
    pub ledger: Arc<Ledger>,
}

/// The one who records.
pub struct Recorder {
    pub(super) book: Book,
    pub(super) journal: Journal,
    pub(super) visits: Visits,
    pub(super) ledger: Arc<Ledger>,
    pub(super) days: DayFiles,
    pub(super) clock: Arc<dyn Clock>,
    pub(super) bus: Bus,
    pub(super) boot: Arc<str>,
    keep: Duration,
    /// The last time of this boot at which the clock was believed; none while it is doubted.
    pub(super) known: Option<Stamp>,
    pub(super) doubted: bool,
    /// Seen and not yet decided, each with the number of tries. Empty but for a moment, and after a panic.
    seen: VecDeque<(Sighted, u8)>,
    /// Visits that are not on the disk yet, each with whether it was said that it is not.
    visiting: VecDeque<(VisitRecord, bool)>,
    /// Decided and not yet on the disk, each with whether it was said that it is not.
    pub(super) waiting: VecDeque<(Record, bool)>,
    /// On the disk and not yet announced. Empty but for a moment, and after a panic.
    written: VecDeque<Record>,
    /// Students whose day the rules must look at.
    pub(super) to_judge: BTreeSet<(Date, RollNumber)>,
    /// Recognitions of which it is to be said what they became.
    pub(super) to_explain: VecDeque<Recognition>,
    /// Days that are closed, which is not on the disk yet, and whether a person did it.
    pub(super) closing: BTreeMap<Date, bool>,
    /// Whether every open day was looked at since the start, with the time known.
    pub(super) looked_at_days: bool,
    /// Doors that have been gone for long.
    pub(super) absent: BTreeSet<DoorName>,
    /// Rows whose time is not known, waiting or on the disk, each with the last sighting of its visit.
    pub(super) unsettled: BTreeMap<u64, (Row, Duration)>,
    /// Rows of which a person must say the day: the earliest and the latest time that each can have.
    pub(super) between: BTreeMap<u64, (OffsetDateTime, OffsetDateTime)>,
    /// Until when the visits of those rows lasted, since their boot.
    pub(super) untils: HashMap<u64, Duration>,
    /// The newest visit of this boot of each student, while the clock was unknown.
    pub(super) guesses: HashMap<RollNumber, Guess>,
    pub(super) next_note: Duration,
    next_complaint: Duration,
    next_prune: Duration,
    _lock: Option<File>,
}

/// A visit while the clock is unknown.
#[derive(Debug, Clone)]
pub(super) struct Guess {
    pub(super) id: u64,
    pub(super) last: Duration,
    /// The last sighting that is written or waits to be.
    pub(super) written: Duration,
    pub(super) status: Status,
    /// Whether it was said why a recognition of this visit made no row.
    pub(super) told: bool,
}

/// A recognition of which it is to be said what it became.
#[derive(Debug, Clone)]
pub(super) struct Recognition {
    pub(super) roll: RollNumber,
    pub(super) date: Date,
    /// Whether a visit began with it.
    pub(super) begins: bool,
}

impl Recorder {
    pub(super) fn assemble(
        opened: Opened,
        mut past: Past,
        days: DayFiles,
        settings: &Settings,
        clock: Arc<dyn Clock>,
        bus: Bus,
    ) -> Records {
        let Opened { journal, visits, visited, deliveries, ledger, lock, unreadable: _ } = opened;
        past.visited(visited, &ledger);
        let unsettled: BTreeMap<u64, (Row, Duration)> = ledger
            .unsettled()
            .into_iter()
            .map(|row| {
                let until = past.untils.get(&row.id).copied().unwrap_or(row.at.since_boot);
                (row.id, (row.clone(), until.max(row.at.since_boot)))
            })
            .collect();
        let guesses = unsettled
            .values()
            .filter(|(row, _)| row.at.boot == past.boot)
            .map(|(row, last)| {
                let (id, status) = (row.id, row.status);
                (row.roll.clone(), Guess { id, last: *last, written: *last, status, told: false })
            })
            .collect();
        // Before the clock is read for the first time.
        if let Some(believed) = past.believed() {
            clock.remember(believed);
        }
        let now = clock.now().since_boot;
        let known = past.known.filter(|known| known.boot == past.boot);
        let mut recorder = Self {
            book: past.book,
            journal,
            visits,
            ledger: Arc::clone(&ledger),
            days,
            clock,
            bus,
            boot: past.boot,
            keep: Duration::from_secs(u64::from(settings.attendance.keep_days) * 86_400),
            known,
            doubted: false,
            seen: VecDeque::new(),
            visiting: VecDeque::new(),
            waiting: VecDeque::new(),
            written: VecDeque::new(),
            to_judge: BTreeSet::new(),
            to_explain: VecDeque::new(),
            closing: BTreeMap::new(),
            looked_at_days: false,
            absent: BTreeSet::new(),
            unsettled,
            between: past.between,
            untils: past.untils,
            guesses,
            next_note: Duration::ZERO,
            next_complaint: Duration::ZERO,
            // Not while the door starts.
            next_prune: now + Duration::from_secs(600),
            _lock: lock,
        };
        // Before the files are compared: what is open stands in no file.
        recorder.look_at_days(None);
        recorder.days.check(&recorder.ledger);
        Records {
            recorder: Arc::new(Mutex::new(recorder)),
            deliveries: Arc::new(Mutex::new(deliveries)),
            ledger,
        }
    }

    /// A living person was recognised. Writes what follows, or says why there is no row.
    pub fn sighted(&mut self, roll: &RollNumber, moment: Moment) {
        self.consider(roll, moment);
        self.flush();
    }

    /// As [`sighted`](Self::sighted), for many at once: one write for all, so that a slow disk is caught up
    /// with.
    pub fn sighted_all(&mut self, seen: &[Sighted]) {
        self.seen.extend(seen.iter().map(|sighted| (sighted.clone(), 0)));
        self.consider_all();
        self.flush();
    }

    /// Decides about all that was seen. A panic leaves what is not decided for the next call; a sighting that
    /// panics each time is given up.
    fn consider_all(&mut self) {
        while let Some((Sighted { roll, at }, tries)) = self.seen.front_mut() {
            *tries += 1;
            let (roll, at, tries) = (roll.clone(), *at, *tries);
            if tries <= MAX_TRIES {
                self.consider(&roll, at);
            } else {
                let reason =
                    "a defect in the program stopped the recorder twice at this row; THIS ROW IS LOST";
                self.bus.publish(Event::NotSaved { roll, reason: reason.to_owned() });
            }
            self.seen.pop_front();
        }
    }

    fn consider(&mut self, roll: &RollNumber, moment: Moment) {
        // Not from `moment`: it may have been taken before the clock came into doubt.
        self.learn_clock(self.clock.now());
        let at = self.stamp(moment);
        match &self.known {
            Some(known) if !moment.trusted => {
                let utc = estimate::measured(at.since_boot, known);
                self.visited(roll, Stamp { utc, ..at });
            }
            None if !moment.trusted => self.visited_without_clock(roll, at),
            _ => self.visited(roll, at),
        }
    }

    /// A sighting whose time is known.
    fn visited(&mut self, roll: &RollNumber, at: Stamp) {
        if self.has_no_room(roll) {
            return;
        }
        let before = self.book.unwritten(roll);
        let sight = self.book.sight(roll, &at, false);
        if let Some(before) = before.filter(|_| sight.begins) {
            // It ended a moment ago, and nobody has written yet until when it lasted.
            let Current { first, last, estimated, .. } = before;
            self.queue(VisitRecord::Here { student: roll.clone(), first, last, estimated, ended: true });
        }
        if sight.write {
            self.hand_over(roll, false);
        }
        self.to_judge.insert((sight.date, roll.clone()));
        self.to_explain.push_back(Recognition { roll: roll.clone(), date: sight.date, begins: sight.begins });
    }

    /// Whether the disk has been broken for so long that nothing more fits into memory; says so.
    pub(super) fn has_no_room(&self, roll: &RollNumber) -> bool {
        let full = self.waiting.len() + self.visiting.len() >= MAX_WAITING;
        if full {
            let reason =
                format!("{MAX_WAITING} rows wait for the disk and no more fit into memory; THIS ROW IS LOST");
            self.bus.publish(Event::NotSaved { roll: roll.clone(), reason });
        }
        full
    }

    /// Queues the newest visit of a student to be written.
    pub(super) fn hand_over(&mut self, roll: &RollNumber, ended: bool) {
        let Some(current) = self.book.hand_over(roll) else { return };
        let record = VisitRecord::Here {
            student: roll.clone(),
            first: current.first,
            last: current.last,
            estimated: current.estimated,
            ended,
        };
        // A later word about a visit that still waits takes the place of the earlier one.
        let waits = self.visiting.iter_mut().rev().find(|(waiting, _)| {
            matches!(waiting, VisitRecord::Here { student, first, .. } if student == roll && *first == current.first)
        });
        match waits {
            Some((waiting, _)) => *waiting = record,
            None => self.visiting.push_back((record, false)),
        }
    }

    /// Queues a record about visits.
    pub(super) fn queue(&mut self, record: VisitRecord) {
        self.visiting.push_back((record, true));
    }

    /// What has to be done from time to time; called about once a second.
    pub fn tick(&mut self) {
        let now = self.clock.now();
        self.learn_clock(now);
        self.consider_all();
        let at = self.stamp(now);
        for roll in self.book.ended(&at) {
            self.hand_over(&roll, true);
            if let Some(current) = self.book.current(&roll) {
                self.to_judge.insert((current.date, roll));
            }
        }
        self.write_guesses(now.since_boot, false);
        if now.trusted {
            if !self.visiting.is_empty() {
                // What waited for a disk that was full may belong to a day that is over.
                self.flush();
            }
            self.look_at_days(Some(now.utc));
        }
        if now.trusted && now.since_boot >= self.next_note {
            self.next_note = now.since_boot + NOTE_CLOCK_EVERY;
            self.waiting.push_back((Record::Clock(at), true));
        }
        self.flush();
        if now.trusted && now.since_boot >= self.next_prune && self.waiting.is_empty() {
            self.next_prune = now.since_boot + PRUNE_EVERY;
            self.prune(now.utc);
        }
    }

    /// The program ends: writes down when everybody who is there was last seen.
    pub fn finish(&mut self) {
        for roll in self.book.active() {
            self.hand_over(&roll, true);
        }
        self.write_guesses(self.clock.now().since_boot, true);
        self.tick();
    }

    /// Sightings and records that are not yet on the disk.
    pub fn waiting(&self) -> usize {
        self.seen.len() + self.visiting.len() + self.waiting.len() + self.closing.len()
    }

    pub(super) fn stamp(&self, moment: Moment) -> Stamp {
        let (utc, since_boot) = rounded(moment.utc, moment.since_boot);
        Stamp { utc, since_boot, boot: Arc::clone(&self.boot) }
    }
}

impl Records {
    /// Runs `work` on the recorder, also after a panic elsewhere: what was decided before it stays decided.
    pub fn with_recorder<T>(&self, work: impl FnOnce(&mut Recorder) -> T) -> T {
        work(&mut self.recorder.lock().unwrap_or_else(PoisonError::into_inner))
    }
}
