//! Clocks that are wrong, unknown or doubted.

use super::*;

#[test]
fn rows_from_1970_wait_and_are_corrected_when_the_clock_is_known() {
    let mut door = Door::new("Asia/Kolkata", datetime!(2025-01-15 03:30:00 UTC));
    door.see("7");
    door.reboot("boot-2", datetime!(1970-01-01 00:00:10 UTC), false);
    door.see("7");
    door.see("8");
    door.wait(60);
    door.see("8");
    door.wait(3600);
    door.see("8");
    door.tick();
    assert_eq!(door.rows(), ["7,in,2025-01-15 09:00:00"], "nothing from 1970 is deliverable");
    assert_eq!(door.records().ledger.summary().awaiting_clock, 3);
    assert_eq!(door.csv("clock-unknown").unwrap().lines().count(), 4);
    assert!(door.csv("1970-01-01").is_none());
    // A restart in between changes nothing.
    door.restart();
    assert_eq!(door.records().ledger.summary().awaiting_clock, 3);
    // A time server answers: it is 17:30 at the site.
    door.clock.set(datetime!(2025-01-15 12:00:00 UTC), true);
    door.tick();
    let corrected = ["7,in,2025-01-15 09:00:00", "8,in,2025-01-15 16:29:00"];
    let open = ["7 2025-01-15 16:29:00", "8 2025-01-15 17:30:00"];
    let day = date!(2025 - 01 - 15);
    assert_eq!(
        (door.rows(), door.open(day)),
        (corrected.map(str::to_owned).to_vec(), open.map(str::to_owned).to_vec())
    );
    assert!(door.csv("clock-unknown").is_none());
    assert_eq!(door.csv("2025-01-15").unwrap().lines().count(), 3);
    door.restart();
    assert_eq!(
        (door.rows(), door.open(day)),
        (corrected.map(str::to_owned).to_vec(), open.map(str::to_owned).to_vec())
    );
    // A frame from just before the clock was known is measured, too.
    door.wait(7200);
    let mut moment = door.clock.now();
    moment.trusted = false;
    moment.utc = datetime!(1970-01-01 05:00:00 UTC);
    let roll = RollNumber::parse("9").unwrap();
    door.records().with_recorder(|recorder| recorder.sighted(&roll, moment));
    assert_eq!(door.rows().last().unwrap(), "9,in,2025-01-15 19:30:00");
}

#[test]
fn a_row_of_an_earlier_boot_that_a_correction_writes_hides_no_step_of_the_clock() {
    let start = datetime!(2026-11-23 06:00:00 UTC);
    let mut door = Door::new("UTC", start);
    door.see("7");
    door.wait(180);
    door.see("7");
    door.tick();
    door.stop();
    let now = start + time::Duration::hours(5);
    door.reboot("boot-2", now, true);
    door.tick();
    // The first visit goes; the row is written again with the time of the second, of the boot before.
    let id = door.records().ledger.on(date!(2026 - 11 - 23)).unwrap()[0].id;
    let void = crate::Correction::Void { id };
    door.records().with_recorder(|recorder| recorder.correct(void, "meera", "a test")).unwrap();
    assert_eq!(door.rows(), ["7,in,2026-11-23 06:03:00"]);
    door.clock.set(now - time::Duration::seconds(12), true);
    door.stop();
    door.restart();
    door.tick();
    assert!(door.checked.doubt().is_some(), "the step within boot-2 is seen after a restart, too");
    door.clock.set(now, true);
    door.tick();
    assert_eq!(door.checked.doubt(), None);
}

/// How a doubt about the clock ends.
#[derive(Debug, Clone, Copy)]
enum End {
    SecondSource,
    Technician,
    SetBack,
}

