//! Rows and visits are written, then announced; what cannot be written is complained of.

use std::io;
use std::time::Duration;

use time::OffsetDateTime;

use super::{MAX_WAITING, Recorder};
use crate::book::WRITE_EVERY;
use crate::row::{DAYS_HELD, Status};
use crate::storage::record::rounded;
use crate::storage::{Certainty, Record, VisitRecord, timestamp};
use base::event::Event;
use base::failure::Fault;

/// Records in one write: a full queue drains in some dozen writes, and none takes long.
const MAX_WRITE: usize = 500;

/// How often a broken disk is reported again.
const COMPLAIN_EVERY: Duration = Duration::from_secs(60);

/// How long visits are kept: as long as a day can be judged, and a day more.
const KEEP_VISITS: time::Duration = time::Duration::days(DAYS_HELD as i64 + 1);

impl Recorder {
    /// Writes what waits, in order: the visits, what the rules say of them, and that days are closed.
    pub(crate) fn flush(&mut self) {
        let written = self.write_visits().and_then(|()| self.write_rows());
        if let Err(error) = written {
            self.complain(&error);
            return;
        }
        self.days.write(&self.ledger);
        if self.next_complaint > Duration::ZERO {
            log::warn!("the journal can be written again; everything that waited is saved");
            self.next_complaint = Duration::ZERO;
        }
        self.ledger.note_storage(|storage| {
            storage.trouble = None;
            storage.unwritten = 0;
        });
    }

    fn write_visits(&mut self) -> io::Result<()> {
        while !self.visiting.is_empty() {
            let batch: Vec<VisitRecord> =
                self.visiting.iter().take(MAX_WRITE).map(|(record, _)| record.clone()).collect();
            self.visits.append(&batch)?;
            self.visiting.drain(..batch.len());
            batch.into_iter().for_each(|record| self.note_visit(record));
        }
        Ok(())
    }

