//! A day at all doors of the school: pure. The door at which a student came delivers the IN, and the one at
//! which they went the OUT; so this door's rows alone would call somebody absent who came through another.

use std::collections::BTreeMap;
use std::time::Duration;

use base::identity::RollNumber;
use journal::config::Direction;
use journal::row::Status;
use journal::rules::{HandRow, Visit};
use office::day::Seen;
use time::{OffsetDateTime, PrimitiveDateTime};

/// Adds the visits at other doors, and the rows that persons entered there, to what this door's rows say.
/// `leaves_after`: how long after the arrival a visit at a door for both ways is a departure, where the
/// policy is first-in-last-out: who walks past two doors has not left.
pub(super) fn add(
    seen: &mut Vec<Seen>,
    visits: &[Visit],
    by_hand: &[(RollNumber, HandRow)],
    leaves_after: Option<Duration>,
    local: impl Fn(OffsetDateTime) -> PrimitiveDateTime,
) {
    let whole = |utc| {
        let at = local(utc);
        at.replace_nanosecond(0).unwrap_or(at)
    };
    seen.extend(by_hand.iter().map(|(roll, row)| Seen {
        roll: roll.to_string(),
        is_in: row.status == Status::In,
        at: whole(row.utc),
        provisional: false,
    }));
    // When each student was first seen anywhere.
    let mut came: BTreeMap<String, PrimitiveDateTime> = BTreeMap::new();
    let here = seen.iter().filter(|row| row.is_in).map(|row| (row.roll.clone(), row.at));
    let elsewhere = visits.iter().filter(|visit| visit.direction != Direction::Out);
    let elsewhere = elsewhere.map(|visit| (visit.student.to_string(), whole(visit.first)));
    for (roll, at) in here.chain(elsewhere) {
        let first = came.entry(roll).or_insert(at);
        *first = at.min(*first);
    }
    for visit in visits {
        let roll = visit.student.to_string();
        let (first, last) = (whole(visit.first), whole(visit.last));
        let row = |is_in, at| Seen { roll: roll.clone(), is_in, at, provisional: visit.estimated };
        let is_later = |gap: Duration| came.get(&roll).is_some_and(|came| first - *came >= gap);
        match visit.direction {
            Direction::In => seen.push(row(true, first)),
            Direction::Out => seen.push(row(false, last)),
            Direction::Both => {
                seen.push(row(true, first));
                if leaves_after.is_some_and(is_later) {
                    seen.push(row(false, last));
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use base::identity::RollNumber;
    use journal::rules::DoorName;
    use office::day::{Day, Now, Person, Rules, State, judge};
    use time::macros::{date, datetime};

    fn visit(roll: &str, direction: Direction, first: OffsetDateTime) -> Visit {
        Visit {
            student: RollNumber::parse(roll).unwrap(),
            door: DoorName::parse("south gate").unwrap(),
            direction,
            first,
            last: first + time::Duration::seconds(3),
            estimated: false,
        }
    }

    #[test]
    fn who_came_or_went_through_another_door_is_present_on_this_doors_page() {
        let here = |roll: &str, is_in, at| Seen { roll: roll.to_owned(), is_in, at, provisional: false };
        let mut seen = vec![
            here("1", true, datetime!(2026-11-23 08:00:00)),
            here("4", false, datetime!(2026-11-23 15:00:00)),
            here("7", true, datetime!(2026-11-23 08:00:00)),
        ];
        let visits = [
            visit("1", Direction::Both, datetime!(2026-11-23 15:30:00 UTC)),
            visit("2", Direction::Both, datetime!(2026-11-23 08:05:00.5 UTC)),
            visit("3", Direction::Out, datetime!(2026-11-23 15:40:00 UTC)),
            visit("4", Direction::In, datetime!(2026-11-23 08:10:00 UTC)),
            visit("7", Direction::Both, datetime!(2026-11-23 08:00:20 UTC)),
        ];
        let local = |utc: OffsetDateTime| PrimitiveDateTime::new(utc.date(), utc.time());
        let by_hand = [(
            RollNumber::parse("6").unwrap(),
            HandRow {
                door: DoorName::parse("south gate").unwrap(),
                status: Status::In,
                utc: datetime!(2026-11-23 07:50:00 UTC),
            },
        )];
        add(&mut seen, &visits, &by_hand, Some(Duration::from_secs(120)), local);
        let persons = ["1", "2", "3", "4", "5", "6", "7"]
            .map(|roll| Person { roll: roll.to_owned(), ..Person::default() });
        let now = Now { date: date!(2026 - 11 - 24), time: datetime!(2026-11-24 08:00), closed: false };
        let day: Day = judge(date!(2026 - 11 - 23), &now, &Rules::default(), &persons, &seen);
        let of = |roll: &str| {
            let entry = day.entries.iter().find(|entry| entry.person.roll == roll).unwrap();
            let clock = |time: Option<time::Time>| time.map(|time| time.to_string()).unwrap_or_default();
            (entry.state, clock(entry.arrived), clock(entry.left))
        };
        let present = |came: &str, went: &str| (State::Present, came.to_owned(), went.to_owned());
        assert_eq!(of("1"), present("8:00:00.0", "15:30:03.0"));
        assert_eq!(of("2"), present("8:05:00.0", ""), "one visit is not a departure");
        assert_eq!(of("3"), present("", "15:40:03.0"));
        assert_eq!(of("4"), present("8:10:00.0", "15:00:00.0"));
        assert_eq!(of("5").0, State::Absent);
        assert_eq!(of("6"), present("7:50:00.0", ""), "by hand at the other door");
        assert_eq!(of("7"), present("8:00:00.0", ""), "who walks past two doors has not left");
    }
}
