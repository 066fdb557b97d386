//! What recognition is doing, for the status page: read by others, written by the inference thread.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use serde::Serialize;

use super::face::Bounds;
use super::preview::Preview;
use crate::identity::RollNumber;
use crate::moment::Moment;

/// How long a preview is kept going after somebody asked for one.
const WATCHED_FOR: Duration = Duration::from_secs(5);

/// Numbers of the frame path.
#[derive(Debug, Clone, Default, Serialize)]
pub struct Snapshot {
    /// Frames processed since the start.
    pub frames: u64,
    /// Frames processed a second, over the last seconds.
    pub frames_per_second: f32,
    /// When the last processed frame was taken.
    pub last_frame: Option<Moment>,
    /// Time of each stage in the last frame that had it.
    pub latency_ms: Latency,
    /// The faces of the last frame.
    pub tracks: Vec<TrackView>,
}

/// Milliseconds of each stage.
#[derive(Debug, Clone, Copy, Default, Serialize)]
pub struct Latency {
    /// Colour conversion.
    pub convert: f32,
    /// Finding faces.
    pub detect: f32,
    /// Mesh and alignment, all faces.
    pub landmarks: f32,
    /// Embedding and matching, all faces.
    pub embed: f32,
    /// Liveness, all faces.
    pub liveness: f32,
    /// All of it, from the frame to its answer.
    pub total: f32,
}

impl Latency {
    /// Takes over the stages that the newest frame had; a stage that did not run keeps its last time.
    pub fn update(&mut self, newest: &Self) {
        for (mine, new) in [
            (&mut self.convert, newest.convert),
            (&mut self.detect, newest.detect),
            (&mut self.landmarks, newest.landmarks),
            (&mut self.embed, newest.embed),
            (&mut self.liveness, newest.liveness),
            (&mut self.total, newest.total),
        ] {
            if new > 0.0 {
                *mine = new;
            }
        }
    }
}

/// One followed face.
#[derive(Debug, Clone, Serialize)]
pub struct TrackView {
    /// Its number.
    pub track: u64,
    /// Where it is.
    pub bounds: Bounds,
    /// Who it seems to be.
    pub roll: Option<RollNumber>,
    /// Best similarity of the last match.
    pub similarity: f32,
    /// Votes for that person.
    pub votes: u32,
    /// Liveness scores in words.
    pub liveness: String,
    /// What the person is asked to do.
    pub advice: Option<&'static str>,
}

/// The frame path's public face. Its lock is held for a copy only.
#[derive(Debug, Default)]
pub struct View {
    snapshot: Mutex<Snapshot>,
    /// When the numbers were last put in place.
    published: Mutex<Option<Instant>>,
    preview: Mutex<Option<Arc<Preview>>>,
    /// Milliseconds since boot up to which a preview is wanted.
    wanted_until: AtomicU64,
}

impl View {
    /// The numbers of now.
    pub fn snapshot(&self) -> Snapshot {
        self.snapshot.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Where the largest face was in the last frame; none where nobody is.
    pub fn largest_face(&self) -> Option<Bounds> {
        let snapshot = self.snapshot.lock().unwrap_or_else(PoisonError::into_inner);
        let faces = snapshot.tracks.iter().map(|track| track.bounds);
        faces.max_by(|a, b| a.area().total_cmp(&b.area()))
    }

    /// How long ago the newest frame was processed; none before the first. By this machine's time: a replay in slow motion stamps
    /// its frames with the film's.
    pub fn age(&self) -> Option<Duration> {
        self.published.lock().unwrap_or_else(PoisonError::into_inner).map(|at| at.elapsed())
    }

    /// Puts the numbers after a frame in place.
    pub fn publish(&self, snapshot: Snapshot) {
        *self.snapshot.lock().unwrap_or_else(PoisonError::into_inner) = snapshot;
        *self.published.lock().unwrap_or_else(PoisonError::into_inner) = Some(Instant::now());
    }

    /// The latest frame with the faces in it, and asks that more are made for the next seconds. The first call gives `None`.
    pub fn preview(&self, now: Moment) -> Option<Arc<Preview>> {
        let until = (now.since_boot + WATCHED_FOR).as_millis() as u64;
        self.wanted_until.store(until, Ordering::Relaxed);
        self.preview.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Whether somebody watches. Nothing is made for nobody.
    pub fn watched(&self, now: Moment) -> bool {
        self.wanted_until.load(Ordering::Relaxed) > now.since_boot.as_millis() as u64
    }

    /// Puts a preview in place, or takes the old one away.
    pub fn show(&self, preview: Option<Arc<Preview>>) {
        *self.preview.lock().unwrap_or_else(PoisonError::into_inner) = preview;
    }
}
