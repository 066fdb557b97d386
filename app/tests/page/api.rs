//! The original's API, field for field, and what was added.

use std::io::{BufRead, BufReader, Write};
use std::time::Duration;

use base::event::{Advice, Event, WorkerState};
use base::identity::RollNumber;
use serde_json::{Value, json};
use view::Action;

use crate::client::{As, request};
use crate::device::{Device, PASSWORD};
use crate::states::broken;

/// Every field the original's documentation names, as path and kind.
fn has(answer: &Value, fields: &[(&str, &str)]) {
    for (pointer, kind) in fields {
        let value = answer.pointer(pointer).unwrap_or_else(|| panic!("{pointer} is missing in {answer}"));
        let is = match value {
            Value::Null => "null",
            Value::Bool(_) => "bool",
            Value::Number(_) => "number",
            Value::String(_) => "text",
            Value::Array(_) => "list",
            Value::Object(_) => "object",
        };
        assert_eq!(is, *kind, "{pointer} in {answer}");
    }
}

#[test]
fn the_originals_fields_are_all_there() {
    let device = Device::start();
    let who = As::token(&device.read);
    let get = |path: &str| {
        let answer = device.get(path, &who);
        assert_eq!(answer.status, 200, "{path}: {}", answer.text());
        assert_eq!(answer.header("content-type"), Some("application/json"));
        answer.json()
    };
    let root = get("/");
    has(
        &root,
        &[
            ("/service", "text"),
            ("/status", "text"),
            ("/uptime", "text"),
            ("/started_at", "text"),
            ("/attendance_system/running", "bool"),
            ("/attendance_system/pid", "number"),
            ("/sync/interval_minutes", "number"),
            ("/sync/csv_file", "text"),
            ("/upload/interval_minutes", "number"),
            ("/upload/backend_url", "text"),
        ],
    );
    assert_eq!(root["service"], "Face Attendance System");
    assert_eq!(root["uptime"], "51:30:12");
    assert_eq!(root["started_at"], "2026-11-20T06:00:00");
    assert_eq!(root["sync"]["csv_file"], "attendance_2026-11-22.csv");
    assert_eq!(root["sync"]["interval_minutes"], 15);
    let status = get("/status");
    has(
        &status,
        &[
            ("/server/running", "bool"),
            ("/server/uptime", "text"),
            ("/server/started", "text"),
            ("/attendance_system/running", "bool"),
            ("/attendance_system/pid", "number"),
            ("/today_attendance/file", "text"),
            ("/today_attendance/exists", "bool"),
            ("/sync_thread/running", "bool"),
            ("/sync_thread/interval_minutes", "number"),
            ("/upload_thread/running", "bool"),
            ("/upload_thread/interval_minutes", "number"),
        ],
    );
    assert_eq!(status["server"]["started"], "2026-11-20T06:00:00");
    assert_eq!(status["today_attendance"]["file"], "attendance_2026-11-22.csv");
    assert_eq!(status["today_attendance"]["total_records"], 42);
    let today = get("/attendance/today");
    assert_eq!((&today["date"], &today["total"]), (&json!("2026-11-22"), &json!(42)));
    has(
        &today,
        &[("/records/0/name", "text"), ("/records/0/status", "text"), ("/records/0/timestamp", "text")],
    );
    let health = get("/attendance/health");
    has(
        &health,
        &[
            ("/status", "text"),
            ("/message", "text"),
            ("/running", "bool"),
            ("/pid", "number"),
            ("/exit_code", "null"),
        ],
    );
    assert_eq!((&health["status"], &health["healthy"]), (&json!("running"), &json!(true)));
    let logs = get("/logs/server");
    assert_eq!(logs["total"], 50, "the last fifty lines");
    assert_eq!(logs["lines"].as_array().unwrap().len() as u64, logs["total"].as_u64().unwrap());

    device.change(|view| view.workers[0].state = WorkerState::Restarting);
    assert_eq!(get("/")["attendance_system"], json!({ "running": false, "pid": null }));
    assert_eq!(get("/attendance/health")["status"], "stopped");
}

/// In the original the process ends without a camera.
#[test]
fn without_a_camera_recognition_does_not_run() {
    let device = Device::start();
    let who = As::token(&device.read);
    let states = || {
        let health = device.get("/attendance/health", &who).json();
        let running = ["/", "/status"].map(|path| device.get(path, &who).json()["attendance_system"].clone());
        for system in &running {
            assert_eq!(system, &json!({ "running": health["running"], "pid": health["pid"] }));
        }
        (health["status"].as_str().unwrap().to_owned(), health["running"].as_bool().unwrap())
    };
    assert_eq!(states(), ("running".to_owned(), true));
    device.change(|view| view.camera.last_frame_age_s = Some(12.0));
    assert_eq!(states(), ("stopped".to_owned(), false));
    device.change(|view| view.camera.last_frame_age_s = None);
    assert_eq!(states(), ("stopped".to_owned(), false));
    device.change(|view| view.system.uptime_s = 5);
    assert_eq!(states(), ("not_started".to_owned(), false));
}

