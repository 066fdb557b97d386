//! An append-only log in numbered files, `<name>-00000001.log` and so on.
//!
//! # What is promised
//! * What [`Log::append`] was called with is on the disk when it returns `Ok`, all of it, and is found by
//!   [`Log::open`] after a kill or a power cut at any time.
//! * After an error nothing is announced; the next append writes over whatever was left half done.
//! * Nothing that was once complete is ever written again, except to erase a student. Damage is skipped,
//!   counted and left where it is; a file with damage gets no more records.

use std::io;
use std::sync::Arc;

use super::disk::Disk;
use super::line;
use super::line::Lines;

/// Size from which a new file is begun: some 8000 rows. Small enough to be pruned in steps and read at once.
const SEGMENT_BYTES: u64 = 1024 * 1024;

/// The log, ready for more records.
pub struct Log {
    disk: Arc<dyn Disk>,
    name: &'static str,
    /// The newest file.
    number: u32,
    /// Where its next record belongs.
    at: u64,
    /// Whether the next record begins a new file.
    begin: bool,
}

/// How the files were found.
#[derive(Debug, Default, Clone, PartialEq, Eq)]
pub struct Health {
    /// Lines in which a flipped bit was put right.
    pub repaired: usize,
    /// Lines that cannot be read.
    pub damaged: usize,
    /// Files that cannot be read, with the reason.
    pub unreadable: Vec<String>,
}

/// What [`Log::prune`] does with a file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Prune {
    /// Removes it.
    Remove,
    /// Keeps it and looks at the next.
    Keep,
    /// Ends: this one and all later ones are kept.
    Stop,
}

impl Log {
    /// Reads all files of `name` in order, hands each payload to `each`, and stands ready at the end. Writes
    /// nothing.
    ///
    /// # Errors
    /// The folder cannot be listed. A file that cannot be read is not an error: see [`Health::unreadable`].
    pub fn open(
        disk: Arc<dyn Disk>,
        name: &'static str,
        mut each: impl FnMut(&str),
    ) -> io::Result<(Self, Health)> {
        let mut health = Health::default();
        let mut log = Self { disk, name, number: 0, at: 0, begin: true };
        for number in log.numbers()? {
            log.number = number;
            log.begin = true;
            let file = file_name(name, number);
            let lines = match log.disk.read(&file) {
                Ok(bytes) => line::decode(&bytes),
                Err(error) => {
                    health.unreadable.push(format!("{file}: {error}"));
                    continue;
                }
            };
            lines.payloads.iter().for_each(|payload| each(payload));
            health.repaired += lines.repaired;
            health.damaged += lines.damaged;
            let clean = lines.repaired == 0 && lines.damaged == 0 && !lines.unended && lines.end > 0;
            log.begin = !clean;
            log.at = lines.end as u64;
        }
        Ok((log, health))
    }

    /// Makes `payloads` durable, all in one write. `header` is the first line of a new file, should one be
    /// begun.
    ///
    /// # Errors
    /// An error of the operating system. Nothing is announced then, and the same call can be made again.
    pub fn append(&mut self, payloads: &[String], header: &str) -> io::Result<()> {
        match self.try_append(payloads, header) {
            // Somebody removed or cut the file: what they took is gone, what comes now goes to a new one.
            Err(error)
                if !self.begin
                    && matches!(error.kind(), io::ErrorKind::UnexpectedEof | io::ErrorKind::NotFound) =>
            {
                log::error!("{} was changed by somebody else", file_name(self.name, self.number));
                self.begin = true;
                self.try_append(payloads, header)
            }
            result => result,
        }
    }

    /// Shows the payloads of each file but the newest, oldest first, to `judge`, and does as it says. `judge`
    /// is shown nothing of a file that cannot be read; such a file is kept.
    ///
    /// # Errors
    /// An error of the operating system about listing or removing.
    pub fn prune(&mut self, mut judge: impl FnMut(Option<&Lines>) -> Prune) -> io::Result<usize> {
        let mut removed = 0;
        for number in self.numbers()?.into_iter().filter(|number| *number < self.number) {
            let file = file_name(self.name, number);
            let lines = self.disk.read(&file).ok().map(|bytes| line::decode(&bytes));
            match judge(lines.as_ref()) {
                Prune::Remove if lines.is_none() => {}
                Prune::Remove => {
                    self.disk.remove(&file)?;
                    removed += 1;
                }
                Prune::Keep => {}
                Prune::Stop => break,
            }
        }
        Ok(removed)
    }

