//! What all doors of a school have seen on one day: a set of visits and voids that merges in any order.
//!
//! Each device writes its own entries only, one for each student, and raises the entry's sequence with every
//! change. Of two entries with the same key the later one holds. So merging is commutative, associative and
//! idempotent, and a door can take back what its wrong clock said. IN and OUT are never merged: they are
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

/// A student, known by a keyed hash of the roll number ([`crate::message::Keys::student`]).
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
    /// In only: a visit is no departure.
    In,
    /// Out only: a visit is no arrival, and one is enough for an OUT.
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

/// A person at some door has declared void what a door saw of a student in this time.
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
    /// The student's first and last visit there; none after all were taken back.
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

/// What became of an entry.
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
        // Who came by hand leaves with the next visit.
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
mod tests {
    #![allow(clippy::unwrap_used)]
    use proptest::prelude::*;

    use super::*;

    const STUDENT: Student = Student([7; 16]);

    fn device(number: u8) -> Device {
        Device([number; 8])
    }

    fn entry(sequence: u64, door: &str, visits: &[(i64, i64)]) -> Entry {
        Entry {
            sequence,
            door: door.into(),
            direction: Direction::Both,
            visits: visits.iter().map(|(begins, ends)| Visit { begins: *begins, ends: *ends }).collect(),
            voids: Vec::new(),
            newest: None,
            delivered: Delivered::default(),
            fixed: Vec::new(),
        }
    }

    fn book(entries: &[(u8, Entry)]) -> Book {
        let mut book = Book::default();
        for (number, entry) in entries {
            book.take((STUDENT, device(*number)), entry.clone());
        }
        book
    }

    fn times(book: &Book) -> (Option<i64>, Option<i64>) {
        let account = book.account(STUDENT);
        (account.arrival.map(|seen| seen.at), account.departure.map(|seen| seen.at))
    }

    #[test]
    fn in_at_one_door_and_out_by_the_other() {
        let both = book(&[(1, entry(1, "A", &[(100, 160)])), (2, entry(1, "B", &[(900, 930)]))]);
        assert_eq!(times(&both), (Some(100), Some(930)));
        assert_eq!(both.account(STUDENT).departure.unwrap().device, device(2));
        assert_eq!(times(&book(&[(1, entry(1, "A", &[(100, 160)]))])), (Some(100), None));
    }

    #[test]
    fn a_later_entry_takes_back_what_a_wrong_clock_said() {
        let mut both = book(&[(1, entry(1, "A", &[(100, 160)])), (2, entry(1, "B", &[(5, 5000)]))]);
        assert_eq!(times(&both), (Some(5), Some(5000)));
        assert_eq!(both.take((STUDENT, device(2)), entry(2, "B", &[])), Taken::New);
        assert_eq!(both.take((STUDENT, device(2)), entry(1, "B", &[(5, 5000)])), Taken::Known);
        assert_eq!(times(&both), (Some(100), None));
    }

    #[test]
    fn a_void_of_one_door_removes_a_visit_of_another() {
        let void = Void { door: "B".into(), from: 890, to: 940 };
        let author = Entry { voids: vec![void], ..entry(2, "A", &[(100, 160)]) };
        let all = book(&[(1, author), (2, entry(9, "B", &[(400, 410), (900, 930)]))]);
        assert_eq!(times(&all), (Some(100), Some(410)));
    }

    #[test]
    fn a_row_by_hand_stands_for_all_doors_until_it_is_taken_away() {
        let visits = [(100, 160), (900, 930)];
        let hand = |sequence, fixed: &[Fixed]| Entry { fixed: fixed.to_vec(), ..entry(sequence, "A", &[]) };
        let came = Fixed { out: false, at: 50 };
        let mut both = book(&[(1, hand(1, &[came])), (2, entry(1, "B", &visits[1..]))]);
        assert_eq!(times(&both), (Some(50), Some(930)), "who came by hand leaves with the next visit");
        both.take((STUDENT, device(1)), hand(2, &[came, Fixed { out: true, at: 700 }]));
        assert_eq!(times(&both), (Some(50), Some(700)));
        both.take((STUDENT, device(1)), hand(3, &[]));
        assert_eq!(times(&both), (Some(900), None));
    }

    #[test]
    fn a_door_that_leads_out_needs_one_visit_and_one_that_leads_in_gives_no_departure() {
        let lane = |direction, visits: &[(i64, i64)]| Entry { direction, ..entry(1, "L", visits) };
        assert_eq!(times(&book(&[(1, lane(Direction::Out, &[(5, 9)]))])), (None, Some(9)));
        assert_eq!(times(&book(&[(1, lane(Direction::In, &[(5, 9), (70, 80)]))])), (Some(5), None));
    }

