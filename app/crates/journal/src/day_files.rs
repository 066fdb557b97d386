//! `attendance_YYYY-MM-DD.csv`: the days' rows as the original wrote them, for people and their scripts.
//!
//! The files follow the journal. A new row is appended; a file that is missing, damaged or was changed, and
//! one whose rows got another time, is made again from the journal and put in place at once. Rows whose time
//! is not known yet stand in `attendance_clock-unknown.csv` until it is, and in no day's file. A file that
//! cannot be written holds up no other.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::io;
use std::sync::Arc;

use time::{Date, OffsetDateTime};

use crate::storage::{Disk, Ledger, RowView, rows_on};

/// Calls of [`DayFiles::write`] after which a day that failed is read from the journal again: that takes up
/// to a second.
const REST: u32 = 60;
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
    /// Files that cannot be written, and why.
    failing: BTreeMap<String, String>,
    /// Calls of [`write`](Self::write) until a day that is not in memory is tried again.
    resting: HashMap<Date, u32>,
}

impl DayFiles {
    pub(super) fn new(disk: Arc<dyn Disk>, journal: Arc<dyn Disk>) -> Self {
        Self {
            disk,
            journal,
            stale: BTreeSet::new(),
            unsettled_stale: true,
            written: HashMap::new(),
            failing: BTreeMap::new(),
            resting: HashMap::new(),
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
                Err(error) => log::warn!("{}: {error}; it is written again", file_name(date)),
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
        if self.unsettled_stale {
            let written = self.write_unsettled(ledger);
            self.unsettled_stale = written.is_err();
            self.note_outcome(UNKNOWN.to_owned(), written);
        }
        for date in self.stale.clone() {
            if let Some(calls) = self.resting.get_mut(&date).filter(|calls| **calls > 0) {
                *calls -= 1;
                continue;
            }
            let in_memory = ledger.on(date);
            let is_in_memory = in_memory.is_some();
            let written = self.write_day(ledger, date, in_memory);
            if written.is_ok() {
                self.stale.remove(&date);
                self.resting.remove(&date);
            } else if !is_in_memory {
                self.resting.insert(date, REST);
            }
            self.note_outcome(file_name(date), written);
        }
        let held = ledger.dates();
        self.written.retain(|date, _| held.contains(date));
        let trouble = self.failing.iter().next().map(|(file, error)| match self.failing.len() - 1 {
            0 => format!("{file} cannot be written ({error})"),
            others => format!("{file} and {others} other CSV files cannot be written ({error})"),
        });
        ledger.note_storage(|storage| storage.csv_trouble = trouble);
    }

    /// The rows of a day, also of one that is not in memory any more.
    pub(super) fn rows(&self, ledger: &Ledger, date: Date) -> io::Result<Vec<RowView>> {
        match ledger.on(date) {
            Some(rows) => Ok(rows),
            None => rows_on(Arc::clone(&self.journal), ledger.day(), date),
        }
    }

    fn note_outcome(&mut self, file: String, written: io::Result<()>) {
        match written {
            Ok(()) => {
                if self.failing.remove(&file).is_some() {
                    log::warn!("{file} is written again");
                }
            }
            Err(error) => {
                let error = error.to_string();
                if self.failing.get(&file) != Some(&error) {
                    log::error!(
                        "{file} cannot be written ({error}). The journal has its rows, and other days are written; it is tried again"
                    );
                    self.failing.insert(file, error);
                }
            }
        }
    }

    /// Removes the files of days before `before` of which nothing is to be done any more; gives their number.
    pub(super) fn prune(&mut self, ledger: &Ledger, before: OffsetDateTime) -> io::Result<usize> {
        let limit = ledger.day().date(before);
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

    fn write_unsettled(&self, ledger: &Ledger) -> io::Result<()> {
        let rows = ledger.awaiting_clock();
        if rows.is_empty() { self.disk.remove(UNKNOWN) } else { self.disk.replace(UNKNOWN, &content(rows)?) }
    }

    fn write_day(&mut self, ledger: &Ledger, date: Date, in_memory: Option<Vec<RowView>>) -> io::Result<()> {
        // A day of which only a part is in memory, because a row got a time long past, is read from the
        // journal.
        let rows = match in_memory {
            Some(rows) => rows,
            None => rows_on(Arc::clone(&self.journal), ledger.day(), date)?,
        };
        // An OUT that is open gets into the file when the day closes.
        let certain = |row: &RowView| row.clock != "doubtful" && !row.open;
        let rows: Vec<RowView> = rows.into_iter().filter(certain).collect();
        if rows.is_empty() && !self.written.contains_key(&date) {
            // A file of an old day, whose last row a person took away.
            match self.disk.read(&file_name(date)) {
                Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
                Ok(_) | Err(_) => {}
            }
        }
        self.bring_up_to_date(date, content(rows)?)
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
                    Ok(()) => true,
                    // Replacing needs more room than this did.
                    Err(error)
                        if matches!(
                            error.kind(),
                            io::ErrorKind::StorageFull
                                | io::ErrorKind::QuotaExceeded
                                | io::ErrorKind::ReadOnlyFilesystem
                        ) =>
                    {
                        return Err(error);
                    }
                    Err(error) => {
                        log::warn!(
                            "{name} takes no more rows ({error}): somebody changed it; it is replaced by one with the journal's rows"
                        );
                        false
                    }
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
