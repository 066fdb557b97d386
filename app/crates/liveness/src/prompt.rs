//! A prompt: the person is asked to turn the head in a direction that was drawn by chance.
//!
//! A recording blinks and turns, but not when and where it is asked to. Only a turn that begins after the
//! prompt counts, in the direction that was asked for, of a body with depth ([`super::depth`]). A clear turn
//! into another direction fails the prompt. After refusals several turns are asked for, one after the other:
//! whoever guesses is right with one in four each time.
//!
//! Pure: poses and times in, answers out.

use std::time::Duration;

use serde::Serialize;

use base::event::Advice;
use faces::landmarks::Pose;

/// A turn begins this long after the prompt at the earliest: nobody hears and moves sooner, and what moved
/// already was not asked for.
const REACTION: Duration = Duration::from_millis(250);

/// How long a person has for each turn.
const PATIENCE: Duration = Duration::from_secs(6);

/// How far the head has to turn to the side, degrees from where it was when the prompt began.
const TURNED: f32 = 16.0;

/// How far it has to nod up or down, degrees.
const NODDED: f32 = 12.0;

/// A turn this much of the required one into another direction is a wrong answer.
const WRONG: f32 = 1.25;

/// Frames in a row that have to show the turn: the mesh may slip in one.
const FRAMES: u32 = 2;

/// Most turns of one prompt.
pub const MAX_TURNS: u32 = 3;

/// What a person is asked to do. Left and right are the person's own.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Turn {
    /// Turn the head to the left.
    Left,
    /// Turn the head to the right.
    Right,
    /// Look up.
    Up,
    /// Look down.
    Down,
}

impl From<Turn> for Advice {
    fn from(turn: Turn) -> Self {
        match turn {
            Turn::Left => Self::TurnLeft,
            Turn::Right => Self::TurnRight,
            Turn::Up => Self::LookUp,
            Turn::Down => Self::LookDown,
        }
    }
}

impl Turn {
    /// All of them.
    pub const ALL: [Self; 4] = [Self::Left, Self::Right, Self::Up, Self::Down];

    /// How far `pose` has turned in this direction from `rest`, as a multiple of what is required. The
    /// person's left is the picture's right.
    fn share(self, rest: Pose, pose: Pose) -> f32 {
        match self {
            Self::Left => (pose.yaw - rest.yaw) / TURNED,
            Self::Right => (rest.yaw - pose.yaw) / TURNED,
            Self::Up => (rest.pitch - pose.pitch) / NODDED,
            Self::Down => (pose.pitch - rest.pitch) / NODDED,
        }
    }
}

/// What became known about a prompt with one frame.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Answer {
    /// The person has not answered yet.
    Waiting,
    /// A turn was right, and this one is asked for next.
    Next(Turn),
    /// Everything that was asked for was shown.
    Passed,
    /// A turn into another direction, or no turn in time.
    Failed,
}

/// One prompt.
#[derive(Debug, Clone)]
pub struct Prompt {
    asked: Turn,
    /// Turns still to come after this one.
    left: u32,
    since: Duration,
    /// Where the head was when the prompt could first be answered; `None` before.
    rest: Option<Pose>,
    right: u32,
    wrong: u32,
    /// Whether the head has to come back to the front before the next turn.
    returning: bool,
}

impl Prompt {
    /// Asks for `turns` turns (1 to [`MAX_TURNS`]), the first of which is `first`.
    pub fn new(first: Turn, turns: u32, now: Duration) -> Self {
        let left = turns.clamp(1, MAX_TURNS) - 1;
        Self { asked: first, left, since: now, rest: None, right: 0, wrong: 0, returning: false }
    }

    /// What the person is asked to do now.
    pub fn asked(&self) -> Turn {
        self.asked
    }

