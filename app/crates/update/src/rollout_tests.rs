//! Tests of `rollout`.

#![allow(clippy::unwrap_used)]
use std::sync::{Arc, Mutex};

use serde_json::{Value, json};
use time::macros::datetime;
use tokio::io::{AsyncBufReadExt as _, AsyncReadExt as _, AsyncWriteExt as _, BufReader};
use tokio::net::{TcpListener, TcpStream};

use super::*;
use crate::history::{End, TrialOutcome};
use crate::record::{System, TrialProgress};
use crate::slot::Slot;
use crate::trust::Signers;
use crate::view::SlotView;
use base::secret::{Secret, SecretUrl};

/// A hawkBit server with one target, as far as its DDI API reaches: an action is asked for until it is
/// closed, and what is told about a closed one is answered with "gone".
#[derive(Default)]
struct Server {
    action: Option<&'static str>,
    link: String,
    update: &'static str,
    cancels: bool,
    /// What stands before the paths in its links; nothing as a rule.
    origin: String,
    told: Vec<String>,
    attributes: Option<Value>,
}

impl Server {
    fn answer(&mut self, method: &str, path: &str, token: Option<&str>, body: &Value) -> (u16, Value) {
        let base = "/hawkbit/SCHOOL/controller/v1/gate%201";
        if token != Some("TargetToken s3cr3t") {
            return (401, Value::Null);
        }
        let Some(rest) = path.strip_prefix(base) else { return (404, Value::Null) };
        let origin = self.origin.clone();
        let href = |rest: &str| json!({"href": format!("{origin}{base}/{rest}")});
        let status = &body["status"];
        match (method, rest) {
            ("GET", "") => {
                let mut links = serde_json::Map::new();
                if self.attributes.is_none() {
                    links.insert("configData".to_owned(), href("configData"));
                }
                if let Some(action) = self.action {
                    let kind = if self.cancels { "cancelAction" } else { "deploymentBase" };
                    links.insert(kind.to_owned(), href(&format!("{kind}/{action}?c=1")));
                }
                (200, json!({"config": {"polling": {"sleep": "00:10:00"}}, "_links": links}))
            }
            ("GET", _) if rest.starts_with("/deploymentBase/") => {
                let artifact =
                    |name: &str| json!({"filename": name, "_links": {"download": {"href": self.link}}});
                let chunks = json!([{"artifacts": [artifact("notes.txt"), artifact("door.raucb")]}]);
                (200, json!({"id": self.action, "deployment": {"update": self.update, "chunks": chunks}}))
            }
            ("GET", _) if rest.starts_with("/cancelAction/") => {
                (200, json!({"id": self.action, "cancelAction": {"stopId": self.action}}))
            }
            ("PUT", "/configData") => {
                self.attributes = Some(body["data"].clone());
                (200, Value::Null)
            }
            ("POST", _) if self.action.is_none() => (410, Value::Null),
            ("POST", _) => {
                assert!(rest.ends_with(&format!("/{}/feedback", body["id"].as_str().unwrap())), "{rest}");
                let (execution, finished) =
                    (status["execution"].as_str().unwrap(), status["result"]["finished"].as_str().unwrap());
                let detail = status["details"][0].as_str().unwrap();
                self.told.push(format!("{execution} {finished}: {detail}"));
                if execution == "closed" {
                    self.action = None;
                } else if execution == "rejected" {
                    self.cancels = false;
                }
                (200, Value::Null)
            }
            _ => (405, Value::Null),
        }
    }
}

async fn serve(server: Arc<Mutex<Server>>) -> SecretUrl {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}/hawkbit/", listener.local_addr().unwrap());
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            one(stream, &server).await;
        }
    });
    SecretUrl::parse(&url).unwrap()
}

async fn one(stream: TcpStream, server: &Mutex<Server>) {
    let mut stream = BufReader::new(stream);
    let (mut request, mut token, mut length) = (String::new(), None, 0);
    stream.read_line(&mut request).await.unwrap();
    loop {
        let mut line = String::new();
        stream.read_line(&mut line).await.unwrap();
        match line.trim_end().split_once(": ") {
            Some((name, value)) if name.eq_ignore_ascii_case("authorization") => {
                token = Some(value.to_owned())
            }
            Some((name, value)) if name.eq_ignore_ascii_case("content-length") => {
                length = value.parse().unwrap()
            }
            Some(_) => {}
            None => break,
        }
    }
    let mut body = vec![0; length];
    stream.read_exact(&mut body).await.unwrap();
    let mut words = request.split(' ');
    let (method, path) = (words.next().unwrap(), words.next().unwrap());
    let body = serde_json::from_slice(&body).unwrap_or(Value::Null);
    let (status, answer) =
        server.lock().unwrap().answer(method, path.split('?').next().unwrap(), token.as_deref(), &body);
    let text = answer.to_string();
    let head = format!("HTTP/1.1 {status} -\r\nConnection: close\r\nContent-Length: {}\r\n\r\n", text.len());
    stream.write_all(format!("{head}{text}").as_bytes()).await.unwrap();
}

