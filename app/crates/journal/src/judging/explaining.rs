//! Why a recognition made no row, in words.

use time::{Date, OffsetDateTime};

use crate::book::Entry;
use crate::config::{Direction, Policy};
use crate::recorder::{Recognition, Recorder};
use crate::row::Status;
use crate::rules::derive;
use crate::storage::timestamp;
use base::event::Event;

impl Recorder {
    /// Says of each recognition what it became, unless a row was announced for it.
    pub(crate) fn explain_all(&mut self) {
        while let Some(recognition) = self.to_explain.pop_front() {
            if let Some(event) = self.explanation(&recognition) {
                self.bus.publish(event);
            }
        }
    }

    fn explanation(&mut self, recognition: &Recognition) -> Option<Event> {
        let Recognition { roll, date, begins } = recognition;
        let current = self.book.current(roll)?.clone();
        let student = self.book.student(*date, roll).cloned().unwrap_or_default();
        let in_visit = |row: &&Entry| (current.first..=current.last.utc).contains(&row.utc);
        let newest =
            |status| student.rows.iter().filter(|row| row.status == status).max_by_key(|row| row.utc);
        // A row that began with this visit, at this recognition.
        if *begins && student.rows.iter().any(|row| row.utc == current.first) {
            return None;
        }
        let clock = |utc| self.clock_time(utc);
        let rules = self.book.rules();
        let alternate = rules.policy == Policy::Alternate;
        let open = self.open_out(*date, roll);
        let sent = newest(Status::Out).filter(|row| !self.is_held(row.id));
        let goes_on = format!("seen less than {} s before", rules.gap.as_secs());
        let reason = if let Some(row) = student.rows.iter().find(in_visit).filter(|_| !*begins) {
            format!("{} {} stands, and the visit goes on ({goes_on})", row.status, clock(row.utc))
        } else if let Some(row) = sent.filter(|row| !alternate && row.by_hand) {
            format!("OUT {} was entered by hand", clock(row.utc))
        } else if let Some(row) = sent.filter(|_| !alternate) {
            format!("OUT {} was sent already; this sighting is shown as late", clock(row.utc))
        } else if let Some(open) = open {
            if *begins {
                self.book.current_mut(roll)?.told = true;
                return Some(Event::OutOpen {
                    roll: roll.clone(),
                    timestamp: timestamp(self.ledger.zone().local(open.utc)),
                    until: self.until(*date),
                });
            }
            format!("OUT {} is open, and the visit goes on ({goes_on})", clock(open.utc))
        } else if let Some(row) = newest(Status::In) {
            let rules = self.book.rules();
            match (rules.direction, rules.departures_from) {
                (Direction::In, _) => {
                    format!("IN {} stands, and this door writes INs only", clock(row.utc))
                }
                (_, Some(from)) if !rules.day.is_from(current.last.utc, from) => {
                    format!("IN {} stands, and before {from} nobody departs", clock(row.utc))
                }
                _ => format!("IN {} stands, and the visit goes on ({goes_on})", clock(row.utc)),
            }
        } else if let Some(row) = student.elsewhere.iter().find(|row| row.status == Status::In) {
            format!("IN {} was entered by hand at {}", clock(row.utc), row.door)
        } else if let Some(first) =
            derive(rules, &student.counting(), &[]).arrival.filter(|visit| !visit.door.is_here())
        {
            format!("IN {} of {} stands", clock(first.first), first.door)
        } else if !student.voids.is_empty() {
            "a person declared this visit void".to_owned()
        } else {
            format!("the visit that began at {} goes on ({goes_on})", clock(current.first))
        };
        let again = std::mem::replace(&mut self.book.current_mut(roll)?.told, true);
        Some(Event::NotRecorded { roll: roll.clone(), reason, again })
    }

    /// When an open OUT becomes a row, in words.
    fn until(&self, date: Date) -> String {
        let rules = self.book.rules();
        match rules.settles {
            _ if self.book.is_closed(date) => {
                "the day is closed, and it is sent when this visit is over".to_owned()
            }
            Some(settles) => {
                format!("it is sent once nobody has seen the student for {} min", settles.as_secs() / 60)
            }
            None => format!("it is sent when the day closes at {}", rules.day.closes()),
        }
    }

    fn clock_time(&self, utc: OffsetDateTime) -> String {
        let text = timestamp(self.ledger.zone().local(utc));
        text.split_once(' ').map_or(text.clone(), |(_, time)| time.to_owned())
    }
}
