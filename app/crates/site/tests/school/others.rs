//! What Home Assistant, Node-RED and other programs see.

use base::identity::RollNumber;
use site::config::Mqtt;
use site::home_assistant::{Command, Happening};

use super::broker::{Broker, available};
use super::door::{Disk, Running, clock, config, eventually};

#[tokio::test(flavor = "multi_thread")]
async fn discovery_and_state_are_there_and_the_last_will_comes_when_a_door_dies() {
    if !available() {
        return;
    }
    let broker = Broker::open();
    let door = Running::start("Main gate", 1, &Disk::new(3), config(&broker.url()));
    door.wait_connected().await;
    let (device, _) = (door.device, door.visit(1, super::door::clock() - 9, super::door::clock() - 8));
    tokio::time::sleep(std::time::Duration::from_millis(500)).await;
    let seen = broker.listen("#", 1);
    let of =
        |end: &str| seen.iter().find(|(topic, _)| topic.ends_with(end)).map(|(_, payload)| payload.clone());
    let found: serde_json::Value =
        serde_json::from_slice(&of(&format!("homeassistant/device/attendance_{device}/config")).unwrap())
            .unwrap();
    assert_eq!(found["dev"]["name"], "Main gate");
    assert_eq!(found["cmps"]["problem"]["p"], "binary_sensor");
    let state: serde_json::Value = serde_json::from_slice(&of("/state").unwrap()).unwrap();
    assert_eq!(state["students"], 3);
    assert_eq!(of("/availability").unwrap(), b"online");
    for (topic, payload) in &seen {
        assert!(!topic.contains("2100001") && !payload.windows(7).any(|part| part == b"2100001"), "{topic}");
    }
    door.die().await;
    eventually("the last will has come", || {
        let topic = format!("attendance/school/device/{device}/availability");
        broker.listen(&topic, 1).iter().any(|(_, payload)| payload == b"offline")
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn doors_and_discovery_work_without_ipv4() {
    if !available() {
        return;
    }
    let port = super::broker::free_port();
    let broker = Broker::with(&format!("allow_anonymous true\nlistener {port} ::1\n"), |_| {});
    let by_ipv6 = format!("mqtt://[::1]:{port}");
    let [a, b] = [("Main gate", 1), ("Side", 2)]
        .map(|(name, number)| Running::start(name, number, &Disk::new(3), config(&by_ipv6)));
    a.wait_connected().await;
    b.wait_connected().await;
    a.visit(1, clock() - 60, clock() - 50);
    eventually("the other door knows it", || b.times(1).0.is_some()).await;
    drop(broker);
    b.stop().await;
    a.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_door_that_stops_says_so_itself() {
    if !available() {
        return;
    }
    let broker = Broker::open();
    let door = Running::start("Main gate", 1, &Disk::new(3), config(&broker.url()));
    door.wait_connected().await;
    tokio::time::sleep(std::time::Duration::from_millis(300)).await;
    door.stop().await;
    let kept = broker.listen("attendance/school/device/+/availability", 1);
    assert_eq!(kept[0].1, b"offline");
}

#[tokio::test(flavor = "multi_thread")]
async fn events_name_students_only_where_rows_are_allowed() {
    if !available() {
        return;
    }
    for rows in [false, true] {
        let broker = Broker::open();
        let config = Mqtt { rows, ..config(&broker.url()) };
        let door = Running::start("Main gate", 1, &Disk::new(3), config);
        door.wait_connected().await;
        let heard = std::thread::scope(|scope| {
            let listening = scope.spawn(|| broker.listen("attendance/school/device/+/event", 2));
            std::thread::sleep(std::time::Duration::from_millis(700));
            let happening = Happening::Recorded {
                roll: RollNumber::parse("2100001").unwrap(),
                status: "IN".to_owned(),
                at: "2026-11-30 07:51:42".to_owned(),
            };
            door.happenings.send(happening).unwrap();
            listening.join().unwrap()
        });
        let text = String::from_utf8(heard[0].1.clone()).unwrap();
        assert!(text.contains("\"status\":\"IN\"") && text.contains("recorded"), "{text}");
        assert_eq!(text.contains("2100001"), rows, "{text}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn commands_are_taken_only_where_they_are_allowed_and_once_a_minute() {
    if !available() {
        return;
    }
    let broker = Broker::open();
    let command = |number: u8, name: &str| format!("attendance/school/device/{}/command/{name}", hex(number));
    broker.publish(&command(2, "restart"), b"PRESS", true);
    let closed = Running::start("Main gate", 1, &Disk::new(3), config(&broker.url()));
    let open = Running::start("Side", 2, &Disk::new(3), Mqtt { commands: true, ..config(&broker.url()) });
    closed.wait_connected().await;
    open.wait_connected().await;
    tokio::time::sleep(std::time::Duration::from_millis(300)).await;
    for number in [1, 2, 2] {
        broker.publish(&command(number, "sync"), b"PRESS", false);
    }
    broker.publish(&command(2, "format"), b"PRESS", false);
    eventually("the command has come", || !open.disk.performed.lock().unwrap().is_empty()).await;
    tokio::time::sleep(std::time::Duration::from_millis(500)).await;
    assert_eq!(*open.disk.performed.lock().unwrap(), [Command::Sync]);
    assert!(closed.disk.performed.lock().unwrap().is_empty());
}

fn hex(number: u8) -> String {
    format!("{number:02x}").repeat(8)
}
