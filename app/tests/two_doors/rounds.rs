//! A day at two doors, with kills at random moments: the student has one IN and one OUT, the right ones.

use std::time::{Duration, Instant};

use time::{OffsetDateTime, PrimitiveDateTime, UtcOffset};
use tokio::net::TcpListener;

use crate::broker::{Broker, available};
use crate::door::{Demo, Door, Film, MINIMUM_GAP, Servers};
use crate::proxy::Proxy;
use crate::site::Site;

const KEY: &str = "k3y";
/// Kills, unless `ATTENDANCE_ROUNDS` says another number.
const ROUNDS: u64 = 4;

/// So long may a visit have gone on after its last word on the disk, when the program was killed: sightings
/// are written once a minute.
const UNCERTAIN: Duration = Duration::from_secs(60);

/// Waits until `holds`.
async fn eventually(what: &str, seconds: u64, mut holds: impl FnMut() -> bool) {
    let until = Instant::now() + Duration::from_secs(seconds);
    while !holds() {
        assert!(Instant::now() < until, "not within {seconds} seconds: {what}");
        tokio::time::sleep(Duration::from_millis(200)).await;
    }
}

async fn pause(random: &mut fastrand::Rng, most_ms: u64) {
    tokio::time::sleep(Duration::from_millis(random.u64(0..=most_ms))).await;
}

/// A time zone in which it is noon, so that no midnight comes between.
fn zone_of_noon() -> (String, UtcOffset) {
    let hours = 12 - i8::try_from(OffsetDateTime::now_utc().hour()).unwrap();
    // POSIX counts the other way.
    (format!("Etc/GMT{:+}", -hours), UtcOffset::from_hms(hours, 0, 0).unwrap())
}

/// Time as the backend has it.
fn sent(at: OffsetDateTime, offset: UtcOffset) -> String {
    let local = at.to_offset(offset);
    journal::storage::timestamp(PrimitiveDateTime::new(local.date(), local.time()))
}

#[tokio::test(flavor = "multi_thread")]
async fn in_at_one_door_and_out_by_the_other_while_doors_and_broker_are_killed() {
    let Some(demo) = Demo::find() else { return };
    if !available() {
        return;
    }
    let number = |name| std::env::var(name).ok().and_then(|text| text.parse().ok());
    let rounds = number("ATTENDANCE_ROUNDS").unwrap_or(ROUNDS);
    let seed = number("ATTENDANCE_SEED").unwrap_or_else(|| fastrand::u64(..));
    eprintln!("{rounds} rounds; ATTENDANCE_SEED={seed} makes the same choices again");
    let mut random = fastrand::Rng::with_seed(seed);
    let person = demo.person();
    let backend = Site::new(&demo.students(), KEY).unwrap();
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let webhook = format!("http://{}/attendance/webhook/", listener.local_addr().unwrap());
    tokio::spawn(std::sync::Arc::clone(&backend).serve(listener, None));
    let mut broker = Broker::open();
    let network = Proxy::to(broker.port).await;
    let (time_zone, offset) = zone_of_noon();
    let (key, site_key) = (KEY.to_owned(), "0123456789abcdef0123456789abcdef".to_owned());
    let servers = |broker| Servers {
        broker,
        webhook: webhook.clone(),
        key: key.clone(),
        site_key: site_key.clone(),
        time_zone: time_zone.clone(),
    };
    let mut doors =
        [Door::new("Main gate", servers(broker.url())), Door::new("Side door", servers(network.url()))];
    let rows = || backend.webhook.rows();

    // The morning: in at the main gate, which is killed, as the broker is.
    doors[0].start(&demo, Film::Person);
    doors[1].start(&demo, Film::Nobody);
    pause(&mut random, 4_000).await;
    broker.kill();
    doors[0].kill();
    pause(&mut random, 1_000).await;
    broker.start();
    doors[0].start(&demo, Film::Person);
    eventually("the IN is delivered", 180, || rows().contains(",in,")).await;

    // The day: whoever goes by, and whatever is killed.
    for round in 0..rounds {
        pause(&mut random, 6_000).await;
        if round == rounds / 2 {
            // A partition: the side door is alone for a while.
            network.cut(true);
            pause(&mut random, 4_000).await;
            network.cut(false);
        }
        match random.u32(0..4) {
            0 => broker.kill(),
            kill => {
                for number in (0..2).filter(|number| kill == 3 || kill == number + 1) {
                    let door = &mut doors[number as usize];
                    door.kill();
                    pause(&mut random, 500).await;
                    door.start(&demo, if random.bool() { Film::Person } else { Film::Nobody });
                }
            }
        }
        pause(&mut random, 1_000).await;
        broker.kill();
        broker.start();
    }

    // The afternoon: nobody for so long that a new visit begins, then out by the side door, and nobody again.
    for door in &mut doors {
        door.kill();
        door.start(&demo, Film::Nobody);
    }
    tokio::time::sleep(MINIMUM_GAP + UNCERTAIN + Duration::from_secs(1)).await;
    let afternoon = OffsetDateTime::now_utc();
    doors[1].kill();
    doors[1].start(&demo, Film::Person);
    let last = |door: &Door| door.visits(&person).iter().map(|(_, last)| *last).max();
    eventually("the student goes by the side door", 180, || {
        last(&doors[1]).is_some_and(|last| last > afternoon)
    })
    .await;
    pause(&mut random, 3_000).await;
    // What was seen since the last word on the disk is written at a stop.
    doors[1].stop();
    doors[1].start(&demo, Film::Nobody);
    for door in &doors {
        eventually("the doors hear each other", 240, || door.is_in_company()).await;
    }
    // Each has published its day with the beginning of its session.
    tokio::time::sleep(Duration::from_secs(5)).await;
    for door in &doors {
        let closed = door.ask("POST", "/attendance/close").unwrap();
        assert_eq!(closed["success"], true, "{closed}");
    }
    eventually("the OUT is delivered", 60, || rows().contains(",out,")).await;
    tokio::time::sleep(Duration::from_secs(3)).await;

    let visits: Vec<_> = doors.iter().flat_map(|door| door.visits(&person)).collect();
    let first = visits.iter().map(|(first, _)| *first).min().unwrap();
    let latest = visits.iter().map(|(_, last)| *last).max().unwrap();
    let expected = format!(
        "enrollment_number,status,timestamp\n{person},in,{}\n{person},out,{}\n",
        sent(first, offset),
        sent(latest, offset)
    );
    assert_eq!(rows(), expected, "seed {seed}");
}
