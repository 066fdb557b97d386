//! The thread on which libcamera's objects live.
//!
//! One session is one opening of a camera: enumerate, acquire, configure, map, start; later stop, unmap,
//! release. libcamera allows one camera manager in a process and aborts on a second, so a session that hangs
//! in a driver keeps every later one from starting: they answer [`CameraError::Stuck`], and only a new
//! process can help.

use std::collections::VecDeque;
use std::sync::mpsc::{self, Receiver, RecvTimeoutError, Sender};
use std::sync::{Condvar, Mutex, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

use libcamera::camera::Camera;
use libcamera::camera_manager::CameraManager;
use libcamera::framebuffer_allocator::FrameBufferAllocator;
use libcamera::framebuffer_map::MemoryMappedFrameBuffer;
use libcamera::properties::Model;
use libcamera::request::Request;
use libcamera::stream::Stream;

use super::negotiate;
use super::steering::Steering;
use crate::config;
use crate::error::CameraError;
use crate::planes::Layout;
use crate::turn::Turn;

/// For a camera to open. Enumerating and loading an ISP's tuning takes tenths of a second; an emulated board
/// takes seconds.
const OPENING: Duration = Duration::from_secs(15);

/// For a camera to stop, and for an earlier session to end. Drivers stop within a frame; more is a hang.
const CLOSING: Duration = Duration::from_secs(3);

/// What the camera has to say.
pub(super) enum News {
    /// A request came back, with its buffer filled or not.
    Done(Request),
    /// The camera was unplugged.
    Gone,
    /// The camera refused a request.
    Failed(String),
    /// It has stopped; every request has come back.
    Stopped,
}

/// What the thread is told.
enum Order {
    Queue(Request),
    Stop,
}

/// What was agreed on with the camera.
pub(super) struct Opened {
    /// Its model and id.
    pub(super) description: String,
    /// The shape of its buffers.
    pub(super) layout: Layout,
    /// What is left to do to have the picture the right way up.
    pub(super) turn: Turn,
    /// The stream whose buffers the requests carry.
    pub(super) stream: Stream,
    /// What can be done for a face.
    pub(super) steering: Steering,
    /// The requests, each with its mapped buffer: all there will ever be, so nothing queues without bound.
    pub(super) requests: Vec<Request>,
}

/// The way to the thread.
pub(super) struct Session {
    orders: Sender<Order>,
    news: Receiver<News>,
}

impl Session {
    pub(super) fn start(config: &config::Camera) -> Result<(Self, Opened), CameraError> {
        let turnstile = Turnstile::enter(CLOSING)?;
        let (orders, taken) = mpsc::channel();
        let (teller, news) = mpsc::channel();
        let (ready, opened) = mpsc::sync_channel(1);
        let config = config.clone();
        let work = move || {
            // Freed last, whatever happens before.
            let _turnstile = turnstile;
            serve(&config, &ready, &taken, &teller);
        };
        thread::Builder::new()
            .name("libcamera".to_owned())
            .spawn(work)
            .map_err(|error| CameraError::Device { reason: error.to_string() })?;
        let opened = opened.recv_timeout(OPENING).map_err(|error| match error {
            RecvTimeoutError::Timeout => CameraError::Stuck { waited: OPENING },
            RecvTimeoutError::Disconnected => {
                CameraError::Device { reason: "libcamera's thread ended while opening".to_owned() }
            }
        })??;
        Ok((Self { orders, news }, opened))
    }

    /// Gives a request to the camera.
    pub(super) fn queue(&self, request: Request) -> Result<(), CameraError> {
        self.orders
            .send(Order::Queue(request))
            .map_err(|_| CameraError::Device { reason: "libcamera's thread ended".to_owned() })
    }

    /// Waits for news, at most `patience`.
    pub(super) fn news(&self, patience: Duration) -> Result<News, RecvTimeoutError> {
        self.news.recv_timeout(patience)
    }

    /// Stops the camera, and frees its requests when it has stopped and while it still exists: a driver may
    /// look at a request after it has completed it. A camera that does not stop in time is left to its thread
    /// with all it has.
    pub(super) fn stop(&self, held: VecDeque<Request>) {
        let mut returned: Vec<News> = held.into_iter().map(News::Done).collect();
        if self.orders.send(Order::Stop).is_err() {
            return;
        }
        let until = Instant::now() + CLOSING;
        loop {
            match self.news.recv_timeout(until.saturating_duration_since(Instant::now())) {
                Ok(News::Stopped) | Err(RecvTimeoutError::Disconnected) => return,
                Ok(news) => returned.push(news),
                Err(RecvTimeoutError::Timeout) => {
                    log::error!("the camera does not stop; its driver hangs");
                    // Lost memory is better than memory that a driver writes to after it was freed.
                    std::mem::forget(returned);
                    return;
                }
            }
        }
    }
}

/// Opens the camera, says so, and does what it is told until the other end is gone.
fn serve(
    config: &config::Camera,
    ready: &mpsc::SyncSender<Result<Opened, CameraError>>,
    orders: &Receiver<Order>,
    news: &Sender<News>,
) {
    // Nobody waits any more for an answer that cannot be given: the same for every send below.
    if let Err(error) = open_and_run(config, ready, orders, news) {
        let _ = ready.send(Err(error));
    }
}

fn open_and_run(
    config: &config::Camera,
    ready: &mpsc::SyncSender<Result<Opened, CameraError>>,
    orders: &Receiver<Order>,
    news: &Sender<News>,
) -> Result<(), CameraError> {
    let refused = |what: &'static str| {
        move |error: std::io::Error| CameraError::Device { reason: format!("{what}: {error}") }
    };
    // Declared first, freed last.
    let manager = CameraManager::new().map_err(refused("libcamera does not start"))?;
    let found = find(&manager, config.id.as_deref())?;
    let description = match found.properties().get::<Model>() {
        Ok(model) => format!("{} ({})", *model, found.id()),
        Err(_) => found.id().to_owned(),
    };
    let mut camera = found.acquire().map_err(refused("the camera is in use by another program"))?;
    let agreed = negotiate::configure(&mut camera, config)?;
    let mut allocator = FrameBufferAllocator::new(&camera);
    let buffers = allocator.alloc(&agreed.stream).map_err(refused("no buffers for pictures"))?;
    let mut requests = Vec::with_capacity(buffers.len());
    for buffer in buffers {
        let mapped = MemoryMappedFrameBuffer::new(buffer)
            .map_err(|error| CameraError::Device { reason: error.to_string() })?;
        let mut request = camera
            .create_request(None)
            .ok_or_else(|| CameraError::Device { reason: "no request can be made".to_owned() })?;
        request.add_buffer(&agreed.stream, mapped).map_err(refused("a buffer is refused"))?;
        requests.push(request);
    }
    let done = news.clone();
    camera.on_request_completed(move |request| {
        let _ = done.send(News::Done(request));
    });
    let gone = news.clone();
    camera.on_disconnected(move || {
        let _ = gone.send(News::Gone);
    });
    camera.start(Some(&agreed.controls)).map_err(refused("the camera does not start"))?;
    let opened = Opened {
        description: format!("{description}, {}", agreed.summary),
        layout: agreed.layout,
        turn: agreed.turn,
        stream: agreed.stream,
        steering: agreed.steering,
        requests,
    };
    let _ = ready.send(Ok(opened));
    // Ends when the other end of the orders is dropped.
    for order in orders {
        match order {
            Order::Queue(request) => {
                if let Err((_, error)) = camera.queue_request(request) {
                    let _ = news.send(News::Failed(format!("a request is refused: {error}")));
                }
            }
            Order::Stop => {
                if let Err(error) = camera.stop() {
                    log::warn!("{description}: does not stop: {error}");
                }
                let _ = news.send(News::Stopped);
            }
        }
    }
    Ok(())
}

