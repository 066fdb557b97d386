//! A prompt: the person is asked to turn the head in directions that are drawn by chance.
//!
//! A recording blinks and turns, but not when and where it is asked to. So a prompt is given to a head that
//! is still ([`super::poses`]), and asks for two turns or more, one after the other. Each is another one than
//! the turn before, has to begin a reaction time after it was asked for and soon enough, and has to be that
//! of a body with depth ([`super::depth`]). The first clear turn decides: in another direction it is a wrong
//! answer. Whoever guesses is right with one in four, then with one in three each time.
//!
//! The head need not come back to the front between two turns: all are measured from where it was before.
//! Somebody who does not answer at all, or whose turn began too soon, is asked once more, for another turn.
//!
//! Not stopped by this: somebody who makes a picture turn as it is asked to, while it is asked.
//!
//! Pure: poses and times in, answers out.

use std::time::Duration;

use serde::Serialize;

use base::event::Advice;
use faces::landmarks::Pose;

/// A turn begins this long after it is asked for at the earliest: nobody hears and moves sooner, and what
/// moved already was not asked for.
const REACTION: Duration = Duration::from_millis(250);

/// Half of a turn is made by then: it is assumed that people who notice the prompt begin within a second and
/// a half.
const LATEST: Duration = Duration::from_secs(2);

/// So much later where the head has to come back from the turn before.
const COMING_BACK: Duration = Duration::from_millis(500);

/// How long a person has for each turn, once it has begun in time.
const PATIENCE: Duration = Duration::from_secs(4);

/// How far the head has to turn to the side, degrees from where it was when the prompt began.
const TURNED: f32 = 14.0;

/// How far it has to nod up or down, degrees.
const NODDED: f32 = 12.0;

/// A turn has begun with this much of the required one.
const BEGUN: f32 = 0.5;

/// Largest share of another turn beside the asked one, as a part of this: whoever turns nods a little, and
/// somebody who turns and nods at once answers two prompts.
const BESIDE: f32 = 0.6;

/// Frames in a row that have to show a turn, be it right or wrong: the mesh may slip in one.
const FRAMES: u32 = 2;

/// A nod that was not asked for is a wrong answer only if it is this many times the required one, and lasts
/// for this many frames: people look down at the screen that asks them.
const WRONG_NOD: f32 = 1.5;
const WRONG_NOD_FRAMES: u32 = 3;

/// Turns of a first prompt.
pub const TURNS: u32 = 2;

/// Most turns of one prompt.
pub const MAX_TURNS: u32 = 6;

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

    /// The share that a wrong answer of this kind has to show, and the frames in a row.
    fn clear_as_wrong(self) -> (f32, u32) {
        match self {
            Self::Left | Self::Right => (1.0, FRAMES),
            Self::Up | Self::Down => (WRONG_NOD, WRONG_NOD_FRAMES),
        }
    }

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
    /// This turn is asked for next: the one before was right, or nobody answered it.
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
    /// Whether another turn may be asked for where nobody answers.
    again: bool,
    since: Duration,
    /// How the head was held when the prompt began.
    rest: Pose,
    /// The turn that was shown last, while the head has not come back from it; and whether there was one.
    before: Option<Turn>,
    follows: bool,
    /// For each turn, in the order of [`Turn::ALL`], since when the head has been half turned that way.
    begun: [Option<Duration>; 4],
    /// Frames in a row that show the asked turn, and another one.
    right: u32,
    wrong: u32,
}

impl Prompt {
    /// Asks for `turns` turns (1 to [`MAX_TURNS`]), the first of which is `first`, of a head that is held
    /// like `rest` and still.
    pub fn new(first: Turn, turns: u32, rest: Pose, now: Duration) -> Self {
        Self {
            asked: first,
            left: turns.clamp(1, MAX_TURNS) - 1,
            again: true,
            since: now,
            rest,
            before: None,
            follows: false,
            begun: [None; 4],
            right: 0,
            wrong: 0,
        }
    }

    /// What the person is asked to do now.
    pub fn asked(&self) -> Turn {
        self.asked
    }

    /// Notes the pose of one frame. `depth` is whether the motion since the turn was asked for is that of a
    /// body with depth. `draw` draws a turn, and not the one that it is given.
    pub fn note(
        &mut self,
        pose: Pose,
        depth: bool,
        now: Duration,
        draw: impl FnOnce(Turn) -> Turn,
    ) -> Answer {
        let after = now.saturating_sub(self.since);
        let shares = Turn::ALL.map(|turn| (turn, turn.share(self.rest, pose)));
        // Coming back from the turn before is no turn.
        self.before = self.before.filter(|before| before.share(self.rest, pose) >= BEGUN);
        for (begun, (_, share)) in self.begun.iter_mut().zip(&shares) {
            *begun = if *share >= BEGUN { begun.or(Some(now)) } else { None };
        }
        let mut shown = (self.asked, f32::NEG_INFINITY, None);
        for ((turn, share), begun) in shares.into_iter().zip(self.begun) {
            if Some(turn) != self.before && share > shown.1 {
                shown = (turn, share, begun);
            }
        }
        let (turn, share, begun) = shown;
        if after < REACTION {
            return Answer::Waiting;
        }
        let latest = if self.follows || self.before.is_some() { LATEST + COMING_BACK } else { LATEST };
        if begun.is_none() && after > latest {
            return self.ask_again(now, draw);
        }
        if after > PATIENCE {
            return Answer::Failed;
        }
        let alone = shares
            .into_iter()
            .all(|(other, beside)| other == turn || Some(other) == self.before || beside <= BESIDE * share);
        self.right = if share >= 1.0 && turn == self.asked && alone && depth { self.right + 1 } else { 0 };
        let (clear, frames) = turn.clear_as_wrong();
        self.wrong = if share >= clear && turn != self.asked { self.wrong + 1 } else { 0 };
        let decided = self.right >= FRAMES || self.wrong >= frames;
        // If a head is coming back from a turn, it is not known when the next turn began.
        if decided && !self.follows && begun.is_some_and(|at| at.saturating_sub(self.since) < REACTION) {
            self.before = Some(turn);
            return self.ask_again(now, draw);
        }
        if self.right >= FRAMES {
            let Some(left) = self.left.checked_sub(1) else { return Answer::Passed };
            self.left = left;
            (self.before, self.follows) = (Some(self.asked), true);
            self.ask(draw(self.asked), now)
        } else if decided {
            Answer::Failed
        } else {
            Answer::Waiting
        }
    }

    fn ask(&mut self, turn: Turn, now: Duration) -> Answer {
        (self.asked, self.since, self.begun) = (turn, now, [None; 4]);
        (self.right, self.wrong) = (0, 0);
        Answer::Next(turn)
    }

    fn ask_again(&mut self, now: Duration, draw: impl FnOnce(Turn) -> Turn) -> Answer {
        if !std::mem::replace(&mut self.again, false) {
            return Answer::Failed;
        }
        self.ask(draw(self.asked), now)
    }
}

#[cfg(test)]
#[path = "prompt_tests.rs"]
mod tests;

#[cfg(test)]
#[path = "prompt_odds.rs"]
mod odds;
