//! The health gate: what a system does about itself after it came up.
//!
//! On the committed system it notes that all is as always, or that a trial is over and how. On trial it
//! examines itself, in bounded time, and either commits itself or writes down why not and restarts into the
//! old system. Whatever goes wrong with the gate itself leads to the old system, too: nothing is committed
//! then, and the deadline's unit restarts.

use std::fs::File;
use std::io::{self, Read as _, Write as _};
use std::path::{Path, PathBuf};
use std::time::Duration;

use rustix::fs::{Advice, fadvise, statfs};
use time::OffsetDateTime;
use tokio::time::{Instant, sleep, timeout};

use super::boot_flow::{Arrival, Flow, Healthy};
use super::health::{Check, Fault, Limits, Sight, Verdict, Watch};
use super::history::End;
use super::network::Network;
use super::record::{Before, System};
use super::report;
use super::store::{Places, Store, StoreError};

/// For the golden answers of all models. Half a second on a Pi 5; an emulated board on a busy machine takes
/// two minutes.
const MODELS_LIMIT: Duration = Duration::from_secs(240);

/// For writing a little and reading it back. A card that takes longer is about to fail.
const DATA_LIMIT: Duration = Duration::from_secs(60);

/// What is written to the data partition as a probe.
const PROBE_BYTES: usize = 256 * 1024;

/// Time between two looks at the service.
const LOOK: Duration = Duration::from_secs(1);

/// statfs(2)'s number of a file system in memory.
const TMPFS_MAGIC: u64 = 0x0102_1994;

/// What is examined, and where.
#[derive(Debug, Clone)]
pub struct Gate {
    /// The boot flow's state.
    pub places: Places,
    /// The service's report.
    pub report: PathBuf,
    /// How long what may take.
    pub limits: Limits,
    /// The service's settings. A machine without them has no service yet: none is expected then, unless it
    /// ran before the update.
    pub config: PathBuf,
    /// Whether the state must lie on a disk. Off only in tests.
    pub needs_disk: bool,
}

/// How the gate ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Ending {
    /// The committed system runs; there was nothing to decide.
    Committed,
    /// This system proved healthy and is the committed one now.
    Passed,
    /// This system is on trial and is not well: restart into the committed one.
    Failed(Fault),
    /// This system is not well, and it is the only one that started: it stays.
    Stays(Fault),
}

impl Gate {
    /// Notes the arrival of this system and, where it is not the committed one, examines it and commits it or
    /// says why not.
    ///
    /// `models` gives every neural network its golden test; `page` asks the page for an answer; `network`
    /// looks at the machine's interfaces and units; `log` gives the newest lines of this boot's log.
    ///
    /// # Errors
    /// [`StoreError`] when it is unknown what booted, or the outcome cannot be kept. Nothing is committed
    /// then.
    pub async fn run(
        &self,
        running: System,
        models: impl FnOnce() -> Result<(), String> + Send + 'static,
        page: impl AsyncFn(&report::Page) -> Result<(), String>,
        network: impl AsyncFn() -> Network,
        log: impl AsyncFn() -> Vec<String>,
    ) -> Result<Ending, StoreError> {
        let flow = self.arrive(running)?;
        if flow.arrival() == Arrival::Committed {
            return Ok(Ending::Committed);
        }
        log::info!("slot {} is on trial: examining this system before it is committed", flow.booted.slot);
        let before = flow.record.pending.as_ref().map(|pending| pending.before.clone()).unwrap_or_default();
        match self.examine(before, models, page, network).await {
            Ok(healthy) => {
                let store = Store::open(&self.places)?;
                store.apply(store.flow()?.commit(&healthy, OffsetDateTime::now_utc()))?;
                Ok(Ending::Passed)
            }
            Err(fault) => {
                self.note_failure(&fault, &log().await);
                Ok(match flow.arrival() {
                    Arrival::Fallback => Ending::Stays(fault),
                    _ => Ending::Failed(fault),
                })
            }
        }
    }

