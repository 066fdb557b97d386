//! One frame after the other, and what is known after each.

use std::time::{Duration, Instant};

use image::RgbImage;

use super::advice::{Advice, Counsel};
use super::embedding::Embedding;
use super::engine::Engine;
use super::error::EngineError;
use super::face::{Bounds, Face};
use super::gallery::SharedGallery;
use super::landmarks::Landmarks;
use super::quality::Quality;
use super::threshold::Calibration;
use super::track::Tracker;
use super::view::{Latency, Snapshot, TrackView};
use super::vote::{Answer, Ballot, Rule};
use crate::camera::Frame;
use crate::config;
use crate::identity::RollNumber;
use crate::liveness::{self, Checker, Verdict};
use crate::moment::Moment;

/// Time between two embeddings of a face that has its answer: often enough to see that somebody else has stepped into its
/// place, seldom enough to leave the cores to the others.
const VERIFY_EVERY: Duration = Duration::from_millis(500);

/// A face in the same place that is less similar than this to the track's face is another person. Different people average
/// 0.01, the same person in one visit rarely falls below 0.5.
const SAME_FACE: f32 = 0.2;

/// A person who stays is told to attendance again after this time: its rules decide whether that makes a row.
const ANNOUNCE_AGAIN: Duration = Duration::from_secs(10);

/// A known face that shows no sign of life for this long is asked for one. People blink every three seconds or so without being
/// asked.
const ASK_AFTER: Duration = Duration::from_secs(2);

/// A person was recognised: the one thing that attendance is made of.
#[derive(Debug, Clone, PartialEq)]
pub struct Sighting {
    /// Who.
    pub roll: RollNumber,
    /// The track of the face, counted from the start of the program.
    pub track: u64,
    /// Cosine similarity to the best photo, weighted mean of the votes, −1 to 1.
    pub similarity: f32,
    /// Distance to the best photo of anybody else, the same mean.
    pub margin: f32,
    /// Frames that voted for this answer.
    pub votes: u32,
    /// Similarity that was needed.
    pub threshold: f32,
    /// What was found about liveness.
    pub liveness: liveness::Summary,
    /// When the frame was taken that decided it.
    pub at: Moment,
    /// Frames of the track up to the decision.
    pub frames_to_decision: u32,
}

/// What one frame brought.
#[derive(Debug, Clone, PartialEq)]
pub enum Outcome {
    /// A living person was recognised; told once a visit, and again when the person stays.
    Recognised(Sighting),
    /// A face was seen well over enough frames, and is nobody on the roster; told once a track.
    Stranger {
        /// The track.
        track: u64,
        /// Best similarity seen.
        similarity: f32,
        /// Similarity that is needed.
        threshold: f32,
        /// When.
        at: Moment,
    },
    /// A face looks like somebody on the roster and not like a living person; told once a track.
    AttackRefused {
        /// The track.
        track: u64,
        /// Whom it looks like.
        roll: RollNumber,
        /// Which test refused it and its scores.
        liveness: liveness::Summary,
        /// When.
        at: Moment,
    },
    /// Why nothing happens yet, for the person; told when it changes.
    Hint {
        /// The track.
        track: u64,
        /// What to do.
        advice: Advice,
    },
}

/// Recognition with its state: the tracks.
pub struct Pipeline {
    engine: Engine,
    gallery: SharedGallery,
    liveness: Checker,
    recognition: config::Recognition,
    calibration: Calibration,
    tracker: Tracker<Subject>,
    picture: RgbImage,
    snapshot: Snapshot,
}

/// What is known about the face of one track.
#[derive(Debug, Default)]
struct Subject {
    ballot: Ballot,
    /// The newest embedding, by which an exchange of the face is seen.
    embedding: Option<(Embedding, Duration)>,
    announced: Option<(RollNumber, Duration)>,
    /// Since when the name is known and the sign of life is missing.
    waiting_since: Option<Duration>,
    stranger_told: bool,
    attack_told: bool,
    advice: Counsel,
    liveness: liveness::State,
}

impl Pipeline {
    /// A pipeline without tracks. Loads the networks of liveness from where the engine's came.
    ///
    /// # Errors
    /// [`EngineError::Load`] when weights that the site's rule needs are damaged, or the site's calibration is of no use.
    pub fn new(
        engine: Engine,
        gallery: SharedGallery,
        recognition: &config::Recognition,
        liveness: &config::Liveness,
    ) -> Result<Self, EngineError> {
        let liveness = engine.liveness(liveness)?;
        liveness.requirement().tell();
        let calibration = Calibration::of(recognition.calibration.as_deref()).map_err(|error| {
            EngineError::Load { role: "calibration".to_owned(), reason: error.to_string() }
        })?;
        Ok(Self {
            engine,
            gallery,
            liveness,
            recognition: recognition.clone(),
            calibration,
            tracker: Tracker::default(),
            picture: RgbImage::default(),
            snapshot: Snapshot::default(),
        })
    }

