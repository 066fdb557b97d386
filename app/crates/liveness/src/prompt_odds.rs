//! How often films get past the prompt by chance, and how long people need: simulated poses, no people.

#![allow(clippy::unwrap_used, clippy::print_stdout)]

use std::f32::consts::TAU;

use super::*;
use crate::latch::Latch;
use crate::poses::Poses;
use base::identity::RollNumber;

/// Time between two frames, seconds.
const FRAME: f32 = 1.0 / 15.0;

/// From a face before the camera to the prompt, where the scene is no help: it is named, and then in doubt.
const NAMED: f32 = 0.3;
const DOUBT: f32 = 1.0;

const SESSIONS: u32 = 4_000;
const MINUTE: f32 = 60.0;

/// Somebody or something before the camera.
trait Shown {
    /// How the head is held; `seconds` since the beginning, `arrived` when this visit began.
    fn pose(&mut self, seconds: f32, arrived: f32, asked: Option<(Turn, f32)>) -> Pose;
}

/// How a visit ended.
#[derive(Debug, Clone, Copy, PartialEq)]
enum End {
    Passed,
    Refused,
    /// Its time was over.
    Open,
}

/// One visit from `start` on, until it is decided or `until`; and when it ended.
fn visit(
    shown: &mut impl Shown,
    refusals: u32,
    start: f32,
    until: f32,
    random: &mut fastrand::Rng,
) -> (End, f32) {
    let (mut poses, mut prompt, mut asked) = (Poses::default(), None::<Prompt>, None);
    let mut now = start;
    while now < until {
        now += FRAME;
        let at = Duration::from_secs_f32(now);
        let pose = shown.pose(now, start, asked);
        match &mut prompt {
            None => {
                poses.note(pose, at);
                if let Some(rest) = poses.still().filter(|_| now - start >= NAMED + DOUBT) {
                    let turns = TURNS + refusals + u32::from(poses.are_restless());
                    let first = Turn::ALL[random.usize(..4)];
                    prompt = Some(Prompt::new(first, turns, rest, at));
                    asked = Some((first, now));
                }
            }
            Some(prompt) => {
                let draw = |turn: Turn| {
                    let place = Turn::ALL.iter().position(|other| *other == turn).unwrap_or(0);
                    Turn::ALL[(place + random.usize(1..4)) % 4]
                };
                match prompt.note(pose, true, at, draw) {
                    Answer::Waiting => {}
                    Answer::Next(turn) => asked = Some((turn, now)),
                    Answer::Passed => return (End::Passed, now),
                    Answer::Failed => return (End::Refused, now),
                }
            }
        }
    }
    (End::Open, now)
}

/// Tries of a minute: after a refusal the face goes for as long as it must. Visits, refusals, and whether one
/// passed.
fn minute(shown: &mut impl Shown, random: &mut fastrand::Rng) -> (u32, bool) {
    let (mut latch, roll) = (Latch::default(), RollNumber::parse("1").unwrap());
    let (mut now, mut visits) = (0.0, 0);
    while now < MINUTE {
        assert!(!latch.holds(&roll, Duration::from_secs_f32(now)), "it was gone for long enough");
        visits += 1;
        let (end, at) = visit(shown, latch.refusals(&roll), now, MINUTE, random);
        match end {
            End::Passed => return (visits, true),
            End::Open => break,
            End::Refused => latch.refuse(&roll, Duration::from_secs_f32(at)),
        }
        now = at + (1 << latch.refusals(&roll).min(4)).min(10) as f32 + FRAME;
    }
    (visits, false)
}

/// A head that turns like a pendulum, and nods at another rate.
struct Pendulum {
    rate: f32,
    angle: f32,
    phases: [f32; 2],
}

impl Shown for Pendulum {
    fn pose(&mut self, seconds: f32, _: f32, _: Option<(Turn, f32)>) -> Pose {
        let swing = |rate: f32, phase: f32| (TAU * rate * seconds + phase).sin();
        let yaw = self.angle * swing(self.rate, self.phases[0]);
        Pose { yaw, pitch: 0.5 * self.angle * swing(0.67 * self.rate, self.phases[1]), roll: 0.0 }
    }
}

/// A film of a head that rests and turns to any side, in turn: the beginnings, the sides, and how far.
struct Film {
    turns: Vec<(f32, f32, Turn, f32)>,
    /// Whether it starts again with each visit.
    restarted: bool,
}

impl Film {
    /// Turns at `rate` a second, the pauses between them by chance.
    fn random(rate: f32, random: &mut fastrand::Rng) -> Self {
        let (mut now, mut turns) = (0.0, Vec::new());
        while now < MINUTE {
            now += -(1.0 - random.f32()).ln() / rate;
            let hold = 0.6 + 1.0 * random.f32();
            turns.push((now, hold, Turn::ALL[random.usize(..4)], 18.0 + 16.0 * random.f32()));
            now += hold;
        }
        Self { turns, restarted: false }
    }

    /// The film of whoever knows this code: a rest until the prompt, then turns that follow each other as a
    /// person's answers do, no two alike.
    fn made_for_this_door(random: &mut fastrand::Rng) -> Self {
        let mut turn = Turn::ALL[random.usize(..4)];
        let turns = (0..4u8).map(|n| {
            let begins = NAMED + DOUBT + 0.6 + 1.1 * f32::from(n);
            turn = Turn::ALL
                [(Turn::ALL.iter().position(|it| *it == turn).unwrap_or(0) + random.usize(1..4)) % 4];
            (begins, 1.0, turn, 26.0)
        });
        Self { turns: turns.collect(), restarted: true }
    }
}

