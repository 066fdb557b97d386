//! Is the new system well? Pure: reports in, a verdict out, within a bounded time.
//!
//! A system is well when the camera gives frames, HTTPS answers, every worker that needs nothing but this
//! machine runs on without a restart for a while, and the network cards, their addresses and the firewall are
//! there. What did not work before the update either is not a fault of it. A network that is down, a backend
//! that refuses the key or a roster without photos are not a fault of the system and do not count.

use std::fmt;
use std::time::Duration;

use super::network::Network;
use super::record::Before;
use super::report::CAMERA;
use super::report::{Report, Worker};

/// Workers that wait for others: they may be held or restarting in a system that is well.
const WAIT_FOR_OTHERS: [&str; 4] = ["sync", "upload", "update", "mqtt"];

/// A frame older than this is a camera that stopped. An emulated board takes seconds for one.
const FRAME_AGE: Duration = Duration::from_secs(10);

/// What is examined.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Check {
    /// Writing to the data partition and reading it back from there.
    DataPartition,
    /// Every model gives its golden answer.
    Models,
    /// The service runs and reports.
    Service,
    /// The camera gives frames.
    Camera,
    /// The page answers on loopback.
    Https,
    /// The network interfaces, addresses and firewall of the previous system are there.
    Network,
    /// The workers run without restarts.
    Steady,
    /// The whole examination ends in time.
    Deadline,
}

impl fmt::Display for Check {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::DataPartition => "data partition",
            Self::Models => "models",
            Self::Service => "service",
            Self::Camera => "camera",
            Self::Https => "https",
            Self::Network => "network",
            Self::Steady => "steady",
            Self::Deadline => "deadline",
        })
    }
}

/// A check that failed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Fault {
    /// Which.
    pub check: Check,
    /// What it found.
    pub reason: String,
}

/// The time limits of the checks, from the beginning of the examination.
#[derive(Debug, Clone, Copy)]
pub struct Limits {
    /// For the first report of the service.
    pub service: Duration,
    /// For the first frame, for the page's first answer, and for the network's interfaces and units.
    pub camera: Duration,
    /// How long everything must then hold.
    pub hold: Duration,
    /// For everything.
    pub whole: Duration,
}

impl Default for Limits {
    /// A Pi 5 is through after about a minute, most of it `hold`. The rest is for old cards and for the
    /// emulated board, which is ten times slower. `whole` stays below the unit's own time-out.
    fn default() -> Self {
        Self {
            service: Duration::from_secs(120),
            camera: Duration::from_secs(180),
            hold: Duration::from_secs(20),
            whole: Duration::from_secs(300),
        }
    }
}

/// What can be said so far.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Verdict {
    /// Not yet anything.
    Wait,
    /// Well.
    Well,
    /// Not well.
    Ill(Fault),
}

/// What is to be seen at one moment.
#[derive(Debug, Clone, Copy)]
pub struct Sight<'a> {
    /// The service's newest report; none where there is no fresh one.
    pub report: Option<&'a Report>,
    /// The page's newest answer.
    pub page: Result<(), &'a str>,
    /// The network as it is now.
    pub network: &'a Network,
}

/// Watches one system.
#[derive(Debug)]
pub struct Watch {
    limits: Limits,
    before: Before,
    expects_service: bool,
    holding: Option<Holding>,
    /// How often what held broke, and how the last time.
    breaks: u32,
    last_break: Option<String>,
}

/// What must not change while everything holds.
#[derive(Debug, PartialEq)]
struct Holding {
    since: Duration,
    pid: u32,
    restarts: u32,
    frames: u64,
    processed: u64,
}

impl Watch {
    /// A watch that has seen nothing. `before`: how the old system was; `expects_service`: whether the
    /// service has to be seen, and not only the network.
    pub fn new(limits: Limits, before: Before, expects_service: bool) -> Self {
        Self { limits, before, expects_service, holding: None, breaks: 0, last_break: None }
    }

