//! One question to a fleet's server, and what follows: the end of an action is told, a wish to cancel is
//! answered, a deployment becomes an [`Offer`], which is then installed and tried by the same rules as any
//! other.

use std::path::Path;
use std::time::Duration;

use super::attempt::{Attempt, Origin};
use super::fleet::{Action, Feedback, Fleet, FleetError};
use super::install::{Bundle, InstallError, Source};
use super::newer::{NotInstalled, Objection};
use super::offer::Offer;
use super::refusal::Refusal;
use super::view::{View, present};
use crate::config::Settings;

/// Pause after something was told: what the server asks for next may be known at once.
const SOON: Duration = Duration::from_secs(30);

/// Pause after a server did not answer.
pub const RETRY: Duration = Duration::from_secs(300);

/// What is to be installed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Wanted {
    /// hawkBit's number of the action; none for the offer of an address.
    pub action: Option<String>,
    /// The bundle and its version.
    pub offer: Offer,
}

/// A question to the server.
pub struct Question<'a> {
    /// The server.
    pub fleet: &'a Fleet,
    /// The configuration.
    pub settings: &'a Settings,
    /// The running version.
    pub running: &'a str,
    /// The systems on the card.
    pub seen: &'a View,
    /// The appliance's own folder of updates.
    pub kept: &'a Path,
    /// What the server wanted the last time and still is to be installed.
    pub wanted: Option<&'a Wanted>,
}