    #[test]
    fn the_door_of_the_last_sighting_delivers_and_another_where_it_is_gone() {
        let both = book(&[(1, entry(1, "A", &[(100, 160)])), (2, entry(1, "B", &[(900, 930)]))]);
        let delivers = |here: &[u8]| {
            let here: Vec<_> = here.iter().map(|number| device(*number)).collect();
            both.delivers_departure(STUDENT, &here)
        };
        assert_eq!(delivers(&[1, 2, 3]), Some(device(2)));
        assert_eq!(delivers(&[3, 1]), Some(device(1)));
        let delivered = Delivered { departure: Some(930), ..Delivered::default() };
        let sent = book(&[(2, Entry { delivered, ..entry(2, "B", &[(100, 160), (900, 930)]) })]);
        assert_eq!(sent.delivers_departure(STUDENT, &[device(1)]), None);
    }

    #[test]
    fn the_first_and_the_last_visit_are_kept() {
        let visit = |begins, ends| Visit { begins, ends };
        let all = vec![visit(50, 60), visit(10, 20), visit(30, 40)];
        assert_eq!(first_and_last(all), [visit(10, 20), visit(50, 60)]);
        assert_eq!(first_and_last(vec![visit(1, 2)]), [visit(1, 2)]);
    }

    fn visits() -> impl Strategy<Value = Vec<(i64, i64)>> {
        prop::collection::vec((0i64..50, 0i64..50).prop_map(|(at, long)| (at, at + long)), 0..=2)
    }

    fn entries() -> impl Strategy<Value = Vec<(Key, Entry)>> {
        let door = prop_oneof![Just("A"), Just("B")];
        let void = (prop_oneof![Just("A"), Just("B")], 0i64..50, 0i64..20)
            .prop_map(|(door, from, long)| Void { door: door.into(), from, to: from + long });
        let fixed = (any::<bool>(), 0i64..100).prop_map(|(out, at)| Fixed { out, at });
        let by_hand = (prop::collection::vec(void, 0..2), prop::collection::vec(fixed, 0..2));
        let one = (0u8..4, 0u8..3, 0u64..4, door, visits(), by_hand).prop_map(
            |(student, number, sequence, door, visits, (voids, fixed))| {
                let entry = Entry { voids, fixed, ..entry(sequence, door, &visits) };
                ((Student([student; 16]), device(number)), entry)
            },
        );
        prop::collection::vec(one, 0..12)
    }

    fn merged(parts: &[&[(Key, Entry)]]) -> Book {
        let mut all = Book::default();
        for part in parts {
            let mut book = Book::default();
            part.iter().for_each(|(key, entry)| {
                book.take(*key, entry.clone());
            });
            all.merge(&book);
        }
        all
    }

    proptest! {
        #[test]
        fn merging_is_commutative_associative_and_idempotent(a in entries(), b in entries(), c in entries()) {
            prop_assert_eq!(merged(&[&a, &b]), merged(&[&b, &a]));
            let (mut left, mut right) = (merged(&[&a, &b]), merged(&[&b, &c]));
            left.merge(&merged(&[&c]));
            let mut all = merged(&[&a]);
            all.merge(&right);
            prop_assert_eq!(&left, &all);
            let before = right.clone();
            right.merge(&before);
            prop_assert_eq!(&right, &before);
        }

        #[test]
        fn the_order_in_which_messages_come_changes_nothing(
            all in entries().prop_flat_map(|all| (Just(all.clone()), Just(all).prop_shuffle())),
            again in any::<prop::sample::Index>(),
        ) {
            let (sent, mut came) = all;
            if !came.is_empty() {
                came.push(came[again.index(came.len())].clone());
            }
            prop_assert_eq!(merged(&[&sent]), merged(&[&came]));
        }

        #[test]
        fn voided_visits_count_for_nothing(all in entries()) {
            let book = merged(&[&all]);
            for number in 0..4 {
                let student = Student([number; 16]);
                let voids: Vec<_> = book.of(student).flat_map(|(_, entry)| entry.voids.clone()).collect();
                for (visit, _, entry) in book.visits(student) {
                    prop_assert!(voids.iter().all(|void| !void.covers(&entry.door, visit)));
                }
                let account = book.account(student);
                // A person may have entered anything.
                let by_hand = book.of(student).any(|(_, entry)| !entry.fixed.is_empty());
                if by_hand {
                    continue;
                }
                if let (Some(arrival), Some(departure)) = (account.arrival, account.departure) {
                    prop_assert!(arrival.at <= departure.at);
                }
            }
        }
    }
}
