//! Corrections by hand: rows that are added, changed and taken away, and rows that get their day.

use super::*;
use crate::{Correction, Status};
use base::failure::Fault;

pub(super) const DAY: time::Date = date!(2026 - 11 - 23);

pub(super) fn correct(door: &Door, wish: Correction) -> Result<crate::Corrected, Fault> {
    door.records().with_recorder(|recorder| recorder.correct(wish, "meera (office)", "told us"))
}

pub(super) fn add(roll: &str, status: Status, utc: OffsetDateTime) -> Correction {
    Correction::Add { roll: RollNumber::parse(roll).unwrap(), status, utc }
}

/// The number of the row that stands so in the day.
pub(super) fn id(door: &Door, row: &str) -> u64 {
    let rows = door.records().ledger.on(DAY).unwrap();
    let found = rows.iter().find(|view| format!("{} {}", view.status, view.timestamp) == row);
    found.unwrap_or_else(|| panic!("{row} is not among {rows:?}")).id
}

/// The webhook has taken everything that could be delivered.
fn deliver(door: &Door) {
    let ledger = &door.records().ledger;
    let rows = ledger.open_rows(usize::MAX, |_| true);
    let (sent, mut written) = ledger.begin_sending(&rows, door.clock.now().utc);
    let utc = door.clock.now().utc;
    written.extend(sent.iter().map(|row| Delivery { id: row.id, utc, fate: Fate::Created }));
    door.records().deliveries.lock().unwrap().append(&written).unwrap();
    written.into_iter().for_each(|delivery| ledger.deliver(delivery));
}

pub(super) fn listed(door: &Door) -> Vec<String> {
    let rows = door.records().ledger.needs_person();
    rows.iter().map(|row| format!("{} {}", row.status, row.timestamp)).collect()
}

/// Seen at 8, 12 and 16 o'clock; it is five past.
pub(super) fn three_visits() -> Door {
    let door = Door::new("UTC", datetime!(2026-11-23 08:00:00 UTC));
    door.see("7");
    for _ in 0..2 {
        door.wait(4 * 3600);
        door.see("7");
    }
    door.wait(300);
    door.tick();
    door
}

#[test]
fn a_row_that_is_taken_away_takes_its_visit_with_it_and_blocks_nothing() {
    let mut door = three_visits();
    let mut heard = door.bus.subscribe();
    correct(&door, Correction::Void { id: id(&door, "IN 2026-11-23 08:00:00") }).unwrap();
    let told = "meera (office) took away IN 7 at 2026-11-23 08:00:00: told us";
    assert!(events(&mut heard).iter().any(|event| event == told));
    for _ in 0..2 {
        assert_eq!(door.rows(), ["7,in,2026-11-23 12:00:00"]);
        assert_eq!(door.open(DAY), ["7 2026-11-23 16:00:00"]);
        door.restart();
        door.tick();
    }
    correct(&door, Correction::Void { id: id(&door, "IN 2026-11-23 12:00:00") }).unwrap();
    assert_eq!(door.rows(), ["7,in,2026-11-23 16:00:00"]);
    assert!(door.open(DAY).is_empty(), "one visit is left");
    let old = door.records().ledger.corrected(DAY).unwrap();
    assert!(old.iter().all(|row| row.void && row.by_hand.as_ref().unwrap().contains("told us")));
    assert_eq!(door.csv("2026-11-23").unwrap(), "name,status,timestamp\n7,IN,2026-11-23 16:00:00\n");
}

#[test]
fn an_out_that_is_taken_away_gives_way_to_the_visit_before_it() {
    let mut door = three_visits();
    door.records().with_recorder(Recorder::close_day_now).unwrap();
    correct(&door, Correction::Void { id: id(&door, "OUT 2026-11-23 16:00:00") }).unwrap();
    for _ in 0..2 {
        assert_eq!(door.rows(), ["7,in,2026-11-23 08:00:00", "7,out,2026-11-23 12:00:00"]);
        door.restart();
        door.tick();
    }
}

