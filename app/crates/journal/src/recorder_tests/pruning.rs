//! What is kept, looked up and pruned.

use super::*;

#[test]
fn delivered_files_are_pruned_after_their_time_and_others_never() {
    let mut door = Door::new("UTC", datetime!(2025-01-15 09:00:00 UTC));
    door.settings.attendance.keep_days = 30;
    door.restart();
    // Enough days for more than one file.
    let mut ids = Vec::new();
    for _ in 0..80 {
        door.wait(86_400);
        for roll in 0..200 {
            door.see(&format!("{roll}"));
        }
    }
    for row in door.records().ledger.open_rows(usize::MAX, |_| true) {
        ids.push(row.id);
    }
    assert_eq!(ids.len(), 16_000);
    let files = |door: &Door| door.journal.files().keys().filter(|name| name.starts_with("journal-")).count();
    let before = files(&door);
    assert!(before >= 2);
    door.tick();
    assert_eq!(files(&door), before, "nothing is delivered");
    // All but one are delivered: its file stays.
    let mut deliveries: Vec<Delivery> =
        ids.iter().map(|id| Delivery { id: *id, utc: door.clock.now().utc, fate: Fate::Created }).collect();
    let kept = deliveries.remove(3);
    let append = |deliveries: &Mutex<Deliveries>, batch: &[Delivery]| {
        deliveries.lock().unwrap().append(batch).unwrap();
    };
    append(&door.records().deliveries, &deliveries);
    door.restart();
    assert_eq!(door.rows().len(), 1);
    door.wait(86_400 * 100);
    door.tick();
    assert!(door.journal.files().contains_key("journal-00000001.log"));
    append(&door.records().deliveries, &[kept]);
    door.restart();
    door.wait(86_400);
    door.tick();
    assert!(!door.journal.files().contains_key("journal-00000001.log"));
    assert_eq!(door.csv("2025-01-20").map(|csv| csv.len()), None);
    assert_eq!(door.rows(), [""; 0]);
    // Numbers are not given again, although their rows are gone.
    door.see("1");
    let row = &door.records().ledger.open_rows(1, |_| true)[0];
    assert_eq!(row.id, 16_001);
}

/// Days with so many students that a file holds a few of them.
fn days(door: &Door, days: usize) {
    for _ in 0..days {
        door.wait(86_400);
        let seen: Vec<_> = (0..300)
            .map(|roll| base::sightings::Sighted {
                roll: RollNumber::parse(&roll.to_string()).unwrap(),
                at: door.checked.now(),
            })
            .collect();
        door.records().with_recorder(|recorder| recorder.sighted_all(&seen));
    }
}

#[test]
fn days_that_are_looked_up_together_are_all_there() {
    let mut door = Door::new("UTC", datetime!(2025-01-15 09:00:00 UTC));
    door.settings.rows_stay = true;
    door.restart();
    for _ in 0..3 * crate::row::DAYS_HELD {
        door.see("1");
        door.wait(86_400);
    }
    let (first, last) = (date!(2025 - 01 - 15), date!(2025 - 02 - 07));
    let disk = Arc::clone(&door.journal) as Arc<dyn Disk>;
    let read = journal::ledger_of_days(disk, door.records().ledger.day(), first..=last).unwrap();
    let mut day = first;
    while day <= last {
        assert!(read.on(day).is_some_and(|rows| rows.len() == 1), "{day}");
        day = day.next_day().unwrap();
    }
}

#[test]
fn without_a_webhook_rows_stay_for_their_time_and_are_not_held_in_memory() {
    let mut door = Door::new("UTC", datetime!(2025-01-15 09:00:00 UTC));
    (door.settings.attendance.keep_days, door.settings.rows_stay) = (10, true);
    door.restart();
    days(&door, 70);
    let ledger = Arc::clone(&door.records().ledger);
    assert!(ledger.open_count() <= 300 * crate::row::DAYS_HELD, "{} rows in memory", ledger.open_count());
    assert_eq!(ledger.summary().backlog, 0);
    door.tick();
    assert!(!door.journal.files().contains_key("journal-00000001.log"), "the oldest days are over");
    assert!(door.csv("2025-01-20").is_none() && door.csv("2025-03-20").is_some());
    door.restart();
    assert!(door.records().ledger.open_count() <= 300 * crate::row::DAYS_HELD);
    // A webhook gets what is still there.
    door.settings.rows_stay = false;
    door.restart();
    assert!(door.records().ledger.open_count() >= 10 * 300);
}

