//! Real cameras, through libcamera.
//!
//! # One copy a frame, and why
//!
//! The driver's buffers are mapped once, when the camera is opened. Each picture is copied out of its buffer
//! once, into a [`Frame`]: 1,382,400 bytes for 1280×720 in YUV 4:2:0, measured at 0.06 ms on the development
//! machine from memory that is cached. The buffer goes back to the camera at once. Recognition could convert
//! straight from the mapped buffer instead, but then
//! - a slow frame would keep a buffer from the camera, which has four, and the camera would drop frames of
//!   its choice where [`vision::latest`] drops the oldest;
//! - on the Pi the buffers of the CSI receiver and the ISP are not cached for the processor: reading them
//!   once, from first byte to last, is the fastest way there is, and everything after it reads memory that is
//!   cached;
//! - a camera that is unplugged or reopened frees its buffers, also while somebody reads them.
//!
//! The copy also leaves out the rows' padding and turns the picture the right way up, so that later
//! code does not need to know either.
//!
//! One stream is asked for. A second, small one for detection would save the conversion of frames without a
//! face. But few frames are converted while there is no face ([`recognition::watch::tempo`]), and once there
//! is one, it is cut from the large stream.
//!
//! # Threads
//!
//! libcamera's objects live on a thread of their own ([`session`]), which alone opens, starts, stops and
//! frees them. A driver that hangs hangs that thread; the capture thread sees the silence and says so. No
//! `unsafe` is needed here: the `libcamera` crate maps the buffers and lends them out only while their
//! request is in our hands.

mod negotiate;
mod session;
mod steering;
#[cfg(test)]
mod tests;

use std::collections::VecDeque;
use std::sync::Arc;
use std::sync::mpsc::RecvTimeoutError;
use std::time::{Duration, Instant};

use libcamera::controls::{ScalerCrop, SensorTimestamp};
use libcamera::framebuffer::{AsFrameBuffer as _, FrameMetadataStatus};
use libcamera::framebuffer_allocator::FrameBuffer;
use libcamera::framebuffer_map::MemoryMappedFrameBuffer;
use libcamera::request::{Request, RequestStatus, ReuseFlag};
use rustix::time::{ClockId, clock_gettime};

use super::error::CameraError;
use super::health::Watch;
use super::planes::{Packing, Scratch};
use super::source::{Grab, Source};
use crate::config;
use crate::libcamera::session::{News, Opened, Session};
use base::moment::{Clock, Moment};
use vision::face::Bounds;
use vision::frame::Frame;

/// A frame that says it is older than this was stamped by some other clock.
const OLDEST: Duration = Duration::from_secs(1);

/// A camera's own clock may run a little faster than ours without losing a frame for it.
const HEADROOM: f32 = 0.95;

/// A camera that is open and delivers.
pub struct Device {
    session: Session,
    opened: Opened,
    clock: Arc<dyn Clock>,
    /// Requests that wait to be given to the camera, for their turn.
    held: VecDeque<Request>,
    /// How many requests there are.
    requests: u32,
    /// The least time between two requests, on average. Cameras are asked to keep the frame rate; not all do.
    interval: Duration,
    /// When the next of them may go.
    due: Instant,
    /// The sequence number that the driver gave the first frame.
    first: Option<u32>,
    number: u64,
    /// When the newest frame was taken, since boot.
    newest: Duration,
    watch: Watch,
    /// Where the largest face is.
    face: Option<Bounds>,
    scratch: Scratch,
}

impl Device {
    /// Opens and starts the camera that the configuration names, or the first.
    ///
    /// # Errors
    /// [`CameraError`]: `Missing`, `Stuck` while an earlier session has not ended, or what the driver says.
    pub fn open(config: &config::Camera, clock: Arc<dyn Clock>) -> Result<Self, CameraError> {
        let (session, mut opened) = Session::start(config)?;
        let held = VecDeque::from(std::mem::take(&mut opened.requests));
        let interval = Duration::from_secs_f32(HEADROOM / config.frame_rate);
        let now = Instant::now();
        Ok(Self {
            session,
            opened,
            clock,
            requests: held.len() as u32,
            interval,
            due: now.checked_sub(interval * held.len() as u32).unwrap_or(now),
            held,
            first: None,
            number: 0,
            newest: Duration::ZERO,
            watch: Watch::default(),
            face: None,
            scratch: Scratch::default(),
        })
    }

    /// Gives the camera every request whose turn it is.
    fn feed(&mut self) -> Result<(), CameraError> {
        while let Some(request) = self.held.pop_front() {
            let now = Instant::now();
            if self.due > now {
                self.held.push_front(request);
                break;
            }
            // Turns that were not taken are kept for later, as many as there are requests: a camera that
            // keeps the rate is never held up.
            let saved = now.checked_sub(self.interval * self.requests).unwrap_or(now);
            self.due = self.due.max(saved) + self.interval;
            self.session.queue(request)?;
        }
        Ok(())
    }

