use time::macros::datetime;

use super::*;
use crate::on_memory::OnMemory;
use crate::photos::{PhotoSync, Removal, RosterCount};
use crate::rows::Upload;
use crate::state::{Camera, System, Worker};
use base::failure::Fault;

const NOW: OffsetDateTime = datetime!(2026-11-01 12:00:00 UTC);
const LATER: OffsetDateTime = datetime!(2027-11-01 12:00:00 UTC);

fn well() -> View {
    View {
        system: System { uptime_s: 3600, clock_trusted: true, ..System::default() },
        workers: vec![Worker {
            name: "recognition".to_owned(),
            state: WorkerState::Running,
            ..Worker::default()
        }],
        camera: Camera { last_frame_age_s: Some(0.1), ..Camera::default() },
        roster: RosterCount { students: 3, photos: 9, ..RosterCount::default() },
        sync: PhotoSync {
            source: "https://backend.example/media".to_owned(),
            listed: Some(9),
            ..PhotoSync::default()
        },
        ..View::default()
    }
}

fn worst(view: &View) -> (Level, String) {
    let first = problems(view, LATER, NOW).into_iter().next();
    first.map_or((Level::Well, String::new()), |p| (p.level, p.what))
}

#[test]
fn nothing_wrong_is_nothing_said() {
    assert_eq!(problems(&well(), LATER, NOW), []);
    assert!(healthy(&well()));
}

#[test]
fn plain_http_is_a_problem_for_as_long_as_it_is_so() {
    let mut view = well();
    view.plain_http = vec!["photos.url".to_owned(), "webhook.url".to_owned()];
    let found = problems(&view, LATER, NOW);
    assert_eq!(found.len(), 2);
    for (problem, setting) in found.iter().zip(&view.plain_http) {
        assert!(problem.level == Level::Attention && problem.what.contains(setting.as_str()), "{problem:?}");
        assert!(problem.advice.contains("tls.allow_plain"));
    }
    assert!(healthy(&view));
}

#[test]
fn unsaved_rows_that_the_backend_lacks_are_counted() {
    let mut view = well();
    (view.today.unsaved, view.today.unsaved_undelivered) = (3, 2);
    view.today.unsaved_reason = Some("the journal cannot be written".into());
    let advice = problems(&view, LATER, NOW).remove(0).advice;
    assert!(advice.contains("3 rows are in memory only") && advice.contains("have 2 of them"), "{advice}");
}

#[test]
fn a_start_on_memory_is_a_problem() {
    let mut view = well();
    view.on_memory = Some(OnMemory::parse("state=read-only\ncopy=all\noriginal=kept\n"));
    let (level, what) = worst(&view);
    assert!(level == Level::Broken && what.contains("the card takes no writes"), "{what}");
    assert!(!healthy(&view));
}

#[test]
fn what_stops_attendance_comes_before_what_waits() {
    let mut view = well();
    view.upload = Upload { backlog: 12, error: Some("connection refused.".into()), ..Upload::default() };
    let (level, what) = worst(&view);
    assert!(
        level == Level::Attention
            && what.contains("12 rows wait")
            && what.contains("delivered: connection refused. 12")
    );
    assert!(healthy(&view), "no network is not a reason to roll back");
    view.camera.last_frame_age_s = Some(42.0);
    assert_eq!(worst(&view), (Level::Broken, "The camera has given no picture for 40 seconds.".to_owned()));
    assert!(!healthy(&view));
    assert_eq!(problems(&view, LATER, NOW).len(), 2);
}

#[test]
fn a_worker_in_whatever_trouble_is_told_of_and_the_recorder_stops_all_being_well() {
    for name in ["camera", "recognition", "attendance", "roster", "sync", "upload", "update", "page"] {
        for state in [WorkerState::Restarting, WorkerState::Held, WorkerState::Stopped] {
            let mut view = well();
            view.workers.retain(|worker| worker.name != name);
            view.workers.push(Worker {
                name: name.to_owned(),
                state,
                reason: Some("stopped by a defect in the program (task 7 panicked)".into()),
                restarts: 9,
            });
            let (level, what) = worst(&view);
            assert!(what.to_lowercase().contains("stopped by a defect"), "{name} {state}: {what:?}");
            let works = !["camera", "recognition", "attendance"].contains(&name);
            assert_eq!(level, if works { Level::Attention } else { Level::Broken }, "{name} {state}");
            assert_eq!(healthy(&view), works, "{name} {state}");
        }
    }
    let mut without_photo_server = well();
    without_photo_server.workers.push(Worker {
        name: "sync".to_owned(),
        state: WorkerState::Stopped,
        ..Worker::default()
    });
    assert_eq!(problems(&without_photo_server, LATER, NOW), []);
}

