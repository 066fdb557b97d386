#![allow(clippy::unwrap_used)]
use proptest::prelude::*;

use super::*;

const STUDENT: Student = Student([7; 16]);

fn device(number: u8) -> Device {
    Device([number; 8])
}

fn entry(sequence: u64, door: &str, visits: &[(i64, i64)]) -> Entry {
    Entry {
        sequence,
        door: door.into(),
        direction: Direction::Both,
        visits: visits.iter().map(|(begins, ends)| Visit { begins: *begins, ends: *ends }).collect(),
        voids: Vec::new(),
        newest: None,
        delivered: Delivered::default(),
        fixed: Vec::new(),
    }
}

fn book(entries: &[(u8, Entry)]) -> Book {
    let mut book = Book::default();
    for (number, entry) in entries {
        book.take((STUDENT, device(*number)), entry.clone());
    }
    book
}

fn times(book: &Book) -> (Option<i64>, Option<i64>) {
    let account = book.account(STUDENT);
    (account.arrival.map(|seen| seen.at), account.departure.map(|seen| seen.at))
}

#[test]
fn in_at_one_door_and_out_by_the_other() {
    let both = book(&[(1, entry(1, "A", &[(100, 160)])), (2, entry(1, "B", &[(900, 930)]))]);
    assert_eq!(times(&both), (Some(100), Some(930)));
    assert_eq!(both.account(STUDENT).departure.unwrap().device, device(2));
    assert_eq!(times(&book(&[(1, entry(1, "A", &[(100, 160)]))])), (Some(100), None));
}

#[test]
fn a_later_entry_takes_back_what_a_wrong_clock_said() {
    let mut both = book(&[(1, entry(1, "A", &[(100, 160)])), (2, entry(1, "B", &[(5, 5000)]))]);
    assert_eq!(times(&both), (Some(5), Some(5000)));
    assert_eq!(both.take((STUDENT, device(2)), entry(2, "B", &[])), Taken::New);
    assert_eq!(both.take((STUDENT, device(2)), entry(1, "B", &[(5, 5000)])), Taken::Known);
    assert_eq!(times(&both), (Some(100), None));
}

#[test]
fn a_void_of_one_door_removes_a_visit_of_another() {
    let void = Void { door: "B".into(), from: 890, to: 940 };
    let author = Entry { voids: vec![void], ..entry(2, "A", &[(100, 160)]) };
    let all = book(&[(1, author), (2, entry(9, "B", &[(400, 410), (900, 930)]))]);
    assert_eq!(times(&all), (Some(100), Some(410)));
}

#[test]
fn a_row_by_hand_stands_for_all_doors_until_it_is_taken_away() {
    let visits = [(100, 160), (900, 930)];
    let hand = |sequence, fixed: &[Fixed]| Entry { fixed: fixed.to_vec(), ..entry(sequence, "A", &[]) };
    let came = Fixed { out: false, at: 50 };
    let mut both = book(&[(1, hand(1, &[came])), (2, entry(1, "B", &visits[1..]))]);
    assert_eq!(times(&both), (Some(50), Some(930)), "who came by hand leaves with the next visit");
    both.take((STUDENT, device(1)), hand(2, &[came, Fixed { out: true, at: 700 }]));
    assert_eq!(times(&both), (Some(50), Some(700)));
    both.take((STUDENT, device(1)), hand(3, &[]));
    assert_eq!(times(&both), (Some(900), None));
}

#[test]
fn a_door_that_leads_out_needs_one_visit_and_one_that_leads_in_gives_no_departure() {
    let lane = |direction, visits: &[(i64, i64)]| Entry { direction, ..entry(1, "L", visits) };
    assert_eq!(times(&book(&[(1, lane(Direction::Out, &[(5, 9)]))])), (None, Some(9)));
    assert_eq!(times(&book(&[(1, lane(Direction::In, &[(5, 9), (70, 80)]))])), (Some(5), None));
}