#[test]
fn a_changed_time_stays_and_the_journal_keeps_the_old_one() {
    let mut door = three_visits();
    let row = id(&door, "IN 2026-11-23 08:00:00");
    let utc = datetime!(2026-11-23 07:40:00 UTC);
    assert_eq!(
        correct(&door, Correction::Change { id: row, utc }),
        Ok(crate::Corrected { id: row, sent: false, others: 0 })
    );
    for _ in 0..2 {
        assert_eq!(door.rows(), ["7,in,2026-11-23 07:40:00"]);
        let by_hand = door.records().ledger.on(DAY).unwrap()[0].by_hand.clone().unwrap();
        assert_eq!(by_hand, "meera (office): told us (it was IN 2026-11-23 08:00:00)");
        door.restart();
        door.tick();
    }
    // Taken away, its visit goes, too: the one at eight.
    correct(&door, Correction::Void { id: row }).unwrap();
    assert_eq!(door.rows(), ["7,in,2026-11-23 12:00:00"]);
}

#[test]
fn an_in_by_hand_is_a_presence_and_a_single_sighting_after_it_is_the_departure() {
    let mut door = Door::new("UTC", datetime!(2026-11-23 16:00:00 UTC));
    correct(&door, add("7", Status::In, datetime!(2026-11-23 08:00:00 UTC))).unwrap();
    door.see("7");
    assert_eq!(door.open(DAY), ["7 2026-11-23 16:00:00"]);
    assert!(
        correct(&door, add("7", Status::In, datetime!(2026-11-23 09:00:00 UTC))).is_err(),
        "there is one"
    );
    door.restart();
    door.next_day();
    assert_eq!(door.rows(), ["7,in,2026-11-23 08:00:00", "7,out,2026-11-23 16:00:00"]);
}

#[test]
fn an_out_by_hand_stands_against_later_sightings_until_it_is_taken_away() {
    let door = three_visits();
    let out = correct(&door, add("7", Status::Out, datetime!(2026-11-23 14:00:00 UTC))).unwrap().id;
    assert_eq!(door.rows()[1], "7,out,2026-11-23 14:00:00");
    assert!(door.open(DAY).is_empty());
    correct(&door, Correction::Void { id: out }).unwrap();
    assert_eq!(door.open(DAY), ["7 2026-11-23 16:00:00"]);
}

#[test]
fn what_the_backend_has_is_replaced_here_and_listed_until_it_is_dismissed() {
    let mut door = three_visits();
    deliver(&door);
    let old = id(&door, "IN 2026-11-23 08:00:00");
    let corrected =
        correct(&door, Correction::Change { id: old, utc: datetime!(2026-11-23 07:40:00 UTC) }).unwrap();
    assert!(corrected.sent && corrected.id != old);
    for _ in 0..2 {
        assert_eq!(door.rows(), ["7,in,2026-11-23 07:40:00"], "a new row, for the backend to answer");
        assert_eq!(listed(&door), ["IN 2026-11-23 08:00:00"]);
        assert!(door.records().ledger.is_a_conflict(corrected.id), "“recorded already” tells of the old row");
        assert!(!door.records().ledger.can_be_sent_again(old));
        assert_eq!(door.open(DAY), ["7 2026-11-23 16:00:00"]);
        door.restart();
        door.tick();
    }
    let dismissed = Delivery { id: old, utc: door.clock.now().utc, fate: Fate::Dismissed };
    door.records().deliveries.lock().unwrap().append(std::slice::from_ref(&dismissed)).unwrap();
    door.records().ledger.deliver(dismissed);
    for _ in 0..2 {
        assert!(listed(&door).is_empty());
        assert_eq!(door.records().ledger.on(DAY).unwrap().len(), 1, "the day has the new one only");
        door.restart();
        door.tick();
    }
}

#[test]
fn under_alternate_a_changed_time_writes_the_visit_once_and_a_void_gives_its_turn_back() {
    let mut door = Door::new("UTC", datetime!(2026-11-23 08:00:00 UTC));
    door.settings.attendance.policy = Policy::Alternate;
    door.restart();
    door.see("7");
    door.wait(300);
    door.tick();
    let row = id(&door, "IN 2026-11-23 08:00:00");
    correct(&door, Correction::Change { id: row, utc: datetime!(2026-11-23 07:00:00 UTC) }).unwrap();
    for _ in 0..2 {
        door.tick();
        assert_eq!(door.rows(), ["7,in,2026-11-23 07:00:00"]);
        door.restart();
    }
    door.wait(3600);
    door.see("7");
    door.wait(300);
    door.tick();
    assert_eq!(door.rows()[1], "7,out,2026-11-23 09:05:00");
    correct(&door, Correction::Void { id: id(&door, "OUT 2026-11-23 09:05:00") }).unwrap();
    door.wait(3600);
    door.see("7");
    assert_eq!(door.rows(), ["7,in,2026-11-23 07:00:00", "7,out,2026-11-23 10:10:00"]);
}

