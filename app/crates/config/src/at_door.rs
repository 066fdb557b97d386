//! The section `[door]`: which way people pass, and how they are answered.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// The door: which way people pass it, and how a recognised person is named.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct DoorSection {
    /// Which way people pass here: "both", "in" (this door writes INs only) or "out" (departures only; one
    /// visit suffices for an OUT).
    pub direction: journal::config::Direction,
    /// How a recognised person is named on the screen: "name" (the roll number where no name is known, or
    /// where the fonts cannot show it), "roll" or "tick" (neither).
    pub show: door::config::Show,
    /// Language of the screen: "en" (English) or "hi" (Hindi).
    pub language: door::config::Language,
    /// Label of the GPIO controller behind the header's pins. Only another board than a Raspberry Pi 5 needs
    /// another one.
    pub gpio_controller: String,
}

impl Default for DoorSection {
    fn default() -> Self {
        let door::config::Door { show, language, gpio_controller } = Default::default();
        Self { direction: Default::default(), show, language, gpio_controller }
    }
}

impl DoorSection {
    /// What the rules for rows need.
    pub fn of_rows(&self) -> journal::config::Door {
        journal::config::Door { direction: self.direction }
    }

    /// What the screen and the pins need.
    pub fn of_screen(&self) -> door::config::Door {
        let Self { show, language, gpio_controller, .. } = self.clone();
        door::config::Door { show, language, gpio_controller }
    }
}
