//! What other versions of the program wrote.

use super::*;

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
