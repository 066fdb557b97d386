//! The few WebDriver commands the browser tests need, spoken to Debian's chromedriver on the loopback
//! network.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use base64::Engine as _;
use serde_json::{Value, json};

/// A headless browser of its own, with a profile of its own. Ends with the value.
pub struct Browser {
    driver: Child,
    port: u16,
    session: String,
    _profile: tempfile::TempDir,
}

impl Browser {
    /// None, said loudly, when there is no chromium.
    pub fn open(scripts: bool) -> Option<Self> {
        let started =
            Command::new("chromedriver").arg("--port=0").stdout(Stdio::piped()).stderr(Stdio::null()).spawn();
        let Ok(mut driver) = started else {
            skipped::skipped("chromium and chromium-driver; scripts/test installs them");
            return None;
        };
        let mut lines = BufReader::new(driver.stdout.take().unwrap()).lines().map(Result::unwrap);
        let port = lines
            .find_map(|line| line.rsplit_once("successfully on port ")?.1.trim_end_matches('.').parse().ok())
            .unwrap();
        // The pipe must stay open, or chromedriver dies of its next line.
        std::thread::spawn(move || lines.for_each(drop));
        let profile = tempfile::tempdir().unwrap();
        let arguments = [
            "--headless".to_owned(),
            "--no-sandbox".to_owned(),
            "--disable-gpu".to_owned(),
            "--disable-dev-shm-usage".to_owned(),
            "--disable-quic".to_owned(),
            "--no-first-run".to_owned(),
            "--disable-background-networking".to_owned(),
            "--disable-component-update".to_owned(),
            "--disable-sync".to_owned(),
            format!("--user-data-dir={}", profile.path().display()),
        ];
        let mut browser = Self { driver, port, session: String::new(), _profile: profile };
        let mut options = json!({ "args": arguments });
        if !scripts {
            options["prefs"] = json!({ "webkit": { "webprefs": { "javascript_enabled": false } },
                "profile": { "managed_default_content_settings": { "javascript": 2 } } });
        }
        let wanted = json!({ "capabilities": { "alwaysMatch": {
            "browserName": "chrome", "acceptInsecureCerts": true, "goog:chromeOptions": options,
            "goog:loggingPrefs": { "browser": "ALL" },
        } } });
        let session = browser.command("POST", "/session", &wanted);
        browser.session = session["sessionId"].as_str().unwrap_or_else(|| panic!("{session}")).to_owned();
        Some(browser)
    }

    pub fn go(&self, url: &str) {
        self.here("POST", "/url", &json!({ "url": url }));
    }

    pub fn address(&self) -> String {
        self.here("GET", "/url", &Value::Null).as_str().unwrap().to_owned()
    }

    /// Runs a script in the page; `return` gives the answer.
    pub fn script(&self, script: &str) -> Value {
        self.here("POST", "/execute/sync", &json!({ "script": script, "args": [] }))
    }

    pub fn text(&self, selector: &str) -> String {
        let text =
            self.of(selector, |found| self.here("GET", &format!("/element/{found}/text"), &Value::Null));
        text.as_str().unwrap().to_owned()
    }

    pub fn click(&self, selector: &str) {
        self.of(selector, |found| self.here("POST", &format!("/element/{found}/click"), &json!({})));
    }

    /// Asks an element for something. The page replaces its parts while it is looked at, so one that is gone,
    /// or not yet there, is looked for again for some seconds.
    fn of(&self, selector: &str, ask: impl Fn(String) -> Value) -> Value {
        let start = Instant::now();
        loop {
            let answer = self.find(selector).map(&ask);
            match answer {
                Some(answer) if answer["error"].is_null() => return answer,
                other => assert!(start.elapsed() < Duration::from_secs(10), "{selector}: {other:?}"),
            }
            std::thread::sleep(Duration::from_millis(50));
        }
    }

    pub fn write(&self, selector: &str, text: &str) {
        let found = self.find(selector).unwrap_or_else(|| panic!("no {selector}"));
        self.here("POST", &format!("/element/{found}/value"), &json!({ "text": text }));
    }

    /// Presses a key, wherever the focus is.
    pub fn press(&self, key: &str) {
        let keys = json!({ "actions": [{ "type": "key", "id": "keyboard", "actions": [
            { "type": "keyDown", "value": key }, { "type": "keyUp", "value": key } ] }] });
        self.here("POST", "/actions", &keys);
    }

