//! The technician's password: only its Argon2 hash is ever stored.
//!
//! The hash stands in the configuration, or in a file of the data folder: a device that has neither makes a password of its
//! own on first start and hands it to the caller once, for the console.

use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};
use std::time::SystemTime;

use argon2::password_hash::rand_core::OsRng;
use argon2::password_hash::{self, PasswordHash, PasswordHasher, PasswordVerifier, SaltString};
use argon2::{Algorithm, Argon2, Params, Version};

use super::private_file;
use crate::secret::Secret;

/// OWASP's smallest recommended memory for Argon2id, KiB: a tenth of a second on a Pi, and little beside the networks.
const MEMORY_KIB: u32 = 19 * 1024;
/// Passes over it, from the same recommendation.
const PASSES: u32 = 2;

/// Longest password taken: what is longer than a body may be cannot arrive anyway, and Argon2's first step reads it all.
const LONGEST: usize = 256;

/// Characters of made passwords: nothing that is mistaken for another when read from a screen. 32 of them, 5 bits each.
const ALPHABET: &[u8; 32] = b"abcdefghijkmnpqrstuvwxyz23456789";
/// Groups of four characters: 80 bits, out of reach even of somebody who stole the card and guesses off line.
const GROUPS: usize = 4;

/// Why there is no password to compare with.
#[derive(Debug, thiserror::Error)]
pub enum PasswordError {
    /// The file of the hash cannot be read or written.
    #[error("{}: {source}; the page cannot know its password without it", path.display())]
    File {
        /// The file.
        path: PathBuf,
        /// What the system says.
        source: io::Error,
    },
    /// Not an Argon2 hash.
    #[error(
        "{place} is not an Argon2 hash; it begins with \"$argon2id$\" and is made by `attendance password`"
    )]
    NotAHash {
        /// Where it stands.
        place: String,
    },
    /// The password cannot be hashed.
    #[error("cannot hash the password: {0}")]
    Hashing(password_hash::Error),
}

/// The hash of the technician's password.
#[derive(Clone, PartialEq, Eq)]
pub struct Password {
    hash: String,
}

/// The password the server compares with at this moment. One kept in a file is read again when the file changes: who
/// makes a new password because the old one is known to others must not have to wait for a restart.
pub(super) struct CurrentPassword {
    file: Option<PathBuf>,
    kept: Mutex<(Password, Option<SystemTime>)>,
}

impl CurrentPassword {
    /// `file` is none for a password of the configuration, which stays.
    pub(super) fn new(password: Password, file: Option<PathBuf>) -> Self {
        let changed = file.as_deref().and_then(changed);
        Self { file, kept: Mutex::new((password, changed)) }
    }

    /// The password, and whether it is another than at the last call. A file that cannot be read changes nothing.
    pub(super) fn present(&self) -> (Password, bool) {
        let mut kept = self.kept.lock().unwrap_or_else(PoisonError::into_inner);
        let Some(file) = &self.file else { return (kept.0.clone(), false) };
        let changed = changed(file);
        if changed == kept.1 {
            return (kept.0.clone(), false);
        }
        let read = private_file::read(file).ok().flatten();
        let read = read.and_then(|hash| Password::parse(hash.trim(), "the file").ok());
        let is_new = read.as_ref().is_some_and(|password| *password != kept.0);
        let password = read.unwrap_or_else(|| kept.0.clone());
        *kept = (password.clone(), changed);
        (password, is_new)
    }
}

fn changed(file: &Path) -> Option<SystemTime> {
    std::fs::metadata(file).and_then(|meta| meta.modified()).ok()
}

impl Password {
    /// The hash from the configuration, else the one kept in `file`, else a new password, which is returned to be shown
    /// once.
    ///
    /// # Errors
    /// [`PasswordError`].
    pub fn load_or_make(
        configured: Option<&Secret>,
        file: &Path,
    ) -> Result<(Self, Option<Secret>), PasswordError> {
        if let Some(hash) = configured {
            return Ok((Self::parse(hash.expose(), "page.password_hash")?, None));
        }
        match private_file::read(file).map_err(|source| failed(file, source))? {
            Some(hash) => Ok((Self::parse(hash.trim(), &file.display().to_string())?, None)),
            None => Self::make(file).map(|(password, shown)| (password, Some(shown))),
        }
    }

