//! The channel from the capture thread to the inference thread: the newest frame wins, and the sender never
//! waits.
//!
//! Two bounded single-producer single-consumer queues carry frames there and empty buffers back, so that a
//! running camera allocates nothing. The receiver drains what has come and keeps the newest. If the queue was
//! full in between, its frames are old: they are skipped, and the receiver waits for a newer one. Every frame
//! that is not processed is counted.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread::Thread;
use std::time::{Duration, Instant};

use arc_swap::ArcSwapOption;
use heapless::spsc::{Consumer, Producer, Queue};

use crate::frame::Frame;

/// Slots of the queue, one of which stays empty: three frames. At 15 frames a second that is 200 ms, longer
/// than the slowest frame takes on the device; at 1280×720 it is 4 MB.
const SLOTS: usize = 4;

/// Slots of the way back: every frame that can be under way, and one held by each end.
const RETURN_SLOTS: usize = 8;

/// What both ends share.
#[derive(Debug, Default)]
struct Shared {
    waiting: ArcSwapOption<Thread>,
    /// Number of the newest frame for which there was no room; 0 for none. What is older is stale.
    refused: AtomicU64,
    delivered: AtomicU64,
    dropped: AtomicU64,
    closed: AtomicBool,
}

/// The capture thread's end.
pub struct Sender {
    frames: Producer<'static, Frame>,
    returned: Consumer<'static, Frame>,
    shared: Arc<Shared>,
}

/// The inference thread's end.
pub struct Receiver {
    frames: Consumer<'static, Frame>,
    returned: Producer<'static, Frame>,
    shared: Arc<Shared>,
}

/// Counters of a channel, readable from anywhere.
#[derive(Debug, Clone)]
pub struct Counters(Arc<Shared>);

/// Makes a channel.
///
/// Its queues live as long as the process: call this once for a camera, not once for every time it is opened.
pub fn channel() -> (Sender, Receiver, Counters) {
    let (frames_in, frames_out) = Box::leak(Box::new(Queue::<Frame, SLOTS>::new())).split();
    let (returned_in, returned_out) = Box::leak(Box::new(Queue::<Frame, RETURN_SLOTS>::new())).split();
    let shared = Arc::new(Shared::default());
    (
        Sender { frames: frames_in, returned: returned_out, shared: shared.clone() },
        Receiver { frames: frames_out, returned: returned_in, shared: shared.clone() },
        Counters(shared),
    )
}

impl Sender {
    /// A buffer to fill: one that came back, or a new one.
    pub fn buffer(&mut self) -> Frame {
        self.returned.dequeue().unwrap_or_default()
    }

    /// Hands `frame` over and never waits. Without room the frame comes back to be filled again, and counts
    /// as dropped.
    pub fn send(&mut self, frame: Frame) -> Option<Frame> {
        let refused = self.frames.enqueue(frame).err();
        match &refused {
            None => self.shared.delivered.fetch_add(1, Ordering::Relaxed),
            Some(frame) => {
                self.shared.refused.store(frame.number, Ordering::Release);
                self.shared.dropped.fetch_add(1, Ordering::Relaxed)
            }
        };
        self.wake();
        refused
    }

    /// Says that no frame will follow, until [`Sender::reopen`].
    pub fn close(&mut self) {
        self.shared.closed.store(true, Ordering::Release);
        self.wake();
    }

    /// Says that frames follow again.
    pub fn reopen(&mut self) {
        self.shared.closed.store(false, Ordering::Release);
    }

    fn wake(&self) {
        if let Some(thread) = self.shared.waiting.load().as_deref() {
            thread.unpark();
        }
    }
}

/// What [`Receiver::newest`] found.
#[derive(Debug)]
pub enum Received {
    /// The newest frame. Give it back with [`Receiver::give_back`].
    Frame(Frame),
    /// None came in time.
    TimedOut,
    /// The source has ended and everything is processed.
    Closed,
}