    /// The time for a decision is over: a system that is still on trial failed.
    ///
    /// # Errors
    /// [`StoreError`] when it is unknown what booted.
    pub async fn overdue(&self, log: impl AsyncFn() -> Vec<String>) -> Result<Ending, StoreError> {
        let flow = Store::open(&self.places)?.flow()?;
        if flow.arrival() != Arrival::Trial {
            return Ok(Ending::Committed);
        }
        let reason = "the health check gave no verdict in time, or could not run".to_owned();
        let fault = Fault { check: Check::Deadline, reason };
        self.note_failure(&fault, &log().await);
        Ok(Ending::Failed(fault))
    }

    fn arrive(&self, running: System) -> Result<Flow, StoreError> {
        let store = Store::open(&self.places)?;
        store.tidy();
        let writes = store.flow()?.arrive(running, &store.history()?, OffsetDateTime::now_utc());
        store.apply(writes)?;
        store.flow()
    }

    /// Every check, the cheapest first.
    async fn examine(
        &self,
        before: Before,
        models: impl FnOnce() -> Result<(), String> + Send + 'static,
        page: impl AsyncFn(&report::Page) -> Result<(), String>,
        network: impl AsyncFn() -> Network,
    ) -> Result<Healthy, Fault> {
        let (state, needs_disk) = (self.places.state.clone(), self.needs_disk);
        on_thread(Check::DataPartition, DATA_LIMIT, move || probe(&state, needs_disk)).await?;
        on_thread(Check::Models, MODELS_LIMIT, models).await?;
        self.watch(before, page, network).await?;
        Ok(Healthy(()))
    }

    async fn watch(
        &self,
        before: Before,
        page: impl AsyncFn(&report::Page) -> Result<(), String>,
        network: impl AsyncFn() -> Network,
    ) -> Result<(), Fault> {
        let has_settings = self.config.exists();
        let begun = Instant::now();
        let expects_service = has_settings || before.service_ran;
        let mut watch = Watch::new(self.limits, before, expects_service);
        loop {
            let report = report::read(&self.report);
            let answer = match report.as_ref().and_then(|report| report.page.as_ref()) {
                Some(place) => page(place).await,
                None => Err("the page does not listen".to_owned()),
            };
            let sight = Sight {
                report: report.as_ref(),
                page: answer.as_ref().copied().map_err(String::as_str),
                network: &network().await,
            };
            match watch.see(begun.elapsed(), sight) {
                Verdict::Wait => sleep(LOOK).await,
                Verdict::Well => return Ok(()),
                Verdict::Ill(mut fault) => {
                    if fault.check == Check::Service && !has_settings {
                        let settings = self.config.display();
                        fault.reason = format!("{}; its settings, {settings}, are not there", fault.reason);
                    }
                    return Err(fault);
                }
            }
        }
    }

    /// Writes down why. A data partition that takes nothing is no reason to stay: the old system then reports
    /// that the new one said nothing.
    fn note_failure(&self, fault: &Fault, log: &[String]) {
        log::error!("this system is not well: {}: {}", fault.check, fault.reason);
        let end = End::failed(&fault.check.to_string(), &fault.reason, log);
        let noted = Store::open(&self.places)
            .and_then(|store| store.apply(store.flow()?.fail(end, OffsetDateTime::now_utc())));
        if let Err(error) = noted {
            log::error!("the reason could not be kept: {error}");
        }
    }
}

/// Runs a check that blocks, and does not wait for it for ever.
async fn on_thread(
    check: Check,
    limit: Duration,
    run: impl FnOnce() -> Result<(), String> + Send + 'static,
) -> Result<(), Fault> {
    let reason = match timeout(limit, tokio::task::spawn_blocking(run)).await {
        Ok(Ok(Ok(()))) => return Ok(()),
        Ok(Ok(Err(reason))) => reason,
        Ok(Err(panic)) => format!("stopped by a defect in the program ({panic})"),
        Err(_) => format!("not finished within {} s", limit.as_secs()),
    };
    Err(Fault { check, reason })
}

