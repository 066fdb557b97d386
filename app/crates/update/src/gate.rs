//! The health gate: how a system checks itself after it came up.
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

    /// Writes down why. A data partition that takes nothing is not a reason to stay: the old system then
    /// reports that the new one said nothing.
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

/// Runs a check that blocks, and does not wait for it forever.
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
#[path = "gate_tests.rs"]
mod tests;
