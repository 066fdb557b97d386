//! A student is erased at one door, and at all others.

use std::sync::atomic::Ordering;
use std::time::Duration;

use base::secret::Secret;
use site::keys::Keys;
use site::message::encode_erasure;
use site::topics::Topics;

use super::broker::{Broker, available};
use super::door::{Disk, KEY, Running, clock, config, eventually, roll};

/// The retained messages of the book about this student.
fn kept(broker: &Broker, number: u32) -> usize {
    let student = Keys::new("school", &Secret::new(KEY)).student(&roll(number)).to_string();
    let seen = broker.listen("attendance/school/book/#", 1);
    seen.iter().filter(|(topic, payload)| topic.ends_with(&student) && !payload.is_empty()).count()
}

#[tokio::test(flavor = "multi_thread")]
async fn an_erasure_reaches_every_door_also_one_that_was_off_and_empties_the_broker() {
    if !available() {
        return;
    }
    let mut broker = Broker::open();
    let disks = [(); 3].map(|()| Disk::new(3));
    let names = ["Main gate", "Side", "Yard"];
    let start = |n: usize, url: &str| Running::start(names[n], n as u8 + 1, &disks[n], config(url));
    let mut doors: Vec<Running> = (0..3).map(|n| start(n, &broker.url())).collect();
    for door in &doors {
        door.wait_connected().await;
    }
    let now = clock();
    doors.iter().zip(1..).for_each(|(door, n)| door.visit(1, now - 900 * n, now - 900 * n + 5));
    doors[0].visit(2, now - 900, now - 890);
    eventually("the broker has all", || kept(&broker, 1) == 3 && kept(&broker, 2) == 1).await;
    doors.remove(2).stop().await;

    let id = disks[0].erasures().ask(&roll(1), "anna (office)", clock()).unwrap();
    eventually("the other door was told", || disks[1].erases.load(Ordering::Relaxed) == 1).await;
    for _ in 0..2 {
        doors.remove(0).die().await;
    }
    for (n, disk) in disks.iter().enumerate().take(2) {
        disk.remove_erased();
        doors.push(start(n, &broker.url()));
    }
    eventually("the broker has nothing of the student left", || kept(&broker, 1) == 0).await;
    assert_eq!(kept(&broker, 2), 1, "nobody else is touched");

    // A broker that lost everything learns it again from the doors, and tells the one that was off.
    broker.kill();
    broker.forget();
    broker.start();
    eventually("the erasure is there again", || {
        broker
            .listen("attendance/school/erased/#", 1)
            .iter()
            .any(|(topic, _)| topic.ends_with(&id.to_string()))
    })
    .await;
    doors.push(start(2, &broker.url()));
    eventually("the door that was off was told", || disks[2].erases.load(Ordering::Relaxed) == 1).await;
    assert!(disks[2].erasures().to_do().unwrap().holds(&roll(1)));
    doors.pop().unwrap().die().await;
    disks[2].remove_erased();
    doors.push(start(2, &broker.url()));
    eventually("nothing of the student is left", || kept(&broker, 1) == 0).await;
    let (day, student) = (disks[0].day(), roll(1));
    assert!(doors.iter().all(|door| door.shared.school().account(day, &student).arrival.is_none()));

    disks[1].erasures().lift(&id.to_string()).unwrap();
    let lifted = || disks.iter().all(|disk| !disk.erasures().is_erased(&roll(1)));
    eventually("every door knows that it is lifted", lifted).await;
    // Restarted, no door goes back to it.
    doors.remove(0).stop().await;
    doors.push(start(0, &broker.url()));
    doors.last().unwrap().wait_connected().await;
    tokio::time::sleep(Duration::from_millis(700)).await;
    assert!(lifted());
}

#[tokio::test(flavor = "multi_thread")]
async fn who_has_no_key_erases_nobody() {
    if !available() {
        return;
    }
    let broker = Broker::open();
    let disk = Disk::new(3);
    let door = Running::start("Main gate", 1, &disk, config(&broker.url()));
    door.wait_connected().await;
    let told = {
        let other = Disk::new(3);
        other.erasures().ask(&roll(1), "", clock()).unwrap();
        other.erasures().told()[0]
    };
    let topics = Topics::new("school");
    let foreign =
        encode_erasure(&told, &Keys::new("school", &Secret::new("another key of 32 characters ...")));
    for (messages, forged) in [(1, foreign.as_slice()), (2, b"erase them all")] {
        broker.publish(&topics.erasure(&told), forged, true);
        eventually("it was refused", || door.shared.numbers(clock()).refused >= messages).await;
    }
    assert_eq!((disk.erases.load(Ordering::Relaxed), disk.erasures().list().len()), (0, 0));
}
