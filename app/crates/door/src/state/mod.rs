//! What the person sees: pure, from events and faces, without clock, display or sound.

mod scene;

use std::collections::{BTreeMap, VecDeque};
use std::time::Duration;

use base::event::{Advice, Event, Life};
use base::identity::RollNumber;

pub use scene::{Card, Kind, Light, Scene, Wall};

use crate::hours::Hours;
use crate::tones::Tone;

/// How long an answer stays.
const ANSWER_FOR: Duration = Duration::from_secs(2);
/// How long bad news stays: it has to be read.
const REFUSAL_FOR: Duration = Duration::from_secs(3);
/// A recognition without an answer for so long shows "one moment"; after the second time it is forgotten.
const WAIT_AFTER: Duration = Duration::from_millis(800);
const WAIT_UNTIL: Duration = Duration::from_secs(6);
/// Another recognition of a person within this time of their last answer belongs to the same visit.
const VISIT: Duration = Duration::from_secs(120);
/// Where nobody tells which face it is: within this time it is the one that was answered.
const REPEAT_AFTER: Duration = Duration::from_secs(10);
/// Advice for a face that is out of sight goes after this time; without sight, after the second.
const OUT_OF_SIGHT: Duration = Duration::from_millis(700);
const UNSEEN_ADVICE: Duration = Duration::from_secs(4);
/// Answers side by side.
pub const MOST_CARDS: usize = 4;
/// People whose last answer is remembered; beyond that the oldest are forgotten.
const MOST_VISITORS: usize = 512;
/// Faces followed and recognitions awaited.
const MOST_TRACKS: usize = 32;

/// What is done beside the screen.
#[derive(Debug, Clone, PartialEq)]
pub enum Cue {
    /// A tone, and the light that goes with it.
    Tone(Tone),
    /// Somebody was recognised: the relay's rules decide what follows.
    Recognised {
        /// Who.
        roll: RollNumber,
        /// What showed that they live.
        life: Life,
    },
}

/// Whom or what an answer is about: one answer each.
#[derive(Debug, Clone, PartialEq, Eq)]
enum About {
    Roll(RollNumber),
    Track(u64),
}

#[derive(Debug, Clone)]
struct Answer {
    about: About,
    kind: Kind,
    time: Option<String>,
    until: Duration,
}

#[derive(Debug, Clone, Copy)]
struct Told {
    advice: Advice,
    at: Duration,
    seen: Duration,
}

#[derive(Debug, Clone, Copy)]
struct Visitor {
    /// The last answer, of whichever kind.
    answered: Duration,
    /// The face that it was for.
    track: Option<u64>,
}

/// A recognition whose answer has not come yet.
#[derive(Debug, Clone)]
struct Awaited {
    roll: RollNumber,
    track: u64,
    since: Duration,
}

/// What is on the screen, and why.
#[derive(Debug, Default)]
pub struct Board {
    answers: VecDeque<Answer>,
    awaited: VecDeque<Awaited>,
    visitors: BTreeMap<RollNumber, Visitor>,
    advice: BTreeMap<u64, Told>,
    /// Whether a camera view tells which faces are there.
    sighted: bool,
    faces: usize,
    somebody: Option<Duration>,
}

