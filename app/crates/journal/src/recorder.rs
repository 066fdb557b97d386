//! Decides by the rules what a recognition becomes, and sees that it reaches the disk.
//!
//! What is decided and cannot be written waits in memory, in order, and is tried again every second; nothing
//! is announced before it is durable. Where the disk has become read-only, rows whose time is known are
//! delivered from memory. What is seen while the wall clock is unknown is recorded whenever the
//! gap allows, because the rules cannot say yet what it is; as soon as the clock is known, every such row
//! gets its time, the rules go over them in order, and what they say is recorded as well. A wall clock that
//! is doubted ([`Clock::doubt`]) counts as unknown.

use std::collections::{BTreeMap, HashMap, VecDeque};
use std::fs::File;
use std::io;
use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use time::OffsetDateTime;

use super::day_files::DayFiles;
use super::estimate;
use super::{Book, Decision, Refusal};
use crate::config;
use crate::row::{Stamp, Status};
use crate::storage as journal;
use crate::storage::record::rounded;
use crate::storage::{
    Certainty, Deliveries, Folder, Journal, JournalError, Ledger, Opened, Record, Row, Settled, Verdict,
    timestamp,
};
use base::event::{Bus, Event};
use base::failure::Fault;
use base::identity::RollNumber;
use base::moment::{Believed, Clock, EARLIEST, Moment, SiteZone};
use base::sightings::Sighted;

/// Records that wait for the disk. A school of a thousand comes and goes five times; beyond that the disk has
/// been broken for days and only new rows are refused, loudly.
const MAX_WAITING: usize = 10_000;
/// Records in one write: a full queue drains in some dozen writes, and none takes long.
const MAX_WRITE: usize = 500;
/// Times a sighting is decided about when a panic comes in between.
const MAX_TRIES: u8 = 2;
/// How often a time known to be right is noted, so that a boot without clock is placed well.
const NOTE_CLOCK_EVERY: Duration = Duration::from_secs(3600);
/// How often a broken disk is reported again.
const COMPLAIN_EVERY: Duration = Duration::from_secs(60);
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

/// Opens the journal below `data_dir` (`journal/`, and `attendance/` for the days' CSV files) of a site whose
/// rows are delivered.
///
/// # Errors
/// [`JournalError`]: another process has it, or its folder cannot be listed.
pub fn open(
    data_dir: &Path,
    config: &config::Attendance,
    zone: SiteZone,
    clock: Arc<dyn Clock>,
    bus: Bus,
) -> Result<Records, JournalError> {
    open_for(true, data_dir, config, zone, clock, bus)
}

/// As [`open`]; without a webhook (`delivered` is false) a row is finished as soon as its time is known, so
/// that `keep_days` counts for it.
///
/// # Errors
/// [`JournalError`].
pub fn open_for(
    delivered: bool,
    data_dir: &Path,
    config: &config::Attendance,
    zone: SiteZone,
    clock: Arc<dyn Clock>,
    bus: Bus,
) -> Result<Records, JournalError> {
    let mut past = Past::new(config, clock.as_ref());
    let ledger = if delivered { Ledger::new(zone.clone()) } else { Ledger::of_rows_that_stay(zone.clone()) };
    let opened = journal::open_into(&data_dir.join("journal"), ledger, |record| past.see(record, &zone))?;
    let days = DayFiles::new(
        Arc::new(Folder::new(data_dir.join("attendance"))),
        Arc::new(Folder::new(data_dir.join("journal"))),
    );
    Ok(Recorder::assemble(opened, past, days, config, clock, bus))
}

/// What the journal's records say about the rules' state.
pub(super) struct Past {
    book: Book,
    boot: Arc<str>,
    /// The last time that was believed, of whichever boot.
    known: Option<Stamp>,
}

impl Past {
    pub(super) fn new(config: &config::Attendance, clock: &dyn Clock) -> Self {
        Self {
            book: Book::new(config.policy, config.minimum_gap),
            boot: Arc::from(clock.boot_id()),
            known: None,
        }
    }

    pub(super) fn see(&mut self, record: &Record, zone: &SiteZone) {
        match record {
            Record::Row(row) => {
                self.book.record(&row.roll, &row.at, zone.local(row.at.utc).date(), row.status);
                // An estimate says nothing about the clock.
                if row.clock == Certainty::Known {
                    self.known = Some(row.at.clone());
                }
            }
            Record::Clock(at) => self.known = Some(at.clone()),
            _ => {}
        }
    }