#[test]
fn actions_answer_as_the_original_did_but_truthfully() {
    let device = Device::start();
    let who = As::token(&device.full);
    let sync = device.post("/sync/manual", &who, "");
    assert_eq!(sync.status, 200);
    assert_eq!(
        sync.json(),
        json!({ "success": true, "message": "12 photos are new, 988 as they were.", "output": "details\n" })
    );
    let upload = device.post("/upload/manual", &who, "").json();
    assert_eq!(upload["success"], true);
    has(&upload, &[("/message", "text")]);
    assert_eq!(upload["csv_file"], "attendance_2026-11-22.csv");
    for test in ["/sync/test", "/upload/test"] {
        assert_eq!(device.post(test, &who, "").json()["message"], "It answers and takes the key.", "{test}");
    }
    let restart = device.post("/attendance/restart", &who, "").json();
    has(&restart, &[("/success", "bool"), ("/message", "text"), ("/pid", "number")]);
    device.change(broken);
    assert_eq!(device.post("/upload/retry/2026-11-21:9999999:IN", &who, "").status, 200);
    for no_row in ["..%2F", "2026-11-21:9999998:IN"] {
        for action in ["retry", "dismiss"] {
            assert_eq!(device.post(&format!("/upload/{action}/{no_row}"), &who, "").status, 404, "{no_row}");
        }
    }

    *device.fake.fails.lock().unwrap() = true;
    let sync = device.post("/sync/manual", &who, "");
    assert_eq!(sync.status, 500);
    has(&sync.json(), &[("/detail/error", "text"), ("/detail/details", "text")]);
    let upload = device.post("/upload/manual", &who, "");
    assert_eq!((upload.status, &upload.json()["success"]), (500, &json!(false)));
    let retry = Action::RetryRow("2026-11-21:9999999:IN".to_owned());
    assert_eq!(
        *device.fake.performed.lock().unwrap(),
        [
            Action::Sync,
            Action::Upload,
            Action::TestPhotos,
            Action::TestWebhook,
            Action::RestartRecognition,
            retry,
            Action::Sync,
            Action::Upload
        ]
    );
}

#[test]
fn any_day_comes_as_json_and_as_the_originals_csv() {
    let device = Device::start();
    let who = As::token(&device.read);
    let day = device.get("/attendance/2025-01-15", &who).json();
    assert_eq!((&day["date"], &day["total"]), (&json!("2025-01-15"), &json!(2)));
    let csv = device.get("/attendance/2025-01-15.csv", &who);
    assert_eq!(
        csv.text(),
        "name,status,timestamp\n2110009,IN,2025-01-15 08:59:58\n2110009,OUT,2025-01-15 17:00:00\n"
    );
    assert_eq!(csv.header("content-disposition"), Some("attachment; filename=\"attendance_2025-01-15.csv\""));
    assert_eq!(device.get("/attendance/2024-02-29", &who).json()["total"], 0);
    assert_eq!(device.get("/attendance/1999-01-01", &who).status, 500);
    for bad in ["/attendance/2025-02-30", "/attendance/..%2f..%2fetc", "/attendance/x.csv"] {
        assert_eq!(device.get(bad, &who).status, 404, "{bad}");
    }
}

#[test]
fn health_is_a_number_and_nothing_else() {
    let device = Device::start();
    let nobody = As::default();
    let well = device.get("/healthz", &nobody);
    assert_eq!((well.status, well.body.len()), (200, 0));
    let head = device.send("HEAD", "/status", &As::token(&device.read), "");
    assert_eq!((head.status, head.body.len()), (200, 0));
    device.change(|view| view.upload.error = Some("no network".into()));
    // The answer is up to a second old: who asks a thousand times costs no more than who asks once.
    std::thread::sleep(Duration::from_millis(1100));
    assert_eq!(device.get("/healthz", &nobody).status, 200);
    device.change(broken);
    std::thread::sleep(Duration::from_millis(1100));
    let ill = device.get("/healthz", &nobody);
    assert_eq!((ill.status, ill.body.len()), (503, 0));
}

#[test]
fn events_arrive_while_one_listens() {
    let device = Device::start();
    let mut stream = device.connect().unwrap();
    stream.sock.set_read_timeout(Some(Duration::from_secs(10))).unwrap();
    let text = request(&device, "GET", "/events", &As::token(&device.read), "");
    stream.write_all(text.as_bytes()).unwrap();
    let mut lines = BufReader::new(stream).lines().map(Result::unwrap);
    assert!(lines.any(|line| line == "event: tick"), "the first tick comes at once");
    device.bus.publish(Event::Recorded {
        roll: RollNumber::parse("2110001").unwrap(),
        status: "IN".to_owned(),
        timestamp: "2026-11-22 09:31:00".to_owned(),
    });
    assert!(lines.any(|line| line == "event: recorded"));
    let data = lines.next().unwrap();
    let event: Value = serde_json::from_str(data.strip_prefix("data: ").unwrap()).unwrap();
    assert_eq!((&event["roll"], &event["status"]), (&json!("2110001"), &json!("IN")));
    device.bus.publish(Event::Hint { track: 7, advice: Advice::ComeCloser });
    assert!(lines.any(|line| line == "event: hint"), "a display tells the person why nothing happens");
    let data = lines.next().unwrap();
    let event: Value = serde_json::from_str(data.strip_prefix("data: ").unwrap()).unwrap();
    assert_eq!((&event["track"], &event["advice"]), (&json!(7), &json!("come closer")));
}

