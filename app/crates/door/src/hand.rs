//! Buzzer, lights and the door opener's relay, on pins of the header.
//!
//! A thread switches them; another one watches that the relay's pulse ends. A line that cannot be had is told
//! once and asked for again. When the process ends, however it ends, the kernel releases its lines.

mod gpio;
mod relay_line;

use std::collections::VecDeque;
use std::sync::Arc;
use std::sync::mpsc::{Receiver, RecvTimeoutError, SyncSender, sync_channel};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use base::failure::{Diagnosis, Fault};

use crate::config::{Relay, Sound};
use crate::pins::Pin;
use crate::tones::{Lamp, Tone};

pub use gpio::Header;
use relay_line::RelayLine;

/// Orders that wait.
const WAITING: usize = 8;
/// Time between two tries to have a line.
const RETRY: Duration = Duration::from_secs(5);
/// How long a light stays on.
const LAMP_FOR: Duration = Duration::from_secs(2);

/// Why a pin cannot be switched.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum LineError {
    /// There is no controller of that name.
    #[error("no GPIO controller is called {0:?}")]
    NoController(String),
    /// Another program or driver has the line.
    #[error("header pin {0} is used by another program or driver")]
    Busy(Pin),
    /// Something else.
    #[error("header pin {pin} cannot be switched: {reason}")]
    Refused {
        /// The pin.
        pin: Pin,
        /// An error of the operating system.
        reason: String,
    },
}

impl Diagnosis for LineError {
    fn fault(&self) -> Fault {
        Fault::new(self.to_string()).advise(match self {
            Self::NoController(_) => {
                "pins work on a Raspberry Pi 5; remove the pin settings on another machine"
            }
            Self::Busy(_) => {
                "choose another pin, or remove what uses it (an overlay, SPI, I²C, a serial port)"
            }
            Self::Refused { .. } => "check the pin's setting; it is tried again",
        })
    }
}

/// A line that is ours. Dropping it gives it back to the kernel.
pub trait Line: Send + Sync {
    /// Switches it.
    ///
    /// # Errors
    /// [`LineError`].
    fn set(&self, on: bool) -> Result<(), LineError>;
}

/// Where lines come from.
pub trait Lines: Send {
    /// Takes a line as an output that is off.
    ///
    /// # Errors
    /// [`LineError`].
    fn claim(&mut self, pin: Pin, active_high: bool) -> Result<Arc<dyn Line>, LineError>;
}

/// What is to be done.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Order {
    Tone { tone: Tone, audible: bool },
    Open,
}

/// The thread that switches. Dropping it switches everything off and waits for it.
pub struct Hand {
    orders: Option<SyncSender<Order>>,
    thread: Option<JoinHandle<()>>,
}

/// Hears of what is wrong now.
pub type Tell = Box<dyn Fn(Vec<Fault>) + Send>;

impl Hand {
    /// Starts the thread.
    ///
    /// # Errors
    /// The system gives no thread.
    pub fn start(lines: Box<dyn Lines>, sound: &Sound, relay: &Relay, tell: Tell) -> std::io::Result<Self> {
        let (orders, wanted) = sync_channel(WAITING);
        let mut fingers = Fingers::new(lines, sound, relay, tell)?;
        let thread =
            std::thread::Builder::new().name("door-pins".to_owned()).spawn(move || fingers.work(&wanted))?;
        Ok(Self { orders: Some(orders), thread: Some(thread) })
    }

    /// A tone's beats for the buzzer, where it may be heard now, and its light. Whether it was taken.
    pub fn play(&self, tone: Tone, audible: bool) -> bool {
        self.order(Order::Tone { tone, audible })
    }

    /// One pulse of the relay. Whether it was taken.
    pub fn open(&self) -> bool {
        self.order(Order::Open)
    }

    fn order(&self, order: Order) -> bool {
        self.orders.as_ref().is_some_and(|orders| orders.try_send(order).is_ok())
    }
}

impl Drop for Hand {
    fn drop(&mut self) {
        self.orders = None;
        if let Some(thread) = self.thread.take()
            && thread.join().is_err()
        {
            log::error!("the thread of the pins stopped by a defect; the kernel has released its lines");
        }
    }
}

/// A pin that is switched when it can be had.
struct Finger {
    pin: Pin,
    line: Option<Arc<dyn Line>>,
    fault: Option<LineError>,
}

impl Finger {
    fn of(pin: Option<Pin>) -> Option<Self> {
        pin.map(|pin| Self { pin, line: None, fault: None })
    }

    fn claim(&mut self, lines: &mut dyn Lines) {
        if self.line.is_none() {
            match lines.claim(self.pin, true) {
                Ok(line) => (self.line, self.fault) = (Some(line), None),
                Err(error) => self.fault = Some(error),
            }
        }
    }

    fn set(&mut self, on: bool) {
        if let Some(Err(error)) = self.line.as_ref().map(|line| line.set(on)) {
            (self.line, self.fault) = (None, Some(error));
        }
    }
}

