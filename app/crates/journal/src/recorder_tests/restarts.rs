//! Restarts change no decision.

use super::*;

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
