//! The journal: what was recorded, and what became of it.
//!
//! # Promise
//! A row that was announced ([`Event::Recorded`](base::event::Event::Recorded)) is on the disk and stays
//! there until the webhook acknowledged it or a person dismissed it, through kills, power cuts, a full disk,
//! a torn or bit-flipped file, and a change to an older or newer version of this program.
//!
//! # How
//! Three append-only logs in one folder: `journal-*.log` ([`record`]) for the rows and their times,
//! `deliveries-*.log` ([`delivery`]) for the webhook's answers, and `visits-*.log` ([`visits`]) for who was
//! seen from when until when, as long as rows can follow from it. Each record is a line of text with a CRC
//! ([`mod@line`]), written and synced before anybody hears of it ([`log`]). Nothing is rewritten (but where a
//! student is erased, [`erasing`]): a time that becomes known later is a record of its own. [`Ledger`] holds
//! what the two logs say in memory.
//!
//! # Limits
//! A block of the card that is lost takes its lines with it; the number of lines that cannot be read is
//! shown. Delivered rows are pruned after the configured time, a file at a time.

pub mod delivery;
pub mod disk;
pub mod erasing;
mod ids;
mod ledger;
pub mod line;
pub mod log;
pub mod record;
pub mod visits;

use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};
use std::fs::{File, TryLockError};
use std::io;
use std::ops::RangeInclusive;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use time::{Date, OffsetDateTime};

pub use crate::storage::delivery::{Delivery, Fate};
pub use crate::storage::disk::{Disk, Folder};
pub(crate) use crate::storage::ledger::Standing;
pub use crate::storage::ledger::{Ledger, OpenOut, OpenRow, Progress, RowView, Storage, Summary, timestamp};
pub use crate::storage::record::{Certainty, Hand, Record, Row, Settled, Verdict};
pub use crate::storage::visits::VisitRecord;

use crate::day::SchoolDay;
use crate::storage::log::{Health, Log, Prune};
use base::moment::SiteZone;

/// Version of the format that this program writes. It reads every version: see [`record`].
pub const VERSION: u32 = 1;

/// A file has a megabyte and at most one write more, and no row less than 60 bytes.
const MOST_ROWS_IN_A_FILE: usize = 20_000;

const ROWS: &str = "journal";
const DELIVERIES: &str = "deliveries";
const VISITS: &str = "visits";

/// The journal cannot be opened.
#[derive(Debug, thiserror::Error)]
pub enum JournalError {
    /// Another process writes to it.
    #[error(
        "the journal in {} is in use by another process: the appliance is running; stop it first, or use its page",
        folder.display()
    )]
    InUse {
        /// Its folder.
        folder: PathBuf,
    },
    /// Its folder cannot be listed.
    #[error("cannot read the journal in {}: {source}; check the disk and the folder's owner", folder.display())]
    Unreadable {
        /// Its folder.
        folder: PathBuf,
        /// What the system says.
        source: io::Error,
    },
}

/// The rows' log.
pub struct Journal {
    log: Log,
    next_id: u64,
}

/// The deliveries' log.
pub struct Deliveries {
    log: Log,
}

/// The visits' log.
pub struct Visits {
    log: Log,
}

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
    /// Files with rows, or with what became of them, that cannot be read.
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
/// [`JournalError`]. Damage is no error: it is counted and logged.
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

