//! Which messages are believed. Pure: it is told the time.
//!
//! A message with the right code is from a door of the school. It can still be wrong: the door's clock may be
//! wrong, or the message is old. A message that is not believed goes into quarantine: it is shown, and
//! changes no row. A later message of the same door about the same student takes its place.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use base::failure::{Diagnosis, Fault};
use time::{Date, OffsetDateTime};

use crate::book::{Device, Key};
use crate::device::Identity;
use crate::message::{Beacon, Seen};

/// Seconds by which a door's clock may differ from ours, its message's way included.
pub const TOLERANCE: i64 = 120;
/// Seconds after which a door that was not heard is not counted as present: three beacons.
pub const PRESENT: i64 = 180;
/// Most devices that are remembered.
const MOST_DEVICES: usize = 1000;
/// Most messages in quarantine; more are counted only.
const MOST_DOUBTED: usize = 1000;

/// A school day: from the second it starts to the second before the next one starts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Window {
    /// Its date.
    pub day: Date,
    /// Its first second, since 1970.
    pub starts: i64,
    /// The first second of the next day.
    pub ends: i64,
}

impl Window {
    /// The window of a day, where `date_of` says on which school day a moment lies.
    pub fn of(day: Date, date_of: impl Fn(OffsetDateTime) -> Date) -> Option<Self> {
        let next = day.next_day()?;
        Some(Self { day, starts: first_second(day, &date_of)?, ends: first_second(next, &date_of)? })
    }
}

/// The first second that is on `day` or later. No zone and no start of the day is more than two days away
/// from midnight UTC.
fn first_second(day: Date, date_of: impl Fn(OffsetDateTime) -> Date) -> Option<i64> {
    let middle = day.midnight().assume_utc().unix_timestamp();
    let (mut before, mut after) = (middle - 2 * 86_400, middle + 2 * 86_400);
    while after - before > 1 {
        let at = before + (after - before) / 2;
        let reached = date_of(OffsetDateTime::from_unix_timestamp(at).ok()?) >= day;
        *(if reached { &mut after } else { &mut before }) = at;
    }
    Some(after)
}

/// Why a message is not believed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Doubt {
    /// It is about a day that is neither today nor the day before.
    OtherDay(Date),
    /// A visit is outside its own day, or later than the message itself.
    Times,
    /// The door's clock differs from ours by so many seconds; negative: it is behind.
    Clock(i64),
    /// It is old, and the door was not heard yet: whether its clock is right is not known. It comes again.
    Unheard,
}

/// What is known of another door.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Peer {
    /// Its name.
    pub door: Arc<str>,
    /// The version of its program.
    pub version: Arc<str>,
    /// The sequence of its last beacon.
    pub sequence: u64,
    /// When it was last heard, by our clock.
    pub heard: i64,
    /// Seconds by which its clock is ahead of ours.
    pub ahead: i64,
}

/// What a new beacon means.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Heard {
    /// The door was not here a moment ago, or has started again: it may not have heard us.
    pub first: bool,
    /// Messages of it were put off until it was heard.
    pub put_off: bool,
}

impl Peer {
    fn present(&self, now: i64, within: i64) -> bool {
        now - self.heard <= within
    }

    fn clock_is_right(&self) -> bool {
        self.ahead.abs() <= TOLERANCE
    }
}

/// What is wrong among the doors of the school.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Trouble {
    /// Another device has this door's name.
    OurName(Arc<str>),
    /// Two other devices have one name.
    SharedName(Arc<str>),
    /// A door's clock is wrong: its name, and the seconds by which it is ahead.
    WrongClock(Arc<str>, i64),
    /// All other doors agree with each other and not with us: the seconds by which they are ahead.
    OurClock(i64),
    /// Messages of a door that are not believed: its name, how many, and why the last one.
    Quarantine(Arc<str>, usize, Doubt),
    /// Old messages of a door come, and its beacon does not: its name.
    NoBeacon(Arc<str>),
}

