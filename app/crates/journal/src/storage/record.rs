//! What a line of the journal says.
//!
//! | kind | fields after it | meaning |
//! |---|---|---|
//! | `journal` | version, next id | first line of every segment |
//! | `row` | id, roll, `IN`/`OUT`, UTC, ms since boot, boot, `known`/`unknown` | a row; `unknown`: its time is still to be settled |
//! | `settled` | id, UTC, `IN`/`OUT`/`none`, `measured`/`estimated`/`doubtful` | the time of a row whose clock was unknown |
//! | `clock` | 0, UTC, ms since boot, boot | the wall clock was right then |
//! | `until` | id, ms since boot | the visit that began with a row of unknown time lasted until then |
//! | `moved` | id, UTC | the row has this time: the student was seen again before it was sent |
//! | `withdrawn` | id, UTC, reason | the row is none, by the rules, and was never sent |
//! | `late` | id, UTC | the student was seen at that time, after this OUT was sent |
//! | `added` | id, roll, `IN`/`OUT`, UTC of the row, UTC, who, reason | a person added a row |
//! | `changed` | id, `IN`/`OUT`, UTC of the row, UTC, who, reason | a person changed a row |
//! | `voided` | id, UTC, who, reason | a person took a row away |
//! | `instead` | id, id of another row | the row was added in the place of the other one, which the webhook may have |
//! | `between` | id, UTC, UTC | the day of a row is not known: its time lies between these two |
//! | `placed` | id, UTC of the row, `IN`/`OUT`/`none`, UTC, who, reason | a person said on which day that was; `none`: by the rules it is no row there |
//!
//! The second field of every record but the header is the id of the row it is about, or 0. That much is
//! promised to all versions: later ones may add kinds, and fields at the end of a line, and nothing else. So
//! an older program skips what it does not know, keeps it (nothing is ever rewritten), and does not prune the
//! segment it stands in.

use std::sync::Arc;
use std::time::Duration;

use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;

use crate::row::{Stamp, Status};
use base::identity::RollNumber;

/// A row of the journal.
#[derive(Debug, Clone, PartialEq)]
pub struct Row {
    /// Its number, counted from 1 over the appliance's life.
    pub id: u64,
    /// Who.
    pub roll: RollNumber,
    /// Coming or going.
    pub status: Status,
    /// When.
    pub at: Stamp,
    /// How well the wall clock of `at` is known.
    pub clock: Certainty,
}

/// How well a row's wall-clock time is known.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Certainty {
    /// The clock was right, or the time was measured back from when it was.
    Known,
    /// Not yet.
    Unknown,
    /// Its boot ended before the clock was known; the time is the best guess between the neighbours.
    Estimated,
    /// As estimated, and the rules make no row of it at that time: a person decides.
    Doubtful,
}

/// The time of a row whose clock was unknown, found later.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Settled {
    /// Which row.
    pub id: u64,
    /// Its time.
    pub utc: OffsetDateTime,
    /// What the rules make of it at that time.
    pub verdict: Verdict,
}

/// What a settled row is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Verdict {
    /// A row; `measured` when the time is exact, else an estimate.
    Row {
        /// Coming or going.
        status: Status,
        /// Whether the time was measured back within its boot.
        measured: bool,
    },
    /// The rules make no row of it at the estimated time, which may be wrong: a person decides.
    Doubtful(Status),
    /// No row: it was recorded while the clock was unknown, and the rules refuse it at its true time.
    Nothing,
}

/// Who corrected a row by hand, when, and why.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Hand {
    /// When.
    pub utc: OffsetDateTime,
    /// Who: a name without commas.
    pub who: String,
    /// Why: one line without commas.
    pub reason: String,
}

impl Hand {
    /// Most characters of a name and of a reason.
    pub const LONGEST: usize = 200;

    /// A correction that `who` makes at `utc`. A comma would begin a field of a later version.
    pub fn new(utc: OffsetDateTime, who: &str, reason: &str) -> Self {
        Self { utc: rounded(utc, Duration::ZERO).0, who: plain(who), reason: plain(reason) }
    }
}

/// One line of at most [`Hand::LONGEST`] characters without commas.
pub(super) fn plain(text: &str) -> String {
    let without = |c: char| match c {
        ',' => ';',
        c if c.is_control() => ' ',
        c => c,
    };
    text.trim().chars().map(without).take(Hand::LONGEST).collect()
}

