#![allow(clippy::unwrap_used)]
use super::*;
use crate::appliance::enrolment::DoorEnrolment;
use crate::appliance::frame_path::RECOGNITION;
use crate::supervisor::Supervisor;
use base::failure::Failure;
use base::identity::RollNumber;
use base::moment::ClockTrust;
use base::moment::{CheckedClock, ManualClock, SiteZone, SystemClock};
use base::secret::SecretUrl;
use journal::open;
use journal::storage::{Delivery, Fate, Ledger};
use recognition::watch::view::Snapshot;
use std::time::Duration;
use update::report::CAMERA;

/// Hands of an appliance with a webhook that nobody answers, and rows of these students that the backend
/// refused.
fn hands(folder: &std::path::Path, refused: &[&str], bus: &Bus, board: Arc<Board>) -> (Hands, Arc<Ledger>) {
    let mut config = Config::default();
    config.webhook.url = Some(SecretUrl::parse("http://127.0.0.1:1/webhook/").unwrap());
    let clock: Arc<dyn Clock> = Arc::new(SystemClock::new(ClockTrust::System));
    let zone = SiteZone::named("UTC").unwrap();
    let records = open(folder, &config.attendance, zone, Arc::clone(&clock), bus.clone()).unwrap();
    for roll in refused {
        records.recorder.lock().unwrap().sighted(&RollNumber::parse(roll).unwrap(), clock.now());
    }
    let ledger = Arc::clone(&records.ledger);
    for row in ledger.open_rows(usize::MAX, |_| true) {
        let fate = Fate::Refused("Student not found".to_owned());
        ledger.deliver(Delivery { id: row.id, utc: clock.now().utc, fate });
    }
    let uploader = Uploader::new(
        &config.webhook,
        &config.tls,
        Arc::clone(&ledger),
        Arc::clone(&records.deliveries),
        Arc::clone(&clock),
        bus.clone(),
    )
    .map(Arc::new);
    let office = Office::below(folder, folder, Default::default());
    let hands = Hands {
        erasing: Erasing::begin(&config),
        enrolment: Arc::new(DoorEnrolment::off(
            config.roster(),
            office.clone(),
            Arc::clone(&clock),
            SiteZone::named("UTC").unwrap(),
        )),
        office,
        config: Arc::new(config),
        board,
        bus: bus.clone(),
        sync_now: Arc::default(),
        frames: Arc::default(),
        uploader,
        recorder: records.recorder,
        clock,
        updating: UnderWay::default(),
        account: Arc::default(),
        settings: None,
        ask_updates: Arc::default(),
        keeper: None,
        importing: Turns::default(),
        card: None,
    };
    (hands, ledger)
}

#[tokio::test]
async fn refused_rows_are_retried_or_dismissed() {
    let folder = tempfile::tempdir().unwrap();
    let (hands, ledger) =
        hands(folder.path(), &["2110001", "2110002", "2110003"], &Bus::default(), Arc::default());
    let refused = ledger.needs_person();
    assert_eq!(refused.len(), 3);
    let dismiss = Action::DismissRow(refused[1].id.to_string());
    assert!(hands.perform(dismiss.clone()).await.unwrap().message.contains("dismissed"));
    assert!(hands.perform(dismiss).await.is_err(), "it is on the list no more");
    let done = hands.perform(Action::RetryAllRows).await.unwrap();
    assert_eq!(done.message, "2 rows will be sent again");
    assert_eq!((ledger.needs_person().len(), ledger.open_count()), (0, 2));
    assert!(hands.perform(Action::RetryAllRows).await.is_err());
}

#[tokio::test]
async fn only_a_doubted_clock_can_be_confirmed() {
    let folder = tempfile::tempdir().unwrap();
    let (mut hands, _) = hands(folder.path(), &[], &Bus::default(), Arc::default());
    let start = time::macros::datetime!(2026-11-23 08:00:00 UTC);
    let wall = Arc::new(ManualClock::at(start, "boot-1"));
    hands.clock = Arc::new(CheckedClock::new(Arc::clone(&wall) as Arc<dyn Clock>));
    assert!(hands.clock.now().trusted && hands.perform(Action::ConfirmTime).await.is_err());
    wall.set(start + time::Duration::days(2), true);
    assert!(!hands.clock.now().trusted);
    assert!(hands.perform(Action::ConfirmTime).await.is_ok());
    assert!(hands.clock.now().trusted);
}

#[tokio::test(start_paused = true)]
async fn restart_is_reported_only_when_pictures_come() {
    let folder = tempfile::tempdir().unwrap();
    let bus = Bus::default();
    let mut supervisor = Supervisor::new(bus.clone());
    let (hands, _) = hands(folder.path(), &[], &bus, supervisor.board());
    let fault = Arc::new(Mutex::new(None));
    let (frames, broken) = (Arc::clone(&hands.frames), Arc::clone(&fault));
    for name in [CAMERA, RECOGNITION] {
        let (frames, broken) = (Arc::clone(&frames), Arc::clone(&broken));
        supervisor.start(name, move |stop| {
            let (frames, broken) = (Arc::clone(&frames), Arc::clone(&broken));
            async move {
                let broken: Option<&str> = *broken.lock().unwrap();
                match broken {
                    Some("hangs") => {}
                    Some(reason) => return Err(Failure::restart(reason)),
                    None => frames.publish(Snapshot::default()),
                }
                stop.cancelled().await;
                Ok(())
            }
        });
    }
    tokio::time::sleep(Duration::from_secs(1)).await;
    let restart = || hands.perform(Action::RestartRecognition);
    assert!(restart().await.unwrap().message.contains("pictures come"));
    *fault.lock().unwrap() = Some("no camera is connected; check its cable");
    let refused = restart().await.unwrap_err();
    assert!(refused.details.contains("recognition is restarting: no camera is connected"), "{refused:?}");
    *fault.lock().unwrap() = Some("hangs");
    let refused = restart().await.unwrap_err();
    assert!(refused.message.contains("no picture has come") && refused.details.is_empty(), "{refused:?}");
    supervisor.stop(Duration::from_secs(10)).await;
}
