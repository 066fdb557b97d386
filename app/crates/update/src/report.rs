//! What the running service says of itself, for the health gate.
//!
//! The gate is another process and another user, and must judge a service that may be broken. So the service
//! says what it sees in a small file in its runtime folder, every second; the gate believes only a fresh
//! one, and asks the page over HTTPS besides. No network, no login, nothing to agree on but this file.

use std::io;
use std::path::Path;
use std::time::Duration;

use serde::{Deserialize, Serialize};
use tokio_util::sync::CancellationToken;

use base::moment::since_boot;

/// Name of the worker that looks after the camera, as the report has it.
pub const CAMERA: &str = "camera";

/// Where the service writes it.
pub const PATH: &str = "/run/attendance/report.json";

/// Time between two reports.
pub const EVERY: Duration = Duration::from_secs(1);

/// An older report is none: the service that wrote it hangs or is gone. A loaded emulator misses a few
/// seconds, no more.
const FRESH: Duration = Duration::from_secs(10);

/// A state of the service.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Report {
    /// Process id: a change is a restart.
    pub pid: u32,
    /// When it was written: time since the kernel started.
    pub written: Duration,
    /// The camera.
    pub camera: Camera,
    /// Frames that went through recognition since the service started.
    pub processed: u64,
    /// Every worker.
    pub workers: Vec<Worker>,
    /// The page; none while it does not listen.
    pub page: Option<Page>,
    /// Rows that neither the card nor the webhook has. attendance-data.service does not restart the machine
    /// while there are some.
    pub undelivered_in_memory: usize,
}

/// The camera as the service sees it.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Camera {
    /// Frames since the service started.
    pub frames: u64,
    /// Age of the newest one.
    pub newest: Option<Duration>,
    /// Why there is none.
    pub fault: Option<String>,
}

/// One worker as its supervisor sees it.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Worker {
    /// Its name.
    pub name: String,
    /// `running`, `restarting`, `held` or `stopped`.
    pub state: String,
    /// How often it was started again.
    pub restarts: u32,
    /// Why it is not running.
    pub reason: Option<String>,
}

/// Where the page answers.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Page {
    /// TCP port.
    pub port: u16,
    /// SHA-256 of its certificate, hexadecimal.
    pub fingerprint: String,
}

/// Writes what `report` says every second until `stop`.
pub async fn publish(path: &Path, report: impl Fn() -> Report + Send, stop: CancellationToken) {
    let mut tick = tokio::time::interval(EVERY);
    let mut told = false;
    loop {
        tokio::select! {
            _ = tick.tick() => {}
            () = stop.cancelled() => return,
        }
        let report = Report { written: since_boot(), pid: std::process::id(), ..report() };
        match write(path, &report) {
            Ok(()) => told = false,
            Err(error) if !told => {
                log::warn!(
                    "cannot write {}: {error}; an update's health check will not see this service",
                    path.display()
                );
                told = true;
            }
            Err(_) => {}
        }
    }
}

/// The report at `path`, if it is fresh.
pub fn read(path: &Path) -> Option<Report> {
    let text = base::durable::read(path).ok()??;
    let report: Report = serde_json::from_slice(&text).ok()?;
    is_fresh(&report, since_boot()).then_some(report)
}

fn is_fresh(report: &Report, now: Duration) -> bool {
    // The clock cannot run backwards within one start of the kernel.
    now.checked_sub(report.written).is_some_and(|age| age <= FRESH)
}

/// In memory, so without the disk's care: renamed, to be read whole or not at all.
fn write(path: &Path, report: &Report) -> io::Result<()> {
    let new = path.with_extension("new");
    std::fs::write(&new, serde_json::to_vec(report)?)?;
    std::fs::rename(&new, path)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[tokio::test]
    async fn only_fresh_reports_count() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("report.json");
        assert_eq!(read(&path), None);
        let stop = CancellationToken::new();
        let camera = Camera { frames: 7, newest: Some(Duration::from_millis(40)), fault: None };
        let said = Report { camera, ..Report::default() };
        let (file, until) = (path.clone(), stop.clone());
        let writer = tokio::spawn(async move { publish(&file, move || said.clone(), until).await });
        let begun = std::time::Instant::now();
        let report = loop {
            if let Some(report) = read(&path) {
                break report;
            }
            assert!(begun.elapsed() < Duration::from_secs(10));
            tokio::time::sleep(Duration::from_millis(10)).await;
        };
        assert_eq!((report.camera.frames, report.pid), (7, std::process::id()));
        stop.cancel();
        writer.await.unwrap();

        let written = report.written;
        assert!(is_fresh(&report, written + FRESH));
        assert!(!is_fresh(&report, written + FRESH + Duration::from_millis(1)));
        assert!(!is_fresh(&report, written - Duration::from_millis(1)), "from another start of the kernel");
        std::fs::write(&path, b"{\"pid\": 1, \"written\":").unwrap();
        assert_eq!(read(&path), None);
    }
}