/// One record.
#[derive(Debug, Clone, PartialEq)]
pub enum Record {
    /// A segment's first line.
    Header {
        /// Format of the program that wrote the segment.
        version: u32,
        /// The next row's id at that time.
        next: u64,
    },
    /// A row.
    Row(Row),
    /// The time of an earlier row.
    Settled(Settled),
    /// The wall clock was right at this time.
    Clock(Stamp),
    /// The visit that began with a row of unknown time lasted until this time since its boot.
    Until(u64, Duration),
    /// A row has another time.
    Moved(u64, OffsetDateTime),
    /// A row does not count any more, by the rules; when that was decided, and why.
    Withdrawn(u64, OffsetDateTime, String),
    /// A student was seen after their OUT was sent.
    Late(u64, OffsetDateTime),
    /// A person added a row.
    Added(Row, Hand),
    /// A person changed a row.
    Changed {
        /// Which row.
        id: u64,
        /// Coming or going.
        status: Status,
        /// Its time.
        utc: OffsetDateTime,
        /// Who, and why.
        hand: Hand,
    },
    /// A person took a row away.
    Voided(u64, Hand),
    /// A row was added in the place of another one, which the webhook may have.
    Instead {
        /// The new row.
        id: u64,
        /// The other one.
        old: u64,
    },
    /// The day of a row is not known: its time lies between these two.
    Between(u64, OffsetDateTime, OffsetDateTime),
    /// A person said on which day a row was seen.
    Placed {
        /// Which row.
        id: u64,
        /// Its time.
        utc: OffsetDateTime,
        /// What the rules make of it on that day; none: no row.
        status: Option<Status>,
        /// Who, and why.
        hand: Hand,
    },
    /// A record of a later version, about the row with this id (0: about no row).
    Foreign(u64),
}

impl Record {
    /// The record as a line's payload.
    pub fn encode(&self) -> String {
        match self {
            Self::Header { version, next } => format!("journal,{version},{next}"),
            Self::Row(row) => {
                let clock = if row.clock == Certainty::Unknown { "unknown" } else { "known" };
                let (id, roll, status) = (row.id, &row.roll, row.status.as_str());
                format!("row,{id},{roll},{status},{},{clock}", stamp(&row.at))
            }
            Self::Settled(settled) => {
                let (status, how) = match settled.verdict {
                    Verdict::Row { status, measured: true } => (status.as_str(), "measured"),
                    Verdict::Row { status, measured: false } => (status.as_str(), "estimated"),
                    Verdict::Doubtful(status) => (status.as_str(), "doubtful"),
                    Verdict::Nothing => ("none", "measured"),
                };
                format!("settled,{},{},{status},{how}", settled.id, utc(settled.utc))
            }
            Self::Clock(at) => format!("clock,0,{}", stamp(at)),
            Self::Until(id, since_boot) => format!("until,{id},{}", since_boot.as_millis()),
            Self::Moved(id, time) => format!("moved,{id},{}", utc(*time)),
            Self::Withdrawn(id, time, reason) => format!("withdrawn,{id},{},{}", utc(*time), plain(reason)),
            Self::Late(id, time) => format!("late,{id},{}", utc(*time)),
            Self::Added(row, by) => {
                let (id, roll, status) = (row.id, &row.roll, row.status.as_str());
                format!("added,{id},{roll},{status},{},{}", utc(row.at.utc), hand(by))
            }
            Self::Changed { id, status, utc: time, hand: by } => {
                format!("changed,{id},{},{},{}", status.as_str(), utc(*time), hand(by))
            }
            Self::Voided(id, by) => format!("voided,{id},{}", hand(by)),
            Self::Instead { id, old } => format!("instead,{id},{old}"),
            Self::Between(id, earliest, latest) => {
                format!("between,{id},{},{}", utc(*earliest), utc(*latest))
            }
            Self::Placed { id, utc: time, status, hand: by } => {
                let status = status.map_or("none", Status::as_str);
                format!("placed,{id},{},{status},{}", utc(*time), hand(by))
            }
            Self::Foreign(id) => format!("foreign,{id}"),
        }
    }

    /// Reads a payload. `None` when it is about nothing that can be told, not even a row's id.
    pub fn decode(payload: &str) -> Option<Self> {
        let fields: Vec<&str> = payload.split(',').collect();
        let id = fields.get(1)?.parse().ok()?;
        Some(Self::known(&fields, id).unwrap_or(Self::Foreign(id)))
    }

    /// The row it is about.
    pub fn id(&self) -> u64 {
        match self {
            Self::Row(row) | Self::Added(row, _) => row.id,
            Self::Settled(settled) => settled.id,
            Self::Changed { id, .. }
            | Self::Until(id, _)
            | Self::Moved(id, _)
            | Self::Withdrawn(id, ..)
            | Self::Late(id, _)
            | Self::Voided(id, _)
            | Self::Instead { id, .. }
            | Self::Between(id, ..)
            | Self::Placed { id, .. }
            | Self::Foreign(id) => *id,
            Self::Header { .. } | Self::Clock(_) => 0,
        }
    }

