#![allow(clippy::unwrap_used)]
use super::*;
use crate::config::LivenessRule;
use crate::observation::*;
use base::event::Life;
use faces::landmarks::Landmarks;
use std::path::Path;
use std::time::Duration;
use vision::embedding::DIMENSIONS;
use vision::embedding::Embedding;

fn state(passive: f32) -> State {
    let mut state = State::default();
    for _ in 0..passive::MIN_REFUSING {
        state.passive.cast(passive);
    }
    state
}

fn verdict(rule: LivenessRule, there: bool, state: &State) -> Verdict {
    Requirement::new(rule, there).judge(state).verdict
}

#[test]
fn the_passive_models_refuse_whatever_else_was_seen() {
    for rule in [LivenessRule::Passive, LivenessRule::PassiveBlink, LivenessRule::PassiveAny] {
        assert_eq!(verdict(rule, true, &state(0.02)), Verdict::Attack);
        assert_eq!(verdict(rule, true, &State::default()), Verdict::Undecided);
    }
    assert_eq!(verdict(LivenessRule::Off, true, &state(0.02)), Verdict::Unchecked);
}

#[test]
fn a_still_face_that_looks_alive_passes_only_where_nothing_more_is_required() {
    assert_eq!(verdict(LivenessRule::Passive, true, &state(0.99)), Verdict::Live);
    assert_eq!(verdict(LivenessRule::PassiveBlink, true, &state(0.99)), Verdict::Undecided);
    assert_eq!(verdict(LivenessRule::PassiveAny, true, &state(0.99)), Verdict::Undecided);
}

#[test]
fn a_face_that_was_gone_or_looks_otherwise_begins_again() {
    let observation = Observation { live: Some(0.99), opening: Some(0.4) };
    let landmarks =
        Landmarks { mesh: Vec::new(), five: Default::default(), pose: Default::default(), presence: 1.0 };
    let face = |x: f32| {
        let mut raw = [0.0; DIMENSIONS];
        (raw[0], raw[1]) = (1.0, x);
        Embedding::normalised(&raw).unwrap()
    };
    let seen = |gap: u64, other: f32| {
        let mut state = State::default();
        for number in 0..10u64 {
            let now = Duration::from_millis(100 * number + if number >= 8 { gap } else { 0 });
            if number > 0 {
                let before = (face(0.0), now - Duration::from_millis(100));
                state.compare(&before, &face(if number == 8 { other } else { 0.0 }), now);
            }
            state.note(&observation, &landmarks, now);
        }
        state.passive.verdict()
    };
    assert_eq!(seen(0, 0.2), passive::Verdict::Live);
    assert_eq!(seen(300, 0.2), passive::Verdict::Open, "it was gone for 400 ms");
    assert_eq!(seen(0, 1.4), passive::Verdict::Open, "another picture, similarity 0.58");
    // A person with an answer is embedded twice a second, and has turned meanwhile.
    let mut known = state(0.99);
    known.compare(&(face(0.0), Duration::ZERO), &face(1.0), Duration::from_millis(500));
    assert_eq!(known.passive.verdict(), passive::Verdict::Live);
}

#[test]
fn a_device_that_cannot_ask_names_the_weaker_rule() {
    let rule = Requirement::new(LivenessRule::PassivePrompt, true);
    assert_eq!(rule.in_force(), (LivenessRule::PassiveAny, true));
    assert_eq!(rule.asking(true).in_force(), (LivenessRule::PassivePrompt, true));
}

#[test]
fn an_answered_prompt_helps_models_that_nearly_believe_and_no_name_that_was_refused() {
    let asks = Requirement::new(LivenessRule::PassivePrompt, true).asking(true);
    let answered = |passive: f32| {
        let mut state = state(passive);
        state.keep(Duration::from_secs(9));
        state.prompt = state::Prompted::Passed(Duration::from_secs(9));
        state
    };
    let verdict = |requirement: Requirement, passive| requirement.judge(&answered(passive)).verdict;
    assert_eq!(verdict(asks, 0.7), Verdict::Live);
    assert_eq!(verdict(asks, 0.5), Verdict::Undecided);
    assert_eq!(verdict(asks, 0.1), Verdict::Attack);
    assert_eq!(verdict(asks.after(1), 0.7), Verdict::Undecided, "a name that was refused lately");
    assert_eq!(verdict(asks.after(1), 0.9), Verdict::Live);
    assert_eq!(verdict(asks.exempting(true), 0.7), Verdict::Undecided, "nobody asked them");
    assert_eq!(asks.judge(&state(0.7)).verdict, Verdict::Undecided, "no prompt yet");
    assert_eq!(asks.missing(&state(0.7)), Missing::Prompt);
    assert_eq!(asks.after(1).missing(&state(0.7)), Missing::Certainty);
    // Only a judgement of the models that is sure opens a door.
    assert_eq!(asks.judge(&answered(0.7)).life(), Life::Recordable);
    assert_eq!(asks.judge(&answered(0.9)).life(), Life::Prompt);
    // A picture that waits gets no better.
    let mut waiting = answered(0.7);
    (0..40u64).for_each(|n| waiting.keep(Duration::from_millis(9_000 + 100 * n)));
    assert_eq!(asks.judge(&waiting).verdict, Verdict::Undecided);
    assert_eq!(asks.missing(&waiting), Missing::Prompt, "it is asked once more");
}

