//! The bytes of one message: version, kind, content, and an authentication code over all of it and the
//! school's name. Pure.
//!
//! The broker and whoever can write to it are not trusted. They learn no roll numbers (students go as keyed
//! hashes), and what they invent, change or move to another topic is refused. A message that is repeated
//! changes nothing, because its sequence is known. The layout is in `app/docs/mqtt.md`.

use std::sync::Arc;

use time::Date;

use crate::book::{
    Delivered, Device, Direction, Entry, Fixed, MOST_FIXED, MOST_VISITS, MOST_VOIDS, NewestRow, Student,
    Visit, Void,
};
use crate::erasure::entry::{Id, Told};
use crate::keys::{CODE, Keys};

/// The version of the layout that this program writes and reads.
pub const VERSION: u8 = 1;
/// The version of the layout of an entry with rows by hand. It is written only where there are some: a door
/// with an earlier program reads everything else, and changes nothing by these.
const WITH_FIXED: u8 = 2;
/// The newest layout that this program reads.
pub const NEWEST: u8 = WITH_FIXED;
/// Largest message that is looked at. The largest one of ours has about 1,100 bytes.
pub const MAX_BYTES: usize = 2048;
/// Longest name of a door, in bytes; a longer one is shortened.
pub const MAX_DOOR: usize = 64;
/// Bytes before the content: version and kind.
const HEAD: usize = 2;
const KIND_ENTRY: u8 = 1;
const KIND_BEACON: u8 = 2;
const KIND_ERASED: u8 = 3;
const KIND_LIFTED: u8 = 4;

/// What a device says of one student on one day.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Seen {
    /// The school day.
    pub day: Date,
    /// The device.
    pub device: Device,
    /// The student.
    pub student: Student,
    /// When it was sent, seconds since 1970, by the device's clock.
    pub sent_at: i64,
    /// What the device says.
    pub entry: Entry,
}

/// A device says that it is here, and what time its clock shows.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Beacon {
    /// The device.
    pub device: Device,
    /// Its door's name.
    pub door: Arc<str>,
    /// Grows with every beacon, also over restarts.
    pub sequence: u64,
    /// The device's clock, seconds since 1970.
    pub sent_at: i64,
    /// The version of its program.
    pub version: Arc<str>,
}

/// Why a message is refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Refusal {
    /// Too long to be one of ours.
    #[error("it has more than {MAX_BYTES} bytes")]
    TooLarge,
    /// Not one of ours.
    #[error("it is not a message of this program")]
    Garbage,
    /// Written by another version of the program.
    #[error("its layout has version {0}; this program reads versions up to {NEWEST}")]
    Version(u8),
    /// The authentication code is wrong: another site key, or a forgery.
    #[error("it was not made with this school's mqtt.site_key")]
    Foreign,
    /// The code is right and the topic is another one: somebody moved it.
    #[error("it was published on a topic that it does not belong to")]
    Misplaced,
}

/// The bytes of `seen`.
pub fn encode(seen: &Seen, keys: &Keys) -> Vec<u8> {
    let entry = &seen.entry;
    let version = if entry.fixed.is_empty() { VERSION } else { WITH_FIXED };
    let mut out = vec![version, KIND_ENTRY];
    out.extend_from_slice(&seen.day.to_julian_day().to_be_bytes());
    out.extend_from_slice(&seen.device.0);
    out.extend_from_slice(&seen.student.0);
    out.extend_from_slice(&entry.sequence.to_be_bytes());
    out.extend_from_slice(&seen.sent_at.to_be_bytes());
    put_text(&mut out, &entry.door);
    out.push(match entry.direction {
        Direction::Both => 0,
        Direction::In => 1,
        Direction::Out => 2,
    });
    let visits = &entry.visits[..entry.visits.len().min(MOST_VISITS)];
    out.push(visits.len() as u8);
    for visit in visits {
        out.extend_from_slice(&visit.begins.to_be_bytes());
        out.extend_from_slice(&visit.ends.to_be_bytes());
    }
    put_time(&mut out, entry.newest.map(|newest| newest.at));
    out.push(u8::from(entry.newest.is_some_and(|newest| newest.out)));
    put_time(&mut out, entry.delivered.arrival);
    put_time(&mut out, entry.delivered.departure);
    let voids = &entry.voids[..entry.voids.len().min(MOST_VOIDS)];
    out.push(voids.len() as u8);
    for void in voids {
        put_text(&mut out, &void.door);
        out.extend_from_slice(&void.from.to_be_bytes());
        out.extend_from_slice(&void.to.to_be_bytes());
    }
    if version == WITH_FIXED {
        let fixed = &entry.fixed[..entry.fixed.len().min(MOST_FIXED)];
        out.push(fixed.len() as u8);
        for row in fixed {
            out.push(u8::from(row.out));
            out.extend_from_slice(&row.at.to_be_bytes());
        }
    }
    keys.close(out)
}

