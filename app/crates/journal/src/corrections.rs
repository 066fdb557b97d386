//! Corrections by hand: a person adds a row, gives one another time, takes one away, or says on which day a
//! row was seen if the device does not know it.
//!
//! A row that the webhook does not have is changed in place. One that it has, or may have, cannot be changed
//! there: a new row takes its place, and the old one is listed for a person until it is dismissed. Taking a
//! row away declares the visit void from which it was made: nothing follows from that visit any more.

use std::sync::Arc;
use std::time::Duration;

use time::{Date, OffsetDateTime};

use super::recorder::Recorder;
use crate::book::Entry;
use crate::config::Policy;
use crate::day::SchoolDay;
use crate::row::{Stamp, Status};
use crate::rules::{Void, derive};
use crate::storage::record::{BY_HAND, rounded};
use crate::storage::{Certainty, Hand, Record, Row, Standing, VisitRecord, timestamp};
use base::event::Event;
use base::failure::Fault;
use base::identity::RollNumber;

/// What a person wants.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Correction {
    /// A row is missing.
    Add {
        /// Who came or went.
        roll: RollNumber,
        /// Coming or going.
        status: Status,
        /// When.
        utc: OffsetDateTime,
    },
    /// A row has the wrong time.
    Change {
        /// Which row.
        id: u64,
        /// The right time, on the same day.
        utc: OffsetDateTime,
    },
    /// A row is wrong: the student was not there.
    Void {
        /// Which row.
        id: u64,
    },
    /// This row was seen on this day, and so was every row of the same time without a clock.
    Place {
        /// Which row.
        id: u64,
        /// The day.
        date: Date,
    },
}

/// A correction that was made.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Corrected {
    /// The row: the new one, where one was written.
    pub id: u64,
    /// Whether the webhook has, or may have, what was wrong: a person has to correct it there.
    pub sent: bool,
    /// How many other rows got their day.
    pub others: usize,
}

impl Recorder {
    /// Makes a correction, for `who`, because of `reason`. When it returns, it is on the disk.
    ///
    /// # Errors
    /// [`Fault`]: it is not made.
    pub fn correct(&mut self, wish: Correction, who: &str, reason: &str) -> Result<Corrected, Fault> {
        let now = self.clock.now();
        self.learn_clock(now);
        if !now.trusted {
            return Err(Fault::new("the time is not known, so nothing can be corrected now")
                .advise("wait for the clock, or confirm it, then try again"));
        }
        let hand = Hand::new(now.utc, who, reason);
        if hand.reason.is_empty() {
            return Err(Fault::new("a correction needs a reason").advise("write why it is made"));
        }
        self.flush();
        if self.waiting() > 0 {
            return Err(Fault::new("the disk takes no rows now").advise("try again when it does"));
        }
        match wish {
            Correction::Add { roll, status, utc } => self.add_by_hand(&roll, status, utc, hand),
            Correction::Change { id, utc } => {
                self.on_a_row(id, |recorder, row, sent| recorder.change_by_hand(row, sent, utc, hand))
            }
            Correction::Void { id } => {
                self.on_a_row(id, |recorder, row, sent| recorder.void_by_hand(row, sent, hand))
            }
            Correction::Place { id, date } => self.place_by_hand(id, date, &hand),
        }
    }

    /// The days of the site.
    pub fn day(&self) -> SchoolDay {
        self.book.rules().day.clone()
    }

    /// The school day of a row, also of one that is not in memory; none when there is no such row.
    pub fn day_of_row(&mut self, id: u64) -> Option<Date> {
        if let Some((date, _)) = self.ledger.view(id) {
            return Some(date);
        }
        let records = self.journal.records_of(id).ok()?;
        self.ledger.recall(&records);
        let date = self.ledger.view(id).map(|(date, _)| date);
        self.ledger.let_go(id);
        date
    }

