//! Timed sequences of poses, and what a prompt makes of them.

use super::*;
use proptest::prelude::*;

const FRAME: u64 = 66;

fn pose(yaw: f32, pitch: f32) -> Pose {
    Pose { yaw, pitch, roll: 0.0 }
}

/// The pose of a head that has turned so far in a direction, in degrees.
fn held(turn: Turn, angle: f32) -> Pose {
    match turn {
        Turn::Left => pose(angle, 0.0),
        Turn::Right => pose(-angle, 0.0),
        Turn::Up => pose(0.0, -angle),
        Turn::Down => pose(0.0, angle),
    }
}

/// The turn that `draw` gives in these tests.
fn other(turn: Turn) -> Turn {
    if turn == Turn::Right { Turn::Up } else { Turn::Right }
}

/// What is said of poses every 66 ms from the moment of the prompt, waiting left out.
fn answers(first: Turn, turns: u32, depth: bool, poses: impl IntoIterator<Item = Pose>) -> Vec<Answer> {
    let mut prompt = Prompt::new(first, turns, Pose::default(), Duration::ZERO);
    let mut said = Vec::new();
    for (n, pose) in poses.into_iter().enumerate() {
        let answer = prompt.note(pose, depth, Duration::from_millis(FRAME * n as u64), other);
        if answer != Answer::Waiting {
            said.push(answer);
        }
        if matches!(answer, Answer::Passed | Answer::Failed) {
            break;
        }
    }
    said
}

/// Still for so many frames, then a turn of three degrees a frame to 26°.
fn turn_after(frames: u8, turn: Turn) -> impl Iterator<Item = Pose> {
    (0..90u8).map(move |n| held(turn, (3.0 * f32::from(n.saturating_sub(frames))).min(26.0)))
}

#[test]
fn only_the_asked_turn_of_a_body_passes() {
    for asked in Turn::ALL {
        for shown in Turn::ALL {
            let right = if asked == shown { Answer::Passed } else { Answer::Failed };
            assert_eq!(answers(asked, 1, true, turn_after(8, shown)), [right], "{asked:?}, {shown:?}");
        }
        assert_eq!(answers(asked, 1, false, turn_after(8, asked)), [Answer::Failed], "a flat picture");
    }
}

#[test]
fn a_turn_that_began_too_soon_is_no_answer() {
    // Half of the turn is made before anybody could have begun.
    let said = answers(Turn::Left, 1, true, turn_after(0, Turn::Left));
    assert_eq!(said, [Answer::Next(Turn::Right), Answer::Failed], "another one is asked for, and not shown");
    let then_right = turn_after(0, Turn::Left).take(15).chain(turn_after(8, Turn::Right));
    assert_eq!(answers(Turn::Left, 1, true, then_right), [Answer::Next(Turn::Right), Answer::Passed]);
}

#[test]
fn a_look_down_at_the_screen_is_not_an_answer() {
    for angle in [7.0, 13.0] {
        let looks = |frames: u8| (0..frames).map(move |n| held(Turn::Down, (5.0 * f32::from(n)).min(angle)));
        for turn in [Turn::Left, Turn::Right] {
            let then = looks(9).chain(turn_after(4, turn));
            assert_eq!(answers(turn, 1, true, then), [Answer::Passed], "{angle}, {turn:?}");
        }
        // Somebody taller than the screen goes on looking down at it.
        let held_down =
            (0..90u8).map(|n| pose((3.0 * f32::from(n.saturating_sub(12))).min(26.0), angle.min(7.0)));
        assert_eq!(answers(Turn::Left, 1, true, held_down), [Answer::Passed], "{angle}");
    }
}

#[test]
fn whoever_does_not_answer_is_asked_once_more() {
    let mut still = vec![Pose::default(); 35];
    let said = answers(Turn::Left, 1, true, still.iter().copied().chain(turn_after(8, Turn::Right)));
    assert_eq!(said, [Answer::Next(Turn::Right), Answer::Passed]);
    still.resize(80, Pose::default());
    let said = answers(Turn::Left, 1, true, still);
    assert_eq!(said, [Answer::Next(Turn::Right), Answer::Failed]);
}