    /// Shows every payload of the files that can be read to `each`, oldest first.
    ///
    /// # Errors
    /// The folder cannot be listed.
    pub fn visit(&self, mut each: impl FnMut(&str)) -> io::Result<()> {
        for number in self.numbers()? {
            let Ok(bytes) = self.disk.read(&file_name(self.name, number)) else { continue };
            line::decode(&bytes).payloads.iter().for_each(|payload| each(payload));
        }
        Ok(())
    }

    /// The first answer that `find` gives to a payload, oldest first.
    ///
    /// # Errors
    /// The folder cannot be listed, or a file before the answer cannot be read: it may hold an earlier one.
    pub fn find<T>(&self, find: impl Fn(&str) -> Option<T>) -> io::Result<Option<T>> {
        for number in self.numbers()? {
            let bytes = self.disk.read(&file_name(self.name, number))?;
            if let Some(found) = line::decode(&bytes).payloads.iter().find_map(|payload| find(payload)) {
                return Ok(Some(found));
            }
        }
        Ok(None)
    }

    fn try_append(&mut self, payloads: &[String], header: &str) -> io::Result<()> {
        let begin = self.begin || self.at >= SEGMENT_BYTES;
        let (number, at) = if begin { (self.number + 1, 0) } else { (self.number, self.at) };
        let mut bytes = Vec::new();
        if begin {
            line::encode(header, &mut bytes);
        }
        for payload in payloads {
            line::encode(payload, &mut bytes);
        }
        self.disk.append(&file_name(self.name, number), at, &bytes)?;
        (self.number, self.at, self.begin) = (number, at + bytes.len() as u64, false);
        Ok(())
    }

    fn numbers(&self) -> io::Result<Vec<u32>> {
        Ok(files(self.disk.as_ref(), self.name)?.into_iter().map(|(number, _)| number).collect())
    }
}

/// The files of the log `name` on `disk`, in order.
pub(super) fn files(disk: &dyn Disk, name: &str) -> io::Result<Vec<(u32, String)>> {
    let numbered = |file: String| number(name, &file).map(|number| (number, file));
    let mut files: Vec<(u32, String)> = disk.names()?.into_iter().filter_map(numbered).collect();
    files.sort_unstable();
    Ok(files)
}

fn file_name(name: &str, number: u32) -> String {
    format!("{name}-{number:08}.log")
}

