//! Tests of `health`.

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
    let before =
        Before { camera_was_absent: !needs_camera, ailing: vec!["roster".to_owned()], ..Before::default() };
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
fn steady_service_is_healthy() {
    let (second, verdict) = watch(true, |second| (Some(well(second * 15)), Ok(())));
    assert_eq!((second, verdict), (10, Ok(())));
}

#[test]
fn silent_service_is_a_fault() {
    let (second, check, _) = ill(true, |_| (None, Ok(())));
    assert_eq!((second, check), (20, Check::Service));
}

#[test]
fn lost_camera_is_a_fault_only_if_it_was_there() {
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
fn stalled_camera_is_a_fault() {
    let (_, check, _) = ill(true, |_| (Some(well(33)), Ok(())));
    assert_eq!(check, Check::Steady);
}

#[test]
fn stalled_recognition_is_a_fault() {
    let (_, check, _) = ill(true, |second| (Some(Report { processed: 4, ..well(second * 15) }), Ok(())));
    assert_eq!(check, Check::Steady);
}

#[test]
fn unreachable_page_is_a_fault() {
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
fn missing_mqtt_broker_is_no_fault() {
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
fn earlier_faults_do_not_count() {
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
fn restart_loop_is_a_fault() {
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
fn lost_network_is_a_fault() {
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
