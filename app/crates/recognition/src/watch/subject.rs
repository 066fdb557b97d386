//! What is known about the face of one track, and when it is still the same face. Pure.

use std::time::Duration;

use super::follow::Followed;
use crate::naming::vote::{Answer, Ballot, Rule};
use crate::watch::counsel::Counsel;
use base::event::Advice;
use base::identity::RollNumber;
use faces::embedder::EmbedderChoice;
use faces::landmarks::Landmarks;
use liveness::{State, Verdict};
use vision::embedding::Embedding;

/// Time between two embeddings, and between two votes of the passive models, once they have said enough and
/// the track only waits for a blink or a turn of the head, which are looked for in every frame: every frame
/// at 15 a second, every second at 30. The longer between two, the less an exchange of the picture differs
/// from a head that moves. The frame that announces is embedded in any case.
const CONFIRM_EVERY: Duration = Duration::from_millis(60);

/// Time between two embeddings of a face that has its answer. The second one only shows whether somebody else
/// has taken its place.
const VERIFY_EVERY: Duration = Duration::from_millis(500);

/// A face in the same place that is less similar than this to the track's face is another person.
///
/// Of different people MobileFaceNet finds one pair in a hundred more similar, SFace three in ten thousand
/// (the calibrations). In a video of a singer the same person, 320 ms later, stays above 0.53 and above 0.48;
/// two people on that stage reach 0.04 and 0.43.
fn same_face(face: &Embedding) -> f32 {
    if face.values().len() == EmbedderChoice::Sface.dimensions() { 0.40 } else { 0.35 }
}

/// An answer holds for this long. A person who stays is then looked at from the beginning, liveness
/// included, and told to attendance again: its rules decide whether that makes a row. Otherwise a picture put
/// before the camera in their place would make the next one.
pub(super) const ANNOUNCE_AGAIN: Duration = Duration::from_secs(10);

/// What is known about the face of one track.
#[derive(Debug, Default)]
pub struct Subject {
    /// The newest votes for a name.
    pub(super) ballot: Ballot,
    /// Where the landmarks of the newest frame say that it is.
    pub(super) followed: Option<Followed>,
    /// What the person was told.
    pub(super) advice: Counsel,
    /// What is known of its being alive; of [`Self::liveness_of`].
    pub liveness: State,
    /// Since when the name is known and the sign of life is missing.
    pub(super) waiting_since: Option<Duration>,
    /// Whether it was said that this is a stranger; that somebody was recognised; that the head has to be
    /// still.
    pub(super) stranger_told: bool,
    pub(super) greeted: bool,
    pub(super) told_to_hold_still: bool,
    /// The newest embedding, by which an exchange of the face is seen.
    embedding: Option<(Embedding, Duration)>,
    announced: Option<(RollNumber, Duration)>,
    /// Nobody's blink counts for a picture of somebody else.
    liveness_of: Option<RollNumber>,
}

/// How a face compares with the one that was in its place before.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Continuity {
    /// The same face, as far as this can tell.
    Same,
    /// It changed more than a living face does in so short a time: it was covered, or exchanged for another
    /// picture of the person.
    Changed,
    /// Another person's.
    Another,
}

impl Continuity {
    /// In words, for the log.
    pub(super) fn text(self) -> &'static str {
        match self {
            Self::Same => "the same face",
            Self::Changed => "the face was covered or exchanged",
            Self::Another => "another face is in its place",
        }
    }
}

impl Subject {
    /// Notes a face that is turned too far, or moves too fast, to be embedded. Gives what is asked for from
    /// now on, if it is something else: the next turn, for its time runs, or to look at the camera again,
    /// because a turned face cannot be embedded.
    pub(super) fn turned(&mut self, landmarks: &Landmarks, now: Duration) -> Option<Advice> {
        let before = self.liveness.asked();
        let passed = self.liveness.note_turned(landmarks, now);
        let next = if passed {
            Advice::LookAtTheCamera
        } else {
            self.liveness.asked().filter(|next| before.is_some_and(|before| before != *next))?.into()
        };
        (!self.greeted && self.advice.tell(next)).then_some(next)
    }

    /// Whether it was announced: then it is only verified from time to time.
    pub(super) fn has_its_answer(&self) -> bool {
        self.announced.is_some()
    }

