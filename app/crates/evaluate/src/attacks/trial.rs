//! One person or attack before the camera, under every rule at once.

use std::path::PathBuf;
use std::time::Duration;

use super::figures::{ByRule, Decision, GIVE_UP, Presentation, RULES, SOON};
use crate::pictures::EvaluateError;
use base::identity::RollNumber;
use faces::landmarks::Landmarks;
use liveness::config::LivenessRule;
use liveness::latch::Latch;
use liveness::{Observation, Requirement};
use recognition::naming::vote::Rule;
use recognition::watch::decision;
use recognition::watch::decision::{Look, Senses};
use recognition::watch::subject::Subject;
use recognition::{EngineError, Match, Quality};
use vision::embedding::Embedding;

/// A video is begun again this often: a person may step before the camera at any moment of it.
const BEGIN_EVERY: Duration = Duration::from_millis(500);

/// What the models said of one frame.
pub(super) struct Recorded {
    pub(super) face: Embedding,
    pub(super) seen: Observation,
}

/// One video under every rule, from every beginning.
pub(super) struct Trial {
    rule: Rule,
    /// Whether the anti-spoof models are there.
    models: bool,
    /// The one person on the roster: whose face was seen first.
    roll: RollNumber,
    enrolled: Option<Embedding>,
    beginnings: Vec<Beginning>,
    /// P(live) of every frame.
    live: Vec<f32>,
    /// Time of the newest frame.
    now: Duration,
}

struct Beginning {
    at: Duration,
    tries: ByRule<Try>,
}

/// What one rule makes of the frames since a beginning.
#[derive(Default)]
struct Try {
    subject: Subject,
    latch: Latch,
    frames: u32,
    decided: Option<Decision>,
}

/// What one rule hears of a frame.
struct Heard<'a> {
    said: &'a Recorded,
    models: bool,
    roll: &'a RollNumber,
    enrolled: &'a Embedding,
}

impl Senses for Heard<'_> {
    fn embed(&mut self) -> Result<Embedding, EngineError> {
        Ok(self.said.face.clone())
    }

    fn search(&mut self, face: &Embedding) -> Result<Option<Match>, EngineError> {
        let similarity = self.enrolled.similarity(face);
        Ok(Some(Match { roll: self.roll.clone(), similarity, runner_up: -1.0 }))
    }

    fn observe(&mut self, votes: bool) -> Result<Observation, EngineError> {
        let live = self.said.seen.live.filter(|_| votes && self.models);
        Ok(Observation { live, ..self.said.seen })
    }
}

impl Trial {
    pub(super) fn new(rule: Rule, models: bool) -> Result<Self, EvaluateError> {
        let roll = RollNumber::parse("0").map_err(|error| EvaluateError::TooLittle(error.to_string()))?;
        let (enrolled, now) = (None, Duration::ZERO);
        Ok(Self { rule, models, roll, enrolled, beginnings: Vec::new(), live: Vec::new(), now })
    }

    pub(super) fn frame(&mut self, at: Duration) {
        self.now = at;
        if self.beginnings.last().is_none_or(|last| at.saturating_sub(last.at) >= BEGIN_EVERY) {
            self.beginnings.push(Beginning { at, tries: Default::default() });
        }
    }

    pub(super) fn note(
        &mut self,
        landmarks: &Landmarks,
        quality: Quality,
        said: &Recorded,
        now: Duration,
    ) -> Result<(), EngineError> {
        let enrolled = self.enrolled.get_or_insert_with(|| said.face.clone());
        self.live.extend(said.seen.live);
        for beginning in &mut self.beginnings {
            let waited = now.saturating_sub(beginning.at);
            if waited > GIVE_UP {
                continue;
            }
            for ((_, rule, models), attempt) in RULES.iter().zip(&mut beginning.tries) {
                if attempt.decided.is_some() {
                    continue;
                }
                attempt.frames += 1;
                let requirement = Requirement::new(*rule, *models);
                let mut look = Look {
                    latch: &mut attempt.latch,
                    // A file shows no empty scene, and a recording answers no prompt.
                    surround: None,
                    exempt: &[],
                    track: 0,
                    now,
                    landmarks,
                    quality,
                    rule: self.rule,
                    requirement,
                    loading: false,
                };
                let mut heard = Heard { said, models: *models, roll: &self.roll, enrolled };
                let (_, decision) = attempt.subject.look(&mut look, &mut heard)?;
                if matches!(decision, Some(decision::Decision::Recognised { .. })) {
                    attempt.decided =
                        Some(Decision { frames: attempt.frames, seconds: waited.as_secs_f32() });
                }
            }
        }
        Ok(())
    }

    /// A genuine person is accepted when the door would have, from the first frame on; an attack, when it
    /// would have from any beginning.
    pub(super) fn end(self, path: PathBuf, species: Option<String>) -> Presentation {
        let tries = if species.is_some() { self.beginnings.len() } else { 1 };
        let accepted = std::array::from_fn(|rule| {
            let decided = |beginning: &Beginning| beginning.tries[rule].decided.is_some();
            let (_, _, takes_models) = RULES[rule];
            (self.models || !takes_models).then(|| self.beginnings.iter().take(tries).any(decided))
        });
        let long_enough = |beginning: &&Beginning| self.now.saturating_sub(beginning.at) >= SOON;
        let decided = |beginning: &Beginning| std::array::from_fn(|rule| beginning.tries[rule].decided);
        let decisions = self.beginnings.iter().filter(long_enough).map(decided).collect();
        let why = self.beginnings.first().map(|first| {
            let summary = |(try_, (name, rule, models)): (&Try, &(&str, LivenessRule, bool))| {
                format!("{name}: {}", Requirement::new(*rule, *models).judge(&try_.subject.liveness))
            };
            first.tries.iter().zip(&RULES).map(summary).collect::<Vec<_>>().join("; ")
        });
        let mean = self.live.iter().sum::<f32>() / self.live.len() as f32;
        Presentation {
            path,
            species,
            seen: self.enrolled.is_some(),
            passive: (!self.live.is_empty()).then_some(mean),
            accepted,
            decisions,
            why: why.unwrap_or_default(),
        }
    }
}
