//! What is known of everybody lately: the visits of each day, the rows of this door, and who is at the door
//! now.
//!
//! The book is filled the same way while running and from the disk after a restart, so a restart changes no
//! decision.

mod day;

use std::collections::{BTreeMap, HashMap, HashSet};
use std::time::Duration;

use time::{Date, OffsetDateTime};

pub(crate) use self::day::{Current, Day, Entry, Sight, StudentDay};
use crate::row::{Dates, Stamp, Status};
use crate::rules::{DoorName, HandRow, Rules, Visit, Void};
use base::identity::RollNumber;

/// Visits of one student, day and door that are kept: the first ones and the newest. A student passes a
/// dozen times a day.
const MOST_VISITS: usize = 48;
/// How often the last sighting of a visit is written down while it lasts.
pub(crate) const WRITE_EVERY: Duration = Duration::from_secs(60);

/// What is known of everybody lately.
#[derive(Debug)]
pub(crate) struct Book {
    rules: Rules,
    dates: Dates,
    days: HashMap<Date, Day>,
    /// The newest visit of each student at this door, on whichever day. Bounded by the roster.
    current: HashMap<RollNumber, Current>,
    /// Those of them that have not ended.
    active: HashSet<RollNumber>,
}

impl Book {
    pub(crate) fn new(rules: Rules) -> Self {
        Self {
            rules,
            dates: Dates::default(),
            days: HashMap::new(),
            current: HashMap::new(),
            active: HashSet::new(),
        }
    }

    pub(crate) fn rules(&self) -> &Rules {
        &self.rules
    }

    /// Takes in a sighting at this door.
    pub(crate) fn sight(&mut self, roll: &RollNumber, at: &Stamp, estimated: bool) -> Sight {
        self.active.insert(roll.clone());
        if let Some(current) = self.current.get_mut(roll)
            && at.since(&current.last) < self.rules.gap + current.slack
        {
            // A sighting that was handed over late changes nothing.
            let boot_changed = current.last.boot != at.boot;
            if boot_changed || at.since_boot > current.last.since_boot {
                current.last = Stamp { utc: at.utc.max(current.first), ..at.clone() };
            }
            if boot_changed {
                current.written = None;
            }
            current.slack = Duration::ZERO;
            let due = current
                .written
                .is_none_or(|written| current.last.since_boot.saturating_sub(written) >= WRITE_EVERY);
            return Sight { date: current.date, begins: false, write: due };
        }
        let date = self.rules.day.date(at.utc);
        let current = Current {
            date,
            first: at.utc,
            last: at.clone(),
            estimated,
            written: None,
            slack: Duration::ZERO,
            told: false,
        };
        self.current.insert(roll.clone(), current);
        Sight { date, begins: true, write: true }
    }

    /// The newest visit of a student lasted until then.
    pub(crate) fn lasts_until(&mut self, roll: &RollNumber, last: Stamp) {
        if let Some(current) = self.current.get_mut(roll).filter(|current| last.utc > current.last.utc) {
            current.last = last;
        }
    }

    /// The newest visit of a student at this door.
    pub(crate) fn current(&self, roll: &RollNumber) -> Option<&Current> {
        self.current.get(roll)
    }

    /// The newest visit of a student, where its last sighting was not handed over to be written.
    pub(crate) fn unwritten(&self, roll: &RollNumber) -> Option<Current> {
        let current = self.current.get(roll)?;
        current.written.is_none_or(|written| written != current.last.since_boot).then(|| current.clone())
    }

    pub(crate) fn current_mut(&mut self, roll: &RollNumber) -> Option<&mut Current> {
        self.current.get_mut(roll)
    }

    /// The newest visit of a student, handed over to be written.
    pub(crate) fn hand_over(&mut self, roll: &RollNumber) -> Option<Current> {
        let current = self.current.get_mut(roll)?;
        current.written = Some(current.last.since_boot);
        Some(current.clone())
    }

    /// The visits that have ended by `now`: they are not active any more.
    pub(crate) fn ended(&mut self, now: &Stamp) -> Vec<RollNumber> {
        let gap = self.rules.gap;
        let over = |roll: &RollNumber| {
            self.current.get(roll).is_none_or(|current| now.since(&current.last) >= gap + current.slack)
        };
        let ended: Vec<RollNumber> = self.active.iter().filter(|roll| over(roll)).cloned().collect();
        for roll in &ended {
            self.active.remove(roll);
        }
        ended
    }

    /// After a restart: visits that were written as ended, because the program ended, and that may go on. The
    /// rules have to look at them when they are over.
    pub(crate) fn go_on(&mut self, now: &Stamp) {
        let gap = self.rules.gap;
        let lately =
            self.current.iter().filter(|(_, current)| now.since(&current.last) < gap + current.slack);
        self.active.extend(lately.map(|(roll, _)| roll.clone()));
    }

