//! A door: the appliance's program with a film in the place of a camera.

use std::fs::File;
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use access::token::{TokenAccess, TokenFile};
use base::secret::Secret;
use time::OffsetDateTime;

use crate::broker::free_port;
use crate::visits::visits;

/// So long nobody has to be seen before a new visit begins.
pub const MINIMUM_GAP: Duration = Duration::from_secs(15);

/// What stands before the camera.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Film {
    /// The demo's person, again and again.
    Person,
    /// Nobody.
    Nobody,
}

/// The demo's data.
pub struct Demo(pub PathBuf);

impl Demo {
    /// Where it is, or a word about what is missing.
    pub fn find() -> Option<Self> {
        let folder = std::env::var_os("ATTENDANCE_DEMO").map(PathBuf::from);
        let whole = folder.filter(|folder| folder.join("empty.mjpeg").exists());
        if whole.is_none() {
            skipped::skipped("the demo's data in ATTENDANCE_DEMO; run scripts/demo-data");
        }
        whole.map(Self)
    }

    pub fn students(&self) -> PathBuf {
        self.0.join("students")
    }

    pub fn person(&self) -> String {
        std::fs::read_to_string(self.0.join("person")).unwrap().trim().to_owned()
    }
}

/// Where the servers of a door are.
#[derive(Clone)]
pub struct Servers {
    pub broker: String,
    pub webhook: String,
    pub key: String,
    pub site_key: String,
    pub time_zone: String,
}

pub struct Door {
    name: &'static str,
    folder: tempfile::TempDir,
    port: u16,
    token: Secret,
    servers: Servers,
    process: Option<Child>,
}

impl Drop for Door {
    fn drop(&mut self) {
        self.kill();
        if std::thread::panicking() {
            eprintln!("--- {}\n{}", self.name, self.log());
        }
    }
}

impl Door {
    pub fn new(name: &'static str, servers: Servers) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let token = TokenFile::below(&folder.path().join("data")).add("test", TokenAccess::Full).unwrap();
        Self { name, folder, port: free_port(), token, servers, process: None }
    }

    /// Starts the program before this film.
    pub fn start(&mut self, demo: &Demo, film: Film) {
        assert!(self.process.is_none());
        let Servers { broker, webhook, key, site_key, time_zone } = &self.servers;
        let path = match film {
            Film::Person => demo.0.join("door.y4m"),
            Film::Nobody => demo.0.join("empty.mjpeg"),
        };
        let text = format!(
            "[site]\nname = \"{}\"\ntime_zone = \"{time_zone}\"\nclock = \"system\"\ndata_dir = {:?}\n\
             [photos]\nfolder = {:?}\n[webhook]\nurl = \"{webhook}\"\nkey = \"{key}\"\ninterval = \"1s\"\n\
             [tls]\nallow_plain = true\n[camera]\nsource = \"replay\"\nreplay = [{path:?}]\n\
             [liveness]\nrequire = \"off\"\n[attendance]\nminimum_gap = \"{}s\"\n\
             [page]\nlisten = \"127.0.0.1:{}\"\n[screen]\nenabled = false\n\
             [mqtt]\nurl = \"{broker}\"\nsite_key = \"{site_key}\"\nallow_plain = true\n",
            self.name,
            self.data(),
            demo.students(),
            MINIMUM_GAP.as_secs(),
            self.port,
        );
        let file = self.folder.path().join("attendance.toml");
        std::fs::write(&file, text).unwrap();
        let log = File::options().create(true).append(true).open(self.folder.path().join("log")).unwrap();
        let mut command = Command::new(env!("CARGO_BIN_EXE_attendance"));
        command.args(["run", "--config"]).arg(file).stdout(Stdio::null()).stderr(log);
        self.process = Some(command.spawn().unwrap());
    }

    /// As a power cut: SIGKILL.
    pub fn kill(&mut self) {
        if let Some(mut process) = self.process.take() {
            let _ = process.kill();
            process.wait().unwrap();
        }
    }

    /// Ends it with SIGTERM.
    pub fn stop(&mut self) {
        if let Some(mut process) = self.process.take() {
            Command::new("kill").arg(process.id().to_string()).status().unwrap();
            assert!(process.wait().unwrap().success(), "{}", self.log());
        }
    }

    fn data(&self) -> PathBuf {
        self.folder.path().join("data")
    }

    fn log(&self) -> String {
        let whole = std::fs::read_to_string(self.folder.path().join("log")).unwrap_or_default();
        let lines: Vec<&str> = whole.lines().collect();
        lines[lines.len().saturating_sub(60)..].join("\n")
    }

    /// Asks the API; none while it does not answer.
    pub fn ask(&self, method: &str, path: &str) -> Option<serde_json::Value> {
        let output = Command::new("curl")
            .args(["-sk", "--max-time", "30", "-X", method, "-H"])
            .arg(format!("Authorization: Bearer {}", self.token.expose()))
            .arg(format!("https://127.0.0.1:{}{path}", self.port))
            .output()
            .unwrap();
        serde_json::from_slice(&output.stdout).ok()
    }

    /// Whether it hears another door.
    pub fn is_in_company(&self) -> bool {
        self.ask("GET", "/status").is_some_and(|status| {
            let school = &status["appliance"]["school"];
            school["connected"] == true && school["doors"].as_u64() == Some(2)
        })
    }

    /// The student's visits at this door, as they stand on its disk: when each began, and the last sighting.
    pub fn visits(&self, roll: &str) -> Vec<(OffsetDateTime, OffsetDateTime)> {
        visits(&self.data(), roll)
    }
}
