//! One truth: the page, the API, the event stream, the metrics and the door say the same of every fault.

use std::collections::BTreeSet;
use std::io::{BufRead, BufReader, Write};
use std::time::Duration;

use base::event::WorkerState;
use base::failure::Fault;
use serde_json::Value;
use view::on_memory::OnMemory;
use view::{Level, LivenessCheck, Problem, RefusedRow, Removal, View};

use crate::client::{As, request};
use crate::device::Device;
use crate::states::healthy;

/// A name, and a change that makes a healthy state faulty.
type Break = (&'static str, fn(&mut View));

/// Every fault that the page has a sentence for, alone.
fn faults() -> Vec<Break> {
    fn fault(what: &str) -> Fault {
        Fault::new(what).advise("correct it in the settings")
    }
    fn worker(view: &mut View, name: &str, state: WorkerState) {
        let one = view.workers.iter_mut().find(|one| one.name == name).unwrap();
        (one.state, one.reason) = (state, Some(fault("it failed in a test")));
    }
    vec![
        ("nothing", |_| {}),
        // The reason of a held worker stood on the page alone.
        ("refused key", |view| worker(view, "upload", WorkerState::Held)),
        ("upload restarts", |view| worker(view, "upload", WorkerState::Restarting)),
        ("delivery fails", |view| view.upload.error = Some(fault("the backend does not answer"))),
        ("refused row", |view| view.upload.needs_person = vec![RefusedRow::default()]),
        ("photos held", |view| worker(view, "sync", WorkerState::Held)),
        ("photos fail", |view| view.sync.error = Some(fault("the photo server does not answer"))),
        ("some photos fail", |view| (view.sync.listed, view.sync.failed) = (Some(9), 2)),
        ("no photos named", |view| view.sync.listed = Some(0)),
        ("large removal", |view| view.sync.removal = Some(Removal { students: 4, of: 9 })),
        ("no students", |view| view.roster.students = 0),
        ("unusable photos", |view| view.roster.unrecognisable = 3),
        ("recognition stopped", |view| worker(view, "recognition", WorkerState::Held)),
        ("no frame", |view| view.camera.last_frame_age_s = None),
        ("old frame", |view| view.camera.last_frame_age_s = Some(73.0)),
        ("no rows", |view| worker(view, "attendance", WorkerState::Restarting)),
        ("unsaved", |view| view.today.unsaved_reason = Some(fault("the card takes no writes"))),
        ("lost", |view| view.today.lost = 2),
        ("card nearly full", |view| view.system.storage_free = Some(900_000_000)),
        ("card full", |view| view.system.storage_free = Some(1)),
        ("on memory", |view| {
            view.on_memory = Some(OnMemory::parse("state=unreadable\ncopy=part\noriginal=gone\n"));
        }),
        ("liveness off", |view| view.system.liveness = LivenessCheck::Off),
        ("no anti-spoof models", |view| view.system.liveness = LivenessCheck::Blink),
        ("plain http", |view| view.plain_http = vec!["webhook.url".to_owned(), "photos.url".to_owned()]),
        ("clock unknown", |view| view.system.clock_trusted = false),
        ("clock in doubt", |view| view.system.clock_doubt = Some("it jumped by a day".to_owned())),
        ("weak supply", |view| view.system.lacks_power = true),
        ("heat", |view| view.system.temperature_c = Some(88.0)),
        ("told by a part", |view| {
            let what = "The port for the original’s scripts cannot be opened.".to_owned();
            view.problems =
                vec![Problem { level: Level::Attention, what, advice: "Choose another.".to_owned() }];
        }),
    ]
}

fn whats(problems: &Value) -> BTreeSet<String> {
    problems.as_array().unwrap().iter().map(|one| one["what"].as_str().unwrap().to_owned()).collect()
}

/// What the event stream tells first.
fn streamed(device: &Device, who: &As) -> Value {
    let mut stream = device.connect().unwrap();
    stream.sock.set_read_timeout(Some(Duration::from_secs(10))).unwrap();
    stream.write_all(request(device, "GET", "/events", who, "").as_bytes()).unwrap();
    let mut lines = BufReader::new(stream).lines().map(Result::unwrap);
    assert!(lines.any(|line| line == "event: problems"));
    serde_json::from_str(lines.next().unwrap().strip_prefix("data: ").unwrap()).unwrap()
}

#[test]
fn every_fault_is_told_alike_everywhere() {
    let device = Device::start();
    let (who, person) = (As::token(&device.read), device.log_in());
    let nobody = As::default();
    for (name, make) in faults() {
        device.change(|view| {
            *view = healthy();
            make(view);
        });
        let health = device.get("/healthz", &who);
        let told = health.json();
        let expected = whats(&told["problems"]);
        assert_eq!(expected.is_empty(), name == "nothing", "{name}: {told}");

        let healthy = told["healthy"] == true;
        assert_eq!(health.status, if healthy { 200 } else { 503 }, "{name}");
        let status = device.get("/status", &who).json();
        assert_eq!(whats(&status["appliance"]["problems"]), expected, "{name}: /status");
        assert_eq!(whats(&device.get("/", &who).json()["problems"]), expected, "{name}: /");
        let events = streamed(&device, &who);
        assert_eq!(
            (whats(&events["problems"]), &events["healthy"]),
            (expected.clone(), &told["healthy"]),
            "{name}: /events"
        );

        let page = device.get("/", &person.clone().with("Accept", "text/html")).text();
        let verdict = page.split("id=\"verdict\"").nth(1).unwrap().split("</section>").next().unwrap();
        for what in &expected {
            assert!(verdict.contains(&what.replace('"', "&quot;")), "{name}: the page lacks {what:?}");
        }
        assert_eq!(verdict.contains("All well"), expected.is_empty(), "{name}: the page");
        let first = device.get("/attendance/health", &who).json();
        assert_eq!(first["healthy"], told["healthy"], "{name}");
        let worst = told["problems"][0]["what"].as_str().unwrap_or("All well.");
        assert!(first["message"].as_str().unwrap().starts_with(worst), "{name}: {first}");

        let metrics = device.get("/metrics", &who).text();
        let number = |metric: &str| {
            let line = metrics.lines().find_map(|line| line.strip_prefix(&format!("attendance_{metric} ")));
            line.unwrap_or_else(|| panic!("{metric}")).parse::<usize>().unwrap()
        };
        let at = |level: &str| {
            told["problems"].as_array().unwrap().iter().filter(|one| one["level"] == level).count()
        };
        assert_eq!(number("healthy"), usize::from(healthy), "{name}");
        for level in ["attention", "broken"] {
            assert_eq!(number(&format!("problems{{level=\"{level}\"}}")), at(level), "{name}: {level}");
        }
        let says = |words: &str| expected.iter().any(|what| what.contains(words));
        assert_eq!(number("upload_failing") == 1, says("Rows cannot be delivered"), "{name}: upload");
        assert_eq!(
            !status["appliance"]["upload"]["error"].is_null(),
            says("Rows cannot be delivered"),
            "{name}"
        );
        let unsynced = says("The photos cannot be synchronised") || says("the photos cannot be fetched");
        assert_eq!(number("sync_failing") == 1, unsynced, "{name}: sync");

        let door = view::verdict::needs_staff(&device.fake.view.lock().unwrap());
        assert_eq!(door, at("broken") > 0, "{name}: the door");
    }
    // Nobody learns more than whether it works.
    std::thread::sleep(Duration::from_millis(1100));
    assert!(device.get("/healthz", &nobody).body.is_empty());
}

#[test]
fn a_problem_that_comes_is_told_on_the_stream_and_once() {
    let device = Device::start();
    let mut stream = device.connect().unwrap();
    stream.sock.set_read_timeout(Some(Duration::from_secs(20))).unwrap();
    stream.write_all(request(&device, "GET", "/events", &As::token(&device.read), "").as_bytes()).unwrap();
    let mut lines = BufReader::new(stream).lines().map(Result::unwrap);
    let mut next = || {
        let mut skipped = 0;
        for line in lines.by_ref() {
            match line.as_str() {
                "event: problems" => break,
                "event: tick" => skipped += 1,
                _ => {}
            }
        }
        let data = lines.next().unwrap();
        (
            whats(&serde_json::from_str::<Value>(data.strip_prefix("data: ").unwrap()).unwrap()["problems"]),
            skipped,
        )
    };
    assert_eq!(next().0.len(), 0);
    device.change(|view| view.system.lacks_power = true);
    let (told, ticks) = next();
    assert!(told.len() == 1 && ticks >= 1, "{told:?} {ticks}");
    device.change(|view| view.system.lacks_power = false);
    let (told, ticks) = next();
    assert!(told.is_empty() && ticks >= 1, "not told again at each tick: {told:?} {ticks}");
}
