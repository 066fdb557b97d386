//! A boot that never knew the time: a person says on which day its rows were.

use super::by_hand::{DAY, correct, listed};
use super::*;
use crate::Correction;

/// A boot that never knew the time: seen between yesterday evening and this morning.
fn lost_boot() -> (Door, Vec<u64>) {
    let mut door = Door::new("UTC", datetime!(2026-11-22 17:00:00 UTC));
    door.see("7");
    door.wait(300);
    door.tick();
    door.reboot("boot-2", datetime!(1970-01-01 00:00:10 UTC), false);
    door.see("7");
    door.wait(60);
    door.see("8");
    door.reboot("boot-3", datetime!(1970-01-01 00:00:10 UTC), false);
    door.clock.set(datetime!(2026-11-23 08:00:00 UTC), true);
    door.tick();
    let rows = door.records().ledger.needs_person();
    assert_eq!(rows[0].days, ["2026-11-22", "2026-11-23"]);
    let ids = rows.iter().map(|row| row.id).collect();
    (door, ids)
}

#[test]
fn the_day_that_a_person_says_is_that_of_all_rows_of_the_same_boot() {
    for (date, restarts) in [(DAY, false), (DAY, true), (date!(2026 - 11 - 22), true)] {
        let (mut door, ids) = lost_boot();
        if restarts {
            door.restart();
            door.tick();
        }
        let placed = correct(&door, Correction::Place { id: ids[0], date }).unwrap();
        assert_eq!(placed.others, 1);
        for _ in 0..2 {
            assert!(listed(&door).is_empty());
            let rows = door.rows();
            if date == DAY {
                assert_eq!(rows.len(), 3, "{rows:?}");
                assert!(rows[1..].iter().all(|row| row.contains(",in,2026-11-23 0")), "{rows:?}");
            } else {
                // A student who came on that day already was still there, or passed again: one visit, and
                // no IN.
                assert_eq!(rows.iter().filter(|row| row.starts_with("7,in")).count(), 1, "{rows:?}");
                assert!(rows.iter().any(|row| row.starts_with("8,in,2026-11-22 17:0")), "{rows:?}");
            }
            door.restart();
            door.tick();
        }
        assert!(correct(&door, Correction::Place { id: ids[0], date }).is_err(), "it is known now");
    }
}

#[test]
fn a_day_on_which_the_row_cannot_have_been_seen_is_refused() {
    let (door, ids) = lost_boot();
    let fault = correct(&door, Correction::Place { id: ids[0], date: date!(2026 - 11 - 21) }).unwrap_err();
    assert!(fault.what.contains("2026-11-22 at the earliest and on 2026-11-23 at the latest"), "{fault}");
    assert!(
        correct(&door, Correction::Change { id: ids[0], utc: datetime!(2026-11-22 17:10:00 UTC) }).is_err()
    );
}
