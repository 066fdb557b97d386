//! Whole days: who lingers, who leaves at night, lanes, other doors.

use super::*;

#[test]
fn a_day_is_in_and_out_in_the_journal_the_csv_and_the_backlog() {
    let door = Door::new("Asia/Kolkata", datetime!(2025-11-09 04:00:00 UTC));
    let mut heard = door.bus.subscribe();
    for _ in 0..3 {
        door.see("23040453");
        door.wait(60);
    }
    door.wait(3600);
    door.see("23040453");
    let day = date!(2025 - 11 - 09);
    assert_eq!(door.rows(), ["23040453,in,2025-11-09 09:30:00"]);
    assert_eq!(door.open(day), ["23040453 2025-11-09 10:33:00"]);
    assert_eq!(door.csv("2025-11-09").unwrap().lines().count(), 2, "an open OUT is in no file");
    let heard = events(&mut heard);
    assert_eq!(heard.len(), 4);
    assert!(
        heard[0].contains("IN") && heard[3].contains("OUT") && heard[3].contains("midnight"),
        "{heard:?}"
    );
    assert!(heard[1].contains("IN 09:30:00 stands") && heard[2].contains("goes on"), "{heard:?}");
    door.next_day();
    assert_eq!(door.rows(), ["23040453,in,2025-11-09 09:30:00", "23040453,out,2025-11-09 10:33:00"]);
    assert!(door.open(day).is_empty());
    assert_eq!(
        door.csv("2025-11-09").unwrap(),
        "name,status,timestamp\n23040453,IN,2025-11-09 09:30:00\n23040453,OUT,2025-11-09 10:33:00\n"
    );
}

/// The report that this rule answers: 07:51:42 IN, 07:53:45 no departure, 16:00 the departure.
#[test]
fn who_lingers_in_the_morning_leaves_in_the_afternoon() {
    let mut door = Door::new("UTC", datetime!(2026-11-23 07:51:42 UTC));
    for _ in 0..12 {
        door.see("7");
        door.wait(11);
        door.tick();
    }
    assert!(door.open(date!(2026 - 11 - 23)).is_empty(), "one visit, however long it lasts");
    door.wait(8 * 3600);
    door.see("7");
    // The power goes at once, and the device stays off over midnight.
    door.reboot("boot-2", datetime!(2026-11-24 06:00:00 UTC), true);
    door.tick();
    assert_eq!(door.rows(), ["7,in,2026-11-23 07:51:42", "7,out,2026-11-23 15:53:54"]);
    door.restart();
    door.tick();
    assert_eq!(door.rows().len(), 2, "a day is closed once");
}

#[test]
fn a_restart_never_turns_an_in_into_an_out() {
    let mut door = Door::new("UTC", datetime!(2025-01-15 09:00:00 UTC));
    let day = date!(2025 - 01 - 15);
    door.see("7");
    for _ in 0..5 {
        door.restart();
        door.wait(20);
        door.see("7");
    }
    door.reboot("boot-2", datetime!(2025-01-15 09:01:50 UTC), true);
    door.see("7");
    door.wait(60);
    door.see("7");
    assert_eq!((door.rows().len(), door.open(day).len()), (1, 0), "the visit goes on over the reboot");
    door.wait(120);
    door.see("7");
    assert_eq!(door.open(day), ["7 2025-01-15 09:04:50"]);
    door.restart();
    assert_eq!(door.open(day), ["7 2025-01-15 09:04:50"]);
}

#[test]
fn midnight_at_the_site_begins_a_new_day_while_running() {
    let door = Door::new("America/New_York", datetime!(2025-01-16 04:58:00 UTC));
    door.see("7");
    door.wait(119);
    door.see("7");
    door.wait(2);
    // A visit that goes on over midnight belongs to the day on which it began.
    door.see("7");
    door.wait(600);
    door.see("7");
    door.tick();
    assert_eq!(door.rows(), ["7,in,2025-01-15 23:58:00", "7,in,2025-01-16 00:10:01"]);
    assert!(door.csv("2025-01-15").is_some() && door.csv("2025-01-16").is_some());
}

