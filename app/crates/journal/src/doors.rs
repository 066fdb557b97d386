//! The other doors of the site: what this door tells them, and what it learns from them.

use std::collections::BTreeSet;

use time::Date;

use crate::recorder::Recorder;
use crate::rules::{DoorName, Visit};
use crate::storage::VisitRecord;

/// Days before the present one of which visits of other doors are taken in.
const DAYS_BACK: i64 = 6;

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

    /// The visits at other doors on `date`, of the days that are held here: about a week.
    pub fn elsewhere_on(&self, date: Date) -> Vec<Visit> {
        let students = self.book.students(date);
        let of_student = students.iter().filter_map(|roll| self.book.student(date, roll));
        let visits = of_student.flat_map(|student| student.visits.iter());
        visits.filter(|visit| !visit.door.is_here()).cloned().collect()
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
