//! Damage to the logs.

use super::*;

/// Rows with every kind of fate, on both logs.
fn door_with_deliveries() -> (Door, BTreeMap<u64, RowView>) {
    let mut door = Door::new("UTC", datetime!(2025-01-15 09:00:00 UTC));
    for roll in ["1", "2", "3", "4"] {
        door.see(roll);
    }
    let utc = door.clock.now().utc;
    for (id, fate) in [
        (1, Fate::Created),
        (2, Fate::Refused("Student not found: 2".to_owned())),
        (3, Fate::Refused("Invalid status".to_owned())),
        (3, Fate::Reopened),
        (3, Fate::Duplicate),
    ] {
        door.records().deliveries.lock().unwrap().append(&[Delivery { id, utc, fate }]).unwrap();
    }
    door.restart();
    let state = state(&door);
    (door, state)
}

fn state(door: &Door) -> BTreeMap<u64, RowView> {
    let day = door.records().ledger.on(date!(2025 - 01 - 15)).unwrap();
    day.into_iter().map(|row| (row.id, row)).collect()
}

#[test]
fn a_delivery_log_torn_at_every_byte_acknowledges_nothing_that_was_not() {
    let (mut door, whole) = door_with_deliveries();
    assert_eq!(whole[&1].progress, Progress::Delivered);
    assert!(matches!(whole[&2].progress, Progress::NeedsPerson(_)));
    assert_eq!((&whole[&3].progress, &whole[&4].progress), (&Progress::Delivered, &Progress::Open));
    let log = door.journal.files()["deliveries-00000001.log"].clone();
    for length in 0..=log.len() {
        door.journal.put("deliveries-00000001.log", &log[..length]);
        door.restart();
        let torn = state(&door);
        assert_eq!(torn.len(), 4, "{length} bytes");
        for (id, row) in &torn {
            // Each row is where it was at some earlier time: at worst it is delivered again.
            let delivered = row.progress == Progress::Delivered;
            assert!(!delivered || whole[id].progress == Progress::Delivered, "{length} bytes, row {id}");
        }
        assert!(length < log.len() || torn == whole);
        // It can be gone on with, and its end is repaired.
        let acknowledgement = Delivery { id: 4, utc: door.clock.now().utc, fate: Fate::Created };
        door.records().deliveries.lock().unwrap().append(&[acknowledgement]).unwrap();
        door.restart();
        assert_eq!(state(&door)[&4].progress, Progress::Delivered, "{length} bytes");
        door.journal.remove("deliveries-00000002.log").unwrap();
    }
}

#[test]
fn one_flipped_bit_in_either_log_changes_nothing() {
    let (mut door, whole) = door_with_deliveries();
    for name in ["journal-00000001.log", "deliveries-00000001.log"] {
        let log = door.journal.files()[name].clone();
        for index in 0..log.len() {
            let mut flipped = log.clone();
            flipped[index] ^= 1 << (index % 8);
            door.journal.put(name, &flipped);
            door.restart();
            assert_eq!(state(&door), whole, "{name}, byte {index}");
        }
        door.journal.put(name, &log);
    }
}

/// A file of the journal cannot be read at this start and can at the next: its numbers were not given again.
#[test]
fn a_file_that_cannot_be_read_for_a_while_comes_back_whole() {
    let mut door = Door::new("UTC", datetime!(2025-01-15 09:00:00 UTC));
    for roll in ["1", "2", "3"] {
        door.see(roll);
    }
    let rows = door.rows();
    door.journal.make_unreadable(Some("journal-00000001.log"));
    door.restart();
    assert!(door.rows().is_empty());
    door.see("4");
    door.journal.make_unreadable(None);
    door.restart();
    assert_eq!((&door.rows()[..3], door.rows().len()), (&rows[..], 4));
}

/// A block of the card is lost, in the middle of either log: other rows stay, and no number is given twice.
#[test]
fn a_lost_block_costs_its_own_rows_and_no_number_is_given_twice() {
    let (mut door, whole) = door_with_deliveries();
    let name = "journal-00000001.log";
    let mut log = door.journal.files()[name].clone();
    let start = log.len() - 100;
    log[start..].fill(0);
    door.journal.put(name, &log);
    door.restart();
    let left = state(&door);
    assert!((2..4).contains(&left.len()) && left.iter().all(|(id, row)| whole[id] == *row));
    door.see("9");
    let new: Vec<u64> = state(&door).into_keys().filter(|id| !left.contains_key(id)).collect();
    assert!(new.len() == 1 && !whole.keys().any(|id| *id == new[0] && *id <= 3), "{new:?}");
    assert_eq!(state(&door)[&new[0]].progress, Progress::Open, "not taken for delivered");
}
