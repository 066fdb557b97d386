//! What this door knows of the school: the books of the open days, who is believed, and which student stands
//! behind which hash. Pure: it is told the time, and has no clock, thread or socket.

mod exchanged;
mod receiving;

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::Arc;
use std::time::Duration;

use base::identity::RollNumber;
use time::Date;

use self::exchanged::LastRefused;
pub use self::exchanged::{Counters, Elsewhere, Own, Passed, Received};
use crate::book::{Account, Book, Delivered, Device, Direction, Entry, Student, Visit, Void, first_and_last};
use crate::erasure::Told;
use crate::judge::{Judge, Window};
use crate::keys::Keys;
use crate::message::{self, Beacon, Seen};
use crate::topics::Topics;

/// What this door knows of the school.
#[derive(Debug)]
pub struct School {
    us: Device,
    door: Arc<str>,
    direction: Direction,
    keys: Keys,
    topics: Topics,
    judge: Judge,
    windows: Vec<Window>,
    books: BTreeMap<Date, Book>,
    rolls: HashMap<Student, RollNumber>,
    /// Entries of this device at the broker that are later than those of the disk.
    floor: u64,
    counters: Counters,
    last_refused: LastRefused,
}

impl School {
    /// A school whose doors share these keys, as seen by this device.
    pub fn new(us: Device, door: &str, direction: Direction, keys: Keys, topics: Topics) -> Self {
        let door = message::shortened(door);
        Self {
            us,
            judge: Judge::new(us, Arc::clone(&door)),
            door,
            direction,
            keys,
            topics,
            windows: Vec::new(),
            books: BTreeMap::new(),
            rolls: HashMap::new(),
            floor: 0,
            counters: Counters::default(),
            last_refused: LastRefused::default(),
        }
    }

    /// The days whose books are open. Older books are forgotten. Gives whether something changed.
    pub fn open(&mut self, windows: &[Window]) -> bool {
        if self.windows == windows {
            return false;
        }
        self.windows = windows.to_vec();
        self.judge.open(windows.to_vec());
        self.books.retain(|day, _| windows.iter().any(|window| window.day == *day));
        true
    }

    /// The open days.
    pub fn windows(&self) -> &[Window] {
        &self.windows
    }

    /// Who can stand behind a hash.
    pub fn enrol(&mut self, rolls: impl IntoIterator<Item = RollNumber>) {
        self.rolls = rolls.into_iter().map(|roll| (self.keys.student(&roll), roll)).collect();
    }

    /// Whether another device has declared void what this door has seen of a student.
    pub fn is_voided(&self, day: Date, student: Student) -> bool {
        let entries = self.books.get(&day).into_iter().flat_map(|book| book.of(student));
        let mut voids = entries.filter(|(device, _)| *device != self.us).flat_map(|(_, entry)| &entry.voids);
        voids.any(|void| void.door == self.door)
    }

    /// Takes in what this door itself knows. Gives what has to be published; none where nothing changed.
    /// `next` is asked for a new sequence only where something did.
    pub fn own(
        &mut self,
        day: Date,
        roll: &RollNumber,
        own: Own,
        now: i64,
        next: impl FnOnce() -> u64,
    ) -> Option<(String, Vec<u8>)> {
        let key = (self.keys.student(roll), self.us);
        let book = self.books.entry(day).or_default();
        let held = book.entry(&key);
        let sequence = held.map_or(0, |entry| entry.sequence);
        let mut entry = Entry {
            sequence,
            door: Arc::clone(&self.door),
            direction: self.direction,
            visits: own.visits,
            voids: own.voids,
            newest: own.newest,
            delivered: own.delivered,
            fixed: own.fixed,
        };
        entry.fixed.sort();
        entry.fixed.truncate(crate::book::MOST_FIXED);
        entry.voids.sort();
        entry.voids.truncate(crate::book::MOST_VOIDS);
        // A visit that was declared void anywhere does not stand in the way of the ones before and after it.
        let voids: BTreeSet<Void> = book.of(key.0).flat_map(|(_, entry)| entry.voids.clone()).collect();
        let voided =
            |visit: &Visit| voids.iter().chain(&entry.voids).any(|void| void.covers(&entry.door, *visit));
        entry.visits = first_and_last(entry.visits.iter().filter(|visit| !voided(visit)).copied().collect());
        let is_empty = entry.visits.is_empty() && entry.voids.is_empty() && entry.fixed.is_empty();
        if held.is_none() && is_empty && entry.newest.is_none() && entry.delivered == Delivered::default() {
            return None;
        }
        if held == Some(&entry) && sequence > self.floor {
            return None;
        }
        entry.sequence = next().max(sequence + 1).max(self.floor + 1);
        book.take(key, entry);
        self.message(day, key.0, now)
    }