impl Question<'_> {
    /// Asks, with RAUC to `inspect` a bundle. When to ask again, and what is to be installed.
    ///
    /// # Errors
    /// [`FleetError`] when the server cannot be asked or told; nothing is lost then.
    pub async fn ask(
        &self,
        inspect: impl AsyncFn(Source<'_>) -> Result<Bundle, InstallError>,
    ) -> Result<(Duration, Option<Wanted>), FleetError> {
        let orders = self.fleet.ask().await?;
        if let Some(link) = &orders.attributes {
            self.fleet.describe(link, self.running, self.seen).await?;
        }
        let open = Action::kept(self.kept);
        if let Some(action) = &open
            && let Some(end) = action.verdict(self.seen)
        {
            self.fleet.tell(&action.id, &end).await?;
            Action::forget(self.kept);
            return Ok((SOON, None));
        }
        if let Some(link) = &orders.cancel {
            self.fleet.answer_cancel(link, open.as_ref()).await?;
            return Ok((orders.sleep, None));
        }
        match orders.deployment.filter(|_| open.is_none()) {
            Some(link) => Ok((orders.sleep, self.consider(&link, inspect).await?)),
            None => Ok((orders.sleep, None)),
        }
    }

    /// Looks at a deployment: what can never be installed is refused now and not at night.
    async fn consider(
        &self,
        link: &url::Url,
        inspect: impl AsyncFn(Source<'_>) -> Result<Bundle, InstallError>,
    ) -> Result<Option<Wanted>, FleetError> {
        let deployment = self.fleet.deployment(link).await?;
        if deployment.is_to_wait {
            return Ok(None);
        }
        let action = deployment.action;
        let Some(location) = deployment.bundle.filter(|bundle| bundle.scheme() == "https") else {
            let reason = "The deployment has no .raucb file with an https link among its artifacts.";
            self.fleet.tell(&action, &Feedback::Failure(reason.to_owned())).await?;
            return Ok(None);
        };
        if let Some(wanted) = self.wanted
            && (wanted.action.as_ref(), &wanted.offer.bundle) == (Some(&action), &location)
        {
            return Ok(Some(wanted.clone()));
        }
        let header = self.fleet.header_for(&location);
        let source = Source {
            header: header.as_ref().map(base::secret::Secret::expose),
            ..Source::new(location.as_str(), self.settings.tls.ca_file.as_deref())
        };
        let bundle = match inspect(source).await {
            Ok(bundle) => bundle,
            Err(error) => {
                self.refused(&action, None, &error.into()).await?;
                return Ok(None);
            }
        };
        match present(self.seen, self.running).admits(&bundle.version) {
            Ok(()) => {
                let when = format!(
                    "Version {} is to be installed and tried between {}, site's time.",
                    bundle.version, self.settings.update.window
                );
                self.fleet.tell(&action, &Feedback::Proceeding(when)).await?;
                let offer = Offer { version: bundle.version, bundle: location };
                Ok(Some(Wanted { action: Some(action), offer }))
            }
            // Its end is told when it is known, whoever brought it.
            Err(Objection::Waits { version }) => {
                self.keep(action, version);
                Ok(None)
            }
            Err(objection) => {
                self.refused(&action, Some(&bundle.version), &objection.into()).await?;
                Ok(None)
            }
        }
    }

    /// What was wanted is installed: it waits for its trial.
    ///
    /// # Errors
    /// [`FleetError`] when the server was not told; how the trial ends it will be told all the same.
    pub async fn installed(&self, action: String, version: &str) -> Result<(), FleetError> {
        Attempt::now(Origin::Fleet, Some(version), &Ok::<_, NotInstalled>(())).note(self.kept);
        self.keep(action.clone(), version.to_owned());
        let detail = format!("Version {version} is installed and waits until nobody is at the door.");
        self.fleet.tell(&action, &Feedback::Proceeding(detail)).await
    }

    /// What was wanted cannot be installed. What may go better the next time leaves the action open.
    ///
    /// # Errors
    /// [`FleetError`] when the server was not told.
    pub async fn refused(
        &self,
        action: &str,
        version: Option<&str>,
        error: &NotInstalled,
    ) -> Result<(), FleetError> {
        if is_passing(error) {
            log::warn!("the fleet's update waits: {error}");
            return Ok(());
        }
        if let NotInstalled::Objection(Objection::Runs { .. }) = error {
            return self.fleet.tell(action, &Feedback::Success(error.to_string())).await;
        }
        Attempt::now(Origin::Fleet, version, &Err(error)).note(self.kept);
        self.fleet.tell(action, &Feedback::Failure(error.to_string())).await
    }

    fn keep(&self, id: String, version: String) {
        let after = self.seen.last.as_ref().map_or(0, |last| last.trial);
        if let Err(error) = (Action { id, version, after }).keep(self.kept) {
            log::warn!("the fleet's server will not learn how this update ends: {error}");
        }
    }
}

/// Whether it may go better the next time.
fn is_passing(error: &NotInstalled) -> bool {
    match error {
        NotInstalled::Install(InstallError::Refused(refusal)) => {
            matches!(refusal, Refusal::Unreachable { .. } | Refusal::OnTrial | Refusal::NotYetValid { .. })
        }
        NotInstalled::Install(_) => true,
        NotInstalled::Objection(_) => false,
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use std::sync::{Arc, Mutex};

    use serde_json::{Value, json};
    use time::macros::datetime;
    use tokio::io::{AsyncBufReadExt as _, AsyncReadExt as _, AsyncWriteExt as _, BufReader};
    use tokio::net::{TcpListener, TcpStream};

    use super::*;
    use crate::history::{End, Outcome};
    use crate::record::{Progress, System};
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
                    let (execution, finished) = (
                        status["execution"].as_str().unwrap(),
                        status["result"]["finished"].as_str().unwrap(),
                    );
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
        let head =
            format!("HTTP/1.1 {status} -\r\nConnection: close\r\nContent-Length: {}\r\n\r\n", text.len());
        stream.write_all(format!("{head}{text}").as_bytes()).await.unwrap();
    }

    /// A door in slot A, and its fleet.
    struct Door {
        server: Arc<Mutex<Server>>,
        fleet: Fleet,
        settings: Settings,
        seen: View,
        kept: tempfile::TempDir,
    }

    impl Door {
        async fn new(token: &str) -> Self {
            let link = "https://updates.backend.example/door.raucb?sig=1".to_owned();
            let server = Arc::new(Mutex::new(Server {
                action: Some("8"),
                link,
                update: "forced",
                ..Server::default()
            }));
            let mut settings = Settings::default();
            settings.fleet.url = Some(serve(Arc::clone(&server)).await);
            settings.fleet.tenant = "SCHOOL".to_owned();
            settings.fleet.target = Some("gate 1".to_owned());
            settings.fleet.target_token = Some(Secret::new(token));
            let fleet = Fleet::from_config(&settings.fleet, &settings.tls).unwrap().unwrap();
            let seen = View {
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
                let named =
                    |version: &&str| Bundle { version: (*version).to_owned(), manifest: "ab".to_owned() };
                rauc.as_ref().map(named).map_err(|refusal| InstallError::Refused(refusal.clone()))
            };
            self.question(None).ask(inspect).await.unwrap().1
        }

        fn told(&self) -> Vec<String> {
            std::mem::take(&mut self.server.lock().unwrap().told)
        }

        fn ended(&mut self, version: &str, end: End) {
            let to = Some(System { version: version.to_owned(), built: None });
            let last = Outcome {
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
    async fn an_action_is_closed_when_the_trial_is_over_and_not_before() {
        for (end, closed) in [
            (End::Committed, "closed success: Updated to version 1.1.0"),
            (
                End::failed("camera", "no frame within 180 s", &[]),
                "closed failure: The update to version 1.1.0 was taken back",
            ),
            (
                End::Silent { reached: Progress::Begun },
                "closed failure: The update to version 1.1.0 was taken back: it did not",
            ),
        ] {
            let mut door = Door::new("s3cr3t").await;
            door.ended("1.0.0", End::Committed);
            let wanted = door.ask(&Ok("1.1.0")).await.unwrap();
            assert_eq!((wanted.action.as_deref(), wanted.offer.version.as_str()), (Some("8"), "1.1.0"));
            assert!(door.told()[0].starts_with(
                "proceeding none: Version 1.1.0 is to be installed and tried between 02:00-04:30"
            ));
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
                // Perhaps the power was cut: the action stays open, and is looked at anew.
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
    async fn what_cannot_be_installed_is_refused_at_once_with_the_reason_and_what_may_pass_waits() {
        let compatible = Refusal::Compatible { detail: "toaster".to_owned() };
        for (rauc, said) in [
            (Err(compatible), "closed failure: the bundle is for another kind of machine"),
            (Ok("0.9.0"), "closed failure: version 0.9.0 is not newer than the running version 1.0.0"),
            (Ok("1.0.0"), "closed success: version 1.0.0 runs already"),
        ] {
            let door = Door::new("s3cr3t").await;
            assert_eq!(door.ask(&rauc).await, None);
            let told = door.told();
            assert!(told.len() == 1 && told[0].starts_with(said), "{told:?}");
        }
        let door = Door::new("s3cr3t").await;
        let unreachable = Refusal::Unreachable { detail: "no route".to_owned() };
        assert_eq!(door.ask(&Err(unreachable)).await, None);
        door.server.lock().unwrap().update = "skip";
        assert_eq!(door.ask(&Ok("1.1.0")).await, None, "the server's window is closed");
        assert_eq!(door.told().len(), 0);
        door.server.lock().unwrap().update = "attempt";
        assert!(door.ask(&Ok("1.1.0")).await.is_some());

        let door = Door::new("s3cr3t").await;
        door.server.lock().unwrap().link = "http://updates.backend.example/door.raucb".to_owned();
        assert_eq!(door.ask(&Ok("1.1.0")).await, None);
        assert!(door.told()[0].contains("https"));
    }

    #[tokio::test]
    async fn an_update_can_be_cancelled_until_it_is_installed() {
        let mut door = Door::new("s3cr3t").await;
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
        let door = Door::new("s3cr3t").await;
        let other = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let elsewhere = other.local_addr().unwrap();
        let own = door.settings.fleet.url.as_ref().unwrap().expose().origin().ascii_serialization();
        for origin in
            [format!("http://{elsewhere}"), format!("//{elsewhere}"), own.replace("http:", "https:")]
        {
            for cancels in [false, true] {
                let mut server = door.server.lock().unwrap();
                (server.origin, server.cancels) = (origin.clone(), cancels);
                drop(server);
                let orders = door.fleet.ask().await.unwrap();
                assert_eq!(
                    (orders.attributes, orders.deployment, orders.cancel),
                    (None, None, None),
                    "{origin}"
                );
                assert_eq!(door.ask(&Ok("1.1.0")).await, None);
            }
        }
        // Nobody came there, with the token or without it.
        let nobody = tokio::time::timeout(std::time::Duration::from_millis(50), other.accept()).await;
        assert!(nobody.is_err());
        let mut server = door.server.lock().unwrap();
        (server.origin, server.cancels) = (own, false);
        drop(server);
        assert!(door.ask(&Ok("1.1.0")).await.is_some(), "a whole address of its own is followed");
    }

    #[tokio::test]
    async fn a_wrong_token_is_named_and_never_shown() {
        let door = Door::new("wr0ng").await;
        let error =
            door.question(None).ask(async |_: Source<'_>| unreachable!()).await.unwrap_err().to_string();
        assert!(error.contains("401") && error.contains("key") && !error.contains("wr0ng"), "{error}");
        let own = door.settings.fleet.url.as_ref().unwrap().expose().join("/DEFAULT/door.raucb").unwrap();
        assert_eq!(door.fleet.header_for(&own).unwrap().expose(), "Authorization: TargetToken wr0ng");
        assert!(!format!("{:?}", door.fleet).contains("wr0ng"));
    }
}
