//! What the journal and the delivery log say, in memory: the rows that somebody may still ask for.
//!
//! Held are the rows that are not delivered and those of the last days; where rows stay on the device
//! ([`Ledger::of_rows_that_stay`]), those of the last days only. The lock is only ever held for
//! look-ups and changes in memory, never while a disk or a network is waited for, so the status page and the
//! frame path cannot be held up by them.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::{Mutex, MutexGuard, PoisonError};

use serde::Serialize;
use time::{Date, OffsetDateTime, PrimitiveDateTime};

use super::delivery::{Delivery, Fate};
use super::ids::Ids;
use super::record::{Certainty, Row, Settled, Verdict};
use crate::row::{Dates, Status};
use base::failure::Fault;
use base::identity::RollNumber;
use base::moment::SiteZone;

/// The rows in memory.
#[derive(Debug)]
pub struct Ledger {
    zone: SiteZone,
    /// The only day whose rows are held, for looking one up.
    only: Option<Date>,
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    /// Whether there is no webhook: nothing is to be done about a row whose time is known.
    stays: bool,
    rows: BTreeMap<u64, Entry>,
    /// The rows of each day whose time is settled.
    days: HashMap<Date, BTreeSet<u64>>,
    /// Rows to be delivered, in order.
    open: BTreeSet<u64>,
    /// Rows that wait for the clock, and rows that need a person: nobody who looks goes through all rows.
    awaiting_clock: BTreeSet<u64>,
    with_a_person: BTreeSet<u64>,
    dates: Dates,
    /// Rows that are not on the disk, because it takes no writes.
    only_in_memory: BTreeSet<u64>,
    /// Rows to which nothing can happen any more.
    done: Ids,
    /// The last word about rows that are not simply delivered.
    marks: BTreeMap<u64, Delivery>,
    latest_known: Option<OffsetDateTime>,
    last_delivery: Option<OffsetDateTime>,
    storage: Storage,
    first_id: u64,
}

#[derive(Debug, Clone)]
struct Entry {
    row: Row,
    local: PrimitiveDateTime,
    progress: Progress,
}

/// Where a row stands on its way to the webhook.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case", tag = "state", content = "reason")]
pub enum Progress {
    /// Its time is not known yet; it waits for the clock.
    AwaitsClock,
    /// To be delivered.
    Open,
    /// A person must look, for this reason.
    NeedsPerson(String),
    /// The webhook has it.
    Delivered,
    /// Not to be delivered: a person decided so.
    Dismissed,
}

/// A row as it can be looked at.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct RowView {
    /// Its number, for [`Progress::NeedsPerson`] rows the handle to retry it.
    pub id: u64,
    /// Who.
    pub roll: RollNumber,
    /// `IN` or `OUT`.
    pub status: &'static str,
    /// Local time of the site, `YYYY-MM-DD HH:MM:SS`.
    pub timestamp: String,
    /// `known`, `unknown` (will be corrected), `estimated`, or `doubtful` (estimated, and no row by the
    /// rules).
    pub clock: &'static str,
    /// Where it stands.
    pub progress: Progress,
}

/// A row ready for the webhook.
#[derive(Debug, Clone, PartialEq)]
pub struct OpenRow {
    /// Its number.
    pub id: u64,
    /// Who.
    pub roll: RollNumber,
    /// Coming or going.
    pub status: Status,
    /// Local time of the site.
    pub local: PrimitiveDateTime,
}

/// Numbers for the status page.
#[derive(Debug, Clone, Default, PartialEq, Serialize)]
pub struct Summary {
    /// Rows to be delivered, those that wait for the clock included.
    pub backlog: usize,
    /// Rows that wait for the clock.
    pub awaiting_clock: usize,
    /// Rows that need a person.
    pub needs_person: usize,
    /// When the webhook last acknowledged a row.
    #[serde(with = "time::serde::rfc3339::option")]
    pub last_delivery: Option<OffsetDateTime>,
    /// Rows that neither the disk nor the webhook has: a restart would lose them. 0 without a webhook.
    pub undelivered_in_memory: usize,
    /// How the disk does.
    pub storage: Storage,
}

