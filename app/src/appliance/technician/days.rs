//! Whole days, judged: who was present, who is missing.

use std::collections::BTreeMap;
use std::sync::Arc;

use time::macros::format_description;
use time::{Date, PrimitiveDateTime};

use super::Technician;
use crate::appliance::other_doors;
use base::identity::RollNumber;
use journal::config::{Direction, Policy, TimeOfDay};
use journal::storage::{Folder, Progress as Delivery, RowView};
use office::day::{Day, Now, Person, Rules, Seen};
use view::Refused;

/// Most students times days that are looked at together: 93 days of 2,600 students.
const MOST_DAYS_OF_STUDENTS: usize = 250_000;

/// A row as a day is judged by it; none for one that a person declared void.
fn seen(view: &RowView) -> Option<Seen> {
    let at = PrimitiveDateTime::parse(
        &view.timestamp,
        format_description!("[year]-[month]-[day] [hour]:[minute]:[second]"),
    );
    Some(Seen {
        roll: view.roll.to_string(),
        is_in: view.status == "IN",
        at: at.ok().filter(|_| !matches!(view.progress, Delivery::Void(_)))?,
        provisional: view.clock != "known",
    })
}

impl Technician {
    /// The present moment, for judging days.
    pub(super) fn now(&self) -> Now {
        let now = self.clock.now().utc;
        let (date, local) = (self.ledger.day().date(now), self.zone.local(now));
        let time = PrimitiveDateTime::new(local.date(), local.time());
        let over = self.ledger.is_closed(date) || self.ledger.day().is_over(date, now);
        Now { date, time, closed: over }
    }

    fn rules(&self) -> Rules {
        let attendance = &self.config.attendance;
        Rules {
            late_after: attendance.late_after.map(TimeOfDay::time),
            school_days: attendance.school_days.iter().map(|day| (*day).into()).collect(),
            departures: self.school.is_none()
                && attendance.policy == Policy::FirstInLastOut
                && self.config.door.direction == Direction::Both,
        }
    }

    /// Everybody who is expected: the students' list, and who has photos.
    fn persons(&self) -> Vec<Person> {
        let report = self.report.load();
        let enrolled = report.students();
        let (list, ..) = self.office.students.list();
        let mut persons: BTreeMap<&RollNumber, Person> = BTreeMap::new();
        for roll in list.students.keys().chain(enrolled.keys().copied()) {
            let (name, class) = list
                .students
                .get(roll)
                .map(|listed| (listed.name.clone(), listed.class.clone()))
                .unwrap_or_default();
            let enrolled = enrolled.get(roll).copied().unwrap_or(false);
            persons.insert(roll, Person { roll: roll.to_string(), name, class, enrolled });
        }
        persons.into_values().collect()
    }

    /// The days, judged; those in memory are read there.
    pub(super) fn judged_days(&self, from: Date, to: Date) -> Result<Vec<Day>, Refused> {
        let (now, persons) = (self.now(), self.persons());
        let rules = self.rules();
        // Days that are in memory are read there, all others together from the disk.
        let dates = office::range::days(from, to).unwrap_or_default();
        if persons.len().saturating_mul(dates.len()) > MOST_DAYS_OF_STUDENTS {
            return Err(Refused {
                message: "These are too many students for so many days. Choose fewer days.".to_owned(),
                details: String::new(),
            });
        }
        let mut rows: Vec<Option<Vec<RowView>>> =
            dates.iter().map(|date| self.day(*date, now.date)).collect();
        if rows.iter().any(Option::is_none) {
            let folder = Arc::new(Folder::new(self.config.site.data_dir.join("journal")));
            let ledger = journal::storage::ledger_of_days(folder, self.ledger.day(), from..=to);
            let ledger = ledger.map_err(|error| Refused {
                message: format!(
                    "The rows from {from} to {to} cannot be read. Check the storage, then try again."
                ),
                details: error.to_string(),
            })?;
            for (date, rows) in dates.iter().zip(&mut rows).filter(|(_, rows)| rows.is_none()) {
                *rows = ledger.on(*date);
            }
        }
        let days = dates.iter().zip(rows).map(|(date, rows)| {
            let mut seen: Vec<Seen> = rows.unwrap_or_default().iter().filter_map(seen).collect();
            if let Some(school) = &self.school {
                let both_ways = self.config.attendance.policy == Policy::FirstInLastOut;
                let leaves_after = both_ways.then_some(self.config.attendance.minimum_gap);
                let local = |utc| self.zone.local(utc);
                let (visits, by_hand) = school.elsewhere(*date);
                other_doors::add(&mut seen, &visits, &by_hand, leaves_after, local);
            }
            let now = Now { closed: now.closed && *date == now.date, ..now };
            office::day::judge(*date, &now, &rules, &persons, &seen)
        });
        Ok(days.collect())
    }
}