    /// Those whose visit goes on.
    pub(crate) fn active(&self) -> Vec<RollNumber> {
        self.active.iter().cloned().collect()
    }

    /// Takes in a visit of this door that is on the disk. `ended`: whether its last sighting is certain.
    pub(crate) fn restore(&mut self, visit: Visit, last: Stamp, ended: bool) {
        let date = self.rules.day.date(visit.first);
        let newer = self.current.get(&visit.student).is_none_or(|current| last.utc >= current.last.utc);
        if newer {
            let current = Current {
                date,
                first: visit.first,
                written: ended.then_some(last.since_boot),
                last,
                estimated: visit.estimated,
                slack: if ended { Duration::ZERO } else { WRITE_EVERY },
                told: false,
            };
            self.current.insert(visit.student.clone(), current);
            if ended {
                self.active.remove(&visit.student);
            } else {
                self.active.insert(visit.student.clone());
            }
        }
        self.day(date).has_visits = true;
        self.merge(date, visit);
    }

    /// Takes in a visit of this door that has just been written.
    pub(crate) fn written(&mut self, visit: Visit) {
        let date = self.rules.day.date(visit.first);
        self.day(date).has_visits = true;
        self.merge(date, visit);
    }

    /// Takes in a visit of another door. Gives its day, when that is held.
    pub(crate) fn take_in(&mut self, visit: Visit) -> Date {
        let date = self.rules.day.date(visit.first);
        self.day(date).has_visits = true;
        self.merge(date, visit);
        date
    }

    /// Takes in a row that is on the disk. A row that stands in no visit is a sighting of its own: an earlier
    /// version wrote it.
    pub(crate) fn row(&mut self, roll: &RollNumber, at: &Stamp, entry: Entry) {
        let date = self.rules.day.date(at.utc);
        self.note_row(date, roll, entry);
        if !entry.by_hand {
            self.sighting_of_row(date, roll, at);
        }
    }

    /// As [`row`](Self::row), for a row that the rules have just made: its visit is known.
    pub(crate) fn note_row(&mut self, date: Date, roll: &RollNumber, entry: Entry) {
        let student = self.student_mut(date, roll);
        student.rows.retain(|row| row.id != entry.id);
        student.rows.push(entry);
    }

    fn sighting_of_row(&mut self, date: Date, roll: &RollNumber, at: &Stamp) {
        let (gap, direction) = (self.rules.gap, self.rules.direction);
        let student = self.student_mut(date, roll);
        let covered = student
            .visits
            .iter()
            .any(|visit| visit.door.is_here() && (visit.first..=visit.last).contains(&at.utc));
        if covered {
            return;
        }
        let joined = self
            .current
            .get(roll)
            .filter(|current| current.date == date && at.since(&current.last) < gap)
            .map(|current| current.first);
        let first = joined.unwrap_or(at.utc);
        let visit = Visit {
            student: roll.clone(),
            door: DoorName::here(),
            direction,
            first,
            last: at.utc.max(first),
            estimated: false,
        };
        self.merge(date, visit);
        let current = Current {
            date,
            first,
            last: at.clone(),
            estimated: false,
            written: Some(at.since_boot),
            slack: Duration::ZERO,
            told: false,
        };
        self.current.insert(roll.clone(), current);
    }

    /// A row has another time.
    pub(crate) fn moved(&mut self, id: u64, utc: OffsetDateTime) {
        self.change(id, |row| (row.utc, row.seen) = (utc, Some(utc)));
    }

    /// A person gave a row another time.
    pub(crate) fn changed(&mut self, id: u64, status: Status, utc: OffsetDateTime) {
        self.change(id, |row| (row.status, row.utc, row.by_hand) = (status, utc, true));
    }

    /// A person added a row on `date`; `today`: whether it was added on that day. A day that is not held is
    /// not begun for it: only a part of it would be.
    pub(crate) fn added(&mut self, date: Date, roll: &RollNumber, entry: Entry, today: bool) {
        if today || self.days.contains_key(&date) {
            self.note_row(date, roll, entry);
        }
    }

    /// A row takes the place of another: it stands for the same sighting.
    pub(crate) fn instead(&mut self, new: u64, old: u64) {
        let students = self.days.values().flat_map(|day| day.students.values());
        let seen = students.flat_map(|student| &student.rows).find(|row| row.id == old);
        if let Some(seen) = seen.map(|row| row.seen) {
            self.change(new, |row| row.seen = seen);
        }
    }

