//! The recorder over whole days: restarts, midnights, clocks that are wrong, disks that are full.

#![allow(clippy::unwrap_used, clippy::panic)]

mod by_hand;
mod clock;
mod damage;
mod days;
mod disk;
mod oracle;
mod other_doors;
mod placing;
mod pruning;
mod restarts;
mod two_doors;
mod versions;

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
