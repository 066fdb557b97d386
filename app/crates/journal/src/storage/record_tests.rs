#![allow(clippy::unwrap_used)]
use time::macros::datetime;

use super::*;

fn at() -> Stamp {
    Stamp {
        utc: datetime!(2025-01-15 09:00:00.250 UTC),
        since_boot: Duration::from_millis(61_250),
        boot: "b-1".into(),
    }
}

/// Version 1 to the letter: a change here breaks devices in the field.
#[test]
fn the_records_of_version_1_stay_as_they_are() {
    let roll = RollNumber::parse("2110001").unwrap();
    let row = |clock| Record::Row(Row { id: 7, roll: roll.clone(), status: Status::In, at: at(), clock });
    let settled = |verdict| Record::Settled(Settled { id: 7, utc: at().utc, verdict });
    for (record, text) in [
        (Record::Header { version: 1, next: 7 }, "journal,1,7"),
        (row(Certainty::Known), "row,7,2110001,IN,2025-01-15T09:00:00.25Z,61250,b-1,known"),
        (row(Certainty::Unknown), "row,7,2110001,IN,2025-01-15T09:00:00.25Z,61250,b-1,unknown"),
        (
            settled(Verdict::Row { status: Status::Out, measured: true }),
            "settled,7,2025-01-15T09:00:00.25Z,OUT,measured",
        ),
        (
            settled(Verdict::Row { status: Status::Out, measured: false }),
            "settled,7,2025-01-15T09:00:00.25Z,OUT,estimated",
        ),
        (settled(Verdict::Doubtful(Status::In)), "settled,7,2025-01-15T09:00:00.25Z,IN,doubtful"),
        (settled(Verdict::Nothing), "settled,7,2025-01-15T09:00:00.25Z,none,measured"),
        (Record::Clock(at()), "clock,0,2025-01-15T09:00:00.25Z,61250,b-1"),
    ] {
        assert_eq!(record.encode(), text);
        assert_eq!(Record::decode(text), Some(record.clone()), "{text}");
        // A later version may add fields at the end.
        assert_eq!(Record::decode(&format!("{text},more,fields")), Some(record), "{text}");
    }
}

/// The kinds that came with the visits, to the letter. A version before them knows their rows.
#[test]
fn the_records_that_came_with_the_visits_stay_as_they_are() {
    let roll = RollNumber::parse("2110001").unwrap();
    let utc = datetime!(2025-01-15 16:00:00 UTC);
    let by = Hand::new(utc, "office, Meera", "forgot\nthe door");
    let row = Row {
        id: 7,
        roll,
        status: Status::Out,
        at: Stamp { utc, since_boot: Duration::ZERO, boot: BY_HAND.into() },
        clock: Certainty::Known,
    };
    let hand = "2025-01-15T16:00:00Z,office; Meera,forgot the door";
    for (record, text) in [
        (Record::Until(7, Duration::from_millis(61_250)), "until,7,61250".to_owned()),
        (Record::Moved(7, utc), "moved,7,2025-01-15T16:00:00Z".to_owned()),
        (
            Record::Withdrawn(7, utc, "seen earlier".to_owned()),
            "withdrawn,7,2025-01-15T16:00:00Z,seen earlier".to_owned(),
        ),
        (Record::Late(7, utc), "late,7,2025-01-15T16:00:00Z".to_owned()),
        (Record::Added(row, by.clone()), format!("added,7,2110001,OUT,2025-01-15T16:00:00Z,{hand}")),
        (
            Record::Changed { id: 7, status: Status::In, utc, hand: by.clone() },
            format!("changed,7,IN,2025-01-15T16:00:00Z,{hand}"),
        ),
        (Record::Voided(7, by.clone()), format!("voided,7,{hand}")),
        (Record::Instead { id: 7, old: 3 }, "instead,7,3".to_owned()),
        (
            Record::Between(7, utc, utc + Duration::from_secs(60)),
            "between,7,2025-01-15T16:00:00Z,2025-01-15T16:01:00Z".to_owned(),
        ),
        (
            Record::Placed { id: 7, utc, status: Some(Status::In), hand: by.clone() },
            format!("placed,7,2025-01-15T16:00:00Z,IN,{hand}"),
        ),
        (
            Record::Placed { id: 7, utc, status: None, hand: by },
            format!("placed,7,2025-01-15T16:00:00Z,none,{hand}"),
        ),
    ] {
        assert_eq!(record.encode(), text);
        assert_eq!((Record::decode(&text), record.id()), (Some(record.clone()), 7));
        assert_eq!(Record::decode(&format!("{text},more,fields")), Some(record), "{text}");
    }
}

#[test]
fn what_a_later_version_writes_is_known_by_its_row() {
    for text in ["mask-worn,7,yes", "row,7,2110001,BREAK,2025-01-15T09:00:00Z,1,b,known", "row,7"] {
        assert_eq!(Record::decode(text), Some(Record::Foreign(7)), "{text}");
    }
    for text in ["", "nonsense", "row,x"] {
        assert_eq!(Record::decode(text), None, "{text}");
    }
}

#[test]
fn times_are_kept_as_they_are_decided_upon() {
    let (utc, since_boot) =
        rounded(datetime!(2025-01-15 14:30:00.123456789 +05:30), Duration::from_nanos(1_999_999));
    assert_eq!(utc, datetime!(2025-01-15 09:00:00.123 UTC));
    assert_eq!(since_boot, Duration::from_millis(1));
}