/// Writes to the data partition and reads back from it.
fn probe(state: &Path, needs_disk: bool) -> Result<(), String> {
    let kind = statfs(state).map_err(|error| error.to_string())?.f_type;
    if needs_disk && u64::try_from(kind).is_ok_and(|kind| kind == TMPFS_MAGIC) {
        return Err("this boot runs on memory, the data partition could not be mounted".to_owned());
    }
    let path = state.join("probe");
    let probed = write_and_read_back(&path).map_err(|error| error.to_string());
    // Left behind, it is overwritten the next time.
    let _ = std::fs::remove_file(&path);
    match probed? {
        true => Ok(()),
        false => Err("what was written reads back differently: the card is failing".to_owned()),
    }
}

fn write_and_read_back(path: &Path) -> io::Result<bool> {
    let content: Vec<u8> = std::iter::repeat_with(|| fastrand::u8(..)).take(PROBE_BYTES).collect();
    let mut file = File::create(path)?;
    file.write_all(&content)?;
    file.sync_all()?;
    // So that it comes from the card and not from memory. A file system that keeps it all the same still
    // compares.
    let _ = fadvise(&file, 0, None, Advice::DontNeed);
    let mut back = Vec::with_capacity(PROBE_BYTES);
    File::open(path)?.read_to_end(&mut back)?;
    Ok(back == content)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use crate::autoboot;
    use crate::network::Interface;
    use crate::record::{Content, Pending, TrialProgress};
    use crate::report::{Camera, Page, Report};
    use crate::slot::Slot;
    use crate::store::tests::{card, start};

    /// A card with slot B installed and on trial.
    fn on_trial(folder: &Path, camera_was_absent: bool) -> Gate {
        let places = card(folder, Slot::A);
        let store = Store::open(&places).unwrap();
        store.change(|flow| flow.set_bad(Slot::B)).unwrap();
        store.change(|flow| flow.set_primary(Slot::B)).unwrap();
        let before = Before { service_ran: true, camera_was_absent, network: cable(), ..Before::default() };
        store.change(|flow| flow.begin_trial(before)).unwrap();
        start(&places, Slot::B, true);
        let limits = Limits {
            service: Duration::from_secs(1),
            camera: Duration::from_secs(2),
            hold: Duration::from_millis(900),
            whole: Duration::from_secs(6),
        };
        let config = folder.join("attendance.toml");
        std::fs::write(&config, b"").unwrap();
        Gate { places, report: folder.join("report.json"), limits, config, needs_disk: false }
    }

    /// What the machine has for the network.
    fn cable() -> Network {
        let interfaces = vec![Interface { name: "end0".to_owned(), ..Interface::default() }];
        Network { interfaces, units: vec!["nftables.service".to_owned()] }
    }

    fn system(version: &str) -> System {
        System { version: version.to_owned(), built: None }
    }

    /// A service that reports while the gate runs.
    async fn examined(
        gate: &Gate,
        sees: bool,
        models: Result<(), String>,
        page: Result<(), String>,
        network: &Network,
    ) -> Ending {
        let stop = tokio_util::sync::CancellationToken::new();
        let frames = std::sync::atomic::AtomicU64::new(0);
        let report = move || {
            let frames = frames.fetch_add(15, std::sync::atomic::Ordering::Relaxed);
            let newest = sees.then_some(Duration::from_millis(50));
            Report {
                camera: Camera { frames: if sees { frames } else { 0 }, newest, fault: None },
                processed: frames,
                page: Some(Page::default()),
                ..Report::default()
            }
        };
        let (path, until) = (gate.report.clone(), stop.clone());
        let service = tokio::spawn(async move { report::publish(&path, report, until).await });
        let log = async || vec!["the last words".to_owned()];
        let ending = gate
            .run(system("2.0.0"), move || models, async |_| page.clone(), async || network.clone(), log)
            .await
            .unwrap();
        stop.cancel();
        service.await.unwrap();
        ending
    }

    fn committed(gate: &Gate) -> Slot {
        autoboot::committed(&gate.places.autoboot).unwrap()
    }

    #[tokio::test]
    async fn healthy_system_is_committed() {
        let folder = tempfile::tempdir().unwrap();
        let gate = on_trial(folder.path(), false);
        assert_eq!(examined(&gate, true, Ok(()), Ok(()), &cable()).await, Ending::Passed);
        assert_eq!(committed(&gate), Slot::B);
        assert_eq!(gate.overdue(async || Vec::new()).await.unwrap(), Ending::Committed);
        let store = Store::open(&gate.places).unwrap();
        assert_eq!(store.history().unwrap().last().unwrap().end, End::Committed);
        assert_eq!(store.flow().unwrap().record.pending, None);
    }

    #[tokio::test]
    async fn failed_check_rolls_back() {
        type Answer = Result<(), String>;
        let refused = || Err("connection refused".to_owned());
        let no_driver = Network { interfaces: Vec::new(), ..cable() };
        let broken: [(bool, Answer, Answer, Network, Check); 4] = [
            (false, Ok(()), Ok(()), cable(), Check::Camera),
            (true, Err("MobileFaceNet does not compute".to_owned()), Ok(()), cable(), Check::Models),
            (true, Ok(()), refused(), cable(), Check::Https),
            (true, Ok(()), Ok(()), no_driver, Check::Network),
        ];
        for (sees, models, page, network, expected) in broken {
            let folder = tempfile::tempdir().unwrap();
            let gate = on_trial(folder.path(), false);
            let Ending::Failed(fault) = examined(&gate, sees, models, page, &network).await else {
                panic!("{expected} did not fail");
            };
            assert_eq!(fault.check, expected);
            assert_eq!(committed(&gate), Slot::A);
            // The old system finds the reason.
            start(&gate.places, Slot::A, false);
            assert_eq!(gate.arrive(system("1.0.0")).unwrap().record.pending, None);
            let history = Store::open(&gate.places).unwrap().history().unwrap();
            let End::Failed { check, log, .. } = &history.last().unwrap().end else { panic!("{history:?}") };
            assert_eq!((check.as_str(), log.len()), (expected.to_string().as_str(), 1));
            assert_eq!(history.last().unwrap().to, Some(system("2.0.0")));
        }
    }

    #[tokio::test]
    async fn camera_may_stay_absent() {
        let folder = tempfile::tempdir().unwrap();
        let gate = on_trial(folder.path(), true);
        assert_eq!(examined(&gate, false, Ok(()), Ok(()), &cable()).await, Ending::Passed);
    }

    /// A gate whose service does not run, nor does any other check fail.
    async fn without_service(gate: &Gate) -> Ending {
        let network = async || cable();
        gate.run(system("2.0.0"), || Ok(()), async |_| Ok(()), network, async || Vec::new()).await.unwrap()
    }

    #[tokio::test]
    async fn lost_settings_fail_the_check() {
        let folder = tempfile::tempdir().unwrap();
        let gate = on_trial(folder.path(), false);
        std::fs::remove_file(&gate.config).unwrap();
        let Ending::Failed(fault) = without_service(&gate).await else { panic!("a door that does nothing") };
        assert_eq!((fault.check, committed(&gate)), (Check::Service, Slot::A));
        assert!(fault.reason.contains("attendance.toml, are not there"), "{}", fault.reason);
    }

    #[tokio::test]
    async fn unknown_previous_system_expects_everything() {
        let folder = tempfile::tempdir().unwrap();
        let gate = on_trial(folder.path(), false);
        // The new system recreated the data partition: record and settings are gone.
        std::fs::remove_file(&gate.config).unwrap();
        std::fs::remove_file(gate.places.state.join("boot.json")).unwrap();
        let ending = without_service(&gate).await;
        assert!(matches!(ending, Ending::Failed(Fault { check: Check::Service, .. })), "{ending:?}");
        assert_eq!(committed(&gate), Slot::A);
    }

    #[tokio::test]
    async fn fallback_of_the_initramfs_needs_no_camera() {
        for (content, waits, passes) in
            [(Content::Whole, false, true), (Content::Whole, true, true), (Content::Unknown, false, false)]
        {
            let folder = tempfile::tempdir().unwrap();
            let gate = on_trial(folder.path(), false);
            // Nobody began this trial: the committed system does not start.
            let store = Store::open(&gate.places).unwrap();
            let mut record = store.flow().unwrap().record;
            // An update may have waited in it for its night.
            record.pending = record.pending.filter(|_| waits).map(|pending| Pending {
                progress: TrialProgress::Installed,
                trial: 0,
                before: Before::default(),
                ..pending
            });
            record.known_mut(Slot::B).content = content;
            store.apply(vec![crate::boot_flow::Write::Record(record)]).unwrap();
            drop(store);
            let ending = examined(&gate, false, Ok(()), Ok(()), &cable()).await;
            assert_eq!(ending == Ending::Passed, passes, "{content:?}: {ending:?}");
            assert_eq!(committed(&gate) == Slot::B, passes);
        }
    }

    #[tokio::test]
    async fn unconfigured_machine_can_be_updated() {
        let folder = tempfile::tempdir().unwrap();
        let gate = on_trial(folder.path(), false);
        std::fs::remove_file(&gate.config).unwrap();
        let store = Store::open(&gate.places).unwrap();
        let mut record = store.flow().unwrap().record;
        record.pending.as_mut().unwrap().before = Before::default();
        store.apply(vec![crate::boot_flow::Write::Record(record)]).unwrap();
        drop(store);
        assert_eq!(without_service(&gate).await, Ending::Passed);
    }

    #[tokio::test]
    async fn panic_in_a_check_is_a_failure() {
        let folder = tempfile::tempdir().unwrap();
        let gate = on_trial(folder.path(), false);
        let ending = gate
            .run(system("2"), || panic!("a defect"), async |_| Ok(()), async || cable(), async || Vec::new())
            .await
            .unwrap();
        assert!(matches!(ending, Ending::Failed(Fault { check: Check::Models, .. })), "{ending:?}");
        assert_eq!(committed(&gate), Slot::A);
    }

    #[tokio::test]
    async fn trial_ends_at_its_deadline() {
        let folder = tempfile::tempdir().unwrap();
        let gate = on_trial(folder.path(), false);
        gate.arrive(system("2.0.0")).unwrap();
        let ending = gate.overdue(async || Vec::new()).await.unwrap();
        assert!(matches!(ending, Ending::Failed(Fault { check: Check::Deadline, .. })));
        assert_eq!(committed(&gate), Slot::A);
    }

    #[tokio::test]
    async fn unknown_boot_slot_commits_nothing() {
        let folder = tempfile::tempdir().unwrap();
        let gate = on_trial(folder.path(), false);
        std::fs::remove_dir_all(&gate.places.bootloader).unwrap();
        let network = async || cable();
        let ending = gate.run(system("2"), || Ok(()), async |_| Ok(()), network, async || Vec::new()).await;
        assert!(matches!(ending, Err(StoreError::Slot(_))));
        assert_eq!(committed(&gate), Slot::A);
    }

    #[test]
    fn storage_probe_leaves_nothing() {
        let folder = tempfile::tempdir().unwrap();
        probe(folder.path(), false).unwrap();
        assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 0);
        assert!(probe(Path::new("/dev/shm"), true).unwrap_err().contains("memory"));
        assert!(probe(&folder.path().join("missing"), false).is_err());
    }
}
