//! The models and the gallery, asked about one face of one frame: one after the other, or two at a time.

use std::num::NonZero;
use std::time::{Duration, Instant};

use image::RgbImage;
use rayon::{ThreadPool, ThreadPoolBuilder};

use super::decision::Senses;
use super::view::{Latency, millis};
use crate::engine::Engine;
use crate::naming::gallery::{Gallery, Match};
use crate::naming::second::Thresholds;
use faces::error::EngineError;
use faces::landmarks::Landmarks;
use liveness::{Checker, Observation};
use vision::embedding::Embedding;

/// A second thread, on which the tests of liveness run while the face is embedded: about the same work
/// (models/COST.md). It sleeps otherwise.
pub(super) struct Beside(Option<ThreadPool>);

impl Beside {
    /// Starts the thread where there is more than one processor for it.
    pub(super) fn start() -> Self {
        let alone = std::thread::available_parallelism().is_ok_and(|count| count == NonZero::<usize>::MIN);
        let pool = || ThreadPoolBuilder::new().num_threads(1).thread_name(|_| "liveness".to_owned()).build();
        Self((!alone).then(pool).and_then(|started| {
            started
                .inspect_err(|error| {
                    log::warn!("Cannot start the liveness thread; running single-threaded: {error}")
                })
                .ok()
        }))
    }
}

/// The models and the gallery, for one face of one frame.
pub(super) struct Networks<'a> {
    pub(super) engine: &'a mut Engine,
    pub(super) gallery: &'a Gallery,
    pub(super) thresholds: Thresholds,
    pub(super) margin: f32,
    pub(super) liveness: &'a mut Checker,
    pub(super) beside: &'a Beside,
    pub(super) picture: &'a RgbImage,
    pub(super) landmarks: &'a Landmarks,
    /// When the frame was taken.
    pub(super) at: Duration,
    pub(super) latency: &'a mut Latency,
    /// Answers that were worked out before they are asked for.
    pub(super) ahead: Ahead,
}

/// What [`Senses::foresee`] worked out.
#[derive(Default)]
pub(super) struct Ahead {
    face: Option<Embedding>,
    seen: Option<Observation>,
}

impl Senses for Networks<'_> {
    fn foresee(&mut self) -> Result<(), EngineError> {
        let Beside(Some(pool)) = self.beside else { return Ok(()) };
        let Self { engine, liveness, picture, landmarks, at, latency, .. } = self;
        let (picture, landmarks, at) = (*picture, *landmarks, Some(*at));
        let start = Instant::now();
        let mut seen = None;
        let face = pool.in_place_scope(|scope| {
            scope.spawn(|_| {
                let answer = liveness.observe(picture, landmarks, true, at);
                seen = Some((answer, millis(start)));
            });
            let face = engine.embed_first();
            latency.embed += millis(start);
            face
        });
        self.ahead.face = Some(face?);
        if let Some((answer, took)) = seen {
            latency.liveness += took;
            self.ahead.seen = Some(answer?);
        }
        Ok(())
    }

    fn embed(&mut self) -> Result<Embedding, EngineError> {
        if let Some(face) = self.ahead.face.take() {
            return Ok(face);
        }
        let start = Instant::now();
        let face = self.engine.embed_first();
        self.latency.embed += millis(start);
        face
    }

    fn search(&mut self, face: &Embedding) -> Result<Option<Match>, EngineError> {
        let start = Instant::now();
        let mut found = self.gallery.search(face);
        if found.as_ref().is_some_and(|found| self.thresholds.are_in_doubt_of(found, self.margin)) {
            let whole = self.engine.complete(face)?;
            let first = found.map_or(-1.0, |found| found.similarity);
            let together = self.gallery.search(&whole);
            found = together.map(|found| self.thresholds.on_the_scale_of_the_first(found));
            let both = found.as_ref().map_or(-1.0, |found| found.similarity);
            log::debug!("similarity {first:.3} left a doubt; both embedders say {both:.3} on its scale");
        }
        self.latency.embed += millis(start);
        Ok(found)
    }

    fn observe(&mut self, votes: bool) -> Result<Observation, EngineError> {
        if let Some(seen) = self.ahead.seen.take() {
            return Ok(seen);
        }
        let start = Instant::now();
        let seen = self.liveness.observe(self.picture, self.landmarks, votes, Some(self.at));
        self.latency.liveness += millis(start);
        seen
    }
}
