//! The recorder over whole days: restarts, midnights, clocks that are wrong, disks that are full.

#![allow(clippy::unwrap_used)]

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use proptest::prelude::*;
use time::OffsetDateTime;
use time::macros::{date, datetime};
use tokio::sync::broadcast::Receiver;

use super::day_files::DayFiles;
use super::opening::Past;
use super::recorder::{Recorder, Records};
use crate::config::{Attendance, Direction, Policy, Settings};
use crate::storage as journal;
use crate::storage::disk::fake::FakeDisk;
use crate::storage::{Deliveries, Delivery, Disk, Fate, Progress, RowView};
use base::event::{Bus, Event};
use base::identity::RollNumber;
use base::moment::{CheckedClock, Clock, ManualClock, SiteZone};

/// A door: its disks live on over restarts and reboots.
struct Door {
    journal: Arc<FakeDisk>,
    days: Arc<FakeDisk>,
    clock: Arc<ManualClock>,
    /// `clock`, doubted when it jumps; made again with the program.
    checked: Arc<CheckedClock>,
    settings: Settings,
    zone: SiteZone,
    bus: Bus,
    records: Option<Records>,
}

impl Door {
    fn new(zone: &str, utc: OffsetDateTime) -> Self {
        let clock = Arc::new(ManualClock::at(utc, "boot-1"));
        let mut door = Self {
            journal: Arc::default(),
            days: Arc::default(),
            checked: Arc::new(CheckedClock::new(Arc::clone(&clock) as Arc<dyn Clock>)),
            clock,
            settings: Settings::default(),
            zone: SiteZone::named(zone).unwrap(),
            bus: Bus::default(),
            records: None,
        };
        door.restart();
        door
    }

    fn restart(&mut self) {
        self.records = None;
        let mut past = Past::new(&self.settings, self.zone.clone(), self.clock.as_ref());
        let ledger = past.ledger(&self.settings);
        let disk = Arc::clone(&self.journal) as Arc<dyn Disk>;
        let opened = journal::read_into(disk, ledger, |record| past.see(record)).unwrap();
        let days = DayFiles::new(
            Arc::clone(&self.days) as Arc<dyn Disk>,
            Arc::clone(&self.journal) as Arc<dyn Disk>,
        );
        self.checked = Arc::new(CheckedClock::new(Arc::clone(&self.clock) as Arc<dyn Clock>));
        let clock = Arc::clone(&self.checked) as Arc<dyn Clock>;
        self.records = Some(Recorder::assemble(opened, past, days, &self.settings, clock, self.bus.clone()));
    }

    /// Power off and on; the wall clock starts at `utc`.
    fn reboot(&mut self, boot: &str, utc: OffsetDateTime, trusted: bool) {
        self.clock = Arc::new(ManualClock::at(utc, boot));
        self.clock.set(utc, trusted);
        self.restart();
    }

    fn records(&self) -> &Records {
        self.records.as_ref().unwrap()
    }

    fn see(&self, roll: &str) {
        let roll = RollNumber::parse(roll).unwrap();
        self.records().with_recorder(|recorder| recorder.sighted(&roll, self.checked.now()));
    }

    fn tick(&self) {
        self.records().with_recorder(Recorder::tick);
    }

    /// The program ends in an orderly way.
    fn stop(&self) {
        self.records().with_recorder(Recorder::finish);
    }

    /// The day's OUTs that are open: roll number and time.
    fn open(&self, day: time::Date) -> Vec<String> {
        let rows = self.records().ledger.with_open_outs(day).unwrap();
        rows.iter().filter(|row| row.open).map(|row| format!("{} {}", row.roll, row.timestamp)).collect()
    }

    /// Midnight passes.
    fn next_day(&self) {
        self.wait(86_400);
        self.tick();
    }

    fn wait(&self, seconds: u64) {
        self.clock.advance(Duration::from_secs(seconds));
    }

    /// All rows that can be delivered, as the webhook would get them.
    fn rows(&self) -> Vec<String> {
        let rows = self.records().ledger.open_rows(usize::MAX, |_| true);
        rows.iter()
            .map(|row| format!("{},{},{}", row.roll, row.status.lower_case(), journal::timestamp(row.local)))
            .collect()
    }

