//! The technician's password: only its Argon2 hash is ever stored.
//!
//! The hash stands in the configuration, or in a file of the data folder: a device that has neither makes a
//! password of its own on first start and hands it to the caller once, for the console. Until somebody has
//! logged in with it, a mark lies beside its hash: a power cut takes it off the console, so the next start of
//! the machine makes another.

use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, MutexGuard, PoisonError};

use argon2::password_hash::rand_core::OsRng;
use argon2::password_hash::{self, PasswordHash, PasswordHasher, PasswordVerifier, SaltString};
use argon2::{Algorithm, Argon2, Params, Version};

use super::private_file;
use base::failure::{Diagnosis, Fault};
use base::secret::Secret;

/// OWASP's smallest recommended memory for Argon2id, KiB: a tenth of a second on a Pi, and little beside the
/// networks.
const MEMORY_KIB: u32 = 19 * 1024;
/// Passes over it, from the same recommendation.
const PASSES: u32 = 2;

/// Longest password taken: what is longer than a body may be cannot arrive anyway, and Argon2's first step
/// reads it all.
const LONGEST: usize = 256;

/// Characters of made passwords: nothing that is mistaken for another when read from a screen. 32 of them, 5
/// bits each.
const ALPHABET: &[u8; 32] = b"abcdefghijkmnpqrstuvwxyz23456789";
/// Groups of four characters: 80 bits, out of reach even of somebody who stole the card and guesses off line.
const GROUPS: usize = 4;

/// Why there is no password to compare with.
#[derive(Debug, thiserror::Error)]
pub enum PasswordError {
    /// The file of the hash cannot be read or written.
    #[error("{}", self.fault())]
    File {
        /// The file.
        path: PathBuf,
        /// An error of the operating system.
        source: io::Error,
    },
    /// Not an Argon2 hash.
    #[error("{}", self.fault())]
    NotAHash {
        /// Where it stands.
        place: String,
    },
    /// Nothing is not a password.
    #[error("{}", self.fault())]
    Empty,
    /// More than would ever be compared.
    #[error("{}", self.fault())]
    TooLong,
    /// The password cannot be hashed.
    #[error("{}", self.fault())]
    Hashing(password_hash::Error),
}

impl Diagnosis for PasswordError {
    fn fault(&self) -> Fault {
        match self {
            Self::File { path, source } => Fault::new(format!("{}: {source}", path.display()))
                .advise("nobody can log in until the service can read and write it"),
            Self::NotAHash { place } => Fault::new(format!("{place} is not an Argon2 hash"))
                .advise("a hash begins with \"$argon2id$\" and is made by `attendance password`"),
            Self::Empty => Fault::new("an empty line is not a password: nothing was hashed")
                .advise("type one, or make one by `attendance password`"),
            Self::TooLong => Fault::new(format!(
                "the password has more than {LONGEST} bytes, and nobody could log in with it"
            ))
            .advise("choose a shorter one"),
            Self::Hashing(error) => Fault::new(format!("cannot hash the password: {error}")),
        }
    }
}

/// The hash of the technician's password; without one, nothing is the password.
#[derive(Clone, PartialEq, Eq)]
pub struct Password {
    hash: Option<String>,
}

/// The password the server compares with at this moment. One kept in a file is read again when the file
/// changes: who makes a new password because the old one is known to others must not have to wait for a
/// restart.
pub struct CurrentPassword {
    file: Option<PathBuf>,
    kept: Mutex<Kept>,
}

struct Kept {
    password: Password,
    version: Option<(u64, i64, i64)>,
    trouble: Option<String>,
}

impl CurrentPassword {
    /// `file` is `None` for a password of the configuration, which stays. If no password could be read,
    /// nobody can log in until there is one.
    pub fn new(password: Result<Password, PasswordError>, file: Option<PathBuf>) -> Self {
        let version = file.as_deref().and_then(private_file::version);
        let (password, trouble) = match password {
            Ok(password) => (password, None),
            Err(error) => {
                log::error!("nobody can log in: {error}");
                (Password { hash: None }, Some(error.to_string()))
            }
        };
        Self { file, kept: Mutex::new(Kept { password, version, trouble }) }
    }

    /// The password, and whether it is another than at the last call. A file that cannot be read changes
    /// nothing.
    pub fn present(&self) -> (Password, bool) {
        let mut kept = self.kept();
        let Some(file) = &self.file else { return (kept.password.clone(), false) };
        let version = private_file::version(file);
        if version == kept.version {
            return (kept.password.clone(), false);
        }
        kept.version = version;
        match Password::read(file) {
            Ok(Some(password)) => {
                let is_new = password != kept.password;
                (kept.password, kept.trouble) = (password, None);
                (kept.password.clone(), is_new)
            }
            Ok(None) => (kept.password.clone(), false),
            Err(error) => {
                log::error!("the password stays what it was: {error}");
                kept.trouble = Some(error.to_string());
                (kept.password.clone(), false)
            }
        }
    }

    /// Why the file's password does not count.
    pub fn trouble(&self) -> Option<String> {
        self.kept().trouble.clone()
    }

    /// Somebody knows it: it stays, whatever happens to the console.
    pub fn is_used(&self) {
        let Some(file) = &self.file else { return };
        if let Err(error) = private_file::remove(&unused_mark(file)) {
            log::warn!(
                "the next start of the machine makes another password: {}: {error}",
                unused_mark(file).display()
            );
        }
    }