#[test]
fn the_door_of_the_last_sighting_delivers_and_another_where_it_is_gone() {
    let both = book(&[(1, entry(1, "A", &[(100, 160)])), (2, entry(1, "B", &[(900, 930)]))]);
    let delivers = |here: &[u8]| {
        let here: Vec<_> = here.iter().map(|number| device(*number)).collect();
        both.delivers_departure(STUDENT, &here)
    };
    assert_eq!(delivers(&[1, 2, 3]), Some(device(2)));
    assert_eq!(delivers(&[3, 1]), Some(device(1)));
    let delivered = Delivered { departure: Some(930), ..Delivered::default() };
    let sent = book(&[(2, Entry { delivered, ..entry(2, "B", &[(100, 160), (900, 930)]) })]);
    assert_eq!(sent.delivers_departure(STUDENT, &[device(1)]), None);
}

#[test]
fn the_first_and_the_last_visit_are_kept() {
    let visit = |begins, ends| Visit { begins, ends };
    let all = vec![visit(50, 60), visit(10, 20), visit(30, 40)];
    assert_eq!(first_and_last(all), [visit(10, 20), visit(50, 60)]);
    assert_eq!(first_and_last(vec![visit(1, 2)]), [visit(1, 2)]);
}

fn visits() -> impl Strategy<Value = Vec<(i64, i64)>> {
    prop::collection::vec((0i64..50, 0i64..50).prop_map(|(at, long)| (at, at + long)), 0..=2)
}

fn entries() -> impl Strategy<Value = Vec<(Key, Entry)>> {
    let door = prop_oneof![Just("A"), Just("B")];
    let void = (prop_oneof![Just("A"), Just("B")], 0i64..50, 0i64..20).prop_map(|(door, from, long)| Void {
        door: door.into(),
        from,
        to: from + long,
    });
    let fixed = (any::<bool>(), 0i64..100).prop_map(|(out, at)| Fixed { out, at });
    let by_hand = (prop::collection::vec(void, 0..2), prop::collection::vec(fixed, 0..2));
    let one = (0u8..4, 0u8..3, 0u64..4, door, visits(), by_hand).prop_map(
        |(student, number, sequence, door, visits, (voids, fixed))| {
            let entry = Entry { voids, fixed, ..entry(sequence, door, &visits) };
            ((Student([student; 16]), device(number)), entry)
        },
    );
    prop::collection::vec(one, 0..12)
}

fn merged(parts: &[&[(Key, Entry)]]) -> Book {
    let mut all = Book::default();
    for part in parts {
        let mut book = Book::default();
        part.iter().for_each(|(key, entry)| {
            book.take(*key, entry.clone());
        });
        all.merge(&book);
    }
    all
}

proptest! {
    #[test]
    fn merging_is_commutative_associative_and_idempotent(a in entries(), b in entries(), c in entries()) {
        prop_assert_eq!(merged(&[&a, &b]), merged(&[&b, &a]));
        let (mut left, mut right) = (merged(&[&a, &b]), merged(&[&b, &c]));
        left.merge(&merged(&[&c]));
        let mut all = merged(&[&a]);
        all.merge(&right);
        prop_assert_eq!(&left, &all);
        let before = right.clone();
        right.merge(&before);
        prop_assert_eq!(&right, &before);
    }

    #[test]
    fn the_order_in_which_messages_come_changes_nothing(
        all in entries().prop_flat_map(|all| (Just(all.clone()), Just(all).prop_shuffle())),
        again in any::<prop::sample::Index>(),
    ) {
        let (sent, mut came) = all;
        if !came.is_empty() {
            came.push(came[again.index(came.len())].clone());
        }
        prop_assert_eq!(merged(&[&sent]), merged(&[&came]));
    }

    #[test]
    fn voided_visits_count_for_nothing(all in entries()) {
        let book = merged(&[&all]);
        for number in 0..4 {
            let student = Student([number; 16]);
            let voids: Vec<_> = book.of(student).flat_map(|(_, entry)| entry.voids.clone()).collect();
            for (visit, _, entry) in book.visits(student) {
                prop_assert!(voids.iter().all(|void| !void.covers(&entry.door, visit)));
            }
            let account = book.account(student);
            // A person may have entered anything.
            let by_hand = book.of(student).any(|(_, entry)| !entry.fixed.is_empty());
            if by_hand {
                continue;
            }
            if let (Some(arrival), Some(departure)) = (account.arrival, account.departure) {
                prop_assert!(arrival.at <= departure.at);
            }
        }
    }
}
