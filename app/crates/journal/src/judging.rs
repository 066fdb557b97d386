//! What the rules say of a student's day, done; and said.

mod explaining;

use std::sync::Arc;
use std::time::Duration;

use time::{Date, OffsetDateTime};

use super::recorder::Recorder;
use crate::book::{Entry, StudentDay};
use crate::config::Policy;
use crate::row::{AT_THE_CLOSE, Stamp, Status};
use crate::rules::{Act, Circumstances, DoorName, Visit, derive, judge, present};
use crate::storage::record::rounded;
use crate::storage::{Certainty, OpenOut, Record, Row, Settled, Verdict, VisitRecord};
use base::identity::RollNumber;

impl Recorder {
    /// A visit is on the disk: the rules may take it into account.
    pub(super) fn note_visit(&mut self, record: VisitRecord) {
        match record {
            VisitRecord::Here { student, first, last, estimated, .. } => {
                let (door, direction) = (DoorName::here(), self.book.rules().direction);
                if !estimated {
                    self.ledger.note_clock(last.utc);
                }
                self.book.written(Visit { student, door, direction, first, last: last.utc, estimated });
            }
            VisitRecord::Elsewhere(visit) => {
                let student = visit.student.clone();
                let date = self.book.take_in(visit);
                self.ledger.note_elsewhere(date, &student);
                self.to_judge.insert((date, student));
            }
            VisitRecord::Void { void, ours, .. } => {
                let student = void.student.clone();
                let (date, _) = self.book.void(void, ours);
                self.to_judge.insert((date, student));
            }
            VisitRecord::Entered { student, date, door, rows } => {
                self.book.entered(date, &student, &door, &rows);
                self.to_judge.insert((date, student));
            }
            VisitRecord::Closed { .. } => {}
        }
    }

    /// Looks at the student's day and queues what follows.
    pub(super) fn judge(&mut self, date: Date, roll: &RollNumber) {
        for act in self.acts(date, roll) {
            self.perform(date, roll, act);
        }
        self.show_open_out(date, roll);
    }

    /// What the rules say of a student's day.
    pub(super) fn acts(&self, date: Date, roll: &RollNumber) -> Vec<Act> {
        let nobody = StudentDay::default();
        let student = self.book.student(date, roll).unwrap_or(&nobody);
        let rows = student.facts(|id| self.ledger.is_movable(id));
        let so = Circumstances {
            closed: self.book.is_closed(date),
            now: self.known.as_ref().map(|_| self.clock.now()).filter(|now| now.trusted).map(|now| now.utc),
            absent: &self.absent,
            elsewhere: &student.elsewhere,
        };
        judge(self.book.rules(), &student.counting(), &rows, so)
    }

    fn perform(&mut self, date: Date, roll: &RollNumber, act: Act) {
        match act {
            Act::Write { status, utc, estimated } => {
                let id = self.journal.next_id();
                self.note_new_row(date, roll, id, status, utc);
                let begins_now = status == Status::In || self.book.rules().policy == Policy::Alternate;
                let at = match self.book.current(roll) {
                    // Taken at this moment: it says that the clock is right.
                    Some(current)
                        if begins_now
                            && current.first == utc
                            && current.last.utc == utc
                            && current.last.boot == self.boot =>
                    {
                        current.last.clone()
                    }
                    _ => Stamp { utc, since_boot: Duration::ZERO, boot: Arc::from(AT_THE_CLOSE) },
                };
                let clock = if estimated { Certainty::Unknown } else { Certainty::Known };
                self.waiting
                    .push_back((Record::Row(Row { id, roll: roll.clone(), status, at, clock }), false));
                if estimated {
                    let verdict = Verdict::Row { status, measured: false };
                    self.waiting.push_back((Record::Settled(Settled { id, utc, verdict }), true));
                }
            }
            // From the moment at which it is held no request tells of it.
            Act::Move { id, utc } if self.ledger.hold(id) => {
                self.book.moved(id, utc);
                self.waiting.push_back((Record::Moved(id, utc), true));
            }
            Act::Withdraw { id, reason } if self.ledger.hold(id) => {
                let utc = rounded(self.clock.now().utc, Duration::ZERO).0;
                self.book.removed(id);
                self.waiting.push_back((Record::Withdrawn(id, utc, reason), true));
            }
            // It was sent meanwhile.
            Act::Move { .. } | Act::Withdraw { .. } => {
                self.to_judge.insert((date, roll.clone()));
            }
            Act::Hold(id) => {
                if self.ledger.hold(id) {
                    self.days.note(date);
                }
            }
            Act::Release(id) => {
                self.ledger.release(id);
                self.days.note(date);
            }
            Act::Late { id, utc } => {
                let row = self
                    .book
                    .student(date, roll)
                    .and_then(|student| student.rows.iter().find(|row| row.id == id).copied());
                if row.is_some_and(|row| row.late != Some(utc)) {
                    self.book.late(id, utc);
                    self.waiting.push_back((Record::Late(id, utc), true));
                }
            }
        }
    }

