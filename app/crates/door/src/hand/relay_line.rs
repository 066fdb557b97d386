//! The relay's line: one pulse at a time, whose end is watched.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use super::{Line, LineError, Lines};
use crate::pins::Pin;

/// How much longer than its pulse the relay may be on before the watchdog ends it.
const GRACE: Duration = Duration::from_millis(500);
/// How often the watchdog looks.
const LOOK: Duration = Duration::from_millis(100);

/// A pulse under way: which line is on, and when it is to be off at the latest.
#[derive(Default)]
struct Pulse(Mutex<Option<(Arc<dyn Line>, Instant)>>);

impl Pulse {
    fn put(&self, pulse: Option<(Arc<dyn Line>, Instant)>) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = pulse;
    }

    /// The line whose pulse should have ended. It stays there until somebody has switched it off.
    fn overdue(&self, now: Instant) -> Option<Arc<dyn Line>> {
        let pulse = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        pulse.as_ref().filter(|(_, until)| now > *until).map(|(line, _)| Arc::clone(line))
    }
}

pub(super) struct RelayLine {
    pin: Pin,
    active_high: bool,
    length: Duration,
    line: Option<Arc<dyn Line>>,
    fault: Option<LineError>,
    shuts: Option<Instant>,
    pulse: Arc<Pulse>,
    gone: Arc<AtomicBool>,
}

impl RelayLine {
    pub(super) fn new(pin: Pin, active_high: bool, length: Duration) -> std::io::Result<Self> {
        let (pulse, gone) = (Arc::<Pulse>::default(), Arc::<AtomicBool>::default());
        let (watched, ended) = (Arc::clone(&pulse), Arc::clone(&gone));
        std::thread::Builder::new()
            .name("door-watchdog".to_owned())
            .spawn(move || watch(&watched, &ended))?;
        Ok(Self { pin, active_high, length, line: None, fault: None, shuts: None, pulse, gone })
    }

    pub(super) fn fault(&self) -> Option<&LineError> {
        self.fault.as_ref()
    }

    pub(super) fn shuts_at(&self) -> Option<Instant> {
        self.shuts
    }

    /// Takes the line, switched off. That is the first that happens to it after a start.
    pub(super) fn claim(&mut self, lines: &mut dyn Lines) {
        if self.line.is_none() {
            match lines.claim(self.pin, self.active_high) {
                Ok(line) => (self.line, self.fault) = (Some(line), None),
                Err(error) => self.fault = Some(error),
            }
        }
    }

    pub(super) fn open(&mut self, now: Instant) {
        let Some(line) = self.line.clone().filter(|_| self.shuts.is_none()) else { return };
        // Noted before the line is on: a thread that stops between the two steps leaves nothing open.
        self.pulse.put(Some((Arc::clone(&line), now + self.length + GRACE)));
        self.shuts = Some(now + self.length);
        if let Err(error) = line.set(true) {
            self.fault = Some(error);
            self.shut();
        }
    }

    pub(super) fn due(&mut self, now: Instant) {
        if self.shuts.is_some_and(|at| at <= now) {
            self.shut();
        }
    }

    pub(super) fn shut(&mut self) {
        self.shuts = None;
        let Some(line) = &self.line else { return };
        match line.set(false) {
            Ok(()) => self.pulse.put(None),
            // The line is given up. The watchdog, which has it still, tries once more and then lets go as
            // well; the kernel releases it, and the pull resistor keeps the relay off.
            Err(error) => (self.line, self.fault) = (None, Some(error)),
        }
    }
}

impl Drop for RelayLine {
    fn drop(&mut self) {
        self.shut();
        self.gone.store(true, Ordering::Release);
    }
}

/// Ends a pulse that nobody ended, until the relay is gone.
fn watch(pulse: &Pulse, gone: &AtomicBool) {
    loop {
        let last = gone.load(Ordering::Acquire);
        if let Some(line) = pulse.overdue(Instant::now()) {
            log::error!("the relay was on for longer than its pulse; the watchdog switches it off");
            if let Err(error) = line.set(false) {
                log::error!(
                    "the relay cannot be switched off ({error}); its line is given back to the kernel"
                );
            }
            pulse.put(None);
        }
        if last {
            return;
        }
        std::thread::sleep(LOOK);
    }
}