impl Board {
    /// Takes an event; gives what is to be done beside the screen.
    pub fn hear(&mut self, now: Duration, event: &Event) -> Vec<Cue> {
        match event {
            Event::Hint { track, advice } => {
                self.somebody = Some(now);
                let before = self.advice.insert(*track, Told { advice: *advice, at: now, seen: now });
                if self.advice.len() > MOST_TRACKS {
                    self.advice.pop_first();
                }
                let new = before.is_none_or(|before| before.advice != *advice);
                Vec::from_iter((new && is_prompt(*advice)).then_some(Cue::Tone(Tone::Prompt(*advice))))
            }
            Event::Recognised { track, roll, life, .. } => {
                self.somebody = Some(now);
                self.advice.remove(track);
                self.await_no_more(roll);
                self.awaited.push_back(Awaited { roll: roll.clone(), track: *track, since: now });
                self.awaited.keep_newest(MOST_TRACKS);
                vec![Cue::Recognised { roll: roll.clone(), life: *life }]
            }
            Event::Recorded { roll, status, timestamp, .. } => {
                let kind = if status.eq_ignore_ascii_case("OUT") { Kind::Out } else { Kind::In };
                let track = self.await_no_more(roll);
                // At the close of a day every open OUT becomes a row, and nobody is there for it.
                if kind == Kind::Out && track.is_none() {
                    return Vec::new();
                }
                self.answer_person(now, roll, track, kind, clock_of(timestamp))
            }
            // The OUT can still move: the person was seen, and nothing is final.
            Event::OutOpen { roll, timestamp, .. } => {
                let track = self.await_no_more(roll);
                self.answer_person(now, roll, track, Kind::Seen, clock_of(timestamp))
            }
            Event::NotRecorded { roll, .. } => self.no_row(now, roll),
            // The row is kept and written later. To the person this is not a failure.
            Event::NotSaved { roll, .. } => {
                let track = self.await_no_more(roll);
                self.answer_person(now, roll, track, Kind::Seen, None)
            }
            Event::Stranger { track, .. } => self.answer_face(now, *track, Kind::Unknown),
            Event::AttackRefused { track, .. } => self.answer_face(now, *track, Kind::Refused),
            _ => Vec::new(),
        }
    }

    /// Takes which faces are in sight now.
    pub fn look(&mut self, now: Duration, tracks: &[u64]) {
        self.sighted = true;
        self.faces = tracks.len();
        if !tracks.is_empty() {
            self.somebody = Some(now);
        }
        for (track, told) in &mut self.advice {
            if tracks.contains(track) {
                told.seen = now;
            }
        }
    }

    /// Notes that no camera reports which faces are there.
    pub fn look_nowhere(&mut self) {
        (self.sighted, self.faces) = (false, 0);
    }

    /// Whether anybody was there within this time.
    pub fn somebody_within(&self, now: Duration, time: Duration) -> bool {
        self.somebody.is_some_and(|at| now.saturating_sub(at) < time)
    }

    /// What the screen shows now. `staff`: whether something is wrong that the staff should look at.
    pub fn scene(&mut self, now: Duration, view: &DoorView<'_>) -> Scene {
        self.forget(now);
        let mut cards: Vec<Card> = self
            .answers
            .iter()
            .map(|answer| Card {
                kind: answer.kind,
                who: match &answer.about {
                    About::Roll(roll) => (view.name)(roll),
                    About::Track(_) => None,
                },
                time: answer.time.clone().or_else(|| view.wall.map(|wall| wall.clock())),
            })
            .collect();
        let waits = |awaited: &Awaited| now.saturating_sub(awaited.since) >= WAIT_AFTER;
        if cards.is_empty() && self.awaited.iter().any(waits) {
            cards.push(Card { kind: Kind::Wait, who: None, time: None });
        }
        let advice = self.advice.values().max_by_key(|told| told.at).map(|told| told.advice);
        let somebody = self.faces > 0 || advice.is_some();
        let busy = somebody || !cards.is_empty() || self.somebody_within(now, view.dim_after);
        let night = view.night.zip(view.wall).is_some_and(|(night, wall)| night.hold(wall.minute_of_day()));
        Scene {
            cards,
            advice,
            somebody,
            staff: view.staff,
            light: match (busy, night) {
                (true, _) => Light::Bright,
                (false, false) => Light::Dim,
                (false, true) => Light::Night,
            },
            wall: view.wall.copied(),
            site: view.site.to_owned(),
        }
    }

    /// No row is due. A person who stays before the camera is recognised again and again: one answer is
    /// enough.
    fn no_row(&mut self, now: Duration, roll: &RollNumber) -> Vec<Cue> {
        let track = self.await_no_more(roll);
        let Some(last) = self.visitors.get(roll).copied() else {
            return self.answer_person(now, roll, track, Kind::Seen, None);
        };
        let since = now.saturating_sub(last.answered);
        let stays = match track {
            Some(_) => track == last.track,
            None => since < REPEAT_AFTER,
        };
        if stays {
            return Vec::new();
        }
        let kind = if since < VISIT { Kind::TooEarly } else { Kind::Seen };
        self.answer_person(now, roll, track, kind, None)
    }