    fn kept(&self) -> MutexGuard<'_, Kept> {
        self.kept.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Lies beside the hash as long as nobody has logged in, and names the start of the machine whose console
/// shows the password.
fn unused_mark(file: &Path) -> PathBuf {
    file.with_extension("unused")
}

impl Password {
    /// One that nothing is.
    pub fn none() -> Self {
        Self { hash: None }
    }

    /// The hash from the configuration, else the one kept in `file`. None when a first password is to be
    /// made: there is no hash, or nobody used the password before the machine started again (`boot` names its
    /// present start).
    ///
    /// # Errors
    /// [`PasswordError`].
    pub fn load(configured: Option<&Secret>, file: &Path, boot: &str) -> Result<Option<Self>, PasswordError> {
        if let Some(hash) = configured {
            return Self::parse(hash.expose(), "page.password_hash").map(Some);
        }
        // A mark that cannot be read is none: better no new password than another than the one in use.
        let shown_at = private_file::read(&unused_mark(file)).ok().flatten();
        if shown_at.is_some_and(|shown_at| shown_at != boot) {
            return Ok(None);
        }
        Self::read(file)
    }

    /// Makes a first password for the console to show. The mark comes before the hash, and an older hash goes
    /// before both: a power cut between them must not leave a password that nobody has seen. One that a full
    /// card does not take counts until the service ends: the technician is let in, and the next start makes
    /// another.
    ///
    /// # Errors
    /// [`PasswordError::Hashing`].
    pub fn make_first(file: &Path, boot: &str) -> Result<(Self, Secret), PasswordError> {
        let shown = random_password();
        let hash = hash(&shown)?;
        let kept = private_file::remove(file)
            .and_then(|()| private_file::write(&unused_mark(file), boot.as_bytes()))
            .and_then(|()| private_file::write(file, hash.as_bytes()));
        if let Err(error) = kept {
            log::error!(
                "the page's first password counts until the service ends: {}: {error}",
                file.display()
            );
        }
        Ok((Self { hash: Some(hash) }, shown))
    }

    /// Makes a new password, unique to this device, for the person who asked for it, and keeps its hash in
    /// `file`.
    ///
    /// # Errors
    /// [`PasswordError`].
    pub fn make(file: &Path) -> Result<(Self, Secret), PasswordError> {
        let shown = random_password();
        let hash = hash(&shown)?;
        private_file::write(file, hash.as_bytes()).map_err(|source| failed(file, source))?;
        let mark = unused_mark(file);
        private_file::remove(&mark).map_err(|source| failed(&mark, source))?;
        Ok((Self { hash: Some(hash) }, shown))
    }

    fn read(file: &Path) -> Result<Option<Self>, PasswordError> {
        let hash = private_file::read(file).map_err(|source| failed(file, source))?;
        hash.map(|hash| Self::parse(hash.trim(), &file.display().to_string())).transpose()
    }

    /// Parses the hash that stands at `place`.
    ///
    /// # Errors
    /// [`PasswordError::NotAHash`].
    pub fn parse(hash: &str, place: &str) -> Result<Self, PasswordError> {
        match PasswordHash::new(hash) {
            Ok(parsed) if parsed.algorithm.as_str().starts_with("argon2") && parsed.hash.is_some() => {
                Ok(Self { hash: Some(hash.to_owned()) })
            }
            _ => Err(PasswordError::NotAHash { place: place.to_owned() }),
        }
    }

    /// Whether `attempt` is the password. An empty attempt never is, even if the hash of an empty password is
    /// stored. Takes a tenth of a second of one core, whatever the answer.
    pub fn is(&self, attempt: &str) -> bool {
        let compared = attempt.len() <= LONGEST
            && self
                .hash
                .as_deref()
                .and_then(|hash| PasswordHash::new(hash).ok())
                .is_some_and(|hash| Argon2::default().verify_password(attempt.as_bytes(), &hash).is_ok());
        compared && !attempt.is_empty()
    }
}

/// The Argon2id hash of a password, as `page.password_hash` takes it.
///
/// # Errors
/// [`PasswordError::Empty`] for nothing or blanks, [`PasswordError::TooLong`], [`PasswordError::Hashing`].
pub fn hash(password: &Secret) -> Result<String, PasswordError> {
    match password.expose() {
        password if password.trim().is_empty() => return Err(PasswordError::Empty),
        password if password.len() > LONGEST => return Err(PasswordError::TooLong),
        _ => {}
    }
    hash_of(password)
}

fn hash_of(password: &Secret) -> Result<String, PasswordError> {
    let params = Params::new(MEMORY_KIB, PASSES, 1, None).map_err(|e| PasswordError::Hashing(e.into()))?;
    Argon2::new(Algorithm::Argon2id, Version::V0x13, params)
        .hash_password(password.expose().as_bytes(), &SaltString::generate(&mut OsRng))
        .map(|hash| hash.to_string())
        .map_err(PasswordError::Hashing)
}

fn failed(file: &Path, source: io::Error) -> PasswordError {
    PasswordError::File { path: file.to_owned(), source }
}

/// A password unique to this device.
pub fn random_password() -> Secret {
    use argon2::password_hash::rand_core::RngCore;
    let mut random = [0_u8; GROUPS * 4];
    OsRng.fill_bytes(&mut random);
    let letters: Vec<u8> = random.iter().map(|byte| ALPHABET[usize::from(byte % 32)]).collect();
    let groups: Vec<_> = letters.chunks(4).map(|group| String::from_utf8_lossy(group).into_owned()).collect();
    Secret::new(groups.join("-"))
}

#[cfg(test)]
#[path = "password_tests.rs"]
mod tests;
