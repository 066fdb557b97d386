//! Two doors of a school have the rows of an oracle that saw everything.

use super::oracle::{Oracle, Wish, perform, wishes};
use super::*;
use crate::Elsewhere;
use crate::rules::{DoorName, Void};

/// What happens at two doors of a school.
#[derive(Debug, Clone)]
enum AtDoors {
    Seen(usize),
    Wait(u64),
    Restart(usize),
    /// The second door learns what the first one knows, or the other way round.
    Tell(usize),
    ByHand(usize, Wish),
}

fn at_doors() -> impl Strategy<Value = Vec<AtDoors>> {
    let turn = prop_oneof![
        6 => (0usize..2).prop_map(AtDoors::Seen),
        6 => prop_oneof![1u64..200, 1u64..30_000].prop_map(AtDoors::Wait),
        2 => (0usize..2).prop_map(AtDoors::Restart),
        3 => (0usize..2).prop_map(AtDoors::Tell),
        2 => (0usize..2, wishes()).prop_map(|(door, wish)| AtDoors::ByHand(door, wish)),
    ];
    prop::collection::vec(turn, 0..40)
}

const NAMES: [&str; 2] = ["North", "South"];

/// What door `from` knows reaches the other one, as the school's book carries it.
fn tell(doors: &[Door; 2], from: usize) {
    let (teller, hearer) = (doors[from].records(), doors[1 - from].records());
    let name = |door: usize| DoorName::parse(NAMES[door]).unwrap();
    let student = RollNumber::parse("7").unwrap();
    let today = teller.with_recorder(|recorder| recorder.today()).unwrap();
    for date in [today.previous_day().unwrap(), today] {
        let visits = teller.with_recorder(|recorder| recorder.visits_on(date));
        let visits = visits.into_iter().map(|visit| crate::rules::Visit { door: name(from), ..visit });
        hearer.with_recorder(|recorder| recorder.take_in(visits.collect()));
        let told = teller.with_recorder(|recorder| recorder.by_hand_on(date)).pop();
        let (voids, rows) = told.map(|told| (told.voids, told.rows)).unwrap_or_default();
        let of = |void: Void| {
            let theirs = void.door.as_str() == NAMES[1 - from];
            let door = if void.door.is_here() { name(from) } else { void.door.clone() };
            Void { door: if theirs { DoorName::here() } else { door }, ..void }
        };
        let elsewhere = Elsewhere {
            student: student.clone(),
            date,
            voids: voids.into_iter().map(of).collect(),
            rows: vec![(name(from), rows)],
        };
        hearer.with_recorder(|recorder| recorder.take_in_by_hand(vec![elsewhere]));
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(96))]

    #[test]
    fn two_doors_have_the_rows_of_an_oracle_that_saw_everything(turns in at_doors()) {
        let start = datetime!(2026-11-23 06:00:00 UTC);
        let mut doors = [Door::new("Asia/Kolkata", start), Door::new("Asia/Kolkata", start)];
        let mut truth = start;
        let mut oracle = Oracle::new(&doors[0].zone);
        let wait = |doors: &[Door; 2], truth: &mut OffsetDateTime, seconds: u64| {
            // The doors are apart for a part of a day only: before the day closes, each tells the other what
            // it saw.
            let date = |utc| doors[0].zone.local(utc).date();
            let before = std::mem::replace(truth, *truth + Duration::from_secs(seconds));
            if date(before) != date(*truth) {
                (0..2).for_each(|from| tell(doors, from));
            }
            for door in doors {
                door.wait(seconds);
            }
            doors.iter().for_each(Door::tick);
        };
        for turn in turns {
            match turn {
                AtDoors::Seen(door) => {
                    doors[door].see("7");
                    oracle.seen.push((door, truth));
                    // No one stands at two doors at one moment.
                    truth += Duration::from_secs(1);
                    doors.iter().for_each(|door| door.wait(1));
                }
                AtDoors::Wait(seconds) => wait(&doors, &mut truth, seconds),
                AtDoors::Restart(door) => {
                    doors[door].stop();
                    doors[door].restart();
                    doors[door].tick();
                }
                AtDoors::Tell(from) => tell(&doors, from),
                AtDoors::ByHand(at, wish) => {
                    for from in [0, 1, 0] {
                        tell(&doors, from);
                    }
                    if let Some((door, status, utc)) = oracle.wish(wish, truth, at) {
                        perform(&doors[door], wish, status, utc);
                    }
                }
            }
        }
        for from in [0, 1, 0] {
            tell(&doors, from);
        }
        wait(&doors, &mut truth, 86_400);
        // What ended meanwhile reaches the other door after the close, as by a broker that was away.
        for from in [0, 1, 0] {
            tell(&doors, from);
        }
        wait(&doors, &mut truth, 300);
        let mut rows: Vec<String> = doors.iter().flat_map(Door::rows).collect();
        rows.sort();
        prop_assert_eq!(rows, oracle.all());
    }
}
