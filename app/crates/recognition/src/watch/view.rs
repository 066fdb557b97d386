//! What recognition is doing, for the status page: read by others, written by the inference thread.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Condvar, Mutex, PoisonError};
use std::time::{Duration, Instant};

use image::RgbImage;
use rustix::time::{ClockId, clock_gettime};
use serde::Serialize;

use super::preview::{Preview, TrackView};
use base::moment::Moment;
use liveness::scene::learnt::Usefulness;
use vision::face::Bounds;

/// How long a preview is kept going after somebody asked for one.
const WATCHED_FOR: Duration = Duration::from_secs(5);

/// A preview that nobody took is replaced when it is older: who asks again is to see the present.
const OLD: Duration = Duration::from_secs(1);

/// A frame that seems to be older bears the time of a film and not that of this machine.
const OLDEST_FRAME: Duration = Duration::from_secs(60);

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
    /// Whether people are asked to turn the head.
    pub asks: bool,
    /// Whether the empty scene behind the people is known, and serves as evidence of liveness.
    pub scene: Usefulness,
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
    /// All of it, from the frame's arrival here to its answer.
    pub total: f32,
    /// From the frame's exposure to its answer, by [`since`]: the camera, the hand-over and [`Self::total`].
    pub since_capture: f32,
}

/// Milliseconds since then.
pub(super) fn millis(since: Instant) -> f32 {
    since.elapsed().as_secs_f32() * 1000.0
}

/// Milliseconds since the frame taken at `at`, by the kernel's clock; 0 for what it cannot have taken.
pub fn since(at: Moment) -> f32 {
    let now = Duration::try_from(clock_gettime(ClockId::Boottime)).unwrap_or_default();
    let age = now.checked_sub(at.since_boot).filter(|age| *age <= OLDEST_FRAME);
    age.unwrap_or_default().as_secs_f32() * 1000.0
}

impl Latency {
    /// How long the last answer took: since the exposure where that is known, else since the frame's arrival.
    pub fn of_answer(&self) -> f32 {
        if self.since_capture > 0.0 { self.since_capture } else { self.total }
    }

    /// Takes over the stages that the newest frame had; a stage that did not run keeps its last time.
    pub fn update(&mut self, newest: &Self) {
        for (mine, new) in [
            (&mut self.convert, newest.convert),
            (&mut self.detect, newest.detect),
            (&mut self.landmarks, newest.landmarks),
            (&mut self.embed, newest.embed),
            (&mut self.liveness, newest.liveness),
            (&mut self.total, newest.total),
            (&mut self.since_capture, newest.since_capture),
        ] {
            if new > 0.0 {
                *mine = new;
            }
        }
    }
}

/// The last preview.
#[derive(Debug)]
struct Shown {
    preview: Arc<Preview>,
    /// When its frame was taken, since boot.
    at: Duration,
    taken: bool,
}

/// The frame path's public face. Its lock is held for a copy only.
#[derive(Debug, Default)]
pub struct FrameView {
    snapshot: Mutex<Snapshot>,
    /// When the numbers were last put in place.
    published: Mutex<Option<Instant>>,
    preview: Mutex<Option<Shown>>,
    /// Milliseconds since boot up to which a preview is wanted.
    wanted_until: AtomicU64,
    whole: Mutex<Whole>,
    /// Told when a whole picture is there.
    whole_is_here: Condvar,
}

/// A whole picture for an enrolment at the door: copied only when it is asked for, and held by nobody else.
#[derive(Debug, Default)]
enum Whole {
    #[default]
    NotAsked,
    Asked,
    Here(RgbImage),
}

impl FrameView {
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

    /// How long ago the newest frame was processed; none before the first. By this machine's time: a replay
    /// in slow motion stamps its frames with the film's.
    pub fn age(&self) -> Option<Duration> {
        self.published.lock().unwrap_or_else(PoisonError::into_inner).map(|at| at.elapsed())
    }

    /// Puts the numbers after a frame in place.
    pub fn publish(&self, snapshot: Snapshot) {
        *self.snapshot.lock().unwrap_or_else(PoisonError::into_inner) = snapshot;
        *self.published.lock().unwrap_or_else(PoisonError::into_inner) = Some(Instant::now());
    }

    /// The next frame that recognition looks at, whole; none when none comes in this time. For one caller at
    /// a time, on a thread of its own.
    pub fn next_whole(&self, time: Duration) -> Option<RgbImage> {
        let mut whole = self.whole.lock().unwrap_or_else(PoisonError::into_inner);
        *whole = Whole::Asked;
        let here = |whole: &mut Whole| !matches!(whole, Whole::Here(_));
        let waited = self.whole_is_here.wait_timeout_while(whole, time, here);
        let (mut whole, _) = waited.unwrap_or_else(PoisonError::into_inner);
        match std::mem::take(&mut *whole) {
            Whole::Here(picture) => Some(picture),
            Whole::NotAsked | Whole::Asked => None,
        }
    }

