//! Plays tones through a sound card, and after each its recorded words. Without a card, tones are left to the
//! buzzer.
//!
//! Words never delay a tone: the next one cuts them. Their files are read while nothing is to be played.

use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{Receiver, RecvTimeoutError, SyncSender, TryRecvError, TrySendError, sync_channel};
use std::time::{Duration, Instant};

use base::failure::{Diagnosis, Fault};

use crate::recordings::{Recording, Recordings, at_volume};
use crate::tones::Tone;

/// Tones that wait while one is played; more would be late.
const WAITING: usize = 2;
/// Time between two looks at a device that is to speak.
const DEVICE_AGAIN: Duration = Duration::from_secs(5);
/// Time between two looks at the files.
const FILES_AGAIN: Duration = Duration::from_secs(120);

/// Why nothing is heard.
#[derive(Debug, thiserror::Error)]
pub enum SoundError {
    /// The program was built without it.
    #[error("sound.device is set, and this program was built without the feature \"alsa\"")]
    NotBuilt,
    /// The device is not there or fails.
    #[error("the sound device {device:?} cannot be used: {reason}")]
    Device {
        /// Its name.
        device: String,
        /// What ALSA says.
        reason: String,
    },
}

impl Diagnosis for SoundError {
    fn fault(&self) -> Fault {
        let advice = match self {
            Self::NotBuilt => "use a buzzer (sound.buzzer_pin), or build with the feature",
            Self::Device { .. } => "check sound.device and the plug; it is tried again with the next tone",
        };
        Fault::new(self.to_string()).advise(advice)
    }
}

/// An open sound device.
pub trait Device: Send {
    /// Plays samples ([`crate::tones::RATE`] a second, one channel) to their end, or until `cut` says so: it
    /// is asked again and again, and what was not heard then is dropped.
    ///
    /// # Errors
    /// [`SoundError`]; the device is then opened again for the next tone.
    fn play(&mut self, samples: &[i16], cut: &mut dyn FnMut() -> bool) -> Result<(), SoundError>;

    /// Whether it is still there.
    fn is_there(&self) -> bool;
}

/// Opens the sound device.
pub type Open = Box<dyn FnMut() -> Result<Box<dyn Device>, SoundError> + Send>;

/// A thread that plays.
#[derive(Debug)]
pub struct Speaker {
    tones: SyncSender<Order>,
    can_ask: Arc<AtomicBool>,
}

/// A tone and its loudness.
type Order = (Tone, u8);

impl Speaker {
    /// Starts the thread. `words`: the folder of recordings, where there is one. `tell` hears what is wrong
    /// whenever that changes.
    ///
    /// # Errors
    /// The system gives no thread.
    pub fn start(
        open: Open,
        words: Option<PathBuf>,
        tell: impl Fn(Vec<Fault>) + Send + 'static,
    ) -> std::io::Result<Self> {
        let (tones, wanted) = sync_channel(WAITING);
        let can_ask = Arc::<AtomicBool>::default();
        let player = Player {
            inbox: Inbox { wanted, next: None, ended: false },
            open,
            device: None,
            wrong: None,
            fails_to_play: false,
            recordings: words.map(Recordings::of),
            due: Instant::now(),
            can_ask: Arc::clone(&can_ask),
            told: Vec::new(),
            tell,
        };
        std::thread::Builder::new().name("door-sound".to_owned()).spawn(move || player.work())?;
        Ok(Self { tones, can_ask })
    }

    /// Plays a tone soon, with a loudness from 0 to 100. One too many is left out: nobody waits here.
    pub fn play(&self, tone: Tone, volume: u8) {
        match self.tones.try_send((tone, volume)) {
            Ok(()) | Err(TrySendError::Full(_)) => {}
            Err(TrySendError::Disconnected(_)) => log::debug!("the sound's thread has ended"),
        }
    }

    /// Whether people can be asked to turn the head in words: the recordings of all turns are there, and a
    /// device that plays them.
    pub fn can_ask(&self) -> bool {
        self.can_ask.load(Ordering::Relaxed)
    }
}

/// What is to be played. One order may be taken out of the channel before its turn comes, to see whether any
/// waits.
struct Inbox {
    wanted: Receiver<Order>,
    next: Option<Order>,
    ended: bool,
}