fn number(name: &str, file: &str) -> Option<u32> {
    let number = file.strip_prefix(name)?.strip_prefix('-')?.strip_suffix(".log")?.parse().ok()?;
    (file_name(name, number) == file).then_some(number)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use crate::storage::disk::fake::FakeDisk;

    fn open(disk: &Arc<FakeDisk>) -> (Log, Health, Vec<String>) {
        let mut payloads = Vec::new();
        let (log, health) =
            Log::open(Arc::clone(disk) as Arc<dyn Disk>, "test", |payload| payloads.push(payload.to_owned()))
                .unwrap();
        (log, health, payloads)
    }

    fn texts(range: std::ops::Range<usize>) -> Vec<String> {
        range.map(|n| format!("record,{n}")).collect()
    }

    /// Cuts the log at every byte, as a power cut does, opens it, appends, and opens it again.
    #[test]
    fn a_power_cut_at_every_byte_loses_only_what_was_not_announced() {
        let disk = Arc::new(FakeDisk::default());
        let (mut log, ..) = open(&disk);
        for n in 0..5 {
            log.append(&texts(n..n + 1), "head,1").unwrap();
        }
        let bytes = disk.files()["test-00000001.log"].clone();
        for length in 0..=bytes.len() {
            let disk = Arc::new(FakeDisk::default());
            disk.put("test-00000001.log", &bytes[..length]);
            let (mut log, health, before) = open(&disk);
            assert_eq!((health.damaged, health.repaired), (0, 0));
            let whole = bytes[..length].iter().filter(|b| **b == b'\n').count();
            assert!(before.len() == whole || before.len() == whole + 1);
            log.append(&texts(90..92), "head,1").unwrap();
            let (_, health, after) = open(&disk);
            assert_eq!(health, Health::default());
            let mut expected = before.clone();
            if after.len() > before.len() + 2 {
                expected.push("head,1".to_owned());
            }
            expected.extend(texts(90..92));
            assert_eq!(after, expected, "cut after {length} bytes");
        }
    }

    /// Fills the disk after every number of bytes, frees it, and tries again.
    #[test]
    fn a_full_disk_at_every_byte_loses_nothing_that_is_tried_again() {
        let complete = {
            let disk = Arc::new(FakeDisk::default());
            let (mut log, ..) = open(&disk);
            log.append(&texts(0..2), "head,1").unwrap();
            log.append(&texts(2..4), "head,1").unwrap();
            disk.files()["test-00000001.log"].len()
        };
        for room in 0..complete {
            let disk = Arc::new(FakeDisk::default());
            let (mut log, ..) = open(&disk);
            disk.limit(Some(room));
            let mut announced = 0;
            for batch in [texts(0..2), texts(2..4)] {
                if log.append(&batch, "head,1").is_err() {
                    // A power cut here shows at least what was announced.
                    let found = open(&Arc::new(FakeDisk::with(disk.files()))).2;
                    assert!(found.len() >= announced, "room for {room} bytes");
                    disk.limit(None);
                    log.append(&batch, "head,1").unwrap();
                }
                announced += 2;
            }
            let mut expected = vec!["head,1".to_owned()];
            expected.extend(texts(0..4));
            let (_, health, found) = open(&disk);
            assert_eq!((found, health), (expected, Health::default()), "room for {room} bytes");
        }
    }

    #[test]
    fn files_are_bounded_and_pruned_from_the_front() {
        let disk = Arc::new(FakeDisk::default());
        let (mut log, ..) = open(&disk);
        let batch: Vec<String> = (0..3000).map(|n| format!("record,{n},{}", "x".repeat(80))).collect();
        for _ in 0..12 {
            log.append(&batch, "head,1").unwrap();
        }
        let files = disk.files();
        assert!(files.len() >= 3, "{} files", files.len());
        assert!(files.values().all(|file| file.len() as u64 <= SEGMENT_BYTES + 400_000));
        assert_eq!(open(&disk).2.iter().filter(|payload| payload.starts_with("record")).count(), 36_000);
        let mut seen = 0;
        let removed = log
            .prune(|lines| {
                assert_eq!(lines.unwrap().payloads[0], "head,1");
                seen += 1;
                if seen == 1 { Prune::Remove } else { Prune::Stop }
            })
            .unwrap();
        assert_eq!(removed, 1);
        assert!(!disk.files().contains_key("test-00000001.log"));
        log.append(&texts(0..1), "head,1").unwrap();
    }

    #[test]
    fn a_damaged_or_unreadable_file_is_left_alone_and_the_log_goes_on() {
        let disk = Arc::new(FakeDisk::default());
        let (mut log, ..) = open(&disk);
        log.append(&texts(0..3), "head,1").unwrap();
        let mut bytes = disk.files()["test-00000001.log"].clone();
        let at = bytes.iter().position(|b| *b == b'\n').unwrap();
        bytes[at + 3..at + 6].copy_from_slice(b"!!!");
        disk.put("test-00000001.log", &bytes);
        let (mut log, health, found) = open(&disk);
        assert_eq!((health.damaged, found.len()), (1, 3));
        log.append(&texts(7..8), "head,1").unwrap();
        assert_eq!(disk.files()["test-00000001.log"], bytes, "damage is evidence");
        assert_eq!(open(&disk).2.last().unwrap(), "record,7");
    }

    #[test]
    fn a_file_removed_under_a_running_log_does_not_stop_it() {
        let disk = Arc::new(FakeDisk::default());
        let (mut log, ..) = open(&disk);
        log.append(&texts(0..3), "head,1").unwrap();
        disk.remove("test-00000001.log").unwrap();
        log.append(&texts(3..4), "head,1").unwrap();
        assert_eq!(open(&disk).2, ["head,1", "record,3"]);
    }
}
