//! Plays tones through a sound card. Without one, tones are left to the buzzer.

use std::sync::mpsc::{Receiver, SyncSender, TrySendError, sync_channel};

use base::failure::{Diagnosis, Fault};

use crate::tones::Tone;

/// Tones that wait while one is played; more would be late.
const WAITING: usize = 2;

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
    /// Plays samples ([`crate::tones::RATE`] a second, one channel) to their end.
    ///
    /// # Errors
    /// [`SoundError`]; the device is then opened again for the next tone.
    fn play(&mut self, samples: &[i16]) -> Result<(), SoundError>;
}

/// Opens the sound device.
pub type Open = Box<dyn FnMut() -> Result<Box<dyn Device>, SoundError> + Send>;

/// A thread that plays.
#[derive(Debug)]
pub struct Speaker {
    tones: SyncSender<(Tone, u8)>,
}

impl Speaker {
    /// Starts the thread; none without a sound device. `tell` hears each new fault once, and `None` when the
    /// sound is back.
    pub fn start(open: Open, tell: impl Fn(Option<Fault>) + Send + 'static) -> std::io::Result<Self> {
        let (tones, wanted) = sync_channel(WAITING);
        std::thread::Builder::new().name("door-sound".to_owned()).spawn(move || play(&wanted, open, tell))?;
        Ok(Self { tones })
    }

    /// Plays a tone soon, with a loudness from 0 to 100. One too many is left out: nobody waits here.
    pub fn play(&self, tone: Tone, volume: u8) {
        match self.tones.try_send((tone, volume)) {
            Ok(()) | Err(TrySendError::Full(_)) => {}
            Err(TrySendError::Disconnected(_)) => log::debug!("the sound's thread has ended"),
        }
    }
}

fn play(wanted: &Receiver<(Tone, u8)>, mut open: Open, tell: impl Fn(Option<Fault>)) {
    let mut device: Option<Box<dyn Device>> = None;
    let mut told: Option<String> = None;
    while let Ok((tone, volume)) = wanted.recv() {
        let opened = match device.take() {
            Some(open) => Ok(open),
            None => open(),
        };
        let played = opened.and_then(|mut open| open.play(&tone.samples(volume)).map(|()| open));
        match played {
            Ok(open) => {
                device = Some(open);
                if told.take().is_some() {
                    log::info!("Sound: the device is back");
                    tell(None);
                }
            }
            Err(error) => {
                let fault = error.fault();
                if told.replace(fault.to_string()) != Some(fault.to_string()) {
                    log::warn!("Sound: {fault}");
                    tell(Some(fault));
                }
            }
        }
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
    use alsa::pcm::{Access, Format, HwParams, PCM};
    use alsa::{Direction, ValueOr};

    use super::{Device, SoundError};
    use crate::tones::RATE;

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

    impl Device for Card {
        fn play(&mut self, samples: &[i16]) -> Result<(), SoundError> {
            let failed = |error: alsa::Error| SoundError::Device {
                device: self.name.clone(),
                reason: error.to_string(),
            };
            self.pcm.prepare().map_err(failed)?;
            let io = self.pcm.io_i16().map_err(failed)?;
            let mut rest = samples;
            while !rest.is_empty() {
                let written = io.writei(rest).map_err(failed)?;
                rest = &rest[written.min(rest.len())..];
            }
            self.pcm.drain().map_err(failed)
        }
    }
}
