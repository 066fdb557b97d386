//! The journal: what was recorded, and whether it was delivered.
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
//! ([`mod@line`]), written and synced before anybody hears of it ([`log`]). Nothing is rewritten, except to
//! erase a student ([`erasing`]): a time that becomes known later is a record of its own. [`Ledger`] holds
//! what the two logs say in memory.
//!
//! # Limits
//! If a block of the card is lost, its lines are lost; the number of lines that cannot be read is shown.
//! Delivered rows are pruned after the configured time, a file at a time.

pub mod delivery;
pub mod disk;
pub mod erasing;
mod ids;
mod journal;
mod ledger;
pub mod line;
pub mod log;
mod opening;
pub mod record;
pub mod visits;

pub use crate::storage::delivery::{Delivery, Fate};
pub use crate::storage::disk::{Disk, Folder};
pub use crate::storage::journal::{Deliveries, Journal, JournalError, VERSION, Visits};
pub(crate) use crate::storage::ledger::Standing;
pub use crate::storage::ledger::{Ledger, OpenOut, OpenRow, Progress, RowView, Storage, Summary, timestamp};
#[cfg(test)]
pub(crate) use crate::storage::opening::read_into;
pub use crate::storage::opening::{Opened, ledger_of, ledger_of_days, open, open_into, open_on, rows_on};
pub use crate::storage::record::{Certainty, Hand, Record, Row, Settled, Verdict};
pub use crate::storage::visits::VisitRecord;

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use std::sync::Arc;
    use std::time::Duration;

    use time::macros::datetime;

    use super::disk::fake::FakeDisk;
    use super::*;
    use crate::row::{Stamp, Status};
    use base::identity::RollNumber;
    use base::moment::SiteZone;

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