    /// Gives a whole frame to who asks for one; it is made for nobody else.
    pub fn offer_whole(&self, make: impl FnOnce() -> RgbImage) {
        let mut whole = self.whole.lock().unwrap_or_else(PoisonError::into_inner);
        if matches!(*whole, Whole::Asked) {
            *whole = Whole::Here(make());
            self.whole_is_here.notify_one();
        }
    }

    /// The latest frame with the faces in it, and asks that more are made for the next seconds. The first
    /// call gives `None`.
    pub fn preview(&self, now: Moment) -> Option<Arc<Preview>> {
        let until = (now.since_boot + WATCHED_FOR).as_millis() as u64;
        self.wanted_until.store(until, Ordering::Relaxed);
        let mut shown = self.preview.lock().unwrap_or_else(PoisonError::into_inner);
        shown.as_mut().map(|shown| {
            shown.taken = true;
            Arc::clone(&shown.preview)
        })
    }

    /// Makes a preview of the frame taken at `at` if somebody watches, and removes the old one if nobody
    /// watches any more. No second preview is made before the first was fetched or is too old.
    pub fn show(&self, at: Moment, make: impl FnOnce() -> Preview) {
        let watched = self.wanted_until.load(Ordering::Relaxed) > at.since_boot.as_millis() as u64;
        let last = |shown: &Option<Shown>| {
            // A clock that runs backwards (another replay) is not a reason to wait for it.
            shown.as_ref().is_some_and(|shown| {
                !shown.taken && shown.at <= at.since_boot && at.since_boot - shown.at < OLD
            })
        };
        let place = || self.preview.lock().unwrap_or_else(PoisonError::into_inner);
        if !watched {
            *place() = None;
        } else if !last(&place()) {
            // Made while nobody waits for the lock.
            let preview = Arc::new(make());
            *place() = Some(Shown { preview, at: at.since_boot, taken: false });
        }
    }
}

#[cfg(test)]
mod tests {
    use image::RgbImage;
    use time::OffsetDateTime;

    use super::*;

    fn at(millis: u64) -> Moment {
        let since_boot = Duration::from_millis(millis);
        Moment { utc: OffsetDateTime::UNIX_EPOCH, since_boot, trusted: true }
    }

    #[test]
    fn previews_are_made_for_who_watches_and_takes_them() {
        let view = FrameView::default();
        let made = |millis: u64| {
            let mut made = false;
            view.show(at(millis), || {
                made = true;
                Preview::of(&RgbImage::new(4, 4), Vec::new())
            });
            made
        };
        assert!(!made(0), "nobody watches");
        assert!(view.preview(at(100)).is_none());
        assert!(made(140) && !made(180), "one until it is taken");
        assert!(view.preview(at(200)).is_some());
        assert!(made(220) && !made(260));
        assert!(made(1300), "who comes back sees no old one");
        assert!(made(10), "a film starts again");
        assert!(!made(9_000));
        assert!(view.preview(at(9_100)).is_none(), "the old one is gone");
    }

    #[test]
    fn a_frame_of_another_clock_has_no_age() {
        let now = Duration::try_from(clock_gettime(ClockId::Boottime)).unwrap_or_default();
        let taken = |since_boot| since(Moment { since_boot, ..at(0) });
        let age = taken(now.saturating_sub(Duration::from_millis(20)));
        assert!((20.0..5_000.0).contains(&age), "{age}");
        assert_eq!(taken(now + Duration::from_secs(100)), 0.0);
        let mut latency = Latency { total: 7.0, ..Latency::default() };
        assert_eq!(latency.of_answer(), 7.0);
        latency.update(&Latency { since_capture: 30.0, ..Latency::default() });
        assert_eq!(latency.of_answer(), 30.0);
    }

    #[test]
    fn a_whole_picture_is_copied_for_who_asks_and_once() {
        let view = FrameView::default();
        view.offer_whole(|| unreachable!("nobody asked"));
        assert!(view.next_whole(Duration::from_millis(1)).is_none(), "none comes");
        let view = Arc::new(view);
        let asks = std::thread::spawn({
            let view = Arc::clone(&view);
            move || view.next_whole(Duration::from_secs(60)).map(|picture| picture.dimensions())
        });
        let mut copies = 0;
        while !asks.is_finished() {
            view.offer_whole(|| {
                copies += 1;
                RgbImage::new(7, 5)
            });
        }
        assert_eq!((asks.join().ok(), copies), (Some(Some((7, 5))), 1));
    }
}
