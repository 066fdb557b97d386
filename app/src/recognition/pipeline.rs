//! One frame after the other, and what is known after each.

use std::sync::Arc;
use std::time::{Duration, Instant};

use image::RgbImage;

use super::advice::{Advice, Counsel};
use super::embedding::Embedding;
use super::engine::Engine;
use super::error::EngineError;
use super::face::{Bounds, Face};
use super::follow::Followed;
use super::gallery::{Gallery, SharedGallery};
use super::landmarks::Landmarks;
use super::quality::Quality;
use super::threshold::Calibration;
use super::track::{MAX_TRACKS, Track, Tracker};
use super::view::{Latency, Snapshot, TrackView};
use super::vote::{Answer, Ballot, Rule};
use crate::camera::Frame;
use crate::config;
use crate::identity::RollNumber;
use crate::liveness::{self, Checker, Verdict, passive};
use crate::moment::Moment;
use crate::progress::Progress;

/// Time between two looks of the detector while all faces are followed by their landmarks: a second person who steps in is
/// seen after this time at the latest.
const DETECT_EVERY: Duration = Duration::from_millis(200);

/// Time between two looks at people who all have their answer. A person who walks by has moved by a face's width then, and is
/// still followed.
const LOOK_EVERY: Duration = Duration::from_millis(100);

/// Time between two embeddings, and between two votes of the passive networks, once they have said enough and the track only
/// waits for a blink or a turn of the head, which are looked for in every frame. A blink takes at least 100 ms: nobody takes a
/// picture away, blinks himself and puts it back between two embeddings. The frame that announces is embedded in any case.
const CONFIRM_EVERY: Duration = Duration::from_millis(100);

/// Time between two embeddings of a face that has its answer. All that is to be gained there is that the same person is
/// announced again [`ANNOUNCE_AGAIN`] later, by a frame that is embedded too.
const VERIFY_EVERY: Duration = Duration::from_millis(500);

/// A face in the same place that is less similar than this to the track's face is another person. Of different people one pair in a
/// hundred is more similar (`calibration.json`), the same person in one visit rarely falls below 0.5.
const SAME_FACE: f32 = 0.35;

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
    /// The gallery that the votes are about.
    voted_on: Arc<Gallery>,
    liveness: Checker,
    recognition: config::Recognition,
    calibration: Calibration,
    /// What may still bring faces into the gallery.
    loading: Vec<Progress>,
    tracker: Tracker<Subject>,
    /// When a frame was looked at last, and when the detector did, since boot.
    looked: Option<Duration>,
    detected: Option<Duration>,
    picture: RgbImage,
    snapshot: Snapshot,
}

/// What is known about the face of one track.
#[derive(Debug, Default)]
struct Subject {
    ballot: Ballot,
    /// Where the landmarks of the newest frame say that it is.
    followed: Option<Followed>,
    /// The newest embedding, by which an exchange of the face is seen.
    embedding: Option<(Embedding, Duration)>,
    announced: Option<(RollNumber, Duration)>,
    /// Since when the name is known and the sign of life is missing.
    waiting_since: Option<Duration>,
    stranger_told: bool,
    attack_told: bool,
    advice: Counsel,
    liveness: liveness::State,
    /// Whose liveness that is: nobody's blink counts for a picture of somebody else.
    liveness_of: Option<RollNumber>,
}

impl Subject {
    /// Whether it was announced: then it is only verified from time to time.
    fn has_its_answer(&self) -> bool {
        self.announced.is_some()
    }

