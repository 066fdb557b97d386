//! The day of rows from a boot that never knew the time: a person enters it.

use std::sync::Arc;
use std::time::Duration;

use time::{Date, OffsetDateTime};

use super::recorder::Recorder;
use crate::corrections::Corrected;
use crate::row::{Stamp, Status};
use crate::rules::{DoorName, Visit};
use crate::storage::{Hand, Record, Row, VisitRecord};
use base::failure::Fault;

impl Recorder {
    /// All rows of one time without a clock were seen on the same days: when the day of one is known, that of
    /// all others is.
    pub(super) fn place_by_hand(&mut self, id: u64, date: Date, hand: &Hand) -> Result<Corrected, Fault> {
        let fault = |what: String, advice: &str| Err(Fault::new(what).advise(advice));
        let Some((row, (earliest, latest))) = self.ledger.row(id).zip(self.between.get(&id).copied()) else {
            return fault("the day of this row is known".to_owned(), "look at the list again");
        };
        if !self.ledger.can_be_sent_again(id) {
            return fault("this row waits for no day any more".to_owned(), "look at the list again");
        }
        let day = self.book.rules().day.clone();
        let Some(utc) = time_on(date, row.at.utc, earliest, latest, |utc| day.date(utc)) else {
            let (first, last) = (day.date(earliest), day.date(latest));
            return fault(
                format!(
                    "the row was not seen on {date}: that was on {first} at the earliest and on {last} at the latest"
                ),
                "choose one of these days",
            );
        };
        let booted = utc - row.at.since_boot;
        let of_boot: Vec<Row> = self
            .between
            .keys()
            .filter_map(|other| self.ledger.row(*other))
            .filter(|other| other.at.boot == row.at.boot && self.ledger.can_be_sent_again(other.id))
            .collect();
        let mut on_days = of_boot.iter().map(|row| day.date(booted + row.at.since_boot));
        if on_days.any(|date| !self.book.holds(date) && self.today() != Some(date)) {
            return fault(
                format!(
                    "who was seen on {date} is not held any more, so the rules cannot say what the row is"
                ),
                "add the rows of that day by hand, and dismiss these",
            );
        }
        let mut placed: usize = 0;
        for row in of_boot {
            let utc = booted + row.at.since_boot;
            let until = self.untils.remove(&row.id).unwrap_or(row.at.since_boot).max(row.at.since_boot);
            self.between.remove(&row.id);
            let status = self.place(&row, until, utc);
            let record = Record::Placed { id: row.id, utc, status, hand: hand.clone() };
            self.waiting.push_back((record, true));
            placed += 1;
        }
        self.write_by_hand(Vec::new())?;
        let status = self.ledger.row(id).map_or(row.status, |row| row.status);
        self.tell(&row.roll, status, utc, "placed", None, hand);
        Ok(Corrected { id, sent: false, others: placed.saturating_sub(1) })
    }

    /// Takes in a visit of the past. The newest visit of the student stays what it is.
    fn place(&mut self, row: &Row, until: Duration, utc: OffsetDateTime) -> Option<Status> {
        let newer = self.book.current(&row.roll).is_some_and(|current| current.last.utc >= utc);
        if !newer {
            return self.visit_of_row(row, until, utc, false);
        }
        let first = utc;
        let last = Stamp {
            utc: utc + until.saturating_sub(row.at.since_boot),
            since_boot: until,
            boot: Arc::clone(&row.at.boot),
        };
        let student = row.roll.clone();
        let date = self.book.rules().day.date(utc);
        self.book.written(Visit {
            student: student.clone(),
            door: DoorName::here(),
            direction: self.book.rules().direction,
            first,
            last: last.utc,
            estimated: true,
        });
        self.queue(VisitRecord::Here { student, first, last, estimated: true, ended: true });
        self.row_of_visit(row, date, utc)
    }
}

/// A time on `date` between the earliest and the latest: the best guess, where it lies there; else the one
/// nearest to it.
fn time_on(
    date: Date,
    guess: OffsetDateTime,
    earliest: OffsetDateTime,
    latest: OffsetDateTime,
    date_of: impl Fn(OffsetDateTime) -> Date,
) -> Option<OffsetDateTime> {
    if date_of(guess) == date {
        return Some(guess);
    }
    [latest, earliest].into_iter().find(|utc| date_of(*utc) == date).or_else(|| {
        // A day in the middle of a long time: its noon is as good as any other time.
        let noon = |utc: OffsetDateTime| date_of(utc) == date;
        let hours = (latest - earliest).whole_hours();
        (0..=hours).map(|hour| earliest + time::Duration::hours(hour)).find(|utc| noon(*utc))
    })
}