impl Inbox {
    /// Whether somebody waits: for a tone, or for the end of the thread.
    fn is_waited_for(&mut self) -> bool {
        if self.next.is_none() && !self.ended {
            match self.wanted.try_recv() {
                Ok(order) => self.next = Some(order),
                Err(TryRecvError::Empty) => {}
                Err(TryRecvError::Disconnected) => self.ended = true,
            }
        }
        self.next.is_some() || self.ended
    }

    /// The next order, waited for at most for `time`.
    fn take(&mut self, time: Duration) -> Result<Order, RecvTimeoutError> {
        self.next.take().map_or_else(|| self.wanted.recv_timeout(time), Ok)
    }
}

struct Player<T> {
    inbox: Inbox,
    open: Open,
    device: Option<Box<dyn Device>>,
    wrong: Option<SoundError>,
    /// Whether what is wrong was found by a tone. Then only a tone that is heard shows that it is right
    /// again.
    fails_to_play: bool,
    recordings: Option<Recordings>,
    /// When the files are looked at next.
    due: Instant,
    can_ask: Arc<AtomicBool>,
    told: Vec<Fault>,
    tell: T,
}

impl<T: Fn(Vec<Fault>)> Player<T> {
    fn work(mut self) {
        loop {
            // Without words nothing is done between two tones.
            let time = match self.recordings {
                Some(_) => DEVICE_AGAIN.min(self.due.saturating_duration_since(Instant::now())),
                None => Duration::MAX,
            };
            match self.inbox.take(time) {
                Ok((tone, volume)) => self.play(tone, volume),
                Err(RecvTimeoutError::Timeout) => self.look(),
                Err(RecvTimeoutError::Disconnected) => return,
            }
            let can_ask = self.device.is_some() && self.recordings.as_ref().is_some_and(Recordings::can_ask);
            self.can_ask.store(can_ask, Ordering::Relaxed);
            self.say();
        }
    }

    fn play(&mut self, tone: Tone, volume: u8) {
        match self.try_play(tone, volume) {
            Ok(device) => (self.device, self.wrong, self.fails_to_play) = (Some(device), None, false),
            Err(error) => (self.wrong, self.fails_to_play) = (Some(error), true),
        }
    }

    /// The tone, and its words unless the next tone waits.
    fn try_play(&mut self, tone: Tone, volume: u8) -> Result<Box<dyn Device>, SoundError> {
        let mut device = self.device.take().map_or_else(|| (self.open)(), Ok)?;
        device.play(&tone.samples(volume), &mut || false)?;
        let words = Recording::of(tone).zip(self.recordings.as_ref());
        if let Some(samples) = words.and_then(|(recording, recordings)| recordings.samples(recording)) {
            device.play(&at_volume(samples, volume), &mut || self.inbox.is_waited_for())?;
        }
        Ok(device)
    }

    /// Between two tones: looks at the files, and whether the device that is to speak is there.
    fn look(&mut self) {
        let Some(recordings) = &mut self.recordings else { return };
        if self.due <= Instant::now() {
            let before = recordings.describe();
            if !recordings.refresh(|| self.inbox.is_waited_for()) {
                return;
            }
            self.due = Instant::now() + FILES_AGAIN;
            let now = recordings.describe();
            if now != before {
                log::info!("Sound: {now}");
            }
        }
        if self.device.as_ref().is_some_and(|device| !device.is_there()) {
            self.device = None;
        }
        if self.device.is_none() && !self.fails_to_play {
            match (self.open)() {
                Ok(device) => (self.device, self.wrong) = (Some(device), None),
                Err(error) => self.wrong = Some(error),
            }
        }
    }

    /// Tells what is wrong, where that is something else than before.
    fn say(&mut self) {
        let device = self.wrong.iter().map(Diagnosis::fault);
        let faults: Vec<_> = device.chain(self.recordings.iter().flat_map(Recordings::faults)).collect();
        if faults == self.told {
            return;
        }
        for fault in faults.iter().filter(|fault| !self.told.contains(fault)) {
            log::warn!("Sound: {fault}");
        }
        if faults.is_empty() {
            log::info!("Sound: nothing is wrong any more");
        }
        self.told.clone_from(&faults);
        (self.tell)(faults);
    }
}