impl Diagnosis for Trouble {
    fn fault(&self) -> Fault {
        match self {
            Self::OurName(door) => Fault::new(format!(
                "another device is a door of this school with the same name, {door:?}; rows stay right, and \
                 nobody can tell the two doors apart"
            ))
            .advise("give each door its own site.name"),
            Self::SharedName(door) => Fault::new(format!(
                "two devices of this school have the name {door:?}; rows stay right, and nobody can tell the \
                 two doors apart"
            ))
            .advise("give each door its own site.name"),
            Self::WrongClock(door, ahead) => Fault::new(format!(
                "the clock of the door {door:?} is {}; what it sees is kept apart and changes no row here",
                difference(*ahead)
            ))
            .advise(format!("set right the clock of {door:?}: let it reach a time server")),
            Self::OurClock(ahead) => Fault::new(format!(
                "the clocks of all other doors are {}; they agree with each other, so this door's clock is \
                 probably wrong",
                difference(*ahead)
            ))
            .advise("let this door reach a time server, and compare its clock with a watch"),
            Self::NoBeacon(door) => Fault::new(format!(
                "messages of the door {door:?} are old when they come, and its beacon does not come, so nobody \
                 knows whether its clock is right; they change no row here"
            ))
            .advise(format!(
                "let the access rules of the broker admit attendance/SITE/device/+/beacon for every door, and compare the \
                 clock of {door:?} with a watch"
            )),
            Self::Quarantine(door, messages, doubt) => {
                let why = match doubt {
                    Doubt::OtherDay(day) => format!("about {day}, which is neither today nor the day before"),
                    Doubt::Times => "with times outside their own day".to_owned(),
                    Doubt::Clock(ahead) => format!("from a clock that is {}", difference(*ahead)),
                    Doubt::Unheard => "old, from a door that is not heard".to_owned(),
                };
                Fault::new(format!(
                    "{messages} messages of the door {door:?} are not believed, the last one {why}; they \
                     change no row"
                ))
                .advise(format!("compare the clock of {door:?} with a watch, and restart that door"))
            }
        }
    }
}

/// A difference of clocks in words.
fn difference(ahead: i64) -> String {
    let seconds = ahead.unsigned_abs();
    let amount = match seconds {
        0..=299 => format!("{seconds} seconds"),
        300..=10_799 => format!("{} minutes", seconds / 60),
        10_800..=172_799 => format!("{} hours", seconds / 3600),
        _ => format!("{} days", seconds / 86_400),
    };
    format!("{amount} {}", if ahead < 0 { "behind" } else { "ahead" })
}

/// Judges what comes from other doors.
#[derive(Debug)]
pub struct Judge {
    us: Device,
    door: Arc<str>,
    windows: Vec<Window>,
    peers: BTreeMap<Device, Peer>,
    doubted: BTreeMap<(Date, Key), (u64, Arc<str>, Doubt)>,
    /// Devices whose messages were put off until they are heard: their door, and since when.
    put_off: BTreeMap<Device, (Arc<str>, i64)>,
    dropped: u64,
}

impl Judge {
    /// The judge of this device, whose door has this name.
    pub fn new(us: Device, door: Arc<str>) -> Self {
        let (windows, peers, doubted) = (Vec::new(), BTreeMap::new(), BTreeMap::new());
        Self { us, door, windows, peers, doubted, put_off: BTreeMap::new(), dropped: 0 }
    }

    /// The days whose books are open: today, and the day before. What is in quarantine about other days goes.
    pub fn open(&mut self, windows: Vec<Window>) {
        self.windows = windows;
        self.doubted.retain(|(day, _), _| self.windows.iter().any(|window| window.day == *day));
    }

    /// A beacon came. Gives what it means; none where it is an old one that somebody repeats.
    pub fn beacon(&mut self, beacon: &Beacon, now: i64) -> Option<Heard> {
        let known = self.peers.get(&beacon.device);
        let repeated = known.is_some_and(|peer| beacon.sequence <= peer.sequence);
        if beacon.device == self.us || repeated || (known.is_none() && self.peers.len() >= MOST_DEVICES) {
            return None;
        }
        let heard = Heard {
            first: known.is_none_or(|peer| {
                !peer.present(now, PRESENT)
                    || Identity::start_of(beacon.sequence) != Identity::start_of(peer.sequence)
            }),
            put_off: self.put_off.remove(&beacon.device).is_some(),
        };
        let peer = Peer {
            door: Arc::clone(&beacon.door),
            version: Arc::clone(&beacon.version),
            sequence: beacon.sequence,
            heard: now,
            ahead: beacon.sent_at - now,
        };
        self.peers.insert(beacon.device, peer);
        Some(heard)
    }

    /// Judges a message; `live`: it was sent just now, and not kept by the broker for later.
    ///
    /// # Errors
    /// Why it is not believed. It is in quarantine then, or, with [`Doubt::Unheard`], put off until its door
    /// is heard.
    pub fn judge(&mut self, seen: &Seen, live: bool, now: i64) -> Result<(), Doubt> {
        let place = (seen.day, (seen.student, seen.device));
        let judged = self.judged(seen, live, now);
        match judged {
            Ok(()) => {
                if self.doubted.get(&place).is_some_and(|(sequence, ..)| *sequence <= seen.entry.sequence) {
                    self.doubted.remove(&place);
                }
            }
            Err(Doubt::Unheard) => {
                if self.put_off.len() < MOST_DEVICES {
                    let door = || (Arc::clone(&seen.entry.door), now);
                    self.put_off.entry(seen.device).or_insert_with(door);
                }
            }
            Err(doubt) if self.doubted.len() < MOST_DOUBTED || self.doubted.contains_key(&place) => {
                let doubted = (seen.entry.sequence, Arc::clone(&seen.entry.door), doubt);
                self.doubted.insert(place, doubted);
            }
            Err(_) => self.dropped += 1,
        }
        judged
    }

