//! What one face leads to over its frames: refusals that last, prompts, and the scene.
#![allow(clippy::unwrap_used)]

use super::*;
use faces::landmarks::Pose;
use liveness::config::LivenessRule;
use liveness::prompt::Turn;
use liveness::scene::around::Surround;

use vision::embedding::DIMENSIONS;

const RULE: Rule = Rule { threshold: 0.4, margin: 0.05, votes: 3 };
const FRAME: Duration = Duration::from_millis(66);

/// Models that say the same of every frame.
struct Said {
    live: f32,
}

impl Senses for Said {
    fn embed(&mut self) -> Result<Embedding, EngineError> {
        let mut raw = [0.0; DIMENSIONS];
        raw[0] = 1.0;
        Ok(Embedding::normalised(&raw).unwrap())
    }

    fn search(&mut self, _: &Embedding) -> Result<Option<Match>, EngineError> {
        Ok(Some(Match { roll: roll(), similarity: 0.8, runner_up: 0.1 }))
    }

    fn observe(&mut self, votes: bool) -> Result<Observation, EngineError> {
        Ok(Observation { live: votes.then_some(self.live), opening: Some(0.4) })
    }
}

/// A head of 468 points: the front of an ellipsoid with a nose in its middle, in pixels.
fn head() -> Vec<[f32; 3]> {
    (0..468)
        .map(|i| {
            let (u, v) = ((i % 22) as f32 / 10.5 - 1.0, (i / 22) as f32 / 10.5 - 1.0);
            let nose = 30.0 * (-(u * u + v * v) * 12.0).exp();
            [70.0 * u, 90.0 * v, 40.0 * (u * u + v * v) - nose]
        })
        .collect()
}

fn roll() -> RollNumber {
    RollNumber::parse("1").unwrap()
}

/// A head before the camera, turned so far, in degrees.
fn landmarks(yaw: f32, pitch: f32) -> Landmarks {
    let (yaw_sin, yaw_cos) = yaw.to_radians().sin_cos();
    let (pitch_sin, pitch_cos) = pitch.to_radians().sin_cos();
    let mesh = head()
        .into_iter()
        .map(|[x, y, z]| [x * yaw_cos + z * yaw_sin, y * pitch_cos + z * pitch_sin, z])
        .collect();
    Landmarks { mesh, five: Default::default(), pose: Pose { yaw, pitch, roll: 0.0 }, presence: 1.0 }
}

/// One visit after another before the same device.
struct Door {
    subject: Subject,
    latch: Latch,
    now: Duration,
    asks: bool,
    exempt: Vec<RollNumber>,
    decisions: Vec<Decision>,
}

impl Door {
    fn new(asks: bool) -> Self {
        Self {
            subject: Subject::default(),
            latch: Latch::default(),
            now: Duration::ZERO,
            asks,
            exempt: Vec::new(),
            decisions: Vec::new(),
        }
    }

    fn frame(&mut self, live: f32, landmarks: &Landmarks, surround: Option<Surround>) {
        self.now += FRAME;
        let requirement = Requirement::new(LivenessRule::PassivePrompt, true).asking(self.asks);
        let mut look = Look {
            latch: &mut self.latch,
            surround,
            exempt: &self.exempt,
            track: 1,
            now: self.now,
            landmarks,
            quality: Quality { width: 200.0, ..Quality::default() },
            rule: RULE,
            requirement,
            loading: false,
        };
        let (_, decision) = self.subject.look(&mut look, &mut Said { live }).unwrap();
        self.decisions.extend(decision);
    }

    fn still(&mut self, frames: u32, live: f32, surround: Option<Surround>) {
        let front = landmarks(0.0, 0.0);
        (0..frames).for_each(|_| self.frame(live, &front, surround));
    }

    /// The face is gone for so long: its next frame is a new track.
    fn gone(&mut self, seconds: u64) {
        self.now += Duration::from_secs(seconds);
        self.subject = Subject::default();
        self.decisions.clear();
    }