/// Opens the ALSA device of this name.
#[cfg(feature = "alsa")]
pub fn open(device: String) -> Open {
    Box::new(move || card::open(&device))
}

/// Says that this program cannot.
#[cfg(not(feature = "alsa"))]
pub fn open(_device: String) -> Open {
    Box::new(|| Err(SoundError::NotBuilt))
}

#[cfg(feature = "alsa")]
mod card {
    use std::time::{Duration, Instant};

    use alsa::pcm::{Access, Format, HwParams, IO, PCM, State};
    use alsa::{Direction, ValueOr};

    use super::{Device, SoundError};
    use crate::tones::RATE;

    /// Samples that are written at once: 20 ms.
    const BLOCK: usize = RATE as usize / 50;
    /// Time between two looks at a full buffer.
    const PAUSE: Duration = Duration::from_millis(10);
    /// What may be left in the buffer when the end is waited for without looking: 40 ms.
    const REST: i64 = RATE as i64 / 25;
    /// A device that is so much later than its samples hangs.
    const HANGS: Duration = Duration::from_secs(3);

    struct Card {
        name: String,
        pcm: PCM,
    }

    pub(super) fn open(name: &str) -> Result<Box<dyn Device>, SoundError> {
        let failed =
            |error: alsa::Error| SoundError::Device { device: name.to_owned(), reason: error.to_string() };
        let pcm = PCM::new(name, Direction::Playback, false).map_err(failed)?;
        {
            let wanted = HwParams::any(&pcm).map_err(failed)?;
            wanted.set_channels(1).map_err(failed)?;
            wanted.set_rate(RATE, ValueOr::Nearest).map_err(failed)?;
            wanted.set_format(Format::s16()).map_err(failed)?;
            wanted.set_access(Access::RWInterleaved).map_err(failed)?;
            pcm.hw_params(&wanted).map_err(failed)?;
        }
        Ok(Box::new(Card { name: name.to_owned(), pcm }))
    }

    impl Card {
        fn failed(&self, reason: impl ToString) -> SoundError {
            SoundError::Device { device: self.name.clone(), reason: reason.to_string() }
        }

        /// Writes one block where there is room for it; how much was written.
        fn write(&self, io: &IO<'_, i16>, samples: &[i16]) -> alsa::Result<usize> {
            let block = &samples[..samples.len().min(BLOCK)];
            if self.pcm.avail_update()? < block.len() as i64 {
                std::thread::sleep(PAUSE);
                return Ok(0);
            }
            io.writei(block)
        }
    }

    impl Device for Card {
        /// ALSA's buffer may hold more than a second, which `drain` would play to its end. So a cut drops
        /// what is in the buffer, and the end is waited for in small steps.
        fn play(&mut self, samples: &[i16], cut: &mut dyn FnMut() -> bool) -> Result<(), SoundError> {
            let failed = |error: alsa::Error| self.failed(error);
            let length = Duration::from_secs_f64(samples.len() as f64 / f64::from(RATE));
            let latest = Instant::now() + length + HANGS;
            self.pcm.prepare().map_err(failed)?;
            let io = self.pcm.io_i16().map_err(failed)?;
            let mut rest = samples;
            loop {
                if cut() {
                    return self.pcm.drop().map_err(failed);
                }
                if Instant::now() > latest {
                    return Err(self.failed("it does not play on"));
                }
                if rest.is_empty() {
                    // An error: it is played already.
                    if self.pcm.delay().map_or(true, |delay| delay <= REST) {
                        return self.pcm.drain().map_err(failed);
                    }
                    std::thread::sleep(PAUSE);
                    continue;
                }
                match self.write(&io, rest) {
                    Ok(written) => rest = &rest[written.min(rest.len())..],
                    // The buffer ran empty: a gap is heard, and it goes on.
                    Err(error) => self.pcm.try_recover(error, true).map_err(failed)?,
                }
            }
        }

        fn is_there(&self) -> bool {
            self.pcm.state_raw() != State::Disconnected as i32
        }
    }
}