    pub fn find(&self, selector: &str) -> Option<String> {
        let found = self.here("POST", "/element", &json!({ "using": "css selector", "value": selector }));
        Some(found.as_object()?.get("element-6066-11e4-a52e-4f735466cecf")?.as_str()?.to_owned())
    }

    /// Waits until what `read` gives contains `part`.
    pub fn until(&self, part: &str, read: impl Fn(&Self) -> String) -> String {
        let start = Instant::now();
        loop {
            let now = read(self);
            if now.contains(part) {
                return now;
            }
            assert!(start.elapsed() < Duration::from_secs(30), "{part:?} did not come; there is {now:?}");
            std::thread::sleep(Duration::from_millis(50));
        }
    }

    /// The page as a phone (`360`) or a desk (`1280`) sees it.
    pub fn look(&self, width: u32, height: u32, dark: bool) {
        let size = json!({ "width": width, "height": height, "deviceScaleFactor": 1, "mobile": width < 600 });
        self.chrome("Emulation.setDeviceMetricsOverride", &size);
        let value = if dark { "dark" } else { "light" };
        let media = json!({ "features": [{ "name": "prefers-color-scheme", "value": value }] });
        self.chrome("Emulation.setEmulatedMedia", &media);
    }

    /// A picture of the whole page, as PNG.
    pub fn picture(&self) -> Vec<u8> {
        let size = self.chrome("Page.getLayoutMetrics", &json!({}))["cssContentSize"].clone();
        let clip = json!({ "x": 0, "y": 0, "width": size["width"], "height": size["height"], "scale": 1 });
        let all = json!({ "format": "png", "captureBeyondViewport": true, "clip": clip });
        let shot = self.chrome("Page.captureScreenshot", &all);
        base64::engine::general_purpose::STANDARD.decode(shot["data"].as_str().unwrap()).unwrap()
    }

    /// A command of the browser's own protocol.
    pub fn chrome(&self, command: &str, parameters: &Value) -> Value {
        self.here("POST", "/goog/cdp/execute", &json!({ "cmd": command, "params": parameters }))
    }

    /// What the browser's console complains of since the last call.
    pub fn complaints(&self) -> Vec<String> {
        let log = self.here("POST", "/se/log", &json!({ "type": "browser" }));
        log.as_array().into_iter().flatten().map(|entry| entry["message"].to_string()).collect()
    }

    fn here(&self, method: &str, path: &str, body: &Value) -> Value {
        self.command(method, &format!("/session/{}{path}", self.session), body)
    }

    fn command(&self, method: &str, path: &str, body: &Value) -> Value {
        self.try_command(method, path, body).unwrap_or_else(|error| panic!("{method} {path}: {error}"))
    }

    fn try_command(&self, method: &str, path: &str, body: &Value) -> std::io::Result<Value> {
        let mut stream = TcpStream::connect(("127.0.0.1", self.port))?;
        stream.set_read_timeout(Some(Duration::from_secs(120)))?;
        let body = if body.is_null() { String::new() } else { body.to_string() };
        let head = format!(
            "{method} {path} HTTP/1.1\r\nHost: 127.0.0.1:{}\r\nConnection: close\r\nContent-Type: application/json\r\n\
             Content-Length: {}\r\n\r\n",
            self.port,
            body.len()
        );
        stream.write_all((head + &body).as_bytes())?;
        let mut reader = BufReader::new(stream);
        let mut length = 0;
        loop {
            let mut line = String::new();
            reader.read_line(&mut line)?;
            if let Some((name, value)) = line.split_once(':')
                && name.eq_ignore_ascii_case("content-length")
            {
                length = value.trim().parse().unwrap();
            }
            if line.trim().is_empty() {
                break;
            }
        }
        let mut answer = vec![0; length];
        reader.read_exact(&mut answer)?;
        Ok(serde_json::from_slice::<Value>(&answer)?["value"].take())
    }
}

impl Drop for Browser {
    fn drop(&mut self) {
        if !self.session.is_empty() {
            let _ = self.try_command("DELETE", &format!("/session/{}", self.session), &Value::Null);
        }
        let _ = self.driver.kill();
        let _ = self.driver.wait();
    }
}
