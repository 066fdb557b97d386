//! What the journal and the delivery log say, in memory: the rows that somebody may still ask for.
//!
//! Held are the rows that are not delivered and those of the last days; where rows stay on the device
//! ([`Ledger::of_rows_that_stay`]), those of the last days only. The lock is only ever held for
//! look-ups and changes in memory, never while a disk or a network is waited for, so the status page and the
//! frame path cannot be held up by them.

mod changes;
mod sending;
mod state;
mod views;

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::ops::RangeInclusive;
use std::sync::{Mutex, MutexGuard, PoisonError};

use time::{Date, OffsetDateTime, PrimitiveDateTime};

pub use self::views::{OpenOut, OpenRow, Progress, RowView, Storage, Summary, timestamp};
use super::delivery::Delivery;
use super::ids::Ids;
use super::record::{Hand, Row};
use crate::day::SchoolDay;
use crate::row::{Dates, Status};
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
    /// Rows that the webhook has, or that a person dismissed.
    done: Ids,
    /// Rows that are none any more.
    gone: Ids,
    /// Rows of days that are not held, read from the disk again because a person changes them.
    recalled: BTreeSet<u64>,
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
    /// Who made or changed the row by hand, and what the row was before.
    hand: Option<(Hand, Option<String>)>,
    /// Why it is no row any more.
    gone: Option<String>,
    /// The row that this one replaces, because the webhook may have that row.
    instead: Option<u64>,
    /// The earliest and the latest time that it can have; none where its day is certain.
    between: Option<(OffsetDateTime, OffsetDateTime)>,
}

/// What can be done about a row by hand.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Standing {
    /// It is none any more.
    Gone,
    /// Its time is not known yet.
    AwaitsClock,
    /// Its day is not known: a person has to say it.
    AwaitsDay,
    /// The webhook does not have it. It is held, so that it does not get it meanwhile.
    Held,
    /// The webhook has it, or may have it.
    Sent,
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
        let shown = |entry: &&Entry| entry.gone.is_none();
        (!state.dates.gave_up(date))
            .then(|| state.day(date).filter(shown).map(|entry| state.view(&self.day, entry)).collect())
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
            void: false,
            days: Vec::new(),
        }));
        Some(rows)
    }

    /// The rows of `date` that a person made, changed or took away, and those that the rules took away;
    /// `None` when not all of them are in memory.
    pub fn corrected(&self, date: Date) -> Option<Vec<RowView>> {
        let state = self.state();
        let corrected = |entry: &&Entry| entry.hand.is_some() || entry.gone.is_some();
        (!state.dates.gave_up(date))
            .then(|| state.day(date).filter(corrected).map(|entry| state.view(&self.day, entry)).collect())
    }

    /// The row of this number, when it is in memory.
    pub fn row(&self, id: u64) -> Option<Row> {
        self.state().rows.get(&id).map(|entry| entry.row.clone())
    }

    /// As [`row`](Self::row), as it can be looked at, with its day.
    pub fn view(&self, id: u64) -> Option<(Date, RowView)> {
        let state = self.state();
        state.rows.get(&id).map(|entry| (entry.date, state.view(&self.day, entry)))
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

    /// The dates of which all rows are in memory.
    pub fn dates(&self) -> Vec<Date> {
        let state = self.state();
        state.dates.iter().filter(|date| !state.dates.gave_up(*date)).collect()
    }

    /// The rows that need a person, oldest first.
    pub fn needs_person(&self) -> Vec<RowView> {
        let state = self.state();
        state.all(&state.with_a_person).map(|entry| state.view(&self.day, entry)).collect()
    }

    /// The rows whose time is not known yet, oldest first.
    pub fn awaiting_clock(&self) -> Vec<RowView> {
        let state = self.state();
        state.all(&state.awaiting_clock).map(|entry| state.view(&self.day, entry)).collect()
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
        let finished = state.done.contains(id) || state.gone.contains(id);
        id == 0
            || (finished && !state.with_a_person.contains(&id))
            || (state.stays && ours && !state.awaiting_clock.contains(&id))
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

    fn wants(&self, date: Date) -> bool {
        self.only.as_ref().is_none_or(|only| only.contains(&date))
    }

    /// The state, also after a panic elsewhere: each change leaves it whole.
    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