    /// Whether its face has to be embedded and matched now; `verdict` is that about its liveness.
    pub(super) fn needs_embedding(&self, rule: &Rule, verdict: Verdict, now: Duration) -> bool {
        let every = match verdict {
            _ if self.has_its_answer() => VERIFY_EVERY,
            Verdict::Undecided | Verdict::Attack if self.votes_are_in(rule) => CONFIRM_EVERY,
            _ => Duration::ZERO,
        };
        self.embedding.as_ref().is_none_or(|(_, at)| now.saturating_sub(*at) >= every)
    }

    /// Whether more votes would hardly change what they say. Who was too far away to be named at first, and
    /// is named now, is not a stranger for much longer.
    fn votes_are_in(&self, rule: &Rule) -> bool {
        match self.ballot.answer(rule) {
            Answer::Open => false,
            Answer::Known { .. } => true,
            Answer::Stranger { .. } => self.ballot.newest().is_none(),
        }
    }

    /// Takes the face of the newest frame. One that is not the same begins again; of [`Continuity::Another`]
    /// person's nothing is known, and its track should have a number of its own.
    pub(super) fn take(&mut self, face: &Embedding, now: Duration) -> Continuity {
        let before = self.embedding.replace((face.clone(), now));
        let continuity = match &before {
            Some((before, _)) if before.similarity(face) < same_face(face) => Continuity::Another,
            Some(before) if !self.liveness.compare(before, face, now) => Continuity::Changed,
            _ => Continuity::Same,
        };
        // A person with an answer is embedded too seldom to be compared like that, and has nothing to prove
        // at the moment.
        match continuity {
            Continuity::Same => {}
            Continuity::Changed => self.begin_again(),
            Continuity::Another => {
                let (embedding, followed) = (self.embedding.take(), self.followed.take());
                *self = Self { embedding, followed, ..Self::default() };
            }
        }
        continuity
    }

    /// Notes that the newest vote was cast: a person with an answer who is taken for somebody else is
    /// nobody's any more.
    pub(super) fn voted(&mut self) {
        if let (Some((announced, _)), Some(newest)) = (&self.announced, self.ballot.newest())
            && announced != newest
        {
            self.begin_again();
        }
    }

    /// Whom the votes and the liveness may be about now, if anybody; liveness of somebody else is
    /// forgotten, and so is one that was interrupted.
    pub(super) fn prove_life_of_leader(&mut self, now: Duration) -> bool {
        let Some((leader, _)) = self.ballot.leader() else { return false };
        if self.liveness_of.as_ref() != Some(leader) {
            self.liveness_of = Some(leader.clone());
            self.liveness = State::default();
            self.waiting_since = None;
        }
        self.liveness.keep(now);
        true
    }

    /// Whether the newest frame is one of `roll`, and what is known about liveness is known of them.
    pub(super) fn is_now(&self, roll: &RollNumber, liveness_checked: bool) -> bool {
        self.ballot.newest() == Some(roll) && (!liveness_checked || self.liveness_of.as_ref() == Some(roll))
    }

    /// Notes that it was announced.
    pub(super) fn announce(&mut self, roll: &RollNumber, now: Duration) {
        self.announced = Some((roll.clone(), now));
        self.greeted = true;
    }

    /// Ends the answer when its time is over.
    pub(super) fn expire(&mut self, now: Duration) {
        if self.announced.as_ref().is_some_and(|(_, at)| now.saturating_sub(*at) >= ANNOUNCE_AGAIN) {
            self.begin_again();
        }
    }