/// Names of files and a server's words may hold a semicolon: it says nothing about where the advice
/// begins.
#[test]
fn semicolons_in_a_fault_do_not_become_advice() {
    let mut view = well();
    view.sync.error = Some("none of 9 photos could be had; 2110001/a.jpg: 404".into());
    let problem = problems(&view, LATER, NOW).remove(0);
    assert!(problem.what.contains("could be had; 2110001/a.jpg: 404."), "{problem:?}");
    assert!(problem.advice.starts_with("Ask whoever looks after that server."), "{problem:?}");
}

/// A screen reader reads the sentence whenever it changes.
#[test]
fn the_sentence_does_not_change_with_every_second() {
    let said = |age| {
        let mut view = well();
        view.camera.last_frame_age_s = Some(age);
        worst(&view).1
    };
    assert_eq!(said(40.1), said(49.9));
    assert!(said(61.0).contains("for 1 minute.") && said(73.0) == said(61.0));
    assert!(said(7300.0).contains("for 2 hours."));
}

#[test]
fn each_fault_has_its_sentence() {
    type BreakIt = fn(&mut View);
    let cases: [(&str, BreakIt); 22] = [
        ("1 recognition was lost: there is no row", |v| v.today.lost = 1),
        ("12 recognitions were lost: there are no rows", |v| v.today.lost = 12),
        ("Recognition is held: no model file", |v| {
            v.workers[0].state = WorkerState::Held;
            v.workers[0].reason = Some("no model file.".into());
        }),
        ("The camera repeats one picture.", |v| {
            v.workers.push(Worker {
                name: "camera".to_owned(),
                state: WorkerState::Restarting,
                reason: Some(Fault::new("the camera repeats one picture").advise("check the cable")),
                ..Worker::default()
            });
        }),
        ("The camera is starting", |v| {
            v.system.uptime_s = 5;
            v.camera.last_frame_age_s = None;
        }),
        ("photos are being fetched", |v| v.roster.students = 0),
        ("the photos cannot be fetched (no route)", |v| {
            v.roster.students = 0;
            v.sync.error = Some(Fault::new("no route (os error 113)").advise("check the network"));
        }),
        ("the photo server names no photos.", |v| {
            v.roster.students = 0;
            v.sync.listed = Some(0);
        }),
        ("none of the photos is usable", |v| {
            v.roster = RosterCount { unrecognisable: 2, ..RosterCount::default() };
        }),
        ("names no photos any more", |v| v.sync.listed = Some(0)),
        ("4 of 9 photos could not", |v| v.sync.failed = 4),
        ("2 students cannot be recognised", |v| v.roster.unrecognisable = 2),
        ("Rows cannot be delivered: the webhook refuses the key. No row waits yet.", |v| {
            v.workers.push(Worker {
                name: "upload".to_owned(),
                state: WorkerState::Held,
                reason: Some(Fault::new("the webhook refuses the key").advise("set webhook.key")),
                ..Worker::default()
            });
        }),
        ("Rows cannot be saved: the journal cannot be written (No space left on device).", |v| {
            v.today.unsaved = 3;
            v.today.unsaved_reason = Some(
                Fault::new("the journal cannot be written (No space left on device (os error 28))")
                    .advise("free some space"),
            );
        }),
        ("nearly full", |v| {
            v.system.storage_free = Some(900_000_000);
        }),
        ("The card is full", |v| {
            v.system.storage_free = Some(9_000_000);
        }),
        ("remove 7 of 9 students", |v| v.sync.removal = Some(Removal { students: 7, of: 9 })),
        ("clock is not set", |v| v.system.clock_trusted = false),
        ("The clock is in doubt: it was set back by 2 days", |v| {
            v.system.clock_trusted = false;
            v.system.clock_doubt = Some("it was set back by 2 days".to_owned());
        }),
        ("hot: 85", |v| v.system.temperature_c = Some(85.0)),
        ("hot: 70", |v| {
            v.system.temperature_c = Some(70.0);
            v.system.slowed_by_heat = true;
        }),
        ("power supply", |v| v.system.lacks_power = true),
    ];
    for (part, break_it) in cases {
        let mut view = well();
        break_it(&mut view);
        let (_, what) = worst(&view);
        assert!(what.contains(part), "{part:?} is not in {what:?}");
    }
    assert!(problems(&well(), NOW + time::Duration::days(3), NOW)[0].what.contains("3 days"));
}