/// A door in slot A, and its fleet.
struct TestAppliance {
    server: Arc<Mutex<Server>>,
    fleet: Fleet,
    settings: Settings,
    seen: SystemsView,
    kept: tempfile::TempDir,
}

impl TestAppliance {
    /// What stands before the paths in the server's links, and whether it cancels its order.
    fn links_to(&self, origin: &str, cancels: bool) {
        let mut server = self.server.lock().unwrap();
        (server.origin, server.cancels) = (origin.to_owned(), cancels);
    }

    async fn new(token: &str) -> Self {
        let link = "https://updates.backend.example/door.raucb?sig=1".to_owned();
        let server =
            Arc::new(Mutex::new(Server { action: Some("8"), link, update: "forced", ..Server::default() }));
        let mut settings = Settings::default();
        settings.fleet.url = Some(serve(Arc::clone(&server)).await);
        settings.fleet.tenant = "SCHOOL".to_owned();
        settings.fleet.target = Some("gate 1".to_owned());
        settings.fleet.target_token = Some(Secret::new(token));
        let fleet = Fleet::from_config(&settings.fleet, &settings.tls).unwrap().unwrap();
        let seen = SystemsView {
            slot: Slot::A,
            on_trial: false,
            committed: Slot::A,
            a: SlotView::default(),
            b: SlotView::default(),
            waits_for_trial: None,
            attempt: None,
            installed: None,
            last: None,
            sentence: None,
            needs_acknowledgement: false,
            not_wanted: Vec::new(),
            signers: Signers::Own,
            eeprom: String::new(),
        };
        Self { server, fleet, settings, seen, kept: tempfile::tempdir().unwrap() }
    }

    fn question<'a>(&'a self, wanted: Option<&'a Wanted>) -> Question<'a> {
        let kept = self.kept.path();
        Question {
            fleet: &self.fleet,
            settings: &self.settings,
            running: "1.0.0",
            seen: &self.seen,
            kept,
            wanted,
        }
    }

    /// Asks while RAUC says this about every bundle.
    async fn ask(&self, rauc: &Result<&str, Refusal>) -> Option<Wanted> {
        let inspect = async |source: Source<'_>| {
            assert_eq!(source.header, None, "the token is for the fleet's own server");
            let named = |version: &&str| Bundle { version: (*version).to_owned(), manifest: "ab".to_owned() };
            rauc.as_ref().map(named).map_err(|refusal| InstallError::Refused(refusal.clone()))
        };
        self.question(None).ask(inspect).await.unwrap().1
    }

    fn told(&self) -> Vec<String> {
        std::mem::take(&mut self.server.lock().unwrap().told)
    }

    fn ended(&mut self, version: &str, end: End) {
        let to = Some(System { version: version.to_owned(), built: None });
        let last = TrialOutcome {
            trial: self.seen.last.as_ref().map_or(0, |last| last.trial) + 1,
            slot: Slot::B,
            from: System::default(),
            to,
            went_back: false,
            origin: Origin::Fleet,
            at: datetime!(2026-01-02 03:04:05 UTC),
            end,
        };
        self.seen.waits_for_trial = None;
        self.seen.sentence = Some(last.sentence());
        self.seen.last = Some(last);
    }
}

#[tokio::test]
async fn action_is_closed_after_the_trial() {
    for (end, closed) in [
        (End::Committed, "closed success: Updated to version 1.1.0"),
        (
            End::failed("camera", "no frame within 180 s", &[]),
            "closed failure: The update to version 1.1.0 was rolled back",
        ),
        (
            End::Silent { reached: TrialProgress::Begun },
            "closed failure: The update to version 1.1.0 was rolled back: it did not",
        ),
    ] {
        let mut door = TestAppliance::new("s3cr3t").await;
        door.ended("1.0.0", End::Committed);
        let wanted = door.ask(&Ok("1.1.0")).await.unwrap();
        assert_eq!((wanted.action.as_deref(), wanted.offer.version.as_str()), (Some("8"), "1.1.0"));
        assert!(
            door.told()[0].starts_with(
                "proceeding none: Version 1.1.0 is to be installed and tried between 02:00-04:30"
            )
        );
        let attributes = door.server.lock().unwrap().attributes.clone().unwrap();
        assert_eq!((&attributes["version"], &attributes["slot"]), (&json!("1.0.0"), &json!("A")));
        // All day the same question: looked at once, told once.
        let never = async |_: Source<'_>| unreachable!();
        let (pause, still) = door.question(Some(&wanted)).ask(never).await.unwrap();
        assert_eq!((pause, still.as_ref()), (Duration::from_secs(600), Some(&wanted)));

        door.question(None).installed("8".to_owned(), "1.1.0").await.unwrap();
        door.seen.waits_for_trial = Some(Slot::B);
        assert_eq!(door.ask(&Ok("1.1.0")).await, None);
        assert_eq!(door.told().len(), 1);
        // The restart: nothing but what is on the disk is left.
        if matches!(end, End::Silent { .. }) {
            // Perhaps the power was cut: the action stays open, and is looked at again.
            door.ended("1.1.0", end.clone());
            assert_eq!(door.ask(&Ok("1.1.0")).await, None);
            assert!(door.told()[0].starts_with("proceeding none: It is installed and tried once more."));
            assert_eq!(door.ask(&Ok("1.1.0")).await.as_ref(), Some(&wanted));
            door.question(None).installed("8".to_owned(), "1.1.0").await.unwrap();
            door.told();
            door.seen.not_wanted = vec!["1.1.0".to_owned()];
        }
        door.ended("1.1.0", end);
        assert_eq!(door.ask(&Ok("1.1.0")).await, None);
        let told = door.told();
        assert!(told.len() == 1 && told[0].starts_with(closed), "{told:?}");
        assert_eq!(door.ask(&Ok("1.1.0")).await, None);
        assert_eq!((door.told().len(), Action::kept(door.kept.path())), (0, None));
    }
}

