//! The technician's own eyes behind the server, where a stand-in would prove nothing: the real configuration,
//! journal, photo mirror, upload and log.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use arc_swap::ArcSwap;
use attendance::appliance::camera_care::Care;
use attendance::appliance::erasing::Erasing;
use attendance::appliance::latest::Memory;
use attendance::appliance::office::Office;
use attendance::appliance::technician::Technician;
use attendance::supervisor::Supervisor;
use backend::sync;
use backend::upload::Uploader;
use base::event::{Bus, narrate};
use base::identity::RollNumber;
use base::moment::{Clock, ManualClock, SiteZone};
use base::sightings::inbox;
use config::Config;
use journal::{Records, open};
use log::LevelFilter;
use time::macros::datetime;
use tokio::sync::{Notify, watch};
use tokio_util::sync::CancellationToken;
use vision::latest::channel;

use crate::client::As;
use crate::device::Device;

/// An appliance without a camera, at a quarter past nine.
pub struct Real {
    pub device: Device,
    pub records: Records,
    pub clock: Arc<ManualClock>,
    pub config: Arc<Config>,
    pub memory: Memory,
    pub supervisor: Supervisor,
}

impl Real {
    pub fn start(settings: &str, folder: &Path) -> Self {
        let config = config::parse(&settings.replace("DATA", &folder.display().to_string())).unwrap();
        let config = Arc::new(config);
        let clock = Arc::new(ManualClock::at(datetime!(2026-11-22 09:15:00 UTC), "boot"));
        let any_clock: Arc<dyn Clock> = clock.clone();
        let bus = Bus::default();
        let zone = SiteZone::named("UTC").unwrap();
        let records =
            open(folder, &config.attendance, zone.clone(), Arc::clone(&any_clock), bus.clone()).unwrap();
        let (_, _, counters) = channel();
        let supervisor = Supervisor::new(bus.clone());
        let memory = Memory::default();
        let technician = Technician {
            config: Arc::clone(&config),
            zone,
            clock: Arc::clone(&any_clock),
            started: clock.now(),
            board: supervisor.board(),
            counters,
            care: Arc::new(Care::new(folder, any_clock, false)),
            frames: Arc::default(),
            inbox: inbox().0,
            ledger: Arc::clone(&records.ledger),
            report: Arc::default(),
            syncing: Default::default(),
            missing: Arc::default(),
            enrolling: Default::default(),
            memory: memory.clone(),
            updating: Default::default(),
            shot: Default::default(),
            at_the_door: Default::default(),
            on_memory: None,
            card: None,
            school: None,
            office: Office::below(folder, folder, Default::default()),
            erasing: Erasing::begin(&config),
        };
        let device = Device::showing(Arc::new(technician), bus);
        Self { device, records, clock, config, memory, supervisor }
    }

    pub fn sighted(&self, roll: &str) {
        let mut recorder = self.records.recorder.lock().unwrap();
        recorder.sighted(&RollNumber::parse(roll).unwrap(), self.clock.now());
    }

    /// Lets the photos be fetched, the rows be delivered and the log be written, until both have failed.
    pub fn talk_to_the_backend(&mut self) {
        base::logging::start(LevelFilter::Debug);
        let runtime =
            tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
        let (bus, stop) = (self.device.bus.clone(), CancellationToken::new());
        let clock: Arc<dyn Clock> = self.clock.clone();
        let mirror = sync::Worker {
            settings: Arc::new(self.config.sync()),
            bus: bus.clone(),
            changed: watch::channel(0).0,
            now: Arc::new(Notify::new()),
            progress: Default::default(),
            failed: Arc::new(ArcSwap::from_pointee(Vec::new())),
            enrolling: Default::default(),
            account: Arc::default(),
        };
        let uploader = Uploader::new(
            &self.config.webhook,
            &self.config.tls,
            Arc::clone(&self.records.ledger),
            Arc::clone(&self.records.deliveries),
            Arc::clone(&clock),
            bus.clone(),
        );
        let uploader = Arc::new(uploader.unwrap());
        runtime.block_on(async {
            tokio::spawn(narrate(bus.subscribe(), stop.clone()));
            tokio::spawn(self.memory.clone().listen(bus.subscribe(), clock, stop.clone()));
            self.supervisor.start("sync", move |stop| sync::run(mirror.clone(), stop));
            self.supervisor.start("upload", move |stop| Arc::clone(&uploader).work(stop));
            let both = async {
                loop {
                    let latest = self.memory.latest();
                    if latest.sync_error.is_some() && latest.upload_error.is_some() {
                        return;
                    }
                    tokio::time::sleep(Duration::from_millis(50)).await;
                }
            };
            tokio::time::timeout(Duration::from_secs(30), both).await.unwrap();
        });
        stop.cancel();
    }
}

/// What was seen before a time server answered is not lost: the row stands with today's, marked, until its
/// day is known.
#[test]
fn rows_without_clock_are_shown() {
    let folder = tempfile::tempdir().unwrap();
    let real = Real::start("[site]\ndata_dir = \"DATA\"\ntime_zone = \"UTC\"", folder.path());
    let who = As::token(&real.device.read);
    real.clock.set(datetime!(1970-01-01 00:02:00 UTC), false);
    real.sighted("2110002");
    let today = real.device.get("/attendance/today", &who).json();
    assert_eq!((&today["date"], &today["total"]), (&"1970-01-01".into(), &1.into()), "{today}");
    assert_eq!(
        (&today["records"][0]["name"], &today["records"][0]["provisional"]),
        (&"2110002".into(), &true.into())
    );
    let page = real.device.get("/", &real.device.log_in().with("Accept", "text/html")).text();
    assert!(page.contains("2110002") && page.contains("clock not set"));
    let csv = real.device.get("/attendance/1970-01-01.csv", &who).text();
    assert_eq!(csv, "name,status,timestamp\n2110002,IN,1970-01-01 00:02:00\n");

    // The clock is right again, and the row is not yet settled: it is listed under the present day, and under
    // no other.
    real.clock.set(datetime!(2026-11-22 09:16:00 UTC), true);
    let names = |path| {
        let day = real.device.get(path, &who).json();
        day["records"]
            .as_array()
            .unwrap()
            .iter()
            .map(|row| row["name"].as_str().unwrap().to_owned())
            .collect::<Vec<_>>()
    };
    assert_eq!(names("/attendance/2026-11-22"), ["2110002"]);
    assert_eq!(names("/attendance/2026-11-21"), [""; 0]);
    real.records.recorder.lock().unwrap().tick();
    let settled = real.device.get("/attendance/today", &who).json();
    assert_eq!(
        (&settled["total"], &settled["records"][0]["provisional"]),
        (&1.into(), &false.into()),
        "{settled}"
    );
}