    fn write_rows(&mut self) -> io::Result<()> {
        self.announce_all();
        loop {
            while !self.waiting.is_empty() {
                let batch: Vec<Record> =
                    self.waiting.iter().take(MAX_WRITE).map(|(record, _)| record.clone()).collect();
                self.journal.append(&batch)?;
                self.written.extend(self.waiting.drain(..batch.len()).map(|(record, _)| record));
                let unwritten = self.waiting.len();
                self.ledger.note_storage(|storage| storage.unwritten = unwritten);
                self.announce_all();
            }
            // Only now: what the rules say next may depend on the rows before.
            let mut judged = 0;
            while judged < MAX_WRITE
                && let Some((date, roll)) = self.to_judge.pop_first()
            {
                self.judge(date, &roll);
                judged += 1;
            }
            if judged == 0 {
                break;
            }
        }
        self.explain_all();
        while let Some((date, by_a_person)) = self.closing.first_key_value() {
            let (date, by_a_person) = (*date, *by_a_person);
            let utc = rounded(self.clock.now().utc, Duration::ZERO).0;
            self.visits.append(&[VisitRecord::Closed { date, utc, by_a_person }])?;
            self.closing.remove(&date);
            self.ledger.note_closed(date);
        }
        Ok(())
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
                    self.days.note(self.ledger.day().date(row.at.utc));
                }
                self.ledger.insert(row);
                self.bus.publish(Event::Recorded { roll, status, timestamp: timestamp(local) });
            }
            Record::Settled(settled) => {
                self.days.note_unsettled();
                if let Some(row) = self.ledger.settle(&settled) {
                    self.days.note(self.ledger.day().date(row.at.utc));
                }
            }
            Record::Clock(at) => self.ledger.note_clock(at.utc),
            Record::Added(row, hand) => {
                self.days.note(self.ledger.day().date(row.at.utc));
                self.ledger.add(row, hand);
            }
            Record::Moved(id, _)
            | Record::Withdrawn(id, ..)
            | Record::Late(id, _)
            | Record::Changed { id, .. }
            | Record::Instead { id, .. }
            | Record::Between(id, ..)
            | Record::Placed { id, .. }
            | Record::Voided(id, _) => {
                let before = self.ledger.view(id).map(|(date, _)| date);
                self.ledger.correct(&record);
                let after = self.ledger.view(id).map(|(date, _)| date);
                before.into_iter().chain(after).for_each(|date| self.days.note(date));
                if matches!(record, Record::Changed { .. } | Record::Placed { .. }) {
                    self.ledger.release(id);
                    self.to_judge.extend(self.book.find(id));
                }
                if matches!(record, Record::Moved(..)) {
                    // An OUT is judged again; nothing holds an IN.
                    if self.ledger.row(id).is_some_and(|row| row.status == Status::In) {
                        self.ledger.release(id);
                    }
                    self.to_judge.extend(self.book.find(id));
                }
            }
            Record::Header { .. } | Record::Foreign(_) | Record::Until(..) => {}
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
        if error.kind() == io::ErrorKind::ReadOnlyFilesystem {
            // It stays so until the next start. What can be delivered now is not lost then, so the rules look
            // at visits that are in memory only.
            let unwritten: Vec<VisitRecord> =
                self.visiting.iter().map(|(record, _)| record.clone()).collect();
            unwritten.into_iter().for_each(|record| self.note_visit(record));
            while self.waiting.len() < MAX_WAITING
                && let Some((date, roll)) = self.to_judge.pop_first()
            {
                self.judge(date, &roll);
            }
            self.ledger.insert_unwritten(self.waiting.iter().filter_map(|(record, _)| match record {
                Record::Row(row) => Some(row),
                _ => None,
            }));
        }
        let waiting = self.visiting.len() + self.waiting.len();
        let trouble = Fault::new(format!("the journal cannot be written ({error})")).advise(advice);
        let reason = format!(
            "{trouble}. {waiting} records are kept in memory and tried again every second; they are lost if the power goes now"
        );
        let now = self.clock.now().since_boot;
        let visits = self.visiting.iter_mut().map(|(record, told)| (record.student().cloned(), told));
        let rows = self.waiting.iter_mut().map(|(record, told)| match record {
            Record::Row(row) => (Some(row.roll.clone()), told),
            _ => (None, told),
        });
        for (roll, told) in visits.chain(rows) {
            if let Some(roll) = roll.filter(|_| !*told) {
                self.bus.publish(Event::NotSaved { roll, reason: reason.clone() });
            }
            *told = true;
        }
        // It was said that they are not saved.
        self.to_explain.clear();
        if now >= self.next_complaint {
            log::error!("{reason}");
            self.next_complaint = now + COMPLAIN_EVERY;
        }
        self.ledger.note_storage(|storage| {
            storage.unwritten = waiting;
            storage.trouble = Some(trouble);
        });
    }

    pub(crate) fn prune(&mut self, now: OffsetDateTime) {
        let before = now - self.keep;
        let removed = self
            .journal
            .prune(&self.ledger, before..=now)
            .and_then(|files| {
                self.ledger.note_first_id(self.journal.first_id()?);
                Ok(files)
            })
            .and_then(|files| Ok(files + self.days.prune(&self.ledger, before)?))
            .and_then(|files| Ok(files + self.visits.prune(now - KEEP_VISITS)?));
        match removed {
            Ok(0) => {}
            Ok(files) => log::info!("{files} files of delivered rows before {} removed", before.date()),
            Err(error) => log::warn!("old files could not be removed: {error}; tried again tomorrow"),
        }
    }

    /// Queues the last sightings of visits without a clock: of visits that are over, and of visits that
    /// lasted for another minute since they were last written. With `all`, of every visit.
    pub(super) fn write_guesses(&mut self, now: Duration, all: bool) {
        let gap = self.book.rules().gap;
        for guess in self.guesses.values_mut() {
            let due = all
                || now.saturating_sub(guess.last) >= gap
                || guess.last.saturating_sub(guess.written) >= WRITE_EVERY;
            if due && guess.last > guess.written {
                guess.written = guess.last;
                self.waiting.push_back((Record::Until(guess.id, guess.last), true));
            }
        }
    }
}
