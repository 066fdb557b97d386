//! What this door knows of the school: the books of the open days, who is believed, and which student stands
//! behind which hash. Pure: it is told the time, and does nothing by itself.

use std::cmp::Ordering;
use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::Arc;
use std::time::Duration;

use base::failure::{Diagnosis as _, Fault};
use base::identity::RollNumber;
use time::Date;

use crate::book::{
    Account, Book, Delivered, Device, Direction, Entry, Fixed, NewestRow, Student, Taken, Visit, Void,
    first_and_last,
};
use crate::erasure::Told;
use crate::judge::{Judge, Window};
use crate::message::{self, Beacon, Keys, Refusal, Seen};
use crate::topics::{Topic, Topics};

/// How long a refused message is shown as a fault, in seconds.
const SHOWN: i64 = 3600;

/// What this door itself knows of a student's day.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Own {
    /// All visits, or at least the first and the last one.
    pub visits: Vec<Visit>,
    /// What was declared void at this door.
    pub voids: Vec<Void>,
    /// The newest row that this door wrote.
    pub newest: Option<NewestRow>,
    /// What this door has delivered.
    pub delivered: Delivered,
    /// The rows that persons entered or changed by hand at this door.
    pub fixed: Vec<Fixed>,
}

/// What the doors of the school know of a student's day, this door's own part included.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Elsewhere {
    /// Who.
    pub roll: RollNumber,
    /// The day, derived from all doors.
    pub account: Account,
    /// The visits at other doors that no void covers.
    pub visits: Vec<Passed>,
    /// What was declared void at other doors, of whichever door.
    pub voids: Vec<Void>,
    /// The rows by hand of every other door that has an entry: also none.
    pub fixed: Vec<(Arc<str>, Vec<Fixed>)>,
}

/// A visit at another door.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Passed {
    /// From when to when.
    pub visit: Visit,
    /// The door's name.
    pub door: Arc<str>,
    /// Which way people go there.
    pub direction: Direction,
}

/// What became of a message.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Received {
    /// The book of this day knows more about this student.
    Changed(Date, Student),
    /// Nothing new.
    Known,
    /// It is not believed, or refused.
    Refused,
    /// Another device is here; `first`: it was not known before, and does not know of us either.
    Beacon {
        /// Whether it was not known before.
        first: bool,
    },
    /// A command, by its name.
    Command(String),
    /// The broker knows a later entry of this device than its disk does: it has to be published again.
    Behind(Date, Student),
    /// Somebody deleted this device's entry at the broker, or put an older one in its place.
    Overwritten(Date, Student),
    /// A door erased a student, or lifted that.
    Erasure(Told),
}

/// Messages since the program started.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Counters {
    /// Entries that were taken into the book.
    pub taken: u64,
    /// Entries that the book had.
    pub known: u64,
    /// Entries that are not believed.
    pub doubted: u64,
    /// Messages made with another key, or forged.
    pub foreign: u64,
    /// Messages of another version of the program.
    pub other_version: u64,
    /// What is no message of this program, is too large, or lies on a wrong topic.
    pub garbage: u64,
    /// Entries that the full book did not take.
    pub lost: u64,
}