    /// Makes a new password, unique to this device, and keeps its hash in `file`.
    ///
    /// # Errors
    /// [`PasswordError`].
    pub fn make(file: &Path) -> Result<(Self, Secret), PasswordError> {
        let shown = random_password();
        let hash = hash(&shown)?;
        private_file::write(file, hash.as_bytes()).map_err(|source| failed(file, source))?;
        Ok((Self { hash }, shown))
    }

    fn parse(hash: &str, place: &str) -> Result<Self, PasswordError> {
        match PasswordHash::new(hash) {
            Ok(parsed) if parsed.algorithm.as_str().starts_with("argon2") && parsed.hash.is_some() => {
                Ok(Self { hash: hash.to_owned() })
            }
            _ => Err(PasswordError::NotAHash { place: place.to_owned() }),
        }
    }

    /// Whether `attempt` is the password. Takes a tenth of a second of one core, whatever the answer.
    pub fn is(&self, attempt: &str) -> bool {
        attempt.len() <= LONGEST
            && PasswordHash::new(&self.hash)
                .is_ok_and(|hash| Argon2::default().verify_password(attempt.as_bytes(), &hash).is_ok())
    }
}

/// The Argon2id hash of a password, as `page.password_hash` takes it.
///
/// # Errors
/// [`PasswordError::Hashing`].
pub fn hash(password: &Secret) -> Result<String, PasswordError> {
    let params = Params::new(MEMORY_KIB, PASSES, 1, None).map_err(|e| PasswordError::Hashing(e.into()))?;
    Argon2::new(Algorithm::Argon2id, Version::V0x13, params)
        .hash_password(password.expose().as_bytes(), &SaltString::generate(&mut OsRng))
        .map(|hash| hash.to_string())
        .map_err(PasswordError::Hashing)
}

fn failed(file: &Path, source: io::Error) -> PasswordError {
    PasswordError::File { path: file.to_owned(), source }
}

fn random_password() -> Secret {
    use argon2::password_hash::rand_core::RngCore;
    let mut random = [0_u8; GROUPS * 4];
    OsRng.fill_bytes(&mut random);
    let letters: Vec<u8> = random.iter().map(|byte| ALPHABET[usize::from(byte % 32)]).collect();
    let groups: Vec<_> = letters.chunks(4).map(|group| String::from_utf8_lossy(group).into_owned()).collect();
    Secret::new(groups.join("-"))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn made_once_shown_once_and_stored_as_a_hash() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("page/password");
        let (password, shown) = Password::load_or_make(None, &file).unwrap();
        let shown = shown.unwrap();
        assert!(password.is(shown.expose()));
        assert!(!password.is(""));
        assert!(!password.is(&"a".repeat(100_000)));
        let stored = std::fs::read_to_string(&file).unwrap();
        assert!(stored.starts_with("$argon2id$v=19$m=19456,t=2,p=1$") && !stored.contains(shown.expose()));
        let (again, none) = Password::load_or_make(None, &file).unwrap();
        assert!(none.is_none() && again.is(shown.expose()));
        let (_, other) = Password::make(&folder.path().join("other")).unwrap();
        assert_ne!(other.expose(), shown.expose());
    }

    #[test]
    fn the_configured_hash_comes_first_and_must_be_one() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("password");
        let hash = Secret::new(hash(&Secret::new("correct horse")).unwrap());
        let (password, shown) = Password::load_or_make(Some(&hash), &file).unwrap();
        assert!(shown.is_none() && password.is("correct horse") && !file.exists());
        for bad in ["correct horse", "", "$argon2id$", "$5$rounds=1$a$b"] {
            let refused = Password::load_or_make(Some(&Secret::new(bad)), &file).err().unwrap().to_string();
            assert!(refused.contains("page.password_hash") && !refused.contains("horse"), "{refused}");
        }
    }
}
