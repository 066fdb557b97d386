//! What the journal and the delivery log say, in memory: the rows that somebody may still ask for.
//!
//! Held are the rows that are not delivered and those of the last days; where rows stay on the device
//! ([`Ledger::of_rows_that_stay`]), those of the last days only. The lock is only ever held for
//! look-ups and changes in memory, never while a disk or a network is waited for, so the status page and the
//! frame path cannot be held up by them.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::ops::RangeInclusive;
use std::sync::{Mutex, MutexGuard, PoisonError};

use serde::Serialize;
use time::{Date, OffsetDateTime, PrimitiveDateTime};

use super::delivery::{Delivery, Fate};
use super::ids::Ids;
use super::record::{BY_HAND, Certainty, Hand, Record, Row, Settled, Verdict};
use crate::day::SchoolDay;
use crate::row::{Dates, Status};
use base::failure::Fault;
use base::identity::RollNumber;
use base::moment::SiteZone;

/// The rows in memory.
#[derive(Debug)]
pub struct Ledger {
    day: SchoolDay,
    /// The only days whose rows are held, for looking them up.
    only: Option<RangeInclusive<Date>>,
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
    /// Whether every date stays: a ledger that was made to look days up.
    holds_all: bool,
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
    /// Rows that are not sent for now: their time may still change.
    held: BTreeSet<u64>,
    /// Rows of which a request may have told the webhook.
    sent: Ids,
    /// Those of them that the webhook refused, and that a person sends again: their next request is a first
    /// one.
    sent_again: BTreeSet<u64>,
    /// From this row on, `sent` is complete; and whether that is on the disk.
    intents_from: Option<(u64, bool)>,
    /// The OUTs that are open, of each day and student.
    open_outs: BTreeMap<(Date, RollNumber), OpenOut>,
    /// Who was seen at another door on which day.
    elsewhere: BTreeSet<(Date, RollNumber)>,
    closed: BTreeSet<Date>,
}

#[derive(Debug, Clone)]
struct Entry {
    row: Row,
    /// The school day.
    date: Date,
    local: PrimitiveDateTime,
    progress: Progress,
    /// When the student was seen after this OUT was sent.
    late: Option<PrimitiveDateTime>,
    /// Who made or changed it by hand, and what it was before.
    hand: Option<(Hand, Option<String>)>,
}