/// How the disk does.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct Storage {
    /// Rows in memory that could not be written yet.
    pub unwritten: usize,
    /// Why, and what to do.
    pub trouble: Option<Fault>,
    /// Why a day's CSV file cannot be written; none when all are.
    pub csv_trouble: Option<String>,
    /// Lines of the logs that cannot be read.
    pub damaged_lines: usize,
}

impl Ledger {
    /// An empty ledger of a site in `zone`.
    pub fn new(zone: SiteZone) -> Self {
        Self { zone, only: None, state: Mutex::default() }
    }

    /// An empty ledger of a site without a webhook: a row is finished as soon as its time is known, and so
    /// neither memory nor journal grow without end. Rows that are still in the journal when a webhook is
    /// configured are delivered then.
    pub fn of_rows_that_stay(zone: SiteZone) -> Self {
        let state = Mutex::new(State { stays: true, ..State::default() });
        Self { state, ..Self::new(zone) }
    }

    /// An empty ledger that holds the rows of `date` and those that wait for the clock, and forgets all
    /// others.
    pub(super) fn of_one_day(zone: SiteZone, date: Date) -> Self {
        Self { only: Some(date), ..Self::new(zone) }
    }

    /// The site's zone.
    pub fn zone(&self) -> &SiteZone {
        &self.zone
    }

    /// Numbers for the status page.
    pub fn summary(&self) -> Summary {
        let state = self.state();
        let awaiting_clock = state.awaiting_clock.len();
        let backlog = if state.stays { 0 } else { state.open.len() + awaiting_clock };
        let unsent = state.only_in_memory.iter().filter(|id| !state.done.contains(**id)).count();
        Summary {
            undelivered_in_memory: if state.stays { 0 } else { unsent },
            backlog,
            awaiting_clock,
            needs_person: state.with_a_person.len(),
            last_delivery: state.last_delivery,
            storage: state.storage.clone(),
        }
    }

    /// Rows that can be delivered now.
    pub fn open_count(&self) -> usize {
        self.state().open.len()
    }

    /// The rows of `date` whose time is settled, oldest first; `None` when not all of them are in memory.
    pub fn on(&self, date: Date) -> Option<Vec<RowView>> {
        let state = self.state();
        (!state.dates.gave_up(date)).then(|| state.day(date).map(Entry::view).collect())
    }

    /// The dates of which all rows are in memory.
    pub fn dates(&self) -> Vec<Date> {
        let state = self.state();
        state.dates.iter().filter(|date| !state.dates.gave_up(*date)).collect()
    }

    /// The rows that need a person, oldest first.
    pub fn needs_person(&self) -> Vec<RowView> {
        let state = self.state();
        state.all(&state.with_a_person).map(Entry::view).collect()
    }

    /// The rows whose time is not known yet, oldest first.
    pub fn awaiting_clock(&self) -> Vec<RowView> {
        let state = self.state();
        state.all(&state.awaiting_clock).map(Entry::view).collect()
    }

    /// The first `limit` rows to be delivered that `wanted` accepts.
    pub fn open_rows(&self, limit: usize, mut wanted: impl FnMut(u64) -> bool) -> Vec<OpenRow> {
        let state = self.state();
        state
            .open
            .iter()
            .filter(|id| wanted(**id))
            .filter_map(|id| state.rows.get(id))
            .take(limit)
            .map(|entry| OpenRow {
                id: entry.row.id,
                roll: entry.row.roll.clone(),
                status: entry.row.status,
                local: entry.local,
            })
            .collect()
    }

    /// Rows whose time is to be settled.
    pub(crate) fn unsettled(&self) -> Vec<Row> {
        let state = self.state();
        state.all(&state.awaiting_clock).map(|entry| entry.row.clone()).collect()
    }

    /// The latest time at which the clock was known to be right.
    pub(crate) fn latest_known(&self) -> Option<OffsetDateTime> {
        self.state().latest_known
    }

    /// Whether nothing can happen to the row any more. `ours`: whether all of its records are known to this
    /// version.
    pub(crate) fn is_done(&self, id: u64, ours: bool) -> bool {
        let state = self.state();
        id == 0 || state.done.contains(id) || (state.stays && ours && !state.awaiting_clock.contains(&id))
    }

    /// Whether a row of `date` is still to be delivered or looked at.
    pub(crate) fn has_unfinished(&self, date: Date) -> bool {
        let state = self.state();
        state.day(date).any(|entry| !state.is_finished(entry))
    }