    /// Takes a row that the rules made into account.
    pub(super) fn note_new_row(
        &mut self,
        date: Date,
        roll: &RollNumber,
        id: u64,
        status: Status,
        utc: OffsetDateTime,
    ) {
        self.book.note_row(
            date,
            roll,
            Entry { id, status, utc, by_hand: false, seen: Some(utc), late: None },
        );
    }

    /// Tells those who look which OUT of the student is open, as it is on the disk.
    pub(super) fn show_open_out(&mut self, date: Date, roll: &RollNumber) {
        let open = self.open_out(date, roll);
        self.ledger.note_open_out(date, roll, open);
    }

    fn open_out(&self, date: Date, roll: &RollNumber) -> Option<OpenOut> {
        if self.book.rules().policy == Policy::Alternate {
            return None;
        }
        let student = self.book.student(date, roll)?;
        let fixed = |row: &Entry| row.status == Status::Out && (row.by_hand || !self.is_held(row.id));
        let elsewhere = student.elsewhere.iter().any(|row| row.status == Status::Out);
        if elsewhere || student.rows.iter().any(fixed) {
            return None;
        }
        let (visits, present) = (student.counting(), present(&student.facts(|_| false), &student.elsewhere));
        let departure = derive(self.book.rules(), &visits, &present).departure?;
        let here = departure.door.is_here();
        (here || self.absent.contains(&departure.door))
            .then_some(OpenOut { utc: departure.last, estimated: departure.estimated })
    }

    fn is_held(&self, id: u64) -> bool {
        self.ledger.view(id).is_some_and(|(_, row)| row.open)
    }

    /// Closes the days that are over, and looks at all open days once after the start.
    pub(super) fn look_at_days(&mut self, now: Option<OffsetDateTime>) {
        let first = now.is_some() && !self.looked_at_days;
        self.looked_at_days |= now.is_some();
        let days = self.book.days();
        let newest = days.keys().next_back().copied();
        // The rows of an older day that is closed may be gone already.
        let today = now.map(|now| self.book.rules().day.date(now));
        let is_recent = |date: Date| today.is_some_and(|today| (today - date).whole_days() <= 1);
        if first {
            let at = self.stamp(self.clock.now());
            self.book.go_on(&at);
        }
        for (date, (closed, has_visits)) in days {
            let is_over = now.is_some_and(|now| self.book.rules().day.is_over(date, now));
            if is_over && !closed && !has_visits {
                // Only an earlier version knew this day: its rows are as that version made them.
                self.book.close(date);
                self.release_all(date);
            } else if is_over && !closed {
                self.close(date, false);
            } else if now.is_none() {
                // Until the time is known, what may still change is held back.
                if Some(date) == newest || (has_visits && !closed) {
                    self.look_at(date, true);
                }
            } else if first && (!closed || is_recent(date)) {
                self.look_at(date, false);
            }
        }
        // Who still stood there when the day closed, and whose OUT may have settled.
        if now.is_some() {
            let settles = self.book.rules().settles.is_some();
            let open: Vec<_> = self.ledger.open_out_keys();
            self.to_judge.extend(open.into_iter().filter(|(date, _)| settles || self.book.is_closed(*date)));
        }
    }

    /// Looks at everybody's day. Before the clock is known, only to hold back what may still change.
    fn look_at(&mut self, date: Date, only_hold: bool) {
        for roll in self.book.students(date) {
            if !only_hold {
                self.to_judge.insert((date, roll));
                continue;
            }
            for act in self.acts(date, &roll) {
                if let Act::Hold(id) = act {
                    self.ledger.hold(id);
                }
            }
            self.show_open_out(date, &roll);
        }
    }

    fn release_all(&mut self, date: Date) {
        let students: Vec<_> = self.book.students(date);
        for roll in students {
            let rows = self.book.student(date, &roll).map(|student| student.rows.clone()).unwrap_or_default();
            rows.iter().for_each(|row| self.ledger.release(row.id));
            self.ledger.note_open_out(date, &roll, None);
        }
        self.days.note(date);
        self.ledger.note_closed(date);
    }

    /// Closes a day: everybody's OUT becomes a row.
    fn close(&mut self, date: Date, by_a_person: bool) {
        if self.book.close(date) {
            self.closing.insert(date, by_a_person);
        }
        self.look_at(date, false);
    }

    /// A person closes the day that is now. Gives the number of OUTs that became rows.
    ///
    /// # Errors
    /// A sentence: why it cannot be closed.
    pub fn close_day_now(&mut self) -> Result<usize, String> {
        let now = self.clock.now();
        self.learn_clock(now);
        if !now.trusted {
            return Err("The time is not known, so it is not known which day it is. Wait for the clock, or \
                        confirm it."
                .to_owned());
        }
        if self.book.rules().policy == Policy::Alternate {
            return Err(
                "With the policy \u{201c}alternate\u{201d} every row is sent at once; no OUT is open."
                    .to_owned(),
            );
        }
        let date = self.book.rules().day.date(now.utc);
        if self.book.is_closed(date) {
            return Err(format!("The day {date} is closed already."));
        }
        let before = self.ledger.summary().open_outs;
        self.close(date, true);
        self.flush();
        Ok(before.saturating_sub(self.ledger.summary().open_outs))
    }
}