#[test]
fn a_head_that_turns_and_nods_at_once_answers_nothing() {
    let both = (0..90u8).map(|n| {
        let angle = (3.0 * f32::from(n.saturating_sub(8))).min(22.0);
        pose(angle, 0.8 * angle)
    });
    assert_eq!(answers(Turn::Left, 1, true, both), [Answer::Failed]);
    let nods_a_little = turn_after(8, Turn::Left).map(|held| pose(held.yaw, 0.3 * held.yaw));
    assert_eq!(answers(Turn::Left, 1, true, nods_a_little), [Answer::Passed]);
}

#[test]
fn two_turns_follow_each_other_without_a_stop_at_the_front() {
    let passing = |second: Turn| {
        let left = (0..20u8).map(|n| held(Turn::Left, (3.0 * f32::from(n.saturating_sub(8))).min(26.0)));
        let back = (0..9u8).rev().map(|n| held(Turn::Left, 3.0 * f32::from(n)));
        let then = (0..40u8).map(move |n| held(second, (3.0 * f32::from(n)).min(26.0)));
        answers(Turn::Left, 2, true, left.chain(back).chain(then))
    };
    assert_eq!(passing(Turn::Right), [Answer::Next(Turn::Right), Answer::Passed]);
    for wrong in [Turn::Left, Turn::Up, Turn::Down] {
        assert_eq!(passing(wrong), [Answer::Next(Turn::Right), Answer::Failed], "{wrong:?}");
    }
}

proptest! {
    #[test]
    fn no_more_than_the_asked_turns_lead_to_an_answer(
        asked in 0usize..4, turns in 0u32..7,
        poses in proptest::collection::vec((-60f32..60.0, -60f32..60.0), 0..300)
    ) {
        let said = answers(Turn::ALL[asked], turns, true, poses.into_iter().map(|(yaw, pitch)| pose(yaw, pitch)));
        prop_assert!(said.len() as u32 <= turns.clamp(1, MAX_TURNS) + 1, "{said:?}");
        let passed = said.last() == Some(&Answer::Passed);
        prop_assert!(!passed || said.len() as u32 >= turns.clamp(1, MAX_TURNS), "{said:?}");
    }

    #[test]
    fn a_still_head_never_passes(
        asked in 0usize..4,
        poses in proptest::collection::vec((-13f32..13.0, -11f32..11.0), 0..300)
    ) {
        let said = answers(Turn::ALL[asked], 1, true, poses.into_iter().map(|(yaw, pitch)| pose(yaw, pitch)));
        prop_assert!(!said.contains(&Answer::Passed));
    }

    #[test]
    fn no_values_make_it_fail(
        poses in proptest::collection::vec((proptest::num::f32::ANY, proptest::num::f32::ANY), 0..100)
    ) {
        answers(Turn::Up, 3, true, poses.into_iter().map(|(yaw, pitch)| pose(yaw, pitch)));
    }

    #[test]
    fn whoever_reacts_in_time_passes_however_fast(
        reactions in proptest::collection::vec(0.3f32..1.5, 4), every in 33u64..140, turns in 1u32..4,
        angle in 20f32..32.0, across in 0.3f32..0.6
    ) {
        let mut prompt = Prompt::new(Turn::Left, turns, Pose::default(), Duration::ZERO);
        let (mut position, mut since, mut turned) = ([0f32; 2], 0u64, 0usize);
        let mut now = 0;
        let passed = loop {
            now += every;
            let seconds = (now - since) as f32 / 1_000.0;
            if seconds >= reactions[turned] {
                let target = held(prompt.asked(), angle);
                // Since the frame before, and not before the reaction.
                let moving = (seconds - reactions[turned]).min(every as f32 / 1_000.0);
                let step = angle / across * moving;
                for (at, to) in position.iter_mut().zip([target.yaw, target.pitch]) {
                    *at += (to - *at).clamp(-step, step);
                }
            }
            match prompt.note(pose(position[0], position[1]), true, Duration::from_millis(now), other) {
                Answer::Waiting => {}
                Answer::Next(_) => (since, turned) = (now, turned + 1),
                answer => break answer == Answer::Passed,
            }
            if now > 60_000 {
                break false;
            }
        };
        prop_assert!(passed, "turn {turned} at {now} ms");
    }
}