    /// Copies what a completed request brought; `false` when it brought nothing.
    fn take(&mut self, request: &Request, frame: &mut Frame) -> Result<bool, CameraError> {
        let Some(buffer) =
            request.buffer::<MemoryMappedFrameBuffer<FrameBuffer>>(&self.opened.stream).filter(|_| {
                // A cancelled request's buffer was never written.
                request.status() == RequestStatus::Complete
            })
        else {
            return Ok(false);
        };
        let Some(metadata) = buffer.metadata() else { return Ok(false) };
        if metadata.status() != FrameMetadataStatus::Success {
            log::debug!("{}: a frame came with status {:?}", self.opened.description, metadata.status());
            return Ok(false);
        }
        let mut planes = buffer.data();
        if self.opened.layout.packing == Packing::Jpeg {
            // Rows lie where they lie; a JPEG ends where the driver says, and behind it is an older one.
            for (plane, written) in planes.iter_mut().zip(&metadata.planes()) {
                *plane = &plane[..plane.len().min(written.bytes_used as usize)];
            }
        }
        let read = self.opened.layout.read(&planes, self.opened.turn, &mut frame.picture, &mut self.scratch);
        if let Err(error) = read {
            // One damaged picture is what a loose cable or a busy USB bus makes; when all are, the camera is
            // silent.
            log::debug!("{}: {error}", self.opened.description);
            return Ok(false);
        }
        let sequence = metadata.sequence();
        let since_first = sequence.wrapping_sub(*self.first.get_or_insert(sequence));
        // A driver that starts counting again must not make time run backwards.
        self.number = (u64::from(since_first) + 1).max(self.number + 1);
        frame.number = self.number;
        let stamp = request
            .metadata()
            .get::<SensorTimestamp>()
            .map_or(metadata.timestamp(), |stamp| stamp.unsigned_abs());
        frame.at = taken_at(self.clock.now(), Duration::from_nanos(stamp));
        // Two readings of clocks lie between stamp and moment: microseconds by which a burst must not run
        // backwards.
        frame.at.since_boot = frame.at.since_boot.max(self.newest);
        self.newest = frame.at.since_boot;
        Ok(true)
    }
}

impl Source for Device {
    fn describe(&self) -> String {
        self.opened.description.clone()
    }

    fn next_frame(&mut self, frame: &mut Frame, patience: Duration) -> Result<Grab, CameraError> {
        let deadline = Instant::now() + patience;
        loop {
            self.feed()?;
            let now = Instant::now();
            let wake = if self.held.is_empty() { deadline } else { deadline.min(self.due) };
            match self.session.news(wake.saturating_duration_since(now)) {
                Ok(News::Done(mut request)) => {
                    let filled = self.take(&request, frame)?;
                    let crop = request.metadata().get::<ScalerCrop>().ok();
                    request.reuse(ReuseFlag::REUSE_BUFFERS);
                    if filled {
                        self.opened.steering.steer(frame, self.face, self.opened.turn, crop, &mut request);
                    }
                    self.held.push_back(request);
                    if filled {
                        if let Some(fault) = self.watch.look(&frame.picture, frame.at.since_boot) {
                            return Err(CameraError::Blind { fault });
                        }
                        self.feed()?;
                        return Ok(Grab::Filled);
                    }
                }
                Ok(News::Gone) => {
                    return Err(CameraError::Unplugged { camera: self.opened.description.clone() });
                }
                Ok(News::Failed(reason)) => return Err(CameraError::Device { reason }),
                Ok(News::Stopped) | Err(RecvTimeoutError::Timeout) => {}
                Err(RecvTimeoutError::Disconnected) => {
                    let reason = "libcamera's thread ended".to_owned();
                    return Err(CameraError::Device { reason });
                }
            }
            if Instant::now() >= deadline {
                return Ok(Grab::Waiting);
            }
        }
    }

    fn follow(&mut self, face: Option<Bounds>) {
        self.face = face;
    }
}

impl Drop for Device {
    fn drop(&mut self) {
        self.session.stop(std::mem::take(&mut self.held));
    }
}

/// When a frame was taken that arrives at `now` and bears `stamp`, by whichever of the kernel's clocks the
/// driver uses.
///
/// libcamera promises the boot-time clock, V4L2 drivers stamp with the monotonic one; they differ only by the
/// time the machine was suspended. A stamp that makes sense by neither is left alone: the frame was taken
/// when it arrived.
fn taken_at(now: Moment, stamp: Duration) -> Moment {
    let monotonic = clock_gettime(ClockId::Monotonic);
    let monotonic = Duration::new(monotonic.tv_sec.unsigned_abs(), monotonic.tv_nsec.unsigned_abs() as u32);
    let ages = [now.since_boot, monotonic].map(|clock| clock.checked_sub(stamp).filter(|age| *age <= OLDEST));
    let age = ages.into_iter().flatten().next().unwrap_or_default();
    Moment { utc: now.utc - age, since_boot: now.since_boot.saturating_sub(age), ..now }
}