    /// Turns the head as it is asked to each time, or the other way, and holds it.
    fn answer(&mut self, sign: f32) {
        let mut held = [0.0; 2];
        while let Some(Decision::Advise(advice)) = self.decisions.last().cloned() {
            let target: [f32; 2] = match advice {
                Advice::TurnLeft => [28.0, 0.0],
                Advice::TurnRight => [-28.0, 0.0],
                Advice::LookUp => [0.0, -28.0],
                Advice::LookDown => [0.0, 28.0],
                other => panic!("{other:?}"),
            };
            let (from, told) = (held, self.decisions.len());
            for n in 0..45u8 {
                let share = f32::from(n.saturating_sub(6)).min(14.0) / 14.0;
                held = [0, 1].map(|axis| from[axis] + (sign * target[axis] - from[axis]) * share);
                self.frame(0.99, &landmarks(held[0], held[1]), None);
                if self.decisions.len() != told {
                    break;
                }
            }
            assert_ne!(self.decisions.len(), told, "{advice:?}: no answer");
        }
        assert!(!self.decisions.is_empty(), "nothing was asked for");
    }

    fn recognised(&self) -> usize {
        self.decisions.iter().filter(|decision| matches!(decision, Decision::Recognised { .. })).count()
    }

    fn refused(&self) -> usize {
        self.decisions.iter().filter(|decision| matches!(decision, Decision::AttackRefused { .. })).count()
    }
}

#[test]
fn a_refused_face_is_not_tried_again_while_it_is_there() {
    let mut door = Door::new(false);
    door.still(20, 0.01, None);
    assert_eq!(door.refused(), 1);
    for _ in 0..20 {
        door.still(40, 0.99, Some(Surround::Visible));
        door.gone(1);
        assert_eq!((door.recognised(), door.refused()), (0, 0), "lowered for a second each time");
    }
    door.gone(3);
    door.still(60, 0.99, Some(Surround::Visible));
    assert_eq!(door.recognised(), 1);
}

#[test]
fn a_person_before_the_known_scene_passes_without_a_prompt() {
    let mut door = Door::new(true);
    door.still(22, 0.99, Some(Surround::Visible));
    assert_eq!(door.recognised(), 1, "{:?}", door.decisions);
}

#[test]
fn a_recording_is_asked_to_turn_and_does_not_pass() {
    let mut door = Door::new(true);
    door.still(40, 0.99, Some(Surround::Undecided));
    assert!(matches!(door.decisions.last(), Some(Decision::Advise(_))), "{:?}", door.decisions);
    door.still(100, 0.99, Some(Surround::Undecided));
    assert_eq!((door.recognised(), door.refused()), (0, 1), "{:?}", door.decisions);
}

#[test]
fn only_the_asked_turn_is_an_answer() {
    for _ in 0..12 {
        let mut door = Door::new(true);
        door.still(40, 0.99, None);
        door.answer(1.0);
        assert_eq!((door.recognised(), door.refused()), (1, 0), "{:?}", door.decisions);
        let mut door = Door::new(true);
        door.still(40, 0.99, None);
        door.answer(-1.0);
        assert_eq!((door.recognised(), door.refused()), (0, 1), "{:?}", door.decisions);
    }
}

#[test]
fn the_next_turn_is_told_while_the_head_is_turned_too_far_to_be_embedded() {
    let mut door = Door::new(true);
    door.still(40, 0.99, None);
    let first = door.subject.liveness.asked().unwrap();
    let far = match first {
        Turn::Left => [45.0, 0.0],
        Turn::Right => [-45.0, 0.0],
        Turn::Up => [0.0, -45.0],
        Turn::Down => [0.0, 45.0],
    };
    let told = (0..45u8).find_map(|n| {
        let share = f32::from(n.saturating_sub(6)).min(14.0) / 14.0;
        door.now += FRAME;
        door.subject.turned(&landmarks(share * far[0], share * far[1]), door.now)
    });
    assert_eq!(told, door.subject.liveness.asked().map(Advice::from));
    assert!(told.is_some_and(|next| next != first.into()), "{told:?}");
}