    /// Notes the pose of one frame. `depth` is whether the motion since the prompt is that of a body with
    /// depth. `next` draws the next turn.
    pub fn note(&mut self, pose: Pose, depth: bool, now: Duration, next: impl FnOnce() -> Turn) -> Answer {
        if now.saturating_sub(self.since) > PATIENCE {
            return Answer::Failed;
        }
        // What the head did before the person could react is where the turn begins.
        if self.returning || now.saturating_sub(self.since) < REACTION {
            let front = pose.yaw.abs() < TURNED / 2.0 && pose.pitch.abs() < NODDED;
            if self.returning && front {
                (self.returning, self.since) = (false, now);
            }
            return Answer::Waiting;
        }
        let rest = *self.rest.get_or_insert(pose);
        let wrong =
            Turn::ALL.iter().filter(|turn| **turn != self.asked).any(|turn| turn.share(rest, pose) >= WRONG);
        let share = self.asked.share(rest, pose);
        self.right = if share >= 1.0 && depth { self.right + 1 } else { 0 };
        // Whoever turns where they were asked to may nod a little with it.
        self.wrong = if wrong && share < 1.0 { self.wrong + 1 } else { 0 };
        if self.right >= FRAMES {
            let Some(left) = self.left.checked_sub(1) else { return Answer::Passed };
            let turn = next();
            *self = Self { returning: true, ..Self::new(turn, left + 1, now) };
            Answer::Next(turn)
        } else if self.wrong > FRAMES {
            Answer::Failed
        } else {
            Answer::Waiting
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pose(yaw: f32, pitch: f32) -> Pose {
        Pose { yaw, pitch, roll: 0.0 }
    }

    /// The answers to poses every 66 ms from the moment of the prompt.
    fn answers(asked: Turn, depth: bool, poses: impl Iterator<Item = Pose>) -> Answer {
        let mut prompt = Prompt::new(asked, 1, Duration::ZERO);
        poses
            .enumerate()
            .map(|(n, pose)| prompt.note(pose, depth, Duration::from_millis(66 * n as u64), || Turn::Up))
            .find(|answer| *answer != Answer::Waiting)
            .unwrap_or(Answer::Waiting)
    }

    /// Still for half a second, then a turn of one degree a frame.
    fn turn(yaw: f32, pitch: f32) -> impl Iterator<Item = Pose> {
        (0..60u8).map(move |n| {
            let share = f32::from(n.saturating_sub(8)).min(25.0);
            pose(yaw * share, pitch * share)
        })
    }

    #[test]
    fn only_the_asked_turn_of_a_body_passes() {
        for (asked, yaw, pitch) in
            [(Turn::Left, 1.0, 0.0), (Turn::Right, -1.0, 0.0), (Turn::Up, 0.0, -1.0), (Turn::Down, 0.0, 1.0)]
        {
            assert_eq!(answers(asked, true, turn(yaw, pitch)), Answer::Passed, "{asked:?}");
            assert_eq!(answers(asked, true, turn(-yaw, -pitch)), Answer::Failed, "{asked:?}, the other way");
            assert_eq!(answers(asked, false, turn(yaw, pitch)), Answer::Waiting, "{asked:?}, a flat picture");
        }
    }

    #[test]
    fn a_turn_that_began_before_the_prompt_does_not_count() {
        let turned = std::iter::repeat_n(pose(25.0, 0.0), 80);
        assert_eq!(answers(Turn::Left, true, turned), Answer::Waiting);
    }

    #[test]
    fn nobody_who_stands_still_passes_and_the_prompt_ends() {
        let still = std::iter::repeat_n(pose(2.0, -3.0), 120);
        assert_eq!(answers(Turn::Left, true, still), Answer::Failed);
    }

    #[test]
    fn a_second_turn_counts_only_after_the_head_came_back() {
        let mut prompt = Prompt::new(Turn::Left, 2, Duration::ZERO);
        let mut said = Vec::new();
        for n in 0..80u64 {
            let yaw = match n {
                0..8 => 0.0,
                8..30 => 25.0,
                30..45 => 0.0,
                _ => -25.0,
            };
            let now = Duration::from_millis(66 * n);
            let answer = prompt.note(pose(yaw, 0.0), true, now, || Turn::Right);
            if answer != Answer::Waiting {
                said.push(answer);
            }
            if answer == Answer::Passed {
                break;
            }
        }
        assert_eq!(said, [Answer::Next(Turn::Right), Answer::Passed]);
    }
}