    /// Whether `id` may be retried or dismissed.
    pub fn is_with_a_person(&self, id: u64) -> bool {
        self.state().with_a_person.contains(&id)
    }

    /// The first row in the journal's files, after pruning.
    pub fn first_id(&self) -> u64 {
        self.state().first_id
    }

    /// Notes which row is the first in the files, after pruning.
    pub fn note_first_id(&self, id: u64) {
        self.state().first_id = id;
    }

    pub(crate) fn note_storage(&self, change: impl FnOnce(&mut Storage)) {
        change(&mut self.state().storage);
    }

    pub(crate) fn note_clock(&self, utc: OffsetDateTime) {
        let mut state = self.state();
        state.latest_known = state.latest_known.max(Some(utc));
    }

    /// Takes in a row that is on the disk.
    pub fn insert(&self, row: Row) {
        let mut state = self.state();
        state.only_in_memory.remove(&row.id);
        let local = self.zone.local(row.at.utc);
        let progress = match row.clock {
            Certainty::Unknown => Progress::AwaitsClock,
            _ => state.progress(row.id, Progress::Open),
        };
        if row.clock == Certainty::Known {
            state.latest_known = state.latest_known.max(Some(row.at.utc));
        }
        // The date of a row that waits for the clock is not one of the site's.
        if progress == Progress::AwaitsClock {
            state.enter(Entry { row, local, progress });
        } else if self.wants(local.date()) {
            state.enter(Entry { row, local, progress });
            state.use_date(local.date());
        }
    }

    /// Takes in rows that the disk does not take. Those whose time is known can be delivered; the webhook
    /// knows duplicates, should they be sent again after they were written.
    pub(crate) fn insert_unwritten<'a>(&self, rows: impl Iterator<Item = &'a Row>) {
        let new: Vec<&Row> = {
            let state = self.state();
            rows.filter(|row| !state.only_in_memory.contains(&row.id)).collect()
        };
        for row in new {
            if row.clock == Certainty::Known {
                self.insert(row.clone());
            }
            self.state().only_in_memory.insert(row.id);
        }
    }

    /// Takes in the time of a row; gives the row as it is now, when it is one for the rules.
    pub(crate) fn settle(&self, settled: &Settled) -> Option<Row> {
        let mut state = self.state();
        let mut entry = state.rows.get(&settled.id)?.clone();
        if entry.progress != Progress::AwaitsClock {
            return None;
        }
        entry.row.at.utc = settled.utc;
        entry.local = self.zone.local(settled.utc);
        let fresh;
        (entry.row.status, entry.row.clock, fresh) = match settled.verdict {
            Verdict::Row { status, measured: true } => (status, Certainty::Known, Progress::Open),
            Verdict::Row { status, measured: false } => (status, Certainty::Estimated, Progress::Open),
            Verdict::Doubtful(status) => {
                (status, Certainty::Doubtful, Progress::NeedsPerson(DOUBTFUL.to_owned()))
            }
            Verdict::Nothing => {
                state.forget(settled.id);
                state.done.insert(settled.id);
                return None;
            }
        };
        entry.progress = state.progress(settled.id, fresh);
        let (row, date) = (entry.row.clone(), entry.local.date());
        if self.wants(date) {
            state.enter(entry);
            state.use_date(date);
        } else {
            state.forget(settled.id);
        }
        // A doubtful row says nothing about the day it may belong to.
        (row.clock != Certainty::Doubtful).then_some(row)
    }

    /// Takes in what became of a row.
    pub fn deliver(&self, delivery: Delivery) {
        let mut state = self.state();
        let (id, utc) = (delivery.id, delivery.utc);
        match &delivery.fate {
            Fate::Created | Fate::Duplicate => {
                state.done.insert(id);
                state.marks.remove(&id);
                state.last_delivery = Some(utc);
            }
            Fate::Dismissed => {
                state.done.insert(id);
                state.marks.insert(id, delivery);
            }
            // A row once acknowledged stays so, whatever a second answer about it says.
            Fate::Refused(_) | Fate::Reopened if state.done.contains(id) => return,
            Fate::Refused(_) | Fate::Reopened => {
                state.marks.insert(id, delivery);
            }
        }
        if let Some(mut entry) = state.rows.get(&id).cloned()
            && entry.progress != Progress::AwaitsClock
        {
            entry.progress = state.progress(id, Progress::Open);
            state.enter(entry);
        }
    }

    fn wants(&self, date: Date) -> bool {
        self.only.is_none_or(|only| only == date)
    }

    /// The state, also after a panic elsewhere: each change leaves it whole.
    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Why a settled row waits for a person.