impl Shown for Film {
    fn pose(&mut self, seconds: f32, arrived: f32, _: Option<(Turn, f32)>) -> Pose {
        let seconds = if self.restarted { seconds - arrived } else { seconds };
        let mut pose = Pose { yaw: (1.3 * seconds).sin(), pitch: (0.9 * seconds).cos(), roll: 0.0 };
        for (begins, hold, turn, angle) in &self.turns {
            let share = ((seconds - begins) / 0.3).min((begins + hold - seconds) / 0.3).clamp(0.0, 1.0);
            match turn {
                Turn::Left => pose.yaw += angle * share,
                Turn::Right => pose.yaw -= angle * share,
                Turn::Up => pose.pitch -= 0.8 * angle * share,
                Turn::Down => pose.pitch += 0.8 * angle * share,
            }
        }
        pose
    }
}

/// A person who does as they are asked, after their reaction, sways, and may first look down at the screen.
struct Person {
    reactions: fastrand::Rng,
    /// How far down they look at the screen, degrees: 0 to 13.
    glance: f32,
    reaction: f32,
    answered: Option<f32>,
    held: [f32; 2],
    angle: f32,
}

impl Shown for Person {
    fn pose(&mut self, seconds: f32, _: f32, asked: Option<(Turn, f32)>) -> Pose {
        if let Some((turn, since)) = asked {
            if self.answered != Some(since) {
                self.answered = Some(since);
                self.reaction = 0.3 + 1.2 * self.reactions.f32();
            }
            if seconds - since >= self.reaction {
                let target = match turn {
                    Turn::Left => [self.angle, 0.0],
                    Turn::Right => [-self.angle, 0.0],
                    Turn::Up => [0.0, -0.8 * self.angle],
                    Turn::Down => [0.0, 0.8 * self.angle],
                };
                // Half a second for a turn from the front.
                let step = self.angle / 0.5 * FRAME;
                for (at, to) in self.held.iter_mut().zip(target) {
                    *at += (to - *at).clamp(-step, step);
                }
            }
        }
        let since_asked = asked.map_or(f32::MAX, |(_, since)| seconds - since);
        let glance = self.glance * (since_asked / 0.1).min((0.45 - since_asked) / 0.1).clamp(0.0, 1.0);
        let mut slip = || 2.0 * self.reactions.f32() - 1.0;
        let (yaw, pitch) =
            (2.0 * (1.3 * seconds).sin() + slip(), 2.0 * (0.9 * seconds).cos() + glance + slip());
        Pose { yaw: self.held[0] + yaw, pitch: self.held[1] + pitch, roll: 0.0 }
    }
}

/// Shares of first visits that pass, and of minutes in which one does.
fn odds<S: Shown>(
    name: &str,
    random: &mut fastrand::Rng,
    make: impl Fn(&mut fastrand::Rng) -> S,
) -> (f32, f32) {
    let (mut first, mut passed, mut visits) = (0, 0, 0);
    for _ in 0..SESSIONS {
        first += u32::from(visit(&mut make(random), 0, 0.0, 20.0, random).0 == End::Passed);
        let (tries, got_in) = minute(&mut make(random), random);
        (passed, visits) = (passed + u32::from(got_in), visits + tries);
    }
    let share = |count: u32| count as f32 / SESSIONS as f32;
    let (first, passed) = (share(first), share(passed));
    println!(
        "{name}: passes at once {:.1} %, within a minute {:.1} % ({:.1} visits)",
        100.0 * first,
        100.0 * passed,
        share(visits)
    );
    (first, passed)
}

#[test]
fn a_film_that_turns_by_chance_gets_past_the_prompt_seldom() {
    let mut random = fastrand::Rng::with_seed(20);
    for rate in [0.05, 0.1, 0.2, 0.45, 1.0] {
        let (_, passed) = odds(&format!("pendulum, {rate} a second"), &mut random, |random| Pendulum {
            rate,
            angle: 20.0 + 12.0 * random.f32(),
            phases: [TAU * random.f32(), TAU * random.f32()],
        });
        assert!(passed <= 0.05, "{passed}");
    }
    for rate in [0.1, 0.2, 0.3, 0.5, 0.8, 1.2, 2.0] {
        let name = format!("film, {rate} turns a second");
        let (first, passed) = odds(&name, &mut random, |random| Film::random(rate, random));
        assert!(first <= 0.05 && passed <= 0.05, "{first}, {passed}");
    }
    // One in four, then one in three: more than that nobody gets by guessing.
    let (first, passed) = odds("film made for this door", &mut random, Film::made_for_this_door);
    assert!(first <= 0.1 && passed <= 0.15, "{first}, {passed}");
}

#[test]
fn people_who_do_as_they_are_asked_pass_in_six_seconds() {
    let mut random = fastrand::Rng::with_seed(21);
    let (mut soon, mut refused, mut times) = (0, 0, Vec::new());
    for _ in 0..SESSIONS {
        let mut person = Person {
            reactions: random.fork(),
            reaction: 0.0,
            answered: None,
            held: [0.0; 2],
            angle: 20.0 + 12.0 * random.f32(),
            glance: if random.bool() { 13.0 * random.f32() } else { 0.0 },
        };
        let (end, at) = visit(&mut person, 0, 0.0, 20.0, &mut random);
        soon += u32::from(end == End::Passed && at <= 6.0);
        refused += u32::from(end == End::Refused);
        times.push(at);
    }
    times.sort_by(f32::total_cmp);
    let share = |count: u32| count as f32 / SESSIONS as f32;
    println!(
        "people: within 6 s {:.1} %, refused {:.1} %, median {:.1} s, nine in ten {:.1} s",
        100.0 * share(soon),
        100.0 * share(refused),
        times[times.len() / 2],
        times[times.len() * 9 / 10]
    );
    assert!(share(soon) >= 0.97 && share(refused) <= 0.01, "{}, {}", share(soon), share(refused));
}
