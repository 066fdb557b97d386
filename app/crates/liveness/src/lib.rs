//! Telling living people from pictures of them.
//!
//! Three tests that fail in different ways, each for one track over its frames:
//! - [`passive`]: the MiniFASNet models look at skin, edges and surroundings of a single frame. Good
//!   against paper and most screens; a bright OLED screen may get past them.
//! - [`blink`]: the lids close and open again, measured on the lid contour of the iris model. A photo
//!   cannot; a video can.
//! - [`depth`]: points of the face move against each other as only a body with depth makes them. No flat or
//!   bent picture can.
//!
//! A recording of a person does all three. Against it stand two more, where the site has them:
//! - [`scene`]: the known empty scene is visible around the head, and not the edge of a screen;
//! - [`prompt`]: the head turns as it was asked to, in a direction drawn by chance.
//!
//! What was refused stays refused until it has gone for a while: [`latch`].
//!
//! All that is known belongs to one face that was before the camera without a break: a face that was gone for
//! a moment, or that does not look as it did a moment ago, is looked at from the beginning ([`State`]).
//! Otherwise two photos of a person shown in turn would be a head that turns, and a finger before the eyes a
//! blink.
//!
//! The site chooses what is required. Where no passive model is there, a blink is required whatever the
//! site chose.
#![forbid(unsafe_code)]

pub mod blink;
mod checker;
pub mod config;
pub mod depth;
mod eyes;
pub mod latch;
pub mod passive;
pub mod poses;
pub mod prompt;
pub mod scene;
mod square;

use std::fmt;
use std::path::Path;
use std::time::Duration;

use models::store::Store;
use serde::Serialize;

use crate::config::LivenessRule;
use base::event::{Advice, Life};
use faces::landmarks::Landmarks;
use poses::Poses;
use vision::embedding::Embedding;

pub use checker::Checker;
pub use checker::face_bounds;
use passive::Passive;
use prompt::{Prompt, Turn};

/// What was found about the liveness of one track, with the scores that led to it.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Summary {
    /// Whether the site's rule is satisfied.
    pub verdict: Verdict,
    /// Mean P(live) of the passive models over the last votes, 0 to 1; `None` before they voted and where
    /// there are none.
    pub passive: Option<f32>,
    /// Blinks seen.
    pub blinks: u32,
    /// Motion that a flat picture cannot make, as a multiple of what is required; `None` before there was
    /// motion to judge.
    pub motion: Option<f32>,
    /// Whether the known scene was visible around the head.
    pub scene: bool,
    /// Whether a turn that was asked for was shown; `None` where none was asked for.
    pub prompt: Option<bool>,
}

/// Longest time between two frames of one face. A picture can be exchanged for another in less, but not by
/// hand before a face that is followed; somebody who is seen less often than this cannot be told by his
/// motion anyway.
const WITHOUT_A_BREAK: Duration = Duration::from_millis(350);

/// Least similarity of a face to itself a moment ago; below it, it is another picture, or is covered.
///
/// Measured on a man who talks, nods and blinks, and on a singer who throws his head about: after 33 ms they
/// never fall below 0.83, after 66 ms below 0.73, after 100 ms below 0.65 (the man alone: 0.92, 0.88, 0.83).
/// SFace gives the same within 0.03 (after 40, 80 and 120 ms never below 0.81, 0.74 and 0.66 where
/// MobileFaceNet gives 0.84, 0.74 and 0.66), and less to two photos of one person. Two photos of one person
/// reach 0.54 to 0.81, a photo whose eyes are covered by a finger 0.43 to 0.69. So the sooner faces are
/// compared the better they are told apart.
fn same_picture(gap: Duration) -> f32 {
    (0.90 - 2.4 * gap.as_secs_f32()).max(0.60)
}

/// The decision about liveness.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Verdict {
    /// Not checked: the site's rule is "off".
    Unchecked,
    /// More frames are needed.
    Undecided,
    /// A living person.
    Live,
    /// Not a living person.
    Attack,
}