#[test]
fn without_a_webhook_rows_of_a_later_version_and_of_unknown_time_are_not_pruned() {
    for last in ["badge,1,7,IN", "row,1,7,IN,1970-01-01T00:01:00Z,60000,boot-0,unknown"] {
        let mut door = Door::new("UTC", datetime!(2025-01-15 09:00:00 UTC));
        (door.settings.attendance.keep_days, door.settings.rows_stay) = (30, true);
        let mut bytes = Vec::new();
        journal::line::encode("journal,1,1", &mut bytes);
        journal::line::encode(last, &mut bytes);
        journal::line::encode("row,2,7,IN,2024-01-15T09:00:00Z,60000,boot-0,known", &mut bytes);
        door.journal.put("journal-00000001.log", &bytes);
        // The next row begins another file.
        door.journal.put("journal-00000002.log", b"");
        door.clock.set(datetime!(2025-01-15 09:00:00 UTC), false);
        door.restart();
        door.see("8");
        assert!(door.journal.files().contains_key("journal-00000001.log"));
        let records = door.records();
        records.with_recorder(|recorder| recorder.prune(datetime!(2025-03-15 09:00:00 UTC)));
        assert!(door.journal.files().contains_key("journal-00000001.log"), "{last}");
    }
}

/// A row was seen before its clock was known, and its time stands in a later file: both files stay as long as
/// that time says.
#[test]
fn a_row_whose_time_stands_in_a_later_file_is_pruned_by_that_time() {
    let file = |lines: &[&str]| {
        let mut bytes = Vec::new();
        lines.iter().for_each(|line| journal::line::encode(line, &mut bytes));
        bytes
    };
    let row = "row,1,7,IN,1970-01-01T00:01:00Z,60000,boot-0,unknown";
    let settled = "settled,1,2025-01-10T09:00:00Z,IN,measured";
    let names = |door: &Door| -> Vec<String> { door.journal.files().into_keys().collect() };
    let (first, second) = ("journal-00000001.log", "journal-00000002.log");
    for open in [None, Some("row,2,8,IN,2024-01-15T09:00:00Z,60000,boot-0,known")] {
        let mut door = Door::new("UTC", datetime!(2025-01-15 09:00:00 UTC));
        door.settings.attendance.keep_days = 30;
        let mut lines = vec!["journal,1,1", row];
        lines.extend(open);
        door.journal.put(first, &file(&lines));
        door.journal.put(second, &file(&["journal,1,3", settled]));
        door.journal.put("journal-00000003.log", &file(&["journal,1,3"]));
        let delivered = Delivery { id: 1, utc: door.clock.now().utc, fate: Fate::Created };
        door.restart();
        door.records().deliveries.lock().unwrap().append(&[delivered]).unwrap();
        door.restart();
        let prune = |now| door.records().with_recorder(|recorder| recorder.prune(now));
        prune(datetime!(2025-01-15 09:00:00 UTC));
        assert!(names(&door).iter().any(|name| name == first), "it is five days old");
        prune(datetime!(2025-03-15 09:00:00 UTC));
        // The first file also has a row that is not delivered: then the time in the second is still needed.
        let stays = open.is_some();
        assert_eq!(names(&door).iter().any(|name| name == first), stays);
        assert_eq!(names(&door).iter().any(|name| name == second), stays);
    }
}

#[test]
fn a_day_long_past_is_read_from_the_disk_with_what_became_of_its_rows() {
    let mut door = Door::new("UTC", datetime!(2025-01-15 09:00:00 UTC));
    for _ in 0..30 {
        door.see("7");
        door.wait(86_400);
    }
    let utc = door.clock.now().utc;
    let delivered = Delivery { id: 1, utc, fate: Fate::Created };
    door.records().deliveries.lock().unwrap().append(&[delivered]).unwrap();
    door.restart();
    let day = date!(2025 - 01 - 15);
    assert_eq!(door.records().ledger.on(day), None, "not in memory any more");
    let days = door.records().ledger.day().clone();
    let read = |day| journal::rows_on(Arc::clone(&door.journal) as Arc<dyn Disk>, &days, day).unwrap();
    let rows = read(day);
    assert_eq!((rows.len(), rows[0].timestamp.as_str()), (1, "2025-01-15 09:00:00"));
    assert_eq!(rows[0].progress, Progress::Delivered);
    assert_eq!(read(date!(2025 - 01 - 16))[0].progress, Progress::Open);
    assert!(read(date!(2024 - 01 - 16)).is_empty());
}