    /// This device's own entry about a student, as it is published: topic and message.
    pub fn message(&self, day: Date, student: Student, now: i64) -> Option<(String, Vec<u8>)> {
        let entry = self.books.get(&day)?.entry(&(student, self.us))?.clone();
        let seen = Seen { day, device: self.us, student, sent_at: now, entry };
        Some((self.topics.book(day, self.us, student), message::encode(&seen, &self.keys)))
    }

    /// The students for whom this device has an entry on a day.
    pub fn own_students(&self, day: Date) -> Vec<Student> {
        let entries = self.books.get(&day).into_iter().flat_map(Book::entries);
        entries.filter(|((_, device), _)| *device == self.us).map(|((student, _), _)| *student).collect()
    }

    /// What tells of an erasure: topic and message.
    pub fn erasure(&self, told: &Told) -> (String, Vec<u8>) {
        (self.topics.erasure(told), message::encode_erasure(told, &self.keys))
    }

    /// A beacon of this device: topic and message.
    pub fn beacon(&self, sequence: u64, now: i64, version: &str) -> (String, Vec<u8>) {
        let beacon = Beacon {
            device: self.us,
            door: Arc::clone(&self.door),
            sequence,
            sent_at: now,
            version: message::shortened(version),
        };
        (self.topics.beacon(self.us), message::encode_beacon(&beacon, &self.keys))
    }

    /// What all doors know of a student whose roll number is known.
    pub fn elsewhere(&self, day: Date, student: Student) -> Option<Elsewhere> {
        let roll = self.rolls.get(&student)?.clone();
        let book = self.books.get(&day)?;
        let others = book.visits(student).into_iter().filter(|(_, device, _)| *device != self.us);
        let visits = others
            .map(|(visit, _, entry)| {
                let (door, direction) = (Arc::clone(&entry.door), entry.direction);
                Passed { visit, door, direction }
            })
            .collect();
        let entries = || book.of(student).filter(|(device, _)| *device != self.us).map(|(_, entry)| entry);
        Some(Elsewhere {
            roll,
            account: book.account(student),
            visits,
            voids: entries().flat_map(|entry| entry.voids.clone()).collect(),
            fixed: entries().map(|entry| (Arc::clone(&entry.door), entry.fixed.clone())).collect(),
        })
    }

    /// A student's day, derived from all doors.
    pub fn account(&self, day: Date, roll: &RollNumber) -> Account {
        self.books.get(&day).map(|book| book.account(self.student(roll))).unwrap_or_default()
    }

    /// Whether this door delivers the student's OUT at the close of the day: it had the last sighting, or the
    /// door that had it was not heard for `grace`. A program that has run for less than `grace` does not take
    /// another door's place: it cannot know yet which doors are gone.
    pub fn delivers_departure(
        &self,
        day: Date,
        roll: &RollNumber,
        now: i64,
        grace: Duration,
        runs_for: Duration,
    ) -> bool {
        let student = self.student(roll);
        let Some(book) = self.books.get(&day) else { return false };
        let here = if runs_for < grace {
            book.of(student).map(|(device, _)| device).collect()
        } else {
            self.judge.here(now, i64::try_from(grace.as_secs()).unwrap_or(i64::MAX))
        };
        book.delivers_departure(student, &here) == Some(self.us)
    }

    /// The names of the doors that have seen somebody on an open day and were not heard for `grace`: others
    /// deliver in their place. This program must have run for `grace` itself to say so.
    pub fn silent(&self, now: i64, grace: Duration, runs_for: Duration) -> BTreeSet<Arc<str>> {
        if runs_for < grace {
            return BTreeSet::new();
        }
        let within = i64::try_from(grace.as_secs()).unwrap_or(i64::MAX);
        let entries = self.books.values().flat_map(Book::entries);
        let (mut heard, mut silent) = (BTreeSet::new(), BTreeSet::new());
        for ((_, device), entry) in entries.filter(|((_, device), _)| *device != self.us) {
            let here = self.judge.heard(*device, now, within);
            if here { &mut heard } else { &mut silent }.insert(Arc::clone(&entry.door));
        }
        &silent - &heard
    }

    /// The book of a day.
    pub fn book(&self, day: Date) -> Option<&Book> {
        self.books.get(&day)
    }

    /// The judge: other doors, and what is not believed.
    pub fn judge(&self) -> &Judge {
        &self.judge
    }

    /// Messages since the start.
    pub fn counters(&self) -> Counters {
        self.counters
    }
}

#[cfg(test)]
#[path = "school_tests.rs"]
mod tests;
