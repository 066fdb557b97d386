//! A broker that is gone or hostile, and doors that are wrong: each says what to do, and no row changes.

use std::path::Path;
use std::sync::atomic::Ordering;
use std::time::Duration;

use base::secret::Secret;
use rcgen::{BasicConstraints, CertificateParams, DnType, IsCa, Issuer, KeyPair};
use site::config::Mqtt;
use site::worker::Numbers;

use super::broker::{Broker, available, free_port, write_users};
use super::door::{Disk, Running, clock, config, eventually};

async fn said(door: &Running, what: &str, advice: &str) {
    let mut last = String::new();
    for _ in 0..1_000 {
        let faults = door.faults();
        if faults.contains(what) && faults.contains(advice) {
            return;
        }
        if faults != last {
            eprintln!("said so far: {faults}");
            last = faults;
        }
        pause(20).await;
    }
    assert!(last.contains(what) && last.contains(advice), "{what:?} and {advice:?} are not said: {last}");
}

async fn pause(millis: u64) {
    tokio::time::sleep(Duration::from_millis(millis)).await;
}

fn numbers(door: &Running) -> Numbers {
    door.shared.numbers(clock())
}

#[tokio::test(flavor = "multi_thread")]
async fn the_broker_is_gone_and_comes_back() {
    if !available() {
        return;
    }
    let gone = format!("mqtt://127.0.0.1:{}", free_port());
    let alone = Running::start("Main gate", 1, &Disk::new(3), config(&gone));
    said(&alone, "does not answer", "goes on alone and loses nothing").await;
    let now = clock();
    alone.visit(1, now - 90, now - 80);
    alone.visit(1, now - 9, now - 8);
    eventually("the door knows its own", || alone.times(1) == (Some(now - 90), Some(now - 8))).await;

    let mut broker = Broker::open();
    let door = Running::start("Side", 2, &Disk::new(3), config(&broker.url()));
    door.wait_connected().await;
    broker.stop();
    said(&door, "does not answer", "mqtt.url").await;
    broker.start();
    door.wait_connected().await;
    assert_eq!(door.faults(), "");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_wrong_password_is_told_apart() {
    if !available() {
        return;
    }
    let broker = Broker::with("allow_anonymous false\npassword_file {folder}/users\n", |folder| {
        write_users(&folder.join("users"), "door", "right");
    });
    let with = |password: &str| Mqtt {
        user: Some("door".to_owned()),
        password: Some(Secret::new(password)),
        ..config(&broker.url())
    };
    let right = Running::start("Main gate", 1, &Disk::new(3), with("right"));
    right.wait_connected().await;
    let wrong = Running::start("Side", 2, &Disk::new(3), with("wr0ng"));
    said(&wrong, "refuses this door's user or password", "mqtt.password").await;
    assert!(!wrong.faults().contains("wr0ng"));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_broker_that_lets_a_door_publish_nothing_is_told() {
    if !available() {
        return;
    }
    let broker = Broker::with("allow_anonymous true\nacl_file {folder}/acl\n", |folder| {
        std::fs::write(folder.join("acl"), "topic read attendance/#\n").unwrap();
    });
    let door = Running::start("Main gate", 1, &Disk::new(3), config(&broker.url()));
    said(&door, "does not let this door publish", "access list").await;
    // Mosquitto 2.0.11 may also close the connection. It is not made again in a tight loop.
    pause(2_000).await;
    assert!(numbers(&door).sessions < 20, "{} connections", numbers(&door).sessions);
}

/// An authority, and what it signed for `names`: certificate and key.
fn write_certificates(folder: &Path, names: &[&str]) {
    let key = KeyPair::generate().unwrap();
    let mut params = CertificateParams::new(Vec::new()).unwrap();
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    params.distinguished_name.push(DnType::CommonName, "Authority of a school");
    let authority = params.self_signed(&key).unwrap();
    std::fs::write(folder.join("ca.pem"), authority.pem()).unwrap();
    let issuer = Issuer::new(params, key);
    for name in names {
        let key = KeyPair::generate().unwrap();
        let mut params = CertificateParams::new(vec![(*name).to_owned()]).unwrap();
        params.distinguished_name.push(DnType::CommonName, *name);
        let signed = params.signed_by(&key, &issuer).unwrap();
        std::fs::write(folder.join(format!("{name}.pem")), signed.pem()).unwrap();
        std::fs::write(folder.join(format!("{name}.key")), key.serialize_pem()).unwrap();
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn wrong_certificates_are_told_apart() {
    if !available() {
        return;
    }
    let (ours, other) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    write_certificates(ours.path(), &["localhost", "door"]);
    write_certificates(other.path(), &["door"]);
    let at = |name: &str| ours.path().join(name).display().to_string();
    let lines = format!(
        "allow_anonymous true\ncafile {}\ncertfile {}\nkeyfile {}\n",
        at("ca.pem"),
        at("localhost.pem"),
        at("localhost.key")
    );
    let broker = Broker::with(&lines, |_| {});
    let asking = Broker::with(&format!("{lines}require_certificate true\n"), |_| {});
    let url = |broker: &Broker| format!("mqtts://localhost:{}", broker.port);
    let trusting = |broker: &Broker, folder: &Path| Mqtt {
        ca_file: Some(folder.join("ca.pem")),
        allow_plain: false,
        ..config(&url(broker))
    };
    let with_own = |folder: &Path| Mqtt {
        certificate_file: Some(folder.join("door.pem")),
        key_file: Some(folder.join("door.key")),
        ..trusting(&asking, ours.path())
    };
    let start =
        |number: u8, config: Mqtt| Running::start(&format!("Door {number}"), number, &Disk::new(1), config);

    let right = start(1, trusting(&broker, ours.path()));
    right.wait_connected().await;
    let own = start(2, with_own(ours.path()));
    own.wait_connected().await;

    let wrong = start(3, trusting(&broker, other.path()));
    said(&wrong, "certificate of the broker", "mqtt.ca_file").await;
    let by_address = Mqtt {
        url: Some(site::config::BrokerUrl::parse(&format!("mqtts://127.0.0.1:{}", broker.port)).unwrap()),
        ..trusting(&broker, ours.path())
    };
    said(&start(4, by_address), "certificate of the broker", "host name").await;
    said(&start(5, trusting(&asking, ours.path())), "this door's certificate", "mqtt.certificate_file").await;
    said(&start(6, with_own(other.path())), "this door's certificate", "mqtt.key_file").await;
    let plain = Broker::open();
    said(&start(7, trusting(&plain, ours.path())), "not an MQTT 5 broker", "mqtts://").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn garbage_and_a_message_of_1_mb_neither_change_a_row_nor_loop_the_connection() {
    if !available() {
        return;
    }
    let broker = Broker::open();
    let disk = Disk::new(3);
    let a = Running::start("Main gate", 1, &disk, config(&broker.url()));
    a.wait_connected().await;
    let now = clock();
    a.visit(1, now - 90, now - 80);
    eventually("it is published", || numbers(&a).published > 3).await;
    pause(300).await;
    let (topic, payload) = broker.listen("attendance/school/book/#", 1).remove(0);
    let of = |device: &str| topic.replace("0101010101010101", device);
    broker.publish(&of("0900000000000001"), &vec![b'x'; 1_000_000], true);
    broker.publish(&of("0900000000000002"), b"{\"text\": true}", true);
    broker.publish(&of("0900000000000003"), &payload[..payload.len() / 2], true);
    broker.publish(&of("0900000000000004"), &payload, true);
    broker.publish("attendance/school/device/0900000000000005/beacon", &[0; 3_000], true);
    let b = Running::start("Side", 2, &Disk::new(3), config(&broker.url()));
    eventually("the right message is taken", || b.times(1).0 == Some(now - 90)).await;
    for door in [&a, &b] {
        said(door, "none of this program", "delete such retained messages").await;
    }
    pause(1_000).await;
    for door in [&a, &b] {
        assert_eq!(numbers(door).sessions, 1, "the connection stood all the time");
        assert_eq!(door.times(1), (Some(now - 90), None));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn messages_of_another_school_and_of_other_versions_are_refused() {
    if !available() {
        return;
    }
    let broker = Broker::open();
    let ours = Running::start("Main gate", 1, &Disk::new(3), config(&broker.url()));
    let foreign = Mqtt { site_key: Some(Secret::new("x".repeat(40))), ..config(&broker.url()) };
    let theirs = Running::start("Other gate", 2, &Disk::new(3), foreign);
    ours.wait_connected().await;
    theirs.wait_connected().await;
    let now = clock();
    ours.visit(1, now - 90, now - 80);
    theirs.visit(1, now - 900, now - 5);
    for door in [&ours, &theirs] {
        said(door, "not made with this school's key", "mqtt.site_key").await;
    }
    eventually("the door knows its own", || ours.times(1) == (Some(now - 90), None)).await;

    pause(300).await;
    let (topic, mut payload) = broker.listen("attendance/school/book/#", 1).remove(0);
    payload[0] = 3;
    broker.publish(&topic, &payload, false);
    said(&ours, "newer version", "update this door").await;
    assert_eq!(ours.times(1), (Some(now - 90), None));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_door_whose_clock_is_wrong_by_a_day_changes_no_row_and_is_named() {
    if !available() {
        return;
    }
    for days in [-1, 1] {
        let broker = Broker::open();
        let right = Running::start("Main gate", 1, &Disk::new(3), config(&broker.url()));
        let disk = Disk::new(3);
        disk.ahead.store(days * 86_400, Ordering::Relaxed);
        right.wait_connected().await;
        let wrong = Running::start("Side", 2, &disk, config(&broker.url()));
        wrong.wait_connected().await;
        let now = clock();
        right.visit(1, now - 90, now - 80);
        let difference = if days < 0 { "24 hours behind" } else { "24 hours ahead" };
        said(&right, &format!("the clock of the door \"Side\" is {difference}"), "time server").await;
        wrong.visit(1, now + days * 86_400 - 9, now + days * 86_400 - 8);
        eventually("the visit is refused", || numbers(&right).refused > 0 || days > 0).await;
        pause(500).await;
        assert_eq!(right.times(1), (Some(now - 90), None));
        assert!(right.disk.taken.lock().unwrap().is_empty());
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn two_doors_with_one_name_keep_right_rows_and_are_told() {
    if !available() {
        return;
    }
    let broker = Broker::open();
    let [a, b] =
        [1, 2].map(|number| Running::start("Main gate", number, &Disk::new(3), config(&broker.url())));
    a.wait_connected().await;
    b.wait_connected().await;
    let now = clock();
    a.visit(1, now - 900, now - 890);
    b.visit(1, now - 90, now - 80);
    for door in [&a, &b] {
        said(door, "with the same name, \"Main gate\"", "site.name").await;
        eventually("the rows are right", || door.times(1) == (Some(now - 900), Some(now - 80))).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_copied_card_is_told_and_does_not_fight_for_the_connection() {
    if !available() {
        return;
    }
    let broker = Broker::open();
    let original = Running::start("Main gate", 1, &Disk::new(3), config(&broker.url()));
    original.wait_connected().await;
    let _copy = Running::start("Main gate", 1, &Disk::new(3), config(&broker.url()));
    said(&original, "the identity of this one", "delete the folder mqtt").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn old_messages_that_somebody_repeats_change_nothing() {
    if !available() {
        return;
    }
    let broker = Broker::open();
    let disk = Disk::new(3);
    let a = Running::start("Main gate", 1, &disk, config(&broker.url()));
    let b = Running::start("Side", 2, &Disk::new(3), config(&broker.url()));
    a.wait_connected().await;
    b.wait_connected().await;
    let now = clock();
    a.visit(1, now - 900, now - 890);
    eventually("the first visit is known", || b.times(1).0.is_some()).await;
    pause(300).await;
    let (topic, old) = broker.listen("attendance/school/book/#", 1).remove(0);
    a.visit(1, now - 90, now - 80);
    let right = (Some(now - 900), Some(now - 80));
    eventually("the second visit is known", || b.times(1) == right).await;

    broker.publish(&topic, &old, true);
    // On another day's topic, and on the topic of another student.
    let day = disk.day();
    broker.publish(&topic.replace(&day.to_string(), &day.previous_day().unwrap().to_string()), &old, true);
    broker.publish(&topic.replace("/0101010101010101/", "/0202020202020203/"), &old, true);
    pause(800).await;
    assert_eq!(b.times(1), right);
    // The owner has put its own message back, so that a door that starts later learns the right one.
    let late = Running::start("Yard", 3, &Disk::new(3), config(&broker.url()));
    eventually("the late door knows both", || late.times(1) == right).await;
    broker.publish(&topic, b"", true);
    pause(800).await;
    assert!(broker.listen("attendance/school/book/#", 1).iter().any(|(of, _)| *of == topic));
    assert_eq!(b.times(1), right);
}
