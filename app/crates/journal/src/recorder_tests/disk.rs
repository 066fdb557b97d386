//! Disks that are full or read-only, power cuts, panics.

use super::*;

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

/// The disk fills up at every possible byte, and the power fails at that moment: all announced rows stay.
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
fn the_days_csv_is_made_again_when_it_is_missing_damaged_or_cut_while_running() {
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
        let records = crate::open(folder.path(), &config, zone, for_recorder, Bus::default()).unwrap();
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
