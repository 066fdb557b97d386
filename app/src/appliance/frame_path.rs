//! The frame path as two workers: a capture thread and an inference thread with the hand-over between them.
//!
//! The hand-over outlives both: each may fail and be started again while the other goes on.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tokio_util::sync::CancellationToken;

use super::camera_care::Care;
use crate::config::Config;
use crate::supervisor::{Board, Supervisor, on_own_thread};
use base::backoff::Backoff;
use base::event::WorkerState as State;
use base::failure::Failure;
use base::moment::Clock;
use base::progress::Progress;
use camera::{CameraError, capture};
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
            .while_loading(self.loading.to_vec());
        worker::run(&mut pipeline, &mut receiver, &self.outputs, stop).map_err(Failure::restart)?;
        Ok(())
    }
}

/// Tells whether the frame path moves: a frame was processed since the last question, or the supervisor is
/// dealing with a camera or networks that failed.
///
/// What this catches is a thread that hangs where no error can come from.
pub fn mover(board: Arc<Board>, outputs: &Outputs) -> impl Fn() -> bool + Send + use<> {
    let view = Arc::clone(&outputs.view);
    let seen = Mutex::new(None);
    move || {
        let frames = view.snapshot().frames;
        let before = seen.lock().unwrap_or_else(PoisonError::into_inner).replace(frames);
        let at_work =
            |name| board.views().iter().any(|worker| worker.name == name && worker.state == State::Running);
        before != Some(frames) || !at_work(CAMERA) || !at_work(RECOGNITION)
    }
}