    /// Looks at one frame.
    ///
    /// # Errors
    /// [`EngineError::Run`] when a network fails.
    pub fn process(&mut self, frame: &Frame) -> Result<Vec<Outcome>, EngineError> {
        let mut latency = Latency::default();
        let start = Instant::now();
        frame.picture.write_rgb(&mut self.picture);
        latency.convert = millis(start);
        let detecting = Instant::now();
        let faces = self.engine.detect(&self.picture)?;
        latency.detect = millis(detecting);

        let boxes: Vec<Bounds> = faces.iter().map(|face| face.bounds).collect();
        let assigned = self.tracker.update(&boxes, frame.at.since_boot);
        let mut outcomes = Vec::new();
        for (face, slot) in faces.iter().zip(assigned) {
            if let Some(index) = slot {
                self.consider(face, index, frame.at, &mut latency, &mut outcomes)?;
            }
        }
        latency.total = millis(start);
        self.take_stock(frame, latency);
        Ok(outcomes)
    }

    /// Numbers of the last frames, and the faces of the newest one. A face that is followed and was not seen in it is left out: its
    /// box would stand where nobody is.
    pub fn snapshot(&self) -> Snapshot {
        let newest = self.snapshot.last_frame.map(|at| at.since_boot);
        let tracks = self
            .tracker
            .tracks()
            .iter()
            .filter(|track| Some(track.last_seen) == newest)
            .map(|track| {
                let leader = track.state.ballot.leader();
                TrackView {
                    track: track.id,
                    bounds: track.bounds,
                    roll: leader.map(|(roll, _)| roll.clone()),
                    similarity: leader.map_or(0.0, |(_, similarity)| similarity),
                    votes: leader.map_or(0, |(roll, _)| track.state.ballot.votes_for(roll)),
                    liveness: self.liveness.judge(&track.state.liveness).to_string(),
                    advice: track.state.advice.told().map(Advice::text),
                }
            })
            .collect();
        Snapshot { tracks, ..self.snapshot.clone() }
    }

    /// The last frame, RGB.
    pub fn picture(&self) -> &RgbImage {
        &self.picture
    }

    /// One face of the frame, in its track.
    fn consider(
        &mut self,
        face: &Face,
        index: usize,
        at: Moment,
        latency: &mut Latency,
        outcomes: &mut Vec<Outcome>,
    ) -> Result<(), EngineError> {
        // The cheapest test first: a face too small costs no network.
        if face.bounds.width < self.recognition.min_face_px as f32 {
            self.advise(index, Some(Advice::ComeCloser), outcomes);
            return Ok(());
        }
        let looking = Instant::now();
        let seen = self.engine.look(&self.picture, face)?;
        latency.landmarks += millis(looking);
        let Some((landmarks, quality)) = seen else { return Ok(()) };
        let problem = quality.problem(self.recognition.min_face_px);
        self.advise(index, problem, outcomes);
        if let Some(problem) = problem {
            log::debug!(
                "track {}: not looked at, {}; {quality}",
                self.tracker.tracks()[index].id,
                problem.text()
            );
            return Ok(());
        }
        let embedding = Instant::now();
        self.vote(index, &quality, at.since_boot)?;
        latency.embed += millis(embedding);
        let checking = Instant::now();
        self.look_for_life(index, &landmarks, at.since_boot)?;
        latency.liveness += millis(checking);
        outcomes.extend(self.decide(index, at));
        Ok(())
    }

    /// Embeds and matches the aligned face, unless its track has its answer and was looked at a moment ago.
    fn vote(&mut self, index: usize, quality: &Quality, now: Duration) -> Result<(), EngineError> {
        let subject = &self.tracker.tracks()[index].state;
        let fresh = |since: Duration| now.saturating_sub(since) < VERIFY_EVERY;
        if subject.announced.is_some() && subject.embedding.as_ref().is_some_and(|(_, at)| fresh(*at)) {
            return Ok(());
        }
        let embedding = self.engine.embed_aligned()?;
        let exchanged =
            subject.embedding.as_ref().is_some_and(|(before, _)| before.similarity(&embedding) < SAME_FACE);
        if exchanged {
            log::debug!("track {}: another face is in its place", self.tracker.tracks()[index].id);
            self.tracker.renew(index);
        }
        let rule = self.rule();
        let found = self.gallery.load().search(&embedding);
        let track = self.tracker.track_mut(index);
        if let Some(found) = &found {
            log::debug!(
                "track {}: {} similarity {:.3}, margin {:.3}, threshold {:.3}; {quality}",
                track.id,
                found.roll,
                found.similarity,
                found.margin(),
                rule.threshold
            );
        }
        track.state.ballot.cast(found.as_ref(), &rule, quality.weight());
        track.state.embedding = Some((embedding, now));
        Ok(())
    }