#[test]
fn a_visit_that_ends_after_midnight_ends_its_day() {
    let door = Door::new("UTC", datetime!(2026-11-23 08:00:00 UTC));
    door.see("7");
    door.wait(57_590);
    // 23:59:50, 00:00:30.
    door.see("7");
    door.wait(40);
    door.see("7");
    door.wait(300);
    door.tick();
    assert_eq!(door.rows(), ["7,in,2026-11-23 08:00:00", "7,out,2026-11-23 23:59:59"]);
}

#[test]
fn where_the_day_starts_at_four_who_leaves_at_night_leaves_on_the_day_before() {
    let mut door = Door::new("UTC", datetime!(2026-11-23 08:00:00 UTC));
    door.settings.day_starts = "04:00".parse().unwrap();
    door.restart();
    door.see("7");
    door.wait(59_400);
    door.see("7");
    door.next_day();
    assert_eq!(door.rows(), ["7,in,2026-11-23 08:00:00", "7,out,2026-11-23 23:59:59"], "what is sent");
    let file = door.csv("2026-11-23").unwrap();
    assert!(file.ends_with("7,OUT,2026-11-24 00:30:00\n"), "the true time stands in the file: {file}");
    assert!(door.csv("2026-11-24").is_none());
}

#[test]
fn the_change_of_daylight_saving_changes_no_gap_and_no_order() {
    // In Berlin 02:59:59 is followed by 02:00:00 on this night, in Kolkata nothing happens.
    for (zone, rows) in [
        // The true time of the OUT is 02:02:59, after the IN: rows of a student do not run backwards.
        ("Europe/Berlin", ["7,in,2025-10-26 02:59:00", "7,out,2025-10-26 02:59:00"]),
        ("Asia/Kolkata", ["7,in,2025-10-26 06:29:00", "7,out,2025-10-26 06:32:59"]),
    ] {
        let mut door = Door::new(zone, datetime!(2025-10-26 00:59:00 UTC));
        door.see("7");
        door.wait(119);
        door.see("7");
        door.wait(120);
        door.see("7");
        door.next_day();
        assert_eq!(door.rows(), rows);
        door.restart();
        assert_eq!(door.rows(), rows);
    }
}

#[test]
fn closing_the_day_by_hand_sends_the_outs_and_later_sightings_move_them_until_they_are_sent() {
    let mut door = Door::new("UTC", datetime!(2026-11-23 08:00:00 UTC));
    let day = date!(2026 - 11 - 23);
    for roll in ["7", "8"] {
        door.see(roll);
    }
    door.wait(8 * 3600);
    door.see("7");
    door.wait(300);
    assert_eq!(door.records().with_recorder(Recorder::close_day_now), Ok(1));
    assert!(door.records().with_recorder(Recorder::close_day_now).unwrap_err().contains("closed already"));
    assert_eq!(door.rows()[2], "7,out,2026-11-23 16:00:00");
    // Nobody has taken it yet: a later visit moves it, and holds it while it lasts.
    door.wait(600);
    door.see("7");
    assert_eq!(door.rows().len(), 2);
    assert_eq!(door.open(day), ["7 2026-11-23 16:15:00"]);
    door.restart();
    door.wait(200);
    door.tick();
    assert_eq!(door.rows()[2], "7,out,2026-11-23 16:15:00");
    // It is sent: what comes now is late.
    let rows = door.records().ledger.open_rows(9, |_| true);
    let (sent, intents) = door.records().ledger.begin_sending(&rows, door.clock.now().utc);
    assert_eq!((sent.len(), intents.len()), (3, 4), "three rows, and since when intents are kept");
    door.wait(600);
    door.see("7");
    door.wait(200);
    door.tick();
    let out = &door.records().ledger.on(day).unwrap()[2];
    assert_eq!(
        (out.timestamp.as_str(), out.late.as_deref()),
        ("2026-11-23 16:15:00", Some("2026-11-23 16:28:20"))
    );
    // Who had no OUT gets one when they leave after the close.
    door.see("8");
    door.wait(200);
    door.tick();
    assert_eq!(door.rows().last().unwrap(), "8,out,2026-11-23 16:31:40");
}

