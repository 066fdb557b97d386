//! The two fonts: which files they are, by SHA-256, and where they lie.
//!
//! What stands on the screen is the same on every machine, and nothing else than these two files is ever
//! parsed as a font.

use std::io;
use std::path::{Path, PathBuf};

use sha2::{Digest, Sha256};
use skrifa::Font;

use base::failure::{Diagnosis, Fault};

/// A font that is used.
struct Locked {
    package: &'static str,
    /// Below the folder for fonts.
    path: &'static str,
    /// The SHA-256 of the file in Debian 12 and, if it differs there, in Debian 13.
    sha256: &'static [&'static str],
}

const LATIN: Locked = Locked {
    package: "fonts-dejavu-core",
    path: "dejavu/DejaVuSans-Bold.ttf",
    sha256: &[
        "0d977336a6d5fba34eab8e3199eb218327161b5143749f802982c2bc34df0c96",
        "a4c5bc453ca281d90ea079e596da7ae0dfeb5777497c29ec254e76d97ff6f890",
    ],
};

const DEVANAGARI: Locked = Locked {
    package: "fonts-lohit-deva",
    path: "lohit-devanagari/Lohit-Devanagari.ttf",
    sha256: &["245eef612b94246c6ab9640d07ce21d3d886fabeba6d4ba5beaa859ba58bc7d0"],
};

/// Where Debian's packages put TrueType fonts.
pub const FOLDER: &str = "/usr/share/fonts/truetype";

/// Largest font file read.
const MAX_BYTES: u64 = 4_000_000;

/// The fonts of the screen.
#[derive(Clone)]
pub struct Fonts {
    /// Latin, Greek, Cyrillic and digits.
    pub latin: Font,
    /// Devanagari.
    pub devanagari: Font,
}

/// Why a font is not used.
#[derive(Debug, thiserror::Error)]
pub enum FontError {
    /// It is not there.
    #[error("the font {} cannot be read: {source}", path.display())]
    Unreadable {
        /// The file.
        path: PathBuf,
        /// The package that has it.
        package: &'static str,
        /// An error of the operating system.
        source: io::Error,
    },
    /// It is another file.
    #[error("the font {} is not the file that was tested (SHA-256 {found})", path.display())]
    Other {
        /// The file.
        path: PathBuf,
        /// The package that has it.
        package: &'static str,
        /// Its hash.
        found: String,
    },
}

impl Diagnosis for FontError {
    fn fault(&self) -> Fault {
        let advice = match self {
            Self::Unreadable { package, .. } => {
                format!("install the package {package}; until then the screen shows signs without text")
            }
            Self::Other { package, .. } => format!(
                "install {package} of Debian 12 or 13; until then the screen shows signs without text"
            ),
        };
        Fault::new(self.to_string()).advise(advice)
    }
}

impl Fonts {
    /// Whether every letter of `text` can be drawn.
    pub fn can_write(&self, text: &str) -> bool {
        let has =
            |font: &Font, c: char| font.charmap().map_unicode(c).is_some_and(|glyph| glyph.to_u32() != 0);
        let joiner = |c: char| matches!(c, '\u{200c}' | '\u{200d}');
        text.chars().all(|c| c == ' ' || joiner(c) || has(&self.latin, c) || has(&self.devanagari, c))
    }

    /// Reads the fonts below `folder` ([`FOLDER`] on a Debian system) and checks them.
    ///
    /// # Errors
    /// [`FontError`] for the first that is missing or another one.
    pub fn load(folder: &Path) -> Result<Self, FontError> {
        Ok(Self { latin: read(folder, &LATIN)?, devanagari: read(folder, &DEVANAGARI)? })
    }
}

fn read(folder: &Path, locked: &Locked) -> Result<Font, FontError> {
    let path = folder.join(locked.path);
    let package = locked.package;
    let read = || {
        if std::fs::metadata(&path)?.len() > MAX_BYTES {
            return Err(io::Error::new(io::ErrorKind::FileTooLarge, "it is larger than a font of ours"));
        }
        std::fs::read(&path)
    };
    let bytes = match read() {
        Ok(bytes) => bytes,
        Err(source) => return Err(FontError::Unreadable { path, package, source }),
    };
    let found: String = Sha256::digest(&bytes).iter().map(|byte| format!("{byte:02x}")).collect();
    match Font::new(bytes, 0) {
        Some(font) if locked.sha256.contains(&found.as_str()) => Ok(font),
        _ => Err(FontError::Other { path, package, found }),
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn a_missing_and_an_exchanged_font_say_which_package_to_install() {
        let folder = tempfile::tempdir().unwrap();
        let told = |folder: &Path| Fonts::load(folder).err().unwrap().fault().to_string();
        assert!(told(folder.path()).contains("fonts-dejavu-core"), "{}", told(folder.path()));
        let file = folder.path().join(LATIN.path);
        std::fs::create_dir_all(file.parent().unwrap()).unwrap();
        std::fs::write(file, "another font").unwrap();
        let other = told(folder.path());
        assert!(
            other.contains("is not the file that was tested") && other.contains("without text"),
            "{other}"
        );
    }
}