    /// Runs `change` on a row that can be changed, and on whether the webhook may have it. A row that is not
    /// in memory any more is read from the disk.
    fn on_a_row(
        &mut self,
        id: u64,
        change: impl FnOnce(&mut Self, Row, bool) -> Result<Corrected, Fault>,
    ) -> Result<Corrected, Fault> {
        let recalled = self.ledger.row(id).is_none();
        if recalled {
            let records = self.journal.records_of(id).map_err(|error| {
                Fault::new(format!("the journal cannot be read ({error})")).advise("check the disk")
            })?;
            self.ledger.recall(&records);
        }
        let was_open = self.ledger.view(id).is_some_and(|(_, row)| row.open);
        let found = self.ledger.hold_for_a_person(id).zip(self.ledger.row(id));
        let fault = |what: &str, advice: &str| Err(Fault::new(what).advise(advice));
        let done = match found {
            None => fault("there is no such row", "look at the list again"),
            Some((Standing::Gone, _)) => fault("the row was taken away before", "look at the list again"),
            Some((Standing::AwaitsClock, _)) => {
                fault("the row’s time is not known yet", "wait for the clock")
            }
            Some((Standing::AwaitsDay, _)) => {
                fault("nobody knows of which day the row is", "say on which day it was, or dismiss it")
            }
            Some((standing, row)) => {
                let done = change(self, row, standing == Standing::Sent);
                // What the rules hold back stays so where nothing was changed. A correction that could not be
                // written yet holds it, too: the backend must not get what is no more true.
                let waits = self.waiting.iter().any(|(record, _)| record.id() == id);
                if !waits && (done.is_ok() || !was_open) {
                    self.ledger.release(id);
                }
                done
            }
        };
        if recalled {
            self.ledger.let_go(id);
        }
        done
    }

    fn add_by_hand(
        &mut self,
        roll: &RollNumber,
        status: Status,
        utc: OffsetDateTime,
        hand: Hand,
    ) -> Result<Corrected, Fault> {
        let utc = rounded(utc, Duration::ZERO).0;
        self.not_in_the_future(utc)?;
        let date = self.book.rules().day.date(utc);
        if self.book.rules().policy == Policy::FirstInLastOut
            && let Some(standing) = self.standing_row(date, roll, status)?
        {
            // An OUT that is still open has a row already: it gets this time.
            return match self.ledger.view(standing) {
                Some((_, row)) if row.open => self
                    .on_a_row(standing, |recorder, row, sent| recorder.change_by_hand(row, sent, utc, hand)),
                _ => Err(Fault::new(format!("there is an {status} of {date} already"))
                    .advise("change the time of that row, or take it away first")),
            };
        }
        let id = self.journal.next_id();
        let row = by_hand(id, roll, status, utc);
        self.note_by_hand(date, &row, None, &hand);
        self.write_by_hand(vec![Record::Added(row, hand.clone())])?;
        self.judge_again(date, roll);
        self.tell(roll, status, utc, "added", None, &hand);
        Ok(Corrected { id, sent: false, others: 0 })
    }

    /// The row of this status that a student has on a day at this door.
    ///
    /// # Errors
    /// [`Fault`]: another door has it, or the disk cannot be read.
    fn standing_row(&self, date: Date, roll: &RollNumber, status: Status) -> Result<Option<u64>, Fault> {
        let Some(student) = self.book.student(date, roll) else {
            let rows = self.days.rows(&self.ledger, date).map_err(|error| {
                Fault::new(format!("the journal cannot be read ({error})")).advise("check the disk")
            })?;
            let same = |row: &&crate::storage::RowView| row.roll == *roll && row.status == status.as_str();
            return Ok(rows.iter().find(same).map(|row| row.id));
        };
        if let Some(row) = student.rows.iter().find(|row| row.status == status) {
            return Ok(Some(row.id));
        }
        let by_hand = student.elsewhere.iter().find(|row| row.status == status).map(|row| row.door.clone());
        let visits = student.counting();
        let first = derive(self.book.rules(), &visits, &[]).arrival.filter(|_| status == Status::In);
        let other = by_hand.or_else(|| first.map(|visit| visit.door.clone()).filter(|door| !door.is_here()));
        match other {
            Some(door) => Err(Fault::new(format!("the door “{door}” has an {status} of {date}"))
                .advise("correct it on that door’s page")),
            None => Ok(None),
        }
    }