    /// Votes and liveness belong to one unbroken face: neither outlives the other.
    fn begin_again(&mut self) {
        self.ballot = Ballot::default();
        self.liveness = State::default();
        self.liveness_of = None;
        self.announced = None;
        self.waiting_since = None;
        self.told_to_hold_still = false;
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use crate::naming::gallery::Match;
    use liveness::passive;
    use vision::embedding::DIMENSIONS;

    const RULE: Rule = Rule { threshold: 0.4, margin: 0.05, votes: 3 };

    /// A face at an angle (radians) from another: their similarity is its cosine.
    fn face(angle: f32) -> Embedding {
        let mut raw = [0.0; DIMENSIONS];
        (raw[0], raw[1]) = (angle.cos(), angle.sin());
        Embedding::normalised(&raw).unwrap()
    }

    fn at(millis: u64) -> Duration {
        Duration::from_millis(millis)
    }

    fn roll(name: &str) -> RollNumber {
        RollNumber::parse(name).unwrap()
    }

    fn vote(subject: &mut Subject, name: Option<&str>) {
        let similarity = if name.is_some() { 0.7 } else { 0.1 };
        let found = Match { roll: roll(name.unwrap_or("9")), similarity, runner_up: 0.0 };
        subject.ballot.cast(Some(&found), &RULE, 1.0);
        subject.voted();
    }

    /// Somebody whose name and life are known.
    fn known() -> Subject {
        let mut subject = Subject::default();
        for n in 0..10 {
            assert_eq!(subject.take(&face(0.0), at(100 * n)), Continuity::Same);
            vote(&mut subject, Some("1"));
            assert!(subject.prove_life_of_leader(at(100 * n)));
            subject.liveness.passive.cast(0.99);
        }
        assert_eq!(subject.liveness.passive.verdict(), passive::Verdict::Live);
        assert!(subject.is_now(&roll("1"), true));
        subject
    }

    fn knows_nothing(subject: &Subject) -> bool {
        subject.ballot.answer(&RULE) == Answer::Open
            && subject.liveness.passive.mean().is_none()
            && !subject.has_its_answer()
    }

    #[test]
    fn a_photo_that_is_exchanged_for_a_living_face_leaves_it_neither_its_votes_nor_its_name() {
        let mut subject = known();
        // Half covered: like both, and yet not the same.
        assert_eq!(subject.take(&face(0.95), at(1_000)), Continuity::Changed);
        assert!(knows_nothing(&subject));
        let mut subject = known();
        assert_eq!(subject.take(&face(1.4), at(1_000)), Continuity::Another);
        assert!(knows_nothing(&subject));
    }

    #[test]
    fn only_a_frame_of_the_person_announces_him() {
        let mut subject = known();
        vote(&mut subject, None);
        assert!(matches!(subject.ballot.answer(&RULE), Answer::Known { .. }));
        assert!(!subject.is_now(&roll("1"), true), "the newest frame is nobody's");
    }

    #[test]
    fn a_stray_vote_does_not_cost_the_proof_of_life() {
        let mut subject = known();
        vote(&mut subject, Some("2"));
        assert!(subject.prove_life_of_leader(at(1_000)));
        assert_eq!(subject.liveness.passive.verdict(), passive::Verdict::Live);
    }

    #[test]
    fn who_was_gone_for_a_moment_proves_his_life_again() {
        let mut subject = known();
        assert!(subject.prove_life_of_leader(at(1_400)));
        assert_eq!(subject.liveness.passive.mean(), None);
    }

    #[test]
    fn an_answer_ends_with_its_time_and_when_somebody_else_is_seen() {
        let mut subject = known();
        subject.announce(&roll("1"), at(900));
        subject.expire(at(10_800));
        assert!(subject.has_its_answer());
        subject.expire(at(10_900));
        assert!(knows_nothing(&subject) && subject.greeted);

        let mut subject = known();
        subject.announce(&roll("1"), at(900));
        // Embedded twice a second, and turned meanwhile.
        assert_eq!(subject.take(&face(0.95), at(1_400)), Continuity::Same);
        vote(&mut subject, None);
        assert!(subject.has_its_answer());
        vote(&mut subject, Some("2"));
        assert!(knows_nothing(&subject));
    }

    #[test]
    fn who_walks_up_and_is_named_at_last_is_embedded_in_every_frame() {
        let mut subject = Subject::default();
        subject.take(&face(0.0), at(0));
        (0..12).for_each(|_| vote(&mut subject, None));
        assert!(matches!(subject.ballot.answer(&RULE), Answer::Stranger { .. }));
        assert!(!subject.needs_embedding(&RULE, Verdict::Undecided, at(40)));
        vote(&mut subject, Some("1"));
        assert!(subject.needs_embedding(&RULE, Verdict::Undecided, at(40)));
    }
}