/// What the models say of one face in one frame.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Observation {
    /// P(live) of the passive models, 0 to 1; `None` where there are none, or were not asked.
    pub live: Option<f32>,
    /// How far the eyes are open, as [`blink::relative`] gives it; `None` where they are too small to tell.
    pub opening: Option<f32>,
}

impl fmt::Display for Observation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.live {
            Some(live) => write!(f, "passive {live:.3}")?,
            None => f.write_str("no passive vote")?,
        }
        match self.opening {
            Some(opening) => write!(f, ", lids {opening:.3}"),
            None => f.write_str(", eyes too small"),
        }
    }
}

/// What is known about the liveness of one track.
#[derive(Debug, Clone, Default)]
pub struct State {
    /// Votes of the passive models.
    pub passive: passive::Votes,
    /// The lids over time.
    pub blink: blink::Lids,
    /// The points over time.
    pub depth: depth::Parallax,
    /// What was around the head over time.
    pub surroundings: scene::around::Surroundings,
    /// How the head was held, before it was asked to turn.
    poses: Poses,
    /// The prompt, where one was given.
    prompt: Prompted,
    /// When the newest frame was noted.
    noted: Option<Duration>,
    /// Whether the eyes were too small in it to see a blink.
    eyes_too_small: bool,
    /// Whether the face was turned too far to be embedded since it was embedded last.
    turned_away: bool,
}

/// The prompt of one face.
#[derive(Debug, Clone, Default)]
enum Prompted {
    #[default]
    Not,
    Asked(Prompt),
    Passed,
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
        // it has to be the same person's still.
        let said = gap <= WITHOUT_A_BREAK || std::mem::take(&mut self.turned_away);
        let same = !said || looked.similarity(face) >= same_picture(gap);
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
    /// like that was asked for.
    pub fn note_turned(&mut self, landmarks: &Landmarks, now: Duration) {
        self.poses.note(landmarks.pose, now);
        if let Prompted::Asked(_) = self.prompt {
            self.keep(now);
            self.turned_away = true;
            self.depth.note(&landmarks.mesh, now);
            self.note_pose(landmarks, now);
        }
    }

    /// Asks for `turns` turns of the head, unless that was done, as soon as the head is still and looks to
    /// the front; for one more where it turned unasked. What the head did before does not count.
    pub fn ask(&mut self, turns: u32, now: Duration) {
        if let (Prompted::Not, Some(rest)) = (&self.prompt, self.poses.still()) {
            self.depth = depth::Parallax::default();
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
            prompt::Answer::Waiting => {}
            prompt::Answer::Next(_) => self.depth = depth::Parallax::default(),
            prompt::Answer::Passed => self.prompt = Prompted::Passed,
            prompt::Answer::Failed => self.prompt = Prompted::Failed,
        }
    }

    fn prompt_shown(&self) -> Option<bool> {
        match self.prompt {
            Prompted::Not => None,
            Prompted::Passed => Some(true),
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

/// What is missing before a face is taken for a living person's.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Missing {
    /// The passive models are not certain.
    Certainty,
    /// A blink.
    Blink,
    /// A blink or a turn of the head.
    BlinkOrTurn,
    /// A blink, which eyes as small as these could not show.
    LargerEyes,
    /// A turn of the head that is asked for.
    Prompt,
}

/// What a site requires, as far as the models at hand allow.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Requirement {
    rule: LivenessRule,
    passive_there: bool,
    asks: bool,
    /// Refusals of this face's name lately.
    refusals: u32,
    exempt: bool,
}

impl Requirement {
    /// The site's rule, and whether the passive models are there.
    pub fn new(rule: LivenessRule, passive_there: bool) -> Self {
        Self { rule, passive_there, asks: false, refusals: 0, exempt: false }
    }

    /// The same where the device can ask a person to turn the head, by a screen or by spoken words.
    pub fn asking(self, asks: bool) -> Self {
        Self { asks, ..self }
    }

    /// The same for somebody who was refused so often lately: then only the prompt counts.
    pub fn after(self, refusals: u32) -> Self {
        Self { refusals, ..self }
    }

