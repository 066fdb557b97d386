//! What the person is told, event by event.
#![allow(clippy::unwrap_used)]

use std::time::Duration;

use base::event::{Advice, Event, Life};
use base::identity::RollNumber;
use door::state::{Board, Card, Cue, DoorView, Kind, Light, MOST_CARDS, Scene, Wall};
use door::tones::Tone;

const WALL: Wall = Wall { hour: 12, minute: 31, weekday: 1, day: 2, month: 3 };

fn roll(number: usize) -> RollNumber {
    RollNumber::parse(&number.to_string()).unwrap()
}

fn ms(millis: u64) -> Duration {
    Duration::from_millis(millis)
}

fn recognised(number: usize) -> Event {
    Event::Recognised {
        track: number as u64,
        roll: roll(number),
        similarity: 0.9,
        margin: 0.5,
        votes: 3,
        threshold: 0.4,
        frames: 5,
        liveness: "live".to_owned(),
        life: Life::Recordable,
    }
}

fn recorded(number: usize, status: &str) -> Event {
    let timestamp = "2026-03-02 09:05:07".to_owned();
    Event::Recorded { roll: roll(number), status: status.to_owned(), timestamp }
}

fn not_recorded(number: usize) -> Event {
    Event::NotRecorded { roll: roll(number), reason: "already in and out today".to_owned(), again: false }
}

fn scene_at(board: &mut Board, now: Duration, wall: &Wall) -> Scene {
    let view = DoorView {
        name: &|roll: &RollNumber| (roll.as_str() == "1").then(|| "Asha Rao".to_owned()),
        wall: Some(wall),
        staff: false,
        site: "School",
        dim_after: Duration::from_secs(60),
        night: Some("20:00-06:00".parse().unwrap()),
    };
    board.scene(now, &view)
}

fn scene(board: &mut Board, now: Duration) -> Scene {
    scene_at(board, now, &WALL)
}

fn kinds(board: &mut Board, now: Duration) -> Vec<Kind> {
    scene(board, now).cards.iter().map(|card| card.kind).collect()
}

#[test]
fn in_shows_name_and_the_time_of_the_row_for_two_seconds_with_one_tone() {
    let mut board = Board::default();
    assert_eq!(
        board.hear(ms(0), &recognised(1)),
        [Cue::Recognised { roll: roll(1), life: Life::Recordable }]
    );
    assert_eq!(kinds(&mut board, ms(50)), []);
    assert_eq!(board.hear(ms(100), &recorded(1, "IN")), [Cue::Tone(Tone::In)]);
    let expected = Card { kind: Kind::In, who: Some("Asha Rao".to_owned()), time: Some("09:05".to_owned()) };
    assert_eq!(scene(&mut board, ms(100)).cards, [expected]);
    assert_eq!(kinds(&mut board, ms(2_000)), [Kind::In]);
    assert_eq!(kinds(&mut board, ms(2_100)), []);
    assert_eq!(board.hear(ms(200_000), &recorded(1, "OUT")), [], "a day closes, and nobody is there");
    board.hear(ms(300_000), &recognised(1));
    assert_eq!(board.hear(ms(300_000), &recorded(1, "OUT")), [Cue::Tone(Tone::Out)]);
    assert_eq!(kinds(&mut board, ms(300_000)), [Kind::Out]);
}

#[test]
fn a_later_visit_is_seen_and_the_same_visit_is_too_early() {
    let mut board = Board::default();
    board.hear(ms(0), &recorded(1, "IN"));
    assert_eq!(board.hear(ms(500), &not_recorded(1)), [], "the answer is still on the screen");
    assert_eq!(kinds(&mut board, ms(600)), [Kind::In]);
    assert_eq!(kinds(&mut board, ms(20_000)), []);
    assert_eq!(board.hear(ms(20_000), &not_recorded(1)), [Cue::Tone(Tone::TooEarly)]);
    assert_eq!(kinds(&mut board, ms(20_000)), [Kind::TooEarly]);
    assert_eq!(board.hear(ms(900_000), &not_recorded(1)), [Cue::Tone(Tone::Seen)]);
    let cards = scene(&mut board, ms(900_000)).cards;
    assert_eq!((cards[0].kind, cards[0].time.as_deref()), (Kind::Seen, Some("12:31")));
}

#[test]
fn who_stays_before_the_camera_hears_one_tone() {
    let mut board = Board::default();
    let again = |track| match recognised(1) {
        Event::Recognised { roll, similarity, margin, votes, threshold, frames, liveness, life, .. } => {
            Event::Recognised { track, roll, similarity, margin, votes, threshold, frames, liveness, life }
        }
        other => other,
    };
    board.hear(ms(0), &again(7));
    assert_eq!(board.hear(ms(10), &recorded(1, "IN")), [Cue::Tone(Tone::In)]);
    for n in 1..30 {
        board.hear(ms(n * 10_000), &again(7));
        assert_eq!(board.hear(ms(n * 10_000 + 10), &not_recorded(1)), [], "after {n}0 s");
    }
    // They went away and come back: another face to follow.
    board.hear(ms(301_000), &again(8));
    assert_eq!(board.hear(ms(301_010), &not_recorded(1)), [Cue::Tone(Tone::Seen)]);
    board.hear(ms(330_000), &again(9));
    assert_eq!(board.hear(ms(330_010), &not_recorded(1)), [Cue::Tone(Tone::TooEarly)]);
}

