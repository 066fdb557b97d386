//! One frame after the other, and what is known after each.

mod considering;

use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use std::time::{Duration, Instant};

use image::RgbImage;

use super::outcome::FrameOutcome;
use super::preview::TrackView;
use super::scenery::Scenery;
use super::senses::Beside;
use super::subject::Subject;
use super::track::{MAX_TRACKS, Track, Tracker};
use super::view;
use super::view::{Latency, Snapshot, millis};
use crate::config;
use crate::engine::Engine;
use crate::naming::gallery::{Gallery, SharedGallery};
use crate::naming::second::FirstCurve;
use crate::naming::threshold::{Calibration, CalibrationError};
use crate::naming::vote::Ballot;
use base::identity::RollNumber;
use base::progress::Progress;
use faces::embedder::EmbedderChoice;
use faces::error::EngineError;
use liveness::Checker;
use liveness::latch::Latch;
use vision::face::{Bounds, Face};
use vision::frame::Frame;

/// Time between two looks of the detector while all faces are followed by their landmarks: a second person
/// who steps in is seen after this time at the latest.
const DETECT_EVERY: Duration = Duration::from_millis(200);

/// Time between two looks at people who all have their answer. A person who walks by has moved by a face's
/// width then, and is still followed.
const LOOK_EVERY: Duration = Duration::from_millis(100);

/// Faces without an answer that the models look at in one frame, the largest first; the others wait for a
/// later one. On the board one takes 18 to 32 ms by paper, and 15 ms more where a second embedder is asked
/// (models/COST.md): with more of them, frames of one face would come too seldom to see a blink, or that a
/// face was exchanged.
const A_FRAME: usize = 4;

/// Recognition with its state: the tracks.
pub struct Pipeline {
    engine: Engine,
    gallery: SharedGallery,
    /// The gallery that the votes are about.
    voted_on: Arc<Gallery>,
    liveness: Checker,
    beside: Beside,
    recognition: config::Recognition,
    latch: Latch,
    scenery: Scenery,
    prompt: liveness::config::PromptUse,
    exempt: Vec<RollNumber>,
    /// Whether something shows or speaks what a person is asked to do.
    screen: Arc<AtomicBool>,
    /// Of the embedder that the gallery in use was made with.
    calibration: Calibration,
    /// Where that is two of them: of the first.
    first_curve: Option<FirstCurve>,
    /// What may still bring faces into the gallery.
    loading: Vec<Progress>,
    /// Whether any of it was under way when the gallery of this frame was taken.
    incomplete: bool,
    tracker: Tracker<Subject>,
    /// When a frame was looked at last, and when the detector did, since boot.
    looked: Option<Duration>,
    detected: Option<Duration>,
    picture: RgbImage,
    snapshot: Snapshot,
}

impl Pipeline {
    /// A pipeline without tracks. Loads the models of liveness from where the engine's came.
    ///
    /// # Errors
    /// [`EngineError::Load`] when weights that the site's rule needs are damaged, or the site's calibration
    /// is of no use.
    pub fn new(
        engine: Engine,
        gallery: SharedGallery,
        recognition: &config::Recognition,
        liveness: &liveness::config::Liveness,
    ) -> Result<Self, EngineError> {
        let (prompt, exempt) = (liveness.prompt, liveness.exempt.clone());
        let liveness = engine.liveness(liveness)?;
        liveness.requirement().tell();
        let (calibration, first_curve) = calibration(recognition, engine.embedder())?;
        Ok(Self {
            engine,
            voted_on: gallery.load_full(),
            gallery,
            liveness,
            beside: Beside::start(),
            recognition: recognition.clone(),
            latch: Latch::default(),
            scenery: Scenery::default(),
            prompt,
            exempt,
            screen: Arc::default(),
            calibration,
            first_curve,
            loading: Vec::new(),
            incomplete: false,
            tracker: Tracker::default(),
            looked: None,
            detected: None,
            picture: RgbImage::default(),
            snapshot: Snapshot::default(),
        })
    }

    /// While any of these is under way nobody is called a stranger: the photo may be on its way. Nor is
    /// anybody while nobody is enrolled.
    pub fn while_loading(mut self, loading: Vec<Progress>) -> Self {
        self.loading = loading;
        self
    }

    /// Goes on with the empty scene that was learnt before, and keeps it in this file.
    pub fn with_scene_in(mut self, file: PathBuf) -> Self {
        self.scenery = Scenery::kept_in(file);
        self
    }

    /// Asks people to turn the head while this is true: something shows or speaks the advice then.
    pub fn asking_with(mut self, screen: Arc<AtomicBool>) -> Self {
        self.screen = screen;
        self
    }

