//! Recording stand-ins for display, pins, sound card and the rest of the program.

use std::collections::VecDeque;
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{Receiver, Sender, channel};
use std::sync::{Arc, Mutex};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use base::event::{Bus, Event, Life};
use base::failure::{Diagnosis, Fault};
use base::identity::RollNumber;
use door::config::Settings;
use door::fonts::{FOLDER, Fonts};
use door::hand::{Line, LineError, Lines};
use door::names::Names;
use door::paint::{Live, Place};
use door::pins::Pin;
use door::screen::{Outlet, Output, ScreenError};
use door::shot::Shot;
use door::speaker::{Device, SoundError};
use door::state::Wall;
use door::tones::RATE;
use door::worker::{Faults, Parts, Surroundings};
use tiny_skia::Pixmap;
use tokio_util::sync::CancellationToken;

/// What a stand-in was asked for.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Call {
    /// A display was opened.
    Opened,
    /// A display was closed.
    Closed,
    /// A picture was shown: its word and its changed part.
    Shown(&'static str, Place),
    /// A pin was claimed.
    Claimed(u8),
    /// A pin was switched.
    Set(u8, bool),
    /// A pin was released.
    Released(u8),
    /// Samples were played to their end.
    Played(usize),
    /// Samples were cut after so many.
    Cut(usize),
}

/// What is to go wrong.
#[derive(Default)]
pub(crate) struct Trouble {
    /// Errors of the next openings of the display.
    pub(crate) opening: VecDeque<ScreenError>,
    /// Whether the display is unplugged.
    pub(crate) unplugged: bool,
    /// Whether another program has the display, which is found out when a picture is shown.
    pub(crate) taken: bool,
    /// Whether there are no pins.
    pub(crate) no_controller: bool,
    /// Whether another program has the pins.
    pub(crate) busy: bool,
    /// How many attempts to switch a pin off will fail.
    pub(crate) stuck: usize,
    /// Whether the sound device is gone.
    pub(crate) mute: bool,
    /// Whether the sound device takes its time, as a real one does.
    pub(crate) slow: bool,
    /// Whether the console wants the display.
    pub(crate) console: bool,
    /// Pictures shown last.
    pub(crate) picture: Option<Vec<u8>>,
}

#[derive(Clone)]
pub(crate) struct Shared {
    pub(crate) trouble: Arc<Mutex<Trouble>>,
    calls: Sender<(Instant, Call)>,
}

impl Shared {
    fn note(&self, call: Call) {
        let _ = self.calls.send((Instant::now(), call));
    }

    fn with<T>(&self, work: impl FnOnce(&mut Trouble) -> T) -> T {
        work(&mut self.trouble.lock().unwrap())
    }
}

struct Display(Shared);

impl Outlet for Display {
    fn is_shared(&self) -> bool {
        true
    }

    fn open(&mut self) -> Result<Box<dyn Output>, ScreenError> {
        let wrong = self.0.with(|trouble| {
            let unplugged = trouble.unplugged.then_some(ScreenError::NoDisplay);
            trouble.opening.pop_front().or(unplugged)
        });
        if let Some(error) = wrong {
            return Err(error);
        }
        self.0.note(Call::Opened);
        Ok(Box::new(Open(self.0.clone())))
    }
}

struct Open(Shared);

impl Output for Open {
    fn size(&self) -> (u32, u32) {
        (480, 320)
    }

    fn describe(&self) -> String {
        "a stand-in".to_owned()
    }

    fn show(&mut self, picture: &Pixmap, changed: Place, word: &'static str) -> Result<(), ScreenError> {
        self.check()?;
        if self.0.with(|trouble| trouble.taken) {
            return Err(ScreenError::Taken);
        }
        self.0.with(|trouble| trouble.picture = Some(picture.data().to_vec()));
        self.0.note(Call::Shown(word, changed));
        Ok(())
    }

    fn check(&mut self) -> Result<(), ScreenError> {
        if self.0.with(|trouble| trouble.unplugged) { Err(ScreenError::NoDisplay) } else { Ok(()) }
    }
}

impl Drop for Open {
    fn drop(&mut self) {
        self.0.note(Call::Closed);
    }
}

