//! Which way up something is mounted, as a setting.

use serde::{Deserialize, Serialize};

/// Which way up a camera or a display is mounted: quarter-turns clockwise, written in degrees.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(try_from = "u32", into = "u32")]
pub struct Rotation(u8);

impl Rotation {
    /// Quarter-turns clockwise, 0 to 3.
    pub fn quarters(self) -> u8 {
        self.0
    }
}

impl TryFrom<u32> for Rotation {
    type Error = String;

    fn try_from(degrees: u32) -> Result<Self, Self::Error> {
        match degrees {
            0 | 90 | 180 | 270 => Ok(Self((degrees / 90) as u8)),
            _ => Err(format!("{degrees} is not a rotation; it is 0, 90, 180 or 270 degrees")),
        }
    }
}

impl From<Rotation> for u32 {
    fn from(rotation: Rotation) -> Self {
        Self::from(rotation.0) * 90
    }
}
