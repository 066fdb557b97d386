//! The other doors of the site: what this door tells them, and what it learns from them.

use std::collections::BTreeSet;

use time::{Date, OffsetDateTime};

use crate::recorder::Recorder;
use crate::row::Status;
use crate::rules::{DoorName, HandRow, Visit, Void};
use crate::storage::VisitRecord;
use base::identity::RollNumber;

/// Days before the present one of which visits of other doors are taken in.
const DAYS_BACK: i64 = 6;

/// What persons did on this door's page about a student's rows of a day.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ByHand {
    /// Whose rows.
    pub student: RollNumber,
    /// What was declared void.
    pub voids: Vec<Void>,
    /// The rows that were entered or changed.
    pub rows: Vec<(Status, OffsetDateTime)>,
}

/// What persons did at other doors about a student's rows of a day.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Elsewhere {
    /// Whose rows.
    pub student: RollNumber,
    /// Which day.
    pub date: Date,
    /// What was declared void; a visit of this door is one at [`DoorName::here`].
    pub voids: Vec<Void>,
    /// The rows by hand of each door, all of them: also none.
    pub rows: Vec<(DoorName, Vec<(Status, OffsetDateTime)>)>,
}

impl Recorder {
    /// The school day that is now; none while the clock is not known.
    pub fn today(&self) -> Option<Date> {
        let now = self.clock.now();
        now.trusted.then(|| self.book.rules().day.date(now.utc))
    }

    /// The visits of this door on `date` that are on the disk, by student and time. Their door is
    /// [`DoorName::here`].
    pub fn visits_on(&self, date: Date) -> Vec<Visit> {
        let mut visits: Vec<Visit> = self
            .book
            .students(date)
            .iter()
            .filter_map(|roll| self.book.student(date, roll))
            .flat_map(|student| student.visits.iter().filter(|visit| visit.door.is_here()).cloned())
            .collect();
        visits.sort_by(|a, b| (a.student.as_str(), a.first).cmp(&(b.student.as_str(), b.first)));
        visits
    }

    /// What persons did on this door's page about students' rows of `date`.
    pub fn by_hand_on(&self, date: Date) -> Vec<ByHand> {
        let of = |roll: RollNumber| {
            let student = self.book.student(date, &roll)?;
            let ours = student.voids.iter().filter(|(_, ours)| *ours).map(|(void, _)| void.clone());
            let rows = student.rows.iter().filter(|row| row.by_hand).map(|row| (row.status, row.utc));
            let (voids, rows): (Vec<_>, Vec<_>) = (ours.collect(), rows.collect());
            (!voids.is_empty() || !rows.is_empty()).then_some(ByHand { student: roll, voids, rows })
        };
        self.book.students(date).into_iter().filter_map(of).collect()
    }

    /// Takes in what persons did at other doors: tombstones, which nothing cancels, and the rows that each
    /// door got by hand on a day. Left out is what is known already, what is of a day too far away, and
    /// everything while the clock is not known. Returns how many entries were new.
    pub fn take_in_by_hand(&mut self, elsewhere: Vec<Elsewhere>) -> usize {
        let Some(today) = self.today() else { return 0 };
        let is_plausible = |date: Date| (-DAYS_BACK..=1).contains(&(date - today).whole_days());
        let mut new = 0;
        for Elsewhere { student, date, voids, rows } in elsewhere {
            let known = self.book.student(date, &student).cloned().unwrap_or_default();
            if !is_plausible(date) {
                continue;
            }
            for void in voids {
                let is_known = known.voids.iter().any(|(known, _)| *known == void);
                if !is_known && void.from <= void.to && self.book.rules().day.date(void.from) == date {
                    new += 1;
                    self.queue(VisitRecord::Void { void, ours: false, by: String::new() });
                }
            }
            for (door, rows) in rows.into_iter().filter(|(door, _)| !door.is_here()) {
                let of_door = known.elsewhere.iter().filter(|row| row.door == door);
                let before: Vec<_> = of_door.map(|row| (row.status, row.utc)).collect();
                if before != rows {
                    new += 1;
                    self.queue(VisitRecord::Entered { student: student.clone(), date, door, rows });
                }
            }
        }
        self.flush();
        new
    }

    /// The visits at other doors on `date` that count, of the days that are held here: about a week.
    pub fn elsewhere_on(&self, date: Date) -> Vec<Visit> {
        let students = self.book.students(date);
        let of_student = students.iter().filter_map(|roll| self.book.student(date, roll));
        let visits = of_student.flat_map(|student| student.counting());
        visits.filter(|visit| !visit.door.is_here()).collect()
    }

    /// The rows that persons entered at other doors on `date`.
    pub fn by_hand_elsewhere_on(&self, date: Date) -> Vec<(RollNumber, HandRow)> {
        let of = |roll: RollNumber| {
            let rows = self.book.student(date, &roll).map(|student| student.elsewhere.clone());
            rows.unwrap_or_default().into_iter().map(move |row| (roll.clone(), row))
        };
        self.book.students(date).into_iter().flat_map(of).collect()
    }

    /// Takes in visits of other doors: they are kept on the disk, and the rules look at them as at this
    /// door's. Gives how many were new. A visit of this door, one whose end lies before its beginning, one of
    /// a day more than six days back or after tomorrow, and everything while the clock is not known, is left
    /// out: a door with a wrong clock changes nothing here.
    pub fn take_in(&mut self, visits: Vec<Visit>) -> usize {
        let Some(today) = self.today() else { return 0 };
        let mut new = 0;
        for visit in visits {
            let date = self.book.rules().day.date(visit.first);
            let plausible = (-DAYS_BACK..=1).contains(&(date - today).whole_days());
            let known = self.book.student(date, &visit.student).is_some_and(|student| {
                let covers = |known: &Visit| {
                    known.door == visit.door && known.first <= visit.first && visit.last <= known.last
                };
                student.visits.iter().any(covers)
            });
            if plausible && !known && !visit.door.is_here() && visit.first <= visit.last {
                new += 1;
                self.queue(VisitRecord::Elsewhere(visit));
            }
        }
        self.flush();
        new
    }

    /// Says which doors of the site have been gone for so long that another one delivers their OUT rows.
    pub fn set_absent(&mut self, doors: BTreeSet<DoorName>) {
        if doors != self.absent {
            self.absent = doors;
            self.looked_at_days = false;
            self.tick();
        }
    }

    /// OUT rows that wait for their day to close.
    pub fn open_outs(&self) -> usize {
        self.ledger.summary().open_outs
    }
}