#[test]
fn rows_of_a_doubtful_clock_are_held_and_delivered_once_the_doubt_ends() {
    let start = datetime!(2026-11-23 08:00:00 UTC);
    let steps = [time::Duration::hours(-1), time::Duration::days(2), time::Duration::days(-400)];
    for (step, end, restarts) in steps.into_iter().flat_map(|step| {
        [End::SecondSource, End::Technician, End::SetBack]
            .into_iter()
            .flat_map(move |end| [false, true].map(|restarts| (step, end, restarts)))
    }) {
        let mut door = Door::new("UTC", start);
        door.see("1");
        door.tick();
        door.wait(600);
        // Somebody answers for the time server.
        let stepped = start + time::Duration::minutes(10) + step;
        door.clock.set(stepped, true);
        door.see("2");
        if restarts {
            door.restart();
        }
        door.wait(600);
        door.see("1");
        door.tick();
        let case = format!("{step} {end:?} {restarts}");
        assert_eq!(door.rows(), ["1,in,2026-11-23 08:00:00"], "{case}");
        assert_eq!(door.records().ledger.summary().awaiting_clock, 2, "{case}");
        assert!(door.checked.doubt().is_some(), "{case}");
        let right = match end {
            End::SecondSource => {
                door.checked.compare(stepped + time::Duration::minutes(10));
                stepped
            }
            End::Technician => {
                assert!(door.checked.confirm());
                stepped
            }
            End::SetBack => {
                door.clock.set(start + time::Duration::minutes(20), true);
                start + time::Duration::minutes(10)
            }
        };
        door.tick();
        let at = |utc| journal::timestamp(door.zone.local(utc));
        let again = right + time::Duration::minutes(10);
        // A clock that was an hour ahead before: the second sighting was the first of the day.
        let first = if again.date() == start.date() { again.min(start) } else { start };
        let mut settled = vec![format!("1,in,{}", at(first)), format!("2,in,{}", at(right))];
        // On another day it is the first visit, and so an IN; on the same one it leaves an open OUT.
        if again.date() != start.date() {
            settled.push(format!("1,in,{}", at(again)));
        }
        assert_eq!(door.rows(), settled, "{case}");
        // A restart brings neither the doubt nor the wrong time back.
        door.restart();
        door.tick();
        assert_eq!((door.rows(), door.checked.doubt()), (settled, None), "{case}");
    }
}

#[test]
fn over_a_boot_the_first_time_that_is_behind_or_far_ahead_is_doubtful() {
    let start = datetime!(2026-11-23 08:00:00 UTC);
    for (hours, doubted) in [(-1, true), (1, false), (24 * 399, false), (24 * 401, true)] {
        let mut door = Door::new("UTC", start);
        door.see("1");
        door.reboot("boot-2", datetime!(1970-01-01 00:00:10 UTC), false);
        door.see("2");
        door.clock.set(start + time::Duration::hours(hours), true);
        door.tick();
        door.see("3");
        assert_eq!(door.rows().len(), if doubted { 1 } else { 3 }, "{hours} hours");
        assert_eq!(door.checked.confirm(), doubted, "{hours} hours");
        door.tick();
        assert_eq!(door.rows().len(), 3, "{hours} hours");
        // The next boot starts from the time that was confirmed.
        door.reboot("boot-3", start + time::Duration::hours(hours + 2), true);
        door.see("4");
        assert_eq!(door.rows().len(), 4, "{hours} hours");
    }
}

#[test]
fn a_sighting_from_before_a_jump_that_is_written_after_it_keeps_its_time() {
    let door = Door::new("UTC", datetime!(2026-11-23 08:00:00 UTC));
    let before = door.checked.now();
    door.clock.set(datetime!(2026-11-25 08:00:00 UTC), true);
    door.see("1");
    let roll = RollNumber::parse("2").unwrap();
    door.records().with_recorder(|recorder| recorder.sighted(&roll, before));
    assert_eq!(door.rows(), ["2,in,2026-11-23 08:00:00"]);
    assert_eq!(
        door.records().ledger.summary().awaiting_clock,
        1,
        "it does not settle the row of the doubtful clock"
    );
}

