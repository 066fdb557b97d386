//! A message of another door: checked, believed or refused, and counted.

use std::cmp::Ordering;

use base::failure::{Diagnosis as _, Fault};
use base::identity::RollNumber;
use time::Date;

use super::School;
use super::exchanged::Received;
use crate::book::{Student, Taken};
use crate::judge::Doubt;
use crate::message::{self, Refusal, Seen};
use crate::topics::Topic;

/// How long a refused message is shown as a fault, in seconds.
pub(super) const SHOWN: i64 = 3600;

impl School {
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
            Some(Topic::Beacon(device)) => message::decode_beacon(payload, device, &self.keys)
                .map(|beacon| self.judge.beacon(&beacon, now).map_or(Received::Known, Received::Beacon)),
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

    pub(super) fn take(&mut self, seen: Seen, retained: bool, now: i64) -> Received {
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
        match self.judge.judge(&seen, !retained, now) {
            Ok(()) => {}
            Err(Doubt::Unheard) => return Received::Known,
            Err(_) => {
                self.counters.doubted += 1;
                return Received::Refused;
            }
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