    fn answer_person(
        &mut self,
        now: Duration,
        roll: &RollNumber,
        track: Option<u64>,
        kind: Kind,
        time: Option<String>,
    ) -> Vec<Cue> {
        self.somebody = Some(now);
        self.visitors.insert(roll.clone(), Visitor { answered: now, track });
        if self.visitors.len() > MOST_VISITORS {
            let oldest = self.visitors.iter().min_by_key(|(_, visitor)| visitor.answered);
            if let Some(oldest) = oldest.map(|(roll, _)| roll.clone()) {
                self.visitors.remove(&oldest);
            }
        }
        self.put(Answer { about: About::Roll(roll.clone()), kind, time, until: now + ANSWER_FOR });
        kind.tone().map(Cue::Tone).into_iter().collect()
    }

    /// The awaited answer has come. Returns the face that it is for.
    fn await_no_more(&mut self, roll: &RollNumber) -> Option<u64> {
        let at = self.awaited.iter().position(|awaited| awaited.roll == *roll)?;
        self.awaited.remove(at).map(|awaited| awaited.track)
    }

    fn answer_face(&mut self, now: Duration, track: u64, kind: Kind) -> Vec<Cue> {
        self.somebody = Some(now);
        self.advice.remove(&track);
        self.put(Answer { about: About::Track(track), kind, time: None, until: now + REFUSAL_FOR });
        kind.tone().map(Cue::Tone).into_iter().collect()
    }

    /// Shows an answer in the place of the last one about the same person, or as the newest.
    fn put(&mut self, answer: Answer) {
        match self.answers.iter_mut().find(|shown| shown.about == answer.about) {
            Some(shown) => *shown = answer,
            None => self.answers.push_back(answer),
        }
        self.answers.keep_newest(MOST_CARDS);
    }

    fn forget(&mut self, now: Duration) {
        self.answers.retain(|answer| answer.until > now);
        self.awaited.retain(|awaited| now.saturating_sub(awaited.since) < WAIT_UNTIL);
        let sighted = self.sighted;
        self.advice.retain(|_, told| {
            if sighted {
                now.saturating_sub(told.seen) < OUT_OF_SIGHT
            } else {
                now.saturating_sub(told.at) < UNSEEN_ADVICE
            }
        });
    }
}

/// What a scene needs beside the board.
pub struct DoorView<'a> {
    /// How a person is called on the screen; none where nobody is to be named.
    pub name: &'a dyn Fn(&RollNumber) -> Option<String>,
    /// Date and time of the site; none while the clock is not known.
    pub wall: Option<&'a Wall>,
    /// Whether something is wrong that the staff should look at.
    pub staff: bool,
    /// The school's name.
    pub site: &'a str,
    /// When the screen dims.
    pub dim_after: Duration,
    /// When it is nearly dark.
    pub night: Option<Hours>,
}

/// Whether this asks for something that proves liveness.
pub fn is_prompt(advice: Advice) -> bool {
    use Advice::{Blink, BlinkOrTurn, LookDown, LookUp, TurnLeft, TurnRight};
    matches!(advice, Blink | BlinkOrTurn | TurnLeft | TurnRight | LookUp | LookDown)
}

/// The time of day in "2025-01-15 09:00:07".
fn clock_of(timestamp: &str) -> Option<String> {
    let clock = timestamp.get(11..16)?;
    (clock.as_bytes()[2] == b':').then(|| clock.to_owned())
}

/// Keeps the newest.
trait KeepNewest {
    fn keep_newest(&mut self, most: usize);
}

impl<T> KeepNewest for VecDeque<T> {
    fn keep_newest(&mut self, most: usize) {
        let over = self.len().saturating_sub(most);
        self.drain(..over);
    }
}
