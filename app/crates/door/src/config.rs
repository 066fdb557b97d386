//! The sections `[door]`, `[screen]`, `[sound]` and `[relay]` of the configuration.

use std::path::PathBuf;
use std::time::Duration;

use base::rotation::Rotation;
use base::unworkable::Unworkable;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::hours::{Hours, VolumeAt};
use crate::pins::Pin;

/// What the person at the door is shown.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Door {
    /// How a recognised person is named on the screen: "name" (the roll number where no name is known, or
    /// where the fonts cannot show it), "roll" or "tick" (neither).
    pub show: Show,
    /// Language of the screen: "en" (English) or "hi" (Hindi).
    pub language: Language,
    /// Label of the GPIO controller behind the header's pins. Only another board than a Raspberry Pi 5 needs
    /// another one.
    pub gpio_controller: String,
}

impl Default for Door {
    fn default() -> Self {
        Self {
            show: Show::default(),
            language: Language::default(),
            gpio_controller: crate::pins::CONTROLLER.to_owned(),
        }
    }
}

/// How a person is named.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Show {
    /// By name, else by roll number.
    #[default]
    Name,
    /// By roll number.
    Roll,
    /// Not at all.
    Tick,
}

/// A language that there are texts for.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Language {
    /// English.
    #[default]
    En,
    /// Hindi.
    Hi,
}

impl Language {
    /// All of them.
    pub const ALL: [Self; 2] = [Self::En, Self::Hi];

    /// As BCP 47 names it.
    pub fn tag(self) -> &'static str {
        match self {
            Self::En => "en",
            Self::Hi => "hi",
        }
    }
}

/// The display.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Screen {
    /// Whether a display that is connected shows the door's screen. Until somebody has logged in, and while
    /// another console than the first is chosen (Alt+F2), it shows the console.
    pub enabled: bool,
    /// Degrees by which the screen's content is turned clockwise, for a display mounted upright: 0, 90, 180
    /// or 270.
    #[schemars(with = "u32")]
    pub rotation: Rotation,
    /// Whether people see their own picture, mirrored.
    pub picture: bool,
    /// The screen dims after nobody was there for this long.
    #[serde(with = "humantime_serde")]
    #[schemars(with = "String")]
    pub dim_after: Duration,
    /// Hours in which the screen is nearly dark while nobody is there, for example "20:00-06:00".
    #[schemars(with = "Option<String>")]
    pub night: Option<Hours>,
}

impl Default for Screen {
    fn default() -> Self {
        Self {
            enabled: true,
            rotation: Rotation::default(),
            picture: true,
            dim_after: Duration::from_secs(60),
            night: None,
        }
    }
}

/// Tones and lights.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Sound {
    /// Loudness of the tones through a sound card, 0 (silent) to 100. A buzzer knows on and off only: 0
    /// silences it.
    pub volume: u8,
    /// Hours in which tones are played, for example "07:00-18:00"; empty: always.
    #[schemars(with = "Option<String>")]
    pub hours: Option<Hours>,
    /// Another loudness at certain hours, for example ["07:30-08:15=100", "12:00-13:00=30"]. The first one
    /// that fits counts; at all other times `volume` does.
    #[schemars(with = "Vec<String>")]
    pub volume_at: Vec<VolumeAt>,
    /// The ALSA device, as "default" or "plughw:1,0"; empty: no sound card. The program must be built with
    /// the feature "alsa".
    pub device: Option<String>,
    /// Folder with recorded words that are played after their tones: in.wav, out.wav, seen.wav,
    /// too-early.wav, unknown.wav, refused.wav, turn-left.wav, turn-right.wav, look-up.wav and look-down.wav;
    /// empty: tones only. With the last four a device without a screen can ask people to turn the head.
    pub words: Option<PathBuf>,
    /// Header pin of an active buzzer (one that sounds while its pin is high), for example 11.
    #[schemars(with = "Option<u8>")]
    pub buzzer_pin: Option<Pin>,
    /// Header pin of a green light: on for IN, OUT and "seen".
    #[schemars(with = "Option<u8>")]
    pub green_pin: Option<Pin>,
    /// Header pin of a red light: on for "unknown" and "refused".
    #[schemars(with = "Option<u8>")]
    pub red_pin: Option<Pin>,
}

impl Default for Sound {
    fn default() -> Self {
        Self {
            volume: 70,
            hours: None,
            volume_at: Vec::new(),
            device: None,
            words: None,
            buzzer_pin: None,
            green_pin: None,
            red_pin: None,
        }
    }
}

