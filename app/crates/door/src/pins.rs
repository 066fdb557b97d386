//! The header's pins: which line of RP1's GPIO controller each one is.
//!
//! The device tree of a Pi 5 on Debian's kernel names no lines, so they cannot be looked up by name. Line N
//! of RP1's first bank is GPIO N, and the header brings out GPIO 0 to 27.

use std::fmt;

use serde::{Deserialize, Serialize};

/// Label of the controller whose lines the header brings out.
pub const CONTROLLER: &str = "pinctrl-rp1";

/// Header pin (1 to 40) and the line behind it. The other 12 pins are ground, 3.3 V and 5 V; pins 27 and 28
/// (GPIO 0 and 1) are for the memory of add-on boards and are left alone.
const LINES: [(u8, u32); 26] = [
    (3, 2),
    (5, 3),
    (7, 4),
    (8, 14),
    (10, 15),
    (11, 17),
    (12, 18),
    (13, 27),
    (15, 22),
    (16, 23),
    (18, 24),
    (19, 10),
    (21, 9),
    (22, 25),
    (23, 11),
    (24, 8),
    (26, 7),
    (29, 5),
    (31, 6),
    (32, 12),
    (33, 13),
    (35, 19),
    (36, 16),
    (37, 26),
    (38, 20),
    (40, 21),
];

/// A pin of the 40-pin header that can be switched.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "u8", into = "u8")]
pub struct Pin(u8);

/// Why a number is none.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error(
    "header pin {0} cannot be switched; choose one of 3, 5, 7, 8, 10 to 13, 15, 16, 18, 19, 21 to 24, 26, 29, 31 to \
     33, 35 to 38 or 40"
)]
pub struct NoPin(u8);

impl Pin {
    /// The line of RP1's controller.
    pub fn line(self) -> u32 {
        LINES.iter().find(|(pin, _)| *pin == self.0).map_or(u32::MAX, |(_, line)| *line)
    }
}

impl TryFrom<u8> for Pin {
    type Error = NoPin;

    fn try_from(pin: u8) -> Result<Self, NoPin> {
        if LINES.iter().any(|(known, _)| *known == pin) { Ok(Self(pin)) } else { Err(NoPin(pin)) }
    }
}

impl From<Pin> for u8 {
    fn from(pin: Pin) -> Self {
        pin.0
    }
}

impl fmt::Display for Pin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn each_pin_has_a_line_of_its_own_and_power_pins_have_none() {
        let lines: BTreeSet<u32> = LINES.iter().map(|(_, line)| *line).collect();
        assert_eq!(lines, (2..=27).collect());
        for (pin, line) in [(11, 17), (16, 23), (40, 21)] {
            assert_eq!(Pin::try_from(pin).unwrap().line(), line);
        }
        for none in [0, 1, 2, 4, 6, 9, 14, 17, 20, 25, 27, 28, 30, 34, 39, 41, 255] {
            assert!(Pin::try_from(none).is_err(), "pin {none}");
        }
    }
}