    fn csv(&self, day: &str) -> Option<String> {
        let files = self.days.files();
        files.get(&format!("attendance_{day}.csv")).map(|bytes| String::from_utf8(bytes.clone()).unwrap())
    }
}

fn events(receiver: &mut Receiver<Event>) -> Vec<String> {
    std::iter::from_fn(|| receiver.try_recv().ok()).map(|event| event.to_string()).collect()
}

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

/// Otherwise who comes this morning would be taken for somebody who left last evening.
#[test]
fn where_a_midnight_lies_in_a_boot_that_never_knew_the_time_the_row_waits_for_a_person() {
    let (door, rows) = lost_boot(datetime!(2025-01-16 08:00:00 UTC));
    for id in [2, 3] {
        assert_eq!((rows[&id].clock, rows[&id].status), ("doubtful", "IN"));
        assert!(matches!(&rows[&id].progress, Progress::NeedsPerson(reason) if reason.contains("day")));
    }
    assert_eq!(door.rows(), ["7,in,2025-01-15 17:00:00", "7,out,2025-01-15 17:05:00"]);
    assert_eq!(door.csv("2025-01-15").unwrap().lines().count(), 3, "doubtful rows are no rows yet");
}

#[test]
fn nothing_is_announced_before_it_is_durable_and_a_full_disk_loses_nothing() {
    let mut door = Door::new("UTC", datetime!(2025-01-15 09:00:00 UTC));
    let mut heard = door.bus.subscribe();
    door.journal.limit(Some(30));
    for roll in ["1", "2", "3"] {
        door.see(roll);
        door.wait(1);
    }
    door.tick();
    let told = events(&mut heard);
    assert_eq!(told.len(), 3, "{told:?}");
    assert!(told.iter().all(|event| event.contains("not saved") && event.contains("free some space")));
    let storage = door.records().ledger.summary().storage;
    assert!(storage.unwritten >= 3 && storage.trouble.unwrap().what.contains("No space left"));
    assert!(door.rows().is_empty());
    door.journal.limit(None);
    door.tick();
    let told = events(&mut heard);
    assert!(told.len() == 3 && told.iter().all(|event| event.contains("saved")), "{told:?}");
    assert_eq!(door.rows().len(), 3);
    assert_eq!(door.records().ledger.summary().storage, journal::Storage::default());
    let rows = door.rows();
    door.restart();
    assert_eq!(door.rows(), rows);
}

/// IN and OUT of a day that the disk took only after its close are both made from visits. A restart keeps
/// them apart.
#[test]
fn rows_that_waited_for_the_disk_over_a_close_stay_after_a_restart() {
    let mut door = Door::new("UTC", datetime!(2025-01-15 09:00:00 UTC));
    door.journal.limit(Some(40));
    door.see("1");
    door.wait(7 * 3600);
    door.see("1");
    door.wait(9 * 3600);
    door.tick();
    door.journal.limit(None);
    door.tick();
    let rows = ["1,in,2025-01-15 09:00:00", "1,out,2025-01-15 16:00:00"];
    assert_eq!(door.rows(), rows);
    door.restart();
    door.tick();
    assert_eq!(door.rows(), rows);
}

/// A visit may still go on when its day closes. A restart in that moment does not lose the OUT.
#[test]
fn a_restart_between_the_close_and_the_end_of_a_visit_loses_no_out() {
    let mut door = Door::new("UTC", datetime!(2025-01-15 09:00:00 UTC));
    door.see("1");
    door.wait(15 * 3600 - 60);
    door.see("1");
    door.wait(70);
    door.see("2");
    door.tick();
    door.stop();
    door.restart();
    door.tick();
    door.wait(300);
    door.tick();
    let rows = ["1,in,2025-01-15 09:00:00", "2,in,2025-01-16 00:00:10", "1,out,2025-01-15 23:59:00"];
    assert_eq!(door.rows(), rows);
}

/// Whoever lingers while the clock is not known made one visit, and it began when they came.
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