impl Receiver {
    /// The newest frame, waiting at most `patience` for one.
    pub fn newest(&mut self, patience: Duration) -> Received {
        let deadline = Instant::now() + patience;
        self.shared.waiting.store(Some(Arc::new(std::thread::current())));
        loop {
            let closed = self.shared.closed.load(Ordering::Acquire);
            let refused = self.shared.refused.swap(0, Ordering::AcqRel);
            let mut newest: Option<Frame> = None;
            while let Some(frame) = self.frames.dequeue() {
                if let Some(older) = newest.replace(frame) {
                    self.skip(older);
                }
            }
            match newest {
                Some(frame) if frame.number < refused && !closed => self.skip(frame),
                Some(frame) => return Received::Frame(frame),
                None if closed => return Received::Closed,
                None => {}
            }
            let now = Instant::now();
            if now >= deadline {
                return Received::TimedOut;
            }
            std::thread::park_timeout(deadline - now);
        }
    }

    /// Returns the buffer of a processed frame to the capture thread.
    pub fn give_back(&mut self, frame: Frame) {
        // Without room the buffer is simply freed.
        let _ = self.returned.enqueue(frame);
    }

    fn skip(&mut self, frame: Frame) {
        self.shared.dropped.fetch_add(1, Ordering::Relaxed);
        self.give_back(frame);
    }
}

impl Counters {
    /// Frames the camera delivered.
    pub fn captured(&self) -> u64 {
        self.0.delivered.load(Ordering::Relaxed)
    }

    /// Frames that were not processed because newer ones had come.
    pub fn dropped(&self) -> u64 {
        self.0.dropped.load(Ordering::Relaxed)
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    fn numbered(number: u64) -> Frame {
        Frame { number, ..Frame::default() }
    }

    fn number(received: Received) -> u64 {
        match received {
            Received::Frame(frame) => frame.number,
            other => panic!("{other:?}"),
        }
    }

    const SOON: Duration = Duration::from_millis(20);

    #[test]
    fn newest_frame_wins_and_dropped_ones_are_counted() {
        let (mut sender, mut receiver, counters) = channel();
        for n in 1..=3 {
            assert!(sender.send(numbered(n)).is_none());
        }
        assert_eq!(number(receiver.newest(SOON)), 3);
        assert_eq!((counters.captured(), counters.dropped()), (3, 2));
        assert!(matches!(receiver.newest(SOON), Received::TimedOut));
    }

    #[test]
    fn only_a_fresh_frame_is_taken_after_an_overflow() {
        let (mut sender, mut receiver, counters) = channel();
        for n in 1..=10 {
            let _ = sender.send(numbered(n));
        }
        assert!(matches!(receiver.newest(SOON), Received::TimedOut));
        let _ = sender.send(numbered(11));
        assert_eq!(number(receiver.newest(SOON)), 11);
        assert_eq!(counters.dropped(), 10);
    }

    #[test]
    fn buffers_travel_in_a_circle() {
        let (mut sender, mut receiver, _) = channel();
        let mut frame = sender.buffer();
        frame.picture.reshape(64, 64, crate::frame::PixelFormat::Grey).unwrap();
        let address = frame.picture.bytes().as_ptr();
        let _ = sender.send(frame);
        let Received::Frame(frame) = receiver.newest(SOON) else { panic!("no frame") };
        receiver.give_back(frame);
        assert_eq!(sender.buffer().picture.bytes().as_ptr(), address);
    }

    #[test]
    fn last_frame_is_delivered_after_the_end() {
        let (mut sender, mut receiver, _) = channel();
        let _ = sender.send(numbered(1));
        sender.close();
        assert_eq!(number(receiver.newest(SOON)), 1);
        assert!(matches!(receiver.newest(SOON), Received::Closed));
    }

    #[test]
    fn stuck_consumer_never_blocks_capture() {
        let (mut sender, mut receiver, counters) = channel();
        let consumer = std::thread::spawn(move || {
            let mut last = 0;
            while let Received::Frame(frame) = receiver.newest(Duration::from_secs(10)) {
                assert!(frame.number > last);
                last = frame.number;
                std::thread::sleep(Duration::from_millis(3));
                receiver.give_back(frame);
            }
            last
        });
        let start = Instant::now();
        for n in 1..=200 {
            let mut frame = sender.buffer();
            frame.number = n;
            let _ = sender.send(frame);
            std::thread::sleep(Duration::from_micros(500));
        }
        assert!(start.elapsed() < Duration::from_secs(5));
        let mut last = sender.buffer();
        last.number = 201;
        let mut pending = Some(last);
        while let Some(frame) = pending.take() {
            pending = sender.send(frame);
        }
        sender.close();
        assert_eq!(consumer.join().unwrap(), 201);
        assert!(counters.dropped() > 50);
    }
}
