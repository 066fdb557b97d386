//! A server with a stand-in behind it: a healthy appliance whose state each test changes as it likes.

use access::password;
use std::path::Path;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use access::token::{TokenAccess, TokenFile};
use base::event::Bus;
use base::secret::Secret;
use status::config::Page;
use status::limits::Limits;
use status::{Running, start};
use update::under_way::UnderWay;
use view::{Source, View};

use crate::fake::Fake;
use crate::states::{desk, healthy};

pub const PASSWORD: &str = "correct-horse-battery";

pub struct Device {
    pub fake: Arc<Fake>,
    pub bus: Bus,
    pub running: Running,
    pub folder: tempfile::TempDir,
    pub read: Secret,
    pub full: Secret,
    pub password: String,
}

impl Device {
    pub fn start() -> Self {
        // Tests open more connections at once than a person does.
        Self::with(Limits {
            arrivals_per_address: (10_000.0, 10_000.0),
            arrivals: (10_000.0, 10_000.0),
            ..Limits::default()
        })
    }

    pub fn with(limits: Limits) -> Self {
        Self::made(limits, Page::default(), true, None)
    }

    /// One that also listens on the port of the original system's scripts.
    pub fn with_original_port(port: u16) -> Self {
        Self::made(Limits::default(), Page { original_port: Some(port), ..Page::default() }, true, None)
    }

    /// The server before another source than the stand-in.
    pub fn showing(source: Arc<dyn Source>, bus: Bus) -> Self {
        Self::made(Limits::default(), Page::default(), true, Some((source, bus)))
    }

    /// One that made its password itself.
    pub fn with_own_password() -> Self {
        Self::made(Limits::default(), Page::default(), false, None)
    }

    fn made(limits: Limits, page: Page, configured: bool, shown: Option<(Arc<dyn Source>, Bus)>) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let hash = password::hash(&Secret::new(PASSWORD)).unwrap();
        let config = Page {
            listen: "127.0.0.1:0".parse().unwrap(),
            password_hash: configured.then(|| Secret::new(hash)),
            ..page
        };
        let tokens = TokenFile::below(folder.path());
        let read = tokens.add("monitoring", TokenAccess::Read).unwrap();
        let full = tokens.add("script", TokenAccess::Full).unwrap();
        let fake = Arc::new(Fake {
            view: Mutex::new(healthy()),
            performed: Mutex::default(),
            takes: Mutex::new(Duration::ZERO),
            fails: Mutex::new(false),
            previews: Mutex::new(0),
            evidences: Mutex::new(0),
            students: Mutex::new(0),
            inbox: folder.path().join("update"),
            updating: UnderWay::default(),
            erased: Mutex::default(),
            written_down: Mutex::default(),
            archives: Arc::default(),
            corrected: Mutex::default(),
            settings: Arc::new(desk(folder.path())),
            enrolment: Arc::default(),
        });
        let (source, bus) = shown.unwrap_or_else(|| (fake.clone(), Bus::default()));
        let mut running = start(&config, folder.path(), source, fake.clone(), bus.clone(), limits).unwrap();
        let password = running.first_password().map_or(PASSWORD.to_owned(), |made| made.expose().to_owned());
        Self { fake, bus, running, folder, read, full, password }
    }

    pub fn change(&self, change: impl FnOnce(&mut View)) {
        change(&mut self.fake.view.lock().unwrap());
    }

    pub fn url(&self) -> String {
        format!("https://{}/", self.running.address())
    }

    pub fn path(&self) -> &Path {
        self.folder.path()
    }
}