#[test]
fn after_the_last_answer_a_face_may_come_back_turned_and_no_other_picture_before_it() {
    let far = Landmarks {
        mesh: Vec::new(),
        five: Default::default(),
        pose: faces::landmarks::Pose { yaw: 45.0, pitch: 0.0, roll: 0.0 },
        presence: 1.0,
    };
    let face = |similarity: f32| {
        let mut raw = [0.0; DIMENSIONS];
        (raw[0], raw[1]) = (similarity, (1.0 - similarity * similarity).sqrt());
        Embedding::normalised(&raw).unwrap()
    };
    let asked = || {
        let mut state = state(0.9);
        (0..10u64).for_each(|n| {
            let front = Landmarks { pose: Default::default(), ..far.clone() };
            state.note(
                &Observation { live: Some(0.9), opening: None },
                &front,
                Duration::from_millis(100 * n),
            );
        });
        state.ask(2, Duration::from_secs(1));
        assert!(state.asked().is_some());
        state
    };
    let same_after = |mut state: State, seconds: u64, similarity: f32| {
        let end = 10 * (1 + seconds);
        (10..end).for_each(|n| {
            state.note_turned(&far, Duration::from_millis(100 * n));
        });
        let before = (face(1.0), Duration::from_millis(900));
        state.compare(&before, &face(similarity), Duration::from_millis(100 * end))
            && state.passive.mean().is_some()
    };
    let passed = || {
        let mut state = asked();
        state.prompt = state::Prompted::Passed(Duration::from_secs(1));
        state
    };
    assert!(same_after(passed(), 1, 0.5) && !same_after(passed(), 1, 0.4));
    assert!(same_after(asked(), 1, 0.57) && !same_after(asked(), 1, 0.5), "between two turns");
    // Somebody whose answer is too long ago is asked again, and only then.
    let mut again = passed();
    let front = Landmarks { pose: Default::default(), ..far.clone() };
    for n in 10..60u64 {
        again.note(&Observation { live: Some(0.7), opening: None }, &front, Duration::from_millis(100 * n));
        again.ask(2, Duration::from_millis(100 * n));
        assert_eq!(again.asked().is_some(), n > 40, "after {n} tenths of a second");
    }
    // Where the models believe fully meanwhile, the first answer still counts; the lower line needs another.
    let asks = Requirement::new(LivenessRule::PassivePrompt, true).asking(true);
    again.answered = true;
    again.passive = state(0.9).passive;
    assert_eq!(asks.judge(&again).verdict, Verdict::Live);
    again.passive = state(0.7).passive;
    assert_eq!(asks.judge(&again).verdict, Verdict::Undecided);
    // It stayed away for too long: what it had shown is gone with the next frame that counts.
    let mut late = passed();
    (10..50u64).for_each(|n| {
        late.note_turned(&far, Duration::from_millis(100 * n));
    });
    late.keep(Duration::from_secs(5));
    assert_eq!(late.prompt_shown(), None);
}

#[test]
fn people_are_asked_for_what_is_missing() {
    let missing = |rule, there, state: &State| Requirement::new(rule, there).missing(state);
    let (mut open, mut sure) = (state(0.7), state(0.99));
    assert_eq!(missing(LivenessRule::PassiveAny, true, &open), Missing::Certainty);
    assert_eq!(missing(LivenessRule::PassiveAny, true, &sure), Missing::BlinkOrTurn);
    assert_eq!(missing(LivenessRule::PassiveBlink, true, &sure), Missing::Blink);
    (open.eyes_too_small, sure.eyes_too_small) = (true, true);
    assert_eq!(missing(LivenessRule::PassiveBlink, true, &sure), Missing::LargerEyes);
    assert_eq!(missing(LivenessRule::Passive, false, &open), Missing::LargerEyes);
}

#[test]
fn without_the_models_nothing_passes_without_a_blink() {
    for rule in [LivenessRule::Passive, LivenessRule::PassiveBlink, LivenessRule::PassiveAny] {
        assert_eq!(verdict(rule, false, &State::default()), Verdict::Undecided);
        let requirement = Requirement::at_hand(rule, Path::new("/no/such/folder"));
        assert_eq!(requirement, Requirement::new(rule, false));
        assert_eq!(requirement.name(), "blink");
        assert!(requirement.concern().is_some_and(|concern| concern.contains("fetch_models")));
        assert_eq!(Requirement::new(rule, true).concern(), None);
    }
}