    fn known(fields: &[&str], id: u64) -> Option<Self> {
        match fields {
            ["journal", version, next, ..] => {
                Some(Self::Header { version: version.parse().ok()?, next: next.parse().ok()? })
            }
            ["row", _, roll, status, utc, since_boot, boot, clock, ..] => Some(Self::Row(Row {
                id,
                roll: RollNumber::parse(roll).ok()?,
                status: Status::parse(status)?,
                at: parse_stamp(utc, since_boot, boot)?,
                clock: match *clock {
                    "known" => Certainty::Known,
                    "unknown" => Certainty::Unknown,
                    _ => return None,
                },
            })),
            ["settled", _, utc, status, how, ..] => {
                let verdict = match (Status::parse(status), *status, *how) {
                    (Some(status), _, "measured") => Verdict::Row { status, measured: true },
                    (Some(status), _, "estimated") => Verdict::Row { status, measured: false },
                    (Some(status), _, "doubtful") => Verdict::Doubtful(status),
                    (None, "none", _) => Verdict::Nothing,
                    _ => return None,
                };
                Some(Self::Settled(Settled { id, utc: parse_utc(utc)?, verdict }))
            }
            ["clock", _, utc, since_boot, boot, ..] => Some(Self::Clock(parse_stamp(utc, since_boot, boot)?)),
            ["until", _, since_boot, ..] => {
                Some(Self::Until(id, Duration::from_millis(since_boot.parse().ok()?)))
            }
            ["moved", _, utc, ..] => Some(Self::Moved(id, parse_utc(utc)?)),
            ["withdrawn", _, utc, reason, ..] => {
                Some(Self::Withdrawn(id, parse_utc(utc)?, (*reason).to_owned()))
            }
            ["late", _, utc, ..] => Some(Self::Late(id, parse_utc(utc)?)),
            ["added", _, roll, status, utc, at, who, reason, ..] => {
                let at_the_desk =
                    Stamp { utc: parse_utc(utc)?, since_boot: Duration::ZERO, boot: Arc::from(BY_HAND) };
                let row = Row {
                    id,
                    roll: RollNumber::parse(roll).ok()?,
                    status: Status::parse(status)?,
                    at: at_the_desk,
                    clock: Certainty::Known,
                };
                Some(Self::Added(row, parse_hand(at, who, reason)?))
            }
            ["changed", _, status, utc, at, who, reason, ..] => Some(Self::Changed {
                id,
                status: Status::parse(status)?,
                utc: parse_utc(utc)?,
                hand: parse_hand(at, who, reason)?,
            }),
            ["voided", _, at, who, reason, ..] => Some(Self::Voided(id, parse_hand(at, who, reason)?)),
            ["instead", _, old, ..] => Some(Self::Instead { id, old: old.parse().ok()? }),
            ["between", _, earliest, latest, ..] => {
                Some(Self::Between(id, parse_utc(earliest)?, parse_utc(latest)?))
            }
            ["placed", _, utc, status, at, who, reason, ..] => Some(Self::Placed {
                id,
                utc: parse_utc(utc)?,
                status: match *status {
                    "none" => None,
                    status => Some(Status::parse(status)?),
                },
                hand: parse_hand(at, who, reason)?,
            }),
            _ => None,
        }
    }
}

/// Stands for the boot of a row that a person added.
pub const BY_HAND: &str = "by-hand";

fn hand(by: &Hand) -> String {
    format!("{},{},{}", utc(by.utc), by.who, by.reason)
}

fn parse_hand(utc: &str, who: &str, reason: &str) -> Option<Hand> {
    Some(Hand { utc: parse_utc(utc)?, who: who.to_owned(), reason: reason.to_owned() })
}

/// `utc` and `since_boot` as the journal keeps them, in milliseconds: what is decided now must be what is
/// decided from the journal after a restart.
pub fn rounded(utc: OffsetDateTime, since_boot: Duration) -> (OffsetDateTime, Duration) {
    let utc = utc.to_offset(time::UtcOffset::UTC);
    let utc = utc.replace_millisecond(utc.millisecond()).unwrap_or(utc);
    (utc, Duration::new(since_boot.as_secs(), since_boot.subsec_millis() * 1_000_000))
}

fn stamp(at: &Stamp) -> String {
    format!("{},{},{}", utc(at.utc), at.since_boot.as_millis(), at.boot)
}

fn parse_stamp(utc: &str, since_boot: &str, boot: &str) -> Option<Stamp> {
    Some(Stamp {
        utc: parse_utc(utc)?,
        since_boot: Duration::from_millis(since_boot.parse().ok()?),
        boot: Arc::from(boot),
    })
}

/// A time as the logs write it. The years of RFC 3339 end at 9999 and begin at 0, and no clock leaves them.
pub fn utc(utc: OffsetDateTime) -> String {
    utc.format(&Rfc3339).unwrap_or_else(|_| "1970-01-01T00:00:00Z".to_owned())
}

/// Reads a time of the logs.
pub fn parse_utc(text: &str) -> Option<OffsetDateTime> {
    OffsetDateTime::parse(text, &Rfc3339).ok()
}

#[cfg(test)]
#[path = "record_tests.rs"]
mod tests;
