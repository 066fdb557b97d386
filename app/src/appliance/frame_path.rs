//! The frame path as two workers: a capture thread and an inference thread with the hand-over between them.
//!
//! The hand-over outlives both: each may fail and be started again while the other goes on.

use std::sync::atomic::AtomicBool;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tokio_util::sync::CancellationToken;

use super::camera_care::Care;
use crate::supervisor::{Board, Supervisor, on_own_thread};
use base::backoff::Backoff;
use base::event::WorkerState as State;
use base::failure::Failure;
use base::moment::Clock;
use base::progress::Progress;
use camera::{CameraError, capture};
use config::Config;
use recognition::watch::worker;
use recognition::watch::worker::Outputs;
use recognition::{Engine, Pipeline, SharedGallery};
use vision::latest;

use update::report::CAMERA;
/// The worker that recognises.
pub const RECOGNITION: &str = "recognition";

/// First and longest time between two tries to open a camera: who pushes its plug home sees it work before
/// they leave.
const REOPENING: [Duration; 2] = [Duration::from_secs(1), Duration::from_secs(15)];

/// What both threads need.
#[derive(Clone)]
pub struct FramePath {
    /// The configuration.
    pub config: Arc<Config>,
    /// Where frames get their time from.
    pub clock: Arc<dyn Clock>,
    /// Whom to recognise.
    pub gallery: SharedGallery,
    /// Synchronisation and enrolment: while they are under way nobody is a stranger.
    pub loading: [Progress; 2],
    /// Where answers go.
    pub outputs: Outputs,
    /// Whether a display at the door shows what a person is asked to do, or recorded words say it.
    pub asking: Arc<AtomicBool>,
    /// What is done about a camera that fails.
    pub care: Arc<Care>,
}

impl FramePath {
    /// Starts both workers; the counters are the hand-over's.
    pub fn start(self, supervisor: &mut Supervisor) -> latest::Counters {
        let (sender, receiver, counters) = latest::channel();
        let (sender, receiver) = (Arc::new(Mutex::new(sender)), Arc::new(Mutex::new(receiver)));
        let path = self.clone();
        let [first, longest] = REOPENING;
        supervisor.start_with(CAMERA, Backoff::between(first, longest), move |stop| {
            let (path, sender) = (path.clone(), Arc::clone(&sender));
            on_own_thread(CAMERA, move || path.capture(&sender, &stop))
        });
        supervisor.start(RECOGNITION, move |stop| {
            let (path, receiver) = (self.clone(), Arc::clone(&receiver));
            on_own_thread(RECOGNITION, move || path.recognise(&receiver, &stop))
        });
        counters
    }

    fn capture(&self, sender: &Mutex<latest::Sender>, stop: &CancellationToken) -> Result<(), Failure> {
        // One capture thread at a time holds the sender; a predecessor that panicked left it whole.
        let mut sender = sender.lock().unwrap_or_else(PoisonError::into_inner);
        let failed = |error: CameraError| {
            self.care.fails(&error);
            Failure::restart(error)
        };
        let mut source = camera::open(&self.config.camera, Arc::clone(&self.clock)).map_err(failed)?;
        log::info!("Camera: {}", source.describe());
        let ended =
            capture::run(&mut self.care.watch(source.as_mut(), &self.outputs.view), &mut sender, stop);
        if ended.is_err() {
            // A driver that hangs takes its time to close, and the page should know before it has.
            std::thread::spawn(move || drop(source));
        }
        if ended.map_err(failed)? == capture::Finish::Ended {
            log::info!("The replay is over");
        }
        Ok(())
    }

    fn recognise(&self, receiver: &Mutex<latest::Receiver>, stop: &CancellationToken) -> Result<(), Failure> {
        let mut receiver = receiver.lock().unwrap_or_else(PoisonError::into_inner);
        let config = &self.config;
        let engine = Engine::load(&config.models_dir(), &config.recognition).map_err(Failure::restart)?;
        let gallery = Arc::clone(&self.gallery);
        let mut pipeline = Pipeline::new(engine, gallery, &config.recognition, &config.liveness)
            .map_err(Failure::restart)?
            .while_loading(self.loading.to_vec())
            .with_scene_in(config.site.data_dir.join("scene"))
            .asking_with(Arc::clone(&self.asking));
        worker::run(&mut pipeline, &mut receiver, &self.outputs, stop).map_err(Failure::restart)?;
        Ok(())
    }
}

/// Tells whether the frame path is looked after: a frame was processed since the last question, a worker was
/// started again since then, or the supervisor is dealing with a camera or models that failed.
///
/// This catches a thread that hangs without an error. A camera that opens and sends nothing is another case:
/// its worker fails after seconds, again and again, and [`Care`] decides what is done about it. Rows and page
/// must go on meanwhile.
pub fn mover(board: Arc<Board>, outputs: &Outputs) -> impl Fn() -> bool + Send + use<> {
    let view = Arc::clone(&outputs.view);
    let seen = Mutex::new(None);
    move || {
        let workers = [CAMERA, RECOGNITION].map(|name| {
            let views = board.views();
            let worker = views.iter().find(|worker| worker.name == name);
            worker.map(|worker| (worker.state, worker.restarts))
        });
        let at_work = workers.iter().all(|worker| matches!(worker, Some((State::Running, _))));
        let now = (view.snapshot().frames, workers);
        let before = seen.lock().unwrap_or_else(PoisonError::into_inner).replace(now);
        before != Some(now) || !at_work
    }
}

#[cfg(test)]
mod tests {
    use tokio::time::{Instant, interval, sleep};

    use super::*;
    use base::event::Bus;

    /// A third of the watchdog's time in attendance.service.
    const TICK: Duration = Duration::from_secs(20);

    /// The longest time between two ticks that fed the watchdog, in an hour. The camera runs for
    /// `until_failure` before it fails; with `None` it never fails.
    async fn longest_hunger(until_failure: Option<Duration>) -> Duration {
        let bus = Bus::default();
        let mut supervisor = Supervisor::new(bus.clone());
        let [first, longest] = REOPENING;
        supervisor.start_with(CAMERA, Backoff::between(first, longest), move |_| async move {
            match until_failure {
                Some(time) => sleep(time).await,
                None => std::future::pending().await,
            }
            Err(Failure::restart("the camera gave no frame"))
        });
        supervisor.start(RECOGNITION, |stop| async move {
            stop.cancelled().await;
            Ok(())
        });
        let outputs = Outputs { bus, sightings: base::sightings::inbox().0, view: Arc::default() };
        let moving = mover(supervisor.board(), &outputs);
        let begun = Instant::now();
        let (mut fed, mut hunger) = (begun, Duration::ZERO);
        let mut tick = interval(TICK);
        while begun.elapsed() < Duration::from_secs(3600) {
            tick.tick().await;
            hunger = hunger.max(fed.elapsed());
            if moving() {
                fed = Instant::now();
            }
        }
        supervisor.stop(Duration::from_secs(1)).await;
        hunger
    }

    #[tokio::test(start_paused = true)]
    async fn silent_camera_does_not_trip_the_watchdog() {
        // Seconds until these report a failure: a camera that opens and gives no picture, a driver that also
        // needs all the time it is given to open, and a pipe.
        for seconds in [10, 28, 5] {
            let hunger = longest_hunger(Some(Duration::from_secs(seconds))).await;
            assert!(hunger < 3 * TICK, "{hunger:?} with a camera that fails after {seconds} s");
        }
    }

    #[tokio::test(start_paused = true)]
    async fn hanging_thread_trips_the_watchdog() {
        assert!(longest_hunger(None).await > 3 * TICK);
    }
}