    fn judged(&self, seen: &Seen, live: bool, now: i64) -> Result<(), Doubt> {
        let Some(window) = self.windows.iter().find(|window| window.day == seen.day) else {
            return Err(Doubt::OtherDay(seen.day));
        };
        let ahead = seen.sent_at - now;
        if ahead > TOLERANCE {
            return Err(Doubt::Clock(ahead));
        }
        let old = ahead < -TOLERANCE;
        let peer = self.peers.get(&seen.device).filter(|peer| peer.present(now, PRESENT));
        match peer {
            // A message that waited at the door or at the broker is old, and its times may still be right:
            // the door's clock decides.
            Some(peer) if !peer.clock_is_right() && (old || !live) => return Err(Doubt::Clock(peer.ahead)),
            // The door's clock is not known yet. When it is, the broker is asked for what it keeps.
            None if live && old => return Err(Doubt::Unheard),
            _ => {}
        }
        let latest = (seen.sent_at + TOLERANCE).min(window.ends - 1);
        let plausible = |at: i64| (window.starts..=latest).contains(&at);
        let visits = &seen.entry.visits;
        let fixed = &seen.entry.fixed;
        if visits.iter().all(|visit| plausible(visit.begins) && plausible(visit.ends))
            && fixed.iter().all(|row| plausible(row.at))
        {
            Ok(())
        } else {
            Err(Doubt::Times)
        }
    }

    /// The devices that were heard within so many seconds, and this one.
    pub fn here(&self, now: i64, within: i64) -> Vec<Device> {
        let heard = self.peers.iter().filter(|(_, peer)| peer.present(now, within));
        heard.map(|(device, _)| *device).chain([self.us]).collect()
    }

    /// Whether a device was heard within so many seconds.
    pub fn heard(&self, device: Device, now: i64, within: i64) -> bool {
        self.peers.get(&device).is_some_and(|peer| peer.present(now, within))
    }

    /// The other doors.
    pub fn peers(&self) -> impl Iterator<Item = (&Device, &Peer)> {
        self.peers.iter()
    }

    /// Messages that are not believed.
    pub fn doubted(&self) -> usize {
        self.doubted.len()
    }

    /// What is wrong now.
    pub fn troubles(&self, now: i64) -> Vec<Trouble> {
        let present: Vec<&Peer> = self.peers.values().filter(|peer| peer.present(now, PRESENT)).collect();
        let mut found = Vec::new();
        let mut names = BTreeSet::new();
        for peer in &present {
            if peer.door == self.door {
                found.push(Trouble::OurName(Arc::clone(&peer.door)));
            } else if !names.insert(&peer.door) {
                found.push(Trouble::SharedName(Arc::clone(&peer.door)));
            }
        }
        found.dedup();
        let wrong: Vec<&&Peer> = present.iter().filter(|peer| !peer.clock_is_right()).collect();
        let agree = |a: &Peer, b: &Peer| (a.ahead - b.ahead).abs() <= TOLERANCE;
        if wrong.len() >= 2 && wrong.len() == present.len() && wrong.iter().all(|peer| agree(peer, wrong[0]))
        {
            found.push(Trouble::OurClock(wrong[0].ahead));
        } else {
            found.extend(wrong.iter().map(|peer| Trouble::WrongClock(Arc::clone(&peer.door), peer.ahead)));
        }
        let long = self.put_off.values().filter(|(_, since)| now - since > PRESENT);
        found.extend(long.map(|(door, _)| Trouble::NoBeacon(Arc::clone(door))));
        let mut by_door: BTreeMap<&Arc<str>, (usize, Doubt)> = BTreeMap::new();
        for (_, door, doubt) in self.doubted.values() {
            let (messages, last) = by_door.entry(door).or_insert((0, *doubt));
            *messages += 1;
            *last = *doubt;
        }
        for (door, (messages, doubt)) in by_door {
            found.push(Trouble::Quarantine(Arc::clone(door), messages, doubt));
        }
        found
    }
}

#[cfg(test)]
#[path = "judge_tests.rs"]
mod tests;
