//! The webhook's answer about each row: a second log beside the journal.
//!
//! | kind | fields after it | meaning |
//! |---|---|---|
//! | `deliveries` | version, 0 | first line of every segment |
//! | `delivered` | id, UTC, `created`/`duplicate` | the webhook has the row |
//! | `refused` | id, UTC, reason | a person must look |
//! | `reopened` | id, UTC | a person asked to deliver it again |
//! | `dismissed` | id, UTC | a person decided that it is not to be delivered |
//! | `sending` | id, UTC | the row is about to be sent |
//! | `conflict` | id, UTC, reason | the webhook had another row in its place, which no door of the site sent |
//! | `intents` | id, UTC | from this row on, `sending` is written before a row is sent |
//!
//! The last record about a row counts, but for `sending` and `intents`, which say nothing of the row's fate.
//! A crash between the webhook's answer and this log sends rows again. The webhook answers with "duplicate",
//! and that is delivered too, because `sending` says that the row may be ours. The promise between versions
//! is the journal's.

use time::OffsetDateTime;

use super::record::{parse_utc, utc};

/// What happened to a row.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Delivery {
    /// Which row.
    pub id: u64,
    /// When, by the device's clock.
    pub utc: OffsetDateTime,
    /// What.
    pub fate: Fate,
}

/// What can happen to a row.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Fate {
    /// The webhook stored it.
    Created,
    /// The webhook had it already.
    Duplicate,
    /// A person must look, for this reason.
    Refused(String),
    /// A person asked to deliver it again.
    Reopened,
    /// A person decided that it is not to be delivered.
    Dismissed,
    /// It is about to be sent.
    Sending,
    /// The webhook had another row in its place, which no door of the site sent: a person must look.
    Conflict(String),
    /// From this row on, [`Fate::Sending`] is written before a row is sent.
    Intents,
}

impl Delivery {
    /// The record as a line's payload.
    pub fn encode(&self) -> String {
        let (id, utc) = (self.id, utc(self.utc));
        match &self.fate {
            Fate::Created => format!("delivered,{id},{utc},created"),
            Fate::Duplicate => format!("delivered,{id},{utc},duplicate"),
            // A comma would begin a field of a later version.
            Fate::Refused(reason) => format!("refused,{id},{utc},{}", reason.replace(',', ";")),
            Fate::Reopened => format!("reopened,{id},{utc}"),
            Fate::Dismissed => format!("dismissed,{id},{utc}"),
            Fate::Sending => format!("sending,{id},{utc}"),
            Fate::Conflict(reason) => format!("conflict,{id},{utc},{}", reason.replace(',', ";")),
            Fate::Intents => format!("intents,{id},{utc}"),
        }
    }

    /// Reads a payload; `None` for the header and for what a later version writes.
    pub fn decode(payload: &str) -> Option<Self> {
        let fields: Vec<&str> = payload.split(',').collect();
        let (kind, id, utc) = (fields.first()?, fields.get(1)?.parse().ok()?, parse_utc(fields.get(2)?)?);
        let fate = match (*kind, fields.get(3)) {
            ("delivered", Some(&"duplicate")) => Fate::Duplicate,
            ("delivered", _) => Fate::Created,
            ("refused", Some(reason)) => Fate::Refused((*reason).to_owned()),
            ("reopened", _) => Fate::Reopened,
            ("dismissed", _) => Fate::Dismissed,
            ("sending", _) => Fate::Sending,
            ("conflict", Some(reason)) => Fate::Conflict((*reason).to_owned()),
            ("intents", _) => Fate::Intents,
            _ => return None,
        };
        Some(Self { id, utc, fate })
    }

    /// Whether a payload must stay for as long as the log: it says since when intents are kept.
    pub(super) fn stays(payload: &str) -> bool {
        payload.starts_with("intents,")
    }

    /// The row a payload is about, whatever its kind; 0: none.
    pub fn id_of(payload: &str) -> u64 {
        match payload.split(',').nth(1) {
            Some(id) if !payload.starts_with("deliveries,") => id.parse().unwrap_or(0),
            _ => 0,
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use time::macros::datetime;

    use super::*;

    /// Version 1 to the letter: a change here breaks devices in the field.
    #[test]
    fn the_records_of_version_1_stay_as_they_are() {
        for (fate, text) in [
            (Fate::Created, "delivered,7,2025-01-15T09:00:00Z,created"),
            (Fate::Duplicate, "delivered,7,2025-01-15T09:00:00Z,duplicate"),
            (
                Fate::Refused("Student not found: 7".to_owned()),
                "refused,7,2025-01-15T09:00:00Z,Student not found: 7",
            ),
            (Fate::Reopened, "reopened,7,2025-01-15T09:00:00Z"),
            (Fate::Dismissed, "dismissed,7,2025-01-15T09:00:00Z"),
            (Fate::Sending, "sending,7,2025-01-15T09:00:00Z"),
            (Fate::Conflict("it has an IN".to_owned()), "conflict,7,2025-01-15T09:00:00Z,it has an IN"),
            (Fate::Intents, "intents,7,2025-01-15T09:00:00Z"),
        ] {
            let delivery = Delivery { id: 7, utc: datetime!(2025-01-15 09:00:00 UTC), fate };
            assert_eq!(delivery.encode(), text);
            assert_eq!(Delivery::decode(text), Some(delivery.clone()));
            // Fields for `reopened` and others may follow in a later version.
            assert_eq!(Delivery::decode(&format!("{text},more")), Some(delivery));
            assert_eq!(Delivery::id_of(text), 7);
        }
        assert_eq!(Delivery::decode("deliveries,1,0"), None);
        assert_eq!(Delivery::decode("signed-off,7,2025-01-15T09:00:00Z"), None);
        assert_eq!(Delivery::id_of("signed-off,7,2025-01-15T09:00:00Z"), 7);
    }
}
