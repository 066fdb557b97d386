//! Recorded words: which files there are, what each must be, and what is wrong with those of a folder.
//!
//! A file that is wrong is left out, with a fault that says why; the others are played. Everything is bounded
//! before it is decoded.

use std::fs::{File, Metadata};
use std::io::{self, Cursor, Read as _};
use std::path::PathBuf;
use std::time::{Duration, SystemTime};

use base::contain::{Panicked, contained};
use base::event::Advice;
use base::failure::{Diagnosis, Fault};
use hound::{SampleFormat, WavReader, WavSpec};

use crate::tones::{RATE, Tone, share};

/// Largest file that is read: the longest recording, and some room for what programs write beside it.
pub const MAX_BYTES: u64 = 512 * 1024;
/// The longest recording.
const LONGEST: Duration = Duration::from_secs(5);
/// The longest one that asks for a turn. The person has two seconds to begin it, counted from the tone before
/// the words (`liveness::prompt`).
const LONGEST_TURN: Duration = Duration::from_secs(1);

/// What is said.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Recording {
    /// Arrived.
    In,
    /// Left.
    Out,
    /// Seen.
    Seen,
    /// Noted already.
    TooEarly,
    /// Nobody on the roster.
    Unknown,
    /// Refused as a picture.
    Refused,
    /// Asks for a turn of the head to the person's left.
    TurnLeft,
    /// To the right.
    TurnRight,
    /// Asks to look up.
    LookUp,
    /// Asks to look down.
    LookDown,
}

/// Why a recording is not played. Each text goes on after the file's name.
#[derive(Debug, thiserror::Error)]
pub enum RecordingError {
    /// The system does not give it.
    #[error("cannot be read: {0}")]
    Unreadable(#[from] io::Error),
    /// A folder, say.
    #[error("is not a plain file")]
    NoFile,
    /// More bytes than are read.
    #[error("has more than {MAX_BYTES} bytes")]
    TooLarge,
    /// No WAV file, or a damaged one.
    #[error("is not a whole WAV file ({0})")]
    NotWav(#[from] hound::Error),
    /// The decoder panicked.
    #[error("cannot be decoded ({0})")]
    Panicked(#[from] Panicked),
    /// Another form of sound.
    #[error("has another form (channels: {}, Hz: {}, bits: {}{})", .0.channels, .0.sample_rate, .0.bits_per_sample,
            if .0.sample_format == SampleFormat::Float { ", floating point" } else { "" })]
    Form(WavSpec),
    /// It holds no sound.
    #[error("is empty")]
    Empty,
    /// It takes too long.
    #[error("lasts {:.1} s, and at most {} s are allowed", .0.as_secs_f32(), .1.as_secs())]
    TooLong(Duration, Duration),
}

impl Diagnosis for RecordingError {
    fn fault(&self) -> Fault {
        let advice = match self {
            Self::Unreadable(_) => "check that the file can be read by everybody",
            Self::NoFile => "put a WAV file in its place",
            Self::TooLong(_, LONGEST_TURN) => {
                "say the turn alone (\"left\", \"up\"), and cut the silence at both ends: people have two seconds to begin"
            }
            Self::TooLong(..) => "say it in fewer words, and cut the silence at both ends",
            Self::TooLarge | Self::NotWav(_) | Self::Panicked(_) | Self::Form(_) | Self::Empty => {
                "export it as WAV, mono, 48,000 Hz, 16 bit (PCM), at most 5 s"
            }
        };
        Fault::new(self.to_string()).advise(advice)
    }
}

impl Recording {
    /// All of them.
    pub const ALL: [Self; 10] = [
        Self::In,
        Self::Out,
        Self::Seen,
        Self::TooEarly,
        Self::Unknown,
        Self::Refused,
        Self::TurnLeft,
        Self::TurnRight,
        Self::LookUp,
        Self::LookDown,
    ];

    /// Those that ask for a turn.
    pub const TURNS: [Self; 4] = [Self::TurnLeft, Self::TurnRight, Self::LookUp, Self::LookDown];

    /// What is said after a tone.
    pub fn of(tone: Tone) -> Option<Self> {
        match tone {
            Tone::In => Some(Self::In),
            Tone::Out => Some(Self::Out),
            Tone::Seen => Some(Self::Seen),
            Tone::TooEarly => Some(Self::TooEarly),
            Tone::Unknown => Some(Self::Unknown),
            Tone::Refused => Some(Self::Refused),
            Tone::Prompt(Advice::TurnLeft) => Some(Self::TurnLeft),
            Tone::Prompt(Advice::TurnRight) => Some(Self::TurnRight),
            Tone::Prompt(Advice::LookUp) => Some(Self::LookUp),
            Tone::Prompt(Advice::LookDown) => Some(Self::LookDown),
            Tone::Prompt(_) => None,
        }
    }

    /// The name of its file.
    pub fn file(self) -> &'static str {
        match self {
            Self::In => "in.wav",
            Self::Out => "out.wav",
            Self::Seen => "seen.wav",
            Self::TooEarly => "too-early.wav",
            Self::Unknown => "unknown.wav",
            Self::Refused => "refused.wav",
            Self::TurnLeft => "turn-left.wav",
            Self::TurnRight => "turn-right.wav",
            Self::LookUp => "look-up.wav",
            Self::LookDown => "look-down.wav",
        }
    }

    /// The samples of its file.
    ///
    /// # Errors
    /// [`RecordingError`].
    pub fn parse(self, bytes: &[u8]) -> Result<Vec<i16>, RecordingError> {
        if bytes.len() as u64 > MAX_BYTES {
            return Err(RecordingError::TooLarge);
        }
        contained(|| self.decode(bytes))?
    }

