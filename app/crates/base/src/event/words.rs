//! Events in plain words, for the terminal, the log and the page alike.

use std::fmt;

use super::Event;
use crate::identity::RollNumber;

impl Event {
    /// How much attention it deserves in the log.
    pub fn level(&self) -> log::Level {
        match self {
            Self::PhotoRefused { .. }
            | Self::LeftOut { .. }
            | Self::AttackRefused { .. }
            | Self::DeliveryFailed { .. }
            | Self::SyncFailed { .. } => log::Level::Warn,
            Self::NotSaved { .. } => log::Level::Error,
            Self::RemovalWaits { .. } => log::Level::Error,
            Self::PhotosSynced { failed, .. } if *failed > 0 => log::Level::Warn,
            Self::Delivered { refused, .. } if *refused > 0 => log::Level::Warn,
            Self::Hint { .. } | Self::NotRecorded { again: true, .. } => log::Level::Debug,
            // The supervisor logs failures itself, with the delay.
            Self::Worker { .. } => log::Level::Debug,
            _ => log::Level::Info,
        }
    }
}

impl Event {
    /// The student whom it is about; none where nobody was named.
    pub fn student(&self) -> Option<&RollNumber> {
        match self {
            Self::Recognised { roll, .. }
            | Self::Recorded { roll, .. }
            | Self::NotSaved { roll, .. }
            | Self::Corrected { roll, .. }
            | Self::DoorOpened { roll }
            | Self::NotRecorded { roll, .. }
            | Self::OutOpen { roll, .. }
            | Self::AttackRefused { roll, .. } => Some(roll),
            _ => None,
        }
    }
}

/// What names a person in the text of an event.
pub(super) struct Personal<'a> {
    /// The parts of the text that do.
    pub(super) values: Vec<&'a str>,
    /// Whether it says who was seen when: nothing of it leaves the site.
    pub(super) sighting: bool,
}

impl Event {
    /// What names a person in its text. No wildcard: whoever adds an event decides here.
    pub(super) fn personal(&self) -> Personal<'_> {
        let nobody = Personal { values: Vec::new(), sighting: false };
        match self {
            Self::Recognised { roll, .. }
            | Self::Recorded { roll, .. }
            | Self::NotSaved { roll, .. }
            | Self::DoorOpened { roll }
            | Self::NotRecorded { roll, .. }
            | Self::OutOpen { roll, .. } => Personal { values: vec![roll.as_str()], sighting: true },
            Self::Corrected { roll, by, reason, .. } => {
                Personal { values: vec![roll.as_str(), by.as_str(), reason.as_str()], sighting: true }
            }
            Self::AttackRefused { roll, .. } => Personal { values: vec![roll.as_str()], ..nobody },
            Self::PhotoRefused { photo, .. } => Personal { values: vec![photo], ..nobody },
            // A folder's name may stand alone in the reason.
            Self::LeftOut { path, reason } => {
                let names = path.rsplit('/').find(|name| !name.is_empty());
                let values = [path.as_str()].into_iter().chain(names);
                let values = values.chain(reason.personal.iter().map(String::as_str)).collect();
                Personal { values, ..nobody }
            }
            Self::SyncFailed { reason, .. }
            | Self::DeliveryFailed { reason, .. }
            | Self::Worker { reason: Some(reason), .. } => {
                Personal { values: reason.personal.iter().map(String::as_str).collect(), ..nobody }
            }
            Self::PhotosSynced { .. }
            | Self::RemovalWaits { .. }
            | Self::RosterReady { .. }
            | Self::Hint { .. }
            | Self::Stranger { .. }
            | Self::Delivered { .. }
            | Self::Worker { reason: None, .. } => nobody,
        }
    }
}

impl fmt::Display for Event {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::PhotosSynced { new, updated, unchanged, removed, failed } => write!(
                f,
                "Photos synced: {new} new, {updated} updated, {unchanged} unchanged, {removed} removed, {failed} failed"
            ),
            Self::SyncFailed { reason, retry_in_s } => {
                write!(f, "Photos not synced: {reason}; next try in {retry_in_s} s")
            }
            Self::RemovalWaits { students, of, advice } => {
                write!(f, "The server lacks {students} of {of} students; nothing is removed. {advice}")
            }
            Self::RosterReady { students, photos, refused } => {
                write!(f, "Faces enrolled: {students} students from {photos} photos")?;
                if *refused > 0 {
                    write!(f, "; {refused} photos not usable")?;
                }
                Ok(())
            }
            Self::PhotoRefused { photo, reason } => write!(f, "Photo {photo} is not enrolled: {reason}"),
            Self::LeftOut { path, reason } => write!(f, "Left out: {path}: {reason}"),
            Self::Hint { track, advice } => write!(f, "Face {track}: {}", advice.text()),
            Self::Recognised {
                track, roll, similarity, margin, votes, threshold, frames, liveness, ..
            } => {
                write!(
                    f,
                    "Recognised {roll}: similarity {similarity:.2} of {threshold:.2} needed, {margin:.2} ahead of the next \
                 person, {votes} frames agree, answered after {frames} (face {track}); {liveness}"
                )
            }
            Self::Stranger { track, similarity, threshold } if similarity >= threshold => {
                write!(
                    f,
                    "Not named: two people on the roster are almost equally similar (similarity {similarity:.2}); \
                     `attendance check-photos` names photos of one person in two folders (face {track})"
                )
            }
            Self::Stranger { track, similarity, threshold } => {
                write!(
                    f,
                    "A stranger: no match on the roster (best similarity {similarity:.2} of {threshold:.2} needed, \
                     face {track})"
                )
            }
            Self::AttackRefused { track, reason, .. } => {
                write!(f, "Refused, not a living person: {reason} (face {track})")
            }
            Self::Recorded { roll, status, timestamp } => {
                write!(f, "{status:<3} {roll} at {timestamp}, saved")
            }
            Self::Corrected { roll, what, status, timestamp, was, by, reason } => {
                match *what {
                    "added" => write!(f, "{by} added {status} {roll} at {timestamp}")?,
                    "voided" => write!(f, "{by} took away {status} {roll} at {timestamp}")?,
                    "placed" => write!(f, "{by} said when {roll} was seen: {timestamp}")?,
                    _ => write!(f, "{by} changed the time of {status} {roll} to {timestamp}")?,
                }
                if let Some(was) = was {
                    write!(f, " (it was {was})")?;
                }
                write!(f, ": {reason}")
            }
            Self::NotSaved { roll, reason } => write!(f, "The row of {roll} is not saved yet: {reason}"),
            Self::NotRecorded { roll, reason, .. } => write!(f, "No row for {roll}: {reason}"),
            Self::OutOpen { roll, timestamp, until } => {
                write!(f, "OUT {roll} at {timestamp} is open: a later visit moves it; {until}")
            }
            Self::DoorOpened { roll } => write!(f, "The door was opened for {roll}"),
            Self::Delivered { created, duplicates, refused, backlog } => write!(
                f,
                "Webhook answered: {created} {} stored, {duplicates} duplicates, {refused} refused; {backlog} still to \
                 deliver",
                if *created == 1 { "row" } else { "rows" }
            ),
            Self::DeliveryFailed { reason, retry_in_s } => {
                write!(f, "Rows not delivered: {reason}; kept, next try in {retry_in_s} s")
            }
            Self::Worker { name, state, reason } => match reason {
                Some(reason) => write!(f, "{name} is {}: {reason}", state.as_str()),
                None => write!(f, "{name} is {}", state.as_str()),
            },
        }
    }
}