    /// Whether its face has to be embedded and matched now; `verdict` is that about its liveness.
    fn needs_embedding(&self, rule: &Rule, verdict: Verdict, now: Duration) -> bool {
        let waits = || !matches!(self.ballot.answer(rule), Answer::Open);
        let every = match verdict {
            _ if self.has_its_answer() => VERIFY_EVERY,
            Verdict::Undecided | Verdict::Attack if waits() => CONFIRM_EVERY,
            _ => Duration::ZERO,
        };
        self.embedding.as_ref().is_none_or(|(_, at)| now.saturating_sub(*at) >= every)
    }
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
            voted_on: gallery.load_full(),
            gallery,
            liveness,
            recognition: recognition.clone(),
            calibration,
            loading: Vec::new(),
            tracker: Tracker::default(),
            looked: None,
            detected: None,
            picture: RgbImage::default(),
            snapshot: Snapshot::default(),
        })
    }

    /// While any of these is under way nobody is called a stranger: the photo may be on its way.
    pub fn while_loading(mut self, loading: Vec<Progress>) -> Self {
        self.loading = loading;
        self
    }

    /// Looks at one frame, or lets it pass where nothing can have changed since the last look.
    ///
    /// # Errors
    /// [`EngineError::Run`] when a network fails.
    pub fn process(&mut self, frame: &Frame) -> Result<Vec<Outcome>, EngineError> {
        let mut latency = Latency::default();
        let mut outcomes = Vec::new();
        let start = Instant::now();
        self.follow_gallery();
        if self.is_due(frame.at.since_boot) {
            self.looked = Some(frame.at.since_boot);
            frame.picture.write_rgb(&mut self.picture);
            latency.convert = millis(start);
            for (face, index) in self.faces(frame.at.since_boot, &mut latency)? {
                self.consider(&face, index, frame.at, &mut latency, &mut outcomes)?;
            }
            latency.total = millis(start);
        }
        self.take_stock(frame, latency);
        Ok(outcomes)
    }

    /// Numbers of the last frames, and the faces that are there. A face that is followed and that the detector did not find again is
    /// left out: its box would stand where nobody is.
    pub fn snapshot(&self) -> Snapshot {
        let tracks = self
            .tracker
            .tracks()
            .iter()
            .filter(|track| self.detected.is_some_and(|detected| track.last_seen >= detected))
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

    /// Votes about another gallery say nothing: who was nobody in it may be somebody in the new one.
    fn follow_gallery(&mut self) {
        let gallery = self.gallery.load_full();
        if !Arc::ptr_eq(&gallery, &self.voted_on) {
            self.voted_on = gallery;
            self.tracker.tracks_mut().iter_mut().for_each(|track| track.state.ballot = Ballot::default());
        }
    }

    fn is_due(&self, now: Duration) -> bool {
        let recent = self.looked.is_some_and(|at| now.saturating_sub(at) < LOOK_EVERY);
        let mut tracks = self.tracker.tracks().iter().peekable();
        !recent || tracks.peek().is_none() || tracks.any(|track| !track.state.has_its_answer())
    }

    /// The faces of this frame, each with its track: from the detector, or followed by their landmarks. Of those that are
    /// followed, who has his answer is left out.
    fn faces(
        &mut self,
        now: Duration,
        latency: &mut Latency,
    ) -> Result<heapless::Vec<(Face, usize), MAX_TRACKS>, EngineError> {
        let tracks = self.tracker.tracks().iter().enumerate();
        let open = || tracks.clone().filter(|(_, track)| !track.state.has_its_answer());
        let recent = self.detected.is_some_and(|at| now.saturating_sub(at) < DETECT_EVERY);
        if recent && open().next().is_some() && open().all(|(_, track)| track.state.followed.is_some()) {
            let place = |(index, track): (usize, &Track<Subject>)| {
                track.state.followed.as_ref().map(|followed| (followed.place().clone(), index))
            };
            let faces: heapless::Vec<_, MAX_TRACKS> = open().filter_map(place).collect();
            for (face, index) in &faces {
                self.tracker.follow(*index, face.bounds, now);
            }
            return Ok(faces);
        }
        self.detected = Some(now);
        let detecting = Instant::now();
        let mut faces = self.engine.detect(&self.picture)?;
        latency.detect = millis(detecting);
        faces.truncate(MAX_TRACKS);
        let boxes: heapless::Vec<Bounds, MAX_TRACKS> = faces.iter().map(|face| face.bounds).collect();
        let assigned = self.tracker.update(&boxes, now);
        self.tracker.tracks_mut().iter_mut().for_each(|track| track.state.followed = None);
        Ok(faces.into_iter().zip(assigned).filter_map(|(face, slot)| Some((face, slot?))).collect())
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
        let rule = self.rule();
        let subject = &self.tracker.tracks()[index].state;
        let verdict = self.liveness.judge(&subject.liveness).verdict;
        let embeds = subject.needs_embedding(&rule, verdict, at.since_boot);
        if subject.has_its_answer() && !embeds {
            return Ok(());
        }
        let looking = Instant::now();
        let seen = self.engine.look(&self.picture, face)?;
        latency.landmarks += millis(looking);
        let subject = &mut self.tracker.track_mut(index).state;
        let Some((landmarks, quality)) = seen else {
            subject.followed = None;
            return Ok(());
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
            return Ok(());
        }
        if embeds {
            let embedding = Instant::now();
            self.vote(index, &rule, &quality, at.since_boot)?;
            latency.embed += millis(embedding);
        }
        let checking = Instant::now();
        self.look_for_life(index, &landmarks, embeds, at.since_boot)?;
        latency.liveness += millis(checking);
        if embeds {
            outcomes.extend(self.decide(index, &rule, at));
        }
        Ok(())
    }

    /// Embeds and matches the aligned face.
    fn vote(
        &mut self,
        index: usize,
        rule: &Rule,
        quality: &Quality,
        now: Duration,
    ) -> Result<(), EngineError> {
        let embedding = self.engine.embed_aligned()?;
        let subject = &mut self.tracker.track_mut(index).state;
        if let Some(before) = &subject.embedding {
            if before.0.similarity(&embedding) < SAME_FACE {
                log::debug!("track {}: another face is in its place", self.tracker.tracks()[index].id);
                self.tracker.renew(index);
            } else {
                subject.liveness.compare(before, &embedding, now);
            }
        }
        let found = self.voted_on.search(&embedding);
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
        track.state.ballot.cast(found.as_ref(), rule, quality.weight());
        track.state.embedding = Some((embedding, now));
        Ok(())
    }

    /// Runs the tests of liveness for a face that may get a name and has not passed yet; `embedded` is whether the face of this
    /// frame was.
    fn look_for_life(
        &mut self,
        index: usize,
        landmarks: &Landmarks,
        embedded: bool,
        now: Duration,
    ) -> Result<(), EngineError> {
        let track = self.tracker.track_mut(index);
        let subject = &mut track.state;
        let Some((leader, _)) = subject.ballot.leader() else { return Ok(()) };
        if !self.liveness.requirement().checks() {
            return Ok(());
        }
        if subject.liveness_of.as_ref() != Some(leader) {
            subject.liveness_of = Some(leader.clone());
            subject.liveness = liveness::State::default();
        }
        if self.liveness.judge(&subject.liveness).verdict == Verdict::Live {
            return Ok(());
        }
        let votes = embedded || subject.liveness.passive.verdict() == passive::Verdict::Open;
        let seen = self.liveness.observe(&self.picture, landmarks, votes)?;
        let compare = subject.liveness.note(&seen, landmarks, now);
        if compare && !embedded {
            let face = self.engine.embed_aligned()?;
            if let Some(before) = &subject.embedding {
                subject.liveness.compare(before, &face, now);
            }
            subject.embedding = Some((face, now));
        }
        log::debug!("track {}: {seen}; liveness {}", track.id, self.liveness.judge(&subject.liveness));
        Ok(())
    }

    /// What follows from the votes and from liveness, in a frame whose face was embedded: nobody is announced for a face that
    /// somebody else has exchanged meanwhile.
    fn decide(&mut self, index: usize, rule: &Rule, at: Moment) -> Option<Outcome> {
        let requirement = self.liveness.requirement();
        let loading = self.loading.iter().any(|progress| progress.under_way().is_some());
        let track = self.tracker.track_mut(index);
        let subject = &mut track.state;
        match subject.ballot.answer(rule) {
            Answer::Open => None,
            Answer::Stranger { .. } if loading => {
                let advice = Advice::WaitForPhotos;
                let first = subject.announced.is_none() && subject.advice.tell(advice);
                first.then_some(Outcome::Hint { track: track.id, advice })
            }
            Answer::Stranger { similarity } => {
                let first = !subject.stranger_told && subject.announced.is_none();
                subject.stranger_told = true;
                let threshold = rule.threshold;
                first.then_some(Outcome::Stranger { track: track.id, similarity, threshold, at })
            }
            // The newest frame voted for somebody else, and the liveness is his.
            Answer::Known { roll, .. }
                if requirement.checks() && subject.liveness_of.as_ref() != Some(&roll) =>
            {
                None
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
        let faces = self.voted_on.faces();
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