    fn change_by_hand(
        &mut self,
        row: Row,
        sent: bool,
        utc: OffsetDateTime,
        hand: Hand,
    ) -> Result<Corrected, Fault> {
        let utc = rounded(utc, Duration::ZERO).0;
        self.not_in_the_future(utc)?;
        let date = self.book.rules().day.date(utc);
        let of_day = self.ledger.view(row.id).map(|(date, _)| date);
        if of_day != Some(date) {
            return Err(Fault::new("this time lies on another day than the row")
                .advise("take the row away, and add one on the right day"));
        }
        if utc == row.at.utc {
            return Err(Fault::new("the row has this time already").advise("write another time"));
        }
        let was = Some(row.at.utc);
        let (id, records) = if sent {
            // The row that the webhook has stays there; the new row is for the person who corrects it there.
            let id = self.journal.next_id();
            let new = by_hand(id, &row.roll, row.status, utc);
            self.note_by_hand(date, &new, Some(row.id), &hand);
            let added = Record::Added(new, hand.clone());
            (id, vec![added, Record::Instead { id, old: row.id }, Record::Voided(row.id, hand.clone())])
        } else {
            self.book.changed(row.id, row.status, utc);
            let status = row.status;
            (row.id, vec![Record::Changed { id: row.id, status, utc, hand: hand.clone() }])
        };
        self.write_by_hand(records)?;
        self.judge_again(date, &row.roll);
        self.tell(&row.roll, row.status, utc, "changed", was, &hand);
        Ok(Corrected { id, sent, others: 0 })
    }

    fn void_by_hand(&mut self, row: Row, sent: bool, hand: Hand) -> Result<Corrected, Fault> {
        let day = &self.book.rules().day;
        let date = self.ledger.view(row.id).map_or_else(|| day.date(row.at.utc), |(date, _)| date);
        let visit = self.book.student(date, &row.roll).and_then(|student| {
            let seen = student.rows.iter().find(|entry| entry.id == row.id)?.seen?;
            student.visit_at(row.status, seen).cloned()
        });
        if let Some(visit) = visit {
            let void =
                Void { student: row.roll.clone(), door: visit.door, from: visit.first, to: visit.last };
            self.queue(VisitRecord::Void { void, ours: true, by: hand.who.clone() });
        }
        self.book.removed(row.id);
        self.write_by_hand(vec![Record::Voided(row.id, hand.clone())])?;
        self.judge_again(date, &row.roll);
        self.tell(&row.roll, row.status, row.at.utc, "voided", None, &hand);
        Ok(Corrected { id: row.id, sent, others: 0 })
    }

    /// A row by hand is in the book before it is written: the rules must not make another one meanwhile.
    fn note_by_hand(&mut self, date: Date, row: &Row, instead: Option<u64>, hand: &Hand) {
        let today = self.book.rules().day.date(hand.utc) == date;
        let (id, status, utc) = (row.id, row.status, row.at.utc);
        let entry = Entry { id, status, utc, by_hand: true, seen: None, late: None };
        self.book.added(date, &row.roll, entry, today);
        if let Some(old) = instead {
            self.book.instead(id, old);
            self.book.removed(old);
        }
    }

    /// Writes records of a correction, all or none of them.
    pub(super) fn write_by_hand(&mut self, records: Vec<Record>) -> Result<(), Fault> {
        self.waiting.extend(records.into_iter().map(|record| (record, true)));
        self.flush();
        match self.waiting() {
            0 => Ok(()),
            _ => Err(Fault::new("the disk does not take the correction; it is tried again every second")
                .advise("check the disk, and look at the row again")),
        }
    }

    fn judge_again(&mut self, date: Date, roll: &RollNumber) {
        if self.book.holds(date) {
            self.to_judge.insert((date, roll.clone()));
            self.flush();
        }
    }

    fn not_in_the_future(&self, utc: OffsetDateTime) -> Result<(), Fault> {
        if utc <= self.clock.now().utc {
            return Ok(());
        }
        Err(Fault::new("this time lies in the future").advise("write a time that is past"))
    }

    pub(super) fn tell(
        &self,
        roll: &RollNumber,
        status: Status,
        utc: OffsetDateTime,
        what: &'static str,
        was: Option<OffsetDateTime>,
        hand: &Hand,
    ) {
        let local = |utc| timestamp(self.ledger.zone().local(utc));
        self.bus.publish(Event::Corrected {
            roll: roll.clone(),
            what,
            status: status.as_str().to_owned(),
            timestamp: local(utc),
            was: was.map(local),
            by: hand.who.clone(),
            reason: hand.reason.clone(),
        });
    }
}

/// A row that a person made.
fn by_hand(id: u64, roll: &RollNumber, status: Status, utc: OffsetDateTime) -> Row {
    let at = Stamp { utc, since_boot: Duration::ZERO, boot: Arc::from(BY_HAND) };
    Row { id, roll: roll.clone(), status, at, clock: Certainty::Known }
}
