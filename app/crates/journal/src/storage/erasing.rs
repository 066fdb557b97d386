//! One student's records are taken out of the logs and of the days' files: the only time that what was
//! complete is written again.
//!
//! A file is replaced whole and at once, so a power cut leaves the file before or the file after. What was
//! done before the cut stays done, and the next call does the rest. The rewritten logs hold known kinds of
//! records only: an earlier version of the program reads them.

use std::collections::BTreeSet;
use std::fs::File;
use std::io;
use std::path::Path;
use std::sync::Arc;

use base::erasure::Erased;

use super::delivery::Delivery;
use super::disk::{Disk, Folder};
use super::journal::{DELIVERIES, JournalError, ROWS, VERSION, VISITS};
use super::line;
use super::log::files;
use super::opening::lock;
use super::record::Record;

/// Fields before the words that persons and servers wrote, by the kind of the record.
const WORDS: [(&str, usize); 8] = [
    ("withdrawn", 3),
    ("added", 6),
    ("changed", 5),
    ("voided", 3),
    ("placed", 5),
    ("void", 7),
    ("refused", 3),
    ("conflict", 3),
];

/// Keeps other processes out of a journal while students are erased from it.
pub struct Hold(Option<File>);

/// Holds the journal below `data_dir`, which nobody has open.
///
/// # Errors
/// Another process has it.
pub fn hold(data_dir: &Path) -> Result<Hold, JournalError> {
    lock(&data_dir.join("journal")).map(Hold)
}

impl Hold {
    /// Erases students from the journal and the days' files below `data_dir`. Gives the number of records
    /// that are gone. To be called again after an error.
    ///
    /// # Errors
    /// An error of the operating system. What was done until then stays done.
    pub fn erase(&self, data_dir: &Path, erased: &Erased) -> io::Result<usize> {
        // Whether or not the folder could be locked: what cannot be written says so.
        let _held = &self.0;
        let journal: Arc<dyn Disk> = Arc::new(Folder::new(data_dir.join("journal")));
        let days: Arc<dyn Disk> = Arc::new(Folder::new(data_dir.join("attendance")));
        Ok(erase_on(journal.as_ref(), erased)? + erase_days(days.as_ref(), erased)?)
    }
}

/// Erases students from the logs on `disk`.
///
/// # Errors
/// An error of the operating system; the call can be made again.
pub fn erase_on(disk: &dyn Disk, erased: &Erased) -> io::Result<usize> {
    let mut gone = 0;
    // The answers first, then the rows: the rows say which answers are about the student.
    let ids = rows_of(disk, erased)?;
    gone += rewrite(disk, DELIVERIES, None, |payload| {
        if !Delivery::stays(payload) && ids.contains(&Delivery::id_of(payload)) {
            None
        } else {
            Some(plain(payload, erased))
        }
    })?;
    gone += rewrite(disk, VISITS, None, |payload| {
        // In every record of a student, also of a later version, the roll number is the third field.
        let gone = payload.split(',').nth(2).is_some_and(|field| erased.is(field));
        (!gone).then(|| plain(payload, erased))
    })?;
    // A number is never given to a second row.
    let header = |next| Record::Header { version: VERSION, next }.encode();
    gone += rewrite(disk, ROWS, Some(&header), |payload| {
        let id = Record::decode(payload).map_or(0, |record| record.id());
        if id > 0 && ids.contains(&id) { None } else { Some(plain(payload, erased)) }
    })?;
    Ok(gone)
}

/// Erases students from the days' CSV files on `disk`.
fn erase_days(disk: &dyn Disk, erased: &Erased) -> io::Result<usize> {
    let mut gone = 0;
    for name in disk.names()?.into_iter().filter(|name| name.ends_with(".csv")) {
        let bytes = disk.read(&name)?;
        let is_left = |line: &&[u8]| {
            let first = line.split(|byte| *byte == b',').next().unwrap_or_default();
            !std::str::from_utf8(first).is_ok_and(|text| erased.is(text.trim_matches('"')))
        };
        let left: Vec<&[u8]> = bytes.split_inclusive(|byte| *byte == b'\n').filter(is_left).collect();
        let content = left.concat();
        if content.len() < bytes.len() {
            gone += bytes.split_inclusive(|byte| *byte == b'\n').count() - left.len();
            disk.replace(&name, &content)?;
        }
    }
    Ok(gone)
}