/// The disk fills up at every possible byte, and the power goes at that moment: all that was announced is
/// there.
#[test]
fn a_read_only_disk_delivers_from_memory() {
    let door = Door::new("UTC", datetime!(2025-01-15 09:00:00 UTC));
    door.see("1");
    door.journal.make_read_only(true);
    door.wait(5);
    door.see("2");
    door.wait(5);
    door.see("3");
    let ledger = Arc::clone(&door.records().ledger);
    assert_eq!(door.rows().len(), 3, "they can be delivered");
    let summary = ledger.summary();
    // Two visits and two rows.
    assert_eq!((summary.storage.unwritten, summary.undelivered_in_memory), (4, 2));
    let utc = datetime!(2025-01-15 09:01:00 UTC);
    ledger.deliver(Delivery { id: 2, utc, fate: Fate::Created });
    door.tick();
    assert_eq!(ledger.summary().undelivered_in_memory, 1);
    assert_eq!(door.rows().len(), 2);
    // Should the disk take writes again, all rows are written, and what was delivered stays so.
    door.journal.make_read_only(false);
    door.tick();
    let summary = ledger.summary();
    assert_eq!((summary.storage.unwritten, summary.undelivered_in_memory), (0, 0));
    assert_eq!(door.rows().len(), 2);
    let files = door.journal.files();
    let written: usize =
        files.values().map(|bytes| String::from_utf8_lossy(bytes).matches(",row,").count()).sum();
    assert_eq!(written, 3, "{files:?}");
}

/// A full disk may take the rows later, after a restart too.
#[test]
fn a_full_disk_delivers_nothing_from_memory() {
    let door = Door::new("UTC", datetime!(2025-01-15 09:00:00 UTC));
    door.journal.limit(Some(0));
    door.see("1");
    assert_eq!(door.rows(), Vec::<String>::new());
}

#[test]
fn a_power_cut_at_every_byte_keeps_every_announced_row() {
    let whole = {
        let door = Door::new("UTC", datetime!(2025-01-15 09:00:00 UTC));
        for roll in ["1", "2", "3"] {
            door.see(roll);
        }
        door.journal.files().values().map(Vec::len).sum::<usize>()
    };
    for room in 0..=whole {
        let mut door = Door::new("UTC", datetime!(2025-01-15 09:00:00 UTC));
        let mut heard = door.bus.subscribe();
        door.journal.limit(Some(room));
        for roll in ["1", "2", "3"] {
            door.see(roll);
        }
        let announced: Vec<String> = std::iter::from_fn(|| heard.try_recv().ok())
            .filter_map(|event| match event {
                Event::Recorded { roll, status, timestamp } => {
                    Some(format!("{roll},{},{timestamp}", status.to_lowercase()))
                }
                _ => None,
            })
            .collect();
        door.journal.limit(None);
        door.reboot("boot-2", datetime!(2025-01-15 09:00:30 UTC), true);
        let rows = door.rows();
        assert!(announced.iter().all(|row| rows.contains(row)), "room {room}: {announced:?} {rows:?}");
        // Nobody gets a second IN, and nobody is recorded as going.
        for roll in ["1", "2", "3"] {
            door.see(roll);
        }
        assert_eq!(door.rows().len(), 3, "room {room}");
    }
}

#[test]
fn the_days_csv_is_made_anew_when_it_is_missing_damaged_or_cut_while_running() {
    let mut door = Door::new("UTC", datetime!(2025-01-15 09:00:00 UTC));
    door.see("1");
    let good = door.csv("2025-01-15").unwrap();
    for damage in ["", "name,status,timestamp\n", "garbage"] {
        door.days.put("attendance_2025-01-15.csv", damage.as_bytes());
        door.restart();
        door.tick();
        assert_eq!(door.csv("2025-01-15").unwrap(), good);
    }
    door.days.remove("attendance_2025-01-15.csv").unwrap();
    door.see("2");
    assert_eq!(door.csv("2025-01-15").unwrap().lines().count(), 3);
    door.days.limit(Some(0));
    door.see("3");
    let trouble = door.records().ledger.summary().storage.csv_trouble.unwrap();
    assert!(trouble.contains("attendance_2025-01-15.csv"), "{trouble}");
    assert_eq!(door.rows().len(), 3, "a CSV that cannot be written holds up no row");
    door.days.limit(None);
    door.tick();
    assert_eq!(door.csv("2025-01-15").unwrap().lines().count(), 4);
}

