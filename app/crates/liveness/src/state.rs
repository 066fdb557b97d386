//! What is known of a track: blinks, movements, the known scene, and whether it is one face without a break.

use std::time::Duration;

use base::event::Advice;
use faces::landmarks::Landmarks;
use vision::embedding::Embedding;

use crate::observation::{Observation, WITHOUT_A_BREAK, same_picture};
use crate::poses::Poses;
use crate::prompt::{Prompt, Turn};

/// How long a head may take to come back after the last answer. For so long the answer also lowers the line
/// of the models; later they need all of it.
const COMING_BACK: Duration = Duration::from_secs(3);

/// Least similarity of a face that comes back from a turn to the face before, between two turns and after the
/// last answer: on the way back a head is turned by up to 35°. Heads rendered at 32° reach 0.57 and more to
/// themselves from the front, with SFace. Who it is, the gallery says again.
const BETWEEN_TURNS: f32 = 0.55;
const AFTER_THE_ANSWER: f32 = 0.45;

/// What is known about the liveness of one track.
#[derive(Debug, Clone, Default)]
pub struct State {
    /// Votes of the passive models.
    pub passive: crate::passive::Votes,
    /// The lids over time.
    pub blink: crate::blink::Lids,
    /// The points over time.
    pub depth: crate::depth::Parallax,
    /// What was around the head over time.
    pub surroundings: crate::scene::around::Surroundings,
    /// How the head was held, before it was asked to turn.
    poses: Poses,
    /// The prompt, where one was given.
    pub(super) prompt: Prompted,
    /// Whether one was answered, also if another is asked now.
    pub(super) answered: bool,
    /// When the newest frame was noted.
    noted: Option<Duration>,
    /// Whether the eyes were too small in it to see a blink.
    pub(super) eyes_too_small: bool,
    /// Whether the face was turned too far to be embedded since it was embedded last.
    turned_away: bool,
}

/// The prompt of one face.
#[derive(Debug, Clone, Default)]
pub(super) enum Prompted {
    #[default]
    Not,
    Asked(Prompt),
    /// Everything was shown, and when.
    Passed(Duration),
    Failed,
}

impl State {
    /// Begins again unless `face` looks as it did a moment ago, and says whether it does: to be called with
    /// every face that is embedded, and with every one that [`Self::note`] asks for. `before` is the face
    /// embedded last, and when; what is longer ago says nothing, for people move.
    pub fn compare(&mut self, before: &(Embedding, Duration), face: &Embedding, now: Duration) -> bool {
        let (looked, at) = before;
        let gap = now.saturating_sub(*at);
        // Longer ago says nothing, unless the face was turned away meanwhile and followed all the time: then
        // it has to be the same person's still, who is on the way back from the turn.
        let said = gap <= WITHOUT_A_BREAK || std::mem::take(&mut self.turned_away);
        let least = match self.prompt {
            _ if gap <= WITHOUT_A_BREAK => same_picture(gap),
            Prompted::Passed(_) => AFTER_THE_ANSWER,
            Prompted::Asked(_) => BETWEEN_TURNS,
            Prompted::Not | Prompted::Failed => same_picture(gap),
        };
        let same = !said || looked.similarity(face) >= least;
        if !same {
            *self = Self::default();
        }
        same
    }

    /// Notes that the face is before the camera now; after a break it begins again.
    pub fn keep(&mut self, now: Duration) {
        if self.noted.is_some_and(|before| now.saturating_sub(before) > WITHOUT_A_BREAK) {
            *self = Self::default();
        }
        self.noted = Some(now);
    }

    /// Notes what was seen of the face in one frame. Whether that may become a sign of life: then the frame's
    /// face has to be compared too, for a picture that is exchanged for a moment shows the same.
    pub fn note(&mut self, seen: &Observation, landmarks: &Landmarks, now: Duration) -> bool {
        self.keep(now);
        if let Some(live) = seen.live {
            self.passive.cast(live);
        }
        self.eyes_too_small = seen.opening.is_none();
        if let Some(opening) = seen.opening {
            self.blink.note(opening, landmarks.pose.pitch, now);
        }
        let turned = self.depth.note(&landmarks.mesh, now);
        self.note_pose(landmarks, now);
        turned || self.blink.are_closed()
    }