#[tokio::test]
async fn bundle_that_cannot_be_installed_is_refused() {
    let compatible = Refusal::Compatible { detail: "toaster".to_owned() };
    for (rauc, said) in [
        (Err(compatible), "closed failure: the bundle is for another kind of machine"),
        (Ok("0.9.0"), "closed failure: version 0.9.0 is not newer than the running version 1.0.0"),
        (Ok("1.0.0"), "closed success: version 1.0.0 runs already"),
    ] {
        let door = TestAppliance::new("s3cr3t").await;
        assert_eq!(door.ask(&rauc).await, None);
        let told = door.told();
        assert!(told.len() == 1 && told[0].starts_with(said), "{told:?}");
    }
    let door = TestAppliance::new("s3cr3t").await;
    let unreachable = Refusal::Unreachable { detail: "no route".to_owned() };
    assert_eq!(door.ask(&Err(unreachable)).await, None);
    door.server.lock().unwrap().update = "skip";
    assert_eq!(door.ask(&Ok("1.1.0")).await, None, "the server's window is closed");
    assert_eq!(door.told().len(), 0);
    door.server.lock().unwrap().update = "attempt";
    assert!(door.ask(&Ok("1.1.0")).await.is_some());

    let door = TestAppliance::new("s3cr3t").await;
    door.server.lock().unwrap().link = "http://updates.backend.example/door.raucb".to_owned();
    assert_eq!(door.ask(&Ok("1.1.0")).await, None);
    assert!(door.told()[0].contains("https"));
}

#[tokio::test]
async fn update_can_be_cancelled_before_installation() {
    let mut door = TestAppliance::new("s3cr3t").await;
    door.server.lock().unwrap().cancels = true;
    assert_eq!(door.ask(&Ok("1.1.0")).await, None);
    assert!(door.told()[0].starts_with("closed success"));

    door.server.lock().unwrap().action = Some("9");
    door.seen.waits_for_trial = Some(Slot::B);
    door.question(None).installed("9".to_owned(), "1.1.0").await.unwrap();
    assert_eq!(door.ask(&Ok("1.1.0")).await, None);
    assert!(door.told()[1].starts_with("rejected none"));
    let by_hand = Attempt::now(Origin::Page, None, &Ok::<_, String>(()));
    door.seen.attempt = Some(Attempt { at: datetime!(2026-01-01 00:00:00 UTC), ..by_hand });
    door.ended("1.2.0", End::Committed);
    assert_eq!(door.ask(&Ok("1.1.0")).await, None);
    assert!(door.told()[0].starts_with("closed failure: Another update took its place"));
}

#[tokio::test]
async fn links_to_another_server_are_not_followed() {
    let door = TestAppliance::new("s3cr3t").await;
    let other = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let elsewhere = other.local_addr().unwrap();
    let own = door.settings.fleet.url.as_ref().unwrap().expose().origin().ascii_serialization();
    for origin in [format!("http://{elsewhere}"), format!("//{elsewhere}"), own.replace("http:", "https:")] {
        for cancels in [false, true] {
            door.links_to(&origin, cancels);
            let orders = door.fleet.ask().await.unwrap();
            assert_eq!((orders.attributes, orders.deployment, orders.cancel), (None, None, None), "{origin}");
            assert_eq!(door.ask(&Ok("1.1.0")).await, None);
        }
    }
    // Nobody came there, with the token or without it.
    let nobody = tokio::time::timeout(std::time::Duration::from_millis(50), other.accept()).await;
    assert!(nobody.is_err());
    door.links_to(&own, false);
    assert!(door.ask(&Ok("1.1.0")).await.is_some(), "a whole address of its own is followed");
}

#[tokio::test]
async fn wrong_token_is_never_shown() {
    let door = TestAppliance::new("wr0ng").await;
    let error = door.question(None).ask(async |_: Source<'_>| unreachable!()).await.unwrap_err().to_string();
    assert!(error.contains("401") && error.contains("key") && !error.contains("wr0ng"), "{error}");
    let own = door.settings.fleet.url.as_ref().unwrap().expose().join("/DEFAULT/door.raucb").unwrap();
    assert_eq!(door.fleet.header_for(&own).unwrap().expose(), "Authorization: TargetToken wr0ng");
    assert!(!format!("{:?}", door.fleet).contains("wr0ng"));
}
