//! A door with its journal on disk and a webhook on loopback.

use std::collections::BTreeSet;
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use backend::upload::{Report, Uploader};
use base::event::Bus;
use base::identity::RollNumber;
use base::moment::{Clock, ManualClock, SiteZone};
use base::secret::{Secret, SecretUrl};
use journal::Records;
use journal::storage::JournalError;
use time::macros::datetime;
use tokio::net::TcpListener;

use crate::site::Site;

pub const KEY: &str = "k3y";

/// Long enough for loopback, short enough for a test with a server that hangs.
const TIMEOUT: Duration = Duration::from_millis(500);

pub struct Door {
    pub folder: tempfile::TempDir,
    pub clock: Arc<ManualClock>,
    pub bus: Bus,
    pub records: Records,
    pub uploader: Arc<Uploader>,
    webhook: backend::config::Webhook,
    tls: backend::config::Tls,
}

impl Door {
    /// A door that delivers to `url`, at nine in the morning in Kolkata.
    pub fn at(url: &str) -> Self {
        let webhook = backend::config::Webhook {
            url: Some(SecretUrl::parse(url).unwrap()),
            key: Some(Secret::new(KEY)),
            interval: Duration::from_millis(50),
            timeout: TIMEOUT,
            ..backend::config::Webhook::default()
        };
        let folder = tempfile::tempdir().unwrap();
        let clock = Arc::new(ManualClock::at(datetime!(2025-01-15 03:30:00 UTC), "boot-1"));
        let (bus, tls) = (Bus::default(), backend::config::Tls::default());
        let (records, uploader) = open(folder.path(), &webhook, &tls, &clock, &bus);
        Self { folder, clock, bus, records, uploader, webhook, tls }
    }

    /// The program ends and starts again.
    pub fn restart(self) -> Self {
        self.restart_after(|_| ())
    }

    /// The same; something happens in the data folder before anything opens it again.
    pub fn restart_after(self, act: impl FnOnce(&Path)) -> Self {
        let Self { folder, clock, bus, records, uploader, webhook, tls } = self;
        drop((records, uploader));
        act(folder.path());
        let (records, uploader) = open(folder.path(), &webhook, &tls, &clock, &bus);
        Self { folder, clock, bus, records, uploader, webhook, tls }
    }

    /// The same door with another batch size.
    pub fn with_batches_of(mut self, rows: usize) -> Self {
        self.webhook.batch_rows = rows;
        self.restart()
    }

    /// The same door, whose rows may carry its name.
    pub fn with_door_column(mut self, door_column: bool) -> Self {
        self.webhook.door_column = door_column;
        self.restart()
    }

    /// The same door, which trusts the authorities in this file.
    pub fn trusting(mut self, ca_file: std::path::PathBuf) -> Self {
        self.tls.ca_file = Some(ca_file);
        self.restart()
    }

    pub fn see(&self, roll: &str) {
        let roll = RollNumber::parse(roll).unwrap();
        self.records.with_recorder(|recorder| recorder.sighted(&roll, self.clock.now()));
    }

    /// What the recorder does every second: days that are over are closed.
    pub fn tick(&self) {
        self.records.with_recorder(journal::Recorder::tick);
    }

    pub fn wait(&self, seconds: u64) {
        self.clock.advance(Duration::from_secs(seconds));
    }

    pub async fn upload(&self) -> Report {
        self.uploader.once(Duration::from_secs(20)).await
    }

    /// Uploads until nothing is left, letting the time pass that the appliance would wait.
    pub async fn upload_everything(&self) -> Report {
        let mut all = Report::default();
        for _ in 0..200 {
            let report = self.upload().await;
            all.created += report.created;
            all.duplicates += report.duplicates;
            all.refused += report.refused;
            all.backlog = report.backlog;
            all.failure = report.failure;
            if all.backlog == 0 {
                break;
            }
            self.wait(1800);
        }
        all
    }
}

fn open(
    folder: &Path,
    webhook: &backend::config::Webhook,
    tls: &backend::config::Tls,
    clock: &Arc<ManualClock>,
    bus: &Bus,
) -> (Records, Arc<Uploader>) {
    let clock = Arc::clone(clock) as Arc<dyn Clock>;
    let zone = SiteZone::named("Asia/Kolkata").unwrap();
    let rules = journal::config::Attendance::default();
    let begun = Instant::now();
    let records = loop {
        match journal::open(folder, &rules, zone.clone(), Arc::clone(&clock), bus.clone()) {
            // A process that another test starts at this moment holds a copy of the lock until it has become
            // another program.
            Err(JournalError::InUse { .. }) if begun.elapsed() < Duration::from_secs(5) => {
                std::thread::sleep(Duration::from_millis(5));
            }
            opened => break opened.unwrap(),
        }
    };
    let (ledger, deliveries) = (Arc::clone(&records.ledger), Arc::clone(&records.deliveries));
    let uploader = Uploader::new(webhook, tls, ledger, deliveries, clock, bus.clone()).unwrap();
    (records, Arc::new(uploader.of_door("North gate")))
}

/// The demo's webhook with `students`; gives its URL.
pub async fn demo(students: &[&str]) -> (Arc<Site>, String) {
    let photos = tempfile::tempdir().unwrap();
    for student in students {
        std::fs::create_dir(photos.path().join(student)).unwrap();
    }
    let site = Site::new(photos.path(), KEY).unwrap();
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}/attendance/webhook/", listener.local_addr().unwrap());
    tokio::spawn(Arc::clone(&site).serve(listener, None));
    (site, url)
}

/// The webhook's rows without the header.
pub fn stored(site: &Site) -> BTreeSet<String> {
    site.webhook.rows().lines().skip(1).map(str::to_owned).collect()
}