    /// The same for somebody who cannot turn the head: they are not asked to, and need the models and the
    /// scene.
    pub fn exempting(self, exempt: bool) -> Self {
        Self { exempt, ..self }
    }

    /// Turns to ask for where nothing else shows liveness; 0 where a prompt does not help.
    pub fn turns(self) -> u32 {
        let asks = self.rule == LivenessRule::PassivePrompt && self.asks && !self.exempt;
        if asks { (prompt::TURNS + self.refusals).min(prompt::MAX_TURNS) } else { 0 }
    }

    /// The site's rule with the weights in this folder.
    pub fn at_hand(rule: LivenessRule, models: &Path) -> Self {
        Self::new(rule, Store::open(models).is_ok_and(|store| Passive::is_there(&store)))
    }

    /// The rule in force, and whether the passive models are there: without them only a blink is asked for. A
    /// device that cannot ask people to turn does with "passive+any".
    pub fn in_force(self) -> (LivenessRule, bool) {
        let rule = match self.rule {
            LivenessRule::PassivePrompt if !self.asks => LivenessRule::PassiveAny,
            rule => rule,
        };
        (rule, self.passive_there)
    }

    /// The rule in force, as the configuration names it; "blink" where the passive models are missing.
    pub fn name(self) -> &'static str {
        match (self.rule, self.passive_there) {
            (LivenessRule::Off, _) => "off",
            (LivenessRule::PassivePrompt, false) if self.asks => "prompt",
            (_, false) => "blink",
            (LivenessRule::PassivePrompt, true) if self.asks => "passive+prompt",
            (LivenessRule::PassivePrompt, true) => "passive+any",
            (LivenessRule::Passive, true) => "passive",
            (LivenessRule::PassiveBlink, true) => "passive+blink",
            (LivenessRule::PassiveAny, true) => "passive+any",
        }
    }

    /// What a person should know and may want to change.
    pub fn concern(self) -> Option<&'static str> {
        match (self.rule, self.passive_there) {
            (LivenessRule::Off, _) => {
                Some("liveness is not checked (liveness.require = \"off\"): a photo passes for the person")
            }
            (_, false) => Some(
                "the anti-spoof networks are missing, so everybody must blink before the camera, and nothing tells a \
                 video from a person; run fetch_models to have them",
            ),
            _ => None,
        }
    }

    /// In words, for the log.
    fn text(self) -> &'static str {
        match self.rule {
            LivenessRule::Off => "liveness is not checked",
            LivenessRule::PassivePrompt if !self.passive_there && self.asks => {
                "liveness needs a turn of the head that is asked for"
            }
            _ if !self.passive_there => "liveness needs a blink",
            LivenessRule::Passive => "liveness needs the anti-spoof networks",
            LivenessRule::PassiveBlink => "liveness needs the anti-spoof networks and a blink",
            LivenessRule::PassivePrompt if self.asks => {
                "liveness needs the anti-spoof models, and the known scene around the head or a turn that is \
                 asked for"
            }
            LivenessRule::PassiveAny | LivenessRule::PassivePrompt => {
                "liveness needs the anti-spoof models, and a blink, a turn of the head or the known scene \
                 around it; a recording of a person may pass"
            }
        }
    }

    /// Writes into the log what is required, as a warning where it is not what it should be.
    pub fn tell(self) {
        log::info!("Recognition: {}", self.text());
        if let Some(concern) = self.concern() {
            log::warn!("{concern}");
        }
    }

    /// The decision over what is known of a track.
    pub fn judge(self, state: &State) -> Summary {
        let blinks = state.blink.blinks();
        let motion = state.depth.score();
        let passive = state.passive.mean();
        let scene = state.surroundings.are_evidence();
        let prompt = state.prompt_shown();
        let moved = blinks > 0 || motion.is_some_and(|score| score >= 1.0);
        let verdict = match (self.rule, self.passive_there, state.passive.verdict()) {
            (LivenessRule::Off, ..) => Verdict::Unchecked,
            (_, true, passive::Verdict::Attack) => Verdict::Attack,
            (LivenessRule::PassivePrompt, ..) if matches!(state.prompt, Prompted::Failed) => Verdict::Attack,
            (_, true, passive::Verdict::Open) => Verdict::Undecided,
            (LivenessRule::PassivePrompt, there, _) if self.turns() > 0 => {
                live_if(prompt == Some(true) || (there && scene && self.refusals == 0))
            }
            (LivenessRule::PassivePrompt, true, _) if self.exempt => live_if(scene),
            (_, false, _) => live_if(blinks > 0),
            (LivenessRule::Passive, ..) => Verdict::Live,
            (LivenessRule::PassiveBlink, ..) => live_if(blinks > 0),
            (LivenessRule::PassiveAny, ..) => live_if(moved),
            (LivenessRule::PassivePrompt, ..) => live_if(moved || scene),
        };
        Summary { verdict, passive, blinks, motion, scene, prompt }
    }

    /// What would help a person about whom the decision is open.
    pub fn missing(self, state: &State) -> Missing {
        if self.passive_there && state.passive.verdict() != passive::Verdict::Live {
            Missing::Certainty
        } else if self.turns() > 0 {
            Missing::Prompt
        } else if self.passive_there
            && matches!(self.rule, LivenessRule::PassiveAny | LivenessRule::PassivePrompt)
        {
            Missing::BlinkOrTurn
        } else if state.eyes_too_small {
            Missing::LargerEyes
        } else {
            Missing::Blink
        }
    }

    /// Whether what is around the head counts.
    pub fn uses_scene(self) -> bool {
        self.passive_there && self.rule == LivenessRule::PassivePrompt
    }

    /// Whether anything is to be checked.
    pub fn checks(self) -> bool {
        self.rule != LivenessRule::Off
    }
}