/// The numbers of the students' rows.
fn rows_of(disk: &dyn Disk, erased: &Erased) -> io::Result<BTreeSet<u64>> {
    let mut ids = BTreeSet::new();
    for (_, file) in files(disk, ROWS)? {
        let lines = line::decode(&disk.read(&file)?);
        ids.extend(lines.payloads.iter().filter_map(|payload| match Record::decode(payload)? {
            Record::Row(row) | Record::Added(row, _) => erased.holds(&row.roll).then_some(row.id),
            Record::Foreign(id) => is_of(payload, erased).then_some(id).filter(|id| *id > 0),
            _ => None,
        }));
    }
    Ok(ids)
}

/// Whether a record of a later version is a row of an erased student: as in every row, the roll number and IN
/// or OUT follow the number.
fn is_of(payload: &str, erased: &Erased) -> bool {
    let fields: Vec<&str> = payload.split(',').skip(2).take(2).collect();
    matches!(fields[..], [roll, "IN" | "OUT"] if erased.is(roll))
}

/// The record, without the students' roll numbers among words that persons or servers wrote.
fn plain(payload: &str, erased: &Erased) -> String {
    let kind = payload.split(',').next().unwrap_or_default();
    let Some((_, before)) = WORDS.iter().find(|(named, _)| *named == kind) else { return payload.to_owned() };
    let fields = payload.split(',').enumerate();
    let fields: Vec<String> = fields
        .map(|(at, field)| if at >= *before { erased.without(field) } else { field.to_owned() })
        .collect();
    fields.join(",")
}

