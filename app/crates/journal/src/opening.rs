//! What the journal's records say when it is opened, so that the recorder goes on where the last one ended.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;
use std::time::Duration;

use time::OffsetDateTime;

use crate::book::{Book, Entry};
use crate::config::Settings;
use crate::row::{AT_THE_CLOSE, Dates, Stamp};
use crate::rules::{DoorName, Rules, Visit};
use crate::storage as journal;
use crate::storage::{Certainty, Ledger, Record, VisitRecord};
use base::moment::{Believed, Clock, SiteZone};

/// What the journal's records say about the rules' state.
pub(super) struct Past {
    pub(super) book: Book,
    pub(super) boot: Arc<str>,
    /// The last time that was believed, of whichever boot.
    pub(super) known: Option<Stamp>,
    /// Until when the visits lasted that began with a row of unknown time.
    pub(super) untils: HashMap<u64, Duration>,
    /// Rows of which a person must say the day: the earliest and the latest time that each can have.
    pub(super) between: BTreeMap<u64, (OffsetDateTime, OffsetDateTime)>,
}

impl Past {
    pub(super) fn new(settings: &Settings, zone: SiteZone, clock: &dyn Clock) -> Self {
        Self {
            book: Book::new(Rules::new(settings, zone)),
            boot: Arc::from(clock.boot_id()),
            known: None,
            untils: HashMap::new(),
            between: BTreeMap::new(),
        }
    }

    /// An empty ledger for these settings.
    pub(super) fn ledger(&self, settings: &Settings) -> Ledger {
        let day = self.book.rules().day.clone();
        if settings.rows_stay { Ledger::of_rows_that_stay(day) } else { Ledger::of_days(day) }
    }

    pub(super) fn see(&mut self, record: &Record) {
        match record {
            Record::Row(row) => {
                self.untils.remove(&row.id);
                self.between.remove(&row.id);
                self.book.row(&row.roll, &row.at, entry(row, false));
                // An estimate says nothing about the clock. Nor does a row that was written later than its
                // time: the end of a visit, or, after a correction, a visit of an earlier boot.
                let is_later = self
                    .known
                    .as_ref()
                    .is_none_or(|known| known.boot == row.at.boot && known.since_boot < row.at.since_boot);
                if row.clock == Certainty::Known && &*row.at.boot != AT_THE_CLOSE && is_later {
                    self.known = Some(row.at.clone());
                }
            }
            Record::Added(row, hand) => {
                let day = &self.book.rules().day;
                let (date, today) = (day.date(row.at.utc), day.date(hand.utc));
                self.book.added(date, &row.roll, entry(row, true), date == today);
            }
            Record::Changed { id, status, utc, .. } => self.book.changed(*id, *status, *utc),
            Record::Instead { id, old } => self.book.instead(*id, *old),
            Record::Between(id, earliest, latest) => {
                self.between.insert(*id, (*earliest, *latest));
            }
            // Its visit stands in the visits' log.
            Record::Placed { id, .. } => {
                self.between.remove(id);
            }
            Record::Clock(at) => self.known = Some(at.clone()),
            Record::Until(id, since_boot) => {
                self.untils.insert(*id, *since_boot);
            }
            Record::Moved(id, utc) => self.book.moved(*id, *utc),
            Record::Late(id, utc) => self.book.late(*id, *utc),
            Record::Withdrawn(id, ..) | Record::Voided(id, _) => self.book.removed(*id),
            Record::Settled(_) | Record::Header { .. } | Record::Foreign(_) => {}
        }
    }

    /// Takes in the visits; after the rows, so that the days of a year ago do not push out today.
    pub(super) fn visited(&mut self, records: Vec<VisitRecord>, ledger: &Ledger) {
        let direction = self.book.rules().direction;
        let day = self.book.rules().day.clone();
        let date = |record: &VisitRecord| match record {
            VisitRecord::Here { first, .. } => day.date(*first),
            VisitRecord::Elsewhere(visit) => day.date(visit.first),
            VisitRecord::Void { void, .. } => day.date(void.from),
            VisitRecord::Entered { date, .. } | VisitRecord::Closed { date, .. } => *date,
        };
        // A file of visits holds weeks of a small school: its older days must not push out those with rows.
        let mut newest = Dates::default();
        for record in records.iter().filter(|record| record.student().is_some()) {
            newest.touch(date(record));
        }
        for record in records.into_iter().filter(|record| newest.holds(date(record))) {
            match record {
                VisitRecord::Here { student, first, last, estimated, ended } => {
                    let door = DoorName::here();
                    if !estimated {
                        ledger.note_clock(last.utc);
                    }
                    let visit = Visit { student, door, direction, first, last: last.utc, estimated };
                    self.book.restore(visit, last, ended);
                }
                VisitRecord::Elsewhere(visit) => {
                    let student = visit.student.clone();
                    let date = self.book.take_in(visit);
                    ledger.note_elsewhere(date, &student);
                }
                VisitRecord::Void { void, ours, .. } => {
                    self.book.void(void, ours);
                }
                VisitRecord::Entered { student, date, door, rows } => {
                    self.book.entered(date, &student, &door, &rows);
                }
                VisitRecord::Closed { date, .. } => {
                    self.book.close(date);
                    ledger.note_closed(date);
                }
            }
        }
    }

    /// What the clock has to know of it.
    pub(super) fn believed(&self) -> Option<Believed> {
        let known = self.known.as_ref()?;
        let since_boot = (known.boot == self.boot).then_some(known.since_boot);
        Some(Believed { utc: known.utc, since_boot })
    }
}

fn entry(row: &journal::Row, by_hand: bool) -> Entry {
    let seen = (!by_hand).then_some(row.at.utc);
    Entry { id: row.id, status: row.status, utc: row.at.utc, by_hand, seen, late: None }
}