fn live_if(shown: bool) -> Verdict {
    if shown { Verdict::Live } else { Verdict::Undecided }
}

impl Summary {
    /// What has shown that the person lives, for whoever opens a door. A blink, or a turn that nobody asked
    /// for, is in every recording.
    pub fn life(&self) -> Life {
        match self.verdict {
            Verdict::Live if self.prompt == Some(true) => Life::Prompt,
            Verdict::Live if self.scene => Life::Scene,
            Verdict::Live => Life::Recordable,
            Verdict::Unchecked | Verdict::Undecided | Verdict::Attack => Life::Unchecked,
        }
    }
}

impl fmt::Display for Summary {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let verdict = match self.verdict {
            Verdict::Unchecked => return f.write_str("not checked"),
            Verdict::Undecided => "undecided",
            Verdict::Live => "live",
            Verdict::Attack => "attack",
        };
        f.write_str(verdict)?;
        if let Some(passive) = self.passive {
            write!(f, ", passive {passive:.2}")?;
        }
        write!(f, ", blinks {}", self.blinks)?;
        if let Some(motion) = self.motion {
            write!(f, ", depth {motion:.2}")?;
        }
        if self.scene {
            f.write_str(", scene visible")?;
        }
        if let Some(shown) = self.prompt {
            f.write_str(if shown { ", prompt answered" } else { ", prompt not answered" })?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use vision::embedding::DIMENSIONS;

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
    fn the_passive_networks_refuse_whatever_else_was_seen() {
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
    fn a_face_that_was_gone_or_looks_otherwise_begins_anew() {
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
        // Who has his answer is embedded twice a second, and has turned meanwhile.
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
    fn without_the_networks_nothing_passes_without_a_blink() {
        for rule in [LivenessRule::Passive, LivenessRule::PassiveBlink, LivenessRule::PassiveAny] {
            assert_eq!(verdict(rule, false, &State::default()), Verdict::Undecided);
            let requirement = Requirement::at_hand(rule, Path::new("/no/such/folder"));
            assert_eq!(requirement, Requirement::new(rule, false));
            assert_eq!(requirement.name(), "blink");
            assert!(requirement.concern().is_some_and(|concern| concern.contains("fetch_models")));
            assert_eq!(Requirement::new(rule, true).concern(), None);
        }
    }
}
