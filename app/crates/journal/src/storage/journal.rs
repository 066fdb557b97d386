//! The three logs of the folder: appended to, and pruned.

use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};
use std::io;
use std::ops::RangeInclusive;
use std::path::PathBuf;

use time::OffsetDateTime;

use crate::storage::delivery::Delivery;
use crate::storage::ledger::Ledger;
use crate::storage::record::{Certainty, Record};
use crate::storage::visits::VisitRecord;

use crate::storage::log::{Log, Prune};

/// Version of the format that this program writes. It reads every version: see [`super::record`].
pub const VERSION: u32 = 1;

/// A file has a megabyte and at most one write more, and no row less than 60 bytes.
pub(super) const MOST_ROWS_IN_A_FILE: usize = 20_000;

pub(super) const ROWS: &str = "journal";

pub(super) const DELIVERIES: &str = "deliveries";

pub(super) const VISITS: &str = "visits";

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
        /// An error of the operating system.
        source: io::Error,
    },
}

/// The rows' log.
pub struct Journal {
    pub(super) log: Log,
    pub(super) next_id: u64,
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
    /// An error of the operating system; the call can be made again.
    pub fn append(&mut self, records: &[Record]) -> io::Result<()> {
        let payloads: Vec<String> = records.iter().map(Record::encode).collect();
        let first = records.iter().map(Record::id).filter(|id| *id > 0).min().unwrap_or(self.next_id);
        self.log.append(&payloads, &Record::Header { version: VERSION, next: first }.encode())
    }

    /// What the files say of a row that is not in memory any more; nothing when they do not have it. Reads
    /// all of them.
    ///
    /// # Errors
    /// An error of the operating system.
    pub(crate) fn records_of(&self, id: u64) -> io::Result<Vec<Record>> {
        Ok(records_of(&self.log, &BTreeSet::from([id]))?.remove(&id).unwrap_or_default())
    }

    /// Removes the files whose rows are all done and none of whose times lies within `kept`; the time of a
    /// row that was settled in a later file counts. Files with rows of a later version's making stay until
    /// those are done, too. A file that settles rows stays as long as the file that holds them.
    ///
    /// # Errors
    /// An error of the operating system.
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
    /// An error of the operating system.
    pub fn first_id(&self) -> io::Result<u64> {
        let first = self
            .log
            .find(|payload| Record::decode(payload).map(|record| record.id()).filter(|id| *id > 0))?;
        Ok(first.unwrap_or(self.next_id))
    }
}

/// The deliveries' log.
pub struct Deliveries {
    pub(super) log: Log,
}

impl Deliveries {
    /// Makes `deliveries` durable, all or none of them.
    ///
    /// # Errors
    /// An error of the operating system; the call can be made again.
    pub fn append(&mut self, deliveries: &[Delivery]) -> io::Result<()> {
        let payloads: Vec<String> = deliveries.iter().map(Delivery::encode).collect();
        self.log.append(&payloads, &format!("{DELIVERIES},{VERSION},0"))
    }

    /// Removes the files that speak only of rows before `first`.
    ///
    /// # Errors
    /// An error of the operating system.
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

/// The visits' log.
pub struct Visits {
    pub(super) log: Log,
}

impl Visits {
    /// Makes `records` durable, all or none of them.
    ///
    /// # Errors
    /// An error of the operating system; the call can be made again.
    pub fn append(&mut self, records: &[VisitRecord]) -> io::Result<()> {
        let payloads: Vec<String> = records.iter().map(VisitRecord::encode).collect();
        self.log.append(&payloads, &format!("{VISITS},{VERSION},0"))
    }

    /// Removes the files of which everything is older than `before`.
    ///
    /// # Errors
    /// An error of the operating system.
    pub fn prune(&mut self, before: OffsetDateTime) -> io::Result<usize> {
        self.log.prune(|lines| {
            let Some(lines) = lines else { return Prune::Keep };
            let old =
                |payload: &String| VisitRecord::decode(payload).is_none_or(|record| record.time() < before);
            if lines.payloads.iter().all(old) { Prune::Remove } else { Prune::Stop }
        })
    }
}

/// What a log says of these rows.
pub(super) fn records_of(log: &Log, ids: &BTreeSet<u64>) -> io::Result<BTreeMap<u64, Vec<Record>>> {
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
