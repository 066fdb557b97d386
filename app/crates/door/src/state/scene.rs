//! What stands on the screen at one moment.

use base::event::Advice;

use crate::tones::Tone;

/// What a person is told about their visit.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Kind {
    /// Arrived.
    In,
    /// Left.
    Out,
    /// Recognised at a later visit: no row is due.
    Seen,
    /// Recognised again in the same visit.
    TooEarly,
    /// Nobody on the roster.
    Unknown,
    /// Refused as a picture.
    Refused,
    /// The answer takes a moment.
    Wait,
}

impl Kind {
    /// All of them.
    pub const ALL: [Self; 7] =
        [Self::In, Self::Out, Self::Seen, Self::TooEarly, Self::Unknown, Self::Refused, Self::Wait];

    /// Whether the time belongs to it: the time of a row, or of being seen.
    pub fn has_time(self) -> bool {
        matches!(self, Self::In | Self::Out | Self::Seen | Self::TooEarly)
    }

    /// What is heard with it.
    pub fn tone(self) -> Option<Tone> {
        match self {
            Self::In => Some(Tone::In),
            Self::Out => Some(Tone::Out),
            Self::Seen => Some(Tone::Seen),
            Self::TooEarly => Some(Tone::TooEarly),
            Self::Unknown => Some(Tone::Unknown),
            Self::Refused => Some(Tone::Refused),
            Self::Wait => None,
        }
    }
}

/// One answer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Card {
    /// Which.
    pub kind: Kind,
    /// For whom, as it is to be read; none where nobody is named.
    pub who: Option<String>,
    /// Time of day, "09:00".
    pub time: Option<String>,
}

/// How bright the screen is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Light {
    /// Somebody is there.
    Bright,
    /// Nobody is there.
    Dim,
    /// Nobody is there, and it is night.
    Night,
}

/// Date and time of the site.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Wall {
    /// Hour, 0 to 23.
    pub hour: u8,
    /// Minute.
    pub minute: u8,
    /// Day of the week, 1 is Monday.
    pub weekday: u8,
    /// Day of the month.
    pub day: u8,
    /// Month, 1 to 12.
    pub month: u8,
}

impl Wall {
    /// "09:05".
    pub fn clock(&self) -> String {
        format!("{:02}:{:02}", self.hour, self.minute)
    }

    /// Minutes since midnight.
    pub fn minute_of_day(&self) -> u16 {
        u16::from(self.hour) * 60 + u16::from(self.minute)
    }
}

impl From<time::PrimitiveDateTime> for Wall {
    fn from(at: time::PrimitiveDateTime) -> Self {
        Self {
            hour: at.hour(),
            minute: at.minute(),
            weekday: at.weekday().number_from_monday(),
            day: at.day(),
            month: at.month().into(),
        }
    }
}

/// What stands on the screen.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Scene {
    /// Answers, side by side; they come before everything else.
    pub cards: Vec<Card>,
    /// What the person there should do.
    pub advice: Option<Advice>,
    /// Whether somebody is there: then people see themselves.
    pub somebody: bool,
    /// Whether the small sign for the staff is shown.
    pub staff: bool,
    /// How bright it is.
    pub light: Light,
    /// Date and time; none while the clock is not known.
    pub wall: Option<Wall>,
    /// The school's name.
    pub site: String,
}

impl Scene {
    /// One word for what is shown: the name of a picture's file.
    pub fn word(&self) -> &'static str {
        match (self.cards.as_slice(), self.somebody) {
            ([], true) if self.advice.is_some_and(super::is_prompt) => "prompt",
            ([], true) => "somebody",
            ([], false) => "idle",
            ([card], _) => match card.kind {
                Kind::In => "in",
                Kind::Out => "out",
                Kind::Seen => "seen",
                Kind::TooEarly => "too-early",
                Kind::Unknown => "unknown",
                Kind::Refused => "refused",
                Kind::Wait => "wait",
            },
            _ => "several",
        }
    }

    /// Whether people see their own picture in it.
    pub fn has_picture(&self) -> bool {
        self.cards.is_empty() && self.somebody
    }
}