struct Fingers {
    lines: Box<dyn Lines>,
    buzzer: Option<Finger>,
    green: Option<Finger>,
    red: Option<Finger>,
    relay: Option<RelayLine>,
    /// The buzzer's further changes.
    beats: VecDeque<(Instant, bool)>,
    lamp_off: Option<Instant>,
    next_claim: Instant,
    told: Vec<LineError>,
    tell: Tell,
}

impl Fingers {
    fn new(lines: Box<dyn Lines>, sound: &Sound, relay: &Relay, tell: Tell) -> std::io::Result<Self> {
        let buzzer = sound.buzzer_pin.filter(|_| sound.is_ever_heard());
        let relay = match relay.pin {
            Some(pin) => Some(RelayLine::new(pin, relay.active_high, relay.pulse)?),
            None => None,
        };
        Ok(Self {
            lines,
            buzzer: Finger::of(buzzer),
            green: Finger::of(sound.green_pin),
            red: Finger::of(sound.red_pin),
            relay,
            beats: VecDeque::new(),
            lamp_off: None,
            next_claim: Instant::now(),
            told: Vec::new(),
            tell,
        })
    }

    fn work(&mut self, wanted: &Receiver<Order>) {
        loop {
            let now = Instant::now();
            self.claim(now);
            self.due(now);
            match wanted.recv_timeout(self.next(now).saturating_duration_since(now)) {
                Ok(Order::Tone { tone, audible }) => self.begin(tone, audible),
                Ok(Order::Open) => {
                    if let Some(relay) = &mut self.relay {
                        relay.open(Instant::now());
                    }
                }
                Err(RecvTimeoutError::Timeout) => {}
                Err(RecvTimeoutError::Disconnected) => break,
            }
            self.report();
        }
        for finger in [&mut self.buzzer, &mut self.green, &mut self.red].into_iter().flatten() {
            finger.set(false);
        }
        if let Some(relay) = &mut self.relay {
            relay.shut();
        }
    }

    fn begin(&mut self, tone: Tone, audible: bool) {
        let now = Instant::now();
        if let Some(buzzer) = self.buzzer.as_mut().filter(|_| audible) {
            buzzer.set(true);
            let mut at = now;
            self.beats.clear();
            for (index, beat) in tone.beats().iter().enumerate() {
                at += *beat;
                self.beats.push_back((at, index % 2 == 1));
            }
        }
        if let Some(lamp) = tone.lamp() {
            for (finger, which) in [(&mut self.green, Lamp::Green), (&mut self.red, Lamp::Red)] {
                if let Some(finger) = finger {
                    finger.set(which == lamp);
                }
            }
            self.lamp_off = Some(now + LAMP_FOR);
        }
    }

    /// Does what is due.
    fn due(&mut self, now: Instant) {
        while let Some((_, on)) = self.beats.front().copied().filter(|(at, _)| *at <= now) {
            self.beats.pop_front();
            if let Some(buzzer) = &mut self.buzzer {
                buzzer.set(on);
            }
        }
        if self.lamp_off.is_some_and(|at| at <= now) {
            self.lamp_off = None;
            for finger in [&mut self.green, &mut self.red].into_iter().flatten() {
                finger.set(false);
            }
        }
        if let Some(relay) = &mut self.relay {
            relay.due(now);
        }
    }

    /// When something is due next.
    fn next(&self, now: Instant) -> Instant {
        let relay = self.relay.as_ref().and_then(RelayLine::shuts_at);
        let beat = self.beats.front().map(|(at, _)| *at);
        [relay, beat, self.lamp_off, Some(self.next_claim)].into_iter().flatten().min().unwrap_or(now + RETRY)
    }

    fn claim(&mut self, now: Instant) {
        if now < self.next_claim {
            return;
        }
        self.next_claim = now + RETRY;
        for finger in [&mut self.buzzer, &mut self.green, &mut self.red].into_iter().flatten() {
            finger.claim(self.lines.as_mut());
        }
        if let Some(relay) = &mut self.relay {
            relay.claim(self.lines.as_mut());
        }
        self.report();
    }

    /// Tells what is wrong, when it is something else than before.
    fn report(&mut self) {
        let fingers = [&self.buzzer, &self.green, &self.red].into_iter().flatten();
        let faults = fingers.filter_map(|finger| finger.fault.clone());
        let relay = self.relay.as_ref().and_then(|relay| relay.fault().cloned());
        // One missing controller is one fault, for however many pins.
        let mut now: Vec<LineError> = Vec::new();
        for fault in faults.chain(relay) {
            if !now.contains(&fault) {
                now.push(fault);
            }
        }
        if now == self.told {
            return;
        }
        for fault in now.iter().filter(|fault| !self.told.contains(fault)) {
            log::warn!("Pins: {}", fault.fault());
        }
        if now.is_empty() {
            log::info!("Pins: all of them can be switched");
        }
        (self.tell)(now.iter().map(Diagnosis::fault).collect());
        self.told = now;
    }
}