/// An OUT that becomes a row when its day closes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct OpenOut {
    /// When the student was last seen.
    pub utc: OffsetDateTime,
    /// Whether that is an estimate.
    pub estimated: bool,
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
    /// No row any more, for this reason.
    Void(String),
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
    /// Whether it is an OUT that a later visit can move: it is sent when the day closes.
    pub open: bool,
    /// Whether the webhook has another row in its place, which no door of the site sent.
    pub conflict: bool,
    /// Local time at which the student was seen after this OUT was sent.
    pub late: Option<String>,
    /// Who made or changed it by hand, and why.
    pub by_hand: Option<String>,
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
    /// OUTs that wait for their day to close.
    pub open_outs: usize,
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
        Self::of_days(SchoolDay::midnight(zone))
    }

    /// An empty ledger of a site whose days are these.
    pub fn of_days(day: SchoolDay) -> Self {
        Self { day, only: None, state: Mutex::default() }
    }

    /// An empty ledger of a site without a webhook: a row is finished as soon as its time is known, and so
    /// neither memory nor journal grow without end. Rows that are still in the journal when a webhook is
    /// configured are delivered then.
    pub fn of_rows_that_stay(day: SchoolDay) -> Self {
        let state = Mutex::new(State { stays: true, ..State::default() });
        Self { state, ..Self::of_days(day) }
    }

    /// An empty ledger that holds the rows of these dates and those that wait for the clock, and forgets all
    /// others.
    pub(super) fn only_of(day: SchoolDay, dates: RangeInclusive<Date>) -> Self {
        let state = Mutex::new(State { holds_all: true, ..State::default() });
        Self { only: Some(dates), state, ..Self::of_days(day) }
    }

    /// The site's zone.
    pub fn zone(&self) -> &SiteZone {
        self.day.zone()
    }

    /// The site's days.
    pub fn day(&self) -> &SchoolDay {
        &self.day
    }

    /// Numbers for the status page.
    pub fn summary(&self) -> Summary {
        let state = self.state();
        let awaiting_clock = state.awaiting_clock.len();
        let held = state.open.intersection(&state.held).count();
        let backlog = if state.stays { 0 } else { state.open.len() - held + awaiting_clock };
        let unsent = state.only_in_memory.iter().filter(|id| !state.done.contains(**id)).count();
        Summary {
            undelivered_in_memory: if state.stays { 0 } else { unsent },
            backlog,
            awaiting_clock,
            needs_person: state.with_a_person.len(),
            open_outs: state.open_outs.len(),
            last_delivery: state.last_delivery,
            storage: state.storage.clone(),
        }
    }

    /// Rows that can be delivered now.
    pub fn open_count(&self) -> usize {
        let state = self.state();
        state.open.difference(&state.held).count()
    }

    /// The rows of `date` whose time is settled, oldest first; `None` when not all of them are in memory.
    pub fn on(&self, date: Date) -> Option<Vec<RowView>> {
        let state = self.state();
        let shown = |entry: &&Entry| !matches!(entry.progress, Progress::Void(_));
        (!state.dates.gave_up(date))
            .then(|| state.day(date).filter(shown).map(|entry| state.view(entry)).collect())
    }

    /// As [`on`](Self::on), with the OUTs that are open. One that has a number already is shown with its
    /// newest time.
    pub fn with_open_outs(&self, date: Date) -> Option<Vec<RowView>> {
        let mut rows = self.on(date)?;
        rows.retain(|row| !row.open);
        let state = self.state();
        let of_day = state.open_outs.iter().filter(|((day, _), _)| *day == date);
        let mut open: Vec<_> = of_day.map(|((_, roll), out)| (out.utc, roll, out)).collect();
        open.sort_by_key(|(utc, roll, _)| (*utc, roll.as_str().to_owned()));
        rows.extend(open.into_iter().map(|(utc, roll, out)| RowView {
            id: 0,
            roll: roll.clone(),
            status: Status::Out.as_str(),
            timestamp: timestamp(self.zone().local(utc)),
            clock: if out.estimated { "estimated" } else { "known" },
            progress: Progress::Open,
            open: true,
            conflict: false,
            late: None,
            by_hand: None,
        }));
        Some(rows)
    }

    /// The rows of `date` that a person made, changed or took away, and those that the rules took away;
    /// `None` when not all of them are in memory.
    pub fn corrected(&self, date: Date) -> Option<Vec<RowView>> {
        let state = self.state();
        let corrected = |entry: &&Entry| entry.hand.is_some() || matches!(entry.progress, Progress::Void(_));
        (!state.dates.gave_up(date))
            .then(|| state.day(date).filter(corrected).map(|entry| state.view(entry)).collect())
    }

    /// The row of this number, when it is in memory.
    pub fn row(&self, id: u64) -> Option<Row> {
        self.state().rows.get(&id).map(|entry| entry.row.clone())
    }

    /// As [`row`](Self::row), as it can be looked at, with its day.
    pub fn view(&self, id: u64) -> Option<(Date, RowView)> {
        let state = self.state();
        state.rows.get(&id).map(|entry| (entry.date, state.view(entry)))
    }

    /// Whether attendance of `date` is closed.
    pub fn is_closed(&self, date: Date) -> bool {
        self.state().closed.contains(&date)
    }

    pub(crate) fn note_closed(&self, date: Date) {
        let mut state = self.state();
        state.closed.insert(date);
        // As many days as anybody can look at without reading the disk.
        while state.closed.len() > 4 * crate::row::DAYS_HELD {
            state.closed.pop_first();
        }
    }

    /// Says which OUT of a student is open on `date`; none when there is none.
    pub(crate) fn note_open_out(&self, date: Date, roll: &RollNumber, open: Option<OpenOut>) {
        let mut state = self.state();
        let key = (date, roll.clone());
        match open {
            Some(open) => state.open_outs.insert(key, open),
            None => state.open_outs.remove(&key),
        };
    }

    /// The days and students of which an OUT is open.
    pub(crate) fn open_out_keys(&self) -> Vec<(Date, RollNumber)> {
        self.state().open_outs.keys().cloned().collect()
    }

    /// A student was seen at another door of the site on `date`.
    pub(crate) fn note_elsewhere(&self, date: Date, roll: &RollNumber) {
        self.state().elsewhere.insert((date, roll.clone()));
    }

    /// Whether a row can still change: it waits, and no request may have told of it.
    pub(crate) fn is_movable(&self, id: u64) -> bool {
        let state = self.state();
        state.open.contains(&id) && (state.stays || !state.may_be_sent(id))
    }

    /// Keeps a row from being sent until [`release`](Self::release). Gives whether it can still change: then
    /// no request tells of it from now on.
    pub(crate) fn hold(&self, id: u64) -> bool {
        let mut state = self.state();
        let movable = state.open.contains(&id) && (state.stays || !state.may_be_sent(id));
        if movable {
            state.held.insert(id);
        }
        movable
    }

    /// The row may be sent.
    pub(crate) fn release(&self, id: u64) {
        self.state().held.remove(&id);
    }

    /// From `next` on, [`Fate::Sending`] is written before a row is sent, unless it was so before.
    pub(crate) fn keep_intents_from(&self, next: u64) {
        let mut state = self.state();
        state.intents_from = state.intents_from.or(Some((next, false)));
    }

    /// Marks rows that are about to be sent. Gives those of them that may be, as they are now, and what must
    /// be on the disk before the request.
    pub fn begin_sending(&self, rows: &[OpenRow], utc: OffsetDateTime) -> (Vec<OpenRow>, Vec<Delivery>) {
        let mut state = self.state();
        let mut intents = Vec::new();
        if let Some((id, written)) = &mut state.intents_from
            && !*written
            && !rows.is_empty()
        {
            *written = true;
            intents.push(Delivery { id: *id, utc, fate: Fate::Intents });
        }
        let mut ready = Vec::new();
        for OpenRow { id, .. } in rows {
            let Some(entry) =
                state.rows.get(id).filter(|_| state.open.contains(id) && !state.held.contains(id))
            else {
                continue;
            };
            ready.push(entry.open_row());
            if state.sent_again.remove(id) || !state.sent.contains(*id) {
                state.sent.insert(*id);
                intents.push(Delivery { id: *id, utc, fate: Fate::Sending });
            }
        }
        (ready, intents)
    }

    /// Whether "recorded already" about this row, at its first request, tells of another's row: neither this
    /// door nor another one of the site can have sent one for this student, day and status.
    pub fn is_a_conflict(&self, id: u64) -> bool {
        let state = self.state();
        let Some(entry) = state.rows.get(&id) else { return false };
        let (date, row) = (entry.date, &entry.row);
        let before = state.intents_from.is_none_or(|(first, _)| id < first);
        let same = |other: &&Entry| {
            other.row.id != id
                && other.row.roll == row.roll
                && other.row.status == row.status
                && state.may_be_sent(other.row.id)
        };
        !before
            && !state.dates.gave_up(date)
            && !state.elsewhere.contains(&(date, row.roll.clone()))
            && state.day(date).find(same).is_none()
    }

    /// The dates of which all rows are in memory.
    pub fn dates(&self) -> Vec<Date> {
        let state = self.state();
        state.dates.iter().filter(|date| !state.dates.gave_up(*date)).collect()
    }

    /// The rows that need a person, oldest first.
    pub fn needs_person(&self) -> Vec<RowView> {
        let state = self.state();
        state.all(&state.with_a_person).map(|entry| state.view(entry)).collect()
    }

    /// The rows whose time is not known yet, oldest first.
    pub fn awaiting_clock(&self) -> Vec<RowView> {
        let state = self.state();
        state.all(&state.awaiting_clock).map(|entry| state.view(entry)).collect()
    }

    /// The first `limit` rows to be delivered that `wanted` accepts.
    pub fn open_rows(&self, limit: usize, mut wanted: impl FnMut(u64) -> bool) -> Vec<OpenRow> {
        let state = self.state();
        state
            .open
            .difference(&state.held)
            .filter(|id| wanted(**id))
            .filter_map(|id| state.rows.get(id))
            .take(limit)
            .map(Entry::open_row)
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
            || state.open_outs.keys().any(|(day, _)| *day == date)
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
        let date = self.day.date(row.at.utc);
        let local = self.local(&state, &row, date);
        let progress = match row.clock {
            Certainty::Unknown => Progress::AwaitsClock,
            _ => state.progress(row.id, Progress::Open),
        };
        if row.clock == Certainty::Known && &*row.at.boot != BY_HAND {
            state.latest_known = state.latest_known.max(Some(row.at.utc));
        }
        let entry = Entry { row, date, local, progress, late: None, hand: None };
        // The date of a row that waits for the clock is not one of the site's.
        if entry.progress == Progress::AwaitsClock {
            state.enter(entry);
        } else if self.wants(date) {
            state.enter(entry);
            state.use_date(date);
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

    /// Takes in a row that a person added.
    pub(crate) fn add(&self, row: Row, hand: Hand) {
        let id = row.id;
        self.insert(row);
        if let Some(entry) = self.state().rows.get_mut(&id) {
            entry.hand = Some((hand, None));
        }
    }

    /// Takes in a record that changes an earlier row.
    pub(crate) fn correct(&self, record: &Record) {
        let mut state = self.state();
        let Some(mut entry) = state.rows.get(&record.id()).cloned() else { return };
        let id = record.id();
        let was = || format!("{} {}", entry.row.status.as_str(), timestamp(entry.local));
        match record {
            Record::Moved(_, utc) => entry.row.at.utc = *utc,
            Record::Late(_, utc) => entry.late = Some(self.zone().local(*utc)),
            Record::Withdrawn(_, _, reason) => entry.progress = Progress::Void(reason.clone()),
            Record::Voided(_, hand) => {
                entry.progress = Progress::Void(format!("{}: {}", hand.who, hand.reason));
                entry.hand = Some((hand.clone(), Some(was())));
            }
            Record::Changed { status, utc, hand, .. } => {
                entry.hand = Some((hand.clone(), Some(was())));
                entry.row.status = *status;
                entry.row.at.utc = *utc;
                if entry.row.clock != Certainty::Known {
                    entry.row.clock = Certainty::Known;
                    entry.progress = state.progress(id, Progress::Open);
                }
            }
            _ => return,
        }
        state.forget(id);
        if let Some(day) = state.days.get_mut(&entry.date) {
            day.remove(&id);
        }
        if matches!(entry.progress, Progress::Void(_)) {
            state.done.insert(id);
            state.held.remove(&id);
        }
        entry.date = match record {
            // The end of a visit may lie after midnight: it stays an OUT of its day.
            Record::Changed { utc, .. } => self.day.date(*utc),
            _ => entry.date,
        };
        entry.local = self.local(&state, &entry.row, entry.date);
        let date = entry.date;
        if self.wants(date) {
            state.enter(entry);
            state.use_date(date);
        }
    }

    /// The local time of a row. In the hour that comes twice in autumn, rows of one student do not run
    /// backwards: a later one has at least the time of the one before it.
    fn local(&self, state: &State, row: &Row, date: Date) -> PrimitiveDateTime {
        let local = self.zone().local(row.at.utc);
        const REPEATED: time::Duration = time::Duration::hours(3);
        let repeats = local - self.zone().local(row.at.utc - REPEATED) < REPEATED;
        if !repeats {
            return local;
        }
        let earlier = |entry: &&Entry| {
            entry.row.roll == row.roll && entry.row.id != row.id && entry.row.at.utc <= row.at.utc
        };
        state.day(date).filter(earlier).map(|entry| entry.local).fold(local, PrimitiveDateTime::max)
    }

    /// Takes in the time of a row; gives the row as it is now, when it is one for the rules.
    pub(crate) fn settle(&self, settled: &Settled) -> Option<Row> {
        let mut state = self.state();
        let mut entry = state.rows.get(&settled.id)?.clone();
        if entry.progress != Progress::AwaitsClock {
            return None;
        }
        entry.row.at.utc = settled.utc;
        entry.date = self.day.date(settled.utc);
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
        entry.local = self.local(&state, &entry.row, entry.date);
        let (row, date) = (entry.row.clone(), entry.date);
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
            Fate::Intents => {
                state.intents_from = Some((id, true));
                return;
            }
            Fate::Sending => {
                state.sent.insert(id);
                state.sent_again.remove(&id);
                return;
            }
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
            Fate::Refused(_) | Fate::Reopened | Fate::Conflict(_) if state.done.contains(id) => return,
            Fate::Refused(_) | Fate::Reopened | Fate::Conflict(_) => {
                if delivery.fate == Fate::Reopened {
                    state.sent_again.insert(id);
                }
                state.marks.insert(id, delivery);
            }
        }
        if let Some(mut entry) = state.rows.get(&id).cloned()
            && !matches!(entry.progress, Progress::AwaitsClock | Progress::Void(_))
        {
            entry.progress = state.progress(id, Progress::Open);
            state.enter(entry);
        }
    }

    fn wants(&self, date: Date) -> bool {
        self.only.as_ref().is_none_or(|only| only.contains(&date))
    }

    /// The state, also after a panic elsewhere: each change leaves it whole.
    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Why a settled row waits for a person.
const DOUBTFUL: &str = "seen before a power cut while the clock was not known, and a midnight lies between the earliest and \
                        the latest possible time, so its day is not certain: deliver it as it stands, or dismiss it";

impl State {
    /// What the delivery log says about a row, or else `fresh`.
    fn progress(&self, id: u64, fresh: Progress) -> Progress {
        match self.marks.get(&id).map(|delivery| &delivery.fate) {
            Some(Fate::Refused(reason) | Fate::Conflict(reason)) => Progress::NeedsPerson(reason.clone()),
            Some(Fate::Dismissed) => Progress::Dismissed,
            Some(Fate::Reopened) => Progress::Open,
            _ if self.done.contains(id) => Progress::Delivered,
            _ => fresh,
        }
    }

    /// Whether a request may have told the webhook of the row.
    fn may_be_sent(&self, id: u64) -> bool {
        self.sent.contains(id) || self.done.contains(id) || self.marks.contains_key(&id)
    }

    fn view(&self, entry: &Entry) -> RowView {
        let mark = self.marks.get(&entry.row.id).map(|delivery| &delivery.fate);
        RowView {
            open: self.held.contains(&entry.row.id),
            conflict: matches!(mark, Some(Fate::Conflict(_))),
            ..entry.view()
        }
    }

    fn enter(&mut self, entry: Entry) {
        let (id, date) = (entry.row.id, entry.date);
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
            Progress::Delivered | Progress::Dismissed | Progress::Void(_) => false,
        };
        if entry.progress != Progress::Open {
            self.held.remove(&id);
        }
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
            Progress::Delivered | Progress::Dismissed | Progress::Void(_) => true,
            Progress::Open | Progress::NeedsPerson(_) => self.stays,
            Progress::AwaitsClock => false,
        }
    }

    /// Notes that a row of `date` was written; gives up the day that was longest without one.
    fn use_date(&mut self, date: Date) {
        if self.holds_all {
            return;
        }
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
    /// As the webhook gets it.
    fn open_row(&self) -> OpenRow {
        OpenRow {
            id: self.row.id,
            roll: self.row.roll.clone(),
            status: self.row.status,
            local: SchoolDay::sent(self.date, self.local),
        }
    }

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
            open: false,
            conflict: false,
            late: self.late.map(timestamp),
            by_hand: self.hand.as_ref().map(|(hand, was)| {
                let was = was.as_ref().map(|was| format!(" (it was {was})")).unwrap_or_default();
                format!("{}: {}{was}", hand.who, hand.reason)
            }),
        }
    }
}

/// A local time as the webhook, the CSV files and people have it: `YYYY-MM-DD HH:MM:SS`.
pub fn timestamp(local: PrimitiveDateTime) -> String {
    let (hour, minute, second) = local.as_hms();
    format!("{} {hour:02}:{minute:02}:{second:02}", local.date())
}
