//! A Mosquitto of the test's own, and its command-line clients.

use std::io::Write as _;
use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

/// The packages' programs, or none.
fn program(name: &str) -> Option<PathBuf> {
    let path = std::env::var_os("PATH").unwrap_or_default();
    let folders = std::env::split_paths(&path).chain([PathBuf::from("/usr/sbin")]);
    folders.map(|folder| folder.join(name)).find(|program| program.exists())
}

/// Whether the test can run; says so otherwise.
pub fn available() -> bool {
    let found = ["mosquitto", "mosquitto_sub", "mosquitto_pub", "mosquitto_passwd"]
        .into_iter()
        .all(|name| program(name).is_some());
    if !found {
        skipped::skipped("the packages mosquitto and mosquitto-clients; scripts/test installs them");
    }
    found
}

/// A broker that runs.
pub struct Broker {
    folder: tempfile::TempDir,
    child: Option<Child>,
    pub port: u16,
}

impl Drop for Broker {
    fn drop(&mut self) {
        self.kill();
    }
}

pub fn free_port() -> u16 {
    TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port()
}

impl Broker {
    /// One that lets everybody in and keeps what it has on its disk.
    pub fn open() -> Self {
        Self::with("allow_anonymous true\n", |_| {})
    }

    /// One with these further lines; `{folder}` in them is its folder, which `prepare` may fill.
    pub fn with(lines: &str, prepare: impl FnOnce(&Path)) -> Self {
        let folder = tempfile::tempdir().unwrap();
        // Started as root, Mosquitto reads its files as another user unless it is told which.
        prepare(folder.path());
        let port = free_port();
        let place = folder.path().display().to_string();
        let whole = format!(
            "listener {port} 127.0.0.1\nuser root\npersistence true\npersistence_location {place}/\n\
             autosave_on_changes true\nautosave_interval 1\nmax_queued_messages 0\n{}",
            lines.replace("{folder}", &place)
        );
        std::fs::write(folder.path().join("mosquitto.conf"), whole).unwrap();
        let mut broker = Self { folder, child: None, port };
        broker.start();
        broker
    }

    pub fn start(&mut self) {
        let child = Command::new(program("mosquitto").unwrap())
            .arg("-c")
            .arg(self.folder.path().join("mosquitto.conf"))
            .stdout(Stdio::null())
            .stderr(std::fs::File::create(self.folder.path().join("log")).unwrap())
            .spawn()
            .unwrap();
        self.child = Some(child);
        let until = Instant::now() + Duration::from_secs(10);
        while std::net::TcpStream::connect(("127.0.0.1", self.port)).is_err() {
            assert!(
                Instant::now() < until,
                "Mosquitto did not start: {}",
                std::fs::read_to_string(self.folder.path().join("log")).unwrap()
            );
            std::thread::sleep(Duration::from_millis(20));
        }
    }

    /// Ends it with SIGKILL.
    pub fn kill(&mut self) {
        if let Some(mut child) = self.child.take() {
            child.kill().unwrap();
            child.wait().unwrap();
        }
    }

    /// What it had on its disk is lost.
    pub fn forget(&self) {
        let _ = std::fs::remove_file(self.folder.path().join("mosquitto.db"));
    }

    /// Ends it with SIGTERM, so that it writes what it has.
    pub fn stop(&mut self) {
        if let Some(mut child) = self.child.take() {
            Command::new("kill").arg(child.id().to_string()).status().unwrap();
            child.wait().unwrap();
        }
    }

    pub fn url(&self) -> String {
        format!("mqtt://127.0.0.1:{}", self.port)
    }

    fn client(&self, name: &str) -> Command {
        let mut command = Command::new(program(name).unwrap());
        command.args(["-h", "127.0.0.1", "-V", "5", "-q", "1", "-p"]).arg(self.port.to_string());
        command
    }

    /// Publishes with `mosquitto_pub`.
    pub fn publish(&self, topic: &str, payload: &[u8], retained: bool) {
        let mut command = self.client("mosquitto_pub");
        // mosquitto_pub takes no empty message from its input.
        command.args(["-t", topic, if payload.is_empty() { "-n" } else { "-s" }]).stdin(Stdio::piped());
        if retained {
            command.arg("-r");
        }
        let mut child = command.spawn().unwrap();
        child.stdin.take().unwrap().write_all(payload).unwrap();
        assert!(child.wait().unwrap().success());
    }

    /// Everything that comes within so many seconds: topic and payload in hexadecimal.
    pub fn listen(&self, filter: &str, seconds: u32) -> Vec<(String, Vec<u8>)> {
        let out = self
            .client("mosquitto_sub")
            .args(["-t", filter, "-F", "%t %x", "-W", &seconds.to_string()])
            .output()
            .unwrap();
        let digit = |byte: u8| char::from(byte).to_digit(16).unwrap() as u8;
        String::from_utf8(out.stdout)
            .unwrap()
            .lines()
            .filter_map(|line| line.split_once(' '))
            .map(|(topic, hex)| {
                let bytes = hex.as_bytes().chunks_exact(2).map(|pair| digit(pair[0]) * 16 + digit(pair[1]));
                (topic.to_owned(), bytes.collect())
            })
            .collect()
    }
}

/// A file of users with their passwords, as Mosquitto reads it.
pub fn write_users(path: &Path, user: &str, password: &str) {
    let made = Command::new(program("mosquitto_passwd").unwrap())
        .args(["-b", "-c"])
        .arg(path)
        .args([user, password])
        .output()
        .unwrap();
    assert!(made.status.success(), "{}", String::from_utf8_lossy(&made.stderr));
}
