//! The folder is opened, and what is in it is read.

use std::collections::BTreeSet;
use std::fs::{File, TryLockError};
use std::io;
use std::ops::RangeInclusive;
use std::path::Path;
use std::sync::Arc;

use time::Date;

use crate::storage::delivery::Delivery;
use crate::storage::disk::{Disk, Folder};
use crate::storage::ledger::{Ledger, RowView};
use crate::storage::record::{Certainty, Record};
use crate::storage::visits::VisitRecord;

use super::journal::{
    DELIVERIES, Deliveries, Journal, JournalError, MOST_ROWS_IN_A_FILE, ROWS, VISITS, Visits, records_of,
};
use crate::day::SchoolDay;
use crate::storage::log::{Health, Log};
use base::moment::SiteZone;

/// Everything in a journal's folder.
pub struct Opened {
    /// For whoever records.
    pub journal: Journal,
    /// For whoever records, too.
    pub visits: Visits,
    /// What the visits' log says, in the order in which it was written.
    pub visited: Vec<VisitRecord>,
    /// For whoever delivers.
    pub deliveries: Deliveries,
    /// For everyone.
    pub ledger: Arc<Ledger>,
    /// Files with rows or deliveries that cannot be read.
    pub unreadable: usize,
    /// Keeps other processes out as long as it lives; none where the folder cannot be written.
    pub lock: Option<File>,
}

/// Opens the journal in `folder`; `each` sees every row whose time is settled and every certain time, in the
/// order in which they were recorded.
///
/// Reads only, apart from the lock: a full or read-only disk does not keep the door from starting.
///
/// # Errors
/// [`JournalError`]. Damage is not an error: it is counted and logged.
pub fn open(folder: &Path, zone: SiteZone, each: impl FnMut(&Record)) -> Result<Opened, JournalError> {
    open_into(folder, Ledger::new(zone), each)
}

/// As [`open`], into `ledger`, which is empty.
///
/// # Errors
/// [`JournalError`].
pub fn open_into(folder: &Path, ledger: Ledger, each: impl FnMut(&Record)) -> Result<Opened, JournalError> {
    let lock = lock(folder)?;
    let mut opened = read_into(Arc::new(Folder::new(folder)), ledger, each)
        .map_err(|source| JournalError::Unreadable { folder: folder.to_owned(), source })?;
    opened.lock = lock;
    Ok(opened)
}

/// As [`open`], on any disk and without a lock.
pub fn open_on(disk: Arc<dyn Disk>, zone: SiteZone, each: impl FnMut(&Record)) -> io::Result<Opened> {
    read_into(disk, Ledger::new(zone), each)
}

/// As [`open_into`], on any disk and without a lock.
pub(crate) fn read_into(
    disk: Arc<dyn Disk>,
    ledger: Ledger,
    mut each: impl FnMut(&Record),
) -> io::Result<Opened> {
    let ledger = Arc::new(ledger);
    // The deliveries first: a row that is delivered and of a past day then never stays in memory.
    let mut last_id = 0;
    let (deliveries, delivery_health) = Log::open(Arc::clone(&disk), DELIVERIES, |payload| {
        if !Delivery::stays(payload) {
            last_id = last_id.max(Delivery::id_of(payload));
        }
        if let Some(delivery) = Delivery::decode(payload) {
            ledger.deliver(delivery);
        }
    })?;
    let mut foreign = 0_usize;
    // Rows that a person took away and that are not in memory any more.
    let mut missing = BTreeSet::new();
    let (log, row_health) = Log::open(Arc::clone(&disk), ROWS, |payload| {
        let Some(record) = Record::decode(payload) else {
            foreign += 1;
            return;
        };
        last_id = last_id.max(record.id());
        match &record {
            Record::Header { next, .. } => last_id = last_id.max(next.saturating_sub(1)),
            Record::Row(row) => {
                ledger.insert(row.clone());
                if row.clock == Certainty::Known {
                    each(&record);
                }
            }
            Record::Settled(settled) => {
                if let Some(row) = ledger.settle(settled) {
                    each(&Record::Row(row));
                }
            }
            Record::Clock(at) => {
                ledger.note_clock(at.utc);
                each(&record);
            }
            Record::Foreign(_) => foreign += 1,
            Record::Added(row, hand) => {
                ledger.add(row.clone(), hand.clone());
                each(&record);
            }
            Record::Until(..) => each(&record),
            Record::Moved(..)
            | Record::Withdrawn(..)
            | Record::Late(..)
            | Record::Changed { .. }
            | Record::Voided(..)
            | Record::Instead { .. }
            | Record::Between(..)
            | Record::Placed { .. } => {
                if matches!(record, Record::Voided(..)) && ledger.row(record.id()).is_none() {
                    missing.insert(record.id());
                }
                ledger.correct(&record);
                each(&record);
                if let Record::Placed { id, status: Some(_), .. } = &record
                    && let Some(row) = ledger.row(*id)
                {
                    each(&Record::Row(row));
                }
            }
        }
    })?;
    for (id, records) in records_of(&log, &missing)? {
        ledger.recall(&records);
        ledger.let_go(id);
    }
    let mut visited = Vec::new();
    let (visits, visit_health) = Log::open(Arc::clone(&disk), VISITS, |payload| {
        visited.extend(VisitRecord::decode(payload));
    })?;
    report(&[&row_health, &delivery_health, &visit_health], foreign);
    let damaged = row_health.damaged + delivery_health.damaged + visit_health.damaged;
    ledger.note_storage(|storage| storage.damaged_lines = damaged);
    // What cannot be read may have been rows, whose numbers must not be given again.
    let unread =
        row_health.damaged + delivery_health.damaged + row_health.unreadable.len() * MOST_ROWS_IN_A_FILE;
    let next_id = last_id + 1 + unread as u64;
    let journal = Journal { log, next_id };
    ledger.keep_intents_from(journal.next_id);
    let (deliveries, visits) = (Deliveries { log: deliveries }, Visits { log: visits });
    let unreadable = row_health.unreadable.len() + delivery_health.unreadable.len();
    Ok(Opened { journal, visits, visited, deliveries, ledger, unreadable, lock: None })
}

