//! Writing an archive: one pass over the files, whatever their size.

use std::fmt::Write as _;
use std::io::{self, Read, Write};

use age::stream::StreamWriter;
use sha2::{Digest as _, Sha256};
use tar::{Builder, EntryType, Header};

use crate::read::Limits;
use crate::seal::seal;
use crate::{ABOUT, About, ArchiveError, SUMS, names};
use base::hexadecimal::hexadecimal;
use base::secret::Secret;

/// An archive that is being written.
pub struct Archiver<W: Write> {
    tar: Builder<StreamWriter<W>>,
    sums: String,
    files: usize,
    bytes: u64,
}

impl<W: Write> Archiver<W> {
    /// Begins one.
    ///
    /// # Errors
    /// [`ArchiveError`].
    pub fn begin(output: W, passphrase: &Secret, about: &About) -> Result<Self, ArchiveError> {
        let mut archiver =
            Self { tar: Builder::new(seal(output, passphrase)?), sums: String::new(), files: 0, bytes: 0 };
        let json = serde_json::to_vec_pretty(about).map_err(io::Error::other).map_err(written)?;
        archiver.entry(ABOUT, json.len() as u64, &mut &*json)?;
        Ok(archiver)
    }

    /// Adds a file of `bytes` bytes. `path` is one of [`names`]; what `content` has beyond `bytes` is left
    /// out.
    ///
    /// # Errors
    /// [`ArchiveError::Full`] where it is more than [`Limits`]; [`ArchiveError::Changing`] where `content`
    /// ends early.
    pub fn file(&mut self, path: &str, bytes: u64, content: impl Read) -> Result<(), ArchiveError> {
        match names::most_bytes(path) {
            Some(most) if bytes <= most => {}
            Some(_) => return Err(ArchiveError::TooLarge),
            None => return Err(ArchiveError::Unexpected(format!("{path:?}"))),
        }
        // Nobody finds out at the import, when the device is gone.
        let most = Limits::default();
        (self.files, self.bytes) = (self.files + 1, self.bytes + bytes);
        if self.files > most.files || self.bytes > most.bytes {
            return Err(ArchiveError::Full { files: self.files, megabytes: self.bytes >> 20 });
        }
        let mut counted = Counted { content: content.take(bytes), hasher: Sha256::new(), bytes: 0 };
        self.entry(path, bytes, &mut counted)?;
        if counted.bytes != bytes {
            return Err(ArchiveError::Changing(path.to_owned()));
        }
        // Writing to a String cannot fail.
        let _ = writeln!(self.sums, "{}  {path}", hexadecimal(&counted.hasher.finalize()));
        Ok(())
    }

    /// Writes the sums and the end.
    ///
    /// # Errors
    /// [`ArchiveError`].
    pub fn finish(mut self) -> Result<W, ArchiveError> {
        let sums = std::mem::take(&mut self.sums);
        self.entry(SUMS, sums.len() as u64, &mut sums.as_bytes())?;
        let sealed = self.tar.into_inner().map_err(written)?;
        let mut output = sealed.finish().map_err(written)?;
        output.flush().map_err(written)?;
        Ok(output)
    }

    fn entry(&mut self, path: &str, bytes: u64, content: &mut impl Read) -> Result<(), ArchiveError> {
        let mut header = Header::new_ustar();
        header.set_entry_type(EntryType::Regular);
        header.set_mode(0o600);
        header.set_size(bytes);
        // Names longer than a header's field get an entry of their own.
        self.tar.append_data(&mut header, path, content).map_err(written)
    }
}

fn written(source: io::Error) -> ArchiveError {
    ArchiveError::io("cannot write the archive")(source)
}

struct Counted<R> {
    content: R,
    hasher: Sha256,
    bytes: u64,
}

impl<R: Read> Read for Counted<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let read = self.content.read(buffer)?;
        self.hasher.update(&buffer[..read]);
        self.bytes += read as u64;
        Ok(read)
    }
}