/// The camera of that id, or the only one whose id contains it, or the first.
fn find<'d>(manager: &CameraManager, id: Option<&str>) -> Result<Camera<'d>, CameraError> {
    let cameras = manager.cameras();
    let all: Vec<Camera<'d>> = (0..cameras.len()).filter_map(|index| cameras.get(index)).collect();
    let ids: Vec<String> = all.iter().map(|camera| camera.id().to_owned()).collect();
    let chosen = match id {
        None => (!ids.is_empty()).then_some(0),
        Some(id) => ids.iter().position(|there| there == id).or_else(|| {
            let mut similar = ids.iter().enumerate().filter(|(_, there)| there.contains(id));
            similar.next().filter(|_| similar.next().is_none()).map(|(index, _)| index)
        }),
    };
    let none = || {
        let there =
            if ids.is_empty() { "none is there".to_owned() } else { format!("there is {}", ids.join(", ")) };
        CameraError::Missing {
            wanted: format!("{}, {there}", id.map_or("any".to_owned(), |id| format!("camera.id = {id:?}"))),
        }
    };
    chosen.and_then(|index| all.into_iter().nth(index)).ok_or_else(none)
}

/// Lets one session in at a time.
struct Turnstile;

static INSIDE: Mutex<bool> = Mutex::new(false);
static LEFT: Condvar = Condvar::new();

impl Turnstile {
    fn enter(patience: Duration) -> Result<Self, CameraError> {
        let inside = INSIDE.lock().unwrap_or_else(PoisonError::into_inner);
        let (mut inside, waited) = LEFT
            .wait_timeout_while(inside, patience, |inside| *inside)
            .unwrap_or_else(PoisonError::into_inner);
        if waited.timed_out() {
            return Err(CameraError::Stuck { waited: patience });
        }
        *inside = true;
        Ok(Self)
    }
}

impl Drop for Turnstile {
    fn drop(&mut self) {
        *INSIDE.lock().unwrap_or_else(PoisonError::into_inner) = false;
        LEFT.notify_one();
    }
}
