//! What all doors of a school have seen on one day: a set of visits and voids that merges in any order.
//!
//! Each device writes its own entries only, one for each student, and raises the entry's sequence with every
//! change. Of two entries with the same key the later one holds. So merging is commutative, associative and
//! idempotent, and a door can withdraw what it said with a wrong clock. IN and OUT are never merged: they are
//! derived from all visits that no void covers.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;

/// Most visits in an entry: the student's first and last one at this door.
pub const MOST_VISITS: usize = 2;
/// Most voids in an entry.
pub const MOST_VOIDS: usize = 8;
/// Most rows by hand in an entry.
pub const MOST_FIXED: usize = 8;
/// Most entries of one day: ten thousand students, each seen at ten doors.
pub const MOST_ENTRIES: usize = 100_000;

/// A student, known by a keyed hash of the roll number ([`crate::keys::Keys::student`]).
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Student(pub [u8; 16]);

/// One device, whatever name its door has ([`crate::device`]).
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Device(pub [u8; 8]);

fn hexadecimal(bytes: &[u8], f: &mut fmt::Formatter<'_>) -> fmt::Result {
    bytes.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
}

/// The bytes that hexadecimal digits in lower case stand for.
fn from_hexadecimal<const BYTES: usize>(text: &str) -> Option<[u8; BYTES]> {
    let digit = |byte: u8| match byte {
        b'0'..=b'9' => Some(byte - b'0'),
        b'a'..=b'f' => Some(byte - b'a' + 10),
        _ => None,
    };
    let mut bytes = [0; BYTES];
    if text.len() != 2 * BYTES {
        return None;
    }
    for (byte, pair) in bytes.iter_mut().zip(text.as_bytes().chunks_exact(2)) {
        *byte = digit(pair[0])? * 16 + digit(pair[1])?;
    }
    Some(bytes)
}

macro_rules! shown_in_hexadecimal {
    ($($name:ident),*) => {$(
        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                hexadecimal(&self.0, f)
            }
        }

        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                hexadecimal(&self.0, f)
            }
        }

        impl $name {
            /// Reads what `Display` writes.
            pub fn parse(text: &str) -> Option<Self> {
                from_hexadecimal(text).map(Self)
            }
        }
    )*};
}

shown_in_hexadecimal!(Student, Device);

/// Which way people go through a door.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Direction {
    /// In and out.
    #[default]
    Both,
    /// A door for IN only: a visit is not a departure.
    In,
    /// Out only: a visit is not an arrival, and one is enough for an OUT.
    Out,
}

/// Sightings of one student at one door that belong together. Times are seconds since 1970, UTC.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Visit {
    /// The first sighting.
    pub begins: i64,
    /// The last sighting.
    pub ends: i64,
}

/// A person at some door declared void that a door saw a student in this time.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Void {
    /// The door whose visits are void.
    pub door: Arc<str>,
    /// From this second on.
    pub from: i64,
    /// Up to and including this second.
    pub to: i64,
}

/// A row that a person entered or changed by hand at a door: no sighting decides against it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Fixed {
    /// OUT, and not IN.
    pub out: bool,
    /// The row's time.
    pub at: i64,
}

/// The newest row that a door has written about a student.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct NewestRow {
    /// The row's time.
    pub at: i64,
    /// OUT, and not IN.
    pub out: bool,
}

/// What a door has delivered to the backend about a student.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Delivered {
    /// The time of the IN that the backend has acknowledged.
    pub arrival: Option<i64>,
    /// The time of the OUT that the backend has acknowledged.
    pub departure: Option<i64>,
}

/// What one device says of one student's day. The order of the fields is the order of entries: the sequence
/// decides, and where two have the same one, the content does, so that every door keeps the same.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Entry {
    /// Grows with every change, also over restarts of the device.
    pub sequence: u64,
    /// The door's name.
    pub door: Arc<str>,
    /// Which way people go there.
    pub direction: Direction,
    /// The student's first and last visit there; none after all were withdrawn.
    pub visits: Vec<Visit>,
    /// What was declared void at this door, of this student, at any door.
    pub voids: Vec<Void>,
    /// The newest row that this door wrote about the student.
    pub newest: Option<NewestRow>,
    /// What this door has delivered.
    pub delivered: Delivered,
    /// The rows that persons entered or changed by hand at this door; none after all were taken away.
    pub fixed: Vec<Fixed>,
}

/// Whose entry it is.
pub type Key = (Student, Device);

/// The result of an entry.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Taken {
    /// The book knows more than before.
    New,
    /// The book had it, or a later one.
    Known,
    /// The book has [`MOST_ENTRIES`] and takes no new key.
    Full,
}

/// The book of one day.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Book(BTreeMap<Key, Entry>);

/// A sighting, and which door had it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Sighting {
    /// When.
    pub at: i64,
    /// Which device.
    pub device: Device,
    /// Its door's name.
    pub door: Arc<str>,
}

/// A student's day, derived from all visits that count and from the rows by hand.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Account {
    /// The beginning of the first visit.
    pub arrival: Option<Sighting>,
    /// The end of the last visit, where there was an earlier one, or the door leads out only.
    pub departure: Option<Sighting>,
    /// The newest row of any door.
    pub newest: Option<NewestRow>,
    /// The arrivals and departures that doors have delivered, with the door's device.
    pub delivered: Vec<(Device, Delivered)>,
}

