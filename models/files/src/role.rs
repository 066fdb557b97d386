//! What a weight file is for.

use std::fmt::{self, Display};
use std::str::FromStr;

use serde::{Deserialize, Serialize};

/// The part a model plays in the appliance. Names a file in the store, and an entry in `models.lock`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub enum Role {
    /// BlazeFace for faces within two metres.
    FaceDetectorShortRange,
    /// BlazeFace for faces within five metres, the default detector.
    FaceDetectorFullRange,
    /// 468 points of a face: pose and eye corners.
    FaceMesh,
    /// Lid contour and iris of one eye: blinks.
    Iris,
    /// MobileFaceNet: a face becomes 192 numbers.
    Embedder,
    /// SFace: a face becomes 128 numbers. The default embedder; its weights have 8 bits.
    EmbedderSface,
    /// SFace with its weights as they were published, to measure what 8 bits cost.
    EmbedderSfaceFp32,
    /// MiniFASNetV2, on a crop of 2.7 times the face.
    AntispoofV2,
    /// MiniFASNetV1SE, on a crop of 4 times the face.
    AntispoofV1Se,
    /// MiniFAS at 128×128, a second opinion.
    Antispoof128,
    /// YuNet at 320×320, an alternative detector.
    DetectorYunet320,
    /// YuNet at 640×640.
    DetectorYunet640,
}

/// A name that is no [`Role`].
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0:?} is not a model; there are {list}", list = Role::ALL.map(Role::name).join(", "))]
pub struct UnknownRole(String);

impl Role {
    /// All roles, in the order they are fetched and listed.
    pub const ALL: [Self; 12] = [
        Self::FaceDetectorShortRange,
        Self::FaceDetectorFullRange,
        Self::FaceMesh,
        Self::Iris,
        Self::Embedder,
        Self::EmbedderSface,
        Self::EmbedderSfaceFp32,
        Self::AntispoofV2,
        Self::AntispoofV1Se,
        Self::Antispoof128,
        Self::DetectorYunet320,
        Self::DetectorYunet640,
    ];

    /// The name in `models.lock`, on the command line, and of the file without its extension.
    pub const fn name(self) -> &'static str {
        match self {
            Self::FaceDetectorShortRange => "face-detector-short-range",
            Self::FaceDetectorFullRange => "face-detector-full-range",
            Self::FaceMesh => "face-mesh",
            Self::Iris => "iris",
            Self::Embedder => "embedder",
            Self::EmbedderSface => "embedder-sface",
            Self::EmbedderSfaceFp32 => "embedder-sface-fp32",
            Self::AntispoofV2 => "antispoof-v2",
            Self::AntispoofV1Se => "antispoof-v1se",
            Self::Antispoof128 => "antispoof-128",
            Self::DetectorYunet320 => "detector-yunet-320",
            Self::DetectorYunet640 => "detector-yunet-640",
        }
    }
}

impl Display for Role {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.name())
    }
}

impl FromStr for Role {
    type Err = UnknownRole;

    fn from_str(name: &str) -> Result<Self, UnknownRole> {
        Self::ALL.into_iter().find(|role| role.name() == name).ok_or_else(|| UnknownRole(name.to_owned()))
    }
}

impl TryFrom<String> for Role {
    type Error = UnknownRole;

    fn try_from(name: String) -> Result<Self, UnknownRole> {
        name.parse()
    }
}

impl From<Role> for String {
    fn from(role: Role) -> Self {
        role.name().to_owned()
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;

    #[test]
    fn every_name_parses_back() {
        for role in Role::ALL {
            assert_eq!(role.to_string().parse::<Role>().unwrap(), role);
        }
        let message = "blazeface".parse::<Role>().unwrap_err().to_string();
        assert!(message.contains("face-detector-short-range"), "{message}");
    }
}