    /// Looks at one frame, or lets it pass where nothing can have changed since the last look.
    ///
    /// # Errors
    /// [`EngineError::Run`] when a model fails.
    pub fn process(&mut self, frame: &Frame) -> Result<Vec<FrameOutcome>, EngineError> {
        let mut latency = Latency::default();
        let mut outcomes = Vec::new();
        let start = Instant::now();
        // In this order: a gallery that is exchanged between the two is taken for one that may be incomplete.
        let loading = self.loading.iter().any(|progress| progress.under_way().is_some());
        self.follow_gallery()?;
        self.incomplete = loading || self.voted_on.faces() == 0;
        self.tracker.tracks_mut().iter_mut().for_each(|track| track.state.expire(frame.at.since_boot));
        if self.is_due(frame.at.since_boot) {
            self.looked = Some(frame.at.since_boot);
            frame.picture.write_rgb(&mut self.picture);
            latency.convert = millis(start);
            let mut looked = 0;
            for (face, index) in self.faces(frame.at.since_boot, &mut latency)? {
                if looked < A_FRAME {
                    looked +=
                        usize::from(self.consider(&face, index, frame.at, &mut latency, &mut outcomes)?);
                }
            }
            let somebody = !self.tracker.tracks().is_empty();
            self.scenery.note(&self.picture, somebody, frame.at.since_boot);
            latency.total = millis(start);
            latency.since_capture = view::since(frame.at);
        }
        self.take_stock(frame, latency);
        Ok(outcomes)
    }

    /// Numbers of the last frames, and the faces that are there. A face that is followed and that the
    /// detector did not find again is left out: its box would stand where nobody is.
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
                    liveness: self.requirement().judge(&track.state.liveness).to_string(),
                    advice: track.state.advice.told(),
                }
            })
            .collect();
        Snapshot { tracks, ..self.snapshot.clone() }
    }

    /// The last frame, RGB.
    pub fn picture(&self) -> &RgbImage {
        &self.picture
    }

    /// Votes about another gallery say nothing: who was nobody in it may be somebody in the new one. One of
    /// another embedder takes that embedder and its calibration with it, and no track knows its face any
    /// more.
    fn follow_gallery(&mut self) -> Result<(), EngineError> {
        let gallery = self.gallery.load_full();
        let embedder = gallery.embedder().unwrap_or(self.engine.embedder());
        if embedder != self.engine.embedder() {
            self.engine.use_embedder(embedder)?;
            (self.calibration, self.first_curve) = calibration(&self.recognition, embedder)?;
            self.tracker.tracks_mut().iter_mut().for_each(|track| track.state = Subject::default());
            log::info!("Faces are compared with {} from now on", embedder.name());
        }
        if !Arc::ptr_eq(&gallery, &self.voted_on) {
            self.voted_on = gallery;
            self.tracker.tracks_mut().iter_mut().for_each(|track| track.state.ballot = Ballot::default());
        }
        Ok(())
    }

    fn is_due(&self, now: Duration) -> bool {
        let recent = self.looked.is_some_and(|at| now.saturating_sub(at) < LOOK_EVERY);
        let mut tracks = self.tracker.tracks().iter().peekable();
        !recent || tracks.peek().is_none() || tracks.any(|track| !track.state.has_its_answer())
    }

    /// The faces of this frame, each with its track: from the detector, or followed by their landmarks. A
    /// followed face that has its answer is left out.
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
        let mut faces: heapless::Vec<_, MAX_TRACKS> =
            faces.into_iter().zip(assigned).filter_map(|(face, slot)| Some((face, slot?))).collect();
        // A person who was told that they are unknown keeps nobody else waiting.
        faces.sort_by_key(|(_, index)| self.tracker.tracks()[*index].state.stranger_told);
        Ok(faces)
    }

    fn take_stock(&mut self, frame: &Frame, latency: Latency) {
        let asks = self.asks();
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
        snapshot.scene = self.scenery.usefulness();
        snapshot.asks = asks;
    }
}

/// The site's calibration, or the shipped one; and where there are two embedders, the curve of the first.
fn calibration(
    recognition: &config::Recognition,
    embedder: EmbedderChoice,
) -> Result<(Calibration, Option<FirstCurve>), EngineError> {
    let both = || {
        let general = Calibration::of(recognition.calibration.as_deref(), embedder)?;
        let first = FirstCurve::of(&general)?;
        Ok((general, first))
    };
    both().map_err(|error: CalibrationError| EngineError::Load {
        role: "calibration".to_owned(),
        reason: error.to_string().into(),
    })
}