/// Replaces each file of the log `name` in which something is to go. What cannot be read of a file that is
/// rewritten goes, too: it may name the student. `header` stands at the end of a file from which rows went.
fn rewrite(
    disk: &dyn Disk,
    name: &str,
    header: Option<&dyn Fn(u64) -> String>,
    keep: impl Fn(&str) -> Option<String>,
) -> io::Result<usize> {
    let mut gone = 0;
    for (_, file) in files(disk, name)? {
        let bytes = disk.read(&file)?;
        let lines = line::decode(&bytes);
        let kept: Vec<Option<String>> = lines.payloads.iter().map(|payload| keep(payload)).collect();
        let same = kept.iter().zip(&lines.payloads).all(|(kept, payload)| kept.as_ref() == Some(payload));
        // A torn end is not a record, and may name somebody.
        let torn = lines.end < bytes.len() && !lines.unended;
        if same && lines.damaged == 0 && !torn {
            continue;
        }
        let mut content = Vec::with_capacity(bytes.len());
        kept.iter().flatten().for_each(|payload| line::encode(payload, &mut content));
        let lost = kept.iter().filter(|kept| kept.is_none()).count() + lines.damaged;
        if let Some(header) = header.filter(|_| lost > 0) {
            let given = lines.payloads.iter().filter_map(|payload| match Record::decode(payload)? {
                Record::Header { next, .. } => Some(next.saturating_sub(1)),
                record => Some(record.id()),
            });
            let next = given.max().unwrap_or(0).saturating_add(1 + lines.damaged as u64);
            line::encode(&header(next), &mut content);
        }
        disk.replace(&file, &content)?;
        gone += lost;
    }
    Ok(gone)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use std::collections::BTreeMap;
    use std::time::Duration;

    use time::macros::datetime;

    use super::*;
    use crate::row::{Stamp, Status};
    use crate::storage::disk::fake::FakeDisk;
    use crate::storage::record::Hand;
    use crate::storage::{Certainty, Fate, Opened, Row, VisitRecord, open_on};
    use base::identity::RollNumber;
    use base::moment::SiteZone;

    const GONE: &str = "2110001";
    const STAYS: &str = "2110002";

    fn erased() -> Erased {
        Erased::new(|roll| roll.as_str() == GONE)
    }

    fn opened(disk: &Arc<FakeDisk>) -> Opened {
        open_on(Arc::clone(disk) as Arc<dyn Disk>, SiteZone::named("UTC").unwrap(), |_| {}).unwrap()
    }

    fn at(minute: i64) -> Stamp {
        let utc = datetime!(2025-01-15 09:00:00 UTC) + time::Duration::minutes(minute);
        Stamp { utc, since_boot: Duration::from_secs(60), boot: "b".into() }
    }

    fn row(id: u64, roll: &str) -> Row {
        let roll = RollNumber::parse(roll).unwrap();
        Row { id, roll, status: Status::In, at: at(id as i64), clock: Certainty::Known }
    }

    fn visit(roll: &str) -> VisitRecord {
        let student = RollNumber::parse(roll).unwrap();
        VisitRecord::Here { student, first: at(0).utc, last: at(1), estimated: false, ended: true }
    }

    /// Rows, corrections, answers and visits of two students.
    fn filled() -> Arc<FakeDisk> {
        let disk = Arc::new(FakeDisk::default());
        let mut opened = opened(&disk);
        let by = || Hand::new(at(9).utc, "office", "2110001 took the card of 2110002");
        for record in [
            Record::Row(row(1, STAYS)),
            Record::Row(row(2, GONE)),
            Record::Moved(2, at(5).utc),
            Record::Added(row(3, GONE), by()),
            Record::Voided(1, by()),
            Record::Row(row(4, STAYS)),
            Record::Row(row(5, GONE)),
        ] {
            opened.journal.append(&[record]).unwrap();
        }
        let delivery = |id, fate| Delivery { id, utc: at(9).utc, fate };
        let answers = [
            delivery(2, Fate::Created),
            delivery(4, Fate::Refused("after 2110001: not known".to_owned())),
            delivery(3, Fate::Refused("Student 2110001 is not known".to_owned())),
        ];
        opened.deliveries.append(&answers).unwrap();
        opened.visits.append(&[visit(GONE), visit(STAYS)]).unwrap();
        disk
    }

    fn names_nobody(files: &BTreeMap<String, Vec<u8>>) {
        for (file, bytes) in files {
            assert!(!String::from_utf8_lossy(bytes).contains(GONE), "{file}");
        }
    }

    #[test]
    fn the_student_is_gone_from_every_log_and_everybody_else_stays() {
        let disk = filled();
        erase_on(disk.as_ref(), &erased()).unwrap();
        names_nobody(&disk.files());
        let mut opened = opened(&disk);
        assert_eq!(opened.ledger.summary().storage.damaged_lines, 0);
        let left = opened.ledger.row(4).unwrap();
        assert_eq!(left.roll.as_str(), STAYS);
        assert!(opened.ledger.is_with_a_person(4), "what the backend said of it stays");
        assert_eq!(opened.visited, [visit(STAYS)]);
        assert_eq!(opened.journal.next_id(), 6, "no number is given twice");
        let before = disk.files();
        assert_eq!(erase_on(disk.as_ref(), &erased()).unwrap(), 0);
        assert_eq!(disk.files(), before, "a second time changes nothing");
    }

    /// The disk takes so many bytes and then none, as when the power goes there: files are replaced whole.
    #[test]
    fn a_power_cut_at_every_byte_loses_nobody_else_and_the_next_start_finishes() {
        let complete: usize = filled().files().values().map(Vec::len).sum();
        for room in 0..complete {
            let disk = filled();
            disk.limit(Some(room));
            let cut = erase_on(disk.as_ref(), &erased());
            let disk = Arc::new(FakeDisk::with(disk.files()));
            let left = opened(&disk);
            assert!(left.ledger.row(4).is_some(), "{room}");
            assert!(left.visited.contains(&visit(STAYS)), "{room}");
            assert_eq!(left.ledger.summary().storage.damaged_lines, 0, "{room}");
            if cut.is_err() {
                erase_on(disk.as_ref(), &erased()).unwrap();
            }
            names_nobody(&disk.files());
            assert_eq!(opened(&disk).journal.next_id(), 6, "{room}");
        }
    }

    #[test]
    fn a_torn_end_and_a_damaged_line_name_nobody_afterwards() {
        let disk = filled();
        let mut bytes = disk.files()["journal-00000001.log"].clone();
        bytes.extend_from_slice(b"00000000,row,9,2110001,damaged beyond repair\nrow,10,2110001");
        disk.put("journal-00000001.log", &bytes);
        erase_on(disk.as_ref(), &erased()).unwrap();
        names_nobody(&disk.files());
        assert!(opened(&disk).journal.next_id() > 6, "what could not be read may have been a row");
    }

    #[test]
    fn of_a_later_version_only_a_students_rows_go() {
        let disk = Arc::new(FakeDisk::default());
        let mut bytes = Vec::new();
        for payload in ["journal,1,1", "stayed,1,2110001,IN,x", "instead,2,2110001", "row-of,3,2110002,IN"] {
            line::encode(payload, &mut bytes);
        }
        disk.put("journal-00000001.log", &bytes);
        erase_on(disk.as_ref(), &erased()).unwrap();
        let left = line::decode(&disk.files()["journal-00000001.log"]).payloads;
        assert_eq!(left, ["journal,1,1", "instead,2,2110001", "row-of,3,2110002,IN", "journal,1,4"]);
    }

    #[test]
    fn the_lines_of_the_days_files_go() {
        let days = FakeDisk::default();
        days.put("attendance_2025-01-15.csv", b"name,status,timestamp\n2110001,IN,x\n2110002,IN,y\n");
        assert_eq!(erase_days(&days, &erased()).unwrap(), 1);
        let left = days.files()["attendance_2025-01-15.csv"].clone();
        assert_eq!(left, b"name,status,timestamp\n2110002,IN,y\n");
    }
}