    /// What the clock has to know of it.
    fn believed(&self) -> Option<Believed> {
        let known = self.known.as_ref()?;
        let since_boot = (known.boot == self.boot).then_some(known.since_boot);
        Some(Believed { utc: known.utc, since_boot })
    }
}

/// The one who records.
pub struct Recorder {
    book: Book,
    journal: Journal,
    ledger: Arc<Ledger>,
    days: DayFiles,
    clock: Arc<dyn Clock>,
    bus: Bus,
    boot: Arc<str>,
    keep: Duration,
    /// The last time of this boot at which the clock was believed; none while it is doubted.
    known: Option<Stamp>,
    doubted: bool,
    /// Seen and not yet decided, each with the number of tries. Empty but for a moment, and after a panic.
    seen: VecDeque<(Sighted, u8)>,
    /// Decided and not yet on the disk.
    waiting: VecDeque<Record>,
    /// On the disk and not yet announced. Empty but for a moment, and after a panic.
    written: VecDeque<Record>,
    /// Rows whose time is not known, waiting or on the disk.
    unsettled: BTreeMap<u64, Row>,
    /// What was last recorded in this boot while the clock was unknown.
    guesses: HashMap<RollNumber, (Duration, Status)>,
    next_note: Duration,
    next_complaint: Duration,
    next_prune: Duration,
    _lock: Option<File>,
}

impl Recorder {
    pub(super) fn assemble(
        opened: Opened,
        past: Past,
        mut days: DayFiles,
        config: &config::Attendance,
        clock: Arc<dyn Clock>,
        bus: Bus,
    ) -> Records {
        let Opened { journal, deliveries, ledger, lock } = opened;
        let unsettled: BTreeMap<u64, Row> = ledger.unsettled().into_iter().map(|row| (row.id, row)).collect();
        let guesses = unsettled
            .values()
            .filter(|row| row.at.boot == past.boot)
            .map(|row| (row.roll.clone(), (row.at.since_boot, row.status)))
            .collect();
        days.check(&ledger);
        // Before the clock is read for the first time.
        if let Some(believed) = past.believed() {
            clock.remember(believed);
        }
        let now = clock.now().since_boot;
        let known = past.known.filter(|known| known.boot == past.boot);
        let recorder = Self {
            book: past.book,
            journal,
            ledger: Arc::clone(&ledger),
            days,
            clock,
            bus,
            boot: past.boot,
            keep: Duration::from_secs(u64::from(config.keep_days) * 86_400),
            known,
            doubted: false,
            seen: VecDeque::new(),
            waiting: VecDeque::new(),
            written: VecDeque::new(),
            unsettled,
            guesses,
            next_note: Duration::ZERO,
            next_complaint: Duration::ZERO,
            // Not while the door starts.
            next_prune: now + Duration::from_secs(600),
            _lock: lock,
        };
        Records {
            recorder: Arc::new(Mutex::new(recorder)),
            deliveries: Arc::new(Mutex::new(deliveries)),
            ledger,
        }
    }