struct Header(Shared);

impl Lines for Header {
    fn claim(&mut self, pin: Pin, _active_high: bool) -> Result<Arc<dyn Line>, LineError> {
        if self.0.with(|trouble| trouble.no_controller) {
            return Err(LineError::NoController("pinctrl-rp1".to_owned()));
        }
        if self.0.with(|trouble| trouble.busy) {
            return Err(LineError::Busy(pin));
        }
        self.0.note(Call::Claimed(pin.into()));
        Ok(Arc::new(Wire(pin, self.0.clone())))
    }
}

struct Wire(Pin, Shared);

impl Line for Wire {
    fn set(&self, on: bool) -> Result<(), LineError> {
        let refused = self.1.with(|trouble| {
            let refused = !on && trouble.stuck > 0;
            trouble.stuck -= usize::from(refused);
            refused
        });
        if refused {
            return Err(LineError::Refused { pin: self.0, reason: "it is stuck".to_owned() });
        }
        self.1.note(Call::Set(self.0.into(), on));
        Ok(())
    }
}

impl Drop for Wire {
    fn drop(&mut self) {
        self.1.note(Call::Released(self.0.into()));
    }
}

struct Loudspeaker(Shared);

impl Device for Loudspeaker {
    fn play(&mut self, samples: &[i16], cut: &mut dyn FnMut() -> bool) -> Result<(), SoundError> {
        if self.0.with(|trouble| trouble.mute) {
            return Err(SoundError::Device {
                device: "default".to_owned(),
                reason: "No such device".to_owned(),
            });
        }
        for (index, block) in samples.chunks(RATE as usize / 50).enumerate() {
            if cut() {
                self.0.note(Call::Cut(index * block.len()));
                return Ok(());
            }
            if self.0.with(|trouble| trouble.slow) {
                std::thread::sleep(Duration::from_millis(20));
            }
        }
        self.0.note(Call::Played(samples.len()));
        Ok(())
    }

    fn is_there(&self) -> bool {
        !self.0.with(|trouble| trouble.mute)
    }
}

struct Around {
    started: Instant,
    shared: Shared,
    wall: Option<Wall>,
}

impl Surroundings for Around {
    fn now(&self) -> Duration {
        self.started.elapsed()
    }

    fn wall(&self) -> Option<Wall> {
        self.wall
    }

    fn tracks(&self) -> Option<Vec<u64>> {
        None
    }

    fn live(&self) -> Option<Live> {
        Some(Live { width: 2, height: 2, rgb: vec![90; 12], faces: Vec::new() })
    }

    fn staff(&self) -> bool {
        false
    }

    fn gives_way(&self) -> bool {
        self.shared.with(|trouble| trouble.console)
    }
}

/// The worker with stand-ins round it.
pub(crate) struct Stage {
    pub(crate) bus: Bus,
    pub(crate) names: Names,
    pub(crate) faults: Faults,
    pub(crate) shot: Shot,
    pub(crate) asking: Arc<AtomicBool>,
    pub(crate) shared: Shared,
    calls: Receiver<(Instant, Call)>,
    stop: CancellationToken,
    thread: Option<JoinHandle<()>>,
}

impl Stage {
    /// Starts the worker; what is wrong from the beginning is `trouble`.
    pub(crate) fn start(settings: Settings, trouble: Trouble) -> Self {
        Self::start_with(settings, trouble, Fonts::load(Path::new(FOLDER)).map_err(|error| error.fault()))
    }

