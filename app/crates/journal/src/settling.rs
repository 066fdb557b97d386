//! What is seen while the wall clock is unknown, and the time it gets once the clock is known.

use std::time::Duration;

use time::{Date, OffsetDateTime};

use super::estimate;
use super::recorder::{Guess, NOTE_CLOCK_EVERY, Recorder};
use crate::row::{Stamp, Status};
use crate::rules::{Act, DoorName, Visit};
use crate::storage::{Certainty, Record, Row, Settled, Verdict};
use base::event::Event;
use base::identity::RollNumber;
use base::moment::{EARLIEST, Moment};

impl Recorder {
    /// A sighting whose time is not known: a row for each visit. Which day it is, and so what the visit is,
    /// will be known later.
    pub(super) fn visited_without_clock(&mut self, roll: &RollNumber, at: Stamp) {
        let gap = self.book.rules().gap;
        if let Some(guess) = self.guesses.get_mut(roll)
            && at.since_boot.saturating_sub(guess.last) < gap
        {
            guess.last = guess.last.max(at.since_boot);
            if let Some((_, last)) = self.unsettled.get_mut(&guess.id) {
                *last = guess.last;
            }
            let again = std::mem::replace(&mut guess.told, true);
            let reason = format!(
                "the visit goes on (seen less than {} s before); its row waits until the clock is known",
                gap.as_secs()
            );
            self.bus.publish(Event::NotRecorded { roll: roll.clone(), reason, again });
            return;
        }
        if self.has_no_room(roll) {
            return;
        }
        if self.unsettled.is_empty() && !self.doubted {
            log::warn!(
                "nobody vouches for the clock (no time server since boot, no hardware clock): rows are kept, and delivered \
                 once their time is known. Let the device reach a time server, or set site.clock = \"system\" \
                 where its clock is right without a correction"
            );
        }
        let status = self.guesses.get(roll).map_or(Status::In, |guess| guess.status.opposite());
        let id = self.journal.next_id();
        let last = at.since_boot;
        let row = Row { id, roll: roll.clone(), status, at, clock: Certainty::Unknown };
        self.guesses.insert(roll.clone(), Guess { id, last, written: last, status, told: false });
        self.unsettled.insert(id, (row.clone(), last));
        self.waiting.push_back((Record::Row(row), false));
    }

    /// Notes a time at which the clock is right and settles what waited for it.
    pub(super) fn learn_clock(&mut self, now: Moment) {
        if self.clock.doubt().is_some() {
            // What is seen now must not be measured from a time that may be the wrong one of the two.
            self.known = None;
            self.doubted = true;
            return;
        }
        if !now.trusted {
            return;
        }
        let known = self.stamp(now);
        if std::mem::take(&mut self.doubted) || self.known.is_none() {
            // The journal learns which time is believed before any row: a restart then brings no doubt back,
            // and trusts no other time.
            self.waiting.push_back((Record::Clock(known.clone()), true));
            self.next_note = now.since_boot + NOTE_CLOCK_EVERY;
        }
        self.known = Some(known);
        if let Some(known) = self.known.clone()
            && !self.unsettled.is_empty()
        {
            self.settle(&known);
        }
    }

    /// Gives every visit of unknown time its time and goes over them with the rules, in the order in which
    /// they were seen.
    fn settle(&mut self, known: &Stamp) {
        let began = estimate::measured(Duration::ZERO, known);
        let mut floor = self.ledger.latest_known().unwrap_or(EARLIEST).min(began);
        let mut lowest = floor;
        let rows: Vec<(Row, Duration)> = std::mem::take(&mut self.unsettled).into_values().collect();
        self.guesses.clear();
        for boot in rows.chunk_by(|(a, _), (b, _)| a.at.boot == b.at.boot) {
            if boot[0].0.at.boot == known.boot {
                for (row, last) in boot {
                    self.settle_row(row, *last, estimate::measured(row.at.since_boot, known), true);
                }
                continue;
            }
            let seen: Vec<Stamp> = boot.iter().map(|(row, _)| row.at.clone()).collect();
            let bounds = estimate::bounds(&seen, lowest, began);
            let times = estimate::estimated(&seen, floor, began);
            floor = times.iter().copied().fold(floor, OffsetDateTime::max);
            for (((row, last), utc), (earliest, latest)) in boot.iter().zip(times).zip(bounds) {
                lowest = lowest.max(earliest);
                let day = &self.book.rules().day;
                if day.date(earliest) == day.date(latest) {
                    self.settle_row(row, *last, utc, false);
                } else {
                    // A midnight lies between: only a person knows which day it was.
                    let verdict = Verdict::Doubtful(Status::In);
                    self.settled(row.id, utc, verdict);
                    self.waiting.push_back((Record::Between(row.id, earliest, latest), true));
                    self.between.insert(row.id, (earliest, latest));
                    self.untils.insert(row.id, *last);
                }
            }
        }
        log::info!("the clock is known: {} rows seen before that have got their time", rows.len());
    }

    /// The visit that began with `row` began at `utc`.
    fn settle_row(&mut self, row: &Row, last: Duration, utc: OffsetDateTime, measured: bool) {
        let verdict = match self.visit_of_row(row, last, utc, measured) {
            Some(status) => Verdict::Row { status, measured },
            None => Verdict::Nothing,
        };
        self.settled(row.id, utc, verdict);
    }

    /// Takes in the visit that began with `row` at `utc`. Gives what the rules make of the row; none:
    /// nothing.
    pub(super) fn visit_of_row(
        &mut self,
        row: &Row,
        last: Duration,
        utc: OffsetDateTime,
        measured: bool,
    ) -> Option<Status> {
        let first = Stamp { utc, ..row.at.clone() };
        let last = Stamp {
            utc: utc + last.saturating_sub(row.at.since_boot),
            since_boot: last,
            boot: first.boot.clone(),
        };
        let sight = self.book.sight(&row.roll, &first, !measured);
        // However long the visit lasted, each sighting came sooner than the gap after the one before.
        self.book.lasts_until(&row.roll, last);
        self.hand_over(&row.roll, false);
        // What the rules make of it decides what the row is; an OUT is made when its day closes.
        let (door, direction) = (DoorName::here(), self.book.rules().direction);
        if let Some(current) = self.book.current(&row.roll).cloned() {
            self.book.written(Visit {
                student: row.roll.clone(),
                door,
                direction,
                first: current.first,
                last: current.last.utc,
                estimated: current.estimated,
            });
        }
        if sight.begins {
            self.row_of_visit(row, sight.date, utc)
        } else {
            self.to_judge.insert((sight.date, row.roll.clone()));
            None
        }
    }

    /// What the rules make of a visit that begins with `row` at `utc`.
    pub(super) fn row_of_visit(&mut self, row: &Row, date: Date, utc: OffsetDateTime) -> Option<Status> {
        self.to_judge.insert((date, row.roll.clone()));
        let status = self.acts(date, &row.roll).into_iter().find_map(|act| match act {
            Act::Write { status, utc: at, .. } if at == utc => Some(status),
            _ => None,
        })?;
        self.note_new_row(date, &row.roll, row.id, status, utc);
        Some(status)
    }

    fn settled(&mut self, id: u64, utc: OffsetDateTime, verdict: Verdict) {
        self.waiting.push_back((Record::Settled(Settled { id, utc, verdict }), true));
    }
}