#[test]
fn a_day_that_ends_at_seven_is_closed_then_and_a_departure_that_settles_is_sent_before() {
    let mut door = Door::new("UTC", datetime!(2026-11-23 08:00:00 UTC));
    door.settings.attendance.day_ends = Some("19:00".parse().unwrap());
    door.settings.attendance.departures_from = Some("12:00".parse().unwrap());
    door.settings.attendance.departure_settles = Some(Duration::from_secs(1800));
    door.restart();
    let mut heard = door.bus.subscribe();
    door.see("7");
    door.wait(3 * 3600);
    door.see("7");
    assert!(events(&mut heard)[1].contains("before 12:00 nobody departs"));
    door.wait(2 * 3600);
    door.see("7");
    door.wait(1799);
    door.tick();
    assert_eq!(door.rows().len(), 1);
    door.wait(1);
    door.tick();
    assert_eq!(door.rows()[1], "7,out,2026-11-23 13:00:00");
    door.see("8");
    door.wait(5 * 3600);
    door.see("8");
    door.wait(1200);
    door.tick();
    assert_eq!(door.rows().len(), 3, "18:50");
    door.wait(600);
    door.tick();
    assert_eq!(door.rows()[3], "8,out,2026-11-23 18:30:00");
    assert!(door.records().ledger.is_closed(date!(2026 - 11 - 23)));
}

#[test]
fn lanes_and_alternate_write_what_they_say() {
    let mut door = Door::new("UTC", datetime!(2026-11-23 08:00:00 UTC));
    door.settings.door.direction = Direction::Out;
    door.restart();
    door.see("7");
    door.next_day();
    assert_eq!(door.rows(), ["7,out,2026-11-23 08:00:00"]);
    let mut door = Door::new("UTC", datetime!(2026-11-23 08:00:00 UTC));
    door.settings.door.direction = Direction::In;
    door.restart();
    let mut heard = door.bus.subscribe();
    door.see("7");
    door.wait(3600);
    door.see("7");
    assert!(events(&mut heard)[1].contains("IN 08:00:00 stands, and this door writes INs only"));
    door.next_day();
    assert_eq!(door.rows().len(), 1);
    let mut door = Door::new("UTC", datetime!(2026-11-23 08:00:00 UTC));
    door.settings.attendance.policy = Policy::Alternate;
    door.restart();
    for _ in 0..4 {
        door.see("7");
        door.restart();
        door.wait(60);
        door.see("7");
        door.wait(3600);
        door.tick();
    }
    let statuses: Vec<_> = door.rows().iter().map(|row| row.split(',').nth(1).unwrap().to_owned()).collect();
    assert_eq!(statuses, ["in", "out", "in", "out"]);
}

#[test]
fn visits_of_another_door_are_kept_and_decide_who_sends() {
    let mut door = Door::new("UTC", datetime!(2026-11-23 08:00:00 UTC));
    let (day, north) = (date!(2026 - 11 - 23), crate::rules::DoorName::parse("North").unwrap());
    door.see("7");
    let seen = |hour: i64| crate::rules::Visit {
        student: RollNumber::parse("7").unwrap(),
        door: north.clone(),
        direction: Direction::Both,
        first: datetime!(2026-11-23 00:00:00 UTC) + time::Duration::hours(hour),
        last: datetime!(2026-11-23 00:00:00 UTC) + time::Duration::hours(hour),
        estimated: false,
    };
    let take_in = |door: &Door, visits| door.records().with_recorder(|recorder| recorder.take_in(visits));
    // Seen there at seven: our IN was not sent yet, so it is withdrawn. A day long past changes nothing.
    let long_past = crate::rules::Visit { first: datetime!(2020-01-01 00:00:00 UTC), ..seen(7) };
    assert_eq!(take_in(&door, vec![seen(7), long_past]), 1);
    assert_eq!(take_in(&door, vec![seen(7)]), 0, "it is known");
    assert!(door.rows().is_empty());
    door.restart();
    door.tick();
    assert!(door.rows().is_empty());
    door.wait(8 * 3600);
    door.see("7");
    assert_eq!(door.open(day), ["7 2026-11-23 16:00:00"]);
    assert_eq!(door.records().with_recorder(|recorder| recorder.visits_on(day)).len(), 2);
    // Seen there at seventeen: the OUT is the other door's.
    door.wait(2 * 3600);
    take_in(&door, vec![seen(17)]);
    assert!(door.open(day).is_empty());
    door.restart();
    door.next_day();
    assert!(door.rows().is_empty());
}
