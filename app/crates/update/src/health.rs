//! Is the new system well? Pure: reports in, a verdict out, within a bounded time.
//!
//! A system is well when the camera gives frames, HTTPS answers, every worker that needs nothing but this
//! machine runs on without a restart for a while, and the network cards, their addresses and the firewall are
//! there. What did not work before the update either is no fault of it. A network that is down, a backend
//! that refuses the key or a roster without photos are no fault of the system and do not count.

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

/// How long what may take, from the beginning of the examination.
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
    /// A watch that has seen nothing. `before`: how the old system was; `expects_service`: whether there is
    /// more to see than the network.
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
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use crate::network::Interface;
    use crate::report::Camera;

    const LIMITS: Limits = Limits {
        service: Duration::from_secs(20),
        camera: Duration::from_secs(40),
        hold: Duration::from_secs(10),
        whole: Duration::from_secs(100),
    };

    fn well(frames: u64) -> Report {
        let worker =
            |name: &str| Worker { name: name.to_owned(), state: "running".to_owned(), ..Worker::default() };
        let newest = Some(Duration::from_millis(60));
        Report {
            pid: 500,
            camera: Camera { frames, newest, fault: None },
            processed: frames / 2,
            workers: ["camera", "recognition", "attendance", "upload"].map(worker).to_vec(),
            ..Report::default()
        }
    }

    /// Watches a service second by second; the second at which the verdict fell, and the verdict.
    fn watch(
        needs_camera: bool,
        service: impl Fn(u64) -> (Option<Report>, Result<(), &'static str>),
    ) -> (u64, Result<(), Fault>) {
        let before = Before {
            camera_was_absent: !needs_camera,
            ailing: vec!["roster".to_owned()],
            ..Before::default()
        };
        let mut watch = Watch::new(LIMITS, before, true);
        for second in 0..=200 {
            let (report, page) = service(second);
            let sight = Sight { report: report.as_ref(), page, network: &Network::default() };
            match watch.see(Duration::from_secs(second), sight) {
                Verdict::Wait => {}
                Verdict::Well => return (second, Ok(())),
                Verdict::Ill(fault) => return (second, Err(fault)),
            }
        }
        unreachable!("no verdict within the time allowed")
    }

    fn ill(
        needs_camera: bool,
        service: impl Fn(u64) -> (Option<Report>, Result<(), &'static str>),
    ) -> (u64, Check, String) {
        let (second, verdict) = watch(needs_camera, service);
        let fault = verdict.unwrap_err();
        (second, fault.check, fault.reason)
    }

    #[test]
    fn a_service_that_holds_is_well() {
        let (second, verdict) = watch(true, |second| (Some(well(second * 15)), Ok(())));
        assert_eq!((second, verdict), (10, Ok(())));
    }

    #[test]
    fn a_service_that_never_reports_is_not() {
        let (second, check, _) = ill(true, |_| (None, Ok(())));
        assert_eq!((second, check), (20, Check::Service));
    }

    #[test]
    fn a_camera_that_is_gone_is_a_fault_only_if_there_was_one_before() {
        let blind = |_| {
            let camera = Camera { frames: 0, newest: None, fault: Some("no camera found".to_owned()) };
            let mut report = Report { camera, ..well(0) };
            report.workers[0].state = "restarting".to_owned();
            (Some(report), Ok(()))
        };
        let (second, check, reason) = ill(true, blind);
        assert_eq!((second, check), (40, Check::Camera));
        assert!(reason.contains("no camera found"), "{reason}");
        assert_eq!(watch(false, blind), (10, Ok(())));
    }

    #[test]
    fn a_camera_that_stands_still_is_a_fault() {
        let (_, check, _) = ill(true, |_| (Some(well(33)), Ok(())));
        assert_eq!(check, Check::Steady);
    }

    #[test]
    fn recognition_that_stands_still_is_a_fault() {
        let (_, check, _) = ill(true, |second| (Some(Report { processed: 4, ..well(second * 15) }), Ok(())));
        assert_eq!(check, Check::Steady);
    }

    #[test]
    fn a_page_that_does_not_answer_is_a_fault() {
        let (second, check, reason) = ill(true, |second| (Some(well(second)), Err("connection refused")));
        assert_eq!((second, check), (40, Check::Https));
        assert!(reason.contains("refused"), "{reason}");
    }

    #[test]
    fn a_dead_network_is_no_fault() {
        let (_, verdict) = watch(true, |second| {
            let mut report = well(second);
            report.workers[3].state = "held".to_owned();
            report.workers[3].restarts = u32::try_from(second).unwrap();
            (Some(report), Ok(()))
        });
        assert_eq!(verdict, Ok(()));
    }

    #[test]
    fn a_missing_mqtt_broker_is_no_fault() {
        let (_, verdict) = watch(true, |second| {
            let mut report = well(second);
            let reason = Some("the broker does not answer".to_owned());
            let (name, state) = ("mqtt".to_owned(), "restarting".to_owned());
            report.workers.push(Worker { name, state, reason, restarts: 9 });
            (Some(report), Ok(()))
        });
        assert_eq!(verdict, Ok(()));
    }

    #[test]
    fn what_did_not_work_before_is_no_fault() {
        let with_sick = |name: &'static str| {
            move |second| {
                let mut report = well(second);
                let reason = Some("no photos".to_owned());
                let state = "restarting".to_owned();
                report.workers.push(Worker { name: name.to_owned(), state, reason, restarts: 9 });
                (Some(report), Ok(()))
            }
        };
        assert_eq!(watch(true, with_sick("roster")), (10, Ok(())));
        let (_, check, reason) = ill(true, with_sick("journal"));
        assert!(check == Check::Steady && reason.contains("no photos"), "{reason}");
    }

    #[test]
    fn a_worker_or_service_that_restarts_again_and_again_is_a_fault() {
        let (second, check, reason) = ill(true, |second| {
            let mut report = well(second);
            report.workers[1].restarts = u32::try_from(second / 7).unwrap();
            (Some(report), Ok(()))
        });
        assert_eq!((second, check), (100, Check::Steady), "{reason}");
        // It reports for five seconds of eight: at the end it may be there or not.
        for start in 0..8 {
            let (second, check, reason) = ill(true, |second| {
                let second = second + start;
                let report = Report { pid: u32::try_from(second / 8).unwrap(), ..well(second) };
                ((second % 8 > 2).then_some(report), Ok(()))
            });
            assert_eq!((second, check), (100, Check::Steady), "{reason}");
        }
        // Gone for good after a while, it is missed by its own name.
        let (second, check, _) = ill(true, |second| ((second < 5).then(|| well(second)), Ok(())));
        assert_eq!((second, check), (100, Check::Service));
    }

    #[test]
    fn a_network_that_was_there_must_come_back_in_time_and_stay() {
        let cable = Interface { name: "end0".to_owned(), address: Some("a".to_owned()), wireless: false };
        let network = Network { interfaces: vec![cable], units: vec!["nftables.service".to_owned()] };
        let before = Before { network: network.clone(), ..Before::default() };
        let verdict = |expects_service, is_there: &dyn Fn(u64) -> bool| {
            let mut watch = Watch::new(LIMITS, before.clone(), expects_service);
            for second in 0..=200 {
                let report = well(second * 15);
                let now = if is_there(second) {
                    network.clone()
                } else {
                    Network { units: Vec::new(), ..network.clone() }
                };
                let sight = Sight { report: Some(&report), page: Ok(()), network: &now };
                match watch.see(Duration::from_secs(second), sight) {
                    Verdict::Wait => {}
                    Verdict::Well => return (second, Ok(())),
                    Verdict::Ill(fault) => return (second, Err((fault.check, fault.reason))),
                }
            }
            unreachable!("no verdict within the time allowed")
        };
        assert_eq!(verdict(true, &|_| true), (10, Ok(())));
        assert_eq!(verdict(true, &|second| second >= 30), (40, Ok(())));
        let (second, ill) = verdict(true, &|_| false);
        assert_eq!(
            (second, ill),
            (40, Err((Check::Network, "nftables.service is not active after 40 s".to_owned())))
        );
        // There at first, and lost while the rest still holds.
        assert_eq!(verdict(true, &|second| second < 5).1.unwrap_err().0, Check::Network);
        assert_eq!(verdict(false, &|second| second >= 7), (7, Ok(())));
        assert_eq!(verdict(false, &|_| false).1.unwrap_err().0, Check::Network);
    }

    #[test]
    fn a_slow_start_is_no_fault() {
        let (second, verdict) = watch(true, |second| match second {
            0..=15 => (None, Err("not yet")),
            16..=30 => (Some(Report { camera: Camera::default(), ..well(0) }), Err("not yet")),
            _ => (Some(well(second)), Ok(())),
        });
        assert_eq!((second, verdict), (41, Ok(())));
    }
}