#[test]
fn whoever_answered_and_stays_turned_is_told_to_look_again_and_passes() {
    for _ in 0..8 {
        let mut door = Door::new(true);
        door.still(40, 0.99, None);
        let mut told = Vec::new();
        let mut since = door.now;
        // They follow each turn after 0.4 s, too far to be embedded, until they are told to look at the
        // camera; then they stay turned for a second.
        for _ in 0..150u8 {
            let Some(asked) = door.subject.liveness.asked() else { break };
            let far = if door.now - since < Duration::from_millis(400) { 0.0 } else { 45.0 };
            let pose = match asked {
                Turn::Left => landmarks(far, 0.0),
                Turn::Right => landmarks(-far, 0.0),
                Turn::Up => landmarks(0.0, -far),
                Turn::Down => landmarks(0.0, far),
            };
            door.now += FRAME;
            if let Some(advice) = door.subject.turned(&pose, door.now) {
                since = door.now;
                told.push(advice);
            }
        }
        assert_eq!(told.last(), Some(&Advice::LookAtTheCamera), "{told:?}");
        for _ in 0..30 {
            door.now += FRAME;
            assert_eq!(door.subject.turned(&landmarks(45.0, 0.0), door.now), None);
        }
        door.still(3, 0.99, None);
        assert_eq!(door.recognised(), 1, "{:?}", door.decisions);
    }
}

#[test]
fn a_head_that_never_rests_is_told_to_hold_still_and_gets_no_prompt() {
    let mut door = Door::new(true);
    for n in 0..150u8 {
        door.frame(0.99, &landmarks(24.0 * (0.2 * f32::from(n)).sin(), 0.0), None);
    }
    assert!(door.subject.liveness.asked().is_none());
    let [Decision::Advise(Advice::HoldStill | Advice::LookAtTheCamera)] = door.decisions[..] else {
        panic!("{:?}", door.decisions)
    };
}

#[test]
fn the_prompt_comes_sooner_where_the_scene_is_no_help() {
    let frames_until_asked = |surround| {
        let mut door = Door::new(true);
        let asked = (0..60u32).find(|_| {
            door.still(1, 0.99, surround);
            door.subject.liveness.asked().is_some()
        });
        asked.unwrap()
    };
    let (nothing, plain) = (frames_until_asked(None), frames_until_asked(Some(Surround::Undecided)));
    assert!(plain < nothing && nothing < 40, "{plain}, {nothing}");
}

#[test]
fn after_a_refusal_the_scene_is_not_enough() {
    let mut door = Door::new(true);
    door.still(20, 0.01, None);
    door.gone(3);
    door.still(40, 0.99, Some(Surround::Visible));
    assert_eq!(door.recognised(), 0);
    assert!(door.subject.liveness.asked().is_some(), "it is asked to turn");
}

#[test]
fn whoever_cannot_turn_passes_with_the_scene_alone_and_is_not_asked() {
    let mut door = Door::new(true);
    door.exempt = vec![roll()];
    door.still(60, 0.99, None);
    assert_eq!(door.recognised(), 0);
    assert!(door.subject.liveness.asked().is_none());
    assert!(matches!(door.decisions[..], [Decision::Advise(Advice::BetterView)]), "{:?}", door.decisions);
    door.still(30, 0.99, Some(Surround::Visible));
    assert_eq!(door.recognised(), 1);
}

#[test]
fn without_a_screen_an_exempt_person_passes_like_everybody_else() {
    let mut everybody = Door::new(false);
    let mut exempt = Door::new(false);
    exempt.exempt = vec![roll()];
    for door in [&mut everybody, &mut exempt] {
        for n in 0..90u8 {
            door.frame(0.99, &landmarks(20.0 * (0.15 * f32::from(n)).sin(), 0.0), None);
        }
        assert_eq!(door.recognised(), 1, "{:?}", door.decisions);
    }
}