    /// Runs the tests of liveness for a face that may get a name and has not passed yet.
    fn look_for_life(
        &mut self,
        index: usize,
        landmarks: &Landmarks,
        now: Duration,
    ) -> Result<(), EngineError> {
        let track = self.tracker.track_mut(index);
        let subject = &mut track.state;
        if !self.liveness.requirement().checks() || subject.ballot.leader().is_none() {
            return Ok(());
        }
        if self.liveness.judge(&subject.liveness).verdict == Verdict::Live {
            return Ok(());
        }
        let seen = self.liveness.observe(&self.picture, landmarks)?;
        subject.liveness.note(&seen, landmarks, now);
        log::debug!("track {}: {seen}; liveness {}", track.id, self.liveness.judge(&subject.liveness));
        Ok(())
    }

    /// What follows from the votes and from liveness.
    fn decide(&mut self, index: usize, at: Moment) -> Option<Outcome> {
        let rule = self.rule();
        let requirement = self.liveness.requirement();
        let track = self.tracker.track_mut(index);
        let subject = &mut track.state;
        match subject.ballot.answer(&rule) {
            Answer::Open => None,
            Answer::Stranger { similarity } => {
                let first = !subject.stranger_told && subject.announced.is_none();
                subject.stranger_told = true;
                let threshold = rule.threshold;
                first.then_some(Outcome::Stranger { track: track.id, similarity, threshold, at })
            }
            Answer::Known { roll, similarity, margin, votes } => {
                let liveness = requirement.judge(&subject.liveness);
                match liveness.verdict {
                    Verdict::Undecided => {
                        let since = *subject.waiting_since.get_or_insert(at.since_boot);
                        let asked = at.since_boot.saturating_sub(since) >= ASK_AFTER;
                        let advice =
                            if requirement.accepts_motion() { Advice::BlinkOrTurn } else { Advice::Blink };
                        (asked && subject.advice.tell(advice))
                            .then_some(Outcome::Hint { track: track.id, advice })
                    }
                    Verdict::Attack => {
                        let first = !subject.attack_told;
                        subject.attack_told = true;
                        first.then_some(Outcome::AttackRefused { track: track.id, roll, liveness, at })
                    }
                    Verdict::Live | Verdict::Unchecked => {
                        let told = subject.announced.as_ref().is_some_and(|(before, when)| {
                            *before == roll && at.since_boot.saturating_sub(*when) < ANNOUNCE_AGAIN
                        });
                        if told {
                            return None;
                        }
                        subject.announced = Some((roll.clone(), at.since_boot));
                        let frames_to_decision = track.frames;
                        let track = track.id;
                        Some(Outcome::Recognised(Sighting {
                            roll,
                            track,
                            similarity,
                            margin,
                            votes,
                            threshold: rule.threshold,
                            liveness,
                            at,
                            frames_to_decision,
                        }))
                    }
                }
            }
        }
    }

    fn advise(&mut self, index: usize, advice: Option<Advice>, outcomes: &mut Vec<Outcome>) {
        let track = self.tracker.track_mut(index);
        // Who is recognised already needs no advice.
        if track.state.announced.is_none()
            && let Some(advice) = track.state.advice.note(advice)
        {
            outcomes.push(Outcome::Hint { track: track.id, advice });
        }
    }

    fn rule(&self) -> Rule {
        let faces = self.gallery.load().faces();
        Rule {
            threshold: self
                .recognition
                .threshold
                .unwrap_or_else(|| self.calibration.threshold(faces, self.recognition.accepted_fpir)),
            margin: self.recognition.margin,
            votes: self.recognition.votes,
        }
    }

    fn take_stock(&mut self, frame: &Frame, latency: Latency) {
        let snapshot = &mut self.snapshot;
        snapshot.frames += 1;
        if let Some(before) = snapshot.last_frame {
            let seconds = frame.at.since_boot.saturating_sub(before.since_boot).as_secs_f32();
            if seconds > 0.0 {
                // A moving mean over about a second.
                let rate = 1.0 / seconds;
                let share = seconds.min(1.0);
                snapshot.frames_per_second += share * (rate - snapshot.frames_per_second);
            }
        }
        snapshot.last_frame = Some(frame.at);
        snapshot.latency_ms.update(&latency);
    }
}

fn millis(since: Instant) -> f32 {
    since.elapsed().as_secs_f32() * 1000.0
}