/// What a log says of these rows.
fn records_of(log: &Log, ids: &BTreeSet<u64>) -> io::Result<BTreeMap<u64, Vec<Record>>> {
    let mut found: BTreeMap<u64, Vec<Record>> = BTreeMap::new();
    if !ids.is_empty() {
        log.visit(|payload| {
            if let Some(record) = Record::decode(payload).filter(|record| ids.contains(&record.id())) {
                found.entry(record.id()).or_default().push(record);
            }
        })?;
    }
    Ok(found)
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

impl Journal {
    /// A number for the next row.
    pub fn next_id(&mut self) -> u64 {
        let id = self.next_id;
        self.next_id += 1;
        id
    }

    /// Makes `records` durable, all or none of them.
    ///
    /// # Errors
    /// What the system says; the call can be made again.
    pub fn append(&mut self, records: &[Record]) -> io::Result<()> {
        let payloads: Vec<String> = records.iter().map(Record::encode).collect();
        let first = records.iter().map(Record::id).filter(|id| *id > 0).min().unwrap_or(self.next_id);
        self.log.append(&payloads, &Record::Header { version: VERSION, next: first }.encode())
    }

    /// What the files say of a row that is not in memory any more; nothing when they do not have it. Reads
    /// all of them.
    ///
    /// # Errors
    /// What the system says.
    pub(crate) fn records_of(&self, id: u64) -> io::Result<Vec<Record>> {
        Ok(records_of(&self.log, &BTreeSet::from([id]))?.remove(&id).unwrap_or_default())
    }

    /// Removes the files whose rows are all done and none of whose times lies within `kept`; the time of a
    /// row that was settled in a later file counts. Files with rows of a later version's making stay until
    /// those are done, too. A file that settles rows stays as long as the file that holds them.
    ///
    /// # Errors
    /// What the system says.
    pub fn prune(&mut self, ledger: &Ledger, kept: RangeInclusive<OffsetDateTime>) -> io::Result<usize> {
        let mut settled = HashMap::new();
        self.log.visit(|payload| {
            if let Some(Record::Settled(found)) = Record::decode(payload) {
                settled.insert(found.id, found.utc);
            }
        })?;
        // Rows in files that are kept, to which later records may belong; and whether a file could not be
        // read, which may have others.
        let (mut staying, mut unread) = (HashSet::new(), false);
        self.log.prune(|lines| {
            let Some(lines) = lines else {
                unread = true;
                return Prune::Keep;
            };
            let records: Vec<_> = lines.payloads.iter().map(|payload| Record::decode(payload)).collect();
            let known = || records.iter().flatten();
            let young = known().any(|record| match record {
                Record::Row(row) if row.clock == Certainty::Unknown => {
                    settled.get(&row.id).is_some_and(|utc| kept.contains(utc))
                }
                Record::Row(row) | Record::Added(row, _) => kept.contains(&row.at.utc),
                Record::Settled(settled) => kept.contains(&settled.utc),
                Record::Clock(at) => kept.contains(&at.utc),
                Record::Moved(_, utc) | Record::Late(_, utc) | Record::Withdrawn(_, utc, _) => {
                    kept.contains(utc)
                }
                Record::Changed { utc, hand, .. } => kept.contains(utc) || kept.contains(&hand.utc),
                Record::Voided(_, hand) | Record::Placed { hand, .. } => kept.contains(&hand.utc),
                // They stand beside the record that they belong to.
                Record::Instead { .. } | Record::Between(..) => false,
                Record::Header { .. } | Record::Foreign(_) | Record::Until(..) => false,
            });
            if young {
                return Prune::Stop;
            }
            let foreign: HashSet<u64> = known()
                .filter_map(|record| match record {
                    Record::Foreign(id) => Some(*id),
                    _ => None,
                })
                .collect();
            let done = records.iter().all(|record| {
                let Some(record) = record else { return false };
                let id = record.id();
                let needed = match record {
                    Record::Settled(_)
                    | Record::Until(..)
                    | Record::Moved(..)
                    | Record::Withdrawn(..)
                    | Record::Late(..)
                    | Record::Changed { .. }
                    | Record::Voided(..)
                    | Record::Instead { .. }
                    | Record::Between(..)
                    | Record::Placed { .. } => unread || staying.contains(&id),
                    // Its time stands in a file that cannot be read.
                    Record::Row(row) => row.clock == Certainty::Unknown && !settled.contains_key(&id),
                    _ => false,
                };
                !needed && ledger.is_done(id, !foreign.contains(&id))
            });
            if done {
                return Prune::Remove;
            }
            staying.extend(known().filter_map(|record| match record {
                Record::Row(row) | Record::Added(row, _) => Some(row.id),
                _ => None,
            }));
            Prune::Keep
        })
    }

    /// The first row number in the files, to know which deliveries are of no use any more.
    ///
    /// # Errors
    /// What the system says.
    pub fn first_id(&self) -> io::Result<u64> {
        let first = self
            .log
            .find(|payload| Record::decode(payload).map(|record| record.id()).filter(|id| *id > 0))?;
        Ok(first.unwrap_or(self.next_id))
    }
}

impl Deliveries {
    /// Makes `deliveries` durable, all or none of them.
    ///
    /// # Errors
    /// What the system says; the call can be made again.
    pub fn append(&mut self, deliveries: &[Delivery]) -> io::Result<()> {
        let payloads: Vec<String> = deliveries.iter().map(Delivery::encode).collect();
        self.log.append(&payloads, &format!("{DELIVERIES},{VERSION},0"))
    }

    /// Removes the files that speak only of rows before `first`.
    ///
    /// # Errors
    /// What the system says.
    pub fn prune(&mut self, first: u64) -> io::Result<usize> {
        self.log.prune(|lines| {
            let Some(lines) = lines else { return Prune::Keep };
            let gone = |payload: &String| !Delivery::stays(payload) && Delivery::id_of(payload) < first;
            if lines.payloads.iter().all(gone) {
                Prune::Remove
            } else if lines.payloads.iter().any(|payload| Delivery::stays(payload)) {
                Prune::Keep
            } else {
                Prune::Stop
            }
        })
    }
}

impl Visits {
    /// Makes `records` durable, all or none of them.
    ///
    /// # Errors
    /// What the system says; the call can be made again.
    pub fn append(&mut self, records: &[VisitRecord]) -> io::Result<()> {
        let payloads: Vec<String> = records.iter().map(VisitRecord::encode).collect();
        self.log.append(&payloads, &format!("{VISITS},{VERSION},0"))
    }

    /// Removes the files of which everything is older than `before`.
    ///
    /// # Errors
    /// What the system says.
    pub fn prune(&mut self, before: OffsetDateTime) -> io::Result<usize> {
        self.log.prune(|lines| {
            let Some(lines) = lines else { return Prune::Keep };
            let old =
                |payload: &String| VisitRecord::decode(payload).is_none_or(|record| record.time() < before);
            if lines.payloads.iter().all(old) { Prune::Remove } else { Prune::Stop }
        })
    }
}

/// Locks the folder against other processes. Where it cannot be written there is nothing to lock.
fn lock(folder: &Path) -> Result<Option<File>, JournalError> {
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

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use std::time::Duration;

    use time::macros::datetime;

    use super::disk::fake::FakeDisk;
    use super::*;
    use crate::row::{Stamp, Status};
    use base::identity::RollNumber;

    fn opened(disk: &Arc<FakeDisk>) -> Opened {
        open_on(Arc::clone(disk) as Arc<dyn Disk>, SiteZone::named("UTC").unwrap(), |_| {}).unwrap()
    }

    fn row(id: u64) -> Record {
        let utc = datetime!(2025-01-15 09:00:00 UTC);
        let at = Stamp { utc, since_boot: Duration::ZERO, boot: "b".into() };
        let roll = RollNumber::parse("7").unwrap();
        Record::Row(Row { id, roll, status: Status::In, at, clock: Certainty::Known })
    }

    /// Otherwise the deliveries of its rows would be pruned, and the rows sent again once it can be read.
    #[test]
    fn the_first_row_is_not_known_while_a_file_cannot_be_read() {
        let disk = Arc::new(FakeDisk::default());
        opened(&disk).journal.append(&[row(1)]).unwrap();
        // A damaged file gets no more rows, so the next one begins another.
        let first = "journal-00000001.log";
        disk.put(first, &[disk.files()[first].as_slice(), b"damage\n"].concat());
        let mut journal = opened(&disk).journal;
        journal.append(&[row(2)]).unwrap();
        assert_eq!(journal.first_id().unwrap(), 1);
        disk.make_unreadable(Some(first));
        assert!(journal.first_id().is_err());
        disk.make_unreadable(None);
        disk.remove(first).unwrap();
        assert_eq!(journal.first_id().unwrap(), 2);
    }

    #[test]
    fn deliveries_are_pruned_once_all_rows_of_their_file_are_gone() {
        let disk = Arc::new(FakeDisk::default());
        let mut deliveries = opened(&disk).deliveries;
        // Each of these fills a file.
        for ids in [1..=6000, 6001..=12_000, 12_001..=12_001] {
            let utc = datetime!(2025-01-15 09:00:00 UTC);
            let refused = |id| Delivery { id, utc, fate: Fate::Refused("x".repeat(200)) };
            deliveries.append(&ids.map(refused).collect::<Vec<_>>()).unwrap();
        }
        let files = || disk.files().into_keys().collect::<Vec<_>>();
        assert_eq!(files().len(), 3);
        assert_eq!(deliveries.prune(6000).unwrap(), 0);
        assert_eq!(deliveries.prune(6001).unwrap(), 1);
        assert_eq!(files(), ["deliveries-00000002.log", "deliveries-00000003.log"]);
        // The newest goes on, whatever is in it.
        assert_eq!(deliveries.prune(u64::MAX).unwrap(), 1);
        assert_eq!(files(), ["deliveries-00000003.log"]);
    }
}