#[test]
fn what_was_seen_without_clock_is_judged_by_the_rules_at_its_true_time() {
    let mut door = Door::new("UTC", datetime!(2025-01-15 09:00:00 UTC));
    let day = date!(2025 - 01 - 15);
    door.see("7");
    door.wait(600);
    door.see("7");
    door.reboot("boot-2", datetime!(1970-01-01 00:00:10 UTC), false);
    for _ in 0..4 {
        door.see("7");
        door.wait(50);
    }
    door.clock.set(datetime!(2025-01-15 12:00:00 UTC), true);
    door.tick();
    assert_eq!((door.rows().len(), door.open(day)), (1, vec!["7 2025-01-15 11:59:10".to_owned()]));
    assert_eq!(door.records().ledger.summary().awaiting_clock, 0);
    door.stop();
    door.restart();
    assert_eq!((door.rows().len(), door.open(day)), (1, vec!["7 2025-01-15 11:59:10".to_owned()]));
    assert_eq!(door.csv("2025-01-15").unwrap().lines().count(), 2);
}

/// A boot that never knew the time, between 17:05 and the time at which the next boot knows it.
fn lost_boot(known_at: OffsetDateTime) -> (Door, BTreeMap<u64, RowView>) {
    let mut door = Door::new("UTC", datetime!(2025-01-15 17:00:00 UTC));
    door.see("7");
    door.wait(300);
    door.see("7");
    door.reboot("boot-2", datetime!(1970-01-01 00:00:10 UTC), false);
    door.see("7");
    door.see("8");
    door.reboot("boot-3", datetime!(1970-01-01 00:00:10 UTC), false);
    door.tick();
    assert_eq!(door.records().ledger.summary().awaiting_clock, 2);
    door.clock.set(known_at, true);
    door.tick();
    let views = |door: &Door| -> BTreeMap<u64, RowView> {
        let day = door.records().ledger.on(date!(2025 - 01 - 15)).unwrap();
        day.into_iter().map(|row| (row.id, row)).collect()
    };
    let rows = views(&door);
    door.restart();
    assert_eq!(views(&door), rows);
    (door, rows)
}

#[test]
fn a_boot_that_never_knew_the_time_is_estimated_where_its_day_is_certain() {
    let (door, rows) = lost_boot(datetime!(2025-01-15 20:00:00 UTC));
    assert_eq!((rows[&3].clock, rows[&3].status), ("estimated", "IN"));
    assert_eq!(rows[&3].timestamp, "2025-01-15 17:06:00", "a minute after the boot, at the earliest");
    assert_eq!(door.rows().len(), 2);
    assert_eq!(
        door.open(date!(2025 - 01 - 15)),
        ["7 2025-01-15 17:06:00"],
        "the visit goes on over the reboot"
    );
}

/// Otherwise a person who comes this morning would be taken for one who left last evening.
#[test]
fn where_a_midnight_lies_in_a_boot_that_never_knew_the_time_the_row_waits_for_a_person() {
    let (door, rows) = lost_boot(datetime!(2025-01-16 08:00:00 UTC));
    for id in [2, 3] {
        assert_eq!((rows[&id].clock, rows[&id].status), ("doubtful", "IN"));
        assert!(matches!(&rows[&id].progress, Progress::NeedsPerson(reason) if reason.contains("day")));
    }
    assert_eq!(door.rows(), ["7,in,2025-01-15 17:00:00", "7,out,2025-01-15 17:05:00"]);
    assert_eq!(door.csv("2025-01-15").unwrap().lines().count(), 3, "doubtful rows are not rows yet");
}

/// A person who stays while the clock is not known made one visit, and it began when they came.
#[test]
fn a_long_visit_without_a_clock_begins_where_it_began() {
    let mut door = Door::new("UTC", datetime!(2025-01-15 09:00:00 UTC));
    door.reboot("boot-2", OffsetDateTime::UNIX_EPOCH, false);
    for _ in 0..4 {
        door.see("1");
        door.wait(90);
    }
    door.clock.set(datetime!(2025-01-15 10:06:00 UTC), true);
    door.tick();
    assert_eq!(door.rows(), ["1,in,2025-01-15 10:00:00"]);
}
