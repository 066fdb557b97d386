//! The section `[camera]` of the configuration.

use std::path::PathBuf;

use base::rotation::Rotation;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// The camera.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Camera {
    /// "libcamera" on the device, "replay" for files.
    pub source: CameraSource,
    /// The camera's id as libcamera names it, or a part of it that no other camera's id has, for example
    /// "imx219"; empty: the first camera that is there.
    pub id: Option<String>,
    /// Files for "replay": a Y4M or MJPEG video, or folders of pictures, shown one after the other.
    pub replay: Vec<PathBuf>,
    /// Whether the replay starts again at its end.
    pub replay_loop: bool,
    /// Seconds of film shown in a second, 0.01 to 1. Below 1 the film is in slow motion, for a machine that
    /// is too slow for it; time stamps are then the film's.
    pub replay_speed: f32,
    /// Frames a second, 5 to 60: liveness loses a face that it does not see for 350 ms. A replayed video
    /// keeps its own rate.
    pub frame_rate: f32,
    /// Frames a second that the exposure may slow down to in the dark, 5 to 60; never above frame_rate.
    /// Slower gathers more light and blurs who walks.
    pub slowest_frame_rate: f32,
    /// Width of the picture asked for, pixels. The camera gives the nearest it has.
    pub width: u32,
    /// Height of the picture asked for, pixels.
    pub height: u32,
    /// Degrees by which the picture is turned clockwise, so that heads are up: 0, 90, 180 or 270.
    #[schemars(with = "u32")]
    pub rotation: Rotation,
    /// Whether left and right are exchanged, after which it is turned.
    pub mirror: bool,
    /// The mains frequency, whose lamps flicker: "50hz", "60hz", "auto" (where the camera can tell) or "off".
    pub flicker: Flicker,
    /// Whether a camera that can focus does so automatically, on the face when there is one.
    pub autofocus: bool,
    /// Whether the exposure is corrected so that the face is bright enough, not the whole picture.
    pub expose_for_face: bool,
}

impl Default for Camera {
    fn default() -> Self {
        Self {
            source: CameraSource::Libcamera,
            id: None,
            replay: Vec::new(),
            replay_loop: true,
            replay_speed: 1.0,
            frame_rate: 15.0,
            slowest_frame_rate: 10.0,
            width: 1280,
            height: 720,
            rotation: Rotation::default(),
            mirror: false,
            flicker: Flicker::Hz50,
            autofocus: true,
            expose_for_face: true,
        }
    }
}

/// How bands from flickering lamps are avoided.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Flicker {
    /// Not at all.
    Off,
    /// As the camera finds out.
    Auto,
    /// Europe, Africa, most of Asia and of South America.
    #[serde(rename = "50hz")]
    Hz50,
    /// North America, Japan's west and some others.
    #[serde(rename = "60hz")]
    Hz60,
}

impl Flicker {
    /// Time from one flash of a lamp to the next, microseconds: lamps flash twice in a period of the mains.
    pub fn period_us(self) -> Option<i32> {
        match self {
            Self::Off | Self::Auto => None,
            Self::Hz50 => Some(10_000),
            Self::Hz60 => Some(8_333),
        }
    }
}

/// Where frames come from.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum CameraSource {
    /// A real camera.
    Libcamera,
    /// Files, in real time.
    Replay,
}