impl Book {
    /// Takes in an entry.
    pub fn take(&mut self, key: Key, entry: Entry) -> Taken {
        let full = self.0.len() >= MOST_ENTRIES;
        match self.0.entry(key) {
            std::collections::btree_map::Entry::Occupied(mut held) => {
                if entry <= *held.get() {
                    return Taken::Known;
                }
                held.insert(entry);
                Taken::New
            }
            std::collections::btree_map::Entry::Vacant(_) if full => Taken::Full,
            std::collections::btree_map::Entry::Vacant(free) => {
                free.insert(entry);
                Taken::New
            }
        }
    }

    /// Takes in everything that another book has.
    pub fn merge(&mut self, other: &Self) {
        for (key, entry) in &other.0 {
            self.take(*key, entry.clone());
        }
    }

    /// The entry with this key.
    pub fn entry(&self, key: &Key) -> Option<&Entry> {
        self.0.get(key)
    }

    /// Everything, in order.
    pub fn entries(&self) -> impl Iterator<Item = (&Key, &Entry)> {
        self.0.iter()
    }

    /// The number of entries.
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// Whether there is no entry.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// The entries about one student.
    pub fn of(&self, student: Student) -> impl Iterator<Item = (Device, &Entry)> {
        let (least, most) = (Device([0; 8]), Device([u8::MAX; 8]));
        self.0.range((student, least)..=(student, most)).map(|((_, device), entry)| (*device, entry))
    }

    /// The visits of a student that no void covers, in the order of their beginnings.
    pub fn visits(&self, student: Student) -> Vec<(Visit, Device, &Entry)> {
        let voids: Vec<&Void> = self.of(student).flat_map(|(_, entry)| &entry.voids).collect();
        let mut visits = Vec::new();
        for (device, entry) in self.of(student) {
            let counts = |visit: &Visit| !voids.iter().any(|void| void.covers(&entry.door, *visit));
            visits.extend(entry.visits.iter().filter(|visit| counts(visit)).map(|v| (*v, device, entry)));
        }
        visits.sort_by_key(|(visit, device, _)| (*visit, *device));
        visits
    }

    /// A student's day.
    pub fn account(&self, student: Student) -> Account {
        let visits = self.visits(student);
        let sighting = |at, device, entry: &Entry| Sighting { at, device, door: Arc::clone(&entry.door) };
        let first = visits.iter().find(|(_, _, entry)| entry.direction != Direction::Out);
        let last = visits
            .iter()
            .filter(|(_, _, entry)| entry.direction != Direction::In)
            .max_by_key(|(visit, device, _)| (visit.ends, *device));
        let departed = last.filter(|(visit, device, entry)| {
            entry.direction == Direction::Out
                || visits.iter().any(|(other, of, _)| (other, of) != (visit, device))
        });
        let fixed = |out: bool| {
            let rows = self
                .of(student)
                .flat_map(|(device, entry)| entry.fixed.iter().map(move |row| (row, device, entry)));
            rows.filter(move |(row, ..)| row.out == out)
        };
        // After an IN by hand the next visit is the OUT.
        let came = fixed(false).map(|(row, ..)| row.at).min();
        let departed =
            departed.or_else(|| last.filter(|(visit, ..)| came.is_some_and(|at| at < visit.begins)));
        let arrival = fixed(false).min_by_key(|(row, device, _)| (row.at, *device));
        let departure = fixed(true).max_by_key(|(row, device, _)| (row.at, *device));
        Account {
            arrival: arrival
                .map(|(row, device, entry)| sighting(row.at, device, entry))
                .or_else(|| first.map(|(visit, device, entry)| sighting(visit.begins, *device, entry))),
            departure: departure
                .map(|(row, device, entry)| sighting(row.at, device, entry))
                .or_else(|| departed.map(|(visit, device, entry)| sighting(visit.ends, *device, entry))),
            newest: self.of(student).filter_map(|(_, entry)| entry.newest).max(),
            delivered: self
                .of(student)
                .filter(|(_, entry)| entry.delivered != Delivered::default())
                .map(|(device, entry)| (device, entry.delivered))
                .collect(),
        }
    }

    /// Which device delivers a student's OUT at the close of the day: the one with the last sighting; where
    /// it is gone, the first of those that are here. None where there is no OUT, or a door has delivered one.
    pub fn delivers_departure(&self, student: Student, here: &[Device]) -> Option<Device> {
        let account = self.account(student);
        if account.delivered.iter().any(|(_, delivered)| delivered.departure.is_some()) {
            return None;
        }
        let last = account.departure?.device;
        if here.contains(&last) { Some(last) } else { here.iter().min().copied() }
    }
}

impl Void {
    /// Whether it covers a visit at this door: it begins before the visit ends, and ends after it began.
    pub fn covers(&self, door: &str, visit: Visit) -> bool {
        *self.door == *door && self.from <= visit.ends && visit.begins <= self.to
    }
}

/// A student's first and last visit of a list, in order.
pub fn first_and_last(mut visits: Vec<Visit>) -> Vec<Visit> {
    visits.sort();
    if visits.len() > MOST_VISITS {
        let latest = visits.iter().copied().max_by_key(|visit| (visit.ends, visit.begins));
        visits.truncate(1);
        visits.extend(latest.filter(|latest| *latest != visits[0]));
    }
    visits
}

#[cfg(test)]
#[path = "book_tests.rs"]
mod tests;