#[test]
fn a_long_action_is_joined_and_goes_on_without_its_client() {
    let device = Device::start();
    *device.fake.takes.lock().unwrap() = Duration::from_millis(700);
    let mut gone = device.connect().unwrap();
    gone.write_all(request(&device, "POST", "/sync/manual", &As::token(&device.full), "").as_bytes())
        .unwrap();
    std::thread::sleep(Duration::from_millis(200));
    drop(gone);
    let joined = device.post("/sync/manual", &As::token(&device.full), "");
    assert_eq!((joined.status, device.fake.performed.lock().unwrap().len()), (200, 1));
}

/// Every documented operation is called, and its answer must be one the document promises: status, type and
/// schema.
#[test]
fn live_answers_are_what_the_document_promises() {
    let device = Device::start();
    device.change(broken);
    let who = As::token(&device.full);
    let document = device.get("/openapi.json", &who).json();
    for (path, methods) in document["paths"].as_object().unwrap() {
        for (method, operation) in methods.as_object().unwrap() {
            if path == "/events" {
                continue;
            }
            for part in ["2025-01-15", "1999-01-01", "2025-13-01", "%00", "a%2Fb", "x"] {
                let path = path.replace("{date}", part).replace("{row}", part);
                let answer = device.send(&method.to_uppercase(), &path, &who, "");
                let promised = &operation["responses"][answer.status.to_string()];
                assert!(promised.is_object(), "{method} {path} answered {}, undocumented", answer.status);
                let Some(content) = promised["content"].as_object() else {
                    assert!(answer.body.is_empty(), "{method} {path}");
                    continue;
                };
                let kind = answer.header("content-type").unwrap().split(';').next().unwrap();
                let schema =
                    &content.get(kind).unwrap_or_else(|| panic!("{path}: {kind} is undocumented"))["schema"];
                if kind == "application/json" {
                    conforms(&document, schema, &answer.json(), &path);
                }
                if !operation["parameters"].is_array() {
                    break;
                }
            }
        }
    }
}

/// The part of JSON Schema that our types make use of.
fn conforms(root: &Value, schema: &Value, value: &Value, at: &str) {
    if let Some(reference) = schema["$ref"].as_str() {
        return conforms(root, root.pointer(reference.strip_prefix('#').unwrap()).unwrap(), value, at);
    }
    let kinds: Vec<&str> = match &schema["type"] {
        Value::String(kind) => vec![kind],
        Value::Array(kinds) => kinds.iter().filter_map(Value::as_str).collect(),
        _ => Vec::new(),
    };
    let is = match value {
        Value::Null => "null",
        Value::Bool(_) => "boolean",
        Value::Number(n) if n.is_u64() || n.is_i64() => "integer",
        Value::Number(_) => "number",
        Value::String(_) => "string",
        Value::Array(_) => "array",
        Value::Object(_) => "object",
    };
    if let Some(any) = schema["anyOf"].as_array() {
        let fits = |option: &Value| option["type"] == is || (option["$ref"].is_string() && !value.is_null());
        let option =
            any.iter().find(|option| fits(option)).unwrap_or_else(|| panic!("{at}: {value} fits nothing"));
        return conforms(root, option, value, at);
    }
    let fits = kinds.is_empty() || kinds.contains(&is) || (is == "integer" && kinds.contains(&"number"));
    assert!(fits, "{at} is {value}, the document says {kinds:?}");
    for (name, field) in schema["properties"].as_object().into_iter().flatten() {
        match value.get(name) {
            Some(value) => conforms(root, field, value, &format!("{at}.{name}")),
            None => {
                let required = schema["required"].as_array().is_some_and(|r| r.iter().any(|r| r == name));
                assert!(!required, "{at}.{name} is missing");
            }
        }
    }
    for (n, item) in value.as_array().into_iter().flatten().enumerate() {
        if schema["items"].is_object() {
            conforms(root, &schema["items"], item, &format!("{at}[{n}]"));
        }
    }
}

/// `ATTENDANCE_SERVE=SECONDS`: keeps a server up for other tools (an API fuzzer, a TLS scanner, a person with
/// a browser), and prints what they need.
#[test]
fn a_server_for_other_tools() {
    let Some(seconds) = std::env::var("ATTENDANCE_SERVE").ok().and_then(|s| s.parse().ok()) else { return };
    let device = Device::start();
    eprintln!("URL={}\nTOKEN={}\nPASSWORD={PASSWORD}", device.url(), device.full.expose());
    std::thread::sleep(Duration::from_secs(seconds));
}
