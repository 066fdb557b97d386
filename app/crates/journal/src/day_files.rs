//! `attendance_YYYY-MM-DD.csv`: the days' rows as the original wrote them, for people and their scripts.
//!
//! The files follow the journal. A new row is appended; a file that is missing, damaged or was changed, and
//! one whose rows got another time, is made anew from the journal and put in place at once. Rows whose time
//! is not known yet stand in `attendance_clock-unknown.csv` until it is, and in no day's file.

use std::collections::{BTreeSet, HashMap};
use std::io;
use std::sync::Arc;

use time::{Date, OffsetDateTime};

use crate::storage::{Disk, Ledger, RowView, rows_on};

const UNKNOWN: &str = "attendance_clock-unknown.csv";

/// The days' files.
pub(super) struct DayFiles {
    disk: Arc<dyn Disk>,
    /// The journal's folder, for days that are not in memory any more.
    journal: Arc<dyn Disk>,
    /// Days whose file may differ from the journal.
    stale: BTreeSet<Date>,
    unsettled_stale: bool,
    /// What is known to stand in a day's file.
    written: HashMap<Date, Vec<u8>>,
    failing: bool,
}

impl DayFiles {
    pub(super) fn new(disk: Arc<dyn Disk>, journal: Arc<dyn Disk>) -> Self {
        Self {
            disk,
            journal,
            stale: BTreeSet::new(),
            unsettled_stale: true,
            written: HashMap::new(),
            failing: false,
        }
    }

    /// Compares the files of the days in memory with the journal; those that differ are written by the next
    /// [`write`](Self::write).
    pub(super) fn check(&mut self, ledger: &Ledger) {
        for date in ledger.dates() {
            match self.disk.read(&file_name(date)) {
                Ok(bytes) => {
                    self.written.insert(date, bytes);
                }
                Err(error) if error.kind() == io::ErrorKind::NotFound => {}
                Err(error) => log::warn!("{}: {error}; it is made anew", file_name(date)),
            }
            self.stale.insert(date);
        }
    }

    /// A row of `date` was added or changed.
    pub(super) fn note(&mut self, date: Date) {
        self.stale.insert(date);
    }

    /// A row without a time was added, or got its time.
    pub(super) fn note_unsettled(&mut self) {
        self.unsettled_stale = true;
    }

    /// Brings the files up to date. What cannot be written is tried again by the next call: the journal has
    /// it.
    pub(super) fn write(&mut self, ledger: &Ledger) {
        let result = self.try_write(ledger);
        match &result {
            Err(error) if !self.failing => {
                log::error!(
                    "the day's CSV file cannot be written ({error}); the journal has the rows, it is tried again"
                );
            }
            Ok(()) if self.failing => log::warn!("the day's CSV file is written again"),
            _ => {}
        }
        self.failing = result.is_err();
    }

    /// Removes the files of days before `before` of which nothing is to be done any more; gives their number.
    pub(super) fn prune(&mut self, ledger: &Ledger, before: OffsetDateTime) -> io::Result<usize> {
        let limit = ledger.zone().local(before).date();
        let mut removed = 0;
        for name in self.disk.names()? {
            if let Some(date) = date_of(&name)
                && date < limit
                && !ledger.has_unfinished(date)
            {
                self.disk.remove(&name)?;
                removed += 1;
            }
        }
        Ok(removed)
    }

    fn try_write(&mut self, ledger: &Ledger) -> io::Result<()> {
        if self.unsettled_stale {
            let rows = ledger.awaiting_clock();
            if rows.is_empty() {
                self.disk.remove(UNKNOWN)?;
            } else {
                self.disk.replace(UNKNOWN, &content(rows)?)?;
            }
            self.unsettled_stale = false;
        }
        while let Some(date) = self.stale.first().copied() {
            // A day of which only a part is in memory, because a row got a time long past, is read from the
            // journal.
            let rows = match ledger.on(date) {
                Some(rows) => rows,
                None => rows_on(Arc::clone(&self.journal), ledger.zone(), date)?,
            };
            let certain = |row: &RowView| row.clock != "doubtful";
            self.bring_up_to_date(date, content(rows.into_iter().filter(certain))?)?;
            self.stale.remove(&date);
        }
        let held = ledger.dates();
        self.written.retain(|date, _| held.contains(date));
        Ok(())
    }

    fn bring_up_to_date(&mut self, date: Date, content: Vec<u8>) -> io::Result<()> {
        let name = file_name(date);
        let written = self.written.get(&date).map(Vec::as_slice);
        if written == Some(&content) {
            return Ok(());
        }
        let appended = match written.and_then(|written| content.strip_prefix(written)) {
            Some(more) => {
                let at = (content.len() - more.len()) as u64;
                match self.disk.append(&name, at, more) {
                    // Somebody removed or cut the file.
                    Err(error)
                        if matches!(error.kind(), io::ErrorKind::UnexpectedEof | io::ErrorKind::NotFound) =>
                    {
                        false
                    }
                    result => result.map(|()| true)?,
                }
            }
            None => false,
        };
        if !appended {
            self.disk.replace(&name, &content)?;
        }
        self.written.insert(date, content);
        Ok(())
    }
}

/// A file's content, as backend-contract.md §4 has it.
fn content(rows: impl IntoIterator<Item = RowView>) -> io::Result<Vec<u8>> {
    let mut writer = csv::Writer::from_writer(Vec::new());
    writer.write_record(["name", "status", "timestamp"])?;
    for row in rows {
        writer.write_record([row.roll.as_str(), row.status, &row.timestamp])?;
    }
    writer.into_inner().map_err(csv::IntoInnerError::into_error)
}

fn file_name(date: Date) -> String {
    format!("attendance_{date}.csv")
}

fn date_of(name: &str) -> Option<Date> {
    let text = name.strip_prefix("attendance_")?.strip_suffix(".csv")?;
    let format = time::macros::format_description!("[year]-[month]-[day]");
    Date::parse(text, format).ok()
}