    /// Looks at what is to be seen `now` after the beginning.
    pub fn see(&mut self, now: Duration, sight: Sight<'_>) -> Verdict {
        let network = self.before.network.is_kept_in(sight.network);
        if !self.expects_service {
            return match network {
                Ok(()) => Verdict::Well,
                Err(_) if now < self.limits.camera => Verdict::Wait,
                Err(reason) => Verdict::Ill(Fault { check: Check::Network, reason }),
            };
        }
        let complaint = sight.report.map_or_else(
            || Err((Check::Service, self.limits.service, "the service does not report".to_owned())),
            |report| self.complaint(report, sight.page),
        );
        let complaint =
            complaint.and_then(|()| network.map_err(|reason| (Check::Network, self.limits.camera, reason)));
        match (complaint, sight.report) {
            (Err((check, patience, reason)), _) => {
                if self.holding.take().is_some() {
                    self.broke(reason.clone());
                }
                // What once held and broke does not get its first patience again, nor does it fail at the
                // first glimpse: it has the rest of the whole time to hold. What breaks again and again is
                // not steady, whatever it lacks at the end.
                let patience = match self.breaks {
                    0 => patience,
                    1 => self.limits.whole,
                    _ => Duration::MAX,
                };
                if now >= patience {
                    return Verdict::Ill(Fault {
                        check,
                        reason: format!("{reason} after {} s", now.as_secs()),
                    });
                }
            }
            (Ok(()), Some(report)) => {
                let restarts = self.judged(report).map(|worker| worker.restarts).sum();
                match &self.holding {
                    Some(holding) if (holding.pid, holding.restarts) == (report.pid, restarts) => {
                        let moves = self.before.camera_was_absent
                            || (report.camera.frames > holding.frames
                                && report.processed > holding.processed);
                        if now.saturating_sub(holding.since) >= self.limits.hold && moves {
                            return Verdict::Well;
                        }
                    }
                    broken => {
                        let was_restarted = broken.is_some();
                        let (pid, frames, processed) = (report.pid, report.camera.frames, report.processed);
                        self.holding = Some(Holding { since: now, pid, restarts, frames, processed });
                        if was_restarted {
                            self.broke("something was restarted".to_owned());
                        }
                    }
                }
            }
            (Ok(()), None) => {}
        }
        if now >= self.limits.whole {
            let why = self.last_break.as_deref().unwrap_or("it took too long to begin");
            let reason = format!(
                "it did not hold for {} s within {} s: {why}",
                self.limits.hold.as_secs(),
                self.limits.whole.as_secs()
            );
            return Verdict::Ill(Fault { check: Check::Steady, reason });
        }
        Verdict::Wait
    }

    fn broke(&mut self, reason: String) {
        self.breaks += 1;
        self.last_break = Some(reason);
    }

    /// The first thing that is not well, and how long it may be so.
    fn complaint(&self, report: &Report, page: Result<(), &str>) -> Result<(), (Check, Duration, String)> {
        if !self.before.camera_was_absent && report.camera.newest.is_none_or(|age| age > FRAME_AGE) {
            let fault = report.camera.fault.as_deref().unwrap_or("the camera gives no frames");
            return Err((Check::Camera, self.limits.camera, fault.to_owned()));
        }
        if let Some(worker) = self.judged(report).find(|worker| worker.state != "running") {
            let because = worker.reason.as_deref().map(|reason| format!(" ({reason})")).unwrap_or_default();
            let reason = format!("{} is {}{because}", worker.name, worker.state);
            return Err((Check::Steady, self.limits.camera, reason));
        }
        page.map_err(|reason| (Check::Https, self.limits.camera, reason.to_owned()))
    }

    /// The workers that need nothing but this machine.
    fn judged<'a>(&'a self, report: &'a Report) -> impl Iterator<Item = &'a Worker> {
        let before = &self.before;
        report.workers.iter().filter(move |worker| {
            let is_excused = WAIT_FOR_OTHERS.contains(&worker.name.as_str())
                || before.ailing.contains(&worker.name)
                || (before.camera_was_absent && worker.name == CAMERA);
            !is_excused
        })
    }
}

#[cfg(test)]
#[path = "health_tests.rs"]
mod tests;