/// `sudo sed -i` makes a file that belongs to root; a folder may be in a file's place.
#[test]
fn a_days_csv_that_takes_no_rows_is_replaced_or_left_and_holds_up_no_other_day() {
    let door = Door::new("UTC", datetime!(2025-01-15 09:00:00 UTC));
    door.see("1");
    door.days.forbid_appending(Some("attendance_2025-01-15.csv"));
    door.see("2");
    assert_eq!(door.csv("2025-01-15").unwrap().lines().count(), 3, "replaced");
    door.days.forbid(Some("attendance_2025-01-15.csv"));
    door.see("3");
    door.wait(86_400);
    door.see("1");
    assert_eq!(door.csv("2025-01-15").unwrap().lines().count(), 3);
    assert_eq!(door.csv("2025-01-16").unwrap().lines().count(), 2, "the later day is written");
    let trouble = |door: &Door| door.records().ledger.summary().storage.csv_trouble;
    assert!(trouble(&door).unwrap().contains("attendance_2025-01-15.csv"));
    door.days.forbid(None);
    door.tick();
    assert_eq!(door.csv("2025-01-15").unwrap().lines().count(), 4);
    assert_eq!(trouble(&door), None);
}

#[test]
fn what_a_later_version_wrote_is_kept_and_does_not_stop_an_older_one() {
    let mut door = Door::new("UTC", datetime!(2025-01-15 09:00:00 UTC));
    let mut later = Vec::new();
    for payload in [
        "journal,2,1,compression=none",
        "row,1,7,IN,2025-01-15T08:00:00Z,1000,boot-0,known,camera-2",
        "mask-worn,1,yes",
        "row,2,8,BREAK,2025-01-15T08:00:00Z,1000,boot-0,known",
    ] {
        journal::line::encode(payload, &mut later);
    }
    door.journal.put("journal-00000001.log", &later);
    door.journal.put("deliveries-00000001.log", b"");
    door.restart();
    assert_eq!(door.rows(), ["7,in,2025-01-15 08:00:00"]);
    door.see("7");
    assert_eq!(
        door.open(date!(2025 - 01 - 15)),
        ["7 2025-01-15 09:00:00"],
        "the later version's row counts for the rules"
    );
    door.next_day();
    assert_eq!(door.rows()[1], "7,out,2025-01-15 09:00:00");
    let files = door.journal.files();
    let file = &files["journal-00000001.log"];
    assert!(file.starts_with(&later), "nothing of it is lost");
    // The later version finds its own records and ours, whose ids do not collide.
    let found = journal::line::decode(&files.values().flatten().copied().collect::<Vec<u8>>()).payloads;
    assert!(found.iter().any(|payload| payload == "mask-worn,1,yes"));
    assert!(found.iter().any(|payload| payload.starts_with("row,3,7,OUT")), "{found:?}");
}

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

/// A clock that stops the recorder by a panic, as often as it is told to.
struct Panicking {
    clock: ManualClock,
    after: std::sync::atomic::AtomicI64,
    times: i64,
}

impl Clock for Panicking {
    fn now(&self) -> base::moment::Moment {
        let left = self.after.fetch_sub(1, std::sync::atomic::Ordering::Relaxed);
        assert!(left > 0 || left <= -self.times, "a defect in the program");
        self.clock.now()
    }

    fn boot_id(&self) -> &str {
        self.clock.boot_id()
    }
}