/// The bytes of `beacon`.
pub fn encode_beacon(beacon: &Beacon, keys: &Keys) -> Vec<u8> {
    let mut out = vec![VERSION, KIND_BEACON];
    out.extend_from_slice(&beacon.device.0);
    out.extend_from_slice(&beacon.sequence.to_be_bytes());
    out.extend_from_slice(&beacon.sent_at.to_be_bytes());
    put_text(&mut out, &beacon.door);
    put_text(&mut out, &beacon.version);
    keys.close(out)
}

/// The bytes that tell of an erasure. They are the same whichever door publishes them.
pub fn encode_erasure(told: &Told, keys: &Keys) -> Vec<u8> {
    let mut out = vec![VERSION, if told.lifted { KIND_LIFTED } else { KIND_ERASED }];
    out.extend_from_slice(&told.id.0);
    out.extend_from_slice(&told.student.0);
    out.extend_from_slice(&told.at.to_be_bytes());
    keys.close(out)
}

/// Reads what was published as the erasure with this number, or as its lifting.
///
/// # Errors
/// [`Refusal`].
pub fn decode_erasure(bytes: &[u8], id: Id, lifted: bool, keys: &Keys) -> Result<Told, Refusal> {
    let mut input = open(bytes, if lifted { KIND_LIFTED } else { KIND_ERASED }, keys)?;
    let told = read_erasure(&mut input, lifted).filter(|_| input.0.is_empty()).ok_or(Refusal::Garbage)?;
    if told.id == id { Ok(told) } else { Err(Refusal::Misplaced) }
}

/// Reads what was published for this day, device and student.
///
/// # Errors
/// [`Refusal`].
pub fn decode(bytes: &[u8], place: (Date, Device, Student), keys: &Keys) -> Result<Seen, Refusal> {
    let mut input = open(bytes, KIND_ENTRY, keys)?;
    let seen = read_seen(&mut input, bytes[0] == WITH_FIXED)
        .filter(|_| input.0.is_empty())
        .ok_or(Refusal::Garbage)?;
    if (seen.day, seen.device, seen.student) == place { Ok(seen) } else { Err(Refusal::Misplaced) }
}

/// Reads what was published as the beacon of this device.
///
/// # Errors
/// [`Refusal`].
pub fn decode_beacon(bytes: &[u8], device: Device, keys: &Keys) -> Result<Beacon, Refusal> {
    let mut input = open(bytes, KIND_BEACON, keys)?;
    let beacon = read_beacon(&mut input).filter(|_| input.0.is_empty()).ok_or(Refusal::Garbage)?;
    if beacon.device == device { Ok(beacon) } else { Err(Refusal::Misplaced) }
}

/// The content of a message whose version, kind and code are right.
fn open<'a>(bytes: &'a [u8], kind: u8, keys: &Keys) -> Result<Input<'a>, Refusal> {
    if bytes.len() > MAX_BYTES {
        return Err(Refusal::TooLarge);
    }
    if bytes.len() < HEAD + CODE {
        return Err(Refusal::Garbage);
    }
    // Text, as other programs publish it, is not a version of ours.
    match bytes[0] {
        VERSION => {}
        WITH_FIXED if bytes[1] == KIND_ENTRY => {}
        0 | 32.. => return Err(Refusal::Garbage),
        other => return Err(Refusal::Version(other)),
    }
    if !keys.verify(bytes) {
        return Err(Refusal::Foreign);
    }
    if bytes[1] != kind {
        return Err(Refusal::Misplaced);
    }
    Ok(Input(&bytes[HEAD..bytes.len() - CODE]))
}

/// Bytes that are still to be read.
struct Input<'a>(&'a [u8]);