    /// Notes a face that is turned too far, or moves too fast, to be embedded: that is what a turn looks
    /// like that was asked for. Whether it was the last one that is asked for, and right.
    pub fn note_turned(&mut self, landmarks: &Landmarks, now: Duration) -> bool {
        self.poses.note(landmarks.pose, now);
        match self.prompt {
            Prompted::Asked(_) => {
                self.keep(now);
                self.turned_away = true;
                self.depth.note(&landmarks.mesh, now);
                self.note_pose(landmarks, now);
                matches!(self.prompt, Prompted::Passed(_))
            }
            // The head has not come back yet: what it has shown holds until it should have.
            Prompted::Passed(at) if now.saturating_sub(at) <= COMING_BACK => {
                self.keep(now);
                self.turned_away = true;
                false
            }
            Prompted::Not | Prompted::Passed(_) | Prompted::Failed => false,
        }
    }

    /// Asks for `turns` turns of the head, as soon as the head is still and looks to the front; for one more
    /// where it turned unasked. What the head did before does not count. It is asked once, and again where an
    /// answer is too long ago to help.
    pub fn ask(&mut self, turns: u32, now: Duration) {
        let too_long_ago = self.answered_ago().is_some_and(|ago| ago > COMING_BACK);
        let due = matches!(self.prompt, Prompted::Not) || too_long_ago;
        if let (true, Some(rest)) = (due, self.poses.still()) {
            self.depth = crate::depth::Parallax::default();
            let first = Turn::ALL[fastrand::usize(..Turn::ALL.len())];
            let turns = turns + u32::from(self.poses.are_restless());
            self.prompt = Prompted::Asked(Prompt::new(first, turns, rest, now));
        }
    }

    /// What a person has to do before a turn can be asked for.
    pub fn before_prompt(&self) -> Advice {
        if self.poses.look_to_the_front() { Advice::HoldStill } else { Advice::LookAtTheCamera }
    }

    /// What the person is asked to do now.
    pub fn asked(&self) -> Option<Turn> {
        if let Prompted::Asked(prompt) = &self.prompt { Some(prompt.asked()) } else { None }
    }

    fn note_pose(&mut self, landmarks: &Landmarks, now: Duration) {
        let Prompted::Asked(prompt) = &mut self.prompt else {
            self.poses.note(landmarks.pose, now);
            return;
        };
        let depth = self.depth.score().is_some_and(|score| score >= depth_needed(prompt.asked()));
        match prompt.note(landmarks.pose, depth, now, drawn_but) {
            crate::prompt::Answer::Waiting => {}
            crate::prompt::Answer::Next(_) => self.depth = crate::depth::Parallax::default(),
            crate::prompt::Answer::Passed => (self.prompt, self.answered) = (Prompted::Passed(now), true),
            crate::prompt::Answer::Failed => self.prompt = Prompted::Failed,
        }
    }

    /// How long ago everything was shown that was asked for; `None` where that is open.
    fn answered_ago(&self) -> Option<Duration> {
        let Prompted::Passed(at) = self.prompt else { return None };
        self.noted.map(|now| now.saturating_sub(at))
    }

    /// Whether everything was shown so short a time ago that it lowers the models' line.
    pub(super) fn answered_lately(&self) -> bool {
        self.answered_ago().is_some_and(|ago| ago <= COMING_BACK)
    }

    pub(super) fn prompt_shown(&self) -> Option<bool> {
        match self.prompt {
            Prompted::Not => None,
            _ if self.answered => Some(true),
            Prompted::Passed(_) => Some(true),
            Prompted::Asked(_) | Prompted::Failed => Some(false),
        }
    }
}

/// A turn drawn by chance, and not this one.
fn drawn_but(turn: Turn) -> Turn {
    let others = Turn::ALL.into_iter().filter(|other| *other != turn);
    others.clone().nth(fastrand::usize(..others.count())).unwrap_or(turn)
}

/// How much depth the motion of a turn has to show, as a multiple of what an unprompted one needs. A nod is
/// a smaller turn.
fn depth_needed(turn: Turn) -> f32 {
    match turn {
        Turn::Left | Turn::Right => 0.8,
        Turn::Up | Turn::Down => 0.6,
    }
}