/// The office mends the paper list of last month. Today stays in memory, and in force.
#[test]
fn corrections_of_old_days_push_no_newer_day_out_of_memory() {
    let mut door = Door::new("UTC", datetime!(2026-10-01 08:00:00 UTC));
    for _ in 0..30 {
        door.see("7");
        door.wait(86_400);
        door.tick();
    }
    door.see("8");
    deliver(&door);
    let today = date!(2026 - 10 - 31);
    for day in 1..20 {
        let utc = datetime!(2026-10-01 16:00:00 UTC) + time::Duration::days(day);
        correct(&door, add("7", Status::Out, utc)).unwrap();
    }
    // One of the first day, which only the disk knows, is taken away.
    correct(&door, Correction::Void { id: 1 }).unwrap();
    for _ in 0..2 {
        assert_eq!(door.records().ledger.on(today).unwrap().len(), 1);
        assert_eq!(door.rows().len(), 19);
        assert_eq!(listed(&door), ["IN 2026-10-01 08:00:00"]);
        door.see("8");
        assert_eq!(door.rows().len(), 19, "it is known that 8 came today");
        door.restart();
        door.tick();
    }
    assert!(door.csv("2026-10-02").unwrap().ends_with("7,OUT,2026-10-02 16:00:00\n"));
    assert_eq!(door.csv("2026-10-01").unwrap(), "name,status,timestamp\n", "its only row is gone");
}

#[test]
fn what_cannot_be_corrected_is_refused_with_a_reason() {
    let door = three_visits();
    let row = id(&door, "IN 2026-11-23 08:00:00");
    let fault = |wish| correct(&door, wish).unwrap_err().what;
    assert!(fault(add("7", Status::In, datetime!(2026-11-24 08:00:00 UTC))).contains("future"));
    assert!(
        fault(Correction::Change { id: row, utc: datetime!(2026-11-22 08:00:00 UTC) })
            .contains("another day")
    );
    assert!(fault(Correction::Void { id: 99 }).contains("no such row"));
    assert!(fault(Correction::Place { id: row, date: DAY }).contains("day of this row is known"));
    correct(&door, Correction::Void { id: row }).unwrap();
    assert!(fault(Correction::Void { id: row }).contains("taken away before"));
    let reasonless = door.records().with_recorder(|recorder| {
        recorder.correct(add("9", Status::In, datetime!(2026-11-23 08:00:00 UTC)), "meera", " ")
    });
    assert!(reasonless.unwrap_err().what.contains("reason"));
    door.journal.limit(Some(0));
    door.see("8");
    assert!(fault(add("9", Status::In, datetime!(2026-11-23 08:00:00 UTC))).contains("disk"));
}

/// An earlier version keeps what it does not know. A void stays a void when this version comes back.
#[test]
fn over_a_rollback_the_earlier_version_knows_the_rows_it_knew() {
    let door = three_visits();
    correct(&door, add("9", Status::In, datetime!(2026-11-23 08:00:00 UTC))).unwrap();
    correct(&door, Correction::Void { id: id(&door, "IN 2026-11-23 08:00:00") }).unwrap();
    let files = door.journal.files();
    let known = ["journal,", "row,", "clock,", "moved,", "withdrawn,", "added,", "voided,", "changed,"];
    for payload in journal::line::decode(&files["journal-00000001.log"]).payloads {
        assert!(known.iter().any(|kind| payload.starts_with(kind)), "{payload}");
    }
    let visits = journal::line::decode(&files["visits-00000001.log"]).payloads;
    assert!(visits.iter().any(|payload| payload.starts_with("void,0,7,")), "{visits:?}");
}