    fn decode(self, bytes: &[u8]) -> Result<Vec<i16>, RecordingError> {
        let reader = WavReader::new(Cursor::new(bytes))?;
        let spec = reader.spec();
        let wanted =
            WavSpec { channels: 1, sample_rate: RATE, bits_per_sample: 16, sample_format: SampleFormat::Int };
        if spec != wanted {
            return Err(RecordingError::Form(spec));
        }
        let longest = if Self::TURNS.contains(&self) { LONGEST_TURN } else { LONGEST };
        match Duration::from_secs_f64(f64::from(reader.duration()) / f64::from(RATE)) {
            Duration::ZERO => Err(RecordingError::Empty),
            length if length > longest => Err(RecordingError::TooLong(length, longest)),
            _ => Ok(reader.into_samples().collect::<Result<_, _>>()?),
        }
    }

    /// Reads its file.
    fn read(self, path: &std::path::Path) -> Result<Vec<i16>, RecordingError> {
        let mut bytes = Vec::new();
        File::open(path)?.take(MAX_BYTES + 1).read_to_end(&mut bytes)?;
        self.parse(&bytes)
    }
}

/// A recording as it is played at `volume`, 0 to 100: by the same rule as a tone.
pub fn at_volume(samples: &[i16], volume: u8) -> Vec<i16> {
    let share = share(volume);
    samples.iter().map(|sample| (f32::from(*sample) * share) as i16).collect()
}

/// By what it is told that a file is another one: when it was changed, and its length.
type Stamp = (Option<SystemTime>, u64);

/// What is known of one file.
#[derive(Debug, Default)]
struct Known {
    stamp: Option<Stamp>,
    /// Its samples or what is wrong; none where there is no file.
    found: Option<Result<Vec<i16>, RecordingError>>,
}

/// The recordings of a folder.
#[derive(Debug)]
pub struct Recordings {
    folder: PathBuf,
    missing: Option<String>,
    known: [Known; Recording::ALL.len()],
}

impl Recordings {
    /// Those of `folder`, of which nothing was read yet.
    pub fn of(folder: PathBuf) -> Self {
        Self { folder, missing: None, known: Default::default() }
    }

    /// Reads the files that have changed. Between two files it calls `stop`; if that is true, the rest is
    /// left for the next time. Returns whether it looked at all of them.
    pub fn refresh(&mut self, mut stop: impl FnMut() -> bool) -> bool {
        self.missing = match std::fs::read_dir(&self.folder) {
            Ok(_) => None,
            Err(error) => Some(error.to_string()),
        };
        for recording in Recording::ALL {
            if stop() {
                return false;
            }
            let path = self.folder.join(recording.file());
            let known = &mut self.known[recording as usize];
            let (stamp, found) = match std::fs::metadata(&path) {
                Ok(about) if known.stamp == Some(stamp(&about)) => continue,
                // Never opened: the opening of a pipe would not end.
                Ok(about) if !about.is_file() => (Some(stamp(&about)), Some(Err(RecordingError::NoFile))),
                Ok(about) => match recording.read(&path) {
                    // To be tried again: rights are changed without a trace in the stamp.
                    Err(error @ RecordingError::Unreadable(_)) => (None, Some(Err(error))),
                    read => (Some(stamp(&about)), Some(read)),
                },
                Err(error) if error.kind() == io::ErrorKind::NotFound => (None, None),
                Err(error) => (None, Some(Err(error.into()))),
            };
            *known = Known { stamp, found };
        }
        true
    }

    /// The samples of a recording, where it is there and whole.
    pub fn samples(&self, recording: Recording) -> Option<&[i16]> {
        self.known[recording as usize].found.as_ref()?.as_deref().ok()
    }

    /// Whether all are there that ask for a turn: any of them may be drawn.
    pub fn can_ask(&self) -> bool {
        Recording::TURNS.iter().all(|turn| self.samples(*turn).is_some())
    }

    /// What is wrong with the folder and its files.
    pub fn faults(&self) -> Vec<Fault> {
        let folder = self.folder.display();
        let missing = self.missing.iter().map(|reason| {
            Fault::new(format!(
                "the folder of recorded words, {folder} (sound.words), cannot be read: {reason}"
            ))
            .advise("put the recordings into it, or remove the setting")
        });
        let wrong = Recording::ALL.iter().filter_map(|recording| {
            let error = self.known[*recording as usize].found.as_ref()?.as_ref().err()?;
            let file = recording.file();
            Some(
                error
                    .fault()
                    .described(|what| format!("the recording {file} of {folder} (sound.words) {what}")),
            )
        });
        if self.missing.is_some() { missing.collect() } else { wrong.collect() }
    }

    /// In words, for the log.
    pub fn describe(&self) -> String {
        let there = Recording::ALL.iter().filter(|recording| self.samples(**recording).is_some());
        let there: Vec<_> = there.map(|recording| recording.file()).collect();
        let asks = if self.can_ask() {
            "can ask for a turn of the head"
        } else {
            "cannot ask for a turn of the head"
        };
        match &*there {
            [] => "no recorded words".to_owned(),
            there => format!("recorded words: {}; they {asks}", there.join(", ")),
        }
    }
}

fn stamp(about: &Metadata) -> Stamp {
    (about.modified().ok(), about.len())
}

#[cfg(test)]
#[path = "recordings_tests.rs"]
mod tests;