impl Input<'_> {
    fn array<const BYTES: usize>(&mut self) -> Option<[u8; BYTES]> {
        let (bytes, rest) = self.0.split_first_chunk::<BYTES>()?;
        self.0 = rest;
        Some(*bytes)
    }

    fn byte(&mut self) -> Option<u8> {
        self.array::<1>().map(|[byte]| byte)
    }

    fn number(&mut self) -> Option<u64> {
        self.array().map(u64::from_be_bytes)
    }

    fn time(&mut self) -> Option<i64> {
        self.array().map(i64::from_be_bytes)
    }

    fn time_or_none(&mut self) -> Option<Option<i64>> {
        match self.byte()? {
            0 => Some(None),
            1 => self.time().map(Some),
            _ => None,
        }
    }

    fn text(&mut self) -> Option<Arc<str>> {
        let length = usize::from(self.byte()?);
        let (text, rest) = self.0.split_at_checked(length).filter(|_| length <= MAX_DOOR)?;
        self.0 = rest;
        std::str::from_utf8(text).ok().filter(|text| !text.chars().any(char::is_control)).map(Arc::from)
    }
}

fn read_seen(input: &mut Input<'_>, with_fixed: bool) -> Option<Seen> {
    let day = Date::from_julian_day(i32::from_be_bytes(input.array()?)).ok()?;
    let (device, student) = (Device(input.array()?), Student(input.array()?));
    let (sequence, sent_at, door) = (input.number()?, input.time()?, input.text()?);
    let direction = match input.byte()? {
        0 => Direction::Both,
        1 => Direction::In,
        2 => Direction::Out,
        _ => return None,
    };
    let number = usize::from(input.byte()?);
    let mut visits = Vec::with_capacity(number.min(MOST_VISITS));
    for _ in 0..Some(number).filter(|number| *number <= MOST_VISITS)? {
        let visit = Visit { begins: input.time()?, ends: input.time()? };
        visits.push(Some(visit).filter(|visit| visit.begins <= visit.ends)?);
    }
    let (at, out) = (input.time_or_none()?, input.byte()? == 1);
    let delivered = Delivered { arrival: input.time_or_none()?, departure: input.time_or_none()? };
    let number = usize::from(input.byte()?);
    let mut voids = Vec::with_capacity(number.min(MOST_VOIDS));
    for _ in 0..Some(number).filter(|number| *number <= MOST_VOIDS)? {
        voids.push(Void { door: input.text()?, from: input.time()?, to: input.time()? });
    }
    let newest = at.map(|at| NewestRow { at, out });
    let number = if with_fixed { usize::from(input.byte()?) } else { 0 };
    let mut fixed = Vec::with_capacity(number.min(MOST_FIXED));
    for _ in 0..Some(number).filter(|number| *number <= MOST_FIXED)? {
        fixed.push(Fixed { out: input.byte()? == 1, at: input.time()? });
    }
    let entry = Entry { sequence, door, direction, visits, voids, newest, delivered, fixed };
    Some(Seen { day, device, student, sent_at, entry })
}

fn read_erasure(input: &mut Input<'_>, lifted: bool) -> Option<Told> {
    Some(Told { id: Device(input.array()?), student: Student(input.array()?), at: input.time()?, lifted })
}

fn read_beacon(input: &mut Input<'_>) -> Option<Beacon> {
    let device = Device(input.array()?);
    let (sequence, sent_at) = (input.number()?, input.time()?);
    Some(Beacon { device, sequence, sent_at, door: input.text()?, version: input.text()? })
}

/// A text of at most [`MAX_DOOR`] bytes, without control characters.
pub fn shortened(text: &str) -> Arc<str> {
    let mut short = String::with_capacity(text.len().min(MAX_DOOR));
    for character in text.chars().filter(|character| !character.is_control()) {
        if short.len() + character.len_utf8() > MAX_DOOR {
            break;
        }
        short.push(character);
    }
    short.into()
}

fn put_text(out: &mut Vec<u8>, text: &str) {
    let text = shortened(text);
    out.push(text.len() as u8);
    out.extend_from_slice(text.as_bytes());
}

fn put_time(out: &mut Vec<u8>, time: Option<i64>) {
    out.push(u8::from(time.is_some()));
    if let Some(time) = time {
        out.extend_from_slice(&time.to_be_bytes());
    }
}

#[cfg(test)]
#[path = "message_tests.rs"]
mod tests;