    /// A living person was recognised. Writes the row, or says why there is none.
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
        let decided = match &self.known {
            Some(known) if !moment.trusted => {
                let utc = estimate::measured(at.since_boot, known);
                self.decide(roll, Stamp { utc, ..at })
            }
            None if !moment.trusted => self.decide_without_clock(roll, at),
            _ => self.decide(roll, at),
        };
        match decided {
            Ok(row) => self.take(row),
            Err(refusal) => {
                self.bus.publish(Event::NotRecorded { roll: roll.clone(), reason: refusal.to_string() });
            }
        }
    }

    /// What has to be done from time to time; called about once a second.
    pub fn tick(&mut self) {
        let now = self.clock.now();
        self.learn_clock(now);
        self.consider_all();
        if now.trusted && now.since_boot >= self.next_note {
            let note = Record::Clock(self.stamp(now));
            self.next_note = now.since_boot + NOTE_CLOCK_EVERY;
            self.waiting.push_back(note);
        }
        self.flush();
        if now.trusted && now.since_boot >= self.next_prune && self.waiting.is_empty() {
            self.next_prune = now.since_boot + PRUNE_EVERY;
            self.prune(now.utc);
        }
    }

    /// Sightings and records that are not yet on the disk.
    pub fn waiting(&self) -> usize {
        self.seen.len() + self.waiting.len()
    }

    /// By the rules, with the time known.
    fn decide(&mut self, roll: &RollNumber, at: Stamp) -> Result<Row, Refusal> {
        let date = self.ledger.zone().local(at.utc).date();
        match self.book.decide(roll, &at, date) {
            Decision::Refuse(refusal) => Err(refusal),
            Decision::Record(status) => {
                Ok(Row { id: 0, roll: roll.clone(), status, at, clock: Certainty::Known })
            }
        }
    }

    /// By the gap alone: which day it is, and so what the recognition is, will be known later.
    fn decide_without_clock(&mut self, roll: &RollNumber, at: Stamp) -> Result<Row, Refusal> {
        let guess = self.guesses.get(roll);
        if let Some((last, _)) = guess
            && let Some(left) = self.book.gap().checked_sub(at.since_boot.saturating_sub(*last))
            && !left.is_zero()
        {
            return Err(Refusal::GapNotOver { left });
        }
        let status = guess.map_or(Status::In, |(_, status)| status.opposite());
        Ok(Row { id: 0, roll: roll.clone(), status, at, clock: Certainty::Unknown })
    }

    /// Queues a decided row and takes it into account.
    fn take(&mut self, mut row: Row) {
        if self.waiting.len() >= MAX_WAITING {
            let reason =
                format!("{MAX_WAITING} rows wait for the disk and no more fit into memory; THIS ROW IS LOST");
            self.bus.publish(Event::NotSaved { roll: row.roll, reason });
            return;
        }
        row.id = self.journal.next_id();
        if row.clock == Certainty::Unknown {
            if self.unsettled.is_empty() && !self.doubted {
                log::warn!(
                    "nobody vouches for the clock (no time server since boot, no hardware clock): rows are kept, and delivered \
                     once their time is known. Let the device reach a time server, or set site.clock = \"system\" \
                     where its clock is right by itself"
                );
            }
            self.guesses.insert(row.roll.clone(), (row.at.since_boot, row.status));
            self.unsettled.insert(row.id, row.clone());
        } else {
            let date = self.ledger.zone().local(row.at.utc).date();
            self.book.record(&row.roll, &row.at, date, row.status);
        }
        self.waiting.push_back(Record::Row(row));
    }

    /// Notes a time at which the clock is right and settles what waited for it.
    fn learn_clock(&mut self, now: Moment) {
        if self.clock.doubt().is_some() {
            // What is seen now must not be measured from a time that may be the wrong one of the two.
            self.known = None;
            self.doubted = true;
            return;
        }
        if !now.trusted {
            return;
        }
        if std::mem::take(&mut self.doubted) {
            // The journal learns at once which time is believed: a restart then brings no doubt back.
            self.next_note = Duration::ZERO;
        }
        self.known = Some(self.stamp(now));
        if let Some(known) = self.known.clone()
            && !self.unsettled.is_empty()
        {
            self.settle(&known);
        }
    }

    /// Gives every row of unknown time its time and goes over them with the rules, in the order in which they
    /// were seen.
    fn settle(&mut self, known: &Stamp) {
        let began = estimate::measured(Duration::ZERO, known);
        let mut floor = self.ledger.latest_known().unwrap_or(EARLIEST).min(began);
        let rows: Vec<Row> = std::mem::take(&mut self.unsettled).into_values().collect();
        self.guesses.clear();
        for boot in rows.chunk_by(|a, b| a.at.boot == b.at.boot) {
            let this_boot = boot[0].at.boot == known.boot;
            let times = if this_boot {
                boot.iter().map(|row| estimate::measured(row.at.since_boot, known)).collect()
            } else {
                let seen: Vec<Stamp> = boot.iter().map(|row| row.at.clone()).collect();
                estimate::estimated(&seen, floor, began)
            };
            floor = times.iter().copied().fold(floor, OffsetDateTime::max);
            for (row, utc) in boot.iter().zip(times) {
                let verdict = self.settle_row(row, utc, this_boot);
                self.waiting.push_back(Record::Settled(Settled { id: row.id, utc, verdict }));
            }
        }
        log::info!("the clock is known: {} rows seen before that have got their time", rows.len());
    }

    fn settle_row(&mut self, row: &Row, utc: OffsetDateTime, measured: bool) -> Verdict {
        let at = Stamp { utc, ..row.at.clone() };
        match self.decide(&row.roll, at) {
            Ok(row) => {
                let date = self.ledger.zone().local(utc).date();
                self.book.record(&row.roll, &row.at, date, row.status);
                Verdict::Row { status: row.status, measured }
            }
            Err(_) if measured => Verdict::Nothing,
            // The refusal rests on a guess.
            Err(_) => Verdict::Doubtful(row.status),
        }
    }

    /// Writes what waits, in order, and announces what is written.
    fn flush(&mut self) {
        self.announce_all();
        while !self.waiting.is_empty() {
            let batch: Vec<Record> = self.waiting.iter().take(MAX_WRITE).cloned().collect();
            if let Err(error) = self.journal.append(&batch) {
                self.complain(&error);
                return;
            }
            self.written.extend(self.waiting.drain(..batch.len()));
            let unwritten = self.waiting.len();
            self.ledger.note_storage(|storage| storage.unwritten = unwritten);
            self.announce_all();
        }
        self.days.write(&self.ledger);
        if self.next_complaint > Duration::ZERO {
            log::warn!("the journal can be written again; everything that waited is saved");
            self.next_complaint = Duration::ZERO;
        }
        self.ledger.note_storage(|storage| storage.trouble = None);
    }

    fn announce_all(&mut self) {
        while let Some(record) = self.written.pop_front() {
            self.announce(record);
        }
    }

    /// `record` is durable: from now on everybody may know.
    fn announce(&mut self, record: Record) {
        match record {
            Record::Row(row) => {
                let local = self.ledger.zone().local(row.at.utc);
                let (roll, status) = (row.roll.clone(), row.status.as_str().to_owned());
                if row.clock == Certainty::Unknown {
                    self.days.note_unsettled();
                } else {
                    self.days.note(local.date());
                }
                self.ledger.insert(row);
                self.bus.publish(Event::Recorded { roll, status, timestamp: timestamp(local) });
            }
            Record::Settled(settled) => {
                self.days.note_unsettled();
                if let Some(row) = self.ledger.settle(&settled) {
                    self.days.note(self.ledger.zone().local(row.at.utc).date());
                }
            }
            Record::Clock(at) => self.ledger.note_clock(at.utc),
            Record::Header { .. } | Record::Foreign(_) => {}
        }
    }

    /// Says that the disk does not take the rows: each new row, and all of them once a minute.
    fn complain(&mut self, error: &io::Error) {
        let advice = match error.kind() {
            io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded => "free some space",
            io::ErrorKind::ReadOnlyFilesystem => "the card may be failing: check it",
            io::ErrorKind::PermissionDenied => "check who owns the data folder",
            _ => "check the disk",
        };
        let waiting = self.waiting.len();
        let trouble = Fault::new(format!("the journal cannot be written ({error})")).advise(advice);
        let reason = format!(
            "{trouble}. {waiting} records are kept in memory and tried again every second; they are lost if the power goes now"
        );
        let now = self.clock.now().since_boot;
        let known = self.ledger.summary().storage.unwritten;
        if error.kind() == io::ErrorKind::ReadOnlyFilesystem {
            // It stays so until the next start: what can be delivered now is not lost then.
            self.ledger.insert_unwritten(self.waiting.iter().filter_map(|record| match record {
                Record::Row(row) => Some(row),
                _ => None,
            }));
        }
        for record in self.waiting.iter().skip(known) {
            if let Record::Row(row) = record {
                self.bus.publish(Event::NotSaved { roll: row.roll.clone(), reason: reason.clone() });
            }
        }
        if now >= self.next_complaint {
            log::error!("{reason}");
            self.next_complaint = now + COMPLAIN_EVERY;
        }
        self.ledger.note_storage(|storage| {
            storage.unwritten = waiting;
            storage.trouble = Some(trouble);
        });
    }

    pub(super) fn prune(&mut self, now: OffsetDateTime) {
        let before = now - self.keep;
        let removed = self
            .journal
            .prune(&self.ledger, before..=now)
            .and_then(|files| {
                self.ledger.note_first_id(self.journal.first_id()?);
                Ok(files)
            })
            .and_then(|files| Ok(files + self.days.prune(&self.ledger, before)?));
        match removed {
            Ok(0) => {}
            Ok(files) => log::info!("{files} files of delivered rows before {} removed", before.date()),
            Err(error) => log::warn!("old files could not be removed: {error}; tried again tomorrow"),
        }
    }

    fn stamp(&self, moment: Moment) -> Stamp {
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
