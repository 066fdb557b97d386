//! A real process that records and is killed without warning, again and again.

use std::collections::BTreeSet;
use std::io::{BufRead, BufReader, Write};
use std::path::PathBuf;
use std::process::{Command, Stdio};
use std::sync::Arc;
use std::time::{Duration, Instant};

use base::event::{Bus, Event};
use base::identity::RollNumber;
use base::moment::{Clock, ManualClock, SiteZone};
use journal::Records;
use time::macros::datetime;

/// Where the child records; set for it alone.
const FOLDER: &str = "ATTENDANCE_TEST_KILLED_FOLDER";
const KILLS: u32 = 12;

fn open(folder: &std::path::Path, clock: Arc<ManualClock>, bus: Bus) -> Records {
    let zone = SiteZone::named("UTC").unwrap();
    journal::open(folder, &journal::config::Attendance::default(), zone, clock, bus).unwrap()
}

/// Not a test of its own: what the parent below starts and kills. Sees one new student after the other, and
/// says each row that was announced.
#[test]
#[ignore = "started by announced_rows_survive_kill_9"]
fn child() {
    let Some(folder) = std::env::var_os(FOLDER).map(PathBuf::from) else { return };
    let clock = Arc::new(ManualClock::at(datetime!(2025-01-15 09:00:00 UTC), "boot-1"));
    let bus = Bus::default();
    let mut heard = bus.subscribe();
    let records = open(&folder, Arc::clone(&clock), bus);
    let first = records.ledger.summary().backlog;
    for number in first.. {
        let roll = RollNumber::parse(&number.to_string()).unwrap();
        records.with_recorder(|recorder| recorder.sighted(&roll, clock.now()));
        while let Ok(event) = heard.try_recv() {
            if let Event::Recorded { roll, .. } = event {
                let mut out = std::io::stdout().lock();
                writeln!(out, "announced {roll}").unwrap();
                out.flush().unwrap();
            }
        }
    }
}

#[test]
fn announced_rows_survive_kill_9() {
    let folder = tempfile::tempdir().unwrap();
    let mut announced = BTreeSet::new();
    for kill in 0..KILLS {
        let mut child = Command::new(std::env::current_exe().unwrap())
            .args(["--exact", "killed::child", "--ignored", "--nocapture"])
            .env(FOLDER, folder.path())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let lines = BufReader::new(child.stdout.take().unwrap()).lines();
        let mut lines = lines.map_while(Result::ok).filter(|line| line.starts_with("announced "));
        // The first row shows that it is at work; then it is killed at an odd moment.
        announced.extend(lines.next());
        let patience = Duration::from_micros(1700 * u64::from(kill * kill));
        let started = Instant::now();
        while started.elapsed() < patience {
            std::thread::sleep(Duration::from_micros(100));
        }
        child.kill().unwrap();
        announced.extend(lines);
        child.wait().unwrap();
        let clock = Arc::new(ManualClock::at(datetime!(2025-01-15 09:00:00 UTC), "boot-1"));
        let records = open(folder.path(), clock, Bus::default());
        let rows = records.ledger.open_rows(usize::MAX, |_| true);
        let found: BTreeSet<String> = rows.iter().map(|row| format!("announced {}", row.roll)).collect();
        assert_eq!(found.len(), rows.len(), "no row twice");
        assert!(found.is_superset(&announced), "kill {kill}");
        assert_eq!(records.ledger.summary().storage.damaged_lines, 0);
    }
    assert!(announced.len() > KILLS as usize, "{} rows", announced.len());
}
