//! The tones: which notes each has, as samples for a sound card and as beats for a buzzer.

use std::f32::consts::TAU;
use std::time::Duration;

use base::event::Advice;

/// Samples a second.
pub const RATE: u32 = 48_000;
/// Time in which a note swells and fades, so that it does not click.
const RAMP: Duration = Duration::from_millis(8);

/// What is heard.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Tone {
    /// Two notes up.
    In,
    /// Two notes down.
    Out,
    /// One high note.
    Seen,
    /// One short low note.
    TooEarly,
    /// Two equal notes.
    Unknown,
    /// Three low notes.
    Refused,
    /// A quick step up: this is asked.
    Prompt(Advice),
}

/// The light that goes with a tone.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Lamp {
    /// All is well.
    Green,
    /// It did not work.
    Red,
}

/// A note (hertz; 0 is silence) and how long it lasts.
type Note = (f32, Duration);

const fn ms(millis: u64) -> Duration {
    Duration::from_millis(millis)
}

impl Tone {
    /// All of them, with one of the prompts.
    pub const ALL: [Self; 7] = [
        Self::In,
        Self::Out,
        Self::Seen,
        Self::TooEarly,
        Self::Unknown,
        Self::Refused,
        Self::Prompt(Advice::TurnLeft),
    ];

    /// Its notes.
    pub fn notes(self) -> &'static [Note] {
        const PAUSE: Note = (0.0, ms(60));
        match self {
            Self::In => const { &[(659.3, ms(110)), (987.8, ms(190))] },
            Self::Out => const { &[(987.8, ms(110)), (659.3, ms(190))] },
            Self::Seen => const { &[(880.0, ms(110))] },
            Self::TooEarly => const { &[(440.0, ms(70))] },
            Self::Unknown => const { &[(392.0, ms(150)), PAUSE, (392.0, ms(150))] },
            Self::Refused => const { &[(233.1, ms(150)), PAUSE, (233.1, ms(150)), PAUSE, (233.1, ms(300))] },
            Self::Prompt(_) => const { &[(523.3, ms(70)), (784.0, ms(70))] },
        }
    }

    /// How long it lasts.
    pub fn length(self) -> Duration {
        self.notes().iter().map(|(_, length)| *length).sum()
    }

    /// What a buzzer does: on and off in turn, beginning with on. A buzzer has one pitch, so tones differ by
    /// their beats.
    pub fn beats(self) -> &'static [Duration] {
        match self {
            Self::In => const { &[ms(120)] },
            Self::Out => const { &[ms(60), ms(60), ms(60)] },
            Self::Seen => const { &[ms(60)] },
            Self::TooEarly => const { &[ms(30)] },
            Self::Unknown => const { &[ms(200), ms(100), ms(200)] },
            Self::Refused => const { &[ms(200), ms(100), ms(200), ms(100), ms(400)] },
            Self::Prompt(_) => const { &[ms(30), ms(50), ms(30)] },
        }
    }

    /// The light that goes with it.
    pub fn lamp(self) -> Option<Lamp> {
        match self {
            Self::In | Self::Out | Self::Seen | Self::TooEarly => Some(Lamp::Green),
            Self::Unknown | Self::Refused => Some(Lamp::Red),
            Self::Prompt(_) => None,
        }
    }

    /// The tone as samples, at `volume` from 0 to 100.
    pub fn samples(self, volume: u8) -> Vec<i16> {
        let loud = share(volume) * f32::from(i16::MAX);
        let mut samples = Vec::new();
        for (pitch, length) in self.notes() {
            let count = (length.as_secs_f32() * RATE as f32) as usize;
            let ramp = RAMP.as_secs_f32() * RATE as f32;
            samples.extend((0..count).map(|n| {
                let edge = (n.min(count - 1 - n) as f32 / ramp).min(1.0);
                let phase = TAU * pitch * n as f32 / RATE as f32;
                // A little of the octave: a small loudspeaker plays it better than the note itself.
                let wave = 0.8 * phase.sin() + 0.2 * (2.0 * phase).sin();
                (loud * edge * wave) as i16
            }));
        }
        samples
    }
}

/// Which part of the loudest that a sound card has is played at `volume`, 0 to 100. Loudness is heard by its
/// logarithm: the square is near enough to it.
pub fn share(volume: u8) -> f32 {
    (f32::from(volume.min(100)) / 100.0).powi(2) * 0.6
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    /// Zero crossings a second of a part of the samples: twice the note.
    fn pitch(samples: &[i16]) -> f32 {
        let crossings = samples.windows(2).filter(|pair| (pair[0] < 0) != (pair[1] < 0)).count();
        crossings as f32 / 2.0 * RATE as f32 / samples.len() as f32
    }

    #[test]
    fn tones_are_distinct_short_and_never_too_loud() {
        let beats: BTreeSet<_> = Tone::ALL.iter().map(|tone| tone.beats()).collect();
        assert_eq!(beats.len(), Tone::ALL.len(), "a buzzer can tell them apart");
        for tone in Tone::ALL {
            let samples = tone.samples(100);
            assert!(tone.length() <= ms(800), "{tone:?}");
            assert_eq!(tone.beats().len() % 2, 1, "{tone:?} ends silent");
            assert!(samples.iter().all(|sample| sample.unsigned_abs() < 24_000), "{tone:?}");
            assert_eq!((samples[0], *samples.last().unwrap_or(&1)), (0, 0), "{tone:?} does not click");
            assert!(tone.samples(0).iter().all(|sample| *sample == 0), "{tone:?} can be silent");
        }
    }

    #[test]
    fn coming_rises_and_going_falls() {
        for (tone, rises) in [(Tone::In, true), (Tone::Out, false)] {
            let samples = tone.samples(70);
            let (first, last) = (pitch(&samples[500..4500]), pitch(&samples[7000..13_000]));
            assert!((first < last) == rises && (first - last).abs() > 200.0, "{tone:?}: {first}, {last} Hz");
        }
    }
}
