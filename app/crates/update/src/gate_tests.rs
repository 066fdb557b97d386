//! Tests of `gate`.

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
