#![allow(clippy::unwrap_used)]
use proptest::prelude::*;
use time::macros::date;

use super::*;
use base::identity::RollNumber;
use base::secret::Secret;

const DAY: Date = date!(2026 - 11 - 30);
const DEVICE: Device = Device([3; 8]);

fn keys(site: &str, key: &str) -> Keys {
    Keys::new(site, &Secret::new(key))
}

fn ours() -> Keys {
    keys("school", "0123456789abcdef0123456789abcdef")
}

fn seen() -> Seen {
    let student = ours().student(&RollNumber::parse("2110001").unwrap());
    let entry = Entry {
        sequence: 7,
        door: "Main gate".into(),
        direction: Direction::Both,
        visits: vec![Visit { begins: 1_000, ends: 1_060 }, Visit { begins: 2_000, ends: 2_001 }],
        voids: vec![Void { door: "Side".into(), from: 1, to: 2 }],
        newest: Some(NewestRow { at: 1_000, out: false }),
        delivered: Delivered { arrival: Some(1_000), departure: None },
        fixed: Vec::new(),
    };
    Seen { day: DAY, device: DEVICE, student, sent_at: 2_002, entry }
}

fn place() -> (Date, Device, Student) {
    (DAY, DEVICE, seen().student)
}

#[test]
fn a_message_comes_back_as_it_was_and_names_nobody() {
    let bytes = encode(&seen(), &ours());
    assert_eq!(decode(&bytes, place(), &ours()), Ok(seen()));
    assert!(bytes.len() < 200, "{} bytes", bytes.len());
    assert!(!bytes.windows(7).any(|window| window == b"2110001"));
}

#[test]
fn an_entry_with_rows_by_hand_has_a_layout_of_its_own() {
    let mut by_hand = seen();
    by_hand.entry.fixed = vec![Fixed { out: false, at: 900 }, Fixed { out: true, at: 5_000 }];
    let bytes = encode(&by_hand, &ours());
    assert_eq!((bytes[0], encode(&seen(), &ours())[0]), (2, 1), "an earlier program reads the other one");
    assert_eq!(decode(&bytes, place(), &ours()), Ok(by_hand));
}

#[test]
fn the_largest_message_is_within_the_limit() {
    let mut largest = seen();
    largest.entry.door = "ä".repeat(100).as_str().into();
    largest.entry.voids = vec![Void { door: "x".repeat(99).as_str().into(), from: 0, to: 0 }; 9];
    largest.entry.fixed = vec![Fixed { out: true, at: 5 }; 9];
    largest.entry.delivered = Delivered { arrival: Some(1), departure: Some(2) };
    let bytes = encode(&largest, &ours());
    assert!(bytes.len() <= MAX_BYTES / 2 + 200, "{} bytes", bytes.len());
    let read = decode(&bytes, place(), &ours()).unwrap();
    assert_eq!((read.entry.door.len(), read.entry.voids.len()), (MAX_DOOR, MOST_VOIDS));
}

#[test]
fn messages_of_another_school_and_of_another_key_are_foreign() {
    let bytes = encode(&seen(), &ours());
    for other in [keys("other", "0123456789abcdef0123456789abcdef"), keys("school", "another key")] {
        assert_eq!(decode(&bytes, place(), &other), Err(Refusal::Foreign));
    }
}

#[test]
fn a_message_that_was_moved_to_another_topic_is_refused() {
    let bytes = encode(&seen(), &ours());
    let (day, device, student) = place();
    for place in [
        (day.next_day().unwrap(), device, student),
        (day, Device([4; 8]), student),
        (day, device, Student([0; 16])),
    ] {
        assert_eq!(decode(&bytes, place, &ours()), Err(Refusal::Misplaced));
    }
    assert_eq!(decode_beacon(&bytes, DEVICE, &ours()), Err(Refusal::Misplaced));
}

#[test]
fn other_versions_text_and_large_messages_are_told_apart() {
    let mut newer = encode(&seen(), &ours());
    newer[0] = 3;
    assert_eq!(decode(&newer, place(), &ours()), Err(Refusal::Version(3)));
    let text = b"{\"hello\": \"this is the message of another program\"}";
    assert_eq!(decode(text, place(), &ours()), Err(Refusal::Garbage));
    assert_eq!(decode(b"", place(), &ours()), Err(Refusal::Garbage));
    assert_eq!(decode(&vec![1; 1_000_000], place(), &ours()), Err(Refusal::TooLarge));
}

#[test]
fn a_beacon_comes_back_as_it_was() {
    let beacon =
        Beacon { device: DEVICE, door: "Main gate".into(), sequence: 1, sent_at: 5, version: "0.1.0".into() };
    let bytes = encode_beacon(&beacon, &ours());
    assert_eq!(decode_beacon(&bytes, DEVICE, &ours()), Ok(beacon));
    assert_eq!(decode_beacon(&bytes, Device([9; 8]), &ours()), Err(Refusal::Misplaced));
}

#[test]
fn an_erasure_comes_back_as_it_was_and_cannot_be_moved_or_turned_into_its_lifting() {
    let asked = Told { id: Device([5; 8]), student: seen().student, at: 7, lifted: false };
    let bytes = encode_erasure(&asked, &ours());
    assert_eq!(decode_erasure(&bytes, asked.id, false, &ours()), Ok(asked));
    assert_eq!(decode_erasure(&bytes, asked.id, true, &ours()), Err(Refusal::Misplaced));
    assert_eq!(decode_erasure(&bytes, Device([6; 8]), false, &ours()), Err(Refusal::Misplaced));
    let lifted = Told { lifted: true, ..asked };
    assert_eq!(decode_erasure(&encode_erasure(&lifted, &ours()), asked.id, true, &ours()), Ok(lifted));
    let foreign = encode_erasure(&asked, &keys("school", "another key"));
    assert_eq!(decode_erasure(&foreign, asked.id, false, &ours()), Err(Refusal::Foreign));
}

proptest! {
    #[test]
    fn one_changed_bit_is_noticed(at in any::<prop::sample::Index>(), bit in 0u8..8) {
        let mut bytes = encode(&seen(), &ours());
        let at = at.index(bytes.len());
        bytes[at] ^= 1 << bit;
        prop_assert!(decode(&bytes, place(), &ours()).is_err());
    }

    #[test]
    fn any_bytes_are_refused_without_a_panic(bytes in prop::collection::vec(any::<u8>(), 0..300)) {
        prop_assert!(decode(&bytes, place(), &ours()).is_err());
        // The same with a right code: what holds the key may still be another version of the program.
        for version in [VERSION, WITH_FIXED] {
            let mut content = vec![version, KIND_ENTRY];
            content.extend_from_slice(&bytes);
            let _ = decode(&ours().close(content), place(), &ours());
        }
    }
}