#[derive(Debug, Default)]
struct LastRefused {
    foreign: Option<i64>,
    version: Option<(i64, u8)>,
    garbage: Option<i64>,
}

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

    /// The roll number behind a hash.
    pub fn roll(&self, student: Student) -> Option<&RollNumber> {
        self.rolls.get(&student)
    }

    /// The hash of a roll number.
    pub fn student(&self, roll: &RollNumber) -> Student {
        self.keys.student(roll)
    }

    /// Whether the roll number behind a hash is known.
    pub fn is_known(&self, student: Student) -> bool {
        self.rolls.contains_key(&student)
    }

    /// Takes in a message; `now`: our clock, seconds since 1970.
    pub fn receive(&mut self, topic: &str, payload: &[u8], retained: bool, now: i64) -> Received {
        let topic = self.topics.read(topic);
        // Somebody deleted a retained message. What it said is in the book.
        if payload.is_empty() {
            return match topic {
                Some(Topic::Book(day, device, student)) if device == self.us => {
                    self.overwritten(day, student)
                }
                _ => Received::Known,
            };
        }
        let taken = match topic {
            Some(Topic::Command(device, name)) if device == self.us => return Received::Command(name),
            Some(Topic::Beacon(device)) if device == self.us => return Received::Known,
            Some(Topic::Beacon(device)) => {
                message::decode_beacon(payload, device, &self.keys).map(|beacon| {
                    let first = !self.judge.is_known(device);
                    if self.judge.beacon(&beacon, now) { Received::Beacon { first } } else { Received::Known }
                })
            }
            Some(Topic::Book(day, device, student)) => {
                message::decode(payload, (day, device, student), &self.keys)
                    .map(|seen| self.take(seen, retained, now))
            }
            Some(Topic::Erasure(id, lifted)) => {
                message::decode_erasure(payload, id, lifted, &self.keys).map(Received::Erasure)
            }
            Some(Topic::Command(..)) | None => Err(Refusal::Garbage),
        };
        taken.unwrap_or_else(|refusal| {
            self.note(refusal, now);
            Received::Refused
        })
    }

    fn take(&mut self, seen: Seen, retained: bool, now: i64) -> Received {
        let (day, student) = (seen.day, seen.student);
        if seen.device == self.us {
            let ours = self.books.get(&day).and_then(|book| book.entry(&(student, self.us)));
            match ours.map(|entry| seen.entry.sequence.cmp(&entry.sequence)) {
                Some(Ordering::Equal) => return Received::Known,
                Some(Ordering::Less) => return self.overwritten(day, student),
                Some(Ordering::Greater) | None => {}
            }
            self.floor = self.floor.max(seen.entry.sequence);
            return Received::Behind(day, student);
        }
        if self.judge.judge(&seen, !retained, now).is_err() {
            self.counters.doubted += 1;
            return Received::Refused;
        }
        match self.books.entry(day).or_default().take((student, seen.device), seen.entry) {
            Taken::New => {
                self.counters.taken += 1;
                Received::Changed(day, student)
            }
            Taken::Known => {
                self.counters.known += 1;
                Received::Known
            }
            Taken::Full => {
                self.counters.lost += 1;
                Received::Refused
            }
        }
    }

    fn overwritten(&self, day: Date, student: Student) -> Received {
        let ours = self.books.get(&day).and_then(|book| book.entry(&(student, self.us)));
        if ours.is_some() { Received::Overwritten(day, student) } else { Received::Known }
    }

    fn note(&mut self, refusal: Refusal, now: i64) {
        let (counters, last) = (&mut self.counters, &mut self.last_refused);
        match refusal {
            Refusal::Foreign => {
                counters.foreign += 1;
                last.foreign = Some(now);
            }
            Refusal::Version(version) => {
                counters.other_version += 1;
                last.version = Some((now, version));
            }
            Refusal::TooLarge | Refusal::Garbage | Refusal::Misplaced => {
                counters.garbage += 1;
                last.garbage = Some(now);
            }
        }
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

    /// The students of whom this device has an entry on a day.
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
    /// door that had it was not heard for `grace`. A program that runs for less than that takes no other
    /// door's place: it cannot know yet who is gone.
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
    /// deliver in their place. This program has to run for so long to say so.
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

    /// What is wrong now, for a person.
    pub fn faults(&self, now: i64) -> Vec<Fault> {
        let mut faults: Vec<Fault> = self.judge.troubles(now).iter().map(|trouble| trouble.fault()).collect();
        let recent = |at: i64| now - at <= SHOWN;
        if self.last_refused.foreign.is_some_and(recent) {
            let what = format!(
                "{} messages were not made with this school's key: mqtt.site_key or mqtt.site differs from door \
                 to door, or somebody forges them; they change nothing",
                self.counters.foreign
            );
            faults.push(Fault::new(what).advise(
                "set the same mqtt.site and mqtt.site_key at all doors; give another school another mqtt.site",
            ));
        }
        if let Some((_, version)) = self.last_refused.version.filter(|(at, _)| recent(*at)) {
            let (what, advice) = if version > message::NEWEST {
                ("a newer", "update this door")
            } else {
                ("an older", "update the other doors")
            };
            faults.push(
                Fault::new(format!(
                    "another door sends messages of {what} version of the program; they are not read"
                ))
                .advise(advice),
            );
        }
        if self.last_refused.garbage.is_some_and(recent) {
            let what = format!(
                "{} messages below attendance/{{mqtt.site}} are none of this program, or lie on a wrong topic; \
                 they change nothing",
                self.counters.garbage
            );
            faults.push(Fault::new(what).advise(
                "find out what writes there, delete such retained messages, and let only doors write there",
            ));
        }
        if self.counters.lost > 0 {
            let what = format!("the day's book is full; {} messages were not taken", self.counters.lost);
            faults.push(Fault::new(what).advise("give each school its own mqtt.site and mqtt.site_key"));
        }
        faults
    }
}

#[cfg(test)]
#[path = "school_tests.rs"]
mod tests;
