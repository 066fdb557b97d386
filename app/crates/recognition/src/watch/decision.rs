//! One look at the face of a track: what is asked of the models, and what follows from it.
//!
//! The rules are pure: what the models say comes through [`Senses`], so that the door (`pipeline`) and the
//! measurements of `attendance evaluate` decide alike.

use std::time::Duration;

use super::subject::{Continuity, Subject};
use crate::naming::gallery::Match;
use crate::naming::vote::{Answer, Rule};
use base::event::Advice;
use base::identity::RollNumber;
use faces::error::EngineError;
use faces::landmarks::Landmarks;
use faces::quality::Quality;
use liveness::latch::Latch;
use liveness::scene::around::Surround;
use liveness::{Missing, Observation, Requirement, Summary, Verdict, passive};
use vision::embedding::Embedding;

/// A known face whose liveness is open for this long is asked to blink or to turn. People blink every three
/// seconds or so without being asked.
const ASK_AFTER: Duration = Duration::from_secs(2);

/// The same for a turn that is drawn by chance: everybody for whom the scene is no evidence waits this long.
const PROMPT_AFTER: Duration = Duration::from_millis(1_500);

/// The same where the scene has not shown itself around the head so far.
const PROMPT_SOONER: Duration = Duration::from_secs(1);

/// What the models say of the face that is looked at, and the gallery of its embedding. Only what is needed
/// is asked.
pub trait Senses {
    /// Hears that the face will be embedded, and most likely observed with votes: both may be worked out side
    /// by side.
    fn foresee(&mut self) -> Result<(), EngineError> {
        Ok(())
    }
    /// The embedding of the aligned face.
    fn embed(&mut self) -> Result<Embedding, EngineError>;
    /// Who on the roster is most like it; in doubt, a second embedder may be asked.
    fn search(&mut self, face: &Embedding) -> Result<Option<Match>, EngineError>;
    /// The tests of liveness; the passive models only where they are to vote.
    fn observe(&mut self, votes: bool) -> Result<Observation, EngineError>;
}

/// A face that passed the quality gate, and the rules that hold for it.
pub struct Look<'a> {
    /// Who was refused lately.
    pub latch: &'a mut Latch,
    /// What is around the head, if the scene is known and a look was due.
    pub surround: Option<Surround>,
    /// Who cannot turn the head.
    pub exempt: &'a [RollNumber],
    /// Number of the track, for the log.
    pub track: u64,
    /// When the frame was taken, since boot.
    pub now: Duration,
    /// Its landmarks.
    pub landmarks: &'a Landmarks,
    /// How good it is.
    pub quality: Quality,
    /// When a match counts.
    pub rule: Rule,
    /// What the site requires of living people.
    pub requirement: Requirement,
    /// Whether photos are still on their way: then nobody is called a stranger.
    pub loading: bool,
}

/// What a look led to.
#[derive(Debug, Clone, PartialEq)]
pub enum Decision {
    /// A living person was recognised.
    Recognised {
        /// Who.
        roll: RollNumber,
        /// Cosine similarity to the best photo, weighted mean over the votes for this person.
        similarity: f32,
        /// Distance to the best photo of anybody else, the same mean.
        margin: f32,
        /// Frames that voted for this person.
        votes: u32,
        /// What was found about liveness.
        liveness: Summary,
    },
    /// Nobody on the roster; told once a track.
    Stranger {
        /// Best similarity that was seen.
        similarity: f32,
    },
    /// Like somebody on the roster, and not a living person; told once for each refusal.
    AttackRefused {
        /// Whom it looks like.
        roll: RollNumber,
        /// What was found about liveness.
        liveness: Summary,
    },
    /// What the person could do; told when it changes.
    Advise(Advice),
}

impl Subject {
    /// Whether anything is to be learned from a look now. The rest of the time a person with an answer costs
    /// no model.
    pub(crate) fn wants_a_look(&self, rule: &Rule, requirement: Requirement, now: Duration) -> bool {
        !self.has_its_answer() || self.is_to_be_embedded(rule, requirement, now)
    }

    fn is_to_be_embedded(&self, rule: &Rule, requirement: Requirement, now: Duration) -> bool {
        self.needs_embedding(rule, requirement.judge(&self.liveness).verdict, now)
    }

    /// Looks at the face: embeds, matches and votes, runs the tests of liveness, and decides.
    ///
    /// # Errors
    /// An error of a model.
    pub fn look(
        &mut self,
        look: &mut Look<'_>,
        senses: &mut impl Senses,
    ) -> Result<(Continuity, Option<Decision>), EngineError> {
        self.requirement_for_leader(look);
        let embeds = self.is_to_be_embedded(&look.rule, look.requirement, look.now);
        let mut continuity = Continuity::Same;
        if embeds {
            if self.needs_a_sign_of_life(look.requirement) && self.ballot.leader().is_some() {
                senses.foresee()?;
            }
            continuity = self.vote(look, senses)?;
            self.requirement_for_leader(look);
        }
        continuity = continuity.max(self.look_for_life(look, embeds, senses)?);
        if continuity != Continuity::Same {
            log::debug!("track {}: {}, it starts again", look.track, continuity.text());
        }
        // Nobody is announced for a face that somebody else has exchanged meanwhile.
        let decision = if embeds { self.decide(look) } else { None };
        Ok((continuity, decision))
    }

    /// Whether the face was refused and has not been gone for long enough since.
    fn is_latched(&self, look: &mut Look<'_>) -> bool {
        self.ballot.leader().is_some_and(|(leader, _)| look.latch.holds(leader, look.now))
    }