impl Sound {
    /// Loudness, 0 to 100, at this minute of the day (0 to 1439); none where the time is not known, and then
    /// hours do not count.
    pub fn volume_now(&self, minute: Option<u16>) -> u8 {
        let Some(minute) = minute else { return self.volume };
        if self.hours.is_some_and(|hours| !hours.hold(minute)) {
            return 0;
        }
        let other = self.volume_at.iter().find(|other| other.hours.hold(minute));
        other.map_or(self.volume, |other| other.volume)
    }

    /// Whether it is above 0 at any time.
    pub fn is_ever_heard(&self) -> bool {
        self.volume > 0 || self.volume_at.iter().any(|other| other.volume > 0)
    }
}

/// The door opener.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Relay {
    /// Header pin of the relay that opens the door, for example 16; empty: no relay. It needs a resistor that
    /// keeps it off while the device starts: see "Screen, sound and pins" in README.
    #[schemars(with = "Option<u8>")]
    pub pin: Option<Pin>,
    /// Whether the relay is on while its pin is high; false for boards that switch at low.
    pub active_high: bool,
    /// How long the relay is on, 100ms to 30s.
    #[serde(with = "humantime_serde")]
    #[schemars(with = "String")]
    pub pulse: Duration,
    /// Hours in which the door is opened, for example "07:00-17:00"; empty: always. With hours it stays shut
    /// while the clock is not known.
    #[schemars(with = "Option<String>")]
    pub hours: Option<Hours>,
    /// Whether a recognition opens the door that a recording of the person may have caused: one whose
    /// liveness was shown neither by the door's own scene nor by a turn that was asked for.
    pub accept_recordings: bool,
}

impl Default for Relay {
    fn default() -> Self {
        Self {
            pin: None,
            active_high: true,
            pulse: Duration::from_secs(3),
            hours: None,
            accept_recordings: false,
        }
    }
}

/// All sections.
#[derive(Debug, Clone, Default)]
pub struct Settings {
    /// What is shown.
    pub door: Door,
    /// Where it is shown.
    pub screen: Screen,
    /// Tones and lights.
    pub sound: Sound,
    /// The door opener.
    pub relay: Relay,
}

impl Settings {
    /// What cannot work, each with the setting's name.
    pub fn problems(&self) -> Vec<Unworkable> {
        let mut found = Vec::new();
        let mut add =
            |settings: &'static [&'static str], what: String| found.push(Unworkable { settings, what });
        let pulse = self.relay.pulse;
        if !(Duration::from_millis(100)..=Duration::from_secs(30)).contains(&pulse) {
            add(&["relay.pulse"], format!("is {pulse:?}; allowed is 100ms to 30s"));
        }
        if self.sound.volume > 100 {
            add(&["sound.volume"], format!("is {}; allowed is 0 to 100", self.sound.volume));
        }
        if self.sound.words.is_some() && self.sound.device.is_none() {
            add(&["sound.words", "sound.device"], "needs a sound card: set sound.device, too".to_owned());
        }
        let longest = Duration::from_secs(86_400);
        if !(Duration::from_secs(5)..=longest).contains(&self.screen.dim_after) {
            add(&["screen.dim_after"], format!("is {:?}; allowed is 5s to 1day", self.screen.dim_after));
        }
        let used: [(&'static [&'static str], _); 4] = [
            (&["sound.buzzer_pin"], self.sound.buzzer_pin),
            (&["sound.green_pin"], self.sound.green_pin),
            (&["sound.red_pin"], self.sound.red_pin),
            (&["relay.pin"], self.relay.pin),
        ];
        for (index, (name, pin)) in used.iter().enumerate() {
            let Some(pin) = pin else { continue };
            if let Some((other, _)) = used[..index].iter().find(|(_, other)| *other == Some(*pin)) {
                add(name, format!("header pin {pin} is used by {} already; choose another", other[0]));
            }
        }
        found
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn one_pin_for_two_things_and_a_pulse_of_an_hour_are_refused() {
        let mut settings = Settings::default();
        assert_eq!(settings.problems(), Vec::new());
        settings.sound.buzzer_pin = Some(Pin::try_from(16).unwrap());
        settings.relay = Relay {
            pin: Some(Pin::try_from(16).unwrap()),
            pulse: Duration::from_secs(3600),
            ..Relay::default()
        };
        settings.sound.volume = 101;
        settings.sound.words = Some("/words".into());
        settings.screen.dim_after = Duration::ZERO;
        let problems = settings.problems();
        for name in ["relay.pulse", "relay.pin", "sound.volume", "sound.words", "screen.dim_after"] {
            assert!(problems.iter().any(|problem| problem.setting() == Some(name)), "{name}: {problems:?}");
        }
    }
}
