//! A tracked face is looked at: embedded, checked for liveness, and advised.

use std::sync::atomic::Ordering;
use std::time::Instant;

use super::Pipeline;
use crate::config;
use crate::naming::second::Thresholds;
use crate::naming::vote::Rule;
use crate::watch::decision::{Decision, Look};
use crate::watch::follow::Followed;
use crate::watch::outcome::{FrameOutcome, Sighting};
use crate::watch::senses::{Ahead, Networks};
use crate::watch::subject::{Continuity, Subject};
use crate::watch::track::Track;
use crate::watch::view::{Latency, millis};
use base::event::Advice;
use base::moment::Moment;
use faces::error::EngineError;
use liveness::{Requirement, face_bounds};
use vision::face::Face;

/// A decision about a track, as the others are told.
fn outcome(decision: Decision, track: &Track<Subject>, threshold: f32, at: Moment) -> FrameOutcome {
    let (frames_to_decision, track) = (track.frames, track.id);
    match decision {
        Decision::Recognised { roll, similarity, margin, votes, liveness } => {
            FrameOutcome::Recognised(Sighting {
                roll,
                track,
                similarity,
                margin,
                votes,
                threshold,
                liveness,
                at,
                frames_to_decision,
            })
        }
        Decision::Stranger { similarity } => FrameOutcome::Stranger { track, similarity, threshold, at },
        Decision::AttackRefused { roll, liveness } => {
            FrameOutcome::AttackRefused { track, roll, liveness, at }
        }
        Decision::Advise(advice) => FrameOutcome::Hint { track, advice },
    }
}

impl Pipeline {
    /// One face of the frame, in its track. Whether that took models.
    pub(super) fn consider(
        &mut self,
        face: &Face,
        index: usize,
        at: Moment,
        latency: &mut Latency,
        outcomes: &mut Vec<FrameOutcome>,
    ) -> Result<bool, EngineError> {
        // The cheapest test first: a face too small costs no run of a model.
        if face.bounds.width < self.recognition.min_face_px as f32 {
            self.advise(index, Some(Advice::ComeCloser), outcomes);
            return Ok(false);
        }
        let thresholds = self.thresholds();
        let rule = self.rule(thresholds);
        let requirement = self.requirement();
        if !self.tracker.tracks()[index].state.wants_a_look(&rule, requirement, at.since_boot) {
            return Ok(false);
        }
        let looking = Instant::now();
        let seen = self.engine.look(&self.picture, face)?;
        latency.landmarks += millis(looking);
        let subject = &mut self.tracker.track_mut(index).state;
        let Some((landmarks, quality)) = seen else {
            subject.followed = None;
            return Ok(true);
        };
        subject.followed = match subject.followed.take() {
            Some(followed) => followed.moved(&landmarks.five),
            None => Some(Followed::new(face, landmarks.five)),
        };
        let problem = quality.problem(self.recognition.min_face_px);
        self.advise(index, problem, outcomes);
        if let Some(problem) = problem {
            log::debug!(
                "track {}: not looked at, {}; {quality}",
                self.tracker.tracks()[index].id,
                problem.text()
            );
            let turned = matches!(problem, Advice::LookAtTheCamera | Advice::HoldStill);
            if turned {
                let track = self.tracker.track_mut(index);
                let next = track.state.turned(&landmarks, at.since_boot);
                outcomes.extend(next.map(|advice| FrameOutcome::Hint { track: track.id, advice }));
            }
            return Ok(true);
        }
        let looks_around = requirement.uses_scene()
            && self.tracker.tracks()[index].state.liveness.surroundings.is_due(at.since_boot);
        let surround = looks_around
            .then(|| self.scenery.around(&self.picture, &face_bounds(&landmarks.mesh), at.since_boot));
        let mut look = Look {
            latch: &mut self.latch,
            surround,
            exempt: &self.exempt,
            track: self.tracker.tracks()[index].id,
            now: at.since_boot,
            landmarks: &landmarks,
            quality,
            rule,
            requirement,
            loading: self.incomplete,
        };
        let mut senses = Networks {
            engine: &mut self.engine,
            gallery: &self.voted_on,
            thresholds,
            margin: rule.margin,
            liveness: &mut self.liveness,
            beside: &self.beside,
            picture: &self.picture,
            landmarks: &landmarks,
            at: at.since_boot,
            latency,
            ahead: Ahead::default(),
        };
        let (continuity, decision) = self.tracker.track_mut(index).state.look(&mut look, &mut senses)?;
        if continuity == Continuity::Another {
            self.tracker.renumber(index);
        }
        let track = &self.tracker.tracks()[index];
        outcomes.extend(decision.map(|decision| outcome(decision, track, rule.threshold, at)));
        Ok(true)
    }

    fn advise(&mut self, index: usize, advice: Option<Advice>, outcomes: &mut Vec<FrameOutcome>) {
        let track = self.tracker.track_mut(index);
        // A person who is recognised already needs no advice.
        if !track.state.greeted
            && let Some(advice) = track.state.advice.note(advice)
        {
            outcomes.push(FrameOutcome::Hint { track: track.id, advice });
        }
    }

    pub(super) fn asks(&self) -> bool {
        match self.prompt {
            liveness::config::PromptUse::Auto => self.screen.load(Ordering::Relaxed),
            liveness::config::PromptUse::Always => true,
            liveness::config::PromptUse::Never => false,
        }
    }

    pub(super) fn requirement(&self) -> Requirement {
        self.liveness.requirement().asking(self.asks())
    }

    fn thresholds(&self) -> Thresholds {
        let config::Recognition { threshold, accepted_fpir, .. } = self.recognition;
        Thresholds::of(&self.voted_on, &self.calibration, self.first_curve.as_ref(), threshold, accepted_fpir)
    }

    fn rule(&self, thresholds: Thresholds) -> Rule {
        let config::Recognition { margin, votes, .. } = self.recognition;
        Rule { threshold: thresholds.first, margin, votes }
    }
}