const DOUBTFUL: &str = "seen before a power cut while the clock was not known; the time is an estimate at which the rules \
                        make no row: deliver it as it stands, or dismiss it";

impl State {
    /// What the delivery log says about a row, or else `fresh`.
    fn progress(&self, id: u64, fresh: Progress) -> Progress {
        match self.marks.get(&id).map(|delivery| &delivery.fate) {
            Some(Fate::Refused(reason)) => Progress::NeedsPerson(reason.clone()),
            Some(Fate::Dismissed) => Progress::Dismissed,
            Some(Fate::Reopened) => Progress::Open,
            _ if self.done.contains(id) => Progress::Delivered,
            _ => fresh,
        }
    }

    fn enter(&mut self, entry: Entry) {
        let (id, date) = (entry.row.id, entry.local.date());
        self.forget(id);
        // A row of a day that was given up stays only until it is finished.
        if self.is_finished(&entry) && self.dates.gave_up(date) && !self.dates.holds(date) {
            if let Some(left) = self.days.get_mut(&date) {
                left.remove(&id);
            }
            return;
        }
        match entry.progress {
            Progress::Open => self.open.insert(id),
            Progress::AwaitsClock => self.awaiting_clock.insert(id),
            Progress::NeedsPerson(_) => self.with_a_person.insert(id),
            Progress::Delivered | Progress::Dismissed => false,
        };
        if entry.progress != Progress::AwaitsClock {
            self.days.entry(date).or_default().insert(id);
        }
        self.rows.insert(id, entry);
    }

    /// Takes the row out of memory, but for its place in its day.
    fn forget(&mut self, id: u64) {
        self.rows.remove(&id);
        self.open.remove(&id);
        self.awaiting_clock.remove(&id);
        self.with_a_person.remove(&id);
    }

    /// Whether nothing is to be done about the row any more.
    fn is_finished(&self, entry: &Entry) -> bool {
        match entry.progress {
            Progress::Delivered | Progress::Dismissed => true,
            Progress::Open | Progress::NeedsPerson(_) => self.stays,
            Progress::AwaitsClock => false,
        }
    }

    /// Notes that a row of `date` was written; gives up the day that was longest without one.
    fn use_date(&mut self, date: Date) {
        let Some(evicted) = self.dates.touch(date) else { return };
        let mut left = self.days.remove(&evicted).unwrap_or_default();
        left.retain(|id| {
            let finished = self.rows.get(id).is_none_or(|entry| self.is_finished(entry));
            if finished {
                self.forget(*id);
            }
            !finished
        });
        self.days.insert(evicted, left);
        self.days.retain(|_, ids| !ids.is_empty());
    }

    fn all<'a>(&'a self, ids: &'a BTreeSet<u64>) -> impl Iterator<Item = &'a Entry> {
        ids.iter().filter_map(|id| self.rows.get(id))
    }

    fn day(&self, date: Date) -> impl Iterator<Item = &Entry> {
        self.days.get(&date).into_iter().flatten().filter_map(|id| self.rows.get(id))
    }
}

impl Entry {
    fn view(&self) -> RowView {
        RowView {
            id: self.row.id,
            roll: self.row.roll.clone(),
            status: self.row.status.as_str(),
            timestamp: timestamp(self.local),
            clock: match self.row.clock {
                Certainty::Known => "known",
                Certainty::Unknown => "unknown",
                Certainty::Estimated => "estimated",
                Certainty::Doubtful => "doubtful",
            },
            progress: self.progress.clone(),
        }
    }
}

/// A local time as the webhook, the CSV files and people have it: `YYYY-MM-DD HH:MM:SS`.
pub fn timestamp(local: PrimitiveDateTime) -> String {
    let (hour, minute, second) = local.as_hms();
    format!("{} {hour:02}:{minute:02}:{second:02}", local.date())
}