    pub(crate) fn start_with(settings: Settings, trouble: Trouble, fonts: Result<Fonts, Fault>) -> Self {
        let (calls, heard) = channel();
        let shared = Shared { trouble: Arc::new(Mutex::new(trouble)), calls };
        let (bus, stop) = (Bus::default(), CancellationToken::new());
        let (names, faults, shot) = (Names::default(), Faults::default(), Shot::default());
        let asking = Arc::<AtomicBool>::default();
        let wall = Some(Wall { hour: 12, minute: 31, weekday: 1, day: 2, month: 3 });
        let loudspeaker = shared.clone();
        let parts = Parts {
            settings,
            site: "School".to_owned(),
            names: names.clone(),
            bus: bus.clone(),
            surroundings: Box::new(Around { started: Instant::now(), shared: shared.clone(), wall }),
            fonts,
            outlets: vec![Box::new(Display(shared.clone()))],
            lines: Box::new(Header(shared.clone())),
            sound: Some(Box::new(move || {
                if loudspeaker.with(|trouble| trouble.mute) {
                    let reason = "No such device".to_owned();
                    return Err(SoundError::Device { device: "default".to_owned(), reason });
                }
                Ok(Box::new(Loudspeaker(loudspeaker.clone())))
            })),
            shot: shot.clone(),
            asking: Arc::clone(&asking),
            faults: faults.clone(),
        };
        let (events, token) = (bus.subscribe(), stop.clone());
        let thread = std::thread::spawn(move || door::worker::run(parts, events, &token).unwrap());
        Self { bus, names, faults, shot, asking, shared, calls: heard, stop, thread: Some(thread) }
    }

    pub(crate) fn trouble(&self, work: impl FnOnce(&mut Trouble)) {
        self.shared.with(work);
    }

    /// Waits for a call that `wanted` accepts, at most for `time`.
    pub(crate) fn wait(&self, time: Duration, wanted: impl Fn(&Call) -> bool) -> Option<(Instant, Call)> {
        let until = Instant::now() + time;
        while let Ok(call) = self.calls.recv_timeout(until.saturating_duration_since(Instant::now())) {
            if wanted(&call.1) {
                return Some(call);
            }
        }
        None
    }

    /// Every call within `time`.
    pub(crate) fn calls(&self, time: Duration) -> Vec<Call> {
        let until = Instant::now() + time;
        let mut calls = Vec::new();
        while let Ok((_, call)) = self.calls.recv_timeout(until.saturating_duration_since(Instant::now())) {
            calls.push(call);
        }
        calls
    }

    /// Waits until a fault says so.
    pub(crate) fn fault(&self, text: &str) -> bool {
        self.until(|faults| faults.iter().any(|fault| fault.to_string().contains(text)))
    }

    /// Waits until people can be asked to turn the head, or until they cannot.
    pub(crate) fn asks(&self, whether: bool) -> bool {
        self.until(|_| self.asking.load(Ordering::Relaxed) == whether)
    }

    /// Whether nobody can be asked, for longer than the worker takes to notice.
    pub(crate) fn never_asks(&self) -> bool {
        std::thread::sleep(Duration::from_millis(500));
        !self.asking.load(Ordering::Relaxed)
    }

    /// Waits until nothing is wrong, but for fonts that this machine may lack.
    pub(crate) fn all_well(&self) -> bool {
        self.until(|faults| faults.iter().all(|fault| fault.what.starts_with("the font ")))
    }

    fn until(&self, holds: impl Fn(&[Fault]) -> bool) -> bool {
        let begun = Instant::now();
        while begun.elapsed() < Duration::from_secs(10) {
            if holds(&self.faults.all()) {
                return true;
            }
            std::thread::sleep(Duration::from_millis(20));
        }
        false
    }

    pub(crate) fn end(&mut self) {
        self.stop.cancel();
        if let Some(thread) = self.thread.take() {
            thread.join().unwrap();
        }
    }
}

impl Drop for Stage {
    fn drop(&mut self) {
        self.stop.cancel();
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

pub(crate) fn roll(number: usize) -> RollNumber {
    RollNumber::parse(&number.to_string()).unwrap()
}

pub(crate) fn recognised(number: usize, life: Life) -> Event {
    Event::Recognised {
        track: number as u64,
        roll: roll(number),
        similarity: 0.9,
        margin: 0.5,
        votes: 3,
        threshold: 0.4,
        frames: 5,
        liveness: "live".to_owned(),
        life,
    }
}

pub(crate) fn recorded(number: usize) -> Event {
    let timestamp = "2026-03-02 09:05:07".to_owned();
    Event::Recorded { roll: roll(number), status: "IN".to_owned(), timestamp }
}

pub(crate) fn shows(word: &'static str) -> impl Fn(&Call) -> bool {
    move |call| matches!(call, Call::Shown(shown, _) if *shown == word)
}