#[test]
fn a_slow_disk_is_one_moment_and_a_broken_one_is_no_failure_of_the_person() {
    let mut board = Board::default();
    board.hear(ms(0), &recognised(1));
    assert_eq!(kinds(&mut board, ms(700)), []);
    assert_eq!(kinds(&mut board, ms(900)), [Kind::Wait]);
    let reason = "the disk is full".to_owned();
    assert_eq!(board.hear(ms(1_000), &Event::NotSaved { roll: roll(1), reason }), [Cue::Tone(Tone::Seen)]);
    assert_eq!(kinds(&mut board, ms(1_000)), [Kind::Seen]);
    board.hear(ms(10_000), &recognised(2));
    assert_eq!(kinds(&mut board, ms(17_000)), [], "no answer comes: nothing stays for ever");
}

#[test]
fn strangers_and_pictures_are_told_so_and_are_not_named() {
    let mut board = Board::default();
    let stranger = Event::Stranger { track: 5, similarity: 0.1, threshold: 0.4 };
    let attack = Event::AttackRefused { track: 6, roll: roll(1), reason: "flat".to_owned() };
    assert_eq!(board.hear(ms(0), &stranger), [Cue::Tone(Tone::Unknown)]);
    assert_eq!(board.hear(ms(10), &attack), [Cue::Tone(Tone::Refused)]);
    let cards = scene(&mut board, ms(20)).cards;
    assert_eq!(cards.iter().map(|card| card.kind).collect::<Vec<_>>(), [Kind::Unknown, Kind::Refused]);
    assert!(cards.iter().all(|card| card.who.is_none()));
    assert_eq!(kinds(&mut board, ms(2_900)).len(), 2, "bad news stays long enough to be read");
    assert_eq!(kinds(&mut board, ms(3_100)), []);
}

#[test]
fn several_people_stand_side_by_side_and_each_has_one_answer() {
    let mut board = Board::default();
    for number in 1..=3 {
        board.hear(ms(number as u64), &recorded(number, "IN"));
    }
    board.hear(ms(10), &recognised(2));
    board.hear(ms(10), &recorded(2, "OUT"));
    assert_eq!(kinds(&mut board, ms(20)), [Kind::In, Kind::Out, Kind::In]);
}

#[test]
fn advice_stays_while_the_face_is_in_sight_and_a_prompt_is_heard_once() {
    let mut board = Board::default();
    let hint = |advice| Event::Hint { track: 7, advice };
    board.look(ms(0), &[7]);
    assert_eq!(board.hear(ms(0), &hint(Advice::ComeCloser)), []);
    assert_eq!(scene(&mut board, ms(10)).advice, Some(Advice::ComeCloser));
    assert_eq!(board.hear(ms(100), &hint(Advice::TurnLeft)), [Cue::Tone(Tone::Prompt(Advice::TurnLeft))]);
    assert_eq!(board.hear(ms(200), &hint(Advice::TurnLeft)), []);
    board.look(ms(9_000), &[7]);
    assert_eq!(scene(&mut board, ms(9_100)).advice, Some(Advice::TurnLeft));
    board.look(ms(9_200), &[]);
    let gone = scene(&mut board, ms(10_000));
    assert_eq!((gone.advice, gone.somebody), (None, false));
    // Without a camera view, advice has its time.
    let mut blind = Board::default();
    blind.hear(ms(0), &hint(Advice::HoldStill));
    assert!(scene(&mut blind, ms(3_900)).somebody);
    assert!(!scene(&mut blind, ms(4_100)).somebody);
}

#[test]
fn the_screen_dims_when_nobody_is_there_and_is_dark_at_night() {
    let mut board = Board::default();
    let night = Wall { hour: 23, ..WALL };
    assert_eq!(scene(&mut board, ms(0)).light, Light::Dim);
    assert_eq!(scene_at(&mut board, ms(0), &night).light, Light::Night);
    board.look(ms(1_000), &[1]);
    assert_eq!(scene_at(&mut board, ms(1_000), &night).light, Light::Bright);
    board.look(ms(2_000), &[]);
    assert_eq!(scene(&mut board, ms(60_000)).light, Light::Bright);
    assert_eq!(scene(&mut board, ms(62_000)).light, Light::Dim);
}

#[test]
fn forty_events_a_second_for_minutes_stay_within_bounds() {
    let mut board = Board::default();
    for n in 0..40 * 300_usize {
        let now = ms(n as u64 * 25);
        board.hear(now, &recognised(n));
        board.hear(now, &recorded(n, "IN"));
        board.hear(now, &Event::Hint { track: n as u64, advice: Advice::HoldStill });
        if n % 40 == 0 {
            assert!(scene(&mut board, now).cards.len() <= MOST_CARDS);
        }
    }
    let newest = scene(&mut board, ms(300_000));
    assert_eq!(newest.cards.len(), MOST_CARDS, "the newest are shown");
    assert!(format!("{board:?}").len() < 200_000, "what is remembered is bounded");
}

#[test]
fn other_events_and_odd_timestamps_change_nothing() {
    let mut board = Board::default();
    let synced = Event::PhotosSynced { new: 1, updated: 0, unchanged: 0, removed: 0, failed: 0 };
    assert_eq!(board.hear(ms(0), &synced), []);
    assert!(!scene(&mut board, ms(0)).somebody);
    for odd in ["", "now", "2026-03-02T09", "ééééééééééééééééé"] {
        let event = Event::Recorded { roll: roll(1), status: "IN".to_owned(), timestamp: odd.to_owned() };
        board.hear(ms(0), &event);
        assert_eq!(scene(&mut board, ms(0)).cards[0].time.as_deref(), Some("12:31"), "{odd}");
    }
}