    /// A person declared visits void. Gives their day, and whether that was news.
    pub(crate) fn void(&mut self, void: Void, ours: bool) -> (Date, bool) {
        let date = self.rules.day.date(void.from);
        let voids = &mut self.student_mut(date, &void.student).voids;
        let news = !voids.contains(&(void.clone(), ours));
        if news {
            voids.push((void, ours));
        }
        (date, news)
    }

    /// The rows that persons entered at another door, all of them. Gives whether that was news.
    pub(crate) fn entered(
        &mut self,
        date: Date,
        roll: &RollNumber,
        door: &DoorName,
        rows: &[(Status, OffsetDateTime)],
    ) -> bool {
        let new: Vec<HandRow> = rows
            .iter()
            .map(|(status, utc)| HandRow { door: door.clone(), status: *status, utc: *utc })
            .collect();
        let elsewhere = &mut self.student_mut(date, roll).elsewhere;
        let known: Vec<HandRow> = elsewhere.iter().filter(|row| row.door == *door).cloned().collect();
        elsewhere.retain(|row| row.door != *door);
        elsewhere.extend(new.iter().cloned());
        known != new
    }

    /// A student was seen after this OUT was sent.
    pub(crate) fn late(&mut self, id: u64, utc: OffsetDateTime) {
        self.change(id, |row| row.late = Some(utc));
    }

    fn change(&mut self, id: u64, change: impl FnOnce(&mut Entry)) {
        let students = self.days.values_mut().flat_map(|day| day.students.values_mut());
        if let Some(row) = students.flat_map(|student| &mut student.rows).find(|row| row.id == id) {
            change(row);
        }
    }

    /// The day and the student of a row.
    pub(crate) fn find(&self, id: u64) -> Option<(Date, RollNumber)> {
        self.days.iter().find_map(|(date, day)| {
            let holds =
                |(_, student): &(&RollNumber, &StudentDay)| student.rows.iter().any(|row| row.id == id);
            day.students.iter().find(holds).map(|(roll, _)| (*date, roll.clone()))
        })
    }

    /// A row is none any more.
    pub(crate) fn removed(&mut self, id: u64) {
        let Some((date, roll)) = self.find(id) else { return };
        self.student_mut(date, &roll).rows.retain(|row| row.id != id);
    }

    /// Whether a day is held.
    pub(crate) fn holds(&self, date: Date) -> bool {
        self.days.contains_key(&date)
    }

    /// One student on one day.
    pub(crate) fn student(&self, date: Date, roll: &RollNumber) -> Option<&StudentDay> {
        self.days.get(&date)?.students.get(roll)
    }

    /// All students of a day.
    pub(crate) fn students(&self, date: Date) -> Vec<RollNumber> {
        self.days.get(&date).map(|day| day.students.keys().cloned().collect()).unwrap_or_default()
    }

    /// Whether attendance of a day is closed.
    pub(crate) fn is_closed(&self, date: Date) -> bool {
        self.days.get(&date).is_some_and(|day| day.closed)
    }

    /// Closes a day. Gives whether it was open.
    pub(crate) fn close(&mut self, date: Date) -> bool {
        !std::mem::replace(&mut self.day(date).closed, true)
    }

    /// The days held, oldest first: whether each is closed, and whether visits of it were written down.
    pub(crate) fn days(&self) -> BTreeMap<Date, (bool, bool)> {
        self.days.iter().map(|(date, day)| (*date, (day.closed, day.has_visits))).collect()
    }

    fn student_mut(&mut self, date: Date, roll: &RollNumber) -> &mut StudentDay {
        self.day(date).students.entry(roll.clone()).or_default()
    }

    fn day(&mut self, date: Date) -> &mut Day {
        if let Some(evicted) = self.dates.touch(date) {
            self.days.remove(&evicted);
        }
        self.days.entry(date).or_default()
    }

    /// Puts a visit among those of its day: later information about the same visit replaces earlier
    /// information, and visits of one door that overlap become one.
    fn merge(&mut self, date: Date, mut visit: Visit) {
        visit.last = self.rules.day.within(date, visit.first, visit.last);
        let visits = &mut self.student_mut(date, &visit.student).visits;
        visits.retain(|other| {
            let same = other.door == visit.door && other.first <= visit.last && visit.first <= other.last;
            if same {
                visit.first = visit.first.min(other.first);
                visit.last = visit.last.max(other.last);
                visit.estimated &= other.estimated;
            }
            !same
        });
        let place = visits.partition_point(|other| (other.first, &other.door) <= (visit.first, &visit.door));
        let door = visit.door.clone();
        visits.insert(place, visit);
        let of_door: Vec<usize> = (0..visits.len()).filter(|index| visits[*index].door == door).collect();
        if of_door.len() > MOST_VISITS {
            // Neither the first nor the last: neither IN nor OUT follows from it.
            visits.remove(of_door[of_door.len() - 2]);
        }
    }
}