/// The rows of a day from the disk, for days that are not in memory any more. Reads both logs whole: a second
/// for a year of a large school.
///
/// # Errors
/// The folder cannot be listed.
pub fn rows_on(disk: Arc<dyn Disk>, day: &SchoolDay, date: Date) -> io::Result<Vec<RowView>> {
    Ok(ledger_of(disk, day, date)?.on(date).unwrap_or_default())
}

/// As [`rows_on`], with what persons corrected and took away.
///
/// # Errors
/// The folder cannot be listed.
pub fn ledger_of(disk: Arc<dyn Disk>, day: &SchoolDay, date: Date) -> io::Result<Ledger> {
    ledger_of_days(disk, day, date..=date)
}

/// The rows of several days from the disk. Reads both logs whole, however many days are asked for.
///
/// # Errors
/// The folder cannot be listed.
pub fn ledger_of_days(
    disk: Arc<dyn Disk>,
    day: &SchoolDay,
    dates: RangeInclusive<Date>,
) -> io::Result<Ledger> {
    let day = Ledger::only_of(day.clone(), dates);
    Log::open(Arc::clone(&disk), DELIVERIES, |payload| {
        Delivery::decode(payload).into_iter().for_each(|delivery| day.deliver(delivery));
    })?;
    Log::open(disk, ROWS, |payload| match Record::decode(payload) {
        Some(Record::Row(row)) => day.insert(row),
        Some(Record::Settled(settled)) => {
            day.settle(&settled);
        }
        Some(Record::Added(row, hand)) => day.add(row, hand),
        Some(record) => day.correct(&record),
        None => {}
    })?;
    Ok(day)
}

/// Locks the folder against other processes. Where it cannot be written there is nothing to lock.
pub(super) fn lock(folder: &Path) -> Result<Option<File>, JournalError> {
    let file = std::fs::create_dir_all(folder).and_then(|()| File::create(folder.join("lock")));
    match file.map(|file| (file.try_lock(), file)) {
        Ok((Ok(()), file)) => Ok(Some(file)),
        Ok((Err(TryLockError::WouldBlock), _)) => Err(JournalError::InUse { folder: folder.to_owned() }),
        Ok((Err(TryLockError::Error(error)), _)) | Err(error) => {
            ::log::error!(
                "{} cannot be written ({error}); rows stay in memory until it can",
                folder.display()
            );
            Ok(None)
        }
    }
}

fn report(logs: &[&Health], foreign: usize) {
    for health in logs {
        for file in &health.unreadable {
            ::log::error!("the journal's {file}; its rows are missing until the file can be read");
        }
        if health.repaired > 0 {
            ::log::warn!("{} lines of the journal had a flipped bit, put right in memory", health.repaired);
        }
        if health.damaged > 0 {
            ::log::error!(
                "{} lines of the journal cannot be read; they are kept as they are, the card may be failing",
                health.damaged
            );
        }
    }
    if foreign > 0 {
        ::log::info!("{foreign} records of the journal are from a later version; they are kept for it");
    }
}
