//! Encryption by a passphrase: age and its scrypt recipient, within bounds.

use std::io::{Cursor, Read, Write};

use age::scrypt::{Identity, Recipient};
use age::secrecy::SecretString;
use age::stream::{StreamReader, StreamWriter};
use age::{DecryptError, Decryptor, EncryptError, Encryptor};

use crate::ArchiveError;
use base::secret::Secret;

/// Least characters of a passphrase. What it protects is worth a long search: photos, keys.
pub const LEAST_CHARACTERS: usize = 12;

/// scrypt's work for what we write, as a power of two: 64 MB of memory, which the smallest Pi 5 has beside
/// recognition.
const WORK: u8 = 16;
/// The most that is accepted: 256 MB. `age -p` of a desktop machine takes as much.
const MOST_WORK: u8 = 18;
/// An age header with one passphrase has some 150 bytes. Its end must come within these.
const MAX_HEADER: usize = 2048;
const BEGIN: &[u8] = b"age-encryption.org/v1\n";

/// Where the encrypted bytes come from: the beginning, which was looked at, and the rest.
type Source<R> = std::io::Chain<Cursor<Vec<u8>>, R>;

/// Encrypts what is written into `output`. To be ended with `finish`.
///
/// # Errors
/// [`ArchiveError`].
pub fn seal<W: Write>(output: W, passphrase: &Secret) -> Result<StreamWriter<W>, ArchiveError> {
    check(passphrase)?;
    let mut recipient = Recipient::new(SecretString::from(passphrase.expose().to_owned()));
    recipient.set_work_factor(WORK);
    let one: [&dyn age::Recipient; 1] = [&recipient];
    let encryptor = Encryptor::with_recipients(one.into_iter()).map_err(|error| match error {
        EncryptError::Io(source) => ArchiveError::io("cannot encrypt")(source),
        other => ArchiveError::io("cannot encrypt")(std::io::Error::other(other.to_string())),
    })?;
    encryptor.wrap_output(output).map_err(ArchiveError::io("cannot write the archive"))
}

/// Whether a passphrase is long enough to be used.
///
/// # Errors
/// [`ArchiveError::ShortPassphrase`].
pub fn check(passphrase: &Secret) -> Result<(), ArchiveError> {
    let long = passphrase.expose().chars().count() >= LEAST_CHARACTERS;
    long.then_some(()).ok_or(ArchiveError::ShortPassphrase)
}

/// Decrypts `input`.
///
/// # Errors
/// [`ArchiveError`]: no such file, the wrong passphrase, or more work than we accept.
pub fn open<R: Read>(mut input: R, passphrase: &Secret) -> Result<StreamReader<Source<R>>, ArchiveError> {
    // age reads a header to its end, however long: so it is looked for first.
    let mut start = Vec::with_capacity(MAX_HEADER);
    input
        .by_ref()
        .take(MAX_HEADER as u64)
        .read_to_end(&mut start)
        .map_err(|error| ArchiveError::Damaged(error.to_string()))?;
    if !start.starts_with(BEGIN) {
        return Err(ArchiveError::Foreign);
    }
    if !start.windows(5).any(|window| window == b"\n--- ") {
        return Err(if start.len() < MAX_HEADER {
            ArchiveError::Damaged("its beginning is not whole".to_owned())
        } else {
            ArchiveError::Foreign
        });
    }
    let decryptor = Decryptor::new(Cursor::new(start).chain(input)).map_err(|error| refusal(&error))?;
    if !decryptor.is_scrypt() {
        return Err(ArchiveError::Foreign);
    }
    let mut identity = Identity::new(SecretString::from(passphrase.expose().to_owned()));
    identity.set_max_work_factor(MOST_WORK);
    let one: [&dyn age::Identity; 1] = [&identity];
    decryptor.decrypt(one.into_iter()).map_err(|error| refusal(&error))
}

fn refusal(error: &DecryptError) -> ArchiveError {
    match error {
        DecryptError::ExcessiveWork { .. } => ArchiveError::ExcessiveWork,
        DecryptError::DecryptionFailed | DecryptError::KeyDecryptionFailed | DecryptError::NoMatchingKeys => {
            ArchiveError::WrongPassphrase
        }
        DecryptError::UnknownFormat => ArchiveError::Foreign,
        other => ArchiveError::Damaged(other.to_string()),
    }
}