    /// What is required depends on who it is.
    fn requirement_for_leader(&self, look: &mut Look<'_>) {
        let Some((leader, _)) = self.ballot.leader() else { return };
        look.requirement =
            look.requirement.after(look.latch.refusals(leader)).exempting(look.exempt.contains(leader));
    }

    /// Whether the tests of liveness are needed for this person.
    fn needs_a_sign_of_life(&self, requirement: Requirement) -> bool {
        !self.has_its_answer()
            && requirement.checks()
            && requirement.judge(&self.liveness).verdict != Verdict::Live
    }

    /// Embeds and matches the aligned face.
    fn vote(&mut self, look: &Look<'_>, senses: &mut impl Senses) -> Result<Continuity, EngineError> {
        let face = senses.embed()?;
        let continuity = self.take(&face, look.now);
        let found = senses.search(&face)?;
        if let Some(found) = &found {
            log::debug!(
                personal:% = found.roll, sighting = true;
                "track {}: {} similarity {:.3}, margin {:.3}, threshold {:.3}; {}",
                look.track,
                found.roll,
                found.similarity,
                found.margin(),
                look.rule.threshold,
                look.quality
            );
        }
        self.ballot.cast(found.as_ref(), &look.rule, look.quality.weight());
        self.voted();
        Ok(continuity)
    }

    /// Runs the tests of liveness for a face that may get a name and has not passed yet; `embedded` is
    /// whether the face of this frame was.
    fn look_for_life(
        &mut self,
        look: &mut Look<'_>,
        embedded: bool,
        senses: &mut impl Senses,
    ) -> Result<Continuity, EngineError> {
        let requirement = look.requirement;
        if self.has_its_answer()
            || !requirement.checks()
            || !self.prove_life_of_leader(look.now)
            || !self.needs_a_sign_of_life(requirement)
            || self.is_latched(look)
        {
            return Ok(Continuity::Same);
        }
        let votes = embedded || self.liveness.passive.verdict() == passive::Verdict::Open;
        let seen = senses.observe(votes)?;
        let mut continuity = Continuity::Same;
        if let Some(surround) = look.surround
            && self.liveness.surroundings.is_due(look.now)
        {
            self.liveness.surroundings.note(surround, look.now);
        }
        if self.liveness.note(&seen, look.landmarks, look.now) && !embedded {
            let face = senses.embed()?;
            continuity = self.take(&face, look.now);
        }
        log::debug!("track {}: {seen}; liveness {}", look.track, requirement.judge(&self.liveness));
        Ok(continuity)
    }

    /// What follows from the votes and from liveness, in a frame whose face was embedded.
    fn decide(&mut self, look: &mut Look<'_>) -> Option<Decision> {
        match self.ballot.answer(&look.rule) {
            Answer::Open => None,
            Answer::Stranger { .. } if self.greeted => None,
            Answer::Stranger { .. } if look.loading => self.advise(Advice::WaitForPhotos),
            Answer::Stranger { similarity } => {
                let first = !std::mem::replace(&mut self.stranger_told, true);
                first.then_some(Decision::Stranger { similarity })
            }
            Answer::Known { .. } if self.has_its_answer() => None,
            // The newest frame is somebody else's, or the liveness is.
            Answer::Known { roll, .. } if !self.is_now(&roll, look.requirement.checks()) => None,
            Answer::Known { roll, .. } if look.requirement.checks() && look.latch.holds(&roll, look.now) => {
                self.advise(Advice::StepAside)
            }
            Answer::Known { roll, similarity, margin, votes } => {
                let liveness = look.requirement.judge(&self.liveness);
                match liveness.verdict {
                    Verdict::Undecided => self.ask(look),
                    Verdict::Attack => {
                        look.latch.refuse(&roll, look.now);
                        Some(Decision::AttackRefused { roll, liveness })
                    }
                    Verdict::Live | Verdict::Unchecked => {
                        self.announce(&roll, look.now);
                        Some(Decision::Recognised { roll, similarity, margin, votes, liveness })
                    }
                }
            }
        }
    }

    /// Asks for what is missing, where it is missing for long.
    fn ask(&mut self, look: &Look<'_>) -> Option<Decision> {
        let since = *self.waiting_since.get_or_insert(look.now);
        let waited = look.now.saturating_sub(since);
        let turns = look.requirement.turns();
        let prompt_after =
            if self.liveness.surroundings.are_no_help() { PROMPT_SOONER } else { PROMPT_AFTER };
        if turns > 0 && waited >= prompt_after {
            self.liveness.ask(turns, look.now);
        }
        if let Some(turn) = self.liveness.asked() {
            return self.advise(turn.into());
        }
        if waited < ASK_AFTER {
            return None;
        }
        let advice = match look.requirement.missing(&self.liveness) {
            Missing::Certainty => Advice::BetterView,
            Missing::Blink => Advice::Blink,
            Missing::BlinkOrTurn => Advice::BlinkOrTurn,
            Missing::LargerEyes => Advice::ComeCloser,
            // The prompt is given above, to a head that is still and looks to the front.
            Missing::Prompt if self.told_to_hold_still => return None,
            Missing::Prompt => {
                self.told_to_hold_still = true;
                self.liveness.before_prompt()
            }
        };
        self.advise(advice)
    }

    fn advise(&mut self, advice: Advice) -> Option<Decision> {
        (!self.greeted && self.advice.tell(advice)).then_some(Decision::Advise(advice))
    }
}

#[cfg(test)]
#[path = "decision_tests.rs"]
mod tests;
