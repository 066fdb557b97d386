//! Doors and broker are killed at random moments, fifty times; then the books have to be right.

use std::collections::BTreeMap;
use std::time::Duration;

use super::broker::{Broker, available};
use super::door::{Disk, Running, clock, config, eventually, roll};

const ROUNDS: u32 = 50;
const STUDENTS: u32 = 20;

#[tokio::test(flavor = "multi_thread")]
async fn after_fifty_rounds_of_killed_doors_and_brokers_each_day_is_right() {
    if !available() {
        return;
    }
    let seed = fastrand::u64(..);
    eprintln!("seed {seed}");
    let mut random = fastrand::Rng::with_seed(seed);
    let mut broker = Broker::open();
    let names = ["Main gate", "Side", "Yard"];
    let disks = names.map(|_| Disk::new(STUDENTS));
    let start = |number: usize, url: &str| {
        Running::start(names[number], number as u8 + 1, &disks[number], config(url))
    };
    let mut doors: Vec<Running> = (0..3).map(|number| start(number, &broker.url())).collect();
    let began = clock();
    let mut oracle: BTreeMap<u32, Vec<(i64, i64)>> = BTreeMap::new();
    for round in 0..ROUNDS {
        for _ in 0..random.u32(1..8) {
            let (student, door) = (random.u32(0..STUDENTS), random.usize(0..3));
            // Each at a time of its own, and not in order: a door may have been alone for long.
            let begins = began - 20_000 + random.i64(0..19_000);
            let ends = begins + random.i64(0..300);
            doors[door].visit(student, begins, ends);
            oracle.entry(student).or_default().push((begins, ends));
        }
        tokio::time::sleep(Duration::from_millis(random.u64(0..150))).await;
        match random.u32(0..3) {
            0 => broker.kill(),
            1 => {
                let number = random.usize(0..3);
                let killed = doors.remove(number);
                killed.die().await;
                doors.insert(number, start(number, &broker.url()));
            }
            _ => {
                broker.kill();
                let number = random.usize(0..3);
                doors.remove(number).die().await;
                doors.insert(number, start(number, &broker.url()));
            }
        }
        tokio::time::sleep(Duration::from_millis(random.u64(0..100))).await;
        broker.kill();
        broker.start();
        assert!(clock() - began < 300, "round {round} of seed {seed}");
    }
    for (number, door) in doors.iter().enumerate() {
        eventually(&format!("door {number} knows all, seed {seed}"), || {
            oracle.iter().all(|(student, visits)| door.times(*student) == expected(visits))
        })
        .await;
    }
    let day = doors[0].disk.day();
    for (student, visits) in &oracle {
        let delivering =
            doors.iter().filter(|door| door.shared.delivers_departure(day, &roll(*student), clock())).count();
        assert_eq!(delivering, usize::from(expected(visits).1.is_some()), "student {student}, seed {seed}");
    }
}

fn expected(visits: &[(i64, i64)]) -> (Option<i64>, Option<i64>) {
    let first = visits.iter().map(|(begins, _)| *begins).min();
    let last = visits.iter().map(|(_, ends)| *ends).max();
    (first, last.filter(|_| visits.len() > 1))
}
