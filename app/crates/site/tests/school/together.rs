//! Doors that share a day, apart and together again.

use site::book::Void;

use super::broker::{Broker, available};
use super::door::{Disk, Running, clock, config, eventually, roll};
use super::proxy::Proxy;

#[tokio::test(flavor = "multi_thread")]
async fn in_at_one_door_and_out_by_the_other() {
    if !available() {
        return;
    }
    let broker = Broker::open();
    let [a, b] = [("Main gate", 1), ("Side", 2)]
        .map(|(name, number)| Running::start(name, number, &Disk::new(3), config(&broker.url())));
    a.wait_connected().await;
    b.wait_connected().await;
    let now = clock();
    a.visit(1, now - 5_000, now - 4_990);
    b.visit(1, now - 60, now - 50);
    b.visit(2, now - 40, now - 40);
    let expected = [(1, (Some(now - 5_000), Some(now - 50))), (2, (Some(now - 40), None))];
    for door in [&a, &b] {
        eventually("both doors know the same", || expected.iter().all(|(n, times)| door.times(*n) == *times))
            .await;
    }
    eventually("the journal of the first door was told", || {
        let taken = a.disk.taken.lock().unwrap();
        taken.get(&(a.disk.day(), roll(1))).is_some_and(|student| &*student.visits[0].door == "Side")
    })
    .await;
    let day = a.disk.day();
    assert!(b.shared.delivers_departure(day, &roll(1), clock()));
    assert!(!a.shared.delivers_departure(day, &roll(1), clock()), "{}", a.faults());
    assert_eq!(a.faults(), "");
    b.stop().await;
    a.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn after_a_partition_in_the_middle_of_the_day_the_books_agree() {
    if !available() {
        return;
    }
    let broker = Broker::open();
    let network = Proxy::to(broker.port).await;
    let a = Running::start("Main gate", 1, &Disk::new(50), config(&broker.url()));
    let b = Running::start("Side", 2, &Disk::new(50), config(&network.url()));
    b.wait_connected().await;
    a.wait_connected().await;
    let now = clock();
    (0..50).for_each(|number| a.visit(number, now - 9_000, now - 8_990));
    eventually("the morning is known", || (0..50).all(|number| b.times(number).0.is_some())).await;
    network.cut(true);
    eventually("the door says that it is alone", || b.faults().contains("goes on alone")).await;
    (0..50).for_each(|number| {
        a.visit(number, now - 5_000, now - 4_000);
        b.visit(number, now - 100, now - 90);
    });
    tokio::time::sleep(std::time::Duration::from_millis(300)).await;
    assert_eq!(a.times(7).1, Some(now - 4_000), "each door knows its own part meanwhile");
    network.cut(false);
    for door in [&a, &b] {
        eventually("the books agree", || {
            (0..50).all(|number| door.times(number) == (Some(now - 9_000), Some(now - 90)))
        })
        .await;
    }
    assert_eq!(b.faults(), "");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_door_that_starts_late_learns_the_day_from_the_broker() {
    if !available() {
        return;
    }
    let broker = Broker::open();
    let a = Running::start("Main gate", 1, &Disk::new(3), config(&broker.url()));
    a.wait_connected().await;
    let now = clock();
    a.visit(1, now - 900, now - 890);
    eventually("it is published", || broker_has(&broker, "book")).await;
    a.die().await;
    let disk = Disk::new(1);
    let b = Running::start("Side", 2, &disk, config(&broker.url()));
    eventually("the late door knows the arrival", || b.times(1).0 == Some(now - 900)).await;
    assert!(disk.taken.lock().unwrap().is_empty(), "nobody stands behind this hash yet");
    disk.enrol(3);
    eventually("it is handed on when the roster has the student", || !disk.taken.lock().unwrap().is_empty())
        .await;
}

fn broker_has(broker: &Broker, what: &str) -> bool {
    broker.listen("attendance/#", 1).iter().any(|(topic, _)| topic.contains(what))
}

#[tokio::test(flavor = "multi_thread")]
async fn a_void_at_one_door_removes_what_the_other_saw() {
    if !available() {
        return;
    }
    let broker = Broker::open();
    let a = Running::start("Main gate", 1, &Disk::new(3), config(&broker.url()));
    let b = Running::start("Side", 2, &Disk::new(3), config(&broker.url()));
    a.wait_connected().await;
    b.wait_connected().await;
    let now = clock();
    for at in [now - 900, now - 500, now - 90] {
        b.visit(1, at, at + 5);
    }
    eventually("all is known", || a.times(1) == (Some(now - 900), Some(now - 85))).await;
    a.disk.void(&a.changes, 1, Void { door: "Side".into(), from: now - 91, to: now - 80 });
    // The second visit was in no message until the third one was void.
    for door in [&a, &b] {
        eventually("the void counts", || door.times(1) == (Some(now - 900), Some(now - 495))).await;
    }
}