#[test]
fn a_panic_in_the_recorder_loses_no_other_sighting() {
    for (times, rows) in [(1, 100), (2, 99)] {
        let folder = tempfile::tempdir().unwrap();
        let clock = Arc::new(Panicking {
            clock: ManualClock::at(datetime!(2025-01-15 09:00:00 UTC), "boot-1"),
            after: i64::MAX.into(),
            times,
        });
        let zone = SiteZone::named("UTC").unwrap();
        let config = Attendance::default();
        let for_recorder = Arc::clone(&clock) as Arc<dyn Clock>;
        let records = super::open(folder.path(), &config, zone, for_recorder, Bus::default()).unwrap();
        let sighted = |roll: i32| base::sightings::Sighted {
            roll: RollNumber::parse(&roll.to_string()).unwrap(),
            at: clock.clock.now(),
        };
        let seen: Vec<_> = (0..100).map(sighted).collect();
        clock.after.store(10, std::sync::atomic::Ordering::Relaxed);
        let once = |work: &(dyn Fn(&mut Recorder) + Sync)| {
            std::thread::scope(|scope| {
                scope.spawn(|| records.with_recorder(|recorder| work(recorder))).join()
            })
        };
        assert!(once(&|recorder| recorder.sighted_all(&seen)).is_err());
        // The worker starts again.
        for _ in 0..times {
            let _ = once(&|recorder| recorder.sighted_all(&[]));
        }
        assert_eq!(records.ledger.open_count(), rows, "{times} panics");
        assert_eq!(records.with_recorder(|recorder| recorder.waiting()), 0);
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

#[derive(Debug, Clone)]
enum Step {
    Seen(u8),
    Wait(u64),
    Restart,
    Reboot { off: u64, trusted: bool },
    ClockKnown,
    DiskFull(bool),
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let step = prop_oneof![
        8 => (0u8..3).prop_map(Step::Seen),
        5 => prop_oneof![0u64..200, 0u64..30_000].prop_map(Step::Wait),
        2 => Just(Step::Restart),
        1 => (1u64..50_000, any::<bool>()).prop_map(|(off, trusted)| Step::Reboot { off, trusted }),
        1 => Just(Step::ClockKnown),
        1 => any::<bool>().prop_map(Step::DiskFull),
    ];
    prop::collection::vec(step, 0..60)
}

/// Plays `steps` and gives everything deliverable at the end. A restart or reboot first lets the disk
/// recover, so that the comparison is about restarts alone.
fn play(steps: &[Step], restarts: bool) -> (Door, Vec<String>) {
    let start = datetime!(2025-03-29 20:00:00 UTC);
    let mut door = Door::new("Europe/Berlin", start);
    let (mut truth, mut boot) = (start, 1);
    for step in steps {
        match step {
            Step::Seen(who) => door.see(&who.to_string()),
            Step::Wait(seconds) => {
                truth += Duration::from_secs(*seconds);
                door.wait(*seconds);
                door.tick();
            }
            Step::Restart => {
                door.journal.limit(None);
                door.tick();
                if restarts {
                    door.stop();
                    door.restart();
                }
            }
            Step::Reboot { off, trusted } => {
                door.journal.limit(None);
                door.tick();
                // The last time known before the power goes is the same in both plays, and so is what is
                // estimated from it.
                door.see(&format!("last-of-{boot}"));
                door.stop();
                truth += Duration::from_secs(*off);
                boot += 1;
                let utc = if *trusted { truth } else { OffsetDateTime::UNIX_EPOCH };
                door.reboot(&format!("boot-{boot}"), utc, *trusted);
            }
            Step::ClockKnown => {
                door.clock.set(truth, true);
                door.tick();
            }
            Step::DiskFull(full) => door.journal.limit(full.then_some(40)),
        }
    }
    door.journal.limit(None);
    door.clock.set(truth, true);
    door.tick();
    let rows = door.rows();
    (door, rows)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn restarts_change_nothing_and_what_is_on_disk_is_what_is_in_memory(steps in steps()) {
        let (mut door, rows) = play(&steps, true);
        prop_assert_eq!(&rows, &play(&steps, false).1);
        let csv = door.days.files();
        door.restart();
        door.tick();
        prop_assert_eq!(door.rows(), rows.clone());
        prop_assert_eq!(door.days.files(), csv);
        prop_assert!(rows.iter().all(|row| !row.contains(",1970-")), "{:?}", rows);
        prop_assert_eq!(door.records().ledger.summary().awaiting_clock, 0);
        // One IN and at most one OUT of each student and day.
        let mut days = std::collections::BTreeMap::<(String, String), Vec<String>>::new();
        for row in &rows {
            let fields: Vec<&str> = row.split([',', ' ']).collect();
            days.entry((fields[0].to_owned(), fields[2].to_owned())).or_default().push(fields[1].to_owned());
        }
        for (day, statuses) in days {
            prop_assert!(statuses == ["in"] || statuses == ["in", "out"], "{day:?}: {statuses:?}");
        }
    }
}

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

/// What an earlier version wrote: its rule took the second sighting for the last.
fn earlier_version(out_is_delivered: bool) -> Door {
    let mut door = Door::new("UTC", datetime!(2026-11-23 09:00:00 UTC));
    let mut rows = Vec::new();
    for payload in [
        "journal,1,1",
        "row,1,7,IN,2026-11-23T07:51:42Z,1000000,boot-0,known",
        "row,2,7,OUT,2026-11-23T07:53:45Z,1123000,boot-0,known",
    ] {
        journal::line::encode(payload, &mut rows);
    }
    let mut deliveries = Vec::new();
    journal::line::encode("deliveries,1,0", &mut deliveries);
    journal::line::encode("delivered,1,2026-11-23T07:52:00Z,created", &mut deliveries);
    if out_is_delivered {
        journal::line::encode("delivered,2,2026-11-23T07:54:00Z,created", &mut deliveries);
    }
    door.journal.put("journal-00000001.log", &rows);
    door.journal.put("deliveries-00000001.log", &deliveries);
    door.restart();
    door
}

#[test]
fn an_undelivered_out_of_an_earlier_version_becomes_movable() {
    let mut door = earlier_version(false);
    let day = date!(2026 - 11 - 23);
    assert!(door.rows().is_empty(), "it is held back from the start");
    assert_eq!(door.csv("2026-11-23"), None);
    door.tick();
    assert_eq!(door.open(day), ["7 2026-11-23 07:53:45"]);
    door.wait(7 * 3600);
    door.see("7");
    assert_eq!(door.open(day), ["7 2026-11-23 16:00:00"]);
    door.restart();
    assert_eq!(door.open(day), ["7 2026-11-23 16:00:00"]);
    door.next_day();
    assert_eq!(door.rows(), ["7,out,2026-11-23 16:00:00"]);
    let row = &door.records().ledger.open_rows(1, |_| true)[0];
    assert_eq!(row.id, 2, "it is the same row");
    assert!(door.csv("2026-11-23").unwrap().ends_with("7,OUT,2026-11-23 16:00:00\n"));
}

#[test]
fn a_delivered_out_of_an_earlier_version_stands_and_the_departure_is_shown_as_late() {
    let mut door = earlier_version(true);
    let day = date!(2026 - 11 - 23);
    let mut heard = door.bus.subscribe();
    door.tick();
    door.wait(7 * 3600);
    door.see("7");
    assert!(events(&mut heard)[0].contains("OUT 07:53:45 was sent already"));
    door.wait(200);
    door.tick();
    let late = |door: &Door| door.records().ledger.on(day).unwrap()[1].late.clone();
    assert_eq!(late(&door).unwrap(), "2026-11-23 16:00:00");
    assert!(door.rows().is_empty() && door.open(day).is_empty());
    door.restart();
    assert_eq!(late(&door).unwrap(), "2026-11-23 16:00:00");
}

/// The version before reads the journal by its own rules: rows it knows, and nothing else.
#[test]
fn after_a_rollback_in_the_middle_of_a_day_the_earlier_version_knows_the_in_and_no_open_out() {
    let door = Door::new("UTC", datetime!(2026-11-23 08:00:00 UTC));
    door.see("7");
    door.wait(3 * 3600);
    door.see("7");
    door.tick();
    let files = door.journal.files();
    let payloads = |log: &str| journal::line::decode(&files[&format!("{log}-00000001.log")]).payloads;
    let kinds = ["journal,", "row,", "clock,"];
    for payload in payloads("journal") {
        assert!(kinds.iter().any(|kind| payload.starts_with(kind)), "{payload}");
    }
    assert_eq!(payloads("journal").iter().filter(|payload| payload.starts_with("row,")).count(), 1);
    // That version wrote an OUT of its own, which waits, and then this one came back.
    let mut rows = files["journal-00000001.log"].clone();
    journal::line::encode("row,2,7,OUT,2026-11-23T12:00:00Z,14460000,boot-1,known", &mut rows);
    let mut door = door;
    door.journal.put("journal-00000001.log", &rows);
    door.wait(8 * 3600);
    door.restart();
    door.see("7");
    door.next_day();
    assert_eq!(door.rows(), ["7,in,2026-11-23 08:00:00", "7,out,2026-11-23 19:00:00"]);
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
    // Seen there at seven: our IN was not sent yet, so it is taken back. A day long past changes nothing.
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

/// What happens before the camera of one student, and to the device.
#[derive(Debug, Clone)]
enum Turn {
    Seen,
    Wait(u64),
    Stop,
    Reboot(u64),
    Jump(i64),
    SetRight,
}

fn turns() -> impl Strategy<Value = Vec<Turn>> {
    let turn = prop_oneof![
        8 => Just(Turn::Seen),
        8 => prop_oneof![1u64..200, 1u64..30_000].prop_map(Turn::Wait),
        2 => Just(Turn::Stop),
        1 => (60u64..50_000).prop_map(Turn::Reboot),
        1 => prop_oneof![-80_000i64..-10, 10i64..80_000].prop_map(Turn::Jump),
        2 => Just(Turn::SetRight),
    ];
    prop::collection::vec(turn, 0..50)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(96))]

    /// An oracle writes down every sighting with its true time, and cannot be restarted, switched off or
    /// given a wrong clock.
    #[test]
    fn the_rows_are_those_of_an_oracle_that_saw_everything(turns in turns()) {
        let start = datetime!(2026-11-23 06:00:00 UTC);
        let mut door = Door::new("Asia/Kolkata", start);
        let (mut truth, mut boot) = (start, 1);
        let mut seen: Vec<OffsetDateTime> = Vec::new();
        door.tick();
        for turn in turns {
            match turn {
                Turn::Seen => {
                    door.see("7");
                    seen.push(truth);
                }
                Turn::Wait(seconds) => {
                    truth += Duration::from_secs(seconds);
                    door.wait(seconds);
                    door.tick();
                }
                Turn::Stop => {
                    door.stop();
                    door.restart();
                }
                Turn::Reboot(off) => {
                    // With a clock that is wrong nobody knows afterwards when it was.
                    door.clock.set(truth, true);
                    door.tick();
                    door.stop();
                    truth += Duration::from_secs(off);
                    boot += 1;
                    door.reboot(&format!("boot-{boot}"), truth, true);
                    door.tick();
                }
                Turn::Jump(seconds) => {
                    door.clock.set(truth + time::Duration::seconds(seconds), true);
                }
                Turn::SetRight => {
                    door.clock.set(truth, true);
                    door.tick();
                }
            }
        }
        door.clock.set(truth, true);
        door.tick();
        door.next_day();
        let mut visits: Vec<(OffsetDateTime, OffsetDateTime)> = Vec::new();
        for utc in seen {
            match visits.last_mut().filter(|(_, last)| utc - *last < Duration::from_secs(120)) {
                Some((_, last)) => *last = utc,
                None => visits.push((utc, utc)),
            }
        }
        let mut expected: BTreeMap<time::Date, Vec<String>> = BTreeMap::new();
        let day_of = |utc| door.zone.local(utc).date();
        let mut days: BTreeMap<time::Date, Vec<(OffsetDateTime, OffsetDateTime)>> = BTreeMap::new();
        visits.iter().for_each(|visit| days.entry(day_of(visit.0)).or_default().push(*visit));
        for (date, visits) in days {
            let at = |utc| journal::timestamp(door.zone.local(utc));
            let rows = expected.entry(date).or_default();
            rows.push(format!("7,in,{}", at(visits[0].0)));
            if let Some((_, last)) = visits.get(1).and(visits.last()) {
                let end = if day_of(*last) == date { at(*last) } else { format!("{date} 23:59:59") };
                rows.push(format!("7,out,{end}"));
            }
        }
        let mut rows = door.rows();
        rows.sort_by(|a, b| (&a[6..], a).cmp(&(&b[6..], b)));
        let mut expected: Vec<String> = expected.into_values().flatten().collect();
        expected.sort_by(|a, b| (&a[6..], a).cmp(&(&b[6..], b)));
        prop_assert_eq!(rows, expected);
    }
}
